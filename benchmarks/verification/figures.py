"""The figures of a verification, drawn from stored results only (results.nc), as PNG and SVG."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.report.house import Figures, caption


def curves(results: xr.Dataset) -> Figure | None:
    """In-context accuracy against n, a panel for each k, one line a predictor."""
    if "accuracy" not in results:
        return None
    figure, axes = _panels(results)
    for axis, k in zip(axes, results.k.values, strict=True):
        for i, name in enumerate(results.predictor.values):
            cell = results.sel(predictor=name, k=k)
            defined = (cell.prompts - cell.undefined).values
            low, high = wilson(cell.correct.values, defined)
            shown = defined > 0
            x = np.arange(results.n.size)[shown]
            line = axis.plot(x, 100 * cell.accuracy.values[shown], marker="os^Dvp*"[i % 7], label=_legend(name))[0]
            axis.fill_between(x, 100 * low[shown], 100 * high[shown], color=line.get_color(), alpha=0.18, lw=0)
        axis.set(title=f"k = {k}", ylim=(-2, 102), xlabel="examples in the prompt, n")
        _shot_axis(axis, results)
    axes[0].set_ylabel("in-context accuracy, % of defined prompts")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside right center" if len(axes) < 3 else "outside upper right",
        ncols=5 if len(axes) > 2 else 1,
    )
    return caption(
        figure,
        f"{results.attrs['instance']}: accuracy against argmax of the true concept's predictive; "
        f"{_prompts(results)}, bands 95% Wilson. "
        "“exact” counts only prompts of positive probability.",
    )


def _prompts(results: xr.Dataset) -> str:
    """How many prompts a cell has, in words; language models answer fewer than Bayes."""
    most, fewest = int(results.prompts.max()), int(results.prompts.min())
    return f"{most} prompts a cell" + (f" ({fewest} for language models)" if fewest < most else "")


def undefined_share(results: xr.Dataset) -> Figure | None:
    """Share of prompts with probability zero under every concept, against n, one line for each k."""
    if "undefined_share" not in results:
        return None
    figure = Figure(figsize=(6.4, 4.0))
    axis = figure.subplots()
    cell = results.sel(predictor="exact")
    for i, k in enumerate(results.k.values):
        low, high = wilson(cell.undefined.sel(k=k).values, cell.prompts.sel(k=k).values)
        x = np.arange(results.n.size)
        line = axis.plot(x, 100 * cell.undefined_share.sel(k=k).values, marker="os^Dvp*"[i % 7], label=f"k = {k}")[0]
        axis.fill_between(x, 100 * low, 100 * high, color=line.get_color(), alpha=0.18, lw=0)
    axis.set(xlabel="examples in the prompt, n", ylabel="prompts with no posterior, %", ylim=(-2, 102))
    axis.set_title("Where the Bayes answer does not exist")
    _shot_axis(axis, results)
    axis.legend(loc="best")
    return caption(
        figure,
        f"{results.attrs['instance']}: share of prompts with probability zero under every concept; "
        f"{int(results.prompts.max())} prompts a cell, bands 95% Wilson.",
    )


def conditions(results: xr.Dataset) -> Figure | None:
    """Left: the room of each version against k, at the pair and start law that bind it. Right: Bayes's error."""
    if "condition_k" not in results or not results.sizes["condition"]:
        return None
    ks = np.unique(results.condition_k.values)
    shown, silent = {}, []
    for version in ("printed", "repaired", "sharp"):
        rooms = np.array([binding_room(results, version, k) for k in ks])
        if np.isfinite(rooms[:, 0]).any():
            shown[version] = rooms
        else:
            silent.append(f"the {version} version has {'no rate' if version == 'sharp' else 'an infinite threshold'}")
    figure = Figure(figsize=(12.0, 4.2) if shown else (6.8, 4.2))
    axes = figure.subplots(1, 2, width_ratios=(3, 2)) if shown else [figure.subplots()]
    if shown:
        _room_panel(axes[0], ks, shown)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside left upper")
    _error_panel(axes[-1], results)
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside right upper")
    level = (
        f"bars on the left hold all at once with probability {float(results.condition_level[0]):.0%}. " if shown else ""
    )
    quiet = f"At every k {', '.join(silent)}. " if silent else ""
    return caption(
        figure,
        f"{results.attrs['instance']}: room of each version at the pair (θ*, θ) and the start law that bind it; {level}"
        f"{quiet}Errors at n = {int(results.n.max())} examples, bars 95% Wilson, undefined prompts left out.",
    )


def _room_panel(axis: Axes, ks: np.ndarray, shown: Mapping[str, np.ndarray]) -> None:
    """Room with its interval against k, one line a version."""
    for i, (version, rooms) in enumerate(shown.items()):
        finite = np.isfinite(rooms[:, 0])
        room, low, high = rooms[finite].T
        bars = np.stack([room - low, high - room])
        bars = np.where(np.isfinite(bars), np.clip(bars, 0.0, None), 0.0)
        label = "sharp: −rate" if version == "sharp" else f"{version}: ΣKL − threshold"
        axis.errorbar(ks[finite], room, bars, marker="os^"[i], capsize=2, label=label)
    axis.axhline(0, color="#888888", lw=0.8)
    axis.set_xticks(ks)
    axis.set(xlabel="example length k, tokens", ylabel="room, nats")
    axis.set_title("Condition 1: a version holds where its room is above 0")


