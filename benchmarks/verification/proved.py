"""What ``verify --certify`` proves beside the conditions: finite n, and rates with several delimiter states."""

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import NamedTuple

from rich.table import Table

from implicit_bayes.benchmarks.common.storage import plain
from implicit_bayes.benchmarks.report.page import PageTable
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory import ModelError, PromptLaw
from implicit_bayes.theory.proofs.certify_bracket import BracketCertificate, certify_bracket
from implicit_bayes.theory.proofs.certify_finite import FiniteCertificate, certify_finite
from implicit_bayes.theory.statements.conditions import Condition

MOST_FORGOTTEN = 4
"""Examples that a bracket forgets at most, where fewer leave the sign open."""


class ProvedFinite(NamedTuple):
    """A proof of Theorem 1 at finite n, for one (k, theta*, start law) with one delimiter state.

    Attributes:
        k: example length.
        true_concept: index of theta*.
        prompt_start: index of the start law.
        certificate: the proof; None where there is none.
        reason: why there is none; empty where there is one.
    """

    k: int
    true_concept: int
    prompt_start: int
    certificate: FiniteCertificate | None
    reason: str


class ProvedBracket(NamedTuple):
    """A proved bracket of the rate with several delimiter states, at the start law that binds the sharp condition.

    Attributes:
        k: example length.
        true_concept: index of theta*.
        concept: index of theta.
        prompt_start: index of the start law.
        certificate: the bracket; None where there is none.
        reason: why there is none; empty where there is one.
    """

    k: int
    true_concept: int
    concept: int
    prompt_start: int
    certificate: BracketCertificate | None
    reason: str


class Proofs(NamedTuple):
    """Proofs beside the certificates of conditions.

    Attributes:
        finite: of Theorem 1 at finite n, with one delimiter state.
        brackets: of rates, with several.
    """

    finite: list[ProvedFinite]
    brackets: list[ProvedBracket]


NOTHING = Proofs([], [])


def prove(
    instance: Instance,
    conditions: Sequence[Condition],
    ks: Sequence[int],
    start: Callable[[str, int], Callable[[int], None]],
) -> Proofs:
    """The exponent and n(0.01) of every (k asked for, theta*, start law), or the bracket of every pair's rate.

    Args:
        instance: mixture, start laws, true concepts.
        conditions: each pair's, worst over its start laws.
        ks: example lengths asked for.
        start: progress, see ``benchmarks.verification.verify.verify``.

    Returns:
        Proofs: certificates where one delimiter state makes examples independent, else brackets; what cannot be proved
        has its reason.
    """
    rows = [row for row in conditions if row.k in ks]
    if len(instance.mixture.delimiter_states()) != 1:
        advance, brackets = start("certified brackets", len(rows)), []
        for row in rows:
            brackets.append(_bracket(instance, row))
            advance(1)
        return Proofs([], brackets)
    cells = [(k, c, s) for k in ks for c in instance.true_concepts for s in range(len(instance.prompt_starts[c]))]
    advance, finite = start("certified numbers of examples", len(cells)), []
    for k, c, s in cells:
        finite.append(_finite(instance, k, c, s))
        advance(1)
    return Proofs(finite, [])


def _finite(instance: Instance, k: int, true: int, start: int) -> ProvedFinite:
    law = PromptLaw.of(instance.mixture, instance.prompt_starts[true, start], true, k)
    try:
        found = certify_finite(instance.mixture, law, true)
    except ModelError as error:
        return ProvedFinite(k, true, start, None, str(error))
    return ProvedFinite(k, true, start, found, found.reason)


def _bracket(instance: Instance, row: Condition) -> ProvedBracket:
    """The first bracket that settles the sign, or the narrowest that can be enumerated."""
    start, found, reason = row.sharp_start, None, ""
    law = PromptLaw.of(instance.mixture, instance.prompt_starts[row.true_concept, start], row.true_concept, row.k)
    for forgotten in range(MOST_FORGOTTEN + 1):
        try:
            found = certify_bracket(instance.mixture, law, row.true_concept, row.concept, forgotten)
        except ModelError as error:
            reason = str(error)
            break
        if found.sharp_holds != "undetermined":
            break
    return ProvedBracket(row.k, row.true_concept, row.concept, start, found, "" if found else reason)


