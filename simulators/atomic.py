"""Files written aside and renamed into place: a reader sees the old file or the new one, never half of one."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from implicit_bayes.theory.objects.checks import ModelError


@contextmanager
def written_aside(path: str | os.PathLike[str], binary: bool = False) -> Iterator[IO[Any]]:
    """A file to write to, which takes the place of ``path`` when the block ends without an error.

    The file is made in the same directory (a rename does not cross file systems), with Unix line ends and UTF-8
    where it is text. If the block raises, or is interrupted, the file is removed and ``path`` is left as it was.

    Args:
        path: where the finished file goes; missing directories are made.
        binary: bytes rather than text.

    Raises:
        ModelError: the place cannot be written.
    """
    target = Path(path)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("xb") if binary else aside.open("x", encoding="utf-8", newline="\n") as file:
            yield file
        os.replace(aside, target)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written ({error.strerror or error}); name another place") from error
    finally:
        aside.unlink(missing_ok=True) if aside.parent.is_dir() else None
