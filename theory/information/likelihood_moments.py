"""Moments of likelihood ratios over examples, exact: M(s) = E_{O ~ p_prompt} [ p(O | theta) / p(O | theta*) ]^s.

The reachable prefixes are expanded once, those with equal filters under every law merged (as for sum_j KL_j), and
kept as a graph whose edges carry log p_prompt(token | prefix) and the gain log p(token | prefix, theta) -
log p(token | prefix, theta*). One pass over the edges, in logarithms, then gives log M(s) and two derivatives at any
number of s at once. With identity emissions a level has at most V nodes, whatever k is.

Source: docs/theory, "How many examples are enough".
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import t_interval


class Cumulant(NamedTuple):
    """log E [ratio^s] with its first two derivatives in s (mean and variance of the log-ratio in the tilted law).

    At s = 0 the value is the limit from above, log P(theta allows O); -inf where theta forbids everything, whose
    derivatives are 0.
    """

    value: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray


class Level(NamedTuple):
    """E edges by one token, sorted by the node (N of them) that their first axis is gathered to.

    Attributes:
        parent_E: the node they leave.  node_E: the node they are gathered to.  first_N: where each node's edges
            begin.
        log_p_E: log p_prompt(token | prefix).
        gain_AxE: log-ratio of every alternative to theta*, nats; -inf where the alternative forbids the token, 0
            where theta* does (``lost`` then says so).
    """

    parent_E: np.ndarray
    node_E: np.ndarray
    first_N: np.ndarray
    log_p_E: np.ndarray
    gain_AxE: np.ndarray


class ExampleGraph(NamedTuple):
    """All examples of k tokens that p_prompt can draw, merged; A alternatives against theta*.

    Attributes:
        levels: tokens 1..k-1; the nodes of the last are the test inputs x (N of them).
        last, closed: token k, and token k with the delimiter after it, gathered by x.
        law_2xNxV: p_prompt(y | x) and p(y | x, theta*), the latter 0 throughout where theta* forbids x.
        lost_N: x is forbidden by theta*.
        lost_last, lost_closed: theta* forbids some example, or some example with its delimiter.
        sampled: nodes are a sample of prefixes, not all of them.
    """

    levels: tuple[Level, ...]
    last: Level
    closed: Level
    law_2xNxV: np.ndarray
    lost_N: np.ndarray
    lost_last: bool
    lost_closed: bool
    sampled: bool

    @property
    def edges(self) -> int:
        """Of all levels: what one pass at one s costs."""
        return sum(len(level.log_p_E) for level in (*self.levels, self.last))

    def inputs(self, alternative: int | np.ndarray, s: np.ndarray | float) -> Cumulant:
        """(S, N) of E [ratio of x^s; x], x ending in each node; their sum over N is over all test inputs.

        Args:
            alternative: index of one, or (S,) of one for each s.
            s: (S,) exponents.
        """
        out = Cumulant(*(np.zeros((np.size(s), 1)) for _ in range(3)))
        for level in self.levels:
            out = _onward(level, level.gain_AxE[alternative], np.reshape(s, -1), out)
        return out

    def mass(self) -> np.ndarray:
        """(N,) p_prompt-mass of the test inputs that end in each node."""
        out = Cumulant(*(np.zeros((1, 1)) for _ in range(3)))
        for level in self.levels:
            out = _onward(level, np.zeros(len(level.log_p_E)), np.zeros(1), out)
        moments: np.ndarray = np.exp(out.value[0])
        return moments

    def by_input(
        self, alternative: int | np.ndarray, s: np.ndarray | float, closed: bool, inputs: Cumulant | None = None
    ) -> Cumulant:
        """(S, N) the parts of ``examples`` whose first k - 1 tokens end in each node.

        Args:
            alternative: index of one, or (S,) of one for each s.
            s: (S,) exponents.
            closed: whether the delimiter is part of the example.
            inputs: ``inputs(alternative, s)``, if the caller has it.
        """
        level, before = self.closed if closed else self.last, inputs or self.inputs(alternative, s)
        return _onward(level, level.gain_AxE[alternative], np.reshape(s, -1), before)

    def examples(
        self, alternative: int | np.ndarray, s: np.ndarray | float, closed: bool, inputs: Cumulant | None = None
    ) -> Cumulant:
        """(S,) log E [ratio^s] over examples; ``closed``: with the delimiter after the example. +inf where lost.

        Args:
            alternative: index of one, or (S,) of one for each s.
            s: (S,) exponents.
            closed: whether the delimiter is part of the example.
            inputs: ``inputs(alternative, s)``, if the caller has it.
        """
        if self.lost_closed if closed else self.lost_last:
            size = np.size(s)
            return Cumulant(np.full(size, np.inf), np.zeros(size), np.zeros(size))
        return total(self.by_input(alternative, s, closed, inputs))

    def upper(self, alternative: int | np.ndarray, s: np.ndarray | float, closed: bool) -> np.ndarray:
        """(S,) ``examples``'s value, or the upper end of its 95% interval where the graph is a sample.

        Args:
            alternative: index of one, or (S,) of one for each s.
            s: (S,) exponents.
            closed: whether the delimiter is part of the example.
        """
        if not self.sampled or self.lost_closed or self.lost_last:
            return self.examples(alternative, s, closed).value
        return upper_mean(self.by_input(alternative, s, closed).value)

    def largest(self, alternative: int, closed: bool) -> float:
        """The largest log-ratio of any example, nats.

        Args:
            alternative: its index.
            closed: whether the delimiter is part of the example.
        """
        reach, level = self.largest_inputs(alternative), self.closed if closed else self.last
        return float((reach[level.parent_E] + level.gain_AxE[alternative]).max())

    def largest_inputs(self, alternative: int) -> np.ndarray:
        """(N,) the largest log-ratio of any x that ends in each node."""
        reach = np.zeros(1)
        for level in self.levels:
            reach = np.maximum.reduceat(reach[level.parent_E] + level.gain_AxE[alternative], level.first_N)
        return reach


def _onward(level: Level, gain: np.ndarray, s_S: np.ndarray, before: Cumulant) -> Cumulant:
    """One step of the recursion, gains (E,) or (S, E); every node has at least one edge.

    log W' = log sum_e exp(log W + log p + s gain); mean and variance of the tilted law by their own mixing rules.
    """
    dead = gain == -math.inf
    gain = np.where(dead, 0.0, gain)
    log_SxE = before.value[:, level.parent_E] + level.log_p_E + s_S[:, None] * gain
    log_SxE = np.where(dead, -np.inf, log_SxE) if dead.any() else log_SxE
    top_SxN = np.maximum.reduceat(log_SxE, level.first_N, axis=1)
    safe_SxN = np.where(top_SxN > -np.inf, top_SxN, 0.0)
    weight_SxE = np.exp(log_SxE - safe_SxN[:, level.node_E])
    mass_SxN = np.add.reduceat(weight_SxE, level.first_N, axis=1)
    with np.errstate(divide="ignore"):
        value = safe_SxN + np.log(mass_SxN)
    share_SxE = weight_SxE / np.where(mass_SxN > 0, mass_SxN, 1.0)[:, level.node_E]
    mean_SxE = before.slope[:, level.parent_E] + gain
    slope = np.add.reduceat(share_SxE * mean_SxE, level.first_N, axis=1)
    spread_SxE = before.curvature[:, level.parent_E] + (mean_SxE - slope[:, level.node_E]) ** 2
    return Cumulant(value, slope, np.add.reduceat(share_SxE * spread_SxE, level.first_N, axis=1))


def total(parts_SxN: Cumulant) -> Cumulant:
    """(S,) of the sum over N of what the parts are the logarithms of."""
    value, slope, curvature = parts_SxN
    top_S = value.max(-1)
    weight = np.exp(value - np.where(top_S > -np.inf, top_S, 0.0)[:, None])
    mass_S = weight.sum(-1)
    share = weight / np.where(mass_S > 0, mass_S, 1.0)[:, None]
    mean_S = (share * slope).sum(-1)
    with np.errstate(divide="ignore"):
        log_S = np.where(top_S > -np.inf, top_S, 0.0) + np.log(mass_S)
    return Cumulant(log_S, mean_S, (share * (curvature + (slope - mean_S[:, None]) ** 2)).sum(-1))


def upper_mean(log_parts_SxN: np.ndarray) -> np.ndarray:
    """(S,) log of the upper 95% end of a mean, its N summands / N given by their logarithms."""
    top_S = log_parts_SxN.max(-1)
    safe_S = np.where(top_S > -np.inf, top_S, 0.0)
    _, _, high = t_interval(np.exp(log_parts_SxN - safe_S[:, None]).T)
    with np.errstate(divide="ignore"):
        logs: np.ndarray = safe_S + np.log(high * log_parts_SxN.shape[1])
        return logs
