"""No false verdict: theorems on random instances against the limit by exact fractions, and the words they come in."""

from pathlib import Path

import numpy as np
import pytest
from exact_limits import exact_limit, random_case

from implicit_bayes.simulators.instance_files import read_instance
from implicit_bayes.theory.filtering.filter import filter_mixture
from implicit_bayes.theory.information.survival import Survivors
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements import theorems
from implicit_bayes.theory.statements.assumptions import check_assumptions, find_concept
from implicit_bayes.theory.statements.bounds import Interval, excess_risk, risk_bound
from implicit_bayes.theory.statements.conclusions import (
    Evidence,
    TheoremVerdict,
    conclude_excess,
    conclude_theorem_1,
    measured,
)
from implicit_bayes.theory.statements.conditions import condition_table, conditions_by_start_law
from implicit_bayes.theory.statements.limits import LimitRisk
from implicit_bayes.theory.statements.pairs import Pair, all_hold
from implicit_bayes.theory.statements.risk import LEAST_PROMPTS, MeasuredRisk, example_filter, measure_risk
from implicit_bayes.theory.statements.theorems import evaluate_theorems

CASES = Path(__file__).parents[2] / "cases"
ANYTHING = Interval(0.5, 0.0, 1.0)


def nothing_measured(mixture, laws, **options):
    """In place of ``measure_risk``: intervals that exclude nothing."""
    return MeasuredRisk((0,), (ANYTHING,), (ANYTHING,), (ANYTHING,), (0.0,), len(laws), 1)


def verdicts(mixture, starts_CxSxH, true_concepts, k, **options):
    starts_CxSxH = np.asarray(starts_CxSxH)
    rows = [row for c in true_concepts for row in conditions_by_start_law(mixture, starts_CxSxH[c], c, [k])]
    every = [
        row
        for c in true_concepts
        for start in starts_CxSxH[c]
        for row in check_assumptions(mixture, PromptLaw.of(mixture, start, c, k))
    ]
    found = evaluate_theorems(mixture, starts_CxSxH, true_concepts, k, conditions=rows, assumptions=every, **options)
    return {(row.name, row.version): row for row in found}


def case(name, **options):
    instance = read_instance(CASES / f"{name}.npz")
    options = {"prompts": 40, "shots": (0, 4), **options}
    return verdicts(instance.mixture, instance.prompt_starts, instance.true_concepts, instance.k or 3, **options)


def check_no_false_verdict(rng, count):
    """Every verdict of every version against the exact limit of every pair; returns how many were decided."""
    decided = 0
    for _ in range(count):
        mixture, starts, true, k = random_case(rng)
        found = verdicts(mixture, np.stack([starts] * mixture.n_concepts), [true], k)
        limits = [exact_limit(mixture, PromptLaw.of(mixture, start, true, k)) for start in starts]
        right, wrong = all(e.wrong[1] == 0 for e in limits), any(e.wrong[0] > 0 for e in limits)
        for version in ("printed", "repaired", "sharp"):
            row = found["1", version]
            assert not (row.conclusion == "holds" and not right), row.reason
            assert not (row.conclusion == "fails" and not wrong), row.reason
            if version != "printed" and row.applies:
                assert right, row.reason
            assert not row.applies or find_concept(mixture, mixture.concept(true)) is not None
            decided += row.conclusion != "undetermined"
        lengths = range(1, k)
        excess = [[exact_limit(mixture, PromptLaw.of(mixture, start, true, k), m).excess for m in lengths]
                  for start in starts]  # fmt: skip
        low, high = (max(float(np.mean([float(e[end]) for e in each])) for each in excess) for end in (0, 1))
        for version in ("printed", "sharp"):
            row = found["3", version]
            if row.bound is not None:
                assert not (row.conclusion == "holds" and high > row.bound + 1e-9), row.reason
                assert not (row.conclusion == "fails" and low <= row.bound - 1e-9), row.reason
                if version == "sharp" and row.applies:
                    assert low <= row.bound + 1e-9, row.reason
    return decided


@pytest.mark.parametrize("seed", range(3))
def test_no_verdict_is_false(seed, monkeypatch):
    monkeypatch.setattr(theorems, "measure_risk", nothing_measured)
    assert check_no_false_verdict(np.random.default_rng(50 + seed), 60) > 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 300))
def test_no_verdict_is_false_on_ten_thousand_instances(seed, monkeypatch):
    monkeypatch.setattr(theorems, "measure_risk", nothing_measured)
    assert check_no_false_verdict(np.random.default_rng(seed), 100) > 150


def test_the_theta_that_forbids_some_first_examples():
    found = case("forbids_some_first_examples")
    for version in ("printed", "repaired", "sharp"):
        row = found["1", version]
        assert row.conclusion == "fails"
        assert "concept 1 on 0.62 of prompts" in row.reason
        assert "wrong with probability 0.2356 (exact limit)" in row.reason
        assert row.in_words == "false here, not promised"
    assert "limit of the excess risk in [0.06688, 0.06688]" in found["3", "sharp"].reason


