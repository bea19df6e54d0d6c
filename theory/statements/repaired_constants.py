"""The constants of the repaired bound of Theorem 1: what a delimiter, and what the last segment, can cost in nats.

``statements.repaired`` has the steps of the proof that use them; by the law of large numbers they give

    lim r_n(theta) <= log(c2/c1) + a_theta + KL(p_prompt(O)||p(O|theta*)) - KL(p_prompt(O)||p(O|theta)).

Source: docs/theory/repaired.md.
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array


class RepairedConstants(NamedTuple):
    """Constants of the repaired bound for one theta against theta*; each is attained, so inequalities are not strict.

    Attributes:
        n_delimiters: |D|.
        c1: min over d in D and h of p(d|h,theta*).
        c2: max over d in D and h of p(d|h,theta).
        c5: min over h, h' of p(h'|h,theta*).
        c6: min over the tokens that theta* can emit of max_h p(o|h,theta*).
        r_theta: R_theta = max_h sum_d p(h|d,theta)/p(h|theta); inf where a delimiter leads to a state that never
            starts.
        rho_star: rho* = min_h sum_d p(h|d,theta*)/p(h|theta*), over the states that can start a document.
    """

    n_delimiters: int
    c1: float
    c2: float
    c5: float
    c6: float
    r_theta: float
    rho_star: float

    @property
    def a_theta(self) -> float:
        """a_theta = log(R_theta/rho*), nats."""
        return log0(self.r_theta) - log0(self.rho_star) if self.rho_star > 0 else math.inf

    @property
    def log_c2_over_c1(self) -> float:
        """log(c2/c1), nats; inf where c1 = 0 (the bound then says nothing)."""
        return log0(self.c2) - log0(self.c1) if self.c1 > 0 else math.inf

    @property
    def eps_delim(self) -> float:
        """log(c2/c1) + a_theta, nats: what one delimiter can cost."""
        terms = (self.log_c2_over_c1, self.a_theta)
        return math.inf if math.inf in terms else sum(terms)


def repaired_constants(mixture: MixtureOfHMMs, true_concept: int, concept: int) -> RepairedConstants:
    """c1, c2, c5, c6, R_theta and rho* for theta = ``concept`` against theta* = ``true_concept``.

    Args:
        mixture: the pretraining law.
        true_concept: index of theta*.
        concept: index of theta.

    Returns:
        The constants, each attained; R_theta is inf where theta cannot start in a state that it reaches behind a
            delimiter.

    Raises:
        ModelError: A1 fails (some delimiter state emits something else), or there is no such concept.
    """
    states = pure_delimiter_states(mixture)
    true, other = mixture.concept(true_concept), mixture.concept(concept)
    best_V = np.asarray(true.emission).max(0)
    return RepairedConstants(
        n_delimiters=len(states),
        c1=float(np.asarray(true.transition)[:, states].min()),
        c2=float(np.asarray(other.transition)[:, states].max()),
        c5=float(np.asarray(true.transition).min()),
        c6=float(best_V[best_V > 0].min()),
        r_theta=float(_start_ratio(other.transition, other.initial, states).max()),
        rho_star=float(_start_ratio(true.transition, true.initial, states).min()),
    )


def pure_delimiter_states(mixture: MixtureOfHMMs) -> np.ndarray:
    """(|D|,) the delimiter states, A1 checked.

    Args:
        mixture: the pretraining law; concepts of prior zero take no part.

    Returns:
        Increasing indices of D.

    Raises:
        ModelError: A1 fails.
    """
    states = mixture.delimiter_states()
    possible = mixture.possible_concepts()
    purity = np.asarray(mixture.emissions)[possible][:, states, mixture.delimiter]
    if (purity != 1.0).any():
        i, d = np.argwhere(purity != 1.0)[0]
        c = possible[i]
        raise ModelError(
            f"emission: state {states[d]} of concept {c} emits the delimiter with probability {purity[i, d]:.6g}; "
            "the repaired bound needs A1 (0 or 1 throughout)"
        )
    return states


def _start_ratio(transition: Array, initial: Array, states: np.ndarray) -> np.ndarray:
    """sum_d p(h|d)/p(h) over the states h where it is not 0/0."""
    after, start = np.asarray(transition)[states].sum(0), np.asarray(initial)
    relevant = (after > 0) | (start > 0)
    with np.errstate(divide="ignore"):
        ratios: np.ndarray = after[relevant] / start[relevant]
        return ratios


def limit_bound(constants: RepairedConstants, start_kl: float, kl_sum: float) -> float:
    """lim r_n(theta) <= log(c2/c1) + a_theta + start_kl - kl_sum, nats; the repaired condition asks for < 0.

    Args:
        constants: of theta against theta*.
        start_kl: KL(p_prompt(O) || p(O|theta*)), or epsilon_start = log(1/c8), which is never smaller.
        kl_sum: sum_j KL_j(theta) = KL(p_prompt(O) || p(O|theta)); +inf makes the bound -inf where the rest is finite.

    Returns:
        The bound; +inf where it says nothing (c1 = 0, rho* = 0, R_theta = inf or start_kl = inf).
    """
    cost = constants.eps_delim + start_kl
    return math.inf if cost == math.inf else cost - kl_sum


def front_cost(constants: RepairedConstants, steps: int) -> float:
    """-log(|D| c1) - m log(c5 c6), nats: what the segments without a bound of their own can cost, m = k - 1.

    Args:
        constants: of the pair.
        steps: m.

    Returns:
        Nats; +inf where c1, c5 or c6 is 0.
    """
    return -log0(constants.n_delimiters * constants.c1) - steps * (log0(constants.c5) + log0(constants.c6))


def log0(x: float) -> float:
    """log x, with log 0 = -inf.

    Returns:
        Nats.
    """
    return math.log(x) if x > 0 else -math.inf
