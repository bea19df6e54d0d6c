"""One training to a RUN: an advisory lock that the system releases when its holder dies, however it dies."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from implicit_bayes.theory.objects.checks import ModelError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold RUN/lock while the block runs.

    Raises:
        ModelError: another process holds it; the message says which.
    """
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise ModelError(f"out: {folder} is being trained by {holder}; wait for it, or name another") from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
