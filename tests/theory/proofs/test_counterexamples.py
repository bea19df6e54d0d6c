"""The counterexamples refute what they say they refute: every hypothesis holds, the conclusion fails."""

import itertools
import math

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, filter_mixture, log_evidence
from implicit_bayes.theory.proofs.counterexamples import (
    example_given_state,
    printed_lemma_1,
    printed_proposition_2,
    printed_theorem_1,
)
from implicit_bayes.theory.statements.lemma_1 import lemma_1
from implicit_bayes.theory.statements.repaired_constants import limit_bound, repaired_constants

BOTH = [printed_theorem_1, printed_lemma_1]


def expectations(case):
    """(sum_j KL_j, start_kl, rate) by the plain sum over all examples O, p(O | .) by the filter."""
    mixture, prompt, d = case.mixture, case.prompt, int(case.mixture.delimiter_states()[0])
    k, v, t, w = prompt.length, mixture.n_tokens, case.true_concept, case.concept
    laws = [(prompt.start, t), (mixture.initial[t], t), (mixture.initial[w], w)]
    laws += [(mixture.transition[c][d], c) for c in (t, w)]
    which = [c for _, c in laws]
    stack = MixtureOfHMMs(
        np.full(5, 0.2), [q for q, _ in laws], mixture.transition[which], mixture.emissions[which], mixture.delimiter
    )
    examples = np.array(list(itertools.product(range(v), repeat=k)))
    ended = np.concatenate([examples, np.full((len(examples), 1), mixture.delimiter)], 1)
    plain, delimited = np.asarray(log_evidence(stack, examples)), np.asarray(log_evidence(stack, ended))
    p = np.exp(plain[:, 0])
    on = p > 0
    gap = [np.sum(p[on] * (plain[on, 0] - plain[on, i])) for i in (2, 1)]
    return (*gap, np.sum(p[on] * (delimited[on, 4] - delimited[on, 3])))


def printed_threshold(case):
    """log(1/c8) + 2 log(c2/c1) + log(c4/c3), the constants at their limits."""
    mixture, d = case.mixture, case.mixture.delimiter_states()
    true, other = mixture.transition[case.true_concept], mixture.transition[case.concept]
    starts = mixture.initial[:, d]
    c8 = mixture.initial[case.true_concept].min()
    return -math.log(c8) + 2 * math.log(other[:, d].max() / true[:, d].min()) + math.log(starts.max() / starts.min())


def sample_prompts(case, n, count, seed):
    """(count, (k + 1) n + k - 1) prompts of n examples, x_test the case's own."""
    rng, prompt = np.random.default_rng(seed), case.prompt
    kernel, emission = np.cumsum(prompt.hmm.transition, -1), np.asarray(prompt.hmm.emission)
    token_of = emission.argmax(-1)
    assert (emission.max(-1) == 1).all(), "deterministic emissions only"
    last = kernel.shape[0] - 1
    state = np.minimum((rng.random((count, n, 1)) > np.cumsum(prompt.start)).sum(-1), last)
    tokens = [token_of[state]]
    for _ in range(prompt.length - 1):
        state = np.minimum((rng.random((count, n, 1)) > kernel[state]).sum(-1), last)
        tokens.append(token_of[state])
    tokens.append(np.full((count, n), case.mixture.delimiter))
    shots = np.stack(tokens, -1).reshape(count, -1)
    return np.concatenate([shots, np.tile(case.x_test, (count, 1))], 1)


@pytest.mark.parametrize("make", BOTH)
def test_assumptions_1_to_5_hold_strictly(make):
    case = make()
    mixture, hmm, d = case.mixture, case.prompt.hmm, case.mixture.delimiter_states()
    column = mixture.emissions[..., mixture.delimiter]
    assert len(d) == 1 and (column[:, d] == 1).all() and (np.delete(column, d, 1) == 0).all()  # A1
    assert hmm.transition[:, d].min() > 0 and mixture.initial[:, d].min() > 0  # A2
    assert np.array_equal(hmm.transition, mixture.transition[case.true_concept])  # A4
    assert min(hmm.transition.min(), hmm.initial.min(), hmm.emission.max(0).min(), mixture.prior.min()) > 0  # A5
    lemma = lemma_1(mixture, case.prompt.start, case.true_concept, np.arange(mixture.n_tokens)[:, None])
    possible = case.prompt.start @ hmm.emission > 0
    assert possible[case.x_test[0]] and lemma.printed[possible].all()  # A3