def proofs_json(proofs: Proofs) -> dict[str, list[JsonObject]]:
    """``certificates_finite`` and ``certificates_bracket`` of results.json; balls: {midpoint, radius, sign}, nats.

    Returns:
        The two lists by these names, one of them empty.
    """
    finite = []
    for row in proofs.finite:
        found, enough = row.certificate, row.certificate and row.certificate.enough
        finite.append({
            "k": row.k, "true_concept": row.true_concept, "prompt_start": row.prompt_start,
            "exponent_low": found and found.exponent_low, "exponent_high": found and found.exponent_high,
            "delta": float(enough.delta) if enough else None, "n_enough": enough.n if enough else None,
            "error_bound": enough.error_bound if enough else None, "reason": row.reason,
        })  # fmt: skip
    brackets = []
    for each in proofs.brackets:
        certificate = each.certificate
        brackets.append({
            "k": each.k, "true_concept": each.true_concept, "concept": each.concept,
            "prompt_start": each.prompt_start, "low": certificate and certificate.low,
            "high": certificate and certificate.high, "forgotten": certificate and certificate.forgotten,
            "sharp_holds": certificate.sharp_holds if certificate else "undetermined", "reason": each.reason,
        })  # fmt: skip
    return {"certificates_finite": finite, "certificates_bracket": brackets}


FINITE = (
    "Proved of Theorem 1 at finite n, one delimiter state (nats an example, rounded outwards)",
    ("k, θ*, start law", "exponent between", "and", "n(0.01) at most", "error bound there", "why no number"),
)
BRACKET = (
    "Proved of rates with several delimiter states (nats an example, rounded outwards)",
    ("k, θ*, θ, start law", "rate between", "and", "examples forgotten", "sharp condition", "why no bracket"),
)
"""Title and header of each table."""


def screen_tables(proofs: Proofs) -> list[Table]:
    """For the terminal; none where nothing was asked for.

    Returns:
        Tables of rich's.
    """
    tables = []
    for title, header, rows in _tables({name: plain(rows) for name, rows in proofs_json(proofs).items()}):
        tables.append(Table(*header, title=title, title_justify="left"))
        for row in rows:
            tables[-1].add_row(*row)
    return tables


def page_tables(stored: JsonObject) -> tuple[PageTable, ...]:
    """For the page, from results.json.

    Returns:
        PageTables, none where the file holds no proofs.
    """
    return tuple(PageTable(*each) for each in _tables(stored))


def _tables(stored: JsonObject) -> list[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    finite, brackets = (stored.get(f"certificates_{name}") or () for name in ("finite", "bracket"))
    cells = (tuple(map(_finite_cells, finite)), tuple(map(_bracket_cells, brackets)))
    return [(*words, rows) for words, rows in zip((FINITE, BRACKET), cells, strict=True) if rows]


def _finite_cells(row: JsonObject) -> tuple[str, ...]:
    enough = row.get("n_enough")
    return (
        f"{row['k']}, {row['true_concept']}, {row['prompt_start']}",
        outwards(row.get("exponent_low"), ROUND_FLOOR), outwards(row.get("exponent_high"), ROUND_CEILING),
        "–" if enough is None else str(enough), outwards(row.get("error_bound"), ROUND_CEILING), str(row["reason"]),
    )  # fmt: skip


def _bracket_cells(row: JsonObject) -> tuple[str, ...]:
    holds, forgotten = row["sharp_holds"], row.get("forgotten")
    return (
        f"{row['k']}, {row['true_concept']}, {row['concept']}, {row['prompt_start']}",
        outwards(row.get("low"), ROUND_FLOOR), outwards(row.get("high"), ROUND_CEILING),
        "–" if forgotten is None else str(forgotten),
        holds if isinstance(holds, str) else ("holds" if holds else "FAILS"), str(row["reason"]),
    )  # fmt: skip


def outwards(ball: JsonObject | str | None, rounding: str) -> str:
    """The lower or upper end of a stored ball to 12 decimals, rounded away from it.

    Args:
        ball: {"midpoint", "radius"} in decimal, or a text where there is none.
        rounding: ``decimal.ROUND_FLOOR`` for the lower end, ``decimal.ROUND_CEILING`` for the upper one.

    Returns:
        A decimal number as text; a dash where there is no ball.
    """
    if not isinstance(ball, dict):
        return "–"
    end = Decimal(str(ball["midpoint"]))
    if end.is_finite():
        radius = Decimal(str(ball["radius"]))
        with localcontext() as context:
            context.prec, context.rounding = 200, rounding
            end = (end - radius if rounding == ROUND_FLOOR else end + radius).quantize(Decimal(1).scaleb(-12))
        return str(end.normalize()) if abs(end) < 1e-3 else str(end)
    return "∞" if end > 0 else "-∞"
