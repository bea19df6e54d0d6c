"""KL_j to second order by automatic differentiation, against finite differences of theory.information.kl in NumPy."""

import functools
import math
import re

import jax
import numpy as np
import pytest

from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.information.rates import log_likelihood_rate
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.families import ConceptFamily
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements import theorem_2
from implicit_bayes.theory.statements.bounds import g_inverse
from implicit_bayes.theory.statements.fisher import (
    Gamma,
    gamma,
    kl_per_position,
    prompt_rate,
    rate_peak,
    second_order,
    taylor_remainder,
)
from implicit_bayes.theory.statements.theorem_2 import evaluate_theorem_2

EMISSION = np.array([[0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 1.0]])
THETA = np.array([0.3, -0.2])
K = 3
ELSEWHERE = np.array([0.7, 0.2, 0.1])


@functools.cache
def family(start_moves=False):
    rng = np.random.default_rng(0)
    base, directions = rng.normal(size=(3, 3)), rng.normal(size=(2, 3, 3))
    moves = rng.normal(size=(2, 3)) if start_moves else None
    return ConceptFamily(np.log([0.45, 0.35, 0.2]), base, directions, EMISSION, 2, start_directions=moves)


def law(start, of=None):
    of = of or family()
    hmm = of.hmm(THETA)
    return PromptLaw(hmm, hmm.initial if start is None else start, K, 2)


@functools.cache
def series(matched):
    return second_order(family(), law(None if matched else ELSEWHERE), THETA)


def kl_at(prompt, theta):
    return kl_sum(prompt, family().hmm(theta)).per_position


