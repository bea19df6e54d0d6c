"""Both networks, and every preset: shapes, causality by exactly zero gradients, sizes, one step."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from implicit_bayes import parametrize_with_checks
from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.model import LanguageModel, NetworkModel
from implicit_bayes.lm.presets import LSTMS, TRANSFORMERS, preset
from implicit_bayes.lm.run import RunConfig, draw_network
from implicit_bayes.lm.step import make_mesh, make_step, shard, start
from implicit_bayes.lm.transformer import Transformer, TransformerConfig, convolve
from implicit_bayes.theory import ModelError

NETWORKS = {
    "lstm": lambda key: LSTM.drawn(LSTMConfig(vocabulary=7, width=8), key),
    "lstm, two layers": lambda key: LSTM.drawn(
        LSTMConfig(vocabulary=7, width=8, layers=2, embedding=5, dropout=0.1), key
    ),
    "lstm, multiplicative": lambda key: LSTM.drawn(LSTMConfig(vocabulary=7, width=8, multiplicative=True), key),
    "lstm, readout": lambda key: LSTM.drawn(LSTMConfig(vocabulary=7, width=8, readout=6), key),
    "local": lambda key: Transformer.drawn(TransformerConfig(vocabulary=7, width=8, layers=2, heads=2, window=4), key),
    "convolved": lambda key: Transformer.drawn(
        TransformerConfig(vocabulary=7, width=8, layers=2, heads=2, window=4, taps=3), key
    ),
    "full": lambda key: Transformer.drawn(
        TransformerConfig(vocabulary=7, width=8, layers=2, heads=2, window=None), key
    ),
    "gpt2": lambda key: Transformer.drawn(
        TransformerConfig(
            vocabulary=7, width=8, layers=2, heads=2, window=None, context=16, dialect="gpt2", dropout=0.1
        ),
        key,
    ),
}


@pytest.fixture(params=NETWORKS, ids=list(NETWORKS))
def network(request):
    return NETWORKS[request.param](jax.random.key(3))


@pytest.mark.parametrize("length", [0, 1, 5, 11])
def test_there_is_one_law_after_every_prefix_the_empty_one_included(network, length):
    tokens = jnp.zeros((2, length), int)
    assert network(tokens).shape == (2, length + 1, 7)
    np.testing.assert_allclose(
        np.exp(NetworkModel("x", network).log_probabilities(np.array(tokens))).sum(-1), 1, atol=1e-5
    )


def test_rows_asked_for_alone_are_those_of_all(network):
    at = (7, 0, 11)
    tokens = np.random.default_rng(5).integers(0, 7, (3, 11)).astype(np.int32)
    model = NetworkModel("x", network)
    found = model.log_probabilities_at(tokens, at)
    assert found.shape == (3, len(at), 7)
    np.testing.assert_allclose(found, model.log_probabilities(tokens)[:, list(at)], rtol=0, atol=2e-6)


def maker(name):
    """A function that makes the network when it is first asked, called like it."""

    def make():
        return NetworkModel(name, NETWORKS[name](jax.random.key(3)))

    make.__name__ = name
    return make


@parametrize_with_checks([maker(name) for name in NETWORKS], "regular", documents=16, length=12)
def test_every_law_of_a_causal_model_holds(model, check):
    """Causality, batches, context and the rest; ``regular`` has seven tokens, too."""
    found = check(model)
    if found.name == "causality":
        assert found.value == 0  # exactly: what comes later has no gradient


def test_every_law_depends_on_the_token_before_it_and_on_none_after(network):
    """Exactly: one token changed, and no row up to it moves by anything."""
    tokens = np.array([[1, 2, 3, 4, 5, 6, 0, 1, 2, 3]])
    model = NetworkModel("x", network)
    before = model.log_probabilities(tokens)
    for t in range(10):
        other = tokens.copy()
        other[:, t] = (other[:, t] + 1) % 7
        changed = np.abs(model.log_probabilities(other) - before).max((0, 2))
        assert (changed[: t + 1] == 0).all()
        assert changed[t + 1] > 0


def test_a_convolution_is_each_channels_own_causal_filter():
    """Against numpy.convolve, channel by channel."""
    x, taps = np.random.default_rng(0).normal(size=(2, 9, 5)), np.random.default_rng(1).normal(size=(3, 5))
    ours = convolve(jnp.asarray(x, jnp.float32), jnp.asarray(taps, jnp.float32))
    for b in range(2):
        for o in range(5):
            np.testing.assert_allclose(ours[b, :, o], np.convolve(x[b, :, o], taps[:, o])[:9], atol=1e-5)


def test_dropout_acts_with_a_key_only(network):
    tokens = jnp.arange(6).reshape(1, 6)
    differs = bool((network(tokens, jax.random.key(0)) != network(tokens)).any())
    assert differs == (network.config.dropout > 0)


def test_more_tokens_than_learned_positions_are_refused():
    gpt2 = NETWORKS["gpt2"](jax.random.key(0))
    gpt2(jnp.zeros((1, 15), int))
    with pytest.raises(ValueError, match="15 at most"):
        gpt2(jnp.zeros((1, 16), int))


def test_our_networks_are_language_models(network):
    model = NetworkModel("x", network)
    assert isinstance(model, LanguageModel)
    assert model.parameters == sum(leaf.size for leaf in jax.tree.leaves(network))


def _config(architecture, name):
    chosen = preset(architecture, name, 50)
    return RunConfig("ginc", architecture, name, chosen.network, chosen.optimiser, chosen.schedule, data=chosen.data)


@pytest.mark.parametrize(
    ("architecture", "name", "millions"),
    [
        ("transformer", "paper-4l", 29.0), ("transformer", "paper-12l", 85.0), ("transformer", "paper-16l", 115.0),
        ("lstm", "paper-lstm", 28.0),
    ],
)  # fmt: skip
def test_the_papers_shapes_have_the_published_parameter_counts(architecture, name, millions):
    """29M, 85M, 115M and 28M, as published; all within 1.5%."""
    network = eqx.filter_eval_shape(draw_network, _config(architecture, name))
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) / 1e6 == pytest.approx(millions, rel=0.015)


@pytest.mark.parametrize("architecture", ["lstm", "transformer"])
def test_the_shipped_shapes_are_small(architecture):
    network = eqx.filter_eval_shape(draw_network, _config(architecture, "small"))
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) <= 2_000_000


EVERY = [("lstm", name) for name in LSTMS] + [("transformer", name) for name in TRANSFORMERS]


@pytest.mark.parametrize(("architecture", "name"), EVERY, ids=[f"{a}-{n}" for a, n in EVERY])
def test_every_preset_runs_a_step_that_lowers_the_loss_of_its_batch(architecture, name):
    config = _config(architecture, name)
    mesh = make_mesh(1)
    step = make_step(config.optimiser, mesh, 0)
    state = start(draw_network(config), config.optimiser)
    tokens = shard(np.random.default_rng(0).integers(0, 50, (1, 24)).astype(np.int32), mesh)
    losses = []
    for _ in range(2):
        state, loss = step(state, tokens, np.float32(1e-4))
        losses.append(float(loss))
    assert np.isfinite(losses).all()
    if config.network.dropout == 0:
        assert losses[1] < losses[0]
    assert int(state.step) == 2


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(ModelError, match="paper-lstm"):
        preset("lstm", "paper-4l", 50)
