"""What experiment 8 finds along its dials: records that ``dial_numbers`` fills and ``dial_words`` puts into words."""

from typing import NamedTuple

from implicit_bayes.benchmarks.experiments.base import Accuracy
from implicit_bayes.benchmarks.report.findings import Mark, Point

RIGHT = 0.95
"""The share of prompts at which a predictor counts as right."""


class Shifts(NamedTuple):
    """The start dial on the regular instance; positions are total variations from p(h | d, theta*).

    Attributes:
        shots: n of the prompts that are judged.
        largest: the largest position.
        a3: positions at which A3 holds for every true concept.
        sharp: k -> positions at which the sharp condition holds for every true concept and alternative.
        right: k -> predictor -> positions at which it is right on a share RIGHT of prompts.
        models: labels of the models.
        wrong_under_sharp: whether at the smallest k the sharp condition holds somewhere beyond the last position at
            which exact Bayes is right.
        points, marks: of the figure.
    """

    shots: int
    largest: float
    a3: list[float]
    sharp: dict[int, list[float]]
    right: dict[int, dict[str, list[float]]]
    models: list[str]
    wrong_under_sharp: bool
    points: tuple[Point, ...]
    marks: tuple[Mark, ...]

    def last_right(self, k: int, name: str) -> float:
        """The largest position at which a predictor is right; 0 where it never is.

        Args:
            k: example length.
            name: of a predictor.

        Returns:
            Total variation distance of the start law from p(h | d, theta*).
        """
        return max(self.right[k].get(name, [0.0]))


class Position(NamedTuple):
    """One position of the delimiter dial.

    Attributes:
        k: length of the examples.
        probability: of a delimiter under theta*.
        threshold, kl_sum: the largest printed threshold and the smallest Σ KL over the alternatives, nats.
        holds: version of Condition 1 -> whether it holds for every alternative.
        rate: the largest limit of r_n over the alternatives, nats an example.
        bayes: of exact Bayes.
        models: of each model.
    """

    k: int
    probability: float
    threshold: float
    kl_sum: float
    holds: dict[str, bool]
    rate: float
    bayes: Accuracy
    models: tuple[Accuracy, ...]

    @property
    def parted(self) -> bool:
        """Whether of exact Bayes and the first model one is right and the other is not."""
        return bool(self.models) and (self.bayes.share >= RIGHT) != (self.models[0].share >= RIGHT)


class Delimiters(NamedTuple):
    """The delimiter dial on the regular instance.

    Attributes:
        shots: n of the prompts that are judged.
        positions: all of them, those of the first k first.
        points, marks: of the figure.
    """

    shots: int
    positions: tuple[Position, ...]
    points: tuple[Point, ...]
    marks: tuple[Mark, ...]

    def where(self, k: int, version: str) -> list[float]:
        """Probabilities at which a version of the condition holds.

        Args:
            k: example length.
            version: printed, repaired or sharp.

        Returns:
            The delimiter probabilities of theta*, in the order of the dial.
        """
        return [each.probability for each in self.positions if each.k == k and each.holds[version]]

    def right(self, k: int) -> list[float]:
        """Probabilities at which exact Bayes is right.

        Returns:
            p(d | h, theta*) of each, in the dial's order.
        """
        return [each.probability for each in self.positions if each.k == k and each.bayes.share >= RIGHT]


class Released(NamedTuple):
    """The start dial on released GINC, at its two ends: the average p(h | d), and the release's start law.

    Attributes:
        k, shots: of the prompts.
        tv: A3's total variation at either end.
        impossible: share of prompts without a posterior at either end.
        points: of the figure.
    """

    k: int
    shots: int
    tv: tuple[float, float]
    impossible: tuple[float, float]
    points: tuple[Point, ...]
