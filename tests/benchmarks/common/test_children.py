"""No child outlives its parent, however the parent ends, and an interrupt from the keyboard is its parent's alone."""

import os
import signal
import subprocess
import time

import pytest
from foreground import foreground

PARENT = """
import os, sys, time
from implicit_bayes.benchmarks.common.children import Children
if __name__ == "__main__":
    with Children(2) as pool:
        futures = [pool.submit(os.getpid) for _ in range(8)]
        print(*{future.result() for future in futures}, flush=True)
        for _ in range(2):
            pool.submit(time.sleep, 60)
        time.sleep(60)
"""
PROGRAM = """
import sys, time
from implicit_bayes.benchmarks.common import children
if len(sys.argv) > 1:
    children.watch_parent()
    time.sleep(60)
else:
    child = children.start([sys.executable, __file__, "child"])
    print(child.pid, flush=True)
    time.sleep(60)
"""


def alive(pid):
    """Whether a process runs (one that nobody has waited for does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("code", [PARENT, PROGRAM], ids=["pool", "program"])
@pytest.mark.parametrize("how", ["keyboard", "SIGKILL"])
def test_children_leave_with_their_parent(code, how, tmp_path):
    path = tmp_path / "parent.py"
    path.write_text(code)
    parent = subprocess.Popen(foreground(str(path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              start_new_session=True, env=os.environ | {"PYTHONPATH": os.getcwd()})  # fmt: skip
    assert parent.stdout
    children = [int(word) for word in parent.stdout.readline().split()]
    assert children and all(alive(pid) for pid in children)
    if how == "keyboard":
        os.killpg(parent.pid, signal.SIGINT)
    else:
        parent.kill()
    _, error = parent.communicate(timeout=30)
    for _ in range(100):
        if not any(alive(pid) for pid in children):
            break
        time.sleep(0.1)
    assert not any(alive(pid) for pid in children)
    assert error.count("Traceback") == (how == "keyboard")  # the parent's own KeyboardInterrupt, nobody else's
