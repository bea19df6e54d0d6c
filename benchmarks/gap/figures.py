"""The figures of a gap, drawn from stored results only (gap.nc), as PNG and SVG."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from implicit_bayes.benchmarks.report.house import Figures, caption

MARKERS = "os^Dvp*"


def loss(results: xr.Dataset) -> Figure:
    """KL from Bayes by position in the document and by surprise of the token."""
    figure = Figure(figsize=(11.0, 4.2))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, kind, words in zip(
        axes, ("position", "surprise"), ("position in the document", "-log p of the token"), strict=True
    ):
        chosen = np.flatnonzero(results.slice_kind.values == kind)
        x = np.arange(len(chosen))
        for i, name in enumerate(results.model.values):
            cell = results.sel(model=name).isel(slice=chosen)
            value, bar = cell.slice_kl.values, 1.96 * cell.slice_kl_error.values
            shown = np.isfinite(value) & (value > 1e-9)
            if shown.any():
                bar = np.minimum(np.where(np.isfinite(bar), bar, 0.0), 0.99 * value)
                axis.errorbar(
                    x[shown],
                    value[shown],
                    bar[shown],
                    marker=MARKERS[i % 7],
                    color=f"C{i % 7}",
                    capsize=2,
                    label=str(name),
                )
        axis.set_xticks(x, results.slice_words.values[chosen], rotation=40, ha="right", fontsize=8)
        axis.set(xlabel=words, yscale="log", title=f"By {kind}")
    axes[0].set_ylabel("KL(Bayes ‖ model), nats/token")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    none = [str(name) for name in results.model.values if float(results.loss_kl.sel(model=name)) <= 1e-9]
    return caption(
        figure,
        f"{_what(results)}: divergence of the model's next-token law from the exact predictive; bars 1.96 standard "
        f"errors over documents. {'No KL at all: ' + ', '.join(none) + '.' if none else ''}",
    )


def context(results: xr.Dataset) -> Figure:
    """Accuracy (top) and log-loss (bottom) on x_test against n, a column for each k."""
    cells = results.sel(split="all")
    figure = Figure(figsize=(3.1 * results.k.size + 2.4, 6.6))
    axes = np.atleast_2d(figure.subplots(2, results.k.size, sharex=True, sharey="row", squeeze=False))
    x = np.arange(results.n.size)
    for column, k in enumerate(results.k.values):
        for i, name in enumerate(results.predictor.values):
            cell = cells.sel(predictor=name, k=k)
            top, bottom = axes[0, column], axes[1, column]
            right, error = 100 * cell.accuracy.values, 196 * cell.standard_error.values
            top.errorbar(x, right, error, marker=MARKERS[i % 7], capsize=2, label=str(name))
            value = np.where(np.isfinite(cell.log_loss.values), cell.log_loss.values, np.nan)
            bar = np.where(np.isfinite(cell.log_loss_error.values), 1.96 * cell.log_loss_error.values, 0.0)
            bottom.errorbar(x, value, bar, marker=MARKERS[i % 7], capsize=2)
        bottom.plot(x, cells.entropy.sel(k=k).values, color="#444444", ls="--", lw=1.0, label="entropy of the answer")
        top.set(title=f"k = {k}", ylim=(-2, 102))
        bottom.set(xlabel="examples in the prompt, n")
        bottom.set_xticks(x, [str(n) for n in results.n.values])
    axes[0, 0].set_ylabel("accuracy, %")
    axes[1, 0].set_ylabel("log-loss, nats")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    more, words = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles + more[-1:], labels + words[-1:], loc="outside right center")
    return caption(
        figure,
        f"{results.attrs['instance']}: {results.attrs['setting_prompts']} prompts for each k, the same for all; bars "
        "1.96 standard errors. “exact” counts only prompts of positive probability; an infinite log-loss is left out.",
    )


def implied(results: xr.Dataset) -> Figure:
    """Implied against exact posterior along documents."""
    figure = Figure(figsize=(12.0, 4.0))
    left, middle, right = figure.subplots(1, 3)
    x = results.prefix.values
    for i, name in enumerate(results.model.values):
        cell, look = results.sel(model=name), {"label": str(name), "color": f"C{i % 7}"}
        left.plot(x, cell.implied_tv.values, **look)
        middle.plot(x, cell.implied_weight.values, **look)
        right.plot(x, np.maximum(cell.implied_residual.values, 1e-12), **look)
    middle.plot(x, results.implied_exact.values, color="#444444", ls="--", label="exact posterior")
    left.plot(x, results.implied_share.values, color="#888888", ls=":", label="share of open prefixes")
    left.set(ylabel="TV(implied, exact)", ylim=(-0.02, 1.02), title="Distance of the posteriors")
    middle.set(ylabel="weight on the true concept", ylim=(-0.02, 1.02), title="What is believed")
    right.set(
        ylabel="KL from the best mixture, nats", yscale="log", ylim=(1e-6, None), title="What no posterior explains"
    )
    for axis in (left, middle, right):
        axis.set(xlabel="tokens read", xscale="symlog", xlim=(0, x[-1]))
    handles = {
        label: handle
        for axis in (left, middle)
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside right center")
    return caption(
        figure,
        f"{_what(results)}: the concept weights that best explain the model's law, against the exact posterior, mean "
        "over prefixes after which two or more concepts are possible and the weights are identified.",
    )


def bayesianity(results: xr.Dataset) -> Figure:
    """Martingale gap, order variance and the largest log M of every model."""
    figure = Figure(figsize=(10.0, 4.0))
    left, middle, right = figure.subplots(1, 3)
    x = np.arange(results.model.size)
    left.bar(x, results.martingale.values, 0.6, yerr=_bars(results.martingale_error.values), capsize=2)
    left.set(title="Martingale gap", ylabel="total variation")
    if "order_possible" in results:
        middle.bar(x - 0.2, results.order_possible.values, 0.38, label="model")
        middle.bar(x + 0.2, results.order_bayes.values, 0.38, label="exact Bayes")
        middle.set_title("Variance over orders")
        middle.set_yscale("symlog", linthresh=1e-6)
    right.bar(x, results.ville_log_max.values, 0.6)
    right.axhline(results.attrs["ville_threshold"], color="#D55E00", label="Ville's threshold")
    right.set(title="Largest log M", ylabel="nats")
    handles = [pair for axis in (middle, right) for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    figure.legend(*zip(*handles, strict=True), loc="outside right center")
    for axis in (left, middle, right):
        axis.set_xticks(x, [str(name) for name in results.model.values], rotation=30, ha="right")
    return caption(
        figure,
        f"{_what(results)}. Left: how far the implied posterior drifts on average under the model's own predictions (0 "
        "for Bayes). Middle: on prompts possible in every order. Right: a model above the line sees the future.",
    )


def probes(results: xr.Dataset) -> Figure | None:
    """R² of every layer and its controls, a panel for each target."""
    if "probe_r2" not in results:
        return None
    targets = list(dict.fromkeys(results.probe_target.values))
    figure = Figure(figsize=(12.0, 4.2))
    for axis, target in zip(figure.subplots(1, len(targets), sharey=True), targets, strict=True):
        chosen = results.isel(probe=np.flatnonzero(results.probe_target.values == target))
        x = np.arange(chosen.sizes["probe"])
        for i, (field, label) in enumerate(
            (
                ("r2", "model"),
                ("untrained", "untrained"),
                ("last_token", "last token"),
                ("shuffled", "shuffled targets"),
            )
        ):
            value, low, high = chosen[f"probe_{field}"].values.T
            bars = np.clip(np.stack([value - low, high - value]), 0, None)
            axis.errorbar(x + 0.12 * (i - 1.5), value, bars, ls="", marker=MARKERS[i], capsize=2, label=label)
        words = [f"{m}, {n}" for m, n in zip(chosen.probe_model.values, chosen.probe_layer.values, strict=True)]
        axis.set_xticks(x, words, rotation=30, ha="right")
        axis.axhline(0, color="#888888", lw=0.8)
        axis.set(title=str(target), xlabel="model, layer")
    figure.axes[0].set_ylabel("held-out R² of the ridge probe")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center")
    return caption(
        figure, f"{results.attrs['instance']}: linear readout of exact beliefs from hidden activations; 95% intervals "
        "over held-out documents.",
    )  # fmt: skip


def scaling(results: xr.Dataset) -> Figure | None:
    """Every curve that could be fitted with its laws, a row for each predictor, a column for each k."""
    if "fit_curve" not in results:
        return None
    names, ks = (list(dict.fromkeys(results[key].values)) for key in ("fit_predictor", "fit_k"))
    figure = Figure(figsize=(3.1 * len(ks) + 1.8, 2.5 * len(names) + 0.6))
    axes = figure.subplots(len(names), len(ks), squeeze=False, sharex=True)
    x, held = np.arange(results.n.size), int(results.fit_held_out)
    for (i, j), axis in np.ndenumerate(axes):
        cell = results.sel(predictor=names[i], k=ks[j], split="all")
        axis.errorbar(
            x,
            cell.log_loss.values,
            1.96 * cell.log_loss_error.values,
            color="#444444",
            ls="",
            marker="o",
            label="measured",
        )
        axis.axvspan(x[-held] - 0.5, x[-1] + 0.5, color="#eeeeee", zorder=0)
        same = (results.fit_predictor.values == names[i]) & (results.fit_k.values == ks[j])
        for at in np.flatnonzero(same):
            fit = results.isel(fit=at)
            line = axis.plot(x, fit.fit_curve.values, lw=1.3, label=str(fit.fit_law.values))[0]
            axis.fill_between(x, fit.fit_low.values, fit.fit_high.values, color=line.get_color(), alpha=0.15, lw=0)
        axis.set_xticks(x, [str(n) for n in results.n.values], fontsize=8)
        axis.set_title(f"{names[i]}, k = {ks[j]}", fontsize=9)
    figure.supylabel("log-loss on x_test, nats", fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center")
    return caption(
        figure, f"{results.attrs['instance']}: laws fitted to the unshaded numbers of examples n (across) and asked "
        "about the shaded ones; bands are 95% over resampled prompts.",
    )  # fmt: skip


FIGURES: Figures = {
    "gap_loss": loss,
    "gap_context": context,
    "gap_implied": implied,
    "gap_bayesianity": bayesianity,
    "gap_probes": probes,
    "gap_scaling": scaling,
}


def _what(results: xr.Dataset) -> str:
    settings = results.attrs
    return f"{settings['instance']}, {settings['setting_documents']} documents of {settings['setting_length']} tokens"


def _bars(errors: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(errors), 1.96 * errors, 0.0)
