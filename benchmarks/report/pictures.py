"""Figures of findings: one drawing for all experiments, one look for each predictor.

Colours are Okabe and Ito's, told apart by colour-blind readers and, with the markers, in grey.
"""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes as Canvas
from matplotlib.figure import Figure

from implicit_bayes.benchmarks.common.storage import inside
from implicit_bayes.benchmarks.report.findings import Picture, Point
from implicit_bayes.benchmarks.report.house import Keywords, house_style, save, settle
from implicit_bayes.benchmarks.report.panels import GLYPHS, PAGE_PANEL, Key, as_svg
from implicit_bayes.benchmarks.report.simplex import draw_simplex


class Look(NamedTuple):
    """How a series is drawn.

    Attributes:
        colour: of line, band and marker.
        marker: matplotlib's.
        line: matplotlib's line style.
        hollow: whether markers are empty, as for what others published.
    """

    colour: str
    marker: str
    line: str = "-"
    hollow: bool = False


LOOKS = (
    ("published Transformer, 4", Look("#E69F00", "v", ":", True)),
    ("published Transformer, 16", Look("#56B4E9", "D", ":", True)),
    ("published Transformer", Look("#009E73", "^", ":", True)),
    ("published LSTM", Look("#D55E00", "s", ":", True)),
    ("published", Look("#E69F00", "v", ":", True)),
    ("LSTM, shipped", Look("#D55E00", "*")),
    ("Transformer, shipped", Look("#009E73", "*")),
    ("Transformer, 2 x 32", Look("#56B4E9", "v")),
    ("Transformer, 2 x 64", Look("#0072B2", "^")),
    ("Transformer, 3 x 128", Look("#009E73", "D")),
    ("Transformer, 4 layers", Look("#E69F00", "v")),
    ("Transformer, 16 layers", Look("#56B4E9", "D")),
    ("exact", Look("#000000", "o")),
    ("smoothed", Look("#0072B2", "D")),
    ("prompt-aware", Look("#888888", "P", "--")),
    ("LSTM", Look("#D55E00", "s")),
    ("lstm", Look("#D55E00", "s")),
    ("Transformer", Look("#009E73", "^")),
    ("transformer", Look("#009E73", "^")),
)
"""The first whose words a series begins with."""
OTHERS = tuple(Look(c, m) for c, m in zip(("#CC79A7", "#56B4E9", "#E69F00", "#0072B2", "#D55E00", "#009E73", "#000000"),
                                          "X*vdps<", strict=True))  # fmt: skip
COLUMNS = 2
GAP = 0.1
"""Inches between what is drawn, the legend under it, the caption under that, and the title above."""


def draw(picture: Picture, columns: int = COLUMNS) -> Figure:
    """One figure.

    Args:
        picture: what to draw.
        columns: panels side by side.

    Returns:
        The figure, its caption not included.
    """
    panels = list(dict.fromkeys(point.panel for point in picture.points))
    series = list(dict.fromkeys(point.series for point in picture.points))
    wide = min(columns if picture.axes.kind != "simplex" else len(panels), len(panels))
    rows = math.ceil(len(panels) / wide)
    size = (4.0 * wide if wide > 1 else 5.6), 2.9 * rows
    with house_style():
        figure = Figure(figsize=size)
        grid = figure.subplots(rows, wide, squeeze=False, sharey=picture.axes.limits is not None)
        looks = look_up(series)
        every = sorted({point.x for point in picture.points})
        for i, axis in enumerate(grid.flat):
            if i >= len(panels):
                axis.set_axis_off()
                continue
            here = [point for point in picture.points if point.panel == panels[i]]
            _panel(axis, picture, panels[i], here, series, looks, every)
            if i % wide:
                axis.set_ylabel("")
            if i + wide < len(panels):
                axis.set_xlabel("")
        handles: dict[str, Artist] = {}
        for axis in grid.flat:
            handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        box = settle(figure)
        if picture.axes.kind != "simplex":  # whose points have colours of their own
            figure.legend(
                [handles[name] for name in series], series, loc="upper center",
                ncols=min(len(series), 3 if wide > 1 else 2), bbox_to_anchor=(0.5, (box.y0 - GAP) / size[1]),
            )  # fmt: skip
        return figure


def look_up(series: Sequence[str]) -> dict[str, Look]:
    """A look for every series: its predictor's, the same hollow and dashed for a second one, else a spare one.

    Returns:
        Series -> Look, no two alike while spare ones last.
    """
    looks: dict[str, Look] = {}
    spare, taken = list(OTHERS), set[Look]()
    for name in series:
        look = next((look for words, look in LOOKS if name.startswith(words)), None)
        if look is not None and look in taken:  # the same predictor once more: its colour, hollow and dashed
            look = look._replace(line="--", hollow=True)
        if look is None or look in taken:
            look = next((each for each in spare if each.colour not in {t.colour for t in taken}), spare[0])
            spare.remove(look)
        looks[name] = look
        taken.add(look)
    return looks


