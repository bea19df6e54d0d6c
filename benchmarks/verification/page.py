"""The report page of a verification, from its stored results.json and results.nc."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.common.made_by import with_out
from implicit_bayes.benchmarks.common.words import sizes
from implicit_bayes.benchmarks.gap.page import gap_table
from implicit_bayes.benchmarks.report.findings import as_csv, percent
from implicit_bayes.benchmarks.report.page import Page, PageFigure, PageTable, Section, whole_files
from implicit_bayes.benchmarks.report.panels import on_page
from implicit_bayes.benchmarks.verification.enough import measured_words
from implicit_bayes.benchmarks.verification.figures import FIGURES
from implicit_bayes.benchmarks.verification.proved import page_tables
from implicit_bayes.benchmarks.verification.sentences import number, summary, verdict
from implicit_bayes.benchmarks.verification.stored import REMEDY, StoredVerification
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.stored import convert, read_json

TITLES = {
    "curves": "In-context accuracy",
    "undefined": "Where the Bayes answer does not exist",
    "conditions": "Condition 1 and the error of every predictor",
    "budget": "What the conditions are made of",
    "finite": "How many examples are enough",
    "information": "What a token costs Bayes",
}
DATA = {"curves": "curves", "undefined": "curves", "finite": "finite_sample", "information": "information"}
"""The key of results.json behind a figure; of the others ``conditions``."""
IN_WORDS = {
    "A1": "Delimiter states emit the delimiter and nothing else, and no other state can emit it.",
    "A2": "Under θ* every state moves to every delimiter state with probability above c1 > 0, under the other concepts "
    "with probability below c2; a document starts in a delimiter state with probability in [c3, c4].",
    "A3": "The law of an example's first state differs, in total variation, from the law of the state after a "
    "delimiter under θ* by less than a quarter of the margin between the two likeliest answers, for every x_test.",
    "A4": "The true concept θ* is one of the concepts of the pretraining law.",
    "A5": "Under θ* every state can follow every state (above c5), every token is emitted by some state (above c6) and "
    "every state can start a document (at least c8).",
}
"""What each assumption says."""


def read(directory: Path) -> JsonObject:
    """A stored results.json.

    Returns:
        The object of ``verify --json``.

    Raises:
        ModelError: missing, or not an object of verify's.
    """
    path = directory / "results.json"
    stored: JsonObject = read_json(path, JsonObject, REMEDY)
    convert(stored, StoredVerification, f"report: {path} is not verify's", REMEDY)
    return stored


def verify_page(directory: Path, results: xr.Dataset | None = None) -> Page:
    """The page of a ``verify --out DIR``.

    Args:
        directory: DIR, which holds results.json and results.nc.
        results: what results.nc holds, where the caller has it: it is not read then.

    Returns:
        Page; nothing is computed again.

    Raises:
        ModelError: results.json is missing or not one of verify's.
    """
    stored = read(directory)
    if results is not None:  # our own, a moment old
        return _page(directory, stored, results)
    with storage.reading(directory / "results.json"):
        return _page(directory, stored, results)


def _page(directory: Path, stored: JsonObject, results: xr.Dataset | None) -> Page:
    instance = stored["instance"]
    name, seed = instance["name"], str(instance["seed"])
    command = with_out(stored.get("command", ""), directory)
    figures = _figures(directory, stored, command, seed, results)

    def of(*names: str) -> tuple[PageFigure, ...]:
        return tuple(figures[each] for each in names if each in figures)

    sections = [
        Section("assumptions", "Assumptions", (), "", (), (_assumptions(stored),)),
        Section("conditions", "Conditions and theorems", (), "", of("conditions", "budget"),
                (_theorems(stored), *_certificates(stored), *page_tables(stored), *_conditions(stored))),
        Section("finite", "Theorem 1 at finite n", (), "", of("finite"), tuple(_finite(stored))),
        Section("curves", "In-context curves", (), "", of("curves", "undefined"), (_curves(stored),)),
        Section("information", "What a token costs", (), "", of("information"), ()),
    ]  # fmt: skip
    if stored.get("gap"):
        sections.append(
            Section("models", "Language models beside exact Bayes", (), "", (), (gap_table(stored["gap"]),))
        )
    size = sizes(instance["concepts"], instance["states"], instance["vocabulary"])
    facts = [("Command", command)] if command else []
    facts += [("Seed", seed), ("Instance", "; ".join(filter(None, (stored.get("description", ""), size))))]
    glance = PageTable(
        "At a glance",
        ("Assumption", "In words", "Holds", "Why"),
        tuple((row["name"], IN_WORDS.get(row["name"], ""), verdict(row["holds"]), row["witness"])
              for row in stored["assumptions"]),
    )  # fmt: skip
    return Page(
        title=f"What the theory says of {name}",
        subtitle="Assumptions, conditions and theorems of Xie et al. 2022 evaluated, and exact Bayes measured.",
        summary=tuple(("", line) for line in summary(stored)),
        at_a_glance=glance,
        facts=tuple(facts),
        sections=tuple(sections),
        files=whole_files(directory, ("results.csv", "results.json")),
    )


def _figures(
    directory: Path, stored: JsonObject, command: str, seed: str, results: xr.Dataset | None
) -> dict[str, PageFigure]:
    """Drawn from results.nc; none where that is missing."""
    if results is None and not (directory / "results.nc").is_file():
        return {}
    results = storage.read_results(directory / "results.nc") if results is None else results
    found = {}
    for each, make in FIGURES.items():
        drawing = make(results)
        if drawing is None:
            continue
        svgs, key = on_page(drawing)
        rows = stored[DATA.get(each, "conditions")]
        rows = rows["by_position"] if isinstance(rows, dict) else rows
        found[each] = PageFigure(
            name=each, title=TITLES[each], svgs=svgs, alt=f"{TITLES[each]}. {drawing.caption}", caption=drawing.caption,
            command=command, seed=seed, data=_csv(rows), file=f"{each}.csv", key=key, note=drawing.note,
        )  # fmt: skip
    return found


def _csv(rows: Sequence[JsonObject]) -> str:
    names = list(rows[0]) if rows else []
    return as_csv(names, [[row[name] for name in names] for row in rows])


def alike(rows: Sequence[tuple[object, ...]], column: int) -> tuple[tuple[object, ...], ...]:
    """Rows that differ in one column only become one, which lists what that column held, in the order they came in.

    Args:
        rows: tuples of one length.
        column: index of that column.

    Returns:
        The rows that are left.
    """
    found: dict[tuple[object, ...], list[str]] = {}
    for row in rows:
        found.setdefault((*row[:column], *row[column + 1 :]), []).append(str(row[column]))
    mark = "; " if any("," in str(row[column]) for row in rows) else ", "
    return tuple((*rest[:column], mark.join(each), *rest[column:]) for rest, each in found.items())


def _finite(stored: JsonObject) -> list[PageTable]:
    """n(delta) certified and measured, for every k, true concept and version."""

    def words(enough: JsonObject) -> str:
        return " / ".join("–" if n is None else str(n) for n in enough.values())

    ns = [row["n"] for row in stored["curves"]]

    def measured(row: JsonObject) -> str:
        if "n_measured_low" not in row:  # stored by 0.1
            return words(row["n_measured"])
        ends = {delta: (low, row["n_measured_high"][delta]) for delta, low in row["n_measured_low"].items()}
        return measured_words(ends, min(ns, default=0))

    rows = tuple(
        (row["k"], row["true_concept"], row["version"], number(row["exponent"]), words(row["n_enough"]),
         measured(row), row["method"], row["reason"])
        for row in stored.get("finite_sample", ())
    )  # fmt: skip
    header = (
        "k",
        "θ*",
        "version",
        "exponent, nats/example",
        "enough, certified",
        f"enough, measured at n ≤ {max(ns, default=0)}, with 95%",
        "method",
        "why not",
    )
    title = "Examples that are enough for an error of at most 0.1 / 0.01 / 0.001"
    said = len(header) if any(row[-1] for row in rows) else len(header) - 1
    return [PageTable(title, header[:said], alike(tuple(row[:said] for row in rows), 1))] if rows else []


def _assumptions(stored: JsonObject) -> PageTable:
    rows = tuple(
        (
            row["name"],
            verdict(row["holds"]),
            ", ".join(f"{k} = {_short(v)}" for k, v in row["constants"].items()) or "–",
        )
        for row in stored["assumptions"]
    )
    return PageTable("Constants", ("assumption", "holds", "constants"), rows)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _theorems(stored: JsonObject) -> PageTable:
    rows = tuple(
        (f"{row['name']}, {row['version']}", verdict(row["applies"]), number(row["bound"]), verdict(row["vacuous"]),
         row.get("in_words", row["conclusion"]), row.get("reason", "")) for row in stored["theorems"]
    )  # fmt: skip
    header = ("theorem", "applies", "bound", "vacuous", "conclusion", "reason")
    return PageTable(f"Theorems at k = {stored['theorems'][0]['k']}", header, rows)


def _certificates(stored: JsonObject) -> tuple[PageTable, ...]:
    """What was proved in ball arithmetic; nothing where that was not asked for."""
    rows = []
    for row in stored.get("certificates") or ():
        held = " ".join(name for name, holds in row["assumptions"].items() if holds) or "none"
        balls = [_ball(row.get(name)) for name in ("printed_margin", "repaired_margin", "rate")]
        verdicts = ", ".join(f"{each} {verdict(row.get(f'{each}_holds'))}" for each in ("printed", "repaired", "sharp"))
        rows.append((row["k"], f"{row['true_concept']}, {row['concept']}", held, *balls, verdicts))
    header = ("k", "θ*, θ", "assumptions that hold", "printed margin", "repaired margin", "rate", "holds")
    off = max((row.get("rescaled") or 0.0 for row in stored.get("certificates") or ()), default=0.0)
    divided = f", rows that sum to 1 ± {off:.1e} divided by their sums" if off else ""
    title = f"Certificate: proved in ball arithmetic, nats (entries read as the decimals they print as{divided})"
    return (PageTable(title, header, alike(rows, 1)),) if rows else ()


def _ball(ball: object) -> str:
    """The leading digits and the radius; all digits stand in results.json."""
    if not isinstance(ball, dict):
        return "–" if ball is None else str(ball)
    digits = str(ball["midpoint"])
    cut = digits if len(digits) <= 18 else digits[:18] + "…"
    return f"{cut} ± {ball['radius']:.1e}" if isinstance(ball["radius"], float) else f"{cut} ± {ball['radius']}"


def _conditions(stored: JsonObject) -> tuple[PageTable, ...]:
    fields = ("k", "true_concept", "concept", "kl_sum", "eps_start", "eps_delim_printed", "start_kl",
              "eps_delim_repaired", "printed_holds", "repaired_holds", "rate", "sharp_holds")  # fmt: skip
    header = ("k", "θ*", "θ", "ΣKL", "ε_start", "ε_delim printed", "start KL", "ε_delim repaired", "printed",
              "repaired", "lim r_n", "sharp")  # fmt: skip
    rows = tuple(
        tuple(
            verdict(row[f]) if f.endswith("_holds") else row[f] if f in fields[:3] else number(row[f], 3)
            for f in fields
        )
        for row in stored["conditions"]
    )
    return (PageTable("Condition 1 for every pair, nats", header, rows, folded=True),) if rows else ()


def _curves(stored: JsonObject) -> PageTable:
    shares = ("accuracy", "accuracy_low", "accuracy_high")
    rows = tuple(
        (label(row), row["k"], row["n"], *("–" if row[f] is None else f"{100 * row[f]:.1f}" for f in shares),
         row["defined"], row["prompts"]) for row in stored["curves"]
    )  # fmt: skip
    header = ("predictor", "k", "n", "accuracy, %", "95% from", "to", "prompts with an answer", "of")
    return PageTable("Every point of the curves", header, rows, folded=True)


def label(row: JsonObject) -> str:
    """A predictor's name, with its smoothing.

    Returns:
        Words.
    """
    return row["predictor"] if row["epsilon"] is None else f"{row['predictor']} (ε = {row['epsilon']:g})"


def accuracy(row: JsonObject | None) -> str:
    """A cell of the curves in percent, its interval, and of how many prompts; a dash where no prompt is defined.

    Returns:
        Text.
    """
    if row is None or row["accuracy"] is None:
        return "–"
    ends = f"[{100 * row['accuracy_low']:.1f}, {100 * row['accuracy_high']:.1f}]"
    return f"{percent(row['accuracy'])} {ends} of {row['defined']}"
