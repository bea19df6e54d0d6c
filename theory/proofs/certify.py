"""Certificates: the inequalities of the theory proved on instances with short decimal entries, by Arb ball arithmetic.

Constants, total variations and probability weights are exact fractions; only logarithms are enclosed,

    sum_j KL_j = sum_O p(O) log(p(O)/p(O|theta)) = a finite sum of fraction x log(fraction),

each in a ball of known radius. A verdict is True or False where its ball excludes zero; where it does not, whether
the two sides are equal is decided on integers, for up to ``information.log_sums.MAX_TERMS`` distinct logarithms.

Source: the quantities of ``theory.statements.conditions``; Xie et al. 2022, Assumptions 1-5 and Condition 1.
"""

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from implicit_bayes.theory.information.supports import forbids, may_forbid
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.proofs.enclosures import (
    Ball,
    Enclosure,
    Verdict,
    add,
    enclose,
    expectation,
    is_value,
    load_flint,
    log_ratio,
    margin,
    settled,
)
from implicit_bayes.theory.proofs.exact_instance import ExactInstance, exact_instance
from implicit_bayes.theory.proofs.exact_sums import Sums, exact_sums

Constants = dict[str, Any]
"""c1 to c8 and their kin as fractions; R_theta is None where it is infinite."""


class Certificate(NamedTuple):
    """What is proved about one (theta*, theta, k); the names are those of ``theory.statements.conditions.Condition``.

    Attributes:
        assumptions: {"A1": …, …, "A5": …}, decided exactly (A3 over every x_test of positive probability). Theta is
            the concepts of positive prior.
        constants: exact c1 … c6, c8, R_theta, rho*, tv (the largest TV of A3) and delta_over_4 (the smallest
            Delta/4). c1, c2 as printed (c2 over every theta != theta*); None where a ratio is 0/0 or infinite.
        kl_infinite_mass: exact p_prompt-mass of examples that theta forbids.
        kl_sum, eps_start, eps_delim_printed, eps_delim_repaired, start_kl, rate: enclosures, nats; ``rate`` is None
            where none exists or none is enclosed.
        printed_margin, repaired_margin: kl_sum minus the threshold, enclosed as one number.
        printed_holds, repaired_holds, sharp_holds: certified verdicts.
        bits: working precision.
        rate_reason: what the rate is, or why there is none.
        rescaled: the largest |sum - 1| of a row of decimals, which was divided by its sum: so far is what was certified
            from what was given.
        k: tokens in an example.
        true_concept: index of theta*.
        concept: index of theta.
    """

    k: int
    true_concept: int
    concept: int
    assumptions: dict[str, bool]
    constants: dict[str, Fraction | None]
    kl_infinite_mass: Fraction
    kl_sum: Enclosure
    eps_start: Enclosure
    eps_delim_printed: Enclosure
    eps_delim_repaired: Enclosure
    start_kl: Enclosure
    rate: Enclosure | None
    printed_margin: Enclosure
    repaired_margin: Enclosure
    printed_holds: Verdict
    repaired_holds: Verdict
    sharp_holds: Verdict
    bits: int
    rate_reason: str
    rescaled: float


class _Rate(NamedTuple):
    """lim r_n(theta): an Arb ball, -inf, or nan where there is none; and words."""

    value: Ball
    reason: str


def certify(
    mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, concept: int, *, bits: int = 256
) -> Certificate:
    """Proved enclosures of every quantity of the printed, repaired and sharp conditions, and of A1-A5.

    Args:
        mixture: the pretraining law; its entries are read as the decimals they print as (``exact_instance``).
        prompt: p_prompt(h) and k; its concept must be ``mixture.concept(true_concept)``.
        true_concept: theta*.
        concept: theta.
        bits: precision of the ball arithmetic.

    Returns:
        Certificate of this pair at this k: enclosures in nats, verdicts True, False or "undetermined", all proved.

    Raises:
        ImportError: python-flint is missing.
        ModelError: the prompt is not of the true concept, theta is theta* or has prior 0, or emissions are general and
            there are too many prefixes to expand.
    """
    flint = load_flint()
    exact = exact_instance(mixture, prompt, true_concept, concept)
    sums, constants = exact_sums(exact), _constants(exact)
    with flint.ctx.workprec(bits):
        rate = _rate(sums, mixture, prompt, concept)
        return _certificate(exact, sums, constants, rate, (true_concept, concept), bits)


def _rate(sums: Sums, mixture: MixtureOfHMMs, prompt: PromptLaw, concept: int) -> _Rate:
    """The first example counts: from its start law a concept can forbid what it allows after every delimiter."""
    if sums.by_true is None or sums.by_other is None:
        if may_forbid(prompt, prompt.hmm):
            return _Rate(math.nan, "no rate exists: theta* gives prompts probability zero")
        if forbids(prompt, mixture.concept(concept)) == "surely":
            return _Rate(-math.inf, "theta forbids almost every long prompt")
        return _Rate(math.nan, "several delimiter states: no closed form to enclose")
    if gone := max(sums.by_true):
        where = "first examples" if sums.by_true.first else "later examples"
        return _Rate(math.nan, f"no rate exists: theta* forbids {where} of probability {gone}")
    if sums.by_other.later or sums.by_other.first == 1:
        where = "later examples" if sums.by_other.later else "first examples"
        return _Rate(-math.inf, f"theta forbids {where} of probability {max(sums.by_other)}")
    rate = settled(expectation(sums.rate), (sums.rate, 1))
    if sums.by_other.first:
        return _Rate(rate, f"of the prompts that survive: theta forbids first examples of mass {sums.by_other.first}")
    return _Rate(rate, "closed form")


