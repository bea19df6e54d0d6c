"""Two scaled forward recursions behind one filter, dense and support-sparse. Pure JAX, no checks here.

Both return a ``Trace`` of the same shapes. ``theory.filtering.filter`` chooses between them and owns the contract.

They carry, for every document b and concept c, p(h_t, o_1..o_t | c) times a power of two. Scaling is lazy: every r
tokens the sum is brought into [1/2, 1) by another power of two, which is exact, and nothing but a product and a
look-up is spent on the tokens between; logarithms are taken in bulk, of what is recorded. If every positive entry is
at least m when it is rescaled, and every product of a kernel and an emission entry at least s, then every positive
entry stays above m s^r until the next time. r is chosen so that s^r leaves room for m, and m is watched. A sum of
exactly 0 makes the evidence -inf and the filter 0 from there on.
"""

import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.filtering.bounded import bounded
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array

LOG_2 = math.log(2.0)

FLOOR = 1e-290
"""Smallest product of filter, kernel and emission entries that scaled float64 arithmetic is trusted with."""


LONGEST_RUN = 16
"""Tokens between two rescalings, at most."""


def floor_of(dtype: Any) -> float:
    """The floor in the precision the trace runs in: below it (1e-30 in float32) products may vanish."""
    return FLOOR if jnp.finfo(dtype).bits >= 64 else 1e-30


class Trace(NamedTuple):
    """What a scaled recursion over (B, T) tokens leaves behind, at P chosen prefix lengths.

    log_evidence_PxBxC: log p(o_1..o_t | c), nats, -inf where impossible.
    log_probability_PxB: log sum_c prior_c p(o_1..o_t | c), nats, differentiable where a prior or an evidence is 0.
    predictive_PxKxBxV: p(o_{t+1} | o_1..o_t, c), zero rows where the prefix is impossible under c (K = C); or mixed,
        p(o_{t+1} | o_1..o_t), zero rows where it is impossible under every concept of positive prior (K = 1).
    doubtful_B: whether some entry came so near underflow that the rest means nothing.
    possible_B: number of leading tokens after which some concept of positive prior is still possible.
    """

    log_evidence_PxBxC: jax.Array
    log_probability_PxB: jax.Array
    predictive_PxKxBxV: jax.Array
    doubtful_B: jax.Array
    possible_B: jax.Array


Record = Literal["all", "last", "some"]
"""Which prefix lengths are recorded: 0..T in order, T alone, or those with a slot."""


class SupportTables(NamedTuple):
    """Precomputed token-pair blocks for the sparse recursion.

    S_o lists the states that can emit token o under some concept, padded to the widest (W). Row V of the
    first axis is the virtual "start" token, whose only state stands for the start law.

    block_VVxCxWxW: entry [o * V + o', c, w, w'] = transition[c, S_o[w], S_o'[w']] emission[c, S_o'[w'], o'].
    state_VxW: S_o[w]; 0 where there is none.
    """

    block_VVxCxWxW: Array
    state_VxW: Array


def support_width(emission: Array) -> int:
    """W: the largest number of states that can emit one token (under some concept), at least 1."""
    positive_CxHxV = np.asarray(emission).reshape(-1, *np.shape(emission)[-2:]) > 0
    return max(1, int(positive_CxHxV.any(0).sum(0).max()))


def table_bytes(mixture: MixtureOfHMMs) -> int:
    """Memory of ``support_tables`` in bytes, without building them."""
    width, tokens = support_width(mixture.emission), mixture.n_tokens
    return 8 * (tokens + 1) * tokens * mixture.n_concepts * width**2


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
    return SupportTables(np.ascontiguousarray(block), index)


