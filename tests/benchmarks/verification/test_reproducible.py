"""One seed gives one results.json: to the byte on any number of cores, to 1e-12 with and without machine code."""

import json
import math
import os
import subprocess
import sys

import pytest

from implicit_bayes.benchmarks.cli import commands as cli

SMALL = ["--k", "2", "--n", "0", "1", "4", "--prompts", "20", "--documents", "4", "--length", "30", "--epsilon", "0.01"]


def verify(out, cores, *arguments, **environment):
    """results.json of a verification in a process that may use so many cores."""
    command = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores])), sys.executable, "-m"]
    command += ["implicit_bayes", "verify", *arguments, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return (out / "results.json").read_bytes()


def test_one_seed_is_one_file_on_one_core_and_on_two(tmp_path):
    arguments = ["printed-counterexample", *SMALL, "--model"]
    assert verify(tmp_path / "one", 1, *arguments) == verify(tmp_path / "two", 2, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("instance", ["regular", "ginc"])
def test_one_seed_is_one_file_with_models_in_processes_of_their_own(instance, tmp_path):
    arguments = [instance, "--k", "5", "--n", "0", "8", "64", "--prompts", "800", "--model-prompts", "800"]
    arguments += ["--documents", "20", "--length", "200"]
    assert verify(tmp_path / "one", 1, *arguments) == verify(tmp_path / "two", 2, *arguments)


def apart(one, other, place="$"):
    """The largest difference between two JSON values, relative where they are large."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        return max((apart(one[key], other[key], f"{place}.{key}") for key in one), default=0.0)
    if isinstance(one, list):
        assert len(one) == len(other), place
        return max((apart(a, b, f"{place}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=True))), default=0.0)
    if isinstance(one, float) and isinstance(other, float) and math.isfinite(one):
        return abs(one - other) / max(1.0, abs(one))
    assert one == other or place.endswith((".witness", ".reason", ".reading")), place
    return 0.0


def test_with_and_without_machine_code_the_numbers_agree(tmp_path, monkeypatch):
    pytest.importorskip("numba")
    from implicit_bayes.theory.filtering import compiled, dispatch

    used, trace = [], compiled.trace

    def counted(*given, **named):
        used.append(1)
        return trace(*given, **named)

    monkeypatch.setattr(compiled, "trace", counted)
    arguments = ["verify", "printed-counterexample", *SMALL, "--model"]
    assert cli.run([*arguments, "--out", str(tmp_path / "small")]) == 0
    assert not used  # NumPy does it
    monkeypatch.setattr(dispatch, "COMPILED_WORK", 0)  # however little there is to do
    monkeypatch.setattr(dispatch, "HOST_SECONDS", -1.0)
    assert cli.run([*arguments, "--out", str(tmp_path / "with")]) == 0
    assert used
    used.clear()
    monkeypatch.setattr(compiled, "available", lambda: False)
    assert cli.run([*arguments, "--out", str(tmp_path / "without")]) == 0
    assert not used
    small, one, other = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("small", "with", "without")
    )
    assert apart(one, other) < 1e-12 and apart(one, small) < 1e-12
