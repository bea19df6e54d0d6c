"""The LSTM language model.

With ``embedding=None`` the token table is (V + 1, 4H): a token's row goes straight to the first layer's gates, since
the product of an embedding with the input weights is one table anyway. Row V is the beginning of a document.

Source: Hochreiter & Schmidhuber 1997; the shape of ``paper-lstm`` is that of Xie et al. 2022, appendix F.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from implicit_bayes.lm.layers import Dense, drop, look_up, split
from implicit_bayes.lm.recurrence import recur


class LSTMConfig(NamedTuple):
    """Sizes and forms of an LSTM.

    Attributes:
        vocabulary: V.
        width: H, hidden units of a layer.
        layers: how many.
        embedding: width of a token embedding before the first layer, or None for a table straight into its gates.
        dropout: rate, on the embedding and on the output of every layer.
        multiplicative: whether a token also scales the hidden state of the first layer before the recurrent
            product.
        readout: R, squared ReLUs whose output is added to that of the linear readout; 0 for none. A predictive is a
            mixture over concepts, and its logarithm is not linear in anything that a recurrence finds easy to
            carry.
    """

    vocabulary: int
    width: int = 256
    layers: int = 1
    embedding: int | None = None
    dropout: float = 0.0
    multiplicative: bool = False
    readout: int = 0


class LSTM(eqx.Module):
    """``network(tokens_BxT)`` gives (B, T + 1, V) logits; row t is for the token after the first t.

    Attributes:
        table: a row for each token, the beginning last (V + 1): its embedding, or the first layer's four gates at once.
        inputs: maps into the gates, of the embedding (if there is one) and between layers.
        weights: (H, 4 H) recurrent weights of each layer.
        output: (H to V) logits of the last layer's state.
        scale: (V + 1, H) factors that a token multiplies the first layer's state with; None: not multiplicative.
        readout: the two layers of an additional squared-ReLU readout; empty where there is none.
        config: sizes.
    """

    table: Float[Array, "V1 D"]
    inputs: list[Dense]
    weights: list[Float[Array, "H G"]]
    output: Dense
    scale: Float[Array, "V1 H"] | None
    readout: list[Dense]
    config: LSTMConfig = eqx.field(static=True)

    @staticmethod
    def drawn(config: LSTMConfig, key: PRNGKeyArray) -> "LSTM":
        """Fresh weights: normal with variance 1 / H, forget-gate biases 1 (Gers et al. 2000), a small output layer.

        Args:
            config: sizes.
            key: a JAX key.

        Returns:
            An LSTM of float32 weights.
        """
        width, embedding = config.width, config.embedding
        keys = iter(jax.random.split(key, 2 * config.layers + 2 + 2 * bool(config.readout)))
        forget_G = jnp.zeros(4 * width).at[width : 2 * width].set(1.0)
        inputs = []
        for layer in range(config.layers):
            fan = width if layer else embedding
            if fan:
                dense = Dense.drawn(next(keys), fan, 4 * width, fan**-0.5)
                inputs.append(
                    eqx.tree_at(lambda d: d.bias_O, dense, forget_G.copy())
                )  # shared, it could not be donated
        rows = config.vocabulary + 1
        if embedding:
            table = jax.random.normal(next(keys), (rows, embedding))
        else:
            table = 0.1 * jax.random.normal(next(keys), (rows, 4 * width)) + forget_G
        weights = [width**-0.5 * jax.random.normal(next(keys), (width, 4 * width)) for _ in range(config.layers)]
        output = Dense.drawn(next(keys), width, config.vocabulary, 0.3 * width**-0.5)
        scale = jnp.ones((rows, width)) if config.multiplicative else None
        readout = []
        if config.readout:
            first = Dense.drawn(next(keys), width, config.readout, width**-0.5)
            readout = [first, Dense.drawn(next(keys), config.readout, config.vocabulary, 0.0, bias=False)]
        return LSTM(
            table=table, inputs=inputs, weights=weights, output=output, scale=scale, readout=readout, config=config
        )

    def __call__(self, tokens_BxT: Int[Array, "B T"], key: PRNGKeyArray | None = None) -> Float[Array, "B T1 V"]:
        """Logits of the next token after every prefix, the empty one included.

        Args:
            tokens_BxT: tokens.
            key: for dropout; none in use.

        Returns:
            (B, T + 1, V) logits, float32.
        """
        return self._logits(self._layers(tokens_BxT, key)[-1], tokens_BxT.shape[0])

    def logits_at(self, tokens_BxT: Int[Array, "B T"], at: tuple[int, ...]) -> Float[Array, "B P V"]:
        """The rows ``at`` of a call: the readout is worked out for them alone.

        Args:
            tokens_BxT: tokens.
            at: numbers of tokens seen, 0 .. T.

        Returns:
            (B, P, V) logits, not normalised.
        """
        batch, width = tokens_BxT.shape[0], self.config.width
        h_SxBxH = self._layers(tokens_BxT, None)[-1].reshape(-1, batch, width)
        return self._logits(h_SxBxH[np.array(at)].reshape(-1, width), batch)

    def _logits(self, h_NxH: Array, batch: int) -> Float[Array, "B S V"]:
        logits_NxV = self.output(h_NxH)
        if self.readout:
            logits_NxV += self.readout[1](jnp.square(jax.nn.relu(self.readout[0](h_NxH))))
        logits_NxV = logits_NxV.astype(jnp.float32)
        return logits_NxV.reshape(-1, batch, self.config.vocabulary).swapaxes(0, 1)

    def activations(self, tokens_BxT: Int[Array, "B T"]) -> list[Float[Array, "B T1 H"]]:
        """Hidden states of every layer after every prefix.

        Returns:
            One (B, T + 1, H) array for each layer, the empty prefix first.
        """
        batch = tokens_BxT.shape[0]
        return [h_NxH.reshape(-1, batch, self.config.width).swapaxes(0, 1) for h_NxH in self._layers(tokens_BxT, None)]

    def _layers(self, tokens_BxT: Array, key: PRNGKeyArray | None) -> list[Array]:
        """Every layer's output, in rows of (T + 1) B: time-major, as the recurrence wants it."""
        batch, width = tokens_BxT.shape[0], self.config.width
        begun_BxS = jnp.pad(tokens_BxT, ((0, 0), (1, 0)), constant_values=self.config.vocabulary)
        keys = split(key, self.config.layers + 1)
        begun_N = begun_BxS.T.reshape(-1)
        x_NxD = look_up(self.table, begun_N)
        if self.config.embedding:
            x_NxD = self.inputs[0](drop(x_NxD, self.config.dropout, keys[0]))
        rest = self.inputs[1:] if self.config.embedding else self.inputs
        out = []
        for layer, weight_Hx4H in enumerate(self.weights):
            if layer:
                x_NxD = rest[layer - 1](x_NxD)
            scale_SxBxH = None
            if self.scale is not None and not layer:
                scale_SxBxH = look_up(self.scale, begun_N).reshape(-1, batch, width)
            h_SxBxH = recur(x_NxD.reshape(-1, batch, 4 * width), weight_Hx4H, scale_SxBxH)
            x_NxD = drop(h_SxBxH.reshape(-1, width), self.config.dropout, keys[layer + 1])
            out.append(x_NxD)
        return out