def _constants(exact: ExactInstance) -> dict[str, Fraction | None]:
    """c1-c6, c8 at their attained extremes; R_theta and rho*; ``c2_theta``: c2 of this theta alone."""
    d, star = exact.delimiters(), exact.transition[exact.true]
    into = {c: max(row[x] for row in exact.transition[c] for x in d) for c in exact.family if c != exact.true}
    starts = [exact.initial[c][x] for c in exact.family for x in d]
    best = [max(row[token] for row in exact.emission[exact.true]) for token in exact.tokens]
    return {
        "c1": min(row[x] for row in star for x in d),
        "c2": max(into.values()),
        "c2_theta": into[exact.other],
        "c3": min(starts),
        "c4": max(starts),
        "c5": min(map(min, star)),
        "c6": min(best),
        "c8": min(exact.initial[exact.true]),
        "r_theta": _ratio(exact, exact.other, d, max),
        "rho_star": _ratio(exact, exact.true, d, min),
        "tv": max(sum((abs(p - q) for p, q in zip(exact.start, star[x], strict=True)), Fraction(0)) / 2 for x in d),
    }


def _ratio(
    exact: ExactInstance, concept: int, d: list[int], extreme: Callable[[Iterable[Fraction]], Fraction]
) -> Fraction | None:
    """max or min over h of sum_d p(h|d)/p(h), 0/0 left out; None where the maximum is infinite."""
    after = [sum((exact.transition[concept][x][h] for x in d), Fraction(0)) for h in exact.states]
    pairs = list(zip(after, exact.initial[concept], strict=True))
    if extreme is max and any(p and not q for p, q in pairs):
        return None
    ratio: Fraction | None = extreme(p / q for p, q in pairs if q)
    return ratio


def _assumptions(exact: ExactInstance, constants: Constants, sums: Sums) -> dict[str, bool]:
    """A1-A5, exactly; adds the smallest Delta/4 over x_test to ``constants``."""
    gaps = [sorted(row)[-1] - (sorted(row)[-2] if len(row) > 1 else 0) for row in sums.tests]
    constants["delta_over_4"] = min(gaps) / 4
    purity = [exact.emission[c][h][exact.delimiter] for c in exact.family for h in exact.delimiters()]
    return {
        "A1": all(p == 1 for p in purity),
        "A2": constants["c1"] > 0,
        "A3": constants["tv"] < constants["delta_over_4"],
        "A4": exact.prior[exact.true] > 0,
        "A5": min(constants["c5"], constants["c6"], constants["c8"]) > 0,
    }


def _certificate(
    exact: ExactInstance, sums: Sums, c: Constants, rate: _Rate, pair: tuple[int, int], bits: int
) -> Certificate:
    assumptions = _assumptions(exact, c, sums)
    kl_sum, start_kl, start = expectation(sums.kl), expectation(sums.start), log_ratio(1, c["c8"])
    delim = c["c2"] ** 2 * c["c4"], c["c1"] ** 2 * c["c3"]
    vacuous = c["r_theta"] is None or not assumptions["A1"]
    delim_repaired = (Fraction(1), Fraction(0)) if vacuous else (c["c2_theta"] * c["r_theta"], c["c1"] * c["rho_star"])
    printed, repaired = log_ratio(*delim), log_ratio(*delim_repaired)
    one, signal = Fraction(1), (sums.kl, 1)
    room = margin(kl_sum, add(start, printed)), margin(kl_sum, add(start_kl, repaired))
    printed_margin = enclose(settled(room[0], signal, ({(one, c["c8"]): one, delim: one}, -1)))
    repaired_margin = enclose(settled(room[1], signal, (sums.start, -1), ({delim_repaired: one}, -1)))
    return Certificate(
        k=exact.length,
        true_concept=pair[0],
        concept=pair[1],
        assumptions=assumptions,
        constants=c,
        kl_infinite_mass=sums.forbidden,
        kl_sum=enclose(kl_sum),
        eps_start=enclose(start),
        eps_delim_printed=enclose(printed),
        eps_delim_repaired=enclose(repaired),
        start_kl=enclose(start_kl),
        rate=None if is_value(rate.value, math.nan) else enclose(rate.value),
        printed_margin=printed_margin,
        repaired_margin=repaired_margin,
        printed_holds=printed_margin.sign,
        repaired_holds=repaired_margin.sign,
        sharp_holds=enclose(-rate.value).sign,
        bits=bits,
        rate_reason=rate.reason,
        rescaled=float(exact.rescaled),
    )
