"""A1 to A5: each fails for its own reason, with its constants and a witness; A3 against enumeration."""

import itertools

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.beliefs import reachable_beliefs
from implicit_bayes.theory.statements.assumptions import check_assumptions, find_concept, worst_case

KERNELS = np.array(
    [
        [[0.002, 0.5868, 0.3912, 0.02], [0.882, 0.049, 0.049, 0.02], [0.882, 0.049, 0.049, 0.02],
         [0.955, 0.0125, 0.0125, 0.02]],
        [[0.002, 0.2792, 0.4188, 0.30], [0.63, 0.035, 0.035, 0.30], [0.63, 0.035, 0.035, 0.30],
         [0.60, 0.05, 0.05, 0.30]],
    ]
)  # fmt: skip
STARTS = np.array([[0.26, 0.27, 0.27, 0.2], [0.0005, 0.39975, 0.39975, 0.2]])
PROMPT_START = np.array([0.94, 0.03, 0.03, 0.0])


def mixture(initial=STARTS, transition=KERNELS, emission=None, prior=(0.5, 0.5)) -> MixtureOfHMMs:
    return MixtureOfHMMs(np.array(prior), initial, transition, np.eye(4) if emission is None else emission, 3)


def reports(m: MixtureOfHMMs, start=PROMPT_START, k=2, concept=0):
    return {row.name: row for row in check_assumptions(m, PromptLaw.of(m, start, concept, k))}


def test_printed_counterexample_satisfies_all_five():
    found = reports(mixture())
    assert [row.holds for row in found.values()] == [True] * 5
    assert found["A2"].constants == pytest.approx({"c1": 0.02, "c2": 0.30, "c3": 0.2, "c4": 0.2})
    assert found["A3"].constants["tv"] == pytest.approx(0.035)
    assert found["A3"].constants["margin"] == pytest.approx((0.5868 - 0.3912) / 4)
    assert found["A5"].constants == pytest.approx({"c5": 0.002, "c6": 1.0, "c8": 0.2})


def test_a1_names_the_impure_state():
    emission = np.eye(4)
    emission[2] = [0, 0, 0.75, 0.25]
    row = reports(mixture(emission=emission))["A1"]
    assert row.holds is False
    assert "state 2" in row.witness
    assert "0.25" in row.witness


def test_a2_and_a5_fail_on_a_zero_and_name_it():
    kernels = KERNELS.copy()
    kernels[0, 1] = [0.902, 0.049, 0.049, 0.0]
    found = reports(mixture(transition=kernels))
    assert found["A2"].holds is False
    assert found["A2"].constants["c1"] == 0.0
    assert "state 1 to delimiter state 3" in found["A2"].witness
    assert found["A5"].holds is False
    assert "c5 = 0" in found["A5"].witness


def test_a2_takes_c1_from_theta_star_and_c2_from_the_others():
    found = reports(mixture(), concept=1)
    assert found["A2"].constants["c1"] == pytest.approx(0.30)
    assert found["A2"].constants["c2"] == pytest.approx(0.02)


def test_a5_needs_every_start_every_token_and_every_concept():
    start = STARTS.copy()
    start[0] = [0.0, 0.53, 0.27, 0.2]
    assert "c8 = 0" in reports(mixture(initial=start))["A5"].witness
    emission = np.zeros((4, 5))
    emission[:, :4] = np.eye(4)
    assert "token 4" in reports(mixture(emission=emission))["A5"].witness
    assert "concept 1 is 0" in reports(mixture(prior=(1.0, 0.0)))["A5"].witness


def test_a3_fails_at_once_where_tv_reaches_a_quarter():
    row = reports(mixture(), start=np.array([0.0, 0.5, 0.5, 0.0]))["A3"]
    assert row.holds is False
    assert row.constants["tv"] >= 0.25


def test_a3_is_undetermined_beyond_the_budget():
    m = mixture()
    rows = check_assumptions(m, PromptLaw.of(m, PROMPT_START, 0, 9), budget=3)
    assert rows[2].holds == "undetermined"


