"""Derivatives of log p: every entry of every array by the exact quotient of polynomials, zeros included."""

from fractions import Fraction

import brute_force
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mixtures

from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.filtering.filter import filter_concepts, filter_mixture, log_probability
from implicit_bayes.theory.filtering.posterior import weigh
from implicit_bayes.theory.objects.families import ConceptFamily

METHODS = ("dense", "log")
FIELDS = ("prior", "initial", "transition", "emission")
SLOPES = {
    method: jax.jit(jax.grad(lambda mixture, tokens, method=method: log_probability(mixture, tokens, method=method)))
    for method in METHODS
}
"""Compiled once for each shape."""


def polynomial(arrays, tokens) -> Fraction:
    """sum_c prior_c p(o_1..o_T | c) by the forward recursion in fractions: a polynomial in every entry."""
    prior, initial, transition, emission = arrays
    total = Fraction(0)
    for c in range(len(prior)):
        here = [p * emission[c][h][tokens[0]] for h, p in enumerate(initial[c])]
        for token in tokens[1:]:
            moved = [sum(p * row[g] for p, row in zip(here, transition[c], strict=True)) for g in range(len(here))]
            here = [p * emission[c][g][token] for g, p in enumerate(moved)]
        total += prior[c] * sum(here)
    return total


def slopes_of(mixture, tokens):
    """d log p / d entry for every entry: (p(entry + h) - p(entry)) / (h p), h = 1e-30, in fractions."""
    arrays = [getattr(mixture, field) for field in FIELDS]
    whole = polynomial([brute_force.rationals(x) for x in arrays], tokens)
    found, step = [], Fraction(1, 10**30)
    for k, array in enumerate(arrays):
        slope = np.zeros(array.shape)
        for index in np.ndindex(*array.shape):
            moved = [brute_force.rationals(x) for x in arrays]
            place = moved[k]
            for i in index[:-1]:
                place = place[i]
            place[index[-1]] += step
            slope[index] = float((polynomial(moved, tokens) - whole) / step / whole)
        found.append(slope)
    return found


def check(mixture, tokens):
    """Both methods against the quotient (its own error is second order in 1e-30)."""
    if brute_force.probability(mixture, tokens) == 0:
        return
    wanted = slopes_of(mixture, [int(t) for t in tokens])
    with jax.enable_x64(True):
        for method in METHODS:
            found = [np.asarray(leaf) for leaf in jax.tree.leaves(SLOPES[method](mixture, np.asarray(tokens)))]
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, np.minimum(other, 1e290), rtol=1e-9, atol=1e-12)


def small_fractions(seed):
    """Rows of small counts, a third of them zero; emission of each concept's own; four tokens."""
    rng = np.random.default_rng(seed)

    def rows(*shape):
        counts = rng.integers(0, 4, shape) * (rng.random(shape) < 0.7)
        counts[..., rng.integers(shape[-1])] += counts.sum(-1) == 0
        return counts / counts.sum(-1, keepdims=True)

    emission = rows(2, 2, 3)
    mixture = MixtureOfHMMs(rows(2), rows(2, 2), rows(2, 2, 2), emission, int(emission.sum((0, 1)).argmax()))
    return mixture, rng.integers(0, 3, 4)


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1))
def test_every_derivative_is_the_one_sided_one(seed):
    check(*small_fractions(seed))


@pytest.mark.slow
def test_every_derivative_is_the_one_sided_one_ten_thousand_times():
    for seed in range(10_000):
        check(*small_fractions(seed))


