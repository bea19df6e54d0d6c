"""Limits of f_n against enumeration in exact fractions, on random instances and on the cases that were once wrong."""

from pathlib import Path

import numpy as np
import pytest
from exact_limits import answers, exact_limit, fractions, random_case, regular

from implicit_bayes.simulators.instance_files import read_instance
from implicit_bayes.theory.filtering.filter import filter_mixture
from implicit_bayes.theory.information.rates import log_likelihood_rate
from implicit_bayes.theory.information.survival import Survivors, survivors
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.bounds import excess_risk
from implicit_bayes.theory.statements.limits import judge, limit_risk
from implicit_bayes.theory.statements.pairs import pairs_of
from implicit_bayes.theory.statements.rate_order import beats, unbeaten
from implicit_bayes.theory.statements.risk import example_filter, prompt_tokens, rounding

CASES = Path(__file__).parents[2] / "cases"


def pairs_of_case(name):
    instance = read_instance(CASES / f"{name}.npz")
    found = pairs_of(instance.mixture, instance.prompt_starts, instance.true_concepts, instance.k or 3, [])
    return instance.mixture, found


def check_against_fractions(rng, count):
    """Ends that meet are the exact value; ends that do not enclose it."""
    met = 0
    for _ in range(count):
        mixture, starts, true, k = random_case(rng)
        for pair in pairs_of(mixture, starts, [true], k, []):
            for length in (k - 1, 1):
                found, exact = pair.limit(mixture, length, pure=True), exact_limit(mixture, pair.law, length)
                assert found.exhaustive
                for ends, truth, slack in ((found.wrong, exact.wrong, 1e-12), (found.excess, exact.excess, 1e-11)):
                    assert ends[0] <= float(truth[0]) + slack
                    assert ends[1] >= float(truth[1]) - slack
                assert (found.wrong[1] == 0) <= (exact.wrong[1] == 0)
                assert (found.wrong[0] > 0) <= (exact.wrong[0] > 0)
                met += found.wrong[1] - found.wrong[0] < 1e-12
                # with one concept left and no tie of its own law nothing may stay open
                if len(mixture.possible_concepts()) == 1 and exact.wrong[0] == exact.wrong[1]:
                    assert found.wrong == pytest.approx(tuple(map(float, exact.wrong)), abs=1e-12)
    return met


@pytest.mark.parametrize("seed", range(4))
def test_limits_are_those_of_exact_enumeration(seed):
    assert check_against_fractions(np.random.default_rng(seed), 75) > 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_limits_are_those_of_exact_enumeration_on_ten_thousand_instances(seed):
    assert check_against_fractions(np.random.default_rng(seed), 100) > 100


def test_a_theta_that_forbids_some_first_examples_wins_on_the_others():
    """theta dies on .38 of first examples and wins on .62; its answer is wrong on .38 of x_test: .2356 by hand."""
    mixture, (pair,) = pairs_of_case("forbids_some_first_examples")
    assert pair.concentrates_on == pytest.approx({frozenset({1}): 0.62, frozenset({0}): 0.38})
    assert pair.limit(mixture, 1, pure=True).wrong == pytest.approx((0.2356, 0.2356), abs=1e-12)


def test_a_wrong_concept_of_prior_zero_takes_no_part():
    mixture, (pair,) = pairs_of_case("wrong_concept_of_prior_zero")
    assert pair.concentrates_on == {frozenset({0}): 1.0}
    assert pair.limit(mixture, 1, pure=True) == ((0.0, 0.0), (0.0, 0.0), True)
    assert pair.others == ()


def test_a_true_concept_of_prior_zero_is_no_candidate():
    """The four that are left are each wrong: they share theta*'s answer's probability, which is never the largest."""
    mixture, (pair,) = pairs_of_case("true_concept_of_prior_zero")
    assert pair.member is None
    assert pair.concentrates_on == {frozenset({1, 2, 3, 4}): 1.0}
    assert pair.limit(mixture, 1, pure=True).wrong[0] > 0.5


def test_one_of_everything_has_nothing_to_get_wrong():
    mixture, (pair,) = pairs_of_case("one_of_everything")
    for length in (1, 2):
        assert pair.limit(mixture, length, pure=True) == ((0.0, 0.0), (0.0, 0.0), True)


