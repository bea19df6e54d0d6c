"""Moments of likelihood ratios over examples, exact: M(s) = E_{O ~ p_prompt} [ p(O | theta) / p(O | theta*) ]^s.

The reachable prefixes are expanded once, those with equal filters under every law merged (as for sum_j KL_j), and
kept as a graph whose edges carry log p_prompt(token | prefix) and the gain log p(token | prefix, theta) -
log p(token | prefix, theta*). One pass over the edges, in logarithms, then gives log M(s) and two derivatives at any
number of s at once. With identity emissions a level has at most V nodes, whatever k is.

Source: docs/theory, "How many examples are enough".
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from implicit_bayes.theory.information.beliefs import distinct_rows
from implicit_bayes.theory.information.estimates import t_interval
from implicit_bayes.theory.information.expansion import Nodes, count_children, root
from implicit_bayes.theory.information.prefixes import Machine, build, normalise
from implicit_bayes.theory.information.sampling import draw
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM

BUDGET = 200_000
"""Merged prefixes affordable on one level."""

SAMPLES = 8192
"""Prefixes drawn where the expansion is not affordable."""

FAINTEST = 1e-290
"""A positive probability of a step below this cannot be told from an impossible one in float64."""


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

    parent_E: the node they leave.  node_E: the node they are gathered to.  first_N: where each node's edges begin.
    log_p_E: log p_prompt(token | prefix).
    gain_AxE: log-ratio of every alternative to theta*, nats; -inf where the alternative forbids the token, 0 where
        theta* does (``lost`` then says so).
    """

    parent_E: np.ndarray
    node_E: np.ndarray
    first_N: np.ndarray
    log_p_E: np.ndarray
    gain_AxE: np.ndarray


class ExampleGraph(NamedTuple):
    """All examples of k tokens that p_prompt can draw, merged; A alternatives against theta*.

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

    def inputs(self, alternative: int, s: Any) -> Cumulant:
        """(S, N) of E [ratio of x^s; x], x ending in each node; their sum over N is over all test inputs."""
        out = Cumulant(*(np.zeros((np.size(s), 1)) for _ in range(3)))
        for level in self.levels:
            out = _onward(level, level.gain_AxE[alternative], np.reshape(s, -1), out)
        return out

    def mass(self) -> np.ndarray:
        """(N,) p_prompt-mass of the test inputs that end in each node."""
        out = Cumulant(*(np.zeros((1, 1)) for _ in range(3)))
        for level in self.levels:
            out = _onward(level, np.zeros(len(level.log_p_E)), np.zeros(1), out)
        return np.exp(out.value[0])

    def by_input(self, alternative: int, s: Any, closed: bool) -> Cumulant:
        """(S, N) the parts of ``examples`` whose first k - 1 tokens end in each node."""
        level = self.closed if closed else self.last
        return _onward(level, level.gain_AxE[alternative], np.reshape(s, -1), self.inputs(alternative, s))

    def examples(self, alternative: int, s: Any, closed: bool) -> Cumulant:
        """(S,) log E [ratio^s] over examples; ``closed``: with the delimiter after the example. +inf where lost."""
        if self.lost_closed if closed else self.lost_last:
            size = np.size(s)
            return Cumulant(np.full(size, np.inf), np.zeros(size), np.zeros(size))
        return total(self.by_input(alternative, s, closed))

    def upper(self, alternative: int, s: Any, closed: bool) -> np.ndarray:
        """(S,) ``examples``'s value, or the upper end of its 95% interval where the graph is a sample."""
        if not self.sampled or self.lost_closed or self.lost_last:
            return self.examples(alternative, s, closed).value
        return upper_mean(self.by_input(alternative, s, closed).value)

    def largest(self, alternative: int, closed: bool) -> float:
        """The largest log-ratio of any example, nats."""
        reach, level = self.largest_inputs(alternative), self.closed if closed else self.last
        return float((reach[level.parent_E] + level.gain_AxE[alternative]).max())

    def largest_inputs(self, alternative: int) -> np.ndarray:
        """(N,) the largest log-ratio of any x that ends in each node."""
        reach = np.zeros(1)
        for level in self.levels:
            reach = np.maximum.reduceat(reach[level.parent_E] + level.gain_AxE[alternative], level.first_N)
        return reach


