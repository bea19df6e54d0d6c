"""Freed memory that is kept: the pages of a large array are cleared by the kernel once, not at every use."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from implicit_bayes.benchmarks.common import freed_memory

PROGRAM = """
import resource, sys
import numpy as np
from implicit_bayes.benchmarks.common.freed_memory import keep_freed_memory
if sys.argv[1] == "keep" and keep_freed_memory() < 1 << 26:
    sys.exit(3)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    np.ones(1 << 23)
before = faults()
for _ in range(10):
    np.ones(1 << 23)
print(faults() - before)
"""
"""Ten arrays of 64 MB, one after the other: 16,384 pages of 4 kB each."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_large_arrays_are_cleared_once():
    """Pages may be larger than 4 kB (512 of them in one), so only the ratio is asked for."""
    counts = {}
    for way in ("keep", "usual"):
        done = subprocess.run([sys.executable, "-c", PROGRAM, way], capture_output=True, text=True)
        if done.returncode == 3:
            pytest.skip("this C library keeps no arrays of 64 MB")
        assert done.returncode == 0, done.stderr
        counts[way] = int(done.stdout)
    assert counts["usual"] > 10
    assert counts["keep"] < counts["usual"] / 5


def test_a_c_library_without_mallopt_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: object())
    assert freed_memory.keep_freed_memory() == 0


@pytest.mark.parametrize(
    ("largest", "refused", "told"),
    [
        ((), (), [(-3, 1 << 30), (-1, 1 << 30), (-2, 1 << 26)]),
        ((), (1 << 30,), [(-3, 1 << 30), (-3, 1 << 25), (-1, 1 << 30), (-2, 1 << 26)]),
        ((1 << 25,), (), [(-3, 1 << 25), (-1, 1 << 28), (-2, 1 << 26)]),
        ((1 << 25,), (1 << 25,), [(-3, 1 << 25), (-3, 1 << 25)]),
    ],
)
def test_what_the_c_library_is_told(largest, refused, told, monkeypatch):
    """M_MMAP_THRESHOLD is -3, M_TRIM_THRESHOLD -1, M_TOP_PAD -2 (malloc.h); an older glibc refuses large thresholds."""
    heard = []

    def mallopt(name, value):
        heard.append((name, value))
        return 0 if value in refused else 1

    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    kept = freed_memory.keep_freed_memory(*largest)
    assert heard == told and kept == (0 if len(told) == 2 else told[-3][1])
