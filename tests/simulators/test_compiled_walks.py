"""Chains in machine code draw the very states that JAX and NumPy draw."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.simulators.alias import limits
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.random_mixtures import random_mixture
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.simulators.sampler import sample_documents, stream
from implicit_bayes.theory.filtering import compiled

pytest.importorskip("numba")
from implicit_bayes.simulators.compiled_walks import GROUP, TILE, sfc64_uniforms


@pytest.fixture
def both(monkeypatch):
    """Runs a function with the compiled chains, then without; NumPy's, which serve what is small, give the same."""

    def run(function):
        small = function()
        with monkeypatch.context() as patch:
            patch.setattr("implicit_bayes.simulators.sampler.on_host", lambda steps, products: False)
            fast = function()
            jax.tree.map(np.testing.assert_array_equal, fast, small)
            patch.setattr(compiled, "available", lambda: False)
            return fast, function()

    return run


@pytest.mark.parametrize("documents", [1, 5, 37])
@pytest.mark.parametrize("chunk", [100, 1 << 21])
def test_alias_chains_are_jaxs(both, monkeypatch, documents, chunk):
    """Several chunks of uniforms or several tiles in one, and batches that do not divide into groups; tokens are drawn
    after the states here, from the same generator."""
    monkeypatch.setattr("implicit_bayes.simulators.sampler.CHUNK", chunk)
    mixture = random_mixture(3, 2, 5, 4, zeros=0.3)
    fast, slow = both(lambda: sample_documents(mixture, jax.random.key(5), documents, 3 * TILE - 5))
    jax.tree.map(np.testing.assert_array_equal, fast, slow)


def test_tokens_that_states_show_are_read_off_on_the_way(both):
    mixture = load_instance("ginc").mixture
    fast, slow = both(lambda: sample_documents(mixture, jax.random.key(5), 2 * GROUP + 1, 2 * TILE + 3))
    jax.tree.map(np.testing.assert_array_equal, fast, slow)


@given(seed=st.integers(0, 2**32 - 1), before=st.integers(0, 3), count=st.integers(1, 100))
def test_uniforms_are_numpys_and_leave_its_generator_where_it_would_be(seed, before, count):
    generator, twin = (np.random.Generator(np.random.SFC64(seed)) for _ in range(2))
    for each in (generator, twin):
        each.integers(7, size=before, dtype=np.uint32)  # half a word may be left over
    state, out = generator.bit_generator.state, np.empty((count, 1))
    sfc64_uniforms(state["state"]["state"], out)
    generator.bit_generator.state = state
    np.testing.assert_array_equal(out, twin.random((count, 1)))
    np.testing.assert_array_equal(
        generator.integers(7, size=3, dtype=np.uint32), twin.integers(7, size=3, dtype=np.uint32)
    )
    np.testing.assert_array_equal(generator.random(3), twin.random(3))


@given(
    accept=st.floats(0, 1), size=st.sampled_from([1, 2, 3, 100, 1 << 16]), column=st.integers(0, (1 << 16) - 1),
    ulps=st.integers(-3, 3),
)  # fmt: skip
def test_a_limit_says_exactly_what_the_fraction_says(accept, size, column, ulps):
    """Around the limit itself, where a rounding would show."""
    column %= size
    limit = limits(np.full((1, size), accept))[column]
    scaled = limit
    for _ in range(abs(ulps)):
        scaled = np.nextafter(scaled, np.inf if ulps > 0 else -np.inf)
    if column <= scaled < column + 1:
        assert (scaled < limit) == (scaled - column < accept)


def test_inverse_cdf_chains_are_numpys(both):
    fast, slow = both(lambda: released_documents(50, "train", documents=3, length=500))
    jax.tree.map(np.testing.assert_array_equal, fast, slow)
    assert fast.states.dtype == slow.states.dtype == np.int32


def test_a_stream_is_compiled_from_its_first_batch(monkeypatch):
    """However small: many more batches follow. They are those that NumPy draws from the same keys."""
    mixture, key = random_mixture(3, 2, 5, 4, zeros=0.3), jax.random.key(8)
    with monkeypatch.context() as patch:
        patch.setattr("implicit_bayes.simulators.sampler._walk_on_host", lambda *_: pytest.fail("NumPy was asked"))
        batches = stream(mixture, key, 5, 7)
        found = [next(batches) for _ in range(3)]
    for i, batch in enumerate(found):
        expected = sample_documents(mixture, jax.random.fold_in(key, i), 5, 7)
        jax.tree.map(np.testing.assert_array_equal, batch, expected)
