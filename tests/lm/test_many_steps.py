"""Layers stacked, steps scanned, arithmetic counted: each against the plain way of doing it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from implicit_bayes.lm.data import fresh_batches
from implicit_bayes.lm.flops import operations_per_token, peak
from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.many_steps import every_batch, make_steps
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.schedule import Phase, Schedule, plan
from implicit_bayes.lm.stacked import StackedTransformer
from implicit_bayes.lm.step import make_mesh, make_step, replicate, shard, start
from implicit_bayes.lm.transformer import Transformer, TransformerConfig
from implicit_bayes.simulators.ginc import released_ginc
from implicit_bayes.theory import ModelError

GPT2 = TransformerConfig(
    vocabulary=50, width=16, layers=2, heads=2, window=None, context=24, dialect="gpt2", dropout=0.2
)
TOKENS = np.random.default_rng(0).integers(0, 50, (3, 12)).astype(np.int32)
GIVEN = jnp.asarray(TOKENS)
ADAM = OptimiserConfig(method="adamw", b1=0.9, b2=0.999)


def _drawn(config):
    """Fresh weights, in one program."""
    return jax.jit(lambda key: Transformer.drawn(config, key))(jax.random.key(1))


@pytest.mark.parametrize(
    "config",
    [
        GPT2,
        pytest.param(
            TransformerConfig(vocabulary=50, width=16, layers=2, heads=2, window=4, taps=3), marks=pytest.mark.slow
        ),
    ],
    ids=["gpt2", "modern"],
)
def test_stacked_layers_are_the_layers(config):
    """Logits with and without dropout, and there and back again."""
    plain = _drawn(config)
    stacked, key = StackedTransformer.of(plain), jax.random.key(2)
    ask = jax.jit(lambda network: (network(GIVEN), network(GIVEN, key)))
    (mine, dropped), theirs = ask(stacked), ask(plain)
    np.testing.assert_allclose(mine, theirs[0], atol=2e-5)
    np.testing.assert_allclose(dropped, theirs[1], atol=2e-5)
    np.testing.assert_allclose(stacked.logits_at(GIVEN, (2, 0)), theirs[0][:, [2, 0]], atol=2e-5)
    assert (np.abs(np.asarray(dropped - mine)).max() > 1e-3) == (config.dropout > 0), "dropout does something"
    for mine, theirs in zip(jax.tree.leaves(stacked.plain()), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_steps_in_one_program_are_the_steps_one_by_one():
    """Without dropout, whose keys are of another kind: losses and weights of lm.step, each batch and rate in turn."""
    config = GPT2._replace(dropout=0.0, layers=1)
    plain = _drawn(config)
    tokens_SxBxT = np.random.default_rng(1).integers(0, 50, (4, 3, 12)).astype(np.uint8)
    rate_S = np.array([1e-2, 5e-3, 2e-2, 1e-3], np.float32)
    mesh = make_mesh(1)
    state, step, losses = replicate(start(plain, ADAM), mesh), make_step(ADAM, mesh, 0), []
    for tokens, rate in zip(tokens_SxBxT, rate_S, strict=True):
        state, loss = step(state, shard(tokens.astype(np.int32), mesh), rate)
        losses.append(float(loss))
    together = start(StackedTransformer.of(plain), ADAM)
    program = make_steps(ADAM, 0, False, 2)
    found = []
    for _ in range(2):
        together, loss_K = program(together, jnp.asarray(tokens_SxBxT), jnp.asarray(rate_S))
        found += np.asarray(loss_K).tolist()
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    assert int(together.step) == 4
    for mine, theirs in zip(jax.tree.leaves(together.network.plain()), jax.tree.leaves(state.network), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=3e-4)


def test_every_batch_is_the_stream_of_ordinary_training():
    chart = plan(Schedule(tokens=4 * 2 * 8, phases=(Phase(0.0, 2, 8),), peak=1e-2))
    mixture = released_ginc(50).pretraining
    tokens = every_batch(fresh_batches(mixture, chart, 3), chart, 50)
    assert tokens.dtype == np.uint8 and tokens.shape == (4, 2, 8)
    again = fresh_batches(mixture, chart, 3)
    for step in (3, 0):
        np.testing.assert_array_equal(tokens[step], again(step))
    two = plan(Schedule(tokens=128, phases=(Phase(0.0, 2, 8), Phase(0.5, 4, 8)), peak=1e-2))
    with pytest.raises(ModelError, match=r"^phases: 2"):
        every_batch(fresh_batches(mixture, two, 3), two, 50)


def _products(jaxpr, times=1):
    """Operations in every product of matrices of a program, loops counted as often as they run."""
    total = 0
    for each in jaxpr.eqns:
        if each.primitive.name == "dot_general":
            (contracted, _), _ = each.params["dimension_numbers"]
            left = each.invars[0].aval.shape
            total += 2 * times * each.outvars[0].aval.size * int(np.prod([left[i] for i in contracted]))
        inner = times * each.params["length"] if each.primitive.name == "scan" else times
        for value in each.params.values():
            for part in value if isinstance(value, tuple) else (value,):
                if hasattr(part, "jaxpr") or hasattr(part, "eqns"):
                    total += _products(getattr(part, "jaxpr", part), inner)
    return total


@pytest.mark.parametrize(
    ("config", "future"),
    [
        (GPT2._replace(dropout=0.0), 2 * 4 * 16 * (12 - 13 / 2)),  # scores of keys that are not seen: no need of theirs
        (LSTMConfig(vocabulary=50, width=8, layers=3, embedding=4), 0),
        (LSTMConfig(vocabulary=50, width=8, layers=1, readout=16), 0),
    ],
)
def test_operations_are_those_of_the_program(config, future):
    """Three forward passes, and a forward pass counted product by product."""
    kind = LSTM if isinstance(config, LSTMConfig) else Transformer
    network = kind.drawn(config, jax.random.key(0))
    counted = _products(jax.make_jaxpr(lambda tokens: network(tokens[:, :-1]))(GIVEN).jaxpr)
    expected = operations_per_token(config, TOKENS.shape[1]) / 3 + future
    assert counted == pytest.approx(expected * TOKENS.size, rel=1e-12)


def test_the_published_sizes_cost_what_the_paper_of_the_formula_says():
    """Near 6 N for N parameters in matrices: 85 million in twelve layers of width 768."""
    config = TransformerConfig(vocabulary=50, width=768, layers=12, heads=12, window=None, context=1024, dialect="gpt2")
    matrices = 12 * 12 * 768**2
    attention = 12 * 12 * 768 * 1025 / 2
    assert operations_per_token(config, 1024) == pytest.approx(6 * (matrices + 768 * 50) + attention)


def test_the_peak_of_a_chip_is_known_or_nothing_is_said():
    def chip(kind):
        return type("Chip", (), {"device_kind": kind})()

    assert peak(chip("NVIDIA H100 80GB HBM3"), True) == 989e12
    assert peak(chip("NVIDIA H100 PCIe"), True) == 756e12
    assert peak(chip("NVIDIA H100 80GB HBM3"), False) is None
    assert peak(chip("cpu"), True) is None


def test_half_precision_keeps_weights_whole_and_learns():
    network = StackedTransformer.of(_drawn(GPT2._replace(layers=1)))
    program = make_steps(ADAM, 0, True, 12)
    tokens = jnp.asarray(np.repeat(TOKENS[None], 12, 0).astype(np.uint8))
    state, loss_K = program(start(network, ADAM), tokens, jnp.full(12, 1e-2))
    assert {leaf.dtype for leaf in jax.tree.leaves(state.network)} == {jnp.dtype("float32")}
    assert float(loss_K[-1]) < float(loss_K[0]) - 0.3
