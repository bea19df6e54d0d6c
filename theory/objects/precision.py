"""Double precision for the caller's call only, without touching JAX's global settings."""

import functools
from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np

F = TypeVar("F", bound=Callable[..., object])


def is_traced(tree: object) -> bool:
    """True if any leaf is a JAX tracer, that is, the caller is inside jit, grad or vmap.

    Returns:
        False for a tree without leaves.
    """
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def in_float64(function: F) -> F:
    """Run a pure JAX function in float64 whatever the caller's ``jax_enable_x64`` is.

    Three cases, so that nothing is down-cast in silence and no global setting changes:

    - ``jax_enable_x64`` is on: the function runs as it is and returns JAX arrays;
    - it is off and the arguments are concrete: the function runs inside a local
      ``jax.enable_x64(True)`` and its arrays come back as NumPy float64 (a float64 JAX array
      would be cut to float32 by the next operation outside that block);
    - it is off and an argument is traced: the caller's own transformation decides the
      precision, so the function runs in the tracers' dtype. Wrap the outer call in
      ``with jax.enable_x64(True):`` for float64.

    Returns:
        A function of the same signature.
    """

    @functools.wraps(function)
    def wrapped(*args: object, **kwargs: object) -> object:
        if jax.dtypes.canonicalize_dtype(np.float64) == np.float64 or is_traced((args, kwargs)):
            return function(*args, **kwargs)
        with jax.enable_x64(True):
            out = function(*args, **kwargs)
        return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, out)

    return wrapped  # type: ignore[return-value]
