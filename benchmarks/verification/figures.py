"""The figures of a verification, drawn from stored results only (results.nc)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.report.house import Keywords
from implicit_bayes.benchmarks.report.panels import MARKERS, Drawing, Figures, Panel, number_axis
from implicit_bayes.benchmarks.verification.enough_figures import finite, information

FEW_PROMPTS = 20
"""Below this many defined prompts a share is drawn hollow and without its interval, which would rule the axis."""
INVISIBLE = 0.01
"""A bar of this share of its axis cannot be seen."""
EXAMPLES = "examples in the prompt, n"
TOKENS = "example length k, tokens"


def curves(results: xr.Dataset) -> Drawing | None:
    """In-context accuracy against n, a panel for each k, one line a predictor.

    Returns:
        Drawing, or None where the results hold no curves; accuracy in percent.
    """
    if "accuracy" not in results:
        return None
    panels = tuple(Panel(f"k = {k}", partial(_accuracy, results, k)) for k in results.k.values)
    few = bool((_defined(results) < FEW_PROMPTS).any())
    return Drawing(
        panels,
        f"{results.attrs['instance']}: accuracy against argmax of the true concept's predictive, by the number of "
        f"examples n, for each example length k; {_prompts(results)}, bands 95% Wilson. “exact” counts only prompts of "
        f"positive probability{f'; hollow: fewer than {FEW_PROMPTS} of them, without a band' if few else ''}.",
    )


def _defined(results: xr.Dataset) -> xr.DataArray:
    return results.prompts - results.undefined


def _accuracy(results: xr.Dataset, k: int, axis: Axes) -> None:
    for i, name in enumerate(results.predictor.values):
        cell = results.sel(predictor=name, k=k)
        defined = (cell.prompts - cell.undefined).values
        low, high = wilson(cell.correct.values, defined)
        shown, many = defined > 0, defined >= FEW_PROMPTS
        x, y, colour = np.arange(results.n.size), 100 * cell.accuracy.values, f"C{i % 7}"
        under: Keywords = {"lw": 3.6, "ms": 8.5} if name == "exact" else {}  # seen below what lies on it
        axis.plot(x[shown], y[shown], marker=MARKERS[i % 7], color=colour, label=legend(name), **under)
        axis.fill_between(x, 100 * low, 100 * high, where=many, color=colour, alpha=0.18, lw=0)
        axis.plot(x[shown & ~many], y[shown & ~many], marker=MARKERS[i % 7], ls="", color=colour, mfc="white")
    axis.set(ylim=(-2, 102), xlabel=EXAMPLES, ylabel="accuracy, % of defined prompts")
    number_axis(axis, results.n.values)


def _prompts(results: xr.Dataset) -> str:
    """How many prompts a cell has, in words; language models answer fewer than Bayes."""
    most, fewest = int(results.prompts.max()), int(results.prompts.min())
    return f"{most} prompts a cell" + (f" ({fewest} for language models)" if fewest < most else "")


def undefined_share(results: xr.Dataset) -> Drawing | None:
    """Share of prompts with probability zero under every concept, against n, one line for each k.

    Returns:
        Drawing, or None where the results hold no curves; percent.
    """
    if "undefined_share" not in results:
        return None
    cell = results.sel(predictor="exact")
    most = int(cell.prompts.max())
    about = f"{results.attrs['instance']}: share of prompts with probability zero under every concept"
    if not int(cell.undefined.sum()):
        return Drawing((), about + ".", f"None of the {most} prompts for each k is impossible: the Bayes answer exists "
                       "wherever it was asked for.")  # fmt: skip

    def draw(axis: Axes) -> None:
        x = np.arange(results.n.size)
        for i, k in enumerate(results.k.values):
            low, high = wilson(cell.undefined.sel(k=k).values, cell.prompts.sel(k=k).values)
            share, colour = 100 * cell.undefined_share.sel(k=k).values, f"C{i % 7}"
            axis.plot(x, share, marker=MARKERS[i % 7], color=colour, label=f"k = {k}")
            axis.fill_between(x, 100 * low, 100 * high, color=colour, alpha=0.18, lw=0)
        axis.set(xlabel=EXAMPLES, ylabel="prompts with no posterior, %", ylim=(-2, 102))
        number_axis(axis, results.n.values)

    words = f"{about}, by the number of examples n; {most} prompts a cell, bands 95% Wilson."
    return Drawing((Panel("No Bayes answer", draw),), words)


def conditions(results: xr.Dataset) -> Drawing | None:
    """What each version has left against k, where it binds; and the error of every predictor at the largest n.

    Returns:
        Drawing, or None where no condition was evaluated; room in nats, error in percent.
    """
    if "condition_k" not in results or not results.sizes["condition"]:
        return None
    lines, words = _room_lines(results)
    ks = np.unique([*results.condition_k.values, *results.k.values]).astype(int)
    panels = []
    if lines:
        panels.append(Panel("Condition 1: holds above 0", partial(_condition_lines, lines, ks)))
    panels.append(Panel(f"Error at n = {int(results.n.max())}", partial(_errors, results, ks if lines else None)))
    left = "room of each version of Condition 1 against the example length k, at the pair (θ*, θ) and the start law "
    left += f"that bind it; all its bars hold at once with probability {float(results.condition_level[0]):.0%}. "
    against = "by predictor" if results.k.size == 1 else "against k"
    caption = (
        f"{results.attrs['instance']}: {left if lines else ''}Error of each predictor at the largest n, {against}, "
    )
    return Drawing(
        tuple(panels), caption + "in % of defined prompts, bars 95% Wilson where there are enough.", " ".join(words)
    )


Line = tuple[str, np.ndarray, np.ndarray, np.ndarray, int]
"""Label, k, room, its bars (2, K), and the place in the colour cycle."""

ROOMS = {"printed": "printed: ΣKL − threshold", "repaired": "repaired: ΣKL − threshold", "sharp": "sharp: −rate"}
"""What a version has left, in words."""


def _room_lines(results: xr.Dataset) -> tuple[list[Line], list[str]]:
    """What can be drawn, and sentences on what cannot because it is infinite or undefined."""
    ks = np.unique(results.condition_k.values).astype(int)
    lines: list[Line] = []
    absent: dict[str, list[str]] = {}
    for i, (version, label) in enumerate(ROOMS.items()):
        room, low, high = np.array([binding_room(results, version, k) for k in ks]).T
        finite = np.isfinite(room)
        if finite.any():
            bars = np.stack([room - low, high - room])[:, finite]
            bars = np.where(np.isfinite(bars), np.clip(bars, 0.0, None), 0.0)
            lines.append((label, ks[finite], room[finite], bars, i))
        if not finite.all():
            every = "every k" if not finite.any() else f"k = {_list(ks[~finite])}"
            what = "there is no rate" if version == "sharp" else "something is infinite"
            absent.setdefault(f"{what} at {every}", []).append(version)
    return lines, [f"Not drawn, since {what}: {', '.join(versions)}." for what, versions in absent.items()]


def binding_room(results: xr.Dataset, version: str, k: int) -> tuple[float, float, float]:
    """What is left at the pair that binds a version at k, with its interval; infinite where it has no number.

    The order is that of ``theory.statements.condition_rows.Condition.binding``, stored beside the conditions.

    Args:
        results: what ``verify`` stored.
        version: printed, repaired or sharp.
        k: example length.

    Returns:
        Value, lower and upper end, nats.
    """
    rows = np.flatnonzero(results.condition_k.values == k)
    row = rows[np.argmin(results[f"condition_{version}_order"].values[rows])]
    value, low, high = (float(results[f"condition_{version}_room{end}"].values[row]) for end in ("", "_low", "_high"))
    return value, low, high


def _list(ks: Sequence[int] | np.ndarray) -> str:
    return ", ".join(str(int(k)) for k in ks)


def _condition_lines(lines: Sequence[Line], ks: np.ndarray, axis: Axes) -> None:
    for label, at, room, bars, i in lines:
        axis.errorbar(at, room, bars, marker=MARKERS[i], color=f"C{i}", capsize=2, label=label)
    axis.axhline(0, color="#888888", lw=0.8)
    axis.set(xlabel=TOKENS, ylabel="room, nats")
    _k_axis(axis, ks)


def _k_axis(axis: Axes, ks: np.ndarray) -> None:
    axis.set_xlim(ks.min() - 0.4, ks.max() + 0.4)
    axis.set_xticks(ks)


def _errors(results: xr.Dataset, ks: np.ndarray | None, axis: Axes) -> None:
    """1 - accuracy at the largest n: against k, or one row a predictor where there is one k only."""
    n, single, highest = results.n.values.max(), results.k.size == 1, 0.0
    names = [str(name) for name in results.predictor.values]
    for i, name in enumerate(names):
        cell = results.sel(predictor=name, n=n)
        defined = (cell.prompts - cell.undefined).values
        low, high = wilson(defined - cell.correct.values, defined)
        at, many = defined > 0, defined >= FEW_PROMPTS
        if not at.any():
            continue
        error = 1 - cell.accuracy.values
        bars = 100 * np.where(many, np.clip(np.stack([error - low, high - error]), 0, None), 0.0)[:, at]
        highest = max(highest, float((100 * error[at] + bars[1]).max()))
        look: Keywords = {"marker": MARKERS[i % 7], "color": f"C{i % 7}", "capsize": 2}
        if single:
            face: Keywords = {} if many.all() else {"mfc": "white"}
            axis.errorbar(100 * error[at], [-i], xerr=bars, ls="", **look, **face)
        else:
            shift = min(0.12, 0.7 / len(names)) * (i - (len(names) - 1) / 2)
            axis.errorbar(results.k.values[at] + shift, 100 * error[at], bars, label=legend(name), **look)
    most = 102.0 if highest > 20 else max(1.0, 1.2 * highest)  # errors near 0 are to be told apart
    ends = (-0.03 * most, most)
    if single:
        axis.set_yticks([-i for i in range(len(names))], [legend(name) for name in names], fontsize=9)
        axis.set(xlabel="error, % of defined prompts", xlim=ends, ylim=(-len(names) + 0.4, 0.6))
    else:
        axis.set(xlabel=TOKENS, ylabel="error, % of defined prompts", ylim=ends)
        _k_axis(axis, results.k.values if ks is None else ks)


PARTS = (
    ("signal", "signal ΣKL", -0.28, None),
    ("eps_start", "ε_start", 0.0, None),
    ("eps_delim_printed", "ε_delim printed", 0.0, "eps_start"),
    ("start_kl", "start KL", 0.28, None),
    ("eps_delim_repaired", "ε_delim repaired", 0.28, "start_kl"),
)
"""Bars of the budget: field, label, place beside k, and the field that they stand on."""


def budget(results: xr.Dataset) -> Drawing | None:
    """Signal, start mismatch and delimiter mismatch as bars at each k asked for; A3 at the largest k.

    Returns:
        Drawing, or None where no condition was evaluated; nats, and probabilities for A3.
    """
    if "budget_k" not in results or not results.sizes["budget"]:
        return None
    values = {part: results[f"budget_{part}"].values for part, *_ in PARTS}
    panels, words = [], []
    if any(np.isfinite(each).any() for each in values.values()):
        panels.append(Panel("Budget of Condition 1", partial(_budget_bars, results, values)))
        never = [label for part, label, _, foot in PARTS if not _has_bar(values, part, foot).any()]
        words += [f"Infinite, or upon what is, at every k: {', '.join(never)}."] if never else []
    else:
        words.append("Signal and thresholds of Condition 1 are infinite at every k: there are no bars to draw.")
    last = results.isel(budget=-1)
    margins, tv = last.budget_margin.values[np.isfinite(last.budget_margin.values)], float(last.budget_tv)
    if margins.size and margins.max() <= INVISIBLE * tv:
        words.append(f"A3 at k = {int(last.budget_k)}: of the inputs with the smallest margins none has Δ(x)/4 above "
                     f"{margins.max():.2g}, against a total variation of {tv:.3g}.")  # fmt: skip
    elif margins.size:
        panels.append(Panel(f"A3 at k = {int(last.budget_k)}", partial(_start_shift, last)))
    infinite = any(not np.isfinite(each).all() for each in values.values())
    caption = (
        f"{results.attrs['instance']}: the pair (θ*, θ) that binds the repaired condition at each example "
        f"length k; a threshold is met where the first bar is higher{', ∞ marks what has no height' * infinite}."
    )
    if any(panel.title.startswith("A3") for panel in panels):
        caption += " A3 asks that every bar Δ(x)/4 reach above the line: the inputs x_test (token indices) with the "
        caption += "smallest margin."
    return Drawing(tuple(panels), caption, " ".join(words))


def _budget_bars(results: xr.Dataset, values: dict[str, np.ndarray], axis: Axes) -> None:
    ks = results.budget_k.values
    marked: dict[tuple[int, float], tuple[str, float]] = {}
    for i, (part, label, place, foot) in enumerate(PARTS):
        below = values[foot] if foot else np.zeros(len(ks))
        drawn = _has_bar(values, part, foot)
        x = np.arange(len(ks)) + place
        hatch = "//" if foot else None
        height = np.where(drawn, values[part], np.nan)
        axis.bar(x, height, 0.26, bottom=np.where(drawn, below, 0.0), label=label if drawn.any() else "", hatch=hatch,
                 color=f"C{i}", edgecolor="white")  # fmt: skip
        for j in np.flatnonzero(~drawn).tolist():  # no height is invented for what has none
            sign = "−∞" if values[part][j] == -np.inf and np.isfinite(below[j]) else "∞"
            marked.setdefault((j, place), (sign, max(0.0, below[j]) if np.isfinite(below[j]) else 0.0))
    for (j, place), (sign, at) in marked.items():
        axis.annotate(sign, (j + place, at), xytext=(0, 2), textcoords="offset points", ha="center",
                      va="bottom", fontsize=13)  # fmt: skip
    axis.set_xticks(np.arange(len(ks)), [f"k = {k}" for k in ks])
    axis.set(ylabel="nats", xlim=(-0.6, len(ks) - 0.4))
    if marked:  # signs on the highest bar stay below the title
        axis.set_ylim(0, 1.15 * axis.get_ylim()[1])


def _has_bar(values: dict[str, np.ndarray], part: str, foot: str | None) -> np.ndarray:
    """At which k a part has a height, and stands on one."""
    return np.isfinite(values[part]) & (np.isfinite(values[foot]) if foot else True)


def _start_shift(last: xr.Dataset, axis: Axes) -> None:
    """A3: Delta(x)/4 of the tightest x_test against the total variation."""
    shown = np.isfinite(last.budget_margin.values)
    margins, words = last.budget_margin.values[shown], last.budget_x_test.values[shown]
    axis.bar(np.arange(len(margins)), margins, 0.6, color="#56B4E9", label="Δ(x)/4")
    axis.axhline(float(last.budget_tv), color="#D55E00", label="largest TV")
    ticks = [_shortened(str(each)) for each in words]
    leaning: Keywords = {"rotation": 30, "ha": "right"} if max(map(len, ticks), default=0) > 3 else {}
    axis.set_xticks(np.arange(len(margins)), ticks, fontsize=9, **leaning)
    axis.set(xlabel="x_test", ylabel="total variation")


def _shortened(words: str, most: int = 14) -> str:
    """The end of an input, which is what its answer depends on most."""
    return words if len(words) <= most else "…" + words[-most:]


FIGURES: Figures = {
    "curves": curves,
    "undefined": undefined_share,
    "conditions": conditions,
    "budget": budget,
    "finite": finite,
    "information": information,
}


def legend(name: str) -> str:
    """What a legend calls a predictor.

    Returns:
        Words.
    """
    return {"exact": "exact (where defined)", "prompt-aware": "prompt-aware (ceiling)"}.get(
        str(name), str(name).replace("smoothed(", "smoothed, ε = ").rstrip(")")
    )
