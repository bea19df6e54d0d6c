"""The report page of a gap, from its stored gap.json and gap.nc."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.common.made_by import with_out
from implicit_bayes.benchmarks.gap.figures import FIGURES
from implicit_bayes.benchmarks.report.findings import as_csv, percent
from implicit_bayes.benchmarks.report.page import Page, PageFigure, PageTable, Section, whole_files
from implicit_bayes.benchmarks.report.panels import on_page
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.stored import Count, Text, convert, read_json

TITLES = {
    "gap_loss": "Divergence from exact Bayes",
    "gap_costs": "What a token costs",
    "gap_context": "In context",
    "gap_implied": "The posterior that a model implies",
    "gap_bayesianity": "Laws that Bayes obeys",
    "gap_probes": "Beliefs read from activations",
    "gap_scaling": "Scaling laws of the log-loss",
}
SECTIONS = (
    ("loss", "On documents", ("gap_loss", "gap_costs", "gap_implied", "gap_bayesianity")),
    ("context", "In context", ("gap_context", "gap_scaling")),
    ("probes", "Inside the models", ("gap_probes",)),
)


def _mean(found: JsonObject, key: str) -> str:
    """A stored mean and its interval."""
    value = found.get(key)
    if isinstance(value, dict):
        return _between(value.get("value"), value.get("low"), value.get("high"))
    return _between(value, found.get(f"{key}_low"), found.get(f"{key}_high"))


def _between(value: float | str | None, low: float | str | None = None, high: float | str | None = None) -> str:
    """A number with its interval, both as stored (an infinity is a string); a dash for None."""
    if value is None or isinstance(value, str):
        return value or "–"
    form, value = "{:.4f}" if abs(value) >= 5e-5 or value == 0 else "{:.0e}", value + 0.0  # no minus before a zero
    if low is None or high is None:
        return form.format(value)
    return form.format(value) + " [{}, {}]".format(*(x if isinstance(x, str) else form.format(x) for x in (low, high)))


def _excess(found: JsonObject) -> str:
    return _between(found["excess_nats"], found["excess_low"], found["excess_high"])


MEASURES: tuple[tuple[str, Callable[[JsonObject], str]], ...] = (
    ("parameters", lambda found: f"{found['parameters']:,}" if found["parameters"] else "–"),
    ("excess over Bayes, nats/token", _excess),
    ("KL(Bayes ‖ model), nats/token", lambda found: _mean(found, "kl_nats")),
    ("total variation of the next token", lambda found: _mean(found, "total_variation")),
    ("excess 0-1 risk", lambda found: _mean(found, "excess_risk")),
    ("calibration error", lambda found: _between(found["calibration_error"])),
    ("largest log M (Ville's threshold)",
     lambda found: f"{_between(found['ville_log_max'])} ({_between(found['ville_threshold'])})"),
    ("laws broken", lambda found: ", ".join(row["law"] for row in found["laws"] if not row["holds"]) or "none"),
    ("implied posterior: TV from the exact one", lambda found: _mean(found, "implied_posterior_tv")),
    ("implied posterior: residual, nats", lambda found: _mean(found, "implied_posterior_residual")),
    ("martingale gap", lambda found: _mean(found, "martingale_gap")),
)  # fmt: skip


def gap_table(objects: Sequence[JsonObject]) -> PageTable:
    """Models side by side: one row a measure, one column a model.

    Args:
        objects: what ``gap --json`` (or ``verify --json`` under "gap") stores of each model.

    Returns:
        PageTable of words.
    """
    rows = [(words, *(cell(found) for found in objects)) for words, cell in MEASURES]
    for target in dict.fromkeys(target for found in objects for target in found.get("probe_r2") or {}):
        rows.append((f"probe R², {target} (margin over controls)", *(_probe(found, target) for found in objects)))
    title = "Models against exact Bayes [95% over documents]"
    return PageTable(title, ("measure", *(found["model"] for found in objects)), tuple(rows))


def _probe(found: JsonObject, target: str) -> str:
    stored = (found.get("probe_r2") or {}).get(target)
    if not stored or stored["best_layer"] is None:
        return "–"
    best = next(row for row in stored["layers"] if row["layer"] == stored["best_layer"])
    r2, margin = best["r2"], best["margin"]
    return f"{r2['value']:.3f} ({margin['value']:.2f} [{margin['low']:.2f}, {margin['high']:.2f}])"


REMEDY = "run gap again"


class StoredSettings(msgspec.Struct):
    """gap.json, ``settings``.

    Attributes:
        seed: of documents and prompts.
    """

    seed: Count


class StoredGap(msgspec.Struct):
    """What the page needs of a model's object in gap.json, which holds more.

    Attributes:
        model: its name.
        parameters: how many it has, where that is known.
        instance: its name.
        settings: of the measurement.
        excess_nats: over exact Bayes, nats a token; words where it is infinite.
        standard_error: of that mean over documents.
        calibration_error: in [0, 1].
        ville_log_max: largest log likelihood ratio against Bayes along the documents, nats.
        ville_threshold: what that may exceed rarely only.
        laws: the checks.
        curves: a row for each (predictor, k, n).
        probe_r2: by target.
    """

    model: Text
    parameters: Count | None
    instance: Text
    settings: StoredSettings
    excess_nats: float | str
    standard_error: float | str
    calibration_error: float | str
    ville_log_max: float | str
    ville_threshold: float | str
    laws: list[JsonObject]
    curves: list[JsonObject]
    probe_r2: dict[str, JsonObject]


def gap_page(directory: Path) -> Page:
    """The page of a ``gap --out DIR``.

    Returns:
        Page; nothing is computed again.

    Raises:
        ModelError: gap.json is missing or not one of gap's.
    """
    path = directory / "gap.json"
    stored: JsonObject = read_json(path, JsonObject, REMEDY)
    objects = convert(stored.get("models", [stored]), list[JsonObject], str(path), REMEDY)
    for found in objects:
        convert(found, StoredGap, f"report: {path} is not gap's", REMEDY)
    with storage.reading(path):
        return _page(directory, stored, objects)


def _page(directory: Path, stored: JsonObject, objects: list[JsonObject]) -> Page:
    first = objects[0]
    name, settings = first["instance"], first["settings"]
    command, seed = with_out(first.get("command", ""), directory), str(settings["seed"])
    figures = _figures(directory, objects, command, seed)
    sections = [
        Section(anchor, title, (), "", tuple(figures[each] for each in names if each in figures),
                (_curves(objects),) if anchor == "context" else ())
        for anchor, title, names in SECTIONS
    ]  # fmt: skip
    facts = [("Command", command)] if command else []
    facts += [("Seed", seed), ("Documents", f"{settings['documents']} of {settings['length']} tokens"),
              ("Prompts", f"{settings['prompts']} for each k")]  # fmt: skip
    return Page(
        title=f"How Bayesian are they? Language models on {name}",
        subtitle="Predictions set against the exact Bayes predictor on the same documents and prompts.",
        summary=tuple(("", line) for line in sentences(objects)),
        at_a_glance=gap_table(objects),
        facts=tuple(facts),
        sections=tuple(section for section in sections if section.figures or section.tables),
        files=whole_files(directory, ("gap.json",)),
    )


def sentences(objects: Sequence[JsonObject]) -> list[str]:
    """What is striking: broken laws, then who is nearest to Bayes and how far, then accuracy in context.

    Returns:
        Sentences with their full stops; nats a token.
    """
    lines = []
    for found in objects:
        broken = [row["law"] for row in found["laws"] if not row["holds"]]
        if broken:
            lines.append(f"{found['model']} breaks a law that every causal model obeys: {', '.join(broken)}.")
    ranked = sorted(
        objects, key=lambda found: found["excess_nats"] if isinstance(found["excess_nats"], float) else 1e99
    )
    for i, found in enumerate(ranked):
        excess = _excess(found)
        near = f"{found['model']} is nearest to exact Bayes: it loses" if not i and len(ranked) > 1 else None
        lines.append(f"{near or found['model'] + ' loses'} {excess} nats a token more than exact Bayes, which loses "
                     f"{_between(found['bayes_cross_entropy'])}.")  # fmt: skip
    for found in objects:
        rows = [row for row in found["curves"] if row["predictor"] == found["model"] and row["accuracy"] is not None]
        if rows:
            last = max(rows, key=lambda row: (row["k"], row["n"]))
            right = f"{found['model']} is right on {percent(last['accuracy'])} of {last['defined']} prompts"
            lines.append(f"{right} with {last['n']} examples of {last['k']} tokens.")
    return lines


def _figures(directory: Path, objects: Sequence[JsonObject], command: str, seed: str) -> dict[str, PageFigure]:
    if not (directory / "gap.nc").is_file():
        return {}
    results, found = storage.read_results(directory / "gap.nc"), {}
    curves = [row for each in objects for row in each["curves"]]
    table = gap_table(objects)
    for name, make in FIGURES.items():
        drawing = make(results)
        if drawing is None:
            continue
        svgs, key = on_page(drawing)
        of_curves = name in ("gap_context", "gap_scaling")
        data = as_csv(list(curves[0]), [list(row.values()) for row in curves]) if of_curves and curves else as_csv(
            table.header, table.rows)  # fmt: skip
        found[name] = PageFigure(
            name=name, title=TITLES[name], svgs=svgs, alt=f"{TITLES[name]}. {drawing.caption}", caption=drawing.caption,
            command=command, seed=seed, data=data, file=f"{name}.csv", key=key, note=drawing.note,
        )  # fmt: skip
    return found


def _curves(objects: Sequence[JsonObject]) -> PageTable:
    rows = {(row["predictor"], row["epsilon"], row["k"], row["n"]): row for found in objects for row in found["curves"]}
    cells = tuple(
        (name if epsilon is None else f"{name} (ε = {epsilon:g})", k, n,
         *("–" if row[f] is None else f"{100 * row[f]:.1f}" for f in ("accuracy", "accuracy_low", "accuracy_high")),
         row["defined"], row["prompts"], _between(row["log_loss"], row["log_loss_low"], row["log_loss_high"]))
        for (name, epsilon, k, n), row in rows.items()
    )  # fmt: skip
    header = ("predictor", "k", "n", "accuracy, %", "95% from", "to", "prompts with an answer", "of",
              "log-loss, nats")  # fmt: skip
    return PageTable("Every point of the curves", header, cells, folded=True)
