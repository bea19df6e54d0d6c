"""What the right side of Condition 1 costs: the start mismatch and the delimiter mismatch, printed and repaired.

Source: Xie et al. 2022, Condition 1; theory notes, sections 2 and 3.
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.statements.repaired import log0, pure_delimiter_states, repaired_constants


class Thresholds(NamedTuple):
    """eps_start, eps_delim_printed, eps_delim_repaired of one (theta*, theta), nats, each possibly infinite."""

    start: float
    printed: float
    repaired: float


def condition_thresholds(mixture: MixtureOfHMMs, true_concept: int, concept: int) -> Thresholds:
    """eps_start = log(1/c8), eps_delim printed and repaired.

    An infinite cost (c1, c3, c8 or rho* zero, R_theta infinite) makes its epsilon +inf: the bound then says nothing.
    With c1 positive and c2 zero the alternatives never visit a delimiter and epsilon is -inf. c1 and c2 are attained.
    """
    states = mixture.delimiter_states()
    others = [c for c in range(mixture.n_concepts) if c != true_concept]
    transition, initial = np.asarray(mixture.transition), np.asarray(mixture.initial)
    c1 = float(transition[true_concept][:, states].min())
    c2 = float(transition[others][:, :, states].max()) if others else 0.0
    starts = initial[:, states]
    c3, c4, c8 = float(starts.min()), float(starts.max()), float(initial[true_concept].min())
    vacuous = c1 == 0.0 or c3 == 0.0
    printed = math.inf if vacuous else 2 * (log0(c2) - log0(c1)) + log0(c4) - log0(c3)
    return Thresholds(-log0(c8), printed, _repaired(mixture, true_concept, concept))


def _repaired(mixture: MixtureOfHMMs, true_concept: int, concept: int) -> float:
    try:
        pure_delimiter_states(mixture)
    except ModelError:
        return math.inf
    return repaired_constants(mixture, true_concept, concept).eps_delim


def add_costs(*costs: float) -> float:
    """Costs added up; one of +inf, after which a bound says nothing, wins over -inf."""
    return math.inf if math.inf in costs else sum(costs)
