"""The constructors check the mathematics, and what they build is what was asked."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import kernels, mixtures

from implicit_bayes.theory import HMM, MixtureOfHMMs, ModelError, stationary_law
from implicit_bayes.theory.objects import models

PARTS = {
    "prior": [0.25, 0.75],
    "initial": [[0.5, 0.5], [1.0, 0.0]],
    "transition": [[[0.9, 0.1], [0.2, 0.8]], [[0.0, 1.0], [1.0, 0.0]]],
    "emission": [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]],
    "delimiter": 1,
}


def build(**changes) -> MixtureOfHMMs:
    return MixtureOfHMMs(**{**PARTS, **changes})


def test_what_is_given_is_what_is_stored_in_float64():
    mixture = build()
    assert (mixture.n_concepts, mixture.n_states, mixture.n_tokens, mixture.delimiter) == (2, 2, 3, 1)
    for name in ("prior", "initial", "transition", "emission"):
        stored = getattr(mixture, name)
        assert isinstance(stored, np.ndarray)
        assert stored.dtype == np.float64
        np.testing.assert_array_equal(stored, PARTS[name])
    assert mixture.emissions.shape == (2, 2, 3)
    np.testing.assert_array_equal(mixture.emissions[1], mixture.emission)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prior": [0.25, 0.7]}, ["prior", "sums to 0.95"]),
        ({"prior": [[0.25, 0.75]]}, ["prior", "2 axes", "(C,)"]),
        ({"prior": [0.5, 0.25, 0.25]}, ["initial", "(2, 2)", "(3, H)"]),
        ({"prior": [1.5, -0.5]}, ["prior[1]", "-0.5", "negative"]),
        ({"prior": [np.nan, 1.0]}, ["prior[0]: entry nan is not finite"]),
        ({"prior": [np.inf, 1.0]}, ["prior[0]", "inf", "not finite"]),
        ({"prior": ["a", "b"]}, ["prior", "numbers"]),
        ({"prior": [0.5j, 1 - 0.5j]}, ["prior", "real"]),
        ({"prior": [1.0, 5e-324]}, ["prior[1]", "5e-324", "below 2.2e-308"]),
        ({"initial": [0.5, 0.5]}, ["initial", "(2,)", "(2, H)"]),
        ({"initial": [[0.5, 0.5], [1.0, 0.5]]}, ["initial[1]", "sums to 1.5", "normalise"]),
        ({"initial": np.zeros((2, 0))}, ["transition"]),
        ({"transition": [[[0.9, 0.1], [0.2, 0.8]], [[0.0, 1.0], [1.0, 1e-6]]]}, ["transition[1, 1]", "1.000001"]),
        ({"transition": np.eye(2)}, ["transition", "(2, 2)", "(2, 2, 2)"]),
        ({"transition": np.zeros((2, 2, 2))}, ["transition[0, 0]", "sums to 0"]),
        ({"emission": [[0.5, 0.5, 0.0], [0.0, 0.25, 0.5]]}, ["emission[1]", "sums to 0.75"]),
        ({"emission": np.ones((3, 2, 1))}, ["emission", "(3, 2)", "(2, 2)"]),
        ({"emission": np.ones((3, 1))}, ["emission", "(3,)", "(2,)"]),
        ({"emission": [1.0, 0.0]}, ["emission", "1 axes"]),
        ({"delimiter": 3}, ["delimiter", "3", "0..2"]),
        ({"delimiter": -1}, ["delimiter", "-1"]),
        ({"delimiter": 1.0}, ["delimiter", "integer"]),
        ({"delimiter": [1]}, ["delimiter", "integer"]),
        ({"emission": [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]}, ["delimiter", "no state emits token 1"]),
    ],
)
def test_mixture_error_names_field_row_and_number(changes, words):
    with pytest.raises(ModelError) as caught:
        build(**changes)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[1.0]], [[1.0]], [[1.0]]), ["initial", "2 axes"]),
        (([0.5, 0.5], [[1.0]], [[1.0]]), ["transition", "(1, 1)", "(2, 2)"]),
        (([1.0], [[1.0]], [1.0]), ["emission", "(1,)", "(1, V)"]),
        (([1.0], [[1.0]], [[0.5]]), ["emission[0]", "0.5"]),
        (([1.0], [[1.0]], [[]]), ["emission", "empty"]),
        (([0.5, 0.25], np.eye(2), np.eye(2)), ["initial", "0.75"]),
    ],
)
def test_hmm_error_names_field_row_and_number(arguments, words):
    with pytest.raises(ModelError) as caught:
        HMM(*arguments)
    for word in words:
        assert word in str(caught.value)


def test_rows_may_miss_one_by_rounding_only():
    build(prior=[0.25, 0.75 + 5e-10])
    with pytest.raises(ModelError, match="prior"):
        build(prior=[0.25, 0.75 + 5e-9])


def test_smallest_normal_number_is_welcome():
    assert build(prior=[1.0, np.finfo(np.float64).tiny]).prior[1] > 0


def test_concept_and_restrict_take_the_right_slices():
    own = np.array([PARTS["emission"], [[0.0, 1.0, 0.0], [0.1, 0.2, 0.7]]])
    mixture = build(emission=own)
    for c in range(2):
        for hmm in (mixture.concept(c), mixture.restrict(c).concept(0)):
            np.testing.assert_array_equal(hmm.initial, PARTS["initial"][c])
            np.testing.assert_array_equal(hmm.transition, PARTS["transition"][c])
            np.testing.assert_array_equal(hmm.emission, own[c])
        assert mixture.restrict(c).prior.tolist() == [1.0]
    shared = build().restrict(1)
    assert (shared.emission.ndim, shared.delimiter) == (2, 1)
    for index in (-1, 2):
        with pytest.raises(ModelError, match=rf"concept: {index} is outside 0\.\.1"):
            mixture.concept(index)
        with pytest.raises(ModelError, match="concept"):
            mixture.restrict(index)


def test_a_concepts_rows_are_not_checked_again(monkeypatch):
    mixture, plain = build(), HMM(PARTS["initial"][1], PARTS["transition"][1], PARTS["emission"])
    monkeypatch.setattr(models, "check_simplex", lambda *given: pytest.fail("checked again"))
    one = mixture.concept(1)
    assert (one.n_states, one.n_tokens) == (plain.n_states, plain.n_tokens)
    assert jax.tree.structure(one) == jax.tree.structure(plain)
    for here, there in zip(jax.tree.leaves(one), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(here, there)


def test_smooth_mixes_the_kernel_alone():
    mixture, smooth = build(), build().smooth(0.25)
    np.testing.assert_allclose(smooth.transition[1], [[0.125, 0.875], [0.875, 0.125]], rtol=1e-15)
    for name in ("prior", "initial", "emission"):
        np.testing.assert_array_equal(getattr(smooth, name), getattr(mixture, name))
    np.testing.assert_array_equal(mixture.smooth(0).transition, mixture.transition)
    np.testing.assert_allclose(mixture.smooth(1.0).transition, 0.5)
    for epsilon in (-1e-3, 1.001, np.nan):
        with pytest.raises(ModelError, match="epsilon"):
            mixture.smooth(epsilon)


def test_smoothing_that_arithmetic_would_drop_is_refused_naming_the_least():
    """2 * 2.2250738585072014e-308 is the least epsilon of two states: each entry gets a normal number."""
    for epsilon in (1e-310, 5e-324, 4.4e-308):
        with pytest.raises(ModelError, match=r"at least 4\.49e-308"):
            build().smooth(epsilon)
    assert (build().smooth(4.49e-308).transition >= np.finfo(float).tiny).all()


@given(mixtures(), st.sampled_from([0.0, 1e-8, 0.3, 1.0]))
def test_smoothed_kernels_are_kernels(mixture, epsilon):
    smooth = mixture.smooth(epsilon)
    rebuilt = MixtureOfHMMs(smooth.prior, smooth.initial, smooth.transition, smooth.emission, smooth.delimiter)
    assert (rebuilt.transition >= epsilon / mixture.n_states * (1 - 1e-12)).all()


def test_delimiter_states_under_some_concept():
    emission = np.array([[[1.0, 0.0], [0.5, 0.5]], [[1.0, 0.0], [1.0, 0.0]]])
    mixture = MixtureOfHMMs([0.5, 0.5], np.full((2, 2), 0.5), np.full((2, 2, 2), 0.5), emission, 1)
    assert mixture.delimiter_states().tolist() == [1]
    assert build().delimiter_states().tolist() == [0, 1]


def test_a_mixture_is_a_pytree_of_its_four_arrays():
    mixture = build()
    assert len(jax.tree.leaves(mixture)) == 4
    doubled = jax.jit(lambda m: jax.tree.map(lambda x: 2 * x, m))(mixture)
    np.testing.assert_allclose(doubled.prior, [0.5, 1.5])
    assert doubled.delimiter == 1


@given(kernels(4))
def test_stationary_law_is_stationary_or_refused(kernel):
    closed = closed_classes(kernel)
    if closed > 1:
        with pytest.raises(ModelError, match=f"{closed} closed classes"):
            stationary_law(kernel)
        return
    law = stationary_law(kernel)
    np.testing.assert_allclose(law @ kernel, law, atol=1e-12)
    assert (law >= 0).all()
    np.testing.assert_allclose(law.sum(), 1.0, rtol=1e-12)


def closed_classes(kernel: np.ndarray) -> int:
    """The number of closed communicating classes, by reachability: however small, a positive entry is an edge."""
    states = len(kernel)
    reach = np.linalg.matrix_power((kernel > 0) + np.eye(states), states) > 0
    mutual = reach & reach.T
    return len({tuple(row) for row, out in zip(mutual, reach, strict=True) if (out <= row).all()})


@pytest.mark.parametrize(
    ("kernel", "law"),
    [
        ([[0.9, 0.1], [0.3, 0.7]], [0.75, 0.25]),
        ([[0.0, 1.0], [1.0, 0.0]], [0.5, 0.5]),
        ([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [0.0, 0.5, 0.5]),
        ([[1.0]], [1.0]),
        ([[1 - 1e-13, 1e-13], [0.0, 1.0]], [0.0, 1.0]),
        ([[1 - 1e-13, 1e-13], [1e-300, 1.0]], [1e-287, 1.0]),
        ([[1.0, 1e-300], [1e-300, 1.0]], [0.5, 0.5]),
        ([[1.0, 1e-200, 0.0], [0.0, 1e-200, 1.0], [1e-200, 1.0, 0.0]], [1 / 3, 1 / 3, 1 / 3]),
        ([[[0.9, 0.1], [0.3, 0.7]], [[0.0, 1.0], [1.0, 0.0]]], [[0.75, 0.25], [0.5, 0.5]]),
    ],
)
def test_stationary_law_of_known_chains(kernel, law):
    np.testing.assert_allclose(stationary_law(np.array(kernel)), law, rtol=1e-12, atol=1e-15)


def test_stationary_law_of_a_reducible_chain_is_refused():
    with pytest.raises(ModelError, match="2 closed classes"):
        stationary_law(np.eye(2))