def binding_room(results: xr.Dataset, version: str, k: int) -> tuple[float, float, float]:
    """What is left at the pair that binds a version at k, with the ends of its interval; nan where it has no number.

    The order is that of ``theory.statements.condition_rows.Condition.binding``, stored beside the conditions.
    """
    rows = results.isel(condition=np.flatnonzero(results.condition_k.values == k))
    row = rows.isel(condition=int(np.argmin(rows[f"condition_{version}_order"].values)))
    value, low, high = (float(row[f"condition_{version}_room{end}"]) for end in ("", "_low", "_high"))
    return value, low, high


def _error_panel(axis: Axes, results: xr.Dataset) -> None:
    """1 - accuracy at the largest n, against k."""
    n = results.n.values.max()
    for i, name in enumerate(results.predictor.values):
        cell = results.sel(predictor=name, n=n)
        defined = (cell.prompts - cell.undefined).values
        low, high = wilson((defined - cell.correct.values), defined)
        at = defined > 0
        if at.any():
            error = 1 - cell.accuracy.values[at]
            bars = np.clip(np.stack([error - low[at], high[at] - error]), 0, None)
            axis.errorbar(
                results.k.values[at], 100 * error, 100 * bars, marker="os^Dvp*"[i % 7], capsize=2, label=_legend(name)
            )
    axis.set(xlabel="example length k, tokens", ylabel="error of f_n, % of defined prompts", ylim=(-2, 102))
    axis.set_xticks(results.k.values)
    axis.set_title("and what Bayes does")


def budget(results: xr.Dataset) -> Figure | None:
    """Signal, start mismatch and delimiter mismatch as bars, for the pair with the least room at each k asked for."""
    if "budget_k" not in results:
        return None
    figure = Figure(figsize=(8.0 + 1.6 * results.sizes["budget"], 4.4))
    axis, right = figure.subplots(1, 2, width_ratios=(1 + results.sizes["budget"], 2))
    parts = ("signal", "eps_start", "eps_delim_printed", "start_kl", "eps_delim_repaired")
    labels = ("signal ΣKL", "ε_start", "ε_delim printed", "start KL", "ε_delim repaired")
    tops = np.array([results[f"budget_{part}"].values for part in parts])
    ceiling = 1.15 * max(1.0, tops[np.isfinite(tops)].max(initial=0.0))
    bottoms = (0, 0, 1, 0, 3)
    for i, (part, label) in enumerate(zip(parts, labels, strict=True)):
        value = results[f"budget_{part}"].values
        below = np.where(np.isfinite(tops[bottoms[i]]), tops[bottoms[i]], 0) if bottoms[i] else np.zeros(len(value))
        x = np.arange(len(value)) + (-0.28, 0.0, 0.0, 0.28, 0.28)[i]
        height = np.where(np.isfinite(value), value, ceiling - below)
        axis.bar(x, height, 0.26, bottom=below, label=label, hatch="//" if i in (2, 4) else None, edgecolor="white")
        for at, v, top in zip(x, value, below + height, strict=True):
            if not np.isfinite(v):
                axis.annotate("∞", (at, top), ha="center", va="bottom")
    axis.set_xticks(np.arange(results.sizes["budget"]), [f"k = {k}" for k in results.budget_k.values])
    axis.set(ylabel="nats", ylim=(min(0.0, tops[np.isfinite(tops)].min(initial=0.0)), ceiling * 1.08))
    axis.set_title("Budget of Condition 1")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside left center")
    _start_shift_panel(right, results)
    return caption(
        figure,
        f"{results.attrs['instance']}: the pair (θ*, θ) that binds the repaired condition at each k; "
        "a threshold holds where the first bar is higher. A3 asks that every bar on the right reach above the line: "
        "the inputs x_test (token indices) with the smallest margin, at the largest k.",
    )


def _start_shift_panel(axis: Axes, results: xr.Dataset) -> None:
    """A3 at the largest k: Delta(x)/4 of the tightest x_test against the total variation."""
    last = results.isel(budget=-1)
    shown = np.isfinite(last.budget_margin.values)
    margins, words = last.budget_margin.values[shown], last.budget_x_test.values[shown]
    axis.bar(np.arange(len(margins)), margins, 0.6, color="#56B4E9", label="Δ(x)/4")
    axis.axhline(float(last.budget_tv), color="#D55E00", label="largest TV")
    axis.set_xticks(np.arange(len(margins)), list(words), rotation=45, ha="right", fontsize=8)
    axis.set(xlabel="x_test", ylabel="total variation")
    axis.set_title(f"A3 at k = {int(last.budget_k)}")
    axis.legend(loc="lower right", frameon=True)


FIGURES: Figures = {
    "curves": curves,
    "undefined": undefined_share,
    "conditions": conditions,
    "budget": budget,
}


def _panels(results: xr.Dataset) -> tuple[Figure, list[Axes]]:
    count = results.k.size
    figure = Figure(figsize=(3.1 * count + (0.8 if count > 2 else 3.4), 4.1))
    return figure, list(np.atleast_1d(figure.subplots(1, count, sharey=True)))


def _shot_axis(axis: Axes, results: xr.Dataset) -> None:
    axis.set_xticks(np.arange(results.n.size), [str(n) for n in results.n.values])


def _legend(name: str) -> str:
    return {"exact": "exact (where defined)", "prompt-aware": "prompt-aware (ceiling)"}.get(
        str(name), str(name).replace("smoothed(", "smoothed, ε = ").rstrip(")")
    )
