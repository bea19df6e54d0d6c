"""Experiment 1: in-context accuracy against n, for each k and vocabulary (figures 3 and 11 to 14 of the paper)."""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.differences import NONE, count_clear, of_seeds
from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.experiments.asked import context, models
from implicit_bayes.benchmarks.experiments.base import (
    Experiment,
    Scale,
    accuracy,
    curve,
    excesses,
    gain,
    interval_point,
    model_names,
    shown,
    undefined,
)
from implicit_bayes.benchmarks.predictors.published_accuracy import SEEDS, published
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Point, Table, percent
from implicit_bayes.benchmarks.sweep.cells import Cell

TITLE = "In-context accuracy against the number of examples"
RIVALS = {"lstm_6_layers": "published LSTM (28M)", "transformer_12_layers": "published Transformer (85M)"}
EPSILON = 0.01


def instance_of(vocabulary: int) -> str:
    """Name of the released instance with this vocabulary.

    Returns:
        A name that ``load_instance`` takes.
    """
    return "ginc" if vocabulary == 50 else f"ginc-{vocabulary}"


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell for each (vocabulary, k).

    Returns:
        Cells by name: ``VOCABULARY-k`` measures in context, ``train-VOCABULARY-LABEL`` trains.
    """
    found = {}
    for vocabulary in scale.vocabularies:
        instance = instance_of(vocabulary)
        for k in scale.ks:
            found[f"{vocabulary}-{k}"] = context(scale, instance, [k], scale.ns, models(scale, instance), [EPSILON])
        named = models(scale, instance)
        found |= {f"train-{vocabulary}-{label}": each for label, each in zip(named.labels, named.cells, strict=True)}
    return found


def published_points(ks: tuple[int, ...], ns: tuple[int, ...]) -> list[Point]:
    """What the paper's authors measured, percent, with their intervals.

    Args:
        ks: example lengths to show.
        ns: numbers of examples to show.

    Returns:
        A point for each published (k, n) among them; ``prompts`` counts the five trainings of the paper.
    """
    points = []
    for name, label in RIVALS.items():
        data = published(name)
        for i, k in enumerate(data.ks):
            for j, n in enumerate(data.ns):
                if k in ks and n in ns:
                    y, half = float(data.accuracy_KxN[i, j]), float(data.half_width_KxN[i, j])
                    points.append(
                        Point(panel=f"k = {k}", series=label, x=n, y=y, low=y - half, high=y + half, prompts=5)
                    )
    return points


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Figures for each vocabulary, a table of the two ends, and whether accuracy rises.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; accuracies in percent.
    """
    pictures, rows = [], []
    first, last = min(scale.ns), max(scale.ns)
    for vocabulary in scale.vocabularies:
        points = []
        for k in scale.ks:
            data = results[f"{vocabulary}-{k}"]
            points += curve(data, f"k = {k}", k)
            for name in (str(p) for p in data.predictor.values):
                before, after = accuracy(data, name, k, first), accuracy(data, name, k, last)
                gained = gain(data, name, k, first, last)
                rows.append((vocabulary, k, shown(name), before.words, after.words, gained.words, gained.prompts))
        if vocabulary == 50:
            points += published_points(scale.ks, scale.ns)
        pictures.append(_picture(scale, vocabulary, tuple(points), _taught(results, vocabulary)))
    pictures.append(_no_posterior(scale, results))
    ours, summary = _rises(scale, results)
    verdict = f"{ours} {_exact(scale, results)} {_published_rise(scale, results)}".rstrip()
    paper = "Accuracy rises with the number and the length of examples, for Transformers and LSTMs, V = 50, 100, 150."
    asked = "The same prompts asked of exact, smoothed and prompt-aware Bayes, and of an LSTM and a Transformer."
    header = ("V", "k", "predictor", f"n = {first}, % of prompts", f"n = {last}, % of prompts",
              "difference, same prompts", "how many those are")  # fmt: skip
    title = f"Accuracy at n = {first} and n = {last} [95% interval] of the prompts that have an answer"
    table = Table(title, header, tuple(rows))
    return Findings(
        name="curves",
        title=TITLE,
        paper=paper,
        ours=asked,
        verdict=verdict,
        summary=summary,
        pictures=tuple(pictures),
        tables=(table,),
    )


def _taught(results: Mapping[str, xr.Dataset], vocabulary: int) -> str:
    found = excesses(results, f"train-{vocabulary}")
    words = ", ".join(f"{label} {excess:.2f}" for label, excess in found.items())
    return f" Models are short trainings, above exact Bayes by (nats a token): {words}." if found else ""


