"""What a token costs a model, and how many examples it needs beside Bayes."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from implicit_bayes.benchmarks.report.panels import Drawing, Panel
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory.information.decomposition import Decomposition
from implicit_bayes.theory.statements.finite_sample import DELTAS

PARTS = (("known concept", "#56B4E9"), ("not knowing it", "#E69F00"), ("excess over Bayes", "#D55E00"))
"""The three parts of a model's loss, bottom to top."""


def loss_parts(information: Decomposition, excess: float) -> dict[str, float]:
    """A model's loss in three parts, nats per token: they add up to its cross-entropy on the documents, in the mean.

    Args:
        information: of the documents, their full length last.
        excess: the model's over exact Bayes, nats per token.

    Returns:
        entropy_given_concept, concept_information and excess, by these names.
    """
    length = float(information.positions[-1])
    return {
        "entropy_given_concept": float(information.entropy[-1]) / length,
        "concept_information": float(information.information[-1]) / length,
        "excess": excess,
    }


def first_staying(ns: np.ndarray, errors: np.ndarray, delta: float) -> int | None:
    """The smallest n from which every later error is at most delta (an error that is not known is above it).

    Args:
        ns: (N,) numbers of examples, rising.
        errors: (N,) shares in [0, 1].
        delta: in [0, 1].

    Returns:
        n; None where the last error is above delta.
    """
    above = np.flatnonzero(~(errors <= delta + 1e-12))  # 1 - .99 is a little more than .01
    at = 0 if not above.size else int(above[-1]) + 1
    return int(ns[at]) if at < len(ns) else None


def bayes_reference(context: xr.Dataset) -> str:
    """Exact Bayes where it answers every prompt, else the first smoothed one.

    Returns:
        Name of a predictor; "exact" also where there is no smoothed one.
    """
    cells = context.sel(split="all")
    answered = cells.prompts.sel(predictor="exact") == cells.prompts.max("predictor")
    if bool(answered.all()):
        return "exact"
    return next((str(name) for name in context.predictor.values if str(name).startswith("smoothed")), "exact")


def examples_needed(context: xr.Dataset, predictor: str, k: int) -> dict[str, int | None]:
    """By delta, the smallest tested n from which the share of wrong answers stays at most delta.

    Args:
        context: accuracies by split, predictor, k and n.
        predictor: its name there.
        k: example length.

    Returns:
        n for each delta of ``DELTAS``; None where there is none.
    """
    cell = context.sel(split="all", predictor=predictor, k=k)
    return {str(delta): first_staying(cell.n.values, 1.0 - cell.accuracy.values, delta) for delta in DELTAS}


def efficiency_rows(context: xr.Dataset, model: str) -> list[JsonObject]:
    """For each k: n of the model, n of Bayes, by delta; see ``sample_efficiency``.

    Args:
        context: accuracies by split, predictor, k and n.
        model: its name there.

    Returns:
        A row for each k.
    """
    reference = bayes_reference(context)
    return [
        {
            "k": int(k),
            "reference": reference,
            "model": examples_needed(context, model, int(k)),
            "bayes": examples_needed(context, reference, int(k)),
        }
        for k in context.k.values
    ]


def sample_efficiency(context: xr.Dataset, model: str) -> dict[str, float | None]:
    """n_model(delta) / n_Bayes(delta), both measured, the largest over k.

    None where there is no k at which both reach delta and Bayes needs at least one example; where neither needs any
    the ratio is 1.

    Args:
        context: accuracies by split, predictor, k and n.
        model: its name there.

    Returns:
        The ratio for each delta of ``DELTAS``.
    """
    rows, found = efficiency_rows(context, model), {}
    for delta in map(str, DELTAS):
        pairs = [(row["model"][delta], row["bayes"][delta]) for row in rows]
        ratios = [1.0 if ours == theirs else ours / theirs for ours, theirs in pairs
                  if ours is not None and theirs is not None and (theirs > 0 or ours == 0)]  # fmt: skip
        found[delta] = max(ratios) if ratios else None
    return found


def costs(results: xr.Dataset) -> Drawing | None:
    """A model's loss stacked from what it pays for.

    Returns:
        Drawing, or None where the results hold no such parts.
    """
    if "part_nats" not in results:
        return None
    floor = float(results.part_nats.sum())
    return Drawing(
        (Panel("What a token costs", lambda axis: _bars(results, axis)),),
        f"{results.attrs['instance']}: cross-entropy on fresh documents of {results.attrs['setting_length']} tokens, "
        "stacked: entropy given the concept, information about the concept (together Bayes' own loss, "
        f"{floor:.4f} nats/token), and the model's excess.",
    )


def _bars(results: xr.Dataset, axis: Axes) -> None:
    names, foot = results.model.values, np.zeros(results.model.size)
    at = np.arange(len(names))
    nats = np.vstack([np.repeat(results.part_nats.values[:, None], len(names), 1), results.loss_excess.values])
    for (words, colour), height in zip(PARTS, nats, strict=True):
        drawn = np.where(np.isfinite(height), np.maximum(height, 0.0), 0.0)
        axis.bar(at, drawn, 0.6, bottom=foot, color=colour, label=words)
        foot = foot + drawn
    axis.set_xticks(at, [str(name) for name in names], rotation=20, ha="right")
    axis.set(ylabel="nats/token")
