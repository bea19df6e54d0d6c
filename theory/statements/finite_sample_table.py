"""n(delta) and both bounds for every version, k and start law: the table that ``verify`` shows.

A prompt keeps one start law for all its examples, so each has bounds of its own; reported are the worst at every n
and, where the start law is drawn uniformly, the mixture (the mean of the bounds).

Source: docs/theory, "How many examples are enough".
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.moment_graphs import BUDGET
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.finite_sample import DELTAS, Bound, StartLaw, enough, start_law
from implicit_bayes.theory.statements.finite_sample_odds import TIE, Version

Enough = dict[str, int | None]
"""n(delta) by str(delta); None where the bound never gets and stays that low."""


class StartRow(NamedTuple):
    """The bounds at one start law.

    Attributes:
        exponent: smallest over theta, nats an example.
        n_enough: n(delta) by delta, None where no n is shown to be enough.
        error_bound: F2, a probability, at the row's ns.
    """

    exponent: float
    n_enough: Enough
    error_bound: tuple[float, ...]


class FiniteSample(NamedTuple):
    """Theorem 1 at finite n for one (k, theta*) in one version, at the worst start law.

    Attributes:
        exponent: smallest over theta, nats an example; 0 where the bound says nothing, inf where no theta ever
            competes.
        n_enough: n(delta) certified by F2.
        ns, weight_bound, error_bound: F1 on E[1 - w_n(theta*)] and F2 on the probability of a wrong answer at those
            n.
        method: "exact"; "monte carlo" (upper ends of 95% intervals; an estimate, not a proof); "none".
        reason: words: why the bound says nothing, or "".
        mixture_n_enough, mixture_error_bound: for a start law drawn uniformly.
        start_laws: one each.
        k: tokens in an example.
        true_concept: index of theta*.
        version: "sharp" or "repaired".
    """

    k: int
    true_concept: int
    version: Version
    exponent: float
    n_enough: Enough
    ns: tuple[int, ...]
    weight_bound: tuple[float, ...]
    error_bound: tuple[float, ...]
    method: str
    reason: str
    mixture_n_enough: Enough
    mixture_error_bound: tuple[float, ...]
    start_laws: tuple[StartRow, ...]


def finite_sample(
    mixture: MixtureOfHMMs,
    start_laws_SxH: np.ndarray,
    true_concept: int,
    k: int,
    version: Version,
    ns: Sequence[int],
    *,
    seed: int = 0,
    budget: int = BUDGET,
) -> FiniteSample:
    """Bounds, exponents and n(delta) of one (k, theta*) in one version.

    Args:
        mixture: the pretraining law.
        start_laws_SxH: candidates for p_prompt(h).
        true_concept: theta*.
        k: example length.
        version: "sharp" or "repaired".
        ns: numbers of examples; those below 1 are left out (the bounds speak of n >= 1).
        seed, budget: see ``finite_sample_odds.odds_moments``.

    Returns:
        FiniteSample: exponent in nats an example, bounds as probabilities at each n, n(delta) for every delta of
        ``DELTAS``; the worst start law, the uniform mixture of them, and each by itself.
    """
    ns = tuple(n for n in sorted(set(ns)) if n >= 1)
    laws = [PromptLaw.of(mixture, start, true_concept, k) for start in np.asarray(start_laws_SxH)]
    found = [_start_law(mixture, law, true_concept, version, seed, budget) for law in laws]
    weights, errors = ([bound(each)(ns).value for each in found] for bound in (_weight, _error))
    rows = tuple(
        StartRow(_smallest(each), _all_enough([each]), tuple(error.tolist()))
        for each, error in zip(found, errors, strict=True)
    )
    worst = {str(delta): _largest([row.n_enough[str(delta)] for row in rows]) for delta in DELTAS}
    return FiniteSample(
        k=k,
        true_concept=true_concept,
        version=version,
        exponent=min(row.exponent for row in rows),
        n_enough=worst,
        ns=ns,
        weight_bound=tuple(np.max(weights, 0).tolist()),
        error_bound=tuple(np.max(errors, 0).tolist()),
        method=_method(found),
        reason=_reason(found),
        mixture_n_enough=_all_enough(found) if len(found) > 1 else worst,
        mixture_error_bound=tuple(np.mean(errors, 0).tolist()),
        start_laws=rows,
    )


def says_nothing(true_concept: int, k: int, version: Version, ns: Sequence[int], count: int, why: str) -> FiniteSample:
    """The row of a bound that says nothing at one of ``count`` start laws, for a reason known without computing it.

    Args:
        true_concept: index of theta*.
        k: tokens in an example.
        version: "sharp" or "repaired".
        ns: numbers of examples.
        count: start laws.
        why: in words.

    Returns:
        FiniteSample with exponent 0, bounds 1, n(delta) None, and ``reason``.
    """
    ns, never = tuple(n for n in sorted(set(ns)) if n >= 1), {str(delta): None for delta in DELTAS}
    ones, never_at = (1.0,) * len(ns), StartRow(0.0, dict(never), (1.0,) * len(ns))
    return FiniteSample(
        k=k, true_concept=true_concept, version=version, exponent=0.0, n_enough=dict(never), ns=ns, weight_bound=ones,
        error_bound=ones, method="none", reason=why, mixture_n_enough=dict(never), mixture_error_bound=ones,
        start_laws=(never_at,) * count,
    )  # fmt: skip


def _start_law(mixture: MixtureOfHMMs, law: PromptLaw, true: int, version: Version, seed: int, budget: int) -> StartLaw:
    try:
        return start_law(mixture, law, true, version, seed=seed, budget=budget)
    except ModelError as error:
        return StartLaw(f"not evaluated: {error}", {})


def _weight(each: StartLaw) -> Callable[[Sequence[int]], Bound]:
    return each.weight


def _error(each: StartLaw) -> Callable[[Sequence[int]], Bound]:
    return each.error


def _smallest(each: StartLaw) -> float:
    """Exponent over theta; 0 where the bound says nothing, inf where there is no other theta."""
    return 0.0 if isinstance(each.odds, str) else min((e.value for e in each.exponents.values()), default=np.inf)


def _all_enough(found: Sequence[StartLaw]) -> Enough:
    """n(delta) of the mean of the bounds."""

    @functools.cache
    def at(ns: tuple[int, ...]) -> Bound:
        bounds = [each.error(ns) for each in found]
        settled = np.all([bound.settled for bound in bounds], 0)
        return Bound(np.asarray(ns), np.mean([bound.value for bound in bounds], 0), settled)

    return {str(delta): enough(lambda ns: at(tuple(ns)), delta) for delta in DELTAS}


def _largest(ns: Sequence[int | None]) -> int | None:
    known = [n for n in ns if n is not None]
    return max(known) if len(known) == len(ns) else None


def _method(found: Sequence[StartLaw]) -> str:
    if any(isinstance(each.odds, str) for each in found):
        return "none"
    return "monte carlo" if any(each.odds.pilot is not None for each in found) else "exact"  # type: ignore[union-attr]


def _reason(found: Sequence[StartLaw]) -> str:
    """Why the worst start law's bound says nothing."""
    for each in found:
        if isinstance(each.odds, str):
            return each.odds
        stuck = [c for c, e in each.exponents.items() if e.value == 0.0]
        if not stuck:
            continue
        if each.odds.version == "repaired":
            return f"the repaired condition does not hold for concept {stuck[0]}"
        a = each.odds.concepts.index(stuck[0])
        rate = float(each.odds.later(a, np.zeros(1)).slope[0])
        if rate > TIE:
            return f"concept {stuck[0]} has rate {rate:+.4g}: the posterior goes to the wrong concept"
        return f"concept {stuck[0]} is not told apart from theta* by further examples"
    lost = [
        float(each.odds.mass_N[each.odds.margin_N <= TIE].sum()) for each in found if not isinstance(each.odds, str)
    ]
    return f"theta* itself may answer wrongly on {max(lost):.4g} of the test inputs" if max(lost) > 0 else ""
