"""Experiment 6: longer examples in a prompt of fixed length, and the k at which each condition begins to hold."""

from collections.abc import Mapping

import xarray as xr

from implicit_bayes.benchmarks.common.differences import LEAST
from implicit_bayes.benchmarks.experiments.asked import conditions, context, models, trained
from implicit_bayes.benchmarks.experiments.base import Experiment, Scale, accuracy, change, point, shown
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Mark, Picture, Table
from implicit_bayes.benchmarks.sweep.cells import Cell

TITLE = "The length of the examples"
TOTAL = {"tiny": 24, "small": 240, "paper": 704}
"""Tokens of the examples and their delimiters together."""
GINC_KS = (2, 3, 4, 5, 6, 8, 10, 14)
REGULAR_KS = (2, 3, 4, 5, 6, 8, 10, 12)
CONDITION_KS = (2, 3, 4, 5, 6, 8, 10)
REGULAR = {"regular": "regular", "regular:interpolated=0.3": "regular, concepts at 0.3",
           "regular:interpolated=0.15": "regular, concepts at 0.15"}  # fmt: skip
ENOUGH = 0.95


def _ks(scale: Scale, ks: tuple[int, ...]) -> tuple[int, ...]:
    return ks[:3] if scale.name == "tiny" else ks


def shots(scale: Scale, k: int) -> int:
    """n = TOTAL / (k + 1), rounded down and at least 1: examples of k tokens and a delimiter that fill the prompt.

    Args:
        scale: has its own TOTAL.
        k: example length.

    Returns:
        A number of examples.
    """
    return max(1, TOTAL[scale.name] // (k + 1))


def cells(scale: Scale) -> dict[str, Cell]:
    """Curves at one n for each k, and the conditions of the instances on which they can be evaluated.

    Returns:
        Cells by name: ``INSTANCE-k`` measures in context, ``conditions-INSTANCE`` (of ginc-paper, by concept) evaluates
        conditions.
    """
    found = {}
    taught = {spec: trained(scale, spec, [scale.dial]) for spec in REGULAR}
    taught["ginc-paper"] = trained(scale, "ginc-paper", scale.learners[:1])
    for k in _ks(scale, GINC_KS):
        n = [shots(scale, k)]
        found[f"ginc-{k}"] = context(scale, "ginc", [k], n, models(scale, "ginc"), [0.01], scale.prompts_of_many)
        found[f"ginc-paper-{k}"] = context(
            scale, "ginc-paper", [k], n, taught["ginc-paper"], [0.01], scale.prompts_of_many
        )
    for spec in REGULAR:
        for k in _ks(scale, REGULAR_KS):
            found[f"{spec}-{k}"] = context(
                scale, spec, [k], [shots(scale, k)], taught[spec], [0.01], scale.prompts_of_many
            )
        found[f"conditions-{spec}"] = conditions(scale, spec, 0, _ks(scale, REGULAR_KS))
    for concept in range(scale.concepts):
        found[f"conditions-ginc-paper-{concept}"] = conditions(scale, "ginc-paper", concept, CONDITION_KS)
    return found


def critical(data: list[xr.Dataset], version: str) -> int | None:
    """Smallest tested k at which a condition is shown to hold for every alternative, in every dataset.

    Args:
        data: results of ``conditions`` cells, one for each true concept.
        version: printed, repaired or sharp.

    Returns:
        k; None where there is none among those tested.
    """
    ks = sorted({int(k) for each in data for k in each.k.values})
    for k in ks:
        verdicts = [v for each in data for v in each[f"{version}_holds"].values[each.k.values == k].tolist()]
        if verdicts and all(verdict == "True" for verdict in verdicts):
            return k
    return None


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Accuracy against k by instance; a table of critical k beside the k at which predictors succeed.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; accuracies in percent.
    """
    points, marks, rows, needs = [], [], [], []
    panels = {"ginc": "released GINC", "ginc-paper": "GINC, paper recipe", **REGULAR}
    for spec, panel in panels.items():
        ks = _ks(scale, GINC_KS if spec.startswith("ginc") else REGULAR_KS)
        success: dict[str, int] = {}
        for k in ks:
            data, n = results[f"{spec}-{k}"], shots(scale, k)
            for name in (str(p) for p in data.predictor.values):
                found = accuracy(data, name, k, n)
                if found.prompts >= LEAST:
                    points.append(point(panel, shown(name), k, found))
                if found.prompts >= LEAST and found.share >= ENOUGH:
                    success.setdefault(name, k)
        known = [results[key] for key in results if key.startswith("conditions-") and _instance_of(key) == spec]
        held = {version: critical(known, version) if known else None for version in ("printed", "repaired", "sharp")}
        for version, at in held.items():
            if at is not None and at in ks:
                marks.append(Mark(panel, at, f"{version} holds"))
        absent = f"none to k = {_tested(known)}" if known else "none: ΣKL is infinite"
        names = [str(p) for p in results[f"{spec}-{ks[0]}"].predictor.values]
        reached = "; ".join(f"{shown(name)}: {success.get(name, 'none')}" for name in names)
        rows.append((panel, *(k or absent for k in held.values()), reached))
        if known:
            needs.append(_needs(panel, held, success, _tested(known)))
    verdict = (
        f"{_rise(scale, results)} Smallest k at which exact Bayes and an LSTM are right on {100 * ENOUGH:.0f}% of "
        f"prompts, and at which the conditions hold: {'; '.join(needs)}."
    )
    summary = needs[0] if needs else "no conditions evaluated"
    caption = (
        f"Examples of k tokens, as many as fill {TOTAL[scale.name]} tokens; {scale.prompts_of_many} prompts a point, "
        "bands 95% Wilson. Dashed lines: smallest tested k at which a condition holds against every alternative (paper "
        f"recipe: {', '.join(map(str, CONDITION_KS))} tested, {scale.concepts} of 5 true concepts)."
    )
    axes = Axes("tokens of an example, k", "in-context accuracy, %", "linear", (0, 103))
    picture = Picture("length", "Longer examples, the same prompt length", caption, axes, tuple(points), tuple(marks))
    header = ("instance", "printed", "repaired", "sharp", f"smallest k with at least {100 * ENOUGH:.0f}% accuracy")
    table = Table("Critical k beside the k that suffices", header, tuple(rows))
    paper = "Longer examples help; Condition 1 asks for k large enough."
    ours = "The prompt's length is held fixed, so that more of each example means fewer of them."
    return Findings(
        name="length",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=(picture,),
        tables=(table,),
    )


def _tested(known: list[xr.Dataset]) -> int:
    return max(int(data.k.max()) for data in known)


def _needs(panel: str, held: Mapping[str, int | None], success: Mapping[str, int], largest: int) -> str:
    """Bayes, models and the three conditions on one instance, in words."""
    words = ", ".join(f"{version} {held[version] or 'none'}" for version in ("sharp", "repaired", "printed"))
    others = "".join(
        f"{shown(name).removesuffix(' (ours)')} {k}, " for name, k in success.items()
        if not name.startswith(("exact", "smoothed", "prompt-aware"))
    )  # fmt: skip
    return f"{panel}: exact Bayes {success.get('exact', 'none')}, {others or 'LSTM none, '}{words} (of k to {largest})"


def _rise(scale: Scale, results: Mapping[str, xr.Dataset]) -> str:
    """Accuracy at the shortest and the longest examples on released GINC, and for whom the longer ones are better."""
    ks = _ks(scale, GINC_KS)
    low, high = min(ks), max(ks)
    parts, better = [], []
    for name in (str(p) for p in results[f"ginc-{low}"].predictor.values if str(p) not in ("exact", "prompt-aware")):
        ends = [accuracy(results[f"ginc-{k}"], name, k, shots(scale, k)) for k in (low, high)]
        difference = change(*ends)
        better.append(difference.clearly_differs and difference.points > 0)
        parts.append(f"{shown(name).removesuffix(' (ours)')} {100 * ends[0].share:.0f} to {100 * ends[1].share:.0f}%")
    words = "longer examples are clearly better" if all(better) else "longer examples are not clearly better for all"
    return (
        f"In prompts of {TOTAL[scale.name]} tokens {words} on released GINC (k = {low} to {high}: {', '.join(parts)})."
    )


def _instance_of(key: str) -> str:
    """The instance whose conditions a result named ``conditions-…`` holds."""
    name = key.removeprefix("conditions-")
    return "ginc-paper" if name.startswith("ginc-paper") else name


EXPERIMENT = Experiment("length", TITLE, "section 4", cells, read)
