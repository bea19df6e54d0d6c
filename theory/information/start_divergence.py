"""What a prompt's own start law costs theta*: KL( p_prompt(O) || p(O | theta*) ), enclosed without sampling.

The two laws share kernel and emission and differ in the law of the first state only. Given O_1..m, the tokens m+1..k
are therefore one and the same channel of h_m under both, and by the chain rule and the data processing inequality

    sum_{j<=m} KL_j  <=  KL( p_prompt(O) || p(O | theta*) )
                     <=  sum_{j<=m} KL_j + E KL( p_prompt(h_m | O_1..m) || p(h_m | O_1..m, theta*) ),

for m = 0 the divergence of the two start laws. Both ends are sums over the reachable prefixes of m tokens, and since a
filter forgets where it started, few tokens bring them together.

Source: T. Cover and J. Thomas, "Elements of Information Theory", 2nd edition 2006, sections 2.5 and 2.8.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.expansion import Nodes, children, count_children, root
from implicit_bayes.theory.information.prefixes import build, expected_log_scores
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array


class StartDivergence(NamedTuple):
    """Ends of the divergence at one length, nats, certain but for rounding.

    Attributes:
        low, high: equal where every prefix was expanded; high may be inf.
        per_position: (k,) KL_j, nan where it was not worked out.
        prefixes: merged prefixes expanded.
    """

    low: float
    high: float
    per_position: np.ndarray
    prefixes: int


def start_divergences(prompt: PromptLaw, lengths: Sequence[int], budget: int, width: float) -> list[StartDivergence]:
    """The divergence at several lengths (``prompt.length`` is not used); theta* forbids none of the examples.

    Args:
        prompt: theta*, whose ``initial`` starts its documents, and p_prompt(h).
        lengths: example lengths k.
        budget: merged prefixes affordable on one level.
        width: relative; where the ends are closer than this no further token is expanded.

    Returns:
        One StartDivergence for each length, in their order, with certain ends: low counts the tokens that were
        expanded, high adds what the filters still tell apart.
    """
    forward = build([prompt.example_law(), prompt.hmm])
    each: list[float] = []
    level, visited, high = [root(forward)], [0], divergence(prompt.start, prompt.hmm.initial)
    for position in range(1, max(lengths) + 1):
        visited.append(visited[-1] + sum(len(nodes.weight) for nodes in level))
        each.append(max(sum(_scored(forward.following[nodes.token], nodes) for nodes in level), 0.0))
        if position == max(lengths) or high - sum(each) <= width * sum(each):
            break
        if count_children(forward, level, 0)[0] > budget:
            break
        level = list(children(forward, level))
        beyond = sum(float(nodes.weight @ _divergences(*nodes.belief)) for nodes in level)
        high = min(high, sum(each) + beyond)
    return [_at(length, each, high, visited) for length in lengths]


def divergence(law_H: Array, other_H: Array) -> float:
    """KL of two laws on the same states; inf where the second forbids what the first allows.

    Args:
        law_H: the law that is true.
        other_H: the one beside it.

    Returns:
        Nats, at least 0.
    """
    return float(_divergences(np.asarray(law_H)[None], np.asarray(other_H)[None])[0])


def _divergences(law_NxH: np.ndarray, other_NxH: np.ndarray) -> np.ndarray:
    there = law_NxH > 0
    with np.errstate(divide="ignore"):
        ratio = np.log(np.where(there, law_NxH, 1.0)) - np.log(np.where(there, other_NxH, 1.0))
    divergences: np.ndarray = np.maximum(np.where(there, law_NxH * ratio, 0.0).sum(-1), 0.0)
    return divergences  # Gibbs: below 0 is rounding


def _scored(following: np.ndarray, nodes: Nodes) -> float:
    """KL_j, summed over prefixes that end in one token."""
    score_NxL = expected_log_scores(nodes.belief, following, following)
    return float(nodes.weight @ (score_NxL[:, 0] - score_NxL[:, 1]))


def _at(length: int, each: Sequence[float], high: float, visited: Sequence[int]) -> StartDivergence:
    known = min(length, len(each))
    low = math.fsum(each[:known])
    per_position = np.full(length, np.nan)
    per_position[:known] = each[:known]
    high = low if known == length else max(low, high)
    return StartDivergence(low=low, high=high, per_position=per_position, prefixes=visited[known])
