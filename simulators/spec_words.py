"""Parameters in a specification: NAME[:PARAMETER=VALUE[,PARAMETER=VALUE...]], each within its range."""

from collections.abc import Mapping
from typing import NamedTuple

from implicit_bayes.theory.objects.checks import ModelError


class Range(NamedTuple):
    """What a parameter of a specification may be.

    Attributes:
        least: the smallest value, included.
        most: the largest value, included.
        whole: whether only integers are taken.
    """

    least: float
    most: float
    whole: bool = True


def name_of(spec: str) -> str:
    """What stands before the first colon.

    Returns:
        A name, or the whole specification where it has no parameters.
    """
    return spec.split(":", 1)[0]


def read_parameters(spec: str, ranges: Mapping[str, Range]) -> dict[str, float]:
    """The parameters that a specification names, integers as int.

    Args:
        spec: NAME, or NAME and a colon and its parameters.
        ranges: of every parameter that NAME takes.

    Returns:
        Values by name, only of those that are named.

    Raises:
        ModelError: a parameter that NAME does not take or that comes twice, or a value out of its range.
    """
    name, colon, words = spec.partition(":")
    values: dict[str, float] = {}
    for part in words.split(",") if colon else ():
        key, _, word = part.partition("=")
        if key not in ranges or key in values:
            raise ModelError(f"instance: {part!r} in {spec!r}; {name} takes {', '.join(ranges)}, each once")
        values[key] = _number(spec, key, word, ranges[key])
    return values


def _number(spec: str, key: str, word: str, within: Range) -> float:
    try:
        value = int(word) if within.whole else float(word)
    except ValueError:
        value = float("nan")
    if not within.least <= value <= within.most:
        kind = "an integer" if within.whole else "a number"
        raise ModelError(f"instance: {key}={word} in {spec!r} is not {kind} from {within.least} to {within.most}")
    return value
