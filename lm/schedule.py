"""How long, on what batches and at which rate: everything here is a function of the step, so a resumed training needs
to know nothing else of its past."""

import math
from typing import Literal, NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError

MOST = 20_000_000
"""Steps of a training: a schedule is worked out step by step, in memory."""


class Phase(NamedTuple):
    """A stretch of training on batches of one shape.

    Attributes:
        begin: share of all tokens seen when it begins, in [0, 1).
        batch: documents.
        length: tokens of each.
    """

    begin: float
    batch: int
    length: int


class Schedule(NamedTuple):
    """How long a training is, on which batches, and at which learning rate.

    Attributes:
        tokens: to train on, all phases together.
        phases: the first begins at 0.
        peak: learning rate after the warm-up.
        warm_up: steps of linear rise.
        decay: cosine or linear down to ``floor`` times the peak, or constant (as plateau does it for itself).
        floor: share of the peak that is left at the end.
        hold: share of all tokens, in [0, 1), that is seen before the rate begins to fall from the peak.

    Source: Hu et al. 2024, section 4 (a rate that is held, then falls).
    """

    tokens: int
    phases: tuple[Phase, ...]
    peak: float
    warm_up: int = 100
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    floor: float = 0.01
    hold: float = 0.0


class Plan(NamedTuple):
    """A schedule worked out step by step.

    Attributes:
        phases: P phases.
        first_P: step at which each begins.
        steps: in all.
        tokens_S1: seen before step s; the last entry is the total.
        rate_S: learning rate of step s.
    """

    phases: tuple[Phase, ...]
    first_P: np.ndarray
    steps: int
    tokens_S1: np.ndarray
    rate_S: np.ndarray

    def phase(self, step: int) -> tuple[int, Phase]:
        """The phase that a step belongs to, with its index.

        Returns:
            (index, Phase).
        """
        index = int(np.searchsorted(self.first_P, step, side="right")) - 1
        return index, self.phases[index]


def plan(schedule: Schedule) -> Plan:
    """Work a schedule out.

    Returns:
        Plan: first step of every phase, tokens seen before every step, and every step's learning rate.

    Raises:
        ModelError: no phase at 0, phases out of order, or fewer tokens than one batch.
    """
    phases = schedule.phases
    begins = [phase.begin for phase in phases]
    if not phases or begins[0] != 0.0 or sorted(set(begins)) != begins or begins[-1] >= 1.0:
        raise ModelError(f"phases: they begin at {begins}; begin at 0 and rise below 1")
    if not 0.0 <= schedule.hold < 1.0:
        raise ModelError(f"hold: {schedule.hold} is no share of the tokens in [0, 1); 0 lets the rate fall at once")
    ends = [*begins[1:], 1.0]
    counts = [
        int((end - phase.begin) * schedule.tokens / (phase.batch * phase.length) + 1e-9)  # 1 - 0.8 < 0.2
        for phase, end in zip(phases, ends, strict=True)
    ]
    steps = sum(counts)
    if steps > MOST:
        raise ModelError(f"tokens: {schedule.tokens} are {steps:,} steps, more than {MOST:,}; ask for fewer")
    if steps < 1:
        shares = ((end - phase.begin, phase) for phase, end in zip(phases, ends, strict=True))
        least = math.ceil(min(phase.batch * phase.length / share for share, phase in shares) * (1 - 1e-9))
        raise ModelError(f"tokens: {schedule.tokens} is not one batch of any phase; give at least {least}")
    per_step_S = np.concatenate(
        [np.full(count, phase.batch * phase.length) for count, phase in zip(counts, phases, strict=True)]
    )
    tokens_S1 = np.concatenate([[0], np.cumsum(per_step_S)])
    done_S = np.maximum(0.0, tokens_S1[:-1] / tokens_S1[-1] - schedule.hold) / (1.0 - schedule.hold)
    left_S = {"cosine": 0.5 * (1 + np.cos(math.pi * done_S)), "linear": 1 - done_S, "constant": np.ones(steps)}
    rise_S = np.minimum(1.0, (np.arange(steps) + 1) / max(1, schedule.warm_up))
    rate_S = schedule.peak * rise_S * (schedule.floor + (1 - schedule.floor) * left_S[schedule.decay])
    return Plan(phases, np.concatenate([[0], np.cumsum(counts)[:-1]]), steps, tokens_S1, rate_S)
