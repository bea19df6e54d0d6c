"""The forward recursion in logarithms: immune to underflow inside a concept, and far slower. Pure JAX, no checks here.

``theory.filtering.filter`` turns to it for documents that scaled arithmetic cannot be trusted with, and so does
``theory.filtering.streaming``.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from implicit_bayes.theory.filtering.scaled import log_sum_exp, safe_log
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array


class LogTrace(NamedTuple):
    """What the recursion over (B, T) tokens leaves behind, at P chosen prefix lengths.

    log_evidence_PxBxC: log p(o_1..o_t | c), nats, -inf where impossible.
    predictive_PxBxCxV: p(o_{t+1} | o_1..o_t, c); zero rows where the prefix is impossible under c.
    possible_B: number of leading tokens after which some concept of positive prior is still possible.
    """

    log_evidence_PxBxC: jax.Array
    predictive_PxBxCxV: jax.Array
    possible_B: jax.Array


def _record(buffers, slot, entries):
    return tuple(
        jax.lax.dynamic_update_index_in_dim(buffer, entry, slot, 0)
        for buffer, entry in zip(buffers, entries, strict=True)
    )


def _alive(prior, log_evidence_BxC):
    return ((prior > 0) & (log_evidence_BxC > -jnp.inf)).any(-1)


def _scan(step, state, evidence, prior, tokens_TxB, slots, n_slots):
    """``step`` maps (state, token_B) to the next state and the evidence; both are recorded."""
    possible = jnp.zeros(evidence.shape[:1], dtype=jnp.int32)
    keep = (evidence, state)
    buffers = tuple(jnp.zeros((n_slots + 1, *entry.shape), entry.dtype) for entry in keep)
    buffers = _record(buffers, slots[0], keep)

    def body(carry, scanned):
        state, evidence, possible, buffers = carry
        token_B, slot = scanned
        state, evidence = step(state, token_B)
        possible = possible + _alive(prior, evidence).astype(jnp.int32)
        buffers = _record(buffers, slot, (evidence, state))
        return (state, evidence, possible, buffers), None

    carry = (state, evidence, possible, buffers)
    carry, _ = jax.lax.scan(body, carry, (tokens_TxB, slots[1:]))
    _, _, possible, buffers = carry
    return tuple(buffer[:n_slots] for buffer in buffers), possible


def log_trace(mixture: MixtureOfHMMs, tokens_TxB: Array, slots: Array, n_slots: int) -> LogTrace:
    """The forward recursion in logarithms: immune to underflow inside a concept, and far slower."""
    log_transition, log_emission = safe_log(mixture.transition), safe_log(jnp.asarray(mixture.emissions))
    concepts, dtype = mixture.n_concepts, jnp.result_type(mixture.transition)

    def one_document(tokens_T):
        def step(predicted, token_1):
            joint = predicted + log_emission[:, :, token_1[0]][None]
            evidence = log_sum_exp(joint, -1)
            predicted = log_sum_exp(joint[..., :, None] + log_transition, -2)
            return predicted, evidence

        zeros = jnp.zeros((1, concepts), dtype)
        (evidence, predicted), possible = _scan(
            step, safe_log(mixture.initial)[None], zeros, mixture.prior, tokens_T[:, None], slots, n_slots
        )
        normaliser = log_sum_exp(predicted, -1)[..., None]
        belief = predicted - jnp.where(normaliser > -jnp.inf, normaliser, 0.0)
        predictive = jnp.exp(log_sum_exp(belief[..., None] + log_emission, -2))
        return evidence[:, 0], predictive[:, 0], possible[0]

    evidence, predictive, possible = jax.lax.map(one_document, tokens_TxB.T)
    return LogTrace(evidence.swapaxes(0, 1), predictive.swapaxes(0, 1), possible)


@jax.jit
def log_steps(mixture: MixtureOfHMMs, tokens_BxT: Array, ahead_BxCxH: jax.Array) -> tuple[jax.Array, ...]:
    """The log-domain recursion from a carried state log p(past, next state | c), recorded after every token.

    Returns:
        (B, T, C) log-evidence of the whole past, (B, T, C, V) predictives, the state to carry on, and (B, T) whether
        a concept of positive prior is still possible.
    """
    log_transition, log_emission = safe_log(mixture.transition), safe_log(jnp.asarray(mixture.emissions))

    def step(ahead, token_B):
        joint = ahead + jnp.take(log_emission, token_B, axis=2).transpose(2, 0, 1)
        evidence = log_sum_exp(joint, -1)
        ahead = jax.lax.map(lambda one: log_sum_exp(one[..., :, None] + log_transition, -2), joint)
        belief = ahead - jnp.where(evidence > -jnp.inf, evidence, 0.0)[..., None]
        predictive = jnp.exp(jax.lax.map(lambda one: log_sum_exp(one[..., None] + log_emission, -2), belief))
        return ahead, (evidence, predictive, _alive(mixture.prior, evidence))

    ahead, rest = jax.lax.scan(step, ahead_BxCxH, jnp.asarray(tokens_BxT).T)
    evidence, predictive, alive = (x.swapaxes(0, 1) for x in rest)
    return evidence, predictive, ahead, alive
