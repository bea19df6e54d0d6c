"""Theorems 1 and 3 evaluated on one instance: where they apply, how much they say, and whether it is true there.

Source: Xie et al. 2022, Theorems 1 and 3; theory notes, sections 2 and 3. Theorem 2 is in ``theory.statements.fisher``.

A version is *printed*, *repaired* or *sharp*; the conclusion is a property of the instance and does not depend on it.
``applies`` and ``conclusion == "fails"`` together are a counterexample to that version.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from implicit_bayes.theory.filtering.filter import filter_mixture
from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.information.rates import log_likelihood_rates
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array
from implicit_bayes.theory.statements.bounds import (
    Interval,
    binomial_interval,
    bounded_mean_interval,
    computed_excess_risk,
    risk_bound,
)
from implicit_bayes.theory.statements.repaired import lemma_1
from implicit_bayes.theory.statements.thresholds import add_costs

Conclusion = Literal["holds", "fails", "undetermined"]

SHOTS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Numbers of examples at which the exact predictor is measured."""

RISK_TOLERANCE = 0.02
"""A measured risk whose interval lies below this counts as having reached 0 (a finite n cannot show a limit)."""

TIE = 1e-12
"""Probabilities closer than this are tied: neither is the argmax against the other."""

ENUMERATION_BUDGET = 8_000_000
"""Largest V^(k-1) H^2 for which every x_test is enumerated."""


