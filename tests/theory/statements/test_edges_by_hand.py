"""Edges of verdicts that one change of a line would move: ties of unequal weight, rounding asked for, lists cut off."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.information.moment_levels import Cumulant
from implicit_bayes.theory.information.survival import Survivors
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1
from implicit_bayes.theory.statements import limits, risk, signals, theorems
from implicit_bayes.theory.statements.bounds import bounded_mean_interval
from implicit_bayes.theory.statements.conditions import conditions_by_start_law
from implicit_bayes.theory.statements.diagnosis import _extreme_ratio, _extreme_transition, reading, split_condition
from implicit_bayes.theory.statements.exact_margins import exact_margin
from implicit_bayes.theory.statements.finite_sample import StartLaw
from implicit_bayes.theory.statements.finite_sample_odds import Odds
from implicit_bayes.theory.statements.finite_sample_search import Exponent
from implicit_bayes.theory.statements.finite_sample_table import _reason
from implicit_bayes.theory.statements.input_margins import _sampled_inputs, start_shift_by_input
from implicit_bayes.theory.statements.limits import limit_risk, same_argmax
from implicit_bayes.theory.statements.pairs import pairs_of

TRUE = [[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
OTHER = [[0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]
STARTS = [[0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
HIDDEN = np.array([[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])


def mixture(kernels=(TRUE, OTHER), starts=STARTS, emission=None):
    return MixtureOfHMMs(
        [0.5, 0.5], np.array(starts), np.array(kernels), np.eye(3) if emission is None else emission, 2
    )


def test_heavier_ties_are_decided_first(monkeypatch):
    """Words 1 and 2 are followed by word 0 from two states, in other shares, and word 0 by 1 and 2 alike: inputs of 1/4
    and 3/4 that tie, after one last token. Where one may be decided in integers it is the heavier one."""
    words = [[0, 0, 0.75, 0.25, 0], [0, 0, 0.25, 0.75, 0]]
    kernel = [*words, *[[0.375, 0.375, 0, 0, 0.25]] * 2, [0.5, 0.5, 0, 0, 0]]
    ties = MixtureOfHMMs([1.0], [[0.5, 0.5, 0, 0, 0]], [kernel], np.eye(4)[[1, 2, 0, 0, 3]], 3)
    monkeypatch.setattr(limits, "EXACT_TESTS", 1)
    outcomes, rates = [Survivors(1.0, frozenset({0}))], {0: (0.0, 0.0)}
    for start, wrong in (([0.25, 0.75], 0.25), ([0.75, 0.25], 0.25), ([0.5, 0.5], 0.5)):
        law = PromptLaw.of(ties, [*start, 0.0, 0.0, 0.0], 0, 3)
        assert limit_risk(ties, law, outcomes, rates, 2).wrong == (0.0, wrong)


@pytest.mark.parametrize(("lead", "wrong"), [(2.0**-50, 1.0), (-(2.0**-50), 0.0)])
def test_what_is_too_close_in_floats_is_decided_in_integers(lead, wrong):
    """theta prefers a to b after a by 2^-50, or b to a; theta* answers b, by 1/4."""
    kernels = [[[0.25, 0.5, 0.25], [0, 1, 0], [1, 0, 0]], [[0.375 + lead, 0.375, 0.25 - lead], [0, 1, 0], [1, 0, 0]]]
    close = MixtureOfHMMs([0.5, 0.5], [[1, 0, 0]] * 2, kernels, np.eye(3), 2)
    law = PromptLaw.of(close, [1.0, 0.0, 0.0], 0, 2)
    found = limit_risk(close, law, [Survivors(1.0, frozenset({1}))], {1: (0.0, 0.0)}, 1)
    assert found.wrong == (wrong, wrong) and found.exhaustive
    assert found.excess == (pytest.approx(0.25 * wrong, abs=1e-12), pytest.approx(0.25 * wrong, abs=1e-12))
    assert same_argmax(close, law, 1) is (wrong == 0.0)


def test_a_measured_risk_allows_for_the_rounding_of_k_minus_1_tokens(monkeypatch):
    asked, plain = [], risk.rounding
    monkeypatch.setattr(risk, "rounding", lambda *given: asked.append(given) or plain(*given))
    law = PromptLaw.of(mixture(), [0.5, 0.5, 0.0], 0, 4)
    risk.measure_risk(mixture(), [law], prompts=4, seed=0, shots=(0,))
    assert asked == [(3, 3)]
    assert plain(2, 5) == 4 * 3 * 13 * 2.0**-52


def test_numbers_of_examples_that_are_looked_at():
    """None, one, and doubled up to 256."""
    assert (0, *(2**i for i in range(9))) == risk.SHOTS


def test_five_inputs_are_listed_where_nothing_else_is_asked():
    law = PromptLaw.of(mixture(), [0.5, 0.25, 0.25], 0, 4)  # 27 inputs, three beliefs
    hidden = mixture(emission=HIDDEN)
    many = PromptLaw.of(hidden, [0.5, 0.25, 0.25], 0, 4)
    assert len(start_shift_by_input(mixture(), law).worst) == 3
    assert len(start_shift_by_input(hidden, many).worst) == 5
    assert len(split_condition(hidden, many, 1).start_shift.worst) == 5
    assert len(split_condition(hidden, many, 1, worst=2).start_shift.worst) == 2


def test_extreme_entries_by_hand():
    """Over concepts, sources and targets; a state that never starts and is never reached has no ratio."""
    m = mixture()
    assert tuple(_extreme_transition(m, [0, 1], 1)) == (1, 0, 2, 0.5)
    assert tuple(_extreme_transition(m, [1, 0], -1)) == (0, 1, 2, 0.125)
    assert tuple(_extreme_ratio(m, 0, 1)) == (0, 2, 0.25, 0.125, 2.0)
    assert tuple(_extreme_ratio(m, 0, -1)) == (0, 1, 0.25, 0.375, pytest.approx(2 / 3))
    kernel = [[0.0, 0.5, 0.5], [0.0, 0.5, 0.5], [0.0, 0.75, 0.25]]
    idle = mixture(kernels=(kernel, OTHER), starts=[[0.0, 0.5, 0.5], STARTS[1]])
    assert _extreme_ratio(idle, 0, 1)[1] == 1 and _extreme_ratio(idle, 0, -1)[1] == 2
    two = mixture(emission=np.eye(3)[[0, 2, 2]])
    assert tuple(_extreme_ratio(two, 0, 1)) == (0, 2, 0.375, 0.125, 3.0)


def test_advice_names_the_state_that_it_is_about():
    case = printed_theorem_1()
    split = split_condition(case.mixture, case.prompt, 1)
    low, high = split.smallest._replace(ratio=0.0, state=1), split.largest._replace(ratio=math.inf, state=2)
    assert reading(split._replace(smallest=low, largest=high)).endswith(
        "Let a delimiter of theta* lead to state 1, where its documents can start (rho* = 0)."
    )
    assert reading(split._replace(largest=high)).endswith(
        "Let documents of theta start in state 2, where its delimiters lead (R_theta is infinite)."
    )
    never = split.c1._replace(probability=0.0, source=1, target=3)
    assert "from state 1 to delimiter state 3 (c1 = 0" in reading(split._replace(c1=never))
    a1 = split._replace(condition=split.condition._replace(eps_delim_repaired=math.inf))
    assert reading(a1).endswith("(A1 fails, so no delimiter bound applies).")


def test_costs_of_advice_are_compared_in_nats():
    """c2 = 0 costs nothing; of two costs the larger is named, log R = log 3 against -log rho* = log 4."""
    case = printed_theorem_1()
    split = split_condition(case.mixture, case.prompt, 1)
    tame = split._replace(
        c2=split.c2._replace(probability=0.0), start_kl=split.start_kl._replace(value=0.5),
        largest=split.largest._replace(ratio=3.0), smallest=split.smallest._replace(ratio=0.25),
    )  # fmt: skip
    assert "Let delimiters of theta* lead to state" in reading(tame)
    assert "Let documents of theta start in state" in reading(
        tame._replace(largest=tame.largest._replace(ratio=5.0), smallest=tame.smallest._replace(ratio=0.25))
    )
    near = tame._replace(c2=split.c2._replace(probability=5 * split.c1.probability))
    assert "together" in reading(near)  # log 5


@pytest.mark.parametrize("k", [2, 3, 4, 6, 12, 15, 16])
def test_exact_margins_have_the_sign_of_floats(k):
    """theta* and theta of two words: R = 2, rho* = 2/3, c2 / c1 = 4, c8 = 1/8, c4 / c3 = 2; the sum grows with k."""
    true, other, start = np.array(TRUE), np.array(OTHER), np.array([0.75, 0.25, 0.0])
    each, occupancy, inner = (true * np.log(true / other)).sum(-1), start, 0.0
    for _ in range(k - 1):
        inner, occupancy = inner + occupancy @ each, occupancy @ true
    kl_sum, start_kl = (start[:2] @ np.log(start[:2] / np.array(STARTS)[c, :2]) for c in (1, 0))
    last = occupancy @ np.log(other[:, 2] / true[:, 2])
    right = {
        "repaired": kl_sum + inner - start_kl - math.log(4) - math.log(3),
        "printed": kl_sum + inner - math.log(8) - 2 * math.log(4) - math.log(2),
        "sharp": inner - last - start[:2] @ np.log(other[2, :2] / true[2, :2]),
    }
    law = PromptLaw.of(mixture(), start, 0, k)
    for version, value in right.items():
        assert exact_margin(mixture(), law, 0, 1, version) == np.sign(value)


def test_sampled_inputs_and_the_laws_after_them():
    """Filters of two hidden words, input by input, and shares that add up."""
    law = PromptLaw.of(mixture(emission=HIDDEN), [0.5, 0.5, 0.0], 0, 3)
    tokens, share, after = _sampled_inputs(law, 0)
    assert tokens.shape == (6, 2) and share.sum() == pytest.approx(1.0)
    for x, state in zip(tokens, after, strict=True):
        ahead = np.array([0.5, 0.5, 0.0])
        for token in x:
            ahead = (ahead * HIDDEN[:, token]) @ np.array(TRUE)
        np.testing.assert_allclose(state, ahead / ahead.sum(), rtol=1e-13)
    first = np.array([0.5, 0.5, 0.0]) @ HIDDEN
    found = np.bincount(tokens[:, 0], share, 3)
    np.testing.assert_allclose(found, first, atol=0.1)  # of thousands of inputs: beyond six standard errors


def test_a_sample_is_wrong_for_certain_only_where_every_outcome_is():
    """Half of the prompts have no predictor: what is sampled says so of no other half."""
    certain = [[[0, 1, 0], [0, 1, 0], [1, 0, 0]]]
    one = MixtureOfHMMs([1.0], [[1, 0, 0]], certain, np.eye(3), 2)
    law = PromptLaw.of(one, [1.0, 0.0, 0.0], 0, 2)
    nobody, somebody = Survivors(0.5, frozenset()), Survivors(0.5, frozenset({0}))
    assert limit_risk(one, law, [nobody, nobody], {}, 1, budget=0).wrong == (1.0, 1.0)
    found = limit_risk(one, law, [nobody, somebody], {}, 1, budget=0)
    assert found.wrong[0] < 0.5 < found.wrong[1] < 1.0


def test_an_enclosure_twice_as_wide_as_its_end_is_given_up(monkeypatch):
    ends = SimpleNamespace(low=1.0, high=2.0, per_position=np.array([1.0, 0.5]), prefixes=1)
    monkeypatch.setattr(signals, "start_divergences", lambda *_: [ends])
    options = signals.SignalOptions(seed=0, budget=64, accuracy=0.1, coverage=0.9, logarithms=1e6)
    both = signals.Signals(mixture(), np.array([[0.5, 0.5, 0.0]]), 0, [1], [2], options)
    law = PromptLaw.of(mixture(), [0.5, 0.5, 0.0], 0, 2)
    (found,) = both._enclosed(law, 3).values()
    assert (found.value, found.low, found.high, found.method) == (1.5, 1.0, 2.0, "bracketed")
    ends.high = 2.001
    assert both._enclosed(law, 3) == {}
    ends.low = ends.high
    assert both._enclosed(law, 3)[2, 0].method == "exact"
    both.ks = [2, 3, 4]
    monkeypatch.setattr(signals, "start_divergences", lambda prompt, ks, *_: [ends for _ in ks])
    assert sorted(both._enclosed(law, 4)) == [(2, 0), (3, 0)]  # from the fourth token on it is infinite


def test_the_first_concept_that_does_not_fall_is_named():
    """Of two that stay the first: its rate of 1/2, and not the other's, which is 0."""

    class Staying(Odds):
        def later(self, a, s):
            return Cumulant(np.zeros(1), np.array([[0.5, 0.0, -1.0][a]]))

    none = np.ones(1)
    odds = Staying("sharp", (1, 2, 4), np.zeros(3), None, None, np.zeros(3), np.zeros(3), none, none)
    stay, fall = Exponent(0.0, 0.0), Exponent(0.5, 0.5)
    assert _reason([StartLaw(odds, {1: stay, 2: stay, 4: fall})]) == (
        "concept 1 has rate +0.5: the posterior goes to the wrong concept"
    )
    assert _reason([StartLaw(odds, {1: fall, 2: stay, 4: stay})]).startswith("concept 2 is not told apart")
    assert _reason([StartLaw(odds, {1: fall}), StartLaw("words", {})]) == "words"
    repaired = odds._replace(version="repaired")
    assert _reason([StartLaw(repaired, {1: fall, 4: stay})]).endswith("does not hold for concept 4")
    lost = odds._replace(mass_N=np.array([0.25, 0.5, 0.25]), margin_N=np.array([1e-12, 0.5, 2e-12]))
    assert _reason([StartLaw(odds, {1: fall}), StartLaw(lost, {1: fall})]) == (
        "theta* itself may answer wrongly on 0.25 of the test inputs"
    )
    assert _reason([StartLaw(odds, {1: fall})]) == ""