def dense_trace(
    mixture: MixtureOfHMMs, tokens_TxB: Array, slots: Array, n_slots: int, record: Record, mixed: bool
) -> Trace:
    """The scaled forward recursion over all H states.

    Args:
        mixture: the mixture.
        tokens_TxB: int tokens, time first.
        slots: (T + 1,) where to record prefix length t; ``n_slots`` means nowhere. Read if ``record`` is ``some``.
        n_slots: P.
        record: which prefix lengths.
        mixed: whether predictives are weighed by the posterior and added up.
    """
    emission_CxVxH, transition = jnp.swapaxes(mixture.emissions, -1, -2), jnp.asarray(mixture.transition)
    initial, batch = jnp.asarray(mixture.initial), tokens_TxB.shape[1]

    def likelihood(token_B):
        return emission_CxVxH.at[:, token_B].get(mode="promise_in_bounds")

    def step(belief_CxBxH, _, token_B):
        return jnp.einsum("cbh,chg->cbg", belief_CxBxH, transition) * likelihood(token_B)

    heads = [jnp.broadcast_to(initial[:, None], (len(initial), batch, initial.shape[1]))]
    if len(tokens_TxB):
        heads.append(heads[0] * likelihood(tokens_TxB[0]))
    return _run(mixture, step, heads, tokens_TxB, slots, n_slots, record, mixed)


def sparse_trace(
    mixture: MixtureOfHMMs,
    tables: SupportTables,
    tokens_TxB: Array,
    slots: Array,
    n_slots: int,
    record: Record,
    mixed: bool,
) -> Trace:
    """The scaled forward recursion over only the states that can emit the token just seen."""
    tokens, (concepts, states) = mixture.n_tokens, mixture.initial.shape
    batch, width = tokens_TxB.shape[1], tables.block_VVxCxWxW.shape[-1]
    block, dtype = jnp.asarray(tables.block_VVxCxWxW), jnp.result_type(mixture.transition)

    def step(belief_CxBxW, previous_B, token_B):
        between_BxCxWxW = block.at[previous_B * tokens + token_B].get(mode="promise_in_bounds")
        return (belief_CxBxW[..., None] * between_BxCxWxW.swapaxes(0, 1)).sum(-2)

    def spread(belief_CxBxW, last_B):
        state_BxW, whole = jnp.asarray(tables.state_VxW)[last_B], jnp.zeros((concepts, batch, states), dtype)
        place = (jnp.arange(concepts)[:, None, None], jnp.arange(batch)[:, None], state_BxW)
        return whole.at[place].add(belief_CxBxW)

    start = jnp.zeros((concepts, batch, width), dtype).at[..., 0].set(1.0)
    return _run(mixture, step, [start], tokens_TxB, slots, n_slots, record, mixed, spread)