class TheoremVerdict(NamedTuple):
    """One theorem, in one version, on one instance.

    name: "1", "2" or "3".
    version: "printed", "repaired" or "sharp".
    applies: every hypothesis is *shown* to hold; one that is undetermined makes this False, and ``reason`` says so.
    bound: on the excess 0-1 risk in the limit of many examples (0 for Theorem 1), or None where there is none.
    vacuous: the statement excludes nothing here: it does not apply, or its bound is at least g^{-1}(log 2) = 1.
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


class MeasuredRisk(NamedTuple):
    """The exact predictor's risk at growing n on sampled prompts; every interval covers with probability 0.99.

    shots: n, increasing.
    error: P( f_n(x) is not an argmax of p_prompt(y|x) ), x of k - 1 tokens; an undefined f_n is an error.
    excess: excess 0-1 risk of f_n, x of k - 1 tokens.
    random_excess: the same with the test example's length uniform on 2..k, the label being its last token.
    undefined: share of prompts of probability zero under the pretraining law.
    """

    shots: tuple[int, ...]
    error: tuple[Interval, ...]
    excess: tuple[Interval, ...]
    random_excess: tuple[Interval, ...]
    undefined: tuple[float, ...]


class LimitRisk(NamedTuple):
    """Risk of the predictor that knows S_n's last token was a delimiter and that the concept is c, exactly.

    With |D| > 1 the filter after S_n weighs the delimiter states in a way that changes with S_n; an x_test at which
    they disagree is counted as wrong in the upper ends and as right in the lower ends.

    wrong: (low, high) p_prompt-mass of x where the prediction is not an argmax of p_prompt(y|x).
    excess: (low, high) excess 0-1 risk.
    """

    wrong: tuple[float, float]
    excess: tuple[float, float]


def sample_prompts(law: PromptLaw, prompts: int, shots: int, generator: np.random.Generator) -> np.ndarray:
    """(prompts, (k+1) shots + k - 1) tokens of (S_n, x_test): independent examples, a delimiter after each.

    By inverse CDF: a state or token of probability zero is never drawn.
    """
    kernel, emission = (np.asarray(x, dtype=np.float64) for x in (law.hmm.transition, law.hmm.emission))
    rows = np.broadcast_to(np.asarray(law.start, dtype=np.float64), (prompts * (shots + 1), law.hmm.n_states))
    tokens = np.full((len(rows), law.length + 1), law.delimiter)
    for j in range(law.length):
        state = _draw(rows, generator)
        tokens[:, j] = _draw(emission[state], generator)
        rows = kernel[state]
    return tokens.reshape(prompts, -1)[:, : law.test_position(shots)]


def _draw(rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    cumulative = rows.cumsum(-1)
    return (cumulative / cumulative[:, -1:] > generator.random(len(rows))[:, None]).argmax(-1)


def measure_risk(
    mixture: MixtureOfHMMs, laws: Sequence[PromptLaw], *, prompts: int, seed: int, shots: Sequence[int] = SHOTS
) -> MeasuredRisk:
    """Run the exact predictor on prompts of laws drawn uniformly, nested in n: x_test at n is the next example's start.

    Only the prompt is sampled; the risk given the prompt is exact (y_test is summed out).

    Args:
        mixture: the pretraining law, whose posterior predictive decides.
        laws: prompt laws of one length k.
        prompts: number of prompts, all independent.
        seed: of the sampling.
        shots: numbers of examples n.
    """
    shots, k, generator = tuple(sorted(set(shots))), laws[0].length, np.random.default_rng(seed)
    which = generator.integers(len(laws), size=prompts)
    begin_N = np.array([(k + 1) * n for n in shots])
    tokens = np.zeros((prompts, laws[0].test_position(shots[-1])), dtype=np.int64)
    bayes = np.zeros((prompts, len(shots), k - 1, mixture.n_tokens))
    for i in np.unique(which):
        tokens[which == i] = sample_prompts(laws[i], int((which == i).sum()), shots[-1], generator)
        x_test = tokens[which == i][:, begin_N[:, None] + np.arange(k - 1)]
        bayes[which == i] = example_filter(laws[i], x_test.reshape(-1, k - 1))[1].reshape(
            x_test.shape[:2] + bayes.shape[2:]
        )
    positions = (begin_N[:, None] + np.arange(1, k)).reshape(-1)
    out = filter_mixture(mixture, tokens, positions=positions.tolist())
    predictive = np.asarray(out.predictive, dtype=np.float64).reshape(bayes.shape)
    excess = np.clip(computed_excess_risk(bayes, predictive), 0.0, 1.0)
    undefined = ~np.asarray(out.defined).reshape(excess.shape)[:, :, -1]
    last = excess[:, :, -1]
    return MeasuredRisk(
        shots,
        tuple(binomial_interval(int((column > TIE).sum()), prompts) for column in last.T),
        tuple(bounded_mean_interval(column) for column in last.T),
        tuple(bounded_mean_interval(column) for column in excess.mean(-1).T),
        tuple(undefined.mean(0).tolist()),
    )


def example_filter(law: PromptLaw, tokens_BxM: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, M) p_prompt(x_1..x_m) and (B, M, V) p_prompt(next token | x_1..x_m), m = 1..M, zero rows where it is zero.

    The scaled forward recursion in NumPy: examples are short, and there is nothing to compile for each new shape.
    """
    transition, emission = np.asarray(law.hmm.transition), np.asarray(law.hmm.emission)
    ahead = np.broadcast_to(np.asarray(law.start), (len(tokens_BxM), law.hmm.n_states))
    mass, masses, predictives = np.ones(len(tokens_BxM)), [], []
    for token_B in tokens_BxM.T:
        joint = ahead * emission.T[token_B]
        total = joint.sum(-1)
        ahead = joint / np.where(total > 0, total, 1.0)[:, None] @ transition
        mass = mass * total
        masses.append(mass)
        predictives.append(ahead @ emission)
    return np.stack(masses, 1), np.stack(predictives, 1)