def test_a4_fails_for_a_foreign_concept_or_one_of_prior_zero():
    m = mixture()
    foreign = mixture(initial=STARTS[::-1]).concept(0)
    assert check_assumptions(m, PromptLaw(foreign, PROMPT_START, 2, 3))[3].holds is False
    assert find_concept(m, m.concept(1)) == 1
    assert find_concept(mixture(prior=(1.0, 0.0)), m.concept(1)) is None


@pytest.mark.parametrize("length", [0, 1, 3])
def test_reachable_beliefs_are_those_of_every_possible_prefix(length):
    rng = np.random.default_rng(7)
    kernel = rng.dirichlet(np.ones(3), 3) * (rng.random((3, 3)) > 0.3)
    kernel[:, 0] += 1e-3
    kernel /= kernel.sum(-1, keepdims=True)
    emission = np.array([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75], [0.0, 0.0, 1.0]])
    m = MixtureOfHMMs(np.ones(1), np.array([[0.2, 0.8, 0.0]]), kernel[None], emission, 2)
    reached = reachable_beliefs(m.concept(0), length)
    assert reached.mass_N.sum() == pytest.approx(1)
    found = {tuple(x): (law, mass) for x, law, mass in zip(reached.example_Nxj, *reached[:2], strict=True)}
    total = {}
    for prefix in itertools.product(range(3), repeat=length):
        law, mass = m.initial[0], 1.0
        for token in prefix:
            joint = law * emission[:, token]
            mass *= joint.sum()
            law = joint / joint.sum() @ kernel if mass else law
        if mass:
            key = min(found, key=lambda x, law=law: np.abs(found[x][0] - law).max())
            np.testing.assert_allclose(found[key][0], law, atol=1e-12)
            total[key] = total.get(key, 0.0) + mass
    assert set(total) == set(found)
    for key, mass in total.items():
        assert found[key][1] == pytest.approx(mass)


def test_concepts_of_prior_zero_take_no_part():
    """A second concept that breaks A1, A2 and A5's constants changes no verdict while its prior is 0."""
    m = mixture(prior=(1.0, 0.0))
    emission = np.stack([np.eye(4), np.eye(4)[[0, 0, 3, 3]]])
    spoilt = MixtureOfHMMs(m.prior, m.initial, m.transition, emission, 3)
    alone = m.restrict(0)
    rows = [check_assumptions(x, PromptLaw.of(x, PROMPT_START, 0, 2)) for x in (alone, m, spoilt)]
    assert [[(a.holds, a.constants) for a in row] for row in rows[1:]] == [
        [(a.holds, a.constants) for a in rows[0]]
    ] * 2
    assert all(a.holds is True for a in rows[0])


def test_a_true_concept_of_prior_zero_is_named():
    m = mixture(prior=(1.0, 0.0))
    rows = check_assumptions(m, PromptLaw.of(m, PROMPT_START, 1, 2))
    assert (rows[3].holds, rows[3].witness) == (False, "theta* is concept 1, whose prior is 0")
    assert "outside Theta" in rows[1].witness
    assert "outside Theta" in rows[4].witness


def test_true_concepts_take_turns_and_the_table_says_so():
    """A2 is decided by one theta*; A4's witness does not pretend that another is theta*."""
    m = mixture()
    each = [check_assumptions(m, PromptLaw.of(m, PROMPT_START, c, 2)) for c in (0, 1)]
    merged = worst_case(each, ["a", "b"])
    assert merged[3].witness == "theta* is concept 0, 1 in turn, each in Theta"
    assert "under concept 0 as theta*" in merged[1].witness
    assert worst_case(each[:1], ["a"])[3].witness == "theta* is concept 0"


def test_worst_case_prefers_failure_then_least_room():
    m = mixture()
    fine = check_assumptions(m, PromptLaw.of(m, PROMPT_START, 0, 2))
    tight = check_assumptions(m, PromptLaw.of(m, np.array([0.93, 0.04, 0.03, 0.0]), 0, 2))
    bad = check_assumptions(m, PromptLaw.of(m, np.array([0.0, 0.5, 0.5, 0.0]), 0, 2))
    merged = worst_case([fine, bad, tight], ["fine", "bad", "tight"])
    assert merged[2].holds is False
    assert merged[2].witness.startswith("bad: ")
    merged = worst_case([fine, tight], ["fine", "tight"])
    assert merged[2].witness.startswith("tight: ")
