"""Attention against JAX's own, and the window against the same thing with a mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.lm.attention import attend, rotate


def _qkv(length, batch=2, heads=2, size=4, seed=0):
    return jax.random.normal(jax.random.key(seed), (batch, length, 3, heads, size))


def _reference(qkv, window):
    local = None if window is None else (window - 1, 0)
    q, k, v = (qkv[:, :, i] for i in range(3))
    out = jax.nn.dot_product_attention(q, k, v, is_causal=True, local_window_size=local)
    return out.reshape(-1, out.shape[2] * out.shape[3])


@pytest.mark.parametrize(("length", "window"), [(1, None), (7, None), (4, 4), (8, 4), (24, 4), (6, 1)])
def test_attention_is_jaxs_own(length, window):
    qkv = _qkv(length)
    np.testing.assert_allclose(attend(qkv, window, rotary=False), _reference(qkv, window), atol=2e-6)


def test_blocks_of_queries_are_full_attention(monkeypatch):
    """Whole blocks and a last one that is shorter; gradients too, and weights are dropped in every block."""
    length = 11
    qkv, weight = _qkv(length), jnp.asarray(np.random.default_rng(3).normal(size=(2 * length, 8)), jnp.float32)
    ask = lambda qkv: jax.vjp(lambda qkv: attend(qkv, None, True), qkv)  # noqa: E731
    whole = jax.jit(lambda qkv: (ask(qkv)[0], ask(qkv)[1](weight)[0]))(qkv)
    monkeypatch.setattr("implicit_bayes.lm.attention.QUERIES", 4)
    blocks = jax.jit(lambda qkv: (ask(qkv)[0], ask(qkv)[1](weight)[0]))(qkv)  # another function: compiled anew
    for found, expected in zip(blocks, whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    same = jnp.zeros((1, length, 3, 1, 64)).at[:, :, 2].set(jnp.eye(64)[:length, None])
    dropped = np.asarray(jax.jit(lambda qkv: attend(qkv, None, False, 0.5, jax.random.key(0)))(same))
    kept = dropped[:, :length] * np.arange(1, length + 1)[:, None]  # weights were equal before: 0 or twice as much now
    for rows in (kept[1:4], kept[4:8]):
        assert {0, 2} == set(rows.round(5).reshape(-1).tolist())


@given(blocks=st.integers(1, 4), window=st.sampled_from([1, 2, 4, 8]), rotary=st.booleans(), seed=st.integers(0, 99))
def test_a_window_as_long_as_the_document_is_full_attention(blocks, window, rotary, seed):
    qkv = _qkv(blocks * window, seed=seed)
    full, windowed = attend(qkv, None, rotary), attend(qkv, blocks * window, rotary)
    np.testing.assert_allclose(windowed, full, atol=3e-6)


@pytest.mark.parametrize("window", [4, None])
def test_only_the_window_has_a_gradient_and_nothing_after_has(window):
    """Exactly zero, not small: no weight leaks to a key outside."""
    length, at = 12, 9
    gradient = jax.grad(lambda qkv: attend(qkv, window, True).reshape(1, length, -1)[0, at].sum())(_qkv(length, 1))
    reached = np.flatnonzero(np.abs(np.asarray(gradient[0, :, 1:])).sum((1, 2, 3)))
    first = 0 if window is None else at - window + 1
    np.testing.assert_array_equal(reached, np.arange(first, at + 1))


def test_rotated_products_depend_on_the_distance_only():
    x, y = jax.random.normal(jax.random.key(1), (2, 1, 1, 8))
    turned = [rotate(jnp.tile(each, (1, 20, 1)))[0] for each in (x, y)]
    products = np.asarray(turned[0] @ turned[1].T)
    for distance in (0, 1, 7):
        diagonal = np.diag(products, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-5)
    assert np.ptp([products[0, d] for d in range(10)]) > 0.1  # and do depend on that


def test_dropped_weights_are_made_up_for_on_average():
    """Mean over 4000 draws within 5 standard errors: false alarm below 1e-5 for 16 numbers."""
    qkv = _qkv(2, 1, 1, 8)
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = np.asarray(jax.vmap(lambda key: attend(qkv, None, False, 0.3, key))(keys))
    kept = np.asarray(attend(qkv, None, False))
    error = drawn.std(0) / np.sqrt(len(keys))
    assert drawn.std(0).max() > 0.05
    assert (np.abs(drawn.mean(0) - kept) < 5 * error + 1e-6).all()


def test_scores_are_kept_in_float32_where_all_else_is_bfloat16():
    """Scores of about 30: eight bits of them would move a weight by a sixteenth. What weights and values lose to eight
    bits themselves is 2^-8 each."""
    drawn = np.random.default_rng(0).normal(size=(2, 16, 3, 2, 16))
    for window in (None, 8):
        qkv = jnp.asarray(3.0 * drawn, jnp.bfloat16)  # 16^-1/2 is a power of two: queries are scaled without rounding
        full = attend(qkv.astype(jnp.float32), window, rotary=False)
        half = attend(qkv, window, rotary=False).astype(jnp.float32)
        assert float(jnp.abs(half - full).max()) < 3 * 2**-8 * float(jnp.abs(qkv[:, :, 2]).max())
