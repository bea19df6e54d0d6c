"""The regular instance: every assumption and both conditions, computed here by hand and by the theory room."""

from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.assumptions import check_assumptions

MIXTURE, START = regular()
PAIRS = [(true, other) for true in range(5) for other in range(5) if true != other]


def divergence(p, q):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum()


def kl_sum(true, other, k):
    """KL( p_prompt(O) || p(O | other) ): identity emission, so O is a Markov chain."""
    law, total = START, divergence(START, MIXTURE.initial[other])
    for _ in range(k - 1):
        steps = [divergence(MIXTURE.transition[true, h], MIXTURE.transition[other, h]) for h in range(7)]
        total += law @ np.array(steps)
        law = law @ MIXTURE.transition[true]
    return total


def test_entries_are_short_decimals_that_sum_exactly_to_one():
    rows = [*MIXTURE.initial, *MIXTURE.transition.reshape(-1, 7), MIXTURE.prior, START]
    for row in rows:
        exact = [Fraction(repr(float(entry))) for entry in row]
        assert sum(exact) == 1
        assert all(entry.denominator <= 10_000 and 10_000 % entry.denominator == 0 for entry in exact)


def test_shape_and_shifts():
    assert (MIXTURE.n_concepts, MIXTURE.n_states, MIXTURE.n_tokens, MIXTURE.delimiter) == (5, 7, 7, 0)
    for concept in range(5):
        favourite = MIXTURE.transition[concept, 1:].argmax(-1) - 1
        np.testing.assert_array_equal(favourite, (np.arange(6) + concept + 1) % 6)


def test_constants_of_the_assumptions():
    assert MIXTURE.delimiter_states().tolist() == [0]
    np.testing.assert_array_equal(MIXTURE.transition[..., 0], 0.1)  # c1 = c2
    np.testing.assert_array_equal(MIXTURE.initial[:, 0], 0.1)  # c3 = c4
    assert (MIXTURE.transition.min(), MIXTURE.initial.min()) == (0.0075, 0.1)  # c5, c8
    for concept in range(5):
        shift = 0.5 * np.abs(START - MIXTURE.transition[concept, 0]).sum()
        np.testing.assert_allclose(shift, 0.1, atol=1e-15)
        top = np.sort(MIXTURE.transition[concept], axis=-1)[:, ::-1]
        margins = top[:, 0] - top[:, 1]  # after any last state, the delimiter included
        np.testing.assert_allclose(margins[0], 0.5, atol=1e-15)
        np.testing.assert_allclose(margins[1:], 0.7625, atol=1e-15)
        assert shift < margins.min() / 4


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("true", range(5))
def test_the_theory_room_agrees_that_every_assumption_holds(true, k):
    prompt = PromptLaw.of(MIXTURE, START, true, k)
    found = check_assumptions(MIXTURE, prompt)
    assert [assumption.name for assumption in found] == ["A1", "A2", "A3", "A4", "A5"]
    assert all(assumption.holds for assumption in found)


@pytest.mark.parametrize(("true", "other"), PAIRS)
def test_both_conditions_hold_for_every_pair_at_every_k(true, other):
    start_kl = divergence(START, MIXTURE.initial[true])
    np.testing.assert_allclose(start_kl, 0.8034, atol=1e-4)
    after = MIXTURE.transition[:, 0]
    a_theta = np.log((after[other] / MIXTURE.initial[other]).max() / (after[true] / MIXTURE.initial[true]).min())
    np.testing.assert_allclose(a_theta, np.log(10), atol=1e-12)
    sums = [kl_sum(true, other, k) for k in range(2, 11)]
    np.testing.assert_allclose(np.array(sums)[[0, 1, 3, 6, 8]], [4.8603, 8.5116, 15.8140, 26.7677, 34.0701], atol=1e-4)
    assert min(np.diff(sums)) > 3.65
    for total in sums:
        assert total > start_kl + a_theta  # repaired: log(c2 / c1) = 0
        assert total > np.log(1 / MIXTURE.initial[true].min())  # printed: eps_delim = 0
