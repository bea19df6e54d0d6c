"""Enclosures hold what the filter computes, prove the counterexample and ``regular``, and refuse the unprovable."""

import itertools
import sys
from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.information.rates import log_likelihood_rate
from implicit_bayes.theory.proofs import exact_sums
from implicit_bayes.theory.proofs.certify import certify
from implicit_bayes.theory.proofs.counterexamples import Counterexample, printed_lemma_1, printed_theorem_1
from implicit_bayes.theory.proofs.enclosures import enclose, expectation
from implicit_bayes.theory.proofs.exact_instance import exact_instance
from implicit_bayes.theory.proofs.observed_chains import margins_by_enumeration
from implicit_bayes.theory.statements.repaired_constants import repaired_constants


def random_case(seed, identity=True, k=2, zeros=False, concepts=2):
    """A random instance in thousandths; A1 with one delimiter state, the last of four; ``zeros``: theta forbids a."""
    rng = np.random.default_rng(seed)

    def laws(*shape):
        counts = rng.multinomial(1000 - shape[-1], np.full(shape[-1], 1 / shape[-1]), shape[:-1]) + 1
        if zeros:
            counts[1, ..., 1] += counts[1, ..., 0]
            counts[1, ..., 0] = 0
        return counts / 1000

    emission = np.eye(4) if identity else np.pad(laws(4, 3), ((0, 0), (0, 1)))
    emission[3] = [0, 0, 0, 1]
    c = concepts
    mixture = MixtureOfHMMs(np.full(c, 1 / c), laws(c, 4), laws(c, 4, 4), emission, 3)
    prompt = PromptLaw.of(mixture, [0.25, 0.5, 0.25, 0.0], 0, k)
    return Counterexample("random", "", mixture, prompt, 0, 1, (0,) * (k - 1), tuple("abcd"), tuple("abcd"))


def of(case, **options):
    return certify(case.mixture, case.prompt, case.true_concept, case.concept, **options)


def test_the_counterexample_is_proved():
    case = printed_theorem_1()
    out = of(case)
    assert all(out.assumptions.values()) and list(out.assumptions) == ["A1", "A2", "A3", "A4", "A5"]
    assert (out.printed_holds, out.repaired_holds, out.sharp_holds) == (True, False, False)
    assert out.rate.sign is True and out.printed_margin.sign is True
    assert max(out.rate.radius, out.printed_margin.radius, out.kl_sum.radius) < 1e-30
    assert out.kl_sum.midpoint.startswith("7.28155887870482736776419")
    assert float(out.eps_start) + float(out.eps_delim_printed) == pytest.approx(7.0255, abs=5e-5)
    assert float(out.rate) == pytest.approx(2.0041, abs=5e-5)
    exact = {"c1": (1, 50), "c2": (3, 10), "c5": (1, 500), "tv": (7, 200), "delta_over_4": (489, 10000)}
    assert {name: out.constants[name] for name in exact} == {name: Fraction(*pq) for name, pq in exact.items()}
    assert out.constants["r_theta"] == 1200 and out.constants["rho_star"] == Fraction(5, 108)


def test_the_lemma_1_instance_is_proved_to_satisfy_everything():
    out = of(printed_lemma_1())
    assert all(out.assumptions.values()) and out.printed_holds is out.repaired_holds is out.sharp_holds is True
    assert out.constants["tv"] == Fraction(81, 10000)


@pytest.mark.parametrize("k", [2, 10])
def test_regular_is_proved(k):
    mixture, start = regular()
    for concept in (1, 4):
        out = certify(mixture, PromptLaw.of(mixture, start, 0, k), 0, concept)
        assert all(out.assumptions.values())
        assert out.printed_holds is out.repaired_holds is out.sharp_holds is True
        assert max(out.repaired_margin.radius, out.rate.radius) < 1e-30


