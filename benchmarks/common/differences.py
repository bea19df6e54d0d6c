"""Whether two shares clearly differ: exact tests of one stated level, and what is shown of a difference.

"Clearly" means p < CLEAR_LEVEL, two-sided. Each test's level is at most CLEAR_LEVEL whatever the true shares are, near
0 and 100% and on few prompts too, because it is conditional and exact, without a normal limit:

    unpaired    Fisher's test: given their sum, one count is hypergeometric where the shares are equal
    paired      sign test (McNemar's, exact): of the prompts on which only one is right, half are each one's
    of seeds    Student's t with the degrees of freedom of the smaller sample, for means of normal values (the published
                accuracies are known as means with intervals only)

Three standard errors in place of these give false alarms of up to 40%: at a share near 1 a sample of 20 has none.

Source: Fisher 1935; McNemar 1947; Mickey & Brown 1966, Annals of Mathematical Statistics 37 (the t test's level).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from implicit_bayes.benchmarks.common.intervals import errors, paired_difference, share_difference
from implicit_bayes.theory.statements.bounds import binomial_interval

CLEAR_LEVEL = 0.0027
"""Level of every comparison that is called clear: what three standard errors have for normal values."""
LEAST = 20
"""Differences and points over fewer prompts than this are left out."""


class Difference(NamedTuple):
    """Second less first, in percentage points.

    Attributes:
        points: the difference; nan where fewer than LEAST prompts bear on it.
        low, high: its 95% interval.
        p_value: of the exact test of no difference (1 where there is none).
        prompts: of the smaller sample.
    """

    points: float
    low: float
    high: float
    p_value: float
    prompts: int

    @property
    def clearly_differs(self) -> bool:
        """Whether it is distinguished from 0 at level CLEAR_LEVEL."""
        return self.p_value < CLEAR_LEVEL

    @property
    def words(self) -> str:
        """+3.2 [1.1, 5.2]."""
        return f"{self.points:+.1f} [{self.low:.1f}, {self.high:.1f}]" if math.isfinite(self.points) else "–"


NONE = Difference(math.nan, -math.inf, math.inf, 1.0, 0)


def unpaired(first: tuple[int, int], second: tuple[int, int]) -> Difference:
    """Two shares of independent prompts.

    Args:
        first, second: (right, prompts).

    Returns:
        Difference in percentage points, with Newcombe's interval and Fisher's exact p-value.
    """
    from scipy.stats import fisher_exact  # a quarter of a second that one table does not need

    count = min(first[1], second[1])
    if not count:
        return NONE
    table = [[right, prompts - right] for right, prompts in (first, second)]
    low, high = share_difference(first, second)
    points = second[0] / second[1] - first[0] / first[1]
    return Difference(100 * points, 100 * low, 100 * high, float(fisher_exact(table).pvalue), count)


def paired(first_P: np.ndarray, second_P: np.ndarray) -> Difference:
    """Two answers to the same prompts, over those that both answer.

    Args:
        first_P, second_P: 1 right, 0 wrong, -1 no answer.

    Returns:
        Difference; nan over fewer than LEAST prompts.
    """
    from scipy.stats import binomtest  # as above

    answered = (first_P >= 0) & (second_P >= 0)
    first, second = first_P[answered] > 0, second_P[answered] > 0
    count = int(answered.sum())
    if count < LEAST:
        return NONE._replace(prompts=count)
    both, lost, won = (int(x.sum()) for x in (first & second, first & ~second, ~first & second))
    low, high = paired_difference(both, lost, won, count - both - lost - won)
    apart = won + lost
    p_value = float(binomtest(won, apart).pvalue) if apart else 1.0
    return Difference(100 * (won - lost) / count, 100 * low, 100 * high, p_value, count)


def of_seeds(first: tuple[float, float], second: tuple[float, float], runs: int) -> Difference:
    """Two means over ``runs`` trainings each.

    Args:
        first, second: (mean, standard error), in percent.
        runs: trainings of each.

    Returns:
        Difference in percentage points, with Student's interval and p-value at ``runs`` - 1 degrees of freedom.
    """
    points, error = second[0] - first[0], math.hypot(first[1], second[1])
    if error == 0.0:
        return Difference(points, points, points, float(points == 0), runs)
    half = errors(runs) * error
    p_value = 2 * float(stdtr(runs - 1, -abs(points) / error))
    return Difference(points, points - half, points + half, p_value, runs)


def share_between(shares: Sequence[float], weights: Sequence[float], prompts: int, level: float) -> tuple[float, float]:
    """Interval of a weighted mean of true shares, each measured on ``prompts`` prompts, the same or others.

    Each share has its Clopper-Pearson interval at the level 1 - (1 - level) / m, so that all m hold at once with
    probability ``level``, however the shares depend on each other.

    Args:
        shares: m measured shares, 0 to 1.
        weights: (m,) of the mean, none negative.
        prompts: behind each share.
        level: probability with which the interval holds the mean of the true shares, at least.

    Returns:
        (low, high), shares.
    """
    each = 1 - (1 - level) / len(shares)
    ends = [binomial_interval(round(share * prompts), prompts, each)[1:] for share in shares]
    low, high = (float(np.dot(weights, side)) for side in zip(*ends, strict=True))
    return low, high


def count_clear(differences: Sequence[Difference]) -> tuple[int, int]:
    """How many are clearly above and how many clearly below 0.

    Returns:
        (above, below); what is not clear is in neither.
    """
    clearly = [each.points for each in differences if each.clearly_differs]
    return sum(points > 0 for points in clearly), sum(points < 0 for points in clearly)
