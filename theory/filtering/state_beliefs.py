"""The exact belief over hidden states: what Bayes knows about h_t after o_1..o_t, the concept averaged out.

    p(h_t | o_1..o_t) = sum_c p(c | o_1..o_t) p(h_t | o_1..o_t, c)

Source: the forward algorithm; Shai et al. 2024 call it the belief state.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.filtering.requests import check_tokens
from implicit_bayes.theory.filtering.scales import log_sum_exp, safe_log
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array, Numbers

CHUNK_BYTES = 64 * 2**20
"""Working memory of one step's table of transitions."""


class StateBeliefs(NamedTuple):
    """Beliefs after each of the prefixes of length 1..T.

    Attributes:
        law_BxTxH: p(h_t | o_1..o_t); 0 throughout where the prefix is impossible.
        log_posterior_BxTxC: log p(c | o_1..o_t), nats; -inf throughout where the prefix is impossible.
        defined_BxT: whether the prefix is possible.
    """

    law_BxTxH: np.ndarray
    log_posterior_BxTxC: np.ndarray
    defined_BxT: np.ndarray


def state_beliefs(mixture: MixtureOfHMMs, tokens_BxT: Numbers) -> StateBeliefs:
    """Exact beliefs over states and concepts, in logarithms throughout (immune to underflow).

    Args:
        mixture: the pretraining law.
        tokens_BxT: documents, T at least 1.

    Returns:
        StateBeliefs after every prefix of 1 to T tokens: (B, T, H) probabilities, (B, T, C) nats.

    Raises:
        ModelError: tokens that are not integers of the vocabulary.
    """
    tokens_BxT = np.asarray(check_tokens(tokens_BxT, mixture.n_tokens))
    size = max(1, CHUNK_BYTES // (8 * mixture.n_concepts * mixture.n_states**2))
    parts = []
    with jax.enable_x64(True):
        arrays = [jnp.asarray(x) for x in (mixture.prior, mixture.initial, mixture.transition, mixture.emissions)]
        for begin in range(0, len(tokens_BxT), size):
            piece = tokens_BxT[begin : begin + size]
            full = np.concatenate([piece, np.repeat(piece[-1:], size - len(piece), 0)]) if begin else piece
            parts.append([np.asarray(x)[: len(piece)] for x in _forward(*arrays, full)])
    return StateBeliefs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@jax.jit
def _forward(
    prior_C: Array, initial_CxH: Array, kernel_CxHxH: Array, emission_CxHxV: Array, tokens_BxT: Array
) -> tuple[jax.Array, ...]:
    log_kernel, log_emission = safe_log(kernel_CxHxH), safe_log(emission_CxHxV)

    def step(predicted_BxCxH: jax.Array, token_B: jax.Array) -> tuple[jax.Array, jax.Array]:
        joint = predicted_BxCxH + jnp.moveaxis(log_emission[:, :, token_B], -1, 0)  # log p(c, h_t, o_1..o_t)
        return log_sum_exp(joint[..., :, None] + log_kernel, -2), joint

    start = safe_log(prior_C)[:, None] + safe_log(initial_CxH)
    _, joint_TxBxCxH = jax.lax.scan(
        step, jnp.broadcast_to(start, (len(tokens_BxT), *start.shape)), jnp.asarray(tokens_BxT).T
    )
    by_concept, by_state = log_sum_exp(joint_TxBxCxH, -1), log_sum_exp(joint_TxBxCxH, -2)
    total = log_sum_exp(by_concept, -1)
    defined = total > -jnp.inf
    shift = jnp.where(defined, total, 0.0)[..., None]
    out = (jnp.exp(by_state - shift), by_concept - shift, defined)
    return tuple(x.swapaxes(0, 1) for x in out)
