"""Several HMMs read the same tokens: their next-token laws after a prefix, over only the states that can be there.

Law 0 (the sampler) draws the prefixes; every law, the sampler included, scores the next token. After token o only
the states S_o that can emit o (under some law) carry belief, so a belief is an (L, N, |S_o|) array.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.token_classes import token_classes
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM

FLOPS = 250_000
"""Multiplications in one matrix product: below OpenBLAS's threshold for starting threads, whose start costs more."""


CACHE = 1 << 28
"""Bytes of tables that are kept; those asked for least recently are worked out again."""

LARGEST = 1 << 31
"""Bytes of one table, beyond which laws are refused."""


class Tables:
    """One (L, |S_o|, n) table for every token o, worked out when it is asked for.

    Tokens that the same states emit share a table, and what is kept is bounded: all tables together would take
    8 L V^2 bytes, 38 GiB for two laws over 50,257 tokens even if every token had one state.

    Args:
        sources: for each class of tokens, the states (None: the start).
        classes: (V + 1,) class of every token, the empty prefix included.
        transition, initial: (L, H, H) and (L, H).
        scored: (L, H, n) what the kernel rows are multiplied with, or None for the rows themselves.
    """

    def __init__(
        self,
        sources: Sequence[np.ndarray | None],
        classes: np.ndarray,
        transition: np.ndarray,
        initial: np.ndarray,
        scored: np.ndarray | None,
    ):
        self.sources, self.classes = sources, classes
        self.transition, self.initial, self.scored = transition, initial, scored
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, token: int) -> np.ndarray:
        place = int(self.classes[token])
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        states = self.sources[place]
        rows = self.initial[:, None] if states is None else self.transition[:, states]
        table = rows if self.scored is None else rows @ self.scored
        self._kept[place] = table
        self._bytes += table.nbytes
        while self._bytes > CACHE and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return table

    def keep(self, laws: np.ndarray) -> "Tables":
        """The tables of the chosen laws only.

        Args:
            laws: indices.

        Returns:
            Tables of len(laws) laws that share the supports; arrays of the chosen laws are copied.
        """
        scored = None if self.scored is None else self.scored[laws]
        return Tables(self.sources, self.classes, self.transition[laws], self.initial[laws], scored)


class ForwardTables(NamedTuple):
    """The forward recursion of L laws over H states and V tokens, by the last token. Entry V is the empty prefix.

    Attributes:
        supports: S_o, indices of the states that can emit o under some law ([0], a virtual state, for the start).
        rows: (L, |S_o|, H) kernel rows of those states (the start laws for the start).
        following: (L, |S_o|, V) p(next token v | state).
        closing: (L, |S_o|, V) p(next token v, then the closing token | state).
        emission: (L, H, V).
    """

    supports: tuple[np.ndarray, ...]
    rows: Tables
    following: Tables
    closing: Tables
    emission: np.ndarray

    @property
    def n_laws(self) -> int:
        """L, the sampler included."""
        count: int = self.emission.shape[0]
        return count

    @property
    def n_tokens(self) -> int:
        """V."""
        count: int = self.emission.shape[2]
        return count

    def keep(self, laws: np.ndarray) -> "ForwardTables":
        """The tables of the chosen laws only (the first chosen one is the sampler).

        Args:
            laws: indices, the sampler's first.

        Returns:
            ForwardTables of len(laws) laws, on the same supports.
        """
        rows, following, closing = (tables.keep(laws) for tables in (self.rows, self.following, self.closing))
        return ForwardTables(self.supports, rows, following, closing, self.emission[laws])


def build(laws: Sequence[HMM], closing_token: int = 0) -> ForwardTables:
    """Stack laws on a common state and token set.

    Args:
        laws: the sampler first.
        closing_token: the token whose probability right after the next one ``closing`` holds.

    Returns:
        ForwardTables: for each token the states that emit it under some law, and tables from them, computed when asked
        for.

    Raises:
        ModelError: the laws differ in their number of states or of tokens, or a table would not fit into memory.
    """
    shape = laws[0].n_states, laws[0].n_tokens
    for law in laws:
        if (law.n_states, law.n_tokens) != shape:
            raise ModelError(
                f"laws: {law.n_states} states and {law.n_tokens} tokens where the sampler has {shape[0]} and {shape[1]}"
            )
    initial, transition, emission = (
        np.stack([np.asarray(getattr(law, name), dtype=np.float64) for law in laws])
        for name in ("initial", "transition", "emission")
    )
    can_HxV: np.ndarray = np.logical_or.reduce(emission > 0)
    kinds = token_classes(can_HxV)
    shared = [np.flatnonzero(can_HxV[:, token]) for token in kinds.first_K]
    classes = np.append(kinds.class_V, len(shared))
    largest = 8 * len(laws) * max(len(states) for states in shared) * max(shape)
    if largest > LARGEST:
        size = f"{len(laws)} laws, {shape[0]} states, {shape[1]} tokens"
        raise ModelError(
            f"laws: tables of {largest / 2**30:.1f} GiB ({size}); more than {LARGEST >> 30} GiB are not made: "
            "give fewer concepts, states that share fewer tokens, or a smaller vocabulary"
        )
    sources: list[np.ndarray | None] = [*shared, None]
    then_close = emission * (transition @ emission[:, :, closing_token, None])

    def make(scored: np.ndarray | None) -> Tables:
        return Tables(sources, classes, transition, initial, scored)

    supports = tuple(shared[place] for place in classes[:-1])
    return ForwardTables(
        (*supports, np.zeros(1, dtype=np.int64)), make(None), make(emission), make(then_close), emission
    )


def expected_log_scores(belief: np.ndarray, following: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """(N, L) sum_v p(v | prefix, sampler) log q_l(v | prefix): exact over the next token.

    -inf where the sampler allows a token that law l forbids; tokens the sampler forbids do not count.

    Args:
        belief: (L, N, W) filters after N prefixes.
        following: (L, W, V) the table of next-token laws; its first law weighs.
        scored: (L, W, V) the table whose logs are averaged (``following`` itself, or ``closing``).

    Returns:
        (N, L) float64, nats, at most 0.
    """
    spoken = (following[0] > 0).any(0)
    weights, scored = following[0][:, spoken], np.ascontiguousarray(scored[:, :, spoken])
    out = np.empty((belief.shape[1], belief.shape[0]))
    rows = max(64, FLOPS // weights.size)
    for begin in range(0, belief.shape[1], rows):
        part = np.ascontiguousarray(belief[:, begin : begin + rows])
        weight = part[0] @ weights
        law = part @ scored
        law[:, weight <= 0] = 1.0
        with np.errstate(divide="ignore"):
            np.log(law, out=law)
        out[begin : begin + rows] = np.einsum("nv,lnv->nl", weight, law)
    return out


def normalise(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split (…, W) joint probabilities into their sums and the filters; 0 throughout where the sum is 0.

    Returns:
        (mass, filters) of shapes (…) and (…, W).
    """
    mass = joint.sum(-1)
    return mass, joint / np.where(mass > 0, mass, 1.0)[..., None]
