"""Tables that a person reads on a terminal."""

import io
from collections.abc import Callable

import numpy as np
from rich.table import Table
from rich.text import Text

from implicit_bayes.benchmarks.common.console import WIDTH, Console
from implicit_bayes.benchmarks.common.words import sizes
from implicit_bayes.benchmarks.gap.tables import gap_table
from implicit_bayes.benchmarks.verification.enough import (
    enough_words,
    information_line,
    measured_between,
    measured_words,
    worst_rows,
)
from implicit_bayes.benchmarks.verification.evaluate import binding
from implicit_bayes.benchmarks.verification.proved import screen_tables
from implicit_bayes.benchmarks.verification.table_words import (
    enclosure,
    interval,
    judged,
    loss_line,
    number,
    short,
    verdict,
)
from implicit_bayes.benchmarks.verification.verify import Verification
from implicit_bayes.theory.proofs.search import SearchResult
from implicit_bayes.theory.statements.conditions import IMPOSSIBLE, Condition, Version


def show(result: Verification, out: Console) -> None:
    """The whole verification as tables.

    Args:
        result: what ``verify`` found.
        out: where it is printed.
    """
    mixture = result.instance.mixture
    out.print(Text(result.instance.name, "bold"))
    out.print(
        f"{result.instance.description}\n"
        f"{sizes(mixture.n_concepts, mixture.n_states, mixture.n_tokens)}, "
        f"delimiter token {mixture.delimiter}, seed {result.settings.seed}"
    )
    out.print(assumption_table(result))
    if result.statements.conditions:
        out.print(condition_table(result))
        out.print(critical_line(result))
        out.print(budget_table(result))
    for split in result.statements.splits:
        out.print(f"k = {split.condition.k}: {split.reading}")
    out.print(theorem_table(result))
    if result.statements.certificates:
        out.print(certificate_table(result))
    for table in screen_tables(result.statements.proofs):
        out.print(table)
    out.print(finite_table(result))
    for line in finite_lines(result):
        out.print(line)
    out.print(curve_table(result))
    for words, loss in (("fresh documents", result.bayes), ("published validation documents", result.validation)):
        if loss is not None:
            out.print(loss_line(words, loss))
    out.print(information_line(result.information))
    for row in result.models:
        error = f"[{row.low:.4f}, {row.high:.4f}]"
        out.print(f"{row.model}: excess over Bayes on the fresh documents {row.excess:.4f} {error} nats/token")
    if result.gaps:
        out.print(gap_table(result.gaps, "Models against exact Bayes (95% intervals over documents; more with: gap)"))


def as_text(result: Verification) -> str:
    """The tables as plain text, as wide as they need to be.

    Returns:
        Lines, without a last line end.
    """
    screen = Console(io.StringIO(), WIDTH)
    show(result, screen)
    return screen.file.getvalue().rstrip()  # type: ignore[attr-defined]


def assumption_table(result: Verification) -> Table:
    """A1 to A5 over every true concept, start law and k.

    Returns:
        A table of rich's.
    """
    table = Table("", "verdict", "constants", "witness", title="Assumptions of the paper", title_justify="left")
    for row in result.assumptions:
        constants = "  ".join(f"{name}={value:.4g}" for name, value in row.constants.items())
        table.add_row(row.name, verdict(row.holds), constants, row.witness)
    return table


def condition_table(result: Verification) -> Table:
    """For each k asked for and each version, the pair (theta*, theta) and the start law that bind it.

    Returns:
        A table of rich's; nats, and a probability for the forbidden mass.
    """
    conditions = result.statements.conditions
    title = "Condition 1 where each version binds (nats)"
    table = Table(
        "k", "version", "θ*, θ", "start law", "ΣKL or rate", "threshold", "mass θ forbids", "verdict",
        title=title, title_justify="left",
    )  # fmt: skip
    for k in result.settings.ks:
        for version, facts in FACTS.items():
            for row in binding(conditions, [k], version):
                table.add_row(str(k), version, f"{row.true_concept}, {row.concept}", *facts(row))
        table.add_section()
    return table


def _printed(row: Condition) -> tuple[str, ...]:
    signal, threshold = interval(row.kl_sum, row.kl_low, row.kl_high), number(row.printed_threshold)
    return str(row.prompt_start), signal, threshold, f"{row.kl_infinite_mass:.3g}", judged(row, "printed")


