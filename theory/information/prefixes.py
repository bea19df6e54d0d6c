"""Several HMMs read the same tokens: their next-token laws after a prefix, over only the states that can be there.

Law 0 (the sampler) draws the prefixes; every law, the sampler included, scores the next token. After token o only
the states S_o that can emit o (under some law) carry belief, so a belief is an (L, N, |S_o|) array.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM

FLOPS = 250_000
"""Multiplications in one matrix product: below OpenBLAS's threshold for starting threads, whose start costs more."""


class Machine(NamedTuple):
    """L laws over H states and V tokens, cut up by the last token. Entry V of each tuple is the empty prefix.

    supports: S_o, indices of the states that can emit o under some law ([0], a virtual state, for the start).
    rows: (L, |S_o|, H) kernel rows of those states (the start laws for the start).
    following: (L, |S_o|, V) p(next token v | state).
    closing: (L, |S_o|, V) p(next token v, then the closing token | state).
    emission: (L, H, V).
    """

    supports: tuple[np.ndarray, ...]
    rows: tuple[np.ndarray, ...]
    following: tuple[np.ndarray, ...]
    closing: tuple[np.ndarray, ...]
    emission: np.ndarray

    @property
    def n_laws(self) -> int:
        """L, the sampler included."""
        return self.emission.shape[0]

    @property
    def n_tokens(self) -> int:
        """V."""
        return self.emission.shape[2]

    def keep(self, laws: np.ndarray) -> "Machine":
        """The machine of the chosen laws only (the first chosen one is the sampler)."""
        cut = [tuple(table[laws] for table in tables) for tables in (self.rows, self.following, self.closing)]
        return Machine(self.supports, cut[0], cut[1], cut[2], self.emission[laws])


def build(laws: Sequence[HMM], closing_token: int = 0) -> Machine:
    """Stack laws on a common state and token set.

    Args:
        laws: the sampler first.
        closing_token: the token whose probability right after the next one ``closing`` holds.

    Raises:
        ModelError: the laws differ in their number of states or of tokens.
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
    supports = [np.flatnonzero((emission[:, :, o] > 0).any(0)) for o in range(shape[1])]
    rows = [transition[:, support] for support in supports] + [initial[:, None]]
    then_close = emission * (transition @ emission[:, :, closing_token, None])
    return Machine(
        (*supports, np.zeros(1, dtype=np.int64)),
        tuple(rows),
        tuple(row @ emission for row in rows),
        tuple(row @ then_close for row in rows),
        emission,
    )


def expected_log_scores(belief: np.ndarray, following: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """(N, L) sum_v p(v | prefix, sampler) log q_l(v | prefix): exact over the next token.

    -inf where the sampler allows a token that law l forbids; tokens the sampler forbids do not count.

    Args:
        belief: (L, N, W) filters after N prefixes.
        following: (L, W, V) the table of next-token laws; its first law weighs.
        scored: (L, W, V) the table whose logs are averaged (``following`` itself, or ``closing``).
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
    """Split (…, W) joint probabilities into their sums and the filters; 0 throughout where the sum is 0."""
    mass = joint.sum(-1)
    return mass, joint / np.where(mass > 0, mass, 1.0)[..., None]
