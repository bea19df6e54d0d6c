"""The words of docs/results.md on a reproduction, from what DIR stores.

    python -m implicit_bayes.benchmarks.report.readme DIR [docs/results.md]

With a file the words replace what stands there between ``BEGIN`` and ``END``; without one they are printed.
"""

import sys
from pathlib import Path

from implicit_bayes.benchmarks.common.words import cpu_time
from implicit_bayes.benchmarks.report import findings
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.theory import ModelError

BEGIN = "<!-- python -m implicit_bayes.benchmarks.report.readme writes from here -->"
END = "<!-- to here -->"


def summary(directory: Path) -> str:
    """The summary table in Markdown, the command that made it, and the time that its cells took.

    Args:
        directory: the --out directory of a ``reproduce``.

    Returns:
        Markdown.

    Raises:
        ModelError: no findings there.
    """
    every, about = findings.load(directory)
    rows = "".join(f"| {each.title} | {each.paper} | {each.summary} |\n" for each in every)
    spent = f"{about['cells']} cells, {cpu_time(about['cpu_seconds'])} together"
    return f"`{about['command']}` ({spent}):\n\n| experiment | paper | here |\n|---|---|---|\n{rows}"


def put(page: Path, words: str) -> None:
    """Write words between the two marks of a page.

    Args:
        page: a file with both marks.
        words: to put there.

    Raises:
        ModelError: the page lacks a mark.
    """
    text = page.read_text(encoding="utf-8")
    for mark in (BEGIN, END):
        if mark not in text:
            raise ModelError(f"readme: {page} has no line {mark!r}; add both marks where the table is to be")
    head, rest = text.split(BEGIN, 1)
    with written_aside(page) as file:
        file.write(f"{head}{BEGIN}\n{words}{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        put(Path(sys.argv[2]), summary(Path(sys.argv[1])))
    else:
        print(summary(Path(sys.argv[1])), end="")