def test_a_wrong_concept_of_prior_zero():
    found = case("wrong_concept_of_prior_zero")
    assert {found["1", v].conclusion for v in ("printed", "repaired", "sharp")} == {"holds"}
    assert "concept 1" not in "".join(row.reason for row in found.values())
    assert "limit of the excess risk in [0, 0]" in found["3", "sharp"].reason
    assert "0 of 0 pairs" in found["3", "sharp"].reason
    assert (found["3", "printed"].bound, found["3", "printed"].conclusion) == (0.0, "holds")


def test_a_true_concept_of_prior_zero():
    for name in ("true_concept_of_prior_zero", "a_concept_of_prior_zero"):
        found = case(name)
        for row in found.values():
            assert not row.applies
            assert row.name == "2" or "A4 fails" in row.reason


def test_one_of_everything():
    for row in case("one_of_everything").values():
        assert row.name == "2" or (row.applies, row.bound, row.conclusion) == (True, 0.0, "holds")


def test_one_pair_that_is_wrong_on_a_tenth_is_not_lost_among_nine_that_are_right():
    """Ten pairs; pooled, the error of 1% would read as none. The worst pair's interval is reported, and covers."""
    instance = read_instance(CASES / "two_start_laws.npz")
    mixture = instance.mixture
    good, bad = (PromptLaw.of(mixture, start, 0, 2) for start in instance.prompt_starts[0])
    risk = measure_risk(mixture, [good] * 9 + [bad], prompts=400, seed=0, shots=(64,))
    assert (risk.pairs, risk.prompts) == (10, 40)
    assert risk.error[0].low > 0.5
    assert risk.error[0].low <= 0.9 <= risk.error[0].high
    few = measure_risk(mixture, [good] * 9 + [bad], prompts=1, seed=0, shots=(0,))
    assert few.prompts == LEAST_PROMPTS
    assert "worst of 10 pairs" in measured(few, few.error)


def test_the_worst_pairs_interval_covers_the_largest_risk():
    """n = 0: f_0 is a function of x_test, so each pair's error is known. 30 repetitions at level .99: a false alarm in
    one of 2e4 runs of this test at most (three misses or more of 30)."""
    instance = read_instance(CASES / "two_start_laws.npz")
    laws = [PromptLaw.of(instance.mixture, start, 0, 2) for start in instance.prompt_starts[0]]
    exact = max(_zero_shot_error(instance.mixture, law) for law in laws)
    found = [measure_risk(instance.mixture, laws, prompts=60, seed=s, shots=(0,)).error[0] for s in range(30)]
    assert sum(not interval.low <= exact <= interval.high for interval in found) <= 2


def _zero_shot_error(mixture, law):
    x = np.arange(mixture.n_tokens)[:, None]
    mass, truth = (part[:, -1] for part in example_filter(law, x))
    predictive = np.asarray(filter_mixture(mixture, x, positions=[1]).predictive)[:, 0]
    keep = mass > 0
    return float(mass[keep] @ (excess_risk(truth[keep], predictive[keep]) > 1e-12))


def test_a_finite_n_decides_no_limit():
    """Rate -.0019 and prior (.01, .99): at n = 64 exact Bayes still answers by theta; in the limit it is right."""
    mixture, law = slow_instance()
    rows = condition_table(mixture, np.asarray(law.start)[None], 0, [2])
    assert -0.01 < rows[0].rate < 0
    starts = np.stack([np.asarray(law.start)[None]] * 2)
    found = verdicts(mixture, starts, [0], 2, prompts=40, shots=(0, 64))
    assert found["1", "sharp"].conclusion == "holds"
    assert "at n = 64 measured 1.0000" in found["1", "sharp"].reason


def slow_instance():
    """Two words and a delimiter state; after word 0 theta* prefers word 0 a little, theta word 1 a little."""
    last = [[0.35, 0.35, 0.3], [0.9, 0.05, 0.05]]
    rows = [[[0.36, 0.34, 0.3], *last], [[0.33, 0.37, 0.3], *last]]
    mixture = MixtureOfHMMs([0.01, 0.99], [[0.9, 0.05, 0.05]] * 2, rows, np.eye(3), 2)
    return mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2)


def conclusion(limits, monkeypatch, error=ANYTHING, estimated=False):
    """Theorem 1's conclusion where the pairs' limits are given; estimated: a rate has an interval."""
    outcomes = (Survivors(1.0, frozenset({0, 1})),)
    rates, sampled = {0: (0.0, 0.0), 1: (-0.2, -0.1)}, frozenset({1} if estimated else ())
    mixture, law = slow_instance()
    pairs = [Pair(law, 0, i, 0, (1,), rates, outcomes, sampled) for i in range(len(limits))]
    monkeypatch.setattr(Pair, "limit", lambda self, *args, **options: limits[self.start])
    risk = MeasuredRisk((256,), (error,), (error,), (error,), (0.0,), len(limits), 40)
    return conclude_theorem_1(Evidence(mixture, pairs, [], {"A1": True}, risk, 0))[0]


