"""g and its inverse against high precision, and the inequality between excess risk and divergence."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlogy

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.statements.bounds import (
    LOG_2,
    binomial_interval,
    bounded_mean_interval,
    computed_excess_risk,
    excess_risk,
    g,
    g_inverse,
    risk_bound,
)

log_scaled = st.floats(-300.0, 0.0).map(lambda e: 10.0**e * LOG_2)
deltas = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 1e-150, 1 - 2**-53]), st.floats(0.0, 1.0))


def series(delta: float, terms: int = 400) -> float:
    """The power series of g in exact rationals of the float given: an independent evaluation for delta <= 0.9."""
    square, power, total = Fraction(delta) ** 2, Fraction(1), 0.0
    for m in range(1, terms):
        power *= square
        power = Fraction(float(power)) if m > 3 else power
        total += float(power) / (2 * m * (2 * m - 1))
    return total


def test_ends_are_exact():
    assert g(0.0) == 0.0
    assert g(1.0) == LOG_2
    assert g_inverse(0.0) == 0.0
    assert g_inverse(LOG_2) == 1.0
    assert g_inverse(math.inf) == 1.0


@pytest.mark.parametrize("delta", [1e-140, 1e-9, 1e-8, 1e-4, 0.03, 0.3, 0.499999, 0.5, 0.7, 0.9])
def test_g_agrees_with_its_power_series_to_1e_14(delta):
    assert float(g(delta)) == pytest.approx(series(delta), rel=1e-14)


def test_g_at_one_half_is_three_quarters_log_three_minus_log_two():
    assert float(g(0.5)) == pytest.approx(0.75 * math.log(3) - LOG_2, rel=1e-14)


@given(log_scaled)
def test_inverse_then_g_is_the_identity(nats):
    assert float(g(g_inverse(nats))) == pytest.approx(nats, rel=2e-12)


@given(st.floats(-149.0, 0.0).map(lambda e: 10.0**e))
def test_g_then_inverse_is_the_identity(delta):
    assert float(g_inverse(g(delta))) == pytest.approx(delta, rel=1e-12)


@given(deltas, deltas)
def test_g_is_increasing(a, b):
    low, high = sorted((a, b))
    assert g(low) <= g(high) * (1 + 4e-16)


@given(st.floats(-150.0, -4.0).map(lambda e: 10.0**e))
def test_near_zero_g_is_half_the_square(delta):
    assert float(g(delta)) == pytest.approx(delta * delta / 2, rel=delta * delta + 1e-15)


@given(deltas)
def test_g_lies_between_half_the_square_and_log_two_times_it(delta):
    assert delta**2 / 2 * (1 - 1e-15) <= g(delta) <= LOG_2 * delta**2 * (1 + 1e-15)


def test_risk_bound_says_where_it_is_vacuous():
    assert risk_bound(LOG_2) == (1.0, True, LOG_2)
    assert risk_bound(math.inf).vacuous
    assert not risk_bound(0.5).vacuous
    assert risk_bound(0.5).value < 1.0


@pytest.mark.parametrize("bad", [-1e-3, math.nan])
def test_impossible_arguments_are_refused(bad):
    with pytest.raises(ModelError, match="nats"):
        g_inverse(bad)
    with pytest.raises(ModelError, match="delta"):
        g(bad)


@st.composite
def pairs_of_laws(draw):
    """Two laws on 2..5 tokens, with zeros, ties and near ties (the inequality is tight near q = ties)."""
    size = draw(st.integers(2, 5))
    weights = st.one_of(st.sampled_from([0.0, 1.0, 1.0 + 1e-9]), st.floats(1e-6, 1.0))
    laws = []
    for _ in range(2):
        w = np.array(draw(st.lists(weights, min_size=size, max_size=size)))
        w = w if w.sum() > 0 else np.ones(size)
        laws.append(w / w.sum())
    return laws


def divergence(p, q):
    with np.errstate(divide="ignore"):
        return float(np.where(p > 0, xlogy(p, p) - p * np.where(p > 0, np.log(q), 0.0), 0.0).sum())


@settings(max_examples=400)
@given(pairs_of_laws())
def test_excess_risk_obeys_g_of_delta_at_most_kl(laws):
    p, q = laws
    assert g(np.clip(excess_risk(p, q), 0, 1)) <= divergence(p, q) + 1e-12


@given(st.floats(0.0, 1.0))
def test_the_inequality_is_attained_by_a_tie_of_two_tokens(delta):
    p, q = np.array([(1 - delta) / 2, (1 + delta) / 2]), np.array([0.5, 0.5])
    assert float(excess_risk(p, q)) == pytest.approx(p[1] - p[0], abs=1e-15)
    assert divergence(p, q) == pytest.approx(float(g(delta)), abs=1e-14)


def test_a_predictor_that_does_not_exist_is_always_wrong():
    np.testing.assert_allclose(excess_risk([[0.3, 0.7]], [[0.0, 0.0]]), [0.7])


def test_only_what_users_bring_is_checked():
    """A filter's law may hold 1e-310, or sum to one within more than the constructor's 1e-9; a user's may not."""
    faint, loose, q = np.array([1e-310, 1.0]), np.array([0.5, 0.5 + 3e-9]), np.array([1.0, 0.0])
    for law, risk in ((faint, 1.0), (loose, 3e-9)):
        with pytest.raises(ModelError, match="bayes"):
            excess_risk(law, q)
        assert computed_excess_risk(law, q) == pytest.approx(risk, abs=1e-15)
    assert computed_excess_risk(np.array([0.0, 1.0 + 2**-52]), np.zeros(2)) == 1.0


