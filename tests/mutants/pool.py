"""Tests run in children of one process that has imported the libraries already: what costs seconds is paid once."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LIBRARIES = ("numpy", "scipy.stats", "scipy.optimize", "jax", "jax.numpy", "equinox", "jaxtyping", "beartype",
             "hypothesis", "hypothesis.strategies", "xarray", "pytest", "_pytest.assertion.rewrite",
             "numpyro", "matplotlib.figure")  # fmt: skip
KILLED = {1: "killed", 2: "killed", 0: "survived"}
"""Outcome by pytest's exit status: a test failed, or a module no longer imports."""


class Ran(NamedTuple):
    """outcome: killed, survived, timeout (which counts as killed), or error."""

    outcome: str
    seconds: float


def warm() -> None:
    """Import the libraries, none of this project's modules."""
    for name in LIBRARIES:
        __import__(name)
    assert not any(name.startswith("implicit_bayes") for name in sys.modules)


def run_tests(tree: Path, tests: Sequence[str], limit: float, watched: Mapping[str, str] | None = None) -> Ran:
    """Run tests in a copy of the repository, in a child; at most ``limit`` seconds of its CPU, and ten times that.

    ``watched`` is an environment in which all of them run, failures or not, and ``mutants.entered`` watches them.
    """
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(tree, tests, limit, watched)
    deadline = begin + 10 * limit
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Ran("timeout", time.monotonic() - begin)
        time.sleep(0.05)
    seconds = time.monotonic() - begin
    if os.WIFSIGNALED(status):
        return Ran("timeout" if os.WTERMSIG(status) == signal.SIGXCPU else "killed", seconds)
    return Ran(KILLED.get(os.WEXITSTATUS(status), "error"), seconds)


def _child(tree: Path, tests: Sequence[str], limit: float, watched: Mapping[str, str] | None) -> None:
    import resource

    import pytest

    status = 3
    try:
        os.setpgid(0, 0)
        os.environ.update(watched or {})
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(used.ru_utime + used.ru_stime)
        resource.setrlimit(resource.RLIMIT_CPU, (spent + int(limit) + 1, spent + int(limit) + 5))
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        sink = os.open(os.environ.get("MUTANTS_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.chdir(tree)
        inside = [str(tree), str(tree / "tests")]
        sys.path[:] = inside + [path for path in sys.path if path not in ("", *inside)]
        os.environ["HYPOTHESIS_PROFILE"] = "ci"
        sys.dont_write_bytecode = True
        options = [
            *(("-p", "mutants.entered") if watched else ("-x",)),
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "--tb=line",
            "-m",
            "not slow",
        ]
        status = int(pytest.main([*options, *tests]))
    finally:
        os._exit(status)