def test_each_start_law_has_its_own_limit():
    mixture, pairs = pairs_of_case("two_start_laws")
    assert [pair.beaten(1) for pair in pairs] == [True, False]
    assert [list(pair.concentrates_on) for pair in pairs] == [[frozenset({0})], [frozenset({1})]]
    wrong = [pair.limit(mixture, 1, pure=True).wrong for pair in pairs]
    assert wrong[1] == pytest.approx((0.9, 0.9), abs=1e-12)
    assert wrong[0] == (0.0, 0.0)


def test_a_long_prompt_ends_up_in_the_limit():
    """Exact predictor after 400 examples against the limit under the concept that the closed-form rate picks."""
    mixture, restart = regular(shifts=(1, 3, 2), smooth=0.4)
    law = PromptLaw.of(mixture, 0.7 * restart + 0.3 * np.eye(5)[2], 0, 3)
    rates = {c: log_likelihood_rate(law, mixture.concept(c)) for c in (1, 2)}
    ends = {0: (0.0, 0.0)} | {c: (rate.low, rate.high) for c, rate in rates.items()}
    assert max(rate.value for rate in rates.values()) < 0
    limit = limit_risk(mixture, law, survivors(mixture, law, [0, 1, 2]), ends, 2)
    tokens = prompt_tokens(law, 40, 400, np.random.default_rng(1))
    predictive = np.asarray(filter_mixture(mixture, tokens, positions=[law.test_position(400)]).predictive)[:, 0]
    restarted = PromptLaw(law.hmm, law.hmm.transition[4], 3, 4)
    np.testing.assert_allclose(predictive, example_filter(restarted, tokens[:, -2:])[1][:, -1], atol=1e-9)
    x = np.indices((5, 5)).reshape(2, -1).T
    mass, truth = example_filter(law, x)
    expected = float(mass[:, -1] @ excess_risk(truth[:, -1], example_filter(restarted, x)[1][:, -1]))
    assert limit.excess == pytest.approx((expected, expected), abs=1e-12)


def two_delimiter_states(seed):
    kernel = np.random.default_rng(seed).dirichlet(np.ones(5), size=5)
    mixture = MixtureOfHMMs([1.0], kernel[:1], kernel[None], np.eye(4)[[0, 1, 2, 3, 3]], delimiter=3)
    return mixture, PromptLaw.of(mixture, [0.4, 0.3, 0.3, 0.0, 0.0], 0, 2)


@pytest.mark.parametrize("seed", range(8))
def test_the_ends_enclose_every_weighing_of_two_delimiter_states(seed):
    """Two delimiter states with different restart laws: any weights on them give an excess risk inside the ends."""
    mixture, law = two_delimiter_states(seed)
    limit = limit_risk(mixture, law, [Survivors(1.0, frozenset({0}))], {0: (0.0, 0.0)}, 1)
    x = np.arange(4)[:, None]
    mass, truth = (part[:, -1] for part in example_filter(law, x))
    keep = mass > 0
    for weight in np.linspace(0, 1, 11):
        start = weight * mixture.transition[0, 3] + (1 - weight) * mixture.transition[0, 4]
        after = example_filter(PromptLaw(law.hmm, start, 2, 3), x)[1][:, -1]
        excess = excess_risk(truth[keep], after[keep])
        assert limit.excess[0] - 1e-12 <= float(mass[keep] @ excess) <= limit.excess[1] + 1e-12
        assert limit.wrong[0] - 1e-12 <= float(mass[keep] @ (excess > 1e-12)) <= limit.wrong[1] + 1e-12


def test_what_is_undecided_is_wrong_in_the_upper_end_and_right_in_the_lower():
    """Two laws with different first choices, one of them right: undecided. Both wrong: wrong."""
    truth = np.array([[0.5, 0.3, 0.2]] * 2)
    laws = np.array([[[0.6, 0.3, 0.1], [0.1, 0.8, 0.1]], [[0.3, 0.6, 0.1], [0.2, 0.1, 0.7]]])
    found = judge(truth, laws, np.ones((2, 2), dtype=bool), np.zeros(2, dtype=bool), 1e-14)
    assert found.surely.tolist() == [False, True]  # in the second row no mixture prefers token 0
    assert found.perhaps.tolist() == [True, True]
    np.testing.assert_allclose(found.least, [0.0, 0.2])
    np.testing.assert_allclose(found.most, [0.2, 0.3])
    both = np.array([[[0.1, 0.8, 0.1], [0.1, 0.2, 0.7]]])
    found = judge(truth[:1], both, np.ones((1, 2), dtype=bool), np.zeros(1, dtype=bool), 1e-14)
    assert (found.surely.tolist(), found.perhaps.tolist()) == ([True], [True])
    np.testing.assert_allclose([found.least[0], found.most[0]], [0.2, 0.3])
    nobody = judge(truth[:1], both, np.zeros((1, 2), dtype=bool), np.ones(1, dtype=bool), 1e-14)
    assert (nobody.surely.tolist(), nobody.least[0], nobody.most[0]) == ([True], 0.5, 0.5)


