"""The split of the budget on instances whose causes are known."""

import math

import numpy as np
import pytest

from implicit_bayes.simulators.ginc import released_ginc
from implicit_bayes.theory import HMM, MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1
from implicit_bayes.theory.statements.assumptions import start_shift
from implicit_bayes.theory.statements.diagnosis import split_condition


def test_printed_counterexample():
    case = printed_theorem_1()
    split = split_condition(case.mixture, case.prompt, 1)
    assert (split.c1.target, split.c1.probability) == (3, 0.02)
    assert (split.c2.target, split.c2.probability) == (3, 0.3)
    assert split.largest == (1, 0, 0.6, 0.0005, pytest.approx(1200))
    assert split.smallest.ratio == pytest.approx(0.0125 / 0.27)
    assert split.start_state == 3
    assert split.printed_margin == pytest.approx(7.2816 - 7.0255, abs=1e-4)
    terms = math.log(0.3 / 0.02) + math.log(split.largest.ratio / split.smallest.ratio)
    assert split.repaired_margin == pytest.approx(split.signal.value - split.start_kl.value - terms)
    assert split.start_shift.tv == pytest.approx(0.035)
    assert split.start_shift.worst[0].tokens == (0,)
    assert split.start_shift.worst[0].margin == pytest.approx(0.0489)
    assert split.start_shift.holds is True
    assert "start in state 0" in split.reading
    assert "printed condition holds, the repaired one does not" in split.reading


def test_start_shift_agrees_with_assumption_3():
    generator = np.random.default_rng(0)
    for _ in range(5):
        transition = generator.dirichlet(np.ones(3), (2, 3))
        mixture = MixtureOfHMMs([0.5, 0.5], generator.dirichlet(np.ones(3), 2), transition, np.eye(3), 2)
        prompt = PromptLaw.of(mixture, 0.95 * transition[0, 2] + 0.05 / 3, 0, 3)
        shift = split_condition(mixture, prompt, 1).start_shift
        assert shift.holds == start_shift(mixture, prompt, 10**5).holds
        assert (shift.failing_mass > 0) == (not shift.holds)
        assert [row.margin for row in shift.worst] == sorted(row.margin for row in shift.worst)


def test_too_many_inputs_are_sampled_and_say_so():
    generator = np.random.default_rng(1)
    emission = np.concatenate([generator.dirichlet(np.ones(4), 2), np.zeros((2, 1))], 1)
    emission = np.concatenate([emission, np.eye(5)[4:]])
    row = np.array([0.85, 0.05, 0.1])
    transition = np.stack([np.tile(row, (3, 1)), generator.dirichlet(np.ones(3), 3)])
    mixture = MixtureOfHMMs([0.5, 0.5], np.full((2, 3), 1 / 3), transition, emission, 4)
    prompt = PromptLaw.of(mixture, row, 0, 7)
    shift = split_condition(mixture, prompt, 1, budget=10).start_shift
    assert not shift.exhaustive
    assert shift.holds == "undetermined"
    assert shift.tv == 0.0
    assert len(shift.worst[0].tokens) == 6


def test_released_ginc_names_the_missing_transition():
    mixture = released_ginc(50).pretraining
    start = np.zeros(100)
    start[np.arange(10) * 10 + 3] = 0.1
    split = split_condition(mixture, PromptLaw.of(mixture, start, 0, 3), 2)
    assert split.c1.probability == 0.0
    assert mixture.transition[0, split.c1.source, split.c1.target] == 0.0
    assert split.printed_margin == split.repaired_margin == -math.inf
    assert f"state {split.c1.source}" in split.reading


def test_a_good_instance_needs_nothing():
    """Two concepts that differ everywhere but at the delimiter, whose law is the start law."""
    row = np.array([0.9, 0.04, 0.04, 0.02])
    cycle = 0.94 * np.roll(np.eye(3), 1, 1) + 0.02

    def concept(kernel):
        body = np.concatenate([0.9 * kernel, np.full((3, 1), 0.1)], 1)
        return HMM(row, np.concatenate([body, [[0.86, 0.03, 0.01, 0.1]]]), np.eye(4))

    laws = [concept(cycle), concept(cycle.T)]
    mixture = MixtureOfHMMs([0.5, 0.5], [law.initial for law in laws], [law.transition for law in laws], np.eye(4), 3)
    split = split_condition(mixture, PromptLaw.of(mixture, row, 0, 6), 1)
    assert split.condition.repaired_holds is True
    assert split.condition.sharp_holds is True
    assert split.repaired_margin > 0
    assert split.start_kl.value == 0.0


def test_bad_input():
    case = printed_theorem_1()
    with pytest.raises(ModelError, match="theta\\* itself"):
        split_condition(case.mixture, case.prompt, 0)
    stranger = PromptLaw(case.mixture.restrict(1).smooth(0.5).concept(0), case.prompt.start, 2, 3)
    with pytest.raises(ModelError, match="A4"):
        split_condition(case.mixture, stranger, 1)
