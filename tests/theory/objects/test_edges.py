"""Edge-emitting processes and their state-emitting form give every word the same probability, to the last path."""

import itertools

import numpy as np
import pytest
from brute_force import probability
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_bayes.simulators.zoo import even, golden_mean, mess3, rrxor
from implicit_bayes.theory import HMM, ModelError
from implicit_bayes.theory.filtering.state_beliefs import state_beliefs
from implicit_bayes.theory.objects.edges import EdgeProcess, edge_emitting, state_emitting


def word_probability(process: EdgeProcess, word) -> float:
    """pi T^(o_1) ... T^(o_n) 1, summed over every path of states."""
    total, labelled = 0.0, np.asarray(process.labelled)
    for path in itertools.product(range(process.n_states), repeat=len(word) + 1):
        steps = [labelled[o, s, t] for o, s, t in zip(word, path, path[1:], strict=False)]
        total += float(process.start[path[0]]) * float(np.prod(steps))
    return total


@st.composite
def processes(draw, states: int, tokens: int) -> EdgeProcess:
    """With exact zeros, and a start law that need not be stationary."""
    entries = st.sampled_from([0.0, 0.0, 1.0, 2.0, 5.0])
    raw = np.array(draw(st.lists(entries, min_size=tokens * states**2, max_size=tokens * states**2)))
    labelled = raw.reshape(tokens, states, states)
    labelled[0, :, 0] += labelled.sum((0, 2)) == 0.0
    start = np.array(draw(st.lists(entries, min_size=states, max_size=states)))
    start[0] += start.sum() == 0.0
    return EdgeProcess(labelled / labelled.sum((0, 2))[:, None], start / start.sum())


@settings(max_examples=15)
@given(st.data(), st.integers(1, 2), st.integers(1, 3), st.integers(1, 2))
def test_the_state_emitting_form_is_the_same_process(data, states, tokens, count):
    chosen = [data.draw(processes(states, tokens)) for _ in range(count)]
    emitted = int(np.argmax(sum(np.asarray(p.labelled) for p in chosen).sum((1, 2)) > 0))
    edges = state_emitting(chosen, emitted)
    for word in itertools.product(range(tokens), repeat=2):
        expected = np.mean([word_probability(process, word) for process in chosen])
        assert float(probability(edges.mixture, word)) == pytest.approx(expected, abs=1e-13)


@settings(max_examples=15)
@given(st.data(), st.integers(1, 3), st.integers(1, 3))
def test_there_and_back(data, states, tokens):
    process = data.draw(processes(states, tokens))
    hmm = state_emitting([process], int(np.argmax(process.labelled.sum((1, 2)) > 0))).mixture.concept(0)
    back = edge_emitting(hmm)
    for word in itertools.product(range(tokens), repeat=2):
        assert word_probability(back, word) == pytest.approx(word_probability(process, word), abs=1e-13)


def test_a_stationary_hmm_needs_no_further_state():
    hmm = HMM([0.5, 0.5], [[0.2, 0.8], [0.8, 0.2]], np.eye(2))
    assert edge_emitting(hmm).n_states == 2
    assert edge_emitting(HMM([1.0, 0.0], hmm.transition, hmm.emission)).n_states == 3


@pytest.mark.parametrize("process", [mess3(), rrxor(0.3), even(), golden_mean(0.2)])
def test_beliefs_over_pairs_are_beliefs_over_states(process):
    """Summed over the token of the pair, the filter of the state-emitting form is pi T^w / |pi T^w|."""
    edges, word = state_emitting([process], 0), (1, 1, 0)
    found = state_beliefs(edges.mixture, np.array([word])).law_BxTxH[0, -1]
    belief = np.asarray(process.start)
    for token in word:
        belief = belief @ process.labelled[token]
    summed = np.bincount(edges.pairs_Hx2[:, 0], found, process.n_states)
    assert np.allclose(summed, belief / belief.sum(), atol=1e-14)
    assert found[edges.pairs_Hx2[:, 1] != word[-1]].max() == 0.0


def test_unreachable_pairs_are_left_out():
    assert state_emitting([even()], 0).pairs_Hx2.tolist() == [[0, 0], [0, 1], [1, 1]]
    assert state_emitting([mess3()], 0).mixture.n_states == 9


@pytest.mark.parametrize(
    ("labelled", "start", "words"),
    [
        (np.ones((2, 2, 3)) / 6, None, "where .V, S, S. is asked for"),
        (np.ones((2, 2, 2)), None, "row sums to 4"),
        (np.ones((1, 2, 2)) / 2, [1.0], "2 states asks for"),
        (np.eye(2)[None], None, "2 closed classes"),
    ],
)
def test_what_is_no_process_is_refused(labelled, start, words):
    with pytest.raises(ModelError, match=words):
        EdgeProcess(labelled, start)


def test_processes_of_other_shapes_are_refused():
    with pytest.raises(ModelError, match="processes"):
        state_emitting([even(), mess3()], 0)
    with pytest.raises(ModelError, match="none given"):
        state_emitting([], 0)
