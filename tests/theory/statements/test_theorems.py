"""Theorems 1 and 3 on instances where the answer is known: counterexamples, a regular instance, near-equal concepts."""

import functools
import math

import numpy as np
import pytest
from exact_limits import regular
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_bayes.theory import strategies as theory_strategies
from implicit_bayes.theory.filtering.filter import filter_mixture, log_evidence
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.proofs.counterexamples import printed_lemma_1, printed_theorem_1
from implicit_bayes.theory.statements.assumptions import check_assumptions
from implicit_bayes.theory.statements.bounds import excess_risk, g_inverse
from implicit_bayes.theory.statements.conditions import check_conditions
from implicit_bayes.theory.statements.risk import example_filter, measure_risk, prompt_tokens
from implicit_bayes.theory.statements.theorems import LIVES, evaluate_theorems


def verdicts(mixture, starts, true_concepts, k, **options):
    starts = np.atleast_2d(starts)
    conditions = [c for true in true_concepts for c in check_conditions(mixture, starts, true, k)]
    assumptions = [
        a
        for true in true_concepts
        for s in starts
        for a in check_assumptions(mixture, PromptLaw.of(mixture, s, true, k))
    ]
    options = {"prompts": 60, "shots": (0, 16, 64), **options}
    found = evaluate_theorems(
        mixture, starts, true_concepts, k, conditions=conditions, assumptions=assumptions, **options
    )
    return {(v.name, v.version): v for v in found}


@functools.cache
def counterexample():
    instance = printed_theorem_1()
    return verdicts(instance.mixture, instance.prompt.start, [0], 2)


@functools.cache
def on_regular():
    mixture, restart = regular()
    return verdicts(mixture, restart, [0, 1], 4)


def test_the_printed_theorem_1_applies_and_fails_on_its_counterexample():
    found = counterexample()["1", "printed"]
    assert (found.applies, found.bound, found.vacuous, found.conclusion) == (True, 0.0, False, "fails")
    assert "concept 1" in found.reason
    assert "0.94" in found.reason


@pytest.mark.parametrize("version", ["repaired", "sharp"])
def test_repaired_and_sharp_versions_do_not_apply_there(version):
    found = counterexample()["1", version]
    assert (found.applies, found.bound, found.vacuous, found.conclusion) == (False, None, True, "fails")
    assert f"{version} condition fails" in found.reason


def test_the_printed_theorem_3_fails_there_too():
    """Condition 1 holds, so B is empty and the printed bound is 0; the limiting excess risk is that of answering by
    theta: at x = a, .94 (.5868 - .3912)."""
    found = counterexample()["3", "printed"]
    assert (found.applies, found.bound, found.conclusion) == (True, 0.0, "fails")
    assert f"{0.94 * (0.5868 - 0.3912):.6g}" in found.reason
    assert counterexample()["3", "sharp"].conclusion == "holds"


def test_lemma_1_counterexample_passes_every_condition_and_fails():
    """The posterior finds theta*, so only a version that checks the argmax after a delimiter can decline to apply."""
    instance = printed_lemma_1()
    found = verdicts(instance.mixture, instance.prompt.start, [0], 2)
    assert found["1", "printed"].applies
    assert {found["1", v].conclusion for v in ("printed", "repaired", "sharp")} == {"fails"}
    assert not found["1", "repaired"].applies
    assert "repaired Lemma 1 fails" in found["1", "repaired"].reason
    assert not found["1", "sharp"].applies
    assert "equal argmax" in found["1", "sharp"].reason
    sharp = found["3", "sharp"]
    assert (sharp.applies, sharp.vacuous, sharp.conclusion) == (True, False, "holds")


@pytest.mark.parametrize(("make", "inside"), [(printed_lemma_1, [0]), (printed_theorem_1, [0, 1])])
def test_sharp_theorem_3_is_the_divergence_from_the_restart_law(make, inside):
    """k = 2: the argument of g^{-1} is the largest KL( p_prompt(O) || p(O|d,theta) ) over B, summed here over all O."""
    instance = make()
    found = verdicts(instance.mixture, instance.prompt.start, [0], 2, shots=(0,))["3", "sharp"]
    mixture, d = instance.mixture, instance.mixture.delimiter_states()[0]
    tokens = np.indices((mixture.n_tokens,) * 2).reshape(2, -1).T

    def log_law(start, c):
        hmm = mixture.concept(c)
        alone = MixtureOfHMMs([1.0], np.asarray(start)[None], hmm.transition[None], hmm.emission, mixture.delimiter)
        return np.asarray(log_evidence(alone, tokens))[:, 0]

    truth = log_law(instance.prompt.start, 0)
    keep = truth > -np.inf
    nats = max(float(np.exp(truth[keep]) @ (truth - log_law(mixture.transition[c, d], c))[keep]) for c in inside)
    assert found.bound == pytest.approx(float(g_inverse(nats)), rel=1e-9)
    assert f"g^-1({nats:.6g})" in found.reason
    assert f"{len(inside) - 1} of 1 pairs (theta*, theta) in B, and theta* itself" in found.reason


