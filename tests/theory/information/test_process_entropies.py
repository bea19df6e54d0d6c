"""Entropy rates, excess entropies and myopic entropies: known values, enumeration, Monte Carlo, and every bracket."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.simulators.zoo import even, golden_mean, mess3, rrxor, zoo_processes
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.information.ergodic_mixtures import mixture_entropies, same_edge_process
from implicit_bayes.theory.information.process_entropies import process_entropies, union
from implicit_bayes.theory.objects.edges import EdgeProcess, edge_emitting, state_emitting

LOG_2 = math.log(2.0)


def binary(p: float) -> float:
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def enumerated(process: EdgeProcess, length: int) -> list[float]:
    """H(o_1..o_L), L = 0..length, from the probabilities of all words."""
    out = []
    for each in range(length + 1):
        total = 0.0
        for word in itertools.product(range(process.n_tokens), repeat=each):
            belief = np.asarray(process.start)
            for token in word:
                belief = belief @ process.labelled[token]
            if belief.sum() > 0:
                total -= belief.sum() * math.log(belief.sum())
        out.append(total)
    return out


PROCESSES = [mess3(), mess3(0.15, 0.6), rrxor(), rrxor(0.2), even(), even(0.7), golden_mean(), golden_mean(0.1)]


@pytest.mark.parametrize("process", PROCESSES)
def test_myopic_entropies_are_those_of_all_words(process):
    found = process_entropies(process, 5)
    assert found.block_n == pytest.approx(enumerated(process, 5)[1:], abs=1e-12)
    alone = [enumerated(EdgeProcess(process.labelled, row), 5) for row in np.eye(process.n_states)]
    known = np.asarray(process.start) @ np.diff(np.array(alone), axis=1)
    assert found.known_n == pytest.approx(known, abs=1e-12)


@pytest.mark.parametrize(
    ("process", "rate", "excess"),
    [
        (even(), 2 / 3 * LOG_2, math.log(3) - 2 / 3 * LOG_2),  # E = H(2/3, 1/3), the whole statistical complexity
        (even(0.7), binary(0.7) / 1.3, binary(1 / 1.3)),
        (golden_mean(), 2 / 3 * LOG_2, math.log(3) - 4 / 3 * LOG_2),  # E = H(2/3, 1/3) - h, since it is Markov
        (golden_mean(0.1), binary(0.1) / 1.9, binary(1 / 1.9) - binary(0.1) / 1.9),
        (rrxor(), 2 / 3 * LOG_2, math.log(3) + 2 / 3 * LOG_2),  # the phase, and the bits that bind the next one
        (EdgeProcess(np.full((2, 1, 1), 0.5)), LOG_2, 0.0),  # a fair coin
        (EdgeProcess([[[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]]), 0.0, LOG_2),  # 0101...: only the phase
    ],
)
def test_known_values(process, rate, excess):
    found = process_entropies(process, 80)
    assert found.rate_low == found.rate_high == pytest.approx(rate, abs=1e-12)
    assert found.excess_low - 1e-10 <= excess <= found.excess_high + 1e-10
    assert found.excess_high - found.excess_low < 1e-5 and found.beliefs < 40


@pytest.mark.parametrize("process", [mess3(), mess3(0.15, 0.6), mess3(0.3, 0.9)])
def test_brackets_close_and_hold(process):
    """With more tokens every bracket lies in the one before, and h_L falls while g_L rises."""
    brackets = [process_entropies(process, length) for length in (2, 5, 8)]
    for wide, narrow in itertools.pairwise(brackets):
        assert wide.rate_low <= narrow.rate_low + 1e-12 <= narrow.rate_high + 2e-12 <= wide.rate_high + 3e-12
        assert wide.excess_low <= narrow.excess_low + 1e-12 <= narrow.excess_high + 2e-12 <= wide.excess_high + 3e-12
    last = brackets[-1]
    assert (np.diff(last.myopic_n) <= 1e-12).all() and (np.diff(last.known_n) >= -1e-12).all()
    assert last.excess_high - last.excess_low < 2e-3


def test_mess3_rate_by_monte_carlo():
    """-log p / T of tokens drawn edge by edge; 6 standard errors fail once in 5e8 runs."""
    process, generator = mess3(), np.random.default_rng(3)
    runs, length, burn_in = 4000, 80, 20
    labelled_SxE = np.asarray(process.labelled).transpose(1, 0, 2).reshape(3, 9)
    state, belief, nats = generator.integers(3, size=runs), np.full((runs, 3), 1 / 3), np.zeros(runs)
    for t in range(length):
        edge = (labelled_SxE[state].cumsum(-1) < generator.random((runs, 1))).sum(-1)
        token, state = np.divmod(edge, 3)
        belief = np.einsum("ns,nst->nt", belief, process.labelled[token])
        nats -= np.log(belief.sum(-1)) * (t >= burn_in)
        belief /= belief.sum(-1, keepdims=True)
    each = nats / (length - burn_in)
    error, found = each.std() / math.sqrt(runs), process_entropies(process, 9)
    assert error < 3e-3 and abs(each.mean() - found.rate_low) < 6 * error


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3))
def test_excess_is_at_most_what_the_state_knows(seed, states, tokens):
    """E lies in its bracket, which is inside [0, H(s_0)], and the form on pairs has the same entropies."""
    generator = np.random.default_rng(seed)
    raw = generator.gamma(0.3, size=(tokens, states, states)) + 1e-6
    process = EdgeProcess(raw / raw.sum((0, 2))[:, None])
    found = process_entropies(process, 4)
    start = np.asarray(process.start)
    assert 0.0 <= found.excess_low <= found.excess_high + 1e-12
    assert found.rate_low <= found.rate_high + 1e-12
    assert found.excess_low <= -(start * np.log(start)).sum() + 1e-12
    again = process_entropies(edge_emitting(state_emitting([process], 0).mixture.concept(0)), 4)
    assert again.myopic_n == pytest.approx(found.myopic_n, abs=1e-10)


def test_a_mixture_knows_its_component_in_the_end():
    """h and E of two coins: I(past; future) is H(prior), all of it about which coin it is."""
    coins = [EdgeProcess([[[p]], [[1 - p]]]) for p in (0.9, 0.2)]
    found = mixture_entropies(coins, np.array([0.25, 0.75]), length=60)
    assert found.rate_low == found.rate_high == pytest.approx(0.25 * binary(0.9) + 0.75 * binary(0.2), abs=1e-14)
    assert found.excess_low == found.excess_high == pytest.approx(binary(0.25), abs=1e-14)
    whole = process_entropies(union(coins, np.array([0.25, 0.75])), 60)
    assert whole.excess_low <= found.excess_low <= whole.excess_high
    assert float((whole.myopic_n - found.rate_low).sum()) == pytest.approx(binary(0.25), abs=1e-6)
    assert (np.diff(found.myopic_n) <= 1e-12).all() and found.myopic_n[-1] - found.rate_low < 1e-6


def test_a_mixture_of_mess3_is_inside_the_bracket_of_its_union():
    parts = zoo_processes("mess3:x=0.05+0.15,alpha=0.85+0.6")
    found, whole = mixture_entropies(parts, length=6), process_entropies(union(parts, np.full(2, 0.5)), 6)
    assert whole.rate_low <= found.rate_low <= found.rate_high <= whole.rate_high
    assert whole.excess_low <= found.excess_low <= found.excess_high <= whole.excess_high


def test_components_that_are_one_process_count_once():
    twice = mixture_entropies([even(), even(), golden_mean()], np.array([0.2, 0.3, 0.5]), length=60)
    once = mixture_entropies([even(), golden_mean()], np.array([0.5, 0.5]), length=60)
    assert twice.excess_low == pytest.approx(once.excess_low, abs=1e-12)
    assert mixture_entropies([even(), rrxor()], np.array([1.0, 0.0]), 40).rate_low == pytest.approx(2 / 3 * LOG_2)


def test_the_same_process_on_other_states_is_recognised():
    hmm = state_emitting([mess3()], 0).mixture.concept(0)
    assert same_edge_process(mess3(), edge_emitting(hmm)) and same_edge_process(even(), even())
    assert same_edge_process(rrxor(), edge_emitting(state_emitting([rrxor()], 0).mixture.concept(0)))
    assert not same_edge_process(mess3(), mess3(0.05, 0.851)) and not same_edge_process(even(), golden_mean())
    assert not same_edge_process(mess3(), even())


def test_a_budget_ends_early_and_says_so():
    assert len(process_entropies(mess3(), 64, budget=1000).myopic_n) == 5
    with pytest.raises(ModelError, match="budget"):
        process_entropies(mess3(), 4, budget=5)


def test_bad_input():
    with pytest.raises(ModelError, match="not stationary"):
        process_entropies(EdgeProcess(even().labelled, [1.0, 0.0]))
    with pytest.raises(ModelError, match="length: 0"):
        process_entropies(even(), 0)
    with pytest.raises(ModelError, match="prior"):
        mixture_entropies([even()], np.array([0.5, 0.5]))
    with pytest.raises(ModelError, match="none given"):
        mixture_entropies([])
    with pytest.raises(ModelError, match="3 tokens beside 2"):
        union([even(), mess3()], np.array([0.5, 0.5]))


def test_a_state_that_is_left_for_ever_takes_no_part():
    """State 2 has stationary probability 0 and leads into a fair coin: one bit a token, nothing to remember."""
    labelled = np.array([[[0.5, 0, 0], [0.5, 0, 0], [1.0, 0, 0]], [[0, 0.5, 0], [0, 0.5, 0], [0, 0, 0]]])
    found = process_entropies(EdgeProcess(labelled, np.array([0.5, 0.5, 0.0])), 3, budget=4)
    np.testing.assert_allclose(found.myopic_n, np.log(2))
    assert (found.rate_low, found.excess_high) == (pytest.approx(np.log(2)), pytest.approx(0.0, abs=1e-12))
    assert found.beliefs == 2
