"""Theorem 1 at finite n, proved: the exponent of its bounds enclosed from both sides, and a number that is enough.

With one delimiter state F3 says that both bounds fall like exp(-n times the exponent), exponent = -log inf_{s >= 0}
M_theta(s). log M is convex, so three points a < b < c of its graph, equally spaced with the lowest in the middle, hold
its minimum from below:

    2 log M(b) - max( log M(a), log M(c) )  <=  log inf M  <=  log M(b).

Where the minimum is at an end of [0, inf) it is the logarithm of one fraction. A number of examples that is enough is
sought in float64 and proved by ``certify_moments``: any s gives a bound, whatever found it.

Source: docs/theory, "How many examples are enough" (F2, F3).
"""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.log_sums import sign_of_log_sum
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.proofs.certify_moments import (
    Atoms,
    MomentCertificate,
    MomentLaws,
    moment,
    moment_certificate,
    moment_laws,
)
from implicit_bayes.theory.proofs.enclosures import Ball, Enclosure, enclose, load_flint, log_ratio

SPACING = Fraction(1, 10**6)
"""Distance of the three points; the enclosure is about its square wide."""

LARGEST_S = 256.0
"""Where the search for s ends."""

LARGEST_N = 4096
"""Where the search for a number of examples ends."""

HUNDREDTH = Fraction(1, 100)


class FiniteCertificate(NamedTuple):
    """What is proved of one (k, theta*) and start law of the prompt, one delimiter state.

    Attributes:
        k, true_concept: example length and theta*.
        exponent_low, exponent_high: ends around the exponent, nats an example, each enclosed; the smallest over theta,
            0 where some theta's moments do not fall, inf where no theta ever competes.
        enough: the smallest n that was proved enough, with its bound; None where none was.
        reason: words where ``enough`` is None, else "".
    """

    k: int
    true_concept: int
    exponent_low: Enclosure
    exponent_high: Enclosure
    enough: MomentCertificate | None
    reason: str


def certify_finite(
    mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, delta: Fraction = HUNDREDTH, *, bits: int = 256
) -> FiniteCertificate:
    """Enclose the exponent, and prove a number of examples enough for an error of at most ``delta``.

    The number may exceed the one of ``statements.finite_sample``, which chooses s for every test input by itself.

    Args:
        mixture: the pretraining law, read as the decimals it prints as.
        prompt: theta*, p_prompt(h), k.
        true_concept: theta*.
        delta: the error probability.
        bits: precision of the ball arithmetic.

    Returns:
        FiniteCertificate: the exponent of the slowest theta between two enclosed numbers, nats an example, and the
        proved n, or None with the reason.

    Raises:
        ImportError: python-flint is missing.
        ModelError: see ``certify_moments.certify_enough``.
    """
    flint = load_flint()
    laws = moment_laws(mixture, prompt, true_concept)
    with flint.ctx.workprec(bits):
        ends = [exponent_ends(law) for law in laws.later.values()]
        low, high = (min(end, key=float) for end in zip(*ends, strict=True))
        enough, reason = None, ""
        lost = sum((test.mass for test in laws.tests if test.margin <= 0), Fraction(0))
        if lost > delta:
            reason = f"theta* itself may answer wrongly on {lost} of the test inputs"
        elif not low > 0:
            reason = "the moments of some concept do not fall with n"
        else:
            enough = _enough(laws, delta, bits)
            reason = "" if enough else f"no n up to {LARGEST_N} was proved"
        return FiniteCertificate(prompt.length, true_concept, enclose(low), enclose(high), enough, reason)


