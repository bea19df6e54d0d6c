"""``implicit-bayes train`` as a user meets it: what it writes, what it says, and bad input."""

import json
import subprocess
import sys

import jax
import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.predictors.models import find_model
from implicit_bayes.benchmarks.predictors.paired import excess, hold_out
from implicit_bayes.benchmarks.training import setup as training
from implicit_bayes.lm.run import read_config, write_config
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError

INSTANCE = "printed-counterexample"
SMALL = ["--instance", INSTANCE, "--preset", "tiny", "--devices", "1", "--documents", "8", "--length", "24"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished training with every output."""
    jax.devices()  # JAX runs: the command leaves its devices alone
    folder = tmp_path_factory.mktemp("train") / "run"
    called = ["train", *SMALL, "--tokens", "12000", "--tensorboard", "--out", str(folder)]
    assert cli.run([*called, "--json", str(folder.parent / "x.json")]) == 0
    return folder


def test_a_run_holds_weights_metrics_figures_and_events(run):
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.json", "metrics.jsonl", "checkpoints", "lock", "weights.npz",
        "learning.png", "learning.svg", "tensorboard",
    }  # fmt: skip
    assert (run / "learning.png").read_bytes().startswith(b"\x89PNG")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    keys = {"step", "tokens", "loss", "learning_rate", "tokens_per_second", "seconds_left", "cpu_seconds"}
    assert all(keys <= set(row) for row in rows)
    measured = [row for row in rows if "excess" in row]
    assert measured[-1]["excess"] < measured[0]["excess"]
    assert len(measured[-1]["excess_by_position"]) == len(measured[-1]["excess_positions"])


def test_the_summary_has_its_keys(run):
    found = json.loads((run.parent / "x.json").read_text())
    assert set(found) == {
        "instance", "architecture", "preset", "seed", "resets", "devices",
        "parameters", "steps", "tokens", "cpu_seconds",
        "excess", "excess_standard_error", "bayes_cross_entropy", "excess_positions", "excess_by_position",
    }  # fmt: skip
    assert (found["instance"], found["preset"], found["seed"], found["devices"]) == (INSTANCE, "tiny", 0, 1)
    assert found["tokens"] <= 12000
    assert 0 < found["excess"] < 1


def test_tensorboard_can_read_every_scalar(run):
    """Decoded by hand from the event file: name and value of every record."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = (run / "tensorboard").glob("events*")
    data, seen = file.read_bytes(), {}
    while data:  # length (8), its checksum (4), the event, its checksum (4)
        size = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + size])
        seen |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        data = data[16 + size :]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        for name in ("loss", "learning_rate", "excess"):
            if name in row:
                assert seen[name, row["step"]] == pytest.approx(row[name], rel=1e-6)


def test_figures_redraws_a_run(run, tmp_path):
    before = (run / "learning.svg").read_bytes()
    (run / "learning.svg").unlink()
    assert cli.run(["figures", str(run), "--json", str(tmp_path / "x.json")]) == 0
    assert (run / "learning.svg").read_bytes() == before
    assert str(run / "learning.svg") in json.loads((tmp_path / "x.json").read_text())["files"]


def test_resume_takes_the_configuration_from_the_run(run, capsys):
    before = (run / "weights.npz").read_bytes()
    measured = (run / "metrics.jsonl").read_bytes()
    assert cli.run(["train", "--out", str(run), "--resume"]) == 0
    assert (run / "metrics.jsonl").read_bytes() == measured
    said = capsys.readouterr().out
    assert "resumed after step" in said
    assert (run / "weights.npz").read_bytes() == before


def test_a_finished_run_says_why_it_cannot_become_longer(run, capsys):
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert cli.run(["train", "--out", str(run), "--resume", "--tokens", "24000"]) == 2
    said = capsys.readouterr().err
    assert "is finished with 12,000 tokens" in said and "train --tokens 24000 --out ANOTHER_RUN" in said
    assert said.count("\n") == 1
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    assert cli.run(["train", "--out", str(run), "--resume", "--tokens", "12000"]) == 0


def test_a_resumed_run_takes_instance_and_architecture_from_the_run(tmp_path):
    stored = training.configure(training.Asked("regular", "transformer", "tiny", documents=5), tmp_path, resume=False)
    write_config(tmp_path, stored)
    assert training.configure(training.Asked(), tmp_path, resume=True) == stored
    assert training.configure(training.Asked(), tmp_path / "new", resume=True).instance == "ginc"


def test_a_trained_run_is_a_model_with_the_excess_that_was_recorded(run):
    instance = load_instance(INSTANCE)
    model = find_model(str(run), instance)
    assert model.name == "run"
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    found = excess(model, hold_out(instance.mixture, 8, 24, 0))
    assert found.nats == pytest.approx(last["excess"], abs=1e-6)


BAD = {
    "no such instance": (["--instance", "absent"], "absent"),
    "no such preset": (["--preset", "huge"], "preset: 'huge'"),
    "no such model": (["--model", "rnn"], "model"),
    "tokens": (["--tokens", "0"], "tokens: 0 is below 1"),
    "less than a batch": (["--preset", "tiny", "--tokens", "5"], "tokens: 5 is not one batch"),
    "documents": (["--documents", "0"], "documents: 0 is below 1"),
    "devices": (["--preset", "tiny", "--devices", "3"], "devices: 3 do not divide"),
    "data": (["--preset", "tiny", "--data", "released"], "data: released is for ginc"),
    "resets": (["--resets", "2"], "resets"),
    "no device at all": (["--preset", "tiny", "--devices", "-1"], "devices: -1"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=list(BAD))
def test_bad_input_is_one_line_and_exit_2_and_leaves_nothing(tmp_path, capsys, arguments, words):
    jax.devices()
    common = ["--instance", INSTANCE, "--documents", "4", "--length", "8", "--out", str(tmp_path / "run")]
    assert cli.run(["train", *common, *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_run_is_not_overwritten_and_another_setting_is_named(run, capsys):
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert cli.run(["train", *SMALL, "--out", str(run)]) == 2
    assert "holds a run already; give --resume" in capsys.readouterr().err
    assert cli.run(["train", *SMALL, "--seed", "5", "--tokens", "12000", "--out", str(run), "--resume"]) == 2
    assert "seed: " in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_loss_that_is_no_number_is_one_line_and_exit_1(tmp_path, monkeypatch, capsys):
    import implicit_bayes.lm.train as module

    plain = module.plan

    def bad(schedule):
        chart = plain(schedule)
        return chart._replace(rate_S=chart.rate_S + float("inf"))

    monkeypatch.setattr(module, "plan", bad)
    assert cli.run(["train", *SMALL, "--tokens", "4000", "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert "stopped at step" in said
    assert said.count("\n") == 1


def test_help_has_examples():
    shown = subprocess.run(
        [sys.executable, "-m", "implicit_bayes", "train", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "Try:" in shown and "--resume" in shown and "implicit-bayes train --instance ginc --model lstm" in shown


def test_tensorboard_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        ModelError,
        match="tensorboard: needs tensorboardX, of the extra",
    ):
        training.TensorBoard(tmp_path)


def test_the_configuration_is_the_presets_with_what_was_asked_for(run):
    config = read_config(run)
    assert (config.preset, config.schedule.tokens, config.data, config.half) == ("tiny", 12000, "fresh", False)
    asked = training.Asked(INSTANCE, "lstm", "tiny", seed=7, resets=0.1, half=True)
    config = training.configure(asked, run / "new", resume=False)
    assert (config.seed, config.resets, config.half, config.devices) == (7, 0.1, True, 1)
    assert config.network.vocabulary == 4
