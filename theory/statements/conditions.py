"""Condition 1 in its printed, repaired and sharp versions, for every (theta*, theta, k) over all prompt start laws.

    printed    sum_j KL_j(theta) > log(1/c8) + 2 log(c2/c1) + log(c4/c3)
    repaired   sum_j KL_j(theta) > KL( p_prompt(O) || p(O|theta*) ) + log(c2/c1) + a_theta
    sharp      lim r_n(theta) < 0

Each version holds where it holds at every start law, and shows the law that binds it: the one of the worst verdict and
the least room. A comparison closer than the arithmetic's own error bound is decided in exact fractions where the
entries allow, and is "undetermined" elsewhere. Sampled quantities have intervals that cover all at once.

Source: Xie et al. 2022, Condition 1; docs/theory, sections 2, 3 and 8.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import COVERAGE, Rate, Verdict, exceeds, simultaneous
from implicit_bayes.theory.information.kl import KLSum
from implicit_bayes.theory.information.rates import Shared, log_likelihood_rates
from implicit_bayes.theory.information.scores import ACCURACY, WORK
from implicit_bayes.theory.objects.checks import ModelError, check_shape, check_simplex
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.assumptions import find_concept
from implicit_bayes.theory.statements.condition_rows import (
    VERSIONS,
    Condition,
    CriticalK,
    critical_k_of,
    worst_over_start_laws,
    worst_pair,
)
from implicit_bayes.theory.statements.exact_margins import Version, exact_margin
from implicit_bayes.theory.statements.signals import SignalOptions, Signals
from implicit_bayes.theory.statements.thresholds import Thresholds, add_costs, alternatives, condition_thresholds

__all__ = [
    "IMPOSSIBLE",
    "VERSIONS",
    "Condition",
    "CriticalK",
    "Version",
    "check_conditions",
    "condition_table",
    "condition_thresholds",
    "conditions_by_start_law",
    "critical_k",
    "critical_k_of",
    "worst_over_start_laws",
    "worst_pair",
]

BUDGET = 200_000
"""Merged prefixes affordable on one level, a tenth of what a single ``kl_sum`` spends: every start law is visited."""

RATE_ACCURACY = 10
"""Rates are sampled to so many times the relative half-width of the signals: only their sign is asked for."""

IMPOSSIBLE = "theta* has prior 0 and A4 fails, so no version holds"
"""How ``method`` ends where theta* is not in Theta."""


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
    """The conditions of every theta != theta* at one k, each version at its worst over all start laws.

    Args:
        mixture: the pretraining law.
        start_laws: (S, H) candidates for p_prompt(h).
        true_concept: index of theta*.
        k: tokens in an example.
        seed: of the sampling, if any.
        budget: merged prefixes affordable on one level.
        accuracy: relative half-width aimed at by the Monte Carlo.

    Returns:
        One Condition for each theta of positive prior but theta*, in the order of their indices: thresholds, ΣKL and
        rate in nats, three verdicts, and an interval's level that all share.

    Raises:
        ModelError: as ``conditions_by_start_law``.
    """
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
    coverage: float = COVERAGE,
    tables: int = 1,
) -> list[Condition]:
    """The conditions of every theta != theta* at several k, each version at its worst over all start laws.

    Args and Raises: as ``conditions_by_start_law``.

    Args:
        mixture: the pretraining law.
        start_laws: (S, H) start laws of prompts about theta*.
        true_concept: index of theta*.
        ks: tokens in an example.
        seed, budget, accuracy, coverage, tables: as of ``conditions_by_start_law``.

    Returns:
        Conditions by k, then concept.

    Raises:
        ModelError: as ``conditions_by_start_law``.
    """
    rows = conditions_by_start_law(
        mixture, start_laws, true_concept, ks,
        seed=seed, budget=budget, accuracy=accuracy, coverage=coverage, tables=tables,
    )  # fmt: skip
    return worst_over_start_laws(rows)


def conditions_by_start_law(
    mixture: MixtureOfHMMs,
    start_laws: np.ndarray,
    true_concept: int,
    ks: Sequence[int],
    *,
    seed: int = 0,
    budget: int = BUDGET,
    accuracy: float = ACCURACY,
    coverage: float = COVERAGE,
    tables: int = 1,
    logarithms: float = WORK,
) -> list[Condition]:
    """The conditions of every theta != theta* of positive prior at several k, one row for each start law.

    A theta* of prior zero (that is no copy of a concept of positive prior) has rows of numbers in which no version
    holds: it is not in Theta (A4 fails).

    Args:
        mixture: the pretraining law.
        start_laws: (S, H) candidates for p_prompt(h).
        true_concept: theta*.
        ks: example lengths.
        seed: of the sampling, if any.
        budget: merged prefixes affordable on one level.
        accuracy: relative half-width aimed at by the Monte Carlo of the signals.
        coverage: probability with which all intervals of all ``tables`` hold at once (Bonferroni).
        tables: calls, this one included, over which ``coverage`` is shared.
        logarithms: that each of len(starts) (1 + len(ks)) expectations may take, see ``scores.collect``.

    Returns:
        Conditions by k, then concept, then start law.

    Raises:
        ModelError: a start law is not a law on the states, no such concept, or no k.
    """
    starts = np.asarray(start_laws, dtype=np.float64)
    check_shape("start_laws", starts[..., 0], starts.shape[:1], "an array (S, H)")
    check_shape("start_laws", starts, (len(starts), mixture.n_states), f"a mixture of {mixture.n_states} states")
    check_simplex("start_laws", starts)
    if not len(ks) or not len(starts):
        raise ModelError("ks, start_laws: at least one of each")
    true, others = mixture.concept(true_concept), alternatives(mixture, true_concept)
    thresholds = {c: condition_thresholds(mixture, true_concept, c) for c in others}
    each = simultaneous(coverage, tables * len(ks) * len(starts) * (2 * len(others) + 1))
    options = SignalOptions(seed=seed, budget=budget, accuracy=accuracy, coverage=each, logarithms=logarithms)
    signals = Signals(mixture, starts, true_concept, others, list(ks), options)
    impossible = find_concept(mixture, true) is None
    rows, shared = [], [Shared(ks) for _ in starts]
    for k in ks:
        for s, start in enumerate(starts):
            prompt = PromptLaw(true, start, k, mixture.delimiter)
            laws = [mixture.concept(c) for c in others]
            rates = log_likelihood_rates(
                prompt, laws, seed=seed, budget=budget, accuracy=RATE_ACCURACY * accuracy, coverage=each,
                logarithms=logarithms, shared=shared[s],
            )  # fmt: skip
            for c, rate in zip(others, rates, strict=True):
                case = _Case(
                    mixture=mixture,
                    prompt=prompt,
                    true_concept=true_concept,
                    concept=c,
                    start=s,
                    level=coverage,
                    eps=thresholds[c],
                )
                row = _condition(case, signals.kl(s, c, k), signals.start_kl(s, k), rate)
                rows.append(_never(row) if impossible else row)
    return sorted(rows, key=lambda row: (list(ks).index(row.k), row.concept, row.prompt_start))


class _Case(NamedTuple):
    """What a row is about."""

    mixture: MixtureOfHMMs
    prompt: PromptLaw
    true_concept: int
    concept: int
    start: int
    level: float
    eps: Thresholds


def _condition(case: _Case, kl: KLSum, start_kl: KLSum, rate: Rate) -> Condition:
    eps = case.eps
    printed = add_costs(eps.start, eps.printed)
    repaired = add_costs(start_kl.low, eps.repaired), add_costs(start_kl.high, eps.repaired)
    rounding = kl.rounding + eps.rounding
    exact = kl.low == kl.high
    return Condition(
        k=case.prompt.length,
        true_concept=case.true_concept,
        concept=case.concept,
        kl_sum=kl.value,
        kl_infinite_mass=kl.infinite_mass,
        eps_start=eps.start,
        eps_delim_printed=eps.printed,
        eps_delim_repaired=eps.repaired,
        start_kl=start_kl.value,
        printed_holds=_decide(
            case, "printed", exact, lambda r: exceeds(kl.low, kl.high, printed, printed, r), rounding
        ),
        repaired_holds=_decide(
            case, "repaired", exact and start_kl.low == start_kl.high,
            lambda r: exceeds(kl.low, kl.high, *repaired, r), rounding + start_kl.rounding,
        ),
        rate=rate.value,
        rate_low=rate.low,
        rate_high=rate.high,
        sharp_holds=_decide(
            case, "sharp", rate.low == rate.high, lambda r: rate._replace(rounding=r).negative, rate.rounding
        ),
        method=f"kl {kl.method}, rate {rate.method}",
        kl_low=kl.low,
        kl_high=kl.high,
        prompt_start=case.start,
        repaired_start=case.start,
        sharp_start=case.start,
        repaired_kl_sum=kl.value,
        repaired_kl_low=kl.low,
        repaired_kl_high=kl.high,
        start_kl_low=start_kl.low,
        start_kl_high=start_kl.high,
        rate_bracket=rate.bracket,
        rate_samples=rate.samples,
        kl_rounding=rounding + start_kl.rounding,
        rate_rounding=rate.rounding,
        level=case.level,
    )  # fmt: skip


def _decide(
    case: _Case, version: Version, exact: bool, compare: Callable[[float], Verdict], rounding: float
) -> Verdict:
    """The comparison outside the error bound; inside it, where nothing was sampled, the sign in exact fractions."""
    verdict = compare(rounding)
    if verdict != "undetermined" or not exact:
        return verdict
    if compare(0.0) == "undetermined":
        return verdict
    sign = exact_margin(case.mixture, case.prompt, case.true_concept, case.concept, version)
    return verdict if sign is None else sign > 0


def _never(row: Condition) -> Condition:
    return row._replace(
        printed_holds=False, repaired_holds=False, sharp_holds=False, method=f"{row.method}; {IMPOSSIBLE}"
    )


def critical_k(
    mixture: MixtureOfHMMs,
    start_laws: np.ndarray,
    true_concepts: Sequence[int] | int,
    ks: Sequence[int] | int,
    *,
    seed: int = 0,
) -> CriticalK:
    """Smallest of ``ks`` at which each version holds for every theta* in ``true_concepts`` and every theta.

    Args:
        mixture: the pretraining law.
        start_laws: (S, H) candidates for p_prompt(h).
        true_concepts: indices of the possible theta*, or one.
        ks: example lengths to try, a list of them.
        seed: of the sampling, if any.

    Returns:
        CriticalK: for each version the smallest of ``ks``, or None where it is not shown to hold at any.

    Raises:
        ModelError: a k below 2, no true concept, or as ``condition_table``.
    """
    true_concepts = [true_concepts] if isinstance(true_concepts, (int, np.integer)) else list(true_concepts)
    if isinstance(ks, (int, np.integer)):
        raise ModelError("ks: a list of example lengths is wanted, not one number")
    if not true_concepts:
        raise ModelError("true_concepts: none given; name at least one concept")
    found = [
        c
        for true in true_concepts
        for c in condition_table(mixture, start_laws, true, ks, seed=seed, tables=len(true_concepts))
    ]
    return critical_k_of(found, ks)
