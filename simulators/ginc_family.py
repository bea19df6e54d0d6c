"""GINC's recipe with any number of concepts, none of which is kept: each is a function of (seed, its index).

All share memory, entity kernel and emission; concept i has its own start law and property kernel, drawn with its own
generator. Ten thousand of them are 800 MB of joint kernels, so the mixture is used in blocks: ``blocks`` for the exact
filter (``theory.filtering.concept_blocks``), ``sample`` for documents.

Source: Xie et al. 2022, section 4.1 and appendix F (the recipe; the released family has 5 concepts).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.simulators import ginc
from implicit_bayes.simulators.datasets import Documents, as_count
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory.filtering.concept_blocks import ConceptBlocks
from implicit_bayes.theory.objects.models import MixtureOfHMMs

BLOCK = 32
"""Concepts of a block: 2.5 MB of kernels."""


class GincFamily(NamedTuple):
    """concepts: C.   vocabulary: V.   seed: of all that is drawn.

    Attributes:
        permutations, temperature: of every kernel (``ginc.paper_ginc``).
    """

    concepts: int = 10_000
    vocabulary: int = 50
    seed: int = ginc.PAPER_SEED
    permutations: int = 100
    temperature: float = ginc.TRANSITION_TEMPERATURE

    def select(self, indices: Sequence[int]) -> MixtureOfHMMs:
        """The mixture of some concepts, uniform prior."""
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
