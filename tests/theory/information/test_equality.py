"""Equal processes are recognised, unequal ones never; and signs of sums of logarithms, zero included."""

import itertools
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from delimiter_laws import one_delimiter, path_sum
from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.theory import HMM
from implicit_bayes.theory.information import equality
from implicit_bayes.theory.information.arithmetic import Watch, rounding_of_mean
from implicit_bayes.theory.information.equality import MAX_STATES, _first_tokens_agree, is_renaming, same_process
from implicit_bayes.theory.information.log_sums import sign_of_log_sum


def random_hmm(seed, states=3, tokens=3, zeros=False):
    generator = np.random.default_rng(seed)
    rows = generator.dirichlet(np.ones(states), states + 1)
    if zeros:
        rows = np.where(rows < 0.2, 0.0, rows)
        rows /= rows.sum(-1, keepdims=True)
    return HMM(rows[0], rows[1:], generator.dirichlet(np.ones(tokens), states))


def renamed(hmm, order):
    order = np.asarray(order)
    return HMM(hmm.initial[order], hmm.transition[np.ix_(order, order)], hmm.emission[order])


@given(st.integers(0, 10**6), st.integers(2, 5), st.booleans(), st.data())
def test_a_renaming_is_found_and_the_least_change_undoes_it(seed, states, zeros, data):
    hmm = random_hmm(seed, states, zeros=zeros)
    other = renamed(hmm, data.draw(st.permutations(range(states))))
    assert is_renaming(hmm, other)
    assert same_process(hmm, other) is True
    row = np.array(other.emission)
    row[0] = np.roll(row[0], 1)
    changed = HMM(other.initial, other.transition, row)
    sequences = itertools.product(range(3), repeat=3)
    gap = max(abs(path_sum(hmm.initial, hmm, x) - path_sum(changed.initial, changed, x)) for x in sequences)
    assert same_process(hmm, changed) is (False if gap > 1e-9 else same_process(hmm, changed))


def test_large_models_are_equal_by_renaming_or_undetermined():
    hmm = random_hmm(0, MAX_STATES + 4)
    assert same_process(hmm, renamed(hmm, np.random.default_rng(1).permutation(MAX_STATES + 4))) is True
    same = np.full(MAX_STATES + 4, 1 / (MAX_STATES + 4))
    flat = HMM(hmm.initial, np.tile(same, (len(same), 1)), np.tile([0.5, 0.25, 0.25], (len(same), 1)))
    twin = HMM(same, hmm.transition, flat.emission)
    assert same_process(flat, twin) == "undetermined"  # equal, and nothing here can show it


def test_states_that_nobody_tells_apart_are_one():
    """Two copies of the delimiter state with shares 1/4 and 3/4 of every probability: no renaming, one process."""
    short = HMM([0.5, 0.5], [[0.5, 0.5], [0.25, 0.75]], [[1.0, 0.0], [0.0, 1.0]])
    long = HMM([0.5, 0.125, 0.375], [[0.5, 0.125, 0.375], [0.25, 0.1875, 0.5625], [0.25, 0.1875, 0.5625]],
               [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])  # fmt: skip
    assert not is_renaming(short, renamed(short, [0, 1])) or same_process(short, long) is True
    assert same_process(short, long) is True
    slow = HMM(long.initial, [[0.5, 0.125, 0.375], [0.25, 0.1875, 0.5625], [0.25 + 2**-20, 0.1875 - 2**-20, 0.5625]],
               long.emission)  # fmt: skip
    assert same_process(short, slow) is False


def test_decimals_are_read_as_they_print():
    """0.3 and 0.7 of 0.1 print as 0.03 and 0.07 and sum to 1/10; in binary they do not."""
    short = HMM([0.9, 0.1], [[0.9, 0.1], [0.5, 0.5]], np.eye(2))
    long = HMM([0.9, 0.03, 0.07], [[0.9, 0.03, 0.07], [0.5, 0.15, 0.35], [0.5, 0.15, 0.35]], np.eye(2)[[0, 1, 1]])
    assert same_process(short, long) is True


@pytest.mark.parametrize("seed", range(5))
def test_a_difference_that_shows_late_is_found(seed):
    """The two agree on the first two tokens and differ on the third."""
    mixture, _ = one_delimiter(seed)
    hmm = mixture.concept(0)
    ring = HMM([1.0, 0, 0], [[0, 1.0, 0], [0, 0, 1.0], [0, 0, 1.0]], [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])
    late = HMM(ring.initial, ring.transition, [[0.5, 0.5], [0.5, 0.5], [0.5 + 2.0**-30, 0.5 - 2.0**-30]])
    assert same_process(ring, late) is False
    assert same_process(hmm, hmm) is True


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(-4, 4)), min_size=1, max_size=6))
def test_signs_of_sums_of_logarithms(parts):
    """Against the integers: sum w log(p/q) has the sign of prod (p/q)^w - 1."""
    terms = {}
    product = Fraction(1)
    for p, q, w in parts:
        terms[Fraction(p, q)] = terms.get(Fraction(p, q), Fraction(0)) + Fraction(w, 3)
        product *= Fraction(p, q) ** w
    assert sign_of_log_sum(terms) == (product > 1) - (product < 1)
    cancelled = {ratio: weight for ratio, weight in terms.items()}
    inverse = 1 / product if product != 1 else Fraction(1)
    cancelled[inverse] = cancelled.get(inverse, Fraction(0)) + Fraction(1, 3)
    assert sign_of_log_sum(cancelled) == 0


def test_a_sum_beyond_float64_has_its_sign():
    tiny = Fraction(1, 10**60)
    terms = {Fraction(6): Fraction(1), Fraction(2): Fraction(-1), Fraction(3): Fraction(-1) + tiny}
    assert sign_of_log_sum(terms) == 1
    assert sign_of_log_sum({**terms, Fraction(3): Fraction(-1) - tiny}) == -1


def test_the_rounding_bound_bounds_and_underflow_voids_it():
    assert 0 < rounding_of_mean(10, 100, 50, 10**5, 60.0) < 1e-8
    assert rounding_of_mean(2, 3, 3, 9, 5.0) < 1e-12
    small = np.full((2, 2), 1e-200)
    with Watch() as watch:
        small @ small
    assert watch.widen(1e-12) == np.inf
    with Watch() as watch:
        np.eye(2) @ small
    assert watch.widen(1e-12) == 1e-12


def test_a_vocabulary_of_50257_is_compared_without_a_table_of_pairs():
    """Pairs of tokens would take 20 GB; the peak is a few blocks."""
    hmm = random_hmm(5, states=2, tokens=50_257)
    tracemalloc.start()
    assert same_process(hmm, random_hmm(6, states=2, tokens=50_257)) is False
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def test_a_difference_in_the_last_block_of_token_pairs_is_seen(monkeypatch):
    monkeypatch.setattr(equality, "BLOCK", 4)  # one first token a block
    emission = np.array([[0.25, 0.25, 0.5, 0.0], [0.25, 0.25, 0.0, 0.5]])
    hmm = HMM([0.5, 0.5], [[0.5, 0.5], [0.75, 0.25]], emission)
    other = HMM([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]], emission)
    assert _first_tokens_agree(hmm, hmm) is True
    assert _first_tokens_agree(hmm, other) is False
