"""Expectations over examples as finite sums in exact fractions: sum_j KL_j, the rate, and what each law forbids.

    E log(p/q) = sum of fraction x log(fraction),    kept as {(p, q): weight}

by transitions where the token shows the state (identity emission), by every example that p_prompt can emit otherwise.
The mass that a law forbids is a sum of fractions, so "never" and "surely" are decided exactly.
"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.proofs.exact_instance import ExactInstance, Row

MAX_PREFIXES = 20_000
"""Prefixes that general emissions may expand to in exact arithmetic (identity emission needs none)."""

Terms = dict[tuple[Fraction, Fraction], Fraction]
"""{(p, q): weight} for sum weight log(p/q)."""


class ExactForbidden(NamedTuple):
    """p_prompt-mass of the examples O that a law gives probability zero, the delimiter after O included.

    Attributes:
        first: from the document's start law, as the first example is.
        later: from the delimiter's row, as every other is.
    """

    first: Fraction
    later: Fraction


class Sums(NamedTuple):
    """The sums of one (theta*, theta, k).

    Attributes:
        kl, start: E log [ p_prompt(O) / p(O|theta) ] and E log [ p_prompt(O) / p(O|theta*) ].
        rate: E log [ p(O, delimiter | d, theta) / p(O, delimiter | d, theta*) ] over later examples.
        forbidden: mass of the examples O with p(O|theta) = 0.
        by_true, by_other: what theta* and theta forbid; None (and no rate) where one of them has several delimiter
            states.
        tests: for every x_test of positive probability, its next-token law.
    """

    kl: Terms
    start: Terms
    rate: Terms
    forbidden: Fraction
    by_true: ExactForbidden | None
    by_other: ExactForbidden | None
    tests: list[Row]


def exact_sums(exact: ExactInstance) -> Sums:
    """All sums of an instance.

    Args:
        exact: theta*, theta and the prompt law in fractions.

    Returns:
        Sums: what certificates need, as weights of exact ratios; no logarithm is taken here.

    Raises:
        ModelError: emissions are general and there are too many prefixes to expand.
    """
    return merged(exact) if shows_its_state(exact) else enumerated(exact)


def shows_its_state(exact: ExactInstance) -> bool:
    """Whether every concept has the same emission, one token a state and at most one state a token."""
    one_token = all(sorted(row) == [0] * (len(row) - 1) + [1] for row in exact.emission[0])
    return (
        one_token
        and all(emits == exact.emission[0] for emits in exact.emission)
        and all(sum(emits) <= 1 for emits in zip(*exact.emission[0], strict=True))
    )


def _terms() -> Terms:
    return defaultdict(Fraction)


def merged(exact: ExactInstance) -> Sums:
    """The state is observed, so a sum over examples is one over transitions, by occupancy.

    Args:
        exact: an instance that ``shows_its_state``.

    Returns:
        Sums, by O(k H^2) operations on fractions.
    """
    star, theta = exact.transition[exact.true], exact.transition[exact.other]
    kl, start, rate = _terms(), _terms(), _terms()
    d = exact.restart(exact.true)
    occupancy, tests = exact.start, []
    for h, weight in enumerate(exact.start):
        if weight:
            kl[weight, exact.initial[exact.other][h]] += weight
            start[weight, exact.initial[exact.true][h]] += weight
            if d is not None:
                rate[theta[d][h], star[d][h]] += weight
    for step in range(exact.length - 1):
        if step == exact.length - 2:
            tests = [
                _next_token(star[h], exact.emission[exact.true], exact.tokens) for h in exact.states if occupancy[h]
            ]
        for h in exact.states:
            for g in exact.states:
                if weight := occupancy[h] * star[h][g]:
                    kl[star[h][g], theta[h][g]] += weight
                    rate[theta[h][g], star[h][g]] += weight
        occupancy = onward(occupancy, star)
    if d is not None:
        for h, weight in enumerate(occupancy):
            if weight:
                rate[theta[h][d], star[h][d]] += weight
    entered = exact.initial[exact.other]
    forbidden = 1 - sum(_allowed(exact, theta, entered), Fraction(0))
    by_true, by_other = (None if d is None else _forbidden(exact, c, d) for c in (exact.true, exact.other))
    return Sums(
        kl=kl,
        start=start,
        rate=rate if d is not None else _terms(),
        forbidden=forbidden,
        by_true=by_true,
        by_other=by_other,
        tests=tests,
    )


def _allowed(exact: ExactInstance, kernel: Iterable[Row], entered: Row) -> Row:
    """p_prompt's mass on the examples that a kernel, and the law it is entered by, allow; by last state."""
    star = exact.transition[exact.true]
    open_steps = [_where(*rows) for rows in zip(star, kernel, strict=True)]
    mass = _where(exact.start, entered)
    for _ in range(exact.length - 1):
        mass = onward(mass, open_steps)
    return mass


