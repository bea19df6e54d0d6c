"""A family with more concepts than an instance holds: what ``verify`` says of it, before anything is made.

The estimate of ``cost`` is a polynomial of degree 2 in the number of concepts of GINC's recipe (pairs of them, times
what one of them costs), so three small members of the family give it for the whole.
"""

from typing import NoReturn

import numpy as np

from implicit_bayes.benchmarks.verification.cost import estimate, minutes
from implicit_bayes.benchmarks.verification.settings import Settings, check_settings
from implicit_bayes.simulators.ginc_family import HELD, NAME, GincFamily
from implicit_bayes.theory import ModelError

SMALL = (8, 16, 24)
"""Concepts of the members that are estimated."""


def refuse(family: GincFamily, settings: Settings) -> NoReturn:
    """Say what ``verify`` would take for a family, and how many of its concepts fit.

    Args:
        family: with more concepts than an instance holds.
        settings: of ``verify``, as given.

    Raises:
        ModelError: always, on one line.
    """
    seconds = [_estimated(family, count, settings._replace(budget=np.inf)) for count in SMALL]
    total = float(np.polyval(np.polyfit(SMALL, seconds, 2), family.concepts))
    most = affordable(family, settings)
    fits = f"{NAME}:concepts={most} fits the budget" if most else "not one concept fits the budget"
    allowed = minutes(60.0 * settings.budget)
    raise ModelError(
        f"budget: {family.concepts:,} concepts take about {minutes(total)} (--budget: {allowed}), and an instance "
        f"holds {HELD:,} at most; {fits}; sample draws data of all of them, and filter_blocks has their evidence and "
        "posterior block by block (docs/instances.md)"
    )


def affordable(family: GincFamily, settings: Settings) -> int:
    """The largest number of concepts, ``HELD`` at most, that ``settings.budget`` lets ``verify`` take; 0 for none.

    Args:
        family: concepts drawn from one law.
        settings: of ``verify``, checked.

    Returns:
        A number of concepts C.
    """
    low, high = 0, 1
    while high <= HELD and _fits(family, high, settings):
        low, high = high, 2 * high
    high = min(high, HELD + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _fits(family, middle, settings) else (low, middle)
    return low


def _fits(family: GincFamily, concepts: int, settings: Settings) -> bool:
    try:
        _estimated(family, concepts, settings)
    except ModelError:
        return False
    return True


def _estimated(family: GincFamily, concepts: int, settings: Settings) -> float:
    instance = family._replace(concepts=concepts).instance(NAME)
    return estimate(instance, check_settings(settings, instance)).seconds
