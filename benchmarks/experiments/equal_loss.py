"""Trainings compared where their excess over exact Bayes is equal, and what the last hundredths of a nat are worth."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.differences import (
    CLEAR_LEVEL,
    share_between,
    unpaired,
)
from implicit_bayes.benchmarks.experiments.base import accuracy


class Equal(NamedTuple):
    """Two trainings at the least excess that both reach; interval and verdict hold however they depend on each other.

    Attributes:
        better, worse: labels of the trainings, by their accuracy there.
        points: accuracy of the better less that of the worse, percentage points.
        low, high: its 95% interval.
        clearly_differs: whether it is told from 0 at level CLEAR_LEVEL.
        excess: where they are compared, nats a token.
    """

    better: str
    worse: str
    points: float
    low: float
    high: float
    clearly_differs: bool
    excess: float


def at_equal_loss(runs: Mapping[str, xr.Dataset], first: str, second: str) -> Equal | None:
    """Compare two trainings where both have the same excess: the least one that both reach.

    One place for each pair, chosen before any accuracy is looked at. Accuracies are interpolated in log excess between
    measurements; None where the ranges do not meet.

    Args:
        runs: label -> excess (nats a token) and accuracy at every measurement of a training.
        first: a label.
        second: another.

    Returns:
        Equal: which is better there and by how many percentage points; None where they reach no common excess.
    """
    curves = {}
    for name in (first, second):
        excess = np.minimum.accumulate(runs[name].excess.values)
        curves[name] = np.log(np.maximum(excess[::-1], 1e-6)), runs[name].accuracy.values[::-1]
    at = max(x[0] for x, _ in curves.values())
    if at > min(x[-1] for x, _ in curves.values()):
        return None
    here = {name: float(np.interp(at, *curve)) for name, curve in curves.items()}
    better, worse = (first, second) if here[first] >= here[second] else (second, first)
    low, high = _apart(runs, curves, at, (better, worse), 0.95)
    clearly = _apart(runs, curves, at, (better, worse), 1 - CLEAR_LEVEL)[0] > 0
    return Equal(
        better=better,
        worse=worse,
        points=100 * (here[better] - here[worse]),
        low=low,
        high=high,
        clearly_differs=clearly,
        excess=math.exp(at),
    )


def _apart(
    runs: Mapping[str, xr.Dataset], curves: Mapping[str, tuple[np.ndarray, np.ndarray]], at: float,
    names: tuple[str, str], level: float,
) -> tuple[float, float]:  # fmt: skip
    """Interval of the first's accuracy less the second's at ``at``, points: each has half of what may go wrong."""
    ends, half = [], (1 + level) / 2
    for name in names:
        x, shares = curves[name]
        weights = [float(np.interp(at, x, row)) for row in np.eye(len(x))]
        used = [i for i, weight in enumerate(weights) if weight > 0]
        near = share_between(shares[used].tolist(), [weights[i] for i in used], int(runs[name].attrs["prompts"]), half)
        ends.append(near)
    (a_low, a_high), (b_low, b_high) = ends
    return 100 * (a_low - b_high), 100 * (a_high - b_low)


class Slope(NamedTuple):
    """Accuracy gained between two stages of one network.

    Attributes:
        label: of the training.
        points: percentage points of accuracy for every hundredth of a nat of excess.
        low, high: their 95% interval.
        begin, end: excess of the two stages, nats a token.
    """

    label: str
    points: float
    low: float
    high: float
    begin: float
    end: float


def last_hundredths(runs: Mapping[str, xr.Dataset], results: Mapping[str, xr.Dataset], k: int, n: int) -> list[Slope]:
    """From the end of a training here to the shipped model of the same size: points of accuracy a hundredth of a nat.

    Empty where no shipped model is a training's size, or none is better.

    Args:
        runs: by label, as for ``at_equal_loss``.
        results: of the experiment; ``loss`` and ``shipped`` are read.
        k: example length.
        n: number of examples.

    Returns:
        A slope for each such pair.
    """
    found, loss = [], results["loss"]
    for i, name in enumerate(str(m) for m in loss.model.values):
        for label, data in runs.items():
            begin, end = float(data.excess.values[-1]), float(loss.excess[i])
            if int(data.attrs["parameters"]) != int(loss.parameters[i]) or begin - end < 0.01:
                continue
            share, after = float(data.accuracy.values[-1]), accuracy(results["shipped"], name, k, n)
            prompts, hundredths = int(data.attrs["prompts"]), 100 * (begin - end)
            gained = unpaired((round(share * prompts), prompts), (after.right, after.prompts))
            points, low, high = (value / hundredths for value in (gained.points, gained.low, gained.high))
            found.append(Slope(label, points, low, high, begin, end))
    return found
