"""What a law forbids, decided on zeros and positives alone: no sampling luck, no rounding.

The states in which law theta can be after a prefix form a set S that only the prefix decides. Carrying, for every
reachable S, the sampler's law over its own hidden state gives both the decision (is some S empty while the sampler
is still alive?) and the exact mass of the prefixes that theta forbids.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from implicit_bayes.theory.information.token_classes import token_classes
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.prompts import PromptLaw

MAX_SETS = 200_000
"""Support sets carried at once; far above what any instance here needs."""

MAX_NUMBERS = 1 << 27
"""Numbers carried with them, one for each start law and state: 1 GiB."""

Forbids = Literal["never", "sometimes", "surely"]
"""Whether a law gives a long prompt probability zero: never; with probability in (0, 1); almost surely."""


class Forbidden(NamedTuple):
    """For S start laws of the sampler and positions 1..k.

    Attributes:
        mass: (S, k) probability, under the sampler, that the first j tokens are impossible under the law.
        first: (S,) smallest j at which that can happen (exact, even where the mass underflows); k + 1 if it cannot.
    """

    mass: np.ndarray
    first: np.ndarray


class Front(NamedTuple):
    """K support sets after j tokens, and the sampler's hidden state jointly with each.

    Attributes:
        sets: (K, H) bool, where the law can be.
        mass: (K, S, H) sampler's probability of (this set, hidden state).
        alive: (K, S, H) bool, whether that is possible.
    """

    sets: np.ndarray
    mass: np.ndarray
    alive: np.ndarray


def forbidden_mass(starts: np.ndarray, sampler: HMM, law: HMM, length: int) -> Forbidden:
    """Mass of the sampler's examples that ``law`` (from its own start law) forbids, by position.

    Args:
        starts: (S, H) start laws of the sampler.
        sampler: kernel and emission of the examples (its ``initial`` is not used).
        law: theta, started from ``law.initial``.
        length: k.

    Returns:
        Forbidden: (S, k) mass forbidden by position j, cumulative, and (S,) first position, k + 1 where nothing is
        forbidden.

    Raises:
        ModelError: more than MAX_SETS support sets.
    """
    count = len(starts)
    mass, first = np.zeros((count, length)), np.full(count, length + 1)
    if dominates(starts, sampler, law):
        return Forbidden(mass, first)
    for j, (dead_mass, dead, _) in enumerate(walk(starts, sampler, law, np.asarray(law.initial) > 0, length)):
        mass[:, j] = dead_mass + (mass[:, j - 1] if j else 0.0)
        first = np.where(dead & (first > length), j + 1, first)
    return Forbidden(mass, first)


def dominates(starts: np.ndarray, sampler: HMM, law: HMM) -> bool:
    """Whether ``law`` allows every start, transition and emission that the sampler uses (enough to forbid nothing).

    Args:
        starts: (S, H) start laws of the sampler.
        sampler: kernel and emission of the examples.
        law: theta, started from ``law.initial``.
    """
    pairs = [
        ((np.asarray(starts) > 0).any(0), law.initial),
        (sampler.transition, law.transition),
        (sampler.emission, law.emission),
    ]
    return all(((np.asarray(theirs) > 0) <= (np.asarray(ours) > 0)).all() for theirs, ours in pairs)


def walk(
    starts: np.ndarray, sampler: HMM, law: HMM, first_set: np.ndarray, length: int
) -> Iterator[tuple[np.ndarray, np.ndarray, Front]]:
    """Step through ``length`` tokens, support set by support set.

    Args:
        starts: (S, H) start laws of the sampler.
        sampler: kernel and emission of the examples.
        law: theta, whose own start law is not used.
        first_set: (H,) the states in which theta may begin.
        length: tokens.

    Yields:
        (newly forbidden mass (S,), whether there is any (S,), surviving front) after each token.

    Raises:
        ModelError: more than MAX_SETS support sets.
    """
    transition, emission, law_emission = (np.asarray(x) for x in (sampler.transition, sampler.emission, law.emission))
    kinds = token_classes(emission > 0, law_emission > 0)  # tokens of one kind leave the same sets
    emission, speak = kinds.sums(emission), law_emission[:, kinds.first_K] > 0
    move = np.asarray(law.transition) > 0
    most = min(MAX_SETS, MAX_NUMBERS // np.size(starts))
    may, step, says = ((x > 0).astype(np.float32) for x in (transition, move, emission))
    heres, theres = ([np.flatnonzero(column) for column in x.T] for x in (emission > 0, speak))
    sets, mass = first_set[None].astype(bool), np.asarray(starts, dtype=np.float64)[None]
    alive, every = mass > 0, np.arange(len(starts))
    for j in range(length):
        if j:
            sets = sets.astype(np.float32) @ step > 0
            mass, alive = mass @ transition, alive.astype(np.float32) @ may > 0
        dead_mass, dead, fronts = np.zeros(len(starts)), np.zeros(len(starts), dtype=bool), []
        spoken_KxV = alive.any(1).astype(np.float32) @ says > 0
        for token in np.flatnonzero(spoken_KxV.any(0)).tolist():
            some, here, there = np.flatnonzero(spoken_KxV[:, token]), heres[token], theres[token]
            place = np.ix_(some, every, here)
            after, live, flow = sets[np.ix_(some, there)], alive[place], mass[place] * emission[here, token]
            gone = ~after.any(1)
            if gone.any():
                dead_mass += flow[gone].sum((0, 2))
                dead |= live[gone].any(0).any(-1)
                after, live, flow = after[~gone], live[~gone], flow[~gone]
            if not len(after):
                continue
            fronts.append(_group(after, there, flow, live, here, emission.shape[0]))
        front = _join(fronts, len(starts), emission.shape[0])
        if len(front.sets) > most:
            raise ModelError(f"laws: {len(front.sets)} support sets after {j + 1} tokens are too many; use a shorter k")
        sets, mass, alive = front
        yield dead_mass, dead, front


def _group(
    after: np.ndarray, there: np.ndarray, flow: np.ndarray, live: np.ndarray, here: np.ndarray, states: int
) -> Front:
    """Add up equal sets (columns ``there``) and scatter the sampler's few states (columns ``here``) back to all."""
    if len(there) <= 62:
        _, first, inverse = np.unique(after @ (1 << np.arange(len(there))), return_index=True, return_inverse=True)
    else:
        _, first, inverse = np.unique(np.packbits(after, axis=1), axis=0, return_index=True, return_inverse=True)
    indicator = (inverse.reshape(-1) == np.arange(len(first))[:, None]).astype(np.float64)
    both = np.stack([flow, live.astype(np.float64)]).reshape(2, len(flow), -1)
    flow_sum, live_sum = (indicator @ both).reshape(2, len(first), flow.shape[1], flow.shape[2])
    sets = np.zeros((len(first), states), dtype=bool)
    sets[:, there] = after[first]
    mass, possible = np.zeros((2, len(first), flow.shape[1], states))
    mass[:, :, here], possible[:, :, here] = flow_sum, live_sum
    return Front(sets, mass, possible > 0)


