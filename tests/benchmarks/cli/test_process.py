"""The program as a process: one line and a status for whatever ends it early, and silence where nobody reads."""

import codecs
import errno
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from implicit_bayes.benchmarks.cli import process
from implicit_bayes.benchmarks.cli.process import Terminated, guarded
from implicit_bayes.benchmarks.common import freed_memory
from implicit_bayes.benchmarks.common.freed_memory import VERIFYING
from implicit_bayes.benchmarks.common.letters import SPELT, spelt
from implicit_bayes.benchmarks.verification import beside

ENDS = {
    "interrupt": (KeyboardInterrupt(), 130, "interrupted"),
    "terminated": (Terminated(), 143, "terminated"),
    "memory": (MemoryError("Unable to allocate 9.00 GiB"), 1, "memory: not enough (Unable to allocate 9.00 GiB)"),
    "accelerator": (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"), 1, "memory: not enough"),
    "files": (OSError(errno.EMFILE, "Too many open files", "x.so"), 1, "Too many open files: x.so"),
    "disk": (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_early_end_is_one_line_and_a_status(name, capfd):
    error, status, words = ENDS[name]

    def call():
        raise error

    assert guarded(call) == status
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("implicit-bayes: error: ")
    assert words in line


@pytest.mark.parametrize(("command", "told"), [("verify", [VERIFYING]), ("bench", []), ("train", [])])
def test_a_verification_keeps_freed_memory_of_small_arrays(command, told, monkeypatch):
    """``train`` asks for itself, with larger arrays."""
    heard = []
    monkeypatch.setattr(freed_memory, "keep_freed_memory", heard.append)
    monkeypatch.setattr(process, "_hide_dask", lambda: None)
    with suppress(SystemExit):
        process._run([command, "--no-such-flag"])
    assert heard == told


def test_a_child_that_asks_a_model_keeps_it_too(monkeypatch):
    heard = []
    monkeypatch.setattr(beside, "keep_freed_memory", heard.append)
    monkeypatch.setattr(beside, "keep_compilations", lambda: None)
    monkeypatch.setattr(beside, "_news", None)
    beside._begin("to whom", "a lock")
    assert heard == [VERIFYING] and beside._news == ("to whom", "a lock")


def test_errors_of_the_program_are_not_hidden():
    def call():
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        guarded(call)


def program(arguments, tail="", **environment):
    """The shell's status and both streams of the program."""
    command = f'"{sys.executable}" -m implicit_bayes {arguments} {tail}'
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True,
                          env=os.environ | environment)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_reader_that_leaves_is_met_with_silence():
    """More than a pipe holds is written, so that the program meets the closed end while it writes."""
    code = "import sys; from implicit_bayes.benchmarks.cli.process import guarded; "
    code += "sys.exit(guarded(lambda: [print('x' * 99) for _ in range(9999)] and 0))"
    done = subprocess.run(["bash", "-c", f'"{sys.executable}" -c "{code}" | head -1; exit ${{PIPESTATUS[0]}}'],
                          capture_output=True)  # fmt: skip
    assert (done.returncode, done.stderr) == (141, b"")


def test_help_where_output_is_closed_full_or_in_another_encoding():
    assert program("--help", "| head -1")[2] == b""
    assert program("--help", ">&-")[::2] == (0, b"")
    status, _, error = program("--help", "> /dev/full")
    assert status == 1 and error.count(b"\n") == 1 and b"No space left on device" in error
    status, out, error = program("--help", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert (status, error) == (0, b"") and out.startswith(b"usage: implicit-bayes SUBCOMMAND ...")
    assert program("verify gincc", ">&- 2>&-")[0] == 2


def test_what_an_encoding_lacks_is_spelt_wherever_it_is_printed():
    codecs.register_error(SPELT, spelt)
    assert "θ* ± 1, \udcff漢".encode("latin-1", SPELT) == b"theta* \xb1 1, ??"
    assert "… ≥ ½".encode("ascii", SPELT) == b"... >= ?"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", SPELT)


def test_standard_output_is_not_the_next_file_that_is_opened(tmp_path):
    """Where descriptor 1 is closed, a file opened later would take its place and be written over."""
    code = "import os, sys; from implicit_bayes.benchmarks.cli.process import _open_streams; _open_streams(); "
    code += f"sys.exit(os.open({str(tmp_path / 'x')!r}, os.O_CREAT | os.O_WRONLY) < 3)"
    assert subprocess.run(["bash", "-c", f'"{sys.executable}" -c "{code}" <&- >&-'], check=False).returncode == 0


def test_sigterm_unwinds_like_an_interrupt(monkeypatch):
    monkeypatch.setattr(process.signal, "signal", lambda number, handler: None)
    with pytest.raises(Terminated):
        process._terminate(15, None)
    assert not issubclass(Terminated, Exception)


def test_an_address_space_that_compiled_code_dies_of_is_said_before(tmp_path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 29, resource.RLIM_INFINITY))\n"
    code = limited + "from implicit_bayes.benchmarks.cli import commands\nraise SystemExit(commands.run(['sample', "
    code += f"'regular', '--documents', '1', '--length', '4', '--out', {str(tmp_path / 'o')!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and not (tmp_path / "o").exists()
    assert "memory: not enough (this shell allows 1.5 GiB of addresses, ulimit -v" in done.stderr