@given(mixtures(shapes=((2, 2, 3),)), st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_no_derivative_is_nan_in_the_corners(mixture, tokens):
    """Entries of 1e-300, twins, absorbing and periodic kernels; emission of shape (C, H, V) for one compilation."""
    whole = MixtureOfHMMs(
        mixture.prior, mixture.initial, mixture.transition, np.array(mixture.emissions), mixture.delimiter
    )
    with jax.enable_x64(True):
        for method in METHODS:
            for leaf in jax.tree.leaves(SLOPES[method](whole, np.asarray(tokens))):
                assert np.isfinite(leaf).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("tokens", "unreachable", "across"),
    [
        ([0] * 400, None, None),
        ([1] * 400 + [0] * 400, 1.0, None),
        ([0] * 400 + [1] * 400, 1.0, 0.25),
    ],
)
def test_a_closed_block_without_belief_spoils_nothing(method, tokens, unreachable, across):
    """Identity kernel, start (1, 0), emissions (.1, .9) and (.9, .1): by hand, with n0 zeros and n1 ones

    d/d initial = (1, 9^(n0 - n1)), d/d kernel[0, 0] = n - 1, d/d kernel[0, 1] = sum over the step of the change,
    d/d kernel[1, :] = 0. 9^400 is beyond float64: then the derivative is only very large, and the rest stays right.
    """
    mixture = MixtureOfHMMs([1.0], [[1.0, 0.0]], [np.eye(2)], [[0.1, 0.9], [0.9, 0.1]], 0)
    with jax.enable_x64(True):
        found = jax.tree.map(np.asarray, SLOPES[method](mixture, np.array(tokens)))
    assert found.initial[0, 0] == pytest.approx(1.0)
    assert found.transition[0, 0, 0] == pytest.approx(len(tokens) - 1)
    np.testing.assert_array_equal(found.transition[0, 1], 0.0)
    np.testing.assert_array_equal(found.emission[1], 0.0)
    assert found.emission[0, 0] == pytest.approx(tokens.count(0) / 0.1)
    if unreachable is None:
        assert 1e250 < found.initial[0, 1] < np.inf
    else:
        assert found.initial[0, 1] == pytest.approx(unreachable)
    if across is not None:
        assert found.transition[0, 0, 1] == pytest.approx(across)


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_beyond_float64_are_cut_and_spoil_nothing(method):
    """Identity kernel, start (1, 0, 0), 500 zeros of probability .1, .9, .99: of row 0 d/d kernel[0, 0] is
    499; the two others, about 9^500 and 9.9^500, are beyond float64. Uncut, all nine are nan."""
    emission = [[0.1, 0.9], [0.9, 0.1], [0.99, 0.01]]
    mixture = MixtureOfHMMs([1.0], [[1.0, 0.0, 0.0]], [np.eye(3)], emission, 0)
    with jax.enable_x64(True):
        found = np.asarray(SLOPES[method](mixture, np.zeros(500, int)).transition)[0]
    assert found[0, 0] == pytest.approx(499.0) and (1e250 < found[0, 1:]).all() and np.isfinite(found).all()
    np.testing.assert_array_equal(found[1:], 0.0)


@pytest.mark.parametrize("dead", [False, True])
def test_two_closed_blocks_of_a_family_have_the_difference_quotient(dead):
    """T = 400, one block favoured by 1e100 or more, or without any start mass at all."""
    no, words = -np.inf, np.random.default_rng(0).choice(3, 400, p=[0.1, 0.75, 0.15])
    base = [[0.0, 0.3, no, no], [0.2, 0.0, no, no], [no, no, 0.0, 0.4], [no, no, 0.1, 0.0]]
    emission = [[0.8, 0.2, 0.0], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]
    directions = [[[1.0, -1.0, 0.0, 0.0], [0.0] * 4, [0.0, 0.0, 1.0, -1.0], [0.0] * 4]]
    family = ConceptFamily([0.0, 0.0, *([no, no] if dead else [0.0, 0.0])], base, directions, emission, 2)
    with jax.enable_x64(True):
        value = jax.jit(lambda theta: log_probability(family.mixture(theta), words, method="dense"))
        slope, step = jax.grad(value)(np.array([0.3])), 1e-5
        quotient = (value(np.array([0.3 + step])) - value(np.array([0.3 - step]))) / (2 * step)
    assert float(slope[0]) == pytest.approx(float(quotient), rel=1e-6)


CURVATURES = {
    inner.__name__: jax.jit(jax.jacfwd(inner(lambda mixture, tokens: log_probability(mixture, tokens, method="dense"))))
    for inner in (jax.grad, jax.jacfwd)
}
"""Second derivatives of every pair of arrays, by reverse and by forward differentiation."""


@pytest.mark.parametrize("which", CURVATURES)
def test_second_derivatives_over_closed_blocks_are_not_nan(which):
    """Identity kernel, start (1, 0), 400 zeros of probability .1 and .9: log p is, but for what the unreachable state
    adds, log prior + log initial[0] + 399 log kernel[0, 0] + 400 log emission[0, 0]. Derivatives that pass through the
    unreachable state are beyond float64; they may be anything but nan, and spoil none of the others."""
    mixture = MixtureOfHMMs([1.0], [[1.0, 0.0]], [np.eye(2)], [[0.1, 0.9], [0.9, 0.1]], 0)
    with jax.enable_x64(True):
        found = jax.tree.map(np.asarray, CURVATURES[which](mixture, np.zeros(400, int)))
    for leaf in jax.tree.leaves(found):
        assert not np.isnan(leaf).any()
    rows = [
        np.ravel(getattr(found, field).initial[..., 0, 0])[0]
        for field in ("prior", "initial", "transition", "emission")
    ]
    np.testing.assert_allclose(rows, [0.0, -1.0, 0.0, 0.0], atol=1e-9)
    assert found.transition.transition[0, 0, 0, 0, 0, 0] == pytest.approx(-399.0)
    assert found.transition.emission[0, 0, 0, 0, 0] == pytest.approx(0.0, abs=1e-7)
    assert found.emission.emission[0, 0, 0, 0] == pytest.approx(-400 / 0.01)


