"""Bounds on what one sampled prefix can contribute to an expectation: what makes an interval of a mean certain.

A score is sum_v p(v | prefix) log q(v | prefix). After token o the filter under law l is *some* law on the states that
can emit o, so q_l(v | prefix) lies between the least and the largest entry of column v of the table of o, and the
mean over v is largest, by linearity in the sampler's filter, at one of its states. Where an entry of the column is 0
the least is bounded from below by the smallest probability that a possible sequence of that length can have.
"""

from collections.abc import Callable

import numpy as np

from implicit_bayes.theory.information.prefixes import ForwardTables, Tables

Quantity = Callable[[np.ndarray, np.ndarray], np.ndarray]


def score_range(forward: ForwardTables, quantity: Quantity, length: int, known: int) -> tuple[np.ndarray, np.ndarray]:
    """(Q,) least and largest value of a linear quantity at one prefix, positions up to ``known`` left out.

    Args:
        forward: law 0 draws the prefixes.
        quantity: (k, N, L) scores and (N, L) closing scores at position k -> (N, Q), linear in both.
        length: k.
        known: positions whose expectation is known exactly, so that they are not sampled.

    Returns:
        (low, high), each (Q,): certain bounds on what any prefix of positive mass can contribute, not the attained
        extremes; infinite where a law forbids what the sampler allows.
    """
    scored, closed = _coefficients(forward.n_laws, quantity, length)
    reachable = _reachable(forward, length)
    low, high = np.zeros((2, closed.shape[1]))
    for j in range(known, length):
        for tables, coefficients, steps in ((forward.following, scored[j], j), (forward.closing, closed, j + 1)):
            if not coefficients.any() or (tables is forward.closing and j + 1 < length):
                continue
            least = _least_logs(forward, steps)
            ends = [_ends(forward, tables, token, coefficients, least) for token in reachable[j]]
            low += np.min([end[0] for end in ends], 0)
            high += np.max([end[1] for end in ends], 0)
    return low, high


def _coefficients(laws: int, quantity: Quantity, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(k, L, Q) and (L, Q): the linear quantity, probed entry by entry."""
    basis = np.eye(length * laws).reshape(length * laws, length, laws).swapaxes(0, 1)
    scored = quantity(basis, np.zeros((length * laws, laws)))
    closed = quantity(np.zeros((length, laws, laws)), np.eye(laws))
    return scored.reshape(length, laws, -1), closed


def _reachable(forward: ForwardTables, length: int) -> list[list[int]]:
    """For positions 1..k, last tokens a prefix can have before them (V, the empty one, before the first).

    One token stands for all that the same states emit under every law.
    """
    kinds: dict[bytes, int] = {}
    emits = (forward.emission > 0).swapaxes(1, 2)
    alike = [kinds.setdefault(emits[:, token].tobytes(), token) for token in range(forward.n_tokens)]
    follows: dict[int, set[int]] = {}
    levels = [[forward.n_tokens]]
    while len(levels) < length:
        for token in levels[-1]:
            if token not in follows:
                said = np.flatnonzero((forward.following[token][0] > 0).any(0))
                follows[token] = {alike[v] for v in said.tolist()}
        levels.append(sorted(set().union(*(follows[token] for token in levels[-1]))))
    return levels


def _least_logs(forward: ForwardTables, steps: int) -> np.ndarray:
    """(L,) log of the smallest probability that a possible sequence of ``steps`` + 1 tokens can have under each law."""
    words, starts, moves = (
        np.log(np.where(x > 0, x, 1.0).reshape(len(x), -1).min(1))
        for x in (forward.emission, forward.rows.initial, forward.rows.transition)
    )
    terms: np.ndarray = starts + words + steps * (moves + words)
    return terms


def _ends(
    forward: ForwardTables, tables: Tables, token: int, coefficients_LxQ: np.ndarray, least_L: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(Q,) least and largest sum_l a_l sum_v p(v | prefix) log q_l(v | prefix) over prefixes that end in ``token``."""
    weights_WxV, table_LxWxV = forward.following[token][0], tables[token]
    spoken, table = (weights_WxV > 0).any(0), table_LxWxV
    if token < forward.n_tokens:  # a law is only where it can emit the token
        there_LxW = forward.emission[:, forward.supports[token], token] > 0
        there_LxW |= ~there_LxW.any(1, keepdims=True)
        weights_WxV, hidden = weights_WxV[there_LxW[0]], ~there_LxW[:, :, None]
        extremes = np.where(hidden, np.inf, table).min(1), np.where(hidden, -np.inf, table).max(1)
    else:
        extremes = table.min(1), table.max(1)
    with np.errstate(divide="ignore"):
        lows, highs = (np.clip(np.log(x[:, spoken]), least_L[:, None], 0.0) for x in extremes)
    up, down = np.maximum(coefficients_LxQ, 0.0).T, np.minimum(coefficients_LxQ, 0.0).T
    weights = weights_WxV[:, spoken].T
    return ((up @ lows + down @ highs) @ weights).min(1), ((up @ highs + down @ lows) @ weights).max(1)