@pytest.mark.parametrize("identity", [True, False])
def test_enclosures_hold_what_the_filter_computes(identity):
    for seed in range(3):
        case = random_case(seed, identity)
        out, margins = of(case), margins_by_enumeration(case.mixture, case.prompt, 0, 1)
        proved = (out.rate, out.printed_margin, out.repaired_margin, out.kl_sum)
        values = (margins.rate, margins.printed, margins.repaired, margins.kl_sum)
        np.testing.assert_allclose([float(x) for x in proved], values, rtol=1e-9, atol=1e-12)
        cost = float(out.start_kl) + float(out.eps_delim_repaired)
        assert float(out.kl_sum) - cost == pytest.approx(float(out.repaired_margin), rel=1e-12)
        assert float(out.constants["delta_over_4"] - out.constants["tv"]) == pytest.approx(margins.a3, abs=1e-12)
        assert out.assumptions["A3"] is bool(margins.a3 > 0)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("k", [2, 4])
def test_merging_agrees_with_enumeration(k, zeros):
    """Two roads in exact arithmetic: the same total weight on the same mass, the same set of test laws, equal balls."""
    case = random_case(7, k=k, zeros=zeros)
    exact = exact_instance(case.mixture, case.prompt, 0, 1)
    one_road, other_road = exact_sums.merged(exact), exact_sums.enumerated(exact)
    for name in ("forbidden", "by_true", "by_other"):
        assert getattr(one_road, name) == getattr(other_road, name)
    assert set(one_road.tests) == set(other_road.tests)
    for one, other in zip(one_road[:3], other_road[:3], strict=True):
        a, b = (enclose(expectation(terms)) for terms in (one, other))
        assert a.sign == b.sign and (float(a) == float(b) or abs(float(a) - float(b)) < 1e-12)


def test_forbidden_examples_make_kl_infinite_and_the_rate_minus_infinity():
    mixture = MixtureOfHMMs(
        [0.5, 0.5], [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]],
        [[[0.5, 0.3, 0.2]] * 3, [[0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.5, 0.0, 0.5]]], np.eye(3), 2,
    )  # fmt: skip
    out = certify(mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2), 0, 1)
    assert out.kl_infinite_mass == Fraction(3, 10) and str(out.kl_sum) == "inf +/- 0"
    assert out.printed_holds is True and out.repaired_holds is True and out.sharp_holds is True
    assert float(out.rate) == -np.inf
    backwards = certify(mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 1, 2), 1, 0)
    assert backwards.assumptions["A5"] is False and float(backwards.kl_sum) < np.inf


def test_vacuous_costs_never_pass():
    """c1 = 0: the threshold is infinite, and even an infinite signal does not exceed it."""
    kernel = [[[0.5, 0.5, 0.0], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], [[0.5, 0.0, 0.5]] * 3]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.25, 0.25]] * 2, kernel, np.eye(3), 2)
    out = certify(mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2), 0, 1)
    assert out.assumptions["A2"] is False and float(out.kl_sum) == np.inf
    assert out.printed_holds is False and out.repaired_holds is False


def test_sides_that_are_exactly_equal_are_seen_to_be(monkeypatch):
    """sum KL_j = log 4 = log(1/c8): no ball can show that, integers do; too many logarithms for them stay open."""
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.25, 0.25, 0.5]] * 2, [[[0.5, 0.25, 0.25]] * 3] * 2, np.eye(3), 2)
    prompt = PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2)
    out = certify(mixture, prompt, 0, 1)
    assert float(out.kl_sum) == pytest.approx(np.log(4)) and out.printed_holds is False
    assert float(out.printed_margin) == 0 and out.printed_margin.radius < 1e-300
    assert out.sharp_holds is False and float(out.rate) == 0
    monkeypatch.setattr("implicit_bayes.theory.information.log_sums.MAX_TERMS", -1)
    assert certify(mixture, prompt, 0, 1).printed_holds == "undetermined"


def test_a_repaired_condition_that_is_exactly_tied_does_not_hold():
    """sum KL_j = start KL + log(c2/c1) + a_theta exactly: theta is theta* but for p_prompt(h) at its own start."""
    kernel = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.25, 0.25]] * 2, [kernel] * 2, np.eye(3), 2)
    out = certify(mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 3), 0, 1)
    assert float(out.repaired_margin) == 0 and out.repaired_holds is False
    assert out.kl_sum == out.start_kl and float(out.eps_delim_repaired) == 0


