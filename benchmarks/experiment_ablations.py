"""Experiment 3: ablations of the pretraining law (figures 4 and 10), each with the exact Bayes of that very law."""

from collections.abc import Mapping

import xarray as xr

from benchmarks.cells import Cell
from benchmarks.experiment import (
    Accuracy,
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
)
from benchmarks.findings import Axes, Findings, Picture, Point, Table
from benchmarks.published_accuracy import ABLATIONS, published

TITLE = "Ablations of the pretraining law"
LAWS = {
    "ginc": "as released",
    "ginc:single-concept": "a single concept",
    "ginc:random-tokens": "random tokens",
    "ginc-random-kernels": "random kernels",
    "ginc:unseen-concepts": "unseen concepts",
    "ginc-no-persistence": "no entity persistence",
}
RIVAL = {"ginc": "transformer_4_layers", "ginc:single-concept": "single_concept", "ginc:random-tokens": "random_tokens",
         "ginc:unseen-concepts": "transformer_4_layers_unseen_concepts",
         "ginc-no-persistence": "no_entity_persistence"}  # fmt: skip
EPSILON = 0.01
EASY = {"ginc:single-concept": 0.4, "ginc:random-tokens": 0.4}
"""Laws without a concept to infer, and the share of the tokens that is enough to learn them."""


def lengths(scale: Scale) -> tuple[int, int]:
    """The shortest examples, of which Bayes needs many, and the longest."""
    return min(scale.ks), max(scale.ks)


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell of curves for each law; models of the unseen concepts are those of the released law."""
    found = {}
    for law in LAWS:
        named = trained(scale, "ginc" if law == "ginc:unseen-concepts" else law, share=EASY.get(law, 1.0))
        for k in lengths(scale):
            found[f"{law}-{k}"] = context(scale, law, [k], scale.ns, named, [EPSILON], scale.few)
        found |= {f"train-{law}-{label}": each for label, each in zip(named.labels, named.cells, strict=True)}
    return found


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """A panel for each law, a table of gains, and which laws keep in-context learning."""
    k, first, last = max(scale.ks), min(scale.ns), max(scale.ns)
    points, rows, learnt, learnt_bayes = [], [], [], []
    for law, words in LAWS.items():
        data = results[law]
        points += [p for p in curve(data, words, k) if not p.series.startswith("exact")]
        if law in RIVAL:
            points += _published(RIVAL[law], words, k, scale.ns)
        gains = {}
        for name in (str(p) for p in data.predictor.values if str(p) != "exact"):
            before, after = accuracy(data, name, k, first), accuracy(data, name, k, last)
            gains[name] = change(before, after)
            rows.append((words, shown(name), before.words, after.words, signed(*gains[name])))
        if any(sure(*gains[name]) and gains[name][0] > 0 for name in model_names(data)):
            learnt.append(words)
        if sure(*gains[f"smoothed({EPSILON:g})"]) and gains[f"smoothed({EPSILON:g})"][0] > 0:
            learnt_bayes.append(words)
    best = max((accuracy(results["ginc"], name, k, last) for name in model_names(results["ginc"])),
               key=lambda a: a.share, default=Accuracy(0, 0, 0, 0))  # fmt: skip
    lost = []
    for law, words in LAWS.items():
        shares = [accuracy(results[law], name, k, last).share for name in model_names(results[law])]
        if all(share < 0.5 * best.share for share in shares):
            lost.append(words)
    verdict = (
        f"Examples help some model (by more than three standard errors, n = {first} to {last}, k = {k}) with: "
        f"{_list(learnt)}; and smoothed Bayes with: {_list(learnt_bayes)}. Less than half of the released law's "
        "accuracy "
        f"is left with: {_list(lost)}."
    )
    summary = f"accuracy more than halves with: {_list(lost)}"
    caption = (
        f"Documents by each law (panel), prompts of GINC's concepts, k = {k}; {scale.few} prompts a point, bands 95% "
        "Wilson. Bayes is that of the panel's law, smoothed; models are short trainings on it. Published: 4-layer "
        "Transformer, five trainings; none for random kernels, which the paper does not have."
    )
    axes = Axes("examples in the prompt, n", "in-context accuracy, %", "category", (0, 103))
    picture = Picture("ablations", "What in-context learning needs of the documents", caption, axes, tuple(points))
    header = ("documents", "predictor", f"n = {first}, %", f"n = {last}, %", "change, points")
    table = Table(f"k = {k}, ± one standard error", header, tuple(rows))
    paper = (
        "No in-context learning after a single concept, random tokens, or for unseen concepts; worse without "
        "persistence."
    )
    ours = "The same ablations, one more (random kernels), with Bayes under each ablated law."
    return Findings("ablations", TITLE, paper, ours, verdict, summary, (picture,), (table,))


def _published(name: str, panel: str, k: int, ns: tuple[int, ...]) -> list[Point]:
    data = published(name)
    if k not in data.ks:
        return []
    rows = zip(data.ns, data.accuracy_KxN[data.ks.index(k)], data.half_width_KxN[data.ks.index(k)], strict=True)
    return [Point(panel, ABLATIONS["label"], n, float(y), float(y - h), float(y + h), 5) for n, y, h in rows if n in ns]


def _list(words: list[str]) -> str:
    return ", ".join(words) or "none"


EXPERIMENT = Experiment("ablations", TITLE, "figures 4 and 10", cells, read)
