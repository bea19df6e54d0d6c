"""reproduce from end to end on the tiny preset, and what its parts promise."""

import json

import numpy as np
import pytest
import xarray as xr

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common.intervals import share_difference
from implicit_bayes.benchmarks.experiments.base import Accuracy, listed
from implicit_bayes.benchmarks.experiments.equal_loss import at_equal_loss, last_hundredths
from implicit_bayes.benchmarks.experiments.length import critical
from implicit_bayes.benchmarks.experiments.registry import EXPERIMENTS
from implicit_bayes.benchmarks.experiments.scales import SCALES
from implicit_bayes.benchmarks.report import findings, readme
from implicit_bayes.benchmarks.report.pictures import LOOKS, look_up
from implicit_bayes.benchmarks.sweep.cells import Store, in_order
from implicit_bayes.benchmarks.sweep.tasks import TASKS
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.statements.bounds import binomial_interval


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_every_cell_is_of_a_known_task_and_experiments_share_theirs(scale):
    if scale.name == "small":
        scale = scale._replace(shipped=False)  # the same with and without shipped weights
    each = {name: in_order(list(experiment.cells(scale).values())) for name, experiment in EXPERIMENTS.items()}
    assert {cell.task for cells in each.values() for cell in cells} <= set(TASKS)
    keys = {name: {cell.key for cell in cells} for name, cells in each.items()}
    assert keys["possible"] & keys["curves"]
    assert sum(map(len, keys.values())) > len(set().union(*keys.values()))


def test_order_from_end_to_end(tmp_path, capsys):
    command = ["reproduce", "order", "--preset", "tiny", "--workers", "1", "--out", str(tmp_path)]
    assert cli.run([*command, "--json", str(tmp_path / "x.json")]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"report.html", "results.nc", "results.csv", "findings.json", "order.png", "order.svg"} <= names
    assert "failures.json" not in names
    (found,), about = findings.load(tmp_path)
    assert found.name == "order"
    assert about["preset"] == "tiny"
    aware = [p for p in found.pictures[0].points if p.series.startswith("prompt-aware")]
    assert aware
    assert all(p.low == p.high for p in aware), "independent examples have no order"
    assert "| The order of the examples |" in readme.summary(tmp_path)
    done = Store(tmp_path).journal()
    assert cli.run(command) == 0
    assert Store(tmp_path).journal() == done, "a rerun computed something again"
    capsys.readouterr()
    assert cli.run([*command, "--plan"]) == 0
    assert "4 stored" in capsys.readouterr().out


@pytest.mark.slow
def test_everything_from_end_to_end(tmp_path):
    """All experiments: every cell computed, every finding with figures, a table and words without nan."""
    assert cli.run(["reproduce", "all", "--preset", "tiny", "--workers", "1", "--out", str(tmp_path)]) == 0
    found, about = findings.load(tmp_path)
    assert [each.name for each in found] == list(EXPERIMENTS)
    assert about["failed"] == 0 and about["cells"] == len({row.key for row in Store(tmp_path).journal()})
    for each in found:
        assert each.pictures and all((tmp_path / f"{picture.name}.svg").is_file() for picture in each.pictures)
        assert all(table.rows for table in each.tables)
        assert "nan" not in each.verdict + each.summary
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(EXPERIMENTS[name].title in page for name in EXPERIMENTS)


