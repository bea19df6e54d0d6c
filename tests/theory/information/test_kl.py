"""sum_j KL_j and entropies against enumeration, closed forms and their own intervals."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from strategies import mixtures

from implicit_bayes.simulators.ginc import released_ginc
from implicit_bayes.theory import HMM, ModelError, PromptLaw
from implicit_bayes.theory.information.kl import example_cross_entropy, example_entropy, kl_sum, kl_sums, kl_table
from implicit_bayes.theory.information.simulated_rates import CHAINS, cross_entropy_rate, entropy_rate
from implicit_bayes.theory.information.supports import forbidden_mass
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1


def likelihood(start, transition, emission, tokens):
    """p(tokens) by summing over every hidden path (own loops, no recursion shared with the code under test)."""
    total = 0.0
    for path in itertools.product(range(len(start)), repeat=len(tokens)):
        p = start[path[0]] * emission[path[0], tokens[0]]
        for t in range(1, len(tokens)):
            p *= transition[path[t - 1], path[t]] * emission[path[t], tokens[t]]
        total += p
    return total


def brute_kl(prompt, law, length):
    """KL(p_prompt(O) || p(O|theta)) over all O of a length, and the mass that theta forbids."""
    total = forbidden = 0.0
    hmm = prompt.hmm
    for tokens in itertools.product(range(hmm.n_tokens), repeat=length):
        p = likelihood(prompt.start, hmm.transition, hmm.emission, tokens)
        q = likelihood(law.initial, law.transition, law.emission, tokens)
        if p > 0 and q == 0:
            forbidden += p
        elif p > 0:
            total += p * math.log(p / q)
    return (math.inf if forbidden > 0 else total), forbidden


def random_law(generator, states, tokens, zeros=0.0):
    def rows(*shape):
        weight = generator.gamma(0.7, size=shape) * (generator.random(shape) >= zeros)
        weight[..., 0] += weight.sum(-1) == 0
        return weight / weight.sum(-1, keepdims=True)

    return HMM(rows(states), rows(states, states), rows(states, tokens))


def random_prompt(generator, states, tokens, length, zeros=0.0):
    hmm = random_law(generator, states, tokens, zeros)
    return PromptLaw(hmm, random_law(generator, states, tokens, zeros).initial, length, 0)


@pytest.mark.parametrize("zeros", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(12))
def test_equals_enumeration_of_all_examples(seed, zeros):
    generator = np.random.default_rng(seed)
    states, tokens, length = int(generator.integers(1, 4)), int(generator.integers(1, 4)), 3
    prompt = random_prompt(generator, states, tokens, length, zeros)
    law = random_law(generator, states, tokens, zeros)
    found = kl_sum(prompt, law)
    value, forbidden = brute_kl(prompt, law, length)
    assert found.method == "exact"
    assert found.low == found.value == found.high
    assert found.value == pytest.approx(value, abs=1e-11)
    assert found.infinite_mass == pytest.approx(forbidden, abs=1e-12)
    # The chain rule, position by position: KL_1 + ... + KL_j is the KL of the first j tokens.
    for j in range(1, length + 1):
        partial = found.per_position[:j].sum()
        assert partial == pytest.approx(brute_kl(prompt, law, j)[0], abs=1e-11)


@given(mixtures(), st.data())
def test_corners_never_lie(mixture, data):
    """One state, one token, zeros, twins, entries of 1e-300: never nan, and infinite exactly where zeros say so."""
    true, other = (data.draw(st.integers(0, mixture.n_concepts - 1)) for _ in range(2))
    start = mixture.initial[data.draw(st.integers(0, mixture.n_concepts - 1))]
    prompt, law = PromptLaw.of(mixture, start, true, 3), mixture.concept(other)
    positive = [
        HMM(*((x > 0) / (x > 0).sum(-1, keepdims=True) for x in (hmm.initial, hmm.transition, hmm.emission)))
        for hmm in (prompt.example_law(), law)
    ]
    leveled = PromptLaw(positive[0], positive[0].initial, 3, prompt.delimiter)
    infinite = brute_kl(leveled, positive[1], 3)[0] == math.inf
    try:
        found = kl_sum(prompt, law)
    except ModelError as error:
        if "float64" not in str(error):
            raise
        assert not infinite
        return
    assert (found.value == math.inf) == infinite
    assert not np.isnan([*found.per_position, found.value, found.low, found.high, found.infinite_mass]).any()
    assert (found.per_position >= 0).all()
    if mixture.n_states == 1:
        same = kl_sum(prompt, prompt.hmm)
        assert same.value == 0.0


def test_printed_counterexample():
    case = printed_theorem_1()
    wrong, start = kl_sum(case.prompt, case.mixture.concept(1)), kl_sum(case.prompt, case.mixture.concept(0))
    assert wrong.value == pytest.approx(7.2816, abs=5e-5)
    assert wrong.value == pytest.approx(brute_kl(case.prompt, case.mixture.concept(1), 2)[0], abs=1e-13)
    # By hand: the first token is p_prompt(h) against the document start law of theta*; from then on theta* agrees.
    p, q = np.array([0.94, 0.03, 0.03]), np.array([0.26, 0.27, 0.27])
    assert start.per_position[0] == pytest.approx((p * np.log(p / q)).sum(), abs=1e-13)
    assert start.per_position[1] == 0.0


def test_start_kl_vanishes_only_for_the_documents_start_law():
    generator = np.random.default_rng(3)
    hmm = random_law(generator, 3, 3)
    assert kl_sum(PromptLaw(hmm, hmm.initial, 4, 0), hmm).value == 0.0
    other = PromptLaw(hmm, [0.8, 0.1, 0.1], 4, 0)
    assert kl_sum(other, hmm).value > 1e-3


def identity_chain(generator, states):
    rows = generator.dirichlet(np.ones(states), 2 * states + 2)
    prompt = PromptLaw(HMM(rows[0], rows[2 : states + 2], np.eye(states)), rows[1], 10, 0)
    return prompt, HMM(rows[0], rows[states + 2 :], np.eye(states))


def test_identity_emissions_collapse_and_match_the_markov_formula():
    generator = np.random.default_rng(0)
    prompt, law = identity_chain(generator, 7)
    found = kl_sum(prompt, law)
    at, here = prompt.start, prompt.hmm.transition
    truth = (at * np.log(at / law.initial)).sum()
    for _ in range(9):
        truth += at @ (here * np.log(here / law.transition)).sum(1)
        at = at @ here
    assert found.method == "exact"
    assert found.prefixes == 1 + 9 * 7
    assert found.value == pytest.approx(truth, abs=1e-11)


def test_infinity_is_decided_without_sampling_luck():
    """theta forbids one token of probability 1e-12 at the last position; no prefix may be expanded."""
    generator = np.random.default_rng(0)
    hmm = random_law(generator, 3, 4)
    emission = hmm.emission.copy()
    emission[:, :3] *= (1 - 1e-12) / emission[:, :3].sum(-1, keepdims=True)
    emission[:, 3] = 1e-12
    law_emission = emission.copy()
    law_emission[:, 3] = 0.0
    law_emission /= law_emission.sum(-1, keepdims=True)
    prompt = PromptLaw(HMM(hmm.initial, hmm.transition, emission), hmm.initial, 6, 0)
    found = kl_sum(prompt, HMM(hmm.initial, hmm.transition, law_emission), budget=0)
    assert found.value == found.low == found.high == math.inf
    assert found.infinite_mass == pytest.approx(6e-12, rel=1e-6, abs=0)


def test_conditional_violation_needs_the_whole_prefix():
    """Both laws allow every token and every transition pair, yet theta forbids aab: supports must be joint."""
    emission = np.eye(2)[[0, 0, 1]]
    prompt_law = HMM([1, 0, 0], [[0.5, 0, 0.5], [1, 0, 0], [1, 0, 0]], emission)
    law = HMM([0, 1, 0], [[1, 0, 0], [0.5, 0, 0.5], [0, 1, 0]], emission)
    prompt = PromptLaw(prompt_law, prompt_law.initial, 3, 0)
    found = kl_sum(prompt, law)
    # a? ? under theta: after "aa" theta is stuck in state 0 and can never say b.
    assert found.value == math.inf
    assert found.infinite_mass == pytest.approx(0.25)
    np.testing.assert_array_equal(np.isinf(found.per_position), [False, False, True])
    mass = forbidden_mass(np.array([[1.0, 0, 0], [0, 0, 1.0]]), prompt_law, law, 3)
    np.testing.assert_allclose(mass.mass[0], [0, 0, 0.25])
    assert list(mass.first) == [3, 1]


def test_monte_carlo_interval_covers():
    """500 independent estimates of a known sum; a two-sided exact binomial test of 95% coverage, false alarm 1e-6.

    One long sample is cut into 500 independent estimates, each of the least size the code ever uses is too many; the
    interval's coverage is that of a t interval over N samples, so smaller N is the harder case.
    """
    from implicit_bayes.theory.information.estimates import t_interval
    from implicit_bayes.theory.information.kl import _kl_total
    from implicit_bayes.theory.information.prefixes import build
    from implicit_bayes.theory.information.sampling import draw

    generator = np.random.default_rng(5)
    prompt = random_prompt(generator, 3, 3, 4)
    law = random_law(generator, 3, 3)
    truth = kl_sum(prompt, law).value
    forward = build([prompt.example_law(), law])
    draws = draw(forward, 4, 500 * 200, np.random.default_rng(17))
    samples = _kl_total(draws.score, draws.closing[-1]).reshape(500, 200).T
    _, low, high = t_interval(samples)
    covered = int(((low <= truth) & (truth <= high)).sum())
    assert stats.binom.ppf(5e-7, 500, 0.95) <= covered <= stats.binom.ppf(1 - 5e-7, 500, 0.95)


def test_two_stage_estimates_cover():
    """100 runs of the public function forced to sample (false alarm 1e-6 by the exact binomial lower tail)."""
    generator = np.random.default_rng(6)
    prompt = random_prompt(generator, 3, 3, 3)
    law = random_law(generator, 3, 3)
    truth = kl_sum(prompt, law)
    runs = [kl_sum(prompt, law, seed=seed, budget=0) for seed in range(100)]
    assert {run.method for run in runs} == {"monte carlo"}
    assert sum(run.low <= truth.value <= run.high for run in runs) >= stats.binom.ppf(1e-6, 100, 0.95)
    again = kl_sum(prompt, law, seed=3, budget=0)
    assert again.value == runs[3].value


def test_two_tokens_of_ginc_by_matrix_products():
    """Smoothed GINC from property 3: p(o_1, o_2) = E^T diag(start) P E, all 2500 examples at once."""
    mixture = released_ginc(50).pretraining.smooth(0.01)
    start = np.zeros(100)
    start[np.arange(10) * 10 + 3] = 0.1
    emission = np.asarray(mixture.emission)

    def pairs(initial, concept):
        return emission.T @ (initial[:, None] * mixture.transition[concept]) @ emission

    ours, truth = pairs(start, 1), []
    possible = ours > 0
    for c in range(5):
        theirs = pairs(mixture.initial[c], c)
        truth.append((ours[possible] * np.log(ours[possible] / theirs[possible])).sum())
    found = kl_sums(mixture, PromptLaw.of(mixture, start, 1, 2))
    np.testing.assert_allclose([kl.value for kl in found], truth, atol=1e-10)


@pytest.fixture(scope="module")
def smoothed():
    mixture = released_ginc(50).pretraining.smooth(0.01)
    start = np.zeros(100)
    start[np.arange(10) * 10 + 3] = 0.1
    return mixture, start


def test_all_of_ginc_at_five_tokens_is_exact_and_quick(smoothed):
    """The promise: at most 10 s (measured in CPU seconds, so that a busy machine does not decide). Takes about 2."""
    mixture, start = smoothed
    begin = time.process_time()
    found = kl_sums(mixture, PromptLaw.of(mixture, start, 0, 5))
    assert time.process_time() - begin < 10
    assert {kl.method for kl in found} == {"exact"}
    shorter = kl_sums(mixture, PromptLaw.of(mixture, start, 0, 3))
    for long, short in zip(found, shorter, strict=True):
        np.testing.assert_allclose(long.per_position[:3], short.per_position, rtol=1e-12)


def test_ginc_at_ten_tokens_within_one_percent(smoothed):
    mixture, start = smoothed
    found = kl_sums(mixture, PromptLaw.of(mixture, start, 0, 10))
    assert max((kl.high - kl.low) / 2 / kl.value for kl in found) < 0.01
    shared = kl_table(PromptLaw.of(mixture, start, 0, 10), [mixture.concept(1)], [2, 3])
    assert [row[0].method for row in shared] == ["exact", "exact"]


def test_example_entropy_and_cross_entropy():
    generator = np.random.default_rng(9)
    prompt = random_prompt(generator, 2, 3, 3)
    law = random_law(generator, 2, 3)
    hmm, entropy = prompt.hmm, 0.0
    for tokens in itertools.product(range(3), repeat=3):
        p = likelihood(prompt.start, hmm.transition, hmm.emission, tokens)
        entropy -= p * math.log(p) / 3
    assert example_entropy(prompt).value == pytest.approx(entropy, abs=1e-12)
    excess = example_cross_entropy(prompt, law).value - entropy
    assert excess == pytest.approx(kl_sum(prompt, law).value / 3, abs=1e-12)
    forbidding = HMM([1.0, 0], np.eye(2), [[1.0, 0, 0], [0, 0.5, 0.5]])
    assert example_cross_entropy(prompt, forbidding).value == math.inf
    sampled = example_entropy(prompt, budget=0)
    # A 95% interval widened to 5 standard errors: false alarm below 1e-6.
    assert abs(sampled.value - entropy) < 2.6 * (sampled.high - sampled.low)


def test_long_run_entropy_of_a_markov_chain():
    """h = -sum_h pi(h) sum_h' P log P; the interval is widened to t = 6.5 with 31 degrees of freedom (p < 1e-6)."""
    generator = np.random.default_rng(2)
    prompt, law = identity_chain(generator, 4)
    here = prompt.hmm.transition
    pi = np.linalg.matrix_power(here, 200)[0]
    widen = 6.5 / stats.t.ppf(0.975, CHAINS - 1)
    for alternative, truth in (
        (prompt.hmm, -(pi @ (here * np.log(here)).sum(1))),
        (law, -(pi @ (here * np.log(law.transition)).sum(1))),
    ):
        rate = cross_entropy_rate(prompt.hmm, alternative, seed=1)
        assert rate.method == "simulation"
        assert abs(rate.value - truth) <= widen * (rate.high - rate.low) / 2
        assert rate.high - rate.low < 0.05
    assert entropy_rate(prompt.hmm, seed=1).value < cross_entropy_rate(prompt.hmm, law, seed=1).value


def test_a_document_that_is_forbidden_late_costs_infinity():
    cycle = np.roll(np.eye(4), 1, axis=1)
    rare = 0.999 * cycle + 0.001 * np.eye(4)
    sampler, law = HMM(np.eye(4)[0], rare, np.eye(4)), HMM(np.eye(4)[0], cycle, np.eye(4))
    assert cross_entropy_rate(sampler, law).value == math.inf
    assert cross_entropy_rate(law, sampler).value == pytest.approx(-math.log(0.999))
    assert entropy_rate(law).value == 0.0


def test_shapes_must_agree():
    generator = np.random.default_rng(0)
    prompt = random_prompt(generator, 2, 2, 3)
    with pytest.raises(ModelError, match="3 states and 2 tokens"):
        kl_sum(prompt, random_law(generator, 3, 2))


def test_the_entropy_rate_of_a_process_that_never_says_its_first_token():
    silent = HMM(np.ones(1), np.ones((1, 1)), np.array([[0.0, 0.5, 0.5]]))
    assert entropy_rate(silent).value == pytest.approx(math.log(2), rel=1e-12)
