"""Random mixtures of any shape: Dirichlet rows, exact zeros on request, delimiters by the book on request.

Every law is a Dirichlet draw restricted to a random support:

    p = g / sum(g),   g_i ~ Gamma(concentration) with probability 1 - zeros, else exactly 0

with one entry of each row spared, so that a law always remains.
"""

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.simulators.datasets import as_count
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array

Source = int | np.integer | np.random.Generator | Array
"""Of randomness: a seed, a generator of NumPy's, or a key of JAX's."""


def random_mixture(
    source: Source,
    concepts: int,
    states: int,
    tokens: int,
    zeros: float = 0.0,
    identity_emission: bool = False,
    shared_emission: bool = True,
    concentration: float = 1.0,
) -> MixtureOfHMMs:
    """A mixture with random prior, start laws, kernels and emissions; the delimiter is an emitted token.

    Args:
        source: a NumPy ``Generator``, a JAX key, or an integer seed.
        concepts: C.
        states: H.
        tokens: V; must be H with an identity emission.
        zeros: probability that an entry of a start law, a kernel or an emission is exactly 0 (the prior has none).
        identity_emission: state h emits token h, in every concept.
        shared_emission: one (H, V) emission for all concepts, or a (C, H, V) one each.
        concentration: Dirichlet parameter of every entry; below 1 gives peaked rows.

    Returns:
        MixtureOfHMMs: delimiter the smallest token that some state emits.

    Raises:
        ModelError: a count below one, ``zeros`` outside [0, 1), or an identity emission with V != H.
    """
    generator = _generator(source)
    concepts, states, tokens = as_count("concepts", concepts), as_count("states", states), as_count("tokens", tokens)
    _check_zeros(zeros)
    if identity_emission and tokens != states:
        raise ModelError(f"tokens: {tokens} with an identity emission of {states} states; give {states}")
    if identity_emission:
        emission = np.eye(states)
    else:
        shape = (states,) if shared_emission else (concepts, states)
        emission = _laws(generator, shape, tokens, zeros, concentration)
    emitted = (emission > 0).reshape(-1, tokens).any(0)
    return MixtureOfHMMs(
        _laws(generator, (), concepts, 0.0, concentration),
        _laws(generator, (concepts,), states, zeros, concentration),
        _laws(generator, (concepts, states), states, zeros, concentration),
        emission,
        int(emitted.argmax()),
    )


def delimited_mixture(
    source: Source,
    concepts: int,
    states: int,
    tokens: int,
    delimiter_states: int = 1,
    zeros: float = 0.0,
    concentration: float = 1.0,
) -> MixtureOfHMMs:
    """A random mixture that obeys A1: the first states emit the delimiter surely, the others never.

    Args:
        source, concepts, zeros, concentration: as in ``random_mixture``.
        states: H, the delimiter states counted; at least one more than those.
        tokens: V, the delimiter (token 0) counted; at least 2.
        delimiter_states: |D|; the states 0..|D|-1.

    Returns:
        MixtureOfHMMs: shared emission, delimiter 0.

    Raises:
        ModelError: a count too small, or ``zeros`` outside [0, 1).
    """
    generator = _generator(source)
    delimiters = as_count("delimiter_states", delimiter_states)
    states, tokens = as_count("states", states, least=delimiters + 1), as_count("tokens", tokens, least=2)
    _check_zeros(zeros)
    emission = np.zeros((states, tokens))
    emission[:delimiters, 0] = 1.0
    emission[delimiters:, 1:] = _laws(generator, (states - delimiters,), tokens - 1, zeros, concentration)
    drawn = random_mixture(generator, concepts, states, states, zeros, True, concentration=concentration)
    return MixtureOfHMMs(drawn.prior, drawn.initial, drawn.transition, emission, 0)


def _check_zeros(zeros: float) -> None:
    """Raises ModelError unless 0 <= zeros < 1."""
    if not 0.0 <= zeros < 1.0:
        raise ModelError(f"zeros: {zeros} is outside [0, 1); it is the share of exact zeros")


def _generator(source: Source) -> np.random.Generator:
    """A NumPy generator from a generator, a JAX key or a seed.

    Raises:
        ModelError: none of these.
    """
    if isinstance(source, np.random.Generator):
        return source
    if isinstance(source, (int, np.integer)) and source >= 0:
        return np.random.default_rng(int(source))
    if isinstance(source, jax.Array):
        is_new = jnp.issubdtype(source.dtype, jax.dtypes.prng_key)
        words = np.asarray(jax.random.key_data(source) if is_new else source)
        if words.ndim == 1 and words.dtype == np.uint32:
            return np.random.default_rng([int(word) for word in words])
    raise ModelError("source: not a NumPy Generator, a JAX key or a nonnegative seed; pass one of these")


def _laws(
    generator: np.random.Generator, shape: tuple[int, ...], size: int, zeros: float, concentration: float
) -> np.ndarray:
    """(*shape, size) Dirichlet rows with exact zeros; one random entry of each row is spared.

    A small ``concentration`` draws entries below float64's range: they are lifted to its edge, so that only ``zeros``
    makes zeros. Where all of a row would be, the spared entry takes it whole: a row of them is nearly a point mass.
    """
    weights, tiny = generator.gamma(concentration, size=(*shape, size)), np.finfo(np.float64).tiny
    cut = generator.random(weights.shape) < zeros
    spared = generator.integers(size, size=(*shape, 1))
    np.put_along_axis(cut, spared, False, axis=-1)
    weights[cut] = 0.0
    lost = weights.max(-1, keepdims=True) < tiny
    np.put_along_axis(weights, spared, np.where(lost, 1.0, np.take_along_axis(weights, spared, -1)), axis=-1)
    laws = weights / weights.sum(-1, keepdims=True)
    return np.where(cut, 0.0, np.maximum(laws, tiny))
