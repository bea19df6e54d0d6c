"""Moments of likelihood ratios over examples, exact: M(s) = E_{O ~ p_prompt} [ p(O | theta) / p(O | theta*) ]^s.

The reachable prefixes are expanded once, those with equal filters under every law merged (as for sum_j KL_j), and
kept as a graph whose edges carry log p_prompt(token | prefix) and the gain log p(token | prefix, theta) -
log p(token | prefix, theta*). One pass over the edges, in logarithms, then gives log M(s) and its derivative at any
number of s at once (``moment_levels``). With identity emissions a level has at most V nodes, whatever k is.

Source: docs/theory, "How many examples are enough".
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import t_interval
from implicit_bayes.theory.information.moment_levels import Cumulant, Level

AT_ONCE = 1 << 17
"""Edges, over all s, that one pass works on together: what a processor's cache holds."""


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
            out = level.onward(level.gain_AxE[alternative], np.reshape(s, -1), out)
        return out

    def mass(self) -> np.ndarray:
        """(N,) p_prompt-mass of the test inputs that end in each node.

        Returns:
            (N,) float64, in sum 1 up to rounding.
        """
        value = np.zeros((1, 1))
        for level in self.levels:
            value = level.value_onward(np.zeros(len(level.log_p_E)), np.zeros(1), value)
        moments: np.ndarray = np.exp(value[0])
        return moments

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
        if self._lost(closed):
            size = np.size(s)
            return Cumulant(np.full(size, np.inf), np.zeros(size))
        level, before = self.closed if closed else self.last, inputs or self.inputs(alternative, s)
        return level.total_onward(level.gain_AxE[alternative], np.reshape(s, -1), before)

    def values(
        self, alternative: int | np.ndarray, s: np.ndarray | float, closed: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The values of ``inputs`` and ``examples`` without derivatives: a third of the work.

        Args:
            alternative: index of one, or (S,) of one for each s.
            s: (S,) exponents.
            closed: whether the delimiter is part of the example.

        Returns:
            ((S, N) logarithms of the test inputs, (S,) of the examples), nats; of the examples the upper end of the 95%
            interval where the graph is a sample, +inf where ``examples`` is.
        """
        every, level = np.reshape(s, -1), self.closed if closed else self.last
        inputs, whole = np.empty((len(every), self.law_2xNxV.shape[1])), np.empty(len(every))
        for rows in np.array_split(np.arange(len(every)), min(len(every), 1 + len(every) * self.edges // AT_ONCE)):
            which = alternative[rows] if isinstance(alternative, np.ndarray) and alternative.ndim else alternative
            value = np.zeros((len(rows), 1))
            for each in self.levels:
                value = each.value_onward(each.gain_AxE[which], every[rows], value)
            inputs[rows] = value
            if self._lost(closed):
                whole[rows] = np.inf
            elif self.sampled:
                whole[rows] = upper_mean(level.value_onward(level.gain_AxE[which], every[rows], value))
            else:
                whole[rows] = level.total_value(level.gain_AxE[which], every[rows], value)
        return inputs, whole

    def _lost(self, closed: bool) -> bool:
        return self.lost_closed if closed else self.lost_last

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
