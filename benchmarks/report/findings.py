"""What an experiment found: points with intervals, tables, and a verdict in words that the numbers decide.

Stored in DIR as results.nc and results.csv (one row a point, all experiments together) and findings.json (the rest),
from which figures and report are drawn again without computing anything.
"""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.storage import NAME, plain, read_results, write_json, write_results
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.stored import Count, Schema, Text, convert, fields_of, read_json, record
from implicit_bayes.theory import ModelError

REMEDY = "run reproduce first, or again"


class Point(NamedTuple):
    """What was measured at one place, with its interval.

    Attributes:
        panel: where it is drawn.
        series: whose line it is on, as the legend says.
        x: where, in the units of the axis.
        y: the value, in the units of the axis.
        low: lower end of its interval.
        high: upper end.
        prompts: how many (or what else) was averaged.
    """

    panel: str
    series: str
    x: float
    y: float
    low: float
    high: float
    prompts: int = 0


class Mark(NamedTuple):
    """A vertical line at x in one panel, with words.

    Attributes:
        panel: where it is drawn.
        x: where, in the units of the axis.
        label: the words.
    """

    panel: str
    x: float
    label: str


class Axes(NamedTuple):
    """The two axes of a figure.

    Attributes:
        x: label with units.
        y: label with units.
        scale: of x: linear, log, or category (evenly spaced).
        limits: of y; None for those of the points.
        kind: line (bands), bars (a mark with an error bar, no line), or simplex (beliefs over three states in a
            triangle: every panel has the same points in the same order, coloured by where they are in the first).
    """

    x: str
    y: str
    scale: str = "linear"
    limits: tuple[float, float] | None = None
    kind: str = "line"


class Picture(NamedTuple):
    """One figure: panels and series in the order of their first points.

    Attributes:
        name: of its files, without an ending.
        title: above it.
        caption: what is drawn, on what, with which intervals.
        axes: of every panel.
        points: of all panels and series.
        marks: vertical lines.
    """

    name: str
    title: str
    caption: str
    axes: Axes
    points: tuple[Point, ...]
    marks: tuple[Mark, ...] = ()


