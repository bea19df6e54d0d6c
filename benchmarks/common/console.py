"""The terminal: where tables are printed, and progress bars."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

WIDTH = 118
"""Columns used when the output is not a terminal."""


def console() -> Console:
    """Standard output, wide enough for the tables when it is a pipe."""
    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)


EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""


class PlainProgress:
    """Lines of progress: what is being done, how far it is, and since when. One at a time; safe between threads."""

    def __init__(self, every: float = EVERY):
        self.every, self.stop = every, threading.Event()
        self.began = time.monotonic()
        self.stages: dict[int, tuple[str, int, int]] = {}
        self.show: Callable[[], str] = self.words
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "PlainProgress":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def start(self, words: str, total: int) -> Callable[[int], None]:
        """As ``progress_bars``: a stage begins; what it returns is called with the steps just done."""
        index = len(self.stages)
        self.stages[index] = (words, 0, total)

        def advance(done: int) -> None:
            words, before, total = self.stages[index]
            self.stages[index] = (words, before + done, total)

        return advance

    def words(self) -> str:
        """The stages that are not finished; the last one where all are."""
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
    """Progress on standard error: bars on a terminal, elsewhere a plain line every ten seconds."""
    screen = Console(stderr=True)
    if not screen.is_terminal or screen.is_dumb_terminal:
        with PlainProgress(EVERY) as plain:
            yield plain.start
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen) as bars:

        def start(words: str, total: int) -> Callable[[int], None]:
            task = bars.add_task(words, total=total)
            return lambda done: bars.advance(task, done)

        yield start
