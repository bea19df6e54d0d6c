"""Tables that a person reads on a terminal."""

import io
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from implicit_bayes.benchmarks.common.console import WIDTH
from implicit_bayes.benchmarks.gap.tables import gap_table
from implicit_bayes.benchmarks.verification.evaluate import least_room
from implicit_bayes.benchmarks.verification.verify import BayesLoss, Verification
from implicit_bayes.theory.proofs.enclosures import Enclosure
from implicit_bayes.theory.proofs.search import SearchResult
from implicit_bayes.theory.statements.conditions import Condition


def verdict(holds: bool | str) -> str:
    """holds, FAILS or undetermined."""
    return holds if isinstance(holds, str) else ("holds" if holds else "FAILS")


def show(result: Verification, out: Console) -> None:
    """The whole verification as tables."""
    mixture = result.instance.mixture
    out.print(
        f"[bold]{result.instance.name}[/bold]: {result.instance.description}\n"
        f"{mixture.n_concepts} concepts, {mixture.n_states} states, vocabulary {mixture.n_tokens}, "
        f"delimiter token {mixture.delimiter}, seed {result.settings.seed}"
    )
    out.print(assumption_table(result))
    if result.statements.conditions:
        out.print(condition_table(result))
        out.print(critical_line(result))
        out.print(budget_table(result))
    for budget in result.statements.budgets:
        out.print(f"k = {budget.condition.k}: {budget.reading}", soft_wrap=True)
    out.print(theorem_table(result))
    if result.statements.certificates:
        out.print(certificate_table(result))
    out.print(curve_table(result))
    for words, loss in (("fresh documents", result.bayes), ("published validation documents", result.validation)):
        if loss is not None:
            out.print(loss_line(words, loss))
    for row in result.models:
        error = f"± {row.standard_error:.4f}"
        out.print(
            f"{row.model}: excess over Bayes on the fresh documents [bold]{row.excess:.4f}[/bold] {error} nats/token"
        )
    if result.gaps:
        out.print(gap_table(result.gaps, "Models against exact Bayes (± one standard error; more with: gap)"))


def as_text(result: Verification) -> str:
    """The tables as plain text, as wide as they need to be."""
    screen = Console(file=io.StringIO(), width=WIDTH, highlight=False, color_system=None, force_terminal=False)
    show(result, screen)
    return screen.file.getvalue().rstrip()  # type: ignore[attr-defined]


def assumption_table(result: Verification) -> Table:
    """A1 to A5 over every true concept, start law and k."""
    table = Table("", "verdict", "constants", "witness", title="Assumptions of the paper", title_justify="left")
    for row in result.assumptions:
        constants = "  ".join(f"{name}={value:.4g}" for name, value in row.constants.items())
        table.add_row(row.name, verdict(row.holds), constants, row.witness)
    return table


