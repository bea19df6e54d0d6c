"""Support sets along an example: where a law can be after each token, and the sampler's hidden state beside it.

All tokens that the sampler may write are taken together, and sets that are equal after any of them are one: what
follows depends on the set and the sampler's state alone. Tokens that the same states emit are one kind.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.token_classes import token_classes
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.rows import distinct_words

MAX_SETS = 200_000
"""Support sets carried at once; far above what any instance here needs."""

MAX_NUMBERS = 1 << 27
"""Numbers carried with them, one for each start law and state: 1 GiB."""

AT_ONCE = 1 << 21
"""Numbers, of support sets and of the sampler's states beside them, that one step works on together."""


class Front(NamedTuple):
    """K support sets after j tokens, and the sampler's hidden state jointly with each.

    Attributes:
        sets: (K, H) bool, where the law can be; no two are equal that were found together.
        mass: (K, S, H) sampler's probability of (this set, hidden state), from each of S start laws.
        alive: (K, S, H) bool, whether that is possible.
    """

    sets: np.ndarray
    mass: np.ndarray
    alive: np.ndarray


class Steps(NamedTuple):
    """One token, from (set, state of the sampler) before it to (set, state) after it: E edges.

    Attributes:
        from_E: place in (K, H) once the sampler has moved and before it speaks.
        share_E: the probability with which that state emits the kind of token.
        to_E: place in the next front's (K, H); -1 where the law forbids the token.
    """

    from_E: np.ndarray
    share_E: np.ndarray
    to_E: np.ndarray


