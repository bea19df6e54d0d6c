"""Condition 1 in its printed, repaired and sharp versions, for every (theta*, theta, k) over all prompt start laws.

    printed    sum_j KL_j(theta) > log(1/c8) + 2 log(c2/c1) + log(c4/c3)
    repaired   sum_j KL_j(theta) > KL( p_prompt(O) || p(O|theta*) ) + log(c2/c1) + a_theta
    sharp      lim r_n(theta) < 0

Each version holds where it holds at every start law, and shows the law that binds it: the one of the worst verdict and
the least room. A comparison closer than the arithmetic's own error bound is decided in exact fractions where the
entries allow, and is "undetermined" elsewhere. Sampled quantities have intervals that cover all at once.

Source: Xie et al. 2022, Condition 1; docs/theory, sections 2, 3 and 8.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import COVERAGE, Rate, Verdict, exceeds, simultaneous
from implicit_bayes.theory.information.kl import KLSum
from implicit_bayes.theory.information.rates import log_likelihood_rates
from implicit_bayes.theory.information.scores import ACCURACY
from implicit_bayes.theory.objects.checks import ModelError, check_shape, check_simplex
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.assumptions import find_concept
from implicit_bayes.theory.statements.exact_margins import Version, exact_margin
from implicit_bayes.theory.statements.signals import Signals
from implicit_bayes.theory.statements.thresholds import Thresholds, add_costs, alternatives, condition_thresholds

BUDGET = 200_000
"""Merged prefixes affordable on one level, a tenth of what a single ``kl_sum`` spends: every start law is visited."""

RATE_ACCURACY = 10
"""Rates are sampled to so many times the relative half-width of the signals: only their sign is asked for."""

VERSIONS: tuple[Version, ...] = ("printed", "repaired", "sharp")

IMPOSSIBLE = "theta* has prior 0, so no version holds"


class Condition(NamedTuple):
    """The three versions of Condition 1 for one (theta*, theta, k), nats.

    Numbers belong to the start law that binds the version they decide: kl_sum, kl_low, kl_high and kl_infinite_mass to
    ``prompt_start``, start_kl and the repaired_kl numbers to ``repaired_start``, the rate to ``sharp_start``.

    k: example length.
    true_concept, concept: indices of theta* and theta.
    kl_sum, kl_low, kl_high: sum_j KL_j(theta) and its interval (zero width where exact).
    kl_infinite_mass: p_prompt-mass of the examples that theta forbids.
    eps_start: log(1/c8).
    eps_delim_printed: 2 log(c2/c1) + log(c4/c3), c2 over every theta != theta*, c3 and c4 over every theta, as printed.
    eps_delim_repaired: log(c2/c1) + a_theta with c2 of this theta; +inf where A1 fails.
    start_kl, start_kl_low, start_kl_high: KL( p_prompt(O) || p(O|theta*) ).
    printed_holds, repaired_holds, sharp_holds: True, False, or "undetermined" where an interval straddles.
    rate, rate_low, rate_high: lim r_n(theta); rate is None where it is undefined.
    method: how kl_sum and the rate were computed, and whether theta* has prior 0 (then no version holds).
    prompt_start, repaired_start, sharp_start: indices of the start laws that bind the three versions.
    repaired_kl_sum, repaired_kl_low, repaired_kl_high: sum_j KL_j(theta) at ``repaired_start``.
    rate_bracket: width of the rate's bracket (several delimiter states).
    rate_samples: blocks that were sampled for the rate's bracket.
    kl_rounding, rate_rounding: bounds on the arithmetic's error, inside which nothing is decided.
    level: probability with which all intervals of the table hold at once.
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
    repaired_start: int
    sharp_start: int
    repaired_kl_sum: float
    repaired_kl_low: float
    repaired_kl_high: float
    start_kl_low: float
    start_kl_high: float
    rate_bracket: float
    rate_samples: int
    kl_rounding: float
    rate_rounding: float
    level: float

    @property
    def printed_threshold(self) -> float:
        """eps_start + eps_delim, printed; +inf where either is."""
        return add_costs(self.eps_start, self.eps_delim_printed)

    @property
    def repaired_threshold(self) -> float:
        """start_kl + eps_delim, repaired; +inf where either is."""
        return add_costs(self.start_kl, self.eps_delim_repaired)

    def holds(self, version: Version) -> Verdict:
        """The verdict of one version."""
        return {"printed": self.printed_holds, "repaired": self.repaired_holds, "sharp": self.sharp_holds}[version]

    def room(self, version: Version) -> float:
        """What is left: signal minus threshold, or minus the rate. Positive where the version holds, up to intervals;
        -inf where a threshold is infinite, or where there is no rate."""
        if version == "sharp":
            return -math.inf if self.rate is None else -self.rate
        signal = self.kl_sum if version == "printed" else self.repaired_kl_sum
        threshold = self.printed_threshold if version == "printed" else self.repaired_threshold
        return -math.inf if threshold == math.inf else signal - threshold

    def binding(self, version: Version) -> tuple[int, float, float, float]:
        """Sorts conditions by what binds a version: the worst verdict, then the least room, signal and forbidden mass.

        A verdict goes before the room, so that of several conditions the first shows the verdict of them all.
        """
        rank = {False: 0, "undetermined": 1, True: 2}[self.holds(version)]
        signal = self.kl_sum if version == "printed" else self.repaired_kl_sum
        if version == "sharp":
            signal = -self.rate_high
        return rank, self.room(version), signal, self.kl_infinite_mass


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
    """The conditions of every theta != theta* at one k; see ``condition_table``."""
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

    Returns:
        Conditions by k, then concept.
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
    options = {"seed": seed, "budget": budget, "coverage": each}
    signals = Signals(mixture, starts, true_concept, [*others], list(ks), options | {"accuracy": accuracy})
    impossible = find_concept(mixture, true) is None
    rows = []
    for k in ks:
        for s, start in enumerate(starts):
            prompt = PromptLaw(true, start, k, mixture.delimiter)
            laws = [mixture.concept(c) for c in others]
            rates = log_likelihood_rates(prompt, laws, accuracy=RATE_ACCURACY * accuracy, **options)
            for c, rate in zip(others, rates, strict=True):
                case = _Case(mixture, prompt, true_concept, c, s, coverage, thresholds[c])
                row = _condition(case, signals.kl(s, k, c), signals.start_kl(s, k), rate)
                rows.append(_never(row) if impossible else row)
    return sorted(rows, key=lambda row: (list(ks).index(row.k), row.concept, row.prompt_start))