def number(value: float | None, digits: int = 4) -> str:
    """A number of nats; an undefined one is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def condition_table(result: Verification) -> Table:
    """For each k asked for, the pair (theta*, theta) with the least room in the repaired condition."""
    title = "Condition 1, the pair with the least room at each k (nats; holds where ΣKL exceeds the threshold)"
    table = Table(
        "k", "θ*, θ", "ΣKL", "mass θ forbids", "> printed", "> repaired", "rate [interval]", "printed", "repaired",
        "sharp", title=title, title_justify="left",
    )  # fmt: skip
    for row in least_room(result.statements.conditions, result.settings.ks):
        rate = "undefined" if row.rate is None else f"{row.rate:.4f}"
        if row.rate is not None and row.rate_low != row.rate_high:
            rate += f" [{row.rate_low:.3f}, {row.rate_high:.3f}]"
        table.add_row(
            str(row.k), f"{row.true_concept}, {row.concept}", number(row.kl_sum), f"{row.kl_infinite_mass:.3g}",
            number(row.printed_threshold), number(row.repaired_threshold), rate,
            verdict(row.printed_holds), verdict(row.repaired_holds), verdict(row.sharp_holds),
        )  # fmt: skip
    return table


def critical_line(result: Verification) -> str:
    """The three critical example lengths in words."""
    lengths = result.statements.tested_ks
    words = ", ".join(
        f"{version} {'none' if k is None else k}" for version, k in result.statements.critical_k._asdict().items()
    )
    return f"Critical k (smallest of {', '.join(map(str, lengths))} at which it holds for every pair): {words}"


def budget_table(result: Verification) -> Table:
    """Signal against the two mismatches, separately, with what causes each."""
    title = "Where the budget goes (nats)"
    table = Table(
        "k", "signal ΣKL", "start: ε_start", "start KL", "delimiter: printed", "repaired",
        "c1, c2 (transition into a delimiter)", "A3: TV, smallest Δ/4", title=title, title_justify="left",
    )  # fmt: skip
    for split in result.statements.budgets:
        row, shift = split.condition, split.start_shift
        causes = "; ".join(
            f"{name} {cause.probability:.4g} from state {cause.source}"
            for name, cause in (("c1", split.c1), ("c2", split.c2))
        )
        margin = f"{shift.worst[0].margin:.4g}" if shift.worst else "–"
        table.add_row(
            str(row.k), number(split.signal.value), number(row.eps_start), number(split.start_kl.value),
            number(row.eps_delim_printed), number(row.eps_delim_repaired), causes, f"{shift.tv:.4g}, {margin}",
        )  # fmt: skip
    return table


def theorem_table(result: Verification) -> Table:
    """Theorems 1 to 3: whether they apply, what they promise, and whether it is so."""
    title = f"Theorems at k = {result.statements.theorem_k}"
    columns = ("theorem", "version", "applies", "bound", "vacuous", "conclusion", "reason")
    table = Table(*columns, title=title, title_justify="left")
    for row in result.statements.theorems:
        applies, vacuous = ("yes" if flag else "no" for flag in (row.applies, row.vacuous))
        table.add_row(row.name, row.version, applies, number(row.bound), vacuous, row.conclusion, row.reason)
    return table


def certificate_table(result: Verification) -> Table:
    """Proved enclosures: midpoint and radius in nats, and the verdicts that they settle."""
    title = "Certified by ball arithmetic (entries read as the decimals they print as)"
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


def enclosure(ball: Enclosure) -> str:
    """The leading digits and the radius; all digits stand in the JSON."""
    digits = ball.midpoint if len(ball.midpoint) <= 18 else ball.midpoint[:18] + "…"
    return f"{digits} ± {ball.radius:.1e}"


def comparison_table(results: list[Verification]) -> Table:
    """Instances side by side: assumptions, conditions at the largest k, Theorem 1, and what Bayes does."""
    table = Table("", *(result.instance.name for result in results), title="Side by side", title_justify="left")
    for i in range(5):
        rows = [result.assumptions[i] for result in results]
        table.add_row(f"assumption {rows[0].name}", *(verdict(row.holds) for row in rows))
    table.add_section()
    worst = [least_room(result.statements.conditions, [result.statements.theorem_k]) for result in results]
    facts: dict[str, Callable[[Condition], str]] = {
        "k": lambda row: str(row.k),
        "ΣKL, least room, nats": lambda row: number(row.kl_sum),
        "printed threshold, nats": lambda row: number(row.printed_threshold),
        "repaired threshold, nats": lambda row: number(row.repaired_threshold),
        "rate, nats/example": lambda row: "undefined" if row.rate is None else number(row.rate),
    }
    for words, fact in facts.items():
        table.add_row(words, *(fact(rows[0]) if rows else "–" for rows in worst))
    for version in ("printed", "repaired", "sharp"):
        critical = [getattr(result.statements.critical_k, version) for result in results]
        table.add_row(f"critical k, {version}", *("none" if k is None else str(k) for k in critical))
    table.add_section()
    for version in ("printed", "repaired", "sharp"):
        found = [
            next(row for row in result.statements.theorems if (row.name, row.version) == ("1", version))
            for result in results
        ]
        cells = [f"{'applies' if row.applies else 'does not apply'}; conclusion {row.conclusion}" for row in found]
        table.add_row(f"Theorem 1, {version}", *cells)
    table.add_section()
    last = [result.curves.isel(k=-1, n=-1).sel(predictor="exact") for result in results]
    table.add_row("exact accuracy, largest n, %", *(
        "–" if np.isnan(cell.accuracy) else f"{100 * float(cell.accuracy):.1f}" for cell in last
    ))  # fmt: skip
    table.add_row("undefined, largest n, %", *(f"{100 * float(cell.undefined_share):.1f}" for cell in last))
    return table


def search_lines(found: SearchResult) -> str:
    """What a search met, in words."""
    return (
        f"{found.statement} statement: counterexamples from {found.found} of {found.starts} random starts; "
        f"{found.hypotheses_met} of {found.visited} visited instances satisfied every hypothesis "
        f"({found.starts_met} of the {found.starts} starts themselves); largest rate among those "
        f"{found.highest_rate:.4g} nats (a counterexample has a positive one)"
    )


def curve_table(result: Verification) -> Table:
    """Accuracy in percent by (k, predictor) and n; for the exact predictor the undefined share stands below."""
    curves = result.curves
    most, fewest = int(curves.prompts.max()), int(curves.prompts.min())
    prompts = f"{most} prompts for each k" + (f", models the first {fewest} of them" if fewest < most else "")
    title = f"In-context accuracy, % of defined prompts, {prompts} (± standard error)"
    table = Table("k", "predictor", *(f"n={n}" for n in curves.n.values), title=title, title_justify="left")
    for k in curves.k.values:
        for name in curves.predictor.values:
            cell = curves.sel(k=k, predictor=name)
            row = [
                "–" if np.isnan(a) else f"{100 * a:.1f}±{100 * e:.1f}"
                for a, e in zip(cell.accuracy.values, cell.standard_error.values, strict=True)
            ]
            table.add_row(str(k), short(str(name)), *row)
            if cell.undefined.values.any() or name == "exact":
                shares = [f"{100 * u:.1f}" for u in cell.undefined_share.values]
                table.add_row("", "  % undefined", *shares, style="dim")
        table.add_section()
    return table


def short(predictor: str) -> str:
    """``smoothed(1e-08)`` as ``ε=1e-08``, which fits the column."""
    return predictor.replace("smoothed(", "ε=").rstrip(")")


def loss_line(words: str, loss: BayesLoss) -> str:
    """Bayes cross-entropy in words."""
    return (
        f"Bayes cross-entropy on {loss.documents} {words} of {loss.length} tokens: "
        f"[bold]{loss.cross_entropy:.4f}[/bold] ± {loss.standard_error:.4f} nats/token; "
        f"true concept recovered in {loss.recovered} of {loss.documents}"
    )
