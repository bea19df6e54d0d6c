"""Condition 1 in its printed, repaired and sharp versions, for every (theta*, theta, k).

    printed    sum_j KL_j(theta) > log(1/c8) + 2 log(c2/c1) + log(c4/c3)
    repaired   sum_j KL_j(theta) > KL( p_prompt(O) || p(O|theta*) ) + log(c2/c1) + a_theta
    sharp      lim r_n(theta) < 0

Source: Xie et al. 2022, Condition 1; theory notes, sections 2 and 3.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import Rate, Verdict, exceeds
from implicit_bayes.theory.information.kl import KLSum, kl_table
from implicit_bayes.theory.information.rates import log_likelihood_rates
from implicit_bayes.theory.information.scores import ACCURACY
from implicit_bayes.theory.information.supports import Forbidden, forbidden_mass
from implicit_bayes.theory.objects.checks import ModelError, check_shape, check_simplex
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.thresholds import Thresholds, add_costs, condition_thresholds

BUDGET = 200_000
"""Merged prefixes affordable on one level, a tenth of what a single ``kl_sum`` spends: every start law is visited."""


class Condition(NamedTuple):
    """The three versions of Condition 1 for one (theta*, theta, k), nats.

    k: example length.
    true_concept, concept: indices of theta* and theta.
    kl_sum, kl_low, kl_high: sum_j KL_j(theta) and its interval (zero width where exact).
    kl_infinite_mass: p_prompt-mass of the examples that theta forbids.
    eps_start: log(1/c8).
    eps_delim_printed: 2 log(c2/c1) + log(c4/c3), c2 over every theta != theta*, c3 and c4 over every theta, as printed.
    eps_delim_repaired: log(c2/c1) + a_theta with c2 of this theta; +inf where A1 fails.
    start_kl: KL( p_prompt(O) || p(O|theta*) ).
    printed_holds, repaired_holds, sharp_holds: True, False, or "undetermined" where an interval straddles.
    rate, rate_low, rate_high: lim r_n(theta); rate is None where it is undefined.
    method: how kl_sum and the rate were computed.
    prompt_start: index of the start law these numbers belong to, the one with the smallest printed margin.
    """

    k: int
    true_concept: int
    concept: int
    kl_sum: float
    kl_infinite_mass: float
    eps_start: float
    eps_delim_printed: float
    eps_delim_repaired: float
    start_kl: float
    printed_holds: Verdict
    repaired_holds: Verdict
    rate: float | None
    rate_low: float
    rate_high: float
    sharp_holds: Verdict
    method: str
    kl_low: float
    kl_high: float
    prompt_start: int

    @property
    def printed_threshold(self) -> float:
        """eps_start + eps_delim, printed; +inf where either is."""
        return add_costs(self.eps_start, self.eps_delim_printed)

    @property
    def repaired_threshold(self) -> float:
        """start_kl + eps_delim, repaired; +inf where either is."""
        return add_costs(self.start_kl, self.eps_delim_repaired)


class CriticalK(NamedTuple):
    """Smallest tested k at which a version is shown to hold for every (theta*, theta); None if there is none."""

    printed: int | None
    repaired: int | None
    sharp: int | None


def check_conditions(
    mixture: MixtureOfHMMs,
    start_laws: np.ndarray,
    true_concept: int,
    k: int,
    *,
    seed: int = 0,
    budget: int = BUDGET,
    accuracy: float = ACCURACY,
) -> list[Condition]:
    """The conditions of every theta != theta* at one k, each at its binding start law; see ``condition_table``."""
    return condition_table(mixture, start_laws, true_concept, [k], seed=seed, budget=budget, accuracy=accuracy)


def condition_table(
    mixture: MixtureOfHMMs,
    start_laws: np.ndarray,
    true_concept: int,
    ks: Sequence[int],
    *,
    seed: int = 0,
    budget: int = BUDGET,
    accuracy: float = ACCURACY,
) -> list[Condition]:
    """The conditions of every theta != theta* at several k, work shared between them.

    Of several start laws each theta is reported at its binding one, the smallest printed margin; since the printed
    thresholds do not depend on the start law, that is the smallest kl_sum (among infinite ones, the smallest
    infinite_mass). Only there are start_kl and the rate computed. Where kl_sum is a Monte Carlo estimate the
    binding law is that of the smallest estimate.

    Args:
        mixture: the pretraining law.
        start_laws: (S, H) candidates for p_prompt(h).
        true_concept: theta*.
        ks: example lengths.
        seed: of the sampling, if any.
        budget: merged prefixes affordable on one level.
        accuracy: relative half-width aimed at by the Monte Carlo.

    Returns:
        Conditions by k, then concept.

    Raises:
        ModelError: a start law is not a law on the states, no such concept, or no k.
    """
    starts = np.asarray(start_laws, dtype=np.float64)
    check_shape("start_laws", starts[..., 0], starts.shape[:1], "an array (S, H)")
    check_shape("start_laws", starts, (len(starts), mixture.n_states), f"a mixture of {mixture.n_states} states")
    check_simplex("start_laws", starts)
    if not np.ndim(ks) or not len(ks) or not len(starts):
        raise ModelError("ks, start_laws: a list of at least one of each")
    if min(ks) < 2:
        raise ModelError(f"k: {min(ks)} is below 2 (an example is at least one token of x and one of y)")
    true = mixture.concept(true_concept)
    others = [c for c in range(mixture.n_concepts) if c != true_concept]
    thresholds = {c: condition_thresholds(mixture, true_concept, c) for c in others}
    numbers = _Numbers(mixture, starts, true_concept, list(ks), {"seed": seed, "budget": budget, "accuracy": accuracy})
    conditions = []
    for k in ks:
        binding = {c: numbers.binding(k, c) for c in others}
        for s in sorted(set(binding.values())):
            here = [c for c in others if binding[c] == s]
            prompt = PromptLaw(true, starts[s], k, mixture.delimiter)
            rates = log_likelihood_rates(
                prompt, [mixture.concept(c) for c in here], seed=seed, budget=budget, accuracy=accuracy
            )
            for c, rate in zip(here, rates, strict=True):
                pair = numbers.kl(s, k, c), numbers.start_kl(s, k)
                conditions.append(_condition(k, true_concept, c, s, *pair, thresholds[c], rate))
    return sorted(conditions, key=lambda condition: (list(ks).index(condition.k), condition.concept))


class _Numbers:
    """kl_sum and start_kl of one theta* at every start law, k and theta; finite ones computed once and shared."""

    def __init__(self, mixture: MixtureOfHMMs, starts: np.ndarray, true_concept: int, ks: list[int], options: dict):
        self.mixture, self.starts, self.ks, self.options = mixture, starts, ks, options
        self.true_concept, self.true = true_concept, mixture.concept(true_concept)
        self.forbidden = [
            forbidden_mass(starts, self.true, mixture.concept(c), max(ks)) for c in range(mixture.n_concepts)
        ]
        self.tables: dict[int, dict[tuple[int, int], KLSum]] = {}
        self.start_tables: dict[int, dict[int, KLSum]] = {}

    def kl(self, s: int, k: int, concept: int) -> KLSum:
        """sum_j KL_j(theta_concept) at start law s."""
        forbidden = self.forbidden[concept]
        if forbidden.first[s] <= k:
            unknown = np.where(np.arange(1, k + 1) >= forbidden.first[s], math.inf, math.nan)
            return KLSum(math.inf, math.inf, math.inf, float(forbidden.mass[s, k - 1]), unknown, "exact", 0)
        if s not in self.tables:
            self.tables[s] = self._table(s)
        return self.tables[s][k, concept]

    def _table(self, s: int) -> dict[tuple[int, int], KLSum]:
        finite = [c for c, forbidden in enumerate(self.forbidden) if forbidden.first[s] > min(self.ks)]
        rows = self._rows(s, finite)
        return {(k, c): kl for k, row in zip(self.ks, rows, strict=True) for c, kl in zip(finite, row, strict=True)}

    def _rows(self, s: int, concepts: list[int], share: int = 1) -> list[list[KLSum]]:
        forbidden = [Forbidden(f.mass[s : s + 1], f.first[s : s + 1]) for f in (self.forbidden[c] for c in concepts)]
        prompt = PromptLaw(self.true, self.starts[s], max(self.ks), self.mixture.delimiter)
        laws = [self.mixture.concept(c) for c in concepts]
        options = {**self.options, "budget": self.options["budget"] // share}
        return kl_table(prompt, laws, self.ks, forbidden=forbidden, **options)

    def start_kl(self, s: int, k: int) -> KLSum:
        """KL( p_prompt(O) || p(O|theta*) ) at start law s; alone where no theta needed the expansion."""
        if s in self.tables and (k, self.true_concept) in self.tables[s]:
            return self.tables[s][k, self.true_concept]
        if self.forbidden[self.true_concept].first[s] <= k:
            return self.kl(s, k, self.true_concept)
        if s not in self.start_tables:
            rows = self._rows(s, [self.true_concept], share=16)
            self.start_tables[s] = {length: row[0] for length, row in zip(self.ks, rows, strict=True)}
        return self.start_tables[s][k]

    def binding(self, k: int, concept: int) -> int:
        """The start law of the smallest kl_sum."""
        found = [self.kl(s, k, concept) for s in range(len(self.starts))]
        return min(range(len(found)), key=lambda s: (found[s].value, found[s].infinite_mass))


def _condition(
    k: int, true_concept: int, concept: int, start: int, kl: KLSum, start_kl: KLSum, eps: Thresholds, rate: Rate
) -> Condition:
    printed = add_costs(eps.start, eps.printed)
    repaired = add_costs(start_kl.low, eps.repaired), add_costs(start_kl.high, eps.repaired)
    sharp: Verdict = "undetermined" if rate.value is None else exceeds(-rate.high, -rate.low, 0.0, 0.0)
    return Condition(
        k, true_concept, concept, kl.value, kl.infinite_mass, eps.start, eps.printed, eps.repaired, start_kl.value,
        exceeds(kl.low, kl.high, printed, printed), exceeds(kl.low, kl.high, *repaired),
        rate.value, rate.low, rate.high, sharp, f"kl {kl.method}, rate {rate.method}", kl.low, kl.high, start,
    )  # fmt: skip


def critical_k(
    mixture: MixtureOfHMMs,
    start_laws: np.ndarray,
    true_concepts: Sequence[int] | int,
    ks: Sequence[int],
    *,
    seed: int = 0,
) -> CriticalK:
    """Smallest of ``ks`` at which each version holds for every theta* in ``true_concepts`` and every theta.

    Args:
        mixture: the pretraining law.
        start_laws: (S, H) candidates for p_prompt(h).
        true_concepts: indices of the possible theta*, or one.
        ks: example lengths to try.
        seed: of the sampling, if any.

    Returns:
        CriticalK.

    Raises:
        ModelError: a k below 2, no true concept, or as ``condition_table``.
    """
    true_concepts = [true_concepts] if isinstance(true_concepts, (int, np.integer)) else list(true_concepts)
    if not true_concepts:
        raise ModelError("true_concepts: none given; name at least one concept")
    found = [c for true in true_concepts for c in condition_table(mixture, start_laws, true, ks, seed=seed)]
    return critical_k_of(found, ks)


def critical_k_of(conditions: Sequence[Condition], ks: Sequence[int]) -> CriticalK:
    """``critical_k`` from conditions already computed; "undetermined" does not count as holding."""

    def smallest(field: str) -> int | None:
        holding = (k for k in sorted(ks) if all(getattr(c, field) is True for c in conditions if c.k == k))
        return next(holding, None)

    return CriticalK(smallest("printed_holds"), smallest("repaired_holds"), smallest("sharp_holds"))
