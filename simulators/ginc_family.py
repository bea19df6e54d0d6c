"""GINC's recipe with any number of concepts, none of which is kept: each is a function of (seed, its index).

    ginc-family[:concepts=C][,vocabulary=V][,seed=S][,permutations=P][,temperature=T]      ginc-family:concepts=10000

All share memory, entity kernel and emission; concept i has its own start law and property kernel, drawn with its own
generator. Ten thousand of them are 800 MB of joint kernels, so the mixture is used in blocks: ``blocks`` for the exact
filter (``theory.filtering.concept_blocks``), ``sample`` and ``sample_prompts`` for data. As an instance, which is held
as a whole, it has ``HELD`` concepts at most.

Source: Xie et al. 2022, section 4.1 and appendix F (the recipe; the released family has 5 concepts).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.simulators import ginc
from implicit_bayes.simulators.datasets import Documents, Prompts, as_count
from implicit_bayes.simulators.ginc_instance import ginc_instance
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.sampler import sample_documents, sample_prompts
from implicit_bayes.simulators.spec_words import Range, name_of, read_parameters
from implicit_bayes.theory.filtering.concept_blocks import ConceptBlocks
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs

NAME = "ginc-family"

BLOCK = 32
"""Concepts of a block: 2.5 MB of kernels."""

HELD = 1024
"""Concepts of an instance at most: 80 MB of kernels, and several copies of them in whatever is computed."""

RANGES = {
    "concepts": Range(1, 1 << 20),
    "vocabulary": Range(2, 1 << 16),
    "seed": Range(0, 1 << 31),
    "permutations": Range(1, 1 << 16),
    "temperature": Range(1e-3, 1e6, whole=False),
}
"""Of the parameters in a specification."""


class GincFamily(NamedTuple):
    """The family's parameters.

    Attributes:
        permutations, temperature: of every kernel (``ginc.paper_ginc``).
        concepts: C.
        vocabulary: V, the delimiter included.
        seed: of all that is drawn.
    """

    concepts: int = 10_000
    vocabulary: int = 50
    seed: int = ginc.PAPER_SEED
    permutations: int = 100
    temperature: float = ginc.TRANSITION_TEMPERATURE

    def select(self, indices: Sequence[int]) -> MixtureOfHMMs:
        """The mixture of some concepts, uniform prior.

        Args:
            indices: of concepts, at least 0; C is no limit here.

        Returns:
            MixtureOfHMMs with H = 100; concept i is the same whichever others are selected.
        """
        shared = np.random.Generator(np.random.SFC64([self.seed, 0]))
        memory = ginc.draw_memory(shared, self.vocabulary)
        entity = ginc.draw_entity_kernel(shared, self.permutations, self.temperature)
        starts, kernels = [], []
        for index in indices:
            own = np.random.Generator(np.random.SFC64([self.seed, 1, index]))
            start, kernel = ginc.draw_concept(own, entity, self.permutations, self.temperature)
            starts.append(start)
            kernels.append(kernel)
        prior = np.full(len(indices), 1.0 / len(indices))
        emission = ginc.emission_of(memory, self.vocabulary)
        return MixtureOfHMMs(prior, np.stack(starts), np.stack(kernels), emission, ginc.DELIMITER)

    def blocks(self, size: int = BLOCK) -> ConceptBlocks:
        """All concepts with a uniform prior, ``size`` at a time.

        Args:
            size: concepts in a block.

        Returns:
            ConceptBlocks, which make a block of ``size`` concepts when it is asked for; none is held.

        Raises:
            ModelError: a count below one.
        """
        count, size = as_count("concepts", self.concepts), as_count("size", size)
        return ConceptBlocks(np.full(count, 1.0 / count), size, lambda begin, end: self.select(range(begin, end)))

    def sample(self, key: jax.Array, documents: int, length: int) -> Documents:
        """Documents of the whole family; only the concepts that are drawn are ever made, one at a time.

        Args:
            key: one JAX key; document i's tokens depend on the documents of its concept alone.
            documents: B.
            length: T.

        Returns:
            Documents: tokens and states (B, T), concepts (B,), int32 NumPy arrays.

        Raises:
            ModelError: a count below one.
        """
        documents, length = as_count("documents", documents), as_count("length", length)
        concept_B = np.asarray(jax.random.randint(key, (documents,), 0, as_count("concepts", self.concepts)), np.int32)
        tokens, states = (np.empty((documents, length), np.int32) for _ in range(2))
        for concept in np.unique(concept_B).tolist():
            here = np.flatnonzero(concept_B == concept)
            drawn = sample_documents(self.select([concept]), jax.random.fold_in(key, concept), len(here), length)
            tokens[here], states[here] = drawn.tokens, drawn.states
        return Documents(tokens, states, concept_B)

    def sample_prompts(self, key: jax.Array, prompts: int, k: int, n: int) -> Prompts:
        """Prompts of true concepts drawn uniformly, as GINC's: one of nine start laws each, a property fixed.

        Args:
            key: one JAX key.
            prompts: P.
            k: tokens in an example, at least 2.
            n: examples before the last one, at least 0.

        Returns:
            Prompts: tokens (P, (k + 1) n + k), concepts (P,), start laws (P,) as indices 0..8, int32 NumPy arrays.

        Raises:
            ModelError: a count too small.
        """
        prompts, k, n = as_count("prompts", prompts), as_count("k", k, least=2), as_count("n", n, least=0)
        concept_P = np.asarray(jax.random.randint(key, (prompts,), 0, as_count("concepts", self.concepts)), np.int32)
        tokens, starts = np.empty((prompts, (k + 1) * n + k), np.int32), np.empty(prompts, np.int32)
        laws = ginc.property_start_laws()[None]
        for concept in np.unique(concept_P).tolist():
            here = np.flatnonzero(concept_P == concept)
            own = jax.random.fold_in(key, concept)
            drawn = sample_prompts(self.select([concept]), laws, own, len(here), k, n)
            tokens[here], starts[here] = drawn.tokens, drawn.starts
        return Prompts(tokens, concept_P, starts)

    def instance(self, name: str) -> Instance:
        """All concepts at once, by a name: GINC's prompts, every concept the true one in turn.

        Returns:
            Instance holding all C concepts, 80 KB of kernel each.

        Raises:
            ModelError: a count of concepts below one.
        """
        mixture = self.select(range(as_count("concepts", self.concepts)))
        text = f"GINC, paper recipe ({self.permutations} permutations), V = {self.vocabulary}, {self.concepts} concepts"
        return ginc_instance(name, mixture, self.seed, text)


def in_family(spec: str) -> bool:
    """Whether a specification is one of this family, as it is: with no variant."""
    return name_of(spec) == NAME and spec.count(":") < 2


def parse_family(spec: str) -> GincFamily:
    """The family of a specification; nothing is drawn.

    Args:
        spec: see the head of this file.

    Returns:
        GincFamily.

    Raises:
        ModelError: a name that is none of the five or comes twice, or a value out of range.
    """
    return GincFamily(**read_parameters(spec, RANGES))  # type: ignore[arg-type]


def family_instance(spec: str) -> Instance:
    """The instance of a specification.

    Args:
        spec: see the head of this file.

    Returns:
        Instance of all its concepts.

    Raises:
        ModelError: as ``parse_family``, or more concepts than an instance holds.
    """
    family = parse_family(spec)
    if family.concepts > HELD:
        raise ModelError(
            f"instance: {spec!r} has {family.concepts:,} concepts, and what is held as a whole has {HELD:,} at most; "
            f"give {NAME}:concepts={HELD} or fewer (sample takes any number; so does filter_blocks in Python)"
        )
    return family.instance(spec)
