"""What a network says from an activation of its last layer: the rest of the network after it, by itself.

So an activation can be changed, and the next-token law that follows from it be read.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from implicit_bayes.lm.lstm import LSTM
from implicit_bayes.lm.transformer import Transformer

Network = LSTM | Transformer


def last_layer(network: Network, tokens_BxT: Int[np.ndarray, "B T"]) -> Float32[np.ndarray, "B T1 D"]:
    """The last layer's activations after every prefix, the empty one included: a Transformer's residual stream before
    its last norm, an LSTM's hidden state.

    Args:
        network: an LSTM or a Transformer.
        tokens_BxT: documents.

    Returns:
        (B, T + 1, D) float32.
    """
    with jax.enable_x64(False):
        return np.asarray(_last_layer(network, jnp.asarray(tokens_BxT)))


def next_law(network: Network, x_NxD: Float[np.ndarray, "N D"]) -> Float32[np.ndarray, "N V"]:
    """Next-token log-probabilities that follow from activations of the last layer.

    Args:
        network: an LSTM or a Transformer.
        x_NxD: activations of its last layer.

    Returns:
        (N, V) float32, nats; each row's exponentials sum to 1 up to rounding.
    """
    with jax.enable_x64(False):
        return np.asarray(_next_law(network, jnp.asarray(x_NxD, jnp.float32)))


@eqx.filter_jit
def _last_layer(network: Network, tokens_BxT: Array) -> Array:
    return network.activations(tokens_BxT)[-1]


@eqx.filter_jit
def _next_law(network: Network, x_NxD: Array) -> Array:
    if isinstance(network, Transformer):
        x_NxD = network.norm(x_NxD)
        logits_NxV = x_NxD @ network.table[:-1].T if network.output is None else network.output(x_NxD)
    else:
        logits_NxV = network.output(x_NxD)
        if network.readout:
            logits_NxV += network.readout[1](jnp.square(jax.nn.relu(network.readout[0](x_NxD))))
    return jax.nn.log_softmax(logits_NxV.astype(jnp.float32))
