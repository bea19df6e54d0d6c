"""Files written aside and renamed into place: a reader sees the old file or the new one, never half of one."""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from implicit_bayes.theory.objects.checks import ModelError

ASIDE = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.part", re.S)
"""Names of files that are being written. Their writer holds a lock, which the system drops however the writer ends."""


@contextmanager
def written_aside(path: str | os.PathLike[str], binary: bool = False) -> Iterator[IO[Any]]:  # str, or bytes
    """A file to write to, which takes the place of ``path`` when the block ends without an error.

    The file is made in the same directory (a rename does not cross file systems), with Unix line ends and UTF-8
    where it is text. If the block raises, or is interrupted, the file is removed and ``path`` is left as it was; what
    a killed process left of an earlier attempt is removed too.

    Args:
        path: where the finished file goes; missing directories are made. A link there is replaced, not followed.
        binary: bytes rather than text.

    Yields:
        An open file, of text or (``binary``) of bytes.

    Raises:
        ModelError: the place cannot be written.
    """
    target = Path(path)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_left_behind(target.parent, target.name)
        with _opened(aside, binary) as file:
            yield file
            file.flush()
            os.replace(aside, target)  # before the lock goes
    except OSError as error:
        raise ModelError(f"{target}: cannot be written ({error.strerror or error}); name another place") from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def clear_left_behind(directory: Path, name: str | None = None) -> None:
    """Remove what killed processes left half-written in a directory: files aside that no process holds a lock on.

    Args:
        directory: where to look; not below it.
        name: of the one file whose attempts are meant, or None for all.
    """
    with suppress(OSError):
        for entry in os.scandir(directory):
            match = ASIDE.fullmatch(entry.name)
            if match and name in (None, match["name"]) and entry.is_file(follow_symlinks=False):
                with suppress(OSError), open(entry.path, "rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)


def _opened(aside: Path, binary: bool) -> IO[Any]:  # of str, or of bytes where it is binary
    """A new file, marked as being written; where the file system knows no locks, it goes without."""
    while True:
        file = aside.open("xb") if binary else aside.open("x", encoding="utf-8", newline="\n")
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if aside.exists():
            return file
        file.close()  # another process took it for left behind, between its making and its lock
