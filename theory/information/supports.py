"""What a law forbids, decided on zeros and positives alone: no sampling luck, no rounding.

The states in which law theta can be after a prefix form a set S that only the prefix decides. Carrying, for every
reachable S, the sampler's law over its own hidden state gives both the decision (is some S empty while the sampler
is still alive?) and the exact mass of the prefixes that theta forbids.
"""

from typing import Literal, NamedTuple

import numpy as np

from implicit_bayes.theory.information.support_walk import MAX_SETS, walk
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.prompts import PromptLaw

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
