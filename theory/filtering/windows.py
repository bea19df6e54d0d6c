"""Exact Bayes that sees the last w tokens only, and how many came before them.

At position t > w the predictor is the conditional law given those w tokens alone, the t - w tokens before them summed
out. Under concept c the window then begins from the law of the state at that position, a time marginal,

    a_c(s) = initial_c transition_c^s,   s = t - w,
    p(o_{t+1} | o_{t-w+1}..o_t) = sum_c pi_c p(o_{t-w+1}..o_{t+1} | h ~ a_c(s), c) / sum_c pi_c p(o_{t-w+1}..o_t | ...),

and the prior over concepts is pi again: what was dropped says nothing. For t <= w nothing is dropped and the law is
that of the filter. Among all predictors of o_{t+1} from o_{t-w+1}..o_t and t it has the least expected loss, which
falls with w: E log p(o_{t+1} | last w) rises to E log p(o_{t+1} | o_1..o_t), since conditioning on more never raises an
entropy.

Source: the forward algorithm; the chain rule of entropy.
"""

import numpy as np

from implicit_bayes.theory.filtering.requests import check_tokens
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Numbers

CHUNK_BYTES = 64 * 2**20
"""Beliefs of the windows that are worked on together."""


def window_predictive(mixture: MixtureOfHMMs, tokens_BxT: Numbers, window: int) -> np.ndarray:
    """p(o_{t+1} = v | the last ``window`` of o_1..o_t, and t), for t = 0..T.

    Each concept keeps a scale of its own, so that one that loses within the window stays until it is impossible.

    Args:
        mixture: the pretraining law.
        tokens_BxT: (B, T) tokens.
        window: w, at least 0; from T on it is the filter.

    Returns:
        (B, T + 1, V); 0 throughout where the window has probability zero at its position.

    Raises:
        ModelError: a negative window, or tokens outside the vocabulary.
    """
    if window < 0:
        raise ModelError(f"window: {window} is below 0")
    tokens = np.asarray(check_tokens(tokens_BxT, mixture.n_tokens))
    batch, length = tokens.shape
    dropped_S = np.maximum(np.arange(length + 1) - window, 0)
    marginals_SxCxH = _time_marginals(mixture, int(dropped_S[-1]) if length else 0)
    out = np.empty((batch, length + 1, mixture.n_tokens))
    rows = max(1, CHUNK_BYTES // (8 * mixture.n_concepts * mixture.n_states * (length + 1)))
    for begin in range(0, batch, rows):
        piece = tokens[begin : begin + rows]
        out[begin : begin + rows] = _windows(mixture, piece, min(window, length), dropped_S, marginals_SxCxH)
    return out


def _time_marginals(mixture: MixtureOfHMMs, steps: int) -> np.ndarray:
    """(steps + 1, C, H) law of the state before any token, after so many moves, under each concept."""
    kernel, laws = np.asarray(mixture.transition), [np.asarray(mixture.initial)]
    for _ in range(steps):
        laws.append(np.einsum("ch,chg->cg", laws[-1], kernel))
    return np.stack(laws)


def _windows(
    mixture: MixtureOfHMMs, tokens_BxT: np.ndarray, window: int, dropped_S: np.ndarray, marginals_SxCxH: np.ndarray
) -> np.ndarray:
    """All windows of some documents side by side: each moves on by a token at a time, the shorter ones start later."""
    batch, length = tokens_BxT.shape
    size_S = np.arange(length + 1) - dropped_S  # tokens in the window that ends after t
    ahead = np.broadcast_to(marginals_SxCxH[dropped_S], (batch, length + 1, *marginals_SxCxH.shape[1:])).copy()
    with np.errstate(divide="ignore"):
        log_weight = np.broadcast_to(np.log(np.asarray(mixture.prior)), (*ahead.shape[:2], mixture.n_concepts)).copy()
    for step in range(window):
        at_S = np.flatnonzero(size_S >= window - step)  # windows that read a token now
        read = tokens_BxT[:, dropped_S[at_S] + step - (window - size_S[at_S])]
        for token in np.unique(read):
            b, s = np.nonzero(read == token)
            _read(mixture, int(token), ahead, log_weight, (b, at_S[s]))
    law = np.einsum("btch,chv->btcv", ahead, np.asarray(mixture.emissions), optimize=True)
    top = log_weight.max(-1, keepdims=True)
    weight = np.exp(log_weight - np.where(np.isfinite(top), top, 0.0))
    total = weight.sum(-1, keepdims=True)
    posterior = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return np.asarray(np.einsum("btc,btcv->btv", posterior, law))


def _read(
    mixture: MixtureOfHMMs, token: int, ahead: np.ndarray, log_weight: np.ndarray, where: tuple[np.ndarray, np.ndarray]
) -> None:
    """Move the windows at ``where`` on by one token, in place: only the states that can emit it take part."""
    emission_CxH = np.asarray(mixture.emissions)[:, :, token]
    states = np.flatnonzero((emission_CxH > 0).any(0))
    joint_NxCxW = ahead[where][:, :, states] * emission_CxH[:, states]
    scale_NxC = joint_NxCxW.sum(-1)
    with np.errstate(divide="ignore"):
        log_weight[where] += np.log(scale_NxC)
    joint_NxCxW /= np.where(scale_NxC > 0, scale_NxC, 1.0)[..., None]
    moved = np.matmul(joint_NxCxW.swapaxes(0, 1), np.asarray(mixture.transition)[:, states])
    ahead[where] = moved.swapaxes(0, 1)
