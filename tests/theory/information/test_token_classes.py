"""Tokens counted by kind give what one by one gives, and blocks give what the whole gives."""

import itertools

import numpy as np
import pytest
from prompt_enumeration import random_instance

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information import sampling, support_walk
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.scores import FEWEST, collect
from implicit_bayes.theory.information.supports import forbidden_mass
from implicit_bayes.theory.information.token_classes import token_classes
from implicit_bayes.theory.statements import risk
from implicit_bayes.theory.statements.merged_inputs import _Laws, count_classes


def sparse_law(rng, states, tokens):
    """Random laws with many zeros, many tokens of equal supports, and tokens that nothing emits."""
    rows = rng.dirichlet(np.ones(states), states + 1) * (rng.random((states + 1, states)) < 0.7)
    rows[np.arange(states + 1), rng.integers(states, size=states + 1)] += 0.1
    emission = rng.dirichlet(np.ones(tokens), states) * (rng.random((states, tokens)) < 0.4)
    emission[np.arange(states), rng.integers(tokens, size=states)] += 0.1
    rows, emission = (x / x.sum(-1, keepdims=True) for x in (rows, emission))
    return HMM(rows[0], rows[1:], emission)


def test_kinds_are_told_apart_by_all_tables_and_come_in_the_order_of_their_tokens():
    first = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 0, 1]], bool)
    second = np.array([[1, 1, 1, 0, 1]], bool)
    kinds = token_classes(first, second)
    assert kinds.first_K.tolist() == [0, 2, 3]
    assert kinds.class_V.tolist() == [0, 0, 1, 2, 1]
    assert kinds.count_K.tolist() == [2, 2, 1]
    np.testing.assert_array_equal(kinds.sums(np.arange(10.0).reshape(2, 5)), [[1, 6, 3], [11, 16, 8]])


def count_one_by_one(laws, length):
    """The bound token by token, as the formula says."""
    emits = laws.emission_LxHxV[0] > 0
    single = (laws.emission_LxHxV > 0).any(0).sum(0) == 1
    step = (emits.T.astype(int) @ (laws.transition_LxHxH[0] > 0) @ emits > 0).astype(float)
    first = np.flatnonzero((laws.start_H > 0).astype(int) @ emits)
    count = np.eye(len(single))[first]
    for _ in range(length - 1):
        count = count @ step
        count = np.where(single[first][:, None] & single, np.minimum(count, 1.0), count)
    return count.sum()


@pytest.mark.parametrize("seed", range(40))
def test_inputs_counted_by_kind_are_the_inputs_counted_one_by_one(seed):
    rng = np.random.default_rng(seed)
    hmms = [sparse_law(rng, 4, 9) for _ in range(2)]
    transition, emission = (np.stack([getattr(h, name) for h in hmms]) for name in ("transition", "emission"))
    laws = _Laws(transition, emission, np.asarray(hmms[0].initial), ())
    for length in (1, 2, 3, 5):
        assert count_classes(laws, length) == count_one_by_one(laws, length)


@pytest.mark.parametrize("seed", range(40))
def test_forbidden_mass_is_that_of_all_sequences(seed):
    """By enumeration of every sequence of three of seven tokens, where kinds of several tokens abound."""
    rng = np.random.default_rng(seed)
    sampler, law = sparse_law(rng, 3, 7), sparse_law(rng, 3, 7)
    starts = rng.dirichlet(np.ones(3), 2)
    found = forbidden_mass(starts, sampler, law, 3)
    expected = np.zeros((2, 3))
    for length in (1, 2, 3):
        for tokens in itertools.product(range(7), repeat=length):
            theirs = np.asarray(law.initial)
            ours = starts
            for j, token in enumerate(tokens):
                if j:
                    theirs, ours = theirs @ law.transition, ours @ sampler.transition
                theirs, ours = theirs * law.emission[:, token], ours * sampler.emission[:, token]
            if theirs.sum() == 0:
                expected[:, length - 1] += ours.sum(-1)
    np.testing.assert_allclose(found.mass, expected, atol=1e-14)


def test_support_sets_are_bounded_by_the_numbers_they_carry(monkeypatch):
    from implicit_bayes.theory import ModelError

    rng = np.random.default_rng(3)
    sampler, law = sparse_law(rng, 4, 9), sparse_law(rng, 4, 9)
    monkeypatch.setattr(support_walk, "MAX_NUMBERS", 8)
    with pytest.raises(ModelError, match="too many; use a shorter k"):
        forbidden_mass(np.eye(4), sampler, law, 4)


def test_tokens_drawn_in_blocks_are_the_tokens_drawn_at_once(monkeypatch):
    mixture, law = random_instance(5)
    forward = build([law.example_law(), mixture.concept(0)])
    whole = sampling.draw(forward, 4, 50, np.random.default_rng(1))
    monkeypatch.setattr(sampling, "NUMBERS", 3 * mixture.n_tokens)
    for one, two in zip(whole, sampling.draw(forward, 4, 50, np.random.default_rng(1)), strict=True):
        np.testing.assert_array_equal(one, two)


def test_fewer_logarithms_mean_fewer_samples_and_no_fewer_than_the_fewest():
    mixture, law = random_instance(7)
    laws = [law.example_law(), *(mixture.concept(c) for c in range(mixture.n_concepts))]
    forward = build(laws)

    def kl(score, _):
        return (score[:, :, :1] - score[:, :, 1:]).sum(0)

    assert collect(forward, [3], kl).draws is None
    found = collect(forward, [3], kl, logarithms=1.0)
    assert len(found.exact.score) == 1
    assert found.draws is not None and len(found.draws.tokens) == FEWEST


def test_prompts_of_a_risk_in_blocks_give_the_same_risk(monkeypatch):
    mixture, law = random_instance(1)
    laws = [law, PromptLaw(law.hmm, law.start[::-1], law.length, law.delimiter)]
    whole = risk.measure_risk(mixture, laws, prompts=21, seed=0, shots=(0, 2))
    monkeypatch.setattr(risk, "NUMBERS", 4 * 2 * (law.length - 1) * mixture.n_tokens)
    parts = risk.measure_risk(mixture, laws, prompts=21, seed=0, shots=(0, 2))
    for name in ("error", "excess", "random_excess"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-12)
    assert parts.undefined == whole.undefined


def test_prompts_have_the_law_they_are_drawn_from():
    """First tokens, and the state's next one: 40,000 draws within 5 standard errors (false alarms below 1e-5)."""
    mixture, law = random_instance(2)
    count = 40_000
    tokens = risk.prompt_tokens(law, count, 0, np.random.default_rng(0))
    expected = law.start @ law.hmm.emission
    share = np.bincount(tokens[:, 0], minlength=mixture.n_tokens) / count
    assert (np.abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / count)).all()
