"""F1, F2, F3 and n(delta): against exact weights and errors by enumeration, by hand, and at zeros."""

import math
from pathlib import Path

import numpy as np
import pytest
from prompt_enumeration import all_prompts, exact_error, exact_weight, random_instance

from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import HMM, MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.rates import log_likelihood_rate
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1
from implicit_bayes.theory.statements import finite_sample as bounds
from implicit_bayes.theory.statements.conditions import check_conditions
from implicit_bayes.theory.statements.finite_sample import error_bound, start_law, weight_bound
from implicit_bayes.theory.statements.finite_sample_odds import odds_moments
from implicit_bayes.theory.statements.finite_sample_search import exponent
from implicit_bayes.theory.statements.finite_sample_table import finite_sample, says_nothing
from implicit_bayes.theory.statements.theorems import measure_risk

CASES = Path(__file__).parents[2] / "cases"
NS = (1, 2, 4, 8)


def of_regular(k, version, **options):
    mixture, start = regular()
    return finite_sample(mixture, start[None], 0, k, version, NS, **options)


@pytest.mark.parametrize(
    ("k", "version", "value"),
    [
        (2, "sharp", 1.2349232684661868),
        (3, "sharp", 1.8610315265645394),
        (2, "repaired", 0.3065297948214),
        (3, "repaired", 0.9270362361180),
    ],
)
def test_exponents_of_regular(k, version, value):
    assert of_regular(k, version).exponent == pytest.approx(value, abs=1e-9)


def test_bounds_of_regular_stand_above_measured_errors():
    """2000 prompts: an error probability of the bound's size would show below it with probability under 1e-2 at n = 1
    only; what is asked is the measured 99% interval's lower end."""
    mixture, start = regular()
    for k, at_4 in ((2, 0.0638), (3, 0.00164)):
        row = of_regular(k, "sharp")
        assert row.error_bound[2] <= at_4 and row.method == "exact" and row.reason == ""
        law = PromptLaw.of(mixture, start, 0, k)
        risk = measure_risk(mixture, [law], prompts=2000, seed=3, shots=NS)
        assert all(error.low <= bound for error, bound in zip(risk.error, row.error_bound, strict=True))
        assert (np.diff(row.error_bound) <= 0).all() and (np.diff(row.weight_bound) <= 0).all()
    assert of_regular(2, "sharp").n_enough == {"0.1": 4, "0.01": 6, "0.001": 8}
    assert of_regular(3, "sharp").n_enough["0.01"] <= 4
    assert of_regular(2, "repaired").n_enough == {"0.1": 18, "0.01": 26, "0.001": 34}


def test_the_printed_counterexample_has_no_exponent():
    case = printed_theorem_1()
    for version in ("sharp", "repaired"):
        row = finite_sample(case.mixture, np.asarray(case.prompt.start)[None], 0, 2, version, NS)
        assert row.exponent == 0.0 and set(row.n_enough.values()) == {None}
        assert row.error_bound[-1] == 1.0
    assert (
        "posterior goes to the wrong concept"
        in finite_sample(case.mixture, np.asarray(case.prompt.start)[None], 0, 2, "sharp", NS).reason
    )


def check_instance(seed):
    """Both bounds of both versions at every enumerable n, never below the truth."""
    mixture, law = random_instance(seed)
    ns = [1, 2] if law.length == 3 or mixture.n_tokens == 4 else [1, 2, 3]
    truth = [all_prompts(mixture, law, n) for n in ns]
    weights, errors = [exact_weight(mixture, p, 0) for p in truth], [exact_error(mixture, p) for p in truth]
    said = 0
    for version in ("sharp", "repaired"):
        found = start_law(mixture, law, 0, version)
        assert (found.weight(ns).value >= np.minimum(weights, 1.0)).all(), (seed, version)
        assert (found.error(ns).value >= np.minimum(errors, 1.0)).all(), (seed, version)
        said += bool((found.error(ns).value < 1.0).any())
    return said


