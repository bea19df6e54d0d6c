"""The README's words on a reproduction, from what DIR stores: ``python -m benchmarks.readme DIR``."""

import sys
from pathlib import Path

from benchmarks import findings
from benchmarks.cells import Store


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
    journal = Store(directory).journal()
    spent = sum(row["cpu_seconds"] for row in journal) / 60
    begun = min((row["time"] - row["seconds"] for row in journal), default=0.0)
    took = (max((row["time"] for row in journal), default=0.0) - begun) / 60
    times = f"{len(journal)} cells, {spent:.0f} CPU minutes, {took:.0f} minutes from first to last"
    return f"`{about['command']}` ({times}):\n\n| experiment | paper | here |\n|---|---|---|\n{rows}"


if __name__ == "__main__":
    print(summary(Path(sys.argv[1])), end="")