def test_several_delimiter_states_leave_the_rate_open():
    kernel = [[[0.4, 0.4, 0.1, 0.1]] * 4, [[0.6, 0.2, 0.1, 0.1]] * 4]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.25] * 4] * 2, kernel, np.eye(3)[[0, 1, 2, 2]], 2)
    out = certify(mixture, PromptLaw.of(mixture, [0.4, 0.4, 0.1, 0.1], 0, 2), 0, 1)
    assert out.rate is None and out.sharp_holds == "undetermined" and out.constants["rho_star"] == Fraction(4, 5)
    assert out.assumptions["A1"] is True and out.constants["tv"] == 0


def test_c2_is_over_every_alternative_and_c2_theta_over_one():
    case = random_case(5, concepts=4)
    out = of(case)
    column = case.mixture.transition[:, :, 3]
    assert out.constants["c2"] == Fraction(repr(float(column[1:].max())))
    assert out.constants["c2_theta"] == Fraction(repr(float(column[1].max())))
    assert column[1].max() < column[1:].max(), "the seed tells the two apart"
    repaired = repaired_constants(case.mixture, 0, 1)
    assert float(out.eps_delim_repaired) == pytest.approx(repaired.eps_delim, rel=1e-12)
    starts = case.mixture.initial[:, 3]
    printed = 2 * np.log(column[1:].max() / column[0].min()) + np.log(starts.max() / starts.min())
    assert float(out.eps_delim_printed) == pytest.approx(printed, rel=1e-12)


def test_more_bits_shrink_the_ball_around_the_same_number():
    case = random_case(1)
    coarse, fine = of(case, bits=64), of(case, bits=512)
    assert fine.kl_sum.radius < 1e-100 < coarse.kl_sum.radius < 1e-10
    assert abs(Fraction(coarse.kl_sum.midpoint) - Fraction(fine.kl_sum.midpoint)) <= coarse.kl_sum.radius


def test_bad_requests_are_named(monkeypatch):
    monkeypatch.setattr(exact_sums, "MAX_PREFIXES", 100)
    case = random_case(0, identity=False, k=5)
    with pytest.raises(ModelError, match="k: general emissions at k = 5"):
        of(case)
    with pytest.raises(ModelError, match="concept: 0 is the true"):
        certify(case.mixture, case.prompt, 0, 0)
    with pytest.raises(ModelError, match="prompt: its initial"):
        certify(case.mixture, case.prompt, 1, 0)


def test_missing_flint_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"implicit-bayes\[certify\]"):
        of(random_case(0))


def test_precision_of_others_is_left_alone():
    flint = pytest.importorskip("flint")
    before = flint.ctx.prec
    of(random_case(0), bits=300)
    assert flint.ctx.prec == before


def test_every_example_counts_once():
    """The weights of the exact sums add up to one start and k - 1 transitions (identity), one example (general)."""
    for identity, k in itertools.product((True, False), (2, 3)):
        case = random_case(3, identity, k)
        sums = exact_sums.exact_sums(exact_instance(case.mixture, case.prompt, 0, 1))
        assert sum(sums.kl.values()) == (k if identity else 1)
        assert sum(sums.rate.values()) == (k + 1 if identity else 1)


def with_start(case, concept, start):
    """The instance with another document start law of one concept."""
    initial = np.array(case.mixture.initial)
    initial[concept] = start
    mixture = MixtureOfHMMs(
        case.mixture.prior, initial, case.mixture.transition, case.mixture.emission, case.mixture.delimiter
    )
    return mixture, PromptLaw.of(mixture, case.prompt.start, 0, case.prompt.length)


def test_the_first_example_counts():
    """theta started at d forbids every first example, whose states are a, b, c: the rate is -inf, not +2.004."""
    mixture, prompt = with_start(printed_theorem_1(), 1, [0.0, 0.0, 0.0, 1.0])
    out = certify(mixture, prompt, 0, 1)
    assert str(out.rate) == "-inf +/- 0" and out.sharp_holds is True
    assert out.rate_reason == "theta forbids first examples of probability 1"
    assert log_likelihood_rate(prompt, mixture.concept(1)).value == -np.inf


