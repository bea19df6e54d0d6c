"""Intervals of shares and of means, and what is called clearly different, by hand: ends, ties, one value, few."""

import math

import numpy as np
import pytest
from scipy import stats

from implicit_bayes.benchmarks.common import differences
from implicit_bayes.benchmarks.common.differences import (
    NONE,
    Difference,
    count_clear,
    of_seeds,
    paired,
    share_between,
    unpaired,
)
from implicit_bayes.benchmarks.common.intervals import (
    errors,
    mean_interval,
    paired_difference,
    share_difference,
    wilson,
)
from implicit_bayes.theory.statements.bounds import binomial_interval

INF = math.inf


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_wilson_is_scipys(level):
    """Every count of 1, 2, 5 and 40 trials; the ends are 0 and 1 exactly where nothing or everything succeeds."""
    for trials in (1, 2, 5, 40):
        low, high = wilson(np.arange(trials + 1), np.full(trials + 1, trials), level)
        for successes in range(trials + 1):
            other = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
            assert (low[successes], high[successes]) == pytest.approx((other.low, other.high), abs=1e-12)
        assert (low[0], high[-1]) == (0.0, 1.0)
    assert wilson(np.array([3]), np.array([9])) == wilson(np.array([3]), np.array([9]), 0.95)
    assert [float(end) for end in wilson(np.array(0), np.array(0), level)] == [0.0, 1.0]


@pytest.mark.parametrize("wrong", [(-1, 3), (4, 3), (0, -1), (-1, -1)])
def test_one_impossible_count_among_possible_ones_is_refused(wrong):
    with pytest.raises(ValueError, match="outside"):
        wilson(np.array([1, wrong[0], 2]), np.array([3, wrong[1], 2]))


@pytest.mark.parametrize(
    ("table", "cross"),
    [((3, 1, 2, 4), 10 - 5), ((1, 4, 3, 2), -10), ((2, 1, 2, 2), 0), ((1, 0, 0, 1), 0), ((1, 1, 1, 1), 0),
     ((9, 2, 1, 8), 70 - 10), ((5, 0, 0, 0), None), ((0, 3, 1, 0), -3), ((4, 0, 2, 1), 4 - 3.5)],
)  # fmt: skip
def test_the_paired_interval_takes_half_a_trial_from_a_positive_correlation(table, cross):
    """ad - bc, less half the trials where it is positive, but not below 0; no correlation where a margin is empty."""
    both, lost, won, _ = table
    trials, right = sum(table), (both + lost, both + won)
    (l1, l2), (u1, u2) = wilson(np.array(right), np.full(2, trials), 0.9)
    p1, p2 = (each / trials for each in right)
    phi = cross / math.sqrt(math.prod(each * (trials - each) for each in right)) if cross is not None else 0.0
    below, above = (
        math.sqrt(x**2 - 2 * phi * x * y + y**2) for x, y in ((p2 - l2, u1 - p1), (u2 - p2, p1 - l1))
    )  # fmt: skip
    found = paired_difference(*table, level=0.9)
    assert found == pytest.approx((p2 - p1 - below, p2 - p1 + above), abs=1e-12)
    if not cross:
        alone = share_difference((right[0], trials), (right[1], trials), 0.9)
        assert found == pytest.approx(alone, abs=1e-12)
    assert paired_difference(*table) == paired_difference(*table, level=0.95) != found


def test_students_quantiles_of_one_two_and_many():
    assert errors(1) == INF
    assert [errors(count) for count in (2, 3, 4)] == pytest.approx([12.7062, 4.30265, 3.18245], abs=1e-4)
    assert errors(2, 0.5) == pytest.approx(1.0)  # the quartile of Cauchy's law
    assert mean_interval(1.0, 0.0, 1) == (-INF, INF)
    assert mean_interval(2.0, 3.0, 2, 0.5) == pytest.approx((-1.0, 5.0))
    assert mean_interval(2.0, 0.0, 2) == (2.0, 2.0)
    assert mean_interval(-INF, 1.0, 3) == (-INF, -INF)


