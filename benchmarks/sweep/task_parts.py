"""What tasks have in common: the record of a task, the cell's instance and its language models."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import xarray as xr

from implicit_bayes.benchmarks.predictors.models import find_model
from implicit_bayes.benchmarks.sweep.cells import Cell, Store
from implicit_bayes.lm.model import LanguageModel, NetworkModel
from implicit_bayes.lm.weights import read_weights
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.variants import load_variant


class Task(NamedTuple):
    """What computes the cells of one name, and in which version.

    Attributes:
        version: of the code.
        run: (cell, store) -> result.
    """

    version: int
    run: Callable[[Cell, Store], xr.Dataset]


@functools.lru_cache(maxsize=4)
def instance_of(spec: str) -> Instance:
    """The instance of a specification.

    Returns:
        Instance.
    """
    return load_variant(spec)


def models_of(cell: Cell, store: Store, instance: Instance) -> list[LanguageModel]:
    """The cell's language models: those trained by the cells it needs, then those named.

    Config: ``trained`` (a label for each needed cell), ``named`` (pairs of name and a digest that only the key uses).

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.
        instance: that the named models are asked about.

    Returns:
        Models, those trained first, under the labels of the figures.
    """
    trained: list[LanguageModel] = [
        NetworkModel(label, read_weights(store.run(need) / "weights.npz")[1])
        for label, need in zip(cell.config["trained"], cell.needs, strict=True)
    ]
    return trained + [find_model(name, instance) for name, _ in cell.config["named"]]
