"""Theorem 2's ingredients where everything is known in closed form: pencils, remainders, peaks and their refusals."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from implicit_bayes.theory import ModelError
from implicit_bayes.theory.objects.families import ConceptFamily
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements import fisher, theorem_2
from implicit_bayes.theory.statements.bounds import Interval
from implicit_bayes.theory.statements.fisher import (
    Gamma,
    SecondOrder,
    _needed,
    gamma,
    rate_peak,
    second_order,
    taylor_remainder,
)
from implicit_bayes.theory.statements.limits import LimitRisk
from implicit_bayes.theory.statements.risk import MeasuredRisk
from implicit_bayes.theory.statements.theorem_2 import evaluate_theorem_2

EMISSION = np.eye(3)
THETA = np.array([0.4])


def family(start_moves=None):
    """One parameter: words a and b from a, b and D in the ratio e^(2 theta), e^(-2 theta) and e^theta; D a fifth."""
    directions = [[[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.5, -0.5, 0.0]]]
    return ConceptFamily(
        np.log([0.45, 0.35, 0.2]), np.zeros((3, 3)), directions, EMISSION, 2, delimiter_share=0.2,
        start_directions=start_moves,
    )  # fmt: skip


def law(start=(0.7, 0.2, 0.1), k=3):
    return PromptLaw(family().hmm(THETA), np.array(start), k, 2)


def test_gamma_where_nothing_is_seen():
    assert gamma(np.zeros((3, 2, 2))) == (math.inf, 0.0)
    assert gamma(np.array([np.eye(1), 2 * np.eye(1)])) == pytest.approx((2.0, 2 / 3))  # k = 2: I_2 / (I_1 + I_2)


def test_gamma_counts_as_zero_what_is_a_millionth_of_a_millionth():
    """The smallest eigenvalue against 1e-12 of the largest: at the edge it counts as zero, above it does not."""
    at, above = (np.array([np.diag([1.0, x])] * 2) for x in (1e-12, 2 * 1e-12))
    assert gamma(at).printed == math.inf
    assert gamma(above).printed == pytest.approx(1 / (2 * 1e-12))


def test_needed_by_hand():
    one = np.diag([1.0, 0.0])
    assert _needed(np.diag([0.0, 1.0]), one) == math.inf
    assert _needed(np.diag([3.0, 0.0]), one) == 3.0
    assert _needed(np.zeros((2, 2)), np.zeros((2, 2))) == 0.0
    assert _needed(np.diag([4.0, 9.0]), np.diag([2.0, 3.0])) == pytest.approx(3.0)
    edge = np.diag([1.0, 1e-12])
    assert _needed(np.diag([1.0, 0.5]), edge) == math.inf  # an eigenvalue of a share of 1e-12 is none
    assert _needed(np.diag([1.0, 0.5]), np.diag([1.0, 2 * 1e-12])) == pytest.approx(0.25 / 1e-12)
    small = 0.5 * 1e-12
    assert _needed(np.diag([1.0, small]), one) == 1.0  # what is seen along the blind direction is rounding
    assert _needed(np.diag([1.0, 1.5 * 1e-12]), one) == math.inf
    three = np.diag([1.0, 0.0, 0.0])
    assert _needed(np.diag([1.0, 0.75 * 1e-12, 0.75 * 1e-12]), three) == math.inf  # together it is none


def test_needed_of_turned_pencils_ignores_what_rounding_leaves():
    """In any basis: the average is blind along one direction, and I_k sees it or does not."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        basis = np.linalg.qr(generator.normal(size=(3, 3)))[0]
        average, seen = (basis @ np.diag(x) @ basis.T for x in ([2.0, 1.0, 0.0], [1.0, 3.0, 0.0]))
        assert _needed(seen, average) == pytest.approx(3.0)
        assert _needed(seen + basis @ np.diag([0.0, 0.0, 0.5]) @ basis.T, average) == math.inf


