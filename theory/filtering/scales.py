"""Numbers on a scale of their own: mass times a power of two, kept for every document and concept. Pure JAX.

Scaling is exact, since it is by powers of two; what is added up over concepts is linear in the prior and in the
masses, so that zeros have their one-sided derivatives.
"""

import math

import jax
import jax.numpy as jnp
from numpy.typing import DTypeLike

from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array

LOG_2 = math.log(2.0)


FLOOR = 1e-290
"""Smallest product of filter, kernel and emission entries that scaled float64 arithmetic is trusted with."""


LONGEST_RUN = 16
"""Tokens between two rescalings, at most."""


def floor_of(dtype: DTypeLike) -> float:
    """The floor in the precision the trace runs in: below it (1e-30 in float32) products may vanish.

    Returns:
        1e-30 for types narrower than 64 bits, else ``FLOOR``.
    """
    return FLOOR if jnp.finfo(dtype).bits >= 64 else 1e-30


def shares(prior_C: jax.Array, mass_CxB: jax.Array, exponent_CxB: jax.Array) -> jax.Array:
    """What p(o_1..o_t, o_{t+1} | c) counts in p(o_{t+1} | o_1..o_t), both on the concept's own scale.

    prior_c 2^exponent_c / sum_c' prior_c' mass_c' 2^exponent_c', on the exponent of the leading concept. Linear in the
    prior, so that a concept of prior 0 has its one-sided derivative; 0 where no concept of positive prior is left.

    Args:
        prior_C: law of the concept.
        mass_CxB, exponent_CxB: p(o_1..o_t | c) as mass times two to the exponent.

    Returns:
        (C, B) float64.
    """
    weight_CxB, total_B, _ = _weighed(prior_C, mass_CxB, exponent_CxB)
    return weight_CxB / jnp.where(total_B > 0, total_B, 1.0)[..., None, :]


def log_total(prior_C: jax.Array, mass_CxB: jax.Array, exponent_CxB: jax.Array) -> jax.Array:
    """(..., B) log sum_c prior_c mass_c 2^exponent_c, nats; linear inside, so that zeros have one-sided derivatives.

    Args:
        prior_C: law of the concept.
        mass_CxB, exponent_CxB: p(o_1..o_t | c) as mass times two to the exponent.

    Returns:
        (..., B) nats; -inf where every concept's mass or prior is zero.
    """
    _, total_B, top_B = _weighed(prior_C, mass_CxB, exponent_CxB)
    return safe_log(total_B) + jnp.where(total_B > 0, top_B, 0).astype(total_B.dtype) * LOG_2


def _weighed(
    prior_C: jax.Array, mass_CxB: jax.Array, exponent_CxB: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
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


def tokens_between(least: jax.Array) -> jax.Array:
    """How many tokens may pass between two rescalings: their smallest product takes two fifths of the range.

    Args:
        least: (), the smallest factor by which one token may shrink a positive entry (``smallest_entries``).

    Returns:
        () integer between 1 and ``LONGEST_RUN``.
    """
    bits = -0.4 * math.log2(floor_of(least.dtype))
    return jnp.clip(jnp.floor(bits / -jnp.log2(jnp.minimum(least, 0.5))), 1, LONGEST_RUN).astype(int)


def rescale(belief: jax.Array, exponent: jax.Array, smallest: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Bring each sum into [1/2, 1) by a power of two, which is split off; exact at zero. Watches the entries.

    A concept that is dead keeps pace with the others, so that its derivatives do too.

    Args:
        belief: (C, B, H) p(prefix, state | c) on the scale so far.
        exponent: (C, B) the power of two split off so far.
        smallest: (C, B) the least positive entry that there has been.

    Returns:
        The three, brought up to date.
    """
    mass = jax.lax.stop_gradient(belief.sum(-1))
    _, shift = jnp.frexp(jnp.where(mass > 0, mass, 0.5))
    pace = jnp.where(mass > 0, shift, jnp.iinfo(shift.dtype).min).max(0)
    shift = jnp.where(mass > 0, shift, jnp.where((mass > 0).any(0), pace, 0))
    belief = belief * jnp.ldexp(jnp.ones_like(mass), -shift)[..., None]
    positive = jnp.where(belief > 0, jax.lax.stop_gradient(belief), 1.0)
    return belief, exponent + shift.astype(exponent.dtype), jnp.minimum(smallest, positive.min(-1))


def safe_log(x: Array) -> jax.Array:
    """log x with log 0 = -inf and, since none exists, gradient 0 there (not nan).

    Returns:
        An array of the shape of x, nats.
    """
    x = jnp.asarray(x)
    positive = x > 0
    return jnp.where(positive, jnp.log(jnp.where(positive, x, 1.0)), -jnp.inf)


def log_sum_exp(x: Array, axis: int) -> jax.Array:
    """log sum exp along an axis; -inf (with gradient 0) where every term is -inf.

    Args:
        x: logarithms.
        axis: summed over.

    Returns:
        The array without that axis, nats.
    """
    top = jax.lax.stop_gradient(x.max(axis, keepdims=True))
    finite = top > -jnp.inf
    shift = jnp.where(finite, top, 0.0)
    total = jnp.exp(x - shift).sum(axis)
    return safe_log(total) + jnp.squeeze(shift, axis)


def derivatives_may_drift(mixture: MixtureOfHMMs, length: int) -> jax.Array:
    """Whether derivatives at zeros may leave float64's range along a document, so that one scale a concept will not do.

    Only what is cut off can drift: where a kernel leads from every state to every other, a state without belief has it
    back before long. And a document must be long enough for its smallest products to make up nine tenths of the range.

    Args:
        mixture: whose kernels and smallest entries decide.
        length: T.

    Returns:
        () boolean, traceable.
    """
    step = (jnp.asarray(mixture.transition) > 0).astype(jnp.float32)
    for _ in range(max(1, (step.shape[-1] - 1).bit_length())):
        step = jnp.minimum(step + step @ step, 1.0)
    least = smallest_entries(mixture)
    drift: jax.Array = ~(step > 0).all() & (-length * jnp.log2(least.min()) > 0.9 * jnp.finfo(least.dtype).maxexp)
    return drift


def smallest_entries(mixture: MixtureOfHMMs) -> jax.Array:
    """(C,) product of the smallest positive kernel (or start-law) and emission entry of each concept.

    Returns:
        (C,) in the mixture's dtype, positive; no derivative goes through it.
    """

    def smallest(array: Array) -> jax.Array:
        x = jax.lax.stop_gradient(jnp.asarray(array)).reshape(array.shape[0], -1)
        return jnp.where(x > 0, x, 1.0).min(-1)

    emission = jnp.asarray(mixture.emissions)
    return jnp.minimum(smallest(mixture.transition), smallest(mixture.initial)) * smallest(emission)
