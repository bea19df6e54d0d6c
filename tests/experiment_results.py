"""Results of an experiment's cells as its tasks would have stored them, from rules that the tests make up.

``results`` goes through an experiment's own cells, so names, predictors, k, n and numbers of prompts are those that a
sweep would have had; only the numbers are invented. Of each cell's prompts the possible ones come first, and of either
kind the first ones are right: two shares of the same prompts therefore differ by as many prompts as their counts do.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from field_results import FieldRules, made

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.experiments.base import Scale
from implicit_bayes.benchmarks.experiments.registry import EXPERIMENTS
from implicit_bayes.benchmarks.experiments.scales import TINY
from implicit_bayes.benchmarks.gap.context import MEASURES, SPLITS
from implicit_bayes.benchmarks.report.findings import Findings
from implicit_bayes.benchmarks.sweep.cells import Cell

VERSIONS = ("printed", "repaired", "sharp")
SMOOTH, AWARE = "smoothed(0.01)", "prompt-aware"


class Rules(NamedTuple):
    """What the numbers are; ``cell`` is always the name of a cell.

    right: (cell, predictor, k, n) -> share of prompts answered rightly, or such a share for possible prompts and one
    for impossible ones.   impossible: (cell, k, n) -> share of prompts without a posterior.
    holds: (cell, version, k, concept) -> verdict.   a3: cell -> verdict.   tv: cell -> total variation.
    numbers: (cell, k, concept) -> threshold, Σ KL, rate.
    learnt: cell -> [(excess, accuracy)] as a training went.   parameters: cell -> of a training.
    loss: model -> (excess, parameters).   bayes: of the validation documents.
    ordered: (predictor, permutation) -> (right, with an answer) of a set's tests.
    field: of the field's questions.
    """

    right: Callable[[str, str, int, int], float | tuple[float, float]] = lambda cell, predictor, k, n: 0.5
    impossible: Callable[[str, int, int], float] = lambda cell, k, n: 0.0
    holds: Callable[[str, str, int, int], str] = lambda cell, version, k, concept: "True"
    a3: Callable[[str], str] = lambda cell: "True"
    tv: Callable[[str], float] = lambda cell: 0.0
    numbers: Callable[[str, int, int], tuple[float, float, float]] = lambda cell, k, concept: (1.0, 2.0, -1.0)
    learnt: Callable[[str], list[tuple[float, float]]] = lambda cell: [(1.0, 0.2), (0.1, 0.5)]
    parameters: Callable[[str], int] = lambda cell: 1000
    loss: Callable[[str], tuple[float, int]] = lambda model: (0.1, 2000)
    bayes: float = 1.25
    ordered: Callable[[str, int], tuple[int, int]] = lambda predictor, permutation: (1, 1)
    field: FieldRules = FieldRules()


@functools.cache
def cells_of(name: str) -> dict[str, Cell]:
    """The cells of an experiment on the tiny scale."""
    return EXPERIMENTS[name].cells(TINY)


def read(name: str, scale: Scale = TINY, **rules: Any) -> Findings:
    """What an experiment finds in results that keep these rules."""
    cells = cells_of(name) if scale is TINY else EXPERIMENTS[name].cells(scale)
    return EXPERIMENTS[name].read(scale, results(cells, Rules(**rules)))


def points(found: Findings, picture: str, panel: str, series: str) -> dict[float, tuple[float, int]]:
    """x -> (y, prompts) of one line."""
    (drawn,) = (each for each in found.pictures if each.name == picture)
    return {p.x: (round(p.y, 6), p.prompts) for p in drawn.points if (p.panel, p.series) == (panel, series)}


def marks(found: Findings, picture: str) -> dict[tuple[str, str], float]:
    """(panel, label) -> x of the marks of one figure."""
    (drawn,) = (each for each in found.pictures if each.name == picture)
    return {(mark.panel, mark.label): mark.x for mark in drawn.marks}


def rising(first: float, last: float) -> dict[int, float]:
    """A share at n = 0, another with all examples, the mean of both between."""
    return {0: first, 1: (first + last) / 2, 4: last}


UP, DOWN, LEVEL = rising(0.2, 0.9), rising(0.9, 0.2), rising(0.5, 0.55)


def results(cells: Mapping[str, Cell], rules: Rules) -> dict[str, xr.Dataset]:
    """A dataset for every cell, by the same names."""
    return {name: dataset(name, cell, rules) for name, cell in cells.items()}


def dataset(name: str, cell: Cell, rules: Rules) -> xr.Dataset:
    """What the cell's task would have stored."""
    if cell.task == "validation":
        return xr.Dataset({"bayes": ((), rules.bayes), "bayes_error": ((), 0.0)})
    found = made(name, cell, rules.field, models(cell.config) if "trained" in cell.config else [])
    if found is not None:
        return found
    make = {"context": _context, "conditions": _conditions, "train": _train, "loss": _loss, "order": _order}
    return make[cell.task](name, cell, rules)


def predictors(config: Mapping[str, Any]) -> list[str]:
    """The references, then the models."""
    smoothed = [f"smoothed({epsilon:g})" for epsilon in config["epsilons"]]
    return ["exact", *smoothed, "prompt-aware", *models(config)]


