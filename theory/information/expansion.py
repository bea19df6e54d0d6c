"""Exact expectations over examples by expanding only the prefixes that the sampler can draw.

Prefixes whose filters are identical to the last bit under every law have the same future, so they are merged: with
identity emissions every level collapses to at most V nodes, whatever k is.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.prefixes import ForwardTables, expected_log_scores, normalise
from implicit_bayes.theory.objects.rows import distinct_rows

HEAD_SHARE = 64
"""Levels of at most budget / HEAD_SHARE nodes are expanded even where the whole is not affordable."""


PAIRS = 1 << 20
"""Pairs of tokens that a level may be looked through for: half a minute of Python, whatever the nodes are."""

AHEAD, LEVELS = 1 << 27, 2
"""Bytes of the laws of next states that are held for a level: so many, or so many times what the level takes itself."""


class Nodes(NamedTuple):
    """N merged prefixes that end in one token.

    Attributes:
        token: that token (V for the empty prefix).
        weight: (N,) their probability under the sampler.
        belief: (L, N, |S_token|) the filters.
    """

    token: int
    weight: np.ndarray
    belief: np.ndarray


class Expansion(NamedTuple):
    """Expectations at positions 1..J, J the number of positions that were affordable.

    Attributes:
        score: (J, L) E_prefix sum_v p(v | prefix, sampler) log q_l(v | prefix), nats.
        closing: (J, L) the score of (token j, then the closing token); nan at positions not asked for.
        nodes: (J,) merged prefixes visited up to and including each position.
    """

    score: np.ndarray
    closing: np.ndarray
    nodes: np.ndarray


def expand(
    forward: ForwardTables,
    lengths: Sequence[int],
    budget: int,
    closings: Sequence[int] = (),
    logarithms: float = math.inf,
) -> Expansion:
    """Expand level by level as far as ``budget`` nodes a level allow, up to position max(lengths).

    The reachable children of a level are counted before they are made. Up to budget / 64 they are always made;
    above that only if the levels up to the next requested length are forecast to stay within the budget.

    Args:
        forward: the laws; law 0 draws the prefixes.
        lengths: example lengths wanted.
        budget: nodes affordable on one level.
        closings: positions at which the closing score is wanted too.
        logarithms: that one level may take, one for each node, law and token; the first is always expanded.

    Returns:
        Expansion of the positions that were affordable, at least the first: expected scores (nats) and the number of
        nodes visited up to each.
    """
    return Expander(forward, lengths, closings, logarithms).within(budget)


class Expander:
    """``expand`` that can go on where it stopped, with a larger budget.

    Args:
        forward, lengths, closings, logarithms: of ``expand``.
    """

    def __init__(
        self,
        forward: ForwardTables,
        lengths: Sequence[int],
        closings: Sequence[int] = (),
        logarithms: float = math.inf,
    ):
        self.forward, self.lengths, self.closings, self.logarithms = forward, lengths, closings, logarithms
        self.level: list[Nodes] = []
        self.scores: list[np.ndarray] = []
        self.closing_scores: list[np.ndarray] = []
        self.visited = [0]

    def within(self, budget: int) -> Expansion:
        """What is affordable; positions expanded by an earlier call are not expanded again.

        Args:
            budget: nodes affordable on one level.

        Returns:
            Expansion of positions 1..J, as ``expand`` gives it.
        """
        for position in range(len(self.scores) + 1, max(self.lengths) + 1):
            if position > 1 and not self._affordable(position, budget):
                break
            self._expand(position)
        return Expansion(np.array(self.scores), np.array(self.closing_scores), np.array(self.visited[1:]))

    def _affordable(self, position: int, budget: int) -> bool:
        """Whether the level of this position may be made."""
        forward = self.forward
        if len(self.level) * forward.n_tokens > PAIRS:
            return False
        ahead = min(n for n in self.lengths if n >= position) - position
        count, forecast = count_children(forward, self.level, ahead)
        if count > budget // HEAD_SHARE and forecast > budget:
            return False
        return count * forward.n_laws * forward.n_tokens <= self.logarithms

    def _expand(self, position: int) -> None:
        """Make the level of this position and score it."""
        forward, wanted = self.forward, position in self.closings
        fresh = children(forward, self.level) if position > 1 else iter([root(forward)])
        kept: list[Nodes] = []
        score, closing = np.zeros(forward.n_laws), np.zeros(forward.n_laws)
        self.visited.append(self.visited[-1])
        for nodes in fresh:
            self.visited[-1] += len(nodes.weight)
            following = forward.following[nodes.token]
            score += _weigh(nodes.weight, expected_log_scores(nodes.belief, following, following))
            if wanted:
                closed = forward.closing[nodes.token]
                closing += _weigh(nodes.weight, expected_log_scores(nodes.belief, following, closed))
            if position < max(self.lengths):
                kept.append(nodes)
        self.level = kept
        self.scores.append(score)
        self.closing_scores.append(closing if wanted else np.full(forward.n_laws, np.nan))


def _weigh(weight: np.ndarray, score: np.ndarray) -> np.ndarray:
    """(L,) weight @ score, whose columns are summed apart so that equal columns give equal sums."""
    mean: np.ndarray = (weight[:, None] * score).sum(0)
    return mean


def root(forward: ForwardTables) -> Nodes:
    """The empty prefix.

    Returns:
        One node of weight 1, whose belief is 1 for each law: the state before the first token.
    """
    return Nodes(forward.n_tokens, np.ones(1), np.ones((forward.n_laws, 1, 1)))


def count_children(forward: ForwardTables, level: Sequence[Nodes], ahead: int) -> tuple[int, float]:
    """Reachable one-token extensions of a level, and a forecast of their number ``ahead`` levels further on.

    Prefixes that end in a token that only one state emits merge into one (up to which laws have died on the way) and
    count once; the others are forecast to branch as they do here.

    Args:
        forward: the laws.
        level: merged prefixes of one length.
        ahead: levels of the forecast.

    Returns:
        (count, forecast): an exact number of merged extensions, and a real number that is no bound.
    """
    totals = np.zeros(forward.n_tokens, dtype=np.int64)
    for nodes in level:
        possible = (nodes.belief[0] > 0).astype(np.float32) @ (forward.following[nodes.token][0] > 0).astype(np.float32)
        totals += (possible > 0).sum(0)
    single = np.array([support.size == 1 for support in forward.supports[:-1]])
    merging, others = int((totals[single] > 0).sum()), int(totals[~single].sum())
    branching = others / sum(len(nodes.weight) for nodes in level)
    forecast = float(merging + others)
    for _ in range(ahead):
        forecast = max(forecast, merging + branching * forecast)
    return merging + others, forecast


def children(forward: ForwardTables, level: Sequence[Nodes]) -> Iterator[Nodes]:
    """The reachable extensions of a level, token by token, merged.

    The laws of the next state are worked out once for each prefix, and read for every token; only where they would take
    more memory than ``AHEAD`` and than ``LEVELS`` levels, once for each prefix and token.

    Args:
        forward: the laws.
        level: merged prefixes of one length.

    Yields:
        Nodes, one for each last token that is reachable.
    """
    held = sum(nodes.belief.nbytes for nodes in level)
    wanted = 8 * forward.n_laws * forward.emission.shape[1] * sum(len(nodes.weight) for nodes in level)
    ahead = [nodes.belief @ forward.rows[nodes.token] for nodes in level] if wanted <= max(AHEAD, LEVELS * held) else []
    for token in range(forward.n_tokens):
        support = forward.supports[token]
        spoken = forward.emission[:, None, support, token]
        parts = []
        for place, nodes in enumerate(level):
            if ahead:
                joint = ahead[place][:, :, support] * spoken
            else:
                step = forward.rows[nodes.token][:, :, support] * spoken
                if not (step[0] > 0).any():
                    continue
                joint = nodes.belief @ step
            mass, belief = normalise(joint)
            weight = nodes.weight * mass[0]
            alive = weight > 0
            if alive.any():
                parts.append((weight[alive], belief[:, alive]))
        if parts:
            weights, beliefs = zip(*parts, strict=True)
            yield merge(token, np.concatenate(weights), np.concatenate(beliefs, 1))


def merge(token: int, weight: np.ndarray, belief: np.ndarray) -> Nodes:
    """Add up the nodes whose filters agree bit for bit under every law .

    Args:
        token: the last token of all of them.
        weight: (N,) their probability.
        belief: (L, N, |S_token|) the filters.

    Returns:
        One node for each distinct column of ``belief``.
    """
    first, inverse = distinct_rows(belief.transpose(1, 0, 2).reshape(len(weight), -1))
    total = np.bincount(inverse, weights=weight, minlength=len(first))
    return Nodes(token, total, np.ascontiguousarray(belief[:, first]))
