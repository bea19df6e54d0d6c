"""Experiment 2: scaling at equal loss (figures 5 and 6). Accuracy against parameters, and against *excess* loss.

Every training is measured as it goes, so each size is a curve of (excess over Bayes, accuracy), and two sizes can be
compared where their excesses are equal.
"""

import json
import math
from collections.abc import Mapping
from importlib import resources

import numpy as np
import xarray as xr

from benchmarks import experiment_curves
from benchmarks.cells import Cell
from benchmarks.experiment import Experiment, Scale, accuracy, models, point, shown
from benchmarks.findings import Axes, Findings, Picture, Point, Table
from benchmarks.intervals import wilson
from benchmarks.learners import training
from benchmarks.tasks import cell

TITLE = "Scaling at equal loss"
ROUNDING = 0.005
"""The published losses have two decimals."""


def cells(scale: Scale) -> dict[str, Cell]:
    """The trainings, the shipped models' loss and accuracy, and Bayes on the published validation documents."""
    found = {f"size-{each.label}": training(each, "ginc", scale.measure, scale.seed) for each in scale.sizes}
    named = models(scale, "ginc")
    config = {"instance": "ginc", "documents": scale.measure.documents, "length": 512, "seed": scale.seed}
    found["loss"] = cell("loss", config | named.config, named.cells)
    found["shipped"] = experiment_curves.cells(scale)[f"50-{scale.measure.k}"]
    found["validation"] = cell("validation", {"vocabulary": 50})
    return found


def published_losses(bayes: float) -> list[tuple[str, float, float, float, float]]:
    """(label, parameters, excess, accuracy, half width) of the paper's models; excess from its rounded losses."""
    stored = json.loads((resources.files("benchmarks") / "published.json").read_text(encoding="utf-8"))
    names = {"transformer_4_layers": "Transformer, 4 layers", "transformer_12_layers": "Transformer, 12 layers",
             "transformer_16_layers": "Transformer, 16 layers", "lstm_6_layers": "LSTM"}  # fmt: skip
    rows = []
    for model, size, _, validation, share, half in stored["losses_k10_n64"]["rows"]:
        rows.append((f"published {names[model]}", 1e6 * float(size[:-1]), validation - bayes, share, half))
    return rows


def at_equal_loss(first: xr.Dataset, second: xr.Dataset) -> tuple[float, float] | None:
    """Largest accuracy difference (percentage points) of two trainings where their excesses overlap, and the excess.

    Linear interpolation in log excess between measurements; None where the ranges do not meet.
    """
    curves = []
    for data in (first, second):
        excess = np.minimum.accumulate(data.excess.values)
        curves.append((np.log(np.maximum(excess[::-1], 1e-6)), 100 * data.accuracy.values[::-1]))
    low, high = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    if low >= high:
        return None
    grid = np.linspace(low, high, 25)
    gap = np.interp(grid, *curves[0]) - np.interp(grid, *curves[1])
    at = int(np.abs(gap).argmax())
    return float(gap[at]), float(math.exp(grid[at]))


