"""Experiment 3: ablations of the pretraining law (figures 4 and 10), each with the exact Bayes of that very law."""

from collections.abc import Mapping

import xarray as xr

from implicit_bayes.benchmarks.common.differences import count_clear
from implicit_bayes.benchmarks.experiments.asked import context, trained
from implicit_bayes.benchmarks.experiments.base import (
    Experiment,
    Scale,
    accuracy,
    curve,
    excesses,
    gain,
    listed,
    model_names,
    shown,
)
from implicit_bayes.benchmarks.predictors.published_accuracy import ABLATIONS, published
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Point, Table
from implicit_bayes.benchmarks.sweep.cells import Cell

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
    """The shortest examples, of which Bayes needs many, and the longest.

    Returns:
        Two example lengths k, equal where the preset has one.
    """
    return min(scale.ks), max(scale.ks)


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell of curves for each law; models of the unseen concepts are those of the released law.

    Returns:
        Cells by name: ``LAW-k`` measures in context, ``train-LAW-LABEL`` trains.
    """
    found = {}
    for law in LAWS:
        named = trained(scale, "ginc" if law == "ginc:unseen-concepts" else law, share=EASY.get(law, 1.0))
        for k in lengths(scale):
            found[f"{law}-{k}"] = context(scale, law, [k], scale.ns, named, [EPSILON], scale.prompts_of_many)
        found |= {f"train-{law}-{label}": each for label, each in zip(named.labels, named.cells, strict=True)}
    return found


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """A panel for each law and a figure for each k, a table of gains, and what each law leaves.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; accuracies in percent.
    """
    first, last = min(scale.ns), max(scale.ns)
    pictures, rows = [], []
    for k in reversed(lengths(scale)):
        points = []
        for law, words in LAWS.items():
            data, taught = results[f"{law}-{k}"], excesses(results, f"train-{law}")
            points += [p for p in curve(data, words, k) if not p.series.startswith("exact")]
            if law in RIVAL:
                points += _published(RIVAL[law], words, k, scale.ns)
            for name in (str(p) for p in data.predictor.values if str(p) != "exact"):
                before, after = accuracy(data, name, k, first), accuracy(data, name, k, last)
                over = f"{taught[name]:.3f}" if name in taught else "–"
                gained = gain(data, name, k, first, last)
                rows.append((k, words, shown(name), before.words, after.words, gained.words, over))
        pictures.append(_picture(scale, k, tuple(points)))
    left, summary = _left(scale, results, max(scale.ks))
    header = ("k", "documents", "predictor", f"n = {first}, % of prompts", f"n = {last}, % of prompts",
              "difference, same prompts", "excess over Bayes, nats")  # fmt: skip
    table = Table(f"Accuracy at n = {first} and n = {last} [95% interval]", header, tuple(rows))
    paper = (
        "No in-context learning after a single concept, after random tokens, or of unseen concepts; worse without "
        "persistence."
    )
    ours = "The same ablations, one more (random kernels), with Bayes under each ablated law."
    verdict = f"{left} {_gains(scale, results)}"
    return Findings(
        name="ablations",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=tuple(pictures),
        tables=(table,),
    )


def _left(scale: Scale, results: Mapping[str, xr.Dataset], k: int) -> tuple[str, str]:
    """Which laws leave fewer than half of the released law's right answers, and what Bayes and models have there."""
    last, smooth = max(scale.ns), f"smoothed({EPSILON:g})"

    def best(law: str) -> float:
        data = results[f"{law}-{k}"]
        return max((accuracy(data, name, k, last).share for name in model_names(data)), default=0.0)

    def right(law: str) -> str:
        bayes = 100 * accuracy(results[f"{law}-{k}"], smooth, k, last).share
        return f"{LAWS[law]} {100 * best(law):.0f} and {bayes:.0f}"

    half = 0.5 * best("ginc")
    lost = [law for law in LAWS if best(law) < half]
    words = (
        f"Percent right at k = {k}, n = {last} by the better model and by smoothed Bayes under the law of the "
        f"documents: {'; '.join(map(right, LAWS))}. Against documents as released, models lose more than half with "
        f"{listed([LAWS[law] for law in lost])}"
    )
    blind = [law for law in lost if accuracy(results[f"{law}-{k}"], smooth, k, last).share < 0.5]
    words += ", and there Bayes itself does not know the answer." if lost and blind == lost else "."
    return words, f"accuracy more than halves with {listed([LAWS[law] for law in lost])}"


def _gains(scale: Scale, results: Mapping[str, xr.Dataset]) -> str:
    """For whom examples help, at either k."""
    first, last, parts = min(scale.ns), max(scale.ns), []
    for k in lengths(scale):
        bayes, some = [], []
        for law, words in LAWS.items():
            data = results[f"{law}-{k}"]
            if count_clear([gain(data, f"smoothed({EPSILON:g})", k, first, last)])[0]:
                bayes.append(words)
            if count_clear([gain(data, name, k, first, last) for name in model_names(data)])[0]:
                some.append(words)
        parts.append(f"at k = {k} smoothed Bayes with {listed(bayes)} and a model with {listed(some)}")
    return f"By documents, those who clearly gain from {last} examples over {first}: {'; '.join(parts)}."


def _picture(scale: Scale, k: int, points: tuple[Point, ...]) -> Picture:
    caption = (
        f"Documents by each law (panel), prompts of GINC's concepts, k = {k}; {scale.prompts_of_many} prompts a point, "
        "bands 95% Wilson. Bayes is that of the panel's law, smoothed; models are short trainings on it. Published: "
        "4-layer Transformer, five trainings; none for random kernels, which the paper does not have."
    )
    axes = Axes("examples in the prompt, n", "in-context accuracy, %", "category", (0, 103))
    name = "ablations" if k == max(scale.ks) else f"ablations-{k}"
    return Picture(name, f"What in-context learning needs of the documents (k = {k})", caption, axes, points)


def _published(name: str, panel: str, k: int, ns: tuple[int, ...]) -> list[Point]:
    data = published(name)
    if k not in data.ks:
        return []
    rows = zip(data.ns, data.accuracy_KxN[data.ks.index(k)], data.half_width_KxN[data.ks.index(k)], strict=True)
    return [
        Point(panel=panel, series=ABLATIONS["label"], x=n, y=float(y), low=float(y - h), high=float(y + h), prompts=5)
        for n, y, h in rows
        if n in ns
    ]


EXPERIMENT = Experiment("ablations", TITLE, "figures 4 and 10", cells, read)
