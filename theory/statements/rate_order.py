"""Which concepts' rates lim r_n(theta) are shown to be larger: on those the posterior may concentrate."""

from collections.abc import Mapping

import numpy as np

RATE_ROUNDING = 1e-11
"""Relative error of a rate in closed form; rates closer than this are not told apart."""

Rates = Mapping[int, tuple[float, float]]
"""Ends of lim r_n(theta) by concept, theta* itself (0, 0); a concept that is missing may have any rate."""


def beats(rates: Rates, better: int, worse: int) -> bool:
    """Whether the rate of one concept is shown to lie above that of the other.

    Args:
        rates: lim r_n of every concept, as intervals.
        better, worse: concepts.
    """
    if better not in rates or worse not in rates:
        return False
    low, high = rates[better][0], rates[worse][1]
    return low > high and (high == -np.inf or low - high > RATE_ROUNDING * max(1.0, abs(low), abs(high)))


def unbeaten(rates: Rates, concepts: frozenset[int]) -> frozenset[int]:
    """The concepts on which the posterior may concentrate: no other one is shown to have a larger rate.

    Args:
        rates: lim r_n of every concept, as intervals.
        concepts: those that are still possible.

    Returns:
        A subset of ``concepts``, of one concept where intervals are narrow and no rates tie.
    """
    return frozenset(c for c in concepts if not any(beats(rates, other, c) for other in concepts))