def _panel(
    axis: Canvas, picture: Picture, panel: str, here: list[Point], series: list[str], looks: dict[str, Look],
    every: list[float],
) -> None:  # fmt: skip
    axes = picture.axes
    if axes.kind == "simplex":
        draw_simplex(axis, picture, panel)
        return
    place = {x: float(i) for i, x in enumerate(every)} if axes.scale == "category" else {x: x for x in every}
    for j, name in enumerate(series):
        points = sorted((point for point in here if point.series == name), key=lambda point: point.x)
        points = [point for point in points if math.isfinite(point.y)]
        if points:
            shift = (j - (len(series) - 1) / 2) * 0.13 if axes.kind == "bars" else 0.0
            _series(axis, axes.kind, [place[p.x] + shift for p in points], points, name, looks[name])
    axis.set(title=panel, xlabel=axes.x, ylabel=axes.y)
    if axes.scale == "log" and (not here or any(point.x > 0 for point in here)):
        axis.set_xscale("log")
    if axes.scale == "category":
        axis.set_xticks(np.arange(len(every)), [f"{x:g}" for x in every])
    if axes.limits is not None:
        axis.set_ylim(*axes.limits)
    words: dict[float, list[str]] = {}
    for mark in sorted((m for m in picture.marks if m.panel == panel), key=lambda mark: mark.x):
        words.setdefault(place.get(mark.x, mark.x) if axes.scale == "category" else mark.x, []).append(mark.label)
    for i, (at, labels) in enumerate(words.items()):
        left = axis.transAxes.inverted().transform(axis.transData.transform((at, 0.0)))[0] < 0.55
        axis.axvline(at, color="#555555", lw=1.0, ls=(0, (4, 2, 1, 2)), zorder=1)
        axis.annotate(
            "\n".join(labels), (at, 0.03 + 0.16 * (i % 4)), xycoords=("data", "axes fraction"),
            xytext=(3 if left else -3, 0), textcoords="offset points", ha="left" if left else "right", fontsize=8,
            color="#333333", bbox={"fc": "#ffffff", "ec": "none", "alpha": 0.8, "pad": 1.0},
        )  # fmt: skip


def _series(axis: Canvas, kind: str, x: list[float], points: list[Point], name: str, look: Look) -> None:
    y, low, high = ([getattr(p, field) for p in points] for field in ("y", "low", "high"))
    face = "white" if look.hollow else look.colour
    common: Keywords = {"color": look.colour, "marker": look.marker, "markerfacecolor": face, "label": name}
    if kind == "bars":
        spread = np.abs(np.array([np.subtract(y, low), np.subtract(high, y)]))
        axis.errorbar(x, y, spread, ls="none", elinewidth=1.4, **common)
        return
    if len(points) == 1:  # a band has no width there
        axis.errorbar(x, y, [[y[0] - low[0]], [high[0] - y[0]]], ls="none", elinewidth=1.0, **common)
        return
    axis.plot(x, y, ls=look.line, **common)
    axis.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)


def write(picture: Picture, directory: Path, columns: int = COLUMNS) -> list[Path]:
    """PNG (with title and caption) and SVG (without: the page has them) in DIR.

    Args:
        picture: what to draw; its name is that of the files.
        directory: to write into.
        columns: panels side by side.

    Returns:
        Paths of both files.
    """
    with house_style():
        bare = save(draw(picture, columns), inside(directory, picture.name, "svg"))
        figure = draw(picture, columns)
        _head_and_foot(figure, picture)
        return [save(figure, inside(directory, picture.name, "png")), bare]


def _head_and_foot(figure: Figure, picture: Picture) -> None:
    """Title above and caption below all that is drawn, legend included."""
    box = settle(figure)
    wide, high = figure.get_size_inches()
    words = textwrap.fill(picture.caption, int(12.4 * wide))
    figure.text(0.01, (box.y0 - GAP) / high, words, fontsize=10, color="#444444", va="top", ha="left")
    figure.text(0.01, (box.y1 + GAP) / high, picture.title, fontsize=12, fontweight="bold", va="bottom", ha="left")


def panels(picture: Picture) -> tuple[str, ...]:
    """Every panel as an SVG of its own without a legend, equal for equal findings: a page puts them side by side, or
    one below the other where it is narrow.

    Returns:
        SVG texts, in the order in which panels first come.
    """
    drawn = []
    series = list(dict.fromkeys(point.series for point in picture.points))
    every = sorted({point.x for point in picture.points})
    for panel in dict.fromkeys(point.panel for point in picture.points):
        with house_style():
            figure = Figure(figsize=PAGE_PANEL)
            here = [point for point in picture.points if point.panel == panel]
            _panel(figure.subplots(), picture, panel, here, series, look_up(series), every)
            drawn.append(as_svg(figure))
    return tuple(drawn)


def keys(picture: Picture) -> tuple[Key, ...]:
    """The legend of all panels; of a simplex, whose points have colours of their own, none.

    Returns:
        Keys in the order of the series.
    """
    if picture.axes.kind == "simplex":
        return ()
    looks = look_up(list(dict.fromkeys(point.series for point in picture.points)))
    hollow = {"●": "○", "■": "□", "▲": "△", "◆": "◇", "▼": "▽", "★": "☆"}
    return tuple(
        Key(name, hollow.get(glyph, glyph) if look.hollow else glyph, look.colour)
        for name, look in looks.items() if (glyph := GLYPHS.get(look.marker, "●"))
    )  # fmt: skip
