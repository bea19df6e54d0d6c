"""The rest of a network after its last layer says what the network says."""

import jax
import numpy as np
import pytest

from implicit_bayes.lm.heads import last_layer, next_law
from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.model import NetworkModel
from implicit_bayes.lm.transformer import Transformer, TransformerConfig

CONFIGS = [
    LSTMConfig(vocabulary=5, width=8),
    LSTMConfig(vocabulary=5, width=8, layers=2, embedding=6, readout=16),
    TransformerConfig(vocabulary=5, width=8, layers=2, heads=2, window=None),
    TransformerConfig(vocabulary=5, width=8, layers=1, heads=2, window=4, taps=2),
    TransformerConfig(vocabulary=5, width=8, layers=2, heads=2, window=None, context=16, dialect="gpt2"),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_head_of_the_last_layer_is_the_network(config):
    make = LSTM.drawn if isinstance(config, LSTMConfig) else Transformer.drawn
    network, tokens = make(config, jax.random.key(0)), np.array([[1, 4, 0, 2], [3, 3, 3, 3]])
    x = last_layer(network, tokens)
    said = next_law(network, x.reshape(-1, x.shape[-1])).reshape(2, 5, 5)
    assert said == pytest.approx(NetworkModel("n", network).log_probabilities(tokens), abs=1e-5)
    assert not np.allclose(next_law(network, x[:, -1] + np.arange(x.shape[-1])), said[:, -1])
