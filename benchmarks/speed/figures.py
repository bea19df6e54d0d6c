"""Figures of ``bench``: log-scale bars with ratio labels, and scaling curves with their exponents."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from implicit_bayes.benchmarks.report.house import house_style, save
from implicit_bayes.benchmarks.speed.compare import Timing
from implicit_bayes.benchmarks.speed.scaling import Scaling


def bars(rows: Sequence[Timing], directory: Path) -> list[Path]:
    """One panel a (task, instance): nanoseconds of CPU time a token, labelled with how many times faster ours is.

    Args:
        rows: the timings.
        directory: to write into.

    Returns:
        Paths of PNG and SVG files.
    """
    panels = list(dict.fromkeys((row.task, row.instance) for row in rows))
    with house_style():
        counts = [sum((row.task, row.instance) == panel for row in rows) for panel in panels]
        figure = Figure(figsize=(7.5, 0.32 * sum(counts) + 0.75 * len(panels)))
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=counts)[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            here = [row for row in rows if (row.task, row.instance) == panel]
            time = [1e9 * row.cpu_seconds_per_token for row in here]
            colour = ["C0" if row.implementation.startswith("ours") else "0.7" for row in here]
            axis.barh([row.implementation for row in here], time, color=colour)
            axis.set_xscale("log")
            axis.set_xlim(min(time) / 2, max(time) * 12)
            axis.invert_yaxis()
            axis.set_title(f"{panel[0]}, {panel[1]}")
            for i, (row, t) in enumerate(zip(here, time, strict=True)):
                axis.text(t * 1.1, i, f"{t:,.0f} ns   {row.ratio_to_ours:.3g}x", va="center", fontsize=8)
        axes[-1].set_xlabel("CPU time per token (ns), and times ours is faster")
        return _save(figure, directory / "speed")


def scaling(curves: Sequence[Scaling], directory: Path) -> list[Path]:
    """Nanoseconds a call against each size, both axes logarithmic, fitted exponents in the legend.

    Args:
        curves: of every size and method.
        directory: to write into.

    Returns:
        Paths of PNG and SVG files.
    """
    sizes = list(dict.fromkeys(curve.size for curve in curves))
    with house_style():
        figure = Figure(figsize=(3.6 * len(sizes), 3.4))
        axes = figure.subplots(1, len(sizes), squeeze=False)[0]
        for axis, size in zip(axes, sizes, strict=True):
            for curve in (one for one in curves if one.size == size):
                label = f"{curve.method}: exponent {curve.exponent:.2f}"
                axis.loglog(curve.values, np.array(curve.cpu_seconds), marker="o", label=label)
            axis.set_xlabel(size)
            axis.legend(fontsize=7)
        axes[0].set_ylabel("CPU seconds per call")
        return _save(figure, directory / "scaling")


def _save(figure: Figure, stem: Path) -> list[Path]:
    return [save(figure, stem.with_suffix(f".{kind}")) for kind in ("png", "svg")]
