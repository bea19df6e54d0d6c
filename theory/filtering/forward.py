"""The scan that both scaled recursions share: beliefs carried along the tokens, and what is read off them. Pure JAX."""

from collections.abc import Callable
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
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array


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


Step = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""(belief (C, B, K), token before (B,), token (B,)) to the belief after the token."""

Spread = Callable[[jax.Array, jax.Array], jax.Array]
"""(belief (C, B, K), token just seen (B,)) to the belief over all states (C, B, H)."""


class Recursion(NamedTuple):
    """How a belief goes along a document.

    Attributes:
        step: one token.
        heads: the beliefs after 0, 1, .. tokens, from the last of which ``step`` goes on.
        spread: a belief as one over the states.
    """

    step: Step
    heads: list[jax.Array]
    spread: Spread


class Asked(NamedTuple):
    """What is reported of a document.

    Attributes:
        slots: (T + 1,) where to record prefix length t; ``n_slots`` means nowhere. Read if ``record`` is ``some``.
        n_slots: P.
        record: which prefix lengths.
        mixed: whether predictives are weighed by the posterior and added up.
    """

    slots: Array
    n_slots: int
    record: Record
    mixed: bool


class _Reader(NamedTuple):
    """Reads predictives off beliefs; mixed, they are weighed there too: C times less is written."""

    prior_C: jax.Array
    following_CxHxV: jax.Array
    spread: Spread
    mixed: bool

    def predict(self, joint_CxBxV: jax.Array, mass_CxB: jax.Array, exponent_CxB: jax.Array) -> jax.Array:
        """From p(o_1..o_t, o_{t+1} | c) to the predictives (K, B, V)."""
        if self.mixed:
            share_CxB = shares(self.prior_C, mass_CxB, exponent_CxB)
            return (share_CxB[..., None] * joint_CxBxV).sum(0, keepdims=True)
        return joint_CxBxV / jnp.where(mass_CxB > 0, mass_CxB, 1.0)[..., None]

    def read(self, belief: jax.Array, last_B: jax.Array, exponent_CxB: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Predictives and masses."""
        joint_CxBxV = jnp.einsum("cbh,chv->cbv", self.spread(belief, last_B), self.following_CxHxV)
        mass_CxB = belief.sum(-1)
        return self.predict(joint_CxBxV, mass_CxB, exponent_CxB), mass_CxB


class _Carry(NamedTuple):
    """Between two tokens: belief, powers of two split off, smallest entries seen at a rescaling, what is recorded."""

    belief: jax.Array
    exponent: jax.Array
    smallest: jax.Array
    buffers: tuple[jax.Array, ...]


def run(mixture: MixtureOfHMMs, recursion: Recursion, tokens_TxB: jax.Array, asked: Asked) -> Trace:
    """Carry beliefs along the documents.

    Where every prefix is asked for, predictives are read off in the scan, while the belief is in the cache; else from
    what is recorded.

    Args:
        mixture: the mixture.
        recursion: dense or sparse.
        tokens_TxB: int tokens, time first.
        asked: what is reported.

    Returns:
        Trace at the recorded prefix lengths, concepts and documents as its fields say; evidence and log p in nats.
    """
    length, batch = tokens_TxB.shape
    heads = [bounded(head) for head in recursion.heads]
    begin, dtype = len(heads) - 1, heads[-1].dtype
    prior, emissions, least_C = jnp.asarray(mixture.prior), jnp.asarray(mixture.emissions), smallest_entries(mixture)
    following = jnp.einsum("chg,cgv->chv", mixture.transition, emissions)
    at_start = jnp.einsum("ch,chv->cv", mixture.initial, emissions)[:, None]
    at_start = jnp.broadcast_to(at_start, (len(at_start), batch, mixture.n_tokens))
    every = tokens_between(least_C.min())
    scanned = (tokens_TxB[begin - 1 : -1] if begin else _before(tokens_TxB, mixture.n_tokens), tokens_TxB[begin:])
    due = jnp.arange(begin + 1, length + 1) % every == 0
    zeros = jnp.zeros(heads[-1].shape[:2], dtype)
    reader = _Reader(prior, following, recursion.spread, asked.mixed)
    first = reader.predict(at_start, zeros + 1.0, zeros)
    last, each = _scan(recursion.step, heads, (*scanned, due), asked, reader)
    if asked.record == "all":
        heads_read = [(first, zeros + 1.0, zeros)]
        heads_read += [(*reader.read(x, tokens_TxB[0], zeros), zeros) for x in heads[1:]]
        assert each is not None
        early = [jnp.stack(parts) for parts in zip(*heads_read, strict=True)]
        predictive, mass, exponent = (jnp.concatenate(both) for both in zip(early, each, strict=True))
    else:
        predictive, mass, exponent = _recorded(last, tokens_TxB, asked, reader, first)
    evidence = (safe_log(mass) + exponent * LOG_2).swapaxes(1, 2)
    doubtful = (last.smallest * least_C[:, None] ** every < floor_of(dtype)).any(0)
    possible = jax.lax.cond(
        _alive(prior, last.belief).all(),
        lambda: jnp.full(batch, length, jnp.int32),
        lambda: _count_possible(recursion.step, prior, heads[-1], scanned, begin),
    )
    return Trace(evidence, log_total(prior, mass, exponent), predictive, doubtful, possible)


