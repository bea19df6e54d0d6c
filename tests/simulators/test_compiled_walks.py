"""Chains in machine code draw the very states that JAX and NumPy draw."""

import jax
import numpy as np
import pytest

from simulators.random_mixtures import random_mixture
from simulators.released import released_documents
from simulators.sampler import sample_documents
from theory import compiled

pytest.importorskip("numba")


@pytest.fixture
def both(monkeypatch):
    """Runs a function with the compiled chains, then without."""

    def run(function):
        fast = function()
        with monkeypatch.context() as patch:
            patch.setattr(compiled, "available", lambda: False)
            return fast, function()

    return run


@pytest.mark.parametrize("documents", [1, 5, 37])
def test_alias_chains_are_jaxs(both, monkeypatch, documents):
    """Several chunks of uniforms, and batches that do not divide into groups."""
    monkeypatch.setattr("simulators.sampler.CHUNK", 100)
    mixture = random_mixture(3, 2, 5, 4, zeros=0.3)
    fast, slow = both(lambda: sample_documents(mixture, jax.random.key(5), documents, 60))
    jax.tree.map(np.testing.assert_array_equal, fast, slow)


def test_inverse_cdf_chains_are_numpys(both):
    fast, slow = both(lambda: released_documents(50, "train", documents=3, length=500))
    jax.tree.map(np.testing.assert_array_equal, fast, slow)
    assert fast.states.dtype == slow.states.dtype == np.int32