def test_prompts_are_looked_at_one_by_one_where_memory_is_short(monkeypatch):
    law = PromptLaw.of(mixture(), [0.5, 0.5, 0.0], 0, 3)
    whole = risk.measure_risk(mixture(), [law], prompts=8, seed=1, shots=(0, 2))
    monkeypatch.setattr(risk, "NUMBERS", 1)
    assert risk.measure_risk(mixture(), [law], prompts=8, seed=1, shots=(0, 2)) == whole


def test_rooms_that_are_infinite_either_way():
    """A sum of infinity above a finite threshold has infinite room, one above an infinite threshold none."""
    rows = conditions_by_start_law(mixture(), np.array([[0.5, 0.5, 0.0]]), 0, [2])
    base = rows[0]._replace(eps_start=1.0, eps_delim_printed=2.0, eps_delim_repaired=3.0)
    endless = {f"{name}kl_{end}": math.inf for name in ("", "repaired_") for end in ("sum", "low", "high")}
    for version in ("printed", "repaired"):
        above = base._replace(**endless)
        assert above.room(version) == math.inf and above.room_interval(version) == (math.inf, math.inf)
        none = above._replace(eps_delim_printed=math.inf, eps_delim_repaired=math.inf)
        assert none.room(version) == -math.inf and none.room_interval(version) == (-math.inf, -math.inf)


