"""DIR/report.html of whatever is stored in DIR, made again without computing anything."""

import importlib
from collections.abc import Mapping
from pathlib import Path

from implicit_bayes.theory import ModelError

PAGES = {
    "results.json": "verification.page:verify_page",
    "compare.json": "verification.compare_page:compare_page",
    "gap.json": "gap.page:gap_page",
}
"""File that a command leaves in DIR -> what makes a page of it, imported only then; the first that is there."""


def write_report(directory: Path, made: Mapping[str, object] | None = None) -> Path:
    """Write DIR/report.html.

    Args:
        directory: the --out directory of an earlier ``verify``, ``gap`` or ``reproduce``.
        made: what the caller has just stored beside a file of ``PAGES``, by that file's name, so that it is not read
            back and checked.

    Returns:
        Path of the page.

    Raises:
        ModelError: DIR holds no results of any of them, or damaged ones.
    """
    if (directory / "findings.json").is_file():
        from implicit_bayes.benchmarks.experiments.registry import EXPERIMENTS
        from implicit_bayes.benchmarks.report import build

        return build.write_report(directory, tuple(EXPERIMENTS))
    for name, made_by in PAGES.items():
        if (directory / name).is_file():
            from implicit_bayes.benchmarks.report.page import write_page

            module, _, make = made_by.partition(":")
            known = {"results": made[name]} if made and name in made else {}
            page = getattr(importlib.import_module(f"implicit_bayes.benchmarks.{module}"), make)(directory, **known)
            return write_page(page, directory / "report.html")
    words = f"run verify, gap or reproduce with --out {directory} first"
    raise ModelError(f"report: {directory} holds no results; {words}")
