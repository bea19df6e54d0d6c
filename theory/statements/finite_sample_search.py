"""The best s of each summand of the bounds at finite n, and the exponent: minima of convex functions of one variable.

The logarithm of threshold^s E[odds_n^s | x] is convex in s, so its minimum is the root of its derivative, which the
moments bring along (a root is found to a precision that a minimiser does not reach).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.likelihood_moments import upper_mean
from implicit_bayes.theory.information.moment_levels import Cumulant, log_sum, total
from implicit_bayes.theory.statements.finite_sample_odds import TIE, Odds

LARGEST_S = 1024.0
"""Where the search for s ends."""

ROUNDING = 1e-14
"""Error of a factor's logarithm; bounds are rounded up by it, n times, and by a hundred of it for the rest."""

UNREACHABLE = -1e-9
"""Odds whose largest logarithm is this far below the threshold never reach it (beyond rounding)."""


CLOSE, MOST_STEPS = 1e-9, 100
"""Relative distance at which s is as good as its best: the bounds are flat there, by the square of it."""


class Exponent(NamedTuple):
    """-log inf_{s >= 0} of a later example's factor, nats an example, and the s that attains it.

    Attributes:
        value: 0 where the bound does not improve with n; inf where theta never reaches the odds of theta*.
        s: where the infimum is attained.
    """

    value: float
    s: float


def _best_s(slope: Callable[[np.ndarray, np.ndarray], np.ndarray], count: int, largest: float) -> np.ndarray:
    """(count,) minimisers in [0, largest] of convex functions, by the roots of their derivatives.

    Args:
        slope: (s, index) -> derivatives of the functions with those indices.
        count: how many functions.
        largest: the end of the range; beyond 1 it grows until the derivative is positive, up to ``LARGEST_S``.
    """
    every, most, end = np.arange(count), min(largest, LARGEST_S), np.full(count, min(largest, 1.0))
    at_0, at_end = slope(np.zeros(count), every), slope(end, every)
    while (falling := np.flatnonzero((at_end < 0) & (end < most))).size:
        end[falling] = np.minimum(2.0 * end[falling], most)
        at_end[falling] = slope(end[falling], falling)
    s = np.where(at_0 >= 0, 0.0, end)
    if (inside := np.flatnonzero((at_0 < 0) & (at_end >= 0))).size:
        s[inside] = _roots(lambda s, index: slope(s, inside[index]), end[inside], at_0[inside], at_end[inside])
    return s


def _roots(
    rises: Callable[[np.ndarray, np.ndarray], np.ndarray], end: np.ndarray, at_0: np.ndarray, at_end: np.ndarray
) -> np.ndarray:
    """Roots of increasing functions in [0, ``end``], to CLOSE of themselves, by the method of Chandrupatla (1997).

    Between the last three points inverse quadratic interpolation where it is monotone there, else bisection. (scipy's
    ``find_root`` asks for both ends again, a third of all evaluations, and takes a quarter of a second to import.)

    Args:
        rises: (x, index) -> values of the functions with those indices.
        end: where the ranges end.
        at_0: values at 0, below 0.
        at_end: values at the ends, at least 0.
    """
    root, todo = end.copy(), np.arange(len(end))
    (a, f_a), (b, f_b) = (end, at_end), (np.zeros(len(end)), at_0)
    t = np.full(len(end), 0.5)
    for _ in range(MOST_STEPS):
        x = a + t * (b - a)
        f = rises(x, todo)
        same = (f >= 0) == (f_a >= 0)
        c, f_c = np.where(same, a, b), np.where(same, f_a, f_b)
        b, f_b = np.where(same, b, a), np.where(same, f_b, f_a)
        a, f_a = x, f
        nearest = np.where(np.abs(f_a) < np.abs(f_b), a, b)
        root[todo] = nearest
        least = 0.5 * CLOSE * nearest / np.abs(b - a)
        on = (least < 0.5) & (np.minimum(np.abs(f_a), np.abs(f_b)) > 0)
        if not on.any():
            break
        a, b, c, f_a, f_b, f_c, least, todo = (each[on] for each in (a, b, c, f_a, f_b, f_c, least, todo))
        with np.errstate(divide="ignore", invalid="ignore"):
            xi, phi = (a - b) / (c - b), (f_a - f_b) / (f_c - f_b)
            bent = f_a / (f_b - f_a) * f_c / (f_b - f_c) + (c - a) / (b - a) * f_a / (f_c - f_a) * f_b / (f_c - f_b)
        t = np.clip(np.where((phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi), bent, 0.5), least, 1 - least)
    return root


def exponent(odds: Odds, a: int, largest_s: float = math.inf) -> Exponent:
    """F3's exponent of the a-th theta; with ``largest_s`` = 1 that of F1.

    Args:
        odds: of one start law.
        a: theta, by its place.
        largest_s: the search goes no further.

    Returns:
        -log inf_s M(s), nats an example, and the s that attains it.
    """
    if odds.lost[1]:
        return Exponent(0.0, 0.0)
    if largest_s == math.inf and odds.largest(a)[1] < UNREACHABLE:
        return Exponent(math.inf, math.inf)
    chosen = odds if odds.pilot is None else odds.pilot
    s = _best_s(lambda s, _: chosen.later(a, s).slope, 1, largest_s)
    value = -float(odds.values(a, s)[1][0])
    return Exponent(0.0 if value < TIE else value, float(s[0]))


class Factors(NamedTuple):
    """What does not depend on n, at (S,) exponents s: logarithms of the factors of a first example, of a later one and
    of the test inputs together; upper ends where examples were sampled.

    Attributes:
        s: (S,) powers.
        first: (S,) nats.
        later: (S,) nats an example.
        of_x: (S,) nats.
    """

    s: np.ndarray
    first: np.ndarray
    later: np.ndarray
    of_x: np.ndarray


