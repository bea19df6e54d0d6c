"""The whole program on a terminal, and under signals while its children work."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from foreground import foreground

CASES = Path(__file__).parents[2] / "cases"
TRIVIAL = ["verify", str(CASES / "one_of_everything.npz"), "--k", "2", "--n", "0", "1", "--prompts", "2", "--documents",
           "2", "--length", "4", "--epsilon", "0.01", "--model"]  # fmt: skip
COLOURS = re.compile(rb"\x1b\[(?:[0-9]+;)*(?:3[0-9]|4[0-9]|9[0-7]|10[0-7])(?:;[0-9]+)*m")


def children(pid):
    """Process numbers of the living children."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid):
    """Whether a process runs (one that nobody has waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_bench_ends_with_its_children_in_one_line_and_leaves_earlier_files(number, status, tmp_path):
    """SIGINT goes to the whole group, as from a keyboard; SIGTERM to the program alone, as from a scheduler."""
    json = tmp_path / "bench.json"
    json.write_text("[]")
    command = foreground("-m", "implicit_bayes", "bench", "printed-counterexample", "--task", "memory",
                         "--json", str(json), "--out", str(tmp_path / "out"))  # fmt: skip
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        found, last = [], time.monotonic() + 240
        while not found and program.poll() is None and time.monotonic() < last:
            time.sleep(0.1)
            found = children(program.pid)
        assert found
        if number == signal.SIGINT:
            os.killpg(program.pid, number)
        else:
            program.send_signal(number)
        out, error = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode == status
    complaints = [line for line in error.splitlines() if b"streams" not in line]  # progress, every ten seconds
    assert len(complaints) == 1 and complaints[0].startswith(b"implicit-bayes: error: ") and not out
    for _ in range(100):
        if not any(map(alive, found)):
            break
        time.sleep(0.1)
    assert not any(map(alive, found))
    assert json.read_text() == "[]" and not list(tmp_path.rglob("*.part*"))


@pytest.mark.parametrize(
    "asked", [{"TERM": "dumb"}, {"NO_COLOR": "1", "TERM": "xterm-256color"}], ids=["dumb", "plain"]
)
def test_a_terminal_without_colours_gets_none(asked):
    """On a real pseudo-terminal: no escape at all where TERM is dumb, no colour where NO_COLOR is set."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen([sys.executable, "-m", "implicit_bayes", *TRIVIAL], stdin=theirs, stdout=theirs,
                               stderr=theirs, env=os.environ | {"COLUMNS": "80"} | asked)  # fmt: skip
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    assert program.wait() == 0
    assert b"Theorems" in said and not COLOURS.search(said)
    if asked["TERM"] == "dumb":
        assert b"\x1b" not in said