def _join(fronts: list[Front], count: int, states: int) -> Front:
    if not fronts:
        empty = np.zeros((0, count, states))
        return Front(np.zeros((0, states), dtype=bool), empty, empty > 0)
    return Front(*(np.concatenate(parts) for parts in zip(*fronts, strict=True)))


def forbids(prompt: PromptLaw, law: HMM) -> Forbids:
    """Whether ``law`` gives long prompts (O_1, delimiter, O_2, delimiter, ...) probability zero.

    The support set right after a delimiter is a Markov chain driven by independent examples, on finitely many sets.
    "surely": from every reachable set a forbidden example can still come, so sooner or later one does.

    Args:
        prompt: theta*, p_prompt(h), k and the delimiter.
        law: theta, which documents start from ``law.initial``.

    Returns:
        "never"; "surely", where almost every prompt gets probability zero as n grows; "sometimes" in between.
    """
    if everywhere_possible(prompt, law):
        return "never"
    deadly, edges, count = _boundary_graph(prompt, law, stop_early=False)
    if not deadly:
        return "never"
    doomed, before = set(deadly), -1
    while len(doomed) != before:
        before = len(doomed)
        doomed |= {source for source, target in edges if target in doomed}
    return "surely" if len(doomed) == count else "sometimes"


def may_forbid(prompt: PromptLaw, law: HMM) -> bool:
    """Whether ``forbids`` is anything but "never"; stops at the first violation met.

    Args:
        prompt: theta*, p_prompt(h), k and the delimiter.
        law: theta.
    """
    return not everywhere_possible(prompt, law) and bool(_boundary_graph(prompt, law, stop_early=True)[0])