def kl_by_hand(theta):
    """(3,) KL_j: tokens show states, so position j compares the row of token j - 1, position 1 the start laws."""
    ours, theirs = rows(THETA[0]), rows(theta)
    each, start = (ours * np.log(ours / theirs)).sum(-1), np.array([0.7, 0.2, 0.1])
    return np.array([start @ np.log(start / [0.45, 0.35, 0.2]), start @ each, start @ ours @ each])


def rows(theta):
    """Rows' probabilities of a and b are .8 p and .8 (1 - p), p the logistic function of 2 theta (from a), -2 theta
    (from b) and theta (from D), the differences of the logits of a and b."""
    p = 1 / (1 + np.exp(-theta * np.array([2.0, -2.0, 1.0])))
    return np.column_stack([0.8 * p, 0.8 * (1 - p), np.full(3, 0.2)])


def series_by_hand():
    """Scores of a and b are the logit's slope times 1 - p and minus it times p."""
    p = rows(THETA[0])[:, 0] / 0.8
    information, start = 0.8 * np.array([2.0, -2.0, 1.0]) ** 2 * p * (1 - p), np.array([0.7, 0.2, 0.1])
    fisher_k = np.array([0.0, start @ information, start @ rows(THETA[0]) @ information]).reshape(3, 1, 1)
    return SecondOrder(value=kl_by_hand(THETA[0]), gradient=np.zeros((3, 1)), hessian=fisher_k, fisher=fisher_k)


def test_the_remainder_of_one_parameter_is_that_of_both_signs(monkeypatch):
    """In one dimension every direction is 1 or -1: the maximum is over both signs and all positions, whatever is drawn.
    The expansion is bent, so that each of its terms counts."""
    series = series_by_hand()
    series = series._replace(gradient=np.array([[0.0], [0.25], [-0.5]]))
    monkeypatch.setattr(fisher, "second_order", lambda *_: series)
    right = []
    for radius in (0.5, 0.125):
        gaps = [
            np.abs(
                kl_by_hand(THETA[0] + v)
                - (series.value + series.gradient[:, 0] * v + 0.5 * series.hessian[:, 0, 0] * v * v)
            ).max()
            for v in (radius, -radius)
        ]
        right.append(max(gaps))
    for seed in (0, 1):
        found = taylor_remainder(family(), law(), THETA, (0.5, 0.125), directions=1, seed=seed)
        np.testing.assert_allclose(found, right, rtol=1e-9)


def test_value_gradient_and_information_of_one_parameter_by_hand():
    """Of multinomial logits the Hessian is the information; the start laws differ and do not move."""
    found, right = second_order(family(), law(), THETA), series_by_hand()
    for name in SecondOrder._fields:
        np.testing.assert_allclose(getattr(found, name), getattr(right, name), rtol=1e-12, atol=1e-14)


def peak_of(monkeypatch, rate, at, **options):
    monkeypatch.setattr(fisher, "prompt_rate", lambda family, law: rate)
    return rate_peak(family(), law(), np.array(at), **options)


@pytest.mark.parametrize("start", [0.5, 3.0, -40.0])
def test_the_peak_of_a_known_rate(start, monkeypatch):
    """1 - log cosh(t - 1/4): plain Newton steps from 3 or -40 fly off and are halved; J = 1 at the top."""
    peak = peak_of(monkeypatch, lambda t: 1.0 - jnp.logaddexp(t[0] - 0.25, 0.25 - t[0]) + math.log(2), [start])
    assert peak.theta[0] == pytest.approx(0.25, abs=1e-8)
    assert peak.rate == pytest.approx(1.0, abs=1e-14)
    assert peak.information[0, 0] == pytest.approx(1.0, abs=1e-8)
    assert 0 <= peak.gradient <= 1e-8