@given(mixtures(shapes=((2, 2, 3),)), st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_no_second_derivative_is_nan_in_the_corners(mixture, tokens):
    """As the first derivatives above."""
    whole = MixtureOfHMMs(
        mixture.prior, mixture.initial, mixture.transition, np.array(mixture.emissions), mixture.delimiter
    )
    with jax.enable_x64(True):
        for leaf in jax.tree.leaves(CURVATURES["grad"](whole, np.asarray(tokens))):
            assert not np.isnan(leaf).any()


def test_predictives_move_with_a_prior_of_zero_and_with_a_concept_that_died():
    """p(1 | 0) = sum_c prior_c p(0, 1 | c) / sum_c prior_c p(0 | c), its quotient by hand, for both methods."""
    mixture = MixtureOfHMMs(
        [0.5, 0.0, 0.5], [[0.5, 0.5], [0.8, 0.2], [0.0, 1.0]], [[[0.5, 0.5], [0.25, 0.75]]] * 3, np.eye(2), 0
    )
    jump = lambda prior, starts: np.divide(*(  # noqa: E731
        sum(p * s * q for p, s in zip(prior, starts, strict=True)) for q in (0.5, 1.0)
    ))  # fmt: skip
    for method in METHODS:
        with jax.enable_x64(True):
            ask = lambda m, method=method: filter_mixture(m, [0], method=method).predictive[1, 1]  # noqa: E731
            slope = jax.tree.map(np.asarray, jax.jit(jax.grad(ask))(mixture))
        step = 1e-6
        changed = jump([0.5, step, 0.5], [0.5, 0.8, 0.0]) - jump([0.5, 0.0, 0.5], [0.5, 0.8, 0.0])
        assert slope.prior[1] == pytest.approx(changed / step, abs=1e-9)
        assert slope.transition[0, 0, 1] == pytest.approx(1.0)
        assert slope.transition[2, 0, 1] == 0.0
        # the start of concept 2, which cannot emit 0: p(0, 1) and p(0) grow by .5 * (.5, 1), so their ratio stays
        assert slope.initial[2, 0] == pytest.approx(0.0, abs=1e-12)


def test_weighing_is_linear_in_a_prior_of_zero():
    """d/d prior_c log sum = p_c / sum, also at 0; a likelihood ratio beyond float64 is only large."""
    with jax.enable_x64(True):
        slope = jax.grad(lambda prior: weigh(prior, np.log([0.5, 0.75])).log_probability)
        np.testing.assert_allclose(slope(np.array([1.0, 0.0])), [1.0, 1.5], rtol=1e-14)
        far = jax.grad(lambda prior: weigh(prior, np.array([-2000.0, 0.0])).log_probability)(np.array([1.0, 0.0]))
        far = np.asarray(far)
    assert far[0] == pytest.approx(1.0) and 1e250 < far[1] < np.inf


def test_forward_and_second_derivatives_pass_through_the_cut():
    """jacfwd of jacfwd (as fisher.py takes it) against the jacobian of the gradient, at positive arrays."""
    kernel = np.array([[0.7, 0.3], [0.4, 0.6]])
    mixture = MixtureOfHMMs([1.0], [[0.6, 0.4]], [kernel], [[0.8, 0.2], [0.3, 0.7]], 0)

    def value(x, method):
        moved = MixtureOfHMMs([1.0], mixture.initial, kernel[None] + x * np.array([[1.0, -1.0], [0.5, -0.5]]),
                              mixture.emission, 0)  # fmt: skip
        return filter_concepts(moved, [0, 1, 1, 0], positions=[4], method=method).log_evidence[0, 0]

    with jax.enable_x64(True):
        for method in METHODS:
            one = jax.jit(jax.jacfwd(jax.jacfwd(lambda x, m=method: value(x, m))))(0.1)
            other = jax.jit(jax.jacfwd(jax.grad(lambda x, m=method: value(x, m))))(0.1)
            step = 1e-4
            ends = [float(value(0.1 + s * step, method)) for s in (1, 0, -1)]
            assert float(one) == pytest.approx(float(other), rel=1e-12)
            assert float(one) == pytest.approx((ends[0] - 2 * ends[1] + ends[2]) / step**2, rel=1e-5)