class Speech(NamedTuple):
    """Who can emit what, V kinds of tokens.

    Attributes:
        law_VxH: whether a state of the law can emit the kind.
        count_V: states of the sampler that can; theirs stand side by side in the next two.
        state_E: those states, kind by kind.
        share_E: the probability with which they emit the kind.
    """

    law_VxH: np.ndarray
    count_V: np.ndarray
    state_E: np.ndarray
    share_E: np.ndarray


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
    emission = kinds.sums(emission)
    kind_E, state_E = np.nonzero(emission.T > 0)
    speech = Speech(
        law_VxH=(law_emission[:, kinds.first_K] > 0).T,
        count_V=np.bincount(kind_E, minlength=emission.shape[1]),
        state_E=state_E,
        share_E=emission[state_E, kind_E],
    )
    most = min(MAX_SETS, MAX_NUMBERS // np.size(starts))
    may, step, says = ((np.asarray(x) > 0).astype(np.float32) for x in (transition, law.transition, emission))
    sets, mass = first_set[None].astype(bool), np.asarray(starts, dtype=np.float64)[None]
    alive = mass > 0
    for j in range(length):
        before = sets, alive
        if j:
            sets = sets.astype(np.float32) @ step > 0
            mass, alive = _onward(mass, alive, transition, may)
        spoken_KxV = alive.any(1).astype(np.float32) @ says > 0
        mass_IxS, alive_IxS = (np.ascontiguousarray(x.swapaxes(1, 2)).reshape(-1, len(starts)) for x in (mass, alive))
        kinds_of_parts = _parts(spoken_KxV, speech, mass)
        parts = [_emit(sets, mass_IxS, alive_IxS, spoken_KxV, kinds_U, speech) for kinds_U in kinds_of_parts]
        sets, mass, alive, dead_mass, dead = _joined(parts)
        if len(sets) > most:
            raise ModelError(f"laws: {len(sets)} support sets after {j + 1} tokens are too many; use a shorter k")
        front = Front(sets, mass, alive)
        yield dead_mass, dead, front
        if j and len(sets) and len(parts) == 1 and all(map(np.array_equal, (sets, alive), before)):
            for dead_mass, mass in _steadily(front, transition, parts[0].edges, length - j - 1):
                yield dead_mass, dead, front._replace(mass=mass)
            return


def _steadily(
    front: Front, transition: np.ndarray, edges: Steps, steps: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(S,) newly forbidden mass and (K, S, H) what is left, for so many more tokens, each of which leaves sets and
    possible states as they are: a token is then one matrix, from the possible places (set, state) to themselves."""
    from scipy import sparse

    states, places = transition.shape[0], front.sets.size
    possible_I = np.flatnonzero(front.alive.any(1))
    set_I, state_I = np.divmod(possible_I, states)
    columns = (set_I[:, None] * states + np.arange(states)).reshape(-1)
    begins = np.arange(len(possible_I) + 1) * states
    moves = sparse.csc_array((transition[state_I].reshape(-1), columns, begins), shape=(places, len(possible_I)))
    lives = edges.to_E >= 0
    speaks = sparse.csr_array((edges.share_E[lives], (edges.to_E[lives], edges.from_E[lives])), shape=(places, places))[
        possible_I
    ]
    token = speaks @ moves
    dies_I = moves.T @ np.bincount(edges.from_E[~lives], edges.share_E[~lives], places)
    mass_IxS = front.mass.swapaxes(1, 2).reshape(places, -1)[possible_I]
    for _ in range(steps):
        dead_mass, mass_IxS = dies_I @ mass_IxS, token @ mass_IxS
        mass = np.zeros_like(front.mass)
        mass[set_I, :, state_I] = mass_IxS
        yield dead_mass, mass


def _onward(
    mass: np.ndarray, alive: np.ndarray, transition: np.ndarray, may: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One transition of the sampler, sets whose tokens came from the same states together: those are few of many."""
    from_KxH: np.ndarray = np.any(alive, axis=1)
    kinds, kind_K = distinct_words(_bits(from_KxH))
    ahead, possible = np.empty_like(mass), np.empty_like(alive)
    order = np.argsort(kind_K, kind="stable")
    groups = np.split(order, np.bincount(kind_K, minlength=len(kinds)).cumsum())[:-1]
    for kind, rows in zip(kinds, groups, strict=True):
        here, shape = np.flatnonzero(from_KxH[kind]), (len(rows), *mass.shape[1:])
        now, can = (x[rows][:, :, here].reshape(-1, len(here)) for x in (mass, alive))  # one product, not one for each
        ahead[rows] = (now @ transition[here]).reshape(shape)
        possible[rows] = (can.astype(np.float32) @ may[here] > 0).reshape(shape)
    return ahead, possible


def _parts(spoken_KxV: np.ndarray, speech: Speech, mass: np.ndarray) -> list[np.ndarray]:
    """The kinds that are spoken, in parts of about AT_ONCE numbers; one part at least, and one kind in it."""
    _, starts, states = mass.shape
    kinds = np.flatnonzero(spoken_KxV.any(0))
    numbers = spoken_KxV[:, kinds].sum(0) * (states + speech.count_V[kinds] * starts)
    return np.split(kinds, 1 + np.flatnonzero(np.diff(numbers.cumsum() // AT_ONCE)))


class Emitted(NamedTuple):
    """What some kinds of tokens lead to.

    Attributes:
        sets: (K', H) support sets.
        mass: (K', S, H) sampler's probability of (this set, hidden state).
        alive: (K', S, H) whether that is possible.
        dead_mass: (S,) mass that the law forbids.
        dead: (S,) whether there is any.
        edges: from where to where.
    """

    sets: np.ndarray
    mass: np.ndarray
    alive: np.ndarray
    dead_mass: np.ndarray
    dead: np.ndarray
    edges: Steps


def _joined(parts: list[Emitted]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The first five of ``Emitted``, of all parts."""
    if len(parts) == 1:
        return parts[0][:5]
    sets, mass, alive = (np.concatenate(x) for x in zip(*(part[:3] for part in parts), strict=True))
    return sets, mass, alive, np.sum([part.dead_mass for part in parts], 0), np.any([part.dead for part in parts], 0)


def _emit(
    sets: np.ndarray,
    mass_IxS: np.ndarray,
    alive_IxS: np.ndarray,
    spoken_KxV: np.ndarray,
    kinds_U: np.ndarray,
    speech: Speech,
) -> Emitted:
    """One token of the given kinds. I = K H runs over sets and states of the sampler, N over pairs of a set and a kind
    that can follow it, E over those with a state that emits the kind."""
    states, starts = sets.shape[1], mass_IxS.shape[1]
    set_N, kind_N = np.nonzero(spoken_KxV[:, kinds_U])
    kind_N = kinds_U[kind_N]
    after_NxH = sets[set_N] & speech.law_VxH[kind_N]
    lives_N: np.ndarray = np.any(after_NxH, axis=1)
    after_NxH = after_NxH[lives_N]
    first_M, inverse = distinct_words(_bits(after_NxH))
    goes_N = np.full(len(set_N), -1)
    goes_N[lives_N] = inverse
    count_N, first_V = speech.count_V[kind_N], np.cumsum(speech.count_V) - speech.count_V
    pair_E = np.repeat(np.arange(len(set_N)), count_N)
    place_E = np.arange(len(pair_E)) + np.repeat(first_V[kind_N] - (np.cumsum(count_N) - count_N), count_N)
    state_E = speech.state_E[place_E]
    from_E = set_N[pair_E] * states + state_E
    to_E = np.where(lives_N[pair_E], goes_N[pair_E] * states + state_E, -1)
    order = np.flatnonzero(np.any(alive_IxS, axis=1)[from_E])
    order = order[np.argsort(to_E[order], kind="stable")]  # edges on which the law dies come first
    edges = Steps(from_E[order], speech.share_E[place_E[order]], to_E[order])
    flow_ExS, live_ExS = mass_IxS[edges.from_E] * edges.share_E[:, None], alive_IxS[edges.from_E]
    dying = int(np.searchsorted(edges.to_E, 0))
    begins = dying + np.flatnonzero(np.diff(edges.to_E[dying:], prepend=-1))
    found = np.zeros((len(first_M) * states, starts)), np.zeros((len(first_M) * states, starts), dtype=bool)
    found[0][edges.to_E[begins]] = np.add.reduceat(flow_ExS, begins, axis=0)
    found[1][edges.to_E[begins]] = np.logical_or.reduceat(live_ExS, begins, axis=0)
    spread = [np.ascontiguousarray(x.reshape(-1, states, starts).swapaxes(1, 2)) for x in found]
    return Emitted(
        sets=after_NxH[first_M], mass=spread[0], alive=spread[1], dead_mass=flow_ExS[:dying].sum(0),
        dead=live_ExS[:dying].any(0), edges=edges,
    )  # fmt: skip


def _bits(flags_NxH: np.ndarray) -> np.ndarray:
    """(N, W) the flags of each row, 64 in a word."""
    packed = np.packbits(flags_NxH, axis=1)
    words = np.zeros((len(packed), -(-flags_NxH.shape[1] // 64) * 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view(np.uint64)
