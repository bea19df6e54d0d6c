"""The decoder-only Transformer.

Two dialects share the code: the small one (rotary positions, a local window, RMS norms, relu², no biases, short causal
filters on queries, keys and values) and the published GPT-2 (learned positions, full attention, layer norms, GELU,
biases, tied output table).

Source: Vaswani et al. 2017; GPT-2 Radford et al. 2019; relu² and the filters So et al. 2021.
"""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from implicit_bayes.lm.attention import attend
from implicit_bayes.lm.layers import Dense, LayerNorm, RMSNorm, drop, look_up, split


class TransformerConfig(NamedTuple):
    """Sizes and forms of a Transformer.

    Attributes:
        vocabulary: V.
        width: D, a multiple of the heads (of twice the heads with rotary positions).
        layers, heads: how many.
        window: tokens a position sees (itself included), or None for all before it.
        context: rows of the table of learned positions, or None for rotary ones.
        dialect: ``modern`` (RMS norms, relu², no biases) or ``gpt2`` (layer norms, GELU, biases, tied output
            table).
        dropout: rate, on embeddings, attention weights and what each half layer adds.
        taps: length of a causal filter, one for each channel, that queries, keys and values go through; 1 is none.
    """

    vocabulary: int
    width: int = 128
    layers: int = 3
    heads: int = 2
    window: int | None = 32
    context: int | None = None
    dialect: Literal["modern", "gpt2"] = "modern"
    dropout: float = 0.0
    taps: int = 1


