"""What documents cost exact Bayes, and language models beside it, in nats per token."""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.common.intervals import mean_interval
from implicit_bayes.benchmarks.gap.measure import ModelGap
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.theory.filtering.filter import filter_evidence
from implicit_bayes.theory.filtering.posterior import weigh
from implicit_bayes.theory.statements.bounds import first_choice


class BayesLoss(NamedTuple):
    """Cross-entropy of the exact Bayes predictor.

    Attributes:
        cross_entropy: nats per token, mean over documents.
        standard_error: of that mean, over documents; inf where there is one document, or an impossible one.
        documents, length: how many, and their length in tokens.
        recovered: documents whose posterior ends with its largest weight on the true concept.
        low, high: 95% interval of the mean by Student's t; (-inf, inf) where the error is inf.
    """

    cross_entropy: float
    standard_error: float
    documents: int
    length: int
    recovered: int
    low: float
    high: float


class ModelLoss(NamedTuple):
    """A language model on the fresh documents of ``bayes``, nats per token.

    Attributes:
        model: its name.
        excess: over exact Bayes on the same documents.
        standard_error: of that mean over documents.
        tokens: of all documents.
        low, high: its 95% interval by Student's t.
    """

    model: str
    excess: float
    standard_error: float
    tokens: int
    low: float
    high: float


def published_loss(instance: Instance) -> BayesLoss | None:
    """Bayes cross-entropy on the published validation documents, for the released instances.

    Returns:
        BayesLoss, nats a token with its 95% interval over documents; None for any other instance.
    """
    if instance.released_vocabulary is None:
        return None
    documents = released_documents(instance.released_vocabulary, "validation", once=True)
    return bayes_loss(instance, documents.tokens, documents.concepts)


def bayes_loss(instance: Instance, tokens_BxT: np.ndarray, concepts_B: np.ndarray) -> BayesLoss:
    """-(1/T) log p(o_1..o_T) under the mixture, in nats per token, and how often the concept is recovered.

    Args:
        instance: gives the mixture.
        tokens_BxT: the documents.
        concepts_B: the concepts that drew them.

    Returns:
        Mean over documents with its 95% interval.
    """
    documents, length = tokens_BxT.shape
    out = filter_evidence(instance.mixture, tokens_BxT, positions=[length])
    loss_B = -np.asarray(weigh(instance.mixture.prior, out.log_evidence[:, 0]).log_probability) / length
    recovered = int((first_choice(np.exp(np.asarray(out.log_posterior)[:, 0])) == concepts_B).sum())
    known = documents > 1 and np.isfinite(loss_B).all()
    error = float(loss_B.std(ddof=1) / math.sqrt(documents)) if known else math.inf
    mean = float(loss_B.mean())
    low, high = mean_interval(mean, error, documents)
    return BayesLoss(
        cross_entropy=mean, standard_error=error, documents=documents, length=length, recovered=recovered,
        low=max(low, 0.0), high=high,  # no sequence costs less than 0
    )  # fmt: skip


def model_loss(gap: ModelGap) -> ModelLoss:
    """What ``verify`` says of a model's loss, out of what ``gap`` measured.

    Returns:
        ModelLoss: excess over exact Bayes, nats a token, with its 95% interval over documents.
    """
    mean = gap.loss.excess
    return ModelLoss(gap.model, mean.value, mean.standard_error, gap.loss.tokens, mean.low, mean.high)
