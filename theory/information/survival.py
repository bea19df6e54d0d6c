"""Which concepts are left after many examples: those that give the whole prompt positive probability, decided on zeros.

A concept that can forbid an example from *every* state a delimiter can leave it in does so sooner or later: it dies
almost surely. One that can forbid no prompt lives. In between, with one delimiter state, the first example decides:
a document starts from its own start law, every later example from the delimiter's row. So the limit of a prompt is a
*law* over sets of concepts, and its probabilities are sums over first examples.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.support_walk import Front, walk
from implicit_bayes.theory.information.supports import at_delimiter, may_forbid
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw


class Survivors(NamedTuple):
    """One outcome of a long prompt.

    Attributes:
        probability: of this outcome, under the prompt law.
        alive: concepts of positive prior that give every continuation positive probability.
        perhaps: concepts of which that is not decided (several delimiter states); they may die or live.
    """

    probability: float
    alive: frozenset[int]
    perhaps: frozenset[int] = frozenset()


def survivors(mixture: MixtureOfHMMs, law: PromptLaw, concepts: Sequence[int]) -> list[Survivors]:
    """The outcomes of (O_1, delimiter, O_2, delimiter, ...) for ``concepts``, as n grows; probabilities sum to one.

    Args:
        mixture: whose concepts are asked.
        law: theta*, p_prompt(h), k.
        concepts: indices, those of positive prior.

    Returns:
        Outcomes of positive probability; a single one, with concepts in ``perhaps``, where several delimiter states or
        too many support sets leave their survival open.
    """
    return survivors_by_start(mixture, [law], concepts)[0]


def survivors_by_start(
    mixture: MixtureOfHMMs, laws: Sequence[PromptLaw], concepts: Sequence[int]
) -> list[list[Survivors]]:
    """``survivors`` for several start laws of one theta* and k, which share the walks over support sets.

    Args:
        mixture: whose concepts are asked.
        laws: the prompt laws; they differ in p_prompt(h) only.
        concepts: indices, those of positive prior.

    Returns:
        The outcomes of each prompt law, in their order.
    """
    try:
        dying_CxS = [dies(mixture, laws, c) for c in concepts]
    except ModelError:  # too many sets for all of them together
        if len(laws) == 1:
            raise
        return [survivors(mixture, law, concepts) for law in laws]
    return [
        _survivors(mixture, law, [c for c, dying_S in zip(concepts, dying_CxS, strict=True) if not dying_S[s]])
        for s, law in enumerate(laws)
    ]


def _survivors(mixture: MixtureOfHMMs, law: PromptLaw, lasting: Sequence[int]) -> list[Survivors]:
    """The outcomes for the concepts that do not die almost surely."""
    at_risk = [c for c in lasting if may_forbid(law, mixture.concept(c))]
    safe = frozenset(lasting) - frozenset(at_risk)
    if not at_risk:
        return [Survivors(1.0, safe)]
    if len(mixture.delimiter_states()) > 1:
        return [Survivors(1.0, safe, frozenset(at_risk))]
    try:
        outcomes = after_first_example(law, [mixture.concept(c) for c in at_risk])
    except ModelError:  # more support sets than can be carried
        return [Survivors(1.0, safe, frozenset(at_risk))]
    return [
        Survivors(mass, safe | {c for c, lives in zip(at_risk, alive, strict=True) if lives})
        for alive, mass in outcomes.items()
    ]


def dies(mixture: MixtureOfHMMs, laws: Sequence[PromptLaw], concept: int) -> np.ndarray:
    """Whether the concept gives almost every long prompt probability zero.

    Enough, and with one delimiter state also necessary: it can forbid an example after a delimiter that could have
    come from any state that emits it. Fewer states forbid more, so every example then kills with probability bounded
    below.

    Args:
        mixture: the pretraining law.
        laws: S prompt laws of one theta*, k and delimiter; they differ in p_prompt(h) only.
        concept: index of theta.

    Returns:
        (S,) bool, for each of the prompt laws.
    """
    hmm = mixture.concept(concept)
    emits = np.asarray(hmm.emission)[:, laws[0].delimiter] > 0
    return can_die(laws, hmm, np.asarray(hmm.transition)[emits].sum(0) > 0)


def can_die(prompts: Sequence[PromptLaw], law: HMM, first_set: np.ndarray) -> np.ndarray:
    """Whether an example and its delimiter can be impossible for ``law`` started from any of the (H,) states given.

    All start laws take one walk together: what it costs are the support sets, and most of them are shared.

    Args:
        prompts: S prompt laws of one theta*, k and delimiter, which differ in where examples start.
        law: theta.
        first_set: where it may begin.

    Returns:
        (S,) bool, for each of the prompt laws.

    Raises:
        ModelError: more support sets than can be carried.
    """
    first, starts = prompts[0], np.stack([np.asarray(prompt.start) for prompt in prompts])
    dies: np.ndarray = np.zeros(len(prompts), dtype=bool)
    last: Front | None = None
    for _, dead, front in walk(starts, first.hmm, law, np.asarray(first_set, dtype=bool), first.length):
        np.logical_or(dies, dead, out=dies)
        last = front
        if dies.all():
            return dies
    assert last is not None  # k >= 2 tokens
    lost_K: np.ndarray = np.logical_not(np.any(at_delimiter(first, law, last.sets), axis=1))
    np.logical_or(dies, np.any(lost_K[:, None] & np.any(last.alive, axis=-1), axis=0), out=dies)
    return dies


def after_first_example(law: PromptLaw, hmms: Sequence[HMM]) -> dict[tuple[bool, ...], float]:
    """P( exactly these laws give O_1 and its delimiter positive probability ), by joint support sets of all of them.

    Args:
        law: where O_1 comes from.
        hmms: each run from its own start law.

    Returns:
        (alive, ...) in the order of ``hmms`` -> probability, those above zero; in sum 1 up to rounding.

    Raises:
        ModelError: too many support sets.
    """
    count, states = len(hmms), law.hmm.n_states
    kernel = np.zeros((count, states, count, states))
    for i, hmm in enumerate(hmms):
        kernel[i, :, i] = hmm.transition
    joint = HMM(
        np.concatenate([np.asarray(hmm.initial) for hmm in hmms]) / count,
        kernel.reshape(count * states, -1),
        np.concatenate([np.asarray(hmm.emission) for hmm in hmms]),
    )
    start = np.zeros(count * states)
    start[:states] = law.start
    padded = np.kron(np.eye(count), np.asarray(law.hmm.transition))
    sampler = HMM(start, padded, np.tile(np.asarray(law.hmm.emission), (count, 1)))
    outcomes: dict[tuple[bool, ...], float] = {}
    none = (False,) * count
    steps = list(walk(start[None], sampler, joint, np.asarray(joint.initial) > 0, law.length))
    outcomes[none] = sum(float(dead_mass[0]) for dead_mass, _, _ in steps)
    front = steps[-1][2]
    move, speak = np.asarray(joint.transition) > 0, np.asarray(joint.emission)[:, law.delimiter] > 0
    ends = ((front.sets.astype(np.float32) @ move.astype(np.float32) > 0) & speak).reshape(-1, count, states)
    for alive, mass in zip(ends, front.mass.sum((1, 2)), strict=True):
        key = tuple(bool(each.any()) for each in alive)
        outcomes[key] = outcomes.get(key, 0.0) + float(mass)
    return {key: mass for key, mass in outcomes.items() if mass > 0}
