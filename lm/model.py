"""What this suite asks of a language model: a name, and next-token log-probabilities. Any causal model will do."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from implicit_bayes.lm.lstm import LSTM
from implicit_bayes.lm.transformer import Transformer
from implicit_bayes.lm.trees import Arrays

ROWS = 1 << 12
"""Positions whose logits are worked out together, about: so few that their activations stay in the cache."""


PROBED = 64
"""Documents whose activations are worked out together."""


@runtime_checkable
class LanguageModel(Protocol):
    """A causal language model over the tokens 0 .. V - 1."""

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        ...

    def log_probabilities(self, tokens_BxT: Int[np.ndarray, "B T"]) -> Float[np.ndarray, "B T1 V"]:
        """Row t is log p( . | the first t tokens), t = 0 .. T; each row's exponentials sum to one.

        Args:
            tokens_BxT: tokens, integers in 0 .. V - 1.

        Returns:
            (B, T + 1, V) natural logarithms: float32 from a network, float64 from what is computed in it.
        """
        ...


@runtime_checkable
class ShowsActivations(Protocol):
    """A language model that can be probed: it shows what it computes on the way to its answers."""

    def activations(self, tokens_BxT: Int[np.ndarray, "B T"]) -> Sequence[Float[np.ndarray, "B T D"]]:
        """A list of layers, the lowest first, of any widths D: row t is what the layer holds after token t.

        Args:
            tokens_BxT: tokens, integers in 0 .. V - 1.
        """
        ...


@runtime_checkable
class CanBeUntrained(Protocol):
    """A language model that knows what it was before training."""

    def untrained(self, seed: int) -> LanguageModel:
        """The same architecture with fresh weights, drawn with this seed."""
        ...


class NetworkModel:
    """One of our own networks as a LanguageModel."""

    def __init__(self, name: str, network: LSTM | Transformer):
        """Args:
        name: what tables and figures call it.
        network: trained, or not.
        """
        self._name, self.network = name, jax.tree.map(jnp.asarray, network)

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        return self._name

    @property
    def parameters(self) -> int:
        """How many numbers were trained."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.network))

    def untrained(self, seed: int) -> "NetworkModel":
        """The same architecture with fresh weights.

        Returns:
            A model called "untrained", drawn from the seed.
        """
        with jax.enable_x64(False):
            fresh = type(self.network).drawn(self.network.config, jax.random.key(seed))
        return NetworkModel("untrained", fresh)

    def activations(self, tokens_BxT: Int[np.ndarray, "B T"]) -> list[Float32[np.ndarray, "B T D"]]:
        """Every layer after each token (the empty prefix is left out).

        A Transformer's residual stream is divided by its root mean square, row by row: so, up to a gain, does every
        later layer before it reads the stream.

        Returns:
            One (B, T, D) float32 array for each layer, the last one last.
        """
        rows = PROBED
        padded = np.concatenate([tokens_BxT, np.repeat(tokens_BxT[-1:], -len(tokens_BxT) % rows, 0)])
        with jax.enable_x64(False):
            parts = [_activations(self.network, padded[i : i + rows]) for i in range(0, len(padded), rows)]
        return [
            np.concatenate([np.asarray(x) for x in column])[: len(tokens_BxT), 1:]
            for column in zip(*parts, strict=True)
        ]

    def log_probabilities(self, tokens_BxT: Int[np.ndarray, "B T"]) -> Float32[np.ndarray, "B T1 V"]:
        """See LanguageModel; computed a few rows at a time.

        Returns:
            (B, T + 1, V) float32, nats, the empty prefix first.
        """
        return self._in_parts(tokens_BxT, None)

    def log_probabilities_at(
        self, tokens_BxT: Int[np.ndarray, "B T"], positions: Sequence[int]
    ) -> Float32[np.ndarray, "B P V"]:
        """``log_probabilities`` after chosen numbers of tokens, to rounding, without the logits of all others.

        A Transformer that sees a few tokens back (``Transformer.reach``) is given those and no others where positions
        lie far apart: the same law up to the rounding of float32, for fewer tokens.

        Args:
            tokens_BxT: tokens.
            positions: numbers of leading tokens.

        Returns:
            (B, P, V) float32, nats, in the order of ``positions``.
        """
        wanted, place_P = np.unique(np.asarray(positions), return_inverse=True)
        pieces, reach = [wanted.tolist()], self.network.reach if isinstance(self.network, Transformer) else None
        if reach is not None:
            pieces = [[int(wanted[0])]]
            for position in wanted[1:].tolist():
                if position - pieces[-1][-1] > reach + 1:
                    pieces.append([])
                pieces[-1].append(position)
        laws = []
        for piece in pieces:
            first = 0 if reach is None else max(0, piece[0] - reach - 1)
            laws.append(self._in_parts(tokens_BxT[:, first : piece[-1]], tuple(at - first for at in piece)))
        return np.concatenate(laws, 1)[:, place_P]

    def _in_parts(self, tokens_BxT: np.ndarray, at: tuple[int, ...] | None) -> np.ndarray:
        batch, length = tokens_BxT.shape
        parts = -(-batch // max(1, ROWS // (length + 1)))
        rows = max(1, -(-batch // max(1, parts)))  # equal parts, so that little is padded
        padded = np.concatenate([tokens_BxT, np.zeros((-batch % rows, length), tokens_BxT.dtype)])  # one compilation
        with jax.enable_x64(False):  # float32 whatever the caller computes in
            laws = [_log_probabilities(self.network, padded[i : i + rows], at) for i in range(0, len(padded), rows)]
        return np.concatenate([np.asarray(law) for law in laws])[:batch]


@eqx.filter_jit
def _activations(network: Arrays, tokens_BxT: Array | np.ndarray) -> list[Array]:
    out = network.activations(tokens_BxT)
    if isinstance(network, Transformer):
        return [x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) for x in out]
    return out


@eqx.filter_jit
def _log_probabilities(network: Arrays, tokens_BxT: Array | np.ndarray, at: tuple[int, ...] | None) -> Array:
    return jax.nn.log_softmax(network(tokens_BxT) if at is None else network.logits_at(tokens_BxT, at))
