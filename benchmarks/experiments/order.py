"""Experiment 4: the order of the examples (figure 7, left). Sets of 4 examples, all 24 orders of each."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.experiments.asked import models
from implicit_bayes.benchmarks.experiments.base import Experiment, Scale, interval_point, shown
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Table
from implicit_bayes.benchmarks.sweep.cells import Cell
from implicit_bayes.benchmarks.sweep.tasks import cell

TITLE = "The order of the examples"
SHOTS = 4
EPSILON = 0.01


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell for each k.

    Returns:
        Cells by name, ``order-k``.
    """
    named, found = models(scale, "ginc"), {}
    for k in scale.ks[:2]:
        config = {
            "instance": "ginc", "k": k, "n": SHOTS, "sets": scale.sets, "tests": scale.tests, "epsilons": [EPSILON],
            "seed": scale.seed,
        }  # fmt: skip
        found[f"order-{k}"] = cell("order", config | named.config, named.cells)
    return found


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Range over orders for every set, and the mean spread of every predictor.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; accuracies in percent.
    """
    points, rows = [], []
    spreads: dict[tuple[int, str], float] = {}
    for k in scale.ks[:2]:
        data = results[f"order-{k}"]
        for name in (str(p) for p in data.predictor.values):
            at = data.sel(predictor=name)
            correct, defined = at.correct.values.astype(float), at.defined.values
            with np.errstate(invalid="ignore", divide="ignore"):
                share_SxO = np.where(defined > 0, 100 * correct / defined, np.nan)
            known = np.isfinite(share_SxO).sum(1) > 1
            for s in np.flatnonzero(known):
                row = share_SxO[s][np.isfinite(share_SxO[s])]
                spread = (float(row.mean()), float(row.min()), float(row.max()))
                points.append(interval_point(f"k = {k}", shown(name), int(s) + 1, spread, len(row)))
            width = [np.nanmax(share_SxO[s]) - np.nanmin(share_SxO[s]) for s in np.flatnonzero(known)]
            spreads[k, name] = float(np.mean(width)) if width else float("nan")
            none = float((defined == 0).mean())
            rows.append((k, shown(name), f"{np.nanmean(share_SxO):.1f}" if known.any() else "–",
                         f"{spreads[k, name]:.1f}", f"{100 * none:.0f}", int(known.sum()),
                         _tests(defined)))  # fmt: skip
    verdict, summary = _words(spreads, rows, scale.ks[0])
    caption = (
        f"Released GINC, V = 50: {scale.sets} sets of {SHOTS} examples; marks are means over 24 orders and bars run "
        "from "
        f"the worst order to the best, on the same {scale.tests} test inputs of a set. Exact Bayes only where an order "
        "is possible."
    )
    axes = Axes("set of examples", "in-context accuracy, %", "category", (0, 103), "bars")
    picture = Picture("order", "All orders of four examples", caption, axes, tuple(points))
    header = ("k", "predictor", "mean, %", "best less worst order, points", "orders with no answer, %", "sets",
              "test inputs answered in an order that has any")  # fmt: skip
    table = Table(f"Means over sets of {SHOTS} examples", header, tuple(rows))
    paper = "Accuracy varies by 10 to 40% between orders of the same four examples."
    ours = "Every order asked of Bayes and of our models; the spread that Bayes itself has is no flaw of training."
    return Findings(
        name="order",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=(picture,),
        tables=(table,),
    )


def _tests(defined_SxO: np.ndarray) -> str:
    """How many test inputs stand behind a share: least to most over the orders in which there is one."""
    some = defined_SxO[defined_SxO > 0]
    return f"{some.min()} to {some.max()}" if some.size else "–"


def _words(spreads: dict[tuple[int, str], float], rows: list[tuple], k: int) -> tuple[str, str]:
    here = {name: value for (at, name), value in spreads.items() if at == k}
    smooth, aware = f"smoothed({EPSILON:g})", "prompt-aware"
    learners = {name: value for name, value in here.items() if name not in ("exact", smooth, aware)}
    said = ", ".join(f"{value:.0f} for the {shown(name).removesuffix(' (ours)')}" for name, value in learners.items())
    dead = next(row[4] for row in rows if row[0] == k and row[1].startswith("exact"))
    verdict = (
        f"The best and the worst of 24 orders differ, at k = {k} and averaged over sets, by (points of accuracy) "
        f"{said} and {here[smooth]:.0f} for smoothed Bayes. "
    )
    if here[smooth] > 0:
        verdict += (
            "Some of the dependence is therefore Bayes's own: under the pretraining law one example's end leads to the "
            "next one's beginning. "
        )
    others = f"; in the others it differs by {here['exact']:.1f} points" if np.isfinite(here["exact"]) else ""
    verdict += f"Exact Bayes has no answer in {dead}% of orders{others}. "
    verdict += (
        "Prompt-aware Bayes, to which the examples are exchangeable, answers alike in every order."
        if here[aware] == 0 else f"Prompt-aware Bayes differs by {here[aware]:.1f} points."
    )  # fmt: skip
    most = max(learners.values(), default=float("nan"))
    return verdict, f"best less worst order, k = {k}: models up to {most:.0f} points, smoothed Bayes {here[smooth]:.0f}"


EXPERIMENT = Experiment("order", TITLE, "figure 7, left", cells, read)