def test_what_is_clear_is_below_the_level_and_not_on_it():
    on = Difference(1.0, 0.0, 2.0, differences.CLEAR_LEVEL, 50)
    assert not on.clearly_differs and on._replace(p_value=0.00269).clearly_differs
    assert not on._replace(p_value=0.00271).clearly_differs
    assert on.words == "+1.0 [0.0, 2.0]"
    assert tuple(map(str, NONE)) == ("nan", "-inf", "inf", "1.0", "0") and not NONE.clearly_differs
    rows = [on._replace(points=points, p_value=0.0) for points in (0.5, 0.25, -0.5, 0.0, 1.0)]
    assert count_clear([*rows, on]) == (3, 1)


def test_two_shares_of_different_samples():
    """1 of 4 and 9 of 10: 65 points; Fisher's sum over tables with 10 right in all."""
    found = unpaired((1, 4), (9, 10))
    low, high = share_difference((1, 4), (9, 10))
    assert (found.points, found.prompts) == (pytest.approx(65.0), 4)
    assert (found.low, found.high) == (100 * low, 100 * high)
    law = [math.comb(4, i) * math.comb(10, 10 - i) / math.comb(14, 10) for i in range(5)]
    assert found.p_value == pytest.approx(sum(p for p in law if p <= law[1] * (1 + 1e-9)))
    assert unpaired((9, 10), (1, 4)).prompts == 4
    for empty in (unpaired((0, 0), (2, 5)), unpaired((2, 5), (0, 0))):
        assert empty == NONE or (math.isnan(empty.points) and empty[1:] == NONE[1:])


def pairs(both, lost, won, neither, silent=0):
    """Answers of two predictors: 1 right, 0 wrong, -1 none."""
    first = [1] * both + [1] * lost + [0] * won + [0] * neither + [-1, 1] * silent
    second = [1] * both + [0] * lost + [1] * won + [0] * neither + [1, -1] * silent
    return np.array(first, np.int8), np.array(second, np.int8)


def test_pairs_by_hand():
    """20 prompts count and 19 do not; p of 2 against 5 is 2 (1 + 7 + 21) / 2^7."""
    found = paired(*pairs(8, 2, 5, 5, silent=3))
    low, high = paired_difference(8, 2, 5, 5)
    assert (found.points, found.prompts, found.low, found.high) == (pytest.approx(15.0), 20, 100 * low, 100 * high)
    assert found.p_value == pytest.approx(2 * 29 / 128)
    few = paired(*pairs(8, 2, 5, 4, silent=1))
    assert math.isnan(few.points) and few.prompts == 19 and few.p_value == 1.0
    even, same = paired(*pairs(9, 3, 3, 6)), paired(*pairs(12, 0, 0, 9))
    assert (even.points, even.p_value, even.prompts) == (0.0, 1.0, 21)
    assert (same.points, same.p_value, same.low == 0.0) == (0.0, 1.0, False)
    assert paired(*pairs(10, 1, 2, 10)).p_value == 1.0
    assert paired(*pairs(10, 0, 1, 10)).p_value == 1.0 and paired(*pairs(10, 0, 2, 10)).p_value == 0.5


def test_means_of_trainings_that_do_not_vary():
    for points, p_value in ((0.0, 1.0), (1.0, 0.0), (5.0, 0.0), (-1.0, 0.0)):
        assert of_seeds((50.0, 0.0), (50.0 + points, 0.0), 3) == (points, points, points, p_value, 3)


def test_means_of_trainings_by_hand():
    """Errors 3 and 4: 5 together; two trainings are Cauchy's law, whose tails beyond 2 are 1 - 2 arctan(2) / pi."""
    found = of_seeds((60.0, 3.0), (50.0, 4.0), 2)
    assert (found.points, found.prompts) == (-10.0, 2)
    assert found.p_value == pytest.approx(1 - 2 * math.atan(2) / math.pi)
    assert (found.low, found.high) == pytest.approx((-10 - 5 * 12.7062, -10 + 5 * 12.7062), abs=1e-3)
    assert of_seeds((0.0, 0.6), (1.0, 0.8), 2).p_value == pytest.approx(0.5)  # one standard error, which is 1


def test_a_weighted_mean_of_three_shares():
    """Each interval at 1 - .1 / 3; 12.4 successes in 31 count as 12."""
    low, high = share_between([0.4, 0.0, 1.0], [0.5, 0.25, 0.25], 31, 0.9)
    ends = np.array([binomial_interval(right, 31, 1 - 0.1 / 3)[1:] for right in (12, 0, 31)])
    assert (low, high) == pytest.approx(tuple(np.array([0.5, 0.25, 0.25]) @ ends))
