"""Conclusions: whether what a theorem promises is true of exact Bayes on one instance.

A theorem speaks of the limit of many examples, so only the limit (``statements.limits``) decides; what exact Bayes does
at a finite n is measured and said beside it, and can only cast doubt on a limit that rests on estimated rates.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from implicit_bayes.theory.information.estimates import Verdict
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.statements.bounds import Interval, RiskBound
from implicit_bayes.theory.statements.conditions import Condition
from implicit_bayes.theory.statements.pairs import Pair
from implicit_bayes.theory.statements.risk import MeasuredRisk

Conclusion = Literal["holds", "fails", "undetermined"]

BOUND_ROUNDING = 1e-12
"""Error of a bound g^{-1}(nats); a limit closer to it than this is on neither side."""

SLOW = 0.02
"""A limit of 0 that rests on estimated rates is not believed where the measured risk is shown to exceed this."""


class TheoremVerdict(NamedTuple):
    """One theorem, in one version, on one instance.

    Attributes:
        name: "1", "2" or "3".
        version: "printed", "repaired" or "sharp".
        applies: every hypothesis is *shown* to hold; one that is undetermined makes this False, and ``reason`` says
            so.
        bound: on the excess 0-1 risk in the limit of many examples (0 for Theorem 1), or None where there is none.
        vacuous: the statement excludes nothing here: it does not apply, or its bound is at least g^{-1}(log 2) = 1,
            or its bound was too large a computation.
        conclusion: whether what it promises is true of the exact predictor (for 2 and 3: excess risk at most
            ``bound``).
        reason: words.
    """

    name: str
    version: str
    applies: bool
    bound: float | None
    vacuous: bool
    conclusion: Conclusion
    reason: str

    @property
    def in_words(self) -> str:
        """The conclusion, told apart by whether the theorem promised it."""
        if self.conclusion == "undetermined":
            return "undetermined"
        if self.applies:
            return "holds, as promised" if self.conclusion == "holds" else "FAILS: a counterexample"
        return f"{'true' if self.conclusion == 'holds' else 'false'} here, not promised"


class Evidence(NamedTuple):
    """What the verdicts rest on.

    Attributes:
        mixture: the pretraining law.
        pairs: every (theta*, start law), with survivors and rates.
        rows: conditions of every pair (theta*, theta) at this k.
        holds: verdicts on A1 to A5, by name.
        risk: of exact Bayes on sampled prompts.
        seed: of whatever a limit has to sample.
    """

    mixture: MixtureOfHMMs
    pairs: list[Pair]
    rows: list[Condition]
    holds: Mapping[str, Verdict]
    risk: MeasuredRisk
    seed: int

    @property
    def k(self) -> int:
        """Tokens in an example."""
        return self.pairs[0].law.length


def measured(risk: MeasuredRisk, risks: Sequence[Interval]) -> str:
    """The risk at the largest n in words; for a person, and never a verdict on a limit.

    Args:
        risk: of sampled prompts.
        risks: at every n, the largest last.

    Returns:
        Part of a sentence: the risk with its interval, and the share of prompts without a predictor.
    """
    last = risks[-1]
    worst = "" if risk.pairs == 1 else f"worst of {risk.pairs} pairs "
    words = f"at n = {risk.shots[-1]} {worst}measured {last.value:.4f} in [{last.low:.4f}, {last.high:.4f}]"
    return words + (f", undefined on {risk.undefined[-1]:.1%} of prompts" if risk.undefined[-1] > 0 else "")


def conclude_theorem_1(evidence: Evidence) -> tuple[Conclusion, str]:
    """Whether f_n -> argmax p_prompt for every pair: by its limit, or undetermined.

    Args:
        evidence: pairs, assumptions and the measured risk of one k.

    Returns:
        (conclusion, reason in words). "holds" asks for every x_test; one pair that fails makes it "fails".
    """
    mixture, risk, pure = evidence.mixture, evidence.risk, evidence.holds["A1"] is True
    seen, undecided = measured(risk, risk.error), []
    for pair in evidence.pairs:
        limit = pair.limit(mixture, evidence.k - 1, pure, len(evidence.pairs), evidence.seed)
        if limit is not None and limit.wrong[0] > 0 and not (pair.estimated and risk.error[-1].high < limit.wrong[0]):
            low, high = limit.wrong
            exact = limit.exhaustive and high - low <= BOUND_ROUNDING
            amount = f"{low:.6g}" if exact or low == high else f"{low:.6g} to {high:.6g}"
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


def hypotheses(needs: Mapping[str, Verdict]) -> tuple[bool, str]:
    """Whether all hypotheses hold, and "applies" or what is missing.

    Args:
        needs: name of each hypothesis -> its verdict.

    Returns:
        (all are True, words); one that is undetermined counts as lacking.
    """
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

    Returns:
        (conclusion, reason in words).
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
