"""The continuous family: laws at every theta, structure that stays, quadrature against the mixture it stands for."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.families import ConceptFamily

EMISSION = np.array([[0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 1.0]])
BASE = np.array([[0.2, -1.0, 0.5], [0.0, 0.4, -np.inf], [-0.3, 0.1, 0.2]])
DIRECTIONS = np.array([[[1.0, -1.0, 0.3], [0.2, 0.0, 5.0], [0.5, -0.5, 0.1]], np.eye(3)])


def family(**changes):
    return ConceptFamily(np.log([0.45, 0.35, 0.2]), BASE, DIRECTIONS, EMISSION, 2, **changes)


thetas = arrays(np.float64, (2,), elements=st.floats(-8.0, 8.0))


@given(thetas)
def test_every_theta_is_a_law_with_the_same_zeros(theta):
    hmm = family().hmm(theta)
    assert hmm.transition[1, 2] == 0.0
    assert (np.delete(hmm.transition.reshape(-1), 5) > 0).all()
    np.testing.assert_allclose(hmm.initial, [0.45, 0.35, 0.2], rtol=1e-14)


@given(thetas, thetas)
def test_log_odds_are_linear_in_theta(a, b):
    """log p(h'|h) - log p(h''|h) moves by the difference of the directions: what the parametrisation says it is."""
    odds = [np.log(family().hmm(t).transition[0]) for t in (a, b)]
    moved = (odds[0] - odds[0][:1]) - (odds[1] - odds[1][:1])
    expected = (a - b) @ (DIRECTIONS[:, 0] - DIRECTIONS[:, 0, :1])
    np.testing.assert_allclose(moved, expected, atol=1e-10)


@given(thetas)
def test_a_delimiter_share_does_not_move(theta):
    hmm = family(delimiter_share=0.2).hmm(theta)
    np.testing.assert_allclose(hmm.transition[:, 2], 0.2, rtol=1e-14)
    free = np.exp(BASE + np.tensordot(theta, DIRECTIONS, 1))[:, :2]
    np.testing.assert_allclose(hmm.transition[:, :2], 0.8 * free / free.sum(-1, keepdims=True), rtol=1e-12)


def test_start_directions_move_the_start_law():
    moved = family(start_directions=np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).hmm([np.log(2.0), 3.0]).initial
    np.testing.assert_allclose(moved, np.array([0.9, 0.35, 0.2]) / 1.45, rtol=1e-14)


def test_discretise_weighs_points_by_the_prior_density():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    mixture = family(mean=[1.0, 0.0], scale=[0.5, 2.0]).discretise(points)
    density = np.exp([-2.0, 0.0, -0.5])
    np.testing.assert_allclose(mixture.prior, density / density.sum(), rtol=1e-14)
    np.testing.assert_allclose(mixture.transition[2], family().hmm(points[2]).transition, rtol=1e-14)


def test_a_delimiter_share_is_split_between_the_delimiter_states():
    """Two delimiter states: each takes s / 2 of every row, the words the rest."""
    emission = [[0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    two = ConceptFamily(np.zeros(4), np.zeros((4, 4)), np.zeros((1, 4, 4)), emission, 2, delimiter_share=0.3)
    np.testing.assert_allclose(two.hmm([0.0]).transition, [[0.35, 0.35, 0.15, 0.15]] * 4, rtol=1e-14)


def test_weights_and_kernels_below_float64s_range_are_zero_not_refused():
    """exp(-1410 / 2) of a normal prior is 7e-307 and exp(-1430 / 2) would be 3e-311: the one stays, the other is 0."""
    far = np.sqrt([0.0, 1410.0, 1430.0])[:, None] * np.array([[1.0, 0.0]])
    mixture = family().discretise(far)
    assert mixture.prior[1] > 0 and mixture.prior[2] == 0
    steep = ConceptFamily(np.zeros(2), np.zeros((2, 2)), [[[0.0, 1.0], [0.0, 0.0]]], np.eye(2), 1)
    assert steep.hmm([-715.0]).transition.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert steep.mixture([-700.0]).transition[0, 0, 1] > 0


def test_the_mixture_of_one_is_differentiable_at_a_structural_zero():
    with jax.enable_x64(True):
        slope = jax.jacfwd(lambda t: family().mixture(t).transition[0])(np.zeros(2))
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[1, 2], 0.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base", np.full((3, 3), -np.inf)),
        ("base", np.full((3, 3), np.nan)),
        ("directions", np.full((2, 3, 3), np.inf)),
        ("scale", [1.0, 0.0]),
        ("mean", [0.0]),
        ("start_directions", np.zeros((1, 3))),
        ("delimiter_share", 1.0),
        ("delimiter", 3),
        ("emission", EMISSION * 2),
    ],
)
def test_what_is_no_family_is_refused_by_name(field, value):
    fields = {"start_base": np.zeros(3), "base": BASE, "directions": DIRECTIONS, "emission": EMISSION, "delimiter": 2}
    with pytest.raises(ModelError, match=field):
        ConceptFamily(**{**fields, field: value})


def test_theta_of_the_wrong_size_is_refused():
    with pytest.raises(ModelError, match="theta"):
        family().hmm([0.0])
