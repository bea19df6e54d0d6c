"""n(delta) and the bracket proved: against float64, against other roads in fractions, and what cannot be proved."""

import sys
from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.information.rates import log_likelihood_rate
from implicit_bayes.theory.proofs.certify_bracket import certify_bracket
from implicit_bayes.theory.proofs.certify_moments import certify_enough, moment_laws
from implicit_bayes.theory.proofs.counterexamples import printed_lemma_1, printed_theorem_1
from implicit_bayes.theory.statements.finite_sample import start_law

HUNDREDTH = Fraction(1, 100)


def of_regular(k, n, s=Fraction(1, 2), **options):
    mixture, start = regular()
    return certify_enough(mixture, PromptLaw.of(mixture, start, 0, k), 0, n, HUNDREDTH, s, **options)


def test_six_examples_are_proved_enough_on_regular():
    """n(0.01) <= 6 <= 8 at k = 2, and 4 at k = 3; 5 and 3 are not proved by this s."""
    assert of_regular(2, 8).proved is True and of_regular(2, 6).proved is True
    assert of_regular(2, 5).proved is False
    assert of_regular(3, 4).proved is True
    found = of_regular(2, 8)
    assert float(found.exponent) == pytest.approx(1.2349232684661868, abs=1e-15)
    assert found.error_bound.radius < 1e-60 and max(base.radius for base in found.base.values()) < 1e-60
    assert found.s == dict.fromkeys((1, 2, 3, 4), Fraction(1, 2)) and set(found.base) == {1, 2, 3, 4}


def test_the_ball_holds_the_float_bound():
    """At the exponent's s the certificate is no smaller than the float bound, which optimises s for each x."""
    mixture, start = regular()
    law = PromptLaw.of(mixture, start, 0, 2)
    found = start_law(mixture, law, 0, "sharp")
    for n in (4, 8, 40):
        exact = float(of_regular(2, n).error_bound)
        assert found.error([n]).value[0] <= exact * (1 + 1e-9)
        assert exact <= 1.2 * found.error([n]).value[0]
    moments = moment_laws(mixture, law, 0)
    ratios, masses = (np.array([float(x) for x in column]) for column in zip(*moments.later[1].items(), strict=True))
    assert masses.sum() == pytest.approx(1.0)
    for s in (0.25, 0.5, 1.5):
        value = np.log((masses * ratios**s).sum())
        assert found.odds.later(0, np.array([s])).value[0] == pytest.approx(value, abs=1e-12)
    assert sum(test.mass for test in moments.tests) == 1
    assert min(float(t.margin) for t in moments.tests) == pytest.approx(found.odds.margin_N.min(), abs=1e-12)


def test_general_emissions_and_a_prior_agree_with_float64():
    rng = np.random.default_rng(5)

    def laws(*shape):
        return (rng.multinomial(100 - shape[-1], np.full(shape[-1], 1 / shape[-1]), shape[:-1]) + 1) / 100

    emission = np.pad(laws(2, 2), ((0, 1), (0, 1)))
    emission[2] = [0, 0, 1]
    mixture = MixtureOfHMMs([0.2, 0.5, 0.3], laws(3, 3), laws(3, 3, 3), emission, 2)
    law = PromptLaw.of(mixture, [0.5, 0.4, 0.1], 0, 3)
    odds, exact = start_law(mixture, law, 0, "sharp").odds, moment_laws(mixture, law, 0)
    for a, c in enumerate((1, 2)):
        assert odds.log_prior_A[a] == pytest.approx(np.log(float(exact.prior_odds[c])))
        for atoms, moment in ((exact.first[c], odds.first), (exact.later[c], odds.later)):
            value = sum(float(m) * float(r) ** 0.4 for r, m in atoms.items())
            assert moment(a, np.array([0.4])).value[0] == pytest.approx(np.log(value), abs=1e-12)
        inputs = sum(float(t.mass) * float(t.ratios[c]) ** 0.4 for t in exact.tests)
        assert np.exp(odds.inputs(a, np.array([0.4])).value).sum() == pytest.approx(inputs)


def test_what_is_false_is_not_proved():
    case = printed_theorem_1()
    for s in (Fraction(1, 10), Fraction(1, 2), Fraction(1)):
        found = certify_enough(case.mixture, case.prompt, 0, 100, Fraction(1, 2), s)
        assert found.proved is False and found.base[1].sign is True and float(found.base[1]) > 1
    lemma = printed_lemma_1()  # x with mass .015 stays wrong
    assert certify_enough(lemma.mixture, lemma.prompt, 0, 10_000, Fraction(1, 50)).proved is True
    assert certify_enough(lemma.mixture, lemma.prompt, 0, 10_000, HUNDREDTH).proved is False


def test_what_certificates_refuse(monkeypatch):
    mixture, start = regular()
    law = PromptLaw.of(mixture, start, 0, 2)
    with pytest.raises(ModelError, match="at least 1"):
        certify_enough(mixture, law, 0, 0, HUNDREDTH)
    with pytest.raises(ModelError, match="at least 0"):
        certify_enough(mixture, law, 0, 1, HUNDREDTH, Fraction(-1, 2))
    with pytest.raises(ModelError, match="several states"):
        certify_enough(*two_delimiters()[:2], 0, 1, HUNDREDTH)
    with pytest.raises(ModelError, match="lower k"):
        certify_enough(mixture, PromptLaw.of(mixture, start, 0, 8), 0, 1, HUNDREDTH)
    one = MixtureOfHMMs([1.0], mixture.initial[:1], mixture.transition[:1], mixture.emission, 0)
    with pytest.raises(ModelError, match="another concept"):
        certify_enough(one, PromptLaw.of(one, start, 0, 2), 0, 1, HUNDREDTH)
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match="certify"):
        certify_enough(mixture, law, 0, 1, HUNDREDTH)


