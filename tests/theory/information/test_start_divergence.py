"""KL( p_prompt(O) || p(O | theta*) ) between certain ends: against the sum over all examples."""

import itertools

import numpy as np
import pytest
from prompt_enumeration import forward, random_instance

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.information.start_divergence import divergence, start_divergences

LENGTHS = (1, 2, 3, 5)


def brute(law, length):
    """The sum over every example of ``length`` tokens."""
    hmm, examples = law.hmm, np.array(list(itertools.product(range(law.hmm.n_tokens), repeat=length)))
    ours, theirs = (
        forward(start, hmm.transition, hmm.emission, examples).sum(-1) for start in (law.start, hmm.initial)
    )
    seen = ours > 0
    with np.errstate(divide="ignore"):
        return float((ours[seen] * (np.log(ours[seen]) - np.log(theirs[seen]))).sum())


@pytest.mark.parametrize("seed", range(40))
def test_ends_enclose_the_sum_over_all_examples(seed):
    """At every budget; the ends meet where everything is expanded, and each position's part is that of ``kl_sum``."""
    _, law = random_instance(seed, zeros=False)
    truth = [brute(law, k) for k in LENGTHS]
    for budget in (0, 3, 1000):
        found = start_divergences(law, LENGTHS, budget, 0.0)
        for k, true, each in zip(LENGTHS, truth, found, strict=True):
            assert each.low <= true + 1e-12 and true <= each.high + 1e-12
            known = each.per_position[~np.isnan(each.per_position)]
            by_position = kl_sum(PromptLaw(law.hmm, law.start, max(k, 2), law.delimiter), law.hmm).per_position
            np.testing.assert_allclose(known, by_position[: len(known)], atol=1e-12)
            if budget == 1000:
                assert each.low == each.high == pytest.approx(true, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_one_token_is_enough_for_a_start_law_that_is_forgotten(seed):
    """Rows of the kernel that are all equal: nothing after the first token tells the start laws apart."""
    generator = np.random.default_rng(seed)
    row, start, initial = (generator.dirichlet(np.ones(4)) for _ in range(3))
    hmm = HMM(initial, np.tile(row, (4, 1)), generator.dirichlet(np.ones(3), 4))
    law = PromptLaw(hmm, start, 7, 0)
    exact, later = start_divergences(law, [1, 7], 10_000, 0.0)
    assert later.low == pytest.approx(exact.low, abs=1e-14) == brute(law, 1)
    assert later.high - later.low <= 1e-14


def test_states_that_tokens_show_settle_it_at_once():
    """With identity emission h_1 is seen: the divergence of the start laws is attained by one token, whatever k is."""
    start, initial = np.array([0.7, 0.3, 0.0]), np.array([0.2, 0.3, 0.5])
    hmm = HMM(initial, np.full((3, 3), 1 / 3), np.eye(3))
    (found,) = start_divergences(PromptLaw(hmm, start, 9, 0), [9], 0, 0.0)
    truth = 0.7 * np.log(0.7 / 0.2)
    assert found.low == pytest.approx(truth, rel=1e-14) and found.high == pytest.approx(truth, rel=1e-14)


def test_a_start_that_documents_never_have_leaves_the_upper_end_open():
    """Two states of one token, one never a document's start: the filter keeps telling them apart, the tokens do not."""
    hmm = HMM([1.0, 0.0], [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [1.0, 0.0]])
    law = PromptLaw(hmm, np.array([0.5, 0.5]), 6, 0)
    assert divergence(law.start, hmm.initial) == np.inf
    nothing, something = start_divergences(law, [6], 0, 0.0)[0], start_divergences(law, [6], 10, 0.0)[0]
    assert (nothing.low, nothing.high) == (0.0, np.inf)
    assert (something.low, something.high) == (0.0, 0.0)


def test_the_same_start_law_costs_nothing():
    _, law = random_instance(4)
    same = PromptLaw(law.hmm, np.asarray(law.hmm.initial), law.length, law.delimiter)
    assert [(each.low, each.high) for each in start_divergences(same, [2, 9], 0, 0.0)] == [(0.0, 0.0)] * 2
