"""Results of the field's questions as their tasks would have stored them; ``experiment_results`` makes up the rest."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.gap.diversity import SPLITS
from implicit_bayes.benchmarks.gap.probes import Estimate
from implicit_bayes.benchmarks.gap.switching import AFTER
from implicit_bayes.benchmarks.sweep import field_tasks
from implicit_bayes.benchmarks.sweep.cells import Cell, Store
from implicit_bayes.benchmarks.sweep.diversity_task import MEASURES
from implicit_bayes.simulators.chains import parse_chains

SIDES = list(Estimate._fields)


class FieldRules(NamedTuple):
    """What the numbers are.

    r2: (model, estimate) -> value.   moved: (cell, model, direction) -> share.   wide: half of every interval.
    lagging: (predictor, probability) -> excess.   weight: (N, split) -> weight of memorising.
    """

    r2: Callable[[str, str], float] = lambda model, estimate: 0.99 if estimate == "r2" else 0.1
    moved: Callable[[str, str, str], float] = lambda cell, model, direction: 0.9 if direction == "probe" else 0.0
    lagging: Callable[[str, float], float] = lambda predictor, q: q
    weight: Callable[[int, str], float] = lambda n, split: 1.0 / n
    wide: float = 0.01


def made(name: str, cell: Cell, rules: FieldRules, models: list[str]) -> xr.Dataset | None:
    """What the cell's task would have stored; None for a task that is not of these."""
    make: Any = {"geometry": _geometry, "intervention": _intervention, "switching": _switching,
                 "diversity": _diversity}.get(cell.task)  # fmt: skip
    if cell.task == "entropies":  # exact and cheap: computed
        return field_tasks.entropies(cell, Store(None))  # type: ignore[arg-type]
    return None if make is None else make(name, cell, rules, models)


def three(value: float, wide: float) -> list[float]:
    return [value, value - wide, value + wide]


def _geometry(name: str, cell: Cell, rules: FieldRules, models: list[str]) -> xr.Dataset:
    count = cell.config["points"]
    exact = np.random.default_rng(0).dirichlet(np.ones(3), count)
    estimates = [[three(rules.r2(model, each), rules.wide) for each in field_tasks.R2S] for model in models]
    return xr.Dataset(
        {
            "estimates": (("model", "estimate", "side"), estimates),
            "layer": ("model", [1] * len(models)),
            "exact": (("point", "state"), exact),
            "read": (("model", "point", "state"), np.stack([exact] * len(models))),
        },
        {"model": models, "estimate": list(field_tasks.R2S), "side": SIDES},
    )


def _intervention(name: str, cell: Cell, rules: FieldRules, models: list[str]) -> xr.Dataset:
    directions = ["probe", "random"]
    share = [[three(rules.moved(name, model, d), rules.wide) for d in directions] for model in models]
    ones = ("model", np.ones(len(models)))
    return xr.Dataset(
        {"share": (("model", "direction", "side"), share), "before": ones, "after": ones, "length": ones},
        {"model": models, "direction": directions, "side": SIDES},
        {"documents": cell.config["documents"] // 2},
    )


def _switching(name: str, cell: Cell, rules: FieldRules, models: list[str]) -> xr.Dataset:
    names, qs = [field_tasks.STATIC, *models], list(cell.config["probabilities"])
    excess = [[three(rules.lagging(each, q), rules.wide) for each in names] for q in qs]
    count = np.array([[10 * (q > 0)] * len(AFTER) for q in qs])
    lag = np.where(count[:, None, :, None] > 0, np.array(excess)[:, :, None, :], np.nan)
    return xr.Dataset(
        {
            "excess": (("probability", "predictor", "side"), excess),
            "lag": (("probability", "predictor", "after", "side"), lag),
            "count": (("probability", "after"), count),
            "bayes": ("probability", np.ones(len(qs))),
        },
        {"probability": qs, "predictor": names, "after": list(AFTER), "side": SIDES},
    )


def _diversity(name: str, cell: Cell, rules: FieldRules, models: list[str]) -> xr.Dataset:
    n, points = parse_chains(cell.config["run"]["instance"]).concepts, cell.config["points"]

    def value(split: str, measure: str) -> float:
        return rules.weight(n, split) if measure == "weight" else 0.1

    standing = [[three(value(split, m), rules.wide) for m in MEASURES] for split in SPLITS]
    return xr.Dataset(
        {
            "standing": (("point", "split", "measure", "side"), np.array([standing] * points)),
            "tokens": ("point", np.arange(1, points + 1) * 1000),
            "apart": ("split", np.ones(len(SPLITS))),
        },
        {"split": list(SPLITS), "measure": list(MEASURES), "side": SIDES},
        {"parameters": 1000},
    )
