"""Markov chains as concepts, their rows drawn from a Dirichlet law: the family of the task-diversity question.

    chains[:concepts=N][,vocabulary=V][,alpha=A][,seed=S]        chains:concepts=64,vocabulary=10

Concept i is a function of (seed, vocabulary, alpha, i) alone, so the concepts of N = 4 are the first four of N = 16,
and fresh ones are those with other indices. Every document's first token is uniform and says nothing of the concept.
Token 0 serves as delimiter where a prompt is asked for.

Source: Raventos et al. 2023 (task diversity); Park et al. 2024 (on mixtures of Markov chains).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.spec_words import Range, name_of, read_parameters
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs

NAME = "chains"
FRESH = 1 << 30
"""Index of the first concept that no mixture has."""

HELD = 1 << 26
"""Entries of the kernels of an instance at most: half a gigabyte."""

RANGES = {
    "concepts": Range(1, 1 << 20),
    "vocabulary": Range(2, 1 << 10),
    "alpha": Range(0.01, 1e6, whole=False),
    "seed": Range(0, 1 << 31),
}
"""Of the parameters in a specification."""


class Chains(NamedTuple):
    """The family's parameters.

    Attributes:
        concepts: N, training concepts.
        vocabulary: V, tokens, which are the states.
        alpha: of every entry of a row's Dirichlet law.
        seed: of all concepts.
    """

    concepts: int = 64
    vocabulary: int = 10
    alpha: float = 1.0
    seed: int = 0


def in_chains(spec: str) -> bool:
    """Whether a specification is one of this family."""
    return name_of(spec) == NAME


def parse_chains(spec: str) -> Chains:
    """The family of a specification.

    Args:
        spec: see the head of this file.

    Returns:
        Chains; nothing is drawn yet.

    Raises:
        ModelError: a name that is none of the four or comes twice, or a value out of range.
    """
    return Chains(**read_parameters(spec, RANGES))  # type: ignore[arg-type]


def kernels(family: Chains, indices: Sequence[int]) -> np.ndarray:
    """(len(indices), V, V) the kernels of some concepts.

    Args:
        family: of chains.
        indices: of the concepts.

    Returns:
        float64; each row a Dirichlet draw, entries below 2.2e-308 put to zero.
    """
    shape, tiny = (family.vocabulary, family.vocabulary), np.finfo(np.float64).tiny
    out = np.empty((len(indices), *shape))
    for row, index in enumerate(indices):
        generator = np.random.Generator(np.random.SFC64([family.seed, index]))
        weights = np.maximum(generator.gamma(family.alpha, size=shape), tiny)
        out[row] = weights / weights.sum(-1, keepdims=True)
    return np.where(out < tiny, 0.0, out)


def chain_mixture(family: Chains, indices: Sequence[int]) -> MixtureOfHMMs:
    """The mixture of some concepts, uniform prior; the token is the state.

    Args:
        family: of chains.
        indices: of the concepts.

    Returns:
        MixtureOfHMMs with C = len(indices), H = V and identity emission; start laws are uniform and token 0 is the
        delimiter.
    """
    count, size = len(indices), family.vocabulary
    start = np.full((count, size), 1.0 / size)
    return MixtureOfHMMs(np.full(count, 1.0 / count), start, kernels(family, indices), np.eye(size), 0)


def chain_instance(spec: str) -> Instance:
    """The instance of a specification.

    Args:
        spec: see the head of this file.

    Returns:
        Instance of all its N concepts.

    Raises:
        ModelError: as ``parse_chains``, or more than an instance holds.
    """
    family = parse_chains(spec)
    entries = family.concepts * family.vocabulary**2
    if entries > HELD:
        raise ModelError(
            f"instance: {spec!r} has {family.concepts:,} kernels of {family.vocabulary:,} tokens, "
            f"{entries / 2**27:,.1f} GiB; an instance holds {HELD / 2**27:g}, so give at most "
            f"concepts={HELD // family.vocabulary**2}"
        )
    mixture = chain_mixture(family, range(family.concepts))
    text = f"{family.concepts} Markov chains on {family.vocabulary} tokens, rows Dirichlet({family.alpha:g})"
    return Instance.of(spec, mixture, family.seed, text)
