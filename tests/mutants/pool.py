"""Tests run in children of one process that has imported the libraries already: what costs seconds is paid once."""

import functools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from mutants.inplace import changed_code, put

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


def run_tests(
    tree: Path, tests: Sequence[str], limit: float, watched: Mapping[str, str] | None = None,
    first: Callable[[], bool] | None = None,
) -> Ran:  # fmt: skip
    """Run tests in a copy of the repository, in a child; at most ``limit`` seconds of its CPU, and ten times that.

    ``watched`` is an environment in which all of them run, failures or not, and ``mutants.entered`` watches them.
    ``first`` is called in the child before; where it says False, no test runs and the outcome is an error.
    """
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(tree, tests, limit, watched, first)
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


class Room:
    """A process that has collected some test files, and so imported what they import; its forks run them.

    ``inplace.put`` plants a mutant in a fork: the seconds of importing the project are not paid again.
    """

    def __init__(self, tree: Path, files: Sequence[str]):
        fork = multiprocessing.get_context("fork")
        self._ours, theirs = fork.Pipe()
        self._process = fork.Process(target=_serve, args=(tree, files, theirs), daemon=False)
        self._process.start()
        theirs.close()

    def run(
        self, tests: Sequence[str], limit: float, planted: tuple[str, str, str] | None = None,
        watched: Mapping[str, str] | None = None,
    ) -> Ran:  # fmt: skip
        """As ``run_tests``; ``planted`` is a module's file, its source and the mutated one."""
        self._ours.send((tests, limit, planted, watched))
        return self._ours.recv()

    def close(self) -> None:
        """End the process."""
        self._ours.send(None)  # it holds a copy of this end itself, and would never hear that the others are closed
        self._process.join()


def _serve(tree: Path, files: Sequence[str], asked: Connection) -> None:
    import pytest

    _enter(tree)
    kept = os.dup(1), os.dup(2)
    _quiet()
    pytest.main([*OPTIONS, "--collect-only", *files])
    os.dup2(kept[0], 1)
    os.dup2(kept[1], 2)
    while True:
        work = asked.recv()
        if work is None:
            os._exit(0)
        tests, limit, planted, watched = work
        first = None
        if planted is not None:
            file, before, after = planted
            codes = changed_code(file, before, after) or {}
            first = functools.partial(put, file, codes) if codes else lambda: False
        asked.send(run_tests(tree, tests, limit, watched, first))


OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line", "-m", "not slow")


def _enter(tree: Path) -> None:
    """Make the copy of the repository the one that is imported."""
    os.chdir(tree)
    inside = [str(tree), str(tree / "tests")]
    sys.path[:] = inside + [path for path in sys.path if path not in ("", *inside)]
    os.environ["HYPOTHESIS_PROFILE"] = "ci"
    sys.dont_write_bytecode = True


def _quiet() -> None:
    sink = os.open(os.environ.get("MUTANTS_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(sink, 1)
    os.dup2(sink, 2)


def _child(
    tree: Path, tests: Sequence[str], limit: float, watched: Mapping[str, str] | None,
    first: Callable[[], bool] | None,
) -> None:  # fmt: skip
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
        _quiet()
        _enter(tree)
        if first is None or first():
            watch = ("-p", "mutants.entered") if watched else ("-x",)
            status = int(pytest.main([*watch, *OPTIONS, *tests]))
    finally:
        os._exit(status)
