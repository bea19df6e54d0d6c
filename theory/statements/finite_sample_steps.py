"""The steps from the moments of the odds to F1 and F2, each an inequality (or equality) that can be checked.

Write odds_n(theta) = w_n(theta)/w_n(theta*) for the posterior w_n given (S_n, x).

1. **Weight.** 1 - w_n(theta*) = sum odds / (1 + sum odds) <= sum_theta min(1, odds_n(theta)).
2. **Power.** min(1, r) <= r^s for r >= 0 and 0 <= s <= 1 (s = 0 as the limit from above: 1 where r > 0, 0 where r = 0).
3. **Factorisation.** E[odds_n^s | x] is a product over independent examples (``conditional_moment``).
4. **From odds to argmax.** A wrong answer needs sum_{theta != theta*} w_n(theta) >= w_n(theta*) Delta*(x), so some
   odds_n(theta) >= Delta*(x)/(C - 1). Proof: if y beats y_test then sum_theta w_n(theta) [p(y|theta) -
   p(y_test|theta)] >= 0; for theta* the bracket is at most -Delta*(x), for the C - 1 others at most 1.
5. **Markov.** P(r >= t) <= t^-s E r^s for s >= 0.

F1 is 1, 2, 3 summed over theta; F2 is 4, 5, 3, averaged over x with Delta*(x) > 0, plus the mass of the other x.
Source: docs/theory, "How many examples are enough".
"""

import numpy as np

from implicit_bayes.theory.information.moment_levels import log_sum
from implicit_bayes.theory.statements.finite_sample_odds import Odds
from implicit_bayes.theory.statements.repaired import Sides


def lost_weight(odds_PxA: np.ndarray) -> Sides:
    """Step 1: 1 - w_n(theta*) on the left, sum_theta min(1, odds) on the right; odds may be inf.

    Args:
        odds_PxA: odds of every theta against theta* on P prompts.

    Returns:
        Sides of shape (P,), probabilities; left <= right is the claim.
    """
    infinite = (odds_PxA == np.inf).any(-1)
    sums = np.where(infinite, 0.0, odds_PxA.sum(-1))
    left = np.where(infinite, 1.0, sums / (1.0 + sums))
    return Sides(left, np.minimum(odds_PxA, 1.0).sum(-1), np.ones(left.shape, dtype=bool))


def power(log_odds: np.ndarray, s: float) -> Sides:
    """Step 2, in logarithms: log min(1, r) on the left, s log r on the right.

    Args:
        log_odds: log r, nats.
        s: a power in [0, 1].

    Returns:
        Sides in nats; left <= right is the claim, for every s in [0, 1].
    """
    right = np.where(log_odds == -np.inf, -np.inf, s * np.where(np.isfinite(log_odds), log_odds, 0.0))
    right = np.where(log_odds == np.inf, np.inf if s > 0 else 0.0, right)
    return Sides(np.minimum(log_odds, 0.0), right, np.ones(np.shape(log_odds), dtype=bool))


def conditional_moment(odds: Odds, a: int, n: int, s: float) -> np.ndarray:
    """Step 3: (N,) log of E[odds_n(theta)^s; x in class], the a-th theta; an upper bound of it where repaired.

    Their sum over classes is E[odds_n(theta)^s]: ``moment``.

    Args:
        odds: of one start law.
        a: theta, by its place.
        n: examples, at least 1.
        s: the power.

    Returns:
        (N,) nats, one for each class of test inputs.
    """
    at = np.array([s])
    later = odds.later(a, at).value[0] if n > 1 else 0.0
    common = s * odds.log_prior_A[a] + odds.first(a, at).value[0] + (n - 1) * later
    exponents: np.ndarray = common + odds.inputs(a, at).value[0]
    return exponents


def moment(odds: Odds, a: int, n: int, s: float) -> float:
    """log E[odds_n(theta)^s], or its upper bound where repaired.

    Args:
        odds: of one start law.
        a: theta, by its place.
        n: examples, at least 1.
        s: the power.

    Returns:
        Nats.
    """
    parts = conditional_moment(odds, a, n, s)[None]
    return float(log_sum(parts)[0])


def wrong_answer(weight_PxC: np.ndarray, law_PxCxV: np.ndarray, true: int, answer_P: np.ndarray) -> Sides:
    """Step 4: 1 where the mixture's argmax is not ``answer`` (ties are wrong), against whether some odds reach
    Delta*/(C - 1), as 1 or 0; ``defined`` where Delta* > 0.

    Args:
        weight_PxC: posteriors.
        law_PxCxV: every concept's predictive.
        true: theta*.
        answer_P: y_test.

    Returns:
        Sides of shape (P,), 0 or 1; left <= right where defined is the claim.
    """
    mixed_PxV = np.einsum("pc,pcv->pv", weight_PxC, law_PxCxV)
    rows = np.arange(len(answer_P))

    def lead(scores_PxV: np.ndarray) -> np.ndarray:
        rest = scores_PxV.copy()
        rest[rows, answer_P] = -np.inf
        margins: np.ndarray = scores_PxV[rows, answer_P] - rest.max(-1)
        return margins

    margin_P = lead(law_PxCxV[:, true])
    others_PxC = np.delete(weight_PxC, true, 1)
    limit_P = weight_PxC[:, true] * margin_P / max(others_PxC.shape[1], 1)
    reached = (others_PxC >= limit_P[:, None]).any(1)
    return Sides((lead(mixed_PxV) <= 0).astype(float), reached.astype(float), margin_P > 0)


def markov(odds_P: np.ndarray, mass_P: np.ndarray, threshold: float, s: float) -> Sides:
    """Step 5: P(r >= t) on the left, t^-s E r^s on the right, under the masses given.

    Args:
        odds_P: r of every outcome.
        mass_P: its probability.
        threshold: t > 0.
        s: the power, >= 0.

    Returns:
        Sides, each a probability or a bound on it; left <= right is the claim.
    """
    left = mass_P[odds_P >= threshold].sum()
    with np.errstate(over="ignore"):
        right = (mass_P * np.where(odds_P > 0, (odds_P / threshold) ** s, 0.0)).sum()
    return Sides(np.asarray(left), np.asarray(right), np.asarray(True))
