"""One picture for a slide: our models and published ones beside three Bayes predictors, and prompts without an answer.

Drawn from the stored points of experiment ``curves``: accuracy above, below it the share of prompts that no
pretraining concept can produce.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from implicit_bayes.benchmarks.report.findings import Findings, Point
from implicit_bayes.benchmarks.report.house import as_bytes, save
from implicit_bayes.benchmarks.report.pictures import Look, house_style, look_up

TOP, BOTTOM = "in-context", "no-posterior"
"""Names of the pictures whose points are used."""
TITLE = "In-context learning on GINC beside what Bayes answers"
ROOM = 5.2
"""Points of accuracy between two labels."""


def write(findings: Findings, directory: Path) -> list[Path]:
    """DIR/overview.png and .svg; nothing where the experiment has no picture at V = 50.

    Args:
        findings: of the experiment ``curves``.
        directory: to write into.

    Returns:
        Paths of both files, or none.
    """
    points = _points(findings)
    if points is None:
        return []
    with house_style():
        return [save(draw(*points), directory / f"overview.{kind}") for kind in ("png", "svg")]


def svg(findings: Findings) -> str | None:
    """The same as SVG, equal for equal findings.

    Returns:
        XML, or None where these findings lack the points.
    """
    points = _points(findings)
    if points is None:
        return None
    with house_style():
        return as_bytes(draw(*points), "svg").decode()


def _points(findings: Findings) -> tuple[tuple[Point, ...], tuple[Point, ...]] | None:
    points = {picture.name: picture.points for picture in findings.pictures}
    if TOP not in points or BOTTOM not in points:
        return None
    return points[TOP], tuple(point for point in points[BOTTOM] if point.panel == "V = 50")


def draw(accuracy: Sequence[Point], lost: Sequence[Point]) -> Figure:
    """Longest and shortest examples side by side, labels at the ends of the lines.

    Args:
        accuracy: points whose panels are "k = …".
        lost: points whose series are "k = …", in percent of prompts.

    Returns:
        A figure of two by two axes; accuracy and lost prompts in percent.
    """
    panels = list(dict.fromkeys(point.panel for point in accuracy))
    chosen = [panels[-1], panels[0]]
    series = list(dict.fromkeys(point.series for point in accuracy))
    looks, ns = look_up(series), sorted({int(point.x) for point in accuracy})
    figure = Figure(figsize=(11.0, 5.2))
    grid = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[4.2, 1.0])
    for column, panel in enumerate(chosen):
        axis, under = grid[:, column]
        here = [point for point in accuracy if point.panel == panel]
        _lines(axis, here, series, looks, ns)
        words = "long" if column == 0 else "short"
        axis.set(title=f"{words} examples, {panel}", ylim=(0, 104))
        _bars(under, [point for point in lost if point.series == panel], ns)
    _labels(grid[0, 1], [point for point in accuracy if point.panel == chosen[1]], series, looks, ns)
    grid[0, 0].set_ylabel("in-context accuracy, %")
    grid[1, 0].set_ylabel("no posterior,\n% of prompts")
    figure.suptitle(TITLE, x=0.01, ha="left", fontweight="bold")
    return figure


def _lines(
    axis: Axes, here: Sequence[Point], series: Sequence[str], looks: Mapping[str, Look], ns: Sequence[int]
) -> None:
    for name in series:
        points = sorted((point for point in here if point.series == name), key=lambda point: point.x)
        look, x = looks[name], [ns.index(int(point.x)) for point in points]
        face = "white" if look.hollow else look.colour
        axis.plot(x, [p.y for p in points], color=look.colour, ls=look.line, marker=look.marker, markerfacecolor=face)
        axis.fill_between(x, [p.low for p in points], [p.high for p in points], color=look.colour, alpha=0.13, lw=0)


def _labels(
    axis: Axes, here: Sequence[Point], series: Sequence[str], looks: Mapping[str, Look], ns: Sequence[int]
) -> None:
    """Every series' name right of its last point, moved up or down until no two touch."""
    ends = {name: max((p for p in here if p.series == name), key=lambda p: p.x) for name in series}
    order = sorted(series, key=lambda name: -ends[name].y)
    heights: list[float] = []
    for name in order:
        heights.append(min(ends[name].y, heights[-1] - ROOM if heights else 100.0))
    right = len(ns) - 1
    for name, height in zip(order, heights, strict=True):
        end = (ns.index(int(ends[name].x)), ends[name].y)
        axis.annotate(
            name, end, (right + 0.45, height), color=looks[name].colour, fontsize=9, va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": looks[name].colour, "lw": 0.5, "shrinkA": 0, "shrinkB": 4},
        )  # fmt: skip


def _bars(axis: Axes, here: Sequence[Point], ns: Sequence[int]) -> None:
    shares = {int(point.x): point.y for point in here}
    x = [i for i, n in enumerate(ns) if n in shares]
    axis.bar(x, [shares[ns[i]] for i in x], color="#999999", width=0.55)
    for i in x:
        axis.text(i, shares[ns[i]] + 4, f"{shares[ns[i]]:.0f}", ha="center", fontsize=8)
    axis.set(ylim=(0, 130), yticks=(0, 100), xlabel="examples in the prompt, n")
    axis.set_xticks(range(len(ns)), [str(n) for n in ns])
