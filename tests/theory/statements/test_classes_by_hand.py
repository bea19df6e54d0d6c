"""How test inputs are put together: which first tokens share a block, where repetitions are looked for, what rounding
may have done to a class."""

import numpy as np
import pytest

from implicit_bayes.theory import HMM, MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.survival import Survivors
from implicit_bayes.theory.statements import lemma_1 as lemma_module
from implicit_bayes.theory.statements import limits, merged_beliefs, merged_inputs
from implicit_bayes.theory.statements.concept_laws import ConceptLaws
from implicit_bayes.theory.statements.merged_beliefs import (
    Start,
    _begins,
    _concepts,
    _merged,
    _normalise,
    belief_blocks,
)
from implicit_bayes.theory.statements.merged_inputs import Classes, input_blocks, joined

KERNEL = np.full((3, 3), 1 / 3)
HIDDEN = np.array([[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
"""Words 0 and 1 are written by two states, the delimiter 2 by one."""


def law(start=(0.5, 0.25, 0.25), emission=HIDDEN, kernel=KERNEL, k=3):
    return PromptLaw(HMM([1 / 3] * 3, kernel, emission), start, k, 2)


@pytest.mark.parametrize(
    ("together", "parts"),
    [(9 * 2 * 3, [[0, 1, 2]]), (9 * 2 * 3 - 1, [[0, 1], [2]]), (18, [[0], [1], [2]]), (1, [[0], [1], [2]])],
)
def test_first_tokens_share_a_block_as_long_as_they_fit(together, parts, monkeypatch):
    """Nine classes of two tokens, two starts, three states: 54 numbers."""
    seen, grown = [], merged_beliefs._grown

    def remember(law_SxH, concepts, supports, first, length):
        seen.append(first.tolist())
        return grown(law_SxH, concepts, supports, first, length)

    monkeypatch.setattr(merged_beliefs, "_grown", remember)
    monkeypatch.setattr(merged_beliefs, "TOGETHER", together)
    blocks = list(belief_blocks(law(), [Start(np.array([0.0, 0.5, 0.5]), law().hmm)], 2))
    assert seen == parts
    assert sum(block.mass_N.sum() for block in blocks) == pytest.approx(1.0)


def test_tokens_that_no_example_begins_with():
    prompt = law((0.0, 0.5, 0.5), np.eye(3))
    assert [_begins(prompt, np.array([token]), token) for token in range(3)] == [False, True, True]
    blocks = list(belief_blocks(prompt, [], 1))
    assert [(block.tokens_NxM.tolist(), block.mass_N.tolist()) for block in blocks] == [([[1]], [0.5]), ([[2]], [0.5])]


def test_runs_of_starts_that_one_concept_goes_on_from():
    one, other = law().hmm, law(emission=np.eye(3)).hmm
    assert [(c.starts.start, c.starts.stop) for c in _concepts([one, one, other, one, one, one])] == [
        (0, 2), (2, 3), (3, 6)
    ]  # fmt: skip


def test_beliefs_by_hand_under_two_laws():
    """x = 0 0: behind (1/2, 1/4, 1/4) states are (3/8, 1/16) at the first word, and alike at the second but for what
    they write; behind a start that cannot write 0 nothing is left."""
    blocks = {
        int(b.tokens_NxM[0, -1]): b for b in belief_blocks(law(), [Start(np.array([0.0, 0.0, 1.0]), law().hmm)], 1)
    }
    np.testing.assert_allclose(blocks[0].beliefs_SxNxW[:, 0], [[6 / 7, 1 / 7], [0.0, 0.0]])
    assert blocks[0].mass_N.tolist() == [pytest.approx(7 / 16)] and blocks[0].last_W.tolist() == [0, 1]
    np.testing.assert_allclose(blocks[2].beliefs_SxNxW[:, 0], [[1.0], [1.0]])
    np.testing.assert_allclose(blocks[0].predictive(0, law().hmm), [[1 / 3, 1 / 3, 1 / 3]])
    assert blocks[0].predictive(1, law().hmm).tolist() == [[0.0, 0.0, 0.0]]
    raw = np.array([[[1.0, 3.0], [0.0, 0.0]]])
    assert _normalise(raw) is raw and raw.tolist() == [[[0.25, 0.75], [0.0, 0.0]]]


def classes(*rows):
    values = np.array([rows], dtype=float)
    count = len(rows)
    return Classes(values, np.full(count, 0.25), np.arange(count)[:, None], np.ones(count, dtype=bool))


def test_repetitions_are_looked_for_in_a_sample(monkeypatch):
    """Of more than two classes every second one is looked at; a repetition beside them is missed, and no harm done."""
    a, b, c = [0.5, 0.5], [0.25, 0.75], [0.75, 0.25]
    monkeypatch.setattr(merged_beliefs, "LOOKED_AT", 2)
    assert len(_merged(classes(a, a)).mass_N) == 1
    assert len(_merged(classes(a, a, b, c)).mass_N) == 4
    assert len(_merged(classes(a, b, a, b)).mass_N) == 2
    assert len(_merged(classes(a, b, c, a)).mass_N) == 4
    monkeypatch.setattr(merged_beliefs, "LOOKED_AT", 4)
    assert len(_merged(classes(a, a, b, c)).mass_N) == 3


def test_classes_that_agree_are_added_up():
    """Two of belief (1/2, 1/2) are one, no longer alike; points stay alike however many; another law tells apart."""
    mixed, point = [0.5, 0.5], [0.0, 1.0]
    values = np.array([[mixed, mixed, point, point, mixed], [mixed, mixed, point, point, point]], dtype=float)
    alike = np.array([True, True, True, False, True])
    found = Classes(values, np.array([0.5, 0.25, 0.125, 0.0625, 0.0625]), np.arange(5)[:, None], alike).merged()
    rows = {tuple(t): (m, a) for t, m, a in zip(found.tokens_Nxj.tolist(), found.mass_N, found.alike_N, strict=True)}
    assert rows == {(0,): (0.75, False), (2,): (0.1875, True), (4,): (0.0625, True)}
    two = np.array([[mixed, point]], dtype=float)
    kept = Classes(two, np.array([0.5, 0.5]), np.arange(2)[:, None], np.array([False, False])).merged()
    assert dict(zip(kept.tokens_Nxj[:, 0].tolist(), kept.alike_N.tolist(), strict=True)) == {0: False, 1: True}
    both = joined([classes(mixed), classes(point, mixed)], 7)
    assert both.tokens_Nxj.tolist() == [[0, 7], [0, 7], [1, 7]] and both.mass_N.tolist() == [0.25] * 3


def test_lemma_1_is_told_what_rounding_may_have_done(monkeypatch):
    """Four times 4 (m + 1) (H + 8) roundings: m = 2 tokens of three states, three inputs; TV 1/4 of the start laws."""
    told = []
    for module in (lemma_module, merged_inputs):
        plain = module.lemma_1_from_paths
        monkeypatch.setattr(module, "lemma_1_from_paths", lambda *given, f=plain: told.append(given[3:]) or f(*given))
    kernel = [[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
    mixture = MixtureOfHMMs([1.0], [[0.5, 0.25, 0.25]], [kernel], np.eye(3), 2)
    prompt = PromptLaw.of(mixture, [0.75, 0.25, 0.0], 0, 3)
    lemma_module.lemma_1(mixture, prompt.start, 0, np.array([[0, 1], [1, 1], [1, 0]]))
    next(iter(input_blocks(prompt, [], 2))).lemma_1(prompt, np.array([2]))
    assert told == [(0.25, pytest.approx(4 * 4 * 3 * 11 * 2.0**-52, rel=1e-12, abs=0))] * 2


def two_states_write_d():
    """Words a, b and two delimiter states: the first leads to a, the second to b; a b and b a have 1/4 x 1/2 each."""
    kernel = [[0.5, 0.25, 0.125, 0.125], [0.25, 0.5, 0.125, 0.125], [0.75, 0.0, 0.125, 0.125], [0.0, 0.5, 0.25, 0.25]]
    return MixtureOfHMMs([0.5, 0.5], [[0.25] * 4] * 2, [kernel, kernel], np.eye(3)[[0, 1, 2, 2]], 2)


def test_what_delimiter_states_allow_and_answer():
    """After a word the next one has the word's row, from whichever state; where x cannot come there is no law."""
    laws = ConceptLaws(two_states_write_d(), np.array([[0], [1]]))
    allowed, answers = laws.of(1)
    assert laws.states.tolist() == [2, 3] and allowed.tolist() == [[True, False], [False, True]]
    np.testing.assert_allclose(answers, [[[0.5, 0.25, 0.25], [0, 0, 0]], [[0, 0, 0], [0.25, 0.5, 0.25]]])
    assert laws.of(1)[0] is allowed and laws.found.keys() == {1}
    found = [laws.exactly(0, d, x).tolist() for d, x in ((0, 0), (1, 1))]
    assert (np.array(found[0]) / sum(found[0])).tolist() == [0.5, 0.25, 0.25]
    assert found[1][0] * 2 == found[1][1] and laws.exactly(0, 1, 0).tolist() == [0, 0, 0]
    assert found[0][0] * 4 == found[1][1] * 6  # one scale: 3/4 x 1/2 against 1/2 x 1/2
    one = ConceptLaws(two_states_write_d(), np.array([[0]]), np.array([3]))
    assert one.of(0)[0].tolist() == [[False]]


def test_inputs_are_sampled_so_many_at_a_time(monkeypatch):
    """200 inputs of two tokens; for two concepts and two delimiter states 12 numbers each."""
    mixture = two_states_write_d()
    prompt = PromptLaw.of(mixture, [0.5, 0.5, 0, 0], 0, 4)
    outcomes = [Survivors(1.0, frozenset({0}), frozenset({1}))]
    for numbers, parts in ((12 * 80, [80, 80, 40]), (12 * 200, [200]), (1, [1] * 200)):
        monkeypatch.setattr(limits, "NUMBERS", numbers)
        blocks, exhaustive = limits._tests(mixture, prompt, outcomes, 2, 0, 0)
        found = list(blocks)
        assert not exhaustive and [len(tests.tokens) for tests, _ in found] == parts
        assert {tests.tokens.shape[1] for tests, _ in found} == {2} and all(tests.alike.all() for tests, _ in found)
        tests, laws = found[0]
        ahead = np.asarray(mixture.transition)[0]
        for x, truth in zip(tests.tokens, tests.truth, strict=True):
            after = ahead[x[1]] if x[1] < 2 else None
            assert after is None or truth.tolist() == pytest.approx([after[0], after[1], after[2:].sum()])
        assert laws.of(0)[0].shape == (len(tests.tokens), 2)


def test_blocks_of_the_limit_by_hand():
    """Every x of one token under two concepts: truth, masses, and the answers behind each delimiter state."""
    mixture = two_states_write_d()
    prompt = PromptLaw.of(mixture, [0.5, 0.25, 0.25, 0], 0, 3)
    outcomes = [Survivors(0.5, frozenset({0})), Survivors(0.5, frozenset({1}))]
    blocks, exhaustive = limits._tests(mixture, prompt, outcomes, 1, 0, 2 * 2 * 3 * 3)
    found = {int(tests.tokens[0, 0]): (tests, laws) for tests, laws in blocks}
    weights = {x: tests.weight.tolist() for x, (tests, _) in found.items()}
    assert exhaustive and weights == {0: [0.5], 1: [0.25], 2: [0.25]}
    tests, laws = found[1]
    assert tests.truth.tolist() == [[0.25, 0.5, 0.25]] and laws.of(1)[0].tolist() == [[False, True]]
    np.testing.assert_allclose(laws.of(1)[1], [[[0, 0, 0], [0.25, 0.5, 0.25]]])
    assert limits._tests(mixture, prompt, outcomes, 1, 0, 2 * 2 * 3 * 2)[1] is False