def test_every_version_of_theorem_1_applies_and_holds_on_a_regular_instance():
    for version in ("printed", "repaired", "sharp"):
        found = on_regular()["1", version]
        assert (found.applies, found.bound, found.vacuous, found.conclusion) == (True, 0.0, False, "holds"), (
            found.reason
        )
    for version in ("printed", "sharp"):
        found = on_regular()["3", version]
        assert (found.applies, found.bound, found.conclusion) == (True, 0.0, "holds"), found.reason


def test_theorem_2_does_not_apply_to_a_finite_family():
    found = on_regular()["2", "printed"]
    assert (found.applies, found.bound, found.vacuous, found.conclusion) == (False, None, True, "undetermined")


def near_equal():
    """Two words and a delimiter; theta is so close to theta* that Condition 1 fails. c1 = c2, c3 = c4: no eps_delim."""
    rows = [[[0.6 + e, 0.1 - e, 0.3], [0.2, 0.5, 0.3], [0.37, 0.33, 0.3]] for e in (0.0, 0.01)]
    start = np.array([0.37, 0.33, 0.3])
    return MixtureOfHMMs([0.5, 0.5], [start, start], rows, np.eye(3), delimiter=2), start


def test_theorem_3_printed_bound_where_it_says_something():
    mixture, start = near_equal()
    found = verdicts(mixture, start, [0], 4)
    printed = found["3", "printed"]
    assert printed.bound == pytest.approx(float(g_inverse(math.log(1 / 0.3) / 3)), rel=1e-12)
    assert (printed.applies, printed.vacuous, printed.conclusion) == (True, False, "holds")
    assert not found["1", "printed"].applies
    assert "printed condition fails" in found["1", "printed"].reason
    assert found["3", "sharp"].bound <= printed.bound


def test_b_of_the_printed_theorem_3_holds_what_is_not_shown_to_be_outside():
    """A pair of which Condition 1 is undetermined is in B and its thresholds bound the risk; one that holds is not."""
    mixture, start = near_equal()
    rows = check_conditions(mixture, start[None], 0, 4)
    every = check_assumptions(mixture, PromptLaw.of(mixture, start, 0, 4))
    bounds = {}
    for verdict in (True, "undetermined", False):
        found = evaluate_theorems(
            mixture, start[None], [0], 4, prompts=20, shots=(0,), assumptions=every,
            conditions=[row._replace(printed_holds=verdict) for row in rows],
        )[4]  # fmt: skip
        bounds[verdict] = found.bound
        assert f"{int(verdict is not True)} of 1 pairs (theta*, theta) in B" in found.reason
    assert bounds[True] == 0.0
    assert bounds["undetermined"] == bounds[False] == pytest.approx(float(g_inverse(math.log(1 / 0.3) / 3)), rel=1e-12)


def test_several_start_laws_and_true_concepts_at_once():
    mixture, restart = regular()
    other = 0.98 * restart + 0.02 * np.eye(5)[1]
    found = verdicts(mixture, np.stack([restart, other]), [0, 1], 3)
    assert found["1", "repaired"].conclusion == "holds"
    assert found["1", "sharp"].applies
    per_concept = np.stack([np.stack([restart, other])] * 2)
    conditions = [c for true in (0, 1) for c in check_conditions(mixture, per_concept[true], true, 3)]
    same = evaluate_theorems(
        mixture, per_concept, [0, 1], 3, conditions=conditions, assumptions=[], prompts=20, shots=(0, 64)
    )
    assert not same[0].applies
    assert "A1 undetermined" in same[0].reason


def test_missing_conditions_are_refused():
    mixture, restart = regular()
    words = "conditions: none for k = 3, true concept 1, concept 0"  # the true concept first
    with pytest.raises(ModelError, match=words):
        evaluate_theorems(mixture, restart[None], [1], 3, conditions=[], assumptions=[])


