"""DIR/report.html of what ``reproduce`` stored there, made again without computing anything."""

from collections.abc import Sequence
from pathlib import Path

from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.common.words import cpu_time
from implicit_bayes.benchmarks.report import findings as found
from implicit_bayes.benchmarks.report import overview
from implicit_bayes.benchmarks.report.findings import Findings, Picture
from implicit_bayes.benchmarks.report.page import Page, PageFigure, PageTable, Section, whole_files, write_page
from implicit_bayes.benchmarks.report.pictures import keys, panels, write
from implicit_bayes.simulators.json_types import JsonObject

HEADLINES = ("curves", "zero-shot", "possible", "dial")
"""Experiments whose verdicts open the page."""
SUBTITLE = (
    "Trained models and three Bayes predictors answer the same prompts: exact (the pretraining posterior, where the "
    "prompt has one), smoothed (every transition made possible) and prompt-aware (Bayes that knows how prompts are "
    "made: the ceiling). "
)


def write_report(directory: Path, order: Sequence[str] = ()) -> Path:
    """Write DIR/report.html.

    Args:
        directory: the --out directory of an earlier ``reproduce``.
        order: names of experiments in the order of the page; others come last, as they are stored.

    Returns:
        Path of the page.

    Raises:
        ModelError: DIR holds no findings.
    """
    with storage.reading(directory / "findings.json"):
        page = reproduce_page(directory, order)
    return write_page(page, directory / "report.html")


def redraw(directory: Path) -> list[Path]:
    """Every figure of a reproduce directory, PNG and SVG, from its stored results.

    Returns:
        The files written, experiment by experiment.
    """
    every, _ = found.load(directory)
    with storage.reading(directory / "findings.json"):
        return [path for each in every for path in draw(each, directory)]


def draw(each: Findings, directory: Path) -> list[Path]:
    """The figures of one experiment, and the overview where it is ``curves``.

    Args:
        each: what the experiment found.
        directory: to write into.

    Returns:
        Paths of PNG and SVG files.
    """
    written = [path for picture in each.pictures for path in write(picture, directory)]
    return written + (overview.write(each, directory) if each.name == "curves" else [])


def reproduce_page(directory: Path, order: Sequence[str] = ()) -> Page:
    """The page of a reproduction.

    Args:
        directory: of a reproduction.
        order: names of experiments in the order of the page; others come last, as they are stored.

    Returns:
        Page; nothing is computed again.

    Raises:
        ModelError: DIR holds no findings.
    """
    every, about = found.load(directory)
    every = sorted(every, key=lambda each: list(order).index(each.name) if each.name in order else len(order))
    failed = int(about.get("failed", 0))
    incomplete = f"{failed} cells failed (failures.json); experiments that need them are missing." if failed else ""
    first = [each for each in every if each.name in HEADLINES] or every[:4]
    summary = tuple((each.title, first_sentence(each.verdict)) for each in first)
    glance = PageTable(
        "At a glance", ("Experiment", "Paper", "Here"), tuple((e.title, e.paper, e.summary) for e in every)
    )
    return Page(
        title="The experiments of Xie et al. 2022, beside exact Bayes",
        subtitle=SUBTITLE + incomplete,
        summary=summary,
        at_a_glance=glance,
        facts=(
            ("Command", about["command"]),
            ("Seed", str(about["seed"])),
            ("Preset", str(about["preset"])),
            *_spent(about),
        ),
        sections=tuple(_section(each, about) for each in every),
        files=whole_files(directory, ("results.csv", "findings.json", "failures.json")),
        cover=tuple(cover for each in every if each.name == "curves" for cover in _cover(each, about)),
    )


def _spent(about: JsonObject) -> tuple[tuple[str, str], ...]:
    if "cells" not in about:
        return ()
    return (("Cost", f"{about['cells']} cells, {cpu_time(about['cpu_seconds'])}"),)


def first_sentence(words: str) -> str:
    """Up to the first full stop that ends a sentence.

    Returns:
        With its full stop; all of it where none ends before.
    """
    end = words.find(". ")
    return words if end < 0 else words[: end + 1]


def _section(each: Findings, about: JsonObject) -> Section:
    command = about["command"].replace("reproduce all", f"reproduce {each.name}")
    figures = tuple(_figure(picture, command, str(about["seed"])) for picture in each.pictures)
    tables = tuple(PageTable(t.title, t.header, t.rows, folded=len(t.rows) > 12) for t in each.tables)
    lead = (("Paper", each.paper), ("Here", each.ours))
    return Section(each.name, each.title, lead, each.verdict, figures, tables)


def _cover(each: Findings, about: JsonObject) -> tuple[PageFigure, ...]:
    """The overview, with the alternative text and the data of the picture that it is drawn from."""
    drawn = overview.svg(each)
    if drawn is None:
        return ()
    source = next(picture for picture in each.pictures if picture.name == overview.TOP)
    of = _figure(source, about["command"], str(about["seed"]))
    words = f"{source.caption} Below: the share of prompts with probability zero under every pretraining concept."
    return (of._replace(name="overview", title=overview.TITLE, svgs=(drawn,), key=(), caption=words),)


def _figure(picture: Picture, command: str, seed: str) -> PageFigure:
    data = found.as_csv(("panel", "series", picture.axes.x, picture.axes.y, "low", "high", "prompts"), picture.points)
    return PageFigure(
        name=picture.name, title=picture.title, svgs=panels(picture), alt=alt_text(picture), caption=picture.caption,
        command=command, seed=seed, data=data, file=f"{picture.name}.csv", key=keys(picture),
    )  # fmt: skip


def alt_text(picture: Picture) -> str:
    """The ends of every series in words; of a simplex, how many beliefs there are.

    Returns:
        Words for whoever does not see the picture.
    """
    if picture.axes.kind == "simplex":
        first = picture.points[0].panel
        count = sum(point.panel == first for point in picture.points)
        panels_ = ", ".join(dict.fromkeys(point.panel for point in picture.points))
        return f"{picture.title}. {count} beliefs over three states as points of a triangle, in each of: {panels_}."
    parts = []
    for panel in dict.fromkeys(point.panel for point in picture.points):
        lines = []
        for series in dict.fromkeys(p.series for p in picture.points if p.panel == panel):
            points = sorted((p for p in picture.points if (p.panel, p.series) == (panel, series)), key=lambda p: p.x)
            lines.append(
                f"{series} from {points[0].y:.0f} at {points[0].x:g} to {points[-1].y:.0f} at {points[-1].x:g}"
            )
        parts.append(f"{panel}: {'; '.join(lines)}")
    return f"{picture.title}. {picture.axes.y} against {picture.axes.x}. {'. '.join(parts)}."
