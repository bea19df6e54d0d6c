"""Two things that Bayesian prediction cannot do, measured on any model.

Martingale. A concept posterior does not move on average under the model's own prediction of the next token,

    sum_x q(x | prefix) w(prefix, x) = w(prefix),

for the posterior w that the model's predictions imply (benchmarks.gap.implied). The gap is the total variation
between the
two sides. For exact Bayes it is 0. Tokens that no concept allows imply nothing; they are left out, q renormalised.
A prefix counts where two concepts or more are possible and the weights after it, and after every token that may follow,
are identified: that is a matter of the mixture alone, so that all models are asked about the same prefixes.

Order. Independent examples carry the same evidence in any order. A pretraining posterior is not quite blind to order
either, since it takes the examples for one document; so the variance of the prediction over orders is set beside that
of Bayes on the same prompts.

Source: Falck, Wang & Holmes 2024 (martingale and exchangeability of in-context learning); Xie et al. 2022, Figure 7.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.gap.implied import after_prefixes
from implicit_bayes.benchmarks.gap.loss import Mean, ratio
from implicit_bayes.benchmarks.predictors.models import MixtureModel
from implicit_bayes.benchmarks.predictors.promises import answer_at
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.keys import derived_key
from implicit_bayes.simulators.sampler import sample_prompts
from implicit_bayes.theory import MixtureOfHMMs, filter_concepts
from implicit_bayes.theory.filtering.dispatch import prepare

LENGTHS = (1, 2, 4, 8, 16)
"""Prefix lengths of the martingale gap: where the concept is still open."""
ROWS = 1024
"""Extended prefixes worked on together."""


class MartingaleGap(NamedTuple):
    """How far a model's predictions along a document are from a martingale.

    Attributes:
        gap: total variation, mean over prefixes, error over documents (0 with error inf if none counts).
        prefixes: that were counted.
    """

    gap: Mean
    prefixes: int


class OrderVariance(NamedTuple):
    """Sum over tokens y of the variance of q(y | S, x_test) over all orders of S; mean over prompts, error too.

    Attributes:
        variance: of the model, over the prompts it answers in every order.
        prompts: how many those are.
        possible, bayes: of the model and of exact Bayes, over the prompts that the mixture allows in every order.
        possible_prompts: how many those are (0 leaves a mean of 0 with error inf).
        orders: tried for each.
    """

    variance: Mean
    prompts: int
    possible: Mean
    bayes: Mean
    possible_prompts: int
    orders: int


def martingale_gap(
    model: LanguageModel,
    mixture: MixtureOfHMMs,
    tokens_BxT: np.ndarray,
    lengths: Sequence[int] = LENGTHS,
    advance: Callable[[int], None] = lambda prefixes: None,
) -> MartingaleGap:
    """The martingale gap on prefixes of documents.

    Args:
        model: any model over the mixture's tokens.
        mixture: whose concepts are implied.
        tokens_BxT: documents; each gives one prefix of every length that it has.
        lengths: of the prefixes.
        advance: called with the prefixes just done.

    Returns:
        MartingaleGap: total variation, mean over prefixes with its error over documents; 0 for exact Bayes.
    """
    columns = []
    for length in (length for length in lengths if length <= tokens_BxT.shape[1]):
        columns.append(_gaps(model, mixture, tokens_BxT[:, :length]))
        advance(len(tokens_BxT))
    gap_BxL, counted_BxL = (np.stack(column, axis=1) for column in zip(*columns, strict=True))
    return MartingaleGap(ratio(gap_BxL, counted_BxL), int(counted_BxL.sum()))


def _gaps(model: LanguageModel, mixture: MixtureOfHMMs, prefix_BxL: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B,) total variation, and whether the prefix counts."""
    documents, length = prefix_BxL.shape
    vocabulary, tables = mixture.n_tokens, prepare(mixture)
    last = np.tile(np.arange(vocabulary, dtype=prefix_BxL.dtype), documents)
    longer = np.concatenate([np.repeat(prefix_BxL, vocabulary, 0), last[:, None]], 1)
    padded = np.concatenate([longer, np.repeat(longer[-1:], -len(longer) % ROWS, 0)])
    parts = []
    for begin in range(0, len(padded), ROWS):
        tokens = padded[begin : begin + ROWS]
        q_NxPxV = np.exp(answer_at(model, tokens, [length, length + 1]).astype(np.float64))
        found = filter_concepts(mixture, tokens, positions=[length, length + 1], tables=tables)
        implied = after_prefixes(mixture, found, q_NxPxV)
        rows = (implied.weight_NxC, implied.defined_N, implied.defined_N & implied.identified_N, implied.open_N)
        parts.append((q_NxPxV[:, 0], *(x.reshape(ROWS, 2, *x.shape[1:]) for x in rows)))
    q, weight, defined, usable, several = (
        np.concatenate(column)[: len(longer)].reshape(documents, vocabulary, *column[0].shape[1:])
        for column in zip(*parts, strict=True)
    )
    may_follow_BxV = defined[:, :, 1]
    q_BxV = q[:, 0] * may_follow_BxV
    share_BxV = q_BxV / np.maximum(q_BxV.sum(1, keepdims=True), 1e-300)
    then_BxC = np.einsum("bv,bvc->bc", share_BxV, weight[:, :, 1])
    counted_B = usable[:, 0, 0] & several[:, 0, 0] & (usable[:, :, 1] | ~may_follow_BxV).all(1)
    return 0.5 * np.abs(weight[:, 0, 0] - then_BxC).sum(1), np.asarray(counted_B)


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
        OrderVariance: variances of probabilities, means over prompts with their errors, exact Bayes's beside the
        model's.
    """
    key = derived_key(seed, 7)
    batch = sample_prompts(
        instance.mixture, instance.prompt_starts, key, prompts, k, examples, true_concepts=instance.true_concepts
    )
    body, x_test = batch.tokens[:, : examples * (k + 1)], batch.tokens[:, examples * (k + 1) : -1]
    parts = body.reshape(prompts, examples, k + 1)
    orders = list(itertools.permutations(range(examples)))
    tokens = [np.concatenate([parts[:, list(order)].reshape(prompts, -1), x_test], axis=1) for order in orders]
    variance_P, answered_P = _variance(model, np.stack(tokens))
    bayes_P, possible_P = _variance(MixtureModel("bayes", instance.mixture), np.stack(tokens))
    both = answered_P & possible_P
    return OrderVariance(
        ratio(variance_P[:, None], answered_P[:, None]), int(answered_P.sum()),
        ratio(variance_P[:, None], both[:, None]), ratio(bayes_P[:, None], both[:, None]), int(both.sum()), len(orders),
    )  # fmt: skip


def _variance(model: LanguageModel, tokens_OxPxT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P,) variance over orders, and whether the model answers in every order."""
    log_q = np.stack(
        [answer_at(model, tokens, [tokens.shape[1]]).squeeze(1).astype(np.float64) for tokens in tokens_OxPxT]
    )
    return np.exp(log_q).var(0).sum(1), np.asarray(np.isfinite(log_q).any(-1).all(0))
