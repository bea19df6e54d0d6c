"""Parts of the information room one at a time, against numbers worked out by hand: ends, limits, blocks and ties."""

import math
from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information import exact_laws, log_sums
from implicit_bayes.theory.information.arithmetic import UNIT, Watch, rounding_of_mean
from implicit_bayes.theory.information.bracket import Ends, enumerate_bracket
from implicit_bayes.theory.information.decomposition import _mean, entropy, regret, spaced_positions, terms
from implicit_bayes.theory.information.kl import kl_table
from implicit_bayes.theory.information.log_sums import sign_of_log_sum
from implicit_bayes.theory.information.process_entropies import _mean_entropy, _summary
from implicit_bayes.theory.information.rates import Rate, _narrowed, _of_enumeration
from implicit_bayes.theory.information.sampled_bracket import SampledEnds
from implicit_bayes.theory.information.start_divergence import _at, divergence

HALF = Fraction(1, 2)
COIN = HMM([0.25, 0.75], [[0.5, 0.5], [0.125, 0.875]], np.eye(2))
"""Two states that tokens show."""
COIN3 = HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
HIDDEN = HMM([0.5, 0.5], [[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])


def test_the_rounding_bound_by_hand():
    """2 u [k^2 c + (k c + N + V) E] with c = 2 H + 8 = 14."""
    assert rounding_of_mean(2, 3, 5, 7, 1.5) == 2 * UNIT * (4 * 14 + (2 * 14 + 7 + 5) * 1.5)
    assert rounding_of_mean(1, 1, 1, 1, math.inf) == math.inf


def test_a_watch_sees_what_underflows_inside_it_alone():
    before = np.geterr()
    with Watch() as calm:
        np.array([1e-100]) * np.array([1e-100])
    with Watch() as seen:
        np.array([1e-200]) * np.array([1e-200])
    assert (calm.widen(0.5), seen.widen(0.5)) == (0.5, math.inf)
    assert np.geterr() == before


def test_zero_sums_are_shown_up_to_the_limit_on_terms(monkeypatch):
    """log 2 - log(4)/4 - log(16)/8 = 0 has three terms; ratios of 1 and weights of 0 are none."""
    two, three = {Fraction(2): Fraction(1), Fraction(4): -HALF}, {2: 1, 4: -HALF / 2, 16: -HALF / 4}
    three = {Fraction(r): Fraction(w) for r, w in three.items()} | {Fraction(1): Fraction(5), Fraction(7): Fraction(0)}
    assert sign_of_log_sum(two) == 0 == sign_of_log_sum(three) == sign_of_log_sum({})
    monkeypatch.setattr(log_sums, "MAX_TERMS", 2)
    assert sign_of_log_sum(two) == 0 and sign_of_log_sum(three) is None
    assert sign_of_log_sum(three | {Fraction(3): Fraction(1, 10**60)}) == 1
    assert sign_of_log_sum(three | {Fraction(3): Fraction(-1, 10**60)}) == -1


def test_digits_that_show_a_sign():
    """Of log 3/2 = .405 three digits err by (log 3 + log 2 + 1) 9 / 100 = .251; of log 6/5 = .182 by .396."""
    assert log_sums._by_digits({Fraction(3, 2): Fraction(1)}, 3) == 1 == -log_sums._by_digits({Fraction(2, 3): HALF}, 3)
    assert log_sums._by_digits({Fraction(6, 5): Fraction(1)}, 3) == 0 == log_sums._by_digits({}, 3)
    assert log_sums._by_digits({Fraction(6, 5): Fraction(1)}, 4) == 1


def test_a_coprime_base_by_hand():
    """12 = 2^2 3 and 18 = 2 3^2 split into 2 and 3; what a base has already is not put in again."""
    base = []
    for integer in (12, 18, 1, 6):
        base = log_sums._refine(base, integer)
    assert sorted(base) == [2, 3]
    assert log_sums._is_zero({Fraction(12, 18): Fraction(1), Fraction(3, 2): Fraction(1)})
    assert not log_sums._is_zero({Fraction(12, 18): Fraction(1), Fraction(2, 3): Fraction(1)})


def test_filters_in_fractions_are_kept_up_to_their_limit(monkeypatch):
    """HIDDEN has three tokens and so three filters after one of them."""
    law = exact_laws.exact_law(HIDDEN)
    monkeypatch.setattr(exact_laws, "MAX_FILTERS", 3)
    assert len(exact_laws.reachable_laws(law, 1)) == 3
    monkeypatch.setattr(exact_laws, "MAX_FILTERS", 2)
    with pytest.raises(exact_laws.UndecidedError):
        exact_laws.reachable_laws(law, 1)


def test_positions_are_powers_of_the_fourth_root_of_two():
    assert spaced_positions(0) == [0]
    assert spaced_positions(1) == [0, 1]
    assert spaced_positions(11) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert spaced_positions(40) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 19, 23, 27, 32, 38, 40]