def models(config: Mapping[str, Any]) -> list[str]:
    """The models of a cell: trained ones by their labels, then those named."""
    return [*config["trained"], *(name for name, _ in config["named"])]


def _context(name: str, cell: Cell, rules: Rules) -> xr.Dataset:
    config, names = cell.config, predictors(cell.config)
    ks, ns, prompts = config["ks"], config["ns"], config["prompts"]
    shape = (len(names), len(SPLITS), len(ks), len(ns))
    out = {measure: np.full(shape, np.nan) for measure in MEASURES} | {"prompts": np.zeros(shape, int)}
    right = np.zeros((len(names), len(ks), len(ns), prompts), np.int8)
    lost = np.array([[round(rules.impossible(name, k, n) * prompts) for n in ns] for k in ks])
    for p, i, j in np.ndindex(shape[0], *shape[2:]):
        given = rules.right(name, names[p], ks[i], ns[j])
        shares = given if isinstance(given, tuple) else (given, given)
        possible = prompts - lost[i, j]
        sizes = (possible, lost[i, j])
        good = [round(share * size) for share, size in zip(shares, sizes, strict=True)]
        here = right[p, i, j]
        here[: good[0]] = 1
        here[possible : possible + good[1]] = 1
        if names[p] == "exact":
            here[possible:] = -1
        for s, part in enumerate((slice(None), slice(0, possible), slice(possible, None))):
            answered = here[part][here[part] >= 0]
            out["prompts"][p, s, i, j] = answered.size
            if answered.size:
                out["accuracy"][p, s, i, j] = answered.mean()
                ends = wilson(np.array(answered.sum()), np.array(answered.size))
                out["accuracy_low"][p, s, i, j], out["accuracy_high"][p, s, i, j] = ends
    dims = ("predictor", "split", "k", "n")
    data: dict[str, Any] = {measure: (dims, values) for measure, values in out.items()}
    data |= {"entropy": (("k", "n"), np.zeros(lost.shape)), "impossible_share": (("k", "n"), lost / prompts)}
    data["prompt_right"] = (("predictor", "k", "n", "prompt"), right)
    return xr.Dataset(data, {"predictor": names, "split": list(SPLITS), "k": list(ks), "n": list(ns)})


def _conditions(name: str, cell: Cell, rules: Rules) -> xr.Dataset:
    rows = [(k, concept) for k in cell.config["ks"] for concept in (1, 2)]
    numbers = np.array([rules.numbers(name, *row) for row in rows], float).T
    columns: dict[str, Any] = {"k": ("row", [k for k, _ in rows]), "concept": ("row", [c for _, c in rows])}
    columns |= {field: ("row", numbers[0]) for field in ("printed_threshold", "repaired_threshold")}
    columns |= {"kl_sum": ("row", numbers[1]), "kl_infinite_mass": ("row", np.zeros(len(rows)))}
    columns |= {field: ("row", numbers[2]) for field in ("rate", "rate_low", "rate_high")}
    columns |= {
        f"{version}_holds": ("row", [rules.holds(name, version, *row) for row in rows]) for version in VERSIONS
    }  # fmt: skip
    verdicts = ["True", "True", rules.a3(name), "True", "True"]
    columns |= {"holds": ("assumption", verdicts), "tv": ((), rules.tv(name)), "margin": ((), 0.1)}
    return xr.Dataset(columns, {"assumption": ["A1", "A2", "A3", "A4", "A5"]})


def _train(name: str, cell: Cell, rules: Rules) -> xr.Dataset:
    excess, accuracy = zip(*rules.learnt(name), strict=True)
    tokens = np.linspace(0, cell.config["run"]["schedule"]["tokens"], len(excess) + 1)[1:]
    columns = {"tokens": tokens, "excess": excess, "excess_error": np.zeros(len(excess)), "accuracy": accuracy}
    return xr.Dataset(
        {field: ("point", np.array(values, float)) for field, values in columns.items()},
        attrs={"parameters": rules.parameters(name), "prompts": cell.config["prompts"], "tokens": int(tokens[-1])},
    )


def _loss(name: str, cell: Cell, rules: Rules) -> xr.Dataset:
    names = models(cell.config)
    found = [rules.loss(model) for model in names]
    columns = {"excess": [nats for nats, _ in found], "excess_error": [0.0] * len(found),
               "parameters": [size for _, size in found]}  # fmt: skip
    data: dict[str, Any] = {field: ("model", np.array(values)) for field, values in columns.items()}
    return xr.Dataset(data | {"bayes": ((), rules.bayes)}, {"model": names})


def _order(name: str, cell: Cell, rules: Rules) -> xr.Dataset:
    names, orders = predictors(cell.config), 24
    found = np.array([[rules.ordered(predictor, p) for p in range(orders)] for predictor in names], int)
    every = np.repeat(found[:, None], cell.config["sets"], 1)
    dims = ("predictor", "set", "permutation")
    counts = {"correct": (dims, every[..., 0]), "defined": (dims, every[..., 1])}
    return xr.Dataset(counts, {"predictor": names}, {"tests": cell.config["tests"]})
