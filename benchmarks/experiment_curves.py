"""Experiment 1: in-context accuracy against n, for each k and vocabulary (figures 3 and 11 to 14 of the paper)."""

from collections.abc import Mapping

import xarray as xr

from benchmarks.cells import Cell
from benchmarks.experiment import (
    Experiment,
    Scale,
    accuracy,
    change,
    context,
    curve,
    model_names,
    models,
    shown,
    signed,
    sure,
    undefined,
)
from benchmarks.findings import Axes, Findings, Picture, Point, Table, percent
from benchmarks.published_accuracy import published

TITLE = "In-context accuracy against the number of examples"
RIVALS = {"lstm_6_layers": "published LSTM (28M)", "transformer_12_layers": "published Transformer (85M)"}
EPSILON = 0.01


def instance_of(vocabulary: int) -> str:
    """Name of the released instance with this vocabulary."""
    return "ginc" if vocabulary == 50 else f"ginc-{vocabulary}"


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell for each (vocabulary, k)."""
    found = {}
    for vocabulary in scale.vocabularies:
        instance = instance_of(vocabulary)
        for k in scale.ks:
            found[f"{vocabulary}-{k}"] = context(scale, instance, [k], scale.ns, models(scale, instance), [EPSILON])
        named = models(scale, instance)
        found |= {f"train-{vocabulary}-{label}": each for label, each in zip(named.labels, named.cells, strict=True)}
    return found


def published_points(ks: tuple[int, ...], ns: tuple[int, ...]) -> list[Point]:
    """What the paper's authors measured, percent, with their intervals."""
    points = []
    for name, label in RIVALS.items():
        data = published(name)
        for i, k in enumerate(data.ks):
            for j, n in enumerate(data.ns):
                if k in ks and n in ns:
                    y, half = float(data.accuracy_KxN[i, j]), float(data.half_width_KxN[i, j])
                    points.append(Point(f"k = {k}", label, n, y, y - half, y + half, 5))
    return points


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Figures for each vocabulary, a table of the two ends, and whether accuracy rises."""
    pictures, rows = [], []
    rises, falls, total = 0, 0, 0
    first, last = min(scale.ns), max(scale.ns)
    for vocabulary in scale.vocabularies:
        points = []
        for k in scale.ks:
            data = results[f"{vocabulary}-{k}"]
            points += curve(data, f"k = {k}", k)
            for name in data.predictor.values:
                before, after = accuracy(data, name, k, first), accuracy(data, name, k, last)
                rows.append((vocabulary, k, shown(str(name)), before.words, after.words, after.prompts))
            for name in model_names(data):
                total += 1
                gain = change(accuracy(data, name, k, first), accuracy(data, name, k, last))
                rises += sure(*gain) and gain[0] > 0
                falls += sure(*gain) and gain[0] < 0
        if vocabulary == 50:
            points += published_points(scale.ks, scale.ns)
        pictures.append(_picture(scale, vocabulary, tuple(points)))
    key = f"{scale.vocabularies[0]}-{max(scale.ks)}"
    data, k = results[key], max(scale.ks)
    ends = {name: (accuracy(data, name, k, first), accuracy(data, name, k, last)) for name in model_names(data)}
    gains = "; ".join(f"{shown(name)} {a.words} to {b.words}%" for name, (a, b) in ends.items())
    lost = undefined(data, k, last)
    one = accuracy(data, "exact", k, 1) if 1 in scale.ns else accuracy(data, "exact", k, last)
    fall = change(accuracy(data, "exact", k, first), one)
    exact = f"loses accuracy from n = {first} to n = 1 ({signed(*fall)} points)" if sure(*fall) and fall[0] < 0 else (
        f"changes by {signed(*fall)} points from n = {first} to n = 1")  # fmt: skip
    smooth = [accuracy(data, f"smoothed({EPSILON:g})", k, n) for n in (first, last)]
    agrees = ", as in the paper" if rises == total else ""
    verdict = (
        f"From n = {first} to n = {last} models clearly rise in {rises} and clearly fall in {falls} of {total} "
        f"cases{agrees}; at V = {scale.vocabularies[0]}, k = {k}: {gains}. Exact Bayes under the pretraining law "
        "has no "
        f"answer to {percent(lost)} of those prompts, and where it has one {exact}. Smoothed Bayes, ε = "
        f"{EPSILON:g}, has "
        f"{smooth[0].words} and {smooth[1].words}%."
    )
    summary = (
        f"models clearly rise in {rises}/{total} cases, fall in {falls}; exact Bayes undefined on {percent(lost)} "
        f"of prompts (k = {k}, n = {last})"
    )
    paper = "Accuracy rises with the number and the length of examples, for Transformers and LSTMs, V = 50, 100, 150."
    ours = "The same prompts asked of exact, smoothed and prompt-aware Bayes, and of our two models."
    header = ("V", "k", "predictor", f"n = {first}, %", f"n = {last}, %", f"prompts at n = {last}")
    table = Table(f"Accuracy at n = {first} and n = {last}, ± one standard error", header, tuple(rows))
    return Findings("curves", TITLE, paper, ours, verdict, summary, tuple(pictures), (table,))


def _picture(scale: Scale, vocabulary: int, points: tuple[Point, ...]) -> Picture:
    name = "in-context" if vocabulary == 50 else f"in-context-{vocabulary}"
    beside = " Published: means and 95% intervals over five trainings, their own prompts." if vocabulary == 50 else ""
    caption = (
        f"Released GINC, V = {vocabulary}: share of prompts answered with the true concept's most probable token, "
        f"{scale.prompts} prompts a point, bands 95% Wilson. Exact Bayes counts only prompts that the pretraining law "
        f"can produce (points over fewer than 20 left out).{beside}"
    )
    axes = Axes("examples in the prompt, n", "in-context accuracy, %", "category", (0, 103))
    return Picture(name, f"In-context learning beside exact Bayes (V = {vocabulary})", caption, axes, points)


EXPERIMENT = Experiment(
    "curves",
    TITLE,
    "figures 3, 11-14",
    cells,
    read,
)
