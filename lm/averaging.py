"""The average of weights that a training hands out instead of its last weights.

    a_1 = w_1,    a_s = a_{s-1} + (g + 1) / (s + g) (w_s - a_{s-1})

gives the weights after step s a share of a_S in proportion to s (s + 1) ... (s + g - 1), which grows as s^g: about the
last 1 / (g + 1) of all steps count, however many there are. The noise of single steps goes, and the rate need not fall
so far for it.

Source: Shamir & Zhang 2013, section 5 (polynomial-decay averaging).
"""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.trees import Arrays

Weights = TypeVar("Weights")


def first_average(weights: Weights, config: OptimiserConfig) -> Weights | None:
    """What stands for the average before the first step: a copy, or None where none is kept.

    Args:
        weights: those of the first step.
        config: of the optimiser.

    Returns:
        Weights of their own, not shared with the network's, or None.
    """
    return None if config.average is None else jax.tree.map(jnp.array, weights)


def next_average(average: Weights | None, weights: Weights, step: Int[Array, ""], config: OptimiserConfig) -> Arrays:
    """The average with one more step in it.

    Args:
        average: a_{s-1}, or None where none is kept.
        weights: w_s.
        step: s, from 1 on.
        config: whose ``average`` is g.

    Returns:
        a_s; None where none is kept.
    """
    if average is None or config.average is None:
        return None
    share = (config.average + 1) / (step.astype(jnp.float32) + config.average)
    return jax.tree.map(lambda a, w: a + share * (w - a), average, weights)


def trained_network(network: Arrays, average: Arrays) -> Arrays:
    """The network that a training hands out: with the average for its weights, where one is kept.

    Args:
        network: after the last step.
        average: of its weights, or None.

    Returns:
        A network; everything but its weights is that of ``network``.
    """
    return network if average is None else eqx.combine(average, network)
