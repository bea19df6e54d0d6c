"""From nats to 0-1 risk: the function g, its inverse, and finite-sample intervals for measured risks.

    g(delta) = 1/2 [ (1 - delta) log(1 - delta) + (1 + delta) log(1 + delta) ] on [0, 1],  g(1) = log 2

Source: Xie et al. 2022, Theorems 2 and 3 (g is the calibration function of the 0-1 loss there).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, xlog1py

from implicit_bayes.theory.objects.checks import ModelError, check_shape, check_simplex
from implicit_bayes.theory.objects.types import Numbers

LOG_2 = math.log(2.0)
"""g(1): an argument of this size or more bounds nothing."""

_BISECTIONS = 64
"""Halvings of a bracket of relative width 0.18; 54 would exhaust float64."""


class RiskBound(NamedTuple):
    """A bound on the excess 0-1 risk.

    Attributes:
        value: g^{-1}(nats), in [0, 1]; 1 where vacuous.
        vacuous: nats >= log 2, so that the bound excludes nothing.
        nats: the argument.
    """

    value: float
    vacuous: bool
    nats: float


class Interval(NamedTuple):
    """A mean in [0, 1] with an interval that covers it with at least the stated probability at every sample size.

    Attributes:
        value: the mean.
        low: lower end, at least 0.
        high: upper end, at most 1.
    """

    value: float
    low: float
    high: float


def g(delta: Numbers) -> np.ndarray:
    """g(delta), elementwise, in nats, to a few units in the last place.

    Below 1/2 the two logarithms nearly cancel, so the same function is evaluated as
    1/2 log(1 - delta^2) + delta artanh(delta), whose terms differ by a factor of two; exact at 0 and at 1.

    Args:
        delta: excess 0-1 risks, in [0, 1], of any shape.

    Returns:
        An array of the shape of ``delta``, nats, in [0, log 2].

    Raises:
        ModelError: an entry outside [0, 1].
    """
    delta = np.asarray(delta, dtype=np.float64)
    if not ((delta >= 0) & (delta <= 1)).all():
        raise ModelError(f"delta: {delta[~((delta >= 0) & (delta <= 1))].flat[0]} is outside [0, 1]")
    return _g(delta)


def _g(delta: np.ndarray | np.float64) -> np.ndarray:
    small = np.minimum(delta, 0.5)
    near_0 = 0.5 * np.log1p(-small * small) + small * np.arctanh(small)
    near_1 = 0.5 * (xlog1py(1.0 - delta, -delta) + xlog1py(1.0 + delta, delta))
    return np.asarray(np.where(delta < 0.5, near_0, near_1))


def g_inverse(nats: Numbers) -> np.ndarray:
    """The delta in [0, 1] with g(delta) = nats, elementwise; 1 from log 2 upwards (infinity included).

    g(delta) = sum_m delta^{2m} / (2m (2m - 1)), so g(delta) / delta^2 rises from 1/2 to log 2, which brackets the
    root: sqrt(nats / log 2) <= delta <= sqrt(2 nats). Bisection of that bracket is exact to float64, relatively,
    down to nats of 1e-300.

    Args:
        nats: divergences, at least 0, of any shape.

    Returns:
        An array of the shape of ``nats``, probabilities.

    Raises:
        ModelError: a negative or nan argument.
    """
    nats = np.asarray(nats, dtype=np.float64)
    if not (nats >= 0).all():
        raise ModelError(f"nats: {nats[~(nats >= 0)].flat[0]} is not a nonnegative number")
    inside = np.minimum(nats, LOG_2)
    low, high = np.sqrt(inside / LOG_2), np.minimum(np.sqrt(2.0 * inside), 1.0)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        below = _g(middle) < inside
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(np.where(nats >= LOG_2, 1.0, high))


def risk_bound(nats: float) -> RiskBound:
    """The largest excess 0-1 risk that an excess of ``nats`` of Kullback-Leibler divergence allows.

    Args:
        nats: divergence, at least 0.

    Returns:
        RiskBound; vacuous from log 2 nats upwards.
    """
    return RiskBound(float(g_inverse(nats)), bool(nats >= LOG_2), float(nats))


def excess_risk(bayes: Numbers, predictor: Numbers) -> np.ndarray:
    """max_y p(y) - p(argmax_y q(y)): the extra 0-1 risk of predicting by q where the truth is p. In [0, 1].

    Claim: g(excess) <= KL(p || q), and for means over x, g(E excess) <= E KL. Proof: let a and b be the arguments of
    the two maxima, s = p_a + p_b and delta = p_a - p_b. Among q with q_b >= q_a the divergence is least at
    q_a = q_b = s/2 and q = p elsewhere, where it is s g(delta / s); that is at least g(delta), since g is convex and
    g(0) = 0. The second claim is Jensen's inequality.

    Args:
        bayes: (..., V) laws p.
        predictor: (..., V) nonnegative scores q (laws, or anything whose argmax decides; of scores that tie, or differ
            by rounding, the first: ``first_choice``). A row of zeros is a predictor that does not exist: it is wrong
            whatever y is.

    Returns:
        (...,) probabilities.

    Raises:
        ModelError: shapes disagree, or ``bayes`` is not a law.
    """
    p, q = np.asarray(bayes, dtype=np.float64), np.asarray(predictor, dtype=np.float64)
    check_shape("predictor", q, p.shape, "the Bayes law's shape")
    check_simplex("bayes", p)
    return computed_excess_risk(p, q)


TIED = 1e-12
"""Relative difference up to which two computed probabilities count as equal: their rounding is below it."""


def first_choice(law: np.ndarray) -> np.ndarray:
    """(...,) argmax_y of laws (..., V) that were computed: of tokens that tie, the first.

    In exact arithmetic argmax names the first of several equal numbers. Computed ones come apart in their last bits,
    differently for every order of sums, so tokens within ``TIED`` of the largest count as equal to it.

    Args:
        law: (..., V) probabilities, up to a positive factor for each law.

    Returns:
        Indices into the last axis, shape (...,).
    """
    return np.asarray((law >= law.max(-1, keepdims=True) * (1.0 - TIED)).argmax(-1))


def computed_excess_risk(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """``excess_risk`` of predictives that we computed: no checks (a filter's law may hold 1e-310; it is no fault).

    Args:
        p, q: (..., V) the law that answers are drawn from, and the one whose argmax answers.

    Returns:
        (...,) at most 1; where q is 0 throughout there is no answer, and all of max p is lost.
    """
    chosen = np.take_along_axis(p, first_choice(q)[..., None], -1)[..., 0]
    return np.asarray(np.minimum(p.max(-1) - np.where((q > 0).any(-1), chosen, 0.0), 1.0))  # p may be 1 + 2e-16


def binomial_interval(successes: int, trials: int, level: float = 0.99) -> Interval:
    """Clopper-Pearson: covers the probability behind ``successes`` of ``trials`` at least with probability level.

    Args:
        successes, trials: counts, 0 <= successes <= trials, at least one trial.
        level: of the interval.

    Returns:
        The share, and its interval in [0, 1].

    Raises:
        ModelError: counts that are none.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ModelError(f"successes: {successes} of {trials} trials")
    tail = 0.5 * (1.0 - level)
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1.0 - tail)) if successes < trials else 1.0
    return Interval(successes / trials, low, high)


