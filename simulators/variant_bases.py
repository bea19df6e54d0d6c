"""The instances that only experiments begin from: GINC with other kernels.

Source: Xie et al. 2022, sections 4.2 and 4.3.
"""

from collections.abc import Callable

import equinox as eqx
import numpy as np

from implicit_bayes.simulators import ginc
from implicit_bayes.simulators.ginc_instance import ginc_instance
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.random_mixtures import random_mixture


def _low_entropy() -> Instance:
    """The paper's setting in which no example is better than one (figure 7, right)."""
    mixture = ginc.paper_ginc(vocabulary=100, concepts=12, temperature=0.01)
    return ginc_instance(
        "ginc-low-entropy", mixture, ginc.PARAMETER_SEED, "GINC, paper recipe, t = .01, 12 concepts, V = 100"
    )


def _no_persistence() -> Instance:
    """Released GINC whose entity kernel lacks its nine tenths of staying put."""
    mixture = ginc.released_ginc(50).pretraining
    joint = np.asarray(mixture.transition).reshape(-1, *(ginc.ENTITIES, ginc.PROPERTIES) * 2)
    properties, entity = joint.sum(3).mean(1), joint.sum(4).mean((0, 2))
    moving = (entity - ginc.IDENTITY_SHARE * np.eye(ginc.ENTITIES)) / (1 - ginc.IDENTITY_SHARE)
    moving = np.where(np.abs(moving) < 1e-12, 0.0, moving)
    moving /= moving.sum(-1, keepdims=True)
    kernels = np.stack([np.kron(moving, rows / rows.sum(-1, keepdims=True)) for rows in properties])
    return ginc_instance(
        "ginc-no-persistence", eqx.tree_at(lambda m: m.transition, mixture, kernels), ginc.PARAMETER_SEED,
        "GINC, released recipe, V = 50, the entity free to move at every step",
    )  # fmt: skip


def _random_kernels() -> Instance:
    """Released GINC with start laws and emission kept, every kernel row a Dirichlet(1/10) draw: no entities, no
    properties, but concepts still."""
    mixture = ginc.released_ginc(50).pretraining
    drawn = random_mixture(ginc.PARAMETER_SEED, mixture.n_concepts, mixture.n_states, mixture.n_states,
                           identity_emission=True, concentration=0.1)  # fmt: skip
    changed = eqx.tree_at(lambda m: m.transition, mixture, np.asarray(drawn.transition))
    return ginc_instance(
        "ginc-random-kernels", changed, ginc.PARAMETER_SEED, "GINC's states and tokens, kernel rows Dirichlet(.1)"
    )


BASES: dict[str, Callable[[], Instance]] = {
    "ginc-low-entropy": _low_entropy,
    "ginc-no-persistence": _no_persistence,
    "ginc-random-kernels": _random_kernels,
}
"""Bases that ``load_instance`` does not have."""
