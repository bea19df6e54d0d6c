"""What is stored is input: damaged in any way it is refused in one line, with nothing touched and nothing written
outside, or it is harmless."""

import json
import os
import resource
import sys
import zipfile

import numpy as np
import pytest
from damage import copy, damage, snapshot
from small_training import small_config

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.report import findings
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Mark, Picture, Point, Table
from implicit_bayes.benchmarks.verification.compare_page import write_index
from implicit_bayes.lm.run import draw_network, write_config
from implicit_bayes.lm.train import _keep_records
from implicit_bayes.lm.weights import write_weights
from implicit_bayes.simulators.instances import load_instance, save_instance
from implicit_bayes.simulators.npz import Npz
from implicit_bayes.theory import ModelError

SMALL = ["--prompts", "5", "--n", "0", "2", "--documents", "3", "--length", "12", "--epsilon", "0.01", "--k", "2"]
RECORD = {"step": 2, "tokens": 192, "loss": 1.3, "learning_rate": 0.01, "tokens_per_second": 9.0, "seconds_left": 0.0,
          "cpu_seconds": 1.0, "excess": 0.1, "excess_standard_error": 0.01, "bayes_cross_entropy": 1.2,
          "excess_positions": [0, 1], "excess_by_position": [0.1, 0.2],
          "excess_by_position_standard_error": [0.01, 0.02]}  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """One folder of every kind: a verification, a reproduction, and a run."""
    root = tmp_path_factory.mktemp("stored")
    arguments = ["verify", "printed-counterexample", *SMALL, "--model", "--out", str(root / "verify")]
    assert cli.run(arguments) == 0
    points = tuple(Point("k = 3", "exact", float(n), 50.0, 45.0, 55.0, 100) for n in (1, 2, 4))
    picture = Picture(
        "some-points", "Title", "Caption.", Axes("n", "%", "log", (0, 103)), points, (Mark("k = 3", 2.0, "m"),)
    )
    found = Findings("curves", "Q", "P", "O", "V.", "S", (picture,), (Table("T", ("a", "b"), ((1, "x"),)),))
    (root / "reproduce").mkdir()
    findings.store(
        root / "reproduce", [found], {"command": "implicit-bayes reproduce curves", "preset": "tiny", "seed": 0}
    )
    run, config = root / "run", small_config()
    run.mkdir()
    write_config(run, config)
    write_weights(run / "weights.npz", config, draw_network(config))
    asked = ["--instance", "printed-counterexample", *SMALL[:9], "--k", "2", "--out", str(root / "gap")]
    assert cli.run(["gap", "bayes", *asked]) == 0
    (root / "own").mkdir()
    save_instance(load_instance("printed-counterexample"), root / "own" / "own.npz")
    (root / "compare").mkdir()
    for name in ("a", "b"):
        copy(root / "verify", root / "compare" / name)
    write_index(root / "compare", [root / "compare" / "a", root / "compare" / "b"], "implicit-bayes verify a.npz")
    (run / "metrics.jsonl").write_text("".join(json.dumps(RECORD | {"step": step}) + "\n" for step in (2, 4)))
    return root


KINDS = {
    "results.json": ("verify", "results.json", ["report", "DIR"]),
    "results.nc": ("verify", "results.nc", ["figures", "DIR"]),
    "findings.json": ("reproduce", "findings.json", ["report", "DIR"]),
    "points": ("reproduce", "results.nc", ["figures", "DIR"]),
    "gap.json": ("gap", "gap.json", ["report", "DIR"]),
    "gap.nc": ("gap", "gap.nc", ["figures", "DIR"]),
    "compare.json": ("compare", "compare.json", ["report", "DIR"]),
    "own.npz": ("own", "own.npz", ["sample", "DIR/own.npz", "--documents", "2", "--length", "4", "--out", "DIR"]),
    "metrics.jsonl": ("run", "metrics.jsonl", ["figures", "DIR"]),
    "config.json": ("run", "config.json", ["figures", "DIR"]),
    "weights.npz": ("run", "weights.npz", ["gap", "DIR", "--instance", "printed-counterexample", "--prompts", "0"]),
}  # fmt: skip
"""Kind: folder, file, and the command that reads it (gap stops at ``--prompts 0``, after it has read the weights)."""


