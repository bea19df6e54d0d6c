"""Sets of states and what they forbid, on laws small enough to see: columns, limits, first examples, documents."""

import itertools

import numpy as np
import pytest

from implicit_bayes.theory import HMM, MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.information import support_walk, supports, survival
from implicit_bayes.theory.information.moment_graphs import example_graph
from implicit_bayes.theory.information.supports import (
    can_forbid,
    everywhere_possible,
    forbidden_mass,
    forbids,
    may_forbid,
)
from implicit_bayes.theory.information.survival import after_first_example, survivors
from implicit_bayes.theory.objects.rows import distinct_words

FREE = HMM([0.5, 0.25, 0.25], [[0.5, 0.25, 0.25]] * 3, np.eye(3))
"""Two words and a delimiter, anything after anything."""


def random_law(rng, states, tokens, zeros):
    def rows(*shape):
        weight = rng.integers(1, 5, shape) * (rng.random(shape) >= zeros)
        weight[..., 0] += weight.sum(-1) == 0
        return weight / weight.sum(-1, keepdims=True)

    return HMM(rows(states), rows(states, states), rows(states, tokens))


def sets_after(law, tokens, first):
    """Where the law can be after tokens that begin in a set of states; one set of numbers."""
    now = {h for h in first if law.emission[h, tokens[0]] > 0}
    for token in tokens[1:]:
        now = {g for h in now for g in range(law.n_states) if law.transition[h, g] > 0 and law.emission[g, token] > 0}
    return frozenset(now)


def allowed(law, tokens):
    return bool(sets_after(law, tokens, [h for h in range(law.n_states) if law.initial[h] > 0]))


def test_documents_that_a_law_forbids_are_those_of_enumeration():
    """Two states tell themselves apart within four tokens: of all shorter documents some is forbidden, or none is."""
    seen = set()
    for seed in range(120):
        rng = np.random.default_rng(seed)
        sampler, law = (random_law(rng, 2, 2, rng.choice([0.3, 0.5])) for _ in range(2))
        documents = [x for n in range(1, 7) for x in itertools.product(range(2), repeat=n) if allowed(sampler, x)]
        right = any(not allowed(law, x) for x in documents)
        assert can_forbid(sampler, law) is right
        seen.add(right)
    assert seen == {True, False}


def forbids_by_hand(prompt, law):
    """The chain of support sets at the starts of examples, example by example."""
    k, tokens = prompt.length, range(law.n_tokens)
    ours = [x for x in itertools.product(tokens, repeat=k)
            if sets_after(prompt.hmm, x, [h for h in range(law.n_states) if prompt.start[h] > 0])]  # fmt: skip
    first = frozenset(h for h in range(law.n_states) if law.initial[h] > 0)
    edges, todo = {}, [first]
    while todo:
        begin = todo.pop()
        if begin in edges:
            continue
        edges[begin] = set()
        for x in ours:
            end = sets_after(law, (*x, prompt.delimiter), begin)
            after = frozenset(g for h in end for g in range(law.n_states) if law.transition[h, g] > 0)
            edges[begin].add(after)
            todo += [after] if after else []
    doomed = {frozenset()}
    while grown := {x for x, ends in edges.items() if x not in doomed and ends & doomed}:
        doomed |= grown
    return "never" if len(doomed) == 1 else "surely" if doomed >= set(edges) else "sometimes"


def test_how_often_prompts_are_forbidden_is_that_of_enumeration():
    found = []
    for seed in range(150):
        rng = np.random.default_rng(1000 + seed)
        law, other, start = (random_law(rng, 3, 3, zeros) for zeros in (0.4, 0.2, 0.5))
        prompt = PromptLaw(law, start.initial, 2, int(rng.integers(3)))
        found.append(forbids_by_hand(prompt, other))
        assert forbids(prompt, other) == found[-1]
        assert may_forbid(prompt, other) is (found[-1] != "never")
    assert {"never", "surely", "sometimes"} == set(found)


