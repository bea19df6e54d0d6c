"""An instance in exact fractions: every entry is the decimal it prints as (0.0005 is 1/2000, no float64).

Concepts of prior zero take no part: they are left out, but for theta* and theta themselves.
"""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array

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
        """D: the states that emit the delimiter under some concept of the family."""
        return [h for h in self.states if any(self.emission[c][h][self.delimiter] for c in self.family)]

    def restart(self, concept: int) -> int | None:
        """The one state that emits the delimiter under this concept, from which it starts afresh; None if several."""
        states = [h for h in self.states if self.emission[concept][h][self.delimiter]]
        return states[0] if len(states) == 1 else None


def printed_fractions(name: str, array: Array) -> Nested:
    """Nested tuples of the exact decimals that the float64 entries print as; every row must sum to 1.

    Args:
        name: of the field, for the error.
        array: laws along its last axis.

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


def exact_instance(mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, concept: int) -> ExactInstance:
    """The instance as its printed decimals.

    Args:
        mixture: in short decimals.
        prompt: theta*, p_prompt(h), k and the delimiter.
        true_concept: index of theta*.
        concept: index of theta.

    Raises:
        ModelError: theta is theta* or has prior zero, the prompt is not of theta*, or a row's decimals do not sum to 1.
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
    rows = {name: printed_fractions(name, getattr(mixture, name)) for name in ("prior", "initial", "transition")}
    emission = printed_fractions("emission", mixture.emissions)
    kept = sorted({true_concept, *mixture.possible_concepts().tolist()})
    return ExactInstance(
        prior=tuple(rows["prior"][c] for c in kept),
        initial=tuple(rows["initial"][c] for c in kept),
        transition=tuple(rows["transition"][c] for c in kept),
        emission=tuple(emission[c] for c in kept),
        true=kept.index(true_concept),
        other=kept.index(concept),
        start=printed_fractions("prompt_start", prompt.start),
        delimiter=prompt.delimiter,
        length=prompt.length,
    )
