"""Every step from moments to F1 and F2 against the enumeration of all prompts of a few examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_enumeration import TIE, all_prompts, log_odds, random_instance

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.statements.finite_sample_odds import odds_moments
from implicit_bayes.theory.statements.finite_sample_steps import (
    conditional_moment,
    lost_weight,
    markov,
    moment,
    power,
    wrong_answer,
)

SLACK = 1e-12
S = (1e-6, 0.25, 0.5, 1.0, 1.7)

ratios = st.one_of(st.sampled_from([0.0, 1.0, np.inf, 1e-300, 1e300]), st.floats(0, 1e6))


@given(st.lists(st.lists(ratios, min_size=2, max_size=2), min_size=1, max_size=5))
def test_lost_weight(odds):
    sides = lost_weight(np.array(odds))
    assert (sides.left <= sides.right + SLACK).all() and (sides.left <= 1).all()
    assert (sides.left >= 0.5 * np.minimum(np.array(odds).max(-1), 1.0) - SLACK).all()  # it is no smaller than that


@given(ratios, st.floats(0, 1))
def test_power(ratio, s):
    with np.errstate(divide="ignore"):
        sides = power(np.array([np.log(ratio)]), s)
    assert (sides.left <= sides.right + SLACK).all()
    assert not np.isnan(sides.right).any()
    if 0 < ratio < np.inf:
        assert np.exp(sides.right[0]) == pytest.approx(ratio**s)


def test_power_needs_s_up_to_1():
    sides = power(np.log([0.5]), 1.5)
    assert sides.left[0] > sides.right[0]


def brute_moment(prompts, odds, s):
    """E[odds^s], an odds of 0 counting 0."""
    with np.errstate(over="ignore"):
        return (prompts.mass_P * np.where(odds > -np.inf, np.exp(s * odds), 0.0)).sum()


@pytest.mark.parametrize("seed", range(150))
def test_the_sharp_moment_factorises(seed):
    """An equality, for one and two examples and by classes of x."""
    mixture, law = random_instance(seed, delimiters=1)
    found = odds_moments(mixture, law, 0, "sharp")
    if isinstance(found, str):
        assert mixture.prior[0] == 0 or "probability zero" in found
        return
    for n in (1, 2):
        prompts = all_prompts(mixture, law, n)
        for a, c in enumerate(found.concepts):
            odds = log_odds(mixture, prompts, c, 0)
            for s in S:
                truth = brute_moment(prompts, odds, s)
                assert np.exp(moment(found, a, n, s)) == pytest.approx(truth, rel=1e-9)
                assert np.exp(conditional_moment(found, a, n, s)).sum() == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("seed", range(150))
def test_the_repaired_moment_is_a_bound(seed):
    mixture, law = random_instance(seed, zeros=False if seed % 3 else None)
    found = odds_moments(mixture, law, 0, "repaired")
    if isinstance(found, str):
        return
    for n in (1, 2):
        prompts = all_prompts(mixture, law, n)
        for a, c in enumerate(found.concepts):
            odds = log_odds(mixture, prompts, c, 0)
            assert (odds < np.inf).all()
            for s in S:
                assert moment(found, a, n, s) >= np.log(brute_moment(prompts, odds, s)) - 1e-9


def test_the_repaired_moment_is_attained_by_indifferent_concepts():
    """All uniform, one delimiter state, two equal concepts: the odds are 1, and the bound is K^s with K = H H^(k-1)
    (emissions are certain), whatever n is."""
    mixture = MixtureOfHMMs([0.5, 0.5], np.full((2, 4), 0.25), np.full((2, 4, 4), 0.25), np.eye(4), 3)
    found = odds_moments(mixture, PromptLaw.of(mixture, [0.25] * 4, 0, 3), 0, "repaired")
    for n in (1, 2, 9):
        assert moment(found, 0, n, 0.5) == pytest.approx(0.5 * np.log(4.0 * 4**2))


@pytest.mark.parametrize("seed", range(60))
def test_a_wrong_answer_needs_large_odds(seed):
    """At every prompt of two examples, exactly; and so does the answer of p_prompt that comes second."""
    mixture, law = random_instance(seed)
    prompts = all_prompts(mixture, law, 2)
    joint = prompts.evidence_PxC * mixture.prior
    exists = joint[:, 0] > 0
    weight = joint[exists] / joint[exists].sum(-1, keepdims=True)
    order = prompts.truth_PxV[exists].argsort(-1)
    for rank in (-1, -2):
        sides = wrong_answer(weight, prompts.law_PxCxV[exists], 0, order[:, rank])
        clear = sides.defined & (np.abs(sides.left - sides.right) > 0)
        assert not (clear & (sides.left > sides.right)).any()


def test_wrong_answer_by_hand():
    """Two concepts, margin of theta* .5: with weight .3 on the other the answer stands, with .4 odds reach .5."""
    laws = np.array([[[0.75, 0.25], [0.0, 1.0]]] * 2)
    sides = wrong_answer(np.array([[0.7, 0.3], [0.6, 0.4]]), laws, 0, np.array([0, 0]))
    assert sides.left.tolist() == [0.0, 1.0] and sides.right.tolist() == [0.0, 1.0]
    assert sides.defined.all()
    three = np.array([[[0.6, 0.4], [0.0, 1.0], [0.0, 1.0]]])  # odds .09 and .09 against .2 / 2 = .1
    weight = np.array([[1.0, 0.09, 0.09]]) / 1.18
    assert wrong_answer(weight, three, 0, np.array([0])).left[0] == 0.0
    assert wrong_answer(np.array([[1.0, 0.11, 0.11]]) / 1.22, three, 0, np.array([0])).left[0] == 1.0


@given(st.lists(st.tuples(ratios, st.integers(1, 9)), min_size=1, max_size=6), st.floats(1e-3, 10), st.floats(0, 3))
def test_markov(drawn, threshold, s):
    odds = np.array([ratio if ratio < np.inf else 1e5 for ratio, _ in drawn])
    mass = np.array([m for _, m in drawn]) / sum(m for _, m in drawn)
    sides = markov(odds, mass, threshold, s)
    assert sides.left <= sides.right + SLACK


@pytest.mark.parametrize("seed", range(60))
def test_margins_are_those_of_the_filter_after_the_prompt(seed):
    """Delta*(x) is at most the lead of y_test under theta* given any S_n, and sharp it is that lead."""
    mixture, law = random_instance(seed, zeros=False)
    prompts = all_prompts(mixture, law, 1)
    own, answer = prompts.law_PxCxV[:, 0], prompts.truth_PxV.argmax(-1)
    rest = own.copy()
    rest[np.arange(len(own)), answer] = -1.0
    lead = own[np.arange(len(own)), answer] - rest.max(-1)
    top = np.sort(prompts.truth_PxV, -1)
    if mixture.prior[0] == 0 or (top[:, -1] - top[:, -2] < 1e-9).any():
        return
    for version in ("sharp", "repaired"):
        found = odds_moments(mixture, law, 0, version)
        if not isinstance(found, str):
            assert found.margin_N.min() <= lead.min() + SLACK
            assert found.mass_N.sum() == pytest.approx(1.0)
            risky = prompts.mass_P @ (lead <= TIE)
            assert found.mass_N[found.margin_N <= TIE].sum() >= risky - 1e-12
            if len(mixture.delimiter_states()) == 1:
                assert found.mass_N @ found.margin_N == pytest.approx(prompts.mass_P @ lead, abs=1e-12)
