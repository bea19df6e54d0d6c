"""Measured risks, intervals and bounds at their edges, by numbers worked out by hand."""

import math

import numpy as np
import pytest

from implicit_bayes.theory import HMM, MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.statements import risk as module
from implicit_bayes.theory.statements.bounds import (
    LOG_2,
    TIED,
    _binary_kl,
    _chernoff_end,
    binomial_interval,
    bounded_mean_interval,
    computed_excess_risk,
    first_choice,
    g,
    g_inverse,
    risk_bound,
)
from implicit_bayes.theory.statements.risk import (
    _draw,
    affordable,
    example_filter,
    excess_of,
    measure_risk,
    prompt_tokens,
    reachable_tests,
    rounding,
    start_filter,
)

A, B, D = 0, 1, 2


def certain(k, back=0.5):
    """theta* goes A, B, B, ...; theta A, A, A, ... Both put delimiters behind their words half of the time."""
    stay = 1 - back
    kernels = [[[0, stay, back], [0, stay, back], [1, 0, 0]], [[stay, 0, back], [0, stay, back], [1, 0, 0]]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[1, 0, 0]] * 2, kernels, np.eye(3), D)
    hmm = HMM([1.0, 0.0, 0.0], [[0, 1, 0], [0, 1, 0], [1, 0, 0]], np.eye(3))
    return mixture, PromptLaw(hmm, [1.0, 0.0, 0.0], k, D)


def test_risk_of_certain_prompts():
    """Prompts a b b D a b b ...; theta* D: .25 .5 .25 ... At n = 0 after a: theta* and theta are alike, so the
    predictive is (.25, .25, .5) on a, b, D: wrong, all of the risk lost. After a b only theta* is left: (0, .5, .5),
    a tie, whose first token is right. Every length counts half."""
    found = measure_risk(*_one(certain(3)), prompts=10, seed=0, shots=(1, 0, 1))
    assert (found.shots, found.pairs, found.prompts, found.undefined) == ((0, 1), 1, 10, (0.0, 0.0))
    low, high = 0.005 ** (1 / 10), math.exp(-math.log(200) / 10)
    assert found.error[0] == (0.0, 0.0, pytest.approx(1 - low))
    assert found.excess[0] == (0.0, 0.0, pytest.approx(1 - high))
    assert found.random_excess[0].value == 0.5
    assert found.random_excess[1].value == 0.0  # theta is gone after one example; b and D tie after a


def _one(case):
    mixture, law = case
    return mixture, [law]


def test_the_worst_of_two_laws_at_a_shared_level():
    """k = 2: at n = 0 the answer after a is D, wrong for the one law; the other law's b is followed by b or D: right.
    17 prompts for two laws are 9 each; each interval has the level 1 - .01 / 2."""
    mixture, law = certain(2)
    right = PromptLaw(law.hmm, [0.0, 1.0, 0.0], 2, D)
    found = measure_risk(mixture, [right, law], prompts=17, seed=0, shots=(0,))
    assert (found.prompts, found.pairs) == (9, 2)
    assert found.error[0] == (1.0, pytest.approx(0.0025 ** (1 / 9)), 1.0)
    assert found.excess[0] == (1.0, pytest.approx(math.exp(-math.log(400) / 9)), 1.0)
    assert found.undefined == (0.5,)  # b begins no document
    assert measure_risk(mixture, [right, law], prompts=3, seed=0, shots=(0,)).prompts == 8


def test_every_n_asks_about_its_own_test_input():
    """Prompts a b b D a b; the one concept of the mixture answers a after a and after b, wrong at every n."""
    kernel = [[0.5, 0.25, 0.25]] * 3
    mixture, law = MixtureOfHMMs([1.0], [[1, 0, 0]], [kernel], np.eye(3), D), certain(3)[1]
    found = measure_risk(mixture, [law], prompts=8, seed=0, shots=(0, 1, 2))
    assert [each.value for each in (*found.error, *found.excess, *found.random_excess)] == [1.0] * 9


def test_no_predictor_is_counted_after_all_of_the_test_input():
    """The one concept of the mixture writes a and never b behind it: of a b there is no predictive, of a there was."""
    mixture, law = MixtureOfHMMs([1.0], [[1, 0, 0]], [[[0.5, 0.0, 0.5]] * 3], np.eye(3), D), certain(3)[1]
    found = measure_risk(mixture, [law], prompts=8, seed=0, shots=(0,))
    assert found.undefined == (1.0,) and found.error[0].value == 1.0


