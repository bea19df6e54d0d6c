"""The Transformer with its layers stacked: one loop over them, compiled once, instead of one program for each layer.

Every array of ``layers`` has a leading axis of L layers, and the network is a scan over it. The numbers are those of
``lm.transformer.Transformer`` (dropout's keys too), up to rounding; sixteen layers compile as fast as one, and the
optimiser works on a dozen large arrays instead of two hundred.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from implicit_bayes.lm.layers import split
from implicit_bayes.lm.transformer import Layer, Transformer, rows_at


class StackedTransformer(Transformer):
    """A Transformer of at least one layer whose ``layers`` are one ``Layer`` with stacked arrays.

    ``activations`` gives the last layer's only.
    """

    layers: Layer  # type: ignore[assignment]

    @staticmethod
    def of(network: Transformer) -> "StackedTransformer":
        """The same network, its layers stacked.

        Returns:
            StackedTransformer; each array of a layer has one more axis in front, of the layers.
        """
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *network.layers)
        return StackedTransformer(
            network.table, network.positions, stacked, network.norm, network.output, network.config
        )

    def plain(self) -> Transformer:
        """The same network, layer by layer.

        Returns:
            Transformer, with the same weights bit for bit.
        """
        layers = [jax.tree.map(lambda leaf, i=i: leaf[i], self.layers) for i in range(self.config.layers)]
        return Transformer(self.table, self.positions, layers, self.norm, self.output, self.config)

    def _layers(self, tokens_BxT: Array, key: PRNGKeyArray | None, at: tuple[int, ...] | None = None) -> list[Array]:
        """The last layer's output only, in the rows of ``Transformer._layers``; all of them are worked out, then those
        of ``at`` picked."""
        keys, batch = split(key, self.config.layers + 1), tokens_BxT.shape[0]
        x_NxD = self._embedded(tokens_BxT, keys[-1])

        def step(x_NxD: Array, now: tuple[Layer, PRNGKeyArray | None]) -> tuple[Array, None]:
            layer, each = now
            return layer(x_NxD, batch, self.config, each), None

        dropout = None if key is None else jnp.stack([each for each in keys[:-1] if each is not None])
        out_NxD = jax.lax.scan(step, x_NxD, (self.layers, dropout))[0]
        return [out_NxD if at is None else rows_at(out_NxD, batch, at)]
