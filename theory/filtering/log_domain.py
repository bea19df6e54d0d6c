"""The forward recursion in logarithms: immune to underflow inside a concept, and far slower. Pure JAX, no checks here.

``theory.filtering.filter`` turns to it for documents that scaled arithmetic cannot be trusted with, and so does
``theory.filtering.streaming``.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from implicit_bayes.theory.filtering.bounded import bounded
from implicit_bayes.theory.filtering.forward import Trace
from implicit_bayes.theory.filtering.scales import LOG_2, log_sum_exp, log_total, safe_log, shares
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array


class _Floating(NamedTuple):
    """Numbers mantissa 2^exponent, entry by entry, with mantissas in [1/2, 1) or exactly 0.

    Attributes:
        virtual: the mantissa, or where it is 0 a number in [1/2, 1) that stands for what would be there: the
            derivative of a zero is measured on the scale virtual 2^exponent, so that it neither overflows nor
            vanishes on the way.
    """

    mantissa: jax.Array
    exponent: jax.Array
    virtual: jax.Array


def _float(x: Array) -> _Floating:
    """Split an array; a zero is measured on the scale of one. Linear in x."""
    x = jnp.asarray(x)
    return _settle(x, jnp.zeros(x.shape, int), jnp.where(x > 0, x, 1.0))


def _settle(mantissa: jax.Array, exponent: jax.Array, virtual: jax.Array) -> _Floating:
    """Virtual mantissas back into [1/2, 1), the true ones by the same power of two."""
    virtual = jax.lax.stop_gradient(virtual)
    virtual, shift = jnp.frexp(virtual)
    return _Floating(bounded(mantissa) * _power(-shift, mantissa.dtype), exponent + shift, virtual)


def _power(exponent: jax.Array, dtype: DTypeLike) -> jax.Array:
    """2^exponent, cut where only the scale of a zero can be."""
    return jnp.ldexp(jnp.ones(exponent.shape, dtype), jnp.minimum(exponent, jnp.finfo(dtype).maxexp - 24))


def _sum(
    mantissa: jax.Array, exponent: jax.Array, virtual: jax.Array, likely: jax.Array | bool, axis: int
) -> _Floating:
    """Sum along an axis, on the scale of its largest positive entry; where there is none, of its largest virtual one,
    among those that are ``likely`` if there are any."""
    lowest = jnp.iinfo(exponent.dtype).min // 2
    live = mantissa > 0
    some = live.any(axis, keepdims=True)
    counts = jnp.where(some, live, likely)
    counts = jnp.where(counts.any(axis, keepdims=True), counts, True)
    top = jnp.where(counts, exponent, lowest).max(axis, keepdims=True)
    power = _power(exponent - top, mantissa.dtype)
    standing = jnp.where(counts, virtual * power, 0.0).sum(axis)
    return _settle((bounded(mantissa) * power).sum(axis), jnp.squeeze(top, axis), standing)


def log_trace(mixture: MixtureOfHMMs, tokens_TxB: Array, slots: Array, n_slots: int, mixed: bool) -> Trace:
    """The forward recursion with an exponent for every state: immune to underflow inside a concept, and far slower.

    The belief stays linear in every array of the mixture, so that differentiation gives the one-sided derivatives at
    zeros; a state that cannot be reached is carried along virtually, which sets the scale of its derivative.

    Args:
        mixture: the pretraining law, traced or not.
        tokens_TxB: checked tokens, time first.
        slots, n_slots, mixed: what is recorded, see ``forward.Asked``.

    Returns:
        Trace, as of ``theory.filtering.scaled.dense_trace``; no document in it is doubtful.
    """
    kernel, emission, initial = (_float(x) for x in (mixture.transition, mixture.emissions, mixture.initial))
    whole, prior = jnp.asarray(mixture.emissions), jnp.asarray(mixture.prior)
    allowed = jnp.asarray(mixture.transition) > 0

    def hear(ahead: _Floating, token: Array) -> _Floating:
        here = _Floating(*(part[:, :, token] for part in emission))
        exponent = ahead.exponent + here.exponent
        return _settle(ahead.mantissa * here.mantissa, exponent, ahead.virtual * here.virtual)

    def go_on(joint: _Floating) -> _Floating:
        from_here = _Floating(*(part[..., None] for part in joint))
        exponent = from_here.exponent + kernel.exponent
        virtual = from_here.virtual * kernel.virtual
        return _sum(from_here.mantissa * kernel.mantissa, exponent, virtual, allowed, -2)

    def one_document(tokens_T: Array) -> tuple[jax.Array, ...]:
        def note(mass_C: _Floating, ahead_CxH: _Floating) -> tuple[jax.Array, ...]:
            scale = ahead_CxH.exponent - mass_C.exponent[:, None]
            linear = bounded(ahead_CxH.mantissa) * _power(scale, ahead_CxH.mantissa.dtype)
            return linear, mass_C.mantissa, mass_C.exponent

        def body(
            carry: tuple[_Floating, jax.Array, tuple[jax.Array, ...]], scanned: tuple[Array, Array]
        ) -> tuple[tuple[_Floating, jax.Array, tuple[jax.Array, ...]], None]:
            ahead, possible, buffers = carry
            token, slot = scanned
            joint = hear(ahead, token)
            mass, ahead = _sum(*joint, True, -1), go_on(joint)
            possible += ((prior > 0) & (mass.mantissa > 0)).any()
            return (ahead, possible, _record(buffers, slot, note(mass, ahead))), None

        first = note(_float(jnp.ones(prior.shape, prior.dtype)), initial)
        buffers = tuple(jnp.zeros((n_slots + 1, *x.shape), x.dtype) for x in first)
        carry = (initial, jnp.zeros((), jnp.int32), _record(buffers, slots[0], first))
        (_, possible, buffers), _ = jax.lax.scan(body, carry, (tokens_T, slots[1:]))
        return *(buffer[:n_slots] for buffer in buffers), possible

    ahead, mass, exponent, possible = jax.lax.map(one_document, tokens_TxB.T)
    mass, exponent = (x.transpose(1, 2, 0) for x in (mass, exponent))  # (P, C, B)
    joint = jnp.einsum("bpch,chv->pcbv", ahead, whole)
    if mixed:
        predictive = (shares(prior, mass, exponent)[..., None] * joint).sum(1, keepdims=True)
    else:
        predictive = joint / jnp.where(mass > 0, mass, 1.0)[..., None]
    evidence = (safe_log(mass) + exponent * LOG_2).swapaxes(1, 2)
    doubtful = jnp.zeros(possible.shape, bool)
    return Trace(evidence, log_total(prior, mass, exponent), predictive, doubtful, possible)


def _record(buffers: tuple[jax.Array, ...], slot: Array, entries: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    return tuple(
        jax.lax.dynamic_update_index_in_dim(buffer, entry, slot, 0)
        for buffer, entry in zip(buffers, entries, strict=True)
    )


def _alive(prior: Array, log_evidence_BxC: jax.Array) -> jax.Array:
    return ((jnp.asarray(prior) > 0) & (log_evidence_BxC > -jnp.inf)).any(-1)


@jax.jit
def log_steps(mixture: MixtureOfHMMs, tokens_BxT: Array, ahead_BxCxH: jax.Array) -> tuple[jax.Array, ...]:
    """The log-domain recursion from a carried state log p(past, next state | c), recorded after every token.

    Args:
        mixture: the pretraining law.
        tokens_BxT: the next tokens.
        ahead_BxCxH: the state carried; before the first token the logarithm of the start laws.

    Returns:
        (B, T, C) log-evidence of the whole past, (B, T, C, V) predictives, the state to carry on, and (B, T) whether
        a concept of positive prior is still possible.
    """
    log_transition, log_emission = safe_log(mixture.transition), safe_log(jnp.asarray(mixture.emissions))

    def step(ahead: jax.Array, token_B: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        joint = ahead + jnp.take(log_emission, token_B, axis=2).transpose(2, 0, 1)
        evidence = log_sum_exp(joint, -1)
        ahead = jax.lax.map(lambda one: log_sum_exp(one[..., :, None] + log_transition, -2), joint)
        belief = ahead - jnp.where(evidence > -jnp.inf, evidence, 0.0)[..., None]
        predictive = jnp.exp(jax.lax.map(lambda one: log_sum_exp(one[..., None] + log_emission, -2), belief))
        return ahead, (evidence, predictive, _alive(mixture.prior, evidence))

    ahead, rest = jax.lax.scan(step, ahead_BxCxH, jnp.asarray(tokens_BxT).T)
    evidence, predictive, alive = (x.swapaxes(0, 1) for x in rest)
    return evidence, predictive, ahead, alive
