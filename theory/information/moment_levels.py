"""One level of a graph of examples: the step of the recursion by which moments of likelihood ratios grow.

    log W'(s) = log sum_e exp( log W(s) + log p_e + s gain_e )   over the edges e that lead to a node,

and its derivative, the mean log-ratio of the tilted law, by that law's own mixing rule. Where one edge leads to a node,
as to most, there is nothing to sum.

Source: docs/theory, "How many examples are enough".
"""

import math
from typing import NamedTuple

import numpy as np


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


class Joined(NamedTuple):
    """The nodes of a level that several edges lead to; most have one, whose logarithm is the node's.

    Attributes:
        node_J: their places among all N nodes.
        edge_I: the edges that lead to them, sorted by node.
        first_J: where each one's edges begin among these.
        which_I: for each of these edges its node's place among the J.
    """

    node_J: np.ndarray
    edge_I: np.ndarray
    first_J: np.ndarray
    which_I: np.ndarray


class Level(NamedTuple):
    """E edges by one token, sorted by the node (N of them) that their first axis is gathered to.

    Attributes:
        parent_E: the node they leave.
        first_N: where each node's edges begin; every node has at least one.
        joined: the nodes with more than one.
        log_p_E: log p_prompt(token | prefix).
        gain_AxE: log-ratio of every alternative to theta*, nats; -inf where the alternative forbids the token, 0
            where theta* does (``lost`` then says so).
    """

    parent_E: np.ndarray
    first_N: np.ndarray
    joined: Joined
    log_p_E: np.ndarray
    gain_AxE: np.ndarray

    @classmethod
    def of(cls, parent_E: np.ndarray, node_E: np.ndarray, log_p_E: np.ndarray, gain_AxE: np.ndarray) -> "Level":
        """Edges sorted by their nodes 0..N-1.

        Args:
            parent_E: the node each leaves.
            node_E: the node each is gathered to, ascending, none left out.
            log_p_E: log p_prompt(token | prefix), nats.
            gain_AxE: log-ratios, nats.

        Returns:
            Level.
        """
        first_N = np.flatnonzero(np.diff(node_E, prepend=-1))
        count_N = np.diff(first_N, append=len(node_E))
        node_J = np.flatnonzero(count_N > 1)
        count_J = count_N[node_J]
        which_I = np.repeat(np.arange(len(node_J)), count_J)
        first_J = np.cumsum(count_J) - count_J
        edge_I = np.arange(len(which_I)) + (first_N[node_J] - first_J)[which_I]
        return cls(parent_E, first_N, Joined(node_J, edge_I, first_J, which_I), log_p_E, gain_AxE)

    def onward(self, gain: np.ndarray, s_S: np.ndarray, before: Cumulant) -> Cumulant:
        """One step of the recursion.

        Args:
            gain: log-ratios of the edges, nats, (E,) or one row for each s.
            s_S: powers.
            before: (S, M) at the nodes that the edges leave.

        Returns:
            Cumulant: (S, N) at the nodes that they lead to.
        """
        log_SxE, mean_SxE = self._edges(gain, s_S, before.value), self._means(gain, before)
        value, slope, joined = log_SxE[:, self.first_N], mean_SxE[:, self.first_N], self.joined
        slope[value == -math.inf] = 0.0
        if len(joined.node_J):
            weight_SxI, mass_SxJ, value[:, joined.node_J] = _gathered(joined, log_SxE)
            share_SxI = weight_SxI / np.where(mass_SxJ > 0, mass_SxJ, 1.0)[:, joined.which_I]
            slope[:, joined.node_J] = np.add.reduceat(share_SxI * mean_SxE[:, joined.edge_I], joined.first_J, axis=1)
        return Cumulant(value, slope)

    def value_onward(self, gain: np.ndarray, s_S: np.ndarray, value_SxM: np.ndarray) -> np.ndarray:
        """The value of ``onward``.

        Args:
            gain: log-ratios of the edges, nats, (E,) or one row for each s.
            s_S: powers.
            value_SxM: logarithms at the nodes that the edges leave, nats.

        Returns:
            (S, N) logarithms, nats.
        """
        log_SxE = self._edges(gain, s_S, value_SxM)
        if len(self.first_N) == log_SxE.shape[1]:
            return log_SxE
        value_SxN: np.ndarray = log_SxE[:, self.first_N]
        value_SxN[:, self.joined.node_J] = _gathered(self.joined, log_SxE)[2]
        return value_SxN

    def total_onward(self, gain: np.ndarray, s_S: np.ndarray, before: Cumulant) -> Cumulant:
        """``onward``, as if all edges led to one node.

        Args:
            gain: log-ratios of the edges, nats, (E,) or one row for each s.
            s_S: powers.
            before: (S, M) at the nodes that the edges leave.

        Returns:
            Cumulant, (S,) each.
        """
        return total(Cumulant(self._edges(gain, s_S, before.value), self._means(gain, before)))

    def total_value(self, gain: np.ndarray, s_S: np.ndarray, value_SxM: np.ndarray) -> np.ndarray:
        """The value of ``total_onward``.

        Args:
            gain: log-ratios of the edges, nats, (E,) or one row for each s.
            s_S: powers.
            value_SxM: logarithms at the nodes that the edges leave, nats.

        Returns:
            (S,) logarithms, nats.
        """
        return log_sum(self._edges(gain, s_S, value_SxM))

    def _edges(self, gain: np.ndarray, s_S: np.ndarray, value_SxM: np.ndarray) -> np.ndarray:
        """(S, E) log ( W p ratio^s ) of every edge; -inf where the alternative forbids it, at s = 0 too."""
        log_SxE = np.take(value_SxM, self.parent_E, axis=1, mode="clip")  # parents are places: "raise" takes longer
        log_SxE += self.log_p_E
        if _all_alive(gain):
            log_SxE += s_S[:, None] * gain
            return log_SxE
        dead = gain == -math.inf
        log_SxE += s_S[:, None] * np.where(dead, 0.0, gain)
        return np.where(dead, -np.inf, log_SxE)

    def _means(self, gain: np.ndarray, before: Cumulant) -> np.ndarray:
        """(S, E) the log-ratio after every edge, averaged over what leads to it; any number where the edge is dead."""
        mean_SxE = np.take(before.slope, self.parent_E, axis=1, mode="clip")
        mean_SxE += gain if _all_alive(gain) else np.where(gain == -math.inf, 0.0, gain)
        return mean_SxE


