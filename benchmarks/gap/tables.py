"""The gap as tables that a person reads on a terminal."""

import io
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from rich.table import Table
from rich.text import Text

from implicit_bayes.benchmarks.common.console import WIDTH, Console
from implicit_bayes.benchmarks.common.words import sizes
from implicit_bayes.benchmarks.gap.costs import DELTAS, loss_parts, sample_efficiency
from implicit_bayes.benchmarks.gap.laws import ville_threshold
from implicit_bayes.benchmarks.gap.loss import Mean
from implicit_bayes.benchmarks.gap.measure import Gap, ModelGap, best_probe
from implicit_bayes.benchmarks.gap.probes import TARGETS

KEYS = (
    ("excess over Bayes, nats", lambda found: mean(found.loss.excess)),
    ("KL(Bayes ‖ model), nats", lambda found: mean(found.loss.kl)),
    ("total variation", lambda found: mean(found.loss.tv)),
    ("excess 0-1 risk", lambda found: mean(found.loss.risk)),
    ("calibration error", lambda found: f"{found.loss.calibration_error:.4f}"),
    ("foresight, nats", lambda found: mean(found.loss.foresight)),
    ("largest log M (Ville's)", lambda found: ville(found)),
    ("laws broken", lambda found: ", ".join(row.law for row in found.laws if not row.holds) or "none"),
    ("implied posterior: TV", lambda found: mean(found.implied.total_variation)),
    ("  residual, nats", lambda found: mean(found.implied.residual)),
    ("  mass no concept allows", lambda found: mean(found.implied.forbidden)),
    ("  tokens to settle (exact)", lambda found: times(found)),
    ("martingale gap", lambda found: mean(found.martingale.gap)),
)  # fmt: skip
"""Rows of the table: words, and how a cell is written."""


def mean(value: Mean) -> str:
    """A mean with its 95% interval; a dash where nothing was counted.

    Returns:
        Text, in the mean's unit.
    """
    if value.value == 0.0 and np.isinf(value.standard_error):
        return "–"
    form = ".4f" if abs(value.value) >= 5e-5 or value.value == 0 else ".0e"
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"


def ville(found: ModelGap) -> str:
    """The largest log M, and what it stays below for a model that does not see the future.

    Returns:
        Text; nats.
    """
    return f"{found.loss.log_ratio_max + 0.0:.2f} ({ville_threshold(found.documents):.2f})"


def times(found: ModelGap) -> str:
    """Median tokens until the concept is settled; the exact posterior's in brackets.

    Returns:
        Text; tokens.
    """
    return f"{found.implied.time:g} ({found.implied.exact_time:g})"


def gap_table(models: Sequence[ModelGap], title: str) -> Table:
    """One column a model, one row a measure.

    Args:
        models: what was found of each.
        title: above it.

    Returns:
        A table of rich's; each row says its unit.
    """
    table = Table("", *(found.model for found in models), title=title, title_justify="left")
    table.add_row("parameters", *(f"{found.parameters:,}" if found.parameters else "–" for found in models))
    rows: list[tuple[str, Callable[[ModelGap], str]]] = list(KEYS)
    if any(found.order for found in models):
        rows.append(("order variance (Bayes)", order))
    if any(found.probes for found in models):
        rows += [(f"probe R², {target}", partial(probe_cell, target=target)) for target in TARGETS]
        rows += [(f"  margin, {target}", partial(margin_cell, target=target)) for target in TARGETS]
    for words, cell in rows:
        table.add_row(words, *(cell(found) for found in models))
    return table


def order(found: ModelGap) -> str:
    """Variance over orders of the examples where Bayes is defined, and Bayes's own.

    Returns:
        Text; a variance of probabilities, and how many prompts it is over. A dash where there is none.
    """
    if found.order is None or not found.order.possible_prompts:
        return "–"
    return f"{found.order.possible.value:.1e} ({found.order.bayes.value:.1e}), {found.order.possible_prompts} prompts"


def probe_cell(found: ModelGap, target: str) -> str:
    """R² of the best layer and which it is.

    Args:
        found: of one model.
        target: "log posterior" or "state belief".

    Returns:
        The words; a dash where there is no probe.
    """
    best = best_probe(found, target)
    return "–" if best is None else f"{best.r2.value:.3f} (layer {best.layer})"


def margin_cell(found: ModelGap, target: str) -> str:
    """Margin of that layer with its interval.

    Args:
        found: of one model.
        target: "log posterior" or "state belief".

    Returns:
        The words; a dash where there is no probe.
    """
    best = best_probe(found, target)
    return "–" if best is None else f"{best.margin.value:.2f} [{best.margin.low:.2f}, {best.margin.high:.2f}]"


