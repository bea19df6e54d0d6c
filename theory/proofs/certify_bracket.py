"""The rate with several delimiter states, bracketed and proved: exact fractions, Arb balls for the logarithms.

After a delimiter a law c sits in an unknown law on its delimiter states. For an example O after m forgotten ones and
every delimiter state d possible under them let l_c(d) = log p(O, delim | d, O_1, delim, ..., O_m, delim, c). Then

    E min_d l_theta - E max_d l_theta*  <=  lim r_n(theta)  <=  E max_d l_theta - E min_d l_theta*

for every m. Which d attains an end is decided on fractions; ends are sums of mass x log(fraction).
Source: docs/theory, "Rates with several delimiter states".
"""

import itertools
from collections import defaultdict
from fractions import Fraction
from typing import NamedTuple

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.proofs.enclosures import Enclosure, Verdict, enclose, expectation, load_flint, settled
from implicit_bayes.theory.proofs.exact_instance import ExactInstance, Row, exact_instance
from implicit_bayes.theory.proofs.exact_sequences import example_masses, sequence_laws
from implicit_bayes.theory.proofs.exact_sums import Terms

MAX_BLOCKS = 20_000
"""Distinct (filters, example) pairs that one more forgotten example may lead to."""

Filters = tuple[tuple[Row, ...], tuple[Row, ...]]
"""For theta* and theta, by the delimiter state at the start: the delimiter state's law now, () where impossible."""


class BracketCertificate(NamedTuple):
    """low <= lim r_n(theta) <= high, nats.

    Attributes:
        forgotten: m.
        sharp_holds: whether the rate is below 0: proved True, proved False, or "undetermined" (the bracket
            straddles 0).
        bits: working precision.
        low: enclosure of the lower end, nats an example.
        high: enclosure of the upper end, nats an example.
    """

    low: Enclosure
    high: Enclosure
    forgotten: int
    sharp_holds: Verdict
    bits: int


def certify_bracket(
    mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, concept: int, forgotten: int = 0, *, bits: int = 256
) -> BracketCertificate:
    """Prove the bracket of the rate after ``forgotten`` examples.

    Args:
        mixture: the pretraining law, read as the decimals it prints as; A1 is not needed.
        prompt: theta*, p_prompt(h), k.
        true_concept, concept: theta*, theta.
        forgotten: m >= 0; the bracket narrows with it, and the work grows.
        bits: precision of the ball arithmetic.

    Returns:
        BracketCertificate: both ends enclosed, nats an example, and whether they prove the rate negative.

    Raises:
        ImportError: python-flint is missing.
        ModelError: a law that forbids some example from every or from some
            delimiter state (an end would be infinite), or too much to enumerate.
    """
    flint = load_flint()
    exact = exact_instance(mixture, prompt, true_concept, concept)
    laws = (exact.true, exact.other)
    states = [[h for h in exact.states if exact.emission[c][h][exact.delimiter]] for c in laws]
    unit = [tuple(_point(len(own), i) for i in range(len(own))) for own in states]
    table = _example_table(exact, laws, states)
    blocks: dict[Filters, Fraction] = {(unit[0], unit[1]): Fraction(1)}
    for _ in range(forgotten):
        if len(blocks) * len(table) > MAX_BLOCKS:
            raise ModelError(f"forgotten: {forgotten} examples lead to more than {MAX_BLOCKS} exact filters; lower it")
        grown: dict[Filters, Fraction] = defaultdict(Fraction)
        for (filters, weight), (mass, steps) in itertools.product(blocks.items(), table):
            first, second = (tuple(_after(law, step) for law in own) for own, step in zip(filters, steps, strict=True))
            grown[first, second] += weight * mass
        blocks = grown
    low, high = _ends(blocks, table)
    with flint.ctx.workprec(bits):
        ends = [settled(expectation(terms), (terms, 1)) for terms in (low, high)]
        sharp: Verdict = True if ends[1] < 0 else (False if ends[0] >= 0 else "undetermined")
        return BracketCertificate(enclose(ends[0]), enclose(ends[1]), forgotten, sharp, bits)


def _point(size: int, at: int) -> Row:
    return tuple(Fraction(int(i == at)) for i in range(size))


Step = tuple[Row, ...]
"""By delimiter state before, p(O, delimiter state after | before)."""


def _example_table(
    exact: ExactInstance, laws: tuple[int, int], states: list[list[int]]
) -> list[tuple[Fraction, list[Step]]]:
    """Every example p_prompt can draw: its mass and, for theta* and theta, its step from delimiter to delimiter."""
    table = []
    for tokens, mass in example_masses(exact, exact.length):
        closed = (*tokens, exact.delimiter)
        steps: list[Step] = []
        for c, own in zip(laws, states, strict=True):
            ends = [sequence_laws(exact, c, exact.transition[c][d], closed) for d in own]
            steps.append(tuple(tuple(end[h] for h in own) for end in ends))
        table.append((mass, steps))
    return table


def _after(law: Row, step: Step) -> Row:
    """The law of the delimiter state after one more example; () where it is impossible."""
    if not law:
        return law
    joint = tuple(sum((p * row[j] for p, row in zip(law, step, strict=True)), Fraction(0)) for j in range(len(law)))
    total = sum(joint, Fraction(0))
    return tuple(p / total for p in joint) if total else ()


def _ends(blocks: dict[Filters, Fraction], table: list[tuple[Fraction, list[Step]]]) -> tuple[Terms, Terms]:
    """The two ends as sums of weight x log(p/q)."""
    low: Terms = defaultdict(Fraction)
    high: Terms = defaultdict(Fraction)
    for (filters, weight), (mass, steps) in itertools.product(blocks.items(), table):
        true, theta = (
            [sum((p * sum(row) for p, row in zip(law, step, strict=True)), Fraction(0)) for law in own if law]
            for own, step in zip(filters, steps, strict=True)
        )
        if not true or not theta or not min(true) or not min(theta):
            raise ModelError("prompt: some delimiter state forbids an example, so an end of the bracket is infinite")
        low[min(theta), max(true)] += weight * mass
        high[max(theta), min(true)] += weight * mass
    return low, high