def _repaired(row: Condition) -> tuple[str, ...]:
    signal = interval(row.repaired_kl_sum, row.repaired_kl_low, row.repaired_kl_high)
    threshold = number(row.repaired_threshold)
    if np.isfinite(row.repaired_threshold):
        ends = row.start_kl_low + row.eps_delim_repaired, row.start_kl_high + row.eps_delim_repaired
        threshold = interval(row.repaired_threshold, *ends)
    return str(row.repaired_start), signal, threshold, "", judged(row, "repaired")


def _sharp(row: Condition) -> tuple[str, ...]:
    rate = interval(row.rate, row.rate_low, row.rate_high)
    return str(row.sharp_start), f"rate {rate}", "0", "", judged(row, "sharp")


FACTS: dict[Version, Callable[[Condition], tuple[str, ...]]] = {
    "printed": _printed,
    "repaired": _repaired,
    "sharp": _sharp,
}
"""For each version: start law, signal, threshold, forbidden mass and verdict, in words."""


def critical_line(result: Verification) -> str:
    """The three critical example lengths in words.

    Returns:
        One or more lines.
    """
    lengths = result.statements.tested_ks
    words = ", ".join(
        f"{version} {'none' if k is None else k}" for version, k in result.statements.critical_k._asdict().items()
    )
    level = result.statements.conditions[0].level
    text = (
        "Printed and repaired hold where ΣKL exceeds the threshold, sharp where the rate is below 0, for every "
        f"pair and start law; all intervals hold at once with probability {level:.0%}.\n"
        f"Critical k (smallest of {', '.join(map(str, lengths))} at which it holds for every pair): {words}"
    )
    outside = sorted({row.true_concept for row in result.statements.conditions if row.method.endswith(IMPOSSIBLE)})
    for concept in outside:
        text += f"\nθ* = {concept} has prior 0: A4 fails, so no version holds for it"
    return text


def budget_table(result: Verification) -> Table:
    """Signal against the two mismatches, separately, with what causes each.

    Returns:
        A table of rich's; nats, and probabilities for c1, c2 and A3.
    """
    title = "Where the budget of the repaired condition goes, at the pair that binds it (nats)"
    table = Table(
        "k; θ*, θ", "signal ΣKL", "start: ε_start", "start KL", "delimiter: printed", "repaired",
        "c1, c2 (transition into a delimiter)", "A3: TV, smallest Δ/4", title=title, title_justify="left",
    )  # fmt: skip
    for split in result.statements.splits:
        row, shift = split.condition, split.start_shift
        causes = "; ".join(
            f"{name} {cause.probability:.4g} from state {cause.source}"
            for name, cause in (("c1", split.c1), ("c2", split.c2))
        )
        margin = f"{shift.worst[0].margin:.4g}" if shift.worst else "–"
        table.add_row(
            f"{row.k}; {row.true_concept}, {row.concept}",
            interval(split.signal.value, split.signal.low, split.signal.high), number(row.eps_start),
            interval(split.start_kl.value, split.start_kl.low, split.start_kl.high),
            number(row.eps_delim_printed), number(row.eps_delim_repaired), causes, f"{shift.tv:.4g}, {margin}",
        )  # fmt: skip
    return table


def theorem_table(result: Verification) -> Table:
    """Theorems 1 to 3: whether they apply, what they promise, and whether it is so.

    Returns:
        A table of rich's; bounds are excess 0-1 risks.
    """
    title = f"Theorems at k = {result.statements.theorem_k}"
    columns = ("theorem", "version", "applies", "bound", "vacuous", "conclusion", "reason")
    table = Table(*columns, title=title, title_justify="left")
    for row in result.statements.theorems:
        applies, vacuous = ("yes" if flag else "no" for flag in (row.applies, row.vacuous))
        table.add_row(row.name, row.version, applies, number(row.bound), vacuous, row.in_words, row.reason)
    return table