def _run(mixture, step, heads, tokens_TxB, slots, n_slots, record, mixed, spread=lambda belief, _: belief) -> Trace:
    """Run ``step(belief_CxBxK, previous_B, token_B)`` from the ``heads`` (the beliefs after 0, 1, .. tokens) on.

    ``spread`` turns a belief over K entries after the token ``last_B`` into one over the states. Where every prefix is
    asked for, predictives are read off in the scan, while the belief is in the cache; else from what is recorded.
    Mixed, they are weighed there too: C times less is written.
    """
    length, batch = tokens_TxB.shape
    heads = [bounded(head) for head in heads]
    begin, belief, dtype = len(heads) - 1, heads[-1], heads[-1].dtype
    emissions, least_C = jnp.asarray(mixture.emissions), smallest_entries(mixture)
    following = jnp.einsum("chg,cgv->chv", mixture.transition, emissions)
    at_start = jnp.einsum("ch,chv->cv", mixture.initial, emissions)[:, None]
    at_start = jnp.broadcast_to(at_start, (len(at_start), batch, mixture.n_tokens))
    every = _tokens_between(least_C.min())
    scanned = (tokens_TxB[begin - 1 : -1] if begin else _before(tokens_TxB, mixture.n_tokens), tokens_TxB[begin:])
    due = jnp.arange(begin + 1, length + 1) % every == 0
    zeros = jnp.zeros(belief.shape[:2], dtype)
    buffers = [jnp.zeros((n_slots + 1, *x.shape), dtype) for x in (belief, zeros)] if record == "some" else []
    for t, head in enumerate(heads if buffers else ()):
        buffers = [x.at[slots[t]].set(entry) for x, entry in zip(buffers, (head, zeros), strict=True)]

    def predict(joint_CxBxV, mass_CxB, exponent_CxB):
        if mixed:
            share_CxB = shares(jnp.asarray(mixture.prior), mass_CxB, exponent_CxB)
            return (share_CxB[..., None] * joint_CxBxV).sum(0, keepdims=True)
        return joint_CxBxV / jnp.where(mass_CxB > 0, mass_CxB, 1.0)[..., None]

    def read(belief, last_B, exponent):
        joint_CxBxV, mass_CxB = jnp.einsum("cbh,chv->cbv", spread(belief, last_B), following), belief.sum(-1)
        return predict(joint_CxBxV, mass_CxB, exponent), mass_CxB

    first = predict(at_start, zeros + 1.0, zeros)

    def body(carry, inputs):
        belief, exponent, smallest, buffers = carry
        previous_B, token_B, slot, now = inputs
        belief = bounded(step(belief, previous_B, token_B))
        state = jax.lax.cond(now, _rescale, lambda *unchanged: unchanged, belief, exponent, smallest)
        if buffers:
            pairs = zip(buffers, state[:2], strict=True)
            buffers = [jax.lax.dynamic_update_index_in_dim(x, entry, slot, 0) for x, entry in pairs]
        return (*state, buffers), (*read(state[0], token_B, state[1]), state[1]) if record == "all" else None

    carry = (belief, zeros, zeros + 1.0, buffers)
    state, rest = jax.lax.scan(body, carry, (*scanned, slots[begin + 1 :], due))
    belief, exponent, smallest, buffers = state
    if record == "all":
        heads_read = [(first, zeros + 1.0, zeros), *((*read(x, tokens_TxB[0], zeros), zeros) for x in heads[1:])]
        early = [jnp.stack(parts) for parts in zip(*heads_read, strict=True)]
        predictive, mass, exponent = (jnp.concatenate(both) for both in zip(early, rest, strict=True))
    else:
        kept = [belief[None], exponent[None]] if record == "last" else [x[:n_slots] for x in buffers]
        at_P = jnp.full(1, length)
        if record == "some":
            at_P = jnp.zeros(n_slots + 1, int).at[slots].set(jnp.arange(length + 1))[:n_slots]
        last_PxB = jnp.concatenate([jnp.zeros((1, batch), tokens_TxB.dtype), tokens_TxB])[at_P]
        predictive, mass = jax.lax.map(lambda each: read(*each), (kept[0], last_PxB, kept[1]))
        begins, exponent = (at_P == 0)[:, None, None], kept[1]
        predictive, mass = jnp.where(begins[..., None], first, predictive), jnp.where(begins, 1.0, mass)
    evidence = (safe_log(mass) + exponent * LOG_2).swapaxes(1, 2)
    doubtful = (smallest * least_C[:, None] ** every < floor_of(dtype)).any(0)
    alive = _alive(mixture.prior, belief)

    def count():
        def one(carry, inputs):
            belief, _, _ = _rescale(step(carry, *inputs), zeros, zeros)
            return belief, _alive(mixture.prior, belief)

        _, living = jax.lax.scan(one, heads[-1], scanned)
        before = _alive(mixture.prior, heads[-1]) & (begin > 0)
        return living.sum(0, dtype=jnp.int32) + before

    possible = jax.lax.cond(alive.all(), lambda: jnp.full(batch, length, jnp.int32), count)
    total = log_total(jnp.asarray(mixture.prior), mass, exponent)
    return Trace(evidence, total, predictive, doubtful, possible)


def shares(prior_C: jax.Array, mass_CxB: jax.Array, exponent_CxB: jax.Array) -> jax.Array:
    """What p(o_1..o_t, o_{t+1} | c) counts in p(o_{t+1} | o_1..o_t), both on the concept's own scale.

    prior_c 2^exponent_c / sum_c' prior_c' mass_c' 2^exponent_c', on the exponent of the leading concept. Linear in the
    prior, so that a concept of prior 0 has its one-sided derivative; 0 where no concept of positive prior is left.
    """
    weight_CxB, total_B, _ = _weighed(prior_C, mass_CxB, exponent_CxB)
    return weight_CxB / jnp.where(total_B > 0, total_B, 1.0)[..., None, :]


def log_total(prior_C: jax.Array, mass_CxB: jax.Array, exponent_CxB: jax.Array) -> jax.Array:
    """(..., B) log sum_c prior_c mass_c 2^exponent_c, nats; linear inside, so that zeros have one-sided derivatives."""
    _, total_B, top_B = _weighed(prior_C, mass_CxB, exponent_CxB)
    return safe_log(total_B) + jnp.where(total_B > 0, top_B, 0).astype(total_B.dtype) * LOG_2


