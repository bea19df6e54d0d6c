"""``read`` of experiments 1 and 2 on results made up so that the verdict is known, and must turn when they turn."""

import json
from importlib import resources

import numpy as np
import pytest
from experiment_results import DOWN, LEVEL, SMOOTH, UP, Rules, cells_of, dataset, points, read, results, rising

from implicit_bayes.benchmarks.experiments.registry import EXPERIMENTS
from implicit_bayes.benchmarks.experiments.scales import TINY
from implicit_bayes.benchmarks.predictors.published_accuracy import published
from implicit_bayes.benchmarks.report import findings
from implicit_bayes.benchmarks.sweep import tasks


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_findings_of_any_results_are_stored_and_read_back(name, tmp_path):
    found = read(name)
    findings.store(tmp_path, [found], {"command": "c", "seed": 0, "preset": "tiny"})
    (again,), _ = findings.load(tmp_path)
    assert (again.verdict, again.summary, again.tables) == (found.verdict, found.summary, found.tables)
    assert [picture.name for picture in again.pictures] == [picture.name for picture in found.pictures]
    assert "nan" not in found.verdict + found.summary


SMALL_CELLS = {
    "context": {"ks": [2], "ns": [0, 2], "prompts": 4, "epsilons": [0.01], "trained": [], "named": []},
    "conditions": {"true_concept": 0, "ks": [2]},
    "order": {"k": 2, "n": 4, "sets": 1, "tests": 1, "epsilons": [0.01], "trained": [], "named": []},
}


@pytest.mark.parametrize("task", SMALL_CELLS)
def test_made_up_results_have_the_form_of_computed_ones(task):
    cell = tasks.cell(task, {"instance": "regular", "seed": 0} | SMALL_CELLS[task])
    true, made = tasks.TASKS[task].run(cell, None), dataset("x", cell, Rules())

    def form(data):
        return {name: (data[name].dims, data[name].dtype.kind) for name in data.variables}

    assert form(made) == form(true)
    assert {size: n for size, n in made.sizes.items() if size != "row"} == {
        size: n for size, n in true.sizes.items() if size != "row"
    }


# 1: accuracy against n


@pytest.mark.parametrize(
    ("model", "smooth", "words", "summary"),
    [
        (UP, DOWN, "clearly rises in 4 and clearly falls in 0 of 4 cases (a model, k and V each); that of smoothed "
         "Bayes rises in 0 and falls in 2 of 2", "models 4 of 4 (falls 0), smoothed Bayes 0 of 2"),
        (DOWN, UP, "clearly rises in 0 and clearly falls in 4 of 4 cases (a model, k and V each); that of smoothed "
         "Bayes rises in 2 and falls in 0 of 2", "models 0 of 4 (falls 4), smoothed Bayes 2 of 2"),
        (LEVEL, LEVEL, "clearly rises in 0 and clearly falls in 0 of 4 cases (a model, k and V each); that of smoothed "
         "Bayes rises in 0 and falls in 0 of 2", "models 0 of 4 (falls 0), smoothed Bayes 0 of 2"),
    ],
)  # fmt: skip
def test_curves_count_who_rises_and_who_falls(model, smooth, words, summary):
    found = read("curves", right=lambda cell, predictor, k, n: (smooth if predictor == SMOOTH else model)[n])
    assert words in found.verdict
    assert found.summary == f"clear rises with n: {summary}"
    shares = {float(n): (round(100 * share, 6), 40) for n, share in model.items()}
    assert points(found, "in-context", "k = 5", "LSTM (ours)") == shares


@pytest.mark.parametrize(("steep", "other"), [(3, 5), (5, 3)])
def test_curves_name_the_k_of_the_largest_gain_and_its_ends(steep, other):
    shares = {steep: rising(0.1, 0.8), other: rising(0.3, 0.6)}
    found = read("curves", right=lambda cell, predictor, k, n: shares[k][n] if predictor == SMOOTH else 0.5)
    assert f"most at V = 50, k = {steep} (10.0 [4.0, 23.1] to 80.0 [65.2, 89.5]%)" in found.verdict