def test_only_the_sharp_version_asks_that_theta_star_writes_every_prompt():
    """The prompts of two delimited examples have probability 0 under theta*, though A4 is said to hold."""
    kernel = [[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [0.4, 0.3, 0.3]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.4, 0.3, 0.3]] * 2, [kernel, kernel], np.eye(3), delimiter=2)
    start = np.array([0.5, 0.5, 0.0])
    law = PromptLaw.of(mixture, start, 0, 2)
    every = [a._replace(holds=True) for a in check_assumptions(mixture, law)]
    found = evaluate_theorems(
        mixture, start[None], [0], 2, conditions=check_conditions(mixture, start[None], 0, 2), assumptions=every,
        prompts=20, shots=(0,),
    )  # fmt: skip
    said = {v.version: LIVES in v.reason for v in found if v.name == "1"}
    assert said == {"printed": False, "repaired": False, "sharp": True}


def test_impossible_prompts_count_as_errors():
    """Under both concepts the delimiter never follows a word, so S_n is impossible for n >= 1."""
    kernel = [[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [0.4, 0.3, 0.3]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.4, 0.3, 0.3]] * 2, [kernel, kernel], np.eye(3), delimiter=2)
    risk = measure_risk(mixture, [PromptLaw.of(mixture, [0.5, 0.5, 0.0], 0, 2)], prompts=40, seed=0, shots=(0, 4))
    assert risk.undefined == (0.0, 1.0)
    assert risk.error[1].value == 1.0
    found = verdicts(mixture, np.array([0.5, 0.5, 0.0]), [0], 2, shots=(0, 4))
    assert found["1", "printed"].conclusion == "fails"
    assert "there is no posterior, wrong with probability 1 (exact limit)" in found["1", "printed"].reason
    assert "undefined on 100.0%" in found["1", "printed"].reason
    assert found["3", "printed"].vacuous
    assert found["3", "sharp"].bound is None


@settings(max_examples=25)
@given(theory_strategies.instances("A1", states=4, length=st.integers(2, 3)))
def test_example_filter_agrees_with_the_filter(instance):
    law = instance.prompt
    tokens = np.indices((law.hmm.n_tokens,) * 2).reshape(2, -1).T
    mass, predictive = example_filter(law, tokens)
    start, hmm = np.asarray(law.start), law.hmm
    alone = MixtureOfHMMs([1.0], start[None], np.asarray(hmm.transition)[None], hmm.emission, law.delimiter)
    expected = filter_mixture(alone, tokens, positions=[1, 2])
    np.testing.assert_allclose(mass, np.exp(np.asarray(expected.log_evidence)[..., 0]), atol=1e-12)
    np.testing.assert_allclose(predictive, expected.predictive, atol=1e-12)


def test_sampled_prompts_have_the_layout_and_the_law_of_prompts():
    """Delimiters after every example; examples against enumeration by chi-square, p > 1e-4 (15 cells at most)."""
    mixture, _ = regular()
    law = PromptLaw.of(mixture, [0.5, 0.5, 0.0, 0.0, 0.0], 0, 2)
    tokens = prompt_tokens(law, 500, 3, np.random.default_rng(0))
    assert tokens.shape == (500, law.test_position(3))
    assert (tokens[:, 2::3] == 4).all()
    examples = tokens.reshape(500, -1)[:, :9].reshape(-1, 3)[:, :2]
    assert examples[:, 0].max() <= 1
    mass = example_filter(law, np.indices((5, 5)).reshape(2, -1).T)[0][:, -1]
    counts = np.bincount(examples[:, 0] * 5 + examples[:, 1], minlength=25)
    cells = mass > 0
    assert counts[~cells].sum() == 0
    statistic = ((counts[cells] - 1500 * mass[cells]) ** 2 / (1500 * mass[cells])).sum()
    assert statistic < 33.7  # chi-square with 9 degrees of freedom at 1 - 1e-4


def test_zero_shot_risk_is_measured_exactly():
    """At n = 0 the predictor is a function of x_test, so the measured mean is that of an enumerated law."""
    instance = printed_theorem_1()
    risk = measure_risk(instance.mixture, [instance.prompt], prompts=300, seed=3, shots=(0,))
    x = np.arange(4)[:, None]
    mass, truth = example_filter(instance.prompt, x)
    predictive = np.asarray(filter_mixture(instance.mixture, x, positions=[1]).predictive)[:, 0]
    keep = mass[:, 0] > 0
    exact = float(mass[keep, 0] @ excess_risk(truth[keep, 0], predictive[keep]))
    assert risk.excess[0].low <= exact <= risk.excess[0].high
    assert risk.random_excess[0] == risk.excess[0]  # k = 2: the only test length
