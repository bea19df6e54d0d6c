"""The terminal: where tables are printed, and progress bars."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

WIDTH = 118
"""Columns used when the output is not a terminal."""


def console() -> Console:
    """Standard output, wide enough for the tables when it is a pipe."""
    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Progress bars on standard error, silent unless it is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as bars:

        def start(words: str, total: int) -> Callable[[int], None]:
            task = bars.add_task(words, total=total)
            return lambda done: bars.advance(task, done)

        yield start
