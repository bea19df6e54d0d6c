"""Trainings are functions of their configuration: killed at any moment and resumed, they end bitwise the same."""

import json
import os
import random
import shutil
import signal
import time

import jax
import numpy as np
import pytest
from small_training import OFTEN, mass, records, said, small_config, small_instance

import implicit_bayes.lm.train as module
from implicit_bayes.lm.checkpoints import save, steps_of
from implicit_bayes.lm.faults import TrainingStopped
from implicit_bayes.lm.run import read_config, to_json, write_config
from implicit_bayes.lm.train import Cadence, train
from implicit_bayes.lm.weights import read_weights
from implicit_bayes.theory import ModelError


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    """A training that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert server.run(folder) == 0
    return folder


def _same(folder, whole):
    """Bitwise the same weights and configuration, the same records but for the times."""
    assert (folder / "weights.npz").read_bytes() == (whole / "weights.npz").read_bytes()
    assert records(folder) == records(whole)
    assert steps_of(folder / "checkpoints") == steps_of(whole / "checkpoints")


def test_a_training_is_a_function_of_its_configuration(server, whole, tmp_path):
    assert server.run(tmp_path / "again") == 0
    _same(tmp_path / "again", whole)
    assert server.run(tmp_path / "other", config={"seed": 1}) == 0
    assert records(tmp_path / "other")[0]["loss"] != records(whole)[0]["loss"]


def test_a_run_holds_what_it_says(whole):
    names = {path.name for path in whole.iterdir()}
    assert names == {"config.json", "metrics.jsonl", "checkpoints", "lock", "weights.npz"}
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(2, 25, 2))
    assert [row["step"] for row in rows if "mass" in row] == list(range(4, 25, 4))
    assert rows[-1]["tokens"] == 24 * 96
    assert rows[-1]["cpu_seconds"] > rows[0]["cpu_seconds"] > 0
    config, network = read_weights(whole / "weights.npz")
    assert config == read_config(whole) == small_config()
    assert mass(network) == {"mass": rows[-1]["mass"]}
    assert steps_of(whole / "checkpoints") == [20, 24]


def test_killed_at_random_moments_and_while_a_checkpoint_is_written_it_ends_the_same(server, whole, tmp_path):
    """SIGKILL from outside: some time after the start, and as soon as an unfinished checkpoint is to be seen."""
    folder, dice, torn, killed = tmp_path / "run", random.Random(4), 0, 0
    while killed < 30 and (torn < 2 or killed < 6):
        pid = server.begin(folder, resume=folder.exists())
        if killed % 2:
            time.sleep(dice.uniform(0.0, 1.5))
        else:
            _await_unfinished(folder / "checkpoints", pid)
        os.kill(pid, signal.SIGKILL)
        if server.end(pid) != -signal.SIGKILL:
            break  # it was done before it could be killed
        killed += 1
        torn += bool(_unfinished(folder / "checkpoints"))
        if steps_of(folder / "checkpoints")[-1:] == [24]:
            break
    assert torn >= 1, "no kill hit a checkpoint; the test has lost its point"
    assert killed >= 3
    assert server.run(folder, resume=True) == 0
    _same(folder, whole)


def _unfinished(checkpoints):
    return [p for p in checkpoints.glob("*") if p.is_dir() and not (p / "digest.json").is_file()]


def _await_unfinished(checkpoints, pid):
    for _ in range(4000):
        try:
            if _unfinished(checkpoints) or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
        except (ChildProcessError, FileNotFoundError):
            pass  # the server's child, not ours; or the folder was renamed as we looked
        time.sleep(0.002)


MOMENTS = {
    "while config.json is written": ("implicit_bayes.lm.run", "json.dump", 1),
    "before config.json is in place": ("implicit_bayes.simulators.atomic", "os.replace", 1),
    "before the first step": ("implicit_bayes.lm.train", "replicate", 1),
    "before the first checkpoint": ("implicit_bayes.lm.checkpoints", "flatten", 2),
    "when a checkpoint is written but has no digest": ("implicit_bayes.lm.checkpoints", "_digests", 2),
    "while a digest is written": ("implicit_bayes.lm.checkpoints", "json.dump", 3),
    "before old checkpoints go": ("implicit_bayes.lm.checkpoints", "shutil.rmtree", 1),
    "before the weights": ("implicit_bayes.lm.train", "write_weights", 1),
    "while the weights are written": ("implicit_bayes.lm.weights", "np.savez", 1),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=list(MOMENTS))
def test_killed_at_the_worst_moments_it_ends_the_same(server, whole, tmp_path, moment):
    folder = tmp_path / "run"
    assert server.run(folder, kill=moment) == -signal.SIGKILL
    assert server.run(folder, resume=True) == 0
    _same(folder, whole)


def test_a_half_written_record_is_written_again(whole, server, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "checkpoints" / "24")
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:-1]) + lines[-1][:25])
    assert server.run(folder, resume=True) == 0
    _same(folder, whole)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "no digest file"])
def test_a_bad_checkpoint_is_passed_over_for_the_one_before(server, whole, tmp_path, damage):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    newest = folder / "checkpoints" / "24"
    if damage == "truncated":
        largest = max((p for p in newest.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:-7])
    elif damage == "foreign":
        save(folder / "checkpoints", 24, {"weights": np.zeros(3, np.float32)})
    else:
        (newest / "digest.json").unlink()
    assert server.run(folder, resume=True) == 0
    _same(folder, whole)
    notes = said(folder).splitlines()
    assert notes[-1] == "resumed after step 20 of 24"
    assert len(notes) == 1 + (damage != "no digest file")  # what has no digest was never finished, and is no news
    words = {"truncated": "is truncated or changed", "foreign": "another configuration"}
    assert all(note.startswith(f"passed over a bad checkpoint: {newest}: ") and words[damage] in note
               for note in notes[:-1])  # fmt: skip


def test_with_no_good_checkpoint_left_it_says_so(whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for path in folder.glob("checkpoints/*/digest.json"):
        path.write_text("{}")
    with pytest.raises(ModelError, match=r"no good checkpoint .*truncated or changed.*new directory"):
        train(small_config(), small_instance(), folder, resume=True)


def test_a_finished_run_resumes_to_itself(whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    done = train(small_config(), small_instance(), folder, resume=True)
    assert done.steps == 24
    _same(folder, whole)


def test_the_second_training_of_a_run_is_refused_while_the_first_lives(server, whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "checkpoints")
    pid = server.begin(folder, resume=True)
    while not (folder / "lock").read_text() or str(pid) not in (folder / "lock").read_text():
        time.sleep(0.01)
    with pytest.raises(ModelError, match=f"is being trained by process {pid} on .*; wait for it"):
        train(small_config(), small_instance(), folder, resume=True)
    assert server.end(pid) == 0
    _same(folder, whole)


@pytest.mark.parametrize("changes", [{"seed": 2}, {"half": True}, {"devices": 2}, {"resets": 0.1}])
def test_another_configuration_is_refused_by_the_field_that_differs(whole, changes):
    (field,) = changes
    before = (whole / "metrics.jsonl").read_bytes()
    with pytest.raises(ModelError, match=rf"^{field}: "):
        train(small_config(**changes), small_instance(), whole, resume=True)
    assert (whole / "metrics.jsonl").read_bytes() == before


def test_a_run_is_not_begun_over_another_or_among_other_files(whole, tmp_path):
    with pytest.raises(ModelError, match="holds a run already; give --resume"):
        train(small_config(), small_instance(), whole)
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ModelError, match="not empty and holds no run"):
        train(small_config(), small_instance(), tmp_path)


def test_devices_that_do_not_divide_the_batches_are_refused(tmp_path):
    with pytest.raises(ModelError, match="devices: 3 do not divide"):
        train(small_config(devices=3), small_instance(), tmp_path / "a")
    with pytest.raises(ModelError, match="devices: 4 asked for, 1 found"):
        train(small_config(devices=4), small_instance(), tmp_path / "b")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("full", ["checkpoint", "metrics"])
def test_where_no_more_can_be_written_the_last_good_state_is_kept(server, whole, tmp_path, full):
    """The kernel refuses (EFBIG, by RLIMIT_FSIZE) a checkpoint's arrays or more metrics; then space returns."""
    folder = tmp_path / "run"
    size = {"checkpoint": 2500, "metrics": 600}[full]
    assert server.run(folder, limit=(8 if full == "checkpoint" else 9, size)) == 1
    words = said(folder)
    assert "\n" not in words
    assert words.startswith("stopped at step ")
    assert "cannot be written" in words and "is kept in" in words
    kept = steps_of(folder / "checkpoints")
    assert kept
    assert f"after step {kept[-1]} " in words
    assert server.run(folder, resume=True) == 0
    _same(folder, whole)
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"20", "24"}