def test_prompts_in_small_blocks_are_the_same(monkeypatch):
    mixture, law = certain(3)
    law = PromptLaw(law.hmm, [0.5, 0.5, 0.0], 3, D)
    whole = measure_risk(mixture, [law], prompts=10, seed=4, shots=(0, 1, 2))
    monkeypatch.setattr(module, "NUMBERS", 3 * 2 * 3 * 4 - 1)  # three prompts' worth: the last block is filled up
    asked, risk_of = [], module._risk_of
    monkeypatch.setattr(module, "_risk_of", lambda *given: asked.append(given[2]) or risk_of(*given))
    assert measure_risk(mixture, [law], prompts=10, seed=4, shots=(0, 1, 2)) == whole
    assert [len(tokens) for tokens in asked] == [3, 3, 3, 3]
    assert (asked[3] == asked[3][0]).all()


def test_prompts_have_a_delimiter_after_every_example():
    _, law = certain(3)
    for shots, row in ((0, [A, B]), (2, [A, B, B, D, A, B, B, D, A, B])):
        assert prompt_tokens(law, 2, shots, np.random.default_rng(0)).tolist() == [row] * 2


def test_drawing_by_inverse_cdf():
    """Places .25 and .75 of rows (.25, 0, .75) and (0, .5, .5): on an edge the next column of positive probability."""

    class Places(np.random.Generator):
        def random(self, count):
            return np.array([0.25, 0.75, 0.125, 0.5])[:count]

    table = np.array([[0.25, 0.0, 0.75], [0.0, 0.5, 0.5]])
    drawn = _draw(table, np.array([0, 1, 0, 1]), Places(np.random.PCG64(0)))
    assert drawn.tolist() == [2, 2, 0, 2]
    doubled = _draw(2 * table, np.array([1, 0, 1, 0]), Places(np.random.PCG64(0)))
    assert doubled.tolist() == [1, 2, 1, 2]


def test_excess_by_hand():
    truth = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.0, 1.0 + 2**-52, 0.0], [0.5, 0.25, 0.25]])
    said = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.0, 0.0, 0.0], [0.0, 0.0, 1e-9]])
    assert excess_of(truth, said).tolist() == [0.25, 0.0, 1.0, 0.25]
    assert computed_excess_risk(truth, said).tolist() == [0.25, 0.0, 1.0, 0.25]


def test_the_rounding_of_a_filter():
    assert rounding(3, 5) == 4 * 4 * 13 * 2.0**-52


def test_the_filter_by_hand():
    """From (.5, .5, 0): words of A are 0 with .75, of B with .25, of D never."""
    emission = np.array([[0.75, 0.25], [0.25, 0.75], [0.0, 1.0]])
    kernel = np.array([[0.5, 0.25, 0.25], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    mass, predictive = start_filter(np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]), kernel, emission, np.array([[0, 1]]))
    assert mass[:, 0].tolist() == [[0.5, 0.0], [0.5 * (0.375 * 0.25 + 0.3125 * 0.75 + 0.3125), 0.0]]
    assert predictive[0, 0].tolist() == [[0.375 * 0.75 + 0.3125 * 0.25, 1 - 0.375 * 0.75 - 0.3125 * 0.25], [0.0, 0.0]]
    law = PromptLaw(HMM([1 / 3] * 3, kernel, emission), [0.5, 0.5, 0.0], 2, 1)
    by_law = example_filter(law, np.array([[0, 1]]))
    assert by_law[0].tolist() == [[0.5, mass[1, 0, 0]]]
    assert by_law[1].shape == (1, 2, 2) and by_law[1][0, 0].tolist() == predictive[0, 0, 0].tolist()


def test_what_is_affordable_to_enumerate(monkeypatch):
    _, law = certain(3)
    monkeypatch.setattr(module, "ENUMERATION_BUDGET", 3**2 * 3**2)
    assert affordable(law, 2) is True
    tokens, mass = reachable_tests(law, 2)
    assert (tokens.tolist(), mass.tolist()) == ([[A, B]], [1.0])
    monkeypatch.setattr(module, "ENUMERATION_BUDGET", 3**2 * 3**2 - 1)
    assert affordable(law, 2) is False and reachable_tests(law, 2) is None
    assert reachable_tests(law, 1)[0].tolist() == [[A]]


