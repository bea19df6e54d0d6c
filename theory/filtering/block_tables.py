"""Token-pair blocks in two buckets of width, for the compiled filter: nothing is padded to the widest token.

After token o only the states S_o that can emit it (under some concept) carry belief. Tokens with |S_o| <= NARROW are
stored in square blocks of that side; the others in a second bucket as wide as the widest, of which only |S_o| rows
and as many columns, rounded up to a vector of VECTOR numbers, are ever read. A belief right after o is then turned
into the belief right after o' by one small product with

    block(o, o')[c, w, w'] = transition[c, S_o[w], S_o'[w']] emission[c, S_o'[w'], o'].
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.models import MixtureOfHMMs

NARROW = 4
"""Side of a block of the narrow bucket; GINC's tokens have at most 4 states each, its delimiter 10."""

VECTOR = 8
"""Float64 numbers in the widest vector register of today's processors."""


class BucketTables(NamedTuple):
    """What the compiled filter precomputes from a mixture.

    Codes 0..M-1 are the narrow tokens, M - 1 the virtual "start" token (its one state stands for the start law);
    codes M..M+N-1 are the wide tokens. X is the side of the wide bucket (1 where there is no wide token).

    Attributes:
        code_V: code of every token.
        width_K: |S_o| by code.
        size_K: entries of a belief that are computed after the token: NARROW, or |S_o| rounded up to VECTOR.
        narrow_CxMxMx4x4, widen_CxMxNx4xX, narrowing_CxNxMxXx4, wide_CxNxNxXxX: the blocks by bucket of (o, o').
        next_MxCx4xV, next_wide_NxCxXxV: p(next token v | state w after the token).
        bits: every positive entry of the blocks is at least 2**-bits.
    """

    code_V: np.ndarray
    width_K: np.ndarray
    size_K: np.ndarray
    narrow_CxMxMx4x4: np.ndarray
    widen_CxMxNx4xX: np.ndarray
    narrowing_CxNxMxXx4: np.ndarray
    wide_CxNxNxXxX: np.ndarray
    next_MxCx4xV: np.ndarray
    next_wide_NxCxXxV: np.ndarray
    bits: int


def support_widths(mixture: MixtureOfHMMs) -> np.ndarray:
    """(V,) number of states that can emit each token under some concept.

    Args:
        mixture: with concrete arrays.

    Returns:
        (V,) integers; 0 for a token that no state can emit.
    """
    positive_CxHxV = np.asarray(mixture.emission).reshape(-1, mixture.n_states, mixture.n_tokens) > 0
    widths: np.ndarray = positive_CxHxV.any(0).sum(0)
    return widths


def bucket_bytes(mixture: MixtureOfHMMs) -> int:
    """Memory of ``bucket_tables`` in bytes, without building them.

    Returns:
        Bytes of the float64 blocks and next-token laws; the few integers beside them are not counted.
    """
    width_V = support_widths(mixture)
    wide = int((width_V > NARROW).sum())
    narrow, side = len(width_V) - wide + 1, _side(width_V)
    blocks = (narrow * NARROW + wide * side) ** 2
    following = (narrow * NARROW + wide * side) * mixture.n_tokens
    return 8 * mixture.n_concepts * (blocks + following)


def bucket_tables(mixture: MixtureOfHMMs) -> BucketTables:
    """Build the tables in NumPy (the structure of zeros must be concrete).

    Args:
        mixture: with concrete arrays.

    Returns:
        BucketTables in float64, about ``bucket_bytes(mixture)`` of them.
    """
    emission, transition = np.asarray(mixture.emissions), np.asarray(mixture.transition)
    initial, states = np.asarray(mixture.initial), mixture.n_states
    width_V, side = support_widths(mixture), _side(support_widths(mixture))
    narrow, wide = np.flatnonzero(width_V <= NARROW), np.flatnonzero(width_V > NARROW)
    code_V = np.empty(len(width_V), dtype=np.int64)
    code_V[narrow], code_V[wide] = np.arange(len(narrow)), len(narrow) + 1 + np.arange(len(wide))
    width_K = np.concatenate([width_V[narrow], [1], width_V[wide]])
    size_K = np.where(width_K <= NARROW, NARROW, -(-width_K // VECTOR) * VECTOR)
    can_emit_HxV: np.ndarray = np.any(emission > 0, axis=0)
    index_n, index_w = _supports(can_emit_HxV, narrow, NARROW), _supports(can_emit_HxV, wide, side)
    padded = np.concatenate([transition, np.zeros((len(transition), 1, states))], 1)
    rows_n, rows_w = padded[:, index_n], padded[:, index_w]
    start = np.zeros((len(transition), 1, NARROW, states))
    start[:, 0, 0] = initial
    rows_n = np.concatenate([rows_n, start], 1)
    blocks = [
        _blocks(rows, emission, tokens, index)
        for rows in (rows_n, rows_w)
        for tokens, index in ((narrow, index_n), (wide, index_w))
    ]
    for i in (0, 2):  # nothing leads to the start
        blocks[i] = np.concatenate([blocks[i], np.zeros_like(blocks[i][:, :, :1])], 2)
    following = [(rows @ emission[:, None]).swapaxes(0, 1) for rows in (rows_n, rows_w)]
    smallest = min((float(x[x > 0].min()) for x in blocks if (x > 0).any()), default=1.0)
    bits = max(1, math.ceil(-math.log2(smallest)))
    nn, nw, wn, ww, next_n, next_w = (np.ascontiguousarray(x) for x in (*blocks, *following))
    return BucketTables(
        code_V=code_V,
        width_K=width_K,
        size_K=size_K,
        narrow_CxMxMx4x4=nn,
        widen_CxMxNx4xX=nw,
        narrowing_CxNxMxXx4=wn,
        wide_CxNxNxXxX=ww,
        next_MxCx4xV=next_n,
        next_wide_NxCxXxV=next_w,
        bits=bits,
    )


def _side(width_V: np.ndarray) -> int:
    widest = int(width_V.max(initial=0))
    return -(-widest // VECTOR) * VECTOR if widest > NARROW else 1


def _supports(can_emit_HxV: np.ndarray, tokens: np.ndarray, side: int) -> np.ndarray:
    """(tokens, side) the states of each token in increasing order, then H, where there is no state."""
    index = np.full((len(tokens), side), len(can_emit_HxV), dtype=np.int64)
    for row, token in zip(index, tokens, strict=True):
        states = np.flatnonzero(can_emit_HxV[:, token])
        row[: states.size] = states
    return index


def _blocks(rows_CxKxWxH: np.ndarray, emission: np.ndarray, tokens: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(C, K, tokens, W, side) entries of the rows in the states of each token, times their emission of it."""
    states = emission.shape[1]
    safe = np.minimum(index, states - 1)
    emit_CxKxW = np.where(index < states, emission[:, safe, tokens[:, None]], 0.0)
    block = rows_CxKxWxH[..., safe] * emit_CxKxW[:, None, None]
    return block.swapaxes(2, 3)
