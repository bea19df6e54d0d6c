"""Rates with several delimiter states: a bracket over the unknown past, by enumeration or by independent blocks.

After a delimiter a law theta is in some unknown law q on its delimiter states. For blocks of m fresh examples that are
forgotten and r that are counted, write

    l_c(d) = log p(O_{m+1}, delim, ..., O_{m+r}, delim | d, O_1, delim, ..., O_m, delim, theta_c).

Under any q the same quantity is a weighted mean of the ratios (the weights are those of q after m examples), so it
lies in [min_d l_c(d), max_d l_c(d)], d over the states under which O_1..O_m is possible. With independent O's

    E min_d l_theta - E max_d l_theta*  <=  r lim r_n(theta)  <=  E max_d l_theta - E min_d l_theta*     for all m, r.

Blocks are independent, so an interval on the two ends means what it says, and no burn-in has to be trusted. With one
delimiter state the bracket has width 0 at m = 0 and is the closed form. Source: docs/theory, section 8 (r = 1 there).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.prefixes import ForwardTables, build, normalise
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.rows import distinct_rows

ENTRIES = 400_000
"""Numbers in the filters of one level (of all its merged prefixes) that the enumeration may hold."""

MOST_EXAMPLES = 64
"""Forgotten examples m that the enumeration goes to at most."""

NARROW = 1e-11
"""A bracket of this width, nats, needs no further example."""


class Ends(NamedTuple):
    """The two ends of the bracket for A laws against theta*, nats an example.

    Attributes:
        low, high: (A,) expectations of the ends.
        forgotten: m.
        nodes: merged prefixes visited, which bounds the length of every sum that was rounded.
        magnitude: (A,) E |log p| of the two laws together, to which rounding is relative.
    """

    low: np.ndarray
    high: np.ndarray
    forgotten: int
    nodes: int
    magnitude: np.ndarray

    @property
    def width(self) -> np.ndarray:
        """(A,) high - low."""
        width: np.ndarray = self.high - self.low
        return width


class _Nodes(NamedTuple):
    """N merged prefixes of one example that end in one token; laws L, delimiter states D, states W of that token.

    Attributes:
        token: that token (the delimiter before the first).
        weight: (N,) their probability.
        sampler: (N, W) the sampler's filter (W = 1, a virtual state, before the first token).
        belief: (L, D, N, W) the filter of law l that was in delimiter state d when the block began; 0 where
            impossible.
        offset: (L, D, N) exp( l_c(d) - max_d l_c(d) ) so far; 0 where impossible.
    """

    token: int
    weight: np.ndarray
    sampler: np.ndarray
    belief: np.ndarray
    offset: np.ndarray


def delimiter_states(law: HMM, delimiter: int) -> np.ndarray:
    """States of one law that can emit the delimiter.

    Args:
        law: any concept.
        delimiter: the delimiter token.

    Returns:
        (|D|,) increasing indices.
    """
    return np.flatnonzero(np.asarray(law.emission)[:, delimiter] > 0)


def pure_starts(forward: ForwardTables, laws: Sequence[HMM], delimiter: int) -> tuple[np.ndarray, np.ndarray]:
    """(L, D, D) point beliefs on the delimiter states, 0 where they are not this law's, and (L, D) which are.

    Args:
        forward: tables of all laws together.
        laws: the same, one by one.
        delimiter: the delimiter token.

    Returns:
        Two float64 arrays over the D states that emit the delimiter under some law: the (L, D, D) beliefs, the starting
        state on the second axis, and the (L, D) indicator (0 or 1) of the states that emit it under this law.
    """
    states = forward.supports[delimiter]
    own = np.stack([np.isin(states, delimiter_states(law, delimiter)) for law in laws]).astype(np.float64)
    return own[:, :, None] * np.eye(len(states)), own


def enumerate_bracket(prompt: PromptLaw, laws: Sequence[HMM], *, entries: int = ENTRIES) -> Ends | None:
    """The narrowest bracket that enumeration affords, r = 1, prefixes merged where all filters agree to the last bit.

    Args:
        prompt: theta*, p_prompt(h), k.
        laws: the alternatives, none of which forbids a prompt.
        entries: numbers affordable on one level.

    Returns:
        Ends with certain bounds, or None where not even m = 0 is affordable.
    """
    forward = build([prompt.example_law(), prompt.hmm, *laws])
    belief, own = pure_starts(forward, [prompt.hmm, *laws], prompt.delimiter)
    here = _Nodes(prompt.delimiter, np.ones(1), np.ones((1, 1)), belief[:, :, None], own[:, :, None])
    best: Ends | None = None
    visited = 0
    for m in range(MOST_EXAMPLES + 1):
        found = _one_example(forward, prompt, here, entries)
        if found is None:
            break
        top, bottom, here = found
        visited += len(here.weight)
        ends = Ends(
            low=bottom[1:] - top[0],
            high=top[1:] - bottom[0],
            forgotten=m,
            nodes=visited,
            magnitude=np.abs(bottom[1:]) + abs(bottom[0]),
        )
        if best is None or ends.width.max() < best.width.max():
            best = ends
        if best.width.max() <= NARROW * (1.0 + best.magnitude.max()):
            break
    return best


def _one_example(
    forward: ForwardTables, prompt: PromptLaw, begin: _Nodes, entries: int
) -> tuple[np.ndarray, np.ndarray, _Nodes] | None:
    """(L,) E max_d l_c(d) and E min_d l_c(d) over one more example and its delimiter, and the nodes after it."""
    top, dies = np.zeros(forward.n_laws - 1), np.zeros(forward.n_laws - 1, dtype=bool)
    level, source = [begin], [forward.n_tokens]
    for _ in range(prompt.length):
        fresh, size = [], 0
        for grown in _children(forward, level, source):
            nodes = _rescale(grown, top, dies)
            fresh.append(merge_nodes(nodes))
            size += fresh[-1].belief.size
            if size > entries:
                return None
        level, source = fresh, [nodes.token for nodes in fresh]
    ended = []
    for nodes in level:
        moved = nodes.belief @ step(forward, nodes.token, prompt.delimiter)[1:, None]
        closed = nodes._replace(token=prompt.delimiter, belief=moved, sampler=np.ones((len(nodes.weight), 1)))
        ended.append(_rescale(closed, top, dies))
    after = _join(ended)
    least = np.where(after.offset > 0, after.offset, np.inf).min(1)
    bottom = np.where(dies, -np.inf, top + (np.log(least) * after.weight).sum(-1))
    return top, bottom, merge_nodes(after._replace(offset=(after.offset > 0).astype(np.float64)))


def step(forward: ForwardTables, before: int, token: int) -> np.ndarray:
    """(L, W, W') p(state', token | state), from the states of the token before to those of this one.

    Args:
        forward: tables of all laws together.
        before, token: the two tokens.

    Returns:
        (L, W, W') float64; the sum over the last axis and all tokens is 1.
    """
    states = forward.supports[token]
    moved: np.ndarray = forward.rows[before][:, :, states] * forward.emission[:, None, states, token]
    return moved


def _children(forward: ForwardTables, level: Sequence[_Nodes], source: Sequence[int]) -> Iterator[_Nodes]:
    """The reachable extensions of a level by one token, not yet rescaled; ``source``: the sampler's last tokens."""
    for token in range(forward.n_tokens):
        parts = []
        for nodes, last in zip(level, source, strict=True):
            moved = step(forward, last, token)[0]
            if not (moved > 0).any():
                continue
            mass, sampler = normalise(nodes.sampler @ moved)
            weight = nodes.weight * mass
            kept = weight > 0
            if kept.any():
                belief = nodes.belief[:, :, kept] @ step(forward, nodes.token, token)[1:, None]
                parts.append(_Nodes(token, weight[kept], sampler[kept], belief, nodes.offset[:, :, kept]))
        if parts:
            yield _join(parts)


def _rescale(nodes: _Nodes, top: np.ndarray, dies: np.ndarray) -> _Nodes:
    """Turn joint probabilities into filters and offsets; adds E of the growth of max_d l_c to ``top``, in place.

    Where all d agree the offsets are not touched, so that rounding does not part prefixes that are the same.
    """
    mass, belief = normalise(nodes.belief)
    alive = nodes.offset > 0
    largest = np.where(alive, mass, 0.0).max(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(alive, nodes.offset * (mass / largest), 0.0)
        highest = offset.max(1, keepdims=True)
        offset = offset / highest
        gain = np.log(largest[:, 0]) + np.log(highest[:, 0])
    dies |= (alive & (mass == 0)).any((1, 2))
    top += (nodes.weight * gain).sum(-1)
    return nodes._replace(belief=np.where((offset > 0)[..., None], belief, 0.0), offset=offset)


def _join(parts: Sequence[_Nodes]) -> _Nodes:
    return _Nodes(
        parts[0].token,
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.sampler for part in parts]),
        np.concatenate([part.belief for part in parts], 2),
        np.concatenate([part.offset for part in parts], 2),
    )


def merge_nodes(nodes: _Nodes) -> _Nodes:
    """Add up the prefixes whose filters and offsets agree bit for bit.

    Returns:
        The merged prefixes in another order; total weight is kept, and a merged prefix ends in the same token.
    """
    count = len(nodes.weight)
    columns = [nodes.sampler, nodes.belief.transpose(2, 0, 1, 3).reshape(count, -1),
               nodes.offset.transpose(2, 0, 1).reshape(count, -1)]  # fmt: skip
    first, inverse = distinct_rows(np.concatenate(columns, 1))
    weight = np.bincount(inverse, nodes.weight, len(first))
    return _Nodes(nodes.token, weight, nodes.sampler[first], nodes.belief[:, :, first], nodes.offset[:, :, first])
