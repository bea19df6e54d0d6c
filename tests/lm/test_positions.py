"""Laws at chosen positions are those of the whole document, and a Transformer's reach is exactly as far as it sees."""

import equinox as eqx
import jax
import numpy as np
import pytest

from implicit_bayes.lm.lstm import LSTM
from implicit_bayes.lm.model import NetworkModel
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.transformer import Transformer, TransformerConfig

SMALL = TransformerConfig(vocabulary=7, width=16, layers=2, heads=2, window=4, taps=3)
CONFIGS = {
    "filters": SMALL,
    "no filters": SMALL._replace(taps=1),
    "one layer": SMALL._replace(layers=1),
    "full attention": SMALL._replace(window=None),
    "learned positions": SMALL._replace(window=None, context=64, dialect="gpt2", taps=1),
}


def network_of(config):
    with jax.enable_x64(False):
        network = Transformer.drawn(config, jax.random.key(0))
        if config.taps > 1:  # filters are drawn as the identity: make every tap count
            taps = [jax.random.normal(jax.random.key(9), layer.taps_SxO.shape) for layer in network.layers]
            network = eqx.tree_at(lambda n: [layer.taps_SxO for layer in n.layers], network, taps)
    return network


def tokens_of(batch, length, seed=0):
    return np.random.default_rng(seed).integers(0, SMALL.vocabulary, (batch, length)).astype(np.int32)


@pytest.mark.parametrize("name", CONFIGS)
def test_laws_at_positions_are_rows_of_the_whole(name):
    """In any order and repeated, near and far apart; the positions cross several pieces where the reach is short."""
    model, tokens = NetworkModel(name, network_of(CONFIGS[name])), tokens_of(5, 60)
    positions = [60, 0, 3, 3, 17, 18, 44]
    whole = model.log_probabilities(tokens)
    np.testing.assert_allclose(model.log_probabilities_at(tokens, positions), whole[:, positions], atol=2e-5)


@pytest.mark.parametrize("name", ["filters", "no filters", "one layer"])
def test_the_reach_is_the_farthest_row_that_counts(name):
    """A change of the token that far back is seen; one farther back is not."""
    config = CONFIGS[name]
    model, tokens = NetworkModel(name, network_of(config)), tokens_of(4, 40)
    reach = model.network.reach
    assert reach == config.layers * (config.window + config.taps - 2)
    for back, seen in ((reach, True), (reach + 1, False)):
        other = tokens.copy()
        other[:, 39 - back] = (other[:, 39 - back] + 1) % config.vocabulary  # row 40 - back holds this token
        difference = np.abs(model.log_probabilities(other)[:, 40] - model.log_probabilities(tokens)[:, 40]).max()
        assert (difference > 0) == seen


def test_nothing_is_left_out_where_position_counts_or_everything_is_seen():
    for name in ("full attention", "learned positions"):
        assert network_of(CONFIGS[name]).reach is None
    shipped = preset("transformer", "small", 50).network
    assert network_of(shipped).reach == shipped.layers * (shipped.window + shipped.taps - 2)


def test_fewer_tokens_are_read_where_positions_lie_far_apart(monkeypatch):
    model, tokens = NetworkModel("t", network_of(SMALL)), tokens_of(2, 200)
    asked = []
    parts = NetworkModel._in_parts
    monkeypatch.setattr(NetworkModel, "_in_parts", lambda self, x, at: asked.append(x.shape[1]) or parts(self, x, at))
    model.log_probabilities_at(tokens, [5, 100, 200])
    assert asked == [5, model.network.reach + 1, model.network.reach + 1]
    asked.clear()
    config = preset("lstm", "tiny", SMALL.vocabulary).network
    with jax.enable_x64(False):
        recurrent = NetworkModel("r", LSTM.drawn(config, jax.random.key(1)))
    found = recurrent.log_probabilities_at(tokens, [5, 100])
    assert asked == [100]
    np.testing.assert_allclose(found, recurrent.log_probabilities(tokens)[:, [5, 100]], atol=1e-6)
