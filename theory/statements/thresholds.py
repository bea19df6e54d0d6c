"""What the right side of Condition 1 costs: the start mismatch and the delimiter mismatch, printed and repaired.

Source: Xie et al. 2022, Condition 1; docs/theory/conditions.md.
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.arithmetic import UNIT
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.statements.assumptions import find_concept
from implicit_bayes.theory.statements.repaired_constants import log0, pure_delimiter_states, repaired_constants


class Thresholds(NamedTuple):
    """What one (theta*, theta) costs, nats, each possibly infinite.

    Attributes:
        start: eps_start = log(1/c8).
        printed, repaired: eps_delim in both versions.
        rounding: bound on what float64 errs by in any sum of these.
    """

    start: float
    printed: float
    repaired: float
    rounding: float = 0.0


def alternatives(mixture: MixtureOfHMMs, true_concept: int) -> list[int]:
    """The theta != theta* that take part: concepts of positive prior.

    A theta* of prior zero may stand in the mixture a second time, with positive prior; that copy is theta* as well.

    Args:
        mixture: the pretraining law.
        true_concept: index of theta*.

    Returns:
        Their indices, increasing.

    Raises:
        ModelError: there is no such concept.
    """
    possible, true = [int(c) for c in mixture.possible_concepts()], mixture.concept(true_concept)
    itself = true_concept if true_concept in possible else find_concept(mixture, true)
    return [c for c in possible if c != itself]


def condition_thresholds(mixture: MixtureOfHMMs, true_concept: int, concept: int) -> Thresholds:
    """eps_start = log(1/c8), eps_delim printed and repaired; concepts of prior zero other than theta* do not count.

    An infinite cost (c1, c3, c8 or rho* zero, R_theta infinite) makes its epsilon +inf: the bound then says nothing.
    With c1 positive and c2 zero the alternatives never visit a delimiter and epsilon is -inf. c1 and c2 are attained.

    Args:
        mixture: the pretraining law.
        true_concept: index of theta*.
        concept: index of theta.

    Returns:
        All three costs, nats, with the constants that make them.
    """
    states = mixture.delimiter_states()
    others = alternatives(mixture, true_concept)
    transition, initial = np.asarray(mixture.transition), np.asarray(mixture.initial)
    c1 = float(transition[true_concept][:, states].min())
    c2 = float(transition[others][:, :, states].max()) if others else 0.0
    starts = initial[[true_concept, *others]][:, states]
    c3, c4, c8 = float(starts.min()), float(starts.max()), float(initial[true_concept].min())
    vacuous = c1 == 0.0 or c3 == 0.0
    printed = math.inf if vacuous else 2 * (log0(c2) - log0(c1)) + log0(c4) - log0(c3)
    repaired, logs = _repaired(mixture, true_concept, concept)
    logs += [log0(c) for c in (c1, c1, c2, c2, c3, c4, c8)]
    size = sum(abs(x) for x in logs if math.isfinite(x))
    return Thresholds(-log0(c8), printed, repaired, 8 * UNIT * (size + len(states) + 4))


def _repaired(mixture: MixtureOfHMMs, true_concept: int, concept: int) -> tuple[float, list[float]]:
    """eps_delim repaired, +inf where A1 fails, and the logarithms that it is made of."""
    try:
        pure_delimiter_states(mixture)
    except ModelError:
        return math.inf, []
    c = repaired_constants(mixture, true_concept, concept)
    return c.eps_delim, [log0(x) for x in (c.c1, c.c2, c.r_theta, c.rho_star)]


def add_costs(*costs: float) -> float:
    """Costs added up; one of +inf, after which a bound says nothing, wins over -inf.

    Returns:
        Nats.
    """
    return math.inf if math.inf in costs else sum(costs)
