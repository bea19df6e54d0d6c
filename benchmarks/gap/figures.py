"""The figures of a gap, drawn from stored results only (gap.nc)."""

from functools import partial

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from implicit_bayes.benchmarks.gap.costs import costs
from implicit_bayes.benchmarks.report.panels import MARKERS, Drawing, Figures, Panel, number_axis

FLOOR = 1e-9
"""Nats, or total variation, below which a divergence is rounding; of a variance of probabilities, its square."""


def loss(results: xr.Dataset) -> Drawing:
    """KL from Bayes by position in the document and by surprise of the token.

    Returns:
        Drawing; nats a token.
    """
    none = [str(name) for name in results.model.values if float(results.loss_kl.sel(model=name)) <= FLOOR]
    shown = [str(name) for name in results.model.values if str(name) not in none]
    kinds = (("position", "position in the document"), ("surprise", "−log p of the token, nats"))
    return Drawing(
        tuple(Panel(f"By {kind}", partial(_slices, results, kind, words, shown)) for kind, words in kinds if shown),
        f"{_what(results)}: divergence of the model's next-token law from the exact predictive, by the token's "
        "position and by its surprise; bars 95% over documents.",
        f"No divergence at all: {', '.join(none)}." if none else "",
    )


def _slices(results: xr.Dataset, kind: str, words: str, shown: list[str], axis: Axes) -> None:
    chosen = np.flatnonzero(results.slice_kind.values == kind)
    x = np.arange(len(chosen))
    for i, name in enumerate(results.model.values):
        cell = results.sel(model=name).isel(slice=chosen)
        value = cell.slice_kl.values
        at = np.isfinite(value) & (value > FLOOR)
        if str(name) in shown and at.any():
            bars = _bars(value, cell.slice_kl_low.values, cell.slice_kl_high.values)
            bars[0] = np.minimum(bars[0], 0.99 * value)  # the axis is logarithmic
            axis.errorbar(x[at], value[at], bars[:, at], marker=MARKERS[i % 7], color=f"C{i % 7}", capsize=2,
                          label=str(name))  # fmt: skip
    axis.set_xticks(x, results.slice_words.values[chosen], rotation=40, ha="right", fontsize=9)
    axis.set(xlabel=words, yscale="log", ylabel="KL(Bayes ‖ model), nats/token")


def context(results: xr.Dataset) -> Drawing:
    """Accuracy (top) and log-loss (bottom) on x_test against n, a column for each k.

    Returns:
        Drawing; accuracy in percent, log-loss in nats.
    """
    ks = results.k.values
    panels = [Panel(f"k = {k}", partial(_accuracy, results, k)) for k in ks]
    panels += [Panel(f"k = {k}", partial(_log_loss, results, k)) for k in ks]
    return Drawing(
        tuple(panels),
        f"{results.attrs['instance']}: accuracy and log-loss by the number of examples n, for each example length k; "
        f"{results.attrs['setting_prompts']} prompts for each k, the same for all; bars 95%, Wilson (accuracy) or "
        f"Student (log-loss). “exact” counts only prompts of positive probability ({_counts(results)} of them); an "
        "infinite log-loss is left out.",
        columns=len(ks),
    )


def _accuracy(results: xr.Dataset, k: int, axis: Axes) -> None:
    for i, name in enumerate(results.predictor.values):
        cell = results.sel(split="all", predictor=name, k=k)
        bars = _bars(cell.accuracy.values, cell.accuracy_low.values, cell.accuracy_high.values)
        axis.errorbar(np.arange(results.n.size), 100 * cell.accuracy.values, 100 * bars,
                      marker=MARKERS[i % 7], color=f"C{i % 7}", capsize=2, label=str(name))  # fmt: skip
    axis.set(ylim=(-2, 102), xlabel="examples in the prompt, n", ylabel="accuracy, %")
    number_axis(axis, results.n.values)


def _log_loss(results: xr.Dataset, k: int, axis: Axes) -> None:
    x = np.arange(results.n.size)
    for i, name in enumerate(results.predictor.values):
        cell = results.sel(split="all", predictor=name, k=k)
        value = np.where(np.isfinite(cell.log_loss.values), cell.log_loss.values, np.nan)
        bars = _bars(value, cell.log_loss_low.values, cell.log_loss_high.values)
        axis.errorbar(x, value, bars, marker=MARKERS[i % 7], color=f"C{i % 7}", capsize=2, label=str(name))
    entropy = results.sel(split="all", k=k).entropy.values
    axis.plot(x, entropy, color="#444444", ls="--", lw=1.0, label="entropy of the answer")
    axis.set(xlabel="examples in the prompt, n", ylabel="log-loss, nats")
    number_axis(axis, results.n.values)