def finite_table(result: Verification) -> Table:
    """Examples that are enough: certified at the worst true concept, beside measured over all (95%, all n at once).

    Returns:
        A table of rich's.
    """
    table = Table(title="Theorem 1 at finite n: examples that are enough for an error of at most 0.1 / 0.01 / 0.001")
    measured_to = f"measured at n ≤ {int(result.curves.n.max())}, with 95%"
    for words in ("k", "version", "exponent, nats/example", "certified", measured_to):
        table.add_column(words, overflow="fold")
    for row in worst_rows(result.statements.finite):
        measured = measured_words(measured_between(result.curves, row.k), int(result.curves.n.min()))
        table.add_row(str(row.k), row.version, f"{row.exponent:.4f}", enough_words(row.n_enough), measured)
    return table


def finite_lines(result: Verification) -> list[str]:
    """Why a bound says nothing, or what kind of number it is.

    Returns:
        Sentences with their full stops, none for an exact bound that says something.
    """
    lines = []
    for row in worst_rows(result.statements.finite):
        if row.reason:
            lines.append(f"k = {row.k}, {row.version}, true concept {row.true_concept}: {row.reason}.")
        elif row.method == "monte carlo":
            lines.append(f"k = {row.k}, {row.version}: from sampled examples, upper ends of 95% intervals (no proof).")
    return lines


def certificate_table(result: Verification) -> Table:
    """Proved enclosures: midpoint and radius in nats, and the verdicts that they settle.

    Returns:
        A table of rich's.
    """
    off = max(row.rescaled for row in result.statements.certificates)
    divided = f", rows that sum to 1 ± {off:.1e} divided by their sums" if off else ""
    title = f"Certified by ball arithmetic (entries read as the decimals they print as{divided})"
    columns = ("k, θ*, θ", "A1–A5", "printed margin", "repaired margin", "rate", "certified verdicts")
    table = Table(*columns, title=title, title_justify="left")
    for row in result.statements.certificates:
        assumptions = " ".join(name for name, holds in row.assumptions.items() if holds)
        verdicts = ", ".join(
            f"{name} {verdict(holds)}"
            for name, holds in (
                ("printed", row.printed_holds), ("repaired", row.repaired_holds), ("sharp", row.sharp_holds),
            )
        )  # fmt: skip
        balls = [
            "–" if ball is None else enclosure(ball) for ball in (row.printed_margin, row.repaired_margin, row.rate)
        ]
        if row.rate_reason != "closed form":
            balls[-1] = f"{balls[-1]} ({row.rate_reason})"
        table.add_row(f"{row.k}, {row.true_concept}, {row.concept}", assumptions, *balls, verdicts)
    return table


def search_lines(found: SearchResult) -> str:
    """What a search met, in words.

    Returns:
        One sentence without a full stop.
    """
    return (
        f"{found.statement} statement: counterexamples from {found.found} of {found.starts} random starts; "
        f"{found.hypotheses_met} of {found.visited} visited instances satisfied every hypothesis "
        f"({found.starts_met} of the {found.starts} starts themselves); largest rate among those "
        f"{found.highest_rate:.4g} nats (a counterexample has a positive one)"
    )


def curve_table(result: Verification) -> Table:
    """Accuracy in percent by (k, predictor) and n, its 95% Wilson interval below, and where a row is not about all
    prompts, of how many it is.

    Returns:
        A table of rich's.
    """
    curves = result.curves
    most, fewest = int(curves.prompts.max()), int(curves.prompts.min())
    prompts = f"{most} prompts for each k" + (f", models the first {fewest} of them" if fewest < most else "")
    title = f"In-context accuracy, %, {prompts}; below it the 95% interval, and “of” how many prompts where not of all"
    table = Table("k", "predictor", *(f"n={n}" for n in curves.n.values), title=title, title_justify="left")
    for k in curves.k.values:
        for name in curves.predictor.values:
            cell = curves.sel(k=k, predictor=name)
            defined = (cell.prompts - cell.undefined).values
            table.add_row(str(k), short(str(name)), *("–" if np.isnan(a) else f"{100 * a:.1f}" for a in cell.accuracy))
            ends = zip(cell.accuracy_low.values, cell.accuracy_high.values, strict=True)
            table.add_row("", "  95%", *("" if np.isnan(a) else f"{100 * a:.1f}–{100 * b:.1f}" for a, b in ends))
            if (defined < most).any():
                table.add_row("", "  of", *map(str, defined), style="dim")
            if cell.undefined.values.any() or name == "exact":
                shares = [f"{100 * u:.1f}" for u in cell.undefined_share.values]
                table.add_row("", "  % undefined", *shares, style="dim")
        table.add_section()
    return table