@pytest.mark.parametrize(("before", "after", "change"), [(0.8, 0.2, "-60.0"), (0.2, 0.8, "+60.0")])
def test_curves_say_what_one_example_does_to_exact_bayes_at_the_longest_examples(before, after, change):
    shares = {3: {0: after, 1: before, 4: 0.5}, 5: {0: before, 1: after, 4: 0.5}}
    lost = {(5, 4): 0.25, (3, 4): 0.75}
    found = read(
        "curves", right=lambda cell, predictor, k, n: shares[k][n] if predictor == "exact" else 0.5,
        impossible=lambda cell, k, n: lost.get((k, n), 0.0),
    )  # fmt: skip
    assert "has no answer to 25.0% of prompts with 4 examples (V = 50, k = 5)" in found.verdict
    assert f"that example changes its accuracy by {change} [" in found.verdict
    assert points(found, "no-posterior", "V = 50", "k = 3")[4.0] == (75.0, 40)
    assert points(found, "in-context", "k = 5", "exact Bayes, where defined")[4.0][1] == 30
    assert 4.0 not in points(found, "in-context", "k = 3", "exact Bayes, where defined")  # of 10 prompts


@pytest.mark.parametrize(
    ("lstm", "transformer"), [(1.0, 1.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.5, None), (None, 0.5)]
)
def test_curves_set_each_published_model_beside_ours_of_its_kind(lstm, transformer):
    """None: there is no such model of ours, and the published one of its kind is not compared."""
    ours = {"LSTM": lstm, "Transformer": transformer}
    stored = results(cells_of("curves"), Rules(right=lambda cell, predictor, k, n: ours.get(predictor) or 0.0))
    gone = [name for name, share in ours.items() if share is None]
    stored = {
        name: data.drop_sel(predictor=gone) if "predictor" in data.dims else data for name, data in stored.items()
    }
    found = EXPERIMENTS["curves"].read(TINY, stored)
    short: list[np.ndarray] = []
    for model, share in (("lstm_6_layers", lstm), ("transformer_12_layers", transformer)):
        data = published(model)
        rows, columns = ([list(axis).index(x) for x in at] for axis, at in ((data.ks, (3, 5)), (data.ns, (0, 4))))
        if share is not None:
            short += list(100 * share - data.accuracy_KxN[np.ix_(rows, columns)])
    first, last = np.mean(short, 0)
    ends = [f"{abs(x):.0f} points {'below' if x >= 0 else 'above'} ours at n = {n}" for x, n in ((first, 0), (last, 4))]
    assert " and ".join(ends) in found.verdict
    assert ("do not start lower" in found.verdict) == (first <= max(last, 0))


# 2: scaling at equal loss


@pytest.mark.parametrize(
    ("lstm", "transformer", "words"),
    [
        (1.0, 0.0, "1 of 1 pairs of our networks clearly differ in accuracy (most: LSTM over Transformer, +100.0 ["),
        (0.0, 1.0, "1 of 1 pairs of our networks clearly differ in accuracy (most: Transformer over LSTM, +100.0 ["),
        (0.55, 0.45, "0 of 1 pairs of our networks clearly differ in accuracy (most: LSTM over Transformer, +10.0 ["),
    ],
)
def test_scaling_compares_where_losses_are_equal(lstm, transformer, words):
    learnt = {"size-LSTM": [(1.0, 0.2), (0.1, lstm)], "size-Transformer": [(1.0, 0.2), (0.1, transformer)]}
    found = read("scaling", learnt=learnt.get)
    assert words in found.verdict and "points at 0.10 nats)" in found.verdict
    assert found.summary == f"clear differences at equal loss: {words[0]} of 1 pairs"


