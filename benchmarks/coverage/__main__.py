"""Coverage of every kind of interval: python -m implicit_bayes.benchmarks.coverage."""

import sys
from json import loads
from pathlib import Path

import tyro
from rich.table import Table

from implicit_bayes.benchmarks.common.console import console, progress_bars
from implicit_bayes.benchmarks.common.storage import write_json
from implicit_bayes.benchmarks.coverage import gap_cases, shares, theory_cases
from implicit_bayes.benchmarks.coverage.study import Case, CoverageRow, failed, repetitions, run
from implicit_bayes.theory import ModelError


def every_case() -> list[Case]:
    """All kinds of intervals and tests.

    Returns:
        Cases in the order of the table.
    """
    return [*shares.cases(), *gap_cases.cases(), *theory_cases.cases()]


def table(rows: list[CoverageRow]) -> Table:
    """Nominal and simulated coverage, percent, with the simulation's own 99% interval.

    Returns:
        A table of rich's, one line for each row.
    """
    header = ("interval or test", "where", "claims, %", "covers, % [99%]", "runs", "")
    shown = Table(*header, title="Coverage by simulation (~ claimed of large samples only)", title_justify="left")
    for row in rows:
        covers = f"{100 * row.covered:.2f} [{100 * row.low:.2f}, {100 * row.high:.2f}]"
        claims = f"{100 * row.nominal:.2f}" + ("" if row.guaranteed else " ~")
        verdict = "BELOW" if row.guaranteed and row.verdict == "below" else row.verdict
        shown.add_row(row.kind, row.setting, claims, covers, str(row.runs), verdict)
    return shown


Asked = tuple[str, str, int, int]
"""What names a row in a file: kind, setting, repetitions and seed."""


def stored(path: Path | None) -> dict[Asked, CoverageRow]:
    """Rows that a file written by ``--json`` holds.

    Returns:
        (kind, setting, repetitions, seed) -> row; empty where there is no file yet.

    Raises:
        ModelError: the file holds something else.
    """
    if path is None or not path.is_file():
        return {}
    try:
        held = loads(path.read_text(encoding="utf-8"))
        rows = [(each["seed"], CoverageRow(**{name: each[name] for name in CoverageRow._fields})) for each in held]
        return {(row.kind, row.setting, row.runs, seed): row for seed, row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"json: {path} is there and does not hold rows of this command; name another file") from error


def main(runs: int = 4000, kind: str = "", seed: int = 0, json: Path | None = None) -> int:
    """Simulate how often every kind of interval and test of the suite is right, beside what it claims.

    "at least", "below" and "in doubt" compare the simulation's own 99% interval with the claim; "BELOW", and exit
    status 1, is a guarantee contradicted. "~" marks what is claimed of large samples only.

    Args:
        runs: repetitions of the cheap cases; costly ones take a fixed share of them.
        kind: only kinds that contain these words.
        seed: of the simulation.
        json: where to keep the rows as JSON, each as soon as it is there. Rows that the file holds for the same case,
            repetitions and seed are taken from it, so an interrupted run goes on; remove it after a change of the code.
    """
    chosen = [case for case in every_case() if kind.lower() in case.kind.lower()]
    if not chosen or runs < 1:
        print(f"kind: no kind contains {kind!r}, or runs: {runs} is below 1", file=sys.stderr)
        return 2
    try:
        known = stored(json)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    rows = []
    with progress_bars() as start:
        advance = start("coverage", len(chosen))
        for case in chosen:
            asked = (case.kind, case.setting, repetitions(case, runs), seed)
            if asked not in known:
                known[asked] = run(case, runs, seed)
                if json is not None:
                    write_json(json, [row._asdict() | {"verdict": row.verdict, "seed": name[-1]}
                                      for name, row in known.items()])  # fmt: skip
            rows.append(known[asked])
            advance(1)
    console().print(table(rows))
    return 1 if failed(rows) else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
