"""A pytest plugin: which functions of the mutated modules each test enters, and how long it takes.

Loaded with ``-p mutants.entered``; writes ENTERED (a path in the environment) at the end. Functions that JAX has
compiled are entered by the first test that traces them only, which is enough: alone, a test traces what it uses.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("theory", "simulators", "lm", "benchmarks")
found: dict[str, dict] = {}


def named(filename: str) -> str | None:
    """theory/… of a file inside the package, however it was reached."""
    parts = Path(filename).parts
    at = next((i for i, part in enumerate(parts[:-1]) if part == "implicit_bayes"), None)
    if at is None or at + 1 >= len(parts) or parts[at + 1] not in ROOMS:
        return None
    return "/".join(parts[at + 1 :])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Watch the calls of one test."""
    codes: set = set()
    before, begin = sys.gettrace(), time.process_time()
    sys.settrace(lambda frame, *_: codes.add(frame.f_code))  # calls only: a profiler hears returns, too
    outcome = yield
    sys.settrace(before)
    if outcome.excinfo is None:
        functions = {f"{file}::{code.co_qualname}" for code in codes if (file := named(code.co_filename))}
        found[item.nodeid] = {"seconds": time.process_time() - begin, "functions": sorted(functions)}


def pytest_sessionfinish() -> None:
    """Write what was seen."""
    Path(os.environ["ENTERED"]).write_text(json.dumps(found))
