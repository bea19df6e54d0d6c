"""Chains walked in machine code (numba): alias draws and inversion of cumulative sums, equal in every bit to theirs.

Imported only when it is used; ``simulators.alias`` and ``simulators.inverse_cdf`` say what is drawn and why.
"""

from typing import no_type_check

import numpy as np

from implicit_bayes.theory.filtering.machine_code import compiled

__all__ = ["alias_chains", "inverse_cdf_chains", "sfc64_uniforms"]

GROUP = 64
"""Chains advanced side by side: enough to hide the latency of a look-up, few enough for the cache."""

TILE = 32
"""Steps that a group walks before they are written. Documents of 1024 tokens lie 4096 bytes apart, all of a group's
in the same few places of the cache: written at every step, they would push one another out."""


@compiled
@no_type_check
def alias_chains(limit_R, alias_R, size, block_B, state_B, random_TxB, states_BxT, begin, token_of, emit_B, tokens_BxT):
    """Advance B chains side by side: states_BxT[:, begin : begin + T] and state_B, from (T, B) uniforms.

    Law ``block + state`` has ``size`` rows, from (block + state) size on, of ``limit_R`` (``alias.limits``) and
    ``alias_R``. Tokens are ``token_of[emit + state]``; none are written where ``token_of`` is empty.

    Args:
        limit_R, alias_R: the tables of all laws, flattened.
        size: states of a law.
        block_B: where each chain's concept begins among the laws.
        state_B: every chain's last state; changed in place.
        random_TxB: uniforms.
        states_BxT: written from column ``begin`` on.
        begin: the first column.
        token_of: the token of every (concept, state); empty where tokens are drawn otherwise.
        emit_B: where each chain's concept begins in ``token_of``.
        tokens_BxT: written beside the states.
    """
    length, batch = random_TxB.shape
    row, base, emits = np.empty(GROUP, np.int64), np.empty(GROUP, np.int64), token_of.shape[0] > 0
    tile_GxT = np.empty((GROUP, TILE), np.int32)
    for group in range(0, batch, GROUP):
        count = min(GROUP, batch - group)
        for i in range(count):
            base[i] = np.int64(block_B[group + i]) * size
            row[i] = base[i] + np.int64(state_B[group + i]) * size
        for top in range(0, length, TILE):
            steps = min(TILE, length - top)
            for t in range(steps):
                for i in range(count):
                    scaled = random_TxB[np.uint64(top + t), np.uint64(group + i)] * size
                    column = np.int64(scaled)
                    place = np.uint64(row[i] + column)
                    other = np.int64(alias_R[place])
                    keep = np.int64(scaled < limit_R[place])  # a coin that no processor can predict: no branch on it
                    state = other + keep * (column - other)
                    row[i] = base[i] + state * size
                    tile_GxT[np.uint64(i), np.uint64(t)] = state
            for i in range(count):
                document, first = np.uint64(group + i), np.uint64(begin + top)
                for t in range(steps):
                    states_BxT[document, first + np.uint64(t)] = tile_GxT[np.uint64(i), np.uint64(t)]
                if emits:
                    emit = np.int64(emit_B[document])
                    for t in range(steps):
                        token = token_of[np.uint64(emit + tile_GxT[np.uint64(i), np.uint64(t)])]
                        tokens_BxT[document, first + np.uint64(t)] = token
        for i in range(count):
            state_B[group + i] = (row[i] - base[i]) // size


@compiled
@no_type_check
def sfc64_uniforms(words, out):
    """Fill ``out`` with the uniforms that ``Generator(SFC64).random`` gives from the state ``words``, and advance it.

    Source: C. Doty-Humphrey, PractRand (SFC64); 53 bits of each word, as NumPy takes them.

    Args:
        words: (4,) the generator's state; changed in place.
        out: filled.
    """
    a, b, c, count = words[0], words[1], words[2], words[3]
    flat = out.reshape(-1)
    for i in range(flat.shape[0]):
        word = a + b + count
        count += np.uint64(1)
        a = b ^ (b >> np.uint64(11))
        b = c + (c << np.uint64(3))
        c = ((c << np.uint64(24)) | (c >> np.uint64(40))) + word
        flat[np.uint64(i)] = np.float64(np.int64(word >> np.uint64(11))) * 2.0**-53
    words[0], words[1], words[2], words[3] = a, b, c, count


@compiled
@no_type_check
def inverse_cdf_chains(flat, width, size, row_B, block_B, uniforms_BxT, states_BxT, begin, first):
    """Walk every chain through all its uniforms: the first index whose cumulative sum exceeds u (0 where none does).

    Chain b starts in row ``row_B[b]`` of ``first`` (same width) and goes on in row ``block_B[b] + state`` of ``flat``.
    Documents are independent, so the processor overlaps the searches of one group of them.

    Args:
        flat: cumulative sums of all laws, one after the other.
        width: entries of a law, a power of two.
        size: of them that are states.
        row_B: the first law of every chain, in ``first``.
        block_B: where each chain's concept begins among the laws.
        uniforms_BxT: one for each step.
        states_BxT: written from column ``begin`` on.
        begin: the first column.
        first: cumulative sums of the start laws.
    """
    batch, length = uniforms_BxT.shape
    half = np.int64(width >> 1)
    for b in range(batch):
        table, base = first, np.int64(row_B[b]) * width
        for t in range(length):
            u, index, step = uniforms_BxT[b, t], np.int64(0), half
            while step:
                index += step * np.int64(table[np.uint64(base + index + step - 1)] <= u)
                step >>= 1
            if index == size:
                index = np.int64(0)
            states_BxT[b, begin + t] = index
            table, base = flat, (np.int64(block_B[b]) + index) * width
