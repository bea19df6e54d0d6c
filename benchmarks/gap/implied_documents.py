"""The implied posterior along documents: does the model's prediction follow the exact concept posterior?

After every prefix the weights w that best explain the model's law (benchmarks.gap.implied) are set against the exact
posterior. Total variation is averaged over the *open* prefixes: those after which two or more concepts are still
possible and the weights are identified. Where zeros leave one concept only, any model would agree.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.gap.implied import after_prefixes, time_to_identify
from implicit_bayes.benchmarks.gap.loss import Mean, ratio
from implicit_bayes.benchmarks.predictors.promises import answer
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.theory import MixtureOfHMMs, filter_concepts
from implicit_bayes.theory.filtering.dispatch import prepare
from implicit_bayes.theory.objects.rows import equal_parts

CHUNK = 32
"""Documents worked on together."""


class ImpliedGap(NamedTuple):
    """What a model's predictions imply about the concept, after prefixes of 0..T tokens (P = T + 1).

    Attributes:
        total_variation: between implied and exact posterior, mean over the open prefixes (0 with error inf if none
            is).
        residual: KL of the model's law from its best mixture, nats, mean over all prefixes.
        forbidden: mass the model gives to tokens that no concept allows, mean over all prefixes.
        open_share: open prefixes among all.
        tv_P, residual_P, share_P: by prefix length: mean TV over the open ones (nan where none is), mean residual,
            and the share that is open.
        weight_P, exact_P: mean weight on the true concept, implied and exact, over the open prefixes (nan where
            none is).
        time, exact_time: median over documents of the first prefix from which the true concept's weight stays above
            0.9.
        unsettled, exact_unsettled: share of documents in which it never does; they count as P in the median.
    """

    total_variation: Mean
    residual: Mean
    forbidden: Mean
    open_share: float
    tv_P: np.ndarray
    residual_P: np.ndarray
    share_P: np.ndarray
    weight_P: np.ndarray
    exact_P: np.ndarray
    time: float
    exact_time: float
    unsettled: float
    exact_unsettled: float


def implied_gap(
    model: LanguageModel,
    mixture: MixtureOfHMMs,
    tokens_BxT: np.ndarray,
    concept_B: np.ndarray,
    advance: Callable[[int], None] = lambda documents: None,
) -> ImpliedGap:
    """Implied against exact posterior on documents.

    Args:
        model: any model over the mixture's tokens.
        mixture: the pretraining law.
        tokens_BxT: documents drawn from it.
        concept_B: their concepts.
        advance: called with the documents just done.

    Returns:
        ImpliedGap: total variation from the exact posterior and residual (nats), means over prefixes with errors over
        documents, and both by prefix length.
    """
    positions = tokens_BxT.shape[1] + 1
    tables, parts = prepare(mixture), []
    for padded, size in equal_parts(tokens_BxT, CHUNK):
        q_BxPxV = np.exp(answer(model, padded).astype(np.float64))
        found = after_prefixes(mixture, filter_concepts(mixture, padded, tables=tables), q_BxPxV)
        parts.append([x.reshape(CHUNK, positions, *x.shape[1:])[:size] for x in found])
        advance(size)
    weight, residual, forbidden, exact, tv, defined, identified, several = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    counted = defined & identified & several
    true = [np.take_along_axis(x, concept_B[:, None, None], -1).squeeze(-1) for x in (weight, exact)]
    usable = defined & identified
    times = [time_to_identify(weight, concept_B, usable), time_to_identify(exact, concept_B, defined)]
    return ImpliedGap(
        total_variation=ratio(tv, counted), residual=ratio(residual, defined), forbidden=ratio(forbidden, defined),
        open_share=float(counted.mean()),
        tv_P=_by_position(tv, counted), residual_P=_by_position(residual, defined), share_P=counted.mean(0),
        weight_P=_by_position(true[0], counted), exact_P=_by_position(true[1], counted),
        time=float(np.median(times[0])), exact_time=float(np.median(times[1])),
        unsettled=float((times[0] == positions).mean()), exact_unsettled=float((times[1] == positions).mean()),
    )  # fmt: skip


def _by_position(value_BxP: np.ndarray, counted_BxP: np.ndarray) -> np.ndarray:
    count_P = counted_BxP.sum(0)
    sum_P = np.where(counted_BxP, value_BxP, 0.0).sum(0)
    return np.divide(sum_P, count_P, out=np.full(len(count_P), np.nan), where=count_P > 0)