class Summand:
    """log of ( threshold(x)^s E[odds_n(theta)^s | x] p(x) ) of the a-th theta as a function of s, n and x.

    Args:
        odds: the factors.
        a: which theta; for ``best`` also (I,), one for each of its pairs.
        log_threshold_N: of every class of x; not finite where x does not count.
    """

    def __init__(self, odds: Odds, a: int | np.ndarray, log_threshold_N: np.ndarray):
        self.odds, self.a, self.counted_N = odds, a, np.isfinite(log_threshold_N)
        self.log_threshold_N = np.where(self.counted_N, log_threshold_N, 0.0)

    def inputs(self, s: np.ndarray, raw: Cumulant) -> Cumulant:
        """(S, N) the factors of x with their thresholds.

        Args:
            s: (S,) powers, one for each a where they are many.
            raw: ``Odds.inputs`` of the same s.

        Returns:
            Cumulant: logarithms, nats, and derivatives in s; -inf for x that are not counted.
        """
        return Cumulant(self.weighed(s, raw.value), raw.slope + self.log_threshold_N)

    def weighed(self, s: np.ndarray, value_SxN: np.ndarray) -> np.ndarray:
        """(S, N) logarithms of the factors of x with their thresholds.

        Args:
            s: (S,) powers.
            value_SxN: logarithms without the thresholds.

        Returns:
            (S, N) nats; -inf for x that are not counted.
        """
        logs: np.ndarray = np.where(self.counted_N, value_SxN + s[:, None] * self.log_threshold_N, -np.inf)
        return logs

    def best(self, later_I: np.ndarray, inputs_I: np.ndarray | None, largest_s: float) -> tuple[np.ndarray, np.ndarray]:
        """(I,) the smallest log over s for pairs of n and x (without ``inputs_I`` all x), and ``settled``.

        Args:
            later_I: n - 1 of every pair.
            inputs_I: its class of x; None: all x together.
            largest_s: the search goes no further.

        Returns:
            ((I,) log summands, nats; (I,) whether it can only fall from this n on).
        """

        def pick(parts_SxN: Cumulant, index: np.ndarray) -> Cumulant:
            if inputs_I is None:
                return total(parts_SxN)
            return Cumulant(*(part[np.arange(len(index)), inputs_I[index]] for part in parts_SxN))

        def slope(s: np.ndarray, index: np.ndarray) -> np.ndarray:
            a = self.a[index] if isinstance(self.a, np.ndarray) and self.a.ndim else self.a
            first, later, raw = self.odds.slopes(a, s)
            common = self.odds.log_prior_A[a] + first
            slope: np.ndarray = common + later_I[index] * later + pick(self.inputs(s, raw), index).slope
            return slope

        every = np.arange(len(later_I))
        s = _best_s(slope, len(every), largest_s)
        first, later, inputs = self.odds.values(self.a, s)
        parts = self.weighed(s, inputs)
        of_x = log_sum(parts) if inputs_I is None else parts[every, inputs_I]
        return self._at(Factors(s=s, first=first, later=later, of_x=of_x), later_I)

    def factors(self, s_G: np.ndarray) -> Factors:
        """Everything at the given s, in one pass over the examples, for ``best_of``.

        Args:
            s_G: (G,) powers.

        Returns:
            Factors at the G powers, nats; the upper 95% end for x where inputs were sampled.
        """
        first, later, inputs = self.odds.values(self.a, s_G)
        parts = self.weighed(s_G, inputs)
        of_x = upper_mean(parts) if self.odds.sampled_inputs else log_sum(parts)
        return Factors(s=s_G, first=first, later=later, of_x=of_x)

    def best_of(self, factors: Factors, later_I: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(I,) the smallest log over the s of ``factors`` for every n and all x; upper ends where sampled.

        Args:
            factors: at the powers tried.
            later_I: n - 1.

        Returns:
            As ``best`` for all x together: ((I,) nats, (I,) whether it can only fall from this n on).
        """
        value_GxI, falls_Gx1 = self._at(Factors(*(each[:, None] for each in factors)), later_I)
        at_I = value_GxI.argmin(0)
        return value_GxI[at_I, np.arange(len(later_I))], falls_Gx1[at_I, 0]

    def _at(self, factors: Factors, later_I: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        s, first, later, of_x = factors
        grown = np.where(later_I > 0, later_I * np.where(later_I > 0, later, 0.0), 0.0)
        value = s * self.odds.log_prior_A[self.a] + first + grown + of_x + ROUNDING * (100.0 + later_I)
        return value, (later < -ROUNDING) | (s == 0.0) | (first == -np.inf) | (of_x == -np.inf)

    def unreachable(self, later_I: np.ndarray, inputs_I: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """(I,) whether no prompt brings the odds up to the threshold, and whether more examples only lower them.

        Args:
            later_I: n - 1 of every pair.
            inputs_I: its class of x; None: all x together.

        Returns:
            Two (I,) boolean arrays; where the first is True the summand is exactly 0.
        """
        first, later, reach_N = self.odds.largest(int(self.a))
        most_N = np.where(self.counted_N, reach_N + self.log_threshold_N, -np.inf)
        most = np.full(len(later_I), most_N.max()) if inputs_I is None else most_N[inputs_I]
        grown = np.where(later_I > 0, later_I * max(later, -1e200), 0.0)
        stays = (most == -np.inf) | (later < -ROUNDING)
        return self.odds.log_prior_A[self.a] + first + grown + most < UNREACHABLE, stays
