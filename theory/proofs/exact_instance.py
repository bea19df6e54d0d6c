"""An instance in exact fractions: every entry is the decimal it prints as (0.0005 is 1/2000, no float64).

A row whose decimals do not sum to exactly 1 (three times 0.3333333333333333) is divided by their sum (and is 1/3, 1/3,
1/3): a law within the rounding of the one that was given, the same whatever its states are called.

Concepts of prior zero take no part: they are left out, but for theta* and theta themselves.
"""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array, Numbers

Row = tuple[Fraction, ...]
Nested = tuple[Any, ...]
"""Fractions in as many tuples as the array had axes, which no type can say."""


class ExactInstance(NamedTuple):
    """What a certificate is about.

    Attributes:
        prior, initial, transition, emission: of the concepts that take part, and of theta* and theta.
        true, other: places of theta* and theta among them.
        start: p_prompt(h).
        delimiter, length: its token, and k.
        rescaled: the largest |sum - 1| that a row was divided by; 0 where all decimals sum to 1.
    """

    prior: Row
    initial: tuple[Row, ...]
    transition: tuple[tuple[Row, ...], ...]
    emission: tuple[tuple[Row, ...], ...]
    true: int
    other: int
    start: Row
    delimiter: int
    length: int
    rescaled: Fraction = Fraction(0)

    @property
    def states(self) -> range:
        """0..H-1."""
        return range(len(self.start))

    @property
    def tokens(self) -> range:
        """0..V-1."""
        return range(len(self.emission[0][0]))

    @property
    def family(self) -> list[int]:
        """Places of theta* and of the concepts of positive prior: those that constants range over."""
        return [c for c, p in enumerate(self.prior) if p or c == self.true]

    def delimiters(self) -> list[int]:
        """D: the states that emit the delimiter under some concept of the family.

        Returns:
            Increasing indices.
        """
        return [h for h in self.states if any(self.emission[c][h][self.delimiter] for c in self.family)]

    def restart(self, concept: int) -> int | None:
        """The one state that emits the delimiter under this concept, from which it starts afresh; None if several.

        Args:
            concept: its place among those of the instance.

        Returns:
            The state's index, or None where no state or several emit it.
        """
        states = [h for h in self.states if self.emission[concept][h][self.delimiter]]
        return states[0] if len(states) == 1 else None


def printed_fractions(array: Array) -> Nested:
    """Nested tuples of the exact decimals that the float64 entries print as, every row divided by their sum.

    Args:
        array: laws along its last axis.

    Returns:
        Tuples nested as the array's axes are, the innermost ones summing to exactly 1.
    """
    values = np.asarray(array, dtype=np.float64)
    if values.ndim > 1:
        return tuple(printed_fractions(row) for row in values)
    row = _decimals(values)
    return tuple(value / sum(row, Fraction(0)) for value in row)


def off_one(*arrays: Numbers) -> Fraction:
    """The largest |sum - 1| of a row of printed decimals.

    Args:
        *arrays: laws along their last axes.

    Returns:
        A fraction; 0 where all rows are exact laws already.
    """
    rows = [row for array in arrays for row in np.asarray(array).reshape(-1, np.shape(array)[-1])]
    return max(abs(sum(_decimals(row), Fraction(0)) - 1) for row in rows)


def _decimals(values: np.ndarray) -> Row:
    return tuple(Fraction(repr(float(value))) for value in values)


def exact_instance(mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, concept: int) -> ExactInstance:
    """The instance as its printed decimals.

    Args:
        mixture: in short decimals.
        prompt: theta*, p_prompt(h), k and the delimiter.
        true_concept: index of theta*.
        concept: index of theta.

    Returns:
        ExactInstance of theta* and the concepts of positive prior, in their order.

    Raises:
        ModelError: theta is theta* or has prior zero, or the prompt is not of theta*.
    """
    if concept == true_concept:
        raise ModelError(f"concept: {concept} is the true concept; choose another")
    true, told = mixture.concept(true_concept), prompt.hmm
    if mixture.prior[mixture._concept_index(concept)] == 0:
        raise ModelError(f"concept: {concept} has prior 0 and takes no part; choose another")
    for name in ("initial", "transition", "emission"):
        if not np.array_equal(getattr(true, name), getattr(told, name)):
            raise ModelError(f"prompt: its {name} is not that of concept {true_concept}; use PromptLaw.of")
    if prompt.delimiter != mixture.delimiter:
        raise ModelError(f"prompt: delimiter {prompt.delimiter} where the mixture has {mixture.delimiter}")
    given = {"prior": mixture.prior, "initial": mixture.initial, "transition": mixture.transition}
    rows = {name: printed_fractions(array) for name, array in given.items()}
    emission = printed_fractions(mixture.emissions)
    kept = sorted({true_concept, *mixture.possible_concepts().tolist()})
    return ExactInstance(
        prior=tuple(rows["prior"][c] for c in kept),
        initial=tuple(rows["initial"][c] for c in kept),
        transition=tuple(rows["transition"][c] for c in kept),
        emission=tuple(emission[c] for c in kept),
        true=kept.index(true_concept),
        other=kept.index(concept),
        start=printed_fractions(prompt.start),
        delimiter=prompt.delimiter,
        length=prompt.length,
        rescaled=off_one(*given.values(), mixture.emissions, prompt.start),
    )
