"""Concept switching: documents that change their concept, before predictors that never saw one do so."""

import math
from collections.abc import Mapping

import xarray as xr

from implicit_bayes.benchmarks.experiments.base import Experiment, Scale, interval_point, listed
from implicit_bayes.benchmarks.experiments.geometry import MIXTURE, taught
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Table
from implicit_bayes.benchmarks.sweep.cells import Cell
from implicit_bayes.benchmarks.sweep.field_tasks import STATIC
from implicit_bayes.benchmarks.sweep.tasks import cell

TITLE = "When a document changes its concept"
PROBABILITIES = {
    "tiny": (0.0, 0.1),
    "small": (0.0, 0.003, 0.01, 0.03, 0.1),
    "paper": (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
}
SIZES = {"tiny": (8, 24), "small": (300, 128), "paper": (1000, 256)}
"""Documents, tokens of each."""
SMALL = 0.1
"""Nats a token below which an excess counts as gone."""
SHOWN = 0.03
"""The switching probability whose lags are drawn, where it is tried; else the largest."""


def cells(scale: Scale) -> dict[str, Cell]:
    """One cell: the models are those of the interventions.

    Returns:
        One cell by its name, ``switching``.
    """
    named, (documents, length) = taught(scale, MIXTURE), SIZES[scale.name]
    config = {"instance": MIXTURE, "probabilities": list(PROBABILITIES[scale.name]), "documents": documents,
              "length": length, "seed": scale.seed}  # fmt: skip
    return {"switching": cell("switching", config | named.config, named.cells)}


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Excess over exact Bayes of the switching law against q, and after a switch.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; nats a token.
    """
    data = results["switching"]
    documents, length = SIZES[scale.name]
    names = [str(name) for name in data.predictor.values]
    q = SHOWN if SHOWN in data.probability.values.tolist() else float(data.probability.max())
    points = [
        interval_point("all positions", name, p, three(data.excess.sel(probability=p, predictor=name)), documents)
        for name in names
        for p in data.probability.values.tolist()
    ]
    drawn = data.lag.sel(probability=q)
    lag = [
        interval_point(f"q = {q:g}", name, after, three(drawn.sel(predictor=name, after=after)), int(count))
        for name in names
        for after, count in zip(data.after.values, data["count"].sel(probability=q).values, strict=True)
        if count
    ]
    first = f"{MIXTURE}: documents of {length} tokens whose concept is drawn anew with probability q a token"
    pictures = (
        Picture("switching", "Excess over exact Bayes of the switching law",
                f"{first}; {documents} documents a point, bands 95% over documents. Networks trained without "
                "switches.",
                Axes("probability of a switch at a token, q", "excess, nats a token"), tuple(points)),
        Picture("switching-lag", "After a switch",
                f"{first}, by tokens since the last change (each bin up to the next); bands 95% over documents. "
                "Bins go by the hidden concepts, which Bayes does not see: in one of them it can be beaten.",
                Axes("tokens since the concept changed", "excess, nats a token"), tuple(lag)),
    )  # fmt: skip
    rows = [
        (f"{p:g}", f"{float(data.bayes.sel(probability=p)):.4f}",
         *(f"{v:.4f} [{a:.4f}, {b:.4f}]" for v, a, b in
           (data.excess.sel(probability=p, predictor=name).values.tolist() for name in names)))
        for p in data.probability.values.tolist()
    ]  # fmt: skip
    table = Table("Excess over exact Bayes of the switching law, nats a token",
                  ("q", "its loss, nats", *names), tuple(rows))  # fmt: skip
    verdict, summary = _words(data, names, q)
    paper = "Not in the paper: its documents keep their concept."
    ours = "A document that switches is one HMM on (concept, state) pairs, so Bayes that expects switches is exact too."
    return Findings(
        name="switching",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=pictures,
        tables=(table,),
    )


def three(values: xr.DataArray) -> tuple[float, float, float]:
    """Value, low and high.

    Returns:
        Floats, in the unit of the data.
    """
    value, low, high = values.values.tolist()
    return value, low, high


def _words(data: xr.Dataset, names: list[str], q: float) -> tuple[str, str]:
    """Who follows a switch: excess over all positions, and how long it lasts, beside Bayes without switches."""
    every = {name: data.excess.sel(probability=q, predictor=name).values.tolist() for name in names}
    said = listed([f"{v:.3f} [{low:.3f}, {high:.3f}] ({name})" for name, (v, low, high) in every.items()])
    static = every[STATIC]
    better = [name for name in names if name != STATIC and every[name][2] < static[1]]
    worse = [name for name in names if name != STATIC and every[name][1] > static[2]]
    late = listed([_lag(data, name, q) for name in names])
    verdict = (
        f"At q = {q:g} the excess over exact Bayes of the switching law is {said} nats a token. After a change it "
        f"peaks at {late}. "
    )
    verdict += f"Clearly nearer than exact Bayes without switches: {listed(better)}; clearly farther: {listed(worse)}."
    numbers = listed([f"{v:.3f} ({name})" for name, (v, _, _) in every.items()])
    return verdict, f"excess at q = {q:g}, nats a token: {numbers}"


def _lag(data: xr.Dataset, name: str, q: float) -> str:
    """Largest excess of a bin after a change, and from which bin on it is small."""
    values = data.lag.sel(probability=q, predictor=name, side="value").values
    known = [(int(after), float(v)) for after, v in zip(data.after.values, values, strict=True) if math.isfinite(v)]
    large = [after for after, v in known if v >= SMALL]
    later = [after for after, _ in known if not large or after > large[-1]]
    until = f"below {SMALL} from {later[0]} tokens on" if later else f"not below {SMALL} in the last bin"
    return f"{max((v for _, v in known), default=math.nan):.2f} ({name}, {until})"


EXPERIMENT = Experiment("switching", TITLE, "–", cells, read)