def _onward(level: Level, gain_E: np.ndarray, s_S: np.ndarray, before: Cumulant) -> Cumulant:
    """One step of the recursion; every node has at least one edge.

    log W' = log sum_e exp(log W + log p + s gain); mean and variance of the tilted law by their own mixing rules.
    """
    dead_E = gain_E == -math.inf
    gain_E = np.where(dead_E, 0.0, gain_E)
    log_SxE = before.value[:, level.parent_E] + level.log_p_E + s_S[:, None] * gain_E
    log_SxE[:, dead_E] = -np.inf
    top_SxN = np.maximum.reduceat(log_SxE, level.first_N, axis=1)
    safe_SxN = np.where(top_SxN > -np.inf, top_SxN, 0.0)
    weight_SxE = np.exp(log_SxE - safe_SxN[:, level.node_E])
    mass_SxN = np.add.reduceat(weight_SxE, level.first_N, axis=1)
    with np.errstate(divide="ignore"):
        value = safe_SxN + np.log(mass_SxN)
    share_SxE = weight_SxE / np.where(mass_SxN > 0, mass_SxN, 1.0)[:, level.node_E]
    mean_SxE = before.slope[:, level.parent_E] + gain_E
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
        return safe_S + np.log(high * log_parts_SxN.shape[1])


def example_graph(
    sampler: HMM, true: HMM, alternatives: Sequence[HMM], length: int, delimiter: int, budget: int = BUDGET
) -> ExampleGraph | None:
    """Expand the examples of ``length`` tokens; None where a level needs more than ``budget`` nodes or edges.

    Args:
        sampler: p_prompt(O), the law of one example.
        true: theta* from the start law that the ratio is about.
        alternatives: every theta, each from its own start law.
        length: k >= 2.
        delimiter: the token of ``closed``.
        budget: merged prefixes on one level.

    Raises:
        ModelError: the laws differ in shape, or probabilities are so small that float64 could take the improbable
            for the impossible.
    """
    machine = build([sampler, true, *alternatives], delimiter)
    nodes, levels = [root(machine)], []
    for position in range(1, length + 1):
        if count_children(machine, nodes, length - position)[1] > budget:
            return None
        if position < length:
            level, nodes = _expand(machine, nodes)
            levels.append(level)
    return _finish(machine, nodes, tuple(levels), sampled=False)


def sampled_graph(
    sampler: HMM, true: HMM, alternatives: Sequence[HMM], length: int, delimiter: int, seed: int, samples: int = SAMPLES
) -> ExampleGraph:
    """The same with ``samples`` independent prefixes of k - 1 tokens; the last token (and delimiter) is summed exactly.

    Every estimate is an average over independent prefixes (Rao-Blackwell), so ``upper`` has its interval. Whether
    theta* forbids an example must be known otherwise: a sample may miss it.
    """
    machine = build([sampler, true, *alternatives], delimiter)
    tokens = draw(machine, length, samples, np.random.default_rng(seed)).tokens
    tokens = tokens[np.argsort(tokens[:, -1], kind="stable")]
    before = np.full(samples, machine.n_tokens)
    belief_LxNxH = np.zeros((machine.n_laws, samples, machine.emission.shape[1]))
    belief_LxNxH[:, :, 0] = 1.0
    gain_AxN = np.zeros((len(alternatives), samples))
    for now in tokens.T:
        fresh = np.zeros_like(belief_LxNxH)
        for last, token in np.unique(np.stack([before, now], 1), axis=0):
            rows = np.flatnonzero((before == last) & (now == token))
            mass, belief = _step(machine, last, token, belief_LxNxH[:, rows][:, :, machine.supports[last]])
            gain_AxN[:, rows] += _gains(mass)
            fresh[:, rows[:, None], machine.supports[token]] = belief
        before, belief_LxNxH = now, fresh
    nodes = [
        Nodes(int(token), np.ones((before == token).sum()), belief_LxNxH[:, before == token][:, :, machine.supports[token]])
        for token in np.unique(before)
    ]  # fmt: skip
    each, log_p = np.arange(samples), np.full(samples, -math.log(samples))
    return _finish(machine, nodes, (Level(np.zeros_like(each), each, each, log_p, gain_AxN),), sampled=True)


