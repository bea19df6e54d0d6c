"""Excess over exact Bayes on paired documents: model and mixture are asked about the very same tokens.

    excess_t = E log p(o_t | o_<t) - E log q(o_t | o_<t) = E KL( p(. | o_<t) || q(. | o_<t) ) >= 0

for documents o of the law p. Pairing removes the documents' own entropy from the noise: the standard error is that of a
mean of differences, over documents.

Source: Xie et al. 2022, section 2 (the pretraining loss); Bayes is the minimiser.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.predictors.promises import answer
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.keys import derived_key
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture
from implicit_bayes.theory.filtering.dispatch import prepare

CHUNK = 16
"""Documents filtered together."""


class Held(NamedTuple):
    """Held-out documents and what exact Bayes makes of them.

    Attributes:
        tokens_BxT: (B, T) int32.
        log_bayes_BxT: (B, T) log p(o_t | o_<t), nats.
    """

    tokens_BxT: np.ndarray
    log_bayes_BxT: np.ndarray


class Excess(NamedTuple):
    """Mean excess over Bayes.

    Attributes:
        nats: per token, over all positions.
        standard_error: of it, over documents (inf for one).
        tokens: scored.
        documents: how many; an interval of few needs Student's quantile (benchmarks.common.intervals.errors).
        position_P: the first position of each bin (0, 1, 2, 4, 8, ...).
        nats_P, standard_error_P: mean in each bin.
    """

    nats: float
    standard_error: float
    tokens: int
    documents: int
    position_P: np.ndarray
    nats_P: np.ndarray
    standard_error_P: np.ndarray


def hold_out(mixture: MixtureOfHMMs, documents: int, length: int, seed: int) -> Held:
    """Fresh documents with their exact predictive log-probabilities.

    Their key lies off every training stream's: fold_in(fold_in(key(seed), 2**31), 2**31).

    Args:
        mixture: that they are drawn from.
        documents: B.
        length: T.
        seed: of the key.

    Returns:
        Held: (B, T) tokens, and (B, T) log p(o_t | o_<t) under exact Bayes, nats.
    """
    tokens_BxT = sample_documents(mixture, derived_key(seed, 1 << 31, 1 << 31), documents, length).tokens
    return Held(tokens_BxT, log_bayes(mixture, tokens_BxT))


def log_bayes(mixture: MixtureOfHMMs, tokens_BxT: np.ndarray) -> np.ndarray:
    """(B, T) log p(o_t | o_<t) under the mixture; -inf from the first impossible token on.

    Args:
        mixture: the law.
        tokens_BxT: documents.

    Returns:
        (B, T) float64, nats.
    """
    tables, parts = prepare(mixture), []
    for begin in range(0, len(tokens_BxT), CHUNK):
        tokens = tokens_BxT[begin : begin + CHUNK]
        predictive = np.asarray(filter_mixture(mixture, tokens, tables=tables).predictive)[:, :-1]
        with np.errstate(divide="ignore"):
            parts.append(np.log(np.take_along_axis(predictive, tokens[..., None], axis=-1).squeeze(-1)))
    return np.concatenate(parts)


def log_scores(model: LanguageModel, tokens_BxT: np.ndarray) -> np.ndarray:
    """(B, T) log q(o_t | o_<t), in float64.

    Args:
        model: q, asked with ``answer``.
        tokens_BxT: documents.

    Returns:
        (B, T) nats.
    """
    log_q = answer(model, tokens_BxT)[:, :-1]
    return np.take_along_axis(log_q, tokens_BxT[..., None], axis=-1).squeeze(-1).astype(np.float64)


def excess(model: LanguageModel, held: Held) -> Excess:
    """Mean excess of a model on held-out documents.

    Args:
        model: any language model over the mixture's tokens.
        held: of ``hold_out``.

    Returns:
        Excess, nats a token: the mean over documents with its standard error, and by position.
    """
    gap_BxT = held.log_bayes_BxT - log_scores(model, held.tokens_BxT)
    documents, length = gap_BxT.shape
    edges = sorted({0, *(1 << i for i in range(length.bit_length())), length})
    bins = [_mean(gap_BxT[:, a:b].mean(1)) for a, b in itertools.pairwise(edges)]
    means, errors = zip(*bins, strict=True)
    nats, error = _mean(gap_BxT.mean(1))
    return Excess(
        nats=nats, standard_error=error, tokens=documents * length, documents=documents,
        position_P=np.array(edges[:-1]), nats_P=np.array(means), standard_error_P=np.array(errors),
    )  # fmt: skip


def _mean(value_B: np.ndarray) -> tuple[float, float]:
    """Mean over documents, and its standard error (inf for one document)."""
    if len(value_B) < 2:
        return float(value_B.mean()), math.inf
    return float(value_B.mean()), float(value_B.std(ddof=1) / math.sqrt(len(value_B)))
