"""Theorems 1 and 3 evaluated on one instance: where they apply, how much they say, and whether it is true there.

Source: Xie et al. 2022, Theorems 1 and 3; theory notes, sections 2 and 3. Theorem 2 is in ``statements.fisher``.

A version is *printed*, *repaired* or *sharp*; the conclusion is a property of the instance and does not depend on it.
``applies`` and ``conclusion == "fails"`` together are a counterexample to that version. A theorem speaks of the limit
of many examples, so only the limit (``statements.limits``) decides its conclusion; what exact Bayes does at a finite n
is measured and said beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array
from implicit_bayes.theory.statements.assumptions import Assumption, Verdict
from implicit_bayes.theory.statements.bounds import Interval, RiskBound, risk_bound
from implicit_bayes.theory.statements.conditions import Condition
from implicit_bayes.theory.statements.pairs import Pair, all_hold, pairs_of
from implicit_bayes.theory.statements.risk import SHOTS, MeasuredRisk, affordable, measure_risk
from implicit_bayes.theory.statements.thresholds import add_costs

Conclusion = Literal["holds", "fails", "undetermined"]

BOUND_ROUNDING = 1e-12
"""Error of a bound g^{-1}(nats); a limit closer to it than this is on neither side."""

SLOW = 0.02
"""A limit of 0 that rests on estimated rates is not believed where the measured risk is shown to exceed this."""


class TheoremVerdict(NamedTuple):
    """One theorem, in one version, on one instance.

    name: "1", "2" or "3".
    version: "printed", "repaired" or "sharp".
    applies: every hypothesis is *shown* to hold; one that is undetermined makes this False, and ``reason`` says so.
    bound: on the excess 0-1 risk in the limit of many examples (0 for Theorem 1), or None where there is none.
    vacuous: the statement excludes nothing here: it does not apply, or its bound is at least g^{-1}(log 2) = 1, or
        its bound was too large a computation.
    conclusion: whether what it promises is true of the exact predictor (for 2 and 3: excess risk at most ``bound``).
    reason: words.
    """

    name: str
    version: str
    applies: bool
    bound: float | None
    vacuous: bool
    conclusion: Conclusion
    reason: str


class Evidence(NamedTuple):
    """What the verdicts rest on: the pairs, their conditions, the assumptions by name, and the measured risk.

    complete: ``rows`` hold every start law of every pair, not only the binding one.
    """

    mixture: MixtureOfHMMs
    pairs: list[Pair]
    rows: list[Condition]
    holds: Mapping[str, Verdict]
    risk: MeasuredRisk
    complete: bool
    seed: int

    @property
    def k(self) -> int:
        return self.pairs[0].law.length


def evaluate_theorems(
    mixture: MixtureOfHMMs,
    start_laws_SxH: Array,
    true_concepts: Sequence[int],
    k: int,
    *,
    conditions: Sequence[Condition],
    assumptions: Sequence[Assumption],
    seed: int = 0,
    prompts: int = 200,
    shots: Sequence[int] = SHOTS,
) -> list[TheoremVerdict]:
    """Theorem 1 (printed, repaired, sharp), Theorem 2 (needs a continuous family) and Theorem 3 (printed, sharp).

    Every statement is asked for all pairs of a true concept and a prompt start law at once: it applies if it applies
    to each, and its conclusion holds if it holds for each. Concepts of prior zero take no part; a true concept of
    prior zero makes A4 fail.

    Args:
        mixture: the pretraining law.
        start_laws_SxH: (S, H) the prompt start laws, or (C, S, H) where they depend on the true concept.
        true_concepts: indices of the possible theta*.
        k: tokens in an example.
        conditions: ``statements.conditions.check_conditions`` for every true concept, one row for each other concept,
            at its binding start law or at every one; rows of another k are ignored.
        assumptions: one or more lists' worth of ``statements.assumptions.Assumption``.
        seed, prompts, shots: of the measurement, see ``measure_risk``.

    Returns:
        Six verdicts.

    Raises:
        ModelError: a pair (true concept, other concept) of positive prior has no row in ``conditions``.
    """
    possible = {int(c) for c in mixture.possible_concepts()}
    rows = [
        c
        for c in conditions
        if c.k == k and c.true_concept in true_concepts and c.concept in possible - {c.true_concept}
    ]
    needed = {(true, c) for true in possible & set(true_concepts) for c in possible - {true}}
    if missing := sorted(needed - {(c.true_concept, c.concept) for c in rows}):
        raise ModelError(f"conditions: none for k = {k}, true concept {missing[0][0]}, concept {missing[0][1]}")
    pairs = pairs_of(mixture, start_laws_SxH, true_concepts, k, rows)
    found = {(r.true_concept, r.prompt_start, r.concept) for r in rows}
    evidence = Evidence(
        mixture=mixture,
        pairs=pairs,
        rows=rows,
        holds={n: _assumed([a.holds for a in assumptions if a.name == n]) for n in ("A1", "A2", "A3", "A4", "A5")},
        risk=measure_risk(mixture, [pair.law for pair in pairs], prompts=prompts, seed=seed, shots=shots),
        complete=all((pair.true_concept, pair.start, c) in found for pair in pairs for c in pair.others),
        seed=seed,
    )
    conclusion = conclude_theorem_1(evidence)
    return [
        *(_theorem_1(version, evidence, conclusion) for version in ("printed", "repaired", "sharp")),
        TheoremVerdict("2", "printed", False, None, True, "undetermined", "does not apply: finite family"),
        _theorem_3_printed(evidence),
        _theorem_3_sharp(evidence),
    ]


def _assumed(verdicts: Sequence[Verdict]) -> Verdict:
    return all_hold(verdicts) if verdicts else "undetermined"


def measured(risk: MeasuredRisk, risks: Sequence[Interval]) -> str:
    """The risk at the largest n in words; for a person, and never a verdict on a limit."""
    last = risks[-1]
    worst = "" if risk.pairs == 1 else f"worst of {risk.pairs} pairs "
    words = f"at n = {risk.shots[-1]} {worst}measured {last.value:.4f} in [{last.low:.4f}, {last.high:.4f}]"
    return words + (f", undefined on {risk.undefined[-1]:.1%} of prompts" if risk.undefined[-1] > 0 else "")


def conclude_theorem_1(evidence: Evidence) -> tuple[Conclusion, str]:
    """Whether f_n -> argmax p_prompt for every pair: by its limit, or undetermined."""
    mixture, risk, pure = evidence.mixture, evidence.risk, evidence.holds["A1"] is True
    seen, undecided = measured(risk, risk.error), []
    for pair in evidence.pairs:
        limit = pair.limit(mixture, evidence.k - 1, pure, len(evidence.pairs), evidence.seed)
        if limit is not None and limit.wrong[0] > 0 and not (pair.estimated and risk.error[-1].high < limit.wrong[0]):
            low, high = limit.wrong
            exact = limit.exhaustive and high - low <= BOUND_ROUNDING
            amount = f"{low:.6g}" if exact else f"{low:.6g} to {high:.6g}"
            basis = (
                "rates with intervals" if pair.estimated else "exact limit" if limit.exhaustive else "sampled x_test"
            )
            return "fails", f"{_tends(pair)}, wrong with probability {amount} ({basis}); {seen}"
        if limit is None or not limit.exhaustive or limit.wrong[1] > 0:
            wrong = "" if limit is None else f", wrong with probability {limit.wrong[0]:.4g} to {limit.wrong[1]:.4g}"
            undecided.append(_tends(pair) + wrong)
    if undecided:
        return "undetermined", f"{undecided[0]}; {seen}"
    if not any(pair.estimated for pair in evidence.pairs):
        return "holds", f"exact limit agrees at every x_test; {seen}"
    if risk.error[-1].low > SLOW:
        return "undetermined", f"the limit by rates with intervals agrees at every x_test, but {seen}"
    return "holds", f"the limit agrees at every x_test (rates with intervals); {seen}"


def _tends(pair: Pair) -> str:
    """On which concepts the posterior ends up, in words."""
    start = f"theta* = {pair.true_concept}, start law {pair.start}: "
    if pair.rates is None and any(len(o.alive | o.perhaps) > 1 for o in pair.outcomes):
        return start + "rates not computed"
    words = []
    for concepts, probability in sorted(pair.concentrates_on.items(), key=lambda item: -item[1]):
        names = " or ".join(map(str, sorted(concepts)))
        what = f"the posterior tends to concept {names}" if concepts else "there is no posterior"
        words.append(what if probability > 1 - BOUND_ROUNDING else f"{what} on {probability:.6g} of prompts")
    return start + ", ".join(words)


def _theorem_1(version: str, evidence: Evidence, conclusion: tuple[Conclusion, str]) -> TheoremVerdict:
    """Printed: A1-A5 and Condition 1. Repaired: A1, A2, A4, A5, the repaired condition and the repaired Lemma 1 (with
    concentration on theta*, the test example still starts from p(h|d,theta*), not from p_prompt). Sharp: A1, A4, every
    rate below 0, and equality of the two argmaxes at every reachable x_test. Where rows show only the binding start
    law, the one with the smallest kl_sum, that settles the printed condition for all, and the repaired one with
    eps_start in place of start_kl; the sharp one is settled by the rates of each pair."""
    names = {"printed": ("A1", "A2", "A3", "A4", "A5"), "repaired": ("A1", "A2", "A4", "A5"), "sharp": ("A1", "A4")}
    mixture, rows, pairs = evidence.mixture, evidence.rows, evidence.pairs
    needs: dict[str, Verdict] = {name: evidence.holds[name] for name in names[version]}
    if version == "printed" or evidence.complete:
        verdicts = [getattr(row, f"{version}_holds") for row in rows]
    elif version == "repaired":
        verdicts = [row.kl_low > add_costs(row.eps_start, row.eps_delim_repaired) for row in rows]
    else:
        verdicts = [pair.sharp_holds for pair in pairs]
    needs[f"{version} condition"] = all_hold(verdicts)
    if all(value is True for value in needs.values()) and version == "repaired":
        needs["repaired Lemma 1"] = all_hold([pair.lemma_1_holds(mixture) for pair in pairs])
    if all(value is True for value in needs.values()) and version == "sharp":
        needs["equal argmax after a delimiter"] = all_hold([pair.same_argmax(mixture) for pair in pairs])
    applies, missing = hypotheses(needs)
    return TheoremVerdict(
        name="1",
        version=version,
        applies=applies,
        bound=0.0 if applies else None,
        vacuous=not applies,
        conclusion=conclusion[0],
        reason=f"{missing}; {conclusion[1]}",
    )


def hypotheses(needs: Mapping[str, Verdict]) -> tuple[bool, str]:
    """Whether all hypotheses hold, and "applies" or what is missing."""
    lacking = [f"{name} {'fails' if value is False else value}" for name, value in needs.items() if value is not True]
    return not lacking, "does not apply: " + ", ".join(lacking) if lacking else "applies"


def conclude_excess(
    bound: RiskBound, limits: Sequence[tuple[float, float] | None], estimated: bool, seen: Interval
) -> tuple[Conclusion, str]:
    """Whether the limiting excess risk of every pair is at most the bound.

    Args:
        bound: what is promised.
        limits: ends of each pair's limiting excess risk; None where it is not known.
        estimated: whether they rest on estimated rates.
        seen: the measured risk, which can cast doubt on estimated limits.
    """
    if bound.value >= 1.0:
        return "holds", "no excess risk is above 1"
    known = [limit for limit in limits if limit is not None]
    if not known:
        return "undetermined", "the limit of the excess risk is not known"
    low, high = max(limit[0] for limit in known), max(limit[1] for limit in known)
    if low > bound.value + BOUND_ROUNDING and not (estimated and seen.high < low):
        return "fails", f"limit of the excess risk in [{low:.6g}, {high:.6g}]"
    if len(known) < len(limits):
        return "undetermined", f"the limit of the excess risk is known for {len(known)} of {len(limits)} pairs"
    words = f"limit of the excess risk in [{low:.6g}, {high:.6g}]"
    below = high == 0.0 or high <= bound.value - BOUND_ROUNDING
    return ("holds" if below and not (estimated and seen.low > bound.value + SLOW) else "undetermined"), words


def _theorem_3(
    version: str, evidence: Evidence, needs: Mapping[str, Verdict], nats: float, words: str
) -> TheoremVerdict:
    applies, missing = hypotheses(needs)
    bound, risk = risk_bound(nats), evidence.risk
    limits = [_random_limit(evidence, pair) for pair in evidence.pairs] if bound.value < 1.0 else [None]
    estimated = any(pair.estimated for pair in evidence.pairs)
    conclusion, seen = conclude_excess(bound, limits, estimated, risk.random_excess[-1])
    reason = f"{missing}; {words}, g^-1({nats:.6g}) = {bound.value:.6g}; {seen}; {measured(risk, risk.random_excess)}"
    return TheoremVerdict(
        name="3",
        version=version,
        applies=applies,
        bound=bound.value,
        vacuous=bound.vacuous or not applies,
        conclusion=conclusion,
        reason=reason,
    )


def _random_limit(evidence: Evidence, pair: Pair) -> tuple[float, float] | None:
    """Ends of the limiting excess risk with the test example's length uniform on 2..k."""
    pure, lengths = evidence.holds["A1"] is True, range(1, evidence.k)
    share = len(evidence.pairs) * len(lengths)
    limits = [pair.limit(evidence.mixture, m, pure, share, evidence.seed) for m in lengths]
    found = [limit.excess for limit in limits if limit is not None]
    if len(found) < len(limits):
        return None
    low, high = np.mean(found, axis=0)
    return float(low), float(high)


