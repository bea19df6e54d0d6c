"""The paper's sizes, rehearsed: on a bare machine, stopped and gone on with, bit by bit the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from implicit_bayes.benchmarks.paper_scale import __main__ as program
from implicit_bayes.benchmarks.paper_scale.settings import REHEARSAL, Settings, jobs, recipe
from implicit_bayes.benchmarks.paper_scale.state import Budget
from implicit_bayes.benchmarks.paper_scale.training import point_steps
from implicit_bayes.lm.schedule import plan
from implicit_bayes.theory import ModelError

ROOT = Path(__file__).resolve().parents[3]
TIMES = {"tokens_per_second", "train_seconds", "measure_seconds", "cpu_seconds"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What ``bare.py`` left, and what it said."""
    scratch = tmp_path_factory.mktemp("bare")
    script = Path(__file__).with_name("bare.py")
    quick = {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "true"}
    done = subprocess.run(
        [sys.executable, script, scratch], cwd=ROOT, capture_output=True, text=True, timeout=900,
        env=os.environ | quick,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("steps", "min", "imp")))
    return scratch, {name: json.loads(value) for name, value in said.items()}


def records(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "paper-4l" / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def test_nothing_but_jax_equinox_and_optax_is_needed(trained):
    assert trained[1]["imported"] == []


def test_a_training_that_stopped_twice_ends_as_one_that_did_not(trained):
    """Stopped after 2 steps and after 10 of 12, between measurements: records and state are the same bit by bit."""
    scratch, said = trained
    assert said["steps"] == [2, 10, 12]
    assert said["minutes"] == [9.0, 9.0, 9.0]
    whole, cut = records(scratch / "one"), records(scratch / "cut")
    assert [row["step"] for row in whole] == [4, 8, 12]
    assert whole == cut
    stored = [np.load(path) for path in (scratch / "states-one/paper-4l.npz", scratch / "cut/states/paper-4l.npz")]
    assert stored[0].files == stored[1].files
    for name in stored[0].files:
        np.testing.assert_array_equal(stored[0][name], stored[1][name], err_msg=name)


def test_a_training_learns_and_says_how_fast(trained):
    rows = records(trained[0] / "one")
    assert rows[-1]["loss"] < rows[0]["loss"] < np.log(50) + 0.1
    assert rows[-1]["excess"] < rows[0]["excess"]
    assert all(row["matrix_share"] is None for row in rows), "a CPU has no peak that is known"
    run = json.loads((trained[0] / "one" / "run.json").read_text())
    assert run["platform"] == "cpu" and run["finished"] and run["settings"]["rehearsal"]
    assert run["trainings"]["paper-4l"]["tokens"] == 3072
    assert [row["step"] for row in rows if "right" in row] == [4, 12]


def test_curves_are_those_of_the_records(trained):
    """netCDF-3, without a library of its own, and read by one."""
    rows = [row for row in records(trained[0] / "one") if "right" in row]
    with xr.open_dataset(trained[0] / "one" / "paper-4l" / "curves.nc", engine="scipy") as data:
        assert data.right.dims == ("point", "k", "n")
        assert data.right.values.tolist() == [row["right"] for row in rows]
        assert data.k.values.tolist() == [3] and data.n.values.tolist() == [0, 2]
        assert data.excess.values.tolist() == [row["excess"] for row in rows]
        assert int(data.attrs["prompts"]) == 4


def test_it_goes_on_with_nothing_else_than_it_was_begun_with(trained, capsys):
    """Other settings are refused before any work, and what is there stays."""
    out = trained[0] / "one"
    before = (out / "run.json").read_text()
    assert program.main(["--rehearse", "--out", str(out)]) == 2
    assert "error: tokens: " in (said := capsys.readouterr().err) and "with 3072, not 10240" in said
    assert program.main(["--sizes", "paper-5l", "--out", str(out)]) == 2
    assert "'paper-5l' is none of paper-4l" in capsys.readouterr().err
    assert (out / "run.json").read_text() == before


def test_transformers_come_before_the_lstm_and_fresh_documents_between():
    assert [job.name for job in jobs(["paper-lstm", "paper-4l"], fresh=True)] == [
        "paper-4l", "paper-4l-fresh", "paper-lstm", "paper-lstm-fresh",
    ]  # fmt: skip


def test_the_published_recipe_is_trained_as_it_was_published():
    """Five epochs of 1000 x 10240 tokens in batches of 8 x 1024: 6250 steps, measured at multiples of a dispatch."""
    job = jobs(["paper-16l"], fresh=False)[0]
    chosen = recipe(job, Settings())
    assert chosen.network.layers == 16 and chosen.network.width == 768
    chart = plan(chosen.schedule)
    assert chart.steps == 6250 and chart.steps % Settings().dispatch == 0
    points = sorted(point_steps(chart.steps, Settings()))
    assert points[0] == 500 and points[-1] == 6250 and len(points) == Settings().points
    assert all(step % Settings().every == 0 for step in points)
    assert recipe(job, REHEARSAL).network.layers == 16, "a rehearsal has as many layers"


@pytest.mark.parametrize("tokens", [REHEARSAL.tokens, 1_536_000])
def test_a_rehearsed_lstm_looks_at_its_loss_as_often_as_the_published_one(tokens):
    """Ten times in a training, however long: a fixed number of steps cut the rate to nothing in a long rehearsal."""
    job = jobs(["paper-lstm"], fresh=False)[0]
    published, rehearsed = recipe(job, Settings()), recipe(job, REHEARSAL._replace(tokens=tokens))
    looks = [plan(each.schedule).steps // each.optimiser.plateau for each in (published, rehearsed)]
    assert looks == [10, 10]


@pytest.mark.parametrize(("field", "value"), [("every", 30), ("documents", 1), ("points", 0), ("seed", -1)])
def test_settings_that_make_no_sense_are_named(field, value):
    with pytest.raises(ModelError, match=f"^{field}: "):
        Settings()._replace(**{field: value}).check()


def test_a_budget_ends(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    budget = Budget(2.0)
    assert budget.allows(120.0) and not budget.allows(121.0)
    now[0] = 219.0
    assert budget.allows(1.0) and not budget.allows(2.0)
    assert Budget(None).allows(1e9)
    with pytest.raises(ModelError, match=r"^minutes: "):
        Budget(0.0)
