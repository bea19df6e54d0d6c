"""Moments of the posterior odds at n examples, factor by factor, sharp and repaired.

    odds_n(theta) = (pi_theta / pi_*) p(S_n, x | theta) / p(S_n, x | theta*),   x = x_test, n >= 1

Examples are independent under p_prompt, so the moments factorise. **Sharp** (under every concept one state alone emits
the delimiter, which therefore regenerates the chain; d that state), an equality:

    E[odds_n^s | x] = (pi_theta/pi_*)^s M1(s) M(s)^(n-1) X(x)^s,
    M(s) = E [ p(O, delim | d, theta) / p(O, delim | d, theta*) ]^s,   M1: from the document start laws instead,
    X(x) = p(x | d, theta) / p(x | d, theta*).

**Repaired** (A1, any number of delimiter states; B = c2 R_theta / (c1 rho*), K = 1 / (|D| c1 (c5 c6)^(k-1))), from
the assembled bound of ``statements.repaired``:

    E[odds_n^s | x] <= (pi_theta K/pi_*)^s B^(s(n-1)) ( E [ p(O | theta) / p(O | theta*) ]^s )^n.

Source: docs/theory, "How many examples are enough".
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from implicit_bayes.theory.information.likelihood_moments import ExampleGraph
from implicit_bayes.theory.information.moment_graphs import BUDGET, example_graphs, sampled_graphs
from implicit_bayes.theory.information.moment_levels import Cumulant
from implicit_bayes.theory.information.supports import forbidden_mass, may_forbid
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.merged_inputs import answer_margins, input_blocks
from implicit_bayes.theory.statements.repaired_constants import front_cost, pure_delimiter_states, repaired_constants

Version = Literal["sharp", "repaired"]

TIE = 1e-12
"""Margins up to this count as none: float64 cannot tell them from 0."""

MOST_NATS = 1e6
"""A theta that never writes a delimiter (c2 = 0) gains this from each instead of infinitely much: still a bound."""

CLASSES = 200_000
"""Merged test inputs affordable for the margins Delta*(x)."""


class Odds(NamedTuple):
    """The factors of the moments of odds_n(theta) for every theta of positive prior other than theta* (A of them).

    Attributes:
        version: which of the two; ``sharp`` is an equality, ``repaired`` an upper bound.
        concepts: indices of the thetas.
        log_prior_A: log(pi_theta / pi_*), nats.
        first_graph, later_graph: examples from the document start laws, and (sharp) from the delimiter's row.
        front_A, delimiter_A: (repaired) log K and log B, nats; 0 where sharp.
        mass_N: p_prompt-mass of the merged test inputs.
        margin_N: Delta*(x), at most 0 where theta* itself may answer wrongly.
        pilot: where examples were sampled, an independent sample to choose s on; else None.
    """

    version: Version
    concepts: tuple[int, ...]
    log_prior_A: np.ndarray
    first_graph: ExampleGraph
    later_graph: ExampleGraph
    front_A: np.ndarray
    delimiter_A: np.ndarray
    mass_N: np.ndarray
    margin_N: np.ndarray
    pilot: "Odds | None" = None

    @property
    def closed(self) -> bool:
        """Whether an example is weighed together with the delimiter after it."""
        return self.version == "sharp"

    @property
    def sampled_inputs(self) -> bool:
        """Whether the test inputs are those of a sample."""
        return self.version == "sharp" and self.later_graph.sampled

    @property
    def lost(self) -> tuple[bool, bool]:
        """Whether theta* forbids some first example, or some later one: their moments are then +inf."""
        pair = (self.first_graph, self.later_graph)
        first, later = (g.lost_closed if self.closed else g.lost_last for g in pair)
        return first, later

    def first(self, a: int | np.ndarray, s: np.ndarray) -> Cumulant:
        """(S,) log of the first example's factor: M1(s), or K^s E Lambda^s.

        Args:
            a: theta, by its place among ``concepts``.
            s: (S,) powers.

        Returns:
            Cumulant: logarithm, nats, and derivative in s.
        """
        return _shift(self.first_graph.examples(a, s, self.closed), s, self.front_A[a])

    def later(self, a: int | np.ndarray, s: np.ndarray) -> Cumulant:
        """(S,) log of every later example's factor: M(s), or B^s E Lambda^s.

        Args:
            a: theta, by its place among ``concepts``.
            s: (S,) powers.

        Returns:
            Cumulant: logarithm, nats, and derivative in s; below 0 at some s if and only if the bound falls with n.
        """
        return _shift(self.later_graph.examples(a, s, self.closed), s, self.delimiter_A[a])

    def inputs(self, a: int | np.ndarray, s: np.ndarray) -> Cumulant:
        """(S, N) log of p_prompt(x) X(x)^s, summed over the x of each class; X = 1 where repaired.

        Args:
            a: theta, by its place among ``concepts``.
            s: (S,) powers.

        Returns:
            Cumulant: (S, N) logarithms, nats, and derivatives in s.
        """
        if self.version == "sharp":
            return self.later_graph.inputs(a, s)
        value = np.broadcast_to(np.log(self.mass_N), (len(s), len(self.mass_N)))
        return Cumulant(value, np.zeros_like(value))

    def slopes(self, a: int | np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, Cumulant]:
        """The slopes of ``first`` and ``later``, and ``inputs``: what they share is computed once.

        Args:
            a: theta, by its place among ``concepts``.
            s: (S,) powers.

        Returns:
            ((S,), (S,), Cumulant of (S, N)): derivatives in s of the first and the later factor's logarithms, and those
            of x.
        """
        if self.version == "repaired":  # one graph serves first and later
            each = self.later_graph.examples(a, s, self.closed).slope
            return each + self.front_A[a], each + self.delimiter_A[a], self.inputs(a, s)
        inputs = self.inputs(a, s)
        later = self.later_graph.examples(a, s, self.closed, inputs).slope
        return self.first(a, s).slope, later + self.delimiter_A[a], inputs

    def values(self, a: int | np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(S,) values of ``first`` and ``later``, upper ends where examples were sampled, and (S, N) of ``inputs``.

        Args:
            a: theta, by its place, or (S,) of one for each s.
            s: (S,) powers.

        Returns:
            ((S,), (S,), (S, N)): logarithms of the first and the later factor and of x, nats.
        """
        inputs, later = self.later_graph.values(a, s, self.closed)
        if self.version == "repaired":
            return later + s * self.front_A[a], later + s * self.delimiter_A[a], self.inputs(a, s).value
        first = self.first_graph.values(a, s, self.closed)[1]
        return first + s * self.front_A[a], later + s * self.delimiter_A[a], inputs

    def largest(self, a: int) -> tuple[float, float, np.ndarray]:
        """The largest log-odds of a first example, of a later one, and (N,) of the x of each class.

        Args:
            a: theta, by its place among ``concepts``.

        Returns:
            (first, later, (N,)), nats without the prior's odds; -inf where theta forbids everything.
        """
        first, later = (g.largest(a, self.closed) for g in (self.first_graph, self.later_graph))
        reach = self.later_graph.largest_inputs(a) if self.version == "sharp" else np.zeros(len(self.mass_N))
        return first + float(self.front_A[a]), later + float(self.delimiter_A[a]), reach


