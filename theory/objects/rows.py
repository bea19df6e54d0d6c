"""What is done to the rows of an array in many places: drawing one index a row, finding rows that are equal bit for
bit or whose value is the same, and taking rows in parts of one size."""

import functools
from collections.abc import Iterator

import numpy as np


def draw_index(cumulative_NxH: np.ndarray, uniform_N: np.ndarray) -> np.ndarray:
    """One index a row by inversion: the first whose cumulative mass exceeds u times the row's total.

    An outcome of mass zero is never drawn, however the sums are rounded.

    Args:
        cumulative_NxH: running sums of N laws, up to a factor of each.
        uniform_N: in [0, 1).

    Returns:
        (N,) indices 0..H-1.
    """
    drawn: np.ndarray = (cumulative_NxH > (uniform_N * cumulative_NxH[:, -1])[:, None]).argmax(-1)
    return drawn


def distinct_rows(values_NxH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows without their repetitions, in any order: (first_M, inverse_N) with values[first][inverse] == values.

    Sorting one number a row instead of rows: a sum of their bits with odd weights, modulo 2^64. Two rows that meet in
    it by accident are found out, and rows are sorted then.

    Args:
        values_NxH: float64, no nan.

    Returns:
        (first_M, inverse_N): indices into the N rows of one row of each kind, and for each row which of the M kinds it
        is.
    """
    bits_NxH: np.ndarray = np.ascontiguousarray(values_NxH + 0.0).view(np.uint64)  # + 0.0: -0.0 is 0.0
    return distinct_words(bits_NxH)


def distinct_words(words_NxW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``distinct_rows`` of rows of 64-bit words.

    Args:
        words_NxW: uint64.

    Returns:
        (first_M, inverse_N), as ``distinct_rows``.
    """
    mixed_NxW = words_NxW ^ (words_NxW >> 32)  # the last bits of short fractions are all zero
    hash_N = mixed_NxW @ _weights(mixed_NxW.shape[1])
    ordered_N = np.sort(hash_N)  # ten times as fast as sorting with indices
    if (ordered_N[1:] != ordered_N[:-1]).all():
        return np.arange(len(hash_N)), np.arange(len(hash_N))
    _, first, inverse = np.unique(hash_N, return_index=True, return_inverse=True)
    if not np.array_equal(words_NxW[first][inverse], words_NxW):
        _, first, inverse = np.unique(words_NxW, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


@functools.cache
def _weights(size: int) -> np.ndarray:
    """(size,) odd numbers, always the same ones."""
    return 2 * np.random.Generator(np.random.Philox(0)).integers(1 << 63, size=size, dtype=np.uint64) + 1


def grouped(values_N: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Places by what stands at them.

    Args:
        values_N: integers, tokens for example.

    Returns:
        (value, its places in ascending order) of every value that occurs, ascending; none of none.
    """
    order = np.argsort(values_N, kind="stable")
    values, begins = np.unique(values_N[order], return_index=True)
    parts = np.split(order, begins[1:]) if len(values) else []
    return [(int(value), rows) for value, rows in zip(values, parts, strict=True)]


def equal_parts(rows_BxT: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Rows in parts of exactly ``size``, the last filled up with copies of its last row: one compilation serves all.

    Args:
        rows_BxT: any number of rows; none are one empty part.
        size: rows in a part.

    Yields:
        (part, how many of its rows are real).
    """
    for begin in range(0, max(1, len(rows_BxT)), size):
        part = rows_BxT[begin : begin + size]
        missing = size - len(part) if len(part) else 0
        yield (np.concatenate([part, np.repeat(part[-1:], missing, 0)]) if missing else part), len(part)