def test_choices_tie_within_rounding():
    assert first_choice(np.array([1.0 - TIED, 1.0])) == 0
    assert first_choice(np.array([1.0 - 2 * TIED, 1.0])) == 1
    assert first_choice(np.array([1.0, 1.0 - 2 * TIED])) == 0
    assert first_choice(np.array([[0.5, 0.25], [1e-300, 2e-300], [0.0, 0.0]])).tolist() == [0, 1, 0]


def test_bounds_at_log_2():
    below = math.nextafter(LOG_2, 0.0)
    assert g_inverse(LOG_2 * (1 - 1e-9)) < 1.0 == g_inverse(LOG_2) == g_inverse(5.0)
    assert (risk_bound(below).vacuous, risk_bound(LOG_2).vacuous) == (False, True)
    assert risk_bound(0.125).nats == 0.125
    assert g_inverse([0.0, LOG_2]).tolist() == [0.0, 1.0]
    assert float(g_inverse(g(0.25))) == pytest.approx(0.25, rel=1e-15)


@pytest.mark.parametrize(("bad", "named"), [([0.5, 1.5, 2.0], r"delta: 1\.5 is"), ([0.5, -0.25], r"delta: -0\.25 is")])
def test_what_is_no_risk_is_named(bad, named):
    with pytest.raises(ModelError, match=named):
        g([0.0, 1.0, *bad])


def test_what_is_no_divergence_is_named():
    with pytest.raises(ModelError, match=r"nats: -0\.5 is not"):
        g_inverse([0.0, 0.25, -0.5, -1.0])


def test_binomial_ends_of_one_trial():
    assert binomial_interval(0, 1) == (0.0, 0.0, pytest.approx(0.995))
    assert binomial_interval(1, 1) == (1.0, pytest.approx(0.005), 1.0)
    assert binomial_interval(1, 2, 0.5) == (0.5, pytest.approx(1 - math.sqrt(0.75)), pytest.approx(math.sqrt(0.75)))
    for successes, trials in ((0, 0), (-1, 3), (4, 3)):
        with pytest.raises(ModelError, match=f"successes: {successes} of {trials} trials"):
            binomial_interval(successes, trials)


def test_chernoffs_ends_of_few_values():
    """kl(1 || mu) = -log mu, kl(0 || mu) = -log(1 - mu): with level 1/2 one value allows log 4, two allow log 2."""
    assert bounded_mean_interval([1.0], 0.5) == (1.0, pytest.approx(0.25), 1.0)
    assert bounded_mean_interval([0.0, 0.0], 0.5) == (0.0, 0.0, pytest.approx(0.5))
    assert bounded_mean_interval([[0.0, 1.0], [1.0, 0.0]]).value == 0.5
    assert bounded_mean_interval([1.0 + 1e-12], 0.5).value == 1.0
    assert bounded_mean_interval([-1e-12], 0.5).value == 0.0
    for bad in ([], [1.0 + 3e-12], [-2e-12], [0.5, 3.0]):
        with pytest.raises(ModelError, match="values"):
            bounded_mean_interval(bad)


def test_ends_are_rounded_outwards():
    for mean, end in ((0.5, 0.0), (0.5, 1.0), (0.25, 1.0)):
        found = _chernoff_end(mean, end, 0.125)
        assert _binary_kl(mean, found) >= 0.125
        assert _binary_kl(mean, found) == pytest.approx(0.125, rel=1e-12)
    assert _chernoff_end(0.25, 0.0, 9.0) == pytest.approx(math.exp(-36.0) * 0.25 * 0.75**3, rel=1e-9)


def test_binary_divergence_at_its_ends():
    assert (_binary_kl(0.0, 0.0), _binary_kl(1.0, 1.0)) == (0.0, 0.0)
    assert _binary_kl(0.5, 0.0) == _binary_kl(0.5, 1.0) == _binary_kl(1.0, 0.0) == math.inf
    assert _binary_kl(0.0, 0.75) == pytest.approx(math.log(4), rel=1e-15)
    assert _binary_kl(1.0, 0.25) == pytest.approx(math.log(4), rel=1e-15)
    assert _binary_kl(0.5, 0.25) == pytest.approx(0.5 * math.log(4 / 3), rel=1e-14)