def implied(results: xr.Dataset) -> Drawing:
    """Implied against exact posterior along documents.

    Returns:
        Drawing; total variation and weights are probabilities, the rest nats.
    """
    panels = (
        Panel("Distance of the posteriors", partial(_along, results, "implied_tv", "TV(implied, exact)")),
        Panel("What is believed", partial(_along, results, "implied_weight", "weight on the true concept")),
        Panel("What no posterior explains", partial(_along, results, "implied_residual", "KL from best mixture, nats")),
    )
    return Drawing(
        panels,
        f"{_what(results)}: the concept weights that best explain the model's law, against the exact posterior, by the "
        "number of tokens read; mean over prefixes after which two or more concepts are possible and the weights are "
        "identified.",
    )


def _along(results: xr.Dataset, field: str, words: str, axis: Axes) -> None:
    x = results.prefix.values
    for i, name in enumerate(results.model.values):
        value = results[field].sel(model=name).values
        axis.plot(x, np.maximum(value, 1e-12) if field == "implied_residual" else value, color=f"C{i % 7}",
                  label=str(name))  # fmt: skip
    if field == "implied_tv":
        axis.plot(x, results.implied_share.values, color="#888888", ls=":", label="share of open prefixes")
    if field == "implied_weight":
        axis.plot(x, results.implied_exact.values, color="#444444", ls="--", label="exact posterior")
    if field == "implied_residual":
        axis.set(yscale="log", ylim=(1e-6, None))
    else:
        axis.set(ylim=(-0.02, 1.02))
    axis.set(xlabel="tokens read", ylabel=words, xscale="symlog", xlim=(0, x[-1]))


def bayesianity(results: xr.Dataset) -> Drawing:
    """Martingale gap, order variance and the largest log M of every model.

    Returns:
        Drawing.
    """
    panels, notes = [], []
    drift = results.martingale.values
    if (drift > FLOOR).any():
        panels.append(Panel("Martingale gap", partial(_martingale, results)))
    elif np.isfinite(drift).any():
        notes.append("No implied posterior drifts under its own predictions.")
    else:
        notes.append(
            "No prefix leaves the concept open and the weights identified: there is no martingale gap to show."
        )
    orders = [results[name].values for name in ("order_possible", "order_bayes") if name in results]
    if not orders or not np.isfinite(orders[0]).any():
        notes.append("No prompt was possible in every order of its examples: there is no variance over orders to show.")
    elif max(np.nanmax(values, initial=0.0) for values in orders) > FLOOR**2:
        panels.append(Panel("Variance over orders", partial(_orders, results)))
    else:
        notes.append("The order of the examples changes no probability, of a model or of exact Bayes.")
    panels.append(Panel("Largest log M", partial(_ville, results)))
    return Drawing(
        tuple(panels),
        f"{_what(results)}. Martingale gap, by model: how far the implied posterior drifts on average under its own "
        "predictions (0 for Bayes). Variance over the orders of the examples, on prompts possible in every order. "
        "Largest log M: a model above Ville's threshold sees the future.",
        " ".join(notes),
    )


def _names(results: xr.Dataset, axis: Axes) -> np.ndarray:
    x = np.arange(results.model.size)
    axis.set_xticks(x, [str(name) for name in results.model.values], rotation=20, ha="right", fontsize=9)
    return x


