"""The report page of ``verify --compare``: instances side by side, from the results that each has stored."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from matplotlib.axes import Axes

from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.common.made_by import with_out
from implicit_bayes.benchmarks.report.findings import as_csv
from implicit_bayes.benchmarks.report.page import Page, PageFigure, PageTable, Section, whole_files
from implicit_bayes.benchmarks.report.panels import MARKERS, Drawing, Panel, number_axis, on_page
from implicit_bayes.benchmarks.verification.page import IN_WORDS, accuracy, read
from implicit_bayes.benchmarks.verification.sentences import VERSIONS, join, number, summary, verdict
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.stored import Text, read_json

FILE = "compare.json"
Stored = JsonObject


REMEDY = "run verify --compare again"
ASIDE = 0.06
"""Places on the axis of n between the points of one instance and the next, so that no interval hides another."""


class Index(msgspec.Struct):
    """compare.json: folders in DIR (never paths), and the command that made them.

    Attributes:
        command: of the shell.
        folders: names, in the order of the page.
    """

    command: Text
    folders: Annotated[list[Annotated[str, msgspec.Meta(pattern=r"^[^./\\][^/\\]{0,99}$")]], msgspec.Meta(min_length=1)]


def write_index(directory: Path, folders: Sequence[Path], command: str) -> Path:
    """DIR/compare.json: which folders in DIR are compared, and the command that made them all.

    Args:
        directory: DIR.
        folders: paths in DIR.
        command: of the shell.

    Returns:
        Path of compare.json.
    """
    names = [folder.relative_to(directory).as_posix() for folder in folders]
    storage.write_json(directory / FILE, {"command": command, "folders": names})
    return directory / FILE


def compare_page(directory: Path) -> Page:
    """The page of a ``verify --compare … --out DIR``.

    Returns:
        Page; nothing is computed again.

    Raises:
        ModelError: compare.json, or the results of an instance, are missing or not verify's.
    """
    index: Index = read_json(directory / FILE, Index, REMEDY)
    every = {name: read(directory / name) for name in index.folders}
    with storage.reading(directory / FILE):
        return _page(directory, every, with_out(index.command, directory))


def _page(directory: Path, every: dict[str, Stored], command: str) -> Page:
    drawing = picture(every)
    svgs, key = on_page(drawing)
    rows = [(name, *row.values()) for name, stored in every.items() for row in stored["curves"]]
    header = ("instance", *next(iter(every.values()))["curves"][0])
    seed = str(next(iter(every.values()))["instance"]["seed"])
    figure = PageFigure(
        name="compare", title="Exact Bayes on each instance", svgs=svgs, alt=drawing.caption, caption=drawing.caption,
        command=command, seed=seed, data=as_csv(header, rows), file="compare.csv", key=key, note=drawing.note,
    )  # fmt: skip
    sections = [Section("curves", "In context, and the rate", (), "", (figure,), ())]
    for i, (name, stored) in enumerate(every.items()):
        lead = tuple(("" if j else "In short", line) for j, line in enumerate(summary(stored)))
        sections.append(Section(f"instance-{i}", name, lead, "", (), ()))
    lines = [line[:1].upper() + line[1:] for line in differences(every)]
    return Page(
        title=f"Side by side: {join(list(every))}",
        subtitle="The same assumptions, conditions and theorems of Xie et al. 2022, evaluated on each instance.",
        summary=tuple(("", line) for line in lines),
        at_a_glance=side_by_side(every),
        facts=(*((("Command", command),) if command else ()), ("Seed", seed)),
        sections=tuple(sections),
        files=whole_files(directory, (FILE,)),
    )


def differences(every: dict[str, Stored]) -> list[str]:
    """Where the instances differ, a sentence a statement; what they have in common, in one.

    Returns:
        Sentences with their full stops.
    """
    lines, same = [], []
    for row in side_by_side(every).rows:
        words, *cells = map(str, row)
        subject, say = _subject(words)
        groups: dict[str, list[str]] = {}
        for name, cell in zip(every, cells, strict=True):
            groups.setdefault(say(cell), []).append(name)
        if not subject:
            continue
        if len(groups) == 1:
            same.append(f"{subject} {next(iter(groups))}")
            continue
        parts = [f"{verb} for {join(names)}" for verb, names in groups.items()]
        lines.append(f"{subject} {'; '.join(parts)}.")
    return lines + ([f"For all of them: {'; '.join(same)}."] if same else [])


def _subject(words: str) -> tuple[str, Callable[[str], str]]:
    """What a row of the table speaks of, and a cell of it as a verb; no subject where numbers stand in it."""
    kind, _, version = words.partition(", ")
    if kind in IN_WORDS:
        return kind, lambda cell: {"yes": "holds", "no": "fails"}.get(cell, f"is {cell}")
    if kind == "critical k":
        subject = f"the {version} version of Condition 1"
        return subject, lambda cell: "holds at no tested k" if cell == "none" else f"first holds at k = {cell}"
    if kind == "Theorem 1":
        return f"Theorem 1, {version},", lambda cell: cell.replace("; ", " and ")
    return "", lambda cell: cell


def side_by_side(every: dict[str, Stored]) -> PageTable:
    """One column an instance: assumptions, critical k, Theorem 1, and what Bayes does.

    Returns:
        PageTable of words; accuracies in percent, losses in nats a token.
    """
    rows: list[tuple[str, ...]] = []
    for name in ("A1", "A2", "A3", "A4", "A5"):
        rows.append((name, *(verdict(_named(stored["assumptions"], name=name)["holds"]) for stored in every.values())))
    for version in VERSIONS:
        found = [stored["critical_k"][version] for stored in every.values()]
        rows.append((f"critical k, {version}", *("none" if k is None else str(k) for k in found)))
    for version in VERSIONS:
        found = [_named(stored["theorems"], name="1", version=version) for stored in every.values()]
        rows.append((f"Theorem 1, {version}", *map(_of_theorem, found)))
    for predictor, words in (("exact", "exact Bayes"), ("prompt-aware", "prompt-aware (ceiling)")):
        last = [_last(stored, predictor) for stored in every.values()]
        rows.append((f"{words}, largest k and n", *(accuracy(row) for row in last)))
    losses = [stored["bayes"] for stored in every.values()]
    cells = [f"{number(loss['cross_entropy'])} [{number(loss['low'])}, {number(loss['high'])}]" for loss in losses]
    rows.append(("Bayes cross-entropy, nats/token", *cells))
    return PageTable("Side by side", ("", *every), tuple(rows))


def _of_theorem(row: Stored) -> str:
    """What it asks for and what is so, told apart: where it does not apply, nothing was promised."""
    applies = {True: "applies", False: "does not apply"}.get(row["applies"], "may apply")
    promised = {"holds": "its conclusion holds", "fails": "its conclusion fails"}
    given = {"holds": "its conclusion is true here", "fails": "its conclusion is false here"}
    said = promised if row["applies"] is True else given
    return f"{applies}; {said.get(row['conclusion'], 'its conclusion is undetermined')}"


def _named(rows: Sequence[Stored], **names: str) -> Stored:
    return next(row for row in rows if all(row[key] == value for key, value in names.items()))


def _last(stored: Stored, predictor: str) -> Stored | None:
    rows = [row for row in stored["curves"] if row["predictor"] == predictor]
    return max(rows, key=lambda row: (row["k"], row["n"]), default=None)


def picture(every: dict[str, Stored]) -> Drawing:
    """Accuracy of exact and of prompt-aware Bayes by n at each instance's largest k; the largest rate by k.

    Returns:
        Drawing; accuracy in percent, rates in nats an example.
    """
    panels = [
        Panel("Exact Bayes", partial(_curves, every, "exact")),
        Panel("Prompt-aware Bayes (ceiling)", partial(_curves, every, "prompt-aware")),
    ]
    rates = {name: _rates(stored) for name, stored in every.items()}
    absent = [name for name, points in rates.items() if not points]
    if any(rates.values()):
        panels.append(Panel("Sharp condition: rate below 0", partial(_rate_lines, rates)))
    return Drawing(
        tuple(panels),
        "Accuracy by the number of examples n at each instance's largest k, in % of defined prompts; and the largest "
        "log-likelihood rate over pairs (θ*, θ) by the example length k; bars 95%.",
        f"No rate is finite for every pair on {join(absent)}." if absent else "",
        columns=len(panels),
    )


def _curves(every: dict[str, Stored], predictor: str, axis: Axes) -> None:
    ns = sorted({row["n"] for stored in every.values() for row in stored["curves"]})
    for i, (name, stored) in enumerate(every.items()):
        k = max(row["k"] for row in stored["curves"])
        rows = [row for row in stored["curves"] if (row["predictor"], row["k"]) == (predictor, k)]
        rows = sorted((row for row in rows if row["accuracy"] is not None), key=lambda row: row["n"])
        x = np.array([ns.index(row["n"]) for row in rows]) + ASIDE * (i - (len(every) - 1) / 2)
        bars = [(row["accuracy"], row["accuracy_low"], row["accuracy_high"]) for row in rows]
        _points(axis, x, 100 * np.array(bars).reshape(-1, 3), i, name)
    axis.set(ylim=(-2, 102), xlabel="examples in the prompt, n", ylabel="accuracy, %")
    number_axis(axis, ns)


def _points(axis: Axes, x: np.ndarray, values_Nx3: np.ndarray, i: int, name: str) -> None:
    """A line of values, each with its interval."""
    value, low, high = values_Nx3.T
    bars = np.clip([value - low, high - value], 0.0, None)
    axis.errorbar(x, value, bars, marker=MARKERS[i % 7], color=f"C{i % 7}", capsize=2, label=name)


def _rates(stored: Stored) -> list[tuple[int, float, float, float]]:
    """(k, largest rate over pairs, its interval) where every pair has a finite one."""
    rows: dict[int, list[tuple[float | str | None, ...]]] = {}
    for row in stored["conditions"]:
        rows.setdefault(row["k"], []).append((row["rate"], row["rate_low"], row["rate_high"]))
    found = []
    for k, values in sorted(rows.items()):
        finite = [tuple(x for x in each if isinstance(x, float) and math.isfinite(x)) for each in values]
        if all(len(each) == 3 for each in finite):
            value, low, high = max(finite)
            found.append((k, value, low, high))
    return found


def _rate_lines(rates: dict[str, list[tuple[int, float, float, float]]], axis: Axes) -> None:
    for i, (name, points) in enumerate(rates.items()):
        if points:
            ks, *values = np.array(points).T
            _points(axis, ks, np.stack(values, 1), i, name)
    axis.axhline(0, color="#888888", lw=0.8)
    axis.set(xlabel="example length k, tokens", ylabel="nats an example")
