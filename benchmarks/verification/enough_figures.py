"""Bound and measured error against n on a log scale; a document's loss by what it pays for."""

from functools import partial

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.report.panels import Drawing, Panel

FLOOR = 1e-9
"""Bounds below this are not drawn."""
STYLES = {"sharp": ("C0", "s"), "repaired": ("C1", "^")}


def finite(results: xr.Dataset) -> Drawing | None:
    """F2 of both versions, worst over true concepts, and the measured error of exact Bayes; a panel for each k.

    Returns:
        Drawing, or None where the results hold no bounds.
    """
    if "finite_error_bound" not in results:
        return None
    ks = sorted({int(k) for k in results.finite_k.values})
    panels: list[Panel] = []
    silent: list[tuple[str, str]] = []
    tiny: list[tuple[str, str]] = []
    for k in ks:
        rows = results.isel(finite=np.flatnonzero(results.finite_k.values == k))
        said = [v for v in STYLES if float(_loosest(rows, v).min()) < 1.0]
        silent += [(v, str(k)) for v in STYLES if v not in said]
        tiny += [(v, str(k)) for v in said if float(_loosest(rows, v).max()) < FLOOR]
        if said:
            panels.append(Panel(f"k = {k}", partial(_bounds, results, rows, k, said)))
    caption = (
        f"{results.attrs['instance']}: probability of a wrong answer after n examples. Bounds of Theorem 1 at finite "
        "n, worst over true concepts and start laws; measured: exact Bayes on sampled prompts, bars 95% Wilson; "
        f"where no error was met a triangle marks the upper end. Bounds below {FLOOR:g} are not drawn."
    )
    said_of = {"Bounds that say nothing (they stay at 1)": silent, f"Bounds below {FLOOR:g} at every n": tiny}
    notes = [f"{what}: {_versions(cases)}." for what, cases in said_of.items() if cases]
    return Drawing(tuple(panels), caption, " ".join(notes))


def _versions(cases: list[tuple[str, str]]) -> str:
    """Pairs (version, k) by version."""
    where = {version: [k for v, k in cases if v == version] for version in STYLES}
    return "; ".join(f"{version} at k = {', '.join(at)}" for version, at in where.items() if at)


def _loosest(rows: xr.Dataset, version: str) -> np.ndarray:
    return rows.finite_error_bound.values[rows.finite_version.values == version].max(0)


def _bounds(results: xr.Dataset, rows: xr.Dataset, k: int, said: list[str], axis: Axes) -> None:
    ns = rows.finite_n.values
    for version in said:
        bound = _loosest(rows, version)
        shown = bound >= FLOOR
        if not shown.any():
            continue
        colour, marker = STYLES[version]
        axis.plot(ns[shown], bound[shown], marker=marker, color=colour, label=f"bound, {version}")
    cell = results.sel(predictor="exact", k=k)
    at = cell.n.values >= 1
    wrong, prompts = (cell.prompts.values - cell.correct.values)[at], cell.prompts.values[at]
    low, high = wilson(wrong, prompts)
    error = wrong / prompts
    met, n = error > 0, cell.n.values[at]
    if met.any():
        bars = np.clip(np.stack([error - low, high - error])[:, met], 0, None)
        axis.errorbar(n[met], error[met], bars, ls="", marker="o", color="C2", capsize=2, label="measured")
    if not met.all():
        axis.plot(n[~met], high[~met], ls="", marker="v", mfc="white", color="C2", label="no error met: below")
    axis.set(xscale="log", yscale="log", xlabel="examples in the prompt, n", ylabel="probability of a wrong answer")
    axis.set_xticks(ns, [str(n) for n in ns])
    axis.minorticks_off()


def information(results: xr.Dataset) -> Drawing | None:
    """Noise of a known concept and the price of not knowing it, a token; and the latter's sum below its ceiling.

    Returns:
        Drawing, or None where the results hold no decomposition; nats.
    """
    if "information_entropy" not in results or results.prefix_length.values[-1] < 1:
        return None
    panels, words = [], []
    if (results.information_entropy.values + results.information_concept.values).max() > FLOOR:
        panels.append(Panel("What a token costs Bayes", partial(_stack, results)))
    else:
        words.append("A document costs Bayes nothing: every token is certain.")
    if float(results.information_prior) > FLOOR:
        panels.append(Panel("What not knowing the concept costs", partial(_ceiling, results)))
    else:
        words.append("The concept is known beforehand: H(prior) = 0, and there is nothing to find out.")
    caption = (
        f"{results.attrs['instance']}: Bayes' loss on the first t tokens of a document, divided by t, split into the "
        "entropy given the concept and the information I(C; O_1..t) that the tokens carry about it; and that "
        "information itself, not divided by t, which cannot exceed the entropy of the prior. Means over fresh "
        "documents."
    )
    return Drawing(tuple(panels), caption, " ".join(words))


def _stack(results: xr.Dataset, axis: Axes) -> None:
    seen = results.isel(prefix_length=results.prefix_length.values >= 1)
    t = seen.prefix_length.values
    parts = seen.information_entropy.values / t, seen.information_concept.values / t
    axis.stackplot(t, *parts, labels=("known concept", "not knowing it"), colors=("#56B4E9", "#E69F00"))
    axis.set(
        xscale="log", xlabel="tokens read, t", ylabel="nats/token", xlim=(t[0], t[-1] if t[-1] > t[0] else t[0] + 1)
    )


def _ceiling(results: xr.Dataset, axis: Axes) -> None:
    t = results.prefix_length.values
    axis.plot(t, results.information_concept.values, marker="o", color="#E69F00", label="I(C; O_1..t)")
    axis.axhline(float(results.information_prior), color="#444444", ls="--", label="H(prior)")
    axis.set(xscale="symlog", xlabel="tokens read, t", ylabel="nats", ylim=(0, None), xlim=(0, max(t[-1], 1)))
