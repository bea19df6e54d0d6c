"""The exact sign of sum_i w_i log r_i for rational w_i and r_i > 0: what decides a comparison inside rounding error.

Digits decide every sum that is not zero. Whether it *is* zero is a question about integers: write the r_i as products
of powers of pairwise coprime integers > 1 (found by gcds, without factoring); logarithms of coprime integers > 1 are
linearly independent over the rationals, so the sum is zero exactly where every exponent adds up to zero.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction

Terms = Mapping[Fraction, Fraction]
"""r -> w, for sum w log r."""

DIGITS = (50, 200, 800)
"""Decimal digits tried one after another."""

MAX_TERMS = 500
"""Distinct r for which equality to zero is decided; above, only digits are tried."""


def sign_of_log_sum(terms: Terms) -> int | None:
    """-1, 0 or 1; None where the digits run out on a sum with too many terms to be shown zero.

    Args:
        terms: r -> w with r > 0; entries of w = 0 do not matter.

    Returns:
        The exact sign of sum_r w_r log r, or None.
    """
    kept = {ratio: weight for ratio, weight in terms.items() if weight != 0 and ratio != 1}
    tried = False
    for digits in DIGITS:
        sign = _by_digits(kept, digits)
        if sign:
            return sign
        if not tried and len(kept) <= MAX_TERMS:
            tried = True
            if _is_zero(kept):
                return 0
    return None


def _by_digits(terms: Terms, digits: int) -> int:
    """The sign if so many digits show it, else 0: every operation errs by at most one unit of the last digit."""
    with localcontext() as context:
        context.prec = digits
        total, size = Decimal(0), Decimal(0)
        for ratio, weight in terms.items():
            logs = _decimal(ratio.numerator).ln(), _decimal(ratio.denominator).ln()
            share = _decimal(weight.numerator) / _decimal(weight.denominator)
            total += share * (logs[0] - logs[1])
            size += abs(share) * (abs(logs[0]) + abs(logs[1]) + 1)
        error = size * (len(terms) + 8) * Decimal(10) ** (1 - digits)
        return 0 if abs(total) <= error else (1 if total > 0 else -1)


def _decimal(integer: int) -> Decimal:
    """An integer rounded to the context's precision."""
    return +Decimal(integer)


def _is_zero(terms: Terms) -> bool:
    base: list[int] = []
    for ratio in terms:
        for integer in (ratio.numerator, ratio.denominator):
            base = _refine(base, integer)
    exponents: dict[int, Fraction] = defaultdict(Fraction)
    for ratio, weight in terms.items():
        for integer, sign in ((ratio.numerator, 1), (ratio.denominator, -1)):
            for element in base:
                count = 0
                while integer % element == 0:
                    integer //= element
                    count += 1
                exponents[element] += sign * count * weight
    return not any(exponents.values())


def _refine(base: list[int], integer: int) -> list[int]:
    """A coprime base of which every old element and ``integer`` are products of powers."""
    todo, base = [integer], list(base)
    while todo:
        fresh = todo.pop()
        if fresh == 1:
            continue
        for i, element in enumerate(base):
            common = math.gcd(fresh, element)
            if common > 1:
                base.pop(i)
                todo += [fresh // common, element // common, common]
                break
        else:
            base.append(fresh)
    return base
