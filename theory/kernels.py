"""Three forward recursions behind one filter: dense, support-sparse and log-domain. Pure JAX, no checks here.

All three return a ``Trace`` of the same shapes. ``theory.filter`` chooses between them and owns the contract.

The scaled recursions carry, for every document b and concept c, the normalised filter
alpha_t = p(h_t | o_1..o_t, c) and the running log-evidence log p(o_1..o_t | c) = sum of the logs of the
normalisers. A normaliser of exactly 0 makes the evidence -inf and the filter 0 from there on.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from theory.models import MixtureOfHMMs
from theory.types import Array

FLOOR = 1e-290
"""Smallest product of filter, kernel and emission entries that scaled float64 arithmetic is trusted with."""


def floor_of(dtype: Any) -> float:
    """The floor in the precision the trace runs in: below it (1e-30 in float32) products may vanish."""
    return FLOOR if jnp.finfo(dtype).bits >= 64 else 1e-30


class Trace(NamedTuple):
    """What a forward recursion over (B, T) tokens leaves behind, at P chosen prefix lengths.

    log_evidence_PxBxC: log p(o_1..o_t | c), nats, -inf where impossible.
    predictive_PxBxCxV: p(o_{t+1} | o_1..o_t, c); zero rows where the prefix is impossible under c.
    smallest_BxC: the smallest positive filter entry met on the way (an underflow guard).
    possible_B: number of leading tokens after which some concept of positive prior is still possible.
    """

    log_evidence_PxBxC: jax.Array
    predictive_PxBxCxV: jax.Array
    smallest_BxC: jax.Array
    possible_B: jax.Array


class SupportTables(NamedTuple):
    """Precomputed token-pair blocks for the sparse recursion.

    S_o lists the states that can emit token o under some concept, padded to the widest (W). Row V of the
    first axis is the virtual "start" token, whose only state stands for the start law.

    block_VVxCxWxW: entry [o * V + o', c, w, w'] = transition[c, S_o[w], S_o'[w']] emission[c, S_o'[w'], o'].
    next_VxCxWxV: entry [o, c, w, v] = sum_h' transition[c, S_o[w], h'] emission[c, h', v].
    """

    block_VVxCxWxW: Array
    next_VxCxWxV: Array


def support_width(emission: Array) -> int:
    """W: the largest number of states that can emit one token (under some concept), at least 1."""
    positive_CxHxV = np.asarray(emission).reshape(-1, *np.shape(emission)[-2:]) > 0
    return max(1, int(positive_CxHxV.any(0).sum(0).max()))


def table_bytes(mixture: MixtureOfHMMs) -> int:
    """Memory of ``support_tables`` in bytes, without building them."""
    width, tokens = support_width(mixture.emission), mixture.n_tokens
    return 8 * (tokens + 1) * tokens * mixture.n_concepts * width * (width + 1)


def support_tables(mixture: MixtureOfHMMs) -> SupportTables:
    """Build the sparse tables in NumPy (the structure of zeros must be concrete)."""
    emission, transition = np.asarray(mixture.emissions), np.asarray(mixture.transition)
    concepts, states, tokens = emission.shape
    width = support_width(emission)
    can_emit: np.ndarray = np.any(emission > 0, axis=0)
    index = np.zeros((tokens, width), dtype=np.int64)
    real = np.zeros((tokens, width), dtype=bool)
    for o in range(tokens):
        support = np.flatnonzero(can_emit[:, o])
        index[o, : support.size], real[o, : support.size] = support, True
    emit_CxVxW = np.where(real, emission[:, index, np.arange(tokens)[:, None]], 0.0)
    rows_CxVxWxH = np.zeros((concepts, tokens + 1, width, states))
    rows_CxVxWxH[:, :tokens] = np.where(real[..., None], transition[:, index], 0.0)
    rows_CxVxWxH[:, tokens, 0] = np.asarray(mixture.initial)
    block = rows_CxVxWxH[:, :, :, index] * emit_CxVxW[:, None, None]
    block = block.transpose(1, 3, 0, 2, 4).reshape(-1, concepts, width, width)
    following = np.einsum("cowh,chv->ocwv", rows_CxVxWxH, emission, optimize=True)
    return SupportTables(np.ascontiguousarray(block), following)


def _record(buffers, slot, entries):
    return tuple(
        jax.lax.dynamic_update_index_in_dim(buffer, entry, slot, 0)
        for buffer, entry in zip(buffers, entries, strict=True)
    )


def _normalise(joint_BxCxK, log_evidence_BxC, smallest_BxC):
    """Split p(h_t, o_t | past) into its normaliser (whose log is added) and the filter; exact at zero."""
    mass = joint_BxCxK.sum(-1)
    possible = mass > 0
    safe = jnp.where(possible, mass, 1.0)
    alpha = joint_BxCxK / safe[..., None]
    log_evidence = log_evidence_BxC + jnp.where(possible, jnp.log(safe), -jnp.inf)
    positive = jnp.where(alpha > 0, jax.lax.stop_gradient(alpha), 1.0)
    return alpha, log_evidence, jnp.minimum(smallest_BxC, positive.min(-1))


def _alive(prior, log_evidence_BxC):
    return ((prior > 0) & (log_evidence_BxC > -jnp.inf)).any(-1)


def _scan(step, state, evidence, smallest, prior, tokens_TxB, slots, n_slots, record_of):
    """Shared scan: ``step`` maps (state, token_B) to the joint over states; ``record_of`` keeps a state."""
    possible = jnp.zeros(evidence.shape[:1], dtype=jnp.int32)
    keep = (evidence, *record_of(state))
    buffers = tuple(jnp.zeros((n_slots + 1, *entry.shape), entry.dtype) for entry in keep)
    buffers = _record(buffers, slots[0], keep)

    def body(carry, scanned):
        state, evidence, smallest, possible, buffers = carry
        token_B, slot = scanned
        state, evidence, smallest = step(state, token_B, evidence, smallest)
        possible = possible + _alive(prior, evidence).astype(jnp.int32)
        buffers = _record(buffers, slot, (evidence, *record_of(state)))
        return (state, evidence, smallest, possible, buffers), None

    carry = (state, evidence, smallest, possible, buffers)
    carry, _ = jax.lax.scan(body, carry, (tokens_TxB, slots[1:]))
    _, _, smallest, possible, buffers = carry
    return tuple(buffer[:n_slots] for buffer in buffers), smallest, possible


def dense_trace(mixture: MixtureOfHMMs, tokens_TxB: Array, slots: Array, n_slots: int) -> Trace:
    """The scaled forward recursion over all H states.

    Args:
        mixture: the mixture.
        tokens_TxB: int tokens, time first.
        slots: (T + 1,) where to record prefix length t; ``n_slots`` means nowhere.
        n_slots: P.
    """
    emission_CxVxH = jnp.swapaxes(mixture.emissions, -1, -2)
    batch, concepts = tokens_TxB.shape[1], mixture.n_concepts
    dtype = jnp.result_type(mixture.transition)

    def step(predicted, token_B, evidence, smallest):
        likelihood = jnp.take(emission_CxVxH, token_B, axis=1).swapaxes(0, 1)
        alpha, evidence, smallest = _normalise(predicted * likelihood, evidence, smallest)
        return jnp.einsum("bch,chg->bcg", alpha, mixture.transition), evidence, smallest

    predicted = jnp.broadcast_to(jnp.asarray(mixture.initial), (batch, *mixture.initial.shape))
    zeros, ones = jnp.zeros((batch, concepts), dtype), jnp.ones((batch, concepts), dtype)
    (evidence, beliefs), smallest, possible = _scan(
        step, predicted, zeros, ones, mixture.prior, tokens_TxB, slots, n_slots, lambda state: (state,)
    )
    predictive = jnp.einsum("pbch,chv->pbcv", beliefs, jnp.asarray(mixture.emissions))
    return Trace(evidence, predictive, smallest, possible)


def sparse_trace(mixture: MixtureOfHMMs, tables: SupportTables, tokens_TxB: Array, slots: Array, n_slots: int) -> Trace:
    """The scaled forward recursion over only the states that can emit the token just seen."""
    tokens, concepts = mixture.n_tokens, mixture.n_concepts
    batch, width = tokens_TxB.shape[1], tables.block_VVxCxWxW.shape[-1]
    block, dtype = jnp.asarray(tables.block_VVxCxWxW), jnp.result_type(mixture.transition)

    def step(state, token_B, evidence, smallest):
        alpha, previous_B = state
        joint = (alpha[..., None] * block[previous_B * tokens + token_B]).sum(-2)
        alpha, evidence, smallest = _normalise(joint, evidence, smallest)
        return (alpha, token_B), evidence, smallest

    start = jnp.zeros((batch, concepts, width), dtype).at[..., 0].set(1.0)
    virtual = jnp.full((batch,), tokens, tokens_TxB.dtype)
    zeros, ones = jnp.zeros((batch, concepts), dtype), jnp.ones((batch, concepts), dtype)
    (evidence, alpha, last), smallest, possible = _scan(
        step, (start, virtual), zeros, ones, mixture.prior, tokens_TxB, slots, n_slots, lambda state: state
    )
    predictive = jnp.einsum("pbcw,pbcwv->pbcv", alpha, jnp.asarray(tables.next_VxCxWxV)[last])
    return Trace(evidence, predictive, smallest, possible)


def log_trace(mixture: MixtureOfHMMs, tokens_TxB: Array, slots: Array, n_slots: int) -> Trace:
    """The forward recursion in logarithms: immune to underflow inside a concept, and far slower."""
    log_transition, log_emission = safe_log(mixture.transition), safe_log(jnp.asarray(mixture.emissions))
    concepts, dtype = mixture.n_concepts, jnp.result_type(mixture.transition)

    def one_document(tokens_T):
        def step(predicted, token_1, evidence, _):
            joint = predicted + log_emission[:, :, token_1[0]][None]
            evidence = log_sum_exp(joint, -1)
            predicted = log_sum_exp(joint[..., :, None] + log_transition, -2)
            return predicted, evidence, jnp.ones_like(evidence)

        zeros = jnp.zeros((1, concepts), dtype)
        (evidence, predicted), _, possible = _scan(
            step, safe_log(mixture.initial)[None], zeros, zeros, mixture.prior, tokens_T[:, None], slots, n_slots,
            lambda state: (state,),
        )  # fmt: skip
        normaliser = log_sum_exp(predicted, -1)[..., None]
        belief = predicted - jnp.where(normaliser > -jnp.inf, normaliser, 0.0)
        predictive = jnp.exp(log_sum_exp(belief[..., None] + log_emission, -2))
        return evidence[:, 0], predictive[:, 0], possible[0]

    evidence, predictive, possible = jax.lax.map(one_document, tokens_TxB.T)
    smallest = jnp.ones((tokens_TxB.shape[1], concepts), dtype)
    return Trace(evidence.swapaxes(0, 1), predictive.swapaxes(0, 1), smallest, possible)


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


def safe_log(x: Array) -> jax.Array:
    """log x with log 0 = -inf and gradient 0 there (not nan)."""
    x = jnp.asarray(x)
    positive = x > 0
    return jnp.where(positive, jnp.log(jnp.where(positive, x, 1.0)), -jnp.inf)


def log_sum_exp(x: Array, axis: int) -> jax.Array:
    """log sum exp along an axis; -inf (with gradient 0) where every term is -inf."""
    top = jax.lax.stop_gradient(x.max(axis, keepdims=True))
    finite = top > -jnp.inf
    shift = jnp.where(finite, top, 0.0)
    total = jnp.exp(x - shift).sum(axis)
    return safe_log(total) + jnp.squeeze(shift, axis)


def smallest_entries(mixture: MixtureOfHMMs) -> jax.Array:
    """(C,) product of the smallest positive kernel (or start-law) and emission entry of each concept."""

    def smallest(x):
        x = jax.lax.stop_gradient(jnp.asarray(x)).reshape(x.shape[0], -1)
        return jnp.where(x > 0, x, 1.0).min(-1)

    emission = jnp.asarray(mixture.emissions)
    return jnp.minimum(smallest(mixture.transition), smallest(mixture.initial)) * smallest(emission)