@pytest.mark.parametrize("block", range(8))
def test_bounds_are_never_below_the_truth(block):
    assert sum(check_instance(50 * block + i) for i in range(50)) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_bounds_are_never_below_the_truth_on_ten_thousand(block):
    assert sum(check_instance(1000 + 500 * block + i) for i in range(500)) >= 100


@pytest.mark.parametrize("seed", range(40))
def test_one_s_for_all_inputs_is_a_weaker_bound(seed, monkeypatch):
    mixture, law = random_instance(seed, zeros=False)
    odds = odds_moments(mixture, law, 0, "sharp" if seed % 2 else "repaired")
    if isinstance(odds, str):
        return
    each = error_bound(odds, NS).value
    monkeypatch.setattr(bounds, "FEW_INPUTS", 0)
    assert (error_bound(odds, NS).value >= each - 1e-12).all()


@pytest.mark.parametrize("seed", range(40))
def test_the_chosen_s_is_the_best_on_a_grid(seed):
    """F1 by a grid of s, one theta: the reported bound is no larger, and no smaller than the grid's by more than its
    step allows."""
    mixture, law = random_instance(seed, zeros=False)
    odds = odds_moments(mixture, law, 0, "repaired")
    if isinstance(odds, str) or len(odds.concepts) != 1:
        return
    s = np.linspace(0.0, 1.0, 2001)
    later, first = odds.later(0, s).value, odds.first(0, s).value
    best = np.min(s * odds.log_prior_A[0] + first + 3 * later)
    assert weight_bound(odds, [4]).value[0] == pytest.approx(min(math.exp(best), 1.0), rel=1e-3)


@pytest.mark.parametrize("seed", range(60))
def test_slope_at_zero_is_the_rate_or_the_repaired_limit(seed):
    """F3: d/ds log M(s) at 0 is lim r_n(theta); of the repaired factor it is the repaired condition's difference. So
    each exponent is positive exactly where its condition holds."""
    mixture, law = random_instance(seed, zeros=False)
    if mixture.n_concepts == 1 or mixture.prior.min() == 0:
        return
    for row in check_conditions(mixture, np.asarray(law.start)[None], 0, law.length):
        repaired = odds_moments(mixture, law, 0, "repaired")
        a = row.concept - 1
        slope = float(repaired.later(a, np.zeros(1)).slope[0])
        assert slope == pytest.approx(row.repaired_threshold - row.kl_sum, abs=1e-9)
        assert (exponent(repaired, a).value > 0) == (row.repaired_holds is True)
        sharp = odds_moments(mixture, law, 0, "sharp")
        if isinstance(sharp, str):
            continue
        rate = log_likelihood_rate(law, mixture.concept(row.concept)).value
        assert float(sharp.later(a, np.zeros(1)).slope[0]) == pytest.approx(rate, abs=1e-9)
        if abs(rate) > 1e-6:
            assert (exponent(sharp, a).value > 0) == (rate < 0)


@pytest.mark.parametrize("seed", range(40))
def test_a_grid_of_s_is_a_weaker_bound_and_not_by_much(seed, monkeypatch):
    mixture, law = random_instance(seed, zeros=False)
    odds = odds_moments(mixture, law, 0, "sharp" if seed % 2 else "repaired")
    if isinstance(odds, str):
        return
    monkeypatch.setattr(bounds, "FEW_INPUTS", 0)
    each = error_bound(odds, (8, 64, 512))
    monkeypatch.setattr(bounds, "FEW_EDGES", 0)
    few = error_bound(odds, (8, 64, 512))
    assert (few.value >= each.value - 1e-12).all()
    informative = (each.value < 0.1) & (each.value > 1e-9)
    assert (np.log(few.value[informative]) <= 0.8 * np.log(each.value[informative])).all()