def _theorem_3_printed(evidence: Evidence) -> TheoremVerdict:
    """B = {theta : Condition 1 not shown}; excess risk at most g^{-1}( max_B (eps_start + eps_delim) / (k - 1) )."""
    inside = [row for row in evidence.rows if row.printed_holds is not True]
    worst = max((row.printed_threshold for row in inside), default=0.0)
    size = len({(row.true_concept, row.concept) for row in inside})
    total = len({(row.true_concept, row.concept) for row in evidence.rows})
    words = f"{size} of {total} pairs (theta*, theta) in B"
    return _theorem_3("printed", evidence, evidence.holds, max(worst, 0.0) / (evidence.k - 1), words)


def _theorem_3_sharp(evidence: Evidence) -> TheoremVerdict:
    """B = {theta : rate not shown negative} and theta* itself; excess risk at most

    g^{-1}( max over theta in B and d in D of KL( p_prompt(O) || p(O | d, theta) ) / (k - 1) ).

    Proof. Posterior weights outside B vanish, so p(O | S_n) tends to a mixture over B and D of p(O | d, theta) whose
    weights depend on S_n only, and KL is convex in its second law: the maximum bounds KL( p_prompt(O) || p(O | S_n) ).
    That is sum_{j=1..k} KL_j >= sum_{j=2..k} KL_j, which a uniform test length averages; then g and Jensen.
    """
    needs = {name: evidence.holds[name] for name in ("A1", "A2", "A4")}
    applies, missing = hypotheses(needs)
    k, mixture, pairs = evidence.k, evidence.mixture, evidence.pairs
    if not applies or not all(affordable(pair.law, k - 1) for pair in pairs):
        reason = missing if not applies else "applies, but its bound is too large a computation and was not evaluated"
        return TheoremVerdict("3", "sharp", applies, None, True, "undetermined", reason)
    nats, members = 0.0, set()
    for pair in pairs:
        inside = [c for c in (pair.member, *pair.others) if c is not None and not pair.beaten(c)]
        members |= {(pair.true_concept, c) for c in inside if c != pair.member}
        nats = max(nats, *(_after_delimiter(mixture, pair.law, c) for c in inside))
    total = len({(pair.true_concept, c) for pair in pairs for c in pair.others})
    words = f"{len(members)} of {total} pairs (theta*, theta) in B, and theta* itself"
    return _theorem_3("sharp", evidence, needs, nats / (k - 1), words)


def _after_delimiter(mixture: MixtureOfHMMs, law: PromptLaw, concept: int) -> float:
    """max over d of KL( p_prompt(O) || p(O | d, concept) ), the upper end where it is sampled."""
    hmm = mixture.concept(concept)
    restarted = (HMM(hmm.transition[d], hmm.transition, hmm.emission) for d in mixture.delimiter_states())
    return max(kl_sum(law, alternative).high for alternative in restarted)
