"""Two things that Bayesian prediction cannot do, measured on any model.

Martingale. A concept posterior does not move on average under the model's own prediction of the next token,

    sum_x q(x | prefix) w(prefix, x) = w(prefix),

for the posterior w that the model's predictions imply (benchmarks.implied). The gap is the total variation between the
two sides. For exact Bayes it is 0.

Order. Independent examples carry the same evidence in any order. A pretraining posterior is not quite blind to order
either, since it takes the examples for one document; so the variance of the prediction over orders is set beside that
of Bayes on the same prompts.

Source: Falck, Wang & Holmes 2024 (martingale and exchangeability of in-context learning); Xie et al. 2022, Figure 7.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.implied import after_prefixes
from benchmarks.loss_gap import Mean
from lm.model import LanguageModel
from simulators.instances import Instance
from simulators.sampler import sample_documents, sample_prompts
from theory import MixtureOfHMMs, filter_concepts

LENGTHS = (1, 2, 4, 8, 16)
"""Prefix lengths of the martingale gap: where the concept is still open."""


class MartingaleGap(NamedTuple):
    """gap: total variation, mean over prefixes, error over documents.   prefixes: that were counted (the implied
    posterior unique, and possible under some concept)."""

    gap: Mean
    prefixes: int


class OrderVariance(NamedTuple):
    """variance: sum over tokens y of the variance of q(y | S, x_test) over orders of S, mean over prompts, error too.
    prompts: that were counted (an answer in every order).   orders: tried for each."""

    variance: Mean
    prompts: int
    orders: int


def martingale_gap(
    model: LanguageModel, mixture: MixtureOfHMMs, documents: int, seed: int, lengths: Sequence[int] = LENGTHS
) -> MartingaleGap:
    """The martingale gap on prefixes of fresh documents.

    Args:
        model: any model over the mixture's tokens.
        mixture: whose concepts are implied.
        documents: how many; each gives one prefix of every length.
        seed: of the documents.
        lengths: of the prefixes.

    Returns:
        MartingaleGap.
    """
    key = jax.random.fold_in(jax.random.key(seed), 6)
    tokens_BxT = sample_documents(mixture, key, documents, max(lengths)).tokens
    gap_LxB, counted_LxB = np.zeros((len(lengths), documents)), np.zeros((len(lengths), documents), bool)
    for i, length in enumerate(lengths):
        gap_LxB[i], counted_LxB[i] = _gaps(model, mixture, tokens_BxT[:, :length])
    count_B = counted_LxB.sum(0)
    total = int(count_B.sum())
    if not total:
        return MartingaleGap(Mean(0.0, math.inf), 0)
    sum_B = np.where(counted_LxB, gap_LxB, 0.0).sum(0)
    mean = float(sum_B.sum() / total)
    spread = math.sqrt(documents / max(1, documents - 1) * ((sum_B - mean * count_B) ** 2).sum()) / total
    return MartingaleGap(Mean(mean, spread if documents > 1 else math.inf), total)


def _gaps(model: LanguageModel, mixture: MixtureOfHMMs, prefix_BxL: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B,) total variation, and whether the prefix counts."""
    documents, length = prefix_BxL.shape
    vocabulary = mixture.n_tokens
    longer = np.concatenate(
        [
            np.repeat(prefix_BxL, vocabulary, 0),
            np.tile(np.arange(vocabulary, dtype=prefix_BxL.dtype), documents)[:, None],
        ],
        1,
    )
    q_NxPxV = np.exp(model.log_probabilities(longer)[:, length:].astype(np.float64))  # after the prefix, and one more
    found = filter_concepts(mixture, longer, positions=[length, length + 1])
    implied = after_prefixes(mixture, found, q_NxPxV)
    rows = [np.asarray(x).reshape(documents, vocabulary, 2, -1) for x in implied]
    weight_BxVxPxC, unique, defined = rows[0], rows[6][..., 0], rows[5][..., 0]
    now_BxC = weight_BxVxPxC[:, 0, 0]
    usable_BxV = defined[:, :, 1] & unique[:, :, 1]
    q_BxV = q_NxPxV[:, 0].reshape(documents, vocabulary, -1)[:, 0] * defined[:, :, 1]
    lost_B = np.where(usable_BxV, 0.0, q_BxV).sum(-1)  # mass of extensions whose posterior is not unique
    share_BxV = q_BxV / np.maximum(q_BxV.sum(-1, keepdims=True), 1e-300)
    then_BxC = np.einsum("bv,bvc->bc", share_BxV, weight_BxVxPxC[:, :, 1])
    counted_B = defined[:, 0, 0] & unique[:, 0, 0] & (lost_B <= 1e-9)
    return 0.5 * np.abs(now_BxC - then_BxC).sum(-1), counted_B


def order_variance(
    model: LanguageModel, instance: Instance, k: int, prompts: int, seed: int, examples: int = 4
) -> OrderVariance:
    """Variance of the prediction over all orders of a few examples.

    Args:
        model: any model over the instance's tokens.
        instance: whose prompts are asked.
        k: example length.
        prompts: how many sets of examples.
        seed: of the prompts.
        examples: in each; all their orders are tried.

    Returns:
        OrderVariance.
    """
    key = jax.random.fold_in(jax.random.key(seed), 7)
    batch = sample_prompts(instance.mixture, instance.prompt_starts, key, prompts, k, examples, instance.true_concepts)
    body, x_test = batch.tokens[:, : examples * (k + 1)], batch.tokens[:, examples * (k + 1) : -1]
    parts = body.reshape(prompts, examples, k + 1)
    orders = list(itertools.permutations(range(examples)))
    laws, defined = [], np.ones(prompts, bool)
    for order in orders:
        tokens = np.concatenate([parts[:, list(order)].reshape(prompts, -1), x_test], axis=1)
        log_q = model.log_probabilities(tokens)[:, -1].astype(np.float64)
        defined &= np.isfinite(log_q).any(-1)
        laws.append(np.exp(log_q))
    variance_P = np.stack(laws).var(0).sum(-1)[defined]
    count = int(defined.sum())
    if not count:
        return OrderVariance(Mean(math.nan, math.inf), 0, len(orders))
    spread = float(variance_P.std(ddof=1) / math.sqrt(count)) if count > 1 else math.inf
    return OrderVariance(Mean(float(variance_P.mean()), spread), count, len(orders))
