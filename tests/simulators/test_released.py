"""The released documents: a literal replay of the stream, prefixes, and inversion against a linear scan."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import laws

from implicit_bayes.simulators import released
from implicit_bayes.simulators.ginc import released_ginc
from implicit_bayes.simulators.inverse_cdf import cdf_table, first_above
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.theory.objects.checks import ModelError

BELOW_ONE = 1 - 2.0**-53


@st.composite
def laws_and_uniforms(draw):
    law = draw(laws(draw(st.sampled_from([1, 2, 3, 4, 7, 8, 9]))))
    edges = [float(c) for c in np.cumsum(law) if c < 1]
    point = st.one_of(st.floats(0, BELOW_ONE), st.sampled_from([0.0, BELOW_ONE, *edges]))
    return law, draw(point)


@given(laws_and_uniforms())
@example((np.array([0.1] * 10), BELOW_ONE))  # the sums end at .9999999999999999, which u can reach: the scan says 0
def test_inversion_is_the_releases_linear_scan(case):
    law, uniform = case
    found = first_above(cdf_table(law[None], normalised=False), np.zeros(1, int), np.array([uniform]))
    assert found.tolist() == [int((np.cumsum(law) > uniform).argmax())]


@given(laws_and_uniforms())
def test_normalised_inversion_is_numpys_choice_and_never_draws_a_zero(case):
    law, uniform = case
    found = first_above(cdf_table(law[None], normalised=True), np.zeros(1, int), np.array([uniform]))
    cdf = law.cumsum()
    cdf /= cdf[-1]
    assert found.tolist() == [int(cdf.searchsorted(uniform, side="right"))]
    assert law[found[0]] > 0


def test_inversion_uses_each_draws_own_row():
    table = cdf_table(np.eye(3)[[2, 0, 1]], normalised=False)
    np.testing.assert_array_equal(first_above(table, np.array([0, 1, 2, 0]), np.full(4, 0.5)), [2, 0, 1, 2])


def replay(stream, mixture, memory, length):
    """One document, draw by draw: state, then the emission's idle draw."""
    concept = stream.choice(5)
    law, states, tokens = mixture.initial[concept], [], []
    for _ in range(length):
        state = int((np.cumsum(law) > stream.rand()).argmax())
        token_law = mixture.emission[state]
        tokens.append(int((np.cumsum(token_law) > stream.rand()).argmax()))
        states.append(state)
        law = mixture.transition[concept, state]
    np.testing.assert_array_equal(tokens, memory[np.array(states) // 10, np.array(states) % 10])
    return concept, states, tokens


@pytest.mark.parametrize("vocabulary", [50, 150])
def test_training_documents_are_a_literal_replay_of_the_stream(vocabulary):
    ginc = released_ginc(vocabulary)
    stream = ginc.generator()
    found = released_documents(vocabulary, "train", documents=2)
    assert found.tokens.shape == found.states.shape == (2, 10240)
    for document in range(2):
        concept, states, tokens = replay(stream, ginc.pretraining, ginc.memory, 10240)
        assert found.concepts[document] == concept
        np.testing.assert_array_equal(found.states[document], states)
        np.testing.assert_array_equal(found.tokens[document], tokens)


def test_validation_follows_all_training_documents():
    ginc = released_ginc(100)
    stream = ginc.generator()
    for _ in range(1000):
        stream.choice(5)
        stream.rand(2 * 10240)
    concept, states, _ = replay(stream, ginc.pretraining, ginc.memory, 1024)
    found = released_documents(100, "validation", documents=1)
    assert found.concepts.tolist() == [concept]
    np.testing.assert_array_equal(found.states[0], states)


def test_fewer_and_shorter_documents_are_prefixes():
    whole = released_documents(50, "validation")
    part = released_documents(50, "validation", documents=7, length=33)
    assert whole.tokens.shape == (100, 1024)
    np.testing.assert_array_equal(part.tokens, whole.tokens[:7, :33])
    np.testing.assert_array_equal(part.states, whole.states[:7, :33])
    np.testing.assert_array_equal(part.concepts, whole.concepts[:7])
    assert whole.tokens.dtype == whole.states.dtype == whole.concepts.dtype == np.int32


@pytest.mark.parametrize(
    ("split", "documents", "length", "words"),
    [
        ("train", 1001, None, ["documents", "1001", "at most 1000"]),
        ("validation", 101, None, ["documents", "at most 100"]),
        ("train", None, 10241, ["length", "10240"]),
        ("validation", 1, 1025, ["length", "at most 1024"]),
        ("train", 0, None, ["documents", "below 1"]),
        ("train", 1, 0, ["length", "below 1"]),
        ("test", None, None, ["split", "'test'", "validation"]),
    ],
)
def test_more_than_the_release_holds_is_refused(split, documents, length, words):
    with pytest.raises(ModelError) as caught:
        released_documents(50, split, documents, length)
    for word in words:
        assert word in str(caught.value)


def test_machine_code_and_numpy_walk_the_same_states(monkeypatch):
    few = released_documents(50, "validation", 20, 100, once=True)
    for one, other in zip(few, released_documents(50, "validation", 20, 100), strict=True):
        np.testing.assert_array_equal(one, other)
    asked = []
    monkeypatch.setattr(released, "on_host", lambda steps, products: asked.append((steps, products)))  # None: no
    for one, other in zip(few, released_documents(50, "validation", 20, 100, once=True), strict=True):
        np.testing.assert_array_equal(one, other)
    assert asked == [(100, 20 * 100 * released.DRAW)]


@pytest.mark.slow
def test_every_training_token_takes_a_possible_step():
    """All 10.24 million tokens: shape, and not one step of probability zero."""
    found = released_documents(50, "train")
    mixture = released_ginc(50).pretraining
    assert found.tokens.shape == (1000, 10240)
    for concept in range(5):
        states = found.states[found.concepts == concept]
        assert (mixture.transition[concept][states[:, :-1], states[:, 1:]] > 0).all()
