"""Certificates at finite n: moments of likelihood ratios at rational s in Arb balls, and n(delta) proved.

Entries are read as the decimals they print as, so p(O) and the ratios are fractions and only their powers are balls:

    M_theta(s) = sum_O p_prompt(O) ( p(O, delim | d, theta) / p(O, delim | d, theta*) )^s,    s = p/q.

Any s in the bounds F1 and F2 gives a bound, so s may be the float64 optimum rounded to a short fraction: what is then
enclosed is a bound, whatever found it. F2 at n is proved to be at most delta, and to stay so, where the balls of its
summands add up to at most delta and every base M_theta(s) lies below 1.

Source: docs/theory, "How many examples are enough"; one delimiter state, A1, and a theta* that forbids no example.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.proofs.enclosures import Ball, Enclosure, Verdict, enclose, load_flint
from implicit_bayes.theory.proofs.exact_instance import ExactInstance, Row, exact_instance
from implicit_bayes.theory.proofs.exact_sequences import hear_token, next_state

MAX_MERGED = 6_000
"""Distinct prefixes, after those with the same joint laws are counted together: seconds in fractions."""

Atoms = dict[Fraction, Fraction]
"""{ratio: p_prompt-mass}: the law of a likelihood ratio."""


class Tests(NamedTuple):
    """One test input x.

    Attributes:
        mass: p_prompt(x).
        ratios: X_theta(x) = p(x | d, theta) / p(x | d, theta*), d the delimiter state, by index of theta.
        margin: Delta*(x), positive where theta* answers right.
    """

    mass: Fraction
    ratios: dict[int, Fraction]
    margin: Fraction


class MomentLaws(NamedTuple):
    """Everything F2 needs of one instance, in exact fractions.

    Attributes:
        first, later: by place of theta, the law of the ratio of a first and of a later example, its delimiter
            included.
        tests: every x of positive probability.
        prior_odds: pi_theta / pi_*, by place of theta.
    """

    first: dict[int, Atoms]
    later: dict[int, Atoms]
    tests: list[Tests]
    prior_odds: dict[int, Fraction]


class MomentCertificate(NamedTuple):
    """What is proved about the number of examples.

    Attributes:
        n, delta: the claim is P(f_m(x) != y_test) <= delta for every m >= n.
        s: by concept, the exponents used, one for all x.
        base: by concept, M_theta(s) enclosed.
        exponent: the smallest of -log M_theta(s), enclosed: a lower bound of the true exponent.
        error_bound: F2 at n, enclosed.
        proved: True, False (this s does not prove it) or "undetermined" (the ball straddles).
        bits: working precision.
    """

    n: int
    delta: Fraction
    s: dict[int, Fraction]
    base: dict[int, Enclosure]
    exponent: Enclosure
    error_bound: Enclosure
    proved: Verdict
    bits: int


def certify_enough(
    mixture: MixtureOfHMMs,
    prompt: PromptLaw,
    true_concept: int,
    n: int,
    delta: Fraction,
    s: Fraction | dict[int, Fraction] = Fraction(1, 2),
    *,
    bits: int = 256,
) -> MomentCertificate:
    """Prove that n examples are enough for an error of at most delta, and stay enough.

    Args:
        mixture: the pretraining law, read as the decimals it prints as.
        prompt: theta*, p_prompt(h), k.
        true_concept: theta*.
        n: examples, at least 1.
        delta: the error probability.
        s: the exponent, one for all or by concept; rational and nonnegative.
        bits: precision of the ball arithmetic.

    Returns:
        MomentCertificate; ``proved`` is True only if by the balls F2 at n is at most delta and no base above 1.

    Raises:
        ImportError: python-flint is missing.
        ModelError: several delimiter states, a theta* that forbids an example,
            too many examples, or an s or n out of range.
    """
    flint = load_flint()
    others = [int(c) for c in mixture.possible_concepts() if c != true_concept]
    chosen = dict.fromkeys(others, s) if isinstance(s, Fraction) else s
    if n < 1 or any(chosen[c] < 0 for c in others):
        raise ModelError("n, s: asks for n of at least 1 and exponents of at least 0")
    with flint.ctx.workprec(bits):
        return moment_certificate(moment_laws(mixture, prompt, true_concept), n, delta, chosen, bits)


def moment_certificate(
    laws: MomentLaws, n: int, delta: Fraction, chosen: dict[int, Fraction], bits: int
) -> MomentCertificate:
    """``certify_enough`` from the laws, at the working precision.

    Args:
        laws: in exact fractions.
        n: examples.
        delta: the error probability.
        chosen: s, by place of theta.
        bits: working precision, to be noted.

    Returns:
        MomentCertificate with numbers enclosed to ``bits`` bits.
    """
    flint = load_flint()
    bases = {c: moment(laws.later[c], chosen[c]) for c in laws.later}
    bound = error_ball(laws, chosen, bases, n)
    limit = flint.fmpq(delta.numerator, delta.denominator)
    below = [_below(base, 1) for base in bases.values()] + [_below(bound, limit)]
    proved: Verdict = "undetermined" if "undetermined" in below and False not in below else all(below)
    exponents = [math.inf if base == 0 else -base.log() for base in bases.values()]
    return MomentCertificate(
        n=n, delta=delta, s=chosen, base={c: enclose(base) for c, base in bases.items()},
        exponent=enclose(min(exponents, key=float)), error_bound=enclose(bound), proved=proved, bits=bits,
    )  # fmt: skip


def _below(ball: Ball, limit: Ball) -> Verdict:
    return True if ball <= limit else (False if ball > limit else "undetermined")


def moment(atoms: Atoms, s: Fraction) -> Ball:
    """The ball of E ratio^s; a ratio of 0 counts 0 (the limit of small s, if s is 0). At an integer s it is a fraction,
    so that a base of exactly 1 is seen to be 1.

    Args:
        atoms: the law of a ratio.
        s: the power, rational and nonnegative.

    Returns:
        A ball around the number.
    """
    flint = load_flint()
    if s.denominator == 1:
        return _ball(sum((mass * ratio**s.numerator for ratio, mass in atoms.items() if ratio), Fraction(0)))
    power, total = flint.fmpq(s.numerator, s.denominator), flint.arb(0)
    for ratio, mass in atoms.items():
        if ratio:
            total += _ball(mass) * _ball(ratio) ** flint.arb(power)
    return total


def error_ball(laws: MomentLaws, s: dict[int, Fraction], bases: dict[int, Ball], n: int) -> Ball:
    """The ball of F2 at n with the given s: mass of the x that theta* itself may get wrong, plus the summands.

    Args:
        laws: in exact fractions.
        s: by place of theta.
        bases: M_theta(s), enclosed, by place of theta.
        n: examples.

    Returns:
        A ball around the bound, a probability if it is below 1.
    """
    flint = load_flint()
    total = flint.arb(0)
    firsts = {c: moment(laws.first[c], s[c]) for c in bases}
    for test in laws.tests:
        if test.margin <= 0:
            total += _ball(test.mass)
            continue
        for c, base in bases.items():
            if test.ratios[c]:
                odds = laws.prior_odds[c] * test.ratios[c] * len(bases) / test.margin
                power = flint.arb(flint.fmpq(s[c].numerator, s[c].denominator))
                total += _ball(test.mass) * _ball(odds) ** power * firsts[c] * base ** (n - 1)
    return total


def _ball(x: Fraction) -> Ball:
    flint = load_flint()
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


def moment_laws(mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int) -> MomentLaws:
    """The laws of the ratios and the test inputs, by enumeration in exact fractions.

    Args:
        mixture: in short decimals.
        prompt: theta*, p_prompt(h), k and the delimiter.
        true_concept: index of theta*.

    Returns:
        MomentLaws by index of theta: the laws of its likelihood ratio to theta*, every x with its Delta*, and the prior
        odds.

    Raises:
        ModelError: see ``certify_enough``.
    """
    others = [int(c) for c in mixture.possible_concepts() if c != true_concept]
    if not others or float(mixture.prior[true_concept]) == 0.0:
        raise ModelError("prior: asks for a theta* of positive prior and another concept")
    exact = [exact_instance(mixture, prompt, true_concept, c) for c in others]
    places = {c: each.other for c, each in zip(others, exact, strict=True)}
    each = exact[0]
    rows = {c: row for c in (each.true, *places.values()) if (row := each.restart(c)) is not None}
    if len(rows) <= len(places):
        raise ModelError("emission: several states emit the delimiter, so examples are not independent")
    first = _ratio_laws(each, {c: each.initial[c] for c in rows})
    later = _ratio_laws(each, {c: each.transition[c][rows[c]] for c in rows})
    tests = _tests(each, {c: each.transition[c][rows[c]] for c in rows})
    at_home = {place: c for c, place in places.items()}
    return MomentLaws(
        first={c: first[place] for c, place in places.items()},
        later={c: later[place] for c, place in places.items()},
        tests=[t._replace(ratios={at_home[p]: r for p, r in t.ratios.items()}) for t in tests],
        prior_odds={c: each.prior[place] / each.prior[each.true] for c, place in places.items()},
    )


def _ratio_laws(each: ExactInstance, starts: dict[int, Row]) -> dict[int, Atoms]:
    """By place of theta, the law of p(O, delim | theta) / p(O, delim | theta*) from the given start laws."""
    places = [each.true, *(c for c in starts if c != each.true)]
    found: dict[int, Atoms] = {c: defaultdict(Fraction) for c in places[1:]}
    laws = [(each.true, each.start), *((c, starts[c]) for c in places)]
    for joints, (count, tokens) in _examples(each, laws, each.length).items():
        ends = [
            hear_token(each, c, next_state(each, c, joint), each.delimiter)
            for (c, _), joint in zip(laws, joints, strict=True)
        ]
        p = [sum(end, Fraction(0)) for end in ends[1:]]
        if not p[0]:
            raise ModelError(f"prompt: theta* forbids the example {' '.join(map(str, tokens))}, so nothing is bounded")
        for c, other in zip(places[1:], p[1:], strict=True):
            found[c][other / p[0]] += count * sum(joints[0], Fraction(0))
    return found


def _tests(each: ExactInstance, starts: dict[int, Row]) -> list[Tests]:
    tests = []
    laws = [(each.true, each.start), *starts.items()]
    for joints, (count, _) in _examples(each, laws, each.length - 1).items():
        by = dict(zip(starts, joints[1:], strict=True))
        truth, own = (_answers(each, joint) for joint in (joints[0], by[each.true]))
        p = {c: sum(joint, Fraction(0)) for c, joint in by.items()}
        right = [y for y in each.tokens if truth[y] == max(truth)]
        lead = max(own[y] - max([own[z] for z in each.tokens if z != y], default=Fraction(0)) for y in right)
        ratios = {c: p[c] / p[each.true] for c in starts if c != each.true}
        tests.append(Tests(count * sum(joints[0], Fraction(0)), ratios, lead / p[each.true]))
    return tests


def _answers(each: ExactInstance, joint: Row) -> Row:
    """p(x, y) under theta* for every y, from p(x, state of its last token)."""
    ahead = next_state(each, each.true, joint)
    return tuple(sum(hear_token(each, each.true, ahead, y), Fraction(0)) for y in each.tokens)


def _examples(
    each: ExactInstance, laws: Sequence[tuple[int, Row]], length: int
) -> dict[tuple[Row, ...], tuple[int, tuple[int, ...]]]:
    """Every sequence that the first law can draw: {its joint laws p(tokens, last state): (how many, one of them)}.

    Raises:
        ModelError: too many, after those with the same joint laws are counted together.
    """
    level: dict[tuple[Row, ...], tuple[int, tuple[int, ...]]] = {tuple(start for _, start in laws): (1, ())}
    for position in range(length):
        if len(level) * len(each.tokens) > MAX_MERGED:
            raise ModelError(f"k: {each.length} needs more than {MAX_MERGED} exact prefixes; lower k")
        grown: dict[tuple[Row, ...], tuple[int, tuple[int, ...]]] = {}
        for (before, (count, tokens)), token in itertools.product(level.items(), each.tokens):
            heard = [hear_token(each, c, joint, token) for (c, _), joint in zip(laws, before, strict=True)]
            if any(heard[0]):
                last = position == length - 1
                key = tuple(x if last else next_state(each, c, x) for (c, _), x in zip(laws, heard, strict=True))
                grown[key] = (grown[key][0] + count, grown[key][1]) if key in grown else (count, (*tokens, token))
        level = grown
    return level
