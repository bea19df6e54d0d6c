"""What stands in the cells of the tables: numbers of nats, intervals, verdicts and losses in words."""

import numpy as np

from implicit_bayes.benchmarks.verification.losses import BayesLoss
from implicit_bayes.theory.proofs.enclosures import Enclosure
from implicit_bayes.theory.statements.conditions import IMPOSSIBLE, Condition, Version


def verdict(holds: bool | str) -> str:
    """holds, FAILS or undetermined.

    Returns:
        A word.
    """
    return holds if isinstance(holds, str) else ("holds" if holds else "FAILS")


def number(value: float | None, digits: int = 4) -> str:
    """A number of nats; an undefined one is a dash.

    Args:
        value: nats.
        digits: after the point.

    Returns:
        Text.
    """
    return "–" if value is None else f"{value:.{digits}f}"


def interval(value: float | None, low: float, high: float, digits: int = 4) -> str:
    """A number with its interval, if it has one.

    Args:
        value: nats.
        low: lower end of its interval.
        high: upper end.
        digits: after the point; the ends have one fewer.

    Returns:
        Text, as in "1.2 [1.1, 1.3]".
    """
    if value is None and not np.isfinite([low, high]).any():
        return "undefined"
    text = number(value, digits)
    return text if low == high else f"{text} [{low:.{digits - 1}f}, {high:.{digits - 1}f}]"


def judged(row: Condition, version: Version) -> str:
    """The verdict of one version, with the reason where the numbers are not it.

    Args:
        row: a condition.
        version: printed, repaired or sharp.

    Returns:
        Words of one cell.
    """
    return verdict(row.holds(version)) + (" (θ* has prior 0)" if row.method.endswith(IMPOSSIBLE) else "")


def enclosure(ball: Enclosure) -> str:
    """The leading digits and the radius; all digits stand in the JSON.

    Returns:
        Text.
    """
    digits = ball.midpoint if len(ball.midpoint) <= 18 else ball.midpoint[:18] + "…"
    return f"{digits} ± {ball.radius:.1e}"


def short(predictor: str) -> str:
    """``smoothed(1e-08)`` as ``ε=1e-08``, which fits the column.

    Returns:
        Words.
    """
    return predictor.replace("smoothed(", "ε=").rstrip(")")


def loss_line(words: str, loss: BayesLoss) -> str:
    """Bayes cross-entropy in words.

    Args:
        words: what the documents are.
        loss: of exact Bayes on them.

    Returns:
        One line; nats a token, with the 95% interval over documents.
    """
    return (
        f"Bayes cross-entropy on {loss.documents} {words} of {loss.length} tokens: "
        f"{loss.cross_entropy:.4f} [{loss.low:.4f}, {loss.high:.4f}] nats/token; "
        f"true concept recovered in {loss.recovered} of {loss.documents}"
    )
