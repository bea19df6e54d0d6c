"""Conditions on instances of which a verdict was once false."""

import numpy as np
import pytest
from stored_cases import case_of

from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.statements.conditions import (
    IMPOSSIBLE,
    check_conditions,
    condition_table,
    critical_k_of,
)


def rows_of(name, k):
    instance = case_of(name)
    (true,) = instance.true_concepts
    return condition_table(instance.mixture, np.asarray(instance.prompt_starts)[true], true, [k])


def test_two_start_laws_of_which_one_fails():
    """Exact fractions: KL and rate (.510721, -.558432) at one law, (.757611, +.376222) at the other."""
    (row,) = rows_of("two_start_laws", 2)
    assert (row.kl_sum, row.rate) == (pytest.approx(0.510721, abs=5e-7), pytest.approx(0.376222, abs=5e-7))
    assert (row.prompt_start, row.sharp_start, row.sharp_holds) == (0, 1, False)
    assert critical_k_of([row], [2]).sharp is None


def test_a_relabelled_theta_star_is_theta_star():
    (row,) = rows_of("relabelled", 3)
    assert (row.rate, row.rate_low, row.rate_high, row.sharp_holds) == (0.0, 0.0, 0.0, False)
    assert "equal processes" in row.method


def test_two_speeds_is_not_said_to_hold():
    """Mode 2 alone has rate 0.0622, and theta* (an i.i.d. prompt of its own) forgets; a long run says 0.0619."""
    (row,) = rows_of("two_speeds", 2)
    assert row.sharp_holds is False
    assert row.rate_low <= 0.0622 <= row.rate_high + 1e-3
    assert row.rate_low > 0.03
    assert "bracketed" in row.method
    assert row.rate_bracket < 1e-3


def test_concepts_of_prior_zero_take_no_part():
    instance = case_of("a_concept_of_prior_zero")
    mixture, starts = instance.mixture, np.asarray(instance.prompt_starts)[0]
    assert [row.concept for row in condition_table(mixture, starts, 0, [3])] == [1]
    assert condition_table(case_of("wrong_concept_of_prior_zero").mixture, np.eye(4)[:1], 0, [2]) == []
    outside = condition_table(mixture, starts, 2, [3])
    assert [row.concept for row in outside] == [0, 1]
    for row in outside:
        assert (row.printed_holds, row.repaired_holds, row.sharp_holds) == (False,) * 3
        assert row.method.endswith(IMPOSSIBLE)
    assert critical_k_of(outside, [3]) == (None, None, None)


def test_a_tie_is_decided_exactly_and_a_rounded_one_is_not():
    """p_prompt is a point, theta* and theta one i.i.d. law: sum KL = log 5 = eps_start, eps_delim = 0: not above."""
    row = np.array([0.2, 0.6, 0.2])
    mixture = MixtureOfHMMs([0.5, 0.5], [row, row], np.tile(row, (2, 3, 1)), np.eye(3), 2)
    (found,) = check_conditions(mixture, np.eye(3)[:1], 0, 2)
    assert abs(found.kl_sum - found.printed_threshold) <= found.kl_rounding
    assert (found.printed_holds, found.repaired_holds, found.sharp_holds) == (False, False, False)
    third = np.array([1 / 3, 1 / 3, 1 / 3])  # its decimals do not sum to one: nobody knows what was meant
    mixture = MixtureOfHMMs([0.5, 0.5], [third, third], np.tile(third, (2, 3, 1)), np.eye(3), 2)
    (found,) = check_conditions(mixture, np.eye(3)[:1], 0, 2)
    assert (found.printed_holds, found.sharp_holds) == ("undetermined", False)
