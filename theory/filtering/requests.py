"""What a filter is asked: tokens of the vocabulary, and prefix lengths that exist."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.types import Array, Numbers


def check_tokens(tokens: Numbers, n_tokens: int) -> Array:
    """Integer tokens with at least one axis, all in 0..V-1 (values of tracers are not checked).

    Args:
        tokens: what a user brought.
        n_tokens: V.

    Returns:
        The same as an array of integers.

    Raises:
        ModelError: no axis, no integers, or a token outside the vocabulary.
    """
    tokens = tokens if isinstance(tokens, jax.core.Tracer) else np.asarray(tokens)
    if tokens.ndim == 0:
        raise ModelError("tokens: a single number; expected an array (..., T)")
    if tokens.size == 0 and not isinstance(tokens, jax.core.Tracer):
        tokens = tokens.astype(np.int32)
    if not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise ModelError(f"tokens: expected integers, got dtype {tokens.dtype}")
    if not isinstance(tokens, jax.core.Tracer) and tokens.size:
        for worst in (int(tokens.min()), int(tokens.max())):
            if not 0 <= worst < n_tokens:
                raise ModelError(f"tokens: {worst} is outside the vocabulary 0..{n_tokens - 1}")
    checked: Array = tokens.astype(np.int32)
    return checked


def check_positions(positions: Sequence[int], length: int) -> np.ndarray:
    """Distinct prefix lengths in 0..T.

    Args:
        positions: what a user asked for.
        length: T.

    Returns:
        (P,) int64, in the order given.

    Raises:
        ModelError: outside 0..T, or the same one twice.
    """
    wanted = np.asarray(positions, dtype=np.int64).reshape(-1)
    if wanted.size and (wanted.min() < 0 or wanted.max() > length):
        raise ModelError(f"positions: {wanted.min()}..{wanted.max()} leave 0..{length}")
    if np.unique(wanted).size != wanted.size:
        raise ModelError("positions: a prefix length is asked for twice")
    return wanted