def _shift(moment: Cumulant, s: np.ndarray, cost: np.ndarray | float) -> Cumulant:
    """The moment of (e^cost ratio), one cost or (S,)."""
    return moment if not np.any(cost) else Cumulant(moment.value + s * cost, moment.slope + cost)


def odds_moments(
    mixture: MixtureOfHMMs, law: PromptLaw, true_concept: int, version: Version, *, seed: int = 0, budget: int = BUDGET
) -> Odds | str:
    """The factors, exact where ``budget`` allows, else from a sample; or, in words, why the bound says nothing.

    Args:
        mixture: the pretraining law; concepts of prior zero take no part.
        law: theta* = concept ``true_concept``, p_prompt(h), k.
        true_concept: theta*.
        version: "sharp" or "repaired".
        seed: of the sampling, if any.
        budget: merged prefixes affordable on one level.

    Returns:
        Odds of every theta of positive prior, or the reason as a string.

    Raises:
        ModelError: probabilities so small that float64 could take the improbable for the impossible.
    """
    if float(mixture.prior[true_concept]) == 0.0:
        return "theta* has prior zero (A4 fails)"
    others = tuple(int(c) for c in mixture.possible_concepts() if c != true_concept)
    make = _sharp if version == "sharp" else _repaired
    return make(mixture, law, true_concept, others, seed, budget)


def delimiter_row(hmm: HMM, delimiter: int) -> HMM | None:
    """The law after a delimiter where one state alone emits it; None where several do.

    Where no state does, every prompt is impossible whatever the start: the law itself.

    Args:
        hmm: any concept.
        delimiter: the delimiter token.

    Returns:
        An HMM with the kernel and emission of ``hmm``, or None.
    """
    states = np.flatnonzero(np.asarray(hmm.emission)[:, delimiter] > 0)
    if len(states) > 1:
        return None
    return hmm if not len(states) else HMM(np.asarray(hmm.transition)[states[0]], hmm.transition, hmm.emission)