class Layer(eqx.Module):
    """x + attention(norm x), then x + feedforward(norm x), the hidden feedforward layer four times as wide.

    Attributes:
        norm_attention: of what the attention reads.
        qkv: (D to 3 D) queries, keys and values of all heads.
        taps_SxO: of the causal filter over queries, keys and values (see ``convolve``); None: there is none.
        mix: (D to D) what the heads add to the residual stream.
        norm_feedforward: of what the feedforward layer reads.
        up: (D to 4 D).
        down: (4 D to D).
    """

    norm_attention: RMSNorm | LayerNorm
    qkv: Dense
    taps_SxO: Float[Array, "S O"] | None
    mix: Dense
    norm_feedforward: RMSNorm | LayerNorm
    up: Dense
    down: Dense

    @staticmethod
    def drawn(config: TransformerConfig, key: PRNGKeyArray) -> "Layer":
        """Fresh weights; what is added to the residual stream is scaled by 1 / sqrt(2 layers).

        Args:
            config: sizes.
            key: a JAX key.

        Returns:
            A layer of float32 weights; its taps, where it has any, begin as the identity.
        """
        width, gpt2 = config.width, config.dialect == "gpt2"
        keys, shrink = jax.random.split(key, 4), (2 * config.layers) ** -0.5
        scale = lambda fan: 0.02 if gpt2 else fan**-0.5  # noqa: E731
        return Layer(
            norm_attention=_norm(config),
            qkv=Dense.drawn(keys[0], width, 3 * width, scale(width), gpt2),
            taps_SxO=None if config.taps == 1 else jnp.zeros((config.taps, 3 * width)).at[0].set(1.0),
            mix=Dense.drawn(keys[1], width, width, shrink * scale(width), gpt2),
            norm_feedforward=_norm(config),
            up=Dense.drawn(keys[2], width, 4 * width, scale(width), gpt2),
            down=Dense.drawn(keys[3], 4 * width, width, shrink * scale(4 * width), gpt2),
        )

    def __call__(
        self,
        x_NxD: Float[Array, "N D"],
        batch: int,
        config: TransformerConfig,
        key: PRNGKeyArray | None,
        at: tuple[int, ...] | None = None,
    ) -> Float[Array, "M D"]:
        """Every row's output; with ``at`` only the rows of these positions of each document, after attention has seen
        all."""
        keys = split(key, 3)
        qkv = self.qkv(self.norm_attention(x_NxD)).reshape(batch, -1, 3 * config.width)
        if self.taps_SxO is not None:
            qkv = convolve(qkv, self.taps_SxO)
        qkv = qkv.reshape(batch, -1, 3, config.heads, config.width // config.heads)
        mixed_NxD = attend(qkv, config.window, config.context is None, config.dropout, keys[0])
        if at is not None:
            x_NxD, mixed_NxD = rows_at(x_NxD, batch, at), rows_at(mixed_NxD, batch, at)
        x_NxD = x_NxD + drop(self.mix(mixed_NxD), config.dropout, keys[1])
        hidden_NxF = self.up(self.norm_feedforward(x_NxD))
        hidden_NxF = jax.nn.gelu(hidden_NxF) if config.dialect == "gpt2" else jax.nn.relu(hidden_NxF) ** 2
        return x_NxD + drop(self.down(hidden_NxF), config.dropout, keys[2])


def rows_at(x_NxD: Float[Array, "N D"], batch: int, at: tuple[int, ...]) -> Float[Array, "M D"]:
    """The rows of some positions of each document.

    Args:
        x_NxD: documents one after the other.
        batch: how many.
        at: positions within each.

    Returns:
        (M, D), M = batch times positions, document by document.
    """
    return x_NxD.reshape(batch, -1, x_NxD.shape[-1])[:, np.array(at)].reshape(-1, x_NxD.shape[-1])


def convolve(x_BxTxO: Float[Array, "B T O"], taps_SxO: Float[Array, "S O"]) -> Float[Array, "B T O"]:
    """Every channel's own causal filter: y_t = sum_s taps_s x_{t-s}, with x = 0 before the document.

    Args:
        x_BxTxO: T tokens, O channels.
        taps_SxO: S taps, the present token's first.

    Returns:
        (B, T, O) in the type of x.
    """
    length = x_BxTxO.shape[1]
    padded = jnp.pad(x_BxTxO, ((0, 0), (len(taps_SxO) - 1, 0), (0, 0)))
    begin = len(taps_SxO) - 1
    shifted = [padded[:, begin - s : begin - s + length] * taps_SxO[s] for s in range(len(taps_SxO))]
    return sum(shifted[1:], shifted[0])


def _norm(config: TransformerConfig) -> RMSNorm | LayerNorm:
    one_D = jnp.ones(config.width)
    return LayerNorm(one_D, jnp.zeros(config.width)) if config.dialect == "gpt2" else RMSNorm(one_D)


class Transformer(eqx.Module):
    """``network(tokens_BxT)`` gives (B, T + 1, V) logits; row t is for the token after the first t.

    Attributes:
        table: embedding of each token, the beginning last (V + 1).
        positions: learned, one for each place; None: positions come by rotation.
        layers: in order.
        norm: of what the output reads.
        output: (D to V) logits; None: the embedding's transpose.
        config: sizes.
    """

    table: Float[Array, "V1 D"]
    positions: Float[Array, "P D"] | None
    layers: list[Layer]
    norm: RMSNorm | LayerNorm
    output: Dense | None
    config: TransformerConfig = eqx.field(static=True)

    @staticmethod
    def drawn(config: TransformerConfig, key: PRNGKeyArray) -> "Transformer":
        """Fresh weights.

        Args:
            config: sizes.
            key: a JAX key.

        Returns:
            A Transformer of float32 weights.
        """
        keys = jax.random.split(key, config.layers + 3)
        rows, width, gpt2 = config.vocabulary + 1, config.width, config.dialect == "gpt2"
        table = (0.02 if gpt2 else 1.0) * jax.random.normal(keys[0], (rows, width))
        learned = None if config.context is None else 0.02 * jax.random.normal(keys[1], (config.context, width))
        output = None if gpt2 else Dense.drawn(keys[2], width, config.vocabulary, 0.3 * width**-0.5)
        layers = [Layer.drawn(config, each) for each in keys[3:]]
        return Transformer(table, learned, layers, _norm(config), output, config)

    @property
    def reach(self) -> int | None:
        """How many rows before it a row's logits depend on, wherever the row stands; None if on all, or on where.

        Every layer looks back over its window, at keys that look back over their filters.
        """
        config = self.config
        if config.window is None or config.context is not None:
            return None
        return config.layers * (config.window - 1 + config.taps - 1)

    def __call__(self, tokens_BxT: Int[Array, "B T"], key: PRNGKeyArray | None = None) -> Float[Array, "B T1 V"]:
        """Logits of the next token after every prefix, the empty one included.

        Args:
            tokens_BxT: tokens.
            key: for dropout; none in use.

        Returns:
            (B, T + 1, V) logits, float32.

        Raises:
            ValueError: more tokens than there are learned positions.
        """
        batch, length = tokens_BxT.shape
        return self._logits(self._layers(tokens_BxT, key)[-1], batch)[:, : length + 1]

    def logits_at(self, tokens_BxT: Int[Array, "B T"], at: tuple[int, ...]) -> Float[Array, "B P V"]:
        """The rows ``at`` of a call: the last layer's feedforward half, three quarters of its work, is done for them
        alone.

        Args:
            tokens_BxT: tokens.
            at: numbers of tokens seen, 0 .. T.

        Returns:
            (B, P, V) logits, not normalised.
        """
        batch = tokens_BxT.shape[0]
        return self._logits(self._layers(tokens_BxT, None, at)[-1], batch)

    def _logits(self, x_NxD: Array, batch: int) -> Float[Array, "B S V"]:
        x_NxD = self.norm(x_NxD)
        if self.output is None:
            logits_NxV = jnp.dot(x_NxD, self.table[:-1].T, preferred_element_type=jnp.float32)
        else:
            logits_NxV = self.output(x_NxD).astype(jnp.float32)
        return logits_NxV.reshape(batch, -1, self.config.vocabulary)

    def activations(self, tokens_BxT: Int[Array, "B T"]) -> list[Float[Array, "B T1 D"]]:
        """The residual stream after every layer, after every prefix.

        Returns:
            One (B, T + 1, D) array for each layer, the empty prefix first.
        """
        batch, length = tokens_BxT.shape
        rows = self._layers(tokens_BxT, None)
        return [x_NxD.reshape(batch, -1, self.config.width)[:, : length + 1] for x_NxD in rows]

    def _layers(self, tokens_BxT: Array, key: PRNGKeyArray | None, at: tuple[int, ...] | None = None) -> list[Array]:
        """Every layer's output, in rows: documents one after the other, each padded to whole windows. The last layer's
        are those of the positions ``at`` only, where these are given."""
        keys = split(key, self.config.layers + 1)
        x_NxD = self._embedded(tokens_BxT, keys[-1])
        out = []
        for i, (layer, each) in enumerate(zip(self.layers, keys[:-1], strict=True)):
            last = i == len(self.layers) - 1
            x_NxD = layer(x_NxD, tokens_BxT.shape[0], self.config, each, at if last else None)
            out.append(x_NxD)
        return out

    def _embedded(self, tokens_BxT: Array, key: PRNGKeyArray | None) -> Array:
        """What the first layer reads, in the rows of ``_layers``."""
        config, (batch, length) = self.config, tokens_BxT.shape
        padding = -(length + 1) % (config.window or 1)
        begun_BxS = jnp.pad(tokens_BxT, ((0, 0), (1, 0)), constant_values=config.vocabulary)
        begun_BxS = jnp.pad(begun_BxS, ((0, 0), (0, padding)))
        x_NxD = look_up(self.table, begun_BxS.reshape(-1)).astype(jnp.float32)  # the stream, whatever the weights are
        if self.positions is not None:
            if length >= len(self.positions):
                raise ValueError(f"{length} tokens, but the model has seen {len(self.positions) - 1} at most")
            x_NxD = (x_NxD.reshape(batch, -1, config.width) + self.positions[: length + 1]).reshape(x_NxD.shape)
        return drop(x_NxD, config.dropout, key)
