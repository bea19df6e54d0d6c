"""The LSTM's recurrence against its definition, differentiated by JAX, and against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.recurrence import recur


def _plain(gates_TxBx4H, weight_Hx4H, scale_TxBxH=None):
    """The definition, one Python step a token."""
    width = weight_Hx4H.shape[0]
    h = c = jnp.zeros((gates_TxBx4H.shape[1], width))
    out = []
    for t, x in enumerate(gates_TxBx4H):
        z = x + (h if scale_TxBxH is None else h * scale_TxBxH[t]) @ weight_Hx4H
        i, f, g, o = (z[:, j * width : (j + 1) * width] for j in range(4))
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        out.append(h)
    return jnp.stack(out)


def _drawn(length, batch=3, width=5):
    keys = jax.random.split(jax.random.key(length), 3)
    gates = jax.random.normal(keys[0], (length, batch, 4 * width))
    weight = jax.random.normal(keys[1], (width, 4 * width)) * 0.7
    return gates, weight, jax.random.normal(keys[2], (length, batch, width))


@pytest.mark.parametrize("length", [1, 2, 9])
def test_states_and_both_gradients_are_those_of_the_definition(length):
    gates, weight, direction = _drawn(length)
    for function in (lambda f: f(gates, weight), lambda f: jax.vjp(f, gates, weight)[1](direction)):
        for ours, plain in zip(jax.tree.leaves(function(recur)), jax.tree.leaves(function(_plain)), strict=True):
            np.testing.assert_allclose(ours, plain, atol=2e-6)


@pytest.mark.parametrize("length", [1, 2, 9])
def test_a_scaled_recurrence_and_its_three_gradients_are_those_of_the_definition(length):
    gates, weight, direction = _drawn(length)
    scale = 1.0 + 0.5 * jax.random.normal(jax.random.key(5), direction.shape)
    for function in (lambda f: f(gates, weight, scale), lambda f: jax.vjp(f, gates, weight, scale)[1](direction)):
        for ours, plain in zip(jax.tree.leaves(function(recur)), jax.tree.leaves(function(_plain)), strict=True):
            np.testing.assert_allclose(ours, plain, atol=3e-6)


def test_a_scale_of_one_changes_nothing():
    gates, weight, direction = _drawn(6)
    np.testing.assert_allclose(recur(gates, weight, jnp.ones_like(direction)), recur(gates, weight), atol=1e-7)


def test_the_forward_pass_alone_is_that_of_the_differentiated_one():
    gates, weight, _ = _drawn(7)
    np.testing.assert_array_equal(recur(gates, weight), jax.vjp(recur, gates, weight)[0])


def test_in_bfloat16_the_cell_is_still_summed_in_float32():
    """An open forget gate adds 1/256 at each of 300 steps: bfloat16 would stop adding at 1, the cell goes on."""
    width = 1
    inner = float(np.arctanh(1 / 256))
    step = jnp.array([30.0, 30.0, inner, 30.0])  # i = f = o = 1, g = 1/256
    gates = jnp.tile(step, (512, 1, 1)).astype(jnp.bfloat16)
    weight = jnp.zeros((width, 4 * width), jnp.bfloat16)
    last = float(recur(gates, weight)[-1, 0, 0])
    assert abs(last - np.tanh(2.0)) < 0.02  # in bfloat16 the sum would stall at 1, and tanh at 0.76


def test_the_network_is_torchs_lstm_with_the_same_weights():
    width, tokens_BxT = 8, np.random.default_rng(0).integers(0, 6, (4, 11))
    network = LSTM.drawn(LSTMConfig(vocabulary=6, width=width, layers=2), jax.random.key(0))
    theirs = torch.nn.LSTM(6 + 1, width, num_layers=2, batch_first=True)
    dense = network.inputs[0]
    parts = {
        "weight_ih_l0": network.table.T, "weight_hh_l0": network.weights[0].T,
        "weight_ih_l1": dense.weight_IxO.T, "weight_hh_l1": network.weights[1].T, "bias_ih_l1": dense.bias_O,
    }  # fmt: skip
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.copy_(torch.tensor(np.array(parts[name])) if name in parts else torch.zeros_like(parameter))
        begun_BxS = np.concatenate([np.full((4, 1), 6), tokens_BxT], axis=1)
        h = theirs(torch.nn.functional.one_hot(torch.tensor(begun_BxS), 7).float())[0]
        expected = h.numpy() @ np.array(network.output.weight_IxO) + np.array(network.output.bias_O)
    np.testing.assert_allclose(network(jnp.array(tokens_BxT)), expected, atol=3e-6)
