"""What a law forbids, from zeros alone, against enumeration of examples with their delimiter."""

import itertools

import numpy as np
import pytest

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information import support_walk
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.supports import _one_example, forbidden_mass, forbids


def probability(start, law, tokens):
    """p(tokens) from a start law, by matrix products."""
    ahead = np.asarray(start)
    for token in tokens:
        ahead = (ahead * law.emission[:, token]) @ law.transition
    return ahead.sum()


def random_law(rng, states, tokens, zeros):
    def rows(*shape):
        weight = rng.integers(1, 5, shape) * (rng.random(shape) >= zeros)
        weight[..., rng.integers(shape[-1])] += weight.sum(-1) == 0
        return weight / weight.sum(-1, keepdims=True)

    return HMM(rows(states), rows(states, states), rows(states, tokens))


def check(seed):
    rng = np.random.default_rng(seed)
    states, tokens, k = int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(2, 4))
    sampler, law = (random_law(rng, states, tokens, rng.choice([0.0, 0.3, 0.6])) for _ in range(2))
    prompt = PromptLaw(sampler, random_law(rng, states, tokens, 0.3).initial, k, int(rng.integers(tokens)))
    examples = [
        (example, p)
        for example in itertools.product(range(tokens), repeat=k)
        if (p := probability(prompt.start, sampler, example)) > 0
    ]
    forbidden = forbidden_mass(np.asarray(prompt.start)[None], sampler, law, k)
    lost = sum(p for example, p in examples if probability(law.initial, law, example) == 0)
    assert forbidden.mass[0, -1] == pytest.approx(lost, abs=1e-12)
    for j in range(1, k + 1):
        heads = {example[:j] for example, _ in examples}
        assert (forbidden.first[0] <= j) == any(probability(law.initial, law, head) == 0 for head in heads)
    ended = [probability(law.initial, law, (*example, prompt.delimiter)) for example, _ in examples]
    sets, dies = _one_example(prompt, law, np.asarray(law.initial) > 0, stop_early=False)
    assert dies == (min(ended) == 0)
    assert bool(len(sets)) == (max(ended) > 0)
    assert (np.asarray(law.emission)[:, prompt.delimiter] > 0)[np.flatnonzero(sets.any(0))].all()


def test_forbidden_prefixes_and_delimiters_are_those_of_enumeration():
    for seed in range(400):
        check(seed)


@pytest.mark.slow
def test_forbidden_prefixes_and_delimiters_are_those_of_enumeration_ten_thousand_times():
    for seed in range(10_000):
        check(seed)


def test_a_delimiter_that_no_example_leads_to_is_forbidden():
    """theta stays on word 0; its delimiter state exists and speaks, but no way leads there."""
    emission, start = np.eye(3), np.full(3, 1 / 3)
    prompt = PromptLaw(HMM(start, [[0.5, 0.5, 0.0]] * 3, emission), [1.0, 0.0, 0.0], 2, 2)
    stuck = HMM(start, [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]], emission)
    assert forbids(prompt, stuck) == "surely"
    assert forbids(prompt, HMM(start, [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.5, 0.5, 0.0]], emission)) == "never"


def test_closing_probabilities_are_of_each_law_itself():
    """p(next token, then the closing one | state) under laws that emit the closing token differently."""
    rng = np.random.default_rng(0)
    laws = [random_law(rng, 3, 3, 0.0) for _ in range(3)]
    forward = build(laws, closing_token=1)
    for i, law in enumerate(laws):
        for token in range(3):
            for w, state in enumerate(forward.supports[token]):
                for v in range(3):
                    both = probability(law.transition[state], law, (v, 1))
                    assert forward.closing[token][i, w, v] == pytest.approx(both, rel=1e-14)


def test_a_walk_in_parts_and_one_that_settles_are_one_walk(monkeypatch):
    """Kinds of tokens taken one by one never settle into one matrix a token; mass, first positions, sets and what the
    sampler does beside them are those of the walk that does."""

    def walked(seed):
        rng = np.random.default_rng(seed)
        states, tokens = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        sampler, law = (random_law(rng, states, tokens, rng.choice([0.0, 0.3, 0.6])) for _ in range(2))
        starts = np.stack([random_law(rng, states, tokens, 0.4).initial for _ in range(3)])
        found = list(support_walk.walk(starts, sampler, law, np.asarray(law.initial) > 0, 9))
        rows = []
        for dead_mass, dead, front in found:
            beside: dict[bytes, np.ndarray] = {}
            for sets, mass, alive in zip(*front, strict=True):
                before = beside.get(sets.tobytes(), np.zeros((2, *mass.shape)))
                beside[sets.tobytes()] = np.stack([before[0] + mass, np.maximum(before[1], alive)])
            rows.append((dead_mass, dead, sorted(beside.items())))
        return rows

    settled = []
    steadily = support_walk._steadily
    monkeypatch.setattr(support_walk, "_steadily", lambda *a: settled.append(a[-1]) or steadily(*a))
    whole = [walked(seed) for seed in range(60)]
    assert sum(steps > 0 for steps in settled) > 20
    assert sum(row[-1][0].any() for row in whole) > 3  # mass still dies at token 9
    monkeypatch.setattr(support_walk, "AT_ONCE", 1)
    for seed, rows in enumerate(whole):
        for (mass, dead, beside), (mass_, dead_, beside_) in zip(rows, walked(seed), strict=True):
            np.testing.assert_allclose(mass, mass_, rtol=1e-12, atol=1e-15)
            np.testing.assert_array_equal(dead, dead_)
            assert [key for key, _ in beside] == [key for key, _ in beside_]
            for (_, one), (_, other) in zip(beside, beside_, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
