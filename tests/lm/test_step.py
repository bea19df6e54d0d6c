"""One step: the loss, the gradient that the optimiser sees, dropout's keys, and bfloat16."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.step import make_mesh, make_step, replicate, shard, start, token_loss
from implicit_bayes.lm.transformer import Transformer, TransformerConfig

TOKENS = np.random.default_rng(0).integers(0, 5, (4, 9)).astype(np.int32)
ADAM = OptimiserConfig(method="adamw", b1=0.9, b2=0.99, clip=0.5)


def _network(dropout=0.0):
    return LSTM.drawn(
        LSTMConfig(vocabulary=5, width=6, embedding=4 if dropout else None, dropout=dropout), jax.random.key(1)
    )


def _loss(network):
    """Mean of -log q over every token of every document, the first included; by the definition."""
    log_q = jax.nn.log_softmax(network(jnp.asarray(TOKENS)))
    rows, columns = np.indices(TOKENS.shape)
    return -jnp.mean(log_q[rows, columns, TOKENS])


def _step(network, half=False, steps_done=0, rate=0.01, config=ADAM):
    mesh = make_mesh(1)
    state = replicate(start(network, config)._replace(step=jnp.int32(steps_done)), mesh)
    return make_step(config, mesh, 3, half)(state, shard(TOKENS, mesh), np.float32(rate))


def test_the_loss_scores_every_token_the_first_included():
    logits = jnp.asarray(np.random.default_rng(1).normal(size=(4, 9, 5)), jnp.float32)
    rows, columns = np.indices(TOKENS.shape)
    expected = -np.mean(np.asarray(jax.nn.log_softmax(logits))[rows, columns, TOKENS])
    assert float(token_loss(logits, jnp.asarray(TOKENS))) == pytest.approx(expected, rel=1e-6)
    _, loss = _step(_network())
    assert float(loss) == pytest.approx(float(_loss(_network())), rel=1e-6)


def test_the_first_step_is_adams_along_the_gradient_by_definition():
    """Adam's first direction is g / (|g| + 1e-8); entries too small to have a certain sign are left out."""
    network = _network()
    gradient = eqx.filter_grad(_loss)(network)
    norm = np.sqrt(sum(float((g**2).sum()) for g in jax.tree.leaves(gradient)))
    assert norm > 0.05
    state, _ = _step(network)
    assert int(state.step) == 1
    leaves = [jax.tree.leaves(tree) for tree in (network, state.network, gradient)]
    for before, after, g in zip(*leaves, strict=True):
        sure = np.abs(g) > 1e-5
        step = (np.asarray(before) - np.asarray(after)) / 0.01
        g = np.asarray(g) * min(1.0, 0.5 / norm)
        np.testing.assert_allclose(step[sure], (g / (np.abs(g) + 1e-8))[sure], atol=2e-3)


def test_dropout_draws_anew_at_every_step_and_the_same_at_the_same():
    losses = [float(_step(_network(0.5), steps_done=done, rate=0.0)[1]) for done in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_bfloat16_keeps_weights_and_optimiser_in_float32_and_the_step_close():
    """A product's relative error is 2^-8; the loss here is about log 5."""
    full, half = _step(_network()), _step(_network(), half=True)
    assert abs(float(full[1]) - float(half[1])) < 2**-6
    assert float(full[1]) != float(half[1])
    kinds = {leaf.dtype for leaf in jax.tree.leaves((half[0].network, half[0].optimiser))}
    assert kinds <= {np.dtype(np.float32), np.dtype(np.int32)}


def test_the_stream_between_a_transformers_layers_is_float32_under_bfloat16_weights():
    """A thousand small steps on a stream of 1 would be lost in eight bits; the layers' own products are bfloat16."""
    for dialect in ("gpt2", "modern"):
        config = TransformerConfig(vocabulary=5, width=8, layers=2, heads=2, window=None, context=32, dialect=dialect)
        with jax.enable_x64(False):
            network = Transformer.drawn(config, jax.random.key(0))
            halved = jax.tree.map(lambda x: x.astype(jnp.bfloat16), network)
            assert [x.dtype for x in halved.activations(jnp.asarray(TOKENS))] == [jnp.float32] * 2
            assert halved.layers[0].norm_attention(jnp.ones((3, 8))).dtype == jnp.bfloat16
            widened = jax.tree.map(lambda x: x.astype(jnp.float32), halved)
            # logits are summed in float32: what differs is rounding inside the layers
            np.testing.assert_allclose(halved(jnp.asarray(TOKENS)), widened(jnp.asarray(TOKENS)), atol=2**-5)
            assert halved(jnp.asarray(TOKENS)).dtype == jnp.float32