RIGHT, WRONG = LimitRisk((0.0, 0.0), (0.0, 0.0), True), LimitRisk((0.1, 0.1), (0.01, 0.01), True)
OPEN, SAMPLED = LimitRisk((0.0, 0.2), (0.0, 0.1), True), LimitRisk((0.0, 0.01), (0.0, 0.01), False)


@pytest.mark.parametrize(
    ("limits", "options", "expected"),
    [
        ([RIGHT, RIGHT], {}, "holds"),
        ([RIGHT, WRONG], {}, "fails"),
        ([OPEN, WRONG], {}, "fails"),
        ([None, WRONG], {}, "fails"),
        ([RIGHT, OPEN], {}, "undetermined"),
        ([RIGHT, None], {}, "undetermined"),
        ([RIGHT, SAMPLED], {}, "undetermined"),
        ([RIGHT], {"error": Interval(0.3, 0.2, 0.4)}, "holds"),  # slow, and exact
        ([RIGHT], {"error": Interval(0.3, 0.2, 0.4), "estimated": True}, "undetermined"),
        ([RIGHT], {"error": Interval(0.0, 0.0, 0.01), "estimated": True}, "holds"),
        ([WRONG], {"error": Interval(0.0, 0.0, 0.01), "estimated": True}, "undetermined"),
        ([None], {"error": Interval(0.0, 0.0, 0.001)}, "undetermined"),
        ([None], {"error": Interval(1.0, 0.99, 1.0)}, "undetermined"),
    ],
)
def test_only_a_limit_decides_theorem_1(limits, options, expected, monkeypatch):
    assert conclusion(limits, monkeypatch, **options) == expected


@pytest.mark.parametrize(
    ("limits", "options", "expected"),
    [
        ([(0.1, 0.1), (0.2, 0.2)], {}, "holds"),
        ([(0.1, 0.1), (0.4, 0.5)], {}, "fails"),  # every pair counts, not the first
        ([(0.4, 0.5), (0.1, 0.1)], {}, "fails"),
        ([(0.2, 0.4)], {}, "undetermined"),
        ([(0.1, 0.2), None], {}, "undetermined"),
        ([None], {}, "undetermined"),
        ([(0.1, 0.2)], {"seen": Interval(0.5, 0.4, 0.6)}, "holds"),
        ([(0.1, 0.2)], {"seen": Interval(0.5, 0.4, 0.6), "estimated": True}, "undetermined"),
        ([(0.4, 0.5)], {"seen": Interval(0.1, 0.0, 0.2), "estimated": True}, "undetermined"),
    ],
)
def test_the_excess_of_every_pair_is_held_against_the_bound(limits, options, expected):
    bound = risk_bound(0.05)._replace(value=0.3)
    options = {"estimated": False, "seen": ANYTHING, **options}
    assert conclude_excess(bound, limits, options["estimated"], options["seen"])[0] == expected


def test_a_limit_on_the_bound_is_on_neither_side_unless_it_is_zero():
    bound = risk_bound(0.0)
    assert conclude_excess(bound, [(0.0, 0.0)], False, ANYTHING)[0] == "holds"
    assert conclude_excess(bound, [(0.0, 1e-13)], False, ANYTHING)[0] == "undetermined"
    assert conclude_excess(risk_bound(1.0), [None], False, ANYTHING)[0] == "holds"


def test_a_conclusion_says_whether_it_was_promised():
    def words(applies, conclusion):
        return TheoremVerdict("1", "sharp", applies, None, not applies, conclusion, "").in_words

    assert words(True, "holds") == "holds, as promised"
    assert words(True, "fails") == "FAILS: a counterexample"
    assert words(False, "holds") == "true here, not promised"
    assert words(False, "fails") == "false here, not promised"
    assert words(True, "undetermined") == words(False, "undetermined") == "undetermined"


def test_verdicts_over_pairs():
    assert all_hold([]) is True
    assert all_hold([True, "undetermined", False]) is False
    assert all_hold([True, "undetermined"]) == "undetermined"


def test_b_holds_what_is_not_shown_to_be_beaten():
    """A rate whose interval straddles 0 is in B; one without a rate too."""
    pair = Pair(slow_instance()[1], 0, 0, 0, (1, 2, 3), {0: (0.0, 0.0), 1: (-0.2, 0.1), 2: (-0.2, -0.1)}, ())
    assert [pair.beaten(c) for c in (1, 2, 3)] == [False, True, False]
    assert not pair._replace(rates={1: (-4e-16, -4e-16)}).beaten(1)
    assert not pair._replace(rates=None).beaten(1)
