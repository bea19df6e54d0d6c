"""What an experiment found: points with intervals, tables, and a verdict in words that the numbers decide.

Stored in DIR as results.nc and results.csv (one row a point, all experiments together) and findings.json (the rest),
from which figures and report are drawn again without computing anything.
"""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.storage import plain, read_results, write_json, write_results
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.theory import ModelError


class Point(NamedTuple):
    """y at x with its interval [low, high]; prompts is how many (or what else) was averaged."""

    panel: str
    series: str
    x: float
    y: float
    low: float
    high: float
    prompts: int = 0


class Mark(NamedTuple):
    """A vertical line at x in one panel, with words."""

    panel: str
    x: float
    label: str


class Axes(NamedTuple):
    """x, y: labels with units.   scale: of x: linear, log, or category (evenly spaced).   limits: of y, or None.
    kind: line (bands), or bars (a mark with an error bar, no line)."""

    x: str
    y: str
    scale: str = "linear"
    limits: tuple[float, float] | None = None
    kind: str = "line"


class Picture(NamedTuple):
    """One figure: panels and series in the order of their first points."""

    name: str
    title: str
    caption: str
    axes: Axes
    points: tuple[Point, ...]
    marks: tuple[Mark, ...] = ()


class Table(NamedTuple):
    """Cells are words or numbers (shown as they are; round them first)."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Findings(NamedTuple):
    """One experiment.

    name, title: of the experiment.   paper: what the paper showed.   ours: what is measured here.
    verdict: one or two sentences that the numbers decided.   summary: the same in at most a dozen words and numbers.
    """

    name: str
    title: str
    paper: str
    ours: str
    verdict: str
    summary: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


def store(directory: Path, findings: Sequence[Findings], about: dict[str, Any]) -> list[Path]:
    """Write results.nc, results.csv and findings.json.

    Args:
        directory: DIR.
        findings: of the experiments that were asked for.
        about: command, seed, preset and what else the report says of the run.

    Returns:
        The files.
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


def load(directory: Path) -> tuple[list[Findings], dict[str, Any]]:
    """What ``store`` wrote.

    Raises:
        ModelError: DIR holds no findings, or damaged ones.
    """
    try:
        stored = json.loads((directory / "findings.json").read_text(encoding="utf-8"))
        points: dict[tuple[str, str], list[Point]] = {}
        if (directory / "results.nc").is_file():
            data = read_results(directory / "results.nc")
            columns = [data[name].values.tolist() for name in ("experiment", "picture", *Point._fields)]
            for experiment, picture, *rest in zip(*columns, strict=True):
                points.setdefault((experiment, picture), []).append(Point(*rest))
        return [_from_json(each, points) for each in stored["findings"]], stored["about"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"results: no readable findings.json in {directory} ({error}); run reproduce first") from error


def _to_json(findings: Findings) -> dict[str, Any]:
    pictures = [
        picture._asdict()
        | {"points": [], "axes": picture.axes._asdict(), "marks": [m._asdict() for m in picture.marks]}
        for picture in findings.pictures
    ]
    return findings._asdict() | {"pictures": pictures, "tables": [table._asdict() for table in findings.tables]}


def _from_json(stored: dict[str, Any], points: dict[tuple[str, str], list[Point]]) -> Findings:
    pictures = []
    for row in stored["pictures"]:
        limits = row["axes"]["limits"]
        axes = Axes(**(row["axes"] | {"limits": None if limits is None else tuple(limits)}))
        marks = tuple(Mark(**mark) for mark in row["marks"])
        here = tuple(points.get((stored["name"], row["name"]), ()))
        pictures.append(Picture(**(row | {"axes": axes, "marks": marks, "points": here})))
    tables = tuple(
        Table(row["title"], tuple(row["header"]), tuple(tuple(cells) for cells in row["rows"]))
        for row in stored["tables"]
    )
    return Findings(**(stored | {"pictures": tuple(pictures), "tables": tables}))


def as_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated values with Unix line ends; non-finite numbers as inf, -inf, nan."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[f"{x:.6g}" if isinstance(x, float) else plain(x) for x in row] for row in rows])
    return out.getvalue()


def percent(share: float, digits: int = 1) -> str:
    """63.2% of a share; "–" where there is none."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.{digits}f}%"
