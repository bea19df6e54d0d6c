"""Intervention: change what an activation says of the belief, and see whether the next-token law follows Bayes.

R2 is correlation; this asks for the cause. At one position of each document the belief w (over concepts, or over an
edge-emitting process's states) is replaced by w', the same with its largest weight and another one exchanged. Exact
Bayes then says p' = sum_c w'_c p(. | o_1..o_t, c). In the network, the last layer's activation x is moved by

    delta = Cov(x, y) Cov(y)^+ (w' - w),     y the probe's answer, a regression of w on x,

the smallest move, in the metric of the activations' own covariance, for which the probe's answer changes by w' - w.
Effect, of the moved law q' over documents:

    share = 1 - sum KL(p' || q') / sum KL(p' || q)          1: as Bayes moves;  0: not at all;  below 0: away from it

beside random directions of the same length. Covariances are those of the training documents (positions with the same
last token where the law given a concept depends on it); shares are of held-out documents, with bootstrap intervals.

Source: the direction is Haufe et al. 2014's pattern of a probe; Li et al. 2023 and Shai et al. 2024 for the question.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.gap.probes import RESAMPLES, Estimate
from implicit_bayes.lm.heads import Network, next_law

RANDOM = 8
"""Random directions a document."""
RIDGE = 1e-4
"""Of the probe, relative to the mean variance of the activations."""


class Positions(NamedTuple):
    """One position each of N documents (or all positions of some).

    Attributes:
        x_NxD: activations of the last layer.
        belief_NxK: exact.
        group_N: positions of one group share a probe.
    """

    x_NxD: np.ndarray
    belief_NxK: np.ndarray
    group_N: np.ndarray


class Effect(NamedTuple):
    """What moving activations did.

    Attributes:
        probe, random: shares of the way to Bayes's changed law, along the probe and along random directions.
        before, after: mean KL(p' || q) and KL(p' || q'), nats.
        length: mean length of the move over the mean distance of an activation from their mean.
        documents: held out.
    """

    probe: Estimate
    random: Estimate
    before: float
    after: float
    length: float
    documents: int


def exchanged(belief_NxK: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Beliefs with the largest weight and another one, drawn uniformly, exchanged.

    Args:
        belief_NxK: laws over K states.
        generator: of the draws.

    Returns:
        (N, K), a copy.
    """
    rows, states = np.arange(len(belief_NxK)), belief_NxK.shape[1]
    first = belief_NxK.argmax(1)
    second = (first + generator.integers(1, states, len(rows))) % states
    out = belief_NxK.copy()
    out[rows, first], out[rows, second] = belief_NxK[rows, second], belief_NxK[rows, first]
    return out


def directions(fit: Positions, group_N: np.ndarray, change_NxK: np.ndarray) -> np.ndarray:
    """(N, D) the move of each activation whose probe's answer is to change by so much.

    Args:
        fit: positions of the training documents.
        group_N: of the activations that are to be moved; 0 is moved where a group has no training position.
        change_NxK: w' - w.

    Returns:
        (N, D) in the unit of the activations: the least-squares pattern of each group's probe.
    """
    out = np.zeros((len(group_N), fit.x_NxD.shape[1]))
    for group in np.unique(group_N):
        here = fit.group_N == group
        if here.sum() < 2:
            continue
        x = fit.x_NxD[here].astype(np.float64)
        x = x - x.mean(0)
        belief = fit.belief_NxK[here] - fit.belief_NxK[here].mean(0)
        gram = x.T @ x / len(x)
        gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        answer = x @ np.linalg.lstsq(gram, x.T @ belief / len(x), rcond=None)[0]
        pattern_KxD = np.linalg.pinv(answer.T @ answer / len(x), rcond=1e-6, hermitian=True) @ (answer.T @ x / len(x))
        asked = group_N == group
        out[asked] = change_NxK[asked] @ pattern_KxD
    return out


def intervene(
    network: Network, fit: Positions, held: Positions, moved_NxK: np.ndarray, law_NxV: np.ndarray, seed: int
) -> Effect:
    """The effect of moving held-out activations from their beliefs to changed ones.

    Args:
        network: what is asked for its next-token law.
        fit: positions of the training documents.
        held: one position of each held-out document.
        moved_NxK: w'.
        law_NxV: p', exact.
        seed: of the random directions and of the resampling.

    Returns:
        Effect: shares of the divergence from p' that the probe's and random moves take away, with intervals over
        documents; divergences before and after, nats.
    """
    generator = np.random.default_rng((seed, 11))
    delta = directions(fit, held.group_N, moved_NxK - held.belief_NxK)
    x = held.x_NxD.astype(np.float64)
    size = np.linalg.norm(delta, axis=1, keepdims=True)
    before = divergence(law_NxV, next_law(network, x))
    after = divergence(law_NxV, next_law(network, x + delta))
    random = np.zeros(len(x))
    for _ in range(RANDOM):
        ray = generator.normal(size=x.shape)
        ray *= size / np.linalg.norm(ray, axis=1, keepdims=True)
        random += divergence(law_NxV, next_law(network, x + ray)) / RANDOM
    spread = float(np.linalg.norm(fit.x_NxD - fit.x_NxD.mean(0), axis=1).mean())
    drawn = np.concatenate([np.arange(len(x))[None], generator.integers(len(x), size=(RESAMPLES, len(x)))])
    return Effect(
        probe=_share(before, after, drawn), random=_share(before, random, drawn), before=float(before.mean()),
        after=float(after.mean()), length=float(size.mean()) / spread, documents=len(x),
    )  # fmt: skip


def divergence(law_NxV: np.ndarray, log_law_NxV: np.ndarray) -> np.ndarray:
    """(N,) KL(law || exp log_law), nats.

    Args:
        law_NxV: next-token laws.
        log_law_NxV: logarithms of others.

    Returns:
        inf where the second excludes what the first does not.
    """
    logs = np.log(np.where(law_NxV > 0, law_NxV, 1.0))
    return (law_NxV * np.where(law_NxV > 0, logs - log_law_NxV, 0.0)).sum(-1)


def _share(before: np.ndarray, after: np.ndarray, drawn: np.ndarray) -> Estimate:
    shares = 1.0 - after[drawn].sum(1) / before[drawn].sum(1)
    low, high = np.quantile(shares[1:], (0.025, 0.975))
    return Estimate(float(shares[0]), float(low), float(high))
