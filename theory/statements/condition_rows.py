"""One row of a table of conditions, and what binds where there are several: start laws, pairs, example lengths."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from implicit_bayes.theory.information.estimates import Verdict
from implicit_bayes.theory.statements.exact_margins import Version
from implicit_bayes.theory.statements.thresholds import add_costs

VERSIONS: tuple[Version, ...] = ("printed", "repaired", "sharp")


class Condition(NamedTuple):
    """The three versions of Condition 1 for one (theta*, theta, k), nats.

    Numbers belong to the start law that binds the version they decide: kl_sum, kl_low, kl_high and kl_infinite_mass to
    ``prompt_start``, start_kl and the repaired_kl numbers to ``repaired_start``, the rate to ``sharp_start``.

    Attributes:
        k: example length.
        true_concept, concept: indices of theta* and theta.
        kl_sum, kl_low, kl_high: sum_j KL_j(theta) and its interval (zero width where exact).
        kl_infinite_mass: p_prompt-mass of the examples that theta forbids.
        eps_start: log(1/c8).
        eps_delim_printed: 2 log(c2/c1) + log(c4/c3), c2 over every theta != theta*, c3 and c4 over every theta, as
            printed.
        eps_delim_repaired: log(c2/c1) + a_theta with c2 of this theta; +inf where A1 fails.
        start_kl, start_kl_low, start_kl_high: KL( p_prompt(O) || p(O|theta*) ).
        printed_holds, repaired_holds, sharp_holds: True, False, or "undetermined" where an interval straddles.
        rate, rate_low, rate_high: lim r_n(theta); rate is None where it is undefined.
        method: how kl_sum and the rate were computed, and whether theta* has prior 0 (then no version holds).
        prompt_start, repaired_start, sharp_start: indices of the start laws that bind the three versions.
        repaired_kl_sum, repaired_kl_low, repaired_kl_high: sum_j KL_j(theta) at ``repaired_start``.
        rate_bracket: width of the rate's bracket (several delimiter states).
        rate_samples: blocks that were sampled for the rate's bracket.
        kl_rounding, rate_rounding: bounds on the arithmetic's error, inside which nothing is decided.
        level: probability with which all intervals of the table hold at once.
    """

    k: int
    true_concept: int
    concept: int
    kl_sum: float
    kl_infinite_mass: float
    eps_start: float
    eps_delim_printed: float
    eps_delim_repaired: float
    start_kl: float
    printed_holds: Verdict
    repaired_holds: Verdict
    rate: float | None
    rate_low: float
    rate_high: float
    sharp_holds: Verdict
    method: str
    kl_low: float
    kl_high: float
    prompt_start: int
    repaired_start: int
    sharp_start: int
    repaired_kl_sum: float
    repaired_kl_low: float
    repaired_kl_high: float
    start_kl_low: float
    start_kl_high: float
    rate_bracket: float
    rate_samples: int
    kl_rounding: float
    rate_rounding: float
    level: float

    @property
    def printed_threshold(self) -> float:
        """eps_start + eps_delim, printed; +inf where either is."""
        return add_costs(self.eps_start, self.eps_delim_printed)

    @property
    def repaired_threshold(self) -> float:
        """start_kl + eps_delim, repaired; +inf where either is."""
        return add_costs(self.start_kl, self.eps_delim_repaired)

    def holds(self, version: Version) -> Verdict:
        """The verdict of one version.

        Args:
            version: "printed", "repaired" or "sharp".

        Returns:
            True, False or "undetermined".
        """
        return {"printed": self.printed_holds, "repaired": self.repaired_holds, "sharp": self.sharp_holds}[version]

    def room(self, version: Version) -> float:
        """What is left: signal minus threshold, or minus the rate. Positive where the version holds, up to intervals;
        -inf where a threshold is infinite, or where there is no rate.

        Args:
            version: "printed", "repaired" or "sharp".

        Returns:
            Nats.
        """
        if version == "sharp":
            return -math.inf if self.rate is None else -self.rate
        signal = self.kl_sum if version == "printed" else self.repaired_kl_sum
        threshold = self.printed_threshold if version == "printed" else self.repaired_threshold
        return -math.inf if threshold == math.inf else signal - threshold

    def room_interval(self, version: Version) -> tuple[float, float]:
        """The ends between which the room lies with probability ``level``, all rooms of the table at once.

        Args:
            version: "printed", "repaired" or "sharp".

        Returns:
            (low, high), nats; both -inf where the room is.
        """
        if version == "sharp":
            return -self.rate_high, -self.rate_low
        if self.room(version) == -math.inf:
            return -math.inf, -math.inf
        if version == "printed":
            return self.kl_low - self.printed_threshold, self.kl_high - self.printed_threshold
        ends = self.start_kl_low + self.eps_delim_repaired, self.start_kl_high + self.eps_delim_repaired
        return self.repaired_kl_low - ends[1], self.repaired_kl_high - ends[0]

    def binding(self, version: Version) -> tuple[int, float, float, float]:
        """Sorts conditions by what binds a version: the worst verdict, then the least room, signal and forbidden mass.

        A verdict goes before the room, so that of several conditions the first shows the verdict of them all.

        Args:
            version: "printed", "repaired" or "sharp".

        Returns:
            A key to sort by: the smallest binds.
        """
        rank = {False: 0, "undetermined": 1, True: 2}[self.holds(version)]
        signal = self.kl_sum if version == "printed" else self.repaired_kl_sum
        if version == "sharp":
            signal = -self.rate_high
        return rank, self.room(version), signal, self.kl_infinite_mass


class CriticalK(NamedTuple):
    """Smallest tested k at which a version is shown to hold for every (theta*, theta); None if there is none.

    Attributes:
        printed: tokens in an example, or None.
        repaired: tokens in an example, or None.
        sharp: tokens in an example, or None.
    """

    printed: int | None
    repaired: int | None
    sharp: int | None


def worst_over_start_laws(rows: Sequence[Condition]) -> list[Condition]:
    """One row for each (k, theta*, theta): every version with the verdict and the numbers of the start law that binds.

    Args:
        rows: of ``conditions_by_start_law``, any number of them in any order.

    Returns:
        In the order in which the (k, theta*, theta) first come.
    """
    groups: dict[tuple[int, int, int], list[Condition]] = {}
    for row in rows:
        groups.setdefault((row.k, row.true_concept, row.concept), []).append(row)
    return [_binding_row(group) for group in groups.values()]


def worst_pair(conditions: Sequence[Condition], version: Version) -> Condition:
    """The condition that binds a version: its verdict is the one of all of them together.

    Args:
        conditions: of several pairs (theta*, theta), or start laws.
        version: "printed", "repaired" or "sharp".

    Returns:
        One of ``conditions``.
    """
    return min(conditions, key=lambda row: row.binding(version))


def _binding_row(rows: Sequence[Condition]) -> Condition:
    printed, repaired, sharp = (worst_pair(rows, version) for version in VERSIONS)
    methods = list(dict.fromkeys([printed.method, repaired.method, sharp.method]))
    return printed._replace(
        repaired_holds=repaired.repaired_holds,
        repaired_start=repaired.repaired_start,
        repaired_kl_sum=repaired.repaired_kl_sum,
        repaired_kl_low=repaired.repaired_kl_low,
        repaired_kl_high=repaired.repaired_kl_high,
        start_kl=repaired.start_kl,
        start_kl_low=repaired.start_kl_low,
        start_kl_high=repaired.start_kl_high,
        sharp_holds=sharp.sharp_holds,
        sharp_start=sharp.sharp_start,
        rate=sharp.rate,
        rate_low=sharp.rate_low,
        rate_high=sharp.rate_high,
        rate_bracket=sharp.rate_bracket,
        rate_samples=sharp.rate_samples,
        rate_rounding=sharp.rate_rounding,
        kl_rounding=max(printed.kl_rounding, repaired.kl_rounding),
        method="; ".join(methods),
    )


def critical_k_of(conditions: Sequence[Condition], ks: Sequence[int]) -> CriticalK:
    """``critical_k`` from conditions already computed; "undetermined" does not count as holding.

    Args:
        conditions: of every pair at every k.
        ks: the tested k.

    Returns:
        CriticalK: for each version the smallest k at which every pair holds, or None.
    """

    def smallest(version: Version) -> int | None:
        holding = (k for k in sorted(ks) if all(c.holds(version) is True for c in conditions if c.k == k))
        return next(holding, None)

    return CriticalK(smallest("printed"), smallest("repaired"), smallest("sharp"))
