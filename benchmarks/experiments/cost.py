"""How long a reproduction takes, before it is begun: an estimate from the arithmetic of each cell.

    training            6 · parameters · tokens operations
    a model's answers   2 · parameters · tokens of all prompts
    everything else     seconds a cell, more with more prompts

at RATE operations a CPU second, fitted to one reproduction of the paper's eight with ``--preset small`` (33 CPU
minutes). Where cells of DIR are stored already, the estimate is scaled by what those took. It is good to a factor of
two on CPUs of 2020 and later; an accelerator is faster by far.
"""

import math
from collections.abc import Mapping, Sequence

import jax

from implicit_bayes.benchmarks.sweep.cells import Cell
from implicit_bayes.lm.run import draw_network, from_json
from implicit_bayes.simulators.json_types import JsonMapping

RATE = 5e10
"""Floating-point operations a CPU second in training and inference."""
EACH = 1.5
"""CPU seconds of any cell: compiling, reading, writing."""
THOUSAND = 2.6
"""CPU seconds of exact Bayes on a thousand prompts."""
ENOUGH = 5
"""Stored cells from which on their own times scale the estimate."""


def parameters(cell: Cell) -> int:
    """How many numbers a training cell trains.

    Returns:
        A number of parameters; shapes are worked out, nothing is drawn.
    """
    run = from_json(cell.config["run"], "cell")
    shapes = jax.eval_shape(lambda: draw_network(run))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def cpu_seconds(cell: Cell) -> float:
    """The estimate for one cell, without those that it needs.

    Returns:
        CPU seconds of one core, from rates measured once: an order of magnitude.
    """
    config = cell.config
    if "run" in cell.config:  # it trains
        run = from_json(config["run"], "cell")
        return EACH + 6.0 * parameters(cell) * run.schedule.tokens / RATE
    prompts = _prompts(config)
    trained = sum(parameters(each) for each in cell.needs if each.task == "train")
    return EACH + THOUSAND * prompts / 1000 + 2.0 * trained * prompts * _tokens(config) / RATE


def _prompts(config: JsonMapping) -> float:
    if "prompts" in config:
        return float(config["prompts"])
    return float(config.get("sets", 0) * config.get("tests", 0)) or float(config.get("documents", 0))


def _tokens(config: JsonMapping) -> float:
    """Of one prompt, at all numbers of examples together; of one document."""
    if "ks" in config and "ns" in config:
        return float(sum((k + 1) * (n + 1) for k in config["ks"] for n in config["ns"]))
    if "k" in config and "n" in config:
        return float((config["k"] + 1) * (config["n"] + 1) * math.factorial(min(config["n"], 4)))
    return float(config.get("length", 0))


def remaining(cells: Sequence[Cell], stored: Mapping[str, float]) -> tuple[float, bool]:
    """CPU seconds of the cells that are not stored, and whether stored ones have scaled the estimate.

    Args:
        cells: all of them.
        stored: key of each stored cell -> the CPU seconds that it took.

    Returns:
        (CPU seconds, whether scaled); scaled from ENOUGH stored cells on, by what they took over what was estimated.
    """
    missing = sum(cpu_seconds(cell) for cell in cells if cell.key not in stored)
    known = [cell for cell in cells if stored.get(cell.key)]
    if len(known) < ENOUGH:
        return missing, False
    return missing * sum(stored[cell.key] for cell in known) / sum(cpu_seconds(cell) for cell in known), True


def in_words(seconds: float) -> str:
    """A duration to two digits at most: seconds, minutes, hours or days.

    Returns:
        A number and a unit.
    """
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{_round(seconds / size)} {unit}"
    return f"{_round(seconds)} seconds"


def _round(value: float) -> str:
    digits = max(0, math.floor(math.log10(max(value, 1.0))) - 1)
    return f"{round(value, -digits):,.0f}"
