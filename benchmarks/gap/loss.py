"""Where a model loses to Bayes: KL, excess and total variation by position, by surprise and by place in a document.

After each prefix p = p( . | prefix) is the exact predictive and q the model's:

    KL(p || q) = sum_v p_v log(p_v / q_v),    E[excess of the token drawn] = KL,    TV = 1/2 sum_v |p_v - q_v|.

KL is the excess with the draw of the next token averaged out, so its error is smaller; both are reported. Their
difference has mean 0 for every model whose q is fixed before the token is drawn; a model that sees the token has an
excess below its KL. This "foresight" catches leaks that are too small to bring the excess below 0. It is judged without
a normal limit: for every lambda in (0, 1] the geometric mixture of q and p is a law, known before the token is, and

    E_t = prod_{s <= t} (q(o_s) / p(o_s))^lambda / sum_v p_v^(1 - lambda) q_v^lambda

a nonnegative martingale of mean 1 under p (its logarithm is about lambda sum (KL - excess) for small lambda); so is
the mean over several lambda, and by Markov it exceeds 1 / alpha with probability at most alpha.

Source: the chain rule of KL; Xie et al. 2022, section 2, for the law p; Ville 1939; Ramdas et al. 2023, Statistical
Science 38 (e-processes, and mixtures of them).
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.common.intervals import mean_interval
from implicit_bayes.benchmarks.predictors.promises import answer
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture
from implicit_bayes.theory.filtering.dispatch import prepare
from implicit_bayes.theory.objects.rows import equal_parts
from implicit_bayes.theory.statements.bounds import computed_excess_risk, first_choice

CHUNK = 16
"""Documents worked on together."""
SURPRISES = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, math.inf)
"""Edges of the bins of -log p(o_t | o_<t), nats: common transitions first."""
START = 32
"""Tokens that count as the start of a document; what lies beyond them counts as its middle."""


TILTS = tuple(0.5**i for i in range(11))
"""The lambdas of the foresight test."""


class Mean(NamedTuple):
    """A mean over documents.

    Attributes:
        value: of the mean.
        standard_error: over documents; inf where there is one.
        low, high: its 95% interval by Student's t, with a degree of freedom fewer than the documents that bear on
            it: (-inf, inf) for one.
    """

    value: float
    standard_error: float
    low: float
    high: float


class Slice(NamedTuple):
    """The gap on some of the positions.

    Attributes:
        words: which.
        share: of all tokens.
        kl, excess: nats per token there.
        tv: total variation per token there.
    """

    words: str
    share: float
    kl: Mean
    excess: Mean
    tv: Mean


class LossGap(NamedTuple):
    """A model against exact Bayes on documents of the pretraining law.

    Attributes:
        excess, kl, tv: over all tokens (nats, nats, probability).
        positions, places, surprises: the same by position (bins 0, 1, 2, 4, ...), by start and middle, by surprise.
        risk: excess 0-1 risk of the model's guess against the Bayes predictive, max_y p(y) - p(argmax_y q(y)).
        foresight: mean of KL - excess, nats per token: 0 within its error for every causal model, positive for one
            that sees the token it is asked for. Tokens whose KL is infinite are left out (they are known before the
            token is).
        foresight_log_e: log of the e-value against foresight, over all documents: above log(1 / alpha) with
            probability at most alpha for every causal model.
        tokens: scored.
        bayes_cross_entropy: nats per token, on these documents.
        log_ratio_max: max over documents and t of log M_t = sum_{s <= t} log q(o_s) / p(o_s), nats. M is an
            e-process: it reaches 1 / alpha in a document with probability at most alpha, whatever q is (Ville
            1939).
        calibration_error: sum over bins of confidence of share x | mean confidence - mean p(argmax q) |, the
            confidence being max q; p, not a draw from it, says how often the guess is right.
    """

    excess: Mean
    kl: Mean
    tv: Mean
    risk: Mean
    foresight: Mean
    foresight_log_e: float
    positions: list[Slice]
    places: list[Slice]
    surprises: list[Slice]
    tokens: int
    bayes_cross_entropy: float
    log_ratio_max: float
    calibration_error: float


class _Terms(NamedTuple):
    """(B, T) per token: KL(p || q), excess of the token that came, TV, surprise -log p(o_t), max q, p(argmax q),
    max p - p(argmax q); (B, T, len(TILTS)) log of each factor of E."""

    kl: np.ndarray
    excess: np.ndarray
    tv: np.ndarray
    surprise: np.ndarray
    confidence: np.ndarray
    right: np.ndarray
    risk: np.ndarray
    tilted: np.ndarray


def loss_gap(
    model: LanguageModel,
    mixture: MixtureOfHMMs,
    tokens_BxT: np.ndarray,
    advance: Callable[[int], None] = lambda documents: None,
) -> LossGap:
    """Measure the gap on documents.

    Args:
        model: any model over the mixture's tokens.
        mixture: the pretraining law.
        tokens_BxT: documents drawn from it.
        advance: called with the documents just done.

    Returns:
        LossGap: excess and KL in nats a token, with errors over documents; by position, place and surprise; and the
        laws' own measures.

    Raises:
        ModelError: a document that the mixture forbids, so that there is no Bayes to compare with.
    """
    tables, parts = prepare(mixture), []
    for padded, size in equal_parts(tokens_BxT, CHUNK):
        predictive = np.asarray(filter_mixture(mixture, padded, tables=tables).predictive)[:, :-1]
        parts.append(_terms(padded, predictive, answer(model, padded)[:, :-1].astype(np.float64)))
        advance(size)
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _Terms._fields}
    terms = _Terms(**{name: column[: len(tokens_BxT)] for name, column in whole.items()})
    if not np.isfinite(terms.surprise).all():
        raise ModelError("documents: one is impossible under the mixture; draw them from it")
    return _reduce(terms)


def _terms(tokens_BxT: np.ndarray, p_BxTxV: np.ndarray, log_q_BxTxV: np.ndarray) -> _Terms:
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = np.log(p_BxTxV)
        kl_BxT = np.where(p_BxTxV > 0, p_BxTxV * (log_p - log_q_BxTxV), 0.0).sum(-1)
    q_BxTxV = np.exp(log_q_BxTxV)
    came = tokens_BxT[..., None]
    surprise = np.maximum(-np.take_along_axis(log_p, came, -1).squeeze(-1), 0.0)  # p may exceed 1 by a rounding
    excess = -surprise - np.take_along_axis(log_q_BxTxV, came, -1).squeeze(-1)
    guess = first_choice(q_BxTxV)[..., None]
    confidence, right = (np.take_along_axis(x, guess, -1).squeeze(-1) for x in (q_BxTxV, p_BxTxV))
    risk, tv = computed_excess_risk(p_BxTxV, q_BxTxV), 0.5 * np.abs(p_BxTxV - q_BxTxV).sum(-1)
    tilted = _tilted(log_p, log_q_BxTxV, excess, np.isfinite(kl_BxT))
    return _Terms(
        kl=kl_BxT, excess=excess, tv=tv, surprise=surprise, confidence=confidence, right=right, risk=risk, tilted=tilted
    )


def _tilted(log_p: np.ndarray, log_q: np.ndarray, excess_BxT: np.ndarray, finite_BxT: np.ndarray) -> np.ndarray:
    """(B, T, len(TILTS)) log of the factors of E; 0 where KL is infinite."""
    log_ratio = np.subtract(log_q, log_p, out=np.zeros_like(log_p), where=np.isfinite(log_p))
    excess_BxT = np.where(finite_BxT, excess_BxT, 0.0)
    factors = []
    for tilt in TILTS:
        mass = np.exp(log_p + tilt * log_ratio).sum(-1)
        factors.append(-tilt * excess_BxT - np.log(np.where(finite_BxT, mass, 1.0)))
    return np.stack(factors, -1)


def _reduce(terms: _Terms) -> LossGap:
    documents, length = terms.kl.shape
    edges = sorted({0, *(1 << i for i in range(length.bit_length())), length})
    place = np.broadcast_to(np.arange(length), terms.kl.shape)
    positions = [
        _slice(terms, (place >= a) & (place < b), f"{a}" if b == a + 1 else f"{a}–{b - 1}")
        for a, b in itertools.pairwise(edges)
    ]
    places = [_slice(terms, place < START, f"first {START} tokens"), _slice(terms, place >= START, "the rest")]
    surprises = [
        _slice(
            terms,
            (terms.surprise >= a) & (terms.surprise < b),
            f"{a:g} to {b:g} nats" if b < math.inf else f"above {a:g} nats",
        )
        for a, b in itertools.pairwise(SURPRISES)
    ]
    everywhere = np.ones_like(place, bool)
    every, risk = _slice(terms, everywhere, "all"), ratio(terms.risk, everywhere)
    finite = np.isfinite(terms.kl)
    ahead = np.subtract(terms.kl, terms.excess, out=np.zeros_like(terms.kl), where=finite)
    log_e = float(np.logaddexp.reduce(terms.tilted.sum((0, 1))) - math.log(len(TILTS)))
    return LossGap(
        excess=every.excess, kl=every.kl, tv=every.tv, risk=risk, foresight=ratio(ahead, finite), foresight_log_e=log_e,
        positions=positions, places=[row for row in places if row.share],
        surprises=[row for row in surprises if row.share], tokens=documents * length,
        bayes_cross_entropy=float(terms.surprise.mean()),
        log_ratio_max=float((-np.cumsum(terms.excess, axis=1)).max()),
        calibration_error=calibration_error(terms.confidence, terms.right),
    )  # fmt: skip


def _slice(terms: _Terms, chosen_BxT: np.ndarray, words: str) -> Slice:
    means = [ratio(x, chosen_BxT) for x in (terms.kl, terms.excess, terms.tv)]
    return Slice(words, float(chosen_BxT.mean()), *means)


def ratio(value_BxT: np.ndarray, chosen_BxT: np.ndarray) -> Mean:
    """Mean over the chosen tokens; its error is that of a ratio of sums over independent documents (delta method).

    Documents without a chosen token do not count. 0 with error inf where nothing is chosen.

    Args:
        value_BxT: of every token.
        chosen_BxT: whether it counts.

    Returns:
        Mean, standard error and 95% interval.
    """
    documents, total = int(chosen_BxT.any(1).sum()), int(chosen_BxT.sum())
    if not total:
        return Mean(0.0, math.inf, -math.inf, math.inf)
    sum_B = np.where(chosen_BxT, value_BxT, 0.0).sum(1)
    mean, error = float(sum_B.sum() / total), math.inf
    if documents > 1 and math.isfinite(mean):
        deviation_B = sum_B - mean * chosen_BxT.sum(1)
        error = float(math.sqrt(documents / (documents - 1) * (deviation_B**2).sum()) / total)
    return Mean(mean, error, *mean_interval(mean, error, documents))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: bins of equal width, weighted by their share (Naeini, Cooper & Hauskrecht 2015).

    Args:
        confidence: probabilities in [0, 1] of the tokens that a model thinks likeliest, of any shape.
        right: exact probabilities that they come, of the same shape.
        bins: how many.

    Returns:
        sum over bins of share |mean(confidence - right)|, in [0, 1].
    """
    index = np.minimum((confidence.reshape(-1) * bins).astype(int), bins - 1)
    gap = np.bincount(index, (confidence - right).reshape(-1), bins)
    return float(np.abs(gap).sum() / confidence.size)
