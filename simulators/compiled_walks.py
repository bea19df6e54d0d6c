"""Chains walked in machine code (numba): alias draws and inversion of cumulative sums, equal in every bit to theirs.

Imported only when it is used; ``simulators.alias`` and ``simulators.inverse_cdf`` say what is drawn and why.
"""

from typing import no_type_check

import numpy as np

from theory.compiled_kernels import compiled

__all__ = ["alias_chains", "inverse_cdf_chains"]

GROUP = 16
"""Chains advanced side by side: enough to hide the latency of a look-up, few enough for the cache."""


@compiled
@no_type_check
def alias_chains(accept, alias, size, block_B, state_B, uniforms_TxB, states_BxT, begin):
    """Advance B chains side by side: states_BxT[:, begin : begin + T] and state_B, from (T, B) uniforms.

    Row ``block + state`` of the flattened tables is the law of the next state.
    """
    length, batch = uniforms_TxB.shape
    for group in range(0, batch, GROUP):
        for t in range(length):
            for b in range(group, min(group + GROUP, batch)):
                scaled = uniforms_TxB[t, b] * size
                column = min(np.int64(scaled), size - 1)
                place = np.uint64((block_B[b] + state_B[b]) * size + column)
                state = column if scaled - column < accept[place] else np.int64(alias[place])
                state_B[b] = state
                states_BxT[b, begin + t] = state


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