def _rises(scale: Scale, results: Mapping[str, xr.Dataset]) -> tuple[str, str]:
    first, last = min(scale.ns), max(scale.ns)
    smooth, gains, bayes = f"smoothed({EPSILON:g})", [], {}
    for vocabulary in scale.vocabularies:
        for k in scale.ks:
            data = results[f"{vocabulary}-{k}"]
            gains += [gain(data, name, k, first, last) for name in model_names(data)]
            bayes[vocabulary, k] = gain(data, smooth, k, first, last)
    rises, falls = count_clear(gains)
    bayes_rises, bayes_falls = count_clear(list(bayes.values()))
    where = max(bayes, key=lambda at: np.nan_to_num(bayes[at].points, nan=-math.inf))
    ends = [accuracy(results[f"{where[0]}-{where[1]}"], smooth, where[1], n).percent for n in (first, last)]
    verdict = (
        f"From {first} to {last} examples our models' accuracy clearly rises in {rises} and clearly falls in {falls} "
        f"of {len(gains)} cases (a model, k and V each); that of smoothed Bayes rises in {bayes_rises} and falls in "
        f"{bayes_falls} of {len(bayes)}, most at V = {where[0]}, k = {where[1]} ({ends[0]} to {ends[1]}%)."
    )
    summary = f"clear rises with n: models {rises} of {len(gains)} (falls {falls}), smoothed Bayes {bayes_rises} of "
    return verdict, summary + f"{len(bayes)}"


def _exact(scale: Scale, results: Mapping[str, xr.Dataset]) -> str:
    vocabulary, k, first, last = scale.vocabularies[0], max(scale.ks), min(scale.ns), max(scale.ns)
    data = results[f"{vocabulary}-{k}"]
    words = (
        f"Exact Bayes under the pretraining law has no answer to {percent(undefined(data, k, last))} of prompts with "
        f"{last} examples (V = {vocabulary}, k = {k})"
    )
    fall = gain(data, "exact", k, first, 1) if 1 in scale.ns else NONE
    if math.isfinite(fall.points):
        words += f"; where it can answer after one example, that example changes its accuracy by {fall.words} points"
    return f"{words}."


def _published_rise(scale: Scale, results: Mapping[str, xr.Dataset]) -> str:
    """How often the published accuracies rise, and how far below ours they are at both ends."""
    if 50 not in scale.vocabularies:
        return ""
    first, last, gains, short = min(scale.ns), max(scale.ns), [], []
    for name in RIVALS:
        data = published(name)
        for k in (k for k in scale.ks if k in data.ks):
            i, ends = data.ks.index(k), [data.ns.index(n) for n in (first, last)]
            y, error = data.accuracy_KxN[i, ends], data.standard_error_KxN[i, ends]
            gains.append(of_seeds((y[0], error[0]), (y[1], error[1]), SEEDS))
            ours = [n for n in model_names(results[f"50-{k}"]) if n.lower().startswith(name.split("_")[0])]
            for each in ours:
                at = [100 * accuracy(results[f"50-{k}"], each, k, n).share for n in (first, last)]
                short.append(np.array(at) - y)
    words = f"The published models clearly rise in {count_clear(gains)[0]} of {len(gains)} cases at V = 50"
    if not short:
        return f"{words}."
    before, after = np.mean(short, 0)
    start = "start lower" if before > max(after, 0.0) else "do not start lower"
    return (
        f"{words}, and {start}: on average they are {_beside(before)} ours at n = {first} and "
        f"{_beside(after)} ours at n = {last}."
    )


def _beside(short: float) -> str:
    return f"{abs(short):.0f} points {'below' if short >= 0 else 'above'}"


def _picture(scale: Scale, vocabulary: int, points: tuple[Point, ...], taught: str) -> Picture:
    name = "in-context" if vocabulary == 50 else f"in-context-{vocabulary}"
    beside = " Published: means and 95% intervals over five trainings, their own prompts." if vocabulary == 50 else ""
    caption = (
        f"Released GINC, V = {vocabulary}: share of prompts answered with the true concept's most probable token, "
        f"{scale.prompts} prompts a point, bands 95% Wilson. Exact Bayes counts only prompts that the pretraining law "
        f"can produce (points over fewer than 20 left out).{beside}{taught}"
    )
    axes = Axes("examples in the prompt, n", "in-context accuracy, %", "category", (0, 103))
    return Picture(name, f"In-context learning beside exact Bayes (V = {vocabulary})", caption, axes, points)


def _no_posterior(scale: Scale, results: Mapping[str, xr.Dataset]) -> Picture:
    """Share of prompts that no pretraining concept can produce."""
    points = []
    for vocabulary in scale.vocabularies:
        for k in scale.ks:
            for n in scale.ns:
                share = undefined(results[f"{vocabulary}-{k}"], k, n)
                low, high = wilson(np.array(round(share * scale.prompts)), np.array(scale.prompts))
                y = (100 * share, 100 * float(low), 100 * float(high))
                points.append(interval_point(f"V = {vocabulary}", f"k = {k}", n, y, scale.prompts))
    caption = (
        f"Released GINC: share of prompts with probability zero under every pretraining concept, so that exact Bayes "
        f"has no answer; {scale.prompts} prompts a point, bands 95% Wilson."
    )
    axes = Axes("examples in the prompt, n", "prompts with no posterior, %", "category", (0, 103))
    return Picture("no-posterior", "Prompts without a Bayes answer", caption, axes, tuple(points))


EXPERIMENT = Experiment(
    "curves",
    TITLE,
    "figures 3, 11 to 14",
    cells,
    read,
)