def reachable_tests(law: PromptLaw, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Every x of ``length`` tokens with p_prompt(x) > 0, and those probabilities; None above ENUMERATION_BUDGET."""
    if not _affordable(law, length):
        return None
    tokens = np.indices((law.hmm.n_tokens,) * length).reshape(length, -1).T
    mass = example_filter(law, tokens)[0][:, -1]
    return tokens[mass > 0], mass[mass > 0]


def _affordable(law: PromptLaw, length: int) -> bool:
    return law.hmm.n_tokens**length * law.hmm.n_states**2 <= ENUMERATION_BUDGET


def limit_risk(mixture: MixtureOfHMMs, law: PromptLaw, concept: int, length: int) -> LimitRisk | None:
    """Risk in the limit where the posterior has concentrated on ``concept``, x of ``length`` tokens; None if too large.

    p(y | S_n, x) -> sum_d w_d p(y | x, d, concept) with weights that depend on S_n and x; the argmax is certain where
    all delimiter states agree on it, since the laws with a given argmax form a convex set.
    """
    tests = reachable_tests(law, length)
    if tests is None:
        return None
    tokens, mass = tests
    truth = example_filter(law, tokens)[1][:, -1]
    predictive_BxDxV = lemma_1(mixture, concept, np.asarray(law.start), tokens).predictive
    chosen_BxD = predictive_BxDxV.argmax(-1)
    ordered = np.sort(predictive_BxDxV, -1)
    certain = (chosen_BxD == chosen_BxD[:, :1]).all(-1) & (ordered[..., -1] - ordered[..., -2] > TIE).all(-1)
    excess = computed_excess_risk(truth, predictive_BxDxV[:, 0])
    most = np.where(certain, excess, truth.max(-1) - truth.min(-1))
    least = np.where(certain, excess, 0.0)
    ends = [(float(mass @ (values > TIE)), float(mass @ values)) for values in (least, most)]
    return LimitRisk((ends[0][0], ends[1][0]), (ends[0][1], ends[1][1]))


def lemma_1_holds(mixture: MixtureOfHMMs, law: PromptLaw, true_concept: int) -> bool | str:
    """The repaired Lemma 1 at every reachable x_test: start-state posteriors given x closer than Delta(x)/2."""
    tests = reachable_tests(law, law.length - 1)
    if tests is None:
        return "undetermined"
    result = lemma_1(mixture, true_concept, np.asarray(law.start), tests[0])
    return bool((result.by_posterior | result.by_start).all())


class _Case(NamedTuple):
    """One (theta*, p_prompt): its law and, where they are known for it, the intervals of every other concept's rate."""

    law: PromptLaw
    true_concept: int
    rates: dict[int, tuple[float, float]] | None

    @property
    def concentrates_on(self) -> int | None:
        """The concept whose rate interval lies above all others' (theta* has rate 0), or None."""
        if self.rates is None:
            return None
        ends = {self.true_concept: (0.0, 0.0), **self.rates}
        best = max(ends, key=lambda c: ends[c][0])
        return best if all(ends[c][1] < ends[best][0] for c in ends if c != best) else None

    @property
    def sharp_holds(self) -> bool | str:
        """Every rate is shown to be negative; False if one is shown not to be."""
        if self.rates is None:
            return "undetermined"
        return _all([False if low >= 0 else high < 0 or "undetermined" for low, high in self.rates.values()] or [True])

    def beaten(self, concept: int) -> bool:
        """The rate of this concept is shown to be negative."""
        return self.rates is not None and self.rates[concept][1] < 0


def evaluate_theorems(
    mixture: MixtureOfHMMs,
    start_laws_SxH: Array,
    true_concepts: Sequence[int],
    k: int,
    *,
    conditions: Sequence[Any],
    assumptions: Sequence[Any],
    seed: int = 0,
    prompts: int = 200,
    shots: Sequence[int] = SHOTS,
) -> list[TheoremVerdict]:
    """Theorem 1 (printed, repaired, sharp), Theorem 2 (needs a continuous family) and Theorem 3 (printed, sharp).

    Every statement is asked for all pairs of a true concept and a prompt start law at once: it applies if it applies
    to each, and its conclusion holds if it holds for each.

    Args:
        mixture: the pretraining law.
        start_laws_SxH: (S, H) the prompt start laws, or (C, S, H) where they depend on the true concept.
        true_concepts: indices of the possible theta*.
        k: tokens in an example.
        conditions: ``theory.statements.conditions.check_conditions`` for every true concept; rows of another k are
            ignored.
        assumptions: one or more lists' worth of ``theory.statements.assumptions.Assumption``.
        seed, prompts, shots: of the measurement, see ``measure_risk``.

    Returns:
        Six verdicts.

    Raises:
        ModelError: a pair (true concept, other concept) has no row in ``conditions``.
    """
    rows = [c for c in conditions if c.k == k and c.true_concept in true_concepts and c.concept != c.true_concept]
    if missing := sorted(_pairs(mixture, true_concepts) - {(c.true_concept, c.concept) for c in rows}):
        raise ModelError(f"conditions: none for k = {k}, true concept {missing[0][0]}, concept {missing[0][1]}")
    cases = _cases(mixture, np.asarray(start_laws_SxH), true_concepts, k, rows)
    holds = {name: _all([a.holds for a in assumptions if a.name == name]) for name in ("A1", "A2", "A3", "A4", "A5")}
    risk = measure_risk(mixture, [case.law for case in cases], prompts=prompts, seed=seed, shots=shots)
    conclusion = conclude_theorem_1(mixture, cases, risk, exact=holds["A1"] is True)
    verdicts = [
        _theorem_1(version, mixture, cases, rows, holds, conclusion) for version in ("printed", "repaired", "sharp")
    ]
    verdicts.append(TheoremVerdict("2", "printed", False, None, True, "undetermined", "does not apply: finite family"))
    return [
        *verdicts,
        _theorem_3_printed(mixture, cases, rows, holds, risk),
        _theorem_3_sharp(mixture, cases, holds, risk),
    ]


def _pairs(mixture: MixtureOfHMMs, true_concepts: Sequence[int]) -> set[tuple[int, int]]:
    return {(true, c) for true in true_concepts for c in range(mixture.n_concepts) if c != true}


def _cases(
    mixture: MixtureOfHMMs, starts: np.ndarray, true_concepts: Sequence[int], k: int, rows: Sequence[Any]
) -> list[_Case]:
    """With one start law the rows hold its rates; with several they hold those of the binding one only, so the rates
    are computed here, where the instance is small enough for the exact limit to make use of them."""
    starts_CxSxH = starts if starts.ndim == 3 else np.broadcast_to(starts, (mixture.n_concepts, *starts.shape))
    cases = []
    rates: dict[int, tuple[float, float]] | None
    for true in true_concepts:
        for start in starts_CxSxH[true]:
            law = PromptLaw.of(mixture, start, true, k)
            if starts_CxSxH.shape[1] == 1:
                rates = {r.concept: (r.rate_low, r.rate_high) for r in rows if r.true_concept == true}
            else:
                rates = _rates(mixture, law, true) if _affordable(law, k - 1) else None
            cases.append(_Case(law, true, rates))
    return cases


def _rates(mixture: MixtureOfHMMs, law: PromptLaw, true: int) -> dict[int, tuple[float, float]]:
    others = [c for c in range(mixture.n_concepts) if c != true]
    found = log_likelihood_rates(law, [mixture.concept(c) for c in others])
    return {c: (rate.low, rate.high) for c, rate in zip(others, found, strict=True)}


def _all(verdicts: Sequence[Any]) -> bool | str:
    if any(v is False or v is np.False_ for v in verdicts):
        return False
    return "undetermined" if not verdicts or any(isinstance(v, str) for v in verdicts) else True


def reached(shots: Sequence[int], risks: Sequence[Interval], bound: float) -> tuple[Conclusion, str]:
    """The verdict of the largest n: at most bound + RISK_TOLERANCE, above it and no longer falling, or neither."""
    last, limit = risks[-1], bound + RISK_TOLERANCE
    words = f"measured {last.value:.4f} in [{last.low:.4f}, {last.high:.4f}] at n = {shots[-1]}"
    if last.high <= limit:
        return "holds", words
    if last.low <= limit:
        return "undetermined", words
    if len(risks) > 1 and last.high < risks[-2].low:
        return "undetermined", f"{words}, and still falling"
    return "fails", words


def conclude_theorem_1(
    mixture: MixtureOfHMMs, cases: Sequence[_Case], risk: MeasuredRisk, exact: bool
) -> tuple[Conclusion, str]:
    """Whether f_n -> argmax p_prompt: by the exact limit where posterior and x_test allow, else by measurement."""
    measured, words = reached(risk.shots, risk.error, 0.0)
    if risk.undefined[-1] > 0:
        words += f"; f_n does not exist on {risk.undefined[-1]:.1%} of prompts"
    if risk.undefined[-1] > 0 or not exact:
        return measured, words
    shares = []
    for case in cases:
        found = case.concentrates_on
        limit = None if found is None else limit_risk(mixture, case.law, found, case.law.length - 1)
        if limit is not None and limit.wrong[0] > 0:
            text = f"theta* = {case.true_concept}: the posterior tends to concept {found}, wrong with probability"
            return "fails", f"{text} {limit.wrong[0]:.6g}; {words}"
        shares.append(1.0 if limit is None else limit.wrong[1])
    if max(shares) == 0.0:
        return "holds", f"exact limit agrees at every x_test; {words}"
    return measured, words


def _theorem_1(
    version: str,
    mixture: MixtureOfHMMs,
    cases: Sequence[_Case],
    rows: Sequence[Any],
    holds: dict[str, Any],
    conclusion: tuple[Conclusion, str],
) -> TheoremVerdict:
    """Printed: A1-A5 and Condition 1. Repaired: A1, A2, A4, A5, the repaired condition and the repaired Lemma 1 (with
    concentration on theta*, the test example still starts from p(h|d,theta*), not from p_prompt). Sharp: A1, A4, every
    rate below 0, and equality of the two argmaxes at every reachable x_test. Of several start laws the rows show the
    one with the smallest kl_sum, which settles the printed condition for all, and the repaired one with eps_start in
    place of start_kl; the sharp one is settled by the rates of each."""
    names = {"printed": ("A1", "A2", "A3", "A4", "A5"), "repaired": ("A1", "A2", "A4", "A5"), "sharp": ("A1", "A4")}
    needs = {name: holds[name] for name in names[version]}
    one_start_law = len(cases) == len({case.true_concept for case in cases})
    if version == "printed" or one_start_law:
        verdicts = [getattr(row, f"{version}_holds") for row in rows]
    elif version == "repaired":
        verdicts = [row.kl_low > add_costs(row.eps_start, row.eps_delim_repaired) for row in rows]
    else:
        verdicts = [case.sharp_holds for case in cases]
    needs[f"{version} condition"] = _all(verdicts) if verdicts else True
    if all(value is True for value in needs.values()) and version == "repaired":
        needs["repaired Lemma 1"] = _all([lemma_1_holds(mixture, case.law, case.true_concept) for case in cases])
    if all(value is True for value in needs.values()) and version == "sharp":
        needs["equal argmax after a delimiter"] = _all([_same_argmax(mixture, case) for case in cases])
    applies, missing = _missing(needs)
    return TheoremVerdict(
        "1", version, applies, 0.0 if applies else None, not applies, conclusion[0], f"{missing}; {conclusion[1]}"
    )


def _same_argmax(mixture: MixtureOfHMMs, case: _Case) -> bool | str:
    limit = limit_risk(mixture, case.law, case.true_concept, case.law.length - 1)
    return "undetermined" if limit is None else limit.wrong[1] == 0.0


def _missing(needs: dict[str, Any]) -> tuple[bool, str]:
    lacking = [f"{name} {'fails' if value is False else value}" for name, value in needs.items() if value is not True]
    return not lacking, "applies" if not lacking else "does not apply: " + ", ".join(lacking)


def _theorem_3(
    version: str,
    mixture: MixtureOfHMMs,
    cases: Sequence[_Case],
    risk: MeasuredRisk,
    needs: dict[str, Any],
    nats: float,
    words: str,
) -> TheoremVerdict:
    applies, missing = _missing(needs)
    bound = risk_bound(nats)
    conclusion, seen = reached(risk.shots, risk.random_excess, bound.value)
    limits = [_random_limit(mixture, case) for case in cases] if needs["A1"] is True else [None]
    if not any(risk.undefined) and all(limit is not None for limit in limits):
        low, high = (max(limit[end] for limit in limits if limit) for end in (0, 1))
        if high <= bound.value + TIE or low > bound.value + TIE:
            conclusion = "holds" if high <= bound.value + TIE else "fails"
            seen = f"exact limit of the excess risk in [{low:.6g}, {high:.6g}]; {seen}"
    reason = f"{missing}; {words}, g^-1({nats:.6g}) = {bound.value:.6g}; {seen}"
    return TheoremVerdict("3", version, applies, bound.value, bound.vacuous or not applies, conclusion, reason)


def _random_limit(mixture: MixtureOfHMMs, case: _Case) -> tuple[float, float] | None:
    """Ends of the limiting excess risk with the test example's length uniform on 2..k."""
    if case.concentrates_on is None:
        return None
    limits = [limit_risk(mixture, case.law, case.concentrates_on, m) for m in range(1, case.law.length)]
    found = [limit.excess for limit in limits if limit is not None]
    if len(found) < len(limits):
        return None
    low, high = np.mean(found, axis=0)
    return float(low), float(high)


def _theorem_3_printed(
    mixture: MixtureOfHMMs, cases: Sequence[_Case], rows: Sequence[Any], holds: dict[str, Any], risk: MeasuredRisk
) -> TheoremVerdict:
    """B = {theta : Condition 1 not shown}; excess risk at most g^{-1}( max_B (eps_start + eps_delim) / (k - 1) )."""
    inside = [row for row in rows if row.printed_holds is not True]
    worst = max((row.printed_threshold for row in inside), default=0.0)
    nats = max(worst, 0.0) / (cases[0].law.length - 1)
    return _theorem_3("printed", mixture, cases, risk, holds, nats, f"{len(inside)} in B")


def _theorem_3_sharp(
    mixture: MixtureOfHMMs, cases: Sequence[_Case], holds: dict[str, Any], risk: MeasuredRisk
) -> TheoremVerdict:
    """B = {theta : rate not shown negative} and theta* itself; excess risk at most

    g^{-1}( max over theta in B and d in D of KL( p_prompt(O) || p(O | d, theta) ) / (k - 1) ).

    Proof. Posterior weights outside B vanish, so p(O | S_n) tends to a mixture over B and D of p(O | d, theta) whose
    weights depend on S_n only, and KL is convex in its second law: the maximum bounds KL( p_prompt(O) || p(O | S_n) ).
    That is sum_{j=1..k} KL_j >= sum_{j=2..k} KL_j, which a uniform test length averages; then g and Jensen.
    """
    needs = {name: holds[name] for name in ("A1", "A2", "A4")}
    k = cases[0].law.length
    if not _missing(needs)[0] or not all(_affordable(case.law, k - 1) for case in cases):
        reason = f"{_missing(needs)[1]}; the bound was not evaluated"
        return TheoremVerdict("3", "sharp", False, None, True, "undetermined", reason)
    nats, size = 0.0, 0
    for case in cases:
        inside = [c for c in range(mixture.n_concepts) if c == case.true_concept or not case.beaten(c)]
        size += len(inside)
        nats = max(nats, *(_after_delimiter(mixture, case.law, c) for c in inside))
    return _theorem_3("sharp", mixture, cases, risk, needs, nats / (k - 1), f"{size} in B (theta* included)")


def _after_delimiter(mixture: MixtureOfHMMs, law: PromptLaw, concept: int) -> float:
    """max over d of KL( p_prompt(O) || p(O | d, concept) ), the upper end where it is sampled."""
    hmm = mixture.concept(concept)
    restarted = (HMM(hmm.transition[d], hmm.transition, hmm.emission) for d in mixture.delimiter_states())
    return max(kl_sum(law, alternative).high for alternative in restarted)