def bounded_mean_interval(values: Numbers, level: float = 0.99) -> Interval:
    """Chernoff's interval for the mean of independent values in [0, 1], valid at every sample size.

    P( N kl(mean || mu) >= log(2 / (1 - level)) ) <= 1 - level for the binary divergence kl, because among laws on
    [0, 1] of mean mu the Bernoulli law has the largest moment generating function (Hoeffding 1963, Theorem 1).

    Args:
        values: (N,) independent values in [0, 1].
        level: coverage.

    Returns:
        Interval: the mean, and ends in [0, 1] that hold at once with probability at least ``level``.

    Raises:
        ModelError: no values, or one outside [0, 1] by more than 1e-12.
    """
    values = np.asarray(values, dtype=np.float64).reshape(-1)
    if values.size == 0 or values.min() < -1e-12 or values.max() > 1.0 + 1e-12:
        raise ModelError("values: expected at least one number, all of them in [0, 1]")
    mean = float(np.clip(values.mean(), 0.0, 1.0))
    allowed = math.log(2.0 / (1.0 - level)) / values.size
    return Interval(mean, _chernoff_end(mean, 0.0, allowed), _chernoff_end(mean, 1.0, allowed))


def _chernoff_end(mean: float, end: float, allowed: float) -> float:
    """The mu between ``mean`` and ``end`` where kl(mean || mu) reaches ``allowed``, rounded outwards."""
    inner, outer = mean, end
    for _ in range(60):
        middle = 0.5 * (inner + outer)
        exceeds = _binary_kl(mean, middle) > allowed
        inner, outer = (inner, middle) if exceeds else (middle, outer)
    return outer


def _binary_kl(p: float, q: float) -> float:
    if q in (0.0, 1.0):
        return 0.0 if p == q else math.inf
    first = p * math.log(p / q) if p > 0 else 0.0
    return first + ((1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0)
