"""Chains walked in machine code (numba): alias draws and inversion of cumulative sums, equal in every bit to theirs.

Imported only when it is used; ``simulators.alias`` and ``simulators.inverse_cdf`` say what is drawn and why.
"""

from typing import no_type_check

import numpy as np

from theory.compiled_kernels import compiled

__all__ = ["alias_chains", "inverse_cdf_chains"]

GROUP = 32
"""Chains advanced side by side: enough to hide the latency of a look-up, few enough for the cache."""


@compiled
@no_type_check
def alias_chains(column_Rx2, size, block_B, state_B, uniforms_TxB, states_BxT, begin, token_of, emit_B, tokens_BxT):
    """Advance B chains side by side: states_BxT[:, begin : begin + T] and state_B, from (T, B) uniforms.

    Row r of ``column_Rx2`` holds an entry of ``accept`` and of ``alias``, which are wanted together; law
    ``block + state`` begins at row (block + state) size. Accepting is a coin that no processor can predict, so that it
    is arithmetic and not a branch. Tokens are ``token_of[emit + state]``; none are written where ``token_of`` is empty.
    """
    length, batch = uniforms_TxB.shape
    row, base, emits = np.empty(GROUP, np.int64), np.empty(GROUP, np.int64), token_of.shape[0] > 0
    for group in range(0, batch, GROUP):
        count = min(GROUP, batch - group)
        for i in range(count):
            base[i] = np.int64(block_B[group + i]) * size
            row[i] = base[i] + np.int64(state_B[group + i]) * size
        for t in range(length):
            for i in range(count):
                scaled = uniforms_TxB[t, group + i] * size
                column = min(np.int64(scaled), size - 1)
                place = np.uint64(row[i] + column)
                other = np.int64(column_Rx2[place, 1])
                keep = np.int64(scaled - column < column_Rx2[place, 0])
                state = other + keep * (column - other)
                row[i] = base[i] + state * size
                states_BxT[np.uint64(group + i), np.uint64(begin + t)] = state
                if emits:
                    token = token_of[np.uint64(emit_B[group + i] + state)]
                    tokens_BxT[np.uint64(group + i), np.uint64(begin + t)] = token
        for i in range(count):
            state_B[group + i] = (row[i] - base[i]) // size


@compiled
@no_type_check
def inverse_cdf_chains(flat, width, size, row_B, block_B, uniforms_BxT, states_BxT, begin, first):
    """Walk every chain through all its uniforms: the first index whose cumulative sum exceeds u (0 where none does).

    Chain b starts in row ``row_B[b]`` of ``first`` (same width) and goes on in row ``block_B[b] + state`` of ``flat``.
    Documents are independent, so the processor overlaps the searches of one group of them.
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
