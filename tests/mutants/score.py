"""What a run of mutants came to: the share killed with its interval, and the survivors that nobody has explained."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from implicit_bayes.benchmarks.common.intervals import wilson

EXPLAINED = Path(__file__).parent / "explained.toml"
DEAD = ("killed", "timeout")


class Score(NamedTuple):
    """killed of run, without the equivalent ones; low, high: its 95% Wilson interval.

    A sample of the same share of every file is a stratified one: Wilson's interval is then no narrower than it ought.
    equivalent: survivors that compute the same, by ``explained.toml``.   left: the other survivors.
    errors: mutants whose tests could not be run.
    """

    killed: int
    run: int
    low: float
    high: float
    equivalent: list[dict[str, Any]]
    left: list[dict[str, Any]]
    errors: int

    @property
    def words(self) -> str:
        """In one line."""
        return (
            f"killed {self.killed} of {self.run} mutants, {100 * self.killed / max(self.run, 1):.1f}% "
            f"[{100 * self.low:.1f}, {100 * self.high:.1f}]; {len(self.equivalent)} equivalent ones are not counted, "
            f"{len(self.left)} survive, {self.errors} could not be run"
        )


def explanations() -> dict[str, str]:
    """Why each survivor on the list computes the same, by its key."""
    stored = tomllib.loads(EXPLAINED.read_text())
    return {f"{row['file']}: {row['before']} -> {row['after']}": row["why"] for row in stored["mutant"]}


def score(rows: Sequence[dict[str, Any]]) -> Score:
    """Of results as ``run.work`` writes them."""
    why = explanations()
    survivors = [row for row in rows if row["outcome"] == "survived"]
    equivalent = [row for row in survivors if row["key"] in why]
    left = [row for row in survivors if row["key"] not in why]
    killed = sum(row["outcome"] in DEAD for row in rows)
    total = killed + len(left)
    low, high = (float(end) for end in wilson(np.array(killed), np.array(total)))
    errors = sum(row["outcome"] == "error" for row in rows)
    return Score(killed, total, low, high, equivalent, left, errors)
