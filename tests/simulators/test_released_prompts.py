"""The released prompts: the bulk draws against a literal replay of the recipe, call by call."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.simulators import released_prompts as module
from implicit_bayes.simulators.ginc import released_ginc
from implicit_bayes.simulators.released_prompts import released_prompts, shots_within
from implicit_bayes.simulators.word_tape import read_tape, spend
from implicit_bayes.theory.objects.checks import ModelError

GINC = released_ginc(50)
TIE = 1e-12


def replay(stream, kind, k, n):
    """One prompt by the recipe: concept, start property (None out of distribution) and (n + 1, k) states."""
    concept = stream.choice([0, 1, 2, 3, 4])
    start = stream.randint(1, 10) if kind == "ID_sample" else None
    states = []
    for _ in range(n + 1):
        if kind == "ID_sample":
            path = [stream.randint(0, 10) * 10 + start]
            for _ in range(k - 1):
                path.append(stream.choice(100, p=GINC.pretraining.transition[concept, path[-1]]))
        else:
            properties = stream.randint(1, 10, size=k)
            path = list(stream.randint(0, 10) * 10 + properties)
        states.append(path)
    return concept, start, np.array(states)


def predictive(kind, concept, start, x):
    """p(next token | x) of the true concept by the forward recursion, or None where x is impossible."""
    mixture = GINC.pretraining if kind == "ID_sample" else GINC.unseen
    law = np.full(100, 0.01)
    if start is not None:
        law = np.where(np.arange(100) % 10 == start, 0.1, 0.0)
    for token in x:
        law = law * mixture.emission[:, token]
        if law.sum() == 0:
            return None
        law = law / law.sum() @ mixture.transition[concept]
    return law @ mixture.emission


def test_the_whole_stream_is_a_literal_replay(monkeypatch):
    """Every k and kind in order, on a recipe cut to 40 prompts and n in {0, 3}: tokens, fields and labels."""
    monkeypatch.setattr(module, "PROMPTS", 40)
    monkeypatch.setattr(module, "SHOTS", (0, 3))
    monkeypatch.setattr(module, "LABEL_BATCH", 8)  # some groups take several batches
    stream = np.random.RandomState(1114)
    sets = released_prompts(50)
    impossible = 0
    for k in (3, 5, 8, 10):
        for kind in ("ID_sample", "OOD_sample"):
            for n in (0, 3):
                found = next(sets)
                assert (found.kind, found.k, found.n) == (kind, k, n)
                for row in range(40):
                    concept, start, states = replay(stream, kind, k, n)
                    entities, properties = states // 10, states % 10
                    words = GINC.memory[entities, properties]
                    text = [token for example in words for token in (*example, 0)][:-2]
                    assert found.tokens[row].tolist() == text
                    assert found.concepts[row] == concept
                    assert found.patterns[row].tolist() == [*properties[-1], 0]
                    assert found.entities[row] == entities[-1, -1]
                    law = predictive(kind, concept, start, text[-(k - 1) :])
                    if law is None:
                        impossible += 1
                        assert found.labels[row] == 0
                    else:
                        assert law[found.labels[row]] >= law.max() - TIE
    assert next(sets, None) is None
    assert impossible > 100  # out of distribution most long x are impossible; the branch was met


@pytest.mark.parametrize(("kind", "k", "n"), [("ID_sample", 5, 2), ("OOD_sample", 3, 4), ("ID_sample", 3, 0)])
def test_a_full_set_leaves_the_stream_where_the_recipe_does(kind, k, n):
    bulk, literal = np.random.RandomState(7), np.random.RandomState(7)
    drawn = module._draw(bulk, GINC, kind, k, n, 2500)
    for row in range(2500):
        concept, _, states = replay(literal, kind, k, n)
        assert drawn.concepts_P[row] == concept
        np.testing.assert_array_equal(drawn.states_PxExK[row], states)
    assert bulk.rand() == literal.rand()


def test_a_tape_too_short_is_read_again(monkeypatch):
    """A first guess that is far too small must change nothing."""
    expected = module._draw(np.random.RandomState(3), GINC, "ID_sample", 3, 1, 50)
    lengths = []

    def short_at_first(generator, words):
        lengths.append(words)
        return read_tape(generator, words if len(lengths) > 2 else 1000 * len(lengths))

    monkeypatch.setattr(module, "read_tape", short_at_first)
    found = module._draw(np.random.RandomState(3), GINC, "ID_sample", 3, 1, 50)
    assert len(lengths) == 3
    np.testing.assert_array_equal(found.states_PxExK, expected.states_PxExK)


def test_fewer_prompts_and_one_file_are_parts_of_the_whole(monkeypatch):
    monkeypatch.setattr(module, "PROMPTS", 30)
    monkeypatch.setattr(module, "SHOTS", (0, 1))
    monkeypatch.setattr(module, "LABEL_BATCH", 32)
    whole = {(s.kind, s.k, s.n): s for s in released_prompts(50)}
    part = list(released_prompts(50, lengths=[5], kinds=["OOD_sample"], prompts=4))
    assert [(s.kind, s.k, s.n) for s in part] == [("OOD_sample", 5, 0), ("OOD_sample", 5, 1)]
    for piece in part:
        for name, array in piece._asdict().items():
            if isinstance(array, np.ndarray):
                np.testing.assert_array_equal(array, getattr(whole[piece.kind, piece.k, piece.n], name)[:4])


def test_shots_stop_at_the_context():
    assert shots_within(3) == (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
    assert shots_within(5)[-1] == 128
    assert shots_within(8)[-1] == shots_within(10)[-1] == 64


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"lengths": [4]}, "k: 4"),
        ({"kinds": ["ID"]}, "kinds"),
        ({"prompts": 2501}, "2500"),
        ({"prompts": 0}, "prompts"),
    ],
)
def test_what_the_release_does_not_hold_is_refused_at_once(arguments, word):
    with pytest.raises(ModelError, match=word):
        released_prompts(50, **arguments)


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from([2, 5, 9, 10, 16, 17, "double"]), min_size=1, max_size=30))
def test_the_tape_draws_what_the_generator_draws(seed, program):
    generator, twin = np.random.RandomState(seed), np.random.RandomState(seed)
    tape = read_tape(generator, 4000)
    position = 0
    for step in program:
        if step == "double":
            assert tape.doubles(np.array([position]))[0] == twin.random_sample()
            position += 2
        else:
            position = tape.next_below(step)[position]
            assert tape.below(np.array([position]), step)[0] == twin.randint(0, step)
            position += 1
    spend(generator, position)
    assert generator.random_sample() == twin.random_sample()


@pytest.mark.slow
def test_the_first_file_at_full_size_leaves_the_stream_where_the_recipe_does():
    bulk, literal = np.random.RandomState(1114), np.random.RandomState(1114)
    for n in shots_within(3):
        module._draw(bulk, GINC, "ID_sample", 3, n, 0)
        for _ in range(2500):
            replay(literal, "ID_sample", 3, n)
    assert bulk.rand() == literal.rand()
