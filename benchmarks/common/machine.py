"""What this process may use of the machine."""

import contextlib
import os
from pathlib import Path

CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says what a container may take."""


def cores() -> int:
    """Cores that this process may run on.

    Returns:
        At least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes of this machine, or of the container where that allows less.

    Returns:
        Bytes, swap not counted.
    """
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in CONTAINER:
        with contextlib.suppress(OSError, ValueError):  # no such file, or the word "max"
            found.append(int(Path(path).read_text()))
    return min(found)