def test_means_entropies_and_regret_by_hand():
    mean, error = _mean(np.array([[1.0, 2.0], [3.0, 2.0]]))
    assert mean.tolist() == [2, 2] and error.tolist() == [1, 0]  # sqrt(2) / sqrt(2)
    assert _mean(np.array([[1.0]]))[1].tolist() == [math.inf]
    assert entropy(np.array([0.5, 0.0, 0.5])) == math.log(2)
    noise, left = terms(np.log([[0.5, 0.25]]), np.log([[0.25, 0.75]]))
    assert noise[0] == pytest.approx(0.25 * math.log(2) + 0.75 * math.log(4))
    assert left[0] == pytest.approx(0.25 * math.log(4) - 0.75 * math.log(0.75))
    none = -np.inf
    found = regret(np.array([[-1.0, none, -2.0]]), np.array([-3.0]), np.array([0.5, 0.5, 0.0]))
    np.testing.assert_allclose(found, [[-1.0 + math.log(0.5) + 3.0, none, none]])


def test_start_divergence_by_hand():
    assert divergence(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.5, 0.25])) == pytest.approx(0.5 * math.log(2))
    assert divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == math.inf
    short, long = (_at(length, [0.5, 0.25], 2.0, [0, 1, 4]) for length in (1, 3))
    assert (short.low, short.high, short.prefixes, short.per_position.tolist()) == (0.5, 0.5, 1, [0.5])
    assert (long.low, long.high, long.prefixes) == (0.75, 2.0, 4)
    assert long.per_position[:2].tolist() == [0.5, 0.25] and math.isnan(long.per_position[2])
    assert _at(3, [0.5, 0.25], 0.7, [0, 1, 4]).high == 0.75
    assert _at(2, [0.5, 0.25], 2.0, [0, 1, 4]).high == 0.75


def test_a_law_that_forbids_the_last_token_only():
    """theta never says token 1 after token 1: of COIN's examples of two tokens 3/4 x 7/8 are lost, at position 2."""
    theta = HMM([0.5, 0.5], [[0.5, 0.5], [1.0, 0.0]], np.eye(2))
    prompt = PromptLaw(hmm=COIN, start=COIN.initial, length=2, delimiter=0)
    (one,), (two,) = kl_table(prompt, [theta], [1, 2])
    assert math.isfinite(one.value) and one.infinite_mass == 0.0
    assert two.value == two.low == two.high == math.inf
    assert two.infinite_mass == pytest.approx(0.75 * 0.875)
    assert two.per_position[0] == pytest.approx(one.value) and two.per_position[1] == math.inf


