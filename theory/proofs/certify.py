"""Certificates: the inequalities of the theory proved on instances with short decimal entries, by Arb ball arithmetic.

Every entry of the instance is read as the decimal it prints as (0.0005 is 1/2000, not the float64 next to it).
Constants, total variations and probability weights are then exact fractions; only logarithms are enclosed,

    sum_j KL_j = sum_O p(O) log(p(O)/p(O|theta)) = a finite sum of fraction x log(fraction),

each in a ball of known radius. A verdict is True or False only where its ball excludes zero.

Source: F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic" (2017), through
python-flint; the quantities are those of ``theory.statements.conditions`` and Xie et al. 2022, Assumptions 1-5 and
Condition 1.
"""

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw

Verdict = bool | Literal["undetermined"]
Row = tuple[Fraction, ...]

MAX_PREFIXES = 20_000
"""Prefixes that general emissions may expand to in exact arithmetic (identity emission needs none)."""


class Enclosure(NamedTuple):
    """A real number known to lie within ``radius`` of ``midpoint`` (nats); or an exact +-inf, of radius 0.

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


class Certificate(NamedTuple):
    """What is proved about one (theta*, theta, k); the names are those of ``theory.statements.conditions.Condition``.

    assumptions: {"A1": …, …, "A5": …}, decided exactly (A3 over every x_test of positive probability).
    constants: exact c1 … c6, c8, R_theta, rho*, tv (the largest TV of A3) and delta_over_4 (the smallest Delta/4).
        c1, c2 as printed (c2 over every theta != theta*); None where a ratio is 0/0 or infinite.
    kl_infinite_mass: exact p_prompt-mass of examples that theta forbids.
    kl_sum, eps_start, eps_delim_printed, eps_delim_repaired, start_kl, rate: enclosures, nats; ``rate`` is None
        unless A1 holds with one delimiter state.
    printed_margin, repaired_margin: kl_sum minus the threshold, enclosed as one number.
    printed_holds, repaired_holds, sharp_holds: certified verdicts.
    bits: working precision.
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


class _Exact(NamedTuple):
    """The instance in exact fractions."""

    prior: Row
    initial: tuple[Row, ...]
    transition: tuple[tuple[Row, ...], ...]
    emission: tuple[tuple[Row, ...], ...]
    start: Row
    delimiter: int
    length: int

    @property
    def states(self) -> range:
        return range(len(self.start))

    @property
    def tokens(self) -> range:
        return range(len(self.emission[0][0]))

    def delimiters(self) -> list[int]:
        return [h for h in self.states if any(emits[h][self.delimiter] for emits in self.emission)]


def certify(
    mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, concept: int, *, bits: int = 256
) -> Certificate:
    """Proved enclosures of every quantity of the printed, repaired and sharp conditions, and of A1-A5.

    Args:
        mixture: the pretraining law; every row must sum to exactly 1 as printed decimals.
        prompt: p_prompt(h) and k; its concept must be ``mixture.concept(true_concept)``.
        true_concept: theta*.
        concept: theta.
        bits: precision of the ball arithmetic.

    Returns:
        Certificate.

    Raises:
        ImportError: python-flint is missing.
        ModelError: an entry is not rational to the printed digits (a row does not sum to 1), the prompt is not of
            the true concept, theta is theta*, or emissions are general and there are too many prefixes to expand.
    """
    flint = load_flint()
    if concept == true_concept:
        raise ModelError(f"concept: {concept} is the true concept; choose another")
    exact = _exact(mixture, prompt, true_concept)
    sums = _sums(exact, true_concept, concept)
    constants = _constants(exact, true_concept, concept)
    with flint.ctx.workprec(bits):
        return _enclose(exact, sums, constants, true_concept, concept, bits)