@pytest.mark.parametrize("second", [0.3, 0.1 + 0.2])
def test_ties_within_rounding_are_decided_in_exact_integers(second):
    """p(y|x) of two tokens that are equal, or differ by 4e-17, which the error bound of float64 does not tell apart."""
    assert 0.1 + 0.2 != 0.3
    words = [[0.1, 0.1, 0.7], [0.1, 0.1, 0.7], [0.3, second, 0.1], [0.25, 0.25, 0.2]]
    mixture = MixtureOfHMMs([1.0], [[0.25] * 4], [np.c_[words, [0.1, 0.1, 0.3, 0.3]]], np.eye(4), delimiter=3)
    law = PromptLaw.of(mixture, [0.0, 0.0, 1.0, 0.0], 0, 2)
    found = limit_risk(mixture, law, [Survivors(1.0, frozenset({0}))], {0: (0.0, 0.0)}, 1)
    assert found.wrong == (0.0, 0.0)
    assert tuple(map(float, exact_limit(mixture, law).wrong)) == (0.0, 0.0)


def test_rates_closer_than_their_rounding_are_not_told_apart():
    rates = {0: (0.0, 0.0), 1: (-4e-16, -4e-16), 2: (-0.5, -0.5), 3: (-np.inf, -np.inf), 4: (-0.9, 0.4)}
    assert not beats(rates, 0, 1)
    assert beats(rates, 0, 2)
    assert beats(rates, 2, 3)
    assert not beats(rates, 2, 4)
    assert not beats(rates, 4, 2)
    assert not beats(rates, 0, 7)
    assert unbeaten(rates, frozenset({0, 1, 2, 4})) == {0, 1, 4}
    assert unbeaten(rates, frozenset({2, 3})) == {2}


def test_the_concept_that_wins_is_the_one_whose_lower_end_lies_above_all_upper_ends():
    """Interval ends matter: 1 is above 0 in its value and not in its interval."""
    rates = {0: (0.0, 0.0), 1: (-0.1, 0.5), 2: (0.6, 0.7)}
    assert unbeaten(rates, frozenset({0, 1})) == {0, 1}
    assert unbeaten(rates, frozenset({0, 1, 2})) == {2}


def test_sampled_tests_give_ends_that_cover_the_exact_ones(monkeypatch):
    """Sampled x (as where they are too many) against enumeration: ends cover with probability .99 each, 20 times."""
    mixture, (pair,) = pairs_of_case("forbids_some_first_examples")
    exact = pair.limit(mixture, 1, pure=True)
    monkeypatch.setattr("implicit_bayes.theory.statements.limits.EVERY_TEST", 0)
    for seed in range(20):
        found = pair.limit(mixture, 1, pure=True, seed=seed)
        assert not found.exhaustive
        assert found.wrong[0] <= exact.wrong[0] <= found.wrong[1]
        assert found.excess[0] <= exact.excess[0] <= found.excess[1]
        assert found.wrong[0] > 0
    nobody = limit_risk(mixture, pair.law, [Survivors(1.0, frozenset())], {}, 1)
    assert (nobody.wrong, nobody.exhaustive) == ((1.0, 1.0), False)


def test_the_stated_rounding_bounds_the_error_of_the_recursion():
    """p_prompt(y|x) by floats against fractions, relative error, on random cases."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        mixture, starts, true, k = random_case(rng)
        law = PromptLaw.of(mixture, starts[0], true, k)
        x = rng.integers(mixture.n_tokens, size=k - 1)
        exact = answers(*(fractions(p) for p in (law.start, law.hmm.transition, law.hmm.emission)), x, mixture.n_tokens)
        found = example_filter(law, x[None])[1][0, -1]
        for p, q in zip(exact, found, strict=True):
            expected = float(p / sum(exact)) if sum(exact) else 0.0
            assert abs(q - expected) <= rounding(k - 1, mixture.n_states) * expected
