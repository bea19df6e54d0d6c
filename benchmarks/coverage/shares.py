"""Cases of shares and of means of few values."""

from collections.abc import Callable

import numpy as np

from implicit_bayes.benchmarks.common.differences import CLEAR_LEVEL, of_seeds, paired, share_between, unpaired
from implicit_bayes.benchmarks.common.intervals import (
    LEVEL,
    mean_interval,
    paired_difference,
    share_difference,
    wilson,
)
from implicit_bayes.benchmarks.coverage.study import Case
from implicit_bayes.benchmarks.gap.loss import ratio
from implicit_bayes.theory.information.estimates import t_interval
from implicit_bayes.theory.statements.bounds import binomial_interval, bounded_mean_interval

SAMPLES = ((20, 0.5), (20, 0.98), (1000, 0.5), (1000, 0.998))
"""Prompts and true share."""
PAIRS = ((20, 20, 0.98), (20, 1000, 0.98), (300, 1000, 0.5))
"""Prompts of either, and the share of both."""


def _one_share(interval: Callable[[int, int], tuple[float, float]], trials: int, share: float):
    def covers(generator: np.random.Generator) -> bool:
        low, high = interval(int(generator.binomial(trials, share)), trials)
        return low <= share <= high

    return covers


def _of_wilson(successes: int, trials: int) -> tuple[float, float]:
    low, high = wilson(np.array(successes), np.array(trials))
    return float(low), float(high)


def _two_shares(first: int, second: int, share: float, apart: float):
    def covers(generator: np.random.Generator) -> bool:
        a, b = (int(generator.binomial(n, p)) for n, p in ((first, share), (second, share - apart)))
        low, high = share_difference((a, first), (b, second))
        return low <= -apart <= high

    return covers


def _answers(generator: np.random.Generator, prompts: int, share: float, differ: float) -> tuple[np.ndarray, ...]:
    """Two predictors of one accuracy: they differ on a share of the prompts, each right on half of those."""
    kind = generator.choice(4, prompts, p=[share - differ / 2, differ / 2, differ / 2, 1 - share - differ / 2])
    return np.isin(kind, (0, 1)).astype(np.int8), np.isin(kind, (0, 2)).astype(np.int8)


def _paired(prompts: int, share: float, differ: float):
    def covers(generator: np.random.Generator) -> bool:
        a, b = (x > 0 for x in _answers(generator, prompts, share, differ))
        low, high = paired_difference(*(int(x.sum()) for x in (a & b, a & ~b, ~a & b, ~a & ~b)))
        return low <= 0 <= high

    return covers


def _no_alarm_unpaired(first: int, second: int, share: float):
    def covers(generator: np.random.Generator) -> bool:
        return not unpaired(*((int(generator.binomial(n, share)), n) for n in (first, second))).clearly_differs

    return covers


def _no_alarm_paired(prompts: int, share: float, differ: float):
    return lambda generator: not paired(*_answers(generator, prompts, share, differ)).clearly_differs


def _no_alarm_of_seeds(spread: float):
    def covers(generator: np.random.Generator) -> bool:
        runs = [generator.normal(50, scale, 5) for scale in (1.0, spread)]
        a, b = ((float(x.mean()), float(x.std(ddof=1) / np.sqrt(5))) for x in runs)
        return not of_seeds(a, b, 5).clearly_differs

    return covers


def _between(generator: np.random.Generator) -> bool:
    """Two shares measured on the very same prompts, their mean asked for."""
    answers = _answers(generator, 100, 0.9, 0.05)
    low, high = share_between([float(x.mean()) for x in answers], [0.5, 0.5], 100, LEVEL)
    return low <= 0.9 <= high


NORMAL = ("normal", lambda g, n: g.normal(0, 1, n), 0.0)
SKEWED = ("exponential", lambda g, n: g.exponential(1, n), 1.0)


def _student(draw: Callable[[np.random.Generator, int], np.ndarray], mean: float, count: int):
    def covers(generator: np.random.Generator) -> bool:
        x = draw(generator, count)
        low, high = mean_interval(float(x.mean()), float(x.std(ddof=1) / np.sqrt(count)), count)
        return low <= mean <= high

    return covers


def _samples(generator: np.random.Generator) -> bool:
    _, low, high = t_interval(generator.normal(2, 3, (5, 1)))
    return bool((low <= 2 <= high).all())


def _ratio(documents: int):
    """Tokens chosen in proportions that vary from document to document, and with the document's own mean."""

    def covers(generator: np.random.Generator) -> bool:
        share = generator.uniform(0.2, 0.8, documents)
        chosen = generator.random((documents, 200)) < share[:, None]
        value = generator.normal(share[:, None], 1.0, chosen.shape)
        found = ratio(value, chosen)
        return found.low <= (0.36 / 12 + 0.25) / 0.5 <= found.high  # E share^2 / E share

    return covers


def _chernoff(count: int, share: float):
    def covers(generator: np.random.Generator) -> bool:
        found = bounded_mean_interval((generator.random(count) < share) * generator.random(count))
        return found.low <= share / 2 <= found.high

    return covers


def cases() -> list[Case]:
    """Every interval of a share or of a mean, and the tests of differences.

    Returns:
        Cases, each with the coverage it claims and whether that is a guarantee.
    """
    level, clear, found = LEVEL, 1 - CLEAR_LEVEL, []
    for trials, share in SAMPLES:
        words = f"{trials} prompts, share {share:g}"
        found.append(Case("Wilson", words, level, False, _one_share(_of_wilson, trials, share)))
        exact = _one_share(lambda s, t: binomial_interval(s, t)[1:], trials, share)
        found.append(Case("Clopper-Pearson", words, 0.99, True, exact))
        found.append(Case("Chernoff, mean in [0, 1]", words, 0.99, True, _chernoff(trials, share)))
    for first, second, share in PAIRS:
        words = f"{first} and {second} prompts, shares {share:g}"
        found.append(Case("difference of shares (Newcombe)", words, level, False, _two_shares(first, second, share, 0)))
        found.append(Case("“clearly”, unpaired (Fisher)", words, clear, True, _no_alarm_unpaired(first, second, share)))
    words = "60 and 60 prompts, shares 0.95 and 0.7"
    found.append(Case("difference of shares (Newcombe)", words, level, False, _two_shares(60, 60, 0.95, 0.25)))
    for prompts, share, differ in ((20, 0.95, 0.05), (1000, 0.99, 0.004), (1000, 0.6, 0.2)):
        words = f"{prompts} prompts, shares {share:g}, differing on {differ:g}"
        found.append(Case("paired difference (Newcombe)", words, level, False, _paired(prompts, share, differ)))
        found.append(
            Case("“clearly”, paired (sign test)", words, clear, True, _no_alarm_paired(prompts, share, differ))
        )
    for spread in (1.0, 5.0):
        words = f"5 normal trainings each, spreads 1 and {spread:g}"
        found.append(Case("“clearly”, of trainings (t)", words, clear, True, _no_alarm_of_seeds(spread)))
    found.append(Case("mean of two dependent shares", "100 prompts, shares 0.9", level, True, _between))
    for words, draw, mean in (NORMAL, SKEWED):
        for count in (2, 5, 40):
            case = Case("mean of documents (Student)", f"{count} {words} values", level, words == "normal",
                        _student(draw, mean, count))  # fmt: skip
            found.append(case)
    found.append(Case("mean of samples (t_interval)", "5 normal values", level, True, _samples))
    found += [Case("ratio over documents", f"{n} documents", level, False, _ratio(n)) for n in (4, 40)]
    return found
