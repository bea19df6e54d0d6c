"""Test inputs merged by the beliefs that the limit asks for: every x once, with the laws of plain enumeration."""

import itertools

import numpy as np
import pytest
from prompt_enumeration import forward, random_instance

import implicit_bayes.theory.statements.merged_beliefs as module
from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.statements.merged_beliefs import Start, belief_blocks
from implicit_bayes.theory.statements.merged_inputs import input_blocks


def starts_of(mixture):
    """Every concept from every delimiter state."""
    hmms = [mixture.concept(c) for c in range(mixture.n_concepts)]
    return [Start(np.asarray(hmm.transition)[d], hmm) for hmm in hmms for d in mixture.delimiter_states()]


def by_enumeration(starts, length):
    """(S, N) p(x | start) of every x, and (S, N, V) p(y | x, start), 0 where x is impossible; and every x."""
    tokens = np.array(list(itertools.product(range(starts[0].hmm.n_tokens), repeat=length)))
    masses, laws = [], []
    for start in starts:
        ahead = forward(start.law_H, start.hmm.transition, start.hmm.emission, tokens)
        mass = ahead.sum(-1)
        masses.append(mass)
        laws.append(ahead @ start.hmm.emission / np.where(mass > 0, mass, 1.0)[:, None])
    return np.stack(masses), np.stack(laws), tokens


def of_blocks(law, starts, length):
    """Masses (N,), laws (S + 1, N, V) and representatives of all classes; start 0 is p_prompt's own."""
    every = [Start(np.asarray(law.start), law.hmm), *starts]
    found = [
        (block.mass_N, np.stack([block.predictive(s, start.hmm) for s, start in enumerate(every)]), block.tokens_NxM)
        for block in belief_blocks(law, starts, length)
    ]
    masses, laws, tokens = zip(*found, strict=True)
    return np.concatenate(masses), np.concatenate(laws, 1), np.concatenate(tokens)


@pytest.mark.parametrize("small", [False, True], ids=["at once", "in parts"])
@pytest.mark.parametrize("seed", range(60))
def test_classes_are_a_partition_with_the_laws_of_enumeration(seed, small, monkeypatch):
    """Zeros, several delimiter states and priors of zero among them; in parts of one first token, merging as asked."""
    if small:
        monkeypatch.setattr(module, "TOGETHER", 1)
        monkeypatch.setattr(module, "LOOKED_AT", 2)
    mixture, law = random_instance(seed)
    length, starts = 3 if seed % 2 else 2, starts_of(mixture)
    mass, laws, tokens = by_enumeration([Start(np.asarray(law.start), law.hmm), *starts], length)
    masses, found, examples = of_blocks(law, starts, length)
    assert masses.sum() == pytest.approx(1.0, abs=1e-12)
    place = {tuple(x): i for i, x in enumerate(tokens)}
    which = [place[tuple(x)] for x in examples]
    assert len(set(which)) == len(which)
    np.testing.assert_allclose(found, laws[:, which], atol=1e-12)
    for power in (1, 2):  # the moments of every law over inputs are those of the classes
        np.testing.assert_allclose(found**power @ np.linspace(1, 2, mixture.n_tokens) @ masses,
                                   laws**power @ np.linspace(1, 2, mixture.n_tokens) @ mass[0], atol=1e-12)  # fmt: skip


def test_first_tokens_share_a_class_where_beliefs_are_points():
    """regular: identity emissions, so that the last token is the belief; V^9 = 40 million inputs are at most 7."""
    mixture, start = regular()
    law = PromptLaw.of(mixture, start, 0, 10)
    masses, _, _ = of_blocks(law, starts_of(mixture), 9)
    assert len(masses) <= mixture.n_states and masses.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(12))
def test_inputs_of_a_class_are_alike_where_beliefs_are_points_or_there_is_one_input(seed):
    """Beliefs that are points are equal exactly, whatever was rounded; others are called alike only where one input is
    the whole class, by its mass."""
    mixture, law = random_instance(seed)
    mass, _, tokens = by_enumeration([Start(np.asarray(law.start), law.hmm)], 2)
    place = {tuple(x): i for i, x in enumerate(tokens)}
    for block in belief_blocks(law, starts_of(mixture), 2):
        points = ((block.beliefs_SxNxW > 0).sum(-1) <= 1).all(0)
        alone = np.isclose(block.mass_N, [mass[0, place[tuple(x)]] for x in block.tokens_NxM], rtol=1e-9)
        np.testing.assert_array_equal(block.alike_N, points | alone)


def test_too_many_classes_are_refused_before_the_work():
    mixture, law = random_instance(0, zeros=False)
    assert belief_blocks(law, starts_of(mixture), 3, budget=2) is None


def test_a_class_of_two_inputs_stays_one_of_two_where_it_goes_on_alone():
    """Words 0 and 1 lead to the same belief over two states that both write word 2, and so on to word 3: the two
    inputs become one class at word 2, nothing joins it at word 3, and it is not one input that stands there."""
    kernel = np.zeros((7, 7))
    kernel[:2, 2:4], kernel[2, 4:6], kernel[3, 4:6] = [0.3, 0.7], [0.4, 0.6], [0.8, 0.2]
    kernel[4:6, 6], kernel[6, :2] = 1.0, [0.5, 0.5]
    hmm = HMM([0.5, 0.5, 0, 0, 0, 0, 0], kernel, np.eye(5)[[0, 1, 2, 2, 3, 3, 4]])
    law = PromptLaw(hmm, hmm.initial, 3, 4)
    (block,) = belief_blocks(law, [], 3)
    assert block.mass_N.tolist() == [1.0] and block.alike_N.tolist() == [False]
    (paths,) = [each for each in input_blocks(law, [], 3) if each.tokens_NxM[0, 0] == 0]
    assert paths.mass_N.tolist() == [0.5] and paths.alike_N.tolist() == [True]  # there first words stay apart
