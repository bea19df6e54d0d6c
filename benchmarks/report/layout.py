"""Where the panels of a figure stand: a grid of them, a legend above it, a caption below.

matplotlib's constrained layout finds the same places for grids of any kind; it measures all words twice for that, and
``savefig`` measures them once more for the box around them. Here every panel is measured once.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Bbox, BboxBase, ScaledTranslation

PAD = 3 / 72
"""Inches around a panel and its words, as in constrained layout."""
GUESS = (0.55, 0.43, 0.03, 0.2)
"""Inches that the words of a panel take left, below, right and above, until they are measured."""
MOST = 4
"""Times that panels are placed at most: a panel of another size may have other words, which are measured again."""
SLACK = 0.3
"""Inches by which a panel may be wider or higher than when it was measured: words that lean out move by less."""


class Measured(NamedTuple):
    """The words of one panel.

    Attributes:
        beyond: inches that they stand out left, below, right and above.
        labels: inches from the axes to the words of the x and of the y axis.
        size: inches of width and height of the axes.
        ticks: how many ticks there is room for along x and y.
    """

    beyond: np.ndarray
    labels: tuple[float, float]
    size: np.ndarray
    ticks: tuple[int, ...]

    def holds(self, axes: Axes) -> bool:
        """Whether the words are still so, where these axes stand now."""
        return self.ticks == _ticks(axes) and bool((abs(self.size - _size(axes)) < SLACK).all())


def is_simple(figure: Figure) -> bool:
    """Whether a figure is what ``lay_out`` places.

    Args:
        figure: drawn.

    Returns:
        Whether it is one grid with a panel in each cell, of any shape, with at most a legend and a caption.
    """
    places = [axes.get_subplotspec() for axes in figure.axes]
    grids = {place.get_gridspec() if place is not None else None for place in places}
    if len(grids) != 1 or not isinstance(grids.pop(), GridSpec) or figure.subfigs or len(figure.legends) > 1:
        return False
    cells = {place.num1 for place in places if place is not None and place.num1 == place.num2}
    return (
        len(cells) == len(places)
        and all(axes.get_aspect() == "auto" and axes.get_in_layout() and not axes.child_axes for axes in figure.axes)
        and [text.get_text() for text in figure.texts] in ([], [figure.get_supxlabel()])
    )


@cache
def ruler(dpi: float) -> RendererAgg:
    """What words are measured with, the same for all figures: it remembers how long each was.

    Args:
        dpi: of the figure.

    Returns:
        A renderer that nothing is drawn with.
    """
    return RendererAgg(1, 1, dpi)


def lay_out(figure: Figure) -> Bbox:
    """Place the panels of a simple figure; its labels stay where they are measured.

    Args:
        figure: a simple one, its legend in an upper corner.

    Returns:
        The box around all that is drawn, in inches.
    """
    renderer = ruler(figure.dpi)
    outer = [each.get_window_extent(renderer) for each in figure.legends]
    above = sum((box.height for box in outer), 0.0) / figure.dpi + 2 * PAD * len(outer)
    below = 0.0
    for text in figure.texts:
        text.set_y(PAD / figure.get_figheight())
        outer.append(text.get_window_extent(renderer))
        below = outer[-1].height / figure.dpi + 2 * PAD
    fits = _place(figure, [np.array(GUESS)] * len(figure.axes), above, below)
    measured = [_measure(axes, renderer) for axes in figure.axes]
    for _ in range(MOST):
        fits = _place(figure, [each.beyond for each in measured], above, below)
        stale = [i for i, axes in enumerate(figure.axes) if not measured[i].holds(axes)]
        if not fits or not stale:
            break
        for i in stale:
            measured[i] = _measure(figure.axes[i], renderer)
    if not fits:  # words that leave no room are drawn over each other
        return figure.get_tightbbox(renderer)
    for axes, each in zip(figure.axes, measured, strict=True):
        _hold(axes, each.labels)
        left, low, right, high = each.beyond * figure.dpi
        box = axes.bbox
        outer.append(Bbox([[box.x0 - left, box.y0 - low], [box.x1 + right, box.y1 + high]]))
        labels = [axis.label for axis in (axes.xaxis, axes.yaxis) if axes.axison and axis.label.get_text()]
        outer += [text.get_window_extent(renderer) for text in (*titles(axes), *labels)]
    around = Bbox.union([box for box in outer if np.isfinite(box.get_points()).all()])
    return Bbox(around.get_points() / figure.dpi)


def titles(axes: Axes) -> list[Text]:
    """The titles of a panel that say something: left, in the middle, right.

    Returns:
        Texts.
    """
    own = set(axes.texts)
    return [each for each in axes.get_children() if isinstance(each, Text) and each not in own and each.get_text()]


def clear_titles(axes: Axes, renderer: RendererBase) -> float:
    """Raise a title that runs into its axes, having several lines, or into the factor above the y axis (``1e-7``).

    matplotlib would look for it at every drawing; the house style says that titles stand at 1.

    Args:
        axes: measured before.
        renderer: that measured.

    Returns:
        Pixels between the top of the axes and that of its titles.
    """
    factor, beyond, inch = axes.yaxis.get_offset_text(), 0.0, axes.figure.dpi
    for title in titles(axes):
        box, free = title.get_window_extent(renderer), axes.bbox.y1
        if axes.axison and factor.get_visible() and factor.get_text():
            words = factor.get_window_extent(renderer)
            if words.overlaps(box):
                free = max(free, words.y1)
        if box.y0 < free:
            up = ScaledTranslation(0.0, (free - box.y0) / inch + PAD, axes.figure.dpi_scale_trans)
            title.set_transform(title.get_transform() + up)
            box = title.get_window_extent(renderer)
        beyond = max(beyond, box.y1 - axes.bbox.y1)
    return beyond


def _measure(axes: Axes, renderer: RendererBase) -> Measured:
    """The words of a panel where it stands; the length of titles and labels does not count."""
    dpi, box = axes.figure.dpi, axes.bbox
    around: BboxBase = axes.get_tightbbox(renderer, for_layout_only=True) or box
    top = max(around.y1 - box.y1, clear_titles(axes, renderer))
    beyond = np.array([box.x0 - around.x0, box.y0 - around.y0, around.x1 - box.x1, top]) / dpi
    labels = box.y0 - axes.xaxis.label.get_position()[1], box.x0 - axes.yaxis.label.get_position()[0]
    return Measured(beyond=beyond, labels=(labels[0] / dpi, labels[1] / dpi), size=_size(axes), ticks=_ticks(axes))


def _size(axes: Axes) -> np.ndarray:
    return np.array(axes.bbox.size) / axes.figure.dpi


def _ticks(axes: Axes) -> tuple[int, ...]:
    """Room for ticks where somebody counts it: given ones need none, and more than nine are never chosen."""
    axis = (axes.xaxis, axes.yaxis)
    return tuple(0 if isinstance(a.get_major_locator(), FixedLocator) else min(9, a.get_tick_space()) for a in axis)


def _place(figure: Figure, beyond: list[np.ndarray], above: float, below: float) -> bool:
    """Give every panel of a row its height and of a column its width; whether there was room for any."""
    places = [place for axes in figure.axes if (place := axes.get_subplotspec())]
    grid = places[0].get_gridspec()
    margins = np.zeros((4, max(grid.get_geometry())))
    cells = [(place.colspan.start, place.rowspan.start) for place in places]
    for (column, row), each in zip(cells, beyond, strict=True):
        at = [column, row, column, row]
        margins[range(4), at] = np.maximum(margins[range(4), at], each + PAD)
    left, low, right, high = margins
    wide, tall = figure.get_size_inches()
    widths = _shares(np.array(grid.get_width_ratios()), wide - left.sum() - right.sum())
    heights = _shares(np.array(grid.get_height_ratios()), tall - above - below - low.sum() - high.sum())
    if min(*widths, *heights) <= 0:
        return False
    for axes, (i, j) in zip(figure.axes, cells, strict=True):
        x = left[: i + 1].sum() + right[:i].sum() + widths[:i].sum()
        y = tall - above - high[: j + 1].sum() - low[:j].sum() - heights[: j + 1].sum()
        axes.set_position((x / wide, y / tall, widths[i] / wide, heights[j] / tall))
        axes.set_in_layout(True)  # which placing by hand takes away
    return True


def _shares(ratios: np.ndarray, whole: float) -> np.ndarray:
    return whole * ratios / ratios.sum()


def _hold(axes: Axes, distances: tuple[float, float]) -> None:
    """Labels stay at their distances, so that drawing need not look at all ticks again to find them."""
    sides: tuple[tuple[Axis, float, float, str], ...] = (
        (axes.xaxis, 0.0, -distances[0], "bottom"),
        (axes.yaxis, -distances[1], 0.0, "left"),
    )
    for axis, aside, up, side in sides:
        if axis.get_label_position() == side:
            x, y = (0.0, axis.label.get_position()[1]) if side == "left" else (axis.label.get_position()[0], 0.0)
            axis.set_label_coords(x, y, axes.transAxes + ScaledTranslation(aside, up, axes.figure.dpi_scale_trans))