def _step(machine: Machine, last: int, token: int, belief: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L, N) p(token | prefix) and the filters after it, refusing what underflows."""
    support = machine.supports[token]
    step = machine.rows[last][:, :, support] * machine.emission[:, None, support, token]
    joint = belief @ step
    _refuse_faint(joint, belief, step)
    return normalise(joint)


def _refuse_faint(result: np.ndarray, belief: np.ndarray, step: np.ndarray) -> None:
    """``result`` = belief @ step is positive, and not faint, wherever its zeros and positives say so."""
    if result.size and result.min() >= FAINTEST:
        return
    possible = (belief > 0).astype(np.float32) @ (step > 0).astype(np.float32) > 0
    if (possible & (result < FAINTEST)).any():
        raise ModelError("laws: probabilities below float64's range make the improbable look impossible")


def _gains(mass: np.ndarray) -> np.ndarray:
    """(A, E) log-ratios to law 1; -inf where the alternative forbids, 0 where law 1 does."""
    with np.errstate(divide="ignore"):
        log_mass = np.log(mass)
    known = mass[1] > 0
    return np.where(known, log_mass[2:] - np.where(known, log_mass[1], 0.0), 0.0)


def _expand(machine: Machine, nodes: list[Nodes]) -> tuple[Level, list[Nodes]]:
    """The edges of one level and the merged nodes that they lead to."""
    offsets = np.cumsum([0, *(len(group.weight) for group in nodes)])
    edges, merged, count = [], [], 0
    for token in range(machine.n_tokens):
        parents, masses, beliefs = [], [], []
        for offset, group in zip(offsets, nodes, strict=False):
            mass, belief = _step(machine, group.token, token, group.belief)
            alive = np.flatnonzero(mass[0] > 0)
            if alive.size:
                parents.append(offset + alive)
                masses.append(mass[:, alive])
                beliefs.append(belief[:, alive])
        if parents:
            belief = np.concatenate(beliefs, 1)
            rows = np.ascontiguousarray(belief.transpose(1, 0, 2)).reshape(belief.shape[1], -1)
            first, inverse = distinct_rows(rows)
            order = np.argsort(inverse, kind="stable")
            mass = np.concatenate(masses, 1)[:, order]
            edges.append((np.concatenate(parents)[order], count + inverse[order], mass))
            merged.append(Nodes(token, np.ones(len(first)), np.ascontiguousarray(belief[:, first])))
            count += len(first)
    parent, node, mass = (np.concatenate(part, -1) for part in zip(*edges, strict=True))
    return _level(parent, node, mass), merged


def _level(parent: np.ndarray, node: np.ndarray, mass: np.ndarray) -> Level:
    first = np.flatnonzero(np.diff(node, prepend=-1))
    return Level(parent, node, first, np.log(mass[0]), _gains(mass))


def _finish(machine: Machine, nodes: list[Nodes], levels: tuple[Level, ...], sampled: bool) -> ExampleGraph:
    """The last token: p_prompt draws token v; the laws answer with v, or with v and the delimiter."""
    offset, last, closed, laws = 0, [], [], []
    for group in nodes:
        following, closing = machine.following[group.token], machine.closing[group.token]
        mass, ended = group.belief @ following, group.belief @ closing
        _refuse_faint(mass, group.belief, following)
        _refuse_faint(ended[1:], group.belief[1:], closing[1:])
        at, token = np.nonzero(mass[0] > 0)
        last.append((offset + at, mass[:, at, token]))
        closed.append((offset + at, np.concatenate([mass[:1, at, token], ended[1:, at, token]])))
        laws.append(mass[:2])
        offset += len(group.weight)
    parts = [[np.concatenate(x, -1) for x in zip(*edges, strict=True)] for edges in (last, closed)]
    lost_N = np.concatenate([group.belief[1].sum(-1) == 0 for group in nodes])
    lost = [bool((mass[1] == 0).any()) for _, mass in parts]
    final = [_level(parent, parent, mass) for parent, mass in parts]
    return ExampleGraph(levels, final[0], final[1], np.concatenate(laws, 1), lost_N, *lost, sampled)