class Table(NamedTuple):
    """Cells are words or numbers, shown as they are: round them first.

    Attributes:
        title: above it.
        header: a word for each column.
        rows: as long as the header.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


class Findings(NamedTuple):
    """One experiment.

    Attributes:
        name, title: of the experiment.
        paper: what the paper showed.
        ours: what is measured here.
        verdict: one or two sentences that the numbers decided.
        summary: the same in at most a dozen words and numbers.
        pictures: its figures.
        tables: its tables.
    """

    name: str
    title: str
    paper: str
    ours: str
    verdict: str
    summary: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


def store(directory: Path, findings: Sequence[Findings], about: JsonObject) -> list[Path]:
    """Write results.nc, results.csv and findings.json.

    Args:
        directory: DIR.
        findings: of the experiments that were asked for.
        about: command, seed, preset and what else the report says of the run.

    Returns:
        Paths of the files written.
    """
    rows = [(f.name, p.name, *point) for f in findings for p in f.pictures for point in p.points]
    fields = ("experiment", "picture", *Point._fields)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
    data = xr.Dataset({name: ("row", np.array(column)) for name, column in zip(fields, columns, strict=True)})
    if rows:
        write_results(directory / "results.nc", data.assign_attrs({k: str(v) for k, v in about.items()}))
    with written_aside(directory / "results.csv") as file:
        file.write(as_csv(fields, rows))
    write_json(directory / "findings.json", {"about": about, "findings": [_to_json(f) for f in findings]})
    names = ("results.nc", "results.csv", "findings.json")
    return [directory / name for name in names if (directory / name).is_file()]


def load(directory: Path) -> tuple[list[Findings], JsonObject]:
    """What ``store`` wrote.

    Returns:
        (findings, about the run): all that figures and page need, nothing computed again.

    Raises:
        ModelError: DIR holds no findings, or damaged ones.
    """
    source = f"results: no readable findings.json in {directory}"
    stored: JsonObject = read_json(directory / "findings.json", JsonObject, REMEDY)
    read: StoredRun = convert(stored, StoredRun, source, REMEDY)
    points: dict[tuple[str, str], list[Point]] = {}
    if (directory / "results.nc").is_file():
        for row in _points(read_results(directory / "results.nc"), directory / "results.nc"):
            points.setdefault(row[:2], []).append(row[2])
    return [_from_stored(each, points, directory) for each in read.findings], stored["about"]


def _points(data: xr.Dataset, source: Path) -> list[tuple[str, str, Point]]:
    """The rows of results.nc: experiment, picture, point.

    Raises:
        ModelError: a column is missing or of another kind, or an x that is no number.
    """
    columns = []
    for name in ("experiment", "picture", *Point._fields):
        words = name in ("experiment", "picture", "panel", "series")
        if name not in data.variables or data[name].dims != ("row",) or (data[name].dtype.kind in "OUS") != words:
            raise ModelError(f"results: {name} in {source} is missing or no column of {Point.__name__}; {REMEDY}")
        columns.append(data[name].values.tolist())
    rows = [
        (row[0], row[1], Point(**dict(zip(Point._fields, row[2:], strict=True)))) for row in zip(*columns, strict=True)
    ]
    if not all(math.isfinite(point.x) for _, _, point in rows):
        raise ModelError(f"results: x in {source} is not finite everywhere; {REMEDY}")
    return rows


def _to_json(findings: Findings) -> JsonObject:
    pictures = [
        picture._asdict()
        | {"points": [], "axes": picture.axes._asdict(), "marks": [m._asdict() for m in picture.marks]}
        for picture in findings.pictures
    ]
    return findings._asdict() | {"pictures": pictures, "tables": [table._asdict() for table in findings.tables]}


def _from_stored(read: Schema, points: dict[tuple[str, str], list[Point]], directory: Path) -> Findings:
    pictures = []
    for each in read.pictures:
        here = tuple(points.get((read.name, each.name), ()))
        if not here:
            raise ModelError(f"results: no points of {each.name} in {directory / 'results.nc'}; {REMEDY}")
        parts = {"axes": Axes(**fields_of(each.axes)), "marks": tuple(Mark(**fields_of(mark)) for mark in each.marks)}
        pictures.append(Picture(**(fields_of(each) | parts | {"points": here})))
    tables = []
    for table in read.tables:
        if any(len(row) != len(table.header) for row in table.rows):
            raise ModelError(f"results: a row of {table.title!r} in {directory} has other columns; {REMEDY}")
        tables.append(Table(table.title, tuple(table.header), tuple(map(tuple, table.rows))))
    return Findings(**(fields_of(read) | {"pictures": tuple(pictures), "tables": tuple(tables)}))


def _stored_findings() -> Schema:
    """The schema of findings.json: the records above, their points in results.nc instead."""
    axes = record(
        Axes, x=Text, y=Text, scale=Literal["linear", "log", "category"], limits=tuple[float, float] | None,
        kind=Literal["line", "bars", "simplex"],
    )  # fmt: skip
    name: Schema = Annotated[str, msgspec.Meta(pattern=f"^{NAME.pattern}$")]
    picture = record(
        Picture, name=name, title=Text, caption=Text, axes=axes, points=list[object],
        marks=list[record(Mark, panel=Text, label=Text)],  # type: ignore[misc]
    )  # fmt: skip
    cell: Schema = str | int | float | bool | None
    table = record(Table, title=Text, header=list[str], rows=list[list[cell]])
    words = {field: Text for field in Findings._fields if field not in ("pictures", "tables")}
    return record(Findings, **(words | {"name": name, "pictures": list[picture], "tables": list[table]}))  # type: ignore[valid-type]


class About(msgspec.Struct):
    """What a reproduction says of itself.

    Attributes:
        command: of the shell.
        seed: of prompts and trainings.
        preset: tiny, small or paper.
        failed: cells that failed.
        cells: how many there are.
        cpu_seconds: of all of them.
    """

    command: Text
    seed: int
    preset: Text
    failed: Count = 0
    cells: Count = 0
    cpu_seconds: float = 0.0


StoredFindings: Schema = _stored_findings()


class StoredRun(msgspec.Struct):
    """findings.json.

    Attributes:
        about: of the reproduction.
        findings: of its experiments, whose points are in results.nc.
    """

    about: About
    findings: list[StoredFindings]


def as_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Comma-separated values with Unix line ends; non-finite numbers as inf, -inf, nan.

    Args:
        header: names of the columns.
        rows: cells; floats are written to six digits, and words that look like a formula begin with an apostrophe.

    Returns:
        Text, the header first.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[f"{x:.6g}" if isinstance(x, float) else _cell(plain(x)) for x in row] for row in rows])
    return out.getvalue()


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: words that look like one begin with an apostrophe."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def percent(share: float, digits: int = 1) -> str:
    """63.2% of a share; "–" where there is none.

    Args:
        share: in [0, 1], or nan.
        digits: after the point.

    Returns:
        Text.
    """
    return "–" if share is None or math.isnan(share) else f"{100 * share:.{digits}f}%"