@pytest.mark.parametrize("columns", [1, 3, 63, 64, 65, 70, 128, 129])
def test_sets_are_told_apart_by_their_first_and_last_columns(columns):
    """Of four rows the first and third are one; the second lacks the last column, the fourth the first."""
    rows = np.ones((4, columns), dtype=bool)
    rows[1, -1] = rows[3, 0] = False
    words = support_walk._bits(rows)
    assert words.shape == (4, -(-columns // 64)) and words.dtype == np.uint64
    first, inverse = distinct_words(words)
    assert len(first) == (3 if columns > 1 else 2) and inverse[0] == inverse[2] != inverse[1]
    assert (inverse[1] == inverse[3]) is np.bool_(columns == 1)
    np.testing.assert_array_equal(rows[first][inverse], rows)


def test_numbers_that_support_sets_carry_are_limited(monkeypatch):
    """Two start laws on three states: six numbers for each set; after one of three tokens there are three sets."""
    law = HMM([0.5, 0.25, 0.25], np.eye(3), np.eye(3))
    starts = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
    monkeypatch.setattr(support_walk, "MAX_NUMBERS", 18)
    found = forbidden_mass(starts, FREE, law, 2)
    np.testing.assert_allclose(found.mass[:, 1], [0.5 * 0.5 + 0.25 * 0.75 + 0.25 * 0.75, 0.25 * 0.5 + 0.75 * 0.75])
    assert found.first.tolist() == [2, 2] and found.mass[:, 0].tolist() == [0.0, 0.0]
    monkeypatch.setattr(support_walk, "MAX_NUMBERS", 17)
    with pytest.raises(ModelError, match="3 support sets after 1 tokens"):
        forbidden_mass(starts, FREE, law, 2)


def test_support_sets_at_delimiters_are_limited(monkeypatch):
    """From every start one word follows D, then any: two sets at the starts of examples."""
    law = HMM([1.0, 0.0, 0.0], [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.5, 0.5, 0.0]], np.eye(3))
    prompt = PromptLaw(HMM(FREE.initial, [[0.75, 0.25, 0.0]] * 3, np.eye(3)), [1.0, 0.0, 0.0], 2, 2)
    assert forbids(prompt, law) == "never"
    for most in (1, 2):
        monkeypatch.setattr(supports, "MAX_SETS", most)
        assert forbids(prompt, law) == "never"
    monkeypatch.setattr(supports, "MAX_SETS", 0)
    with pytest.raises(ModelError, match="more than 0 support sets at delimiters"):
        forbids(prompt, law)


def test_a_positive_kernel_settles_it_where_every_token_has_a_start():
    """theta must be able to begin with every token that a prompt can hold, the delimiter among them."""
    prompt = PromptLaw(HMM([0.5, 0.5, 0.0], [[0.5, 0.5, 0.0]] * 3, np.eye(3)), [0.5, 0.5, 0.0], 2, 2)
    assert everywhere_possible(prompt, FREE) is True
    assert everywhere_possible(prompt, HMM([0.5, 0.5, 0.0], FREE.transition, np.eye(3))) is False  # not the delimiter
    assert everywhere_possible(prompt, HMM(FREE.initial, [[0.5, 0.5, 0.0], *FREE.transition[1:]], np.eye(3))) is False
    narrow = PromptLaw(HMM([1.0, 0, 0], [[0.5, 0, 0.5]] * 3, np.eye(3)[[0, 0, 2]]), [1.0, 0.0, 0.0], 2, 2)
    assert everywhere_possible(narrow, HMM([0.5, 0.0, 0.5], FREE.transition, np.eye(3))) is True  # word 1 never comes


def test_what_the_first_example_decides_after_all_of_its_tokens():
    """Examples of three tokens. The first law forbids word 1 after word 1, the second a start at word 1: of
    examples 0 x y those with x = y = 1, 1/16, of 1 x y those with x = 1, 1/4, and all."""
    one = HMM(FREE.initial, [FREE.transition[0], [0.5, 0.0, 0.5], FREE.transition[2]], np.eye(3))
    two = HMM([0.5, 0.0, 0.5], FREE.transition, np.eye(3))
    law = PromptLaw(FREE, [0.5, 0.5, 0.0], 3, 2)
    found = after_first_example(law, [one, two])
    right = {(True, True): 0.5 * 15 / 16, (False, True): 0.5 / 16, (True, False): 0.5 * 3 / 4, (False, False): 0.5 / 4}
    assert found == pytest.approx(right)


def test_the_delimiter_after_the_first_example_decides_too():
    """From word 1 one law never goes to the state that writes the delimiter: it dies with examples that end in word 1,
    1/4 of those whose last word is free. What another state of its could write does not help."""
    mute = HMM(FREE.initial, [FREE.transition[0], [0.5, 0.5, 0.0], FREE.transition[2]], np.eye(3))
    found = after_first_example(PromptLaw(FREE, [0.5, 0.5, 0.0], 3, 2), [mute, FREE])
    # 0 x y: x = 1 and y = D is forbidden (1/16), y = 1 leaves no delimiter (1/4); 1 x y: x = D (1/4), else as before
    dies = 0.5 * 5 / 16 + 0.5 * (1 / 4 + 1 / 4 * (1 / 4 + 1 / 4) + 1 / 2 * 1 / 4)
    assert found == pytest.approx({(False, True): dies, (True, True): 1 - dies})


def test_inputs_that_theta_star_forbids_are_marked():
    """theta* never begins with word 1: of the two inputs of one token the second is lost, and so are its examples."""
    true = HMM([0.5, 0.0, 0.5], FREE.transition, np.eye(3))
    prompt = PromptLaw(FREE, [0.5, 0.5, 0.0], 2, 2)
    graph = example_graph(prompt.example_law(), true, [FREE], 2, 2)
    assert graph.lost_N.tolist() == [False, True] and graph.lost_last and graph.lost_closed
    assert graph.law_2xNxV[1, 1].tolist() == [0.0, 0.0, 0.0]
    plain = example_graph(prompt.example_law(), FREE, [true], 2, 2)
    assert plain.lost_N.tolist() == [False, False] and not plain.lost_last and not plain.lost_closed
    mute = HMM(FREE.initial, [[0.5, 0.5, 0.0]] * 3, np.eye(3))  # no delimiter behind an example, and none within
    ended = example_graph(PromptLaw(mute, [0.5, 0.5, 0.0], 2, 2).example_law(), mute, [FREE], 2, 2)
    assert (ended.lost_last, ended.lost_closed, ended.lost_N.any()) == (False, True, False)


def test_what_is_open_has_probability_one():
    """Two delimiter states: one outcome, and all of it."""
    words = [[0.4, 0.2, 0.1, 0.15, 0.15]] * 3
    free = [*words, *[[0.3, 0.3, 0.3, 0.1, 0.0]] * 2]
    split = [*words[:2], [0.3, 0.3, 0.2, 0.0, 0.2], [0.9, 0.0, 0.0, 0.1, 0.0], [0.0, 0.0, 0.9, 0.0, 0.1]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.2] * 5] * 2, [free, split], np.eye(4)[[0, 1, 2, 3, 3]], 3)
    (found,) = survivors(mixture, PromptLaw.of(mixture, [0.9, 0.0, 0.1, 0.0, 0.0], 0, 2), [0, 1])
    assert found == (1.0, frozenset({0}), frozenset({1}))


def test_what_takes_too_many_sets_has_probability_one_too(monkeypatch):
    """One delimiter state, one law at risk, and more sets than can be carried."""
    stuck = [[0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.5, 0.25, 0.25]]
    mixture = MixtureOfHMMs(
        [0.5, 0.5], [FREE.initial, [0.5, 0.0, 0.5]], [FREE.transition, FREE.transition], np.eye(3), 2
    )

    def refuse(*_):
        raise ModelError("laws: too many support sets")

    law = PromptLaw.of(mixture, [0.5, 0.5, 0.0], 0, 2)
    decided = survivors(mixture, law, [0, 1])
    assert {(o.probability, o.alive) for o in decided} == {(0.5, frozenset({0})), (0.5, frozenset({0, 1}))}
    monkeypatch.setattr(survival, "after_first_example", refuse)
    assert survivors(mixture, law, [0, 1]) == [(1.0, frozenset({0}), frozenset({1}))]
    dying = MixtureOfHMMs([0.5, 0.5], [FREE.initial] * 2, [FREE.transition, stuck], np.eye(3), 2)
    assert survivors(dying, PromptLaw.of(dying, [0.5, 0.5, 0.0], 0, 2), [0, 1]) == [(1.0, frozenset({0}), frozenset())]
