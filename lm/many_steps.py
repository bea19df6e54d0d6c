"""Many steps of training in one program: for an accelerator that must not wait for its host.

All batches lie on the device from the start, and step s takes batch s and rate s by itself; the host only says how many
steps come next. The step is that of ``lm.step`` on one device, with one difference: dropout's keys are of the kind
``rbg`` (the device's own generator), since threefry's arithmetic for every attention weight would take longer than the
attention.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from implicit_bayes.lm.averaging import next_average
from implicit_bayes.lm.data import Batches
from implicit_bayes.lm.optimiser import optimiser
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.schedule import Plan
from implicit_bayes.lm.step import State, token_loss
from implicit_bayes.lm.trees import Arrays
from implicit_bayes.theory.objects.checks import ModelError

KIND = "rbg"
"""Of dropout's keys."""


def every_batch(batches: Batches, plan: Plan, vocabulary: int) -> Num[np.ndarray, "S B T"]:
    """All batches of a plan, for the device: a byte a token where the vocabulary allows it.

    Args:
        batches: of lm.data.
        plan: of one phase.
        vocabulary: V.

    Returns:
        (S, B, T) tokens: 51 MB for five epochs of the released documents.

    Raises:
        ModelError: batches of several shapes.
    """
    if len(plan.phases) > 1:
        raise ModelError(f"phases: {len(plan.phases)} of them; batches of one shape are asked for here")
    phase = plan.phases[0]
    tokens = np.empty((plan.steps, phase.batch, phase.length), np.uint8 if vocabulary <= 256 else np.int32)
    for step in range(plan.steps):
        tokens[step] = batches(step)
    return tokens


Program = Any
"""Compiled by JAX on its first call, or by ``lower``: (State, tokens, rates) -> (State, losses)."""


def make_steps(config: OptimiserConfig, seed: int, half: bool, count: int) -> Program:
    """The program of ``count`` steps; compile it with ``jax.jit(...).lower(...)`` or by calling it.

    Args:
        config: of the optimiser.
        seed: of the dropout; step s draws with fold_in(key(seed), s).
        half: compute in bfloat16; weights, optimiser, norms, softmaxes and the loss stay in float32, and so
            do a Transformer's residual stream, its scores and the logits of a tied table.
        count: K.

    Returns:
        (State, all tokens (S, B, T), all rates (S,)) -> (State K steps on, (K,) losses in nats per token, each before
        its update). The state that is given is used up.
    """
    transform = optimiser(config)

    def loss_of(weights: Arrays, rest: Arrays, tokens_BxT: Array, key: Array) -> Array:
        if half:
            weights = jax.tree.map(lambda x: x.astype(jnp.bfloat16), weights)
        return token_loss(eqx.combine(weights, rest)(tokens_BxT[:, :-1], key), tokens_BxT)

    def one(state: State, tokens_SxBxT: Array, rate_S: Array) -> tuple[State, Array]:
        at = lambda x: jax.lax.dynamic_index_in_dim(x, state.step, keepdims=False)  # noqa: E731
        tokens_BxT, rate = at(tokens_SxBxT).astype(jnp.int32), at(rate_S)
        weights, rest = eqx.partition(state.network, eqx.is_inexact_array)
        key = jax.random.fold_in(jax.random.key(seed, impl=KIND), state.step)
        loss, gradient = jax.value_and_grad(loss_of)(weights, rest, tokens_BxT, key)
        direction, moments = transform.update(gradient, state.optimiser, weights, value=loss)
        weights = jax.tree.map(lambda w, d: w - rate * d, weights, direction)
        step = state.step + 1
        average = next_average(state.average, weights, step, config)
        return State(network=eqx.combine(weights, rest), optimiser=moments, step=step, average=average), loss

    def run(state: State, tokens_SxBxT: Array, rate_S: Array) -> tuple[State, Array]:
        return jax.lax.scan(lambda state, _: one(state, tokens_SxBxT, rate_S), state, length=count)

    return jax.jit(run, donate_argnums=0)
