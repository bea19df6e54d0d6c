"""The exponent enclosed from both sides and n(0.01) proved: against float64, in every corner of the minimum."""

from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.proofs.certify_finite import certify_finite, exponent_ends
from implicit_bayes.theory.proofs.counterexamples import printed_lemma_1, printed_theorem_1
from implicit_bayes.theory.statements.finite_sample import enough, start_law

HALF = Fraction(1, 2)


@pytest.mark.parametrize(("k", "n"), [(2, 6), (3, 4)])
def test_regular_is_enclosed_and_enough(k, n):
    mixture, start = regular()
    law = PromptLaw.of(mixture, start, 0, k)
    found, guess = certify_finite(mixture, law, 0), start_law(mixture, law, 0, "sharp")
    true = min(each.value for each in guess.exponents.values())
    assert float(found.exponent_low) - 1e-14 <= true <= float(found.exponent_high) + 1e-14
    assert 0 < float(found.exponent_high) - float(found.exponent_low) < 1e-10
    assert max(found.exponent_low.radius, found.exponent_high.radius) < 1e-60
    assert found.enough.n == n and found.enough.proved is True and found.reason == ""
    assert n - 1 <= enough(guess.error, 0.01) <= n  # float64 chooses s for every test input by itself
    assert float(found.enough.error_bound) <= 0.01


def test_where_the_posterior_goes_wrong_nothing_is_enough():
    case = printed_theorem_1()
    found = certify_finite(case.mixture, case.prompt, 0)
    assert float(found.exponent_low) == float(found.exponent_high) == 0.0 and found.enough is None
    assert found.reason == "the moments of some concept do not fall with n"


def test_inputs_that_theta_star_gets_wrong_stay():
    case = printed_lemma_1()
    found = certify_finite(case.mixture, case.prompt, 0)
    assert float(found.exponent_low) > 0 and found.enough is None
    assert found.reason == "theta* itself may answer wrongly on 3/200 of the test inputs"
    assert certify_finite(case.mixture, case.prompt, 0, Fraction(1, 50)).enough.proved is True


@pytest.mark.parametrize(
    ("atoms", "exponent"),
    [
        ({Fraction(0): Fraction(1)}, np.inf),  # theta forbids every example
        ({Fraction(1, 3): HALF, HALF: HALF}, np.inf),  # it never reaches the odds of theta*
        ({HALF: Fraction(1, 4), Fraction(1): Fraction(3, 4)}, np.log(4 / 3)),  # only where the ratio is 1
        ({HALF: HALF, Fraction(2): HALF}, 0.0),  # a rate of exactly 0
        ({HALF: Fraction(1, 4), Fraction(2): Fraction(3, 4)}, 0.0),  # a positive rate
        ({Fraction(0): Fraction(1, 4), HALF: Fraction(1, 4), Fraction(2): HALF}, np.log(4 / 3)),  # s -> 0, survivors
        ({HALF: Fraction(2, 3), Fraction(2): Fraction(1, 3)}, -np.log(2 * np.sqrt(2) / 3)),  # s = 1/2
    ],
)
def test_every_kind_of_minimum(atoms, exponent):
    low, high = (float(end) for end in exponent_ends(atoms))
    assert low <= exponent * (1 + 1e-12) + 1e-12 and exponent <= high * (1 + 1e-12) + 1e-12
    assert low == high or high - low < 1e-10


def test_random_exponents_lie_between_their_ends():
    """Against the minimum on a grid, which no value of log M lies below; half of the instances have zeros."""
    rng = np.random.default_rng(0)
    for trial in range(20):
        ratios = [Fraction(int(x), 12) for x in rng.integers(0 if trial % 2 else 1, 30, 4)]
        masses = [Fraction(int(x), 40) for x in rng.multinomial(36, np.full(4, 0.25)) + 1]
        atoms = {}
        for ratio, mass in zip(ratios, masses, strict=True):
            atoms[ratio] = atoms.get(ratio, Fraction(0)) + mass
        low, high = (float(end) for end in exponent_ends(atoms))
        s, positive = np.geomspace(1e-9, 60, 20_000), {r: m for r, m in atoms.items() if r}
        moments = sum(float(m) * float(r) ** s for r, m in positive.items())
        found = np.inf if not positive or max(positive) < 1 else -np.log(moments.min())
        assert low <= found + 1e-5 and found <= high + 1e-9


def test_several_delimiter_states_are_refused():
    kernel = [[0.4, 0.4, 0.1, 0.1]] * 4
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.25] * 4] * 2, [kernel, kernel], np.eye(3)[[0, 1, 2, 2]], 2)
    with pytest.raises(ModelError, match="several states"):
        certify_finite(mixture, PromptLaw.of(mixture, [0.5, 0.5, 0.0, 0.0], 0, 2), 0)