def two_delimiters(same=False):
    """Words a, b; delimiter states d, e that theta* and theta leave differently (``same``: alike)."""
    last = [[0.7, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1] if same else [0.3, 0.5, 0.1, 0.1]]
    true = [[0.6, 0.2, 0.1, 0.1], [0.3, 0.4, 0.2, 0.1], *last]
    other = [[0.2, 0.5, 0.2, 0.1], [0.4, 0.3, 0.1, 0.2], *([last[0]] * 2 if same else [last[1], last[0]])]
    emission = np.eye(3)[[0, 1, 2, 2]] if same else [[0.8, 0.2, 0], [0.1, 0.9, 0], [0, 0, 1], [0, 0, 1]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.6, 0.2, 0.1, 0.1]] * 2, [true, other], emission, 2)
    return mixture, PromptLaw.of(mixture, [0.7, 0.3, 0.0, 0.0], 0, 2)


def test_the_sign_of_a_rate_is_proved_with_two_delimiter_states():
    mixture, law = two_delimiters()
    found = [certify_bracket(mixture, law, 0, 1, m) for m in range(3)]
    ends = np.array([[float(x.low), float(x.high)] for x in found])
    assert (np.diff(ends[:, 0]) > 0).all() and (np.diff(ends[:, 1]) < 0).all()  # they narrow
    assert found[2].sharp_holds is False and found[2].high.radius < 1e-60
    rate = log_likelihood_rate(law, mixture.concept(1))
    assert ends[2, 0] - 0.05 <= rate.low and rate.high <= ends[2, 1] + 0.05
    turned = certify_bracket(mixture, PromptLaw.of(mixture, [0.7, 0.3, 0.0, 0.0], 1, 2), 1, 0, 2)
    assert turned.sharp_holds is True and turned.high.sign is False


def test_the_bracket_has_no_width_where_delimiters_restart_alike():
    mixture, law = two_delimiters(same=True)
    found = certify_bracket(mixture, law, 0, 1)
    assert found.low.midpoint == found.high.midpoint and found.sharp_holds is True
    merged = MixtureOfHMMs(
        [0.5, 0.5], [[0.6, 0.2, 0.2]] * 2,
        [[[0.6, 0.2, 0.2], [0.3, 0.4, 0.3], [0.7, 0.1, 0.2]], [[0.2, 0.5, 0.3], [0.4, 0.3, 0.3], [0.7, 0.1, 0.2]]],
        np.eye(3), 2,
    )  # fmt: skip
    rate = log_likelihood_rate(PromptLaw.of(merged, [0.7, 0.3, 0.0], 0, 2), merged.concept(1)).value
    assert float(found.low) == pytest.approx(rate, abs=1e-14)


def test_a_bracket_of_exactly_zero_does_not_hold():
    """theta is theta* with its two words' states renamed: both ends are 0, which integers show and no ball does."""
    kernel, swap = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.4, 0.35, 0.25]]), [1, 0, 2]
    emission = np.array([[0.7, 0.3, 0.0], [0.7, 0.3, 0.0], [0.0, 0.0, 1.0]])
    mixture = MixtureOfHMMs(
        [0.5, 0.5], [[0.3, 0.5, 0.2], [0.5, 0.3, 0.2]], [kernel, kernel[swap][:, swap]], emission, 2
    )
    found = certify_bracket(mixture, PromptLaw.of(mixture, [0.4, 0.6, 0.0], 0, 3), 0, 1)
    assert float(found.low) == float(found.high) == 0 and found.sharp_holds is False


def test_a_base_of_exactly_one_is_one_at_an_integer_s():
    """E p(O, delim | d, theta) / p(O, delim | d, theta*) = 1 where p_prompt(h) is row d of theta*."""
    rows = [[[0.3, 0.3, 0.4]] * 3, [[0.2, 0.4, 0.4]] * 3]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.3, 0.3, 0.4]] * 2, rows, np.eye(3), 2)
    found = certify_enough(mixture, PromptLaw.of(mixture, [0.3, 0.3, 0.4], 0, 2), 0, 5, Fraction(9, 10), Fraction(1))
    assert float(found.base[1]) == 1.0 and found.base[1].radius < 1e-300 and float(found.exponent) == 0


def test_brackets_that_straddle_or_are_infinite():
    mixture, law = two_delimiters()
    assert certify_bracket(mixture, law, 0, 1, 0).sharp_holds in (True, "undetermined")
    with pytest.raises(ModelError, match="lower it"):
        certify_bracket(mixture, law, 0, 1, 40)
    case = printed_theorem_1()
    assert certify_bracket(case.mixture, case.prompt, 0, 1).sharp_holds is False
    mixture, _ = two_delimiters(same=True)
    rows = np.array(mixture.transition)
    rows[1, 2] = [0.0, 0.8, 0.1, 0.1]
    barred = MixtureOfHMMs([0.5, 0.5], mixture.initial, rows, mixture.emission, 2)
    with pytest.raises(ModelError, match="infinite"):
        certify_bracket(barred, PromptLaw.of(barred, [0.7, 0.3, 0.0, 0.0], 0, 2), 0, 1)