def test_a_search_climbs_where_the_rate_curves_upwards(monkeypatch):
    """exp(-t^2 / 2 - u^2) from (1.5, 1): curvature is positive along both, and the step must still go uphill."""
    peak = peak_of(monkeypatch, lambda t: jnp.exp(-0.5 * t[0] ** 2 - t[1] ** 2), [1.5, 1.0])
    np.testing.assert_allclose(peak.theta, 0.0, atol=1e-8)
    np.testing.assert_allclose(peak.information, np.diag([1.0, 2.0]), atol=1e-8)
    assert peak.rate == pytest.approx(1.0)


def test_the_gradient_is_the_largest_entry_whatever_its_sign(monkeypatch):
    """The step from (2 + 3e-9, 1e-9) to the top is taken, and the gradient that is told is the one before it."""
    peak = peak_of(monkeypatch, lambda t: -0.5 * (t[0] - 2.0) ** 2 - 0.5 * t[1] ** 2, [2.0 + 3e-9, 1e-9], steps=1)
    assert peak.gradient == pytest.approx(3e-9, rel=1e-6)


def test_a_search_ends_where_the_gradient_is_none(monkeypatch):
    """One Newton step finds the top of a parabola; the rate is asked before it, after it, and for the result."""
    asked = []

    def rate(t):
        if not isinstance(t, jax.core.Tracer):
            asked.append(float(t[0]))
        return -0.5 * (t[0] - 2.0) ** 2

    monkeypatch.setattr(jax, "jit", lambda f: f)
    peak_of(monkeypatch, rate, [0.0])
    assert asked == [0.0, 2.0, 2.0]


def test_a_search_ends_where_no_step_is_small_enough(monkeypatch):
    """The gradient at 0 is 1 and the rate falls beside it by 1: nothing is moved, and that gradient is told."""
    with pytest.raises(ModelError, match="gradient 1 after 50 steps"):
        peak_of(monkeypatch, lambda t: jnp.where(t[0] == 0.0, t[0], -1.0), [0.0])


@pytest.mark.parametrize(
    ("rate", "at", "steps"),
    [
        (lambda t: jnp.tanh(t[0]) + 0 * t[0], [0.0], 50),  # it keeps rising
        (lambda t: 0.0 * t[0] ** 2, [0.0], 50),  # no curvature
        (lambda t: t[0] ** 2 - t[1] ** 2, [0.0, 0.0], 50),  # a saddle
        (lambda t: t[0] ** 2, [0.0], 50),  # the bottom
        (lambda t: -(t[0] ** 4), [1.0], 3),  # too few steps: a third is left at each
    ],
)
def test_no_peak_is_refused(rate, at, steps, monkeypatch):
    with pytest.raises(ModelError, match=rf"theta: the rate has no maximum near; gradient .* after {steps} steps"):
        peak_of(monkeypatch, rate, at, steps=steps)


RIGHT = LimitRisk((0.0, 0.0), (0.0, 0.125), True)
NOTHING = SecondOrder(np.zeros(3), np.zeros((3, 1)), np.zeros((3, 1, 1)), np.zeros((3, 1, 1)))


DEFAULTS = dict(prompts=200, shots=(0, 1, 2, 4, 8, 16, 32, 64, 128, 256))
"""What is measured where nothing else is asked for."""


