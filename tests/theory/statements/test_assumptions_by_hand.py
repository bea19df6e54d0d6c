"""A1 to A5 word by word, thresholds and rows of conditions, on small dyadic laws."""

import math

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.arithmetic import UNIT
from implicit_bayes.theory.statements import assumptions
from implicit_bayes.theory.statements.assumptions import (
    Assumption,
    check_assumptions,
    compare_shift,
    largest_shift,
    shift_rounding,
    worst_case,
)
from implicit_bayes.theory.statements.condition_rows import (
    Condition,
    CriticalK,
    critical_k_of,
    worst_over_start_laws,
    worst_pair,
)
from implicit_bayes.theory.statements.thresholds import add_costs, alternatives, condition_thresholds

TRUE = [[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
OTHER = [[0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]
STARTS = [[0.5, 0.375, 0.125], [0.25, 0.5, 0.25]]


def mixture(kernels=(TRUE, OTHER), starts=STARTS, prior=(0.5, 0.5), emission=None):
    emission = np.eye(3) if emission is None else np.array(emission)
    return MixtureOfHMMs(np.array(prior), np.array(starts), np.array(kernels), emission, 2)


def witnesses(m, start=(0.5, 0.25, 0.25), k=2, concept=0):
    return {row.name: row for row in check_assumptions(m, PromptLaw.of(m, np.array(start), concept, k))}


def test_what_holds_in_words():
    found = witnesses(mixture())
    assert [row.holds for row in found.values()] == [True] * 5
    assert [row.witness for row in found.values()] == [
        "1 delimiter state emits only the delimiter",
        "smallest p(d|h): 0.125 from state 1 to delimiter state 2 under concept 0 as theta*",
        "largest TV 0 (delimiter state 2) against smallest Delta/4 0.03125 at x_test = 1",
        "theta* is concept 0",
        "smallest kernel entry 0.125 from state 1 to 2 under concept 0 as theta*",
    ]
    assert found["A2"].constants == {"c1": 0.125, "c2": 0.5, "c3": 0.125, "c4": 0.25}
    assert found["A3"].constants == {"tv": 0.0, "margin": 0.03125}
    assert found["A5"].constants == {"c5": 0.125, "c6": 1.0, "c8": 0.125}


def test_impure_delimiter_states_in_words():
    """Of two concepts and two states the least pure; states that never emit the delimiter are none."""
    emission = np.stack([np.eye(3), np.eye(3)])
    emission[0, 1], emission[1, 1], emission[1, 2] = [0, 0.5, 0.5], [0, 0.25, 0.75], [0, 0.5, 0.5]
    emission[0, 1] = [0, 0.625, 0.375]
    row = witnesses(mixture(emission=emission))["A1"]
    assert (row.holds, row.witness) == (
        False,
        "state 1 of concept 0 emits the delimiter with probability 0.375, not 0 or 1",
    )
    two = witnesses(mixture(emission=np.eye(3)[[0, 2, 2]]))["A1"]
    assert (two.holds, two.witness) == (True, "2 delimiter states emit only the delimiter")


def test_zeros_of_a_concept_in_words():
    kernel = [[0.5, 0.5, 0.0], [0.5, 0.375, 0.125], [0.75, 0.25, 0.0]]
    found = witnesses(mixture(kernels=(kernel, OTHER), starts=[[0.5, 0.5, 0.0], STARTS[1]]), start=(0.75, 0.25, 0))
    assert found["A2"].holds is False
    assert found["A2"].witness == (
        "smallest p(d|h): 0 from state 0 to delimiter state 2 under concept 0 as theta*; "
        "2 of 3 such transitions are exactly 0; c3 = 0 makes epsilon_delim infinite"
    )
    assert found["A5"].witness == (
        "c5 = 0: 22.2% of the kernel of concept 0 as theta* is exactly 0, first from state 0 to 2; "
        "c8 = 0: under concept 0 as theta* a document never starts in state 2"
    )
    assert found["A5"].constants == {"c5": 0.0, "c6": 1.0, "c8": 0.0}
    wide = np.c_[np.eye(3)[:, :1], np.zeros((3, 2)), np.eye(3)[:, 1:]]
    silent = MixtureOfHMMs([0.5, 0.0, 0.5, 0.0], [STARTS[0]] * 4, [TRUE] * 4, wide, 4)
    row = check_assumptions(silent, PromptLaw.of(silent, [0.5, 0.25, 0.25], 2, 2))
    assert row[4].witness == (
        "c6 = 0: 2 tokens are emitted by no state, first token 1; the prior of concept 1, 3 is 0, so it takes no part"
    )
    assert row[3].witness == "theta* is concept 0"


def test_a_stranger_has_no_place_in_theta():
    m = mixture()
    stranger = PromptLaw(mixture(kernels=(OTHER, TRUE)).concept(0), [0.5, 0.25, 0.25], 2, 2)
    rows = check_assumptions(m, stranger)
    assert (rows[3].holds, rows[3].witness) == (False, "no concept has the laws of theta*")
    assert rows[1].constants["c2"] == 0.5 and rows[1].constants["c1"] == 0.25
    alone = mixture(kernels=[TRUE], starts=STARTS[:1], prior=[1.0])
    assert witnesses(alone)["A2"].constants["c2"] == 0.0


@pytest.mark.parametrize(
    ("start", "holds", "words"),
    [
        ((0.5, 0.25, 0.25), True, ""),
        ((0.53125, 0.21875, 0.25), False, "; compared in exact fractions"),  # TV 1/32 = Delta/4
        ((0.53125 - 2**-20, 0.21875 + 2**-20, 0.25), True, ""),
        ((0.53125 + 2**-20, 0.21875 - 2**-20, 0.25), False, ""),
        ((0.53125 - 2**-46, 0.21875 + 2**-46, 0.25), True, "; compared in exact fractions"),
    ],
)
def test_a_shift_on_the_edge(start, holds, words):
    row = witnesses(mixture(), start)["A3"]
    assert row.holds is holds
    start, end = f"largest TV {row.constants['tv']:.6g} (delimiter state 2) against", f"0.03125 at x_test = 1{words}"
    assert row.witness == f"{start} smallest Delta/4 {end}"


def test_a_shift_of_a_quarter():
    """At 1/4 itself no x_test is asked less: the input of certain answer is compared."""
    sure = [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.25, 0.25]]
    m = mixture(kernels=(sure, OTHER))
    at = witnesses(m, (0.75, 0.25, 0.0))["A3"]
    assert (at.holds, at.constants) == (False, {"tv": 0.25, "margin": 0.25}) and "x_test = " in at.witness
    beyond = witnesses(m, (0.75 + 2**-20, 0.25 - 2**-20, 0.0))["A3"]
    assert beyond.witness == "TV 0.250001 from delimiter state 2 is at least 1/4, so no x_test can satisfy it"
    assert (beyond.holds, beyond.constants) == (False, {"tv": 0.25 + 2**-20, "margin": 0.25})


def test_distances_and_their_rounding():
    m = mixture(emission=np.eye(3)[[0, 2, 2]])
    law = PromptLaw.of(m, [0.5, 0.25, 0.25], 0, 3)
    assert largest_shift(m, law) == (0.125, 1)
    assert largest_shift(m, PromptLaw.of(m, [0.5, 0.375, 0.125], 0, 3)) == (0.125, 2)
    assert shift_rounding(law) == 4 * UNIT * 4 * 14
    error = shift_rounding(law)
    assert compare_shift(m, law, 0.5, 0.5 + 1.5 * error) is True
    assert compare_shift(m, law, 0.5, 0.5 - 1.5 * error) is False


def test_what_floats_cannot_tell_is_told_by_fractions():
    """TV 1/32 = Delta/4, handed over with an error; a difference as large as the error bound is inside it."""
    m = mixture()
    law = PromptLaw.of(m, [0.53125, 0.21875, 0.25], 0, 2)
    assert compare_shift(m, law, 0.03125 - 1e-15, 0.03125) is False
    assert compare_shift(m, law, 0.0, shift_rounding(law)) is False
    assert compare_shift(m, law, 0.0, 1.5 * shift_rounding(law)) is True
    two = mixture(emission=np.eye(3)[[0, 2, 2]])  # 1/4 from the row of state 1, nothing from that of state 2
    assert compare_shift(two, PromptLaw.of(two, [0.5, 0.25, 0.25], 0, 2), 0.0, 0.0) is False
    one = MixtureOfHMMs([1.0], [[1.0]], [[[1.0]]], [[1.0]], 0)
    assert compare_shift(one, PromptLaw.of(one, [1.0], 0, 2), 0.0, 0.0) is True  # the only token leads by 1


def test_only_inputs_of_k_minus_1_tokens_count():
    """After a the lead is 1/4; after a b, which is no input of k = 2, there is none."""
    kernel = [[0.25, 0.5, 0.25], [0.5, 0.5, 0.0], [0.937500000000001, 0.062499999999999, 0.0]]
    m = mixture(kernels=(kernel, OTHER))
    row = witnesses(m, (1.0, 0.0, 0.0))["A3"]
    assert row.holds is True and row.witness.endswith("at x_test = 0; compared in exact fractions")
    assert witnesses(m, (1.0, 0.0, 0.0), k=3)["A3"].holds is False


def test_a_shift_of_a_quarter_and_the_error():
    m = mixture()
    error = shift_rounding(PromptLaw.of(m, [0.5, 0.25, 0.25], 0, 2))
    assert "at least 1/4" in witnesses(m, (0.75 + error, 0.25 - error, 0.0))["A3"].witness
    assert "at least 1/4" not in witnesses(m, (0.75 + error / 2, 0.25 - error / 2, 0.0))["A3"].witness


def test_so_many_next_tokens_are_looked_at(monkeypatch):
    monkeypatch.setattr(assumptions, "LOOKED_AT", 9)  # three beliefs, three tokens
    assert witnesses(mixture())["A3"].holds is True
    monkeypatch.setattr(assumptions, "LOOKED_AT", 8)
    assert witnesses(mixture())["A3"].holds == "undetermined"


def test_more_beliefs_than_the_budget():
    m = mixture()
    law = PromptLaw.of(m, [0.5, 0.25, 0.25], 0, 4)
    row = check_assumptions(m, law, budget=2)[2]
    assert (row.holds, row.constants) == ("undetermined", {"tv": 0.0})
    assert row.witness == "TV 0; more than 2 beliefs to expand at k = 4"


def assumption(name, holds, witness="so", **constants):
    return Assumption(name, holds, constants, witness)


def test_the_worst_of_several_prompt_laws():
    def worst(*rows):
        return worst_case([[row] for row in rows], ["first", "second", "third"])[0]

    a3 = [assumption("A3", True, w, tv=tv, margin=0.25) for w, tv in (("a", 0.125), ("b", 0.1875), ("c", 0.0625))]
    assert worst(*a3).witness == "second: b"
    assert worst(a3[0], assumption("A3", True, "d", tv=0.2)).witness == "second: d"  # 1/4 where there is no margin
    assert worst(a3[1], assumption("A3", "undetermined", "d", tv=0.0), a3[0]).witness == "second: d"
    assert (
        worst(assumption("A3", "undetermined", "d", tv=0.9), assumption("A3", False, "e", tv=0.3)).witness
        == "second: e"
    )
    a5 = [assumption("A5", True, w, c5=c5, c6=c6, c8=0.5) for w, c5, c6 in (("a", 0.25, 0.5), ("b", 0.5, 0.125))]
    assert worst(*a5).witness == "second: b"
    assert (
        worst(*[assumption("A2", True, w, c1=c1, c2=0.1) for w, c1 in (("a", 0.5), ("b", 0.25))]).witness == "second: b"
    )
    assert worst(a3[0], a3[0]).witness == worst(a3[0]).witness == "a"
    assert worst(*[assumption("A2", True, w, c1=0.5) for w in ("of concept 1", "b")]).witness == "of concept 1"
    turns = [assumption("A4", True, f"theta* is concept {c}") for c in (11, 2, 11)]
    assert worst(*turns).witness == "theta* is concept 2, 11 in turn, each in Theta"
    assert worst(turns[0], assumption("A4", False, "none")).witness == "second: none"


def test_thresholds_by_hand():
    """c1 = 1/8, c2 = 1/2, c3 = 1/8, c4 = 1/4, c8 = 1/8; R = 7/8... : sum_d p(h|d) / p(h) under theta is (1, 1, 1);
    under theta* (1, 2/3, 2)."""
    found = condition_thresholds(mixture(), 0, 1)
    assert found.start == pytest.approx(math.log(8), rel=1e-15)
    assert found.printed == pytest.approx(2 * math.log(4) + math.log(2), rel=1e-15)
    assert found.repaired == pytest.approx(math.log(4) - math.log(2 / 3), rel=1e-14)
    logs = [math.log(x) for x in (8, 2, 1, 3 / 2, 8, 8, 2, 2, 8, 4, 8)]
    assert found.rounding == pytest.approx(8 * UNIT * (sum(logs) + 1 + 4), rel=1e-12, abs=0)
    zero = np.array(TRUE)
    zero[1] = [0.5, 0.5, 0.0]
    assert condition_thresholds(mixture(kernels=(zero, OTHER)), 0, 1).printed == math.inf
    never = [[0.5, 0.5, 0.0]] * 3
    assert condition_thresholds(mixture(kernels=(TRUE, never)), 0, 1).printed == -math.inf
    assert condition_thresholds(mixture(kernels=(zero, never)), 0, 1).printed == math.inf
    assert condition_thresholds(mixture(starts=[[0.5, 0.5, 0.0]] * 2), 0, 1).printed == math.inf
    assert condition_thresholds(mixture(prior=(1.0, 0.0)), 0, 1).printed == -math.inf  # nobody else visits a delimiter
    assert condition_thresholds(mixture(), 1, 0).start == pytest.approx(math.log(4), rel=1e-15)
    leaky = mixture(emission=[[1, 0, 0], [0, 0.75, 0.25], [0, 0, 1]])
    assert condition_thresholds(leaky, 0, 1).repaired == math.inf
    assert add_costs(1.0, math.inf, -math.inf) == math.inf and add_costs(1.0, 2.0) == 3.0
    assert alternatives(mixture(), 1) == [0]


def condition(**given):
    base = dict(
        k=3, true_concept=0, concept=1, kl_sum=4.0, kl_infinite_mass=0.0, eps_start=1.0, eps_delim_printed=2.0,
        eps_delim_repaired=0.5, start_kl=0.25, printed_holds=True, repaired_holds=True, rate=-1.0, rate_low=-1.5,
        rate_high=-0.75, sharp_holds=True, method="a", kl_low=3.5, kl_high=4.25, prompt_start=0, repaired_start=0,
        sharp_start=0, repaired_kl_sum=5.0, repaired_kl_low=4.75, repaired_kl_high=5.5, start_kl_low=0.125,
        start_kl_high=0.375, rate_bracket=0.0, rate_samples=0, kl_rounding=1e-15, rate_rounding=2e-15, level=0.95,
    )  # fmt: skip
    return Condition(**(base | given))


def test_room_of_a_condition():
    row = condition()
    assert [row.room(v) for v in ("printed", "repaired", "sharp")] == [1.0, 4.25, 1.0]
    assert row.room_interval("printed") == (0.5, 1.25)
    assert row.room_interval("repaired") == (4.75 - 0.875, 5.5 - 0.625)
    assert row.room_interval("sharp") == (0.75, 1.5)
    lost = condition(eps_start=math.inf, eps_delim_repaired=math.inf, kl_sum=math.inf, rate=None)
    assert [lost.room(v) for v in ("printed", "repaired", "sharp")] == [-math.inf] * 3
    assert [lost.room_interval(v) for v in ("printed", "repaired")] == [(-math.inf, -math.inf)] * 2
    assert row.binding("printed") == (2, 1.0, 4.0, 0.0)
    assert condition(repaired_holds="undetermined", kl_infinite_mass=0.5).binding("repaired") == (1, 4.25, 5.0, 0.5)
    assert condition(sharp_holds=False).binding("sharp") == (0, 1.0, 0.75, 0.0)


def test_each_version_shows_the_start_law_that_binds_it():
    rows = [
        condition(kl_sum=3.5, method="a", kl_rounding=1e-15),
        condition(prompt_start=1, repaired_start=1, sharp_start=1, repaired_kl_sum=1.0, repaired_kl_low=0.9, method="b",
                  repaired_kl_high=1.1, start_kl=0.3, start_kl_low=0.2, start_kl_high=0.4, repaired_holds=False,
                  kl_rounding=3e-15),
        condition(prompt_start=2, repaired_start=2, sharp_start=2, rate=0.5, rate_low=0.25, rate_high=0.75, method="c",
                  sharp_holds="undetermined", rate_bracket=0.125, rate_samples=7, rate_rounding=4e-15),
    ]  # fmt: skip
    (found,) = worst_over_start_laws(rows)
    assert found == condition(
        kl_sum=3.5, repaired_start=1, sharp_start=2, repaired_kl_sum=1.0, repaired_kl_low=0.9, repaired_kl_high=1.1,
        start_kl=0.3, start_kl_low=0.2, start_kl_high=0.4, repaired_holds=False, rate=0.5, rate_low=0.25,
        rate_high=0.75, sharp_holds="undetermined", rate_bracket=0.125, rate_samples=7, rate_rounding=4e-15,
        kl_rounding=3e-15, method="a; b; c",
    )  # fmt: skip
    assert worst_pair(rows, "sharp") is rows[2]


def test_the_smallest_k_at_which_all_hold():
    rows = [condition(k=k, sharp_holds=k > 2, repaired_holds="undetermined" if k < 5 else True, printed_holds=k == 3)
            for k in (5, 2, 3)]  # fmt: skip
    rows.append(condition(k=5, concept=2, printed_holds=False))
    rows.append(condition(k=3, concept=2, printed_holds=False))
    assert critical_k_of(rows, (5, 3, 2)) == CriticalK(None, 5, 3)
