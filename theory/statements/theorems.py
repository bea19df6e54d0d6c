"""Theorems 1 and 3 evaluated on one instance: where they apply, how much they say, and whether it is true there.

Source: Xie et al. 2022, Theorems 1 and 3; docs/theory/repaired.md and laws.md. Theorem 2 is in ``statements.fisher``.

A version is *printed*, *repaired* or *sharp*; the conclusion is a property of the instance and does not depend on it.
``applies`` and ``conclusion == "fails"`` together are a counterexample to that version. How a conclusion is reached:
``statements.conclusions``.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from implicit_bayes.theory.information.estimates import Verdict
from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array
from implicit_bayes.theory.statements.assumptions import Assumption
from implicit_bayes.theory.statements.bounds import risk_bound
from implicit_bayes.theory.statements.conclusions import (
    Conclusion,
    Evidence,
    TheoremVerdict,
    conclude_excess,
    conclude_theorem_1,
    hypotheses,
    measured,
)
from implicit_bayes.theory.statements.conditions import VERSIONS, Condition, Version
from implicit_bayes.theory.statements.pairs import Pair, all_hold, pairs_of
from implicit_bayes.theory.statements.risk import SHOTS, affordable, measure_risk

Limits = Callable[[], Sequence[tuple[float, float] | None]]
"""Ends of the limiting excess risk at a random length, for every pair; worked out when first asked for."""

LIVES = "positive probability of every prompt under theta*"
"""Without it there is no rate and no posterior on some prompts, whatever other hypotheses hold."""


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
        conditions: ``statements.conditions.conditions_by_start_law`` for every true concept (``check_conditions`` will
            do: rates that are not in its rows are computed again where that is cheap); rows of another k are ignored.
        assumptions: one or more lists' worth of ``statements.assumptions.Assumption``.
        seed, prompts, shots: of the measurement, see ``measure_risk``.

    Returns:
        Six TheoremVerdicts in this order: whether each applies, its bound on the excess 0-1 risk, and whether its
        conclusion is true of exact Bayes.

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
    evidence = Evidence(
        mixture=mixture,
        pairs=pairs,
        rows=rows,
        holds={n: _assumed([a.holds for a in assumptions if a.name == n]) for n in ("A1", "A2", "A3", "A4", "A5")},
        risk=measure_risk(mixture, [pair.law for pair in pairs], prompts=prompts, seed=seed, shots=shots),
        seed=seed,
    )
    conclusion = conclude_theorem_1(evidence)
    limits = functools.cache(lambda: [_random_limit(evidence, pair) for pair in evidence.pairs])
    return [
        *(_theorem_1(version, evidence, conclusion) for version in VERSIONS),
        TheoremVerdict(
            name="2",
            version="printed",
            applies=False,
            bound=None,
            vacuous=True,
            conclusion="undetermined",
            reason="does not apply: finite family",
        ),
        _theorem_3_printed(evidence, limits),
        _theorem_3_sharp(evidence, limits),
    ]


def _assumed(verdicts: Sequence[Verdict]) -> Verdict:
    return all_hold(verdicts) if verdicts else "undetermined"


def _theorem_1(version: Version, evidence: Evidence, conclusion: tuple[Conclusion, str]) -> TheoremVerdict:
    """Printed: A1-A5 and Condition 1. Repaired: A1, A2, A4, A5, the repaired condition and the repaired Lemma 1 (with
    concentration on theta*, the test example still starts from p(h|d,theta*), not from p_prompt). Sharp: A1, A4, a
    theta* that forbids no prompt, every rate below 0, and equality of the two argmaxes at every reachable x_test.
    """
    names = {"printed": ("A1", "A2", "A3", "A4", "A5"), "repaired": ("A1", "A2", "A4", "A5"), "sharp": ("A1", "A4")}
    mixture, rows, pairs = evidence.mixture, evidence.rows, evidence.pairs
    needs: dict[str, Verdict] = {name: evidence.holds[name] for name in names[version]}
    needs[f"{version} condition"] = all_hold([row.holds(version) for row in rows])
    if version == "sharp" and needs["A4"] is True:
        needs[LIVES] = all_hold([pair.theta_star_lives for pair in pairs])
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


def _theorem_3(
    version: str, evidence: Evidence, limits: Limits, needs: Mapping[str, Verdict], nats: float, words: str
) -> TheoremVerdict:
    applies, missing = hypotheses(needs)
    bound, risk = risk_bound(nats), evidence.risk
    ends = limits() if bound.value < 1.0 else [None]
    estimated = any(pair.estimated for pair in evidence.pairs)
    conclusion, seen = conclude_excess(bound, ends, estimated, risk.random_excess[-1])
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


def _theorem_3_printed(evidence: Evidence, limits: Limits) -> TheoremVerdict:
    """B = {theta : Condition 1 not shown}; excess risk at most g^{-1}( max_B (eps_start + eps_delim) / (k - 1) )."""
    inside = [row for row in evidence.rows if row.printed_holds is not True]
    worst = max((row.printed_threshold for row in inside), default=0.0)
    size = len({(row.true_concept, row.concept) for row in inside})
    total = len({(row.true_concept, row.concept) for row in evidence.rows})
    words = f"{size} of {total} pairs (theta*, theta) in B"
    return _theorem_3("printed", evidence, limits, evidence.holds, max(worst, 0.0) / (evidence.k - 1), words)


def _theorem_3_sharp(evidence: Evidence, limits: Limits) -> TheoremVerdict:
    """B = {theta : rate not shown negative} and theta* itself; excess risk at most

    g^{-1}( max over theta in B and d in D of KL( p_prompt(O) || p(O | d, theta) ) / (k - 1) ).

    Proof. Posterior weights outside B vanish, so p(O | S_n) tends to a mixture over B and D of p(O | d, theta) whose
    weights depend on S_n only, and KL is convex in its second law: the maximum bounds KL( p_prompt(O) || p(O | S_n) ).
    That is sum_{j=1..k} KL_j >= sum_{j=2..k} KL_j, which a uniform test length averages; then g and Jensen.
    """
    k, mixture, pairs = evidence.k, evidence.mixture, evidence.pairs
    needs = {name: evidence.holds[name] for name in ("A1", "A2", "A4")}
    if needs["A4"] is True:
        needs[LIVES] = all_hold([pair.theta_star_lives for pair in pairs])
    applies, missing = hypotheses(needs)
    if not applies or not all(affordable(pair.law, k - 1) for pair in pairs):
        reason = missing if not applies else "applies, but its bound is too large a computation and was not evaluated"
        return TheoremVerdict(
            name="3",
            version="sharp",
            applies=applies,
            bound=None,
            vacuous=True,
            conclusion="undetermined",
            reason=reason,
        )
    nats, members = 0.0, set()
    for pair in pairs:
        inside = [c for c in (pair.member, *pair.others) if c is not None and not pair.beaten(c)]
        members |= {(pair.true_concept, c) for c in inside if c != pair.member}
        nats = max(nats, *(_kl_after_delimiter(mixture, pair.law, c) for c in inside))
    total = len({(pair.true_concept, c) for pair in pairs for c in pair.others})
    words = f"{len(members)} of {total} pairs (theta*, theta) in B, and theta* itself"
    return _theorem_3("sharp", evidence, limits, needs, nats / (k - 1), words)


def _kl_after_delimiter(mixture: MixtureOfHMMs, law: PromptLaw, concept: int) -> float:
    """max over d of KL( p_prompt(O) || p(O | d, concept) ), the upper end where it is sampled."""
    hmm = mixture.concept(concept)
    restarted = (HMM(hmm.transition[d], hmm.transition, hmm.emission) for d in mixture.delimiter_states())
    return max(kl_sum(law, alternative).high for alternative in restarted)
