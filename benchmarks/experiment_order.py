"""Experiment 4: the order of the examples (figure 7, left). Sets of 4 examples, all 24 orders of each."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from benchmarks.cells import Cell
from benchmarks.experiment import Experiment, Scale, models, shown
from benchmarks.findings import Axes, Findings, Picture, Point, Table
from benchmarks.tasks import cell

TITLE = "The order of the examples"
SHOTS = 4
EPSILON = 0.01


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell for each k."""
    named, found = models(scale, "ginc"), {}
    for k in scale.ks[:2]:
        config = {
            "instance": "ginc", "k": k, "n": SHOTS, "sets": scale.sets, "tests": scale.tests, "epsilons": [EPSILON],
            "seed": scale.seed,
        }  # fmt: skip
        found[f"order-{k}"] = cell("order", config | named.config, named.cells)
    return found


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Range over orders for every set, and the mean spread of every predictor."""
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
                points.append(Point(f"k = {k}", shown(name), float(s + 1), float(row.mean()), float(row.min()),
                                    float(row.max()), len(row)))  # fmt: skip
            width = [np.nanmax(share_SxO[s]) - np.nanmin(share_SxO[s]) for s in np.flatnonzero(known)]
            spreads[k, name] = float(np.mean(width)) if width else float("nan")
            none = float((defined == 0).mean())
            rows.append((k, shown(name), f"{np.nanmean(share_SxO):.1f}" if known.any() else "–",
                         f"{spreads[k, name]:.1f}", f"{100 * none:.0f}", int(known.sum())))  # fmt: skip
    k = scale.ks[0]
    said = ", ".join(f"{shown(name)} {value:.1f}" for (at, name), value in spreads.items() if at == k)
    aware = max((value for (_, name), value in spreads.items() if name == "prompt-aware"), default=float("nan"))
    dead = next(row[4] for row in rows if row[0] == k and row[1].startswith("exact"))
    verdict = (
        f"Mean difference between the best and the worst of 24 orders at k = {k}, in points: {said}. {dead}% of "
        f"(set, order) pairs have no exact answer. Bayes that takes examples for independent differs by {aware:.1f}."
    )
    references = ("exact", "smoothed", "prompt-aware")
    of_models = [v for (at, name), v in spreads.items() if at == k and not name.startswith(references)]
    ours_spread = max(of_models, default=float("nan"))
    bayes = spreads[k, f"smoothed({EPSILON:g})"]
    summary = f"best minus worst order, k = {k}: models up to {ours_spread:.0f}, smoothed Bayes {bayes:.0f} points"
    caption = (
        f"Released GINC, V = 50: {scale.sets} sets of {SHOTS} examples; marks are means over 24 orders and bars run "
        "from "
        f"the worst order to the best, on the same {scale.tests} test inputs of a set. Exact Bayes only where an order "
        "is possible."
    )
    axes = Axes("set of examples", "in-context accuracy, %", "category", (0, 103), "bars")
    picture = Picture("order", "All orders of four examples", caption, axes, tuple(points))
    header = ("k", "predictor", "mean, %", "best less worst order, points", "orders with no answer, %", "sets")
    table = Table(f"Means over sets of {SHOTS} examples", header, tuple(rows))
    paper = "Accuracy varies by 10 to 40% between orders of the same four examples."
    ours = "Every order asked of Bayes and of our models; the spread that Bayes itself has is no flaw of training."
    return Findings("order", TITLE, paper, ours, verdict, summary, (picture,), (table,))


EXPERIMENT = Experiment("order", TITLE, "figure 7, left", cells, read)
