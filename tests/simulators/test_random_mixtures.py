"""Random mixtures: laws, exact zeros, A1 on request, seeds of three kinds."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.simulators.random_mixtures import delimited_mixture, random_mixture
from implicit_bayes.theory.objects.checks import ModelError

SIZES = st.integers(1, 4)
SEEDS = st.integers(0, 2**32 - 1)
ZEROS = st.sampled_from([0.0, 0.3, 0.9])


@given(SEEDS, SIZES, SIZES, SIZES, ZEROS, st.booleans(), st.sampled_from([1e-4, 0.005, 1.0]))
def test_any_shape_is_a_mixture(seed, concepts, states, tokens, zeros, shared, concentration):
    """MixtureOfHMMs itself checks that every row is a law."""
    mixture = random_mixture(seed, concepts, states, tokens, zeros, shared_emission=shared, concentration=concentration)
    assert (mixture.n_concepts, mixture.n_states, mixture.n_tokens) == (concepts, states, tokens)
    assert mixture.emission.ndim == (2 if shared else 3)
    assert (mixture.prior > 0).all()
    if zeros == 0:
        assert (mixture.transition > 0).all()
        assert mixture.delimiter == 0
    assert (mixture.emission[..., mixture.delimiter] > 0).any()
    assert (mixture.emission[..., : mixture.delimiter] == 0).all()


def test_a_tiny_concentration_gives_point_masses_up_to_the_edge_of_float64():
    """Dirichlet(1e-4): nearly all mass on one entry, never equal shares of nothing (which underflow would give)."""
    law = random_mixture(5, 2, 40, 3, concentration=1e-4).transition
    assert (law >= np.finfo(float).tiny).all()
    assert (law.max(-1) > 0.9).mean() > 0.95


def test_the_share_of_exact_zeros():
    """10 000 entries, of which a row of 50 spares one: zeros expected .4 * .98 = .392.

    Hoeffding: a correct generator with a fresh seed misses by .033 with probability below 1e-9.
    """
    kernel = random_mixture(1, 4, 50, 3, zeros=0.4).transition
    assert abs((kernel == 0).mean() - 0.4 * 0.98) < np.sqrt(np.log(2e9) / (2 * kernel.size))
    assert (random_mixture(1, 2, 30, 5, zeros=0.999).transition == 1).any()


def test_identity_emission_shows_the_state():
    mixture = random_mixture(2, 3, 4, 4, zeros=0.5, identity_emission=True)
    np.testing.assert_array_equal(mixture.emission, np.eye(4))
    with pytest.raises(ModelError, match="tokens: 5"):
        random_mixture(2, 3, 4, 5, identity_emission=True)


@given(SEEDS, SIZES, st.integers(1, 3), st.integers(1, 3), st.integers(2, 4), ZEROS)
def test_delimited_mixtures_obey_a1(seed, concepts, delimiters, others, tokens, zeros):
    mixture = delimited_mixture(seed, concepts, delimiters + others, tokens, delimiters, zeros)
    assert mixture.delimiter_states().tolist() == list(range(delimiters))
    assert (mixture.emission[:delimiters, mixture.delimiter] == 1).all()
    assert (mixture.emission[delimiters:, mixture.delimiter] == 0).all()


def test_every_kind_of_source_is_reproducible_and_matters():
    makers = (lambda s: s, np.random.default_rng, jax.random.key, jax.random.PRNGKey)
    for make in makers:
        one, same, other = (random_mixture(make(seed), 2, 3, 4) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.transition, same.transition)
        assert not np.array_equal(one.transition, other.transition)
    generator = np.random.default_rng(1)
    first, second = random_mixture(generator, 2, 3, 4), random_mixture(generator, 2, 3, 4)
    assert not np.array_equal(first.transition, second.transition)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((0, 0, 2, 2), "concepts"),
        ((0, 1, 0, 2), "states"),
        ((0, 1, 2, 0), "tokens"),
        ((0, 1, 2, 2, 1.0), "zeros"),
        ((0, 1, 2, 2, -0.1), "zeros"),
        ((-1, 1, 2, 2), "source"),
    ],
)
def test_bad_requests_name_the_field(arguments, word):
    with pytest.raises(ModelError, match=word):
        random_mixture(*arguments)


@pytest.mark.parametrize(
    ("arguments", "word"), [((0, 1, 2, 2, 2), "states"), ((0, 1, 2, 1), "tokens"), ((0, 1, 2, 2, 0), "delim")]
)
def test_delimited_bad_requests_name_the_field(arguments, word):
    with pytest.raises(ModelError, match=word):
        delimited_mixture(*arguments)
