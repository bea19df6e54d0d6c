"""Linear functionals of next-token scores over examples: exact where affordable, the remaining positions sampled."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import COVERAGE
from implicit_bayes.theory.information.expansion import Expander, Expansion
from implicit_bayes.theory.information.prefixes import ForwardTables
from implicit_bayes.theory.information.ranges import Quantity, score_range
from implicit_bayes.theory.information.sampled_means import mean_interval
from implicit_bayes.theory.information.sampling import PILOT, Draws, draw, sample_size

BUDGET = 2_000_000
"""Merged prefixes affordable on one level, by default."""

ACCURACY = 0.01
"""Relative half-width that the Monte Carlo sample size is chosen for, by default."""

CHUNK = 4096
"""Prefixes sampled at a time."""

DEEPER = 2
"""How many times the budget a level may take where the sample would visit as many prefixes."""

WORK = 1 << 33
"""Logarithms that a sample may take: over a wide vocabulary it is smaller, and its interval wider for it."""

FEWEST = 256
"""Prefixes that are sampled whatever they cost."""


class Scores(NamedTuple):
    """Exact expectations at positions 1..J; samples of all positions where J falls short of the longest length.

    Attributes:
        forward: the laws' tables; law 0 draws the prefixes.
        exact: expected scores at positions 1..J, nats.
        draws: sampled prefixes with their scores; None where J is the longest length.
    """

    forward: ForwardTables
    exact: Expansion
    draws: Draws | None


class Estimate(NamedTuple):
    """Q quantities with their intervals and the work they took.

    Attributes:
        exact: whether they were enumerated (then intervals have zero width). Sampled ones have none only where
            every prefix contributes the same.
        mean: (Q,) in the unit of the quantity; exact where ``exact``.
        low: (Q,) lower ends.
        high: (Q,) upper ends.
        prefixes: merged prefixes that were visited, or prefixes that were drawn.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    exact: bool
    prefixes: int


def collect(
    forward: ForwardTables,
    lengths: Sequence[int],
    quantity: Quantity,
    *,
    seed: int = 0,
    budget: int = BUDGET,
    accuracy: float = ACCURACY,
    closings: bool = False,
    coverage: float = COVERAGE,
    logarithms: float = WORK,
) -> Scores:
    """Expand what ``budget`` allows, then sample the rest in two independent stages.

    The first stage only chooses the size of the second (95% half-width of ``accuracy``, relative, in every finite
    quantity, between ``sampling.LEAST`` and ``sampling.MOST`` prefixes), so the second stage's interval keeps its
    nominal coverage. Levels that are left and have no more prefixes than that sample would visit are expanded too, up
    to ``DEEPER`` times the budget each; where they reach the longest length nothing is sampled.

    Args:
        forward: law 0 is the prompt's.
        lengths: example lengths k wanted.
        quantity: what will be evaluated.
        seed: of the sampling.
        budget: nodes a level.
        accuracy: relative half-width.
        closings: whether the scores of (token k, delimiter) are wanted at every length.
        coverage: of the intervals that the sample size is chosen for.
        logarithms: that the expansion of a level, and the sample, may take; ``FEWEST`` prefixes are always sampled.

    Returns:
        Scores: what was expanded exactly, and the second stage's draws for the positions beyond (None if there are
        none).
    """
    at = tuple(lengths) if closings else ()
    expander = Expander(forward, lengths, at, logarithms)
    exact = expander.within(budget)
    known = len(exact.score)
    if known >= max(lengths):
        return Scores(forward, exact, None)
    generator = np.random.default_rng(seed)
    cost = max(lengths) * forward.n_laws * forward.n_tokens  # logarithms of one prefix
    affordable = max(FEWEST, int(logarithms / cost))
    pilot = draw(forward, max(lengths), min(PILOT, affordable), generator, at)
    count = 0
    for length in lengths:
        if length > known:
            offset = _known_part(exact, length, quantity)
            low, high = score_range(forward, quantity, length, known)
            values = _sampled_part(pilot, known, length, quantity)
            count = max(count, sample_size(values, offset, high - low, accuracy, coverage))
    count = min(count, affordable)
    deeper = min(DEEPER * budget, count * max(lengths))
    if deeper > budget:
        exact = expander.within(deeper)
        if len(exact.score) >= max(lengths):
            return Scores(forward, exact, None)
    del expander  # and with it the last level, which may be as large as the sample
    sizes = [CHUNK] * (count // CHUNK) + ([count % CHUNK] if count % CHUNK else [])
    parts = [draw(forward, max(lengths), size, generator, at) for size in sizes]
    axes = {"tokens": 0, "log_mass": 0, "score": 1, "closing": 1}
    whole = {name: np.concatenate([getattr(part, name) for part in parts], axis) for name, axis in axes.items()}
    return Scores(forward, exact, Draws(**whole))


def evaluate(scores: Scores, length: int, quantity: Quantity, coverage: float = COVERAGE) -> Estimate:
    """The expectation of ``quantity`` over examples of ``length`` tokens; ``coverage`` of its interval, if any.

    Args:
        scores: of ``collect``.
        length: k, at most the longest that was collected.
        quantity: of the (k, N, L) scores and the (1, N, L) closing scores, a value for each prefix.
        coverage: of the interval where prefixes were sampled.

    Returns:
        Estimate, its Q values in the unit of ``quantity``; low = mean = high where everything was expanded.
    """
    exact, known = scores.exact, len(scores.exact.score)
    if length <= known:
        mean = quantity(exact.score[:length, None], exact.closing[None, length - 1])[0]
        return Estimate(mean, mean, mean, True, int(exact.nodes[length - 1]))
    assert scores.draws is not None
    offset = _known_part(exact, length, quantity)
    ends, draws = score_range(scores.forward, quantity, length, known), scores.draws
    values, prefixes = _sampled_part(draws, known, length, quantity), draws.tokens[:, : length - 1]
    mean, low, high = mean_interval(values, prefixes, draws.log_mass[:, length - 2], *ends, coverage)
    return Estimate(offset + mean, offset + low, offset + high, False, len(scores.draws.tokens))


def _known_part(exact: Expansion, length: int, quantity: Quantity) -> np.ndarray:
    padded = np.zeros((length, 1, exact.score.shape[1]))
    padded[: len(exact.score), 0] = exact.score
    scored: np.ndarray = quantity(padded, np.zeros_like(padded[0]))[0]
    return scored


def _sampled_part(draws: Draws, known: int, length: int, quantity: Quantity) -> np.ndarray:
    score = draws.score[:length].copy()
    score[:known] = 0.0
    return quantity(score, draws.closing[length - 1])
