"""The numbers of experiment 8, read off the results along both dials; ``dial_words`` puts them into sentences."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.differences import LEAST
from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.experiments.base import (
    Scale,
    accuracy,
    model_names,
    point,
    shown,
    spaced,
)
from implicit_bayes.benchmarks.experiments.dial_findings import RIGHT, Delimiters, Position, Released, Shifts
from implicit_bayes.benchmarks.report.findings import Mark, Point

SHIFTS = (0.0, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 0.95, 1.0)
TWIN_SHIFTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.6, 1.0)
DELIMITERS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.35, 0.5)
KS = (2, 3)
MANY = 256
"""Examples that a rate near 0 needs to show."""
VERSIONS = ("printed", "repaired", "sharp")


def shots(scale: Scale) -> list[int]:
    """n of the start dial.

    Returns:
        Numbers of examples, without 0.
    """
    return [n for n in scale.ns if n >= 1]


def many_shots(scale: Scale) -> list[int]:
    """n of the delimiter dial.

    Returns:
        Numbers of examples, without 0.
    """
    return shots(scale) if scale.name == "tiny" else [1, 4, 16, 64, MANY]


def ginc_shots(scale: Scale) -> int:
    """n of the dial on GINC.

    Returns:
        A number of examples, at most 16.
    """
    return max(n for n in scale.ns if n <= 16)


def condition_holds_for_all(data: xr.Dataset, k: int, version: str) -> bool:
    """Whether a version of Condition 1 is shown to hold for every alternative at this k.

    Args:
        data: result of a ``conditions`` cell, a row for each (k, alternative).
        k: example length.
        version: printed, repaired or sharp.

    Returns:
        False as well where a verdict is undetermined.
    """
    return set(data[f"{version}_holds"].values[data.k.values == k].tolist()) == {"True"}


def a3_holds(data: xr.Dataset) -> bool:
    """Whether A3 is shown to hold."""
    return str(data.holds.sel(assumption="A3").values) == "True"


def read_shifts(scale: Scale, results: Mapping[str, xr.Dataset]) -> Shifts:
    """How far from p(h | d) the start law may be, by A3, by the sharp condition, and for each predictor.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``dial.cells``.

    Returns:
        The first dial on the regular instance with a twin state.
    """
    shifts, last = spaced(TWIN_SHIFTS, scale.grid), max(shots(scale))
    conditions = {s: [results[f"shift-conditions-{s:g}-{c}"] for c in range(scale.concepts)] for s in shifts}
    tv = {s: max(float(data.tv) for data in conditions[s]) for s in shifts}
    a3 = [tv[s] for s in shifts if all(map(a3_holds, conditions[s]))]
    sharp = {
        k: [tv[s] for s in shifts if all(condition_holds_for_all(data, k, "sharp") for data in conditions[s])]
        for k in KS
    }  # fmt: skip
    right: dict[int, dict[str, list[float]]] = {k: {} for k in KS}
    points, marks = [], []
    for k in KS:
        panel = f"k = {k}"
        for s in shifts:
            data = results[f"shift-{s:g}"]
            points += _points(data, panel, k, [last, 1] if 1 in shots(scale) else [last], tv[s])
            for name in ("exact", *model_names(data)):
                if accuracy(data, name, k, last).share >= RIGHT:
                    right[k].setdefault(name, []).append(tv[s])
        for label, held in (("A3", a3), ("sharp condition", sharp[k])):
            if held and max(held) < max(tv.values()):
                marks.append(Mark(panel, max(held), f"{label} ends"))
    least = min(KS)
    return Shifts(
        shots=last,
        largest=max(tv.values()),
        a3=a3,
        sharp=sharp,
        right=right,
        models=model_names(results[f"shift-{shifts[0]:g}"]),
        wrong_under_sharp=any(x > max(right[least].get("exact", [0.0])) for x in sharp[least]),
        points=tuple(points),
        marks=tuple(marks),
    )


def _points(data: xr.Dataset, panel: str, k: int, ns: list[int], x: float) -> list[Point]:
    """Exact Bayes and the models at one position, where there are at least LEAST prompts."""
    points = []
    for name in ("exact", *model_names(data)):
        for n in ns:
            found = accuracy(data, name, k, n)
            if found.prompts >= LEAST:
                label = "exact Bayes" if name == "exact" else shown(name)
                points.append(point(panel, f"{label}, n = {n}", x, found))
    return points


def read_delimiters(scale: Scale, results: Mapping[str, xr.Dataset]) -> Delimiters:
    """The conditions and the accuracies at every position of the delimiter dial.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``dial.cells``.

    Returns:
        The second dial on the regular instance.
    """
    probabilities, last, middle = spaced(DELIMITERS, scale.grid), max(many_shots(scale)), many_shots(scale)[-2]
    points, marks, positions = [], [], []
    for k in KS:
        panel = f"k = {k}"
        for q in probabilities:
            data, law = results[f"delimiter-{q:g}"], results[f"delimiter-conditions-{q:g}"]
            points += _points(data, panel, k, [last, middle], q)
            here = law.k.values == k
            positions.append(
                Position(
                    k=k,
                    probability=q,
                    threshold=float(law.printed_threshold.values[here].max()),
                    kl_sum=float(law.kl_sum.values[here].min()),
                    holds={version: condition_holds_for_all(law, k, version) for version in VERSIONS},
                    rate=float(np.nanmax(law.rate.values[here])),
                    bayes=accuracy(data, "exact", k, last),
                    models=tuple(accuracy(data, name, k, last) for name in model_names(data)),
                )
            )
        for version in VERSIONS:
            held = [each.probability for each in positions if each.k == k and each.holds[version]]
            if held:
                marks.append(Mark(panel, min(held), f"{version} from here"))
    return Delimiters(shots=last, positions=tuple(positions), points=tuple(points), marks=tuple(marks))


def read_released(scale: Scale, results: Mapping[str, xr.Dataset]) -> Released:
    """Accuracies on released GINC along the dial, and its ends.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``dial.cells``.

    Returns:
        The first dial on released GINC.
    """
    shifts, k, n, points = spaced(SHIFTS, scale.grid), scale.ks[0], ginc_shots(scale), []
    panel = f"released GINC, k = {k}, n = {n}"
    for s in shifts:
        data = results[f"ginc-{s:g}"]
        for name in (str(p) for p in data.predictor.values):
            found = accuracy(data, name, k, n)
            if found.prompts >= LEAST:
                points.append(point(panel, shown(name), s, found))
        points.append(_impossible(panel, s, float(data.impossible_share.sel(k=k, n=n)), scale.prompts_of_many))
    ends = shifts[0], shifts[-1]
    first, last = (float(results[f"ginc-{s:g}"].impossible_share.sel(k=k, n=n)) for s in ends)
    tv = tuple(float(results[f"ginc-conditions-{s:g}"].tv) for s in ends)
    return Released(k=k, shots=n, tv=(tv[0], tv[1]), impossible=(first, last), points=tuple(points))


def _impossible(panel: str, x: float, share: float, prompts: int) -> Point:
    low, high = wilson(np.array(round(share * prompts)), np.array(prompts))
    return Point(
        panel=panel, series="prompts with no posterior", x=x, y=100 * share, low=100 * float(low),
        high=100 * float(high), prompts=prompts,
    )  # fmt: skip
