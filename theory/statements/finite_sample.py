"""Theorem 1 at finite n: how many examples are enough, sharp and repaired.

    F1  E[1 - w_n(theta*)]  <= sum_theta min_{0 <= s <= 1} E[odds_n(theta)^s]
    F2  P( f_n(x) != y_test ) <= P( Delta*(x) <= 0 )
                                 + E_x sum_theta min_{s >= 0} ( (C-1)/Delta*(x) )^s E[odds_n(theta)^s | x]
    F3  sharp, rate < 0: the exponent of F2, -log inf_{s >= 0} M_theta(s) nats an example, is the true one (Cramer);
        that of F1 is so with s <= 1.

w_n is the posterior, f_n the answer, Delta*(x) = min_d [p(y_test | x, d, theta*) - max_{y != y_test} p(y | x, d,
theta*)]. Each step of the proofs is a function of ``statements.finite_sample_steps``. The logarithm of each summand is
convex in s, so the best s is the root of its derivative; whatever s is found, the bound holds. Where test inputs are
few (after merging) s is chosen for each of them, else one s serves all.

n(delta) is the smallest n at which F2 is at most delta and stays so: at the chosen s every factor by which one more
example multiplies its summand is at most 1.

Source: docs/theory, "How many examples are enough".
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.moment_graphs import BUDGET
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.bounds import binomial_interval
from implicit_bayes.theory.statements.finite_sample_odds import TIE, Odds, Version, odds_moments
from implicit_bayes.theory.statements.finite_sample_search import (
    LARGEST_S,
    ROUNDING,
    Exponent,
    Factors,
    Summand,
    exponent,
)

DELTAS = (0.1, 0.01, 0.001)
"""Error probabilities for which n(delta) is reported."""

MOST_AT_ONCE = 2_000_000
"""Edges that one search for s works on together, over all thetas, n and inputs."""

FEW_INPUTS, FEW_EDGES = 64, 200_000
"""Up to this many merged test inputs, and (inputs x edges of the later examples' graph), s is chosen for each input."""

LARGEST_N = 2**30
"""Where the search for n ends."""

PARTS = 16
"""In how many parts a step of that search divides what is left: numbers asked together cost little more than one."""


class Bound(NamedTuple):
    """An upper bound on an expected weight or a probability of error, at several numbers of examples.

    Attributes:
        ns: (P,) numbers of examples.
        value: (P,) the bound, at most 1.
        settled: (P,) whether it can only fall from there on: then it is shown to stay below its value.
    """

    ns: np.ndarray
    value: np.ndarray
    settled: np.ndarray


def _log_threshold(odds: Odds) -> np.ndarray:
    """(N,) log((C - 1)/Delta*(x)); nan where theta* itself may be wrong."""
    margin_N = np.where(odds.margin_N > TIE, odds.margin_N, np.nan)
    logs: np.ndarray = np.log(max(len(odds.concepts), 1)) - np.log(margin_N)
    return logs


def weight_bound(odds: Odds, ns: Sequence[int]) -> Bound:
    """F1 at every n >= 1 of ``ns``.

    Args:
        odds: moments of every theta's odds, under one start law.
        ns: numbers of examples.

    Returns:
        Bound on E[1 - w_n(theta*)], at most 1.
    """
    return _f1(odds)(ns)


def error_bound(odds: Odds, ns: Sequence[int]) -> Bound:
    """F2 at every n >= 1 of ``ns``.

    Args:
        odds: moments of every theta's odds, under one start law.
        ns: numbers of examples.

    Returns:
        Bound on P(f_n(x) != y_test), at most 1.
    """
    return _f2(odds)(ns)


def _f1(odds: Odds, exponents: Mapping[int, Exponent] | None = None) -> "_BoundOfN":
    return _BoundOfN(odds, np.zeros(len(odds.mass_N)), 1.0, exponents)


def _f2(odds: Odds, exponents: Mapping[int, Exponent] | None = None) -> "_BoundOfN":
    return _BoundOfN(odds, _log_threshold(odds), math.inf, exponents)


class _BoundOfN:
    """A bound as a function of n; what does not depend on n is worked out once.

    Args:
        odds: the factors.
        log_threshold_N: nats, of every class of test inputs.
        largest_s: of any power.
        exponents: ``exponent`` of every theta, by concept, if the caller has them.
    """

    def __init__(
        self,
        odds: Odds,
        log_threshold_N: np.ndarray,
        largest_s: float,
        exponents: Mapping[int, Exponent] | None = None,
    ):
        self.odds, self.log_threshold_N, self.largest_s = odds, log_threshold_N, largest_s
        self.summands = [Summand(odds, a, log_threshold_N) for a in range(len(odds.concepts))]
        known = dict(exponents or {})

        @functools.cache
        def factors(a: int) -> Factors:
            best = known[odds.concepts[a]] if known else exponent(odds, a)
            return self.summands[a].factors(_few_s(odds, a, largest_s, best))

        self.factors = factors

    def __call__(self, ns: Sequence[int]) -> Bound:
        odds, ns_N = self.odds, np.asarray(ns)
        counted_N, exact = np.isfinite(self.log_threshold_N), odds.pilot is None
        size = len(odds.mass_N) if _one_s_for_each_input(odds) else 1
        sums, settled = np.zeros((len(ns_N), size)), np.ones(len(ns_N), dtype=bool)
        at_n, at_x = (x.reshape(-1) for x in np.indices((len(ns_N), size)))
        later_I, inputs_I = ns_N[at_n] - 1.0, at_x if size > 1 else None
        searched = exact and odds.later_graph.edges <= FEW_EDGES // 8
        found = _searched(odds, self.log_threshold_N, later_I, inputs_I, self.largest_s) if searched else None
        for a, summand in enumerate(self.summands):
            if found is not None:
                value, falls = found[0][a], found[1][a]
            else:
                value, falls = summand.best_of(self.factors(a), later_I)
            if exact and self.largest_s == math.inf:
                never, more = summand.unreachable(later_I, inputs_I)
                value, falls = np.where(never, -np.inf, value), np.where(never, more, falls)
            sums += np.exp(np.minimum(value, 1.0)).reshape(sums.shape)
            settled &= falls.reshape(sums.shape).all(1)
        ceiling = np.where(counted_N, odds.mass_N, 0.0)
        value = _lost(odds, ~counted_N) + np.minimum(sums, ceiling if size > 1 else ceiling.sum()).sum(1)
        return Bound(ns_N, np.minimum(value * (1.0 + 100.0 * ROUNDING), 1.0), settled)


def _searched(
    odds: Odds, log_threshold_N: np.ndarray, later_I: np.ndarray, inputs_I: np.ndarray | None, largest_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """(A, I) ``Summand.best`` of every theta, as many thetas in one search as fit in MOST_AT_ONCE edges."""
    thetas, size = np.arange(len(odds.concepts)), len(later_I)
    value, falls = np.empty((len(thetas), size)), np.empty((len(thetas), size), dtype=bool)
    together = max(1, MOST_AT_ONCE // max(1, size * odds.later_graph.edges))
    for begin in range(0, len(thetas), together):
        part = thetas[begin : begin + together]
        summand = Summand(odds, np.repeat(part, size), log_threshold_N)
        x = None if inputs_I is None else np.tile(inputs_I, len(part))
        best = summand.best(np.tile(later_I, len(part)), x, largest_s)
        value[part], falls[part] = (each.reshape(len(part), size) for each in best)
    return value, falls


def _one_s_for_each_input(odds: Odds) -> bool:
    """Whether inputs are few enough for that."""
    count = len(odds.mass_N)
    return odds.pilot is None and count <= FEW_INPUTS and count * odds.later_graph.edges <= FEW_EDGES


def _few_s(odds: Odds, a: int, largest_s: float, best: Exponent) -> np.ndarray:
    """Where a pass over the graph costs much, a few s for all n: around the exponent's, which is best for large n.

    A convex function that is least at ``best`` is least at the nearest end of [0, ``largest_s``], where that leaves
    ``best`` out. Where examples were sampled only one s, found on the pilot sample, so that no choice is made on the
    sample: that ``best`` is infinite was seen there, and says nothing of where a shorter range is to end.
    """
    if odds.pilot is not None and best.s > LARGEST_S:
        best = exponent(odds, a, largest_s)
    s = min(best.s, largest_s, LARGEST_S)
    if odds.pilot is not None:
        return np.array([s])
    return np.linspace(0.0, min(2.0 * s if s > 0 else 1.0, largest_s), 33)


def _lost(odds: Odds, lost_N: np.ndarray) -> float:
    """P(Delta* <= 0); where test inputs were sampled the upper end of its 99% interval."""
    if odds.sampled_inputs:
        return binomial_interval(int(lost_N.sum()), len(lost_N)).high
    return float(odds.mass_N[lost_N].sum())


def enough(bound: Callable[[Sequence[int]], Bound], delta: float) -> int | None:
    """n(delta): the smallest n from which the bound is shown to be and to stay at most delta; None if there is none.

    Args:
        bound: of any numbers of examples.
        delta: the error allowed.

    Returns:
        A number of examples, at most ``LARGEST_N``, or None.
    """

    def good(ns: Sequence[int]) -> np.ndarray:
        found = bound(ns)
        enough_P: np.ndarray = (found.value <= delta) & found.settled
        return enough_P

    ladder = [2**i for i in range(LARGEST_N.bit_length())]
    passing = np.flatnonzero(good(ladder))
    if not passing.size:
        return None
    high: int = ladder[passing[0]]
    low = high // 2  # too few
    while high - low > 1:
        between = sorted({low + (high - low) * i // PARTS for i in range(1, PARTS)} - {low})
        passing = np.flatnonzero(good(between))
        at = int(passing[0]) if passing.size else len(between)
        low, high = ([low, *between, high][at + i] for i in (0, 1))
    return high


@dataclasses.dataclass(frozen=True)
class StartLaw:
    """The bounds under one start law of the prompt: a prompt keeps one for all its examples.

    Attributes:
        odds: the factors, or words: why the bound says nothing.
        exponents: for every theta, by concept.
    """

    odds: Odds | str
    exponents: dict[int, Exponent]

    @functools.cached_property
    def weight(self) -> Callable[[Sequence[int]], Bound]:
        """n -> F1, or 1 where the bound says nothing."""
        return nothing if isinstance(self.odds, str) else _f1(self.odds, self.exponents)

    @functools.cached_property
    def error(self) -> Callable[[Sequence[int]], Bound]:
        """n -> F2, or 1 where the bound says nothing."""
        return nothing if isinstance(self.odds, str) else _f2(self.odds, self.exponents)


def nothing(ns: Sequence[int]) -> Bound:
    """The bound 1.

    Returns:
        Bound of value 1 at every n, not settled: it may come to say something later.
    """
    return Bound(np.asarray(ns), np.ones(len(ns)), np.zeros(len(ns), dtype=bool))


def start_law(
    mixture: MixtureOfHMMs, law: PromptLaw, true_concept: int, version: Version, *, seed: int = 0, budget: int = BUDGET
) -> StartLaw:
    """Factors and exponents under one start law; see ``finite_sample_odds.odds_moments``.

    Args:
        mixture: the pretraining law.
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        true_concept: index of theta*.
        version: "sharp" or "repaired".
        seed: of whatever is sampled.
        budget: prefixes that the enumeration may hold.

    Returns:
        The odds' moments and exponents, or the reason for which there are none.
    """
    odds = odds_moments(mixture, law, true_concept, version, seed=seed, budget=budget)
    if isinstance(odds, str):
        return StartLaw(odds, {})
    return StartLaw(odds, {c: exponent(odds, a) for a, c in enumerate(odds.concepts)})
