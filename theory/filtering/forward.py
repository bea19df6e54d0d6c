"""The scan that both scaled recursions share: beliefs carried along the tokens, and what is read off them. Pure JAX."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from implicit_bayes.theory.filtering.bounded import bounded
from implicit_bayes.theory.filtering.scales import (
    LOG_2,
    floor_of,
    log_total,
    rescale,
    safe_log,
    shares,
    smallest_entries,
    tokens_between,
)


class Trace(NamedTuple):
    """What a scaled recursion over (B, T) tokens leaves behind, at P chosen prefix lengths.

    Attributes:
        log_evidence_PxBxC: log p(o_1..o_t | c), nats, -inf where impossible.
        log_probability_PxB: log sum_c prior_c p(o_1..o_t | c), nats, differentiable where a prior or an evidence is
            0.
        predictive_PxKxBxV: p(o_{t+1} | o_1..o_t, c), zero rows where the prefix is impossible under c (K = C); or
            mixed, p(o_{t+1} | o_1..o_t), zero rows where it is impossible under every concept of positive prior (K
            = 1).
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


def run(mixture, step, heads, tokens_TxB, slots, n_slots, record, mixed, spread=lambda belief, _: belief) -> Trace:
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
    every = tokens_between(least_C.min())
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
        state = jax.lax.cond(now, rescale, lambda *unchanged: unchanged, belief, exponent, smallest)
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
            belief, _, _ = rescale(step(carry, *inputs), zeros, zeros)
            return belief, _alive(mixture.prior, belief)

        _, living = jax.lax.scan(one, heads[-1], scanned)
        before = _alive(mixture.prior, heads[-1]) & (begin > 0)
        return living.sum(0, dtype=jnp.int32) + before

    possible = jax.lax.cond(alive.all(), lambda: jnp.full(batch, length, jnp.int32), count)
    total = log_total(jnp.asarray(mixture.prior), mass, exponent)
    return Trace(evidence, total, predictive, doubtful, possible)


def _before(tokens_TxB, virtual):
    """The token before each, the virtual one before the first."""
    first = jnp.full((1, tokens_TxB.shape[1]), virtual, tokens_TxB.dtype)
    return jnp.concatenate([first, tokens_TxB])[: len(tokens_TxB)]


def _alive(prior, belief_CxBxK):
    return ((jnp.asarray(prior) > 0)[:, None] & (belief_CxBxK > 0).any(-1)).any(0)
