"""Instances side by side, as one table on a terminal."""

import numpy as np
from rich.table import Table

from implicit_bayes.benchmarks.verification.evaluate import binding
from implicit_bayes.benchmarks.verification.table_words import verdict
from implicit_bayes.benchmarks.verification.tables import FACTS
from implicit_bayes.benchmarks.verification.verify import Verification
from implicit_bayes.theory.statements.conditions import VERSIONS


def comparison_table(results: list[Verification]) -> Table:
    """Instances side by side: assumptions, conditions at the largest k, Theorem 1, and what Bayes does.

    Returns:
        A table of rich's, one column for each instance.
    """
    table = Table("", *(result.instance.name for result in results), title="Side by side", title_justify="left")
    for i in range(5):
        rows = [result.assumptions[i] for result in results]
        table.add_row(f"assumption {rows[0].name}", *(verdict(row.holds) for row in rows))
    table.add_section()
    table.add_row("conditions at k", *(str(result.statements.theorem_k) for result in results))
    for version in VERSIONS:
        worst = [binding(result.statements.conditions, [result.statements.theorem_k], version) for result in results]
        shown = [FACTS[version](rows[0]) if rows else () for rows in worst]
        words = (f"{each[1]} against {each[2]}: {each[4]}" if each else "no pair" for each in shown)
        table.add_row(f"{version} condition, where it binds", *words)
    for version in ("printed", "repaired", "sharp"):
        critical = [getattr(result.statements.critical_k, version) for result in results]
        table.add_row(f"critical k, {version}", *("none" if k is None else str(k) for k in critical))
    table.add_section()
    for version in ("printed", "repaired", "sharp"):
        found = [
            next(row for row in result.statements.theorems if (row.name, row.version) == ("1", version))
            for result in results
        ]
        table.add_row(f"Theorem 1, {version}", *(row.in_words for row in found))
    table.add_section()
    last = [result.curves.isel(k=-1, n=-1).sel(predictor="exact") for result in results]
    table.add_row("exact accuracy, largest n, %", *(
        "–" if np.isnan(cell.accuracy) else f"{100 * float(cell.accuracy):.1f} "
        f"[{100 * float(cell.accuracy_low):.1f}, {100 * float(cell.accuracy_high):.1f}] "
        f"of {int(cell.prompts - cell.undefined)}" for cell in last
    ))  # fmt: skip
    table.add_row("undefined, largest n, %", *(f"{100 * float(cell.undefined_share):.1f}" for cell in last))
    return table