def _forbidden(exact: ExactInstance, concept: int, d: int) -> ExactForbidden:
    kernel, gone = exact.transition[concept], []
    for entered in (exact.initial[concept], kernel[d]):
        mass = _allowed(exact, kernel, entered)
        gone.append(1 - sum((p for p, row in zip(mass, kernel, strict=True) if row[d]), Fraction(0)))
    return ExactForbidden(*gone)


def enumerated(exact: ExactInstance) -> Sums:
    """General emission: every example that p_prompt can emit, its joint filters carried along exactly.

    Args:
        exact: any instance.

    Returns:
        Sums, by as many filters as p_prompt can write prefixes.

    Raises:
        ModelError: more than MAX_PREFIXES of them.
    """
    true, other = exact.true, exact.other
    restarts = [exact.restart(c) for c in (true, other)]
    laws = [(exact.start, true), (exact.initial[true], true), (exact.initial[other], other)]
    if None not in restarts:
        laws += [(exact.transition[c][d], c) for c, d in zip((true, other), restarts, strict=True) if d is not None]
    which = [c for _, c in laws]
    beliefs, tests = [[law for law, _ in laws]], []
    for position in range(exact.length):
        if len(beliefs) * len(exact.tokens) > MAX_PREFIXES:
            raise ModelError(
                f"k: general emissions at k = {exact.length} need more than {MAX_PREFIXES} exact prefixes; lower k"
            )
        heard = [
            [hear(law, exact.emission[c], token) for law, c in zip(belief, which, strict=True)]
            for belief in beliefs
            for token in exact.tokens
        ]
        beliefs = [joint for joint in heard if any(joint[0])]
        if position < exact.length - 1:
            beliefs = [[onward(law, exact.transition[c]) for law, c in zip(x, which, strict=True)] for x in beliefs]
        if position == exact.length - 2:
            tests = [_next_token(belief[0], exact.emission[true], exact.tokens) for belief in beliefs]
    return _collect(exact, beliefs, which, tests)


def _collect(exact: ExactInstance, beliefs: list[list[Row]], which: list[int], tests: list[Row]) -> Sums:
    """The sums over whole examples, from their joint laws p(O, h_k) under every law."""
    kl, start, rate = _terms(), _terms(), _terms()
    forbidden, gone = Fraction(0), [Fraction(0)] * len(which)
    for joint in beliefs:
        p, p_star, p_theta = (sum(law, Fraction(0)) for law in joint[:3])
        kl[p, p_theta] += p
        start[p, p_star] += p
        forbidden += p if p_theta == 0 else 0
        ended = [
            sum(hear(onward(law, exact.transition[c]), exact.emission[c], exact.delimiter), Fraction(0))
            for law, c in zip(joint, which, strict=True)
        ]
        gone = [mass + (0 if end else p) for mass, end in zip(gone, ended, strict=True)]
        if len(which) > 3:
            rate[ended[4], ended[3]] += p
    restarted = len(which) > 3
    by_true = ExactForbidden(gone[1], gone[3]) if restarted else None
    by_other = ExactForbidden(gone[2], gone[4]) if restarted else None
    return Sums(kl=kl, start=start, rate=rate, forbidden=forbidden, by_true=by_true, by_other=by_other, tests=tests)


def onward(law: Row, kernel: Iterable[Row]) -> Row:
    """The law (or mass) of the next state.

    Args:
        law: (H,) of the state, in fractions.
        kernel: (H, H) in fractions.

    Returns:
        H fractions, with the same sum as ``law``.
    """
    active = [(p, row) for p, row in zip(law, kernel, strict=True) if p]
    return tuple(sum((p * row[g] for p, row in active), Fraction(0)) for g in range(len(law)))


def hear(law: Row, emission: Iterable[Row], token: int) -> Row:
    """p(state, token) from the law of the state.

    Args:
        law: (H,) of the state, in fractions.
        emission: (H, V) in fractions.
        token: what is heard.

    Returns:
        H fractions, in sum p(token).
    """
    return tuple(p * row[token] for p, row in zip(law, emission, strict=True))


def _where(law: Row, support: Row) -> Row:
    """The law with the mass outside the support dropped."""
    return tuple(p if q else Fraction(0) for p, q in zip(law, support, strict=True))


def _next_token(law: Row, emission: Iterable[Row], tokens: range) -> Row:
    """The law of the next token, divided by its total."""
    emission = tuple(emission)
    joint = [sum(hear(law, emission, token), Fraction(0)) for token in tokens]
    return tuple(p / sum(joint) for p in joint)
