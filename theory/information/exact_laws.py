"""Laws in exact fractions, for comparisons that lie within the rounding of float64.

Every entry is read as the decimal it prints as (0.1 is 1/10, not the float64 beside it), as the certificates do. A row
whose decimals do not sum to exactly 1 was rounded before it came here, and nothing is decided about it.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.types import Array

Row = tuple[Fraction, ...]

MAX_FILTERS = 400
"""Distinct filters on one level; above, nothing is decided."""


class UndecidedError(Exception):
    """The exact question is not answered: rounded entries, too many filters, or something infinite."""


class ExactLaw(NamedTuple):
    """A start law with the kernel and emission that follow it.

    Attributes:
        start: H fractions.
        transition: H rows of H fractions.
        emission: H rows of V fractions.
    """

    start: Row
    transition: tuple[Row, ...]
    emission: tuple[Row, ...]


def exact_rows(table: Array) -> list[Row]:
    """The rows of a (…, H) array as the decimals they print as.

    Returns:
        One tuple of H fractions for each row, each summing to exactly 1.

    Raises:
        UndecidedError: some row's decimals do not sum to exactly 1.
    """
    rows = [tuple(Fraction(repr(x)) for x in row) for row in np.atleast_2d(np.asarray(table, np.float64)).tolist()]
    if any(sum(row) != 1 for row in rows):
        raise UndecidedError
    return rows


def exact_law(hmm: HMM) -> ExactLaw:
    """An HMM in fractions.

    Args:
        hmm: in short decimals.

    Returns:
        ExactLaw: start, kernel and emission in fractions.

    Raises:
        UndecidedError: as ``exact_rows``.
    """
    return ExactLaw(exact_rows(hmm.initial)[0], tuple(exact_rows(hmm.transition)), tuple(exact_rows(hmm.emission)))


def hear(law: Row, emission: Sequence[Row], token: int) -> Row:
    """(H,) p(state, token) from the state's law.

    Args:
        law: (H,) law of the state, in fractions.
        emission: (H, V) in fractions.
        token: what is heard.

    Returns:
        H fractions, in sum p(token).
    """
    return tuple(p * row[token] for p, row in zip(law, emission, strict=True))


def onward(joint: Row, total: Fraction, transition: Sequence[Row]) -> Row:
    """The next state's law after ``joint``, which sums to ``total``.

    Args:
        joint: (H,) p(state, token).
        total: its sum, positive.
        transition: (H, H) in fractions.

    Returns:
        (H,) fractions, in sum exactly 1.
    """
    active = [(p / total, row) for p, row in zip(joint, transition, strict=True) if p]
    return tuple(sum((p * row[g] for p, row in active), Fraction(0)) for g in range(len(joint)))


def reachable_laws(law: ExactLaw, length: int) -> set[Row]:
    """The laws p(next state | o_1..o_length) over all token sequences of positive probability.

    Args:
        law: in fractions.
        length: tokens heard.

    Returns:
        Tuples of H fractions, each law once.

    Raises:
        UndecidedError: more than MAX_FILTERS of them.
    """
    level = {law.start}
    for _ in range(length):
        ahead: set[Row] = set()
        for belief in level:
            for token in range(len(law.emission[0])):
                joint = hear(belief, law.emission, token)
                if any(joint):
                    ahead.add(onward(joint, sum(joint, Fraction(0)), law.transition))
        if len(ahead) > MAX_FILTERS:
            raise UndecidedError
        level = ahead
    return level


def spoken(law: Row, emission: Sequence[Row]) -> Row:
    """(V,) the token's law, from the state's.

    Args:
        law: (H,) law of the state, in fractions.
        emission: (H, V) in fractions.

    Returns:
        V fractions, in sum exactly 1 if ``law`` and the rows are laws.
    """
    return tuple(sum(hear(law, emission, token), Fraction(0)) for token in range(len(emission[0])))
