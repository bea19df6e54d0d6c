"""Intervals and three-valued verdicts by hand, at their very ends; sampled sums of shorter examples; table sizes."""

import math

import numpy as np
import pytest
from scipy import stats

from implicit_bayes.theory import HMM, ModelError, PromptLaw
from implicit_bayes.theory.information import prefixes
from implicit_bayes.theory.information.estimates import COVERAGE, UNDEFINED, Rate, exceeds, simultaneous, t_interval
from implicit_bayes.theory.information.kl import kl_table
from implicit_bayes.theory.information.sampled_bracket import BlockSampler, Residuals


@pytest.mark.parametrize(
    ("ends", "rounding", "verdict"),
    [
        ((1.0, 2.0, 0.5, 1.0), 0.0, "undetermined"),  # the quantity and the threshold may both be 1
        ((1.5, 2.0, 0.5, 1.0), 0.5, "undetermined"),
        ((1.5, 2.0, 0.5, 1.0), 0.25, True),
        ((0.5, 1.0, 1.0, 2.0), 0.0, False),  # 1 is not above 1
        ((0.5, 0.75, 1.0, 2.0), 0.25, False),
        ((0.5, 0.75, 1.0, 2.0), 0.5, "undetermined"),
        ((-math.inf, math.inf, 0.0, 0.0), 0.0, "undetermined"),
        ((-math.inf, -math.inf, -math.inf, 0.0), 0.0, False),
        ((0.0, math.inf, math.inf, math.inf), 0.0, False),
        ((math.inf, math.inf, 0.0, 1.0), 0.0, True),
        ((0.0, 1.0, -math.inf, -math.inf), 0.0, True),
        ((math.inf, math.inf, 0.0, math.inf), 0.0, "undetermined"),
        ((-math.inf, 0.0, -math.inf, -math.inf), 0.0, "undetermined"),
    ],
)
def test_exceeds_at_its_ends(ends, rounding, verdict):
    assert exceeds(*ends, rounding) is verdict or exceeds(*ends, rounding) == verdict


def test_a_rate_is_negative_only_beyond_its_rounding():
    assert Rate(-1.0, -2.0, -0.5, "bracketed").negative is True
    assert Rate(-1.0, -2.0, 0.0, "bracketed").negative == "undetermined"
    assert Rate(-1.0, -1.0, -1.0, "closed form", rounding=1.0).negative == "undetermined"
    assert Rate(0.0, 0.0, 0.0, "equal processes").negative is False
    assert Rate(1.0, 0.5, 2.0, "bracketed", rounding=1.0).negative == "undetermined"
    assert Rate(1.0, 0.5, 2.0, "bracketed").negative is False
    assert UNDEFINED.negative == "undetermined" and (UNDEFINED.low, UNDEFINED.high) == (-math.inf, math.inf)


def test_the_t_interval_and_bonferroni_by_hand():
    samples = np.array([[1.0, 0.0], [2.0, 0.0], [4.0, np.inf]])
    mean, low, high = t_interval(samples, 0.9)
    half = stats.t.ppf(0.95, 2) * math.sqrt(7 / 3 / 3)
    assert (mean[0], low[0], high[0]) == pytest.approx((7 / 3, 7 / 3 - half, 7 / 3 + half))
    assert mean[1] == low[1] == high[1] == np.inf
    assert t_interval(samples[:, :1])[1][0] == pytest.approx(7 / 3 - stats.t.ppf(0.975, 2) * math.sqrt(7 / 9))
    assert COVERAGE == 0.95
    assert [simultaneous(0.95, count) for count in (0, 1, 5)] == pytest.approx([0.95, 0.95, 0.99])


def positive_pair(tokens=3):
    """Two positive chains that show their states, and examples of five tokens."""
    generator = np.random.default_rng(0)
    start, kernels = generator.dirichlet(np.ones(tokens)), generator.dirichlet(np.ones(tokens), (2, tokens))
    law, other = (HMM(start, kernel, np.eye(tokens)) for kernel in kernels)
    return PromptLaw(law, generator.dirichlet(np.ones(tokens)), 5, 0), other


def test_shorter_examples_are_told_apart_by_their_own_prefixes():
    """Of examples of two tokens every prefix is seen, so their sum is certain although it was sampled."""
    prompt, other = positive_pair()
    (exact,), _ = kl_table(prompt, [other], [2, 5])
    (short,), (long,) = kl_table(prompt, [other], [2, 5], budget=0)
    assert (short.method, long.method) == ("monte carlo", "monte carlo")
    assert short.high - short.low < 1e-9 < long.high - long.low
    assert short.low - 1e-9 <= exact.value <= short.high + 1e-9


def test_tables_are_made_up_to_their_limit(monkeypatch):
    """8 bytes, two laws, one state a token, three tokens or states: 48."""
    prompt, other = positive_pair()
    monkeypatch.setattr(prefixes, "LARGEST", 48)
    assert prefixes.build([prompt.hmm, other]).n_laws == 2
    monkeypatch.setattr(prefixes, "LARGEST", 47)
    with pytest.raises(ModelError, match="tables of"):
        prefixes.build([prompt.hmm, other])


def test_the_pilot_asks_for_the_examples_that_its_spread_needs(monkeypatch):
    """256 blocks of three examples with residuals +1 and -1: s^2 = 256 / 255, and (2 s / (accuracy |offset|))^2 blocks
    bring the half-width of two standard errors down to accuracy |offset|; within LEAST and MOST."""
    prompt, other = positive_pair()
    sampler, asked = BlockSampler(prompt, [other], 0), []

    def residuals(pool, forgotten):
        ends = np.resize([1.0, -1.0], (len(pool.mass) // (3 * forgotten), 1))
        return Residuals(ends, ends, 2 * forgotten)

    def blocks(examples, forgotten):
        asked.append((examples, forgotten))
        return residuals(sampler._draw(96), 1)

    monkeypatch.setattr(sampler, "_residuals", residuals)
    monkeypatch.setattr(sampler, "blocks", blocks)
    monkeypatch.setattr(sampler, "spread", lambda: np.zeros(1))
    for accuracy in (0.005, 10.0, 1e-5):
        sampler.estimate(0.95, accuracy, np.array([10.0]))
    assert asked == [(int((2 / 0.05) ** 2 * 256 / 255 * 3), 1), (1536, 1), (98_304, 1)]
