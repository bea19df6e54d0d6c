"""Test inputs merged by belief: every x exactly once, the same verdicts as one by one, and decisions at large k."""

import itertools
import time

import numpy as np
import pytest
from prompt_enumeration import forward, random_instance

from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import PromptLaw
from implicit_bayes.theory.information.survival import Survivors
from implicit_bayes.theory.statements.lemma_1 import lemma_1
from implicit_bayes.theory.statements.limits import limit_risk, same_argmax
from implicit_bayes.theory.statements.merged_inputs import (
    answer_margins,
    input_blocks,
    lemma_1_everywhere,
    merged_tests,
)


def every_input(law, length):
    """Every x of positive mass, its mass and p_prompt(y|x), by plain enumeration."""
    tokens = np.array(list(itertools.product(range(law.hmm.n_tokens), repeat=length)))
    ahead = forward(law.start, law.hmm.transition, law.hmm.emission, tokens)
    mass = ahead.sum(-1)
    alive = mass > 0
    return tokens[alive], mass[alive], (ahead @ law.hmm.emission)[alive] / mass[alive, None]


@pytest.mark.parametrize("seed", range(60))
def test_classes_are_a_partition_with_the_same_laws(seed):
    """Masses of classes of equal predictives add up to those of the inputs, under theta* and every other concept."""
    mixture, law = random_instance(seed)
    length = 3 if seed % 2 else 2
    others = [mixture.concept(c) for c in range(1, mixture.n_concepts)]
    tokens, mass, truth = every_input(law, length)
    found, states = [], mixture.delimiter_states()
    for block in input_blocks(law, others, length):
        rows = [block.predictive(0, law.start, law.hmm)]
        for i, hmm in enumerate([law.hmm, *others]):
            rows += [block.predictive(i, np.asarray(hmm.transition)[d], hmm) for d in states]
        found.append((block.mass_N, np.concatenate(rows, 1), block.tokens_NxM))
    masses, laws, examples = (np.concatenate(part) for part in zip(*found, strict=True))
    assert masses.sum() == pytest.approx(1.0, abs=1e-12)
    expected = [truth]
    for hmm in [law.hmm, *others]:
        for d in states:
            ahead = forward(hmm.transition[d], hmm.transition, hmm.emission, tokens)
            p = ahead.sum(-1, keepdims=True)
            expected.append(ahead @ hmm.emission / np.where(p > 0, p, 1.0))
    expected = np.concatenate(expected, 1)
    place = {tuple(x): i for i, x in enumerate(tokens)}
    which = [place[tuple(x)] for x in examples]
    np.testing.assert_allclose(laws, expected[which], atol=1e-12)
    assert (masses >= mass[which] * (1 - 1e-12)).all()
    weights = np.linspace(1.0, 2.0, expected.shape[1])
    assert masses @ (laws @ weights) == pytest.approx(mass @ (expected @ weights))
    assert masses @ (laws**2 @ weights) == pytest.approx(mass @ (expected**2 @ weights))


@pytest.mark.parametrize("seed", range(60))
def test_lemma_1_is_that_of_every_input(seed):
    mixture, law = random_instance(seed, zeros=False)
    law = PromptLaw(law.hmm, law.start, 4 if seed % 2 else 3, law.delimiter)
    tokens, _, _ = every_input(law, law.length - 1)
    out = lemma_1(mixture, law.start, 0, tokens)
    expected = True if (out.by_posterior | out.by_start).all() else False if (~out.perhaps).any() else "undetermined"
    assert lemma_1_everywhere(mixture, law) == expected
    tests, _ = merged_tests(law, [], law.length - 1)
    merged = lemma_1(mixture, law.start, 0, tests)
    for field in ("margin", "tv_posterior", "start_limit"):
        assert getattr(merged, field).min() == pytest.approx(getattr(out, field).min(), abs=1e-12)
        assert getattr(merged, field).max() == pytest.approx(getattr(out, field).max(), abs=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_limit_risk_is_that_of_every_input(seed):
    """One surviving concept and one delimiter state: the mass of the x at which its argmax is not p_prompt's."""
    mixture, law = random_instance(seed, delimiters=1, zeros=False)
    tokens, mass, truth = every_input(law, law.length - 1)
    c = mixture.n_concepts - 1
    hmm, d = mixture.concept(c), mixture.n_states - 1
    predictive = forward(hmm.transition[d], hmm.transition, hmm.emission, tokens) @ hmm.emission
    chosen = np.take_along_axis(truth, predictive.argmax(-1)[:, None], 1)[:, 0]
    top = np.sort(predictive / predictive.sum(-1, keepdims=True), -1)
    if (top[:, -1] - top[:, -2] < 1e-9).any():
        return
    wrong = chosen < truth.max(-1) - 1e-12
    found = limit_risk(mixture, law, (Survivors(1.0, frozenset({c})),), {c: (0.0, 0.0)}, law.length - 1)
    assert found.exhaustive and found.wrong == pytest.approx((mass @ wrong,) * 2, abs=1e-12)
    excess = mass @ (truth.max(-1) - chosen)
    assert found.excess[0] - 1e-12 <= excess <= found.excess[1] + 1e-12
    assert same_argmax(mixture, law, c) is (not wrong.any())


def test_regular_is_decided_at_k_10():
    """V^9 = 40 million inputs are 42 classes."""
    mixture, start = regular()
    law = PromptLaw.of(mixture, start, 0, 10)
    tests, mass = merged_tests(law, [mixture.concept(c) for c in range(1, 5)], 9)
    assert len(tests) == 42 and mass.sum() == pytest.approx(1.0)
    assert lemma_1_everywhere(mixture, law) is True and same_argmax(mixture, law, 0) is True
    found = limit_risk(mixture, law, (Survivors(1.0, frozenset({0})),), {0: (0.0, 0.0)}, 9)
    assert found.exhaustive and found.wrong == (0.0, 0.0)


def test_ginc_sized_instances_are_decided_at_k_5():
    """100 states, 50 tokens, 615,253 classes of the 6.25 million inputs: both fail, at an input met at once."""
    instance, begun = load_instance("ginc-paper"), time.process_time()
    law = PromptLaw.of(instance.mixture, instance.prompt_starts[0, 0], 0, 5)
    assert lemma_1_everywhere(instance.mixture, law) is False
    assert same_argmax(instance.mixture, law, 0) is False
    assert time.process_time() - begun < 60
    count = sum(len(block.mass_N) for block in input_blocks(law, [], 4))
    assert 500_000 < count < 700_000
    assert input_blocks(law, [], 4, budget=count // 2) is None


def test_margins_by_hand():
    truth = np.array([[0.5, 0.5, 0.0], [0.2, 0.7, 0.1], [0.6, 0.4, 0.0]])
    after = np.array([[[0.2, 0.7, 0.1], [0.3, 0.6, 0.1]], [[0.5, 0.4, 0.1], [0.1, 0.9, 0.0]], [[0.0] * 3] * 2])
    np.testing.assert_allclose(answer_margins(truth, after, 1e-12), [0.3, -0.1, -1.0])
    after[2, 1] = [0.9, 0.1, 0.0]  # one delimiter state cannot write x: the other decides
    assert answer_margins(truth, after, 1e-12)[2] == pytest.approx(0.8)
    assert answer_margins(np.ones((1, 1)), np.ones((1, 2, 1)), 1e-12).tolist() == [1.0]
