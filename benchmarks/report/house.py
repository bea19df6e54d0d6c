"""How figures look and how they are written: the house's style, captions, PNG and SVG without a date in them."""

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rcParams, style
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogFormatter
from matplotlib.transforms import Bbox

from implicit_bayes.benchmarks.report.layout import clear_titles, is_simple, lay_out, ruler
from implicit_bayes.simulators.atomic import written_aside

Keywords = dict[str, Any]
"""Keyword arguments of matplotlib, each of a type of its own."""
PACKED = 3
"""How hard a PNG is compressed, 1 to 9: Pillow's 6 takes half as long again and makes our figures no smaller."""


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's settings while a figure is drawn; they are put back afterwards."""
    sheet = resources.files("implicit_bayes.benchmarks") / "house.mplstyle"
    with resources.as_file(sheet) as path, style.context(str(path)):
        yield


def save(figure: Figure, path: Path) -> Path:
    """Write a figure atomically.

    Args:
        figure: drawn.
        path: its ending, png or svg, says which kind.

    Returns:
        ``path``.
    """
    content = as_bytes(figure, path.suffix[1:])
    with written_aside(path, binary=True) as file:
        file.write(content)
    return path


def as_bytes(figure: Figure, kind: str) -> bytes:
    """A figure as png or svg, without a date in it, so that equal results give equal files.

    Args:
        figure: drawn.
        kind: png or svg.

    Returns:
        The content of the file.
    """
    return in_kinds(figure, (kind,))[kind]


def in_kinds(figure: Figure, kinds: Sequence[str]) -> dict[str, bytes]:
    """``as_bytes`` in several kinds, laid out once.

    Args:
        figure: drawn.
        kinds: of png and svg.

    Returns:
        kind -> the content of the file.
    """
    contents = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)  # names in other scripts
        box = settle(figure).padded(rcParams["savefig.pad_inches"])
        for kind in kinds:
            buffer = io.BytesIO()
            how: Keywords = {"metadata": {"Date": None}}
            if kind == "png":
                how = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": PACKED}}
            with rc_context({"figure.constrained_layout.use": False}):  # else the first file brings the engine back
                figure.savefig(buffer, format=kind, bbox_inches=box, **how)
            contents[kind] = buffer.getvalue()
    return contents


def settle(figure: Figure) -> Bbox:
    """Lay a figure out once for all its files; the box around all that is drawn, in inches.

    ``savefig`` would draw everything once more for each file to find both.

    Returns:
        A box, for ``savefig``'s ``bbox_inches``.
    """
    literal(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        with rc_context({"figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)  # "none" leaves a placeholder, for which ``savefig`` draws twice
        if is_simple(figure):
            return lay_out(figure)
        with warnings.catch_warnings():  # words of a changed file may leave no room for axes: drawn as they are
            warnings.simplefilter("ignore", UserWarning)
            engine.execute(figure)
            for axes in figure.axes:
                clear_titles(axes, ruler(figure.dpi))
            engine.execute(figure)
    return figure.get_tightbbox()


def literal(figure: Figure) -> Figure:
    """Make every word of a figure a word: names may hold dollars, which are mathematics to matplotlib otherwise.

    The house style switches mathematics off, so that logarithmic axes need numbers without it: 0.001 for 10⁻³.

    Returns:
        The same figure.
    """
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for ticker in (axis.major, axis.minor):
                if isinstance(ticker.formatter, LogFormatter):
                    ticker.formatter = PlainNumbers(ticker.formatter)
    return figure


class PlainNumbers(Formatter):
    """Numbers without powers, where another formatter would write any."""

    def __init__(self, inner: LogFormatter):
        self.inner = inner
        self.set_axis(inner.axis)

    def set_locs(self, locs: Sequence[float]) -> None:
        """See matplotlib's Formatter."""
        self.inner.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if self.inner(x, pos) else ""


def caption(figure: Figure, text: str) -> Figure:
    """Put a caption under the figure, wrapped to its width (about 14 characters an inch at this size).

    Args:
        figure: changed.
        text: of the caption.

    Returns:
        ``figure``.
    """
    wrapped = textwrap.fill(text, int(14 * figure.get_figwidth()))
    figure.supxlabel(wrapped, fontsize=10, color="#444444", x=0.01, ha="left", multialignment="left")
    return figure
