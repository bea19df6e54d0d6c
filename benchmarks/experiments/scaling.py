"""Experiment 2: scaling at equal loss (figures 5 and 6). Accuracy against parameters, and against *excess* loss.

Every training is measured as it goes, so each size is a curve of (excess over Bayes, accuracy), and two sizes can be
compared where their excesses are equal.
"""

import json
from collections.abc import Mapping
from importlib import resources

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.differences import (
    Difference,
    of_seeds,
    paired,
)
from implicit_bayes.benchmarks.common.intervals import errors, wilson
from implicit_bayes.benchmarks.experiments.asked import models
from implicit_bayes.benchmarks.experiments.base import (
    Experiment,
    Scale,
    accuracy,
    interval_point,
    model_names,
    point,
    shown,
)
from implicit_bayes.benchmarks.experiments.curves import cells as curve_cells
from implicit_bayes.benchmarks.experiments.equal_loss import Slope, at_equal_loss, last_hundredths
from implicit_bayes.benchmarks.experiments.learners import training
from implicit_bayes.benchmarks.predictors.published_accuracy import PRINTED, SEEDS
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Point, Table
from implicit_bayes.benchmarks.sweep.cells import Cell
from implicit_bayes.benchmarks.sweep.tasks import cell

TITLE = "Scaling at equal loss"
ROUNDING = 0.005
"""The published losses have two decimals."""


def cells(scale: Scale) -> dict[str, Cell]:
    """The trainings, the shipped models' loss and accuracy, and Bayes on the published validation documents.

    Returns:
        Cells by name: ``size-LABEL``, loss, shipped, validation.
    """
    found = {f"size-{each.label}": training(each, "ginc", scale.measure, scale.seed) for each in scale.sizes}
    named = models(scale, "ginc")
    config = {"instance": "ginc", "documents": scale.measure.documents, "length": 512, "seed": scale.seed}
    found["loss"] = cell("loss", config | named.config, named.cells)
    found["shipped"] = curve_cells(scale)[f"50-{scale.measure.k}"]
    found["validation"] = cell("validation", {"vocabulary": 50})
    return found