def as_text(gap: Gap) -> str:
    """The tables as plain text.

    Returns:
        Lines of WIDTH columns.
    """
    text = io.StringIO()
    show(gap, Console(text, WIDTH))
    return text.getvalue().rstrip()


def show(gap: Gap, out: Console) -> None:
    """The gap as tables: one with every measure, the curves, and the scaling laws.

    Args:
        gap: what was found.
        out: where they are printed.
    """
    mixture, settings = gap.instance.mixture, gap.settings
    out.print(Text(gap.instance.name, "bold"))
    out.print(
        f"{sizes(mixture.n_concepts, mixture.n_states, mixture.n_tokens)}; "
        f"{settings.documents} documents of {settings.length} tokens, seed {settings.seed}; "
        f"Bayes itself loses {gap.models[0].loss.bayes_cross_entropy:.4f} nats/token"
    )
    out.print(gap_table(gap.models, "Models against exact Bayes [95% over documents]"))
    out.print(context_table(gap))
    for line in cost_lines(gap):
        out.print(line)
    if any(gap.fits.values()):
        out.print(scaling_table(gap))


def cost_lines(gap: Gap) -> list[str]:
    """What a token costs, and examples needed beside Bayes.

    Returns:
        Sentences without a full stop; nats a token.
    """
    parts = loss_parts(gap.information, 0.0)
    lines = [
        f"A token costs Bayes {parts['entropy_given_concept']:.4f} nats of noise of a known concept and "
        f"{parts['concept_information']:.4f} for not knowing it"
    ]
    without = []
    for found in gap.models:
        ratios = sample_efficiency(gap.context, found.model)
        words = ", ".join(f"{delta}: {ratio:.3g}" for delta, ratio in ratios.items() if ratio is not None)
        if words:
            lines.append(f"{found.model} needs this many times Bayes' examples for an error of at most {words}")
        else:
            without.append(found.model)
    if without:
        lines.append(
            f"No ratio of examples for {', '.join(without)}: an error of at most {max(DELTAS):g} is not reached at the "
            "tested n, by the model or by Bayes, or Bayes reaches it without examples"
        )
    return lines


def context_table(gap: Gap) -> Table:
    """Accuracy with its 95% Wilson interval, log-loss and number of prompts, by (k, predictor) and n.

    Returns:
        A table of rich's.
    """
    context = gap.context.sel(split="all")
    title = f"In context: accuracy, %/log-loss, nats [accuracy's 95%] ({gap.settings.prompts} prompts for each k)"
    table = Table("k", "predictor", *(f"n={n}" for n in context.n.values), title=title, title_justify="left")
    for k in context.k.values:
        for name in context.predictor.values:
            cell = context.sel(k=k, predictor=name)
            shown = [
                "–" if np.isnan(a) else f"{100 * a:.0f}/{loss:.2f}"
                for a, loss in zip(cell.accuracy.values, cell.log_loss.values, strict=True)
            ]
            table.add_row(str(k), str(name).replace("smoothed(", "ε=").rstrip(")"), *shown)
            ends = zip(cell.accuracy_low.values, cell.accuracy_high.values, strict=True)
            table.add_row("", "  95%", *("" if np.isnan(a) else f"{100 * a:.0f}–{100 * b:.0f}" for a, b in ends))
            if (cell.prompts.values < gap.settings.prompts).any():
                table.add_row("", "  of prompts", *(str(count) for count in cell.prompts.values), style="dim")
        row = context.sel(k=k)
        table.add_row("", "  % impossible", *(f"{100 * x:.0f}" for x in row.impossible_share.values), style="dim")
        table.add_section()
    return table


def scaling_table(gap: Gap) -> Table:
    """For each curve, the error of every law at the held-out n, beside that of carrying the last point on.

    Returns:
        A table of rich's; nats.
    """
    some = next(fits for fits in gap.fits.values() if fits)
    held = ", ".join(map(str, some[0].held_out))
    title = f"Scaling laws of the log-loss: error at n = {held}, kept from the fit, nats [95%]"
    laws = [fit.law for fit in some]
    table = Table("k", "predictor", *laws, "last point carried on", title=title, title_justify="left")
    for (name, k), fits in sorted(gap.fits.items(), key=lambda item: item[0][1]):
        if fits:
            errors = ["{:.3f} [{:.3f}, {:.3f}]".format(*fit.held_out_error) for fit in fits]
            table.add_row(str(k), str(name), *errors, f"{fits[0].carried_error:.3f}")
    return table
