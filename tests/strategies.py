"""Hypothesis strategies for mixtures of HMMs and their documents that reach the corners by construction.

Nothing here filters (no ``assume``): what is drawn fits. The corners, and who draws them:

    exact zeros, point masses, exact and near ties, entries of 1e-300        ``laws``
    deterministic, reducible (identity) and absorbing kernels                ``kernels``
    one concept, one state, shared or per-concept emissions, priors with
    zeros, twin concepts that no document tells apart, silent tokens         ``mixtures``
    documents certain to be possible / certain to be impossible / arbitrary  ``documents``
    the empty document and a single token                                    ``LENGTHS``

Example, with your own predictor under test::

    @given(mixtures_with_documents())
    def test_predictor(case):
        mixture, tokens = case          # tokens: (count, T)
        ...

Shapes and lengths come from short lists because JAX compiles once per shape: pass your own where that matters not.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from hypothesis import strategies as st

from implicit_bayes.theory import MixtureOfHMMs

Shape = tuple[int, int, int]
Kind = Literal["any", "possible", "impossible"]

SHAPES: tuple[Shape, ...] = ((2, 2, 3), (1, 1, 2), (3, 1, 2), (1, 3, 2), (3, 2, 4))
"""(concepts, states, tokens), the token that ``silent`` asks for not counted."""

LENGTHS = (3, 0, 1)
"""Document lengths T."""

FAINT = 1e-300
"""A probability whose products leave float64's range while its logarithm is nothing special."""


@st.composite
def laws(draw, size: int) -> np.ndarray:
    """A (size,) probability law: general, sparse, a point mass, uniform, nearly tied, or with faint entries."""
    heaviest = draw(st.integers(0, size - 1))
    kind = draw(st.sampled_from(("general", "sparse", "point", "uniform", "near tie", "faint")))
    if kind == "point":
        return np.eye(size)[heaviest]
    if kind == "uniform":
        return np.full(size, 1.0 / size)
    if kind == "near tie":
        weights = np.ones(size)
        weights[heaviest] += 1e-12
        return weights / weights.sum()
    least = 1 if kind == "general" else 0
    weights = np.array(draw(st.lists(st.integers(least, 9), min_size=size, max_size=size)), dtype=np.float64)
    weights[heaviest] += 1.0
    law = weights / weights.sum()
    return np.where(law > 0, law, FAINT) if kind == "faint" else law


@st.composite
def kernels(draw, states: int) -> np.ndarray:
    """An (H, H) stochastic kernel: rows of any laws, a permutation, the identity, or one absorbing state."""
    kind = draw(st.sampled_from(("rows", "permutation", "identity", "absorbing")))
    if kind == "identity":
        return np.eye(states)
    if kind == "permutation":
        return np.eye(states)[draw(st.permutations(range(states)))]
    kernel = np.stack([draw(laws(states)) for _ in range(states)])
    if kind == "absorbing":
        kernel[draw(st.integers(0, states - 1))] = np.eye(states)[draw(st.integers(0, states - 1))]
    return kernel


@st.composite
def mixtures(draw, shapes: Sequence[Shape] = SHAPES, silent: bool = False) -> MixtureOfHMMs:
    """A mixture of one of the shapes; ``silent`` adds a last token that no state ever emits."""
    concepts, states, tokens = draw(st.sampled_from(shapes))
    shared, twins = draw(st.booleans()), draw(st.booleans())
    prior = draw(laws(concepts))
    initial = np.stack([draw(laws(states)) for _ in range(concepts)])
    transition = np.stack([draw(kernels(states)) for _ in range(concepts)])
    emission = np.stack([[draw(laws(tokens)) for _ in range(states)] for _ in range(1 if shared else concepts)])
    if twins:
        initial[-1], transition[-1], emission[-1] = initial[0], transition[0], emission[0]
    if silent:
        emission = np.pad(emission, ((0, 0), (0, 0), (0, 1)))
    spoken = np.flatnonzero((emission > 0).any((0, 1)))
    delimiter = draw(st.sampled_from([int(token) for token in spoken]))
    return MixtureOfHMMs(prior, initial, transition, emission[0] if shared else emission, delimiter)


@st.composite
def documents(draw, mixture: MixtureOfHMMs, length: int, kind: Kind = "any") -> np.ndarray:
    """(T,) int32 tokens of a mixture.

    ``possible`` walks a hidden path of positive probability under a concept of positive prior. ``impossible`` writes a
    token that nobody emits (the mixture must come from ``mixtures(silent=True)``, and T be positive).
    """
    any_token = st.integers(0, mixture.n_tokens - 1)
    if kind == "any":
        return np.array(draw(st.lists(any_token, min_size=length, max_size=length)), dtype=np.int32)
    tokens = np.zeros(length, dtype=np.int32)
    concept = draw(_positive(mixture.prior))
    law = mixture.initial[concept]
    for t in range(length):
        state = draw(_positive(law))
        tokens[t] = draw(_positive(mixture.emissions[concept, state]))
        law = mixture.transition[concept, state]
    if kind == "impossible":
        tokens[draw(st.integers(0, length - 1))] = mixture.n_tokens - 1
    return tokens


@st.composite
def mixtures_with_documents(
    draw, shapes: Sequence[Shape] = SHAPES, lengths: Sequence[int] = LENGTHS, count: int = 3
) -> tuple[MixtureOfHMMs, np.ndarray]:
    """A mixture and (count, T) documents: a possible one, then (if T > 0) an impossible one, the rest arbitrary."""
    length = draw(st.sampled_from(lengths))
    mixture = draw(mixtures(shapes, silent=True))
    kinds: list[Kind] = ["possible", "impossible" if length else "any", *["any"] * count]
    return mixture, np.stack([draw(documents(mixture, length, kind)) for kind in kinds[:count]])


def _positive(law: np.ndarray) -> st.SearchStrategy[int]:
    return st.sampled_from([int(i) for i in np.flatnonzero(law > 0)])
