"""Experiment 7: possible against impossible prompts, accuracy against the smoothing, and concepts drawn together."""

from collections.abc import Mapping

import xarray as xr

from implicit_bayes.benchmarks.common.differences import LEAST, count_clear
from implicit_bayes.benchmarks.experiments.asked import NO_MODELS, conditions, context
from implicit_bayes.benchmarks.experiments.base import (
    Experiment,
    Scale,
    accuracy,
    change,
    listed,
    model_names,
    point,
    shown,
    spaced,
)
from implicit_bayes.benchmarks.experiments.curves import cells as curve_cells
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Mark, Picture, Table
from implicit_bayes.benchmarks.sweep.cells import Cell

TITLE = "Impossible prompts, smoothing, and concepts that grow alike"
SMOOTHING = (1e-12, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5)
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0)
"""Of each concept's own kernel, the rest being the concepts' mean."""
LENGTH = 3
"""k of the interpolation on the regular instance."""


def cells(scale: Scale) -> dict[str, Cell]:
    """Those of experiment 1 at V = 50, the smoothing on GINC, and the interpolation on two instances.

    Returns:
        Cells by name: ``50-k``, ``smoothing-k``, ``regular-SHARE``, ``ginc-SHARE``, and ``conditions-SHARE`` on
        regular.
    """
    found = {k: cell for k, cell in curve_cells(scale).items() if k.startswith("50-")}
    shots = [n for n in scale.ns if n in (0, 4, 16)] or [max(scale.ns)]
    for k in scale.ks[:2]:
        epsilons = spaced(SMOOTHING, scale.grid)
        found[f"smoothing-{k}"] = context(scale, "ginc", [k], shots, NO_MODELS, epsilons, scale.prompts_of_many)
    for share in spaced(SHARES, scale.grid):
        spec = f"regular:interpolated={share:g}"
        found[f"regular-{share:g}"] = context(scale, spec, [LENGTH], scale.ns, NO_MODELS, [0.01], scale.prompts)
        found[f"conditions-{share:g}"] = conditions(scale, spec, 0, [LENGTH])
        spec = f"ginc:interpolated={share:g}"
        found[f"ginc-{share:g}"] = context(scale, spec, scale.ks[:1], shots, NO_MODELS, [0.01], scale.prompts_of_many)
    return found


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Three figures: the split, the smoothing, the interpolation with the conditions' thresholds.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; accuracies in percent, thresholds in nats.
    """
    split, table, words = _split(scale, results)
    smoothing, spread = _smoothing(scale, results)
    alike, marks, learns = _alike(scale, results)
    first = {mark.label.split(" ")[0]: mark.x for mark in marks}
    where = listed([f"{name} {f'from {first[name]:g}' if name in first else 'nowhere'}"
                    for name in ("sharp", "repaired", "printed")])  # fmt: skip
    verdict = (
        f"{words} {spread} As the concepts of the regular instance are drawn together (k = {LENGTH}, "
        f"n = {max(scale.ns)}), exact Bayes is right on 95% of prompts from a share {learns} of own kernel on; the "
        f"conditions hold, {where}."
    )
    moved = spread.split(" points")[0].split(" ")[-1]
    summary = f"ε moves smoothed Bayes by up to {moved} points; Bayes needs a share {learns}, " + (
        f"the printed condition {first['printed']:g}" if "printed" in first else "the printed condition never holds"
    )
    paper = "Not in the paper: it reports one accuracy over all prompts."
    ours = (
        "Prompts split by whether any pretraining concept can produce them; ε of the smoothing; interpolated kernels."
    )
    return Findings(
        name="possible",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=(split, smoothing, alike),
        tables=(table,),
    )


def _split(scale: Scale, results: Mapping[str, xr.Dataset]) -> tuple[Picture, Table, str]:
    points, rows, gaps = [], [], []
    for k in scale.ks:
        data = results[f"50-{k}"]
        names = [str(p) for p in data.predictor.values if str(p) not in ("exact", "prompt-aware")]
        for name in names:
            for n in scale.ns:
                two = [accuracy(data, name, k, n, part) for part in ("possible", "impossible")]
                rows.append((k, n, shown(name), *(x.percent for x in two), *(x.prompts for x in two)))
                for part, found in zip(("possible", "impossible"), two, strict=True):
                    if found.prompts >= LEAST and (name in model_names(data)):
                        points.append(point(f"k = {k}", f"{shown(name)}, {part}", n, found))
                if name in model_names(data) and min(x.prompts for x in two) >= LEAST and n:
                    gaps.append(change(*two))
    better, worse = count_clear(gaps)
    words = (
        f"Our models are clearly worse on impossible prompts than on possible ones in {worse} of {len(gaps)} "
        f"comparisons at equal k and n, and clearly better in {better}."
        if gaps
        else f"At no k and n are there {LEAST} possible and {LEAST} impossible prompts to compare our models on."
    )
    caption = (
        "Our models on released GINC, V = 50, prompts split by whether any pretraining concept can produce them; "
        "bands 95% Wilson; points over fewer than 20 prompts left out."
    )
    axes = Axes("examples in the prompt, n", "in-context accuracy, %", "category", (0, 103))
    header = ("k", "n", "predictor", "possible, %", "impossible, %", "possible prompts", "impossible prompts")
    table = Table(
        "Possible against impossible prompts, accuracy [95% interval]; the two are not the same prompts",
        header,
        tuple(rows),
    )
    return Picture("possible", "Possible and impossible prompts", caption, axes, tuple(points)), table, words


def _smoothing(scale: Scale, results: Mapping[str, xr.Dataset]) -> tuple[Picture, str]:
    points, widest = [], (0.0, "")
    for k in scale.ks[:2]:
        data = results[f"smoothing-{k}"]
        for n in data.n.values:
            here = [
                point(f"k = {k}", f"n = {n}", float(name[9:-1]), accuracy(data, name, k, int(n)))
                for name in (str(p) for p in data.predictor.values)
                if name.startswith("smoothed(")
            ]
            points += here
            low, high = (f(here, key=lambda p: p.y) for f in (min, max))
            words = f"at k = {k}, n = {n} from {low.y:.0f}% at {low.x:g} to {high.y:.0f}% at {high.x:g}"
            widest = max(widest, (high.y - low.y, words))
    caption = (
        f"Bayes on released GINC, V = 50, with every kernel mixed with ε of the uniform law; {scale.prompts_of_many} "
        "prompts a point, bands 95% Wilson. Unsmoothed, most of these prompts have no answer."
    )
    axes = Axes("smoothing ε, share of the uniform law", "accuracy of smoothed Bayes, %", "log", (0, 103))
    words = f"What smoothed Bayes gets right depends on ε by up to {widest[0]:.0f} points ({widest[1]})."
    title = "What Bayes answers depends on how zeros are filled"
    return Picture("smoothing", title, caption, axes, tuple(points)), words


def condition_marks(panel: str, found: Mapping[float, xr.Dataset], rising: bool = True) -> list[Mark]:
    """Where each condition begins (rising) or ceases to hold for every alternative, along a dial.

    Args:
        panel: where the marks are drawn.
        found: position of the dial -> result of a ``conditions`` cell there.
        rising: whether the conditions come to hold as the dial rises.

    Returns:
        A mark for each version that holds anywhere.
    """
    marks = []
    for version in ("printed", "repaired", "sharp"):
        holds = [x for x, data in found.items() if set(data[f"{version}_holds"].values.tolist()) == {"True"}]
        if holds:
            marks.append(Mark(panel, min(holds) if rising else max(holds), f"{version} holds"))
    return marks


def _alike(scale: Scale, results: Mapping[str, xr.Dataset]) -> tuple[Picture, list[Mark], str]:
    shares, points = spaced(SHARES, scale.grid), []
    panels = {"regular": (f"regular instance, k = {LENGTH}, exact Bayes", LENGTH, "exact"),
              "ginc": (f"released GINC, k = {scale.ks[0]}, smoothed Bayes", scale.ks[0], "smoothed(0.01)")}  # fmt: skip
    for name, (panel, k, predictor) in panels.items():
        for n in results[f"{name}-{shares[0]:g}"].n.values:
            if name == "regular" and n not in (0, 1, 4, 16, max(scale.ns)):
                continue
            for share in shares:
                found = accuracy(results[f"{name}-{share:g}"], predictor, k, int(n))
                points.append(point(panel, f"n = {n}", share, found))
    panel = panels["regular"][0]
    marks = condition_marks(panel, {share: results[f"conditions-{share:g}"] for share in shares})
    most = f"n = {max(scale.ns)}"
    good = [p.x for p in points if p.panel == panel and p.series == most and p.y >= 95]
    caption = (
        "Kernels and start laws (1 - s) mean + s own, s on the axis: at 0 all concepts are one. Dashed lines: the "
        "smallest s on the grid at which the condition holds for every alternative to concept 0; bands 95% Wilson."
    )
    axes = Axes("share s of each concept's own kernel", "accuracy, %", "log", (0, 103))
    picture = Picture("alike", "Concepts that grow alike", caption, axes, tuple(points), tuple(marks))
    return picture, marks, f"{min(good):g}" if good else "none on the grid"


EXPERIMENT = Experiment("possible", TITLE, "new", cells, read)
