"""What a token costs: the noise of a known concept, the price of not knowing it, and a model's gap.

    E[-log q(o_1..o_T)] = sum_c pi_c H(O_1..T | c) + I(C; O_1..T) + sum_t E KL( p(. | o_<t) || q(. | o_<t) )

The first two terms are Bayes' own loss. I(C; O_1..t) grows with t and stays below H(prior), so that a token's share of
it vanishes; pathwise, for every document and every concept c of positive prior, -log p(o_1..o_t) <= -log p(o_1..o_t|c)
+ log 1/pi_c (``regret``). With w the posterior given o_1..o_t both terms are expectations of filter output,

    sum_c pi_c H(O_1..t | c) = E sum_c w_c (-log p(o_1..o_t | c)),      I(C; O_1..t) = H(prior) - E H(w).

Source: docs/theory, "What a token costs"; the chain rule of entropy.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.filtering.filter import filter_evidence
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs


class Decomposition(NamedTuple):
    """Bayes' loss on the first t tokens of a document, nats, for P values of t; means over documents.

    Attributes:
        positions: t.
        entropy, entropy_error: (P,) sum_c pi_c H(O_1..t | c) and its standard error (inf where there is one
            document).
        information, information_error: (P,) I(C; O_1..t).
        prior_entropy: H(prior), the ceiling of ``information``.
        documents: how many.
    """

    positions: np.ndarray
    entropy: np.ndarray
    entropy_error: np.ndarray
    information: np.ndarray
    information_error: np.ndarray
    prior_entropy: float
    documents: int


def decompose(mixture: MixtureOfHMMs, tokens_BxT: np.ndarray, positions: Sequence[int] | None = None) -> Decomposition:
    """The decomposition on documents drawn from the mixture.

    Args:
        mixture: the pretraining law.
        tokens_BxT: documents drawn from it.
        positions: prefix lengths t; default about four for each doubling, up to T.

    Returns:
        Decomposition at each t: noise, information and the prior's entropy in nats, sample means over the B documents
        with their standard errors.

    Raises:
        ModelError: a document that the mixture forbids.
    """
    length = np.shape(tokens_BxT)[1]
    chosen = spaced_positions(length) if positions is None else list(positions)
    out = filter_evidence(mixture, tokens_BxT, positions=chosen)
    if not np.asarray(out.defined).all():
        raise ModelError("documents: one is impossible under the mixture; draw them from it")
    entropy_BxP, posterior_entropy_BxP = terms(np.asarray(out.log_evidence), np.asarray(out.log_posterior))
    prior_entropy = entropy(np.asarray(mixture.prior))
    known, known_error = _mean(entropy_BxP)
    information, information_error = _mean(prior_entropy - posterior_entropy_BxP)
    return Decomposition(
        positions=np.array(chosen),
        entropy=known,
        entropy_error=known_error,
        information=information,
        information_error=information_error,
        prior_entropy=prior_entropy,
        documents=len(tokens_BxT),
    )


def terms(log_evidence: np.ndarray, log_posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(...,) sum_c w_c (-log p(o|c)) and H(w), nats, from (..., C) filter output; a concept of weight 0 counts 0.

    Args:
        log_evidence: (..., C) log p(o | c), nats.
        log_posterior: (..., C) log w_c, nats.

    Returns:
        Two arrays of shape (...,), nats, both nonnegative up to rounding: the expected noise of the concept, and the
        posterior's entropy.
    """
    weight = np.exp(log_posterior)
    alive = weight > 0
    noise = 0.0 - (weight * np.where(alive, log_evidence, 0.0)).sum(-1)  # 0.0 - 0.0 is 0.0, and -0.0 is not
    return noise, 0.0 - (weight * np.where(alive, log_posterior, 0.0)).sum(-1)


def entropy(law: np.ndarray) -> float:
    """H(law), nats.

    Args:
        law: (C,) probabilities.

    Returns:
        Nats, between 0 and log of the number of entries; 0 log 0 counts 0.
    """
    positive = law[law > 0]
    return float(max(0.0, -(positive * np.log(positive)).sum()))  # 0.0 first: no -0.0


def regret(log_evidence: np.ndarray, log_probability: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """(..., C) what mixing cost over knowing each concept, minus its bound log 1/pi_c, nats; never positive.

    -log p(o) + log p(o | c) - log 1/pi_c <= 0 for every document that the concept allows, because p(o) >= pi_c
    p(o | c). -inf where it forbids the document or its prior is 0 (nothing is claimed there).

    Args:
        log_evidence: (..., C) log p(o | c).
        log_probability: (...,) log p(o) of a predictor that mixes the concepts, the sum of its log-predictives.
        prior: (C,).

    Returns:
        (..., C) float64, nats.
    """
    claimed = (log_evidence > -np.inf) & (prior > 0)
    cost = np.where(claimed, log_evidence, 0.0) + np.log(np.where(prior > 0, prior, 1.0))
    with np.errstate(invalid="ignore"):
        return np.where(claimed, cost - log_probability[..., None], -np.inf)


def spaced_positions(length: int) -> list[int]:
    """0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, ... and T: about four for each doubling.

    Args:
        length: T.

    Returns:
        Increasing prefix lengths, from 0 to ``length``.
    """
    steps = {round(2 ** (i / 4)) for i in range(4 * max(length, 1).bit_length())}
    return sorted({0, length, *(t for t in steps if t <= length)})


def _mean(values_BxP: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = len(values_BxP)
    if count < 2:
        return values_BxP.mean(0), np.full(values_BxP.shape[1], math.inf)
    return values_BxP.mean(0), values_BxP.std(0, ddof=1) / math.sqrt(count)
