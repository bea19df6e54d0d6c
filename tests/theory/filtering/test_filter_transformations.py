"""The filter under jit, vmap and grad, and the precision of what it returns."""

import brute_force
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_laws import random_documents, random_mixture

from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture, log_evidence, log_probability

FIELDS = ("prior", "initial", "transition", "emission")


@pytest.mark.parametrize("method", ("auto", "log"))
def test_gradients_are_finite_differences(method):
    mixture, documents = random_mixture(5, concepts=2, states=3, tokens=4), random_documents(6, 2, 5)

    @jax.jit
    def total(changed):
        return log_probability(changed, documents, method=method).sum()

    with jax.enable_x64(True):
        gradient = jax.grad(total)(mixture)
        step = 1e-6
        for field in FIELDS:
            array = getattr(mixture, field)
            for index in np.ndindex(*array.shape):
                nudge = np.zeros_like(array)
                nudge[index] = step
                up, down = (eqx.tree_at(lambda m: getattr(m, field), mixture, array + s * nudge) for s in (1, -1))  # noqa: B023
                slope = (float(total(up)) - float(total(down))) / (2 * step)
                np.testing.assert_allclose(getattr(gradient, field)[index], slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", ("auto", "log"))
def test_gradients_at_exact_zeros_are_finite(method):
    """Zeros in every array, a possible and an impossible document, at once and under vmap (where both branches run)."""
    emission = [[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]
    kernels = [[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.5, 0.5]]]
    mixture = MixtureOfHMMs([1.0, 0.0], [[1.0, 0.0], [0.5, 0.5]], kernels, emission, 0)
    documents = np.array([[0, 1, 0, 2], [0, 2, 0, 2], [3, 0, 0, 0]])

    def one(mixture, document):
        log_p = log_probability(mixture, document, method=method)
        return jnp.where(log_p > -jnp.inf, log_p, 0.0)

    with jax.enable_x64(True):
        values, gradient = jax.vmap(jax.value_and_grad(one), (None, 0))(mixture, documents)
    np.testing.assert_allclose(values, [4 * np.log(0.5), 4 * np.log(0.5), 0.0], rtol=1e-13)
    gradient = jax.tree.map(np.asarray, gradient)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    np.testing.assert_allclose(gradient.transition[:2, 0, 0, 1], 2.0, rtol=1e-12)
    assert all((leaf[2] == 0).all() for leaf in jax.tree.leaves(gradient))


def test_jit_and_vmap_over_documents_and_mixtures():
    documents = random_documents(2, 4, 6)
    several = [random_mixture(seed) for seed in range(3)]
    with jax.enable_x64(True):
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
        plain = np.array([log_probability(mixture, documents) for mixture in several])
        by_document = jax.vmap(log_probability, (None, 0))(several[0], documents)
        by_mixture = jax.jit(jax.vmap(log_probability, (0, None)))(stacked, documents)
    np.testing.assert_allclose(by_document, plain[0], rtol=1e-13)
    np.testing.assert_allclose(by_mixture, plain, rtol=1e-13)


def test_sparse_needs_its_zeros_concrete():
    with pytest.raises(ModelError, match="sparse needs a concrete mixture"):
        jax.jit(lambda m: log_probability(m, [0, 1], method="sparse"))(random_mixture(0))
    mixture = random_mixture(0, concepts=2, states=2)
    tokens_alone = jax.jit(lambda o: log_probability(mixture, o, method="sparse"))(np.array([0, 1]))
    np.testing.assert_allclose(tokens_alone, brute_force.log(brute_force.probability(mixture, [0, 1])), rtol=1e-5)


def test_double_precision_is_the_callers_affair_alone():
    mixture, documents = random_mixture(1), random_documents(2, 4, 6)
    assert not jax.config.jax_enable_x64
    outside = filter_mixture(mixture, documents)
    for leaf in (*outside, log_evidence(mixture, documents), log_probability(mixture, documents)):
        assert isinstance(leaf, np.ndarray)
    assert outside.log_evidence.dtype == outside.log_posterior.dtype == outside.predictive.dtype == np.float64
    assert log_probability(mixture, documents).dtype == np.float64
    assert log_probability(mixture, documents[0]).dtype == np.float64
    assert not jax.config.jax_enable_x64
    with jax.enable_x64(True):
        inside = filter_mixture(mixture, documents)
        assert all(isinstance(leaf, np.ndarray) for leaf in inside)
        in_jax = filter_mixture(mixture, documents, method="dense")
        assert in_jax.log_evidence.dtype == jnp.float64
    jax.tree.map(np.testing.assert_array_equal, outside, inside)
    assert filter_mixture(mixture, documents, method="dense").log_evidence.dtype == np.float64
    traced = jax.jit(log_probability)(mixture, documents)
    assert traced.dtype == jnp.float32
    np.testing.assert_allclose(traced, log_probability(mixture, documents), rtol=1e-5)