BAD = {
    "unknown": (["reproduce", "curve", "--out", "DIR"], "experiment: 'curve' is none of all, curves"),
    "none": (["reproduce", "--out", "DIR"], "experiment"),
    "preset": (["reproduce", "all", "--preset", "huge", "--out", "DIR"], "preset"),
    "workers": (["reproduce", "all", "--workers", "-1", "--out", "DIR"], "workers: -1 is negative"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_two(case, tmp_path, capsys):
    arguments, words = BAD[case]
    assert cli.run([a.replace("DIR", str(tmp_path / "out")) for a in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error


def test_failed_cells_are_status_one_and_the_rest_is_reported(tmp_path, capsys, monkeypatch):
    def fail(cell, store):
        raise ValueError("no luck")

    monkeypatch.setitem(TASKS, "order", TASKS["order"]._replace(run=fail))
    monkeypatch.setitem(TASKS, "train", TASKS["train"]._replace(run=lambda cell, store: xr.Dataset({"x": ((), 1)})))
    assert cli.run(["reproduce", "order", "--preset", "tiny", "--workers", "1", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "2 of 4 cells failed" in captured.err
    assert "no luck" in captured.out
    stored = json.loads((tmp_path / "failures.json").read_text())["failures"]
    assert [row["cell"]["config"]["k"] for row in stored] == [3, 5]
    assert all("Traceback" in row["traceback"] for row in stored)
    assert "2 cells failed" in (tmp_path / "report.html").read_text()


def run_of(excess, accuracy, parameters=10):
    columns = {"excess": ("point", np.array(excess)), "accuracy": ("point", np.array(accuracy))}
    return xr.Dataset(columns, attrs={"prompts": 100, "parameters": parameters})


def test_equal_loss_compares_at_the_least_excess_that_both_reach():
    runs = {
        "a": run_of([1.0, 0.1, 0.01], [0.2, 0.5, 0.8]), "b": run_of([1.0, 0.1], [0.1, 0.6]), "c": run_of([5.0], [0.5]),
    }  # fmt: skip
    found = at_equal_loss(runs, "a", "b")
    assert (found.better, found.worse) == ("b", "a")
    assert found.points == pytest.approx(10.0)
    assert found.excess == pytest.approx(0.1)
    assert not found.clearly_differs
    a, b = (binomial_interval(right, 100, 1 - 0.05 / 2)[1:] for right in (60, 50))
    assert (found.low, found.high) == pytest.approx((100 * (a[0] - b[1]), 100 * (a[1] - b[0])))
    assert at_equal_loss(runs, "a", "c") is None


def test_the_last_hundredths_are_those_of_the_same_network():
    """0.5 at 0.11 nats, 0.8 at 0.01: 30 points over ten hundredths; another size does not count."""
    shape = (1, 1, 1, 1)
    dims = ("predictor", "split", "k", "n")
    shipped = xr.Dataset(
        {"accuracy": (dims, np.full(shape, 0.8)), "prompts": (dims, np.full(shape, 100))},
        {"predictor": ["m"], "split": ["all"], "k": [10], "n": [64]},
    )
    loss = xr.Dataset({"excess": ("model", [0.01]), "parameters": ("model", [10])}, {"model": ["m"]})
    runs = {"same": run_of([1.0, 0.11], [0.1, 0.5]), "other": run_of([1.0, 0.11], [0.1, 0.1], 11)}
    (found,) = last_hundredths(runs, {"loss": loss, "shipped": shipped}, 10, 64)
    assert found.label == "same"
    assert found.points == pytest.approx(3.0)
    low, high = share_difference((50, 100), (80, 100))
    assert (found.low, found.high) == pytest.approx((10 * low, 10 * high))


def test_a_condition_counts_only_where_every_pair_has_it():
    data = xr.Dataset({"k": ("row", [2, 2, 3, 3]), "sharp_holds": ("row", ["True", "undetermined", "True", "True"])})
    assert critical([data], "sharp") == 3
    assert critical([data.assign(sharp_holds=("row", ["False"] * 4))], "sharp") is None


def test_words_of_lists_and_of_accuracies():
    assert [listed(w) for w in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["none", "a", "a and b", "a, b and c"]
    assert Accuracy(1.0, 0.34, 1.0, 2).words == "100.0 [34.0, 100.0] of 2"
    assert Accuracy(float("nan"), 0, 1, 0).words == "–"


def test_the_readme_has_the_table_between_its_marks(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    readme.put(page, "new\n")
    assert page.read_text() == f"before\n{readme.BEGIN}\nnew\n{readme.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ModelError, match="no line"):
        readme.put(page, "new\n")


def test_series_of_one_figure_look_different():
    names = ["exact Bayes", "smoothed Bayes", "LSTM (ours)", "published LSTM (28M)", "Transformer (ours)", "n = 0",
             "n = 4", "LSTM (ours), possible", "LSTM (ours), impossible"]  # fmt: skip
    assert len(set(look_up(names).values())) == len(names)
    assert len({look for _, look in LOOKS}) >= 8
