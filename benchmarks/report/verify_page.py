"""The report page of a verification, from its stored results.json and SVG figures."""

import json
from pathlib import Path
from typing import Any

from implicit_bayes.benchmarks.report.findings import as_csv, percent
from implicit_bayes.benchmarks.report.page import Page, PageFigure, PageTable, Section, whole_files
from implicit_bayes.theory import ModelError

CAPTIONS = {
    "curves": ("In-context accuracy", "Accuracy against the number of examples, a panel for each k, a line for each "
               "predictor; exact Bayes only where the prompt has positive probability; bands 95% Wilson."),
    "undefined": ("Where the Bayes answer does not exist",
                  "Share of prompts with probability zero under every concept."),
    "conditions": ("Condition 1 and the error of exact Bayes", "Left: what each version has left at the pair "
                   "that binds it. "
                   "Right: the error of exact Bayes against the number of examples."),
    "budget": ("What the conditions are made of",
               "The pair that binds the repaired condition at each k, and A3 at the largest k."),
}  # fmt: skip


def verify_page(directory: Path) -> Page:
    """The page of a ``verify --out DIR``.

    Raises:
        ModelError: results.json is missing or not one of verify's.
    """
    try:
        stored = json.loads((directory / "results.json").read_text(encoding="utf-8"))
        instance, settings = stored["instance"], stored["settings"]
        settings = settings if isinstance(settings, dict) else {}
        return _page(directory, stored, instance, settings)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(f"report: {directory / 'results.json'} is not verify's ({error}); run verify again") from error


def _page(directory: Path, stored: dict[str, Any], instance: dict[str, Any], settings: dict[str, Any]) -> Page:
    name, seed = instance["name"], str(instance["seed"])
    command = (
        f"implicit-bayes verify {name} --prompts {settings.get('prompts', '')} --seed {seed} --out {directory.name}"
    )
    held = [row["name"] for row in stored["assumptions"] if row["holds"] is True]
    failed = [row["name"] for row in stored["assumptions"] if row["holds"] is False]
    bayes = stored["bayes"]
    summary = [
        f"Assumptions that hold: {', '.join(held) or 'none'}; that fail: {', '.join(failed) or 'none'}.",
        "Condition 1 first holds for every pair at k = "
        + ", ".join(f"{k if k is not None else 'no tested k'} ({v})" for v, k in stored["critical_k"].items()) + ".",
        _last_line(stored["curves"]),
        f"Exact Bayes predicts fresh documents with {_number(bayes['cross_entropy'])} nats a token "
        f"(± {_number(bayes['standard_error'])}).",
    ]  # fmt: skip
    figures = {
        each: PageFigure(each, CAPTIONS[each][0], (directory / f"{each}.svg").read_text(encoding="utf-8"),
                         f"{CAPTIONS[each][0]} of {name}. {CAPTIONS[each][1]}", CAPTIONS[each][1], command, seed,
                         _csv(stored["curves" if each in ("curves", "undefined") else "conditions"]), f"{each}.csv")
        for each in CAPTIONS if (directory / f"{each}.svg").is_file()
    }  # fmt: skip

    def of(*names: str) -> tuple[PageFigure, ...]:
        return tuple(figures[each] for each in names if each in figures)

    sections = [
        Section("assumptions", "Assumptions", (), "", (), (_assumptions(stored),)),
        Section("conditions", "Conditions and theorems", (), "", of("conditions", "budget"),
                (_theorems(stored), _conditions(stored))),
        Section("curves", "In-context curves", (), "", of("curves", "undefined"), (_curves(stored),)),
    ]  # fmt: skip
    facts = (("Command", command), ("Seed", seed), ("Instance", f"{instance['concepts']} concepts, "
              f"{instance['states']} states, {instance['vocabulary']} tokens"))  # fmt: skip
    verdicts = tuple((row["name"], _verdict(row["holds"]), row["witness"]) for row in stored["assumptions"])
    glance = PageTable("At a glance", ("Assumption", "Holds", "Why"), verdicts)
    title = f"What the theory says of {name}"
    subtitle = "Assumptions, conditions and theorems of Xie et al. 2022 evaluated, and exact Bayes measured."
    return Page(
        title,
        subtitle,
        tuple(("", line) for line in summary),
        glance,
        facts,
        tuple(sections),
        whole_files(directory, ("results.csv", "results.json")),
    )


def _last_line(curves: list[dict[str, Any]]) -> str:
    k, n = max(row["k"] for row in curves), max(row["n"] for row in curves)
    rows = [row for row in curves if (row["k"], row["n"]) == (k, n)]
    words = ", ".join(
        f"{_label(row)} {percent(row['accuracy']) if row['accuracy'] is not None else '–'}" for row in rows
    )
    lost = next((row["undefined_share"] for row in rows if row["predictor"] == "exact"), 0.0)
    return f"At k = {k}, n = {n}: {words}; {percent(lost)} of prompts have no posterior."


def _label(row: dict[str, Any]) -> str:
    return row["predictor"] if row["epsilon"] is None else f"{row['predictor']} (ε = {row['epsilon']:g})"


def _number(value: Any, digits: int = 4) -> str:
    return value if isinstance(value, str) else "–" if value is None else f"{value:.{digits}f}"


def _verdict(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _csv(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0]) if rows else []
    return as_csv(names, [[row[name] for name in names] for row in rows])


def _assumptions(stored: dict[str, Any]) -> PageTable:
    rows = tuple(
        (row["name"], _verdict(row["holds"]), ", ".join(f"{k} = {_short(v)}" for k, v in row["constants"].items()))
        for row in stored["assumptions"]
    )
    return PageTable("Constants", ("assumption", "holds", "constants"), rows)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _theorems(stored: dict[str, Any]) -> PageTable:
    rows = tuple(
        (row["name"], row["version"], _verdict(row["applies"]), _number(row["bound"]), _verdict(row["vacuous"]),
         row.get("in_words", row["conclusion"])) for row in stored["theorems"]
    )  # fmt: skip
    return PageTable("Theorems", ("theorem", "version", "applies", "bound", "vacuous", "conclusion"), rows)


def _conditions(stored: dict[str, Any]) -> PageTable:
    fields = ("k", "true_concept", "concept", "kl_sum", "eps_start", "eps_delim_printed", "start_kl",
              "eps_delim_repaired", "printed_holds", "repaired_holds", "rate", "sharp_holds")  # fmt: skip
    header = ("k", "θ*", "θ", "ΣKL", "ε_start", "ε_delim printed", "start KL", "ε_delim repaired", "printed",
              "repaired", "lim r_n", "sharp")  # fmt: skip
    rows = tuple(
        tuple(
            _verdict(row[f]) if f.endswith("_holds") else row[f] if f in fields[:3] else _number(row[f], 3)
            for f in fields
        )
        for row in stored["conditions"]
    )
    return PageTable("Condition 1 for every pair, nats", header, rows, folded=True)


def _curves(stored: dict[str, Any]) -> PageTable:
    rows = tuple(
        (_label(row), row["k"], row["n"], *(f"{100 * row[f]:.1f}" if row[f] is not None else "–"
         for f in ("accuracy", "standard_error", "undefined_share")), row["prompts"]) for row in stored["curves"]
    )  # fmt: skip
    header = ("predictor", "k", "n", "accuracy, %", "± one standard error", "undefined, %", "prompts")
    return PageTable("Every point of the curves", header, rows, folded=True)
