"""A training on the screen: its bar while it runs, a line when it is done."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from implicit_bayes.benchmarks.common.console import EVERY, Console, PlainProgress
from implicit_bayes.simulators.json_types import JsonMapping


@contextmanager
def training_bar(tokens: int) -> Iterator[Callable[[JsonMapping], None]]:
    """Progress over training tokens, with tokens/s, loss, excess over Bayes and the time left: a bar on a terminal,
    elsewhere a plain line every ten seconds.

    Yields:
        A function that takes each record of metrics.jsonl.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]} left"),
    )
    screen, last = Console(sys.stderr), {"excess": "–", "line": "compiling"}

    def words(record: JsonMapping) -> tuple[str, str]:
        if "excess" in record:
            last["excess"] = f"{record['excess']:.4f}"
        minutes, seconds = divmod(int(record["seconds_left"]), 60)
        speed = f"{record['tokens_per_second']:,.0f} tokens/s  loss {record['loss']:.4f}  excess {last['excess']}"
        return speed, f"{minutes}:{seconds:02d}"

    def keep(record: JsonMapping) -> None:
        speed, left = words(record)
        last["line"] = f"{record['tokens']:,} of {tokens:,} tokens  {speed}  {left} left"

    if not screen.is_terminal or screen.is_dumb_terminal:
        with PlainProgress(EVERY) as plain:
            plain.show = lambda: last["line"]
            yield keep
        return
    with Progress(*columns, console=screen) as bars:
        task = bars.add_task("compiling", total=tokens, left="–")

        def show(record: JsonMapping) -> None:
            speed, left = words(record)
            bars.update(task, completed=record["tokens"], description=speed, left=left)

        yield show


def training_lines(summary: JsonMapping) -> str:
    """A finished training in words.

    Returns:
        One sentence without a full stop; nats a token.
    """
    return (
        f"{summary['architecture']} {summary['preset']}, {summary['parameters']:,} parameters, seed {summary['seed']}: "
        f"{summary['tokens']:,} tokens in {summary['cpu_seconds']:,.0f} CPU seconds; excess over Bayes "
        f"{summary['excess']:.4f} ± {summary['excess_standard_error']:.4f} nats/token "
        f"(Bayes itself: {summary['bayes_cross_entropy']:.4f})"
    )
