"""The figures of a verification, drawn from stored results only (results.nc), as PNG and SVG."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.intervals import wilson
from simulators.atomic import written_aside

STYLE = "house.mplstyle"


def draw_all(results: xr.Dataset, directory: Path) -> list[Path]:
    """Every figure that ``results`` has the data for, in DIR.

    Args:
        results: what ``verify`` stored.
        directory: where PNG and SVG files go (each written aside, then renamed).

    Returns:
        The files written.
    """
    written = []
    for name, draw in FIGURES.items():
        with resources.as_file(resources.files("benchmarks") / STYLE) as path, style.context(str(path)):
            figure = draw(results)
            if figure is not None:
                written += [save(figure, directory / f"{name}.{kind}") for kind in ("png", "svg")]
    return written


def save(figure: Figure, path: Path) -> Path:
    """Write a figure atomically, without a date in it, so that equal results give equal files."""
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with written_aside(path, binary=True) as file:
        figure.savefig(file, format=path.suffix[1:], metadata=metadata)
    return path


def curves(results: xr.Dataset) -> Figure | None:
    """In-context accuracy against n, a panel for each k, one line a predictor."""
    if "accuracy" not in results:
        return None
    figure, axes = _panels(results)
    for axis, k in zip(axes, results.k.values, strict=True):
        for i, name in enumerate(results.predictor.values):
            cell = results.sel(predictor=name, k=k)
            defined = (cell.prompts - cell.undefined).values
            low, high = wilson(cell.correct.values, defined)
            shown = defined > 0
            x = np.arange(results.n.size)[shown]
            line = axis.plot(x, 100 * cell.accuracy.values[shown], marker="os^Dvp*"[i % 7], label=_legend(name))[0]
            axis.fill_between(x, 100 * low[shown], 100 * high[shown], color=line.get_color(), alpha=0.18, lw=0)
        axis.set(title=f"k = {k}", ylim=(-2, 102), xlabel="examples in the prompt, n")
        _shot_axis(axis, results)
    axes[0].set_ylabel("in-context accuracy, % of defined prompts")
    axes[-1].legend(loc="lower right")
    return _caption(
        figure,
        f"Exact Bayes on {results.attrs['instance']}: accuracy against argmax of the true concept's predictive; "
        f"{int(results.prompts.max())} prompts a cell, bands 95% Wilson. "
        "“exact” counts only prompts of positive probability.",
    )


def undefined_share(results: xr.Dataset) -> Figure | None:
    """Share of prompts with probability zero under every concept, against n, one line for each k."""
    if "undefined_share" not in results:
        return None
    figure = Figure(figsize=(6.4, 4.0))
    axis = figure.subplots()
    cell = results.sel(predictor="exact")
    for i, k in enumerate(results.k.values):
        low, high = wilson(cell.undefined.sel(k=k).values, cell.prompts.sel(k=k).values)
        x = np.arange(results.n.size)
        line = axis.plot(x, 100 * cell.undefined_share.sel(k=k).values, marker="os^Dvp*"[i % 7], label=f"k = {k}")[0]
        axis.fill_between(x, 100 * low, 100 * high, color=line.get_color(), alpha=0.18, lw=0)
    axis.set(xlabel="examples in the prompt, n", ylabel="prompts with no posterior, %", ylim=(-2, 102))
    axis.set_title("Where the Bayes answer does not exist")
    _shot_axis(axis, results)
    axis.legend(loc="best")
    return _caption(
        figure,
        f"{results.attrs['instance']}: share of prompts with probability zero under every concept; "
        f"{int(results.prompts.max())} prompts a cell, bands 95% Wilson.",
    )


FIGURES: dict[str, Callable[[xr.Dataset], Figure | None]] = {"curves": curves, "undefined": undefined_share}


def _panels(results: xr.Dataset) -> tuple[Figure, list[Axes]]:
    count = results.k.size
    figure = Figure(figsize=(3.1 * count + 0.8, 3.9))
    return figure, list(np.atleast_1d(figure.subplots(1, count, sharey=True)))


def _shot_axis(axis: Axes, results: xr.Dataset) -> None:
    axis.set_xticks(np.arange(results.n.size), [str(n) for n in results.n.values])


def _legend(name: str) -> str:
    return {"exact": "exact (where defined)", "prompt-aware": "prompt-aware (ceiling)"}.get(
        str(name), str(name).replace("smoothed(", "smoothed, ε = ").rstrip(")")
    )


def _caption(figure: Figure, text: str) -> Figure:
    figure.supxlabel(text, fontsize=8, color="#444444", x=0.01, ha="left")
    return figure