def test_values_outside_of_0_and_1_are_refused():
    for values in ([-0.5, 0.5], [0.5, 1.5], [-2e-12, 0.5], [0.5, 1 + 2e-12], []):
        with pytest.raises(ModelError, match="values: expected at least one"):
            bounded_mean_interval(values)
    for values in ([-5e-13, 0.5], [0.5, 1 + 5e-13], [-1e-12, 1.0]):
        found = bounded_mean_interval(values)
        assert 0.0 <= found.low < found.value < found.high <= 1.0


class Stopped(Exception):
    """Carries what was asked for."""


def test_rates_that_were_sampled_are_remembered():
    """Of two start laws the second's rate was sampled; a row of another start law says nothing of this one."""
    starts = np.array([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]])
    rows = conditions_by_start_law(mixture(), starts, 0, [2])
    rows = [row._replace(rate_samples=7 * row.sharp_start, rate_rounding=0.0) for row in rows]
    one, two = pairs_of(mixture(), starts, [0], 2, rows)
    assert (one.sampled, two.sampled) == (frozenset(), frozenset({1}))
    assert [pair.rates[1] for pair in (one, two)] == [(row.rate_low, row.rate_high) for row in rows]
    assert (one.start, two.start, one.member, one.others, one.rates[0]) == (0, 1, 0, (1,), (0.0, 0.0))


def test_what_theorems_measure_where_nothing_is_said(monkeypatch):
    """200 prompts at every number of examples, seed 0, of every pair of a true concept and a start law."""

    def stop(mixture, laws, **options):
        raise Stopped(len(laws), options)

    monkeypatch.setattr(theorems, "measure_risk", stop)
    starts = np.array([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]])
    rows = [row for true in (0, 1) for row in conditions_by_start_law(mixture(), starts, true, [2])]
    with pytest.raises(Stopped) as found:
        theorems.evaluate_theorems(mixture(), starts, [0, 1], 2, conditions=rows, assumptions=[])
    shots = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
    assert found.value.args == (4, dict(prompts=200, seed=0, shots=shots))
    with pytest.raises(ModelError, match="conditions: none for k = 2, true concept 1, concept 0"):
        theorems.evaluate_theorems(mixture(), starts, [0, 1], 2, conditions=rows[:2], assumptions=[])