def _heights(axis: Axes, x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Heights of bars: none for what is not finite, and infinity as a sign in its place."""
    for at in x[np.isinf(values)]:
        axis.annotate("∞", (at, 0.0), (0, 2), textcoords="offset points", ha="center", fontsize=12)
    return np.where(np.isfinite(values), values, np.nan)


def _martingale(results: xr.Dataset, axis: Axes) -> None:
    x = _names(results, axis)
    bars = _bars(results.martingale.values, results.martingale_low.values, results.martingale_high.values)
    axis.bar(x, _heights(axis, x, results.martingale.values), 0.6, yerr=bars, capsize=2, color="C0")
    axis.set(ylabel="total variation")


def _orders(results: xr.Dataset, axis: Axes) -> None:
    x = _names(results, axis)
    model, exact = (results[name].values for name in ("order_possible", "order_bayes"))
    sides = ((-0.2, model, "model", "C0"), (0.2, exact, "exact Bayes", "C1"))
    for aside, values, words, colour in sides:
        heights = _heights(axis, x + aside, np.where(values > FLOOR**2, values, 0.0))
        axis.bar(x + aside, heights, 0.38, label=words, color=colour)
    axis.set_yscale("symlog", linthresh=1e-6)
    axis.set(ylabel="variance of the probability")


def _ville(results: xr.Dataset, axis: Axes) -> None:
    x = _names(results, axis)
    axis.bar(x, _heights(axis, x, results.ville_log_max.values), 0.6, color="C0")
    axis.axhline(results.attrs["ville_threshold"], color="#D55E00", label="Ville's threshold")
    axis.set(ylabel="nats")


def probes(results: xr.Dataset) -> Drawing | None:
    """R² of every layer and its controls, a panel for each target.

    Returns:
        Drawing, or None where no model shows activations.
    """
    if "probe_r2" not in results:
        return None
    targets = list(dict.fromkeys(str(target) for target in results.probe_target.values))
    return Drawing(
        tuple(Panel(target, partial(_probe, results, target)) for target in targets),
        f"{results.attrs['instance']}: linear readout of exact beliefs from hidden activations, held-out R² by model "
        "and layer; 95% intervals over held-out documents.",
    )


def _probe(results: xr.Dataset, target: str, axis: Axes) -> None:
    chosen = results.isel(probe=np.flatnonzero(results.probe_target.values == target))
    x = np.arange(chosen.sizes["probe"])
    labels = {"r2": "model", "untrained": "untrained", "last_token": "last token", "shuffled": "shuffled targets"}
    for i, (field, label) in enumerate(labels.items()):
        value, low, high = chosen[f"probe_{field}"].values.T
        at = np.isfinite(value)
        bars = np.clip(np.stack([value - low, high - value]), 0, None)[:, at]
        axis.errorbar(x[at] + 0.12 * (i - 1.5), value[at], bars, ls="", marker=MARKERS[i], color=f"C{i}", capsize=2,
                      label=label)  # fmt: skip
    words = [f"{m}, {n}" for m, n in zip(chosen.probe_model.values, chosen.probe_layer.values, strict=True)]
    axis.set_xticks(x, words, rotation=30, ha="right", fontsize=9)
    axis.axhline(0, color="#888888", lw=0.8)
    axis.set(xlabel="model, layer", ylabel="held-out R² of the ridge probe")


def scaling(results: xr.Dataset) -> Drawing | None:
    """Every curve that could be fitted with its laws, a row for each predictor, a column for each k.

    Returns:
        Drawing, or None where no law could be fitted; log-loss in nats.
    """
    if "fit_curve" not in results:
        return None
    names, ks = (list(dict.fromkeys(results[key].values)) for key in ("fit_predictor", "fit_k"))
    return Drawing(
        tuple(Panel(f"{name}, k = {k}", partial(_fits, results, name, k)) for name in names for k in ks),
        f"{results.attrs['instance']}: log-loss on x_test and the laws fitted to it, by the number of examples n; "
        "fitted to the unshaded n and asked about the shaded ones; bands are 95% over resampled prompts.",
        columns=len(ks),
    )


def _fits(results: xr.Dataset, name: str, k: int, axis: Axes) -> None:
    x, held = np.arange(results.n.size), int(results.fit_held_out)
    cell = results.sel(predictor=name, k=k, split="all")
    bars = _bars(cell.log_loss.values, cell.log_loss_low.values, cell.log_loss_high.values)
    axis.errorbar(x, cell.log_loss.values, bars, color="#444444", ls="", marker="o",
                  label="measured")  # fmt: skip
    axis.axvspan(x[-held] - 0.5, x[-1] + 0.5, color="#999999", alpha=0.15, lw=0, zorder=0)
    same = (results.fit_predictor.values == name) & (results.fit_k.values == k)
    for i, at in enumerate(np.flatnonzero(same)):
        fit = results.isel(fit=at)
        axis.plot(x, fit.fit_curve.values, lw=1.3, color=f"C{i % 7}", label=str(fit.fit_law.values))
        axis.fill_between(x, fit.fit_low.values, fit.fit_high.values, color=f"C{i % 7}", alpha=0.15, lw=0)
    axis.set(xlabel="examples in the prompt, n", ylabel="log-loss on x_test, nats")
    number_axis(axis, results.n.values)


FIGURES: Figures = {
    "gap_loss": loss,
    "gap_costs": costs,
    "gap_context": context,
    "gap_implied": implied,
    "gap_bayesianity": bayesianity,
    "gap_probes": probes,
    "gap_scaling": scaling,
}


def _what(results: xr.Dataset) -> str:
    settings = results.attrs
    return f"{settings['instance']}, {settings['setting_documents']} documents of {settings['setting_length']} tokens"


def _bars(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(2, …) lengths of the bars below and above; 0 where an end is infinite or there is no value."""
    with np.errstate(invalid="ignore"):
        lengths = np.stack([value - low, high - value])
    return np.where(np.isfinite(lengths), np.maximum(lengths, 0.0), 0.0)


def _counts(results: xr.Dataset) -> str:
    """How many prompts exact Bayes answers: fewest to most over k and n."""
    counts = results.prompts.sel(predictor="exact", split="all").values
    return f"{counts.min()} to {counts.max()}"