def test_an_interval_of_blocks_narrows_only_where_it_meets_the_enumerated_one():
    def found(low, high, middle=0.0, width=0.25):
        low, high, middle, width = (np.array([9.0, x]) for x in (low, high, middle, width))
        return SampledEnds(low=low, high=high, middle=middle, width=width, blocks=5)

    wide = Rate(value=0.0, low=-1.0, high=1.0, method="bracketed", bracket=2.0, rounding=0.125)
    rate = _narrowed(wide, 0.5, (0.25, 0.75), found(-0.5, 0.0), 1, 0.0625)
    assert rate == Rate(value=0.5, low=-0.25, high=0.75, method="bracketed", bracket=0.25, rounding=0.125, samples=5)
    assert _narrowed(wide, 0.5, (0.25, 0.75), found(-5.0, 5.0, 3.0, 9.0), 1, 0.5)[:3] == (1.0, -1.0, 1.0)
    assert _narrowed(wide, 0.5, (0.25, 0.75), found(-5.0, 5.0, 3.0, 9.0), 1, 0.5)[4:] == (2.0, 0.5, 5)
    for apart in (found(1.0, 2.0), found(-4.0, -2.0), found(-math.inf, 0.0)):
        assert _narrowed(wide, 0.5, (0.25, 0.75), apart, 1, 0.0) == wide
    assert _narrowed(wide, 0.0, (0.0, 0.0), found(1.0, 2.0, 1.5), 1, 0.0).low == 1.0, "ends that touch meet"


def test_a_rate_of_enumeration_by_hand():
    """The middle of the ends, and no value where one is infinite; rounding of (m + 1)(k + 1) tokens."""
    prompt = PromptLaw(hmm=COIN, start=COIN.initial, length=3, delimiter=0)
    ends = Ends(low=np.array([9.0, -1.0, -np.inf]), high=np.array([9.0, 2.0, 1.0]), forgotten=2, nodes=7,
                magnitude=np.array([9.0, 4.0, np.inf]))  # fmt: skip
    calm = Watch()
    rate = _of_enumeration(prompt, ends, 1, calm)
    right = rounding_of_mean(12, 2, 2, 7, 4.0)
    assert rate == Rate(value=0.5, low=-1.0, high=2.0, method="bracketed", bracket=3.0, rounding=right)
    open_ = _of_enumeration(prompt, ends, 2, calm)
    assert (open_.value, open_.low, open_.high, open_.bracket, open_.rounding) == (None, -np.inf, 1.0, np.inf, 0.0)
    nothing = _of_enumeration(prompt, None, 0, calm)
    assert (nothing.value, nothing.low, nothing.high, nothing.bracket) == (None, -np.inf, np.inf, np.inf)


def test_the_bracket_stops_where_its_budget_does():
    """One delimiter state shown by its token is narrow at once; without entries there is no bracket."""
    prompt = PromptLaw(hmm=COIN, start=COIN.initial, length=2, delimiter=0)
    other = HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], np.eye(2))
    found = enumerate_bracket(prompt, [other])
    assert found is not None and found.forgotten == 0
    rows, theirs, start = np.array(COIN.transition), np.array(other.transition), np.array(COIN.initial)
    gain = np.log(theirs / rows)
    right = start @ gain[0] + start @ (rows * gain).sum(-1) + (start @ rows) @ gain[:, 0]
    np.testing.assert_allclose([found.low[0], found.high[0]], right)
    assert enumerate_bracket(prompt, [other], entries=0) is None


def test_entropies_of_a_process_are_summed_up_by_hand():
    assert _mean_entropy(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0.25, 0.75])) == pytest.approx(math.log(2) / 4)
    myopic, known = np.array([1.0, 0.75, 0.5]), np.array([0.25, 0.375, 0.4375])
    found = _summary(myopic, known, 0.125, False, 7)
    assert (found.rate_low, found.rate_high) == (0.4375, 0.5)
    assert (found.excess_low, found.excess_high) == (0.75, 2.25 - 3 * 0.4375 + 0.125)
    assert found.beliefs == 7 and found.block_n.tolist() == [1.0, 1.75, 2.25]
    sure = _summary(myopic, known, 0.0, True, 1)
    assert (sure.rate_low, sure.rate_high, sure.excess_low) == (0.25, 0.25, 1.5)
