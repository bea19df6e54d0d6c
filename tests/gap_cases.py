"""Models and mixtures for the tests of the gap: leaking, mis-specified, forgetful, and small networks."""

import dataclasses

import jax
import numpy as np

from implicit_bayes.benchmarks.predictors.models import MixtureModel
from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.model import NetworkModel
from implicit_bayes.lm.transformer import Transformer, TransformerConfig
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.theory import MixtureOfHMMs


def small(seed: int = 3, zeros: bool = True, concepts: int = 3) -> Instance:
    """Concepts on four states that emit five tokens; kernels with exact zeros."""
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(4), (concepts, 4))
    if zeros:
        transition *= rng.random(transition.shape) > 0.3
        transition[..., 0] += 0.05
        transition /= transition.sum(-1, keepdims=True)
    emission = rng.dirichlet(np.full(5, 0.5), 4)
    prior, initial = rng.dirichlet(np.full(concepts, 5.0)), rng.dirichlet(np.ones(4), concepts)
    mixture = MixtureOfHMMs(prior, initial, transition, emission, 0)
    starts = np.broadcast_to(rng.dirichlet(np.ones(4), 2), (concepts, 2, 4))
    return Instance("small", mixture, starts, tuple(range(concepts)), None, None, "a test instance")


def forbidding() -> Instance:
    """An instance on which most orders of most prompts are impossible."""
    instance = small(1)
    mixture, kernel = instance.mixture, np.array(instance.mixture.transition)
    emission = np.array(mixture.emission) * [[1, 1, 0, 0, 1], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]
    kernel[:, 0, 1:3] = kernel[0, :, 3] = kernel[1, 0, :3] = 0
    kernel, emission = (x / x.sum(-1, keepdims=True) for x in (kernel, emission))
    return dataclasses.replace(instance, mixture=MixtureOfHMMs(mixture.prior, mixture.initial, kernel, emission, 0))


def network(kind: str, width: int, seed: int, vocabulary: int = 5) -> NetworkModel:
    """A network with fresh weights, its output layer enlarged so that it says something."""
    key = jax.random.key(seed)
    if kind == "lstm":
        drawn = LSTM.drawn(LSTMConfig(vocabulary=vocabulary, width=width), key)
    else:
        drawn = Transformer.drawn(
            TransformerConfig(vocabulary=vocabulary, width=width, layers=2, heads=2, window=4), key
        )
    return NetworkModel(f"{kind}-{width}", drawn)


class Told:
    """A model whose law after t tokens is row t of a table, the same for every document."""

    name = "told"

    def __init__(self, table):
        self.table = np.asarray(table, float)

    def log_probabilities(self, tokens_BxT):
        with np.errstate(divide="ignore"):
            return np.stack([np.log(self.table[: tokens_BxT.shape[1] + 1])] * len(tokens_BxT))


class Leaking:
    """A model whose row t mixes in row t + 1 of another: one shifted index, and it sees the token it is asked for."""

    def __init__(self, model, share: float = 1.0):
        self.model, self.share = model, share

    @property
    def name(self) -> str:
        return "leaking"

    def log_probabilities(self, tokens_BxT):
        honest = np.exp(self.model.log_probabilities(tokens_BxT).astype(np.float64))
        coming = np.eye(honest.shape[-1])[np.concatenate([tokens_BxT, tokens_BxT[:, :1]], 1)]
        with np.errstate(divide="ignore"):
            return np.log((1 - self.share) * honest + self.share * coming)


def misspecified(instance: Instance) -> MixtureModel:
    """Bayes for the right concepts under a prior that is far off."""
    mixture = instance.mixture
    prior = np.full(mixture.n_concepts, 0.02)
    prior[-1] += 1 - prior.sum()
    wrong = MixtureOfHMMs(prior, mixture.initial, mixture.transition, mixture.emission, mixture.delimiter)
    return MixtureModel("wrong prior", wrong)


def relabelled(mixture: MixtureOfHMMs, order) -> MixtureOfHMMs:
    """The same law with its concepts in another order."""
    order = list(order)
    return MixtureOfHMMs(
        mixture.prior[order], mixture.initial[order], mixture.transition[order], mixture.emission, mixture.delimiter
    )
