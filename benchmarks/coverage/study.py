"""What a coverage study is, and how one is run.

A case repeats one measurement with fresh random numbers and counts how often its interval holds the truth, which is
known exactly. The share is binomial: its own Clopper-Pearson interval (99%) says what the simulation can tell.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.statements.bounds import binomial_interval


class Case(NamedTuple):
    """One kind of interval or test in one situation, ready to be simulated.

    Attributes:
        kind: of interval or test.
        setting: in words.
        nominal: coverage that is claimed.
        guaranteed: whether it is claimed at every sample size, or only in a limit.
        covers: asked with a generator, whether the interval of one repetition holds the truth (for a test: no false
            alarm).
        share: of the repetitions that are asked for; 1 for what takes milliseconds.
    """

    kind: str
    setting: str
    nominal: float
    guaranteed: bool
    covers: Callable[[np.random.Generator], bool]
    share: float = 1.0


class CoverageRow(NamedTuple):
    """What a case came to.

    Attributes:
        kind: of interval or test.
        setting: in words.
        nominal: coverage that is claimed.
        guaranteed: whether it is claimed at every sample size, or only in a limit.
        covered: share of ``runs`` whose interval held the truth.
        low: lower end of the 99% interval of the true coverage.
        high: its upper end.
        runs: repetitions.
    """

    kind: str
    setting: str
    nominal: float
    guaranteed: bool
    covered: float
    low: float
    high: float
    runs: int

    @property
    def verdict(self) -> str:
        """Whether the interval of the coverage lies below the nominal one, at or above it, or on both sides."""
        return "below" if self.high < self.nominal else "at least" if self.low >= self.nominal else "in doubt"


def repetitions(case: Case, runs: int) -> int:
    """A case's own share of the repetitions that are asked for, at least one.

    Args:
        case: what is repeated.
        runs: repetitions that are asked for.

    Returns:
        A number of simulated data sets.
    """
    return max(1, round(runs * case.share))


def run(case: Case, runs: int, seed: int) -> CoverageRow:
    """Repeat a case.

    Args:
        case: what to repeat.
        runs: repetitions, before the case's own share of them.
        seed: repetition i has the generator of (seed, i), so that more repetitions go on where fewer stopped.

    Returns:
        CoverageRow: share of the repetitions that the interval covered or the test let pass, with its own 99% interval.
    """
    count = repetitions(case, runs)
    covered = sum(bool(case.covers(np.random.default_rng((seed, i)))) for i in range(count))
    found = binomial_interval(covered, count)
    return CoverageRow(
        kind=case.kind, setting=case.setting, nominal=case.nominal, guaranteed=case.guaranteed,
        covered=found.value, low=found.low, high=found.high, runs=count,
    )  # fmt: skip


def failed(rows: Sequence[CoverageRow]) -> list[CoverageRow]:
    """Rows whose guarantee the simulation contradicts.

    Returns:
        A part of ``rows``; those that are only claimed of large samples are never among them.
    """
    return [row for row in rows if row.guaranteed and row.verdict == "below"]
