"""The task of the task-diversity experiment: train on N concepts, and say as it learns which Bayes it is like."""

import shutil

import jax
import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.gap.diversity import SPLITS, Standing, exam, standing
from implicit_bayes.benchmarks.gap.probes import Estimate
from implicit_bayes.benchmarks.predictors.promises import InTraining
from implicit_bayes.benchmarks.sweep.cells import Cell, Store
from implicit_bayes.benchmarks.sweep.task_parts import instance_of
from implicit_bayes.benchmarks.training.records import read_records
from implicit_bayes.lm.model import NetworkModel
from implicit_bayes.lm.run import from_json
from implicit_bayes.lm.schedule import plan
from implicit_bayes.lm.step import Network
from implicit_bayes.lm.train import Cadence
from implicit_bayes.lm.train import train as train_network
from implicit_bayes.simulators.chains import parse_chains
from implicit_bayes.simulators.json_types import JsonMapping

MEASURES = tuple(name for name in Standing._fields if name != "apart")
"""Those that are estimates."""


def diversity(cell: Cell, store: Store) -> xr.Dataset:
    """Train a network on a family's concepts; where it stands between the two exact predictors as it learns.

    Config: ``run`` (lm.run.to_json of its RunConfig, its instance of ``simulators.chains``), ``documents``, ``length``
    (of each exam), ``points`` (measurements on the way, the end included).

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over (point, split, measure, side): ``standing``; over point: ``tokens``; over split: ``apart``; attribute
        ``parameters``.
    """
    config, run = cell.config, from_json(dict(cell.config["run"]), cell.words)
    family, chart = parse_chains(run.instance), plan(run.schedule)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(run.seed), 1 << 31), 17)
    exams = {
        split: exam(family, split, config["documents"], config["length"], jax.random.fold_in(key, i))
        for i, split in enumerate(SPLITS)
    }

    def evaluate(network: Network) -> JsonMapping:
        model = InTraining("in training", network)
        found = {split: standing(model, asked, run.seed) for split, asked in exams.items()}
        return {"standing": [[list(getattr(found[split], name)) for name in MEASURES] for split in SPLITS],
                "apart": [found[split].apart for split in SPLITS]}  # fmt: skip

    every = max(1, chart.steps // config["points"])
    cadence, folder = Cadence(every, every, max(1, chart.steps // 3)), store.run(cell)
    with jax.enable_x64(False):
        done = train_network(run, instance_of(run.instance), folder, (folder / "config.json").is_file(), evaluate,
                             cadence=cadence)  # fmt: skip
    records = [row for row in read_records(folder) if "standing" in row]
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return xr.Dataset(
        {
            "standing": (("point", "split", "measure", "side"), np.array([row["standing"] for row in records])),
            "tokens": ("point", [row["tokens"] for row in records]),
            "apart": ("split", records[-1]["apart"]),
        },
        {"split": list(SPLITS), "measure": list(MEASURES), "side": list(Estimate._fields)},
        {"parameters": NetworkModel("", done.network).parameters},
    )
