"""Intervals for means of sampled prefixes that hold at every sample size, rare prefixes included.

Two, and both hold: Bernstein's with the empirical variance, whose second term is what a value that was never drawn may
still hide; and the exact one, the seen prefixes weighed by their known probabilities and the unseen mass, known too,
times what it can hold. A t interval knows neither: where a prefix of probability 1e-4 holds the sum, it has no width.

Source: A. Maurer and M. Pontil 2009, "Empirical Bernstein bounds and sample variance penalization", Theorem 4.
"""

import math

import numpy as np

from implicit_bayes.theory.objects.rows import distinct_rows

SLACK = 1e-12
"""Rounding allowed for in sums of probabilities, as a share of the range."""


def bernstein_interval(
    values: np.ndarray, low: np.ndarray, high: np.ndarray, coverage: float
) -> tuple[np.ndarray, np.ndarray]:
    """mean -+ ( sqrt(2 v L / N) + 7 R L / (3 (N - 1)) ), L = log(4 / (1 - coverage)): covers at every N.

    Args:
        values: (N, Q) independent along the first axis, N >= 2.
        low, high: (Q,) between which values lie for certain; R is their distance.
        coverage: two-sided, of each quantity.

    Returns:
        (Q,) ends of the interval.
    """
    count, mean = len(values), values.mean(0)
    half = _half_width(values.var(0, ddof=1), high - low, count, coverage)
    return np.maximum(mean - half, low), np.minimum(mean + half, high)


def _half_width(variance: np.ndarray, span: np.ndarray, count: float, coverage: float) -> np.ndarray:
    level = math.log(4.0 / (1.0 - coverage))
    return np.sqrt(2.0 * variance * level / count) + 7.0 * span * level / (3.0 * (count - 1.0))


def samples_for(variance: np.ndarray, span: np.ndarray, half: np.ndarray, coverage: float) -> np.ndarray:
    """(Q,) how many samples bring Bernstein's half-width down to ``half``: a quadratic in sqrt(N - 1).

    Args:
        variance: (Q,) of one sample.
        span: (Q,) its range.
        half: (Q,) half-widths wanted.
        coverage: two-sided.

    Returns:
        (Q,) real numbers, to be rounded up: 1 where there is neither variance nor range, else inf where ``half`` is 0.
    """
    level = math.log(4.0 / (1.0 - coverage))
    root = np.sqrt(2.0 * variance * level)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = ((root + np.sqrt(root**2 + 28.0 / 3.0 * half * span * level)) / (2.0 * half)) ** 2 + 1.0
    return np.where((root == 0) & (span == 0), 1.0, np.where(half > 0, size, np.inf))


def seen_interval(
    values: np.ndarray, prefixes: np.ndarray, log_mass: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """sum over seen prefixes of p f, plus the unseen mass times the range: certain, and narrow where little is unseen.

    Args:
        values: (N, Q) of the sampled prefixes.
        prefixes: (N, k - 1) their tokens.
        log_mass: (N,) log of their probabilities.
        low, high: (Q,) between which values lie for certain.

    Returns:
        (Q,) ends of the interval.
    """
    first, _ = distinct_rows(prefixes.astype(np.float64))
    mass = np.exp(log_mass[first])
    unseen, known, slack = max(1.0 - mass.sum(), 0.0), mass @ values[first], SLACK * (high - low)
    return known + unseen * low - slack, known + unseen * high + slack


def mean_interval(
    values: np.ndarray,
    prefixes: np.ndarray,
    log_mass: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    coverage: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(Q,) estimate, low and high: both intervals at once; the certain one alone where they exclude each other.

    Where a value is infinite, so are all three.

    Args:
        values: (N, Q) of the sampled prefixes.
        prefixes: (N, k - 1) their tokens.
        log_mass: (N,) log of their probabilities.
        low, high: (Q,) between which values lie for certain.
        coverage: two-sided, of each quantity.

    Returns:
        Three (Q,) arrays in the unit of ``values``, low <= estimate <= high.
    """
    finite = np.isfinite(values).all(0)
    with np.errstate(invalid="ignore"):
        mean = values.mean(0)
    values = np.where(finite, values, 0.0)
    certain = seen_interval(values, prefixes, log_mass, low, high)
    likely = bernstein_interval(values, low, high, coverage)
    both = np.maximum(certain[0], likely[0]), np.minimum(certain[1], likely[1])
    apart = both[0] > both[1]
    lower, upper = np.where(apart, certain[0], both[0]), np.where(apart, certain[1], both[1])
    ends = (np.where(finite, end, mean) for end in (np.clip(values.mean(0), lower, upper), lower, upper))
    estimate, lower, upper = ends
    return estimate, lower, upper