def one(kind, seed, stored, tmp_path, capsys):
    """Damage one file and run the command that reads it."""
    folder, name, arguments = KINDS[kind]
    target = copy(stored / folder, tmp_path / "out" / "dir")
    damage(target / name, seed)
    before, outside = snapshot(target), snapshot(stored)
    capsys.readouterr()
    status = cli.run([word.replace("DIR", str(target)) for word in arguments])
    said = capsys.readouterr().err
    assert status in (0, 2), (kind, seed, said)
    assert said.count("\n") == (status == 2), (kind, seed, said)
    assert "Traceback" not in said
    if status == 2:
        assert snapshot(target) == before, (kind, seed)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dir"]
    assert not list(target.rglob("*.part"))
    assert snapshot(stored) == outside


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_in_one_line_or_harmless(kind, stored, tmp_path, capsys):
    for seed in range(4 if kind in ("results.nc", "points", "gap.nc", "gap.json") else 12):
        one(kind, seed, stored, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_damaged_files_of_every_kind(kind, stored, tmp_path, capsys):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(int(os.environ.get("DAMAGED", "1000"))):
        one(kind, seed, stored, tmp_path, capsys)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1 << 20, f"{grown / 2**20:.1f} GiB"  # ru_maxrss is in KiB


def refused(arguments, capsys):
    """The one line that refuses."""
    capsys.readouterr()
    assert cli.run(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


CONFIGS = {
    "negative width": (["network", "width"], -5),
    "128 GB": (["network", "width"], 1 << 30),
    "more parameters than any": (["network", "vocabulary"], (1 << 20)),
    "width of words": (["network", "width"], "wide"),
    "unknown field": (["network", "wings"], 2),
    "no phase": (["schedule", "phases"], []),
    "half a phase": (["schedule", "phases"], [[0.0, 8]]),
    "seed of 400 digits": (["seed"], 10**400),
    "negative seed": (["seed"], -1),
    "another architecture": (["architecture"], "mamba"),
    "no instance": (["instance"], None),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_that_nobody_trained_is_refused_before_anything_is_allocated(name, stored, tmp_path, capsys):
    path, value = CONFIGS[name]
    run = copy(stored / "run", tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    if name.startswith("more"):
        place |= {"width": 1 << 14, "readout": 1 << 17}
    (run / "config.json").write_text(json.dumps(config))
    before = snapshot(run)
    said = refused(["train", "--out", str(run), "--resume"], capsys)
    assert "config.json" in said
    assert snapshot(run) == before


@pytest.mark.parametrize("line", ["[]", '"x"', "{}", '{"step": "2"}', '{"step": -1}', "{", "1e999", "[" * 5000])
def test_damaged_metrics_are_left_as_they_are(line, stored, tmp_path, capsys):
    run = copy(stored / "run", tmp_path / "run")
    whole = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(line + "\n" + whole)
    before = snapshot(run)
    with pytest.raises(ModelError, match=r"metrics\.jsonl"):
        _keep_records(run / "metrics.jsonl", 2)
    refused(["figures", str(run)], capsys)
    assert snapshot(run) == before
    (run / "metrics.jsonl").write_text(whole + line)  # without its line end: a kill in the middle of a record
    assert _keep_records(run / "metrics.jsonl", 2) == RECORD["cpu_seconds"]
    assert (run / "metrics.jsonl").read_text() == whole.splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("excess_standard_error", 1e308), ("excess", -1e308), ("bayes_cross_entropy", 1e200),
        ("excess_by_position", [0.1, 1e308]), ("excess_documents", 0), ("excess_documents", "many"),
    ],
)  # fmt: skip
def test_a_finite_number_of_a_record_that_no_axis_shows_is_refused(name, value, stored, tmp_path, capsys):
    """Found by the fuzz: 1e308 standard errors, times the quantile of their interval, are no number."""
    run = copy(stored / "run", tmp_path / "run")
    (run / "metrics.jsonl").write_text(json.dumps(RECORD | {name: value}) + "\n")
    before = snapshot(run)
    said = refused(["figures", str(run)], capsys)
    assert "metrics.jsonl, step 2" in said and name in said
    assert snapshot(run) == before


@pytest.mark.parametrize(
    "name", ["../../escaped", "/tmp/escaped", "a/b", "..", ".hidden", "", "x" * 300, "a\x00b", "α"]
)
@pytest.mark.parametrize("command", ["figures", "report"])
def test_a_stored_name_is_never_a_path(command, name, stored, tmp_path, capsys):
    folder = copy(stored / "reproduce", tmp_path / "a" / "b" / "dir")
    read = json.loads((folder / "findings.json").read_text())
    read["findings"][0]["pictures"][0]["name"] = name
    (folder / "findings.json").write_text(json.dumps(read))
    before = snapshot(tmp_path)
    refused([command, str(folder)], capsys)
    assert snapshot(tmp_path) == before


def test_a_link_in_the_folder_is_replaced_and_not_followed(stored, tmp_path):
    folder = copy(stored / "reproduce", tmp_path / "dir")
    (tmp_path / "elsewhere").write_text("mine")
    (folder / "some-points.png").symlink_to(tmp_path / "elsewhere")
    assert cli.run(["figures", str(folder)]) == 0
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not (folder / "some-points.png").is_symlink()


def test_a_changed_drawing_in_the_folder_does_not_reach_the_page(stored, tmp_path):
    folder = copy(stored / "verify", tmp_path / "dir")
    for path in folder.glob("*.svg"):
        path.write_text("<svg><script>alert(1)</script></svg>")
    assert cli.run(["report", str(folder)]) == 0
    assert "alert(1)" not in (folder / "report.html").read_text()


def test_sizes_are_bounded_before_they_are_allocated(stored, tmp_path, capsys):
    import h5py

    folder = copy(stored / "verify", tmp_path / "dir")
    with h5py.File(folder / "results.nc", "r+") as file:
        file.create_dataset("huge", shape=(1 << 38,), dtype="f8", chunks=(1 << 20,))
    assert (folder / "results.nc").stat().st_size < 1 << 20
    assert "bytes when unpacked" in refused(["figures", str(folder)], capsys)


@pytest.mark.parametrize(
    ("folder", "name", "variable"),
    [("verify", "results.nc", "budget_signal"), ("gap", "gap.nc", "part_nats"), ("reproduce", "results.nc", "y")],
)
@pytest.mark.parametrize("command", ["figures", "report"])
def test_a_finite_number_that_no_axis_shows_and_no_sum_holds_is_refused(
    command, folder, name, variable, stored, tmp_path, capsys
):
    import h5py

    target = copy(stored / folder, tmp_path / "dir")
    with h5py.File(target / name, "r+") as file:
        file[variable][...] = np.finfo(np.float64).max
    before = snapshot(target)
    assert f"{variable} in {target / name} is beyond 1e+100" in refused([command, str(target)], capsys)
    assert snapshot(target) == before


def test_a_zip_that_unpacks_to_more_than_is_read_is_refused_unread(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prior.npy", bytes(1 << 22))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("read"))
    with pytest.raises(ModelError, match="4,194,304 bytes when unpacked"):
        Npz(tmp_path / "bomb.npz", 1 << 20)


def test_pickles_are_never_read(tmp_path, capsys):
    arrays = {"prior": np.array([{}], object), "initial": 1, "transition": 1, "emission": 1, "delimiter": 0}
    np.savez(tmp_path / "p.npz", **arrays)
    assert "prior" in refused(["verify", str(tmp_path / "p.npz")], capsys)
    assert sys.getrecursionlimit() < 10_000