def test_theta_that_forbids_is_out_at_once():
    """theta forbids what theta* writes half of the time: the odds are 0 after one example with probability .5."""
    rows = [[[0.45, 0.45, 0.1]] * 3, [[0.9, 0.0, 0.1]] * 3]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], rows, np.eye(3), 2)
    law = PromptLaw.of(mixture, [0.5, 0.5, 0.0], 0, 2)
    odds = odds_moments(mixture, law, 0, "sharp")
    assert odds.later(0, np.zeros(1)).value[0] == pytest.approx(math.log(0.5 * 0.55))
    assert exponent(odds, 0).value >= -math.log(0.5 * 0.55) - 1e-12
    for n in (1, 2, 3):
        assert error_bound(odds, [n]).value[0] >= exact_error(mixture, all_prompts(mixture, law, n))
    never = MixtureOfHMMs([0.5, 0.5], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [rows[0], rows[0]], np.eye(3), 2)
    only_a = PromptLaw.of(never, [1.0, 0.0, 0.0], 0, 2)
    gone = start_law(never, only_a, 0, "sharp")
    assert gone.weight([1, 5]).value.tolist() == [0.0, 0.0]
    assert gone.exponents[1].value == 0.0  # later examples do not tell; the first one has


def test_theta_that_never_competes_has_an_infinite_exponent():
    """Every example counts against theta, so with enough of them its odds cannot reach 1, whatever they are."""
    rows = [[*[[0.8, 0.1, 0.1]] * 2, [0.5, 0.5, 0.0]], [*[[0.4, 0.05, 0.55]] * 2, [0.25, 0.25, 0.5]]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.5, 0.0]] * 2, rows, np.eye(3), 2)
    law = PromptLaw.of(mixture, [0.5, 0.5, 0.0], 0, 3)
    odds = odds_moments(mixture, law, 0, "repaired")
    assert isinstance(odds, str)  # c5 = 0
    silent = [[*[[0.8, 0.1, 0.1]] * 2, [0.5, 0.4, 0.1]], [*[[0.8, 0.2, 0.0]] * 2, [0.5, 0.5, 0.0]]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.4, 0.1], [0.5, 0.5, 0.0]], silent, np.eye(3), 2)
    law = PromptLaw.of(mixture, [0.5, 0.4, 0.1], 0, 2)
    for version in ("sharp", "repaired"):
        found = start_law(mixture, law, 0, version)
        assert found.exponents[1].value == math.inf
        assert (found.error([2, 3]).value >= [exact_error(mixture, all_prompts(mixture, law, n)) for n in (2, 3)]).all()
        assert found.weight([2]).value[0] < 1e-6


@pytest.mark.parametrize(
    ("name", "sharp", "repaired"),
    [
        ("two_start_laws", "rate", "condition"),
        ("relabelled", "not told apart", "condition"),
        ("two_speeds", "several states emit the delimiter", "condition"),
        ("forbids_some_first_examples", "rate", "constant"),
        ("true_concept_of_prior_zero", "A4", "A4"),
        ("periodic", "probability zero", "constant"),
    ],
)
def test_words_where_the_bound_says_nothing(name, sharp, repaired):
    instance = load_instance(str(CASES / f"{name}.npz"))
    c, k = instance.true_concepts[0], instance.k or 3
    for version, words in (("sharp", sharp), ("repaired", repaired)):
        row = finite_sample(instance.mixture, instance.prompt_starts[c], c, k, version, NS)
        assert words in row.reason
        assert row.exponent == 0.0 and set(row.n_enough.values()) == {None}
        assert all(0.0 <= x <= 1.0 for x in (*row.weight_bound, *row.error_bound))


def test_trivial_instances_need_no_example_told_apart():
    for name in ("one_of_everything", "wrong_concept_of_prior_zero"):
        instance = load_instance(str(CASES / f"{name}.npz"))
        row = finite_sample(instance.mixture, instance.prompt_starts[0], 0, 2, "sharp", NS)
        assert row.exponent == math.inf and set(row.n_enough.values()) == {1}
        assert row.error_bound == row.weight_bound == (0.0,) * 4


