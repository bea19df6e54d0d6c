"""The conditions in exact fractions: which side of its threshold a signal lies on, however close.

Every entry is read as the decimal it prints as; where some row's decimals do not sum to exactly 1 nothing is decided.
Filters are merged where they are equal, so identity emissions cost V filters a level. What is left is the sign of a
finite sum of fraction x log(fraction), which ``theory.information.log_sums`` decides.
"""

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np

from implicit_bayes.theory.information.log_sums import sign_of_log_sum
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.thresholds import alternatives

Version = Literal["printed", "repaired", "sharp"]
Row = tuple[Fraction, ...]

MAX_FILTERS = 400
"""Distinct filters on one level; above, nothing is decided."""


class _Law(NamedTuple):
    """A start law with the kernel and emission that follow it."""

    start: Row
    transition: tuple[Row, ...]
    emission: tuple[Row, ...]


class _Undecided(Exception):
    """More filters than MAX_FILTERS, or an infinite logarithm."""


def exact_margin(
    mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, concept: int, version: Version
) -> int | None:
    """Sign of kl_sum minus the threshold (printed, repaired), or of -rate (sharp, one delimiter state).

    Args:
        mixture: the pretraining law.
        prompt: theta*, p_prompt(h), k.
        true_concept, concept: theta* and theta.
        version: of the condition.

    Returns:
        -1, 0, 1; None where it is not decided (decimals that do not sum to 1, too large, or something infinite).
    """
    try:
        return sign_of_log_sum(_terms(mixture, prompt, true_concept, concept, version))
    except _Undecided:
        return None


def _terms(
    mixture: MixtureOfHMMs, prompt: PromptLaw, true: int, other: int, version: Version
) -> dict[Fraction, Fraction]:
    states = [int(d) for d in mixture.delimiter_states()]
    true_law, theta = _law(mixture, true), _law(mixture, other)
    sampler = true_law._replace(start=_decimals(prompt.start)[0])
    if version == "sharp":
        if len(states) != 1:
            raise _Undecided
        laws = [law._replace(start=law.transition[states[0]]) for law in (true_law, theta)]
        return _combine(
            *((log, 1 - 2 * i) for i, log in enumerate(_expected_logs(sampler, laws, prompt, closing=True)))
        )
    logs = _expected_logs(sampler, [sampler, true_law, theta], prompt)
    c1 = min(row[d] for row in true_law.transition for d in states)
    if version == "repaired":
        c2 = max(row[d] for row in theta.transition for d in states)
        largest, smallest = max(_ratios(theta, states)), min(_ratios(true_law, states))
        return _combine((logs[1], 1), (logs[2], -1), *_constants((c2, -1), (c1, 1), (largest, -1), (smallest, 1)))
    others = [_law(mixture, c) for c in alternatives(mixture, true)]
    c2 = max(row[d] for law in others for row in law.transition for d in states)
    starts = [law.start[d] for law in (true_law, *others) for d in states]
    costs = _constants((c2, -2), (c1, 2), (max(starts), -1), (min(starts), 1), (min(true_law.start), 1))
    return _combine((logs[0], 1), (logs[2], -1), *costs)


def _ratios(law: _Law, states: Sequence[int]) -> list[Fraction]:
    """sum_d p(h|d)/p(h) over the states where it is not 0/0."""
    after = [sum((law.transition[d][h] for d in states), Fraction(0)) for h in range(len(law.start))]
    if any(p and not q for p, q in zip(after, law.start, strict=True)):
        raise _Undecided
    return [p / q for p, q in zip(after, law.start, strict=True) if q]


def _constants(*powers: tuple[Fraction, int]) -> list[tuple[dict[Fraction, Fraction], int]]:
    if any(constant == 0 for constant, _ in powers):
        raise _Undecided
    return [({constant: Fraction(1)}, power) for constant, power in powers]


def _combine(*parts: tuple[dict[Fraction, Fraction], int]) -> dict[Fraction, Fraction]:
    total: dict[Fraction, Fraction] = defaultdict(Fraction)
    for terms, factor in parts:
        for ratio, weight in terms.items():
            total[ratio] += factor * weight
    return total


def _law(mixture: MixtureOfHMMs, concept: int) -> _Law:
    hmm = mixture.concept(concept)
    return _Law(_decimals(hmm.initial)[0], tuple(_decimals(hmm.transition)), tuple(_decimals(hmm.emission)))


def _decimals(table: np.ndarray) -> list[Row]:
    rows = [tuple(Fraction(repr(x)) for x in row) for row in np.atleast_2d(np.asarray(table)).tolist()]
    if any(sum(row) != 1 for row in rows):
        raise _Undecided
    return rows


def _expected_logs(
    sampler: _Law, laws: Sequence[_Law], prompt: PromptLaw, closing: bool = False
) -> list[dict[Fraction, Fraction]]:
    """E log p(O | law), with ``closing`` of (O, delimiter), as {ratio: weight}; token by token, by the chain rule."""
    found: list[dict[Fraction, Fraction]] = [defaultdict(Fraction) for _ in laws]
    every = [sampler, *laws]
    level = {tuple(law.start for law in every): Fraction(1)}
    for _ in range(prompt.length):
        ahead: dict[tuple[Row, ...], Fraction] = defaultdict(Fraction)
        for beliefs, weight in level.items():
            for token in range(len(sampler.emission[0])):
                heard = [
                    tuple(p * row[token] for p, row in zip(belief, law.emission, strict=True))
                    for belief, law in zip(beliefs, every, strict=True)
                ]
                mass = [sum(row, Fraction(0)) for row in heard]
                if not mass[0]:
                    continue
                if not all(mass):
                    raise _Undecided
                for i in range(len(laws)):
                    found[i][mass[i + 1]] += weight * mass[0]
                moved = tuple(_onward(row, total, law) for row, total, law in zip(heard, mass, every, strict=True))
                ahead[moved] += weight * mass[0]
        if len(ahead) > MAX_FILTERS:
            raise _Undecided
        level = ahead
    for beliefs, weight in level.items() if closing else ():
        for terms, belief, law in zip(found, beliefs[1:], laws, strict=True):
            said = sum((p * row[prompt.delimiter] for p, row in zip(belief, law.emission, strict=True)), Fraction(0))
            if not said:
                raise _Undecided
            terms[said] += weight
    return found


def _onward(joint: Row, total: Fraction, law: _Law) -> Row:
    """The next state's law after a filter that is not yet normalised."""
    active = [(p / total, row) for p, row in zip(joint, law.transition, strict=True) if p]
    return tuple(sum((p * row[g] for p, row in active), Fraction(0)) for g in range(len(joint)))