def _all_alive(gain: np.ndarray) -> bool:
    return bool(gain.min(initial=0.0) > -math.inf)


def _gathered(joined: Joined, log_SxE: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(S, I) edges of joined nodes up to a factor of each node's, (S, J) their sums, and log W' of these nodes."""
    log_SxI = log_SxE[:, joined.edge_I]
    top_SxJ = np.maximum.reduceat(log_SxI, joined.first_J, axis=1)
    safe_SxJ = np.where(top_SxJ > -np.inf, top_SxJ, 0.0)
    log_SxI -= safe_SxJ[:, joined.which_I]
    weight_SxI = np.exp(log_SxI, out=log_SxI)
    mass_SxJ = np.add.reduceat(weight_SxI, joined.first_J, axis=1)
    with np.errstate(divide="ignore"):
        return weight_SxI, mass_SxJ, safe_SxJ + np.log(mass_SxJ)


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
    mass_S = weight.sum(1)
    share = weight / np.where(mass_S > 0, mass_S, 1.0)[:, None]
    return Cumulant(log_S, (share * slope).sum(1))


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
    top_S = log_parts_SxN.max(1)
    safe_S = np.where(top_S > -np.inf, top_S, 0.0)
    weight = log_parts_SxN - safe_S[:, None]
    np.exp(weight, out=weight)
    with np.errstate(divide="ignore"):
        return safe_S + np.log(weight.sum(1)), weight
