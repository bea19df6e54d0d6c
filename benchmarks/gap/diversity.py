"""Task diversity: where between memorising and generalising Bayes a model's predictives lie.

m is Bayes of the N kernels that the model was trained on, g Bayes of the Dirichlet law that they were drawn from
(``theory.filtering.markov_families``), q the model. On documents of known concepts the next token follows m, on those
of fresh concepts g; with r that law of the two, and averages over documents and positions,

    excess over m:   E sum_v r(v) log( m(v) / q(v) )          excess over g:   E sum_v r(v) log( g(v) / q(v) )

(the next token is averaged out exactly). The weight that best explains q, and what it leaves unexplained, are

    weight = argmin_{0<=w<=1} E KL( q || w m + (1 - w) g ),      residual = that minimum:

1 is a model that memorised, 0 one that generalises, and a large residual one that did neither. Where m and g are nearly
the same law nothing tells them apart; ``apart`` = E KL( g || m ) says so.

Source: Raventos et al. 2023, section 2 (the two estimators, there for linear regression); the weight is this project's.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.gap.probes import RESAMPLES, Estimate
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.chains import FRESH, Chains, chain_mixture, kernels
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory.filtering.markov_families import generalising, memorising

SPLITS = ("known", "fresh")
GRID = np.linspace(0.0, 1.0, 101)
"""Weights that are tried."""


class Exam(NamedTuple):
    """Documents of one split with both exact laws after every prefix, the empty one included: S = T + 1.

    Attributes:
        tokens_BxT: the documents.
        memorising_BxSxV: next-token laws of Bayes who knows the N kernels.
        generalising_BxSxV: next-token laws of Bayes who knows the Dirichlet law that kernels are drawn from.
        truth_BxSxV: the one of the two that draws the split.
    """

    tokens_BxT: np.ndarray
    memorising_BxSxV: np.ndarray
    generalising_BxSxV: np.ndarray
    truth_BxSxV: np.ndarray


class Standing(NamedTuple):
    """Where a model stands on one split, nats a token; intervals over documents.

    Attributes:
        over_memorising: excess over memorising Bayes.
        over_generalising: excess over generalising Bayes.
        weight: of memorising in the mixture of the two that is nearest to the model, in [0, 1].
        residual: KL of the model from that mixture.
        apart: KL of generalising from memorising Bayes.
    """

    over_memorising: Estimate
    over_generalising: Estimate
    weight: Estimate
    residual: Estimate
    apart: float


def exam(family: Chains, split: str, documents: int, length: int, key: object) -> Exam:
    """Documents of the family's own concepts (``known``), or of as many fresh ones as there are documents (``fresh``).

    Args:
        family: whose concepts the model is trained on.
        split: of SPLITS.
        documents: how many.
        length: tokens of each.
        key: JAX key.

    Returns:
        Exam: (B, T) tokens, the predictives of memorising and of generalising Bayes, and that of whichever is right for
        the split.
    """
    fresh = split == "fresh"
    mixture = chain_mixture(family, range(FRESH, FRESH + documents) if fresh else range(family.concepts))
    tokens = sample_documents(mixture, key, documents, length).tokens  # type: ignore[arg-type]
    start, size = np.full(family.vocabulary, 1.0 / family.vocabulary), family.vocabulary
    m = memorising(kernels(family, range(family.concepts)), start, tokens).predictive_BxT1xV
    g = generalising(np.full(size, family.alpha), start, tokens).predictive_BxT1xV
    return Exam(tokens, m, g, g if fresh else m)


def standing(model: LanguageModel, asked: Exam, seed: int) -> Standing:
    """A model's excesses, weight and residual on an exam.

    Args:
        model: asked about every document.
        asked: the exam.
        seed: of the bootstrap over documents.

    Returns:
        Where it stands, with 95% intervals.
    """
    q = np.exp(np.asarray(model.log_probabilities(asked.tokens_BxT), np.float64))
    m, g, truth = asked.memorising_BxSxV, asked.generalising_BxSxV, asked.truth_BxSxV
    log_q, log_m, log_g = (np.log(np.maximum(law, np.finfo(np.float64).tiny)) for law in (q, m, g))
    over = [(truth * (log_law - log_q)).sum(-1).mean(-1) for log_law in (log_m, log_g)]
    entropy_B = (q * log_q).sum(-1).mean(-1)
    left_WxB = np.stack(
        [entropy_B - (q * np.log(w * m + (1 - w) * g)).sum(-1).mean(-1) for w in GRID[:-1]]
        + [entropy_B - (q * log_m).sum(-1).mean(-1)]
    )  # m alone may have zeros, floored
    generator, count = np.random.default_rng((seed, 14)), len(q)
    drawn = np.concatenate([np.arange(count)[None], generator.integers(count, size=(RESAMPLES, count))])
    picks_RxB = np.stack([np.bincount(row, minlength=count) for row in drawn]) / count
    curves_RxW = picks_RxB @ left_WxB.T
    return Standing(
        over_memorising=_estimate(picks_RxB @ over[0]), over_generalising=_estimate(picks_RxB @ over[1]),
        weight=_estimate(GRID[curves_RxW.argmin(1)]), residual=_estimate(curves_RxW.min(1)),
        apart=float((g * (log_g - log_m)).sum(-1).mean()),
    )  # fmt: skip


def _estimate(values_R: np.ndarray) -> Estimate:
    """The first is of the documents, the others of their resamples."""
    low, high = np.quantile(values_R[1:], (0.025, 0.975))
    return Estimate(float(values_R[0]), float(low), float(high))