def test_scaling_without_a_common_loss_says_so():
    learnt = {"size-LSTM": [(1.0, 0.2), (0.5, 0.3)], "size-Transformer": [(0.2, 0.6), (0.1, 0.9)]}
    found = read("scaling", learnt=learnt.get)
    assert found.verdict.startswith("No two of our networks reach the same excess loss.")
    assert found.summary == "clear differences at equal loss: 0 of 0 pairs"


@pytest.mark.parametrize(("lstm", "transformer"), [(0.05, 0.2), (0.2, 0.05)])
def test_scaling_sets_the_smallest_loss_against_the_largest(lstm, transformer):
    learnt = {"size-LSTM": [(1.0, 0.1), (0.3, 0.25)], "size-Transformer": [(1.0, 0.1), (0.4, 0.35)]}
    loss, right = {"LSTM": lstm, "Transformer": transformer}, {"LSTM": 0.7, "Transformer": 0.8}
    found = read(
        "scaling", learnt=learnt.get, loss=lambda model: (loss[model], 2000),
        right=lambda cell, predictor, k, n: right.get(predictor, 0.5) if n == 4 else 0.0,
    )  # fmt: skip
    best = min(loss, key=loss.get)
    ends = f"35.0% at 0.40 nats over Bayes (Transformer), {100 * right[best]:.1f}% at 0.050 ({best} (ours))."
    assert ends in found.verdict
    assert points(found, "scaling-loss", "k = 5, n = 4", f"{best} (ours)") == {0.05: (100 * right[best], 40)}


@pytest.mark.parametrize(("end", "shipped", "slope"), [(0.2, 0.7, "2.0"), (0.7, 0.2, "-2.0")])
def test_scaling_prices_the_last_hundredths_of_a_nat(end, shipped, slope):
    """50 points over 25 hundredths; the Transformer has another size and does not count."""
    found = read(
        "scaling", learnt=lambda cell: [(1.0, 0.1), (0.3, end)], loss=lambda model: (0.05, 1000),
        parameters=lambda cell: 1000 if cell == "size-LSTM" else 3,
        right=lambda cell, predictor, k, n: shipped,
    )  # fmt: skip
    assert f"LSTM from 0.300 nats to the shipped weights' 0.050 gains {slope} [" in found.verdict
    assert found.summary.endswith(f"; {slope} points a hundredth of a nat")


@pytest.mark.parametrize(("lstm", "transformer", "words"), [(0.9, 0.4, "+50.0"), (0.4, 0.9, "-50.0")])
def test_scaling_tells_lstm_from_transformer_and_published_from_published(lstm, transformer, words):
    right = {"LSTM": lstm, "Transformer": transformer}
    found = read("scaling", right=lambda cell, predictor, k, n: right.get(predictor, 0.5))
    assert f"Our LSTM differs from our Transformer by {words} [" in found.verdict
    stored = json.loads((resources.files("implicit_bayes.benchmarks") / "published.json").read_text())
    share = {row[0]: row[4] for row in stored["losses_k10_n64"]["rows"]}
    deep = share["transformer_16_layers"] - share["transformer_12_layers"]
    assert f"losses are equal as printed, differ by {deep:+.1f} [" in found.verdict
    cell = share["lstm_6_layers"] - share["transformer_16_layers"]
    assert f"the LSTM, at a higher loss, differs from the 16 layers by {cell:+.1f} [" in found.verdict


@pytest.mark.parametrize("bayes", [1.25, 1.2])
def test_scaling_takes_bayes_from_the_published_losses(bayes):
    found = read("scaling", bayes=bayes)
    stored = json.loads((resources.files("implicit_bayes.benchmarks") / "published.json").read_text())
    (row,) = (row for row in stored["losses_k10_n64"]["rows"] if row[0] == "lstm_6_layers")
    (x,) = points(found, "scaling-loss", "k = 5, n = 4", "published LSTM")
    assert x == pytest.approx(row[3] - bayes)
