"""Optimisers, as optax transformations without the learning rate: AdamW, and one-sided SOAP.

SOAP runs Adam in the eigenbasis Q of an average of G Gᵀ (here along a matrix's shorter side only):

    L <- b2 L + (1 - b2) G Gᵀ every other step,    Q <- orthonormal basis of L Q every few steps,
    m <- b1 m + (1 - b1) Qᵀ G,    v <- b2 v + (1 - b2) (Qᵀ G)²,    update = Q ( m / sqrt v )

with both averages corrected for their start at 0, and m turned along with Q. What is no matrix, or is longer than
``cap`` on both sides or shorter than 8 on one, gets Adam.

Source: Loshchilov & Hutter 2019 (AdamW); Vyas et al. 2024 (SOAP).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.trees import Arrays


def optimiser(config: OptimiserConfig) -> optax.GradientTransformationExtraArgs:
    """The transformation; what it returns is to be multiplied by the learning rate and *subtracted*.

    Returns:
        An optax transformation; clipping comes first, weight decay (of matrices only) after the method.
    """
    scale = optax.scale_by_adam(config.b1, config.b2) if config.method == "adamw" else soap(config.b1, config.b2)
    parts = [optax.clip_by_global_norm(config.clip), scale]
    if config.weight_decay:
        matrices = lambda tree: jax.tree.map(lambda leaf: leaf.ndim == 2, tree)  # noqa: E731
        parts.append(optax.add_decayed_weights(config.weight_decay, matrices))
    if config.plateau is not None:
        parts.append(optax.contrib.reduce_on_plateau(0.1, patience=1, accumulation_size=config.plateau))
    return optax.with_extra_args_support(optax.chain(*parts))


class SoapState(NamedTuple):
    """What SOAP carries from step to step.

    Attributes:
        steps: done.
        mean, square: averages, trees like the parameters; in the eigenbasis.
        outer, basis: (S, S) of every matrix, () of the rest.
    """

    steps: jax.Array
    mean: Arrays
    square: Arrays
    outer: Arrays
    basis: Arrays


def soap(b1: float = 0.95, b2: float = 0.95, every: int = 10, cap: int = 512) -> optax.GradientTransformation:
    """One-sided SOAP (see the module).

    Args:
        b1, b2: decay of the averages.
        every: steps between two turns of the basis; in the first 10 steps it turns at every other one.
        cap: longest side that is preconditioned.

    Returns:
        An optax transformation; what is no matrix with a shorter side of 8 to ``cap`` gets Adam.
    """

    def side(x: jax.Array) -> int | None:
        return None if x.ndim != 2 or not 8 <= min(x.shape) <= cap else min(x.shape)

    def start(parameters: Arrays) -> SoapState:
        zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)  # noqa: E731
        square = lambda make: jax.tree.map(lambda x: make(side(x)) if side(x) else jnp.zeros(()), parameters)  # noqa: E731
        return SoapState(
            jnp.zeros((), jnp.int32), zeros(), zeros(), square(lambda s: jnp.zeros((s, s))), square(jnp.eye)
        )

    def update(gradient: Arrays, state: SoapState, parameters: Arrays = None) -> tuple[Arrays, SoapState]:
        count = state.steps + 1
        turn = (count % every == 0) | ((count < 10) & (count % 2 == 1))
        first, second = 1 - b1**count, 1 - b2**count

        def adam(g: jax.Array, m: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            return m / first / (jnp.sqrt(v / second) + 1e-8), m, v

        def one(g: jax.Array, m: jax.Array, v: jax.Array, outer: jax.Array, basis: jax.Array) -> tuple[jax.Array, ...]:
            if side(g) is None:
                return (*adam(g, m, v), outer, basis)
            flip = g.shape[0] > g.shape[1]
            g, m, v = (x.T if flip else x for x in (g, m, v))
            outer = jax.lax.cond(count % 2 == 1, lambda: b2 * outer + (1 - b2) * g @ g.T, lambda: outer)
            m, basis = jax.lax.cond(turn, lambda: _turn(m, outer, basis), lambda: (m, basis))
            step, m, v = adam(basis.T @ g, m, v)
            step, m, v = (x.T if flip else x for x in (basis @ step, m, v))
            return step, m, v, outer, basis

        leaves, tree = jax.tree.flatten(gradient)
        rest = [jax.tree.leaves(each) for each in (state.mean, state.square, state.outer, state.basis)]
        out = [one(*group) for group in zip(leaves, *rest, strict=True)]
        step, *new = (jax.tree.unflatten(tree, column) for column in zip(*out, strict=True))
        return step, SoapState(count, *new)

    return optax.GradientTransformation(start, update)


def _turn(m: jax.Array, outer: jax.Array, basis: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The next basis, by one step of orthogonal iteration, and the average in it."""
    turned = jnp.linalg.qr(outer @ basis)[0]
    return turned.T @ (basis @ m), turned