def everywhere_possible(prompt: PromptLaw, law: HMM) -> bool:
    """Whether a positive kernel settles it: ``law`` can start with, and then always write, whatever a prompt holds.

    Args:
        prompt: theta*, p_prompt(h), k and the delimiter.
        law: theta.

    Returns:
        False where this does not settle it.
    """
    tokens = np.arange(prompt.hmm.n_tokens)
    wanted = (np.asarray(prompt.hmm.emission) > 0).any(0) | (tokens == prompt.delimiter)
    speaks = np.asarray(law.emission)[:, wanted] > 0
    starts = speaks[np.asarray(law.initial) > 0].any(0)
    return bool((np.asarray(law.transition) > 0).all() and starts.all())


def at_delimiter(prompt: PromptLaw, law: HMM, sets_KxH: np.ndarray) -> np.ndarray:
    """The support sets right after the delimiter that follows them.

    Args:
        prompt: theta*, p_prompt(h), k and the delimiter.
        law: theta.
        sets_KxH: where theta can be, bool.

    Returns:
        (K, H) bool; empty rows where theta forbids the delimiter.
    """
    move, speak = np.asarray(law.transition) > 0, np.asarray(law.emission)[:, prompt.delimiter] > 0
    after: np.ndarray = (sets_KxH.astype(np.float32) @ move.astype(np.float32) > 0) & speak
    return after


def _boundary_graph(prompt: PromptLaw, law: HMM, stop_early: bool) -> tuple[list[int], list[tuple[int, int]], int]:
    """Support sets where an example starts: those from which the law can die, the steps between them, their number."""
    first_set = np.asarray(law.initial) > 0
    todo, seen = [first_set], {first_set.tobytes(): 0}
    deadly: list[int] = []
    edges: list[tuple[int, int]] = []
    move = np.asarray(law.transition) > 0
    while todo:
        first_set = todo.pop()
        node = seen[first_set.tobytes()]
        boundaries, dies = _one_example(prompt, law, first_set, stop_early)
        if dies:
            deadly.append(node)
            if stop_early:
                break
        for boundary in boundaries:
            following = move[boundary].any(0)
            key = following.tobytes()
            if key not in seen:
                if len(seen) > MAX_SETS:
                    raise ModelError(f"laws: more than {MAX_SETS} support sets at delimiters")
                seen[key] = len(seen)
                todo.append(following)
            edges.append((node, seen[key]))
    return deadly, edges, len(seen)


def _one_example(prompt: PromptLaw, law: HMM, first_set: np.ndarray, stop_early: bool) -> tuple[np.ndarray, bool]:
    """The support sets right after the delimiter that follows one example, and whether the law can die on the way."""
    start, dies, sets = np.asarray(prompt.start)[None], False, first_set[None]
    for _, dead, front in walk(start, prompt.hmm, law, first_set, prompt.length):
        dies, sets = dies or bool(dead[0]), front.sets
        if dies and stop_early:
            return np.zeros((0, law.n_states), dtype=bool), True
    after = at_delimiter(prompt, law, sets)
    lost = ~after.any(1)
    return np.unique(after[~lost], axis=0), dies or bool(lost.any())


def can_forbid(sampler: HMM, law: HMM) -> bool:
    """Whether some document of the sampler, of any length, has probability zero under ``law``.

    Args:
        sampler: writes documents.
        law: what they are judged by.
    """
    if dominates(np.asarray(sampler.initial)[None], sampler, law):
        return False
    seen: set[bytes] = set()
    steps = walk(np.asarray(sampler.initial)[None], sampler, law, np.asarray(law.initial) > 0, MAX_SETS)
    for _, dead, front in steps:
        if dead[0]:
            return True
        pairs = {
            sets.tobytes() + bytes([0]) + int(h).to_bytes(4, "little")
            for sets, alive in zip(front.sets, front.alive[:, 0], strict=True)
            for h in np.flatnonzero(alive)
        }
        if pairs <= seen:
            return False
        seen |= pairs
    return False
