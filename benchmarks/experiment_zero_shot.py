"""Experiment 5: zero-shot beats few-shot on kernels of low entropy (figure 7, right), in exact Bayes too."""

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
    shown,
    signed,
    sure,
    trained,
    undefined,
)
from benchmarks.findings import Axes, Findings, Picture, Table

TITLE = "Zero-shot beats few-shot at low entropy"
INSTANCE = "ginc-low-entropy"
EPSILON = 0.01


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell for each k."""
    taught = trained(scale, INSTANCE)
    ns = [n for n in scale.ns if n <= 32]
    found = {f"low-{k}": context(scale, INSTANCE, [k], ns, taught, [EPSILON], 2 * scale.few) for k in scale.ks}
    return found | {f"train-{label}": each for label, each in zip(taught.labels, taught.cells, strict=True)}


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """A panel for each k; whether one example is worse than none, for whom, and by how much."""
    points, rows = [], []
    falls: dict[str, int] = {}
    totals: dict[str, int] = {}
    for k in scale.ks:
        data = results[f"low-{k}"]
        points += curve(data, f"k = {k}", k)
        last = int(data.n.values.max())
        for name in (str(p) for p in data.predictor.values):
            zero, one, many = (accuracy(data, name, k, n) for n in (0, 1 if 1 in data.n else last, last))
            fall = change(zero, one)
            rows.append((k, shown(name), zero.words, one.words, many.words, signed(*fall)))
            kind = "models" if name in model_names(data) else name
            totals[kind] = totals.get(kind, 0) + 1
            falls[kind] = falls.get(kind, 0) + (sure(*fall) and fall[0] < 0)
    k = scale.ks[0]
    data = results[f"low-{k}"]
    exact = [accuracy(data, "exact", k, n) for n in (0, 1 if 1 in data.n else int(data.n.values.max()))]
    lost = undefined(data, k, int(data.n.values.max()))
    aware = falls.get("prompt-aware", 0)
    verdict = (
        f"Exact Bayes at k = {k}: {exact[0].words}% with no example, {exact[1].words}% with one. One example is "
        "clearly "
        f"worse than none for exact Bayes at {falls.get('exact', 0)} of {totals['exact']} k, for models in "
        f"{falls.get('models', 0)} of {totals.get('models', 0)} cases, and for Bayes that knows how prompts are "
        "made at "
        f"{aware} of {totals['prompt-aware']}. So the effect is {_cause(falls, aware)}. {100 * lost:.0f}% of "
        "prompts have "
        "probability zero here."
    )
    summary = f"exact Bayes {100 * exact[0].share:.0f}% at n = 0, {100 * exact[1].share:.0f}% at n = 1 (k = {k})"
    caption = (
        f"GINC by the paper's recipe, t = 0.01, 12 concepts, V = 100; {scale.few} prompts a point, bands 95% Wilson. "
        "Models are short trainings on its documents."
    )
    axes = Axes("examples in the prompt, n", "in-context accuracy, %", "category", (0, 103))
    picture = Picture("zero-shot", "Kernels of low entropy", caption, axes, tuple(points))
    last = int(data.n.values.max())
    header = ("k", "predictor", "n = 0, %", "n = 1, %", f"n = {last}, %", "n = 1 less n = 0, points")
    table = Table("± one standard error", header, tuple(rows))
    paper = "With low-entropy kernels zero-shot accuracy exceeds few-shot accuracy: examples look like impossible text."
    ours = "The same setting with exact Bayes beside the models."
    return Findings("zero-shot", TITLE, paper, ours, verdict, summary, (picture,), (table,))


def _cause(falls: Mapping[str, int], aware: int) -> str:
    if falls.get("exact", 0) and not aware:
        return (
            "a property of Bayes under the pretraining law, not an artefact of training, and not a lack of information"
        )
    if falls.get("exact", 0):
        return "a property of Bayes under the pretraining law, not an artefact of training"
    return "not seen in exact Bayes here"


EXPERIMENT = Experiment("zero-shot", TITLE, "figure 7, right", cells, read)
