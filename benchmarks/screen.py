"""Tables that a person reads on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.speed import Timing
from benchmarks.verify import BayesLoss, Verification

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


def verdict(holds: bool | str) -> str:
    """holds, FAILS or undetermined."""
    return holds if isinstance(holds, str) else ("holds" if holds else "FAILS")


def show(result: Verification, out: Console) -> None:
    """The whole verification as tables."""
    mixture = result.instance.mixture
    out.print(
        f"[bold]{result.instance.name}[/bold]: {result.instance.description}\n"
        f"{mixture.n_concepts} concepts, {mixture.n_states} states, vocabulary {mixture.n_tokens}, "
        f"delimiter token {mixture.delimiter}, seed {result.settings.seed}"
    )
    out.print(assumption_table(result))
    out.print(curve_table(result))
    for words, loss in (("fresh documents", result.bayes), ("published validation documents", result.validation)):
        if loss is not None:
            out.print(loss_line(words, loss))


def assumption_table(result: Verification) -> Table:
    """A1 to A5 over every true concept, start law and k."""
    table = Table("", "verdict", "constants", "witness", title="Assumptions of the paper", title_justify="left")
    for row in result.assumptions:
        constants = "  ".join(f"{name}={value:.4g}" for name, value in row.constants.items())
        table.add_row(row.name, verdict(row.holds), constants, row.witness)
    return table


def curve_table(result: Verification) -> Table:
    """Accuracy in percent by (k, predictor) and n; for the exact predictor the undefined share stands below."""
    curves = result.curves
    title = (
        f"In-context accuracy, % of defined prompts, {result.settings.prompts} prompts for each k (± standard error)"
    )
    table = Table("k", "predictor", *(f"n={n}" for n in curves.n.values), title=title, title_justify="left")
    for k in curves.k.values:
        for name in curves.predictor.values:
            cell = curves.sel(k=k, predictor=name)
            row = [
                "–" if np.isnan(a) else f"{100 * a:.1f}±{100 * e:.1f}"
                for a, e in zip(cell.accuracy.values, cell.standard_error.values, strict=True)
            ]
            table.add_row(str(k), short(str(name)), *row)
            if cell.undefined.values.any() or name == "exact":
                shares = [f"{100 * u:.1f}" for u in cell.undefined_share.values]
                table.add_row("", "  % undefined", *shares, style="dim")
        table.add_section()
    return table


def timing_table(rows: list[Timing]) -> Table:
    """Nanoseconds of CPU time per token, and how many times faster ours is."""
    table = Table("task", "implementation", "ns/token (CPU)", "ours is faster by", "agrees to", title_justify="left")
    for row in rows:
        nanoseconds, ratio = f"{1e9 * row.cpu_seconds_per_token:,.0f}", f"{row.ratio_to_ours:.1f}x"
        table.add_row(row.task, row.implementation, nanoseconds, ratio, f"{row.agrees_to:.0e}")
    return table


def short(predictor: str) -> str:
    """``smoothed(1e-08)`` as ``ε=1e-08``, which fits the column."""
    return predictor.replace("smoothed(", "ε=").rstrip(")")


def loss_line(words: str, loss: BayesLoss) -> str:
    """Bayes cross-entropy in words."""
    return (
        f"Bayes cross-entropy on {loss.documents} {words} of {loss.length} tokens: "
        f"[bold]{loss.cross_entropy:.4f}[/bold] ± {loss.standard_error:.4f} nats/token; "
        f"true concept recovered in {loss.recovered} of {loss.documents}"
    )
