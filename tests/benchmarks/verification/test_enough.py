"""Finite n and the decomposition where a person sees them: numbers, words, keys, figures."""

import dataclasses
import math

import numpy as np
import pytest
import xarray as xr

from implicit_bayes import verify
from implicit_bayes.benchmarks.gap.costs import (
    bayes_reference,
    costs,
    efficiency_rows,
    first_staying,
    loss_parts,
    sample_efficiency,
)
from implicit_bayes.benchmarks.verification import store
from implicit_bayes.benchmarks.verification.enough import (
    enough_words,
    finite_samples,
    measured_between,
    measured_enough,
    measured_words,
    worst_rows,
)
from implicit_bayes.benchmarks.verification.enough_figures import finite, information
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory.information.decomposition import Decomposition

PARTS = Decomposition(np.array([0, 10]), np.array([0.0, 6.0]), np.zeros(2), np.array([0.0, 1.5]), np.zeros(2), 1.6, 4)


@pytest.fixture(scope="module")
def counterexample():
    return verify("printed-counterexample", k=2, n=(0, 1, 4), prompts=60, documents=8, length=12, epsilon=())


def test_keys_and_words_of_the_counterexample(counterexample):
    found = store.as_json(counterexample)
    rows = found["finite_sample"]
    assert [(row["k"], row["true_concept"], row["version"]) for row in rows] == [(2, 0, "sharp"), (2, 0, "repaired")]
    for row in rows:
        assert row["exponent"] == 0.0 and row["n_enough"] == {"0.1": None, "0.01": None, "0.001": None}
        assert row["ns"] == (1, 4) and len(row["error_bound"]) == len(row["weight_bound"]) == 2
        assert set(row["n_measured"]) == {"0.1", "0.01", "0.001"}
    keys = ("entropy_given_concept", "concept_information", "prior_entropy", "standard_error", "length")
    parts = [found["information"][key] for key in keys]
    assert all(math.isfinite(part) for part in parts) and parts[-1] == 12
    assert 0 < parts[1] <= parts[2] == pytest.approx(math.log(2))
    text = str(counterexample)
    assert "measured at n ≤ 4" in " ".join(text.split())
    assert "the posterior goes to the wrong concept" in text and "Theorem 1 at finite n" in text
    assert "for not knowing it" in text


def test_parts_add_up_to_bayes_own_loss(counterexample):
    """On the same documents the two parts estimate the cross-entropy without the luck of the draw of the concept."""
    found = counterexample.information
    assert counterexample.bayes.cross_entropy * 12 == pytest.approx(found.entropy[-1] + found.information[-1], rel=0.2)


def test_the_stored_results_draw_both_figures(counterexample):
    results = store.as_dataset(counterexample)
    drawing = finite(results)
    assert "say nothing" in drawing.note and "sharp at k = 2" not in drawing.note  # it says something at n = 1
    assert len(information(results).panels) == 2
    assert finite(results.drop_vars("finite_error_bound")) is None


def test_a_missed_repaired_condition_is_not_worked_out(counterexample, monkeypatch):
    instance = load_instance("printed-counterexample")
    seen = []
    module = "implicit_bayes.benchmarks.verification.enough.finite_sample"
    monkeypatch.setattr(module, lambda *given, **_: seen.append(given[4]))
    progress = lambda words, total: lambda done: None  # noqa: E731
    rows = finite_samples(instance, [2], [0, 1], counterexample.conditions, 0, progress)
    assert seen == ["sharp"] and rows[1].version == "repaired" and "concept 1" in rows[1].reason
    assert finite_samples(instance, [2], [0], counterexample.conditions, 0, progress) == []


def test_the_worst_true_concept_is_shown():
    instance = load_instance("regular")
    progress = lambda words, total: lambda done: None  # noqa: E731
    rows = finite_samples(dataclasses.replace(instance, true_concepts=(0, 3)), [3], [1, 8], [], 0, progress)
    assert len(rows) == 4 and [row.version for row in worst_rows(rows)] == ["sharp", "repaired"]
    easier = rows[0]._replace(exponent=9.0, true_concept=4)
    assert worst_rows([easier, rows[0]]) == [rows[0]]
    assert enough_words({"0.1": 3, "0.01": None}) == "3 / –"