def late_slope(data: xr.Dataset) -> float:
    """Percentage points of accuracy gained for every hundredth of a nat, over the later half of a training."""
    middle = data.sizes["point"] // 2
    gained = 100 * float(data.accuracy.values[-1] - data.accuracy.values[middle])
    saved = float(data.excess.values[middle] - data.excess.values[-1])
    return gained / saved / 100 if saved > 0.01 else math.nan


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Two figures, a table of ends, and the two questions answered."""
    k, n, bayes = scale.measure.k, scale.measure.n, float(results["validation"].bayes)
    by_loss, by_size, rows = [], [], []
    runs = {each.label: results[f"size-{each.label}"] for each in scale.sizes}
    for label, data in runs.items():
        counts = np.full(data.sizes["point"], int(data.attrs["prompts"]))
        low, high = wilson((data.accuracy.values * counts).round(), counts)
        line = [Point("trained as it goes", label, float(x), 100 * float(y), 100 * float(a), 100 * float(b), int(c))
                for x, y, a, b, c in zip(data.excess.values, data.accuracy.values, low, high, counts, strict=True)
                if x > 0]  # fmt: skip
        by_loss += line
        parameters = float(data.attrs["parameters"])
        by_size.append(line[-1]._replace(panel="at the end", x=parameters))
        end, tokens = data.isel(point=-1), int(data.attrs["tokens"])
        rows.append((label, f"{parameters:,.0f}", f"{tokens:,}", f"{float(end.excess):.4f}", f"{line[-1].y:.1f}"))
    loss, shipped = results["loss"], results["shipped"]
    for i, name in enumerate(str(m) for m in loss.model.values):
        found, excess = accuracy(shipped, name, k, n), float(loss.excess[i])
        label = shown(name)
        by_loss.append(point("trained as it goes", label, max(excess, 1e-4), found))
        by_size.append(point("at the end", label, float(loss.parameters[i]), found))
        rows.append((label, f"{int(loss.parameters[i]):,}", "to its end", f"{excess:.4f}", f"{100 * found.share:.1f}"))
    for label, size, excess, share, half in published_losses(bayes):
        where = Point("trained as it goes", label, max(excess, 1e-4), share, share - half, share + half, 5)
        by_loss.append(where)
        by_size.append(where._replace(panel="at the end", x=size))
        rows.append((label, f"{size:,.0f}", "51–102 million", f"{excess:.3f} ± {ROUNDING}", f"{share:.1f}"))
    verdict, summary = _words(runs, rows, results, k, n)
    caption = (
        f"Released GINC, V = 50, accuracy at k = {k}, n = {n} on {scale.measure.prompts} prompts; excess over exact "
        f"Bayes on {scale.measure.documents} held-out documents. Published losses less the Bayes cross-entropy "
        f"{bayes:.4f} of the published validation documents, known to ± {ROUNDING}; bands 95%."
    )
    loss_axes = Axes("excess over Bayes, nats a token", "in-context accuracy, %", "log", (0, 103))
    size_axes = Axes("parameters", "in-context accuracy, %", "log", (0, 103))
    pictures = (
        Picture("scaling-loss", "Accuracy against excess loss", caption, loss_axes, tuple(by_loss)),
        Picture("scaling-size", "Accuracy against parameters", caption, size_axes, tuple(by_size)),
    )
    header = ("model", "parameters", "tokens trained on", "excess, nats", f"accuracy k = {k}, n = {n}, %")
    table = Table("Sizes and ends", header, tuple(rows))
    paper = (
        "Larger Transformers learn better in context, even at equal pretraining loss (12 and 16 layers, both 1.33); "
        "the "
        "LSTM is best, at a higher loss."
    )
    ours = "Our sizes, each measured on the way down, so that equal losses are compared and not only ends."
    return Findings("scaling", TITLE, paper, ours, verdict, summary, pictures, (table,))


def _words(
    runs: Mapping[str, xr.Dataset], rows: list[tuple], results: Mapping[str, xr.Dataset], k: int, n: int
) -> tuple[str, str]:
    labels, gaps = list(runs), []
    for i, a in enumerate(labels):
        for b in labels[i + 1 :]:
            found = at_equal_loss(runs[a], runs[b])
            if found is not None:
                gaps.append((abs(found[0]), *found, a, b))
    gap = math.nan
    if gaps:
        _, gap, excess, a, b = max(gaps)
        better, worse = (a, b) if gap > 0 else (b, a)
        equal = (
            f"At equal excess the largest gap is {abs(gap):.0f} points ({better} over {worse}, at {excess:.2f} nats)"
        )
    else:
        equal = "No two sizes reach the same excess"
    least = min(float(data.excess.values[-1]) for data in runs.values())
    ends = [row for row in rows if not row[0].startswith("published")]
    best = min(ends, key=lambda row: float(row[3]))
    worst = max((row for row in ends if row[0] in runs), key=lambda row: float(row[3]))
    rise = float(best[4]) - float(worst[4])
    slopes = [late_slope(data) for data in runs.values()]
    slope = max((each for each in slopes if math.isfinite(each)), default=math.nan)
    verdict = (
        f"{equal}. From {worst[0]} (excess {worst[3]}) to {best[0]} (excess {best[3]}) accuracy at k = {k}, n = {n} "
        "changes "
        f"by {rise:+.0f} points; late in training the steepest of our sizes gains {slope:.1f} points for every "
        "hundredth "
        f"of a nat. The published 12 and 16 layers have equal rounded losses and differ by 3.5 points, within what a "
        f"hundredth of a nat can explain: {'yes' if slope >= 3.5 else 'not at that slope'}. Least excess here: "
        f"{least:.3f}."
    )
    summary = f"largest gap at equal loss {abs(gap):.0f} points; " if gaps else "no two sizes reach equal loss; "
    return verdict, summary + (f"{slope:.1f} points a hundredth of a nat" if math.isfinite(slope) else "no slope yet")


EXPERIMENT = Experiment("scaling", TITLE, "figures 5 and 6", cells, read)
