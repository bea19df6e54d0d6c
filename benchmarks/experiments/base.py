"""What an experiment is, and the pieces they share: cells of in-context curves, points of them, words on them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.differences import LEAST, Difference, paired, unpaired
from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.experiments.learners import Learner, Measure
from implicit_bayes.benchmarks.report.findings import Findings, Point
from implicit_bayes.benchmarks.sweep.cells import Cell

PREDICTORS = {"lstm-small": "LSTM (ours)", "transformer-small": "Transformer (ours)", "LSTM": "LSTM (ours)",
              "Transformer": "Transformer (ours)", "exact": "exact Bayes, where defined"}  # fmt: skip
"""What figures call the predictors of datasets."""


class Scale(NamedTuple):
    """How large a reproduction is.

    Attributes:
        name: tiny, small or paper.
        ks: example lengths k.
        ns: numbers of examples n.
        prompts: of a cell.
        prompts_of_many: of a cell of an experiment that has many cells.
        vocabularies: of released GINC.
        learners: LSTM and Transformer, where nothing is shipped.
        sizes: of the scaling experiment.
        dial: learner of both dials.
        shipped: whether to use shipped models.
        measure: of every training.
        sets, tests: of the order experiment.
        grid: positions of every dial, at most.
        concepts: true concepts whose conditions are evaluated.
        seed: of prompts and trainings.
    """

    name: str
    ks: tuple[int, ...]
    ns: tuple[int, ...]
    prompts: int
    prompts_of_many: int
    vocabularies: tuple[int, ...]
    learners: tuple[Learner, ...]
    sizes: tuple[Learner, ...]
    dial: Learner
    shipped: bool
    measure: Measure
    sets: int
    tests: int
    grid: int
    concepts: int
    seed: int = 0


class Experiment(NamedTuple):
    """One experiment.

    Attributes:
        name: on the command line.
        title, paper: for the report.
        cells: what to compute, by name.
        read: the findings, from the results by the same names.
    """

    name: str
    title: str
    paper: str
    cells: Callable[[Scale], dict[str, Cell]]
    read: Callable[[Scale, Mapping[str, xr.Dataset]], Findings]


def shown(name: str) -> str:
    """What figures call a predictor.

    Returns:
        A label.
    """
    if name.startswith("smoothed("):
        return f"smoothed Bayes, ε = {name[9:-1]}"
    return PREDICTORS.get(name, name if name != "prompt-aware" else "prompt-aware Bayes (ceiling)")


class Accuracy(NamedTuple):
    """A share of prompts answered rightly.

    Attributes:
        share: of the prompts; nan of none.
        low, high: its 95% Wilson interval.
        prompts: how many.
    """

    share: float
    low: float
    high: float
    prompts: int

    @property
    def right(self) -> int:
        """How many prompts were answered rightly."""
        return round(self.share * self.prompts) if self.prompts else 0

    @property
    def words(self) -> str:
        """63.2 [60.1, 66.2] of 1000: percent, interval, prompts."""
        return f"{self.percent} of {self.prompts}" if self.prompts else "–"

    @property
    def percent(self) -> str:
        """63.2 [60.1, 66.2]."""
        return f"{100 * self.share:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]" if self.prompts else "–"


def accuracy(data: xr.Dataset, predictor: str, k: int, n: int, split: str = "all") -> Accuracy:
    """The accuracy of one predictor at one (k, n), with its interval.

    Args:
        data: result of a ``context`` cell.
        predictor: name in ``data``.
        k: example length.
        n: number of examples.
        split: all, possible or impossible prompts (under the pretraining law).

    Returns:
        Share right of the prompts that have an answer.
    """
    at = data.sel(predictor=predictor, split=split, k=k, n=n)
    count = int(at.prompts)
    share = float(at.accuracy) if count else math.nan
    low, high = wilson(np.array(round(share * count) if count else 0), np.array(count))
    return Accuracy(share, float(low), float(high), count)


def point(panel: str, series: str, x: float, found: Accuracy) -> Point:
    """An accuracy as a point of a figure, in percent.

    Args:
        panel: where it is drawn.
        series: whose line it is on.
        x: its place.
        found: the accuracy, as a share.

    Returns:
        Point with its 95% Wilson interval.
    """
    return Point(
        panel=panel,
        series=series,
        x=float(x),
        y=100 * found.share,
        low=100 * found.low,
        high=100 * found.high,
        prompts=found.prompts,
    )


def interval_point(panel: str, series: str, x: float, value: Sequence[float], prompts: int) -> Point:
    """A point with its interval.

    Args:
        panel, series, x: where it stands.
        value: what was measured and the two ends of its interval, in the units of the figure.
        prompts: how many (or what else) was averaged.

    Returns:
        Point of a figure's series.
    """
    y, low, high = value
    return Point(panel=panel, series=series, x=float(x), y=y, low=low, high=high, prompts=prompts)


def curve(
    data: xr.Dataset, panel: str, k: int, split: str = "all", series: Callable[[str], str] = shown
) -> list[Point]:
    """Accuracy against n of every predictor, where there are at least LEAST prompts.

    Args:
        data: result of a ``context`` cell.
        panel: where the curves are drawn.
        k: example length.
        split: all, possible or impossible prompts.
        series: from a predictor's name to what the figure calls it.

    Returns:
        Points in percent with their 95% Wilson intervals.
    """
    points = []
    for predictor in data.predictor.values:
        for n in data.n.values:
            found = accuracy(data, predictor, k, int(n), split)
            if found.prompts >= LEAST:
                points.append(point(panel, series(str(predictor)), int(n), found))
    return points


def model_names(data: xr.Dataset) -> list[str]:
    """The language models among the predictors.

    Returns:
        Names in the data's order.
    """
    return [str(p) for p in data.predictor.values if not str(p).startswith(("exact", "smoothed", "prompt-aware"))]


def undefined(data: xr.Dataset, k: int, n: int) -> float:
    """Share of prompts that no concept of the pretraining law can produce.

    Args:
        data: result of a ``context`` cell.
        k: example length.
        n: number of examples.

    Returns:
        The share, in [0, 1].
    """
    return float(data.impossible_share.sel(k=k, n=n))


def excesses(results: Mapping[str, xr.Dataset], prefix: str) -> dict[str, float]:
    """Excess over exact Bayes at the end, nats a token, of the trainings whose cells are called PREFIX-LABEL.

    Args:
        results: data sets by the names of an experiment's cells.
        prefix: of those that are meant, without the hyphen.

    Returns:
        Label -> nats a token.
    """
    return {
        name.removeprefix(f"{prefix}-"): float(data.excess.values[-1])
        for name, data in results.items() if name.startswith(f"{prefix}-")
    }  # fmt: skip


def gain(data: xr.Dataset, predictor: str, k: int, before: int, after: int) -> Difference:
    """Accuracy with ``after`` examples less that with ``before``, over the prompts that are answered at both n.

    Args:
        data: result of a ``context`` cell.
        predictor: name in ``data``.
        k: example length.
        before: number of examples.
        after: another one.

    Returns:
        The paired difference in points of accuracy.
    """
    return paired(*(data.prompt_right.sel(predictor=predictor, k=k, n=n).values for n in (before, after)))


def change(before: Accuracy, after: Accuracy) -> Difference:
    """after - before, over other prompts.

    Args:
        before: an accuracy.
        after: one on independent prompts.

    Returns:
        The unpaired difference in points of accuracy.
    """
    return unpaired((before.right, before.prompts), (after.right, after.prompts))


def spaced(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    """At most ``count`` positions of a dial, evenly spaced in its order, both ends included.

    Args:
        values: all positions.
        count: how many to keep, 1 at least.

    Returns:
        Positions, in the dial's order.
    """
    at = np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))
    return tuple(values[i] for i in at)


def listed(words: Sequence[str]) -> str:
    """a, b and c; "none" of none.

    Returns:
        Words.
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "none"