def load_flint() -> Any:
    """The flint module.

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


def printed_fractions(name: str, array: Any) -> tuple[Any, ...]:
    """Nested tuples of the exact decimals that the float64 entries print as; every row must sum to 1.

    Raises:
        ModelError: naming the row whose printed decimals do not sum to exactly 1.
    """
    values = np.asarray(array, dtype=np.float64)
    if values.ndim > 1:
        return tuple(printed_fractions(f"{name}[{i}]", row) for i, row in enumerate(values))
    row = tuple(Fraction(repr(float(value))) for value in values)
    if sum(row) != 1:
        raise ModelError(
            f"{name}: not rational to the printed digits (the decimals sum to 1 {float(sum(row) - 1):+.3g}); "
            "write the row in short decimals that sum to one"
        )
    return row


def _exact(mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int) -> _Exact:
    true, told = mixture.concept(true_concept), prompt.hmm
    for name in ("initial", "transition", "emission"):
        if not np.array_equal(getattr(true, name), getattr(told, name)):
            raise ModelError(f"prompt: its {name} is not that of concept {true_concept}; use PromptLaw.of")
    if prompt.delimiter != mixture.delimiter:
        raise ModelError(f"prompt: delimiter {prompt.delimiter} where the mixture has {mixture.delimiter}")
    return _Exact(
        prior=printed_fractions("prior", mixture.prior),
        initial=printed_fractions("initial", mixture.initial),
        transition=printed_fractions("transition", mixture.transition),
        emission=printed_fractions("emission", mixture.emissions),
        start=printed_fractions("prompt_start", prompt.start),
        delimiter=prompt.delimiter,
        length=prompt.length,
    )


Terms = dict[tuple[Fraction, Fraction], Fraction]


def _terms() -> Terms:
    return defaultdict(Fraction)


class _Sums(NamedTuple):
    """E log(p/q) as {(p, q): weight}; ``xs``: for every x_test of positive probability its next-token joint law."""

    kl: Terms
    start: Terms
    rate: Terms
    forbidden: Fraction
    xs: list[Row]


def _sums(exact: _Exact, true: int, other: int) -> _Sums:
    observed = all(
        sorted(row) == [0] * (len(row) - 1) + [1] and emits == exact.emission[0]
        for emits in exact.emission
        for row in emits
    )
    one_each = observed and all(sum(emits) <= 1 for emits in zip(*exact.emission[0], strict=True))
    return _merged(exact, true, other) if one_each else _enumerated(exact, true, other)


def _merged(exact: _Exact, true: int, other: int) -> _Sums:
    """Identity emission: the state is observed, so a sum over examples is one over transitions, by occupancy."""
    star, theta = exact.transition[true], exact.transition[other]
    kl, start, rate = _terms(), _terms(), _terms()
    for h in exact.states:
        if exact.start[h]:
            kl[exact.start[h], exact.initial[other][h]] += exact.start[h]
            start[exact.start[h], exact.initial[true][h]] += exact.start[h]
    delimiters = exact.delimiters()
    occupancy, allowed, xs = exact.start, _where(exact.start, exact.initial[other]), []
    for h in exact.states:
        if len(delimiters) == 1 and exact.start[h]:
            rate[theta[delimiters[0]][h], star[delimiters[0]][h]] += exact.start[h]
    for step in range(exact.length - 1):
        if step == exact.length - 2:
            xs = [_emit(star[h], exact.emission[true], exact) for h in exact.states if occupancy[h]]
        for h in exact.states:
            for g in exact.states:
                if weight := occupancy[h] * star[h][g]:
                    kl[star[h][g], theta[h][g]] += weight
                    rate[theta[h][g], star[h][g]] += weight
        occupancy = _onward(occupancy, star)
        allowed = _onward(allowed, [_where(*rows) for rows in zip(star, theta, strict=True)])
    for h in exact.states:
        if len(delimiters) == 1 and occupancy[h]:
            rate[theta[h][delimiters[0]], star[h][delimiters[0]]] += occupancy[h]
    return _Sums(kl, start, rate, 1 - sum(allowed, Fraction(0)), xs)


def _enumerated(exact: _Exact, true: int, other: int) -> _Sums:
    """General emission: every example that p_prompt can emit, its joint filters carried along exactly."""
    kl, start, rate = _terms(), _terms(), _terms()
    delimiters = exact.delimiters()
    d = delimiters[0] if len(delimiters) == 1 else None
    laws = [(exact.start, true), (exact.initial[true], true), (exact.initial[other], other)]
    laws += [] if d is None else [(exact.transition[true][d], true), (exact.transition[other][d], other)]
    which = [c for _, c in laws]
    beliefs, xs, forbidden = [[law for law, _ in laws]], [], Fraction(0)
    for position in range(exact.length):
        if len(beliefs) * len(exact.tokens) > MAX_PREFIXES:
            raise ModelError(
                f"k: general emissions at k = {exact.length} need more than {MAX_PREFIXES} exact prefixes; lower k"
            )
        grown = []
        for belief in beliefs:
            for token in exact.tokens:
                heard = [_hear(law, exact.emission[c], token) for law, c in zip(belief, which, strict=True)]
                if any(heard[0]):
                    grown.append(heard)
        if position == exact.length - 1:
            beliefs = grown
            break
        beliefs = [[_onward(law, exact.transition[c]) for law, c in zip(x, which, strict=True)] for x in grown]
        if position == exact.length - 2:
            xs = [_emit(belief[0], exact.emission[true], exact) for belief in beliefs]
    for heard in beliefs:
        p, p_star, p_theta = (sum(law, Fraction(0)) for law in heard[:3])
        kl[p, p_theta] += p
        start[p, p_star] += p
        forbidden += p if p_theta == 0 else 0
        if d is not None:
            after = [_hear(_onward(heard[i], exact.transition[which[i]]), exact.emission[which[i]], exact.delimiter)
                     for i in (4, 3)]  # fmt: skip
            rate[sum(after[0], Fraction(0)), sum(after[1], Fraction(0))] += p
    return _Sums(kl, start, rate, forbidden, xs)


def _where(law: Row, support: Row) -> Row:
    """The law with the mass outside the support dropped."""
    return tuple(p if q else Fraction(0) for p, q in zip(law, support, strict=True))


def _onward(law: Any, kernel: Any) -> Row:
    return tuple(
        sum((p * row[g] for p, row in zip(law, kernel, strict=True) if p), Fraction(0)) for g in range(len(law))
    )


def _hear(law: Any, emission: Any, token: int) -> Row:
    return tuple(p * row[token] for p, row in zip(law, emission, strict=True))


def _emit(law: Any, emission: Any, exact: _Exact) -> Row:
    """The joint law of the next token, divided by its total."""
    joint = [sum(_hear(law, emission, token), Fraction(0)) for token in exact.tokens]
    return tuple(p / sum(joint) for p in joint)


def _constants(exact: _Exact, true: int, other: int) -> dict[str, Fraction | None]:
    """c1-c6, c8 at their attained extremes; R_theta and rho*; ``c2_theta``: c2 of this theta alone."""
    d, star = exact.delimiters(), exact.transition[true]
    into = {c: max(row[x] for row in exact.transition[c] for x in d) for c in range(len(exact.prior)) if c != true}
    starts = [initial[x] for initial in exact.initial for x in d]
    best = [max(row[token] for row in exact.emission[true]) for token in exact.tokens]
    return {
        "c1": min(row[x] for row in star for x in d),
        "c2": max(into.values()),
        "c2_theta": into[other],
        "c3": min(starts),
        "c4": max(starts),
        "c5": min(map(min, star)),
        "c6": min(best),
        "c8": min(exact.initial[true]),
        "r_theta": _ratio(exact, other, d, max),
        "rho_star": _ratio(exact, true, d, min),
        "tv": max(sum((abs(p - q) for p, q in zip(exact.start, star[x], strict=True)), Fraction(0)) / 2 for x in d),
    }


def _ratio(exact: _Exact, concept: int, d: list[int], extreme: Any) -> Fraction | None:
    """max or min over h of sum_d p(h|d)/p(h), 0/0 left out; None where the maximum is infinite."""
    after = [sum((exact.transition[concept][x][h] for x in d), Fraction(0)) for h in exact.states]
    pairs = list(zip(after, exact.initial[concept], strict=True))
    if extreme is max and any(p and not q for p, q in pairs):
        return None
    return extreme(p / q for p, q in pairs if q)


def _assumptions(exact: _Exact, true: int, constants: dict[str, Any], xs: list[Row]) -> dict[str, bool]:
    """A1-A5, exactly; adds the smallest Delta/4 over x_test to ``constants``."""
    gaps = [sorted(row)[-1] - (sorted(row)[-2] if len(row) > 1 else 0) for row in xs]
    constants["delta_over_4"] = min(gaps) / 4
    purity = [emits[h][exact.delimiter] for emits in exact.emission for h in exact.delimiters()]
    return {
        "A1": all(p == 1 for p in purity),
        "A2": constants["c1"] > 0,
        "A3": constants["tv"] < constants["delta_over_4"],
        "A4": exact.prior[true] > 0,
        "A5": min(constants["c5"], constants["c6"], constants["c8"], *exact.prior) > 0,
    }


def _enclose(exact: _Exact, sums: _Sums, constants: dict[str, Any], true: int, other: int, bits: int) -> Certificate:
    c = constants
    assumptions = _assumptions(exact, true, c, sums.xs)
    kl_sum, start_kl, start = _expectation(sums.kl), _expectation(sums.start), _log(1, c["c8"])
    printed = _log(c["c2"] ** 2 * c["c4"], c["c1"] ** 2 * c["c3"])
    vacuous = c["r_theta"] is None or not assumptions["A1"]
    repaired = math.inf if vacuous else _log(c["c2_theta"] * c["r_theta"], c["c1"] * c["rho_star"])
    printed_margin = _enclosure(_margin(kl_sum, _plus(start, printed)))
    repaired_margin = _enclosure(_margin(kl_sum, _plus(start_kl, repaired)))
    closed = assumptions["A1"] and len(exact.delimiters()) == 1
    rate = _expectation(sums.rate) if closed else math.nan
    return Certificate(
        k=exact.length,
        true_concept=true,
        concept=other,
        assumptions=assumptions,
        constants=c,
        kl_infinite_mass=sums.forbidden,
        kl_sum=_enclosure(kl_sum),
        eps_start=_enclosure(start),
        eps_delim_printed=_enclosure(printed),
        eps_delim_repaired=_enclosure(repaired),
        start_kl=_enclosure(start_kl),
        rate=None if _is(rate, math.nan) else _enclosure(rate),
        printed_margin=printed_margin,
        repaired_margin=repaired_margin,
        printed_holds=printed_margin.sign,
        repaired_holds=repaired_margin.sign,
        sharp_holds=_enclosure(-rate).sign,
        bits=bits,
    )


# A number below is an Arb ball, or the float +-inf or nan where it is exactly that.


def _is(x: Any, value: float) -> bool:
    return isinstance(x, float) and (x == value or (x != x and value != value))


def _log(p: Any, q: Any) -> Any:
    """log(p/q) of exact fractions; +inf where q = 0 (also 0/0: a cost that says nothing), -inf where only p is 0."""
    if q == 0:
        return math.inf
    if p == 0:
        return -math.inf
    flint, fraction = load_flint(), Fraction(p) / q
    return flint.arb(flint.fmpq(fraction.numerator, fraction.denominator)).log()


def _expectation(terms: Terms) -> Any:
    """sum of weight log(p/q), weights positive and not both of p, q zero; nan where +inf and -inf meet."""
    flint = load_flint()
    total, infinite = flint.arb(0), set()
    for (p, q), weight in terms.items():
        term = _log(p, q)
        if isinstance(term, float):
            infinite.add(math.nan if p == q == 0 else term)
        else:
            total += flint.fmpq(weight.numerator, weight.denominator) * term
    if not infinite:
        return total
    return infinite.pop() if len(infinite) == 1 else math.nan


def _plus(*costs: Any) -> Any:
    """Sum of costs: +inf wins."""
    if any(_is(x, math.inf) for x in costs):
        return math.inf
    return -math.inf if any(_is(x, -math.inf) for x in costs) else sum(costs[1:], costs[0])


def _margin(signal: Any, cost: Any) -> Any:
    """signal - cost; -inf where the cost is +inf (the condition says nothing), whatever the signal."""
    return -math.inf if _is(cost, math.inf) else _plus(signal, -cost)


def _enclosure(x: Any) -> Enclosure:
    if isinstance(x, float):
        return Enclosure(repr(x), 0.0, "undetermined" if math.isnan(x) else x > 0)
    flint = load_flint()
    digits = max(15, int(flint.ctx.prec * math.log10(2)) - 3)
    midpoint = x.str(digits, radius=False)
    exact = Fraction(midpoint)
    error = abs(x - flint.fmpq(exact.numerator, exact.denominator)).upper()
    radius = math.nextafter(float(error), math.inf)
    sign: Verdict = True if x > 0 else (False if x <= 0 else "undetermined")
    return Enclosure(midpoint, radius, sign)
