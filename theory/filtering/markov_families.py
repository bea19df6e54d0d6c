"""Two exact predictors of a Markov chain whose kernel is unknown: the finite mixture, and the Dirichlet law itself.

Memorising Bayes knows N kernels P_1..P_N, one of which wrote the document:

    p(b | o_1..o_t) = sum_n w_n P_n[o_t, b],     w_n prop. to pi_n prod_{s<=t} P_n[o_{s-1}, o_s]

Generalising Bayes knows that the rows are independent Dirichlet(alpha) draws; with n_ab the transitions a -> b so far,

    p(b | o_1..o_t) = (n_ab + alpha_b) / (n_a + sum alpha),     a = o_t.

Both know the first token's law, which does not depend on the kernel. The mixture is read block by block of kernels,
with one running scale for each prefix, so that memory does not grow with N; exact at zeros.

Source: docs/theory, "Other families"; the closed form is the Dirichlet-multinomial's.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.filtering.requests import check_tokens
from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape, check_simplex

BLOCK_BYTES = 64 * 2**20
"""Working memory of one block: a number for each prefix and kernel, three times."""


class Predicted(NamedTuple):
    """After each of the prefixes of length 0..T.

    Attributes:
        predictive_BxT1xV: next-token law; 0 throughout where the prefix is impossible.
        log_probability_BxT1: log p(o_1..o_t), nats; -inf where impossible.
    """

    predictive_BxT1xV: np.ndarray
    log_probability_BxT1: np.ndarray


def memorising(
    kernels_NxVxV: np.ndarray, start_V: np.ndarray, tokens_BxT: np.ndarray, prior_N: np.ndarray | None = None
) -> Predicted:
    """Bayes of the finite mixture.

    Args:
        kernels_NxVxV: the kernels, rows summing to one.
        start_V: law of the first token.
        tokens_BxT: documents.
        prior_N: of the kernels; uniform by default.

    Returns:
        Predicted: (B, T+1, V) predictives and (B, T+1) log p in nats, the empty prefix first. A prefix that no kernel
        allows has predictive 0 and log p -inf. Exact; the work is done in blocks of kernels.

    Raises:
        ModelError: shapes that disagree, rows that are no laws, or tokens outside the vocabulary.
    """
    kernels = as_float64("kernels", kernels_NxVxV)
    if kernels.ndim != 3 or kernels.shape[1] != kernels.shape[2] or not len(kernels):
        raise ModelError(f"kernels: shape {kernels.shape} where (N, V, V) is asked for")
    count, size = kernels.shape[:2]
    start, tokens = _checked(start_V, tokens_BxT, size)
    prior = np.full(count, 1.0 / count) if prior_N is None else as_float64("prior", prior_N)
    check_shape("prior", prior, (count,), f"{count} kernels")
    check_simplex("kernels", kernels)
    check_simplex("prior", prior)
    batch, length = tokens.shape
    top_BxT = np.full((batch, length), -np.inf)
    mass_BxT, mixed_BxTxV = np.zeros((batch, length)), np.zeros((batch, length, size))
    step = max(1, BLOCK_BYTES // (24 * max(1, batch * length)))
    for begin in range(0, count, step):
        part = slice(begin, begin + step)
        joint_BxTxN = _evidence(kernels[part], tokens) + _log(prior[part])
        higher_BxT = np.maximum(top_BxT, joint_BxTxN.max(-1))
        shift_BxT = np.where(higher_BxT > -np.inf, higher_BxT, 0.0)
        shrink_BxT, weight_BxTxN = np.exp(top_BxT - shift_BxT), np.exp(joint_BxTxN - shift_BxT[..., None])
        mass_BxT = mass_BxT * shrink_BxT + weight_BxTxN.sum(-1)
        mixed_BxTxV *= shrink_BxT[..., None]
        for token in range(size):  # the law given a kernel depends on the last token alone
            here = tokens == token
            mixed_BxTxV[here] += weight_BxTxN[here] @ kernels[part, token]
        top_BxT = higher_BxT
    first = _log(start)[tokens[:, :1]] if length else np.zeros((batch, 0))
    possible = (mass_BxT > 0) & (first > -np.inf)
    predictive = np.where(possible[..., None], mixed_BxTxV / np.where(mass_BxT > 0, mass_BxT, 1.0)[..., None], 0.0)
    log_probability = np.where(possible, _log(mass_BxT) + top_BxT + np.where(possible, first, 0.0), -np.inf)
    return _with_empty(start, predictive, log_probability)


def generalising(alpha_V: np.ndarray, start_V: np.ndarray, tokens_BxT: np.ndarray) -> Predicted:
    """Bayes of Dirichlet(alpha) rows.

    Args:
        alpha_V: positive.
        start_V: law of the first token.
        tokens_BxT: documents.

    Returns:
        Predicted, as of ``memorising``; O(B T V) time, no sampling.

    Raises:
        ModelError: an alpha that is not positive and finite, or as ``memorising``.
    """
    alpha = as_float64("alpha", alpha_V)
    if alpha.ndim != 1 or not (np.isfinite(alpha).all() and (alpha > 0).all()):
        raise ModelError("alpha: give one positive number for each token")
    start, tokens = _checked(start_V, tokens_BxT, len(alpha))
    batch, length = tokens.shape
    rows, counts_BxVxV = np.arange(batch), np.tile(alpha, (batch, len(alpha), 1))
    predictive, log_probability = np.zeros((batch, length, len(alpha))), np.zeros((batch, length))
    now_B = _log(start)[tokens[:, 0]] if length else np.zeros(batch)
    for t in range(length):
        if t:
            now_B = now_B + _log(predictive[rows, t - 1, tokens[:, t]])
            counts_BxVxV[rows, tokens[:, t - 1], tokens[:, t]] += 1.0
        row_BxV = counts_BxVxV[rows, tokens[:, t]]
        predictive[:, t] = np.where((now_B > -np.inf)[:, None], row_BxV / row_BxV.sum(-1, keepdims=True), 0.0)
        log_probability[:, t] = now_B
    return _with_empty(start, predictive, log_probability)


def _checked(start_V: np.ndarray, tokens_BxT: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    start: np.ndarray = as_float64("start", start_V)
    check_shape("start", start, (size,), f"a vocabulary of {size}")
    check_simplex("start", start)
    tokens = np.asarray(check_tokens(tokens_BxT, size))
    if tokens.ndim != 2:
        raise ModelError(f"tokens: {tokens.ndim} axes where documents and positions are 2")
    return start, tokens


def _evidence(kernels_NxVxV: np.ndarray, tokens_BxT: np.ndarray) -> np.ndarray:
    """(B, T, N) log-probability of the transitions among the first t tokens, t = 1..T."""
    table_VxVxN = np.moveaxis(_log(kernels_NxVxV), 0, -1)
    steps = table_VxVxN[tokens_BxT[:, :-1], tokens_BxT[:, 1:]]
    nothing = np.zeros((tokens_BxT.shape[0], min(1, tokens_BxT.shape[1]), len(kernels_NxVxV)))
    sums: np.ndarray = np.concatenate([nothing, np.cumsum(steps, 1)], 1)
    return sums


def _with_empty(start_V: np.ndarray, predictive_BxTxV: np.ndarray, log_BxT: np.ndarray) -> Predicted:
    """The empty prefix first."""
    batch = len(predictive_BxTxV)
    first = np.broadcast_to(start_V, (batch, 1, len(start_V)))
    return Predicted(np.concatenate([first, predictive_BxTxV], 1), np.concatenate([np.zeros((batch, 1)), log_BxT], 1))


def _log(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        logs: np.ndarray = np.log(x)
        return logs
