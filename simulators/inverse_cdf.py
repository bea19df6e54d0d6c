"""Inversion of tabulated cumulative laws, many at once and exactly: index = first i with cdf[i] > u.

A binary search in a table padded to a power of two; equal in every bit to a linear scan of each row.
"""

from typing import NamedTuple

import numpy as np


class CdfTable(NamedTuple):
    """Cumulative laws ready for inversion.

    Args:
        flat: (N * W,) N rows of cumulative sums, each padded with +inf to W, a power of two above H.
        width: W.
        size: H, entries in a law.
    """

    flat: np.ndarray
    width: int
    size: int


def cdf_table(laws_NxH: np.ndarray, normalised: bool) -> CdfTable:
    """Tabulates ``np.cumsum`` of every law.

    Args:
        laws_NxH: N probability laws on H outcomes.
        normalised: divide each row by its last cumulative sum, as ``RandomState.choice(p=…)`` does;
            otherwise leave the sums as they fall, as hmmlearn's sampler does.

    Returns:
        CdfTable for ``first_above``: cumulative sums of N laws, in the order NumPy adds them.
    """
    cdf_NxH = np.cumsum(np.asarray(laws_NxH, dtype=np.float64), axis=-1)
    if normalised:
        cdf_NxH = cdf_NxH / cdf_NxH[:, -1:]
    rows, size = cdf_NxH.shape
    width = 1 << size.bit_length()
    padded = np.full((rows, width), np.inf)
    padded[:, :size] = cdf_NxH
    return CdfTable(padded.reshape(-1), width, size)


def first_above(table: CdfTable, rows: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """The first index whose cumulative probability exceeds u; 0 where none does (argmax of all-False).

    Args:
        table: N tabulated laws.
        rows: (B,) which law each draw uses, 0..N-1.
        uniforms: (B,) in [0, 1).

    Returns:
        (B,) indices 0..H-1.
    """
    base = np.asarray(rows, dtype=np.int64) * table.width
    index = np.zeros(base.shape, dtype=np.int64)
    step = table.width >> 1
    while step:
        index += step * (table.flat.take(base + (index + (step - 1))) <= uniforms)
        step >>= 1
    index[index == table.size] = 0
    return index
