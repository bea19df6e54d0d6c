"""Causal attention, over everything before or over a window, with rotary positions.

    out_t = sum_{s <= t} softmax_s( q_t · k_s / sqrt(E) ) v_s          (full)
    the same over max(0, t - w + 1) <= s <= t                          (window w)

Full attention is computed in blocks of queries, each against the keys up to its end. The window is computed in blocks
of w queries, each against its own block of keys and the one before: 2w scores a query instead of T.

Source: Vaswani et al. 2017; rotary positions Su et al. 2021; blocks as in Roy et al. 2021 (local attention).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from implicit_bayes.lm.layers import drop, split

BASE = 1000.0
"""Wave lengths of the rotary positions run from 2 pi to 2 pi BASE tokens."""
NEVER = -1e9
"""Added to the score of a key that may not be seen: its weight is then exactly 0 in float32 and in bfloat16."""

QUERIES = 256
"""Queries of full attention that are answered together: a block needs no scores of the keys after its last query, which
in a long document is nearly half of them all."""

Heads = Float[Array, "B T 3 H E"]


def rotate(x_BxTxE: Float[Array, "B T E"]) -> Float[Array, "B T E"]:
    """Turn the pairs (x_e, x_{e + E/2}) of position t by t / BASE^(2e / E): products then depend on t - s only.

    Returns:
        The turned vectors, in the type of x; norms are kept.
    """
    length, half = x_BxTxE.shape[1], x_BxTxE.shape[2] // 2
    angle_TxF = jnp.arange(length)[:, None] * BASE ** (-jnp.arange(half) / half)
    cos_TxE, sin_TxE = jnp.tile(jnp.cos(angle_TxF), 2), jnp.tile(jnp.sin(angle_TxF), 2)
    first, second = x_BxTxE[..., :half], x_BxTxE[..., half:]
    turned = jnp.concatenate([-second, first], axis=-1)
    return (x_BxTxE * cos_TxE + turned * sin_TxE).astype(x_BxTxE.dtype)


def attend(
    qkv: Heads, window: int | None, rotary: bool, rate: float = 0.0, key: PRNGKeyArray | None = None
) -> Float[Array, "N D"]:
    """Causal attention of every head.

    Args:
        qkv: (B, T, 3, H, E) queries, keys and values of H heads; T is a multiple of the window.
        window: w, or None for all tokens before.
        rotary: whether positions turn queries and keys.
        rate, key: dropout on the attention weights.

    Returns:
        (B T, H E) rows, the heads side by side.
    """
    batch, length, _, heads, size = qkv.shape
    q, k, v = qkv.transpose(2, 0, 3, 1, 4).reshape(3, batch * heads, length, size)
    if rotary:
        q, k = rotate(q), rotate(k)
    q = q * size**-0.5
    y = _full(q, k, v, rate, key) if window is None else _blocks(q, k, v, window, rate, key)
    return y.reshape(batch, heads, length, size).transpose(0, 2, 1, 3).reshape(batch * length, heads * size)


def _full(q: Array, k: Array, v: Array, rate: float, key: PRNGKeyArray | None) -> Array:
    length = q.shape[1]
    begins = range(0, length, QUERIES)
    keys = [key] if length <= QUERIES else split(key, len(begins))
    parts = []
    for begin, each in zip(begins, keys, strict=True):
        end = min(begin + QUERIES, length)
        score = _score(q[:, begin:end], k[:, :end])
        unseen = jnp.where(jnp.tri(end - begin, end, begin, dtype=bool), 0.0, NEVER)
        parts.append(_weigh(score + unseen, v[:, :end], rate, each))
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=1)


def _blocks(q: Array, k: Array, v: Array, window: int, rate: float, key: PRNGKeyArray | None) -> Array:
    rows, length, size = q.shape
    blocks = length // window

    def with_previous(x: Array) -> Array:
        before = jnp.concatenate([jnp.zeros_like(x[:, :window]), x[:, :-window]], axis=1)
        pair = [x.reshape(-1, window, size) for x in (before, x)]
        return jnp.concatenate(pair, axis=1)

    score = _score(q.reshape(-1, window, size), with_previous(k))
    i, j = jnp.arange(window)[:, None], jnp.arange(2 * window)[None]  # key j is i + w - j tokens before query i
    seen = ((j > i) & (j <= i + window)) & ((jnp.arange(blocks)[:, None, None] > 0) | (j >= window))
    score = score.reshape(rows, blocks, window, 2 * window) + jnp.where(seen, 0.0, NEVER)
    return _weigh(score.reshape(-1, window, 2 * window), with_previous(v), rate, key)


def _score(q: Array, k: Array) -> Array:
    """Products of queries and keys, (rows, queries, keys) float32: in bfloat16 a score of 20 would be off by up to a
    sixteenth, and so would its weight."""
    return jax.lax.dot_general(q, k, (((2,), (2,)), ((0,), (0,))), preferred_element_type=jnp.float32)


def _weigh(score: Array, v: Array, rate: float, key: PRNGKeyArray | None) -> Array:
    weight = jax.nn.softmax(score, axis=-1).astype(v.dtype)
    return jax.lax.dot_general(drop(weight, rate, key), v, (((2,), (1,)), ((0,), (0,))))
