"""Moments of likelihood ratios over examples, exact: M(s) = E_{O ~ p_prompt} [ p(O | theta) / p(O | theta*) ]^s.

The reachable prefixes are expanded once, those with equal filters under every law merged (as for sum_j KL_j), and
kept as a graph whose edges carry log p_prompt(token | prefix) and the gain log p(token | prefix, theta) -
log p(token | prefix, theta*). One pass over the edges, in logarithms, then gives log M(s) and its derivative at any
number of s at once. With identity emissions a level has at most V nodes, whatever k is.

Source: docs/theory, "How many examples are enough".
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import t_interval

AT_ONCE = 1 << 17
"""Edges, over all s, that one pass works on together: what a processor's cache holds."""


class Cumulant(NamedTuple):
    """log E [ratio^s] with its derivative in s (mean of the log-ratio in the tilted law).

    At s = 0 the value is the limit from above, log P(theta allows O); -inf where theta forbids everything, whose
    derivative is 0.

    Attributes:
        value: logarithms of moments, nats, of any shape.
        slope: their derivatives in s, nats, of the same shape.
    """

    value: np.ndarray
    slope: np.ndarray


class Level(NamedTuple):
    """E edges by one token, sorted by the node (N of them) that their first axis is gathered to.

    Attributes:
        parent_E: the node they leave.
        node_E: the node they are gathered to.
        first_N: where each node's edges begin.
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

        Returns:
            Cumulant: logarithms of the moments (nats) and their derivatives in s, (S, N) each.
        """
        out = Cumulant(*np.zeros((2, np.size(s), 1)))
        for level in self.levels:
            out = _onward(level, level.gain_AxE[alternative], np.reshape(s, -1), out)
        return out

    def mass(self) -> np.ndarray:
        """(N,) p_prompt-mass of the test inputs that end in each node.

        Returns:
            (N,) float64, in sum 1 up to rounding.
        """
        value = np.zeros((1, 1))
        for level in self.levels:
            value = _value_onward(level, np.zeros(len(level.log_p_E)), np.zeros(1), value)
        moments: np.ndarray = np.exp(value[0])
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

        Returns:
            Cumulant: logarithms (nats) and derivatives in s, (S, N) each; what is lost is not among the parts.
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

        Returns:
            Cumulant: (S,) log moments, nats, and their derivatives in s (0 where the moment is infinite).
        """
        if self.lost_closed if closed else self.lost_last:
            size = np.size(s)
            return Cumulant(np.full(size, np.inf), np.zeros(size))
        return total(self.by_input(alternative, s, closed, inputs))

    def values(
        self, alternative: int | np.ndarray, s: np.ndarray | float, closed: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """(S, N) the values of ``inputs`` and of ``by_input``, without derivatives: a third of the work.

        Args:
            alternative: index of one, or (S,) of one for each s.
            s: (S,) exponents.
            closed: whether the delimiter is part of the example.

        Returns:
            Two (S, N) arrays of logarithms, nats: of the test inputs, and of the examples.
        """
        every, level = np.reshape(s, -1), self.closed if closed else self.last
        inputs, parts = np.empty((2, len(every), self.law_2xNxV.shape[1]))
        for rows in np.array_split(np.arange(len(every)), min(len(every), 1 + len(every) * self.edges // AT_ONCE)):
            which = alternative[rows] if isinstance(alternative, np.ndarray) and alternative.ndim else alternative
            value = np.zeros((len(rows), 1))
            for each in self.levels:
                value = _value_onward(each, each.gain_AxE[which], every[rows], value)
            inputs[rows], parts[rows] = value, _value_onward(level, level.gain_AxE[which], every[rows], value)
        return inputs, parts

    def upper(self, closed: bool, parts_SxN: np.ndarray) -> np.ndarray:
        """(S,) ``examples``'s value from that of ``by_input``; the upper end of its 95% interval where the graph is a
        sample.

        Args:
            closed: whether the delimiter is part of the example.
            parts_SxN: of ``values``.

        Returns:
            (S,) nats; +inf where ``examples`` is.
        """
        if self.lost_closed if closed else self.lost_last:
            return np.full(len(parts_SxN), np.inf)
        sampled = self.sampled and not (self.lost_closed or self.lost_last)
        return upper_mean(parts_SxN) if sampled else log_sum(parts_SxN)

    def largest(self, alternative: int, closed: bool) -> float:
        """The largest log-ratio of any example, nats.

        Args:
            alternative: its index.
            closed: whether the delimiter is part of the example.

        Returns:
            A maximum over the examples that p_prompt can draw; over those drawn, where the graph is a sample.
        """
        reach, level = self.largest_inputs(alternative), self.closed if closed else self.last
        return float((reach[level.parent_E] + level.gain_AxE[alternative]).max())

    def largest_inputs(self, alternative: int) -> np.ndarray:
        """(N,) the largest log-ratio of any x that ends in each node.

        Args:
            alternative: its index.

        Returns:
            (N,) nats.
        """
        reach = np.zeros(1)
        for level in self.levels:
            reach = np.maximum.reduceat(reach[level.parent_E] + level.gain_AxE[alternative], level.first_N)
        return reach


def _onward(level: Level, gain: np.ndarray, s_S: np.ndarray, before: Cumulant) -> Cumulant:
    """One step of the recursion, gains (E,) or (S, E); every node has at least one edge.

    log W' = log sum_e exp(log W + log p + s gain); the mean of the tilted law by its own mixing rule.
    """
    dead = gain == -math.inf
    gain = np.where(dead, 0.0, gain)
    weight_SxE, mass_SxN, value = _weights(level, gain, dead, s_S, before.value)
    share_SxE = weight_SxE / np.where(mass_SxN > 0, mass_SxN, 1.0)[:, level.node_E]
    mean_SxE = before.slope[:, level.parent_E] + gain
    return Cumulant(value, np.add.reduceat(share_SxE * mean_SxE, level.first_N, axis=1))


def _value_onward(level: Level, gain: np.ndarray, s_S: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The value of ``_onward``."""
    dead = gain == -math.inf
    return _weights(level, np.where(dead, 0.0, gain), dead, s_S, value)[2]


