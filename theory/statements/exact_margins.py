"""The conditions in exact fractions: which side of its threshold a signal lies on, however close.

Filters are merged where they are equal, so identity emissions cost V filters a level. What is left is the sign of a
finite sum of fraction x log(fraction), which ``theory.information.log_sums`` decides.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from implicit_bayes.theory.information.exact_laws import (
    MAX_FILTERS,
    ExactLaw,
    Row,
    UndecidedError,
    exact_law,
    exact_rows,
    hear,
    onward,
)
from implicit_bayes.theory.information.log_sums import sign_of_log_sum
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.thresholds import alternatives

Version = Literal["printed", "repaired", "sharp"]


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
    except UndecidedError:
        return None


def _terms(
    mixture: MixtureOfHMMs, prompt: PromptLaw, true: int, other: int, version: Version
) -> dict[Fraction, Fraction]:
    states = [int(d) for d in mixture.delimiter_states()]
    true_law, theta = exact_law(mixture.concept(true)), exact_law(mixture.concept(other))
    sampler = true_law._replace(start=exact_rows(prompt.start)[0])
    if version == "sharp":
        if len(states) != 1:
            raise UndecidedError
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
    others = [exact_law(mixture.concept(c)) for c in alternatives(mixture, true)]
    c2 = max(row[d] for law in others for row in law.transition for d in states)
    starts = [law.start[d] for law in (true_law, *others) for d in states]
    costs = _constants((c2, -2), (c1, 2), (max(starts), -1), (min(starts), 1), (min(true_law.start), 1))
    return _combine((logs[0], 1), (logs[2], -1), *costs)


def _ratios(law: ExactLaw, states: Sequence[int]) -> list[Fraction | float]:
    """sum_d p(h|d)/p(h) over the states where it is not 0/0; math.inf where a start law forbids what follows d."""
    after = [sum((law.transition[d][h] for d in states), Fraction(0)) for h in range(len(law.start))]
    return [p / q if q else math.inf for p, q in zip(after, law.start, strict=True) if p or q]


def _constants(*powers: tuple[Fraction | float, int]) -> list[tuple[dict[Fraction, Fraction], int]]:
    if any(constant in (0, math.inf) for constant, _ in powers):
        raise UndecidedError
    return [({Fraction(constant): Fraction(1)}, power) for constant, power in powers]


def _combine(*parts: tuple[dict[Fraction, Fraction], int]) -> dict[Fraction, Fraction]:
    total: dict[Fraction, Fraction] = defaultdict(Fraction)
    for terms, factor in parts:
        for ratio, weight in terms.items():
            total[ratio] += factor * weight
    return total


def _expected_logs(
    sampler: ExactLaw, laws: Sequence[ExactLaw], prompt: PromptLaw, closing: bool = False
) -> list[dict[Fraction, Fraction]]:
    """E log p(O | law), with ``closing`` of (O, delimiter), as {ratio: weight}; token by token, by the chain rule."""
    found: list[dict[Fraction, Fraction]] = [defaultdict(Fraction) for _ in laws]
    every = [sampler, *laws]
    level = {tuple(law.start for law in every): Fraction(1)}
    for _ in range(prompt.length):
        ahead: dict[tuple[Row, ...], Fraction] = defaultdict(Fraction)
        for beliefs, weight in level.items():
            for token in range(len(sampler.emission[0])):
                heard = [hear(belief, law.emission, token) for belief, law in zip(beliefs, every, strict=True)]
                mass = [sum(row, Fraction(0)) for row in heard]
                if not mass[0]:
                    continue
                if not all(mass):
                    raise UndecidedError
                for i in range(len(laws)):
                    found[i][mass[i + 1]] += weight * mass[0]
                moved = tuple(
                    onward(row, total, law.transition) for row, total, law in zip(heard, mass, every, strict=True)
                )
                ahead[moved] += weight * mass[0]
        if len(ahead) > MAX_FILTERS:
            raise UndecidedError
        level = ahead
    for beliefs, weight in level.items() if closing else ():
        for terms, belief, law in zip(found, beliefs[1:], laws, strict=True):
            said = sum(hear(belief, law.emission, prompt.delimiter), Fraction(0))
            if not said:
                raise UndecidedError
            terms[said] += weight
    return found