def published_losses(bayes: float) -> list[tuple[str, float, float, float, float]]:
    """(label, parameters, excess, accuracy, half width of its 95% interval); excess from the paper's rounded losses.

    Returns:
        Rows of the paper's table at k = 10, n = 64; excess in nats a token (its losses have two or three digits),
        accuracy in percent.
    """
    stored = json.loads((resources.files("implicit_bayes.benchmarks") / "published.json").read_text(encoding="utf-8"))
    names = {"transformer_4_layers": "Transformer, 4 layers", "transformer_12_layers": "Transformer, 12 layers",
             "transformer_16_layers": "Transformer, 16 layers", "lstm_6_layers": "LSTM"}  # fmt: skip
    rows = []
    for model, size, _, validation, share, half in stored["losses_k10_n64"]["rows"]:
        half = errors(SEEDS) * half / PRINTED
        rows.append((f"published {names[model]}", 1e6 * float(size[:-1]), validation - bayes, share, half))
    return rows


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Two figures, a table of ends, and the two questions answered.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; losses in nats a token, accuracies in percent.
    """
    k, n, bayes = scale.measure.k, scale.measure.n, float(results["validation"].bayes)
    by_loss, by_size, rows, panel = [], [], [], f"k = {k}, n = {n}"
    runs = {each.label: results[f"size-{each.label}"] for each in scale.sizes}
    for label, data in runs.items():
        line = _line(panel, label, data)
        by_loss += line
        parameters = float(data.attrs["parameters"])
        by_size.append(line[-1]._replace(x=parameters))
        end, tokens = data.isel(point=-1), int(data.attrs["tokens"])
        rows.append(
            (label, f"{parameters:,.0f}", f"{tokens:,}", f"{float(end.excess):.4f}", *_accuracy_cells(line[-1]))
        )
    loss, shipped = results["loss"], results["shipped"]
    for i, name in enumerate(str(m) for m in loss.model.values):
        found, excess = accuracy(shipped, name, k, n), float(loss.excess[i])
        label = shown(name).replace(" (ours)", ", shipped" if name.endswith("-small") else " (ours)")
        by_loss.append(point(panel, label, max(excess, 1e-4), found))
        by_size.append(point(panel, label, float(loss.parameters[i]), found))
        rows.append(
            (label, f"{int(loss.parameters[i]):,}", "to its end", f"{excess:.4f}", *_accuracy_cells(by_size[-1]))
        )
    for label, size, excess, share, half in published_losses(bayes):
        where = interval_point(panel, label, max(excess, 1e-4), (share, share - half, share + half), SEEDS)
        by_loss.append(where)
        by_size.append(where._replace(x=size))
        rows.append((label, f"{size:,.0f}", "51–102 million", f"{excess:.3f} ± {ROUNDING}", *_accuracy_cells(where)))
    verdict, summary = _words(runs, rows, results, k, n)
    caption = (
        f"Released GINC, V = 50, accuracy at k = {k}, n = {n} on {scale.measure.prompts} prompts, as networks train "
        f"(lines) and of trained ones (marks); excess over exact Bayes on {scale.measure.documents} held-out "
        f"documents, published losses less that of Bayes on the published validation documents ({bayes:.4f}), known to "
        f"± {ROUNDING}; bands 95%."
    )
    loss_axes = Axes("excess over Bayes, nats a token", "in-context accuracy, %", "log", (0, 103))
    size_axes = Axes("parameters", "in-context accuracy, %", "log", (0, 103))
    pictures = (
        Picture("scaling-loss", "Accuracy against excess loss", caption, loss_axes, tuple(by_loss)),
        Picture("scaling-size", "Accuracy against parameters", caption, size_axes, tuple(by_size)),
    )
    header = ("model", "parameters", "tokens trained on", "excess, nats", f"accuracy k = {k}, n = {n}, %", "95%",
              "prompts, or trainings of published")  # fmt: skip
    table = Table("Sizes and ends", header, tuple(rows))
    paper = (
        "Larger Transformers learn better in context, even at equal pretraining loss (12 and 16 layers, both 1.33); "
        "the LSTM is best, at a higher loss."
    )
    ours = "Our sizes, each measured on the way down, so that equal losses are compared and not only ends."
    return Findings(
        name="scaling",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=pictures,
        tables=(table,),
    )


def _line(panel: str, label: str, data: xr.Dataset) -> list[Point]:
    """Accuracy in percent against excess at every measurement of one training whose excess is above 0."""
    counts = np.full(data.sizes["point"], int(data.attrs["prompts"]))
    low, high = wilson((data.accuracy.values * counts).round(), counts)
    measured = zip(data.excess.values, data.accuracy.values, low, high, counts, strict=True)
    return [
        interval_point(panel, label, x, (100 * float(y), 100 * float(a), 100 * float(b)), int(c))
        for x, y, a, b, c in measured
        if x > 0
    ]


def _accuracy_cells(found: Point) -> tuple[str, str, int]:
    """Accuracy, its interval, and over how many."""
    return f"{found.y:.1f}", f"[{found.low:.1f}, {found.high:.1f}]", found.prompts


def _words(
    runs: Mapping[str, xr.Dataset], rows: list[tuple], results: Mapping[str, xr.Dataset], k: int, n: int
) -> tuple[str, str]:
    labels = list(runs)
    pairs = [at_equal_loss(runs, a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
    met = [each for each in pairs if each is not None]
    different = [each for each in met if each.clearly_differs]
    equal = "No two of our networks reach the same excess loss"
    if met:
        equal = f"At equal excess loss {len(different)} of {len(met)} pairs of our networks clearly differ in accuracy"
        most = max(met, key=lambda each: each.points)
        equal += (
            f" (most: {most.better} over {most.worse}, {most.points:+.1f} [{most.low:.1f}, {most.high:.1f}] points at "
        )
        equal += f"{most.excess:.2f} nats)"
    ends = [row for row in rows if not row[0].startswith("published")]
    best, worst = (f(ends, key=lambda row: float(row[3])) for f in (min, max))
    follows = (
        f"Accuracy at k = {k}, n = {n} goes with the loss: {worst[4]}% at {float(worst[3]):.2f} nats over Bayes "
        f"({worst[0]}), {best[4]}% at {float(best[3]):.3f} ({best[0]})."
    )
    slopes = last_hundredths(runs, results, k, n)
    last = "; ".join(
        f"{each.label} from {each.begin:.3f} nats to the shipped weights' {each.end:.3f} gains {each.points:.1f} "
        f"[{each.low:.1f}, {each.high:.1f}] points for every hundredth of a nat" for each in slopes
    )  # fmt: skip
    last = f" {last[0].upper()}{last[1:]}." if last else ""
    summary = f"clear differences at equal loss: {len(different)} of {len(met)} pairs"
    summary += f"; {max(s.points for s in slopes):.1f} points a hundredth of a nat" if slopes else ""
    return f"{equal}. {follows}{last} {_published_words(results, k, n, slopes)}", summary


def _published_words(results: Mapping[str, xr.Dataset], k: int, n: int, slopes: list[Slope]) -> str:
    """Whether the published differences are clear over their five trainings, beside ours."""
    rows = {
        label.removeprefix("published "): (share, half / errors(SEEDS))
        for label, _, _, share, half in published_losses(0)
    }

    def less(first: str, second: str) -> Difference:
        return of_seeds(rows[second], rows[first], SEEDS)

    deep, cell = less("Transformer, 16 layers", "Transformer, 12 layers"), less("LSTM", "Transformer, 16 layers")
    words = (
        f"Of the paper's models (five trainings each) 16 layers and 12, whose losses are equal as printed, differ by "
        f"{deep.words} points, which is {'clear' if deep.clearly_differs else 'within chance'}"
    )
    if slopes:
        most = max(slopes, key=lambda each: each.points)
        words += f", and as printed 0.01 nats may hide between them, worth {most.points:.1f} points by {most.label}"
    words += (
        f"; the LSTM, at a higher loss, differs from the 16 layers by {cell.words} points, which is "
        f"{'clear' if cell.clearly_differs else 'within chance'}"
    )
    data = results["shipped"]
    ours = {name.split("-")[0].lower(): name for name in model_names(data)}
    if {"lstm", "transformer"} <= set(ours):
        right = data.prompt_right.sel(k=k, n=n)
        found = paired(*(right.sel(predictor=ours[kind]).values for kind in ("transformer", "lstm")))
        words += f". Our LSTM differs from our Transformer by {found.words} points on the same prompts"
    return f"{words}."


EXPERIMENT = Experiment("scaling", TITLE, "figures 5 and 6", cells, read)