def test_inputs_that_theta_star_itself_gets_wrong_stay_in_the_bound():
    """Lemma 1's counterexample: at x the argmax flips after a delimiter, however many examples there are."""
    from implicit_bayes.theory.proofs.counterexamples import printed_lemma_1

    case = printed_lemma_1()
    row = finite_sample(case.mixture, np.asarray(case.prompt.start)[None], 0, 2, "sharp", (1, 64))
    assert row.exponent > 0 and row.error_bound[1] == pytest.approx(0.015, abs=1e-9)
    assert row.n_enough["0.1"] is not None and row.n_enough["0.01"] is None
    assert "itself may answer wrongly on 0.015" in row.reason


def test_start_laws_each_worst_and_mixture():
    mixture, start = regular()
    other = np.array([0.0, 0.06, 0.06, 0.06, 0.06, 0.06, 0.7])
    both = finite_sample(mixture, np.stack([start, other]), 0, 2, "sharp", NS)
    single = [finite_sample(mixture, law[None], 0, 2, "sharp", NS) for law in (start, other)]
    assert both.exponent == min(row.exponent for row in single)
    assert both.error_bound == tuple(np.max([row.error_bound for row in single], 0))
    assert both.mixture_error_bound == pytest.approx(np.mean([row.error_bound for row in single], 0))
    assert [row.n_enough for row in both.start_laws] == [row.n_enough for row in single]
    for delta, n in both.n_enough.items():
        each = [row.n_enough[delta] for row in single]
        assert n == (None if None in each else max(each))
        assert both.mixture_n_enough[delta] is None or n is None or both.mixture_n_enough[delta] <= n
    nothing = says_nothing(0, 2, "sharp", (0, *NS), 2, "why")
    assert nothing.ns == NS and nothing.error_bound == (1.0,) * 4 and len(nothing.start_laws) == 2


def test_sampled_bounds_stand_above_exact_ones_and_say_so():
    """k = 3 with a budget of 3 nodes: upper ends of the sample's intervals. The exact exponent lies above the sampled
    one unless an upper end fails (8192 samples, ratios bounded: 5 standard errors)."""
    mixture, start = regular()
    exact = of_regular(3, "sharp")
    sampled = finite_sample(mixture, start[None], 0, 3, "sharp", NS, budget=3)
    assert sampled.method == "monte carlo"
    assert sampled.exponent == pytest.approx(exact.exponent, abs=0.15)
    assert sampled.error_bound[2] == pytest.approx(exact.error_bound[2], rel=1.0)
    repaired = finite_sample(mixture, start[None], 0, 3, "repaired", NS, budget=3)
    assert repaired.method == "monte carlo" and repaired.exponent == pytest.approx(0.927, abs=0.15)


def test_general_emissions_split_in_two_states_change_nothing():
    """The delimiter state of regular split into two copies: same laws of tokens, |D| = 2; the repaired exponent is that
    of c1 and c2 halved alike, so the same."""
    mixture, start = regular()

    def split(x):
        return np.concatenate([x[..., :1] / 2, x[..., :1] / 2, x[..., 1:]], -1)

    rows = np.concatenate([split(mixture.transition)[:, :1], split(mixture.transition)], 1)
    emission = np.concatenate([mixture.emission[:1], mixture.emission])
    two = MixtureOfHMMs(mixture.prior, split(mixture.initial), rows, emission, 0)
    row = finite_sample(two, split(start)[None], 0, 3, "repaired", NS)
    assert row.exponent == pytest.approx(0.9270362361180, abs=1e-9)
    assert finite_sample(two, split(start)[None], 0, 3, "sharp", NS).method == "none"


def test_hmm_row_after_a_delimiter_is_needed():
    """With the delimiter's row for the first example too the moment is another: M1 starts from documents."""
    mixture, start = regular()
    odds = odds_moments(mixture, PromptLaw.of(mixture, start, 0, 2), 0, "sharp")
    tilted = HMM(mixture.transition[0, 0], mixture.transition[0], mixture.emission)
    assert odds.later_graph.law_2xNxV[1].sum() == pytest.approx(len(odds.mass_N))
    assert not np.allclose(tilted.initial, mixture.initial[0])
    assert odds.first(0, np.array([0.3])).value[0] == pytest.approx(odds.later(0, np.array([0.3])).value[0])
