"""A training on the screen: its bar while it runs, a line when it is done."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def training_bar(tokens: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A progress bar over training tokens, with tokens/s, loss, excess over Bayes and the time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]} left"),
    )
    screen, last = Console(stderr=True), {"excess": "–"}
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as bars:
        task = bars.add_task("compiling", total=tokens, left="–")

        def show(record: Mapping[str, Any]) -> None:
            if "excess" in record:
                last["excess"] = f"{record['excess']:.4f}"
            words = f"{record['tokens_per_second']:,.0f} tokens/s  loss {record['loss']:.4f}  excess {last['excess']}"
            minutes, seconds = divmod(int(record["seconds_left"]), 60)
            bars.update(task, completed=record["tokens"], description=words, left=f"{minutes}:{seconds:02d}")

        yield show


def training_lines(summary: Mapping[str, Any]) -> str:
    """A finished training in words."""
    return (
        f"{summary['architecture']} {summary['preset']}, {summary['parameters']:,} parameters, seed {summary['seed']}: "
        f"{summary['tokens']:,} tokens in {summary['cpu_seconds']:,.0f} CPU seconds; excess over Bayes "
        f"[bold]{summary['excess']:.4f}[/bold] ± {summary['excess_standard_error']:.4f} nats/token "
        f"(Bayes itself: {summary['bayes_cross_entropy']:.4f})"
    )
