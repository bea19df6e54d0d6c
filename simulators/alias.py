"""Alias tables: one uniform and two look-ups draw from a tabulated law, and a zero is never drawn.

A law p on K outcomes is cut into K columns of equal mass; column i keeps outcome i with probability accept[i]
and gives the rest to alias[i]:

    p[i] = ( accept[i] + sum_{j: alias[j] = i} (1 - accept[j]) ) / K

Built by a sweep that pairs the light outcomes (K p <= 1) with the heavy ones in order, all rows at once.

Source: Walker 1977; the sweep is that of Huebschle-Schneider & Sanders, "Parallel Weighted Random Sampling", 2019.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class AliasTable(NamedTuple):
    """N tabulated laws on K outcomes.

    Args:
        accept: (N, K) float64; exactly 0 where the law is exactly 0.
        alias: (N, K) int32; never an outcome whose law is exactly 0.
    """

    accept: np.ndarray | jax.Array
    alias: np.ndarray | jax.Array


def alias_table(laws_NxK: np.ndarray) -> AliasTable:
    """Alias tables of N laws.

    Each step of the sweep closes one column of every row: a light one, topped up by the row's current heavy
    outcome, while that outcome has more than one column's mass left; else the heavy outcome's own column, topped
    up by the next heavy one. Rounding can leave light columns open after the last heavy outcome: they keep their
    own (possibly zero) mass and alias to that outcome.

    Args:
        laws_NxK: rows that sum to one; zeros are exact.

    Returns:
        AliasTable for ``draw``: N laws of K outcomes; a draw costs O(1).
    """
    laws = np.asarray(laws_NxK, dtype=np.float64)
    rows, size = laws.shape
    mass = laws / laws.sum(-1, keepdims=True) * size
    heavy = mass > 1.0
    heavy[np.arange(rows), mass.argmax(-1)] = True
    # every row's outcomes, the light ones first, each kind in increasing order
    order = np.argsort(heavy, axis=-1, kind="stable")
    lights = (~heavy).sum(-1)
    every = np.arange(rows)
    light, current = np.zeros(rows, np.int64), lights.copy()
    left = mass[every, order[every, current]]
    accept, alias = np.ones((rows, size)), np.zeros((rows, size), np.int32)
    for _ in range(size):
        pick_light = (light < lights) & ((left > 1.0) | (current == size - 1))
        here = order[every, np.where(pick_light, light, current)]
        now = order[every, current]
        after = order[every, np.minimum(current + 1, size - 1)]
        last = ~pick_light & (current == size - 1)
        accept[every, here] = np.where(pick_light, mass[every, here], np.where(last, 1.0, np.clip(left, 0.0, 1.0)))
        alias[every, here] = np.where(pick_light, now, after)
        left = np.where(pick_light, left + mass[every, here] - 1.0, left + mass[every, after] - 1.0)
        light += pick_light
        current = np.where(pick_light | last, current, current + 1)
    return AliasTable(accept, alias)


def draw_on_host(table: AliasTable, rows: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """``draw`` in NumPy: the same outcomes, bit for bit.

    Args:
        table: of every law.
        rows: which law each draw is of.
        uniforms: one for each draw.

    Returns:
        int32 outcomes, of the shape of ``rows``.
    """
    size = table.accept.shape[-1]
    scaled = uniforms * size
    column = np.minimum(scaled.astype(np.int32), size - 1)
    place = rows * size + column
    accept, alias = np.asarray(table.accept).reshape(-1)[place], np.asarray(table.alias).reshape(-1)[place]
    drawn: np.ndarray = np.where(scaled - column < accept, column, alias)
    return drawn


def draw(table: AliasTable, rows: jax.Array, uniforms: jax.Array) -> jax.Array:
    """One outcome per row: column floor(K u), kept if the fraction of K u lies below accept.

    Args:
        table: N laws on K outcomes.
        rows: (B,) which law each draw uses.
        uniforms: (B,) float64 in [0, 1), multiples of 2**-53.

    Returns:
        (B,) int32 outcomes, of positive probability whatever u is.
    """
    size = table.accept.shape[-1]
    scaled = uniforms * size
    column = jnp.minimum(scaled.astype(jnp.int32), size - 1)
    place = rows * size + column
    accept, alias = table.accept.reshape(-1)[place], table.alias.reshape(-1)[place]
    return jnp.where(scaled - column < accept, column, alias)


def limits(accept_NxK: np.ndarray) -> np.ndarray:
    """(N K,) least float64 not below column + accept: K u < limit exactly where (K u) - column < accept.

    K u is a float64 in [column, column + 1), and its difference to the column has no rounding.

    Args:
        accept_NxK: of N alias tables with K columns.

    Returns:
        Flat: N rows of K limits one after the other, as the compiled walk reads them.
    """
    column_K = np.arange(accept_NxK.shape[1], dtype=np.float64)
    limit_NxK = column_K + accept_NxK
    up: np.ndarray = np.where(limit_NxK - column_K < accept_NxK, np.nextafter(limit_NxK, np.inf), limit_NxK)
    return up.reshape(-1)