def _scan(
    step: Step,
    heads: list[jax.Array],
    scanned: tuple[jax.Array, jax.Array, jax.Array],
    asked: Asked,
    reader: _Reader,
) -> tuple[_Carry, tuple[jax.Array, ...] | None]:
    """Along (token before, token, whether to rescale after it): the last carry, and predictives, masses and exponents
    after every token if all are asked for."""
    begin, belief = len(heads) - 1, heads[-1]
    zeros, slots = jnp.zeros(belief.shape[:2], belief.dtype), jnp.asarray(asked.slots)
    buffers: tuple[jax.Array, ...] = ()
    if asked.record == "some":
        buffers = tuple(jnp.zeros((asked.n_slots + 1, *x.shape), belief.dtype) for x in (belief, zeros))
        for t, head in enumerate(heads):
            buffers = tuple(x.at[slots[t]].set(entry) for x, entry in zip(buffers, (head, zeros), strict=True))

    def body(carry: _Carry, inputs: tuple[jax.Array, ...]) -> tuple[_Carry, tuple[jax.Array, ...] | None]:
        previous_B, token_B, now, slot = inputs
        belief = bounded(step(carry.belief, previous_B, token_B))
        state = jax.lax.cond(now, rescale, lambda *unchanged: unchanged, belief, carry.exponent, carry.smallest)
        buffers = carry.buffers
        if buffers:
            pairs = zip(buffers, state[:2], strict=True)
            buffers = tuple(jax.lax.dynamic_update_index_in_dim(x, entry, slot, 0) for x, entry in pairs)
        read = (*reader.read(state[0], token_B, state[1]), state[1]) if asked.record == "all" else None
        return _Carry(state[0], state[1], state[2], buffers), read

    return jax.lax.scan(body, _Carry(belief, zeros, zeros + 1.0, buffers), (*scanned, slots[begin + 1 :]))


def _recorded(
    last: _Carry, tokens_TxB: jax.Array, asked: Asked, reader: _Reader, first: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Predictives, masses and exponents at the prefix lengths with a slot, or at T alone."""
    length, batch = tokens_TxB.shape
    if asked.record == "last":
        belief, exponent, at_P = last.belief[None], last.exponent[None], jnp.full(1, length)
    else:
        belief, exponent = (x[: asked.n_slots] for x in last.buffers)
        at_P = jnp.zeros(asked.n_slots + 1, int).at[asked.slots].set(jnp.arange(length + 1))[: asked.n_slots]
    last_PxB = jnp.concatenate([jnp.zeros((1, batch), tokens_TxB.dtype), tokens_TxB])[at_P]
    predictive, mass = jax.lax.map(lambda each: reader.read(*each), (belief, last_PxB, exponent))
    begins = (at_P == 0)[:, None, None]
    return jnp.where(begins[..., None], first, predictive), jnp.where(begins, 1.0, mass), exponent


def _count_possible(
    step: Step, prior: jax.Array, head: jax.Array, scanned: tuple[jax.Array, jax.Array], begin: int
) -> jax.Array:
    """(B,) leading tokens after which some concept of positive prior is still possible: the scan once more."""
    zeros = jnp.zeros(head.shape[:2], head.dtype)

    def one(carry: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        belief, _, _ = rescale(step(carry, *inputs), zeros, zeros)
        return belief, _alive(prior, belief)

    _, living = jax.lax.scan(one, head, scanned)
    return living.sum(0, dtype=jnp.int32) + (_alive(prior, head) & (begin > 0))


def _before(tokens_TxB: jax.Array, virtual: int) -> jax.Array:
    """The token before each, the virtual one before the first."""
    first = jnp.full((1, tokens_TxB.shape[1]), virtual, tokens_TxB.dtype)
    return jnp.concatenate([first, tokens_TxB])[: len(tokens_TxB)]


def _alive(prior: jax.Array, belief_CxBxK: jax.Array) -> jax.Array:
    return ((prior > 0)[:, None] & (belief_CxBxK > 0).any(-1)).any(0)