def _weighed(prior_C, mass_CxB, exponent_CxB):
    """prior_c 2^(exponent_c - top), its sum against the masses, and top, the exponent of the leading concept."""
    live_CxB = (prior_C[:, None] > 0) & (mass_CxB > 0)
    _, size_CxB = jnp.frexp(jax.lax.stop_gradient(jnp.where(live_CxB, mass_CxB, 0.5)))
    scale_CxB = exponent_CxB.astype(int)
    top_B = jnp.where(live_CxB, scale_CxB + size_CxB, jnp.iinfo(scale_CxB.dtype).min).max(-2)
    some_B = live_CxB.any(-2)[..., None, :]
    most = jnp.finfo(mass_CxB.dtype).maxexp - 24  # of concepts that do not count: their derivatives stay finite
    shift_CxB = jnp.minimum(jnp.where(some_B, scale_CxB - top_B[..., None, :], 0), most)
    weight_CxB = jnp.where(some_B, prior_C[:, None] * jnp.ldexp(jnp.ones_like(mass_CxB), shift_CxB), 0.0)
    return weight_CxB, (weight_CxB * mass_CxB).sum(-2), top_B


def _before(tokens_TxB, virtual):
    """The token before each, the virtual one before the first."""
    first = jnp.full((1, tokens_TxB.shape[1]), virtual, tokens_TxB.dtype)
    return jnp.concatenate([first, tokens_TxB])[: len(tokens_TxB)]


def _tokens_between(least: jax.Array) -> jax.Array:
    """How many tokens may pass between two rescalings: their smallest product takes two fifths of the range."""
    bits = -0.4 * math.log2(floor_of(least.dtype))
    return jnp.clip(jnp.floor(bits / -jnp.log2(jnp.minimum(least, 0.5))), 1, LONGEST_RUN).astype(int)


def _rescale(belief, exponent, smallest):
    """Bring each sum into [1/2, 1) by a power of two, which is split off; exact at zero. Watches the entries.

    A concept that is dead keeps pace with the others, so that its derivatives do too.
    """
    mass = jax.lax.stop_gradient(belief.sum(-1))
    _, shift = jnp.frexp(jnp.where(mass > 0, mass, 0.5))
    pace = jnp.where(mass > 0, shift, jnp.iinfo(shift.dtype).min).max(0)
    shift = jnp.where(mass > 0, shift, jnp.where((mass > 0).any(0), pace, 0))
    belief = belief * jnp.ldexp(jnp.ones_like(mass), -shift)[..., None]
    positive = jnp.where(belief > 0, jax.lax.stop_gradient(belief), 1.0)
    return belief, exponent + shift.astype(exponent.dtype), jnp.minimum(smallest, positive.min(-1))


def _alive(prior, belief_CxBxK):
    return ((jnp.asarray(prior) > 0)[:, None] & (belief_CxBxK > 0).any(-1)).any(0)


def safe_log(x: Array) -> jax.Array:
    """log x with log 0 = -inf and, since none exists, gradient 0 there (not nan)."""
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


def derivatives_may_drift(mixture: MixtureOfHMMs, length: int) -> jax.Array:
    """Whether derivatives at zeros may leave float64's range along a document, so that one scale a concept will not do.

    Only what is cut off can drift: where a kernel leads from every state to every other, a state without belief has it
    back before long. And a document must be long enough for its smallest products to make up nine tenths of the range.
    """
    step = (jnp.asarray(mixture.transition) > 0).astype(jnp.float32)
    for _ in range(max(1, (step.shape[-1] - 1).bit_length())):
        step = jnp.minimum(step + step @ step, 1.0)
    least = smallest_entries(mixture)
    return ~(step > 0).all() & (-length * jnp.log2(least.min()) > 0.9 * jnp.finfo(least.dtype).maxexp)


def smallest_entries(mixture: MixtureOfHMMs) -> jax.Array:
    """(C,) product of the smallest positive kernel (or start-law) and emission entry of each concept."""

    def smallest(x):
        x = jax.lax.stop_gradient(jnp.asarray(x)).reshape(x.shape[0], -1)
        return jnp.where(x > 0, x, 1.0).min(-1)

    emission = jnp.asarray(mixture.emissions)
    return jnp.minimum(smallest(mixture.transition), smallest(mixture.initial)) * smallest(emission)
