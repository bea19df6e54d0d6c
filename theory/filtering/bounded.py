"""Derivatives that stay finite: what differentiation carries through a recursion is cut at 1e300.

A state that cannot be reached has a belief of exactly 0, and yet log p has a one-sided derivative in that belief,
p(rest | state) / p(rest), which can grow without bound along a document. Once it is infinite, 0 * inf = nan spreads to
derivatives that are small and right. Cut at a large finite number it stays with the entries that it belongs to.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from numpy.typing import DTypeLike


def largest_derivative(dtype: DTypeLike) -> float:
    """Where derivatives are cut: far below the largest number, so that sums of products stay finite.

    Returns:
        1e300 for float64 (and wider), 1e30 for narrower types.
    """
    return 1e300 if jnp.finfo(dtype).bits >= 64 else 1e30


def _cut(x: jax.Array) -> jax.Array:
    limit = largest_derivative(x.dtype)
    return jnp.clip(x, -limit, limit)


_cut_p = Primitive("cut_derivative")
"""Cuts what flows forward (tangents), and when transposed what flows backward (cotangents): linear but for the cut."""
_cut_p.def_impl(_cut)
_cut_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(_cut_p, mlir.lower_fun(_cut, multiple_results=False))
ad.deflinear2(_cut_p, lambda cotangent, _: [_cut_p.bind(ad.instantiate_zeros(cotangent))])
batching.defvectorized(_cut_p)


@jax.custom_jvp
def bounded(x: jax.Array) -> jax.Array:
    """x itself; derivatives through it, of any order and in either direction, are cut at ``largest_derivative``.

    Returns:
        x, bit for bit.
    """
    return x


@bounded.defjvp
def _bounded_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    return bounded(primals[0]), _cut_p.bind(tangents[0])


def unless(condition: jax.Array, found: Callable[[], tuple[jax.Array, ...]]) -> tuple[jax.Array, ...]:
    """What ``found`` computes, or where the condition holds a first array of True and others of zeros.

    By a branch: what is computed and then thrown away by ``jnp.where`` still has second derivatives of 0 * inf = nan.

    Args:
        condition: decided at run time.
        found: computes a first array of booleans and others.

    Returns:
        Arrays of the shapes and dtypes that ``found`` has, traceable.
    """

    def nothing() -> tuple[jax.Array, ...]:
        return tuple(jnp.full(x.shape, i == 0, x.dtype) for i, x in enumerate(jax.eval_shape(found)))

    chosen: tuple[jax.Array, ...] = jax.lax.cond(condition, nothing, found)
    return chosen
