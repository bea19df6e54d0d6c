"""Numbers with intervals, and three-valued verdicts on them."""

import math
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

Verdict = bool | Literal["undetermined"]
"""True, False, or "undetermined": an interval or rounding straddles the threshold, or the work is not affordable."""

COVERAGE = 0.95
"""Nominal two-sided coverage of every interval in theory/, where no other is asked for."""


class Rate(NamedTuple):
    """A limit or mean in nats, with an interval (95% unless another coverage was asked for).

    Attributes:
        value: the number; None where ``method`` is "undefined" (then low = -inf, high = +inf). Of a bracket, its
            middle.
        low, high: the interval; both equal value where it was computed, not estimated.
        method: "closed form", "monte carlo", "bracketed", "simulation", "equal processes" or "undefined".
        bracket: width of the bracket in which the unknown past leaves the number; part of [low, high], and 0
            elsewhere.
        rounding: bound on the error of float64's arithmetic in value, low and high, which the interval leaves out.
        samples: independent blocks that were sampled; 0 where everything was enumerated, so that [low, high] is
            certain.
    """

    value: float | None
    low: float
    high: float
    method: str
    bracket: float = 0.0
    rounding: float = 0.0
    samples: int = 0

    @property
    def negative(self) -> Verdict:
        """Whether the number is below 0; "undetermined" where the interval, widened by ``rounding``, straddles."""
        return "undetermined" if self.value is None else exceeds(-self.high, -self.low, 0.0, 0.0, self.rounding)


UNDEFINED = Rate(value=None, low=-math.inf, high=math.inf, method="undefined")


def t_interval(samples: np.ndarray, coverage: float = COVERAGE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over axis 0 of independent samples and its t interval: mean -+ t_{m-1} s / sqrt(m).

    Where a sample is infinite the mean is infinite and so are both ends.

    Args:
        samples: (m, …), m >= 2, independent along the first axis.
        coverage: two-sided.

    Returns:
        (mean, low, high), each (…).
    """
    count = len(samples)
    with np.errstate(invalid="ignore"):
        mean = samples.mean(0)
        spread = samples.std(0, ddof=1) / math.sqrt(count)
    half = stdtrit(count - 1, 0.5 + coverage / 2) * np.where(np.isfinite(mean), spread, 0.0)
    return np.asarray(mean), np.asarray(mean - half), np.asarray(mean + half)


def exceeds(low: float, high: float, threshold_low: float, threshold_high: float, rounding: float = 0.0) -> Verdict:
    """Whether a quantity in [low, high] is strictly above a threshold in [threshold_low, threshold_high].

    inf > inf is False: a bound whose threshold is infinite says nothing, however large the signal.

    Args:
        low, high: ends of the quantity.
        threshold_low, threshold_high: ends of the threshold.
        rounding: bound on the error that arithmetic left in the difference of the two; inside it nothing is decided.

    Returns:
        True or False where every pair of values in the two intervals agrees on it, else "undetermined".
    """
    if threshold_low == math.inf or high == -math.inf:
        return False
    if threshold_high < low and (low == math.inf or threshold_high == -math.inf):
        return True
    if low > threshold_high + rounding:
        return True
    if high <= threshold_low - rounding:
        return False
    return "undetermined"


def simultaneous(coverage: float, count: int) -> float:
    """The coverage that each of ``count`` intervals needs for all to hold at once with ``coverage`` (Bonferroni).

    Args:
        coverage: of all together.
        count: how many.

    Returns:
        1 - (1 - coverage) / count, a probability.
    """
    return 1.0 - (1.0 - coverage) / max(count, 1)
