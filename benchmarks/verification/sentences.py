"""A stored verification in sentences, what is striking about it first."""

from collections.abc import Sequence

from implicit_bayes.benchmarks.report.findings import percent
from implicit_bayes.simulators.json_types import JsonObject

VERSIONS = ("printed", "repaired", "sharp")


def summary(stored: JsonObject) -> list[str]:
    """What a person should know of an instance, in the order in which it matters here.

    Args:
        stored: an object of ``verify --json``.

    Returns:
        Sentences with their full stops.
    """
    lines = [*_contradictions(stored), *_impossible(stored)]
    assumptions = _assumptions(stored["assumptions"])
    everything = (
        all(row["holds"] is True for row in stored["assumptions"]) and None not in stored["critical_k"].values()
    )
    if everything and not lines:
        lines.append("Everything that the theory asks for holds here: all five assumptions, and all three versions of "
                     "Condition 1.")  # fmt: skip
    else:
        lines.append(assumptions)
    lines += [*_critical(stored), *_in_context(stored), *_models(stored)]
    bayes = stored["bayes"]
    lines.append(
        f"On fresh documents exact Bayes loses {number(bayes['cross_entropy'])} nats a token "
        f"(95%: {number(bayes['low'])} to {number(bayes['high'])}); no causal model can lose less on average."
    )
    return lines


def _contradictions(stored: JsonObject) -> list[str]:
    """Theorems whose hypotheses hold and whose conclusion fails."""
    lines = []
    for row in stored["theorems"]:
        if row["applies"] is True and row["conclusion"] == "fails":
            what = "exact Bayes does not become right" if row["name"] == "1" else "exact Bayes exceeds its bound"
            lines.append(
                f"Theorem {row['name']}, as {row['version']}, is contradicted: at k = {row['k']} its hypotheses hold, "
                f"and {what}."
            )
    return lines


def _impossible(stored: JsonObject) -> list[str]:
    """How many prompts have no posterior, where any has none."""
    rows = [row for row in stored["curves"] if row["predictor"] == "exact"]
    worst = max(rows, key=lambda row: row["undefined_share"], default=None)
    if worst is None or not worst["undefined_share"]:
        return []
    first = min((row for row in rows if row["undefined_share"]), key=lambda row: (row["n"], row["k"]))
    at = "k = {k} and n = {n}".format
    since = f", and for {percent(first['undefined_share'])} at {at(**first)}" if first is not worst else ""
    share = "any prompt" if worst["undefined_share"] == 1 else f"{percent(worst['undefined_share'])} of the prompts"
    return [
        f"The Bayes answer does not exist for {share} at {at(**worst)}{since}: such prompts are impossible under every "
        "concept."
    ]


def _assumptions(rows: Sequence[JsonObject]) -> str:
    groups = {
        verb: [
            row["name"] for row in rows if row["holds"] is holds or (holds is None and isinstance(row["holds"], str))
        ]
        for verb, holds in (("holds", True), ("fails", False), ("is undetermined", None))
    }
    if len(groups["holds"]) == len(rows):
        return "All five assumptions hold."
    parts = [f"{join(names)} {verb if len(names) == 1 else _plural(verb)}" for verb, names in groups.items() if names]
    return f"Of the assumptions {'; '.join(parts)}."


def _plural(verb: str) -> str:
    return {"holds": "hold", "fails": "fail", "is undetermined": "are undetermined"}[verb]


def _critical(stored: JsonObject) -> list[str]:
    """From which k on each version of Condition 1 holds."""
    critical = stored["critical_k"]
    if not stored.get("conditions"):
        return ["There is one concept only, so that no condition tells it from another."]
    most = max(stored.get("tested_k") or [row["k"] for row in stored["conditions"]])
    by_k: dict[int | None, list[str]] = {}
    for version in VERSIONS:
        by_k.setdefault(critical[version], []).append(version)
    parts = [
        f"{join(names)} " + (f"first at k = {k}" if k is not None else f"at no tested k up to {most}")
        for k, names in by_k.items()
    ]
    if len(parts) == 1:
        if critical["printed"] is None:
            return [f"None of the three versions of Condition 1 holds for every pair at any tested k, up to {most}."]
        return [
            f"All three versions of Condition 1 hold for every pair of concepts first at k = {critical['printed']}."
        ]
    return [f"Condition 1 holds for every pair of concepts: {'; '.join(parts)}."]


def _in_context(stored: JsonObject) -> list[str]:
    """Accuracy at the largest k and n, and how it came there."""
    k, n = max(row["k"] for row in stored["curves"]), max(row["n"] for row in stored["curves"])
    cell = {(row["predictor"], row["epsilon"], row["n"]): row for row in stored["curves"] if row["k"] == k}
    exact, ceiling = cell.get(("exact", None, n)), cell.get(("prompt-aware", None, n))
    first = cell.get(("exact", None, min(row["n"] for row in stored["curves"])))
    at = f"With {n} examples of {k} tokens"
    parts, right = [], " is right on"  # said once
    if exact is not None and exact["accuracy"] is not None:
        words = f"exact Bayes{right} {percent(exact['accuracy'])} of the {exact['defined']} prompts"
        words += " that have a posterior" if exact["undefined_share"] else ""
        if first is not None and first["accuracy"] is not None and first["n"] != n:
            words += f" (on {percent(first['accuracy'])} of {first['defined']} with {_count(first['n'])})"
        parts.append(words)
        right = " on"
    elif exact is not None:
        parts.append("no prompt has a posterior")
    smoothed = [
        row for (name, _, m), row in cell.items() if name == "smoothed" and m == n and row["accuracy"] is not None
    ]
    if smoothed and (exact is None or any(row["accuracy"] != exact["accuracy"] for row in smoothed)):
        low, high = (pick(row["accuracy"] for row in smoothed) for pick in (min, max))
        shares = percent(low) if low == high else f"{percent(low)} to {percent(high)}, by ε,"
        parts.append(f"smoothed Bayes{right} {shares} of all {smoothed[0]['prompts']}")
        right = " on"
    if ceiling is not None and ceiling["accuracy"] is not None:
        parts.append(f"Bayes that knows how prompts are made{right} {percent(ceiling['accuracy'])}")
    return [f"{at} {join(parts)}."] if parts else []


def _count(n: int) -> str:
    return "none" if n == 0 else str(n)


def _models(stored: JsonObject) -> list[str]:
    rows = stored.get("models") or []
    parts = [
        f"{row['model']} loses {number(row['excess'])} ({number(row['low'])} to {number(row['high'])})" for row in rows
    ]
    who = "The language model" if len(parts) == 1 else "Of the language models"
    return [f"{who} {join(parts)} nats a token more than exact Bayes."] if parts else []


def join(words: Sequence[str]) -> str:
    """a, b and c.

    Returns:
        Words; "" for none.
    """
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def number(value: float | str | None, digits: int = 4) -> str:
    """A stored number; words for what is infinite, a dash for what does not exist.

    Args:
        value: from results.json.
        digits: after the point.

    Returns:
        Text.
    """
    if isinstance(value, str):
        return {"inf": "∞", "-inf": "−∞"}.get(value, value)
    return "–" if value is None else f"{value:.{digits}f}"


def verdict(value: object) -> str:
    """yes, no, or the word that is stored.

    Returns:
        A word; a dash for None.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
