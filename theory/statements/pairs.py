"""A pair: one true concept with one prompt start law. Which concepts survive there, at what rates, and to what limit.

Every statement about an instance is asked for all of its pairs at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import Rate, Verdict
from implicit_bayes.theory.information.rates import log_likelihood_rates
from implicit_bayes.theory.information.supports import may_forbid
from implicit_bayes.theory.information.survival import Survivors, survivors_by_start
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array
from implicit_bayes.theory.statements.assumptions import find_concept
from implicit_bayes.theory.statements.conditions import Condition
from implicit_bayes.theory.statements.limits import LimitRisk, limit_risk, same_argmax
from implicit_bayes.theory.statements.merged_inputs import lemma_1_everywhere
from implicit_bayes.theory.statements.rate_order import RATE_ROUNDING, Rates, unbeaten
from implicit_bayes.theory.statements.risk import affordable


class Pair(NamedTuple):
    """One (theta*, p_prompt).

    Attributes:
        law: theta*, p_prompt(h), k.
        true_concept, start: indices of theta* and of the start law.
        member: the concept of positive prior that theta* is, or None where A4 fails.
        others: the concepts of positive prior that are not theta*.
        rates: ends of lim r_n by concept, theta*'s own (0, 0) included where it is a member; None where unknown.
        outcomes: which concepts survive long prompts, with what probability.
        sampled: the concepts whose rates were sampled; other ends are certain.
    """

    law: PromptLaw
    true_concept: int
    start: int
    member: int | None
    others: tuple[int, ...]
    rates: Rates | None
    outcomes: tuple[Survivors, ...]
    sampled: frozenset[int] = frozenset()

    @property
    def concentrates_on(self) -> dict[frozenset[int], float]:
        """Probability with which the posterior ends up within each set of concepts; no concept: there is none."""
        found: dict[frozenset[int], float] = {}
        for outcome in self.outcomes:
            left = unbeaten(self.rates or {}, outcome.alive | outcome.perhaps)
            found[left] = found.get(left, 0.0) + outcome.probability
        return found

    @property
    def theta_star_lives(self) -> Verdict:
        """Whether theta* gives every prompt positive probability; the sharp theorem needs it, A5 implies it."""
        if all(self.member in outcome.alive for outcome in self.outcomes):
            return True
        return "undetermined" if all(self.member in o.alive | o.perhaps for o in self.outcomes) else False

    @property
    def estimated(self) -> bool:
        """Whether a rate that tells concepts apart was sampled, so that its interval may fail to hold."""
        left = frozenset().union(*(each for o in self.outcomes if len(each := o.alive | o.perhaps) > 1))
        return bool(left & self.sampled)

    def beaten(self, concept: int) -> bool:
        """The rate of this concept is shown to be negative.

        Args:
            concept: index of theta.

        Returns:
            False also where rates are not known.
        """
        return self.rates is not None and self.rates.get(concept, (0.0, 0.0))[1] < -RATE_ROUNDING

    def limit(self, mixture: MixtureOfHMMs, length: int, pure: bool, share: int = 1, seed: int = 0) -> LimitRisk | None:
        """``limit_risk`` of x of ``length`` tokens; None where A1 (``pure``) or rates are wanting and matter.

        Args:
            mixture: the pretraining law.
            length: tokens of x, at most k - 1.
            pure: whether A1 holds.
            share: concepts or pairs that the enumeration's budget is divided among.
            seed: of whatever is sampled.

        Returns:
            LimitRisk, or None.
        """
        sizes = [len(outcome.alive | outcome.perhaps) for outcome in self.outcomes]
        if (max(sizes) > 0 and not pure) or (max(sizes) > 1 and self.rates is None):
            return None
        return limit_risk(mixture, self.law, self.outcomes, self.rates or {}, length, share=share, seed=seed)

    def same_argmax(self, mixture: MixtureOfHMMs) -> Verdict:
        """Whether theta*'s predictive after a delimiter has the argmax of p_prompt(y|x) at every reachable x.

        Args:
            mixture: the pretraining law.

        Returns:
            True, False or "undetermined".
        """
        if self.member is None:
            return "undetermined"
        return same_argmax(mixture, self.law, self.member)

    def lemma_1_holds(self, mixture: MixtureOfHMMs) -> Verdict:
        """The repaired Lemma 1 at every reachable x: start-state posteriors given x closer than Delta(x)/2.

        Args:
            mixture: the pretraining law.

        Returns:
            True, False or "undetermined".
        """
        return lemma_1_everywhere(mixture, self.law)


def all_hold(verdicts: Sequence[Verdict]) -> Verdict:
    """False if one is False, else undetermined if one is, else True (of none: True).

    Args:
        verdicts: of any statements.

    Returns:
        True, False or "undetermined".
    """
    if any(verdict is False for verdict in verdicts):
        return False
    return "undetermined" if any(isinstance(verdict, str) for verdict in verdicts) else True


def pairs_of(
    mixture: MixtureOfHMMs, starts: Array, true_concepts: Sequence[int], k: int, rows: Sequence[Condition]
) -> list[Pair]:
    """Every pair of a true concept and one of its start laws, with the rates of ``rows`` where they have them.

    Args:
        mixture: the pretraining law.
        starts: (S, H), or (C, S, H) where they depend on the true concept.
        true_concepts: indices of the possible theta*.
        k: tokens in an example.
        rows: conditions of this k. Where they have no row for a pair its rates are computed here, on instances small
            enough for the limit to make use of them.

    Returns:
        Pairs in the order of true concepts, then start laws; the rates of a pair are None where they cannot be had.
    """
    starts = np.asarray(starts)
    starts_CxSxH = starts if starts.ndim == 3 else np.broadcast_to(starts, (mixture.n_concepts, *starts.shape))
    pairs = []
    for true in true_concepts:
        laws = [PromptLaw.of(mixture, start, true, k) for start in starts_CxSxH[true]]
        outcomes = survivors_by_start(mixture, laws, mixture.possible_concepts().tolist())
        pairs += [
            _pair(mixture, true, s, law, found, rows) for s, (law, found) in enumerate(zip(laws, outcomes, strict=True))
        ]
    return pairs


def _pair(
    mixture: MixtureOfHMMs,
    true: int,
    start: int,
    law: PromptLaw,
    outcomes: Sequence[Survivors],
    rows: Sequence[Condition],
) -> Pair:
    possible = [int(c) for c in mixture.possible_concepts()]
    member = true if true in possible else find_concept(mixture, law.hmm)
    others = tuple(c for c in possible if c != member)
    here = [r for r in rows if (r.true_concept, r.sharp_start) == (true, start) and r.concept in others]
    known = {
        r.concept: _ends(Rate(value=r.rate, low=r.rate_low, high=r.rate_high, method="", rounding=r.rate_rounding))
        for r in here
    }
    sampled = frozenset(r.concept for r in here if r.rate_samples > 0)
    rates: dict[int, tuple[float, float]] | None = dict(known)
    alive = frozenset().union(*(outcome.alive | outcome.perhaps for outcome in outcomes)) - {member}
    missing = [c for c in alive if np.isinf(known.get(c, (-np.inf, np.inf))).all()]
    if missing and affordable(law, law.length - 1):
        found = dict(zip(others, _rates(mixture, law, others), strict=True))
        rates = {c: _ends(rate) for c, rate in found.items()}
        sampled = frozenset(c for c, rate in found.items() if rate.samples > 0)
    elif not set(missing) <= set(known):
        rates = None
    elif not set(others) <= set(known) and not may_forbid(law, law.hmm):
        rates = {c: (-np.inf, -np.inf) for c in others if c not in alive} | known
    if rates is not None and member is not None:
        rates[member] = (0.0, 0.0)
    return Pair(
        law=law,
        true_concept=true,
        start=start,
        member=member,
        others=others,
        rates=rates,
        outcomes=tuple(outcomes),
        sampled=sampled,
    )


def _ends(rate: Rate) -> tuple[float, float]:
    """The interval of a rate, widened by what arithmetic may have left in it."""
    if rate.value is None or not np.isfinite(rate.value):
        return rate.low, rate.high
    return rate.low - rate.rounding, rate.high + rate.rounding


def _rates(mixture: MixtureOfHMMs, law: PromptLaw, others: Sequence[int]) -> list[Rate]:
    """lim r_n(theta). Where theta* itself forbids first examples only (one delimiter state), on those it allows: what
    decides among the survivors is the rate of later examples, which all start from the delimiter's row."""
    true, hmms, states = law.hmm, [mixture.concept(c) for c in others], mixture.delimiter_states()
    if len(states) == 1 and may_forbid(law, true):
        true, *hmms = (
            HMM(np.asarray(hmm.transition)[states[0]], hmm.transition, hmm.emission) for hmm in (true, *hmms)
        )
    return log_likelihood_rates(PromptLaw(true, law.start, law.length, law.delimiter), hmms)
