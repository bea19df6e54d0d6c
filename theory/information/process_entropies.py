"""Myopic entropies, entropy rate and excess entropy of a stationary process, each between two computed numbers.

    h_L = H(o_L | o_1..o_{L-1}),     g_L = H(o_L | o_1..o_{L-1}, s_0),     g_L <= g_{L+1} <= h <= h_{L+1} <= h_L

with s_0 the state before the first token and h the entropy rate; both sides close on h, and for a unifilar process
(state and token leave one next state) g_L = h for every L. The excess entropy E = sum_L (h_L - h), the information that
all of the past gives about all of the future, lies for every n between

    sum_{L<=n} (h_L - h_n)     and     sum_{L<=n} (h_L - g_n) + I(s_0; s_n | o_1..o_n),

because h_L - h <= h_L - g_L = I(o_L; s_0 | o_1..o_{L-1}), whose sum over L > n is I(s_0; o_{n+1}.. | o_1..o_n), at most
what s_n, through which s_0 acts, knows of s_0. For a unifilar process h is known and stands for h_n and g_n, and E is
at least sum_{L<=n} (h_L - h). Nats.

Words that lead to the same belief over states are merged; so a process that synchronises costs its few mixed states.
Source: Cover and Thomas 2006, theorem 4.5.1 (the two sides of h); Crutchfield and Feldman 2003 (E); the upper side of
E is docs/theory's.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.edges import STATIONARY, EdgeProcess
from implicit_bayes.theory.objects.rows import distinct_rows

DECIMALS = 13
"""Beliefs that agree to so many decimals are merged: one word reaches a mixed state by many roundings."""


class ProcessEntropies(NamedTuple):
    """Entropies of the first n tokens, nats.

    Attributes:
        myopic_n: h_1..h_n.
        known_n: g_1..g_n, the state before the first token known.
        rate_low, rate_high: h lies between them; equal where the process is unifilar.
        excess_low, excess_high: E lies between them.
        beliefs: largest number of distinct beliefs that a length had.
    """

    myopic_n: np.ndarray
    known_n: np.ndarray
    rate_low: float
    rate_high: float
    excess_low: float
    excess_high: float
    beliefs: int

    @property
    def block_n(self) -> np.ndarray:
        """H(o_1..o_L) for L = 1..n."""
        return np.cumsum(self.myopic_n)


class _Level(NamedTuple):
    """Distinct beliefs after the same number of tokens, with their mass."""

    law_NxS: np.ndarray
    mass_N: np.ndarray


def process_entropies(process: EdgeProcess, length: int = 64, budget: int = 200_000) -> ProcessEntropies:
    """Entropies of up to ``length`` tokens.

    Args:
        process: a stationary one; of several ergodic components too (``union``).
        length: n, at least 1; fewer where the distinct beliefs become too many.
        budget: largest number of (belief, token) pairs that one length may visit.

    Returns:
        ProcessEntropies in nats; what is a limit lies between two computed numbers.

    Raises:
        ModelError: the start law is not stationary, a length below 1, or a budget too small for one token.
    """
    if length < 1:
        raise ModelError(f"length: {length} is below 1")
    if (error := process.stationary_error()) > STATIONARY:
        raise ModelError(f"start: not stationary (the kernel moves an entry by {error:.2g}); leave start out")
    states, start = process.n_states, np.asarray(process.start)
    unknown, known = _Level(start[None], np.ones(1)), _Level(np.eye(states)[start > 0], start[start > 0])
    if len(known.law_NxS) * process.n_tokens > budget:
        raise ModelError(f"budget: {budget} is below one token's {len(known.law_NxS) * process.n_tokens}; raise it")
    myopic, given, most = [], [], 1
    for _ in range(length):
        if max(len(unknown.law_NxS), len(known.law_NxS)) * process.n_tokens > budget:
            break
        (next_h, unknown), (next_g, known) = _step(process, unknown), _step(process, known)
        myopic.append(next_h)
        given.append(next_g)
        most = max(most, len(unknown.law_NxS), len(known.law_NxS))
    left = max(0.0, _mean_entropy(unknown.law_NxS, unknown.mass_N) - _mean_entropy(known.law_NxS, known.mass_N))
    return _summary(np.array(myopic), np.array(given), left, process.is_unifilar, most)


def _summary(myopic: np.ndarray, known: np.ndarray, left: float, unifilar: bool, most: int) -> ProcessEntropies:
    """The two sides of h and of E; ``left`` is I(s_0; s_n | o_1..o_n)."""
    low, high = float(known[-1]), float(myopic[-1])
    if unifilar:
        low = high = float(known[0])
    return ProcessEntropies(
        myopic_n=myopic, known_n=known, rate_low=low, rate_high=high,
        excess_low=max(0.0, float((myopic - high).sum())), excess_high=float((myopic - low).sum()) + left, beliefs=most,
    )  # fmt: skip


def _step(process: EdgeProcess, level: _Level) -> tuple[float, _Level]:
    """H(next token | belief), and the beliefs one token later."""
    joint_NxVxS = np.einsum("ns,vst->nvt", level.law_NxS, process.labelled)
    token_NxV = joint_NxVxS.sum(-1)
    node, token = np.nonzero(token_NxV > 0)
    law = joint_NxVxS[node, token] / token_NxV[node, token, None]
    first, inverse = distinct_rows(np.round(law, DECIMALS))
    mass = np.bincount(inverse, level.mass_N[node] * token_NxV[node, token], len(first))
    return _mean_entropy(token_NxV, level.mass_N), _Level(law[first], mass)


def _mean_entropy(law_NxV: np.ndarray, mass_N: np.ndarray) -> float:
    """sum_n mass_n H(law_n)."""
    logs = np.log(np.where(law_NxV > 0, law_NxV, 1.0))
    return float(-(mass_N * (law_NxV * logs).sum(-1)).sum())


def union(processes: list[EdgeProcess], prior: np.ndarray) -> EdgeProcess:
    """One process that draws a component at its start and stays in it: block-diagonal, so not ergodic.

    Args:
        processes: with the same number of tokens; their numbers of states may differ.
        prior: of the components.

    Returns:
        EdgeProcess on the sum of the numbers of states, the components' states one after the other.

    Raises:
        ModelError: other numbers of tokens.
    """
    sizes = [each.n_states for each in processes]
    labelled = np.zeros((processes[0].n_tokens, sum(sizes), sum(sizes)))
    begin = 0
    for each, size in zip(processes, sizes, strict=True):
        if each.n_tokens != processes[0].n_tokens:
            raise ModelError(f"processes: {each.n_tokens} tokens beside {processes[0].n_tokens}")
        labelled[:, begin : begin + size, begin : begin + size] = each.labelled
        begin += size
    start = np.concatenate([p * np.asarray(each.start) for p, each in zip(prior, processes, strict=True)])
    return EdgeProcess(labelled, start)
