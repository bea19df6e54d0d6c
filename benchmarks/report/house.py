"""How figures look and how they are written: the house's style, captions, PNG and SVG without a date in them."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import xarray as xr
from matplotlib import style
from matplotlib.figure import Figure

from implicit_bayes.simulators.atomic import written_aside

Figures = Mapping[str, Callable[[xr.Dataset], Figure | None]]
"""File name -> what draws it from stored results; None where the results lack the data."""


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's settings while a figure is drawn; they are put back afterwards."""
    sheet = resources.files("implicit_bayes.benchmarks") / "house.mplstyle"
    with resources.as_file(sheet) as path, style.context(str(path)):
        yield


def draw_all(results: xr.Dataset, directory: Path, figures: Figures) -> list[Path]:
    """Every figure that ``results`` has the data for, in DIR.

    Args:
        results: what ``verify`` or ``gap`` stored.
        directory: where PNG and SVG files go (each written aside, then renamed).
        figures: which.

    Returns:
        The files written.
    """
    written = []
    for name, draw in figures.items():
        with house_style():
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


def caption(figure: Figure, text: str) -> Figure:
    """A caption under the figure, wrapped to its width (about 17 characters an inch at this size)."""
    wrapped = textwrap.fill(text, int(17 * figure.get_figwidth()))
    figure.supxlabel(wrapped, fontsize=8, color="#444444", x=0.01, ha="left", multialignment="left")
    return figure