def test_kl_agrees_with_the_information_module():
    for theta in (THETA, THETA + 0.5):
        ours = np.asarray(kl_per_position(family(), law(ELSEWHERE), theta))
        np.testing.assert_allclose(ours, kl_at(law(ELSEWHERE), theta), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("matched", [True, False])
def test_gradient_and_hessian_agree_with_finite_differences(matched):
    """Central differences: truncation h^2 |KL''''| is about 1e-6, rounding 1e-15 / h^2 about 1e-9 at h = 1e-3."""
    prompt, h, unit = law(None if matched else ELSEWHERE), 1e-3, np.eye(2)
    at = functools.cache(lambda i, j: kl_at(prompt, THETA + h * (np.sign(i) * unit[abs(i) - 1] if i else 0) + h * (np.sign(j) * unit[abs(j) - 1] if j else 0)))  # noqa: E501  # fmt: skip
    gradient = np.stack([(at(i, 0) - at(-i, 0)) / (2 * h) for i in (1, 2)], -1)
    hessian = np.array(
        [[(at(i, j) - at(i, -j) - at(-i, j) + at(-i, -j)) / (4 * h * h) for i in (1, 2)] for j in (1, 2)]
    )
    found = series(matched)
    np.testing.assert_allclose(found.gradient, gradient, atol=1e-6)
    np.testing.assert_allclose(found.hessian, hessian.transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_allclose(found.value, at(0, 0), atol=1e-13)


def test_with_the_document_start_law_the_hessian_is_the_fisher_information():
    found = series(True)
    np.testing.assert_allclose(found.value, 0.0, atol=1e-14)
    np.testing.assert_allclose(found.gradient, 0.0, atol=1e-14)
    np.testing.assert_allclose(found.hessian, found.fisher, atol=1e-14)
    assert found.fisher[1:].max() > 1e-3


def test_with_another_start_law_the_printed_expansion_lacks_two_terms():
    found = series(False)
    assert found.value[0] > 0.05
    assert np.abs(found.gradient).max() > 1e-3
    assert np.abs(found.hessian - found.fisher).max() > 1e-3


def test_taylor_remainder_is_of_third_order():
    remainder = taylor_remainder(family(), law(ELSEWHERE), THETA, [0.1, 0.05, 0.025], directions=4)
    ratios = remainder[:-1] / remainder[1:]
    assert ((ratios > 7.0) & (ratios < 9.0)).all()


def test_gamma_is_infinite_where_the_start_law_stays():
    """I_1 is then zero, so the printed Theorem 2 says nothing; the proof itself needs far less."""
    found = gamma(series(True).fisher)
    assert found.printed == math.inf
    assert 1.0 <= found.needed < 2.0


def test_gamma_of_a_known_pencil():
    info = np.array([np.diag([1.0, 2.0]), np.diag([4.0, 1.0]), np.diag([3.0, 8.0])])
    assert gamma(info).printed == 8.0
    assert gamma(info).needed == pytest.approx(8.0 / (11.0 / 2))
    blind = np.array([np.diag([1.0, 0.0]), np.diag([1.0, 0.0]), np.diag([1.0, 0.0])])
    assert gamma(blind).printed == math.inf
    assert gamma(blind).needed == pytest.approx(2 / 3)


def test_needed_bounds_the_last_kl_by_the_average_to_second_order():
    info, rng = series(True).fisher, np.random.default_rng(1)
    for v in rng.normal(size=(50, 2)):
        assert v @ info[-1] @ v <= gamma(info).needed * (v @ info.sum(0) @ v) / (K - 1) * (1 + 1e-12)


def test_rate_agrees_with_the_rates_module():
    rate = prompt_rate(family(), law(ELSEWHERE))
    for shift in (0.0, 0.4, -1.0):
        expected = log_likelihood_rate(law(ELSEWHERE), family().hmm(THETA + shift)).value
        assert float(rate(THETA + shift)) == pytest.approx(expected, abs=1e-13)


def test_the_posterior_peaks_elsewhere_than_at_theta_star():
    peak = rate_peak(family(), law(ELSEWHERE), THETA)
    assert peak.rate > 1e-3
    assert np.abs(peak.theta - THETA).max() > 0.1
    nearby = [
        float(prompt_rate(family(), law(ELSEWHERE))(peak.theta + e)) for e in 0.01 * np.vstack([np.eye(2), -np.eye(2)])
    ]
    assert max(nearby) < peak.rate
    assert np.linalg.eigvalsh(peak.information).min() > 0


def one_parameter(start_moves=None):
    directions = [[[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.5, -0.5, 0.0]]]
    return ConceptFamily(
        np.log([0.45, 0.35, 0.2]), np.zeros((3, 3)), directions, EMISSION, 2, delimiter_share=0.2,
        start_directions=start_moves,
    )  # fmt: skip


def test_the_peak_is_theta_star_where_examples_start_like_segments_and_delimiters_do_not_move():
    fixed = one_parameter()
    hmm = fixed.hmm([0.4])
    peak = rate_peak(fixed, PromptLaw(hmm, hmm.transition[2], K, 2), [0.0])
    np.testing.assert_allclose(peak.theta, [0.4], atol=1e-9)
    assert peak.rate == pytest.approx(0.0, abs=1e-14)


def test_two_delimiter_states_have_no_closed_form():
    emission = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    two = ConceptFamily(np.zeros(3), np.zeros((3, 3)), np.ones((1, 3, 3)), emission, 1)
    with pytest.raises(ModelError, match="delimiter"):
        prompt_rate(two, PromptLaw(two.hmm([0.0]), [1.0, 0.0, 0.0], 2, 1))


def test_too_long_an_example_is_refused():
    hmm = family().hmm(THETA)
    with pytest.raises(ModelError, match="k: 30"):
        kl_per_position(family(), PromptLaw(hmm, ELSEWHERE, 30, 2), THETA)


def test_theorem_2_evaluated():
    moving = one_parameter(start_moves=[[1.0, -1.0, 0.0]])
    theta, grid = np.array([0.4]), np.linspace(-2.0, 2.0, 9)[:, None]
    matched = evaluate_theorem_2(moving, moving.hmm(theta).initial, theta, K, grid, prompts=40, shots=(0, 64))
    assert (matched.name, matched.vacuous, matched.bound, matched.conclusion) == ("2", True, 1.0, "holds")
    assert "A3" in matched.reason or matched.applies
    assert "gamma = inf" not in matched.reason
    assert "expansion" not in matched.reason
    elsewhere = evaluate_theorem_2(one_parameter(), ELSEWHERE, theta, K, grid, prompts=40, shots=(0, 64))
    assert not elsewhere.applies
    assert "the expansion" in elsewhere.reason
    assert "a finite gamma" in elsewhere.reason


def test_derivatives_pass_through_without_touching_global_precision():
    with jax.enable_x64(True):
        slope = jax.grad(lambda t: kl_per_position(family(), law(ELSEWHERE), t).sum())(THETA)
    np.testing.assert_allclose(slope, series(False).gradient.sum(0), atol=1e-12)


def test_theorem_2_divides_by_k_minus_1(monkeypatch):
    """By its own words: the argument of g^-1 is gamma times sup eps over k - 1, gamma made finite here."""
    monkeypatch.setattr(theorem_2, "gamma", lambda information: Gamma(0.125, 0.1))
    theta, grid = np.array([0.4]), np.linspace(-2.0, 2.0, 5)[:, None]
    moving = one_parameter(start_moves=[[1.0, -1.0, 0.0]])
    found = evaluate_theorem_2(moving, moving.hmm(theta).initial, theta, K, grid, prompts=16, shots=(0, 4))
    worst, nats = (float(re.search(words, found.reason)[1]) for words in (r"sup eps = ([\d.]+);", r"g\^-1\(([\d.]+)\)"))
    assert worst > 0 and nats == pytest.approx(0.125 * worst / (K - 1), rel=1e-5)
    assert found.bound == pytest.approx(float(g_inverse(nats)), rel=1e-5)