@given(st.floats(0.1, 0.9), st.integers(60, 300), st.sampled_from([0.5, 0.9, 0.99]))
def test_bounded_mean_interval_ends_where_both_tails_together_have_the_level(mean, count, level):
    """By hand: N kl(mean || end) = log(2 / (1 - level)): the union of two one-sided bounds, not one of them."""
    found = bounded_mean_interval(np.full(count, mean), level)
    for end in (found.low, found.high):
        kl = mean * math.log(mean / end) + (1 - mean) * math.log((1 - mean) / (1 - end))
        assert count * kl == pytest.approx(math.log(2 / (1 - level)), rel=1e-6)


@given(st.integers(0, 30), st.sampled_from([0.5, 0.9, 0.99]))
def test_binomial_interval_leaves_half_the_rest_on_each_side(successes, level):
    """Clopper and Pearson: at the low end P(at least as many) = (1 - level) / 2, at the high end P(at most as many)."""
    found, trials = binomial_interval(successes, 30, level), 30
    law = lambda p: [math.comb(trials, s) * p**s * (1 - p) ** (trials - s) for s in range(trials + 1)]  # noqa: E731
    if successes > 0:
        assert sum(law(found.low)[successes:]) == pytest.approx((1 - level) / 2, rel=1e-6)
    if successes < trials:
        assert sum(law(found.high)[: successes + 1]) == pytest.approx((1 - level) / 2, rel=1e-6)


def test_binomial_interval_covers_exactly_as_promised():
    """Coverage summed over all outcomes, no sampling: at least 0.99 at every p on a grid."""
    trials, grid = 40, np.linspace(0.001, 0.999, 97)
    ends = [binomial_interval(s, trials) for s in range(trials + 1)]
    weights = np.array(
        [[math.comb(trials, s) * p**s * (1 - p) ** (trials - s) for s in range(trials + 1)] for p in grid]
    )
    inside = np.array([[e.low <= p <= e.high for e in ends] for p in grid])
    assert (weights * inside).sum(1).min() >= 0.99
    assert binomial_interval(0, trials).low == 0.0
    assert binomial_interval(trials, trials).high == 1.0


def test_bounded_mean_interval_covers_at_least_as_promised():
    """500 samples of 60 values of Beta(.2, 2), a skewed law; coverage is at least 0.9 by theorem. False alarm: the
    count of misses is Binomial(500, <= 0.1), so more than 80 has probability below 2e-5."""
    rng = np.random.default_rng(0)
    samples, mean = rng.beta(0.2, 2.0, size=(500, 60)), 0.2 / 2.2
    misses = 0
    for row in samples:
        interval = bounded_mean_interval(row, level=0.9)
        misses += not interval.low <= mean <= interval.high
    assert misses <= 80
    assert bounded_mean_interval(np.zeros(100)).low == 0.0
    assert bounded_mean_interval(np.zeros(100)).high < 0.06


def test_a_guess_is_not_made_by_rounding():
    """Tokens that tie: the first is the answer, whichever of them the last bit favours (of two tokens all excess)."""
    p, jitter = np.array([0.6, 0.4]), np.array([0.0, 1.0]) * 2**-52
    np.testing.assert_allclose(excess_risk([p, p[::-1]], [0.5 + jitter, 0.5 + jitter]), [0.0, 0.2], atol=1e-15)
    assert computed_excess_risk(p, np.array([0.5, 0.5 + 1e-9])) == pytest.approx(0.2)  # that is no rounding