def test_theorem_1_numbers():
    case = printed_theorem_1()
    kl_sum, start_kl, rate = expectations(case)
    lemma = lemma_1(case.mixture, case.prompt.start, 0, np.arange(3)[:, None])
    assert lemma.tv_start == pytest.approx(0.035, abs=1e-12)
    assert lemma.margin.min() / 4 == pytest.approx(0.0489, abs=1e-12)
    constants = repaired_constants(case.mixture, 0, 1)
    assert (constants.c1, constants.c2) == (0.02, 0.3)
    assert kl_sum == pytest.approx(7.2816, abs=5e-5) and printed_threshold(case) == pytest.approx(7.0255, abs=5e-5)
    assert kl_sum > printed_threshold(case)
    assert rate == pytest.approx(2.0041, abs=5e-5)
    assert limit_bound(constants, start_kl, kl_sum) > rate > 0, "the repaired condition does not apply"


def test_theorem_1_conclusion_fails_along_sampled_prompts():
    """The predictor is wrong on every prompt at n = 60. The seed is fixed; the mean increment may lie five standard
    errors off (64 prompts, 30 examples, standard deviation below 3, checked): false alarms below 1e-6 over seeds."""
    case = printed_theorem_1()
    prompts = sample_prompts(case, n=60, count=64, seed=0)
    out = filter_mixture(case.mixture, prompts, positions=[case.prompt.test_position(n) for n in (10, 30, 60)])
    ratio = np.asarray(out.log_evidence[..., 1] - out.log_evidence[..., 0])
    increments = (ratio[:, 2] - ratio[:, 1]) / 30
    assert increments.std() * math.sqrt(30) < 3
    assert abs(increments.mean() - 2.0041) < 5 * 3 / math.sqrt(64 * 30)
    assert (np.asarray(out.log_posterior)[:, 2, 1] > -1e-6).all()
    truth = int(case.prompt.hmm.transition[0].argmax())
    assert truth == 1 and (np.asarray(out.predictive)[:, 2].argmax(-1) == 2).all()


def test_lemma_1_fails_where_every_condition_holds():
    """Printed, repaired and sharp conditions hold and the posterior finds theta*; the answer at x is wrong all the
    same, so the repaired condition alone does not restore Theorem 1: the repaired Lemma 1 is needed too."""
    case = printed_lemma_1()
    kl_sum, start_kl, rate = expectations(case)
    assert kl_sum > printed_threshold(case)
    assert limit_bound(repaired_constants(case.mixture, 0, 1), start_kl, kl_sum) < 0 and rate < 0
    lemma = lemma_1(case.mixture, case.prompt.start, 0, np.array([case.x_test]))
    assert lemma.printed[0] and not lemma.by_posterior[0] and not lemma.by_start[0]
    assert lemma.tv_start == pytest.approx(0.0081, abs=1e-12)
    assert lemma.margin[0] / 4 == pytest.approx(0.083, abs=5e-4)
    out = filter_mixture(case.mixture, sample_prompts(case, 40, 32, 1), positions=[case.prompt.test_position(40)])
    assert (np.asarray(out.log_posterior)[:, 0, 0] > -1e-9).all()
    assert lemma.answer[0] == case.tokens.index("y1")
    assert (np.asarray(out.predictive)[:, 0].argmax(-1) == case.tokens.index("y2")).all()


def test_proposition_2_step_fails_in_both_ways():
    case, failing = printed_proposition_2()
    hmm, k = case.prompt.hmm, case.prompt.length
    c5 = hmm.transition.min()
    for bound in failing:
        one = MixtureOfHMMs([1.0], [np.eye(4)[bound.state]], hmm.transition[None], hmm.emission, 3)
        with np.errstate(divide="ignore"):
            expected = np.log(bound.probability)
        np.testing.assert_allclose(log_evidence(one, np.array(bound.example))[0], expected, rtol=1e-12)
        assert len(bound.example) == k and bound.probability < bound.claimed
    impossible, minimal = failing
    assert impossible.probability == 0 and impossible.example[0] != impossible.state
    assert minimal.example[0] == minimal.state and minimal.probability == pytest.approx(c5 ** (k - 1))


def test_example_given_state_against_paths():
    rng = np.random.default_rng(3)
    kernel, emission = rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(4), 3)
    tokens = (1, 3, 0)
    for h in range(3):
        paths = ((h, *rest) for rest in itertools.product(range(3), repeat=2))
        total = sum(
            math.prod(emission[s, o] for s, o in zip(p, tokens, strict=True))
            * math.prod(kernel[a, b] for a, b in itertools.pairwise(p))
            for p in paths
        )
        assert example_given_state(kernel, emission, tokens)[h] == pytest.approx(total, rel=1e-12)
