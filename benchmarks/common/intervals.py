"""Intervals for shares and for means of few, with scipy's quantiles; one place.

``python -m implicit_bayes.benchmarks.coverage`` shows how often each covers.
"""

import math

import numpy as np
from scipy.special import ndtri, stdtrit

LEVEL = 0.95
"""Nominal coverage of every interval that is shown."""


def wilson(successes: np.ndarray, trials: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a binomial share, elementwise; (0, 1) where there are no trials.

    centre +- half, with z the normal quantile: centre = (s + z^2/2) / (t + z^2),
    half = z sqrt(s (t - s) / t + z^2/4) / (t + z^2). Source: Wilson 1927, JASA 22.

    Args:
        successes: counts s.
        trials: counts t.
        level: nominal coverage.

    Returns:
        (low, high) in [0, 1].

    Raises:
        ValueError: counts outside 0..t, which no share has (a stored file that somebody changed).
    """
    s, t = np.asarray(successes, float), np.asarray(trials, float)
    if ((s < 0) | (s > t)).any():
        raise ValueError("successes that lie outside 0..trials")
    z = float(ndtri(0.5 + level / 2))
    centre = (s + z * z / 2) / (t + z * z)
    spread = np.divide(s * (t - s), t, out=np.zeros_like(s), where=t > 0)
    half = z * np.sqrt(spread + z * z / 4) / (t + z * z)
    return np.where(s == 0, 0.0, centre - half), np.where(s == t, 1.0, centre + half)


def share_difference(first: tuple[int, int], second: tuple[int, int], level: float = LEVEL) -> tuple[float, float]:
    """Interval of p2 - p1 for two independent shares, from their Wilson intervals [l, u]:

        [d - sqrt((p2 - l2)^2 + (u1 - p1)^2),  d + sqrt((u2 - p2)^2 + (p1 - l1)^2)],  d = p2 - p1.

    Source: Newcombe 1998, Statistics in Medicine 17, 873, method 10.

    Args:
        first, second: (successes, trials), trials positive.
        level: nominal coverage.

    Returns:
        (low, high) in [-1, 1].
    """
    (p1, l1, u1), (p2, l2, u2) = (_share(*each, level) for each in (first, second))
    return p2 - p1 - math.hypot(p2 - l2, u1 - p1), p2 - p1 + math.hypot(u2 - p2, p1 - l1)


def paired_difference(
    both: int, first_only: int, second_only: int, neither: int, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of p2 - p1 for two shares of the same trials: as ``share_difference``, less the correlation's part.

    With phi the correlation of the 2 x 2 table (shrunk by half a trial where it is positive, 0 where a margin is),
    each root is sqrt(x^2 - 2 phi x y + y^2).
    Source: Newcombe 1998, Statistics in Medicine 17, 2635, method 10.

    Args:
        both, first_only, second_only, neither: trials in which both succeed, and so on; their sum is positive.
        level: nominal coverage.

    Returns:
        (low, high) in [-1, 1].
    """
    trials = both + first_only + second_only + neither
    (p1, l1, u1), (p2, l2, u2) = (_share(each, trials, level) for each in (both + first_only, both + second_only))
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    cross = float(both * neither - first_only * second_only)
    cross = max(cross - trials / 2, min(cross, 0.0))
    phi = cross / math.sqrt(margins) if margins else 0.0

    def root(x: float, y: float) -> float:
        return math.sqrt(x * x - 2 * phi * x * y + y * y)

    return p2 - p1 - root(p2 - l2, u1 - p1), p2 - p1 + root(u2 - p2, p1 - l1)


def _share(successes: int, trials: int, level: float) -> tuple[float, float, float]:
    low, high = wilson(np.array(successes), np.array(trials), level)
    return successes / trials, float(low), float(high)


def mean_interval(mean: float, standard_error: float, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Student's interval of a mean of ``count`` independent values: mean -+ t_{count - 1} standard_error.

    (-inf, inf) for one value: it says nothing of its spread. An infinite mean is its own interval.

    Args:
        mean: of the values.
        standard_error: of that mean, in its unit.
        count: of independent values.
        level: of the interval.

    Returns:
        (low, high), in the mean's unit; infinite where there is one value.
    """
    if not math.isfinite(mean):
        return mean, mean
    half = errors(count, level) * standard_error if count > 1 else math.inf
    return mean - half, mean + half


def errors(count: int, level: float = LEVEL) -> float:
    """Standard errors on each side of a mean of ``count`` values: Student's quantile; 12.7, 4.3, 3.2 … 1.96.

    Args:
        count: of independent values; the quantile has count - 1 degrees of freedom.
        level: of the interval.

    Returns:
        t with P(|T| <= t) = level; inf for one value.
    """
    return float(stdtrit(count - 1, 0.5 + level / 2)) if count > 1 else math.inf
