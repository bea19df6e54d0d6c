"""Timings as tables on a terminal."""

from rich.table import Table

from implicit_bayes.benchmarks.speed.compare import Timing
from implicit_bayes.benchmarks.speed.scaling import Scaling

WARM = "How each was called; all were called once before, to check their answers"


def timing_table(rows: list[Timing]) -> Table:
    """Nanoseconds of CPU time per token, and how many times faster ours is.

    Returns:
        A table of rich's.
    """
    table = Table("task", "implementation", "ns/token (CPU)", "ours is faster by", "agrees to", "first call, s")
    for row in rows:
        nanoseconds, ratio = f"{1e9 * row.cpu_seconds_per_token:,.1f}", f"{row.ratio_to_ours:.3g}x"
        task = f"{row.task}, {row.instance}"
        table.add_row(
            task, row.implementation, nanoseconds, ratio, f"{row.agrees_to:.0e}", f"{row.first_call_seconds:.1f}"
        )
    return table


def calls_table(rows: list[Timing]) -> Table:
    """How each was called: every one after a call that checked its answer, so that nothing is compiled in a timing.

    Returns:
        A table of rich's, a row for each different way of calling.
    """
    table = Table("task", "implementation", "called", "batch", "dtype", "threads", title=WARM, title_justify="left")
    for task, name, how in dict.fromkeys((row.task, row.implementation, row.how) for row in rows):
        table.add_row(task, name, how.way, f"{how.batch:,}", how.dtype, str(how.threads))
    return table


def scaling_table(curves: list[Scaling]) -> Table:
    """Fitted exponents of the cost of the evidence.

    Returns:
        A table of rich's: CPU seconds at the ends of each curve.
    """
    table = Table("size", "method", "from", "to", "exponent")
    for curve in curves:
        ends = (f"{value}: {time:.2g} s" for value, time in list(zip(curve.values, curve.cpu_seconds, strict=True)))
        each = list(ends)
        table.add_row(curve.size, curve.method, each[0], each[-1], f"{curve.exponent:.2f}")
    return table