def verdict(monkeypatch, printed, thresholds, limit=RIGHT, series=NOTHING, sizes=None):
    """Theorem 2 with series, gamma, rows, limit and measurement told: the rest is worked out, on a grid of three."""

    class Row:
        def __init__(self, threshold, holds):
            self.printed_threshold, self.printed_holds = threshold, holds

    class Alone:
        estimated = False

        def limit(self, mixture, tokens, pure, seed):
            assert (tokens, pure, seed) == (2, True, 3)
            return limit

    def measured(mixture, laws, prompts, seed, shots):
        assert (mixture.n_concepts, len(laws), seed) == (3, 1, 3) and dict(prompts=prompts, shots=tuple(shots)) == asked
        each = (Interval(0.75, 0.5, 1.0), Interval(0.0625, 0.0, 0.5))
        return MeasuredRisk(shots=shots, error=each, excess=each, random_excess=each, undefined=(0.0, 0.0), pairs=1,
                            prompts=8)  # fmt: skip

    def rows_of(mixture, starts, true_concept, k, seed):
        assert (np.shape(starts), true_concept, k, seed) == ((1, 3), 0, 3, 3)
        return [Row(*each) for each in thresholds]

    asked = DEFAULTS if sizes == {} else dict(prompts=8, shots=(0, 2))
    monkeypatch.setattr(theorem_2, "second_order", lambda *_: series)
    monkeypatch.setattr(theorem_2, "gamma", lambda information: Gamma(printed, 0.25))
    monkeypatch.setattr(theorem_2, "check_conditions", rows_of)
    monkeypatch.setattr(theorem_2, "pairs_of", lambda *_: [Alone()])
    monkeypatch.setattr(theorem_2, "measure_risk", measured)
    return evaluate_theorem_2(family(), family().hmm(THETA).initial, THETA, 3, np.array([[0.0], [1.0]]), seed=3,
                              **(asked if sizes is None else sizes))  # fmt: skip


def lacks(found):
    said = found.reason.split(";")[0]
    return [name for name in ("A1", "A2", "A3", "A4", "A5", "expansion", "gamma") if name in said]


def test_the_bound_of_theorem_2_is_of_the_worst_point_in_b(monkeypatch):
    """B are the points whose condition is not shown to hold; gamma 1/2, k - 1 = 2, worst .8: g^-1(.2)."""
    rows = [(9.0, True), (0.8, False), (0.5, "undetermined")]
    found = verdict(monkeypatch, 0.5, rows)
    assert "; 2 of 3 points in B, sup eps = 0.8; g^-1(0.2) = " in found.reason
    assert "gamma = 0.5 (needed: 0.25)" in found.reason and "constant in O(.) taken as 1" in found.reason
    assert "expansion" not in lacks(found) and "gamma" not in lacks(found)
    assert found.bound < 1.0
    none = verdict(monkeypatch, math.inf, [(9.0, True)])
    assert "; 0 of 1 points in B, sup eps = 0; g^-1(0) = 0" in none.reason and none.bound == 0.0
    assert "gamma" in lacks(none) and none.vacuous is True and none.applies is False
    below = verdict(monkeypatch, 0.5, [(-2.0, False)])
    assert below.bound == 0.0 and "sup eps = -2;" in below.reason


def test_theorem_2_needs_neither_constant_nor_gradient(monkeypatch):
    """A constant or a gradient of 1e-9 is rounding, one of twice that is not."""
    assert "expansion" not in lacks(verdict(monkeypatch, 0.5, [(0.5, False)]))
    for size in (1e-9, 2e-9, -2e-9):
        for bent in (NOTHING._replace(value=np.array([0.0, size, 0.0])),
                     NOTHING._replace(gradient=np.array([[0.0], [size], [0.0]]))):  # fmt: skip
            found = verdict(monkeypatch, 0.5, [(0.5, False)], series=bent)
            assert ("expansion" in lacks(found)) == (abs(size) > 1e-9)
            assert found.applies is (abs(size) <= 1e-9) and found.vacuous is not found.applies


def test_what_theorem_2_measures_where_nothing_is_said(monkeypatch):
    assert verdict(monkeypatch, 0.5, [(0.8, False)], sizes={}).conclusion == "holds"


def test_theorem_2_without_a_limit_is_undetermined(monkeypatch):
    assert verdict(monkeypatch, 0.5, [(0.8, False)], limit=None).conclusion == "undetermined"
    wrong = LimitRisk((0.0, 0.0), (0.9, 1.0), True)
    assert verdict(monkeypatch, 0.5, [(0.8, False)], limit=wrong).conclusion != "holds"
    assert verdict(monkeypatch, 0.5, [(0.8, False)]).conclusion == "holds"
