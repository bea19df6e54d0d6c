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
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs

NAME = "chains"
FRESH = 1 << 30
"""Index of the first concept that no mixture has."""


class Chains(NamedTuple):
    """concepts: N.   vocabulary: V.   alpha: of every entry of a row's Dirichlet law.   seed: of all concepts."""

    concepts: int = 64
    vocabulary: int = 10
    alpha: float = 1.0
    seed: int = 0


def in_chains(spec: str) -> bool:
    """Whether a specification is one of this family."""
    return spec.split(":", 1)[0] == NAME


def parse_chains(spec: str) -> Chains:
    """The family of a specification.

    Raises:
        ModelError: a name that is none of the four or comes twice, or a value out of range.
    """
    values: dict[str, float] = {}
    for part in spec.partition(":")[2].split(",") if ":" in spec else ():
        key, _, word = part.partition("=")
        if key not in Chains._fields or key in values:
            raise ModelError(f"instance: {part!r} in {spec!r}; {NAME} takes {', '.join(Chains._fields)}, each once")
        values[key] = _number(spec, key, word)
    return Chains(**values)  # type: ignore[arg-type]


def _number(spec: str, key: str, word: str) -> float:
    least, most = {"concepts": (1, 1 << 20), "vocabulary": (2, 1 << 10), "alpha": (0.01, 1e6), "seed": (0, 1 << 31)}[
        key
    ]
    try:
        value = float(word) if key == "alpha" else int(word)
    except ValueError:
        value = -1
    if not least <= value <= most:
        kind = "a number" if key == "alpha" else "an integer"
        raise ModelError(f"instance: {key}={word} in {spec!r} is not {kind} from {least} to {most}")
    return value


def kernels(family: Chains, indices: Sequence[int]) -> np.ndarray:
    """(len(indices), V, V) the kernels of some concepts."""
    shape, tiny = (family.vocabulary, family.vocabulary), np.finfo(np.float64).tiny
    out = np.empty((len(indices), *shape))
    for row, index in enumerate(indices):
        generator = np.random.Generator(np.random.SFC64([family.seed, index]))
        weights = np.maximum(generator.gamma(family.alpha, size=shape), tiny)
        out[row] = weights / weights.sum(-1, keepdims=True)
    return np.where(out < tiny, 0.0, out)


def chain_mixture(family: Chains, indices: Sequence[int]) -> MixtureOfHMMs:
    """The mixture of some concepts, uniform prior; the token is the state."""
    count, size = len(indices), family.vocabulary
    start = np.full((count, size), 1.0 / size)
    return MixtureOfHMMs(np.full(count, 1.0 / count), start, kernels(family, indices), np.eye(size), 0)


def chain_instance(spec: str) -> Instance:
    """The instance of a specification. Raises as ``parse_chains``."""
    family = parse_chains(spec)
    mixture = chain_mixture(family, range(family.concepts))
    text = f"{family.concepts} Markov chains on {family.vocabulary} tokens, rows Dirichlet({family.alpha:g})"
    starts = np.asarray(mixture.initial)[:, None]
    return Instance(
        name=spec,
        mixture=mixture,
        prompt_starts=starts,
        true_concepts=tuple(range(family.concepts)),
        k=None,
        seed=family.seed,
        description=text,
    )
