"""Words of keys against JAX's own."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from implicit_bayes.simulators.keys import derived_key
from implicit_bayes.simulators.regular import regular
from implicit_bayes.simulators.sampler import sample_documents, stream
from implicit_bayes.theory import ModelError

WORD = 2**32 - 1


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, WORD), max_size=3))
@example(0, [])
@example(WORD, [WORD, 0])
@example(2**63 - 1, [1 << 31, 1 << 31])
def test_words_are_those_of_jax(seed, data):
    with jax.enable_x64(True):
        key = jax.random.key(seed)
        for number in data:
            key = jax.random.fold_in(key, np.uint32(number))
        np.testing.assert_array_equal(derived_key(seed, *data), jax.random.key_data(key))


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1])
def test_a_small_seed_is_the_same_without_64_bits(seed):
    np.testing.assert_array_equal(
        derived_key(seed, 3), jax.random.key_data(jax.random.fold_in(jax.random.key(seed), 3))
    )


@pytest.mark.parametrize("given", [(-1,), (1 << 63,), (0, -1), (0, 1 << 32)])
def test_numbers_that_are_no_keys_are_refused(given):
    with pytest.raises(ModelError, match="are keys"):
        derived_key(*given)


def test_documents_of_the_words_are_those_of_the_key():
    mixture, _ = regular()
    keys = derived_key(3, 1), jax.random.fold_in(jax.random.key(3), 1)
    np.testing.assert_array_equal(*(sample_documents(mixture, key, 5, 9).tokens for key in keys))
    batches = [list(itertools.islice(stream(mixture, key, 5, 9), 2)) for key in keys]
    for one, other in zip(*batches, strict=True):
        np.testing.assert_array_equal(one.tokens, other.tokens)
