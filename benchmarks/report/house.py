"""How figures look and how they are written: the house's style, captions, PNG and SVG without a date in them."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from implicit_bayes.simulators.atomic import written_aside


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's settings while a figure is drawn; they are put back afterwards."""
    sheet = resources.files("implicit_bayes.benchmarks") / "house.mplstyle"
    with resources.as_file(sheet) as path, style.context(str(path)):
        yield


def save(figure: Figure, path: Path) -> Path:
    """Write a figure atomically, without a date in it, so that equal results give equal files."""
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with written_aside(path, binary=True) as file:
        figure.savefig(file, format=path.suffix[1:], metadata=metadata)
    return path


def caption(figure: Figure, text: str) -> Figure:
    """A caption under the figure, wrapped to its width (about 14 characters an inch at this size)."""
    wrapped = textwrap.fill(text, int(14 * figure.get_figwidth()))
    figure.supxlabel(wrapped, fontsize=10, color="#444444", x=0.01, ha="left", multialignment="left")
    return figure
