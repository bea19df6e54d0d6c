"""Random mixtures and documents, by a seed."""

import numpy as np

from implicit_bayes.theory import MixtureOfHMMs


def random_mixture(seed, concepts=3, states=5, tokens=4, zeros=0.0, shared=False) -> MixtureOfHMMs:
    """Dirichlet rows with a share of exact zeros; every token can be emitted."""
    rng = np.random.default_rng(seed)

    def rows(*shape):
        weights = np.where(rng.random(shape) < zeros, 0.0, rng.gamma(1.0, size=shape) + 1e-3)
        weights[..., 0] += weights.sum(-1) == 0
        return weights / weights.sum(-1, keepdims=True)

    emission = rows(states, tokens) if shared else rows(concepts, states, tokens)
    return MixtureOfHMMs(rows(concepts), rows(concepts, states), rows(concepts, states, states), emission, 0)


def random_documents(seed, *shape, tokens=4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, tokens, shape)
