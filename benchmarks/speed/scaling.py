"""How the cost of the evidence grows: with tokens, states, concepts, support width and batch, one at a time."""

import math
import time
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.speed.compare import Advance
from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.filtering.block_tables import bucket_bytes
from implicit_bayes.theory.filtering.dispatch import MAX_TABLE_BYTES, Method, compiles
from implicit_bayes.theory.filtering.support_tables import table_bytes

BASE = {"tokens": 200, "states": 100, "concepts": 1, "support width": 4, "batch": 20}
GRID: dict[str, tuple[int, ...]] = {
    "tokens": (100, 1000, 10_000, 100_000),
    "states": (10, 50, 100, 500, 2000),
    "concepts": (1, 5, 50, 500),
    "support width": (1, 2, 4, 10, 25, 50, 100),
    "batch": (1, 10, 100, 1000),
}
METHODS: tuple[Method, ...] = ("dense", "sparse", "compiled")


class Scaling(NamedTuple):
    """One size varied, the others at BASE.

    Attributes:
        size: what is varied.
        method: which recursion.
        values: the sizes that its tables could be built for.
        cpu_seconds: of one call, compilation and tables excluded, the least of three.
        exponent: slope of log time on log size over the upper half of the values (nan with fewer than two).
    """

    size: str
    method: str
    values: tuple[int, ...]
    cpu_seconds: tuple[float, ...]
    exponent: float


def scaling(seed: int, advance: Advance, grid: dict[str, tuple[int, ...]] = GRID) -> list[Scaling]:
    """CPU time against every size by every method, the other sizes staying at BASE.

    Args:
        seed: of kernels and tokens.
        advance: called with 1 after every value, timed or left out because its tables would be too large.
        grid: values of every size that is varied.

    Returns:
        A curve for each (size, method).
    """
    curves = []
    for size, values in grid.items():
        for method in METHODS:
            if method == "compiled" and not compiles(family(4, 1, 1, seed), "auto"):
                continue
            kept, seconds = [], []
            for value in values:
                at = BASE | {size: value}
                mixture = family(at["states"], at["support width"], at["concepts"], seed)
                if _tables(mixture, method) <= MAX_TABLE_BYTES:
                    kept.append(value)
                    seconds.append(_time(mixture, at["batch"], at["tokens"], method, seed))
                advance(1)
            curves.append(Scaling(size, method, tuple(kept), tuple(seconds), slope(kept, seconds)))
    return curves


def family(states: int, width: int, concepts: int, seed: int) -> MixtureOfHMMs:
    """Random dense kernels; states are dealt to ceil(H / width) tokens, so that a token has ``width`` of them.

    Args:
        states: H.
        width: states of a token.
        concepts: C.
        seed: of the kernels.

    Returns:
        The mixture, of uniform prior and initial law.
    """
    rng = np.random.default_rng(seed)
    width = min(width, states)
    tokens = math.ceil(states / width)
    kernels = rng.random((concepts, states, states)) + 0.05
    kernels /= kernels.sum(-1, keepdims=True)
    initial = np.full((concepts, states), 1 / states)
    emission = np.eye(tokens)[np.arange(states) // width]
    return MixtureOfHMMs(np.full(concepts, 1 / concepts), initial, kernels, emission, 0)


def _tables(mixture: MixtureOfHMMs, method: Method) -> int:
    return {"dense": lambda _: 0, "sparse": table_bytes, "compiled": bucket_bytes}[method](mixture)


def _time(mixture: MixtureOfHMMs, batch: int, length: int, method: Method, seed: int) -> float:
    from implicit_bayes.theory import filter_mixture
    from implicit_bayes.theory.filtering.dispatch import prepare

    tokens = np.random.default_rng(seed).integers(0, mixture.n_tokens, (batch, length))
    tables = prepare(mixture, method)
    best = math.inf
    for _ in range(4):  # the first one compiles and builds the tables
        begin = time.process_time()
        np.asarray(filter_mixture(mixture, tokens, positions=[length], method=method, tables=tables).log_evidence)
        best = min(best, time.process_time() - begin)
    return best


def slope(values: list[int], seconds: list[float]) -> float:
    """Slope of log time on log size over the upper half of the values, two at least, by least squares.

    Args:
        values: the sizes, rising.
        seconds: of each.

    Returns:
        The exponent; nan with fewer than two values.
    """
    if len(values) < 2:
        return math.nan
    upper = min(len(values) // 2, len(values) - 2)
    return float(np.polyfit(np.log(values[upper:]), np.log(seconds[upper:]), 1)[0])
