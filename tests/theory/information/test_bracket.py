"""The bracket on rates with several delimiter states: enumeration by hand, the closed form, known limits, coverage."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from delimiter_laws import one_delimiter, path_sum, split_delimiter
from scipy import stats

from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information.bracket import enumerate_bracket
from implicit_bayes.theory.information.estimates import t_interval
from implicit_bayes.theory.information.rates import log_likelihood_rate, log_likelihood_rates
from implicit_bayes.theory.information.sampled_bracket import BlockSampler
from implicit_bayes.theory.information.simulated_rates import simulate_rates


def several_delimiters(seed, states=4, delimiters=2, alpha=1.0, observed=False):
    """Two positive laws whose last ``delimiters`` states emit the last token; the others emit the rest."""
    generator = np.random.default_rng(seed)
    body = states - delimiters
    tokens = body + 1 if observed else 3
    emission = np.zeros((states, tokens))
    emission[:body, :-1] = np.eye(body) if observed else generator.dirichlet(np.ones(tokens - 1), body)
    emission[body:, -1] = 1.0
    laws = [HMM(*generator.dirichlet(np.full(states, alpha), (1, states + 1))[0].reshape(-1, states)[:1],
                generator.dirichlet(np.full(states, alpha), states), emission) for _ in range(2)]  # fmt: skip
    return PromptLaw(laws[0], generator.dirichlet(np.ones(states)), 2, tokens - 1), laws[1]


def ends_by_hand(prompt, alternative, forgotten):
    """E min_d l and E max_d l of theta* and theta by summing over all examples and all hidden paths."""
    states = np.flatnonzero(np.asarray(prompt.hmm.emission)[:, prompt.delimiter])
    examples = list(itertools.product(range(prompt.hmm.n_tokens), repeat=prompt.length))
    weights = {tokens: path_sum(prompt.start, prompt.hmm, tokens) for tokens in examples}
    low, high = np.zeros(2), np.zeros(2)
    for block in itertools.product(examples, repeat=forgotten + 1):
        weight = math.prod(weights[tokens] for tokens in block)
        if weight == 0:
            continue
        past = tuple(itertools.chain(*((*tokens, prompt.delimiter) for tokens in block[:-1])))
        every = (*past, *block[-1], prompt.delimiter)
        for i, law in enumerate((prompt.hmm, alternative)):
            found = [
                math.log(path_sum(law.transition[d], law, every))
                - (math.log(path_sum(law.transition[d], law, past)) if past else 0.0)
                for d in states
            ]
            low[i] += weight * min(found)
            high[i] += weight * max(found)
    return low[1] - high[0], high[1] - low[0]


@pytest.mark.parametrize("forgotten", [0, 1])
def test_ends_equal_enumeration_by_hand(forgotten, monkeypatch):
    monkeypatch.setattr("implicit_bayes.theory.information.bracket.MOST_EXAMPLES", forgotten)
    prompt, alternative = several_delimiters(0, states=3, observed=True)
    found = enumerate_bracket(prompt, [alternative])
    assert found.forgotten == forgotten
    low, high = ends_by_hand(prompt, alternative, forgotten)
    assert found.low[0] == pytest.approx(low, abs=1e-12)
    assert found.high[0] == pytest.approx(high, abs=1e-12)
    assert low < high


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("length", [2, 4])
def test_one_delimiter_state_gives_the_closed_form(seed, length):
    mixture, start = one_delimiter(seed)
    prompt = PromptLaw.of(mixture, start, 0, length)
    closed = log_likelihood_rate(prompt, mixture.concept(1))
    found = enumerate_bracket(prompt, [mixture.concept(1)])
    assert found.forgotten == 0
    assert found.low[0] == pytest.approx(closed.value, abs=1e-12)
    assert found.high[0] == pytest.approx(closed.value, abs=1e-12)


def test_copies_of_a_delimiter_state_change_nothing():
    """Split into copies that nobody tells apart, the delimiter gives the bracket of width 0 at the closed form."""
    for seed in range(4):
        mixture, start = one_delimiter(seed)
        truth = log_likelihood_rate(PromptLaw.of(mixture, start, 0, 3), mixture.concept(1)).value
        divided, divided_start = split_delimiter(mixture, start)
        rate = log_likelihood_rate(PromptLaw.of(divided, divided_start, 0, 3), divided.concept(1))
        assert rate.method == "bracketed"
        assert rate.samples == 0
        assert abs(rate.value - truth) <= 1e-12
        assert rate.bracket <= 1e-12


def test_the_enumerated_bracket_holds_a_long_run():
    """Against 64 chains of 64 examples through the exact filter (burn-in 16): t = 6 standard errors, p < 1e-6 each."""
    for seed in range(2):
        prompt, alternative = several_delimiters(seed, states=5, observed=True)
        rate = log_likelihood_rate(prompt, alternative)
        means = simulate_rates(prompt, [alternative], seed=seed, chains=64, examples=64)[:, 0]
        assert abs(means.mean() - rate.value) <= 6 * means.std(ddof=1) / 8 + rate.bracket
        assert rate.low <= rate.value <= rate.high


def test_sampled_blocks_agree_with_enumeration():
    """Both ends of 40 sampled brackets around an enumerated rate; 99.9% coverage, exact binomial, false alarm 1e-6."""
    covered = 0
    for seed in range(40):
        prompt, alternative = several_delimiters(seed, states=4, observed=True)
        truth = enumerate_bracket(prompt, [alternative])
        sampler = BlockSampler(prompt, [alternative], seed)
        fixed = enumerate_fixed(prompt, sampler)
        found = sampler.estimate(0.999, 0.1, fixed)
        covered += fixed[0] + found.low[0] <= truth.low[0] + 1e-9 and truth.high[0] - 1e-9 <= fixed[0] + found.high[0]
        assert found.width[0] >= -1e-12
    assert covered >= stats.binom.ppf(1e-6, 40, 0.999)


def enumerate_fixed(prompt, sampler):
    """E log p(O, delim | q, theta) / p(O, delim | q*, theta*) over all examples and hidden paths."""
    theirs, *ours = sampler.restarted()
    total = np.zeros(len(ours))
    for tokens in itertools.product(range(prompt.hmm.n_tokens), repeat=prompt.length):
        weight = path_sum(prompt.start, prompt.hmm, tokens)
        if weight > 0:
            ended = (*tokens, prompt.delimiter)
            star = math.log(path_sum(theirs.initial, theirs, ended))
            total += weight * np.array([math.log(path_sum(law.initial, law, ended)) - star for law in ours])
    return total


def test_two_speeds():
    """A mode that changes with probability 1e-8: a burn-in of 16 examples knows the wrong one, the bracket does not."""
    instance = load_instance(str(Path(__file__).parents[2] / "cases" / "two_speeds.npz"))
    prompt = PromptLaw.of(instance.mixture, instance.prompt_starts[0, 0], 0, 2)
    known = enumerate_bracket(prompt, [instance.mixture.concept(1)])
    assert known.low[0] < -0.0135 < 0.0622 < known.high[0] + 1e-4  # every mode within the certain ends
    rate = log_likelihood_rate(prompt, instance.mixture.concept(1))
    assert 0.04 < rate.low <= 0.0619 <= rate.high + 0.003
    assert rate.negative is False
    burnt = t_interval(simulate_rates(prompt, [instance.mixture.concept(1)]))
    assert burnt[2][0] < 0  # the old interval excludes the truth


def test_ginc_paper_forgets_in_five_examples():
    instance = load_instance("ginc-paper")
    prompt = PromptLaw.of(instance.mixture, instance.prompt_starts[1, 5], 1, 3)
    laws = [instance.mixture.concept(c) for c in (0, 2, 3, 4)]
    sampler = BlockSampler(prompt, laws, 0)
    widths = [(found.high - found.low).mean(0).max() * found.counted
              for found in (sampler.blocks(1200, forgotten) for forgotten in (1, 2, 3, 5))]  # fmt: skip
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.01
    assert widths[-1] < 2e-5
    assert all(rate.samples > 0 for rate in log_likelihood_rates(prompt, laws[:1], budget=20_000, accuracy=0.5))


def test_rare_examples_are_paid_for():
    """An example of probability 1e-4 carries most of the rate, and most samples miss it: 60 intervals of 95%.

    Exact binomial test of the stated coverage, false alarm 1e-6.
    """
    rare = 1e-4
    emission = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    start = np.array([0.5, 0.3, 0.1, 0.1])
    body = np.array([1 - 0.2 - rare, rare, 0.15, 0.05])
    true = HMM(start, np.stack([body, [0.4, 0.4, 0.1, 0.1], body, [0.7, 0.1, 0.1, 0.1]]), emission)
    other = np.array([1 - 0.2 - 1e-9, 1e-9, 0.1, 0.1])
    theta = HMM(start, np.stack([other, [0.4, 0.4, 0.1, 0.1], other, [0.6, 0.2, 0.1, 0.1]]), emission)
    prompt = PromptLaw(true, np.array([1.0, 0, 0, 0]), 2, 2)
    known = enumerate_bracket(prompt, [theta])
    truth = 0.5 * (known.low[0] + known.high[0])
    assert known.high[0] - known.low[0] < 1e-9
    rates = [log_likelihood_rates(prompt, [theta], seed=seed, budget=0, accuracy=1.0)[0] for seed in range(60)]
    assert all(rate.method == "bracketed" and rate.samples > 0 for rate in rates)
    covered = sum(rate.low <= truth <= rate.high for rate in rates)
    assert covered >= stats.binom.ppf(1e-6, 60, 0.95)


def test_the_spread_of_residuals_is_that_of_both_laws():
    """theta restarts alike from both delimiter states and adds nothing; theta* has rows whose log-ratios to their mean
    (.5, .3, .1, .1) run from log(.1/.3) to log(.5/.3): log 5 in all."""
    emission = np.eye(3)[[0, 1, 2, 2]]
    body = [[0.6, 0.2, 0.1, 0.1], [0.3, 0.4, 0.2, 0.1]]
    true = HMM(np.full(4, 0.25), np.array([*body, [0.7, 0.1, 0.1, 0.1], [0.3, 0.5, 0.1, 0.1]]), emission)
    theta = HMM(np.full(4, 0.25), np.array([*body[::-1], [0.7, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]]), emission)
    sampler = BlockSampler(PromptLaw(true, np.array([0.7, 0.3, 0, 0]), 2, 2), [theta, true], 0)
    np.testing.assert_allclose(sampler.spread(), [np.log(5), 2 * np.log(5)], rtol=1e-12)
