"""Figures as panels: side by side in a file for slides, one below the other on a page as narrow as a telephone.

A figure is a list of panels that can each be read alone. What cannot be drawn is said in a sentence.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from implicit_bayes.benchmarks.report.house import as_bytes, caption, house_style, in_kinds
from implicit_bayes.simulators.atomic import written_aside

COLUMNS = 4
PANEL = (3.3, 3.0)
"""Inches of one panel in a file."""
PAGE_PANEL = (3.8, 2.9)
"""Inches of one panel on a page: at 390 pixels its smallest text, 8 points, is 10 pixels high."""
MARKERS = "os^Dvp*"
GLYPHS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "p": "⬟", "*": "★", "P": "✚", "X": "✖", "d": "⬧", "<": "◀"}


class Panel(NamedTuple):
    """One pair of axes.

    Attributes:
        title: above it.
        draw: draws on it, labels included.
    """

    title: str
    draw: Callable[[Axes], None]


class Drawing(NamedTuple):
    """A figure.

    Attributes:
        panels: none where there is nothing to draw.
        caption: names what is drawn against what.
        note: what could not be drawn, in sentences.
        columns: panels side by side.
    """

    panels: tuple[Panel, ...]
    caption: str
    note: str = ""
    columns: int = COLUMNS


class Key(NamedTuple):
    """An entry of a legend.

    Attributes:
        words: what it says.
        glyph: a sign.
        colour: of the sign.
        panel: the title of the panel it belongs to, where another panel gives the same sign another meaning.
    """

    words: str
    glyph: str
    colour: str
    panel: str = ""


Figures = Mapping[str, Callable[[xr.Dataset], Drawing | None]]
"""File name -> what draws it from stored results; None where the results lack the data."""


def draw_all(results: xr.Dataset, directory: Path, figures: Figures) -> list[Path]:
    """Every figure that ``results`` has something to draw for, in DIR; one drawn there earlier that no longer has
    anything to show is removed.

    Args:
        results: what ``verify`` or ``gap`` stored.
        directory: where PNG and SVG files go (each written aside, then renamed).
        figures: which.

    Returns:
        Paths of PNG and SVG files.
    """
    contents: dict[Path, bytes | None] = {}  # all are drawn before the first is written
    for name, make in figures.items():
        drawing = make(results)
        with house_style():
            figure = compose(drawing) if drawing is not None and drawing.panels else None
            kinds = {} if figure is None else in_kinds(figure, ("png", "svg"))
        contents |= {directory / f"{name}.{kind}": kinds.get(kind) for kind in ("png", "svg")}
    for path, content in contents.items():
        if content is None:
            path.unlink(missing_ok=True)
        else:
            with written_aside(path, binary=True) as file:
                file.write(content)
    return [path for path, content in contents.items() if content is not None]


def compose(drawing: Drawing) -> Figure:
    """All panels in one figure, the legend above them, caption and note below.

    Returns:
        A figure, not yet laid out.
    """
    wide = min(drawing.columns, len(drawing.panels))
    rows = -(-len(drawing.panels) // wide)
    wider = 1.6 if len(drawing.panels) == 1 else 1.25 if wide == 2 else 1.0
    figure = Figure(figsize=(PANEL[0] * wide * wider, PANEL[1] * rows + 1.0))
    grid = figure.subplots(rows, wide, squeeze=False)
    for i, axis in enumerate(grid.flat):
        if i < len(drawing.panels):
            _draw(axis, drawing.panels[i])
        else:
            axis.set_axis_off()
    handles = _grouped(figure, [panel.title for panel in drawing.panels])
    if handles:
        columns = max(1, min(len(handles), round(figure.get_figwidth() / 2.2)))
        figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=columns)
    return caption(figure, " ".join([drawing.caption, drawing.note]).strip())


def on_page(drawing: Drawing) -> tuple[tuple[str, ...], tuple[Key, ...]]:
    """The panels as SVG files of their own, without legends, and the legend's entries.

    Returns:
        (SVG of each panel, keys); a key names its panel only where panels use one look for two things.
    """
    drawn, keys = [], dict[str, Key]()
    for panel in drawing.panels:
        with house_style():
            figure = Figure(figsize=PAGE_PANEL)
            axis = figure.subplots()
            _draw(axis, panel)
            for words, handle in _handles(figure).items():
                keys.setdefault(words, _key(words, handle)._replace(panel=panel.title))
            drawn.append(as_svg(figure))
    if not _ambiguous(list(keys.values())):
        keys = {words: key._replace(panel="") for words, key in keys.items()}
    return tuple(drawn), tuple(keys.values())


def _ambiguous(keys: Sequence[Key]) -> bool:
    """Whether one sign stands for two things."""
    return len({(key.glyph, key.colour) for key in keys}) < len(keys)


def _grouped(figure: Figure, titles: Sequence[str]) -> dict[str, Artist]:
    """The legend's handles by their words, after the title of their panel where one sign stands for two things."""
    handles = _handles(figure)
    if not _ambiguous([_key(words, handle) for words, handle in handles.items()]):
        return handles
    found: dict[str, Artist] = {}
    for axis, title in zip(figure.axes, titles, strict=False):  # the last places of the grid may be empty
        new = [words for words in axis.get_legend_handles_labels()[1] if words not in found]
        if new:
            found[f"{title}:"] = Line2D([], [], ls="")
            found |= {words: handles[words] for words in new}
    return found


def _draw(axis: Axes, panel: Panel) -> None:
    panel.draw(axis)
    axis.set_title(panel.title)


def _handles(figure: Figure) -> dict[str, Artist]:
    found: dict[str, Artist] = {}
    for axis in figure.axes:
        for handle, words in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(words, handle)
    return found


def _key(words: str, handle: object) -> Key:
    """A legend's entry from what matplotlib would draw: a line, an errorbar's line, a bar, an area."""
    # Any: an artist of whatever kind, asked below for what it has; errorbars and bars are tuples of their parts.
    line: Any = handle[0] if isinstance(handle, tuple) else handle
    if hasattr(line, "get_marker"):
        dashed = line.get_linestyle() not in ("-", "None", "none")
        glyph = GLYPHS.get(line.get_marker(), "┄" if dashed else "━")
        return Key(words, glyph, to_hex(line.get_color()))
    colour = line.get_facecolor()
    return Key(words, "▨" if getattr(line, "get_hatch", lambda: None)() else "■", to_hex(colour))


def as_svg(figure: Figure) -> str:
    """The figure as SVG, without a date, so that equal results give equal files.

    Returns:
        XML.
    """
    return as_bytes(figure, "svg").decode()


def number_axis(axis: Axes, values: Sequence[float]) -> None:
    """Ticks 0, 1, … with these labels: numbers of examples, or of tokens, at equal distances.

    Args:
        axis: whose ticks are set.
        values: a label each.
    """
    axis.set_xticks(range(len(values)), [str(value) for value in values])
