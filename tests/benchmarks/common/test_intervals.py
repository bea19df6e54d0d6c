"""Intervals and exact tests: their levels by summing the binomial laws, no simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from implicit_bayes.benchmarks.common.differences import (
    CLEAR_LEVEL,
    LEAST,
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

SHARES = (1e-4, 0.003, 0.02, 0.1, 0.5, 0.9, 0.98, 0.997, 1 - 1e-4)


def coverage(interval, trials, share):
    """Probability that interval(successes) holds the share, summed over the binomial law."""
    law = stats.binom.pmf(np.arange(trials + 1), trials, share)
    return sum(p for s, p in enumerate(law) if interval(s)[0] <= share <= interval(s)[1])


@pytest.mark.parametrize("trials", [1, 2, 7, 20, 60])
def test_wilson_covers_its_level_on_average_over_shares(trials):
    """Its coverage swings about the level; the mean over shares is at least 94%, and on no prompts it is (0, 1)."""
    shares = (np.arange(200) + 0.5) / 200
    covered = [coverage(lambda s: wilson(np.array(s), np.array(trials)), trials, share) for share in shares]
    assert np.mean(covered) >= 0.94
    assert min(covered) >= 0.79
    assert [float(end) for end in wilson(np.array(0), np.array(0))] == [0.0, 1.0]


def test_one_right_answer_out_of_one_is_no_certainty():
    low, high = wilson(np.array([1, 2]), np.array([1, 2]))
    assert high.tolist() == [1.0, 1.0]
    assert low == pytest.approx([0.2065, 0.3424], abs=1e-4)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(("first", "second"), [(20, 20), (20, 300), (3, 1000)])
def test_two_equal_shares_are_called_clearly_different_at_most_as_often_as_stated(first, second, share):
    """The false alarms, exactly: a sum over both binomial laws. Three standard errors had up to 40% here."""
    a, b = (stats.binom.pmf(np.arange(trials + 1), trials, share) for trials in (first, second))
    rows, columns = (np.flatnonzero(law > 1e-9) for law in (a, b))
    alarms = sum(
        a[i] * b[j]
        for i in rows
        for j in columns
        if stats.hypergeom.pmf(i, first + second, i + j, first) < CLEAR_LEVEL  # a cheap necessary condition
        and unpaired((int(i), first), (int(j), second)).clearly_differs
    )
    assert alarms <= CLEAR_LEVEL


def test_three_standard_errors_have_the_false_alarms_that_the_exact_test_has_not():
    """20 prompts against 1000 at a share of .98: the 20 are all right in 67% of cases, with standard error 0."""
    alarms, share = 0.0, 0.98
    a, b = (stats.binom.pmf(np.arange(trials + 1), trials, share) for trials in (20, 1000))
    for i, j in np.ndindex(21, 1001):
        p, q = i / 20, j / 1000
        if abs(p - q) > 3 * math.sqrt(p * (1 - p) / 20 + q * (1 - q) / 1000):
            alarms += a[i] * b[j]
    assert alarms > 0.3
    assert not unpaired((20, 20), (980, 1000)).clearly_differs


@pytest.mark.parametrize("differ", [1e-3, 0.02, 0.3])
def test_the_sign_test_keeps_its_level_on_pairs(differ):
    """Discordant prompts are binomial, each side wins half of them: false alarms summed over both laws."""
    alarms, prompts = 0.0, 60
    for m, p in enumerate(stats.binom.pmf(np.arange(prompts + 1), prompts, differ)):
        for won, q in enumerate(stats.binom.pmf(np.arange(m + 1), m, 0.5)):
            first = np.array([1] * (m - won) + [0] * won + [1] * (prompts - m), np.int8)
            second = np.array([0] * (m - won) + [1] * won + [1] * (prompts - m), np.int8)
            if p * q > 1e-12 and paired(first, second).clearly_differs:
                alarms += p * q
    assert alarms <= CLEAR_LEVEL


def test_paired_differences_leave_out_what_either_lacks():
    first, second = np.array([1, 0, 1, -1] * 10, np.int8), np.array([0, 0, 1, 1] * 10, np.int8)
    found = paired(first, second)
    assert found.points == pytest.approx(-100 / 3)
    assert found.prompts == 30
    assert found.p_value == pytest.approx(2 * 0.5**10)
    assert found.clearly_differs
    assert found.low < found.points < found.high < 0
    short = paired(first[: LEAST // 4 * 4], second[: LEAST // 4 * 4])
    assert np.isnan(short.points)
    assert not short.clearly_differs
    assert short.words == "–"
    assert count_clear([found, found._replace(points=2.0), short]) == (1, 1)


def test_power_is_not_given_away():
    """A difference of ten points over 1000 prompts each, or on 30 of 40 pairs, is clear."""
    assert unpaired((500, 1000), (600, 1000)).clearly_differs
    assert unpaired((500, 1000), (600, 1000)).words == "+10.0 [5.6, 14.3]"
    assert paired(np.array([0] * 15 + [1] * 25, np.int8), np.ones(40, np.int8)).clearly_differs


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_swapping_two_samples_flips_the_difference(first, second, data):
    a, b = data.draw(st.integers(0, first)), data.draw(st.integers(0, second))
    one, other = unpaired((a, first), (b, second)), unpaired((b, second), (a, first))
    assert one.points == pytest.approx(-other.points)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p_value == pytest.approx(other.p_value)
    assert -100 - 1e-9 <= one.low <= one.points + 1e-9
    assert one.points <= one.high + 1e-9 <= 100 + 1e-8


@given(st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(any))
def test_the_paired_interval_is_newcombes(table):
    """Against the formula written out as in the paper; with no correlation it is the unpaired one."""
    both, lost, won, neither = table
    trials = sum(table)
    low, high = paired_difference(both, lost, won, neither)
    p1, p2 = (both + lost) / trials, (both + won) / trials
    assert low - 1e-12 <= p2 - p1 <= high + 1e-12
    other = paired_difference(both, won, lost, neither)
    assert (low, high) == pytest.approx((-other[1], -other[0]))
    if both * neither == lost * won:
        assert (low, high) == pytest.approx(share_difference((both + lost, trials), (both + won, trials)))


def test_newcombes_published_example():
    """Newcombe 1998, table II, (a, b, c, d) = (43, 0, 1, 0)-like cases are degenerate; his rows by method 10 give, for
    56/70 against 48/80: 0.0524 to 0.3339."""
    low, high = share_difference((48, 80), (56, 70))
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_means_of_few_have_students_intervals():
    low, high = mean_interval(1.0, 0.5, 2)
    assert (low, high) == pytest.approx((1 - 12.7062 * 0.5, 1 + 12.7062 * 0.5), abs=1e-3)
    assert mean_interval(1.0, math.inf, 1) == (-math.inf, math.inf)
    assert mean_interval(math.inf, math.inf, 9) == (math.inf, math.inf)
    assert errors(10**7) == pytest.approx(1.959964, abs=1e-5)
    assert errors(5) == pytest.approx(2.776445, abs=1e-5)


def test_of_five_seeds_three_standard_errors_are_within_chance():
    found = of_seeds((50.0, 1.0), (54.3, 1.0), 5)
    assert found.points == pytest.approx(4.3)
    assert found.p_value == pytest.approx(2 * stats.t.sf(4.3 / math.sqrt(2), 4))
    assert not found.clearly_differs
    assert of_seeds((50.0, 1.0), (60.0, 1.0), 5).clearly_differs
    assert not of_seeds((50.0, 0.0), (50.0, 0.0), 5).clearly_differs
    assert (found.low, found.high) == pytest.approx((4.3 - 2.776445 * math.sqrt(2), 4.3 + 2.776445 * math.sqrt(2)))


def test_what_lies_between_two_shares_is_covered_however_they_depend():
    low, high = share_between([0.5, 0.7], [0.25, 0.75], 100, 0.95)
    ends = [binomial_interval(right, 100, 0.975)[1:] for right in (50, 70)]
    assert (low, high) == pytest.approx(tuple(0.25 * a + 0.75 * b for a, b in zip(*ends, strict=True)))


@pytest.mark.parametrize(("successes", "trials"), [(-1, 4), (5, 4), (0, -1)])
def test_counts_that_no_share_has_are_refused(successes, trials):
    """Of a changed file: half a width was the root of a negative number."""
    with pytest.raises(ValueError, match=r"outside 0\.\.trials"):
        wilson(np.array([successes]), np.array([trials]))
