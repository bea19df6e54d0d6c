"""Files written aside: what a killed process leaves is removed by the next one, what a living one writes is not."""

import os
import signal
import subprocess
import sys

import pytest

from implicit_bayes.simulators.atomic import clear_left_behind, written_aside
from implicit_bayes.theory import ModelError

WRITER = """
import sys, time
from implicit_bayes.simulators.atomic import written_aside
with written_aside(sys.argv[1]) as file:
    file.write("half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


def parts(folder):
    """Names of files that are being written, or were."""
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


def writer(path):
    """A process that is in the middle of a file."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "writing\n"
    return process


@pytest.mark.parametrize("name", ["learning.png", "a [b] $.json"])
def test_what_a_killed_writer_left_goes_with_the_next_one(name, tmp_path):
    process = writer(tmp_path / name)
    with written_aside(tmp_path / name) as file:
        file.write("whole")
    assert len(parts(tmp_path)) == 1, "the other writer lives: its file stays"
    clear_left_behind(tmp_path)
    assert len(parts(tmp_path)) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(parts(tmp_path)) == 1
    with written_aside(tmp_path / name) as file:
        file.write("again")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "again"


def test_a_directory_is_cleared_of_ours_and_of_nothing_else(tmp_path):
    ours = tmp_path / ".results.nc.0123abcd.part"
    others = [tmp_path / name for name in (".x.part", "movie.0123abcd.part", ".a.0123ABCD.part", ".b.0123abcd.partial")]
    for path in (ours, *others):
        path.write_text("")
    (tmp_path / ".folder.0123abcd.part").mkdir()
    (tmp_path / ".link.0123abcd.part").symlink_to(others[0])
    clear_left_behind(tmp_path)
    assert not ours.exists()
    assert all(path.exists() for path in others)
    assert others[0].read_text() == ""
    clear_left_behind(tmp_path / "missing")


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ModelError, match="cannot be written") as refused, written_aside(tmp_path / "x") as file:
        file.write("new")
    assert "No space left on device" in str(refused.value)
    assert (tmp_path / "x").read_text() == "old"
    assert parts(tmp_path) == []