def test_measured_n_is_where_errors_stay_low():
    ns = np.array([0, 1, 2, 4])
    assert first_staying(ns, np.array([0.0, 0.2, 0.05, 0.0]), 0.1) == 2
    assert first_staying(ns, np.array([0.0, 0.0, 0.0, 0.0]), 0.1) == 0
    assert first_staying(ns, np.array([0.0, 0.0, 0.0, 0.2]), 0.1) is None
    assert first_staying(ns, np.array([0.0, np.nan, 0.0, 0.0]), 0.1) == 2
    curves = xr.Dataset(
        {
            "correct": (("predictor", "k", "n"), [[[5, 90, 99, 100]]]),
            "prompts": (("predictor", "k", "n"), [[[100] * 4]]),
        },
        coords={"predictor": ["exact"], "k": [3], "n": ns},
    )
    assert measured_enough(curves, 3) == {"0.1": 1, "0.01": 2, "0.001": 4}
    between = measured_between(curves, 3)
    assert between == {"0.1": (1, 2), "0.01": (2, None), "0.001": (2, None)}  # 100 prompts show nothing below a percent
    assert measured_words(between, 0) == "1 to 2 / 2 or more / 2 or more"


@pytest.mark.parametrize(
    ("ends", "words"),
    [((0, None), "undetermined"), ((None, None), "–"), ((2, 2), "2"), ((2, 8), "2 to 8"), ((2, None), "2 or more")],
)
def test_a_measured_n_has_an_interval_or_is_undetermined(ends, words):
    assert measured_words({"0.1": ends}, 0) == words


def test_the_interval_of_the_measured_n_covers():
    """1,000 measurements of known error probabilities: at most 5% may miss, so 81 or more have probability 1e-5."""
    rng, ns, missed = np.random.default_rng(0), np.array([0, 1, 2, 4, 8]), 0
    chance = np.array([0.5, 0.2, 0.09, 0.011, 0.0005])
    truth = {"0.1": 2, "0.01": 8, "0.001": 8}
    for _ in range(1000):
        correct = 300 - rng.binomial(300, chance)
        data = {"correct": (("predictor", "k", "n"), [[correct]]), "prompts": (("predictor", "k", "n"), [[[300] * 5]])}
        curves = xr.Dataset(data, coords={"predictor": ["exact"], "k": [3], "n": ns})
        ends = measured_between(curves, 3)
        missed += any(
            not (low is not None and low <= truth[delta] and (high is None or truth[delta] <= high))
            for delta, (low, high) in ends.items()
        )
    assert missed <= 80


def context(undefined=0):
    """Exact Bayes, smoothed Bayes and a model at two k."""
    accuracy = np.array([
        [[0.1, 0.95, 1.0, 1.0], [0.2, 0.5, 0.95, 1.0]],
        [[0.1, 0.95, 1.0, 1.0], [0.2, 0.5, 0.95, 1.0]],
        [[0.1, 0.5, 0.95, 0.995], [0.2, 0.5, 0.5, 0.95]],
    ])  # fmt: skip
    prompts = np.full((3, 1, 2, 4), 100)
    prompts[0] -= undefined
    return xr.Dataset(
        {"accuracy": (("predictor", "split", "k", "n"), accuracy[:, None]),
         "prompts": (("predictor", "split", "k", "n"), prompts)},
        coords={"predictor": ["exact", "smoothed(0.01)", "m"], "split": ["all"], "k": [3, 5], "n": [0, 1, 2, 4]},
    )  # fmt: skip


def test_sample_efficiency_by_hand():
    """k = 3: the model needs 2 for .1 and 4 for .01 where Bayes needs 1 and 2; k = 5: 4 against 2, and never."""
    assert sample_efficiency(context(), "m") == {"0.1": 2.0, "0.01": 2.0, "0.001": None}
    assert sample_efficiency(context(), "exact") == {"0.1": 1.0, "0.01": 1.0, "0.001": 1.0}
    assert bayes_reference(context()) == "exact" and bayes_reference(context(undefined=1)) == "smoothed(0.01)"
    rows = efficiency_rows(context(undefined=1), "m")
    assert [row["k"] for row in rows] == [3, 5] and rows[0]["reference"] == "smoothed(0.01)"
    assert rows[0]["model"]["0.1"] == 2 and rows[0]["bayes"]["0.1"] == 1


def test_loss_parts_are_nats_a_token_and_drawn():
    assert loss_parts(PARTS, 0.25) == {
        "entropy_given_concept": pytest.approx(0.6), "concept_information": pytest.approx(0.15), "excess": 0.25,
    }  # fmt: skip
    results = xr.Dataset(
        {"part_nats": ("part", [0.6, 0.15]), "loss_excess": ("model", [0.25, np.inf])},
        coords={"model": ["a", "b"]}, attrs={"instance": "x", "setting_length": 10},
    )  # fmt: skip
    assert "0.7500 nats/token" in costs(results).caption
    assert costs(results.drop_vars("part_nats")) is None
