"""The terminal: where tables are printed, and progress bars. Words from outside are words there.

Names and paths are printed as they are: no markup, no emoji codes, control characters as escapes, and what the
terminal's encoding lacks in letters that it has. Tables are made to fit (``common.tables``).
"""

import contextlib
import io
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from implicit_bayes.benchmarks.common.letters import LETTERS
from implicit_bayes.benchmarks.common.tables import fitted, read
from implicit_bayes.simulators.stored import printable

WIDTH = 118
"""Columns used when the output is not a terminal and COLUMNS says nothing."""
NARROWEST = 20


class Console(RichConsole):
    """Rich's console for words from outside; see the module.

    Args:
        file: where to print; standard output by default.
        width: in columns; by default the terminal's, or COLUMNS, or WIDTH in a pipe.
    """

    def __init__(self, file: IO[str] | None = None, width: int | None = None):
        super().__init__(file=file, width=_width(file) if width is None else width, highlight=False, markup=False,
                         emoji=False)  # fmt: skip

    def print(self, *objects: object, **settings: Any) -> None:  # Rich's own, handed on
        """Print words, styled Text and tables."""
        for each in objects:
            if isinstance(each, Table):
                for part in fitted(read(each, self.clean), max(self.width, NARROWEST)):
                    super().print(part)
            else:
                super().print(self._words(each), **settings)

    def clean(self, words: str) -> str:
        """Words without control characters, in letters that the output has.

        Returns:
            Words that can be printed.
        """
        return in_letters(printable(words), self.encoding)

    def _words(self, each: object) -> Text:
        if not isinstance(each, Text):
            return Text(self.clean(str(each)))
        clean = self.clean(each.plain)
        return each if clean == each.plain else Text(clean)

    def on_broken_pipe(self) -> None:
        """Leave what to do to whoever runs the program.

        Raises:
            BrokenPipeError: always.
        """
        raise BrokenPipeError


def _width(file: IO[str] | None) -> int | None:
    stream = sys.stdout if file is None else file
    terminal = stream is not None and not isinstance(stream, io.StringIO) and stream.isatty()
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked) > 0:
        return max(NARROWEST, int(asked))
    return None if terminal else WIDTH


def in_letters(words: str, encoding: str) -> str:
    """Words in characters of an encoding: θ is theta where there is no θ, and ? stands for what has no such name.

    Args:
        words: what to print.
        encoding: of the output, as Python names it; ASCII stands in for one that Python does not know.

    Returns:
        Words that the encoding can write; as given where it can write them already.
    """
    try:
        words.encode(encoding)
        return words
    except (UnicodeEncodeError, LookupError):
        named = "".join(c if _has(encoding, c) else LETTERS.get(c, c) for c in words)
        return named.encode("ascii" if not _known(encoding) else encoding, "replace").decode(encoding, "replace")


def _known(encoding: str) -> bool:
    try:
        return bool("".encode(encoding) == b"")
    except LookupError:
        return False


def _has(encoding: str, character: str) -> bool:
    try:
        return bool(character.encode(encoding))
    except (UnicodeEncodeError, LookupError):
        return False


def console() -> Console:
    """Standard output.

    Returns:
        A Console on it.
    """
    return Console()


def note(words: str) -> None:
    """A line beside the results, on standard error; nothing where there are no words."""
    if not words:
        return
    with contextlib.suppress(OSError, ValueError):  # a closed standard error stops no work
        Console(sys.stderr).print(words, soft_wrap=True)


EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""


class PlainProgress:
    """Lines of progress: what is being done, how far it is, and since when. One at a time; safe between threads."""

    def __init__(self, every: float = EVERY):
        self.every, self.stop = every, threading.Event()
        self.began = time.monotonic()
        self.stages: dict[int, tuple[str, int, int]] = {}
        self.indices = itertools.count()  # stages of child processes are begun in another thread
        self.show: Callable[[], str] = self.words
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "PlainProgress":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def start(self, words: str, total: int) -> Callable[[int], None]:
        """As ``progress_bars``: a stage begins; what it returns is called with the steps just done.

        Args:
            words: what is being done.
            total: its steps.

        Returns:
            A function to call with the number of steps just done.
        """
        index = next(self.indices)
        self.stages[index] = (words, 0, total)

        def advance(done: int) -> None:
            words, before, total = self.stages[index]
            self.stages[index] = (words, before + done, total)

        return advance

    def words(self) -> str:
        """The stages that are not finished; the last one where all are.

        Returns:
            Parts between semicolons, as in "cells: 3 of 12".
        """
        stages = list(self.stages.values())
        open_ones = [each for each in stages if not each[2] or each[1] < each[2]] or stages[-1:]
        return "; ".join(
            f"{words}: {done} of {total}" if total else f"{words}: {done}" for words, done, total in open_ones
        )

    def _run(self) -> None:
        while not self.stop.wait(self.every):
            words = self.show()
            minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
            with contextlib.suppress(OSError, ValueError):  # a closed standard error stops no work
                print(f"{minutes}:{seconds:02d}  {words or 'working'}", file=sys.stderr, flush=True)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Progress on standard error: bars on a terminal, elsewhere a plain line every ten seconds.

    Yields:
        (words, total) -> a function that is told how many more steps are done; total 0 where it is not known.
    """
    screen = Console(sys.stderr)
    if not screen.is_terminal or screen.is_dumb_terminal:
        with PlainProgress(EVERY) as plain:
            yield plain.start
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen) as bars:

        def start(words: str, total: int) -> Callable[[int], None]:
            task = bars.add_task(screen.clean(words), total=total)
            return lambda done: bars.advance(task, done)

        yield start
