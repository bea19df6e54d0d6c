"""Numbers with intervals, and three-valued verdicts on them."""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

Verdict = bool | Literal["undetermined"]
"""True, False, or "undetermined" where an interval straddles the threshold or the work is not affordable."""

COVERAGE = 0.95
"""Nominal two-sided coverage of every interval in theory/."""


class Rate(NamedTuple):
    """A limit or mean in nats, with a 95% interval.

    value: the number; None where ``method`` is "undefined" (then low = -inf, high = +inf).
    low, high: the interval; both equal value where it was computed, not estimated.
    method: "closed form", "monte carlo", "simulation" or "undefined".
    """

    value: float | None
    low: float
    high: float
    method: str


UNDEFINED = Rate(None, -math.inf, math.inf, "undefined")


def t_interval(samples: np.ndarray) -> tuple[Any, Any, Any]:
    """Mean over axis 0 of independent samples and its t interval: mean -+ t_{m-1} s / sqrt(m).

    Where a sample is infinite the mean is infinite and so are both ends.

    Args:
        samples: (m, …), m >= 2, independent along the first axis.

    Returns:
        (mean, low, high), each (…).
    """
    count = len(samples)
    with np.errstate(invalid="ignore"):
        mean = samples.mean(0)
        spread = samples.std(0, ddof=1) / math.sqrt(count)
    half = stats.t.ppf(0.5 + COVERAGE / 2, count - 1) * np.where(np.isfinite(mean), spread, 0.0)
    return mean, mean - half, mean + half


def exceeds(low: float, high: float, threshold_low: float, threshold_high: float) -> Verdict:
    """Whether a quantity in [low, high] is strictly above a threshold in [threshold_low, threshold_high].

    inf > inf is False: a bound whose threshold is infinite says nothing, however large the signal.
    """
    if low > threshold_high:
        return True
    if high <= threshold_low:
        return False
    return "undetermined"
