"""Experiment 5: zero-shot beats few-shot on kernels of low entropy (figure 7, right), in exact Bayes too."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.differences import Difference, count_clear
from implicit_bayes.benchmarks.experiments.asked import context, trained
from implicit_bayes.benchmarks.experiments.base import (
    Experiment,
    Scale,
    accuracy,
    curve,
    excesses,
    gain,
    model_names,
    shown,
    undefined,
)
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Table, percent
from implicit_bayes.benchmarks.sweep.cells import Cell

TITLE = "Zero-shot beats few-shot at low entropy"
INSTANCE = "ginc-low-entropy"
EPSILON = 0.01


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell for each k.

    Returns:
        Cells by name: ``low-k`` measures in context, ``train-LABEL`` trains.
    """
    taught = trained(scale, INSTANCE)
    ns = [n for n in scale.ns if n <= 32]
    found = {
        f"low-{k}": context(scale, INSTANCE, [k], ns, taught, [EPSILON], 2 * scale.prompts_of_many) for k in scale.ks
    }
    return found | {f"train-{label}": each for label, each in zip(taught.labels, taught.cells, strict=True)}


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """A panel for each k; whether one example is worse than none, for whom, and by how much.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; accuracies in percent.
    """
    points, rows = [], []
    gains: dict[str, list[Difference]] = {}
    one, last = _one_and_last(results[f"low-{scale.ks[0]}"])
    for k in scale.ks:
        data = results[f"low-{k}"]
        points += curve(data, f"k = {k}", k)
        for name in (str(p) for p in data.predictor.values):
            ends = (accuracy(data, name, k, n).words for n in (0, one, last))
            after = gain(data, name, k, 0, one)
            rows.append((k, shown(name), *ends, after.words, after.prompts))
            gains.setdefault("models" if name in model_names(data) else name, []).append(after)
    verdict, summary = _words(scale, results, gains)
    taught = ", ".join(f"{label} {excess:.2f}" for label, excess in excesses(results, "train").items())
    caption = (
        f"GINC by the paper's recipe, t = 0.01, 12 concepts, V = 100; {2 * scale.prompts_of_many} prompts a point, "
        f"bands 95% Wilson. Models are short trainings on its documents, above exact Bayes by (nats a token): {taught}."
    )
    axes = Axes("examples in the prompt, n", "in-context accuracy, %", "category", (0, 103))
    picture = Picture("zero-shot", "Kernels of low entropy", caption, axes, tuple(points))
    header = ("k", "predictor", "n = 0, % of prompts", f"n = {one}, % of prompts", f"n = {last}, % of prompts",
              f"n = {one} less n = 0, same prompts", "how many those are")  # fmt: skip
    title = "Accuracy with no, one and many examples [95% interval] of the prompts that have an answer"
    table = Table(title, header, tuple(rows))
    paper = "With low-entropy kernels zero-shot accuracy exceeds few-shot accuracy: examples look like impossible text."
    ours = "The same setting with exact Bayes beside the models."
    return Findings(
        name="zero-shot",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=(picture,),
        tables=(table,),
    )


def _one_and_last(data: xr.Dataset) -> tuple[int, int]:
    last = int(data.n.max())
    return (1 if 1 in data.n else last), last


def _words(scale: Scale, results: Mapping[str, xr.Dataset], gains: Mapping[str, list[Difference]]) -> tuple[str, str]:
    worst = min(range(len(scale.ks)), key=lambda i: np.nan_to_num(gains["exact"][i].points, nan=np.inf))
    k, data = scale.ks[worst], results[f"low-{scale.ks[worst]}"]
    one, last = _one_and_last(data)
    exact = [accuracy(data, "exact", k, n) for n in (0, one, last)]
    falls = {name: count_clear(each)[1] for name, each in gains.items()}
    count = len(scale.ks)
    start = "Exact Bayes itself is worse with one example than with none" if falls["exact"] else (
        "Exact Bayes is not worse with one example than with none beyond chance")  # fmt: skip
    verdict = (
        f"{start}, at {falls['exact']} of {count} k clearly so; where it differs most, at k = {k}, it is right on "
        f"{exact[0].percent}% of prompts with none and on {exact[1].percent}% with one ({gains['exact'][worst].words} "
        f"points on the same prompts), and on {exact[2].percent}% with {last}. "
    )
    cases = len(gains.get("models", ()))
    verdict += f"Models are clearly worse with one example in {falls.get('models', 0)} of {cases} cases. "
    rises = count_clear(gains["prompt-aware"])[0]
    verdict += (
        f"Bayes that knows how prompts are made clearly gains by it at {rises} of {count} k and clearly loses at "
        f"{falls['prompt-aware']}"
    )
    if falls["exact"] and not falls["prompt-aware"]:
        verdict += (
            ": the example does tell the concept, and the loss comes from the pretraining law, to which a prompt is "
            "unlikely text, and not from training"
        )
    lost = undefined(data, k, last)
    verdict += f". {percent(lost)} of prompts have probability zero here." if lost else (
        ". No prompt has probability zero here.")  # fmt: skip
    shares = [f"{100 * each.share:.0f}%" for each in exact[:2]]
    return verdict, f"exact Bayes at k = {k}: {shares[0]} with no example, {shares[1]} with one"


EXPERIMENT = Experiment("zero-shot", TITLE, "figure 7, right", cells, read)
