"""Intervals of sampled expectations: ranges that hold for every prefix, coverage where a prefix is rare."""

import math

import numpy as np
import pytest
from scipy import stats

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information import sampling
from implicit_bayes.theory.information.kl import _kl_total, kl_sum
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.ranges import score_range
from implicit_bayes.theory.information.rates import _ratio, log_likelihood_rate
from implicit_bayes.theory.information.sampled_means import bernstein_interval, samples_for, seen_interval

ROUNDING = 1e-12


def random_law(rng, states, tokens, zeros):
    weights = [rng.gamma(0.4, size=shape) for shape in ((states,), (states, states), (states, tokens))]
    rows = []
    for weight in weights:
        weight = weight * (rng.random(weight.shape) >= zeros)
        weight[..., 0] += weight.sum(-1) == 0
        rows.append(weight / weight.sum(-1, keepdims=True))
    return HMM(*rows)


def random_pair(seed):
    """theta* and theta, with and without zeros, and a prompt law of two to five tokens."""
    rng = np.random.default_rng(seed)
    states, tokens, zeros = int(rng.integers(1, 4)), int(rng.integers(2, 4)), rng.choice([0.0, 0.4])
    law, other = random_law(rng, states, tokens, zeros), random_law(rng, states, tokens, zeros * (seed % 2))
    start = random_law(rng, states, tokens, zeros).initial
    return PromptLaw(law, start, int(rng.integers(2, 6)), 0), other


def sampled(prompt, law, known, closing):
    """Values of the sampled part (positions after ``known``) at 300 prefixes, and what they may be at most."""
    k = prompt.length
    if closing:
        rows = [HMM(np.asarray(x.transition)[0], x.transition, x.emission) for x in (prompt.hmm, law)]
        forward, quantity = build([prompt.example_law(), *rows], 0), _ratio
    else:
        forward, quantity = build([prompt.example_law(), law]), _kl_total
    draws = sampling.draw(forward, k, 300, np.random.default_rng(0), [k] if closing else [])
    score = draws.score.copy()
    score[:known] = 0.0
    return quantity(score, draws.closing[k - 1]), score_range(forward, quantity, k, known), draws


@pytest.mark.parametrize("closing", [False, True])
def test_no_prefix_leaves_the_range(closing):
    """300 instances, KL and rate, with one or two positions known; values that are infinite are decided elsewhere."""
    tight = 0
    for seed in range(300):
        prompt, law = random_pair(seed)
        values, (low, high), _ = sampled(prompt, law, 1 + seed % 2 if prompt.length > 2 else 1, closing)
        values = values[np.isfinite(values).all(1)]
        assert (values >= low - ROUNDING).all() and (values <= high + ROUNDING).all()
        tight += bool(len(values)) and bool((values.max(0) > 0.5 * high).any())
    assert tight > 20, "a range that is never nearly reached would say nothing"


@pytest.mark.parametrize("rare", [1e-3, 1e-4, 1e-5])
def test_a_rare_prefix_is_never_missed(rare):
    """All of KL sits behind a token of probability ``rare``; t intervals covered 92, 33, 12 and 5% (many of width 0).

    20 runs each; the certain interval covers always, whatever was drawn. The width is never 0.
    """
    kernel = [[1 - rare, rare, 0.0], [0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]
    law = HMM([1 - rare, rare, 0.0], kernel, np.eye(3))
    other = HMM(law.initial, [kernel[0], [0.0, 0.999, 0.001], [0.0, 0.999, 0.001]], np.eye(3))
    prompt = PromptLaw(law, law.initial, 4, 0)
    truth = kl_sum(prompt, other)
    assert truth.method == "exact" and truth.value > rare
    for seed in range(20):
        found = kl_sum(
            prompt,
            other,
            seed=seed,
            budget=0,
        )
        assert found.method == "monte carlo" and found.low < found.high
        assert found.low <= truth.value <= found.high
        assert found.high - found.low < 0.001


def coverage(instances, monkeypatch):
    """Misses of forced Monte Carlo with few samples, of KL and rate, and how many were asked."""
    monkeypatch.setattr(sampling, "PILOT", 64)
    monkeypatch.setattr(sampling, "LEAST", 64)
    monkeypatch.setattr(sampling, "MOST", 256)
    misses = asked = 0
    for seed in range(instances):
        prompt, law = random_pair(seed)
        pairs = [(kl_sum(prompt, law), kl_sum(prompt, law, seed=seed, budget=0))]
        exact = log_likelihood_rate(prompt, law)
        if exact.method == "closed form" and math.isfinite(exact.value):
            pairs.append((exact, log_likelihood_rate(prompt, law, seed=seed, budget=0)))
        for one, other in pairs:
            if math.isfinite(one.value):
                slack = ROUNDING * (1 + abs(one.value))
                misses += not other.low - slack <= one.value <= other.high + slack
                asked += 1
            else:
                assert other.value == one.value
    return misses, asked


def test_sampled_intervals_cover_on_random_instances(monkeypatch):
    """150 instances, sampled with 64 to 256 prefixes; false alarm 1e-6 by the binomial tail at 95%."""
    misses, asked = coverage(150, monkeypatch)
    assert asked > 100 and misses <= stats.binom.ppf(1 - 1e-6, asked, 0.05)


@pytest.mark.slow
def test_sampled_intervals_cover_ten_thousand_times(monkeypatch):
    misses, asked = coverage(10_000, monkeypatch)
    assert misses <= stats.binom.ppf(1 - 1e-6, asked, 0.05)


def test_the_seen_and_the_unseen_hold_the_expectation_for_certain():
    """Whatever was drawn: 200 instances, three prefixes seen, the expectation by enumeration of the rest."""
    for seed in range(200):
        prompt, law = random_pair(seed)
        truth = kl_sum(prompt, law)
        if not math.isfinite(truth.value):
            continue
        values, (low, high), draws = sampled(prompt, law, 1, closing=False)
        few = slice(0, 3)
        ends = seen_interval(values[few], draws.tokens[few], draws.log_mass[few, -1], low, high)
        rest = truth.value - truth.per_position[0]
        slack = ROUNDING * (1 + abs(rest))
        assert ends[0][0] - slack <= rest <= ends[1][0] + slack


def test_bernstein_by_hand_and_its_sample_size():
    """Half of N values 1, half 3, range [0, 10]: mean 2, v = N / (N - 1), both terms as printed; the size inverts."""
    values, low, high = np.tile([[1.0], [3.0]], (500, 1)), np.zeros(1), np.full(1, 10.0)
    level = math.log(4 / 0.05)
    half = math.sqrt(2 * (1000 / 999) * level / 1000) + 7 * 10 * level / (3 * 999)
    found = bernstein_interval(values, low, high, 0.95)
    assert found[0][0] == pytest.approx(2 - half) and found[1][0] == pytest.approx(2 + half)
    size = samples_for(np.array([1000 / 999]), np.array([10.0]), np.array([half]), 0.95)
    assert size[0] == pytest.approx(1000, rel=2e-3)
    assert samples_for(np.zeros(1), np.zeros(1), np.zeros(1), 0.95)[0] == 1.0
