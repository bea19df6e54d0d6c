"""Where the budget of Condition 1 goes: signal, start mismatch, delimiter mismatch, and A3's margin, for one theta.

Source: docs/theory/conditions.md; the terms are those of ``theory.statements.conditions``, each with
what causes it.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import COVERAGE
from implicit_bayes.theory.information.kl import KLSum
from implicit_bayes.theory.information.scores import ACCURACY, WORK
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.assumptions import find_concept
from implicit_bayes.theory.statements.conditions import BUDGET, IMPOSSIBLE, Condition, check_conditions
from implicit_bayes.theory.statements.input_margins import StartShift, start_shift_by_input
from implicit_bayes.theory.statements.signals import SignalOptions, Signals


class Cause(NamedTuple):
    """A transition and its probability: p(target | source) under a concept.

    Attributes:
        concept: index of the concept whose kernel it is.
        source: state h.
        target: state d.
        probability: p(d | h).
    """

    concept: int
    source: int
    target: int
    probability: float


class StartRatio(NamedTuple):
    """sum_d p(h|d) / p(h) at the state h that makes it extreme, under a concept.

    Attributes:
        concept: its index.
        state: h.
        after_delimiter: sum_d p(h | d).
        at_start: p(h), by the document start law.
        ratio: of the two; inf where h never starts a document.
    """

    concept: int
    state: int
    after_delimiter: float
    at_start: float
    ratio: float


class ConditionSplit(NamedTuple):
    """The split, nats.

    Attributes:
        condition: every number and verdict of the three versions.
        signal: sum_j KL_j(theta), position by position (nan before the first infinite one).
        start_state: the state of the smallest p(h|theta*), which makes eps_start = log(1/c8).
        start_kl: KL( p_prompt(O) || p(O|theta*) ), what the start mismatch really costs.
        c1: the transition into a delimiter that theta* makes least.
        c2: the transition into a delimiter that this theta makes most.
        c2_printed: the same over every theta != theta*, which the printed condition uses.
        largest: the state of R_theta.
        smallest: the state of rho*.
        printed_margin, repaired_margin: signal minus threshold; -inf where the threshold is infinite.
        start_shift: A3.
        reading: one line: what to change for the theorem to apply.
    """

    condition: Condition
    signal: KLSum
    start_state: int
    start_kl: KLSum
    c1: Cause
    c2: Cause
    c2_printed: Cause
    largest: StartRatio
    smallest: StartRatio
    printed_margin: float
    repaired_margin: float
    start_shift: StartShift
    reading: str


def split_condition(
    mixture: MixtureOfHMMs,
    prompt: PromptLaw,
    concept: int,
    *,
    true_concept: int | None = None,
    condition: Condition | None = None,
    seed: int = 0,
    budget: int = BUDGET,
    worst: int = 5,
    logarithms: float = WORK,
) -> ConditionSplit:
    """The budget of Condition 1 for theta = ``concept`` under one prompt law.

    Args:
        mixture: the pretraining law.
        prompt: theta*, p_prompt(h), k.
        concept: theta, another concept.
        true_concept: index of theta*, whose prior may be 0; if not given, the concept of positive prior with its laws.
        condition: the row of ``conditions_by_start_law`` for this theta and this prompt law, if there is one already;
            its numbers and verdicts are then the ones that are split.
        seed: of the sampling, if any.
        budget: merged prefixes affordable on one level.
        worst: how many test inputs to list.
        logarithms: see ``scores.collect``.

    Returns:
        ConditionSplit: signal and costs of both mismatches, nats, the entries that cause them, A3, and advice in a
        line.

    Raises:
        ModelError: no ``true_concept`` is given and none has the laws of theta*, or ``concept`` is theta*.
    """
    true = find_concept(mixture, prompt.hmm) if true_concept is None else true_concept
    if true is None:
        raise ModelError("prompt: its concept is not in the mixture (A4 fails), so there is no theta* to compare with")
    if concept == true:
        raise ModelError(f"concept: {concept} is theta* itself")
    options = SignalOptions(seed=seed, budget=budget, accuracy=ACCURACY, coverage=COVERAGE, logarithms=logarithms)
    signals = Signals(mixture, np.asarray(prompt.start)[None], true, [concept], [prompt.length], options)
    signal, start_kl = signals.kl(0, concept, prompt.length), signals.start_kl(0, prompt.length)
    if condition is None:
        found = check_conditions(mixture, np.asarray(prompt.start)[None], true, prompt.length, seed=seed, budget=budget)
        condition = next(c for c in found if c.concept == concept)
    row = condition
    signal = signal._replace(value=row.repaired_kl_sum, low=row.repaired_kl_low, high=row.repaired_kl_high)
    start_kl = start_kl._replace(value=row.start_kl, low=row.start_kl_low, high=row.start_kl_high)
    others = sorted({concept, *(int(c) for c in mixture.possible_concepts() if c != true)})
    split = ConditionSplit(
        condition=condition,
        signal=signal,
        start_state=int(np.asarray(prompt.hmm.initial).argmin()),
        start_kl=start_kl,
        c1=_extreme_transition(mixture, [true], -1),
        c2=_extreme_transition(mixture, [concept], 1),
        c2_printed=_extreme_transition(mixture, others, 1),
        largest=_extreme_ratio(mixture, concept, 1),
        smallest=_extreme_ratio(mixture, true, -1),
        printed_margin=condition.room("printed"),
        repaired_margin=condition.room("repaired"),
        start_shift=start_shift_by_input(mixture, prompt, seed=seed, budget=budget, worst=worst),
        reading="",
    )
    return split._replace(reading=reading(split))


def _extreme_transition(mixture: MixtureOfHMMs, concepts: list[int], sign: int) -> Cause:
    states = mixture.delimiter_states()
    into = np.asarray(mixture.transition)[concepts][:, :, states]
    c, h, d = np.unravel_index((sign * into).argmax(), into.shape)
    return Cause(concepts[c], int(h), int(states[d]), float(into[c, h, d]))


def _extreme_ratio(mixture: MixtureOfHMMs, concept: int, sign: int) -> StartRatio:
    after = np.asarray(mixture.transition)[concept][mixture.delimiter_states()].sum(0)
    start = np.asarray(mixture.initial)[concept]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = after / start
    state = int(np.where(np.isnan(ratio), -np.inf, sign * ratio).argmax())
    return StartRatio(concept, state, float(after[state]), float(start[state]), float(ratio[state]))


def reading(split: ConditionSplit) -> str:
    """One line: what to change for the repaired theorem to apply (the printed one may hold and conclude falsely).

    Args:
        split: of the pair that binds, without its ``reading``.

    Returns:
        One or two sentences, numbers in nats unless they say otherwise.
    """
    condition, c1, shift = split.condition, split.c1, split.start_shift
    if condition.method.endswith(IMPOSSIBLE):
        return "theta* has prior 0 (A4 fails): give it a positive one; no condition is about it."
    if condition.repaired_holds is True:
        if shift.holds is not False:
            return f"The repaired condition holds by {split.repaired_margin:.4g} nats; nothing to change."
        margin = shift.worst[0].margin
        return (
            f"The repaired condition holds, A3 does not: bring p_prompt(h) closer to row {shift.delimiter_state} of "
            f"theta* (TV {shift.tv:.3g}, wanted below {margin:.3g})."
        )
    parts = []
    if condition.printed_holds is True:
        parts.append("The printed condition holds, the repaired one does not.")
    if condition.sharp_holds is False:
        parts.append(f"The rate is {condition.rate:.4g}, not below 0: theta* does not win, whatever the bound.")
    return " ".join([*parts, _advice(split, c1)])


def _advice(split: ConditionSplit, c1: Cause) -> str:
    """The largest cost of the repaired threshold and how to lower it."""
    low, high = split.smallest, split.largest
    if c1.probability == 0.0:
        return (
            f"Give theta* a positive probability from state {c1.source} to delimiter state {c1.target} (c1 = 0 makes "
            "every threshold infinite)."
        )
    if low.ratio == 0.0:
        return f"Let a delimiter of theta* lead to state {low.state}, where its documents can start (rho* = 0)."
    if high.ratio == np.inf:
        return f"Let documents of theta start in state {high.state}, where its delimiters lead (R_theta is infinite)."
    if split.condition.eps_delim_repaired == np.inf:
        return "Make delimiter states emit nothing but the delimiter (A1 fails, so no delimiter bound applies)."
    costs = {
        f"Bring the start law p(h|theta*) closer to p_prompt(h) (start_kl {split.start_kl.value:.3g} nats)": (
            split.start_kl.value
        ),
        f"Bring p({split.c2.target}|{split.c2.source}, theta) = {split.c2.probability:.3g} and "
        f"p({c1.target}|{c1.source}, theta*) = {c1.probability:.3g} together": float(
            np.log(max(split.c2.probability, 1e-300) / c1.probability)
        ),
        f"Let documents of theta start in state {high.state} about as often as its delimiters lead there (ratio "
        f"{high.ratio:.3g})": float(np.log(high.ratio)),
        f"Let delimiters of theta* lead to state {low.state} about as often as its documents start there (ratio "
        f"{low.ratio:.3g})": -float(np.log(low.ratio)),
    }
    best = max(costs, key=lambda words: costs[words])
    if split.start_kl.value == np.inf:
        return f"{best}."
    return f"{best}, or lengthen the examples; {-split.repaired_margin:.4g} nats are missing."