def exponent_ends(atoms: Atoms) -> tuple[Ball, Ball]:
    """-log inf_{s >= 0} E ratio^s between two numbers (balls, or inf), in nats; a ratio of 0 counts 0 at every s.

    Args:
        atoms: law of a likelihood ratio, in exact fractions.

    Returns:
        (low, high); equal where the infimum is known in closed form, high = inf where no minimum was enclosed.
    """
    positive = {ratio: mass for ratio, mass in atoms.items() if ratio}
    if not positive or max(positive) < 1:
        return math.inf, math.inf
    if max(positive) == 1:
        return (log_ratio(1, positive[Fraction(1)]),) * 2
    if sign_of_log_sum(positive) in (0, 1):
        return (log_ratio(1, sum(positive.values())),) * 2  # log M rises from s = 0 on
    s = max(Fraction(best_s(atoms)).limit_denominator(10**9), SPACING)
    before, at, after = (moment(atoms, s + step * SPACING).log() for step in (-1, 0, 1))
    if before >= at and after >= at:
        return -at, max(before, after, key=float) - 2 * at
    return -at, math.inf


def best_s(atoms: Atoms) -> float:
    """The minimiser of E ratio^s in float64, by bisection of the slope of its logarithm.

    Args:
        atoms: law of a likelihood ratio, in exact fractions.

    Returns:
        A float, at most ``LARGEST_S`` (or twice that); it need not be exact, since what is proved at any s is proved.
    """
    ratios = np.array([[float(mass), math.log(ratio)] for ratio, mass in atoms.items() if ratio]).T
    low, high = 0.0, 1.0
    while _slope(ratios, high) < 0 and high < LARGEST_S:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _slope(ratios, middle) < 0 else (low, middle)
    return high


def _slope(ratios: np.ndarray, s: float) -> float:
    mass, logs = ratios
    return float((mass * np.exp(s * (logs - logs.max())) * logs).sum())


def _enough(laws: MomentLaws, delta: Fraction, bits: int) -> MomentCertificate | None:
    """The smallest n whose bound is proved, tried from where float64 finds it."""
    tables = {c: _Table(laws, c) for c in laws.later}
    lost = float(sum((test.mass for test in laws.tests if test.margin <= 0), Fraction(0)))

    def bound(n: int) -> float:
        return lost + sum(table.best(n)[0] for table in tables.values())

    n, low = 1, 0
    while bound(n) > delta:
        n, low = 2 * n, n
        if n > LARGEST_N:
            return None
    while n - low > 1:
        middle = (n + low) // 2
        low, n = (middle, n) if bound(middle) > delta else (low, middle)
    for each in (n, n + 1):
        s = {c: Fraction(table.best(each)[1]).limit_denominator(1000) for c, table in tables.items()}
        found = moment_certificate(laws, each, delta, s, bits)
        if found.proved is True:
            return found
    return None


class _Table:
    """One theta's summand of F2, one s for all test inputs, on a grid of s in float64."""

    def __init__(self, laws: MomentLaws, concept: int):
        largest = min(2.0 * best_s(laws.later[concept]) + 1.0, LARGEST_S)
        self.s = np.linspace(0.0, largest, 401)[1:]
        self.first, self.later = (self._moments(each[concept]) for each in (laws.first, laws.later))
        odds: dict[Fraction, Fraction] = {}
        for test in laws.tests:
            if test.margin > 0 and test.ratios[concept]:
                ratio = laws.prior_odds[concept] * test.ratios[concept] * len(laws.later) / test.margin
                odds[ratio] = odds.get(ratio, Fraction(0)) + test.mass
        self.inputs = self._moments(odds)

    def _moments(self, atoms: Atoms) -> np.ndarray:
        """log E ratio^s at every s; -inf where every ratio is 0."""
        kept = [(float(mass), math.log(ratio)) for ratio, mass in atoms.items() if ratio]
        if not kept:
            return np.full(len(self.s), -np.inf)
        mass, logs = np.array(kept).T
        found: np.ndarray = np.logaddexp.reduce(np.log(mass) + self.s[:, None] * logs, axis=1)
        return found

    def best(self, n: int) -> tuple[float, float]:
        """The smallest value of the summand at n, and the s that gives it; only s at which it falls with n."""
        value = self.inputs + self.first + (n - 1) * self.later
        value = np.where(self.later < 0, value, np.inf)
        at = int(value.argmin())
        return float(np.exp(min(value[at], 1.0))), float(self.s[at])