def worst_over_start_laws(rows: Sequence[Condition]) -> list[Condition]:
    """One row for each (k, theta*, theta): every version with the verdict and the numbers of the start law that binds.

    Args:
        rows: of ``conditions_by_start_law``, any number of them in any order.

    Returns:
        In the order in which the (k, theta*, theta) first come.
    """
    groups: dict[tuple[int, int, int], list[Condition]] = {}
    for row in rows:
        groups.setdefault((row.k, row.true_concept, row.concept), []).append(row)
    return [_worst(group) for group in groups.values()]


def worst_pair(conditions: Sequence[Condition], version: Version) -> Condition:
    """The condition that binds a version: its verdict is the one of all of them together."""
    return min(conditions, key=lambda row: row.binding(version))


def _worst(rows: Sequence[Condition]) -> Condition:
    printed, repaired, sharp = (worst_pair(rows, version) for version in VERSIONS)
    methods = list(dict.fromkeys([printed.method, repaired.method, sharp.method]))
    return printed._replace(
        repaired_holds=repaired.repaired_holds,
        repaired_start=repaired.repaired_start,
        repaired_kl_sum=repaired.repaired_kl_sum,
        repaired_kl_low=repaired.repaired_kl_low,
        repaired_kl_high=repaired.repaired_kl_high,
        start_kl=repaired.start_kl,
        start_kl_low=repaired.start_kl_low,
        start_kl_high=repaired.start_kl_high,
        sharp_holds=sharp.sharp_holds,
        sharp_start=sharp.sharp_start,
        rate=sharp.rate,
        rate_low=sharp.rate_low,
        rate_high=sharp.rate_high,
        rate_bracket=sharp.rate_bracket,
        rate_samples=sharp.rate_samples,
        rate_rounding=sharp.rate_rounding,
        kl_rounding=max(printed.kl_rounding, repaired.kl_rounding),
        method="; ".join(methods),
    )


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
        printed_holds=_decide(case, "printed", exact, lambda r: exceeds(kl.low, kl.high, printed, printed, r), rounding),
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
    mixture: MixtureOfHMMs, start_laws: np.ndarray, true_concepts: Sequence[int], ks: Sequence[int], *, seed: int = 0
) -> CriticalK:
    """Smallest of ``ks`` at which each version holds for every theta* in ``true_concepts`` and every theta."""
    found = [
        c
        for true in true_concepts
        for c in condition_table(mixture, start_laws, true, ks, seed=seed, tables=len(true_concepts))
    ]
    return critical_k_of(found, ks)


def critical_k_of(conditions: Sequence[Condition], ks: Sequence[int]) -> CriticalK:
    """``critical_k`` from conditions already computed; "undetermined" does not count as holding."""

    def smallest(version: Version) -> int | None:
        holding = (k for k in sorted(ks) if all(c.holds(version) is True for c in conditions if c.k == k))
        return next(holding, None)

    return CriticalK(smallest("printed"), smallest("repaired"), smallest("sharp"))
