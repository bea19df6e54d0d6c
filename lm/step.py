"""One step of training: the same function on one device, on all devices of a machine, and over several processes.

The batch is split over the mesh's one axis; every device holds all weights, works out the gradient of its share, and
the mean over devices is what the optimiser sees.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from implicit_bayes.lm.averaging import first_average, next_average, trained_network
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.trees import Arrays

AXIS = "data"
Network = Arrays
"""An Equinox module: tokens (B, T), key -> logits (B, T + 1, V)."""
Tree = TypeVar("Tree")
Batch = tuple[Array, Array | None]
"""Tokens (B, T), and the laws that they were drawn from (B, T, V) where these are learnt."""
Step = Callable[..., tuple["State", Array]]
"""What ``make_step`` returns."""


class State(NamedTuple):
    """All that a training carries from step to step.

    Attributes:
        network: its weights, float32.
        optimiser: optax's state.
        step: () int32, steps done.
        average: of the weights (lm.averaging), or None where none is kept.
    """

    network: Network
    optimiser: Arrays
    step: Array
    average: Arrays = None

    @property
    def trained(self) -> Network:
        """The network that training hands out: averaged where an average is kept."""
        return trained_network(self.network, self.average)


def token_loss(logits_BxTxV: Float[Array, "B T V"], tokens_BxT: Int[Array, "B T"]) -> Float[Array, ""]:
    """Mean cross-entropy of the tokens, nats per token. The one-hot product keeps its gradient free of scatters.

    Args:
        logits_BxTxV: for every token, from those before it.
        tokens_BxT: what came.

    Returns:
        A scalar in the logits' type.
    """
    return law_loss(logits_BxTxV, jax.nn.one_hot(tokens_BxT, logits_BxTxV.shape[-1]))


def law_loss(logits_BxTxV: Float[Array, "B T V"], laws_BxTxV: Float[Array, "B T V"]) -> Float[Array, ""]:
    """Mean cross-entropy of the laws that the tokens were drawn from, nats per token (lm.targets).

    Args:
        logits_BxTxV: for every token, from those before it.
        laws_BxTxV: the exact law of each.

    Returns:
        () nats a token; at least the entropy of the laws, which it has where the network's laws are they.
    """
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits_BxTxV) * laws_BxTxV, axis=-1))


def start(network: Network, config: OptimiserConfig) -> State:
    """Step 0.

    Args:
        network: with its first weights.
        config: of the optimiser.

    Returns:
        State: network, moments of the optimiser, step 0, and the average where one is kept.
    """
    from implicit_bayes.lm.optimiser import optimiser  # brings optax, which readers of stored networks do without

    weights = eqx.filter(network, eqx.is_inexact_array)
    moments = optimiser(config).init(weights)
    return State(network, moments, jnp.zeros((), jnp.int32), first_average(weights, config))


def make_mesh(devices: int) -> Mesh:
    """A mesh of the first ``devices`` devices, in every process the same.

    Returns:
        A mesh of one axis, over which batches are split.
    """
    return Mesh(np.array(jax.devices()[:devices]), (AXIS,))


def replicate(tree: Tree, mesh: Mesh) -> Tree:
    """The same tree on every device of the mesh, over all processes.

    Args:
        tree: of arrays on the host.
        mesh: devices.

    Returns:
        A tree of arrays that every process addresses its own copy of.
    """
    everywhere = NamedSharding(mesh, PartitionSpec())

    def place(x: Array | np.ndarray) -> Array:
        held = np.asarray(x)
        return jax.make_array_from_callback(held.shape, everywhere, lambda index: held[index])

    return jax.tree.map(place, tree)


def shard(batch: np.ndarray, mesh: Mesh) -> Array:
    """A batch that every process has in full, split over the mesh's devices.

    Args:
        batch: (B, T) tokens or (B, T, V) laws, B a multiple of the devices.
        mesh: devices.

    Returns:
        The array, B / devices of its rows on each device.
    """
    rows = NamedSharding(mesh, PartitionSpec(AXIS))
    return jax.make_array_from_callback(batch.shape, rows, lambda index: batch[index])


def make_step(config: OptimiserConfig, mesh: Mesh, seed: int, half: bool = False) -> Step:
    """The compiled step.

    Args:
        config: of the optimiser.
        mesh: devices.
        seed: of the dropout; step s on device i draws with fold_in(fold_in(key(seed), s), i).
        half: compute in bfloat16; weights, optimiser, norms, softmaxes and the loss stay in float32, and so
            do a Transformer's residual stream, its scores and the logits of a tied table.

    Returns:
        (State, tokens, learning rate, laws = None) -> (State, loss in nats per token before the update): the loss of
        the tokens, or where laws are given theirs.
    """
    from implicit_bayes.lm.optimiser import optimiser  # brings optax, which readers of stored networks do without

    transform = optimiser(config)

    def loss_of(weights: Network, rest: Network, batch: Batch, key: Array) -> Array:
        if half:
            weights = jax.tree.map(lambda x: x.astype(jnp.bfloat16), weights)
        tokens_BxT, laws_BxTxV = batch
        logits_BxTxV = eqx.combine(weights, rest)(tokens_BxT[:, :-1], key)
        return token_loss(logits_BxTxV, tokens_BxT) if laws_BxTxV is None else law_loss(logits_BxTxV, laws_BxTxV)

    def local(weights: Network, carried: State, rest: Network, batch: Batch, rate: Array) -> tuple[Arrays, ...]:
        _, state, step, average = carried
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), jax.lax.axis_index(AXIS))
        loss, gradient = jax.value_and_grad(loss_of)(weights, rest, batch, key)
        loss, gradient = jax.lax.pmean((loss, gradient), AXIS)
        direction, state = transform.update(gradient, state, weights, value=loss)
        weights = jax.tree.map(lambda w, d: w - rate * d, weights, direction)
        return State(weights, state, step + 1, next_average(average, weights, step + 1, config)), loss

    same = PartitionSpec()

    def run(
        state: State, tokens_BxT: Array, rate: Array | np.float32, laws_BxTxV: Array | None = None
    ) -> tuple[State, Array]:
        weights, rest = eqx.partition(state.network, eqx.is_inexact_array)
        spread = jax.shard_map(
            lambda w, s, b, r: local(w, s, rest, b, r),
            mesh=mesh,
            in_specs=(same, same, PartitionSpec(AXIS), same),
            out_specs=same,
            check_vma=False,
        )
        state, loss = spread(weights, state._replace(network=None), (tokens_BxT, laws_BxTxV), rate)
        return state._replace(network=eqx.combine(state.network, rest)), loss

    return jax.jit(run, donate_argnums=0)