def _log_prior(mixture: MixtureOfHMMs, others: Sequence[int], true: int) -> np.ndarray:
    prior = np.asarray(mixture.prior)
    log_ratio: np.ndarray = np.log(prior[list(others)]) - np.log(prior[true])
    return log_ratio


def _sharp(
    mixture: MixtureOfHMMs, law: PromptLaw, true: int, others: tuple[int, ...], seed: int, budget: int
) -> Odds | str:
    rows = [delimiter_row(mixture.concept(c), mixture.delimiter) for c in (true, *others)]
    after = [row for row in rows if row is not None]
    if len(after) < len(rows):
        return "several states emit the delimiter, so it does not regenerate the chain"
    if may_forbid(law, law.hmm):
        return "theta* gives some prompts probability zero"
    first = [law.hmm, *(mixture.concept(c) for c in others)]

    def assemble(draw: int | None) -> Odds | None:
        graphs = _graphs(law, (first, after), budget, draw)
        if graphs is None:
            return None
        early, later = graphs
        margin_N = answer_margins(later.law_2xNxV[0], later.law_2xNxV[1][:, None], TIE)
        zero = np.zeros(len(others))
        return Odds(
            version="sharp", concepts=others, log_prior_A=_log_prior(mixture, others, true), first_graph=early,
            later_graph=later, front_A=zero, delimiter_A=zero, mass_N=later.mass(), margin_N=margin_N,
        )  # fmt: skip

    return assemble(None) or _with_pilot(assemble, seed)


def _repaired(
    mixture: MixtureOfHMMs, law: PromptLaw, true: int, others: tuple[int, ...], seed: int, budget: int
) -> Odds | str:
    try:
        states = pure_delimiter_states(mixture)
    except ModelError:
        return "A1 fails"
    constants = [repaired_constants(mixture, true, c) for c in others]
    costs = np.array([[front_cost(each, law.length - 1), each.eps_delim] for each in constants]).reshape(-1, 2)
    if (costs == math.inf).any():
        return "a constant of the bound is infinite (c1, c5, c6 or rho* is 0, or R_theta is infinite)"
    costs = np.maximum(costs, -MOST_NATS)
    start = np.asarray(law.start)
    if forbidden_mass(start[None], law.hmm, law.hmm, law.length).first[0] <= law.length:
        return "documents of theta* forbid some examples"
    if not others and may_forbid(law, law.hmm):
        return "theta* gives some prompts probability zero"
    blocks = input_blocks(law, [], law.length - 1, CLASSES)
    if blocks is None:
        return "too many test inputs for their margins"
    truths, masses, margins = [], [], []
    rows = np.asarray(law.hmm.transition)[states]
    for block in blocks:
        truths.append(block.predictive(0, start, law.hmm))
        after = np.stack([block.predictive(0, row, law.hmm) for row in rows], 1)
        margins.append(answer_margins(truths[-1], after, TIE))
        masses.append(block.mass_N)
    mass_N, margin_N = _by_margin(np.concatenate(masses), np.concatenate(margins))

    def assemble(draw: int | None) -> Odds | None:
        graphs = _graphs(law, ([law.hmm, *(mixture.concept(c) for c in others)],), budget, draw)
        if graphs is None:
            return None
        (graph,) = graphs
        return Odds(
            version="repaired", concepts=others, log_prior_A=_log_prior(mixture, others, true), first_graph=graph,
            later_graph=graph, front_A=costs[:, 0], delimiter_A=costs[:, 1], mass_N=mass_N, margin_N=margin_N,
        )  # fmt: skip

    return assemble(None) or _with_pilot(assemble, seed)


def _by_margin(mass_N: np.ndarray, margin_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of equal margin are one: nothing else of x enters the repaired bound."""
    margins, inverse = np.unique(margin_N, return_inverse=True)
    return np.bincount(inverse.reshape(-1), mass_N, len(margins)), margins


def _graphs(
    law: PromptLaw, families: Sequence[Sequence[HMM]], budget: int, draw: int | None
) -> list[ExampleGraph] | None:
    """One graph for each family of laws, theta* first. ``draw``: the seed of a sample; None: exact, if affordable."""
    arguments = (law.example_law(), families, law.length, law.delimiter)
    return example_graphs(*arguments, budget) if draw is None else sampled_graphs(*arguments, draw)


def _with_pilot(assemble: Callable[[int | None], Odds | None], seed: int) -> Odds:
    sampled = assemble(2 * seed + 1)
    assert sampled is not None
    return sampled._replace(pilot=assemble(2 * seed))