def _weights(
    level: Level, gain: np.ndarray, dead: np.ndarray, s_S: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(S, E) W p ratio^s of every edge up to a factor of its node's, (S, N) their sums, and log W' itself."""
    log_SxE = value[:, level.parent_E]
    log_SxE += level.log_p_E
    log_SxE += s_S[:, None] * gain
    if dead.any():
        log_SxE = np.where(dead, -np.inf, log_SxE)
    top_SxN = np.maximum.reduceat(log_SxE, level.first_N, axis=1)
    safe_SxN = np.where(top_SxN > -np.inf, top_SxN, 0.0)
    log_SxE -= safe_SxN[:, level.node_E]
    weight_SxE = np.exp(log_SxE, out=log_SxE)
    mass_SxN = np.add.reduceat(weight_SxE, level.first_N, axis=1)
    with np.errstate(divide="ignore"):
        return weight_SxE, mass_SxN, safe_SxN + np.log(mass_SxN)


def total(parts_SxN: Cumulant) -> Cumulant:
    """(S,) of the sum over N of what the parts are the logarithms of.

    Args:
        parts_SxN: logarithms, nats, and their derivatives.

    Returns:
        Cumulant, (S,) each: the logarithm of the sum, nats, and its derivative, the mean of the parts' derivatives
        weighted by their shares.
    """
    value, slope = parts_SxN
    log_S, weight = _summed(value)
    mass_S = weight.sum(-1)
    share = weight / np.where(mass_S > 0, mass_S, 1.0)[:, None]
    return Cumulant(log_S, (share * slope).sum(-1))


def log_sum(log_parts_SxN: np.ndarray) -> np.ndarray:
    """(S,) log of the sum over N of what is given by its logarithms.

    Args:
        log_parts_SxN: nats; -inf for a part of zero.

    Returns:
        (S,) nats; -inf where every part is.
    """
    return _summed(log_parts_SxN)[0]


def _summed(log_parts_SxN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S,) log of the sum, and (S, N) the parts up to a factor of each row's."""
    top_S = log_parts_SxN.max(-1)
    safe_S = np.where(top_S > -np.inf, top_S, 0.0)
    weight = np.exp(log_parts_SxN - safe_S[:, None])
    with np.errstate(divide="ignore"):
        return safe_S + np.log(weight.sum(-1)), weight


def upper_mean(log_parts_SxN: np.ndarray) -> np.ndarray:
    """(S,) log of the upper 95% end of a mean, its N summands / N given by their logarithms.

    Args:
        log_parts_SxN: nats; independent over N.

    Returns:
        (S,) nats; the end of Student's t interval, which is approximate: it holds as N grows.
    """
    top_S = log_parts_SxN.max(-1)
    safe_S = np.where(top_S > -np.inf, top_S, 0.0)
    _, _, high = t_interval(np.exp(log_parts_SxN - safe_S[:, None]).T)
    with np.errstate(divide="ignore"):
        logs: np.ndarray = safe_S + np.log(high * log_parts_SxN.shape[1])
        return logs
