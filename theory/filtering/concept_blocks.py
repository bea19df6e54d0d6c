"""The exact filter over more concepts than fit in memory: block by block, each made, used and dropped.

    p(o_1..o_t) = sum_b W_b p_b(o_1..o_t),     p(v | o_1..o_t) = sum_b w_b p_b(v | o_1..o_t),

with W_b the prior of block b, p_b its mixture, and w_b proportional to W_b p_b(o_1..o_t). Memory is that of one block
and of the answer, B P (C + V) numbers; what comes out does not depend on the blocks.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.filtering.filter import filter_mixture
from implicit_bayes.theory.filtering.posterior import weigh
from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_simplex
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Numbers


class ConceptBlocks(NamedTuple):
    """A mixture in pieces.

    Attributes:
        prior_C: of all concepts, in the order of the blocks.
        size: concepts of a block; the last may have fewer.
        make: (begin, end) -> the mixture of the concepts begin..end-1, whose own prior and delimiter
            play no part.
    """

    prior_C: np.ndarray
    size: int
    make: Callable[[int, int], MixtureOfHMMs]

    def bounds(self) -> list[tuple[int, int]]:
        """(begin, end) of every block.

        Returns:
            Index ranges of concepts, in order and without gaps, of at most ``size`` concepts each.
        """
        count = len(self.prior_C)
        return [(begin, min(begin + self.size, count)) for begin in range(0, count, self.size)]


class BlockFilter(NamedTuple):
    """As ``MixtureFilter``, after P prefix lengths of B documents.

    Attributes:
        log_evidence_BxPxC: log p(o_1..o_t | c), nats; -inf where impossible.
        log_posterior_BxPxC: -inf throughout where ``defined`` is False.
        log_probability_BxP: log p(o_1..o_t).
        defined_BxP: whether the posterior exists.
        predictive_BxPxV: 0 throughout where it does not.
    """

    log_evidence_BxPxC: np.ndarray
    log_posterior_BxPxC: np.ndarray
    log_probability_BxP: np.ndarray
    defined_BxP: np.ndarray
    predictive_BxPxV: np.ndarray


def split(mixture: MixtureOfHMMs, size: int) -> ConceptBlocks:
    """A mixture that is in memory already, in blocks of ``size`` concepts.

    Args:
        mixture: any number of concepts.
        size: concepts in a block, at least 1.

    Returns:
        The blocks, made one at a time when they are asked for.

    Raises:
        ModelError: a size below 1.
    """
    if size < 1:
        raise ModelError(f"size: {size} is below 1")

    def make(begin: int, end: int) -> MixtureOfHMMs:
        part = slice(begin, end)
        emission = mixture.emission if mixture.emission.ndim == 2 else mixture.emission[part]
        uniform = np.full(end - begin, 1.0 / (end - begin))
        emitted = np.flatnonzero(np.asarray(emission).reshape(-1, mixture.n_tokens).max(0) > 0).tolist()
        delimiter = mixture.delimiter if mixture.delimiter in emitted else emitted[0]
        return MixtureOfHMMs(uniform, mixture.initial[part], mixture.transition[part], emission, delimiter)

    return ConceptBlocks(np.asarray(mixture.prior), size, make)


def filter_blocks(blocks: ConceptBlocks, tokens_BxT: Numbers, positions: Sequence[int]) -> BlockFilter:
    """Exact evidence, posterior and predictive over all concepts, one block in memory at a time.

    Args:
        blocks: the mixture.
        tokens_BxT: documents.
        positions: prefix lengths t to report; the answer has C numbers for each of them and each document.

    Returns:
        BlockFilter of B documents at P prefix lengths, exact; nats. Memory grows with the size of a block and with B P
        C, not with C H^2.

    Raises:
        ModelError: no concepts, a prior that is no law, or as ``filter_mixture``.
    """
    prior = as_float64("prior", blocks.prior_C)
    if prior.ndim != 1 or not prior.size or blocks.size < 1:
        raise ModelError(
            f"prior: {prior.shape} and blocks of {blocks.size}; give one prior a concept, blocks of 1 or more"
        )
    check_simplex("prior", prior)
    evidence, top, mass, mixed = [], np.array(-np.inf), np.array(0.0), np.array(0.0)
    for begin, end in blocks.bounds():
        own, share = prior[begin:end], float(prior[begin:end].sum())
        weights = own / share if share > 0 else np.full(end - begin, 1.0 / (end - begin))
        part = blocks.make(begin, end)
        part = MixtureOfHMMs(weights, part.initial, part.transition, part.emission, part.delimiter)
        found = filter_mixture(part, tokens_BxT, positions=positions)
        evidence.append(np.asarray(found.log_evidence))
        if share <= 0:
            mixed = mixed + np.zeros_like(found.predictive)
            continue
        log_BxP = np.asarray(weigh(weights, evidence[-1]).log_probability) + np.log(share)
        higher = np.maximum(top, log_BxP)
        shift = np.where(higher > -np.inf, higher, 0.0)
        shrink, weight = np.exp(top - shift), np.exp(log_BxP - shift)
        mass = mass * shrink + weight
        mixed = mixed * shrink[..., None] + weight[..., None] * np.asarray(found.predictive)
        top = higher
    every = np.concatenate(evidence, -1)
    weighed = weigh(prior, every)
    defined = np.asarray(weighed.defined)
    predictive = np.where(defined[..., None], mixed / np.where(mass > 0, mass, 1.0)[..., None], 0.0)
    return BlockFilter(
        log_evidence_BxPxC=every, log_posterior_BxPxC=np.asarray(weighed.log_posterior),
        log_probability_BxP=np.asarray(weighed.log_probability), defined_BxP=defined, predictive_BxPxV=predictive,
    )  # fmt: skip
