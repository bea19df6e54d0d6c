"""DIR/report.html of whatever is stored in DIR, made again without computing anything."""

from pathlib import Path

from implicit_bayes.benchmarks.experiments.registry import EXPERIMENTS
from implicit_bayes.benchmarks.gap.page import gap_page
from implicit_bayes.benchmarks.report import build
from implicit_bayes.benchmarks.report.page import write_page
from implicit_bayes.benchmarks.verification.compare_page import FILE, compare_page
from implicit_bayes.benchmarks.verification.page import verify_page
from implicit_bayes.theory import ModelError

PAGES = {"results.json": verify_page, FILE: compare_page, "gap.json": gap_page}
"""File that a command leaves in DIR -> the page that is made of it; the first that is there."""


def write_report(directory: Path) -> Path:
    """Write DIR/report.html.

    Args:
        directory: the --out directory of an earlier ``verify``, ``gap`` or ``reproduce``.

    Returns:
        The page.

    Raises:
        ModelError: DIR holds no results of any of them, or damaged ones.
    """
    if (directory / "findings.json").is_file():
        return build.write_report(directory, tuple(EXPERIMENTS))
    for name, make in PAGES.items():
        if (directory / name).is_file():
            return write_page(make(directory), directory / "report.html")
    words = f"run verify, gap or reproduce with --out {directory} first"
    raise ModelError(f"report: {directory} holds no results; {words}")