def test_there_is_no_rate_where_theta_star_forbids_prompts():
    """theta* started from (0, .3, .3, .4) forbids the first examples that begin with a, .94 of them."""
    mixture, prompt = with_start(printed_theorem_1(), 0, [0.0, 0.3, 0.3, 0.4])
    out = certify(mixture, prompt, 0, 1)
    assert out.rate is None and out.sharp_holds == "undetermined"
    assert out.rate_reason == "no rate exists: theta* forbids first examples of probability 47/50"
    assert log_likelihood_rate(prompt, mixture.concept(1)).value is None


def test_some_first_examples_forbidden_leave_the_rate_of_the_rest():
    mixture, prompt = with_start(printed_theorem_1(), 1, [0.5, 0.3, 0.0, 0.2])
    out = certify(mixture, prompt, 0, 1)
    assert "theta forbids first examples of mass 3/100" in out.rate_reason
    assert float(out.rate) == pytest.approx(2.0041, abs=5e-5) and out.sharp_holds is False


def test_a_rate_of_exactly_zero_is_decided():
    """theta is theta* with a and b renamed, and so is the prompt law's start: every ball straddles, the sum is zero."""
    kernel = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.4, 0.35, 0.25]])
    emission = np.array([[0.7, 0.3, 0.0], [0.7, 0.3, 0.0], [0.0, 0.0, 1.0]])
    swap = [1, 0, 2]
    mixture = MixtureOfHMMs(
        [0.5, 0.5], [[0.3, 0.5, 0.2], [0.5, 0.3, 0.2]], [kernel, kernel[swap][:, swap]], [emission, emission[swap]], 2
    )
    out = certify(mixture, PromptLaw.of(mixture, [0.4, 0.6, 0.0], 0, 3), 0, 1)
    assert float(out.rate) == 0 and out.rate.radius < 1e-300 and out.sharp_holds is False


def test_rho_star_of_zero_makes_the_repaired_condition_say_nothing():
    """Row d of theta* never goes to b, where a document may start: rho* = 0, the cost is infinite, nothing passes."""
    kernel = np.array([[[0.5, 0.25, 0.25]] * 3, [[0.1, 0.8, 0.1]] * 3])
    kernel[0, 2] = [0.75, 0.0, 0.25]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.25, 0.25]] * 2, kernel, np.eye(3), 2)
    prompt = PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 5)
    out = certify(mixture, prompt, 0, 1)
    assert out.constants["rho_star"] == 0 and float(out.eps_delim_repaired) == np.inf
    assert out.repaired_holds is False and out.sharp_holds is True
    assert repaired_constants(mixture, 0, 1).eps_delim == np.inf


def test_c6_is_of_theta_star():
    """Emissions differ: under concept 1 no state says b more than .1 of the time, under concept 0 one always does."""
    emission = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]],
    ]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.25, 0.25]] * 2, [[[0.5, 0.25, 0.25]] * 3] * 2, emission, 2)
    for true, c6 in ((0, Fraction(1)), (1, Fraction(1, 10))):
        out = certify(mixture, PromptLaw.of(mixture, [0.5, 0.5, 0.0], true, 2), true, 1 - true)
        assert out.constants["c6"] == c6


def test_concepts_of_prior_zero_take_no_part():
    """An idle third concept with extreme constants, and an emission that would spoil A1, changes nothing at all."""
    case = random_case(5)
    plain = of(case)
    idle = np.array([[0.0, 0.0, 1.0, 0.0]])
    mixture = MixtureOfHMMs(
        [0.5, 0.5, 0.0],
        np.concatenate([case.mixture.initial, idle]),
        np.concatenate([case.mixture.transition, np.full((1, 4, 4), 0.25)]),
        np.stack([*case.mixture.emissions, np.full((4, 4), 0.25)]),
        3,
    )
    assert certify(mixture, case.prompt, 0, 1) == plain
    with pytest.raises(ModelError, match="concept: 2 has prior 0"):
        certify(mixture, case.prompt, 0, 2)
    silent = PromptLaw.of(mixture, [0.5, 0.5, 0.0, 0.0], 2, 2)
    out = certify(mixture, silent, 2, 1)
    assert out.assumptions["A4"] is False and out.assumptions["A1"] is False
    assert of(case).assumptions["A4"] is True