@pytest.mark.parametrize("step", [9, 11])
def test_an_infinite_learning_rate_stops_the_training_before_a_bad_state_is_kept(tmp_path, monkeypatch, step):
    """The rate is infinite at one step: at 11 the weights are already bad when the 12th step is to be kept."""
    plain = module.plan

    def bad(schedule):
        chart = plain(schedule)
        return chart._replace(rate_S=np.where(np.arange(chart.steps) == step, np.inf, chart.rate_S))

    monkeypatch.setattr(module, "plan", bad)
    with pytest.raises(TrainingStopped) as stopped:
        train(small_config(), small_instance(), tmp_path / "run", cadence=Cadence(*OFTEN))
    words = str(stopped.value)
    assert words.startswith("stopped at step 12: ")
    assert ("the loss became nan" if step == 9 else "a weight is no longer finite") in words
    assert "the state after step 8 is kept" in words
    assert steps_of(tmp_path / "run" / "checkpoints") == [4, 8]


def test_bfloat16_trains_close_to_float32(server, whole, tmp_path):
    """bfloat16 keeps 8 bits: an error of 2^-8 in each logit of size about 1 is one of that order in the loss."""
    assert server.run(tmp_path / "half", config={"half": True}) == 0
    full, half = (np.array([row["loss"] for row in records(f)]) for f in (whole, tmp_path / "half"))
    assert (np.abs(full - half) < 2**-6).all()
    assert (full != half).any()
    _, network = read_weights(tmp_path / "half" / "weights.npz")
    assert {leaf.dtype for leaf in jax.tree.leaves(network)} == {np.dtype(np.float32)}


def test_training_lowers_the_loss(server, tmp_path):
    """From log 4 (no knowledge) to well below it; the law's own cross-entropy is lower still."""
    assert server.run(tmp_path / "run", config={"steps": 150}, often=[10, 150, 150]) == 0
    loss = [row["loss"] for row in records(tmp_path / "run")]
    assert loss[-1] < loss[0] - 0.05


def test_configurations_survive_their_file(tmp_path):
    for config in (small_config(), small_config("transformer", resets=0.01, half=True)):
        write_config(tmp_path, config)
        assert read_config(tmp_path) == config
    stored = to_json(config)
    stored["schedule"].pop("peak")
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(ModelError, match=r"config\.json: not the configuration of a run"):
        read_config(tmp_path)
