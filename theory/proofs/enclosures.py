"""Arb balls around sums of logarithms of fractions, and what their signs say.

Below, a number is an Arb ball, or the float +-inf or nan where it is exactly that.
Source: F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic" (2017), by python-flint.
"""

import math
from collections import defaultdict
from fractions import Fraction
from types import ModuleType
from typing import Any, Literal, NamedTuple

from implicit_bayes.theory.information.log_sums import sign_of_log_sum
from implicit_bayes.theory.proofs.exact_sums import Terms

Verdict = bool | Literal["undetermined"]


class Enclosure(NamedTuple):
    """A real number known to lie within ``radius`` of ``midpoint`` (nats); or an exact +-inf, of radius 0.

    Attributes:
        midpoint: decimal string, as many digits as are certain.
        radius: float64, rounded up; it covers the rounding of ``midpoint`` too.
        sign: True where the number is certainly positive, False where certainly not, else "undetermined".
    """

    midpoint: str
    radius: float
    sign: Verdict

    def __float__(self) -> float:
        return float(self.midpoint)

    def __str__(self) -> str:
        return f"{self.midpoint} +/- {self.radius:.3g}"


Ball = Any
"""A number of python-flint enclosed by Arb, or an infinity as a float; the library has no types and may be missing."""
Exact = Fraction | int


def load_flint() -> ModuleType:
    """The flint module.

    Returns:
        The module, imported at the first call.

    Raises:
        ImportError: it is not installed; names the extra.
    """
    try:
        import flint
    except ImportError as error:
        raise ImportError(
            "certificates need python-flint; install the extra: pip install 'implicit-bayes[certify]'"
        ) from error
    return flint


def is_value(x: object, value: float) -> bool:
    """Whether a number is exactly this float (nan included).

    Args:
        x: a float, a fraction or a ball.
        value: the float.
    """
    return isinstance(x, float) and (x == value or (x != x and value != value))


def log_ratio(p: Exact, q: Exact) -> Ball:
    """log(p/q) of exact fractions; +inf where q = 0 (also 0/0: a cost that says nothing), -inf where only p is 0.

    Args:
        p, q: exact, nonnegative.

    Returns:
        A ball, or an infinity as a float.
    """
    if q == 0:
        return math.inf
    if p == 0:
        return -math.inf
    flint, fraction = load_flint(), Fraction(p) / q
    return flint.arb(flint.fmpq(fraction.numerator, fraction.denominator)).log()


def expectation(terms: Terms) -> Ball:
    """sum of weight log(p/q), weights positive; nan where +inf and -inf meet, or p = q = 0.

    Args:
        terms: {(p, q): weight}, exact fractions.

    Returns:
        A ball in nats, or inf, -inf or nan as a float.
    """
    flint = load_flint()
    total, infinite = flint.arb(0), set()
    for (p, q), weight in terms.items():
        term = log_ratio(p, q)
        if isinstance(term, float):
            infinite.add(math.nan if p == q == 0 else term)
        else:
            total += flint.fmpq(weight.numerator, weight.denominator) * term
    if not infinite:
        return total
    return infinite.pop() if len(infinite) == 1 else math.nan


def settled(ball: Ball, *parts: tuple[Terms, int]) -> Ball:
    """The exact number 0 where a ball around sum of factor x weight log(p/q) cannot see that the sum is zero.

    Whether it is zero is a question about integers (``theory.information.log_sums``), so that two sides that are
    exactly equal are told from two that are close, whatever the precision.

    Args:
        ball: the sum, enclosed.
        *parts: the terms that it sums, each with an integer factor.

    Returns:
        An exact 0, or the ball itself: it excludes zero, or its sum has too many terms to be shown zero.
    """
    if isinstance(ball, float) or not ball.contains(0):
        return ball
    weights: dict[Fraction, Fraction] = defaultdict(Fraction)
    for terms, factor in parts:
        for (p, q), weight in terms.items():
            weights[p / q] += factor * weight
    return load_flint().arb(0) if sign_of_log_sum(weights) == 0 else ball


def add(*costs: Ball) -> Ball:
    """Sum of costs: +inf wins.

    Returns:
        A ball, or inf or -inf as a float; -inf wins over every finite number.
    """
    if any(is_value(x, math.inf) for x in costs):
        return math.inf
    return -math.inf if any(is_value(x, -math.inf) for x in costs) else sum(costs[1:], costs[0])


def margin(signal: Ball, cost: Ball) -> Ball:
    """signal - cost; -inf where the cost is +inf (the condition says nothing), whatever the signal.

    Args:
        signal: of a condition.
        cost: its threshold.

    Returns:
        A ball, or inf or -inf as a float.
    """
    return -math.inf if is_value(cost, math.inf) else add(signal, -cost)


def enclose(x: Ball) -> Enclosure:
    """A number as decimals, radius and sign.

    Args:
        x: a ball at the working precision, or an infinite or undefined number as a float.

    Returns:
        Enclosure: |x - midpoint| <= radius, and whether x > 0 ("undetermined" where the ball contains 0).
    """
    if isinstance(x, float):
        return Enclosure(repr(x), 0.0, "undetermined" if math.isnan(x) else x > 0)
    flint = load_flint()
    digits = max(15, int(flint.ctx.prec * math.log10(2)) - 3)
    midpoint = x.str(digits, radius=False)
    exact = Fraction(midpoint)
    error = abs(x - flint.fmpq(exact.numerator, exact.denominator)).upper()
    radius = 0.0 if error == 0 else math.nextafter(float(error), math.inf)
    sign: Verdict = True if x > 0 else (False if x <= 0 else "undetermined")
    return Enclosure(midpoint, radius, sign)
