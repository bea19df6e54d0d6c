"""Machine code that is kept on disk says what numba's says, to the last bit, and is made again where it is damaged."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_bayes.theory.filtering import compiled, stored_code
from implicit_bayes.theory.filtering.block_tables import bucket_tables
from implicit_bayes.theory.strategies import mixtures

pytest.importorskip("numba")

THREE_TOKENS = """
import pathlib, sys
import numpy as np
from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.filtering import compiled, stored_code
from implicit_bayes.theory.filtering.block_tables import bucket_tables

initial = [[0.5, 0.5], [1.0, 0.0]]
transition = [[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.5, 0.5]]]
emission = [[[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]], [[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]]
mixture = MixtureOfHMMs([0.25, 0.75], initial, transition, emission, 2)

def run(kind):
    tokens = np.array([[0, 1, 2, 1]], kind)
    return compiled.trace(mixture, bucket_tables(mixture), tokens, np.arange(5), False)
"""


def three_tokens():
    names = {}
    exec(THREE_TOKENS, names)
    return names["run"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A directory with the filter's code in it, made once."""
    folder = tmp_path_factory.mktemp("code")
    assert stored_code._linked(folder) is not None
    return folder


@pytest.fixture
def keeping(kept):
    stored_code.keep_in(kept)
    yield kept
    stored_code.keep_in(None)


def both(kept, mixture, tokens, per_concept):
    """The compiled trace by numba and by the kept code, asked in two halves: the carry is carried."""
    found = []
    for folder in (None, kept):
        stored_code.keep_in(folder)
        tables, half = bucket_tables(mixture), tokens.shape[1] // 2
        carry = compiled.start(tables, len(tokens))
        for part in (tokens[:, :half], tokens[:, half:]):
            wanted = np.arange(part.shape[1] + 1)
            out = compiled.trace(mixture, tables, part, wanted, per_concept, carry)
            found.append([np.array(field) for field in (*out, *carry)])
    stored_code.keep_in(None)
    return found[:2], found[2:]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_bit_is_numbas(kept, data):
    """Over random mixtures, zeros and impossible documents among them, several wide tokens and none."""
    mixture = data.draw(mixtures())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    tokens = rng.integers(0, mixture.n_tokens, (3, data.draw(st.integers(0, 12)))).astype(np.int32)
    with jax.enable_x64(True):
        numbas, ours = both(kept, mixture, tokens, data.draw(st.booleans()))
    for a, b in zip(numbas, ours, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_the_entry_point_is_what_runs(keeping, monkeypatch):
    """numba's dispatcher is not touched, and what the entry point was not compiled for goes to it."""
    calls = []
    real = stored_code._compiled_here
    monkeypatch.setattr(stored_code, "_compiled_here", lambda: calls.append(1) or real())
    run = three_tokens()
    usual = run(np.int32)
    assert not calls
    other = run(np.int64)
    assert calls
    for x, y in zip(usual, other, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "another"])
def test_a_damaged_file_is_made_again_and_never_linked(kept, damage, tmp_path, monkeypatch):
    (whole,) = kept.glob("filter-*.o")
    stored = whole.read_bytes()
    bad = {"flipped": stored[:1000] + bytes([stored[1000] ^ 1]) + stored[1001:], "cut": stored[:-1], "empty": b"",
           "another": stored[:32] + b"not an object"}[damage]  # fmt: skip
    (tmp_path / whole.name).write_bytes(bad)
    made = []
    monkeypatch.setattr(stored_code, "_made", lambda llvm: made.append(1) or stored[32:])
    assert stored_code._linked.__wrapped__(tmp_path) is not None
    assert made and (tmp_path / whole.name).read_bytes() == stored


def test_what_cannot_be_written_costs_time_and_nothing_else(kept, tmp_path, monkeypatch):
    (whole,) = kept.glob("filter-*.o")
    monkeypatch.setattr(stored_code, "_made", lambda llvm: whole.read_bytes()[32:])
    assert stored_code._linked.__wrapped__(tmp_path / "nowhere") is not None
    assert not list(tmp_path.iterdir())


def test_code_of_another_processor_version_or_source_has_another_name(monkeypatch):
    import llvmlite.binding as llvm

    usual = stored_code._key(llvm)
    assert usual == stored_code._key(llvm)
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "another")
    assert stored_code._key(llvm) != usual
    monkeypatch.undo()
    monkeypatch.setattr(stored_code.importlib.metadata, "version", lambda name: "0")
    assert stored_code._key(llvm) != usual
    monkeypatch.undo()
    monkeypatch.setattr(stored_code, "SOURCES", stored_code.SOURCES[1:])
    assert stored_code._key(llvm) != usual


def test_code_that_needs_more_than_c_is_not_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(stored_code, "_made", lambda llvm: None)
    assert stored_code._linked.__wrapped__(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_second_process_does_not_import_numba(kept):
    """And has the answers of this one."""
    code = (
        f"{THREE_TOKENS}\nstored_code.keep_in(pathlib.Path({str(kept)!r}))\nout = run(np.int32)\n"
        "assert 'numba' not in sys.modules\nprint(out.log_evidence_BxPxC.tobytes().hex())\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == three_tokens()(np.int32).log_evidence_BxPxC.tobytes().hex()
