"""Where the in-context predictor ends up as n grows: a law over surviving concepts, and its risk, exactly.

Given the concepts that survive S_n and allow x, the posterior given (S_n, x) leaves those whose rate is shown to lie
below another's. What is left is a set of concepts, and the filter's predictive tends to the convex hull of the laws
p(y | x, d, theta) over them and over the delimiter states d: a token that is beaten by one and the same token under
all of those laws is not the answer in the limit. What remains undecided counts as right in the lower end of a risk
and as wrong in the upper end.

Source: docs/theory/rates.md and repaired.md (the sharp condition and Lemma 1).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import Verdict
from implicit_bayes.theory.information.survival import Survivors
from implicit_bayes.theory.objects.decimals import integers, next_token
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.bounds import bounded_mean_interval
from implicit_bayes.theory.statements.concept_laws import ConceptLaws
from implicit_bayes.theory.statements.merged_beliefs import BeliefBlock, Start, belief_blocks
from implicit_bayes.theory.statements.rate_order import Rates, beats
from implicit_bayes.theory.statements.risk import (
    LEVEL,
    example_filter,
    prompt_tokens,
    rounding,
)

SAMPLED_TESTS = 200
"""Test inputs drawn where they are too many to enumerate."""

EVERY_TEST = 100_000_000
"""Largest (merged test inputs x laws x tokens) for which every x is looked at: a few seconds' work; where one x may
settle the matter five times as much."""

NUMBERS = 1 << 23
"""Probabilities of tokens that are compared at once where test inputs are sampled: 64 MB, several times over."""

EXACT_TESTS = 400
"""Test inputs whose near-ties are decided in exact integers; beyond, they stay undecided."""

EPSILON = 2.0**-52
"""Spacing of float64 at 1."""

Interval = tuple[float, float]


class LimitRisk(NamedTuple):
    """Risk of f_n in the limit of many examples, for one prompt law.

    Attributes:
        wrong: (low, high) probability of (prompt, x) at which the answer is not an argmax of p_prompt(y|x).
        excess: (low, high) excess 0-1 risk.
        exhaustive: every x of positive probability was looked at, so the ends are exact up to stated rounding;
            otherwise x was sampled, and the ends are intervals that hold for all pairs and lengths at once with
            probability LEVEL.
    """

    wrong: Interval
    excess: Interval
    exhaustive: bool


class _Tests(NamedTuple):
    """Test inputs with their weights and truths: tokens (B, m), weight (B,), truth p_prompt(y|x) (B, V).

    Attributes:
        alike: (B,) whether each stands for inputs of exactly equal beliefs, so that exact integers may decide for
            all.
    """

    tokens: np.ndarray
    weight: np.ndarray
    truth: np.ndarray
    alike: np.ndarray


class _Answers(NamedTuple):
    """Ends of the verdict at each x, by (B,) arrays: not an argmax for certain, perhaps not; excess at least, at most.

    Attributes:
        close: whether rounding alone may stand between the two ends.
    """

    surely: np.ndarray
    perhaps: np.ndarray
    least: np.ndarray
    most: np.ndarray
    close: np.ndarray


def limit_risk(
    mixture: MixtureOfHMMs,
    law: PromptLaw,
    outcomes: Sequence[Survivors],
    rates: Rates,
    length: int,
    *,
    share: int = 1,
    seed: int = 0,
    budget: float | None = None,
) -> LimitRisk:
    """Risk in the limit, x of ``length`` tokens; A1 must hold unless no concept survives.

    Args:
        mixture: the pretraining law.
        law: theta*, p_prompt(h), k.
        outcomes: which concepts survive, with what probability (``information.survival.survivors``).
        rates: see ``Rates``.
        length: tokens of x, at least 1.
        share: number of statements that are to hold at once with probability LEVEL, where x is sampled.
        seed: of the sampling, if any.
        budget: by default ``EVERY_TEST``.

    Returns:
        LimitRisk: ends of the probability of a wrong answer and of the excess 0-1 risk, and whether every x was
        visited; where x was sampled, both pairs of ends hold at once with the shared level.
    """
    budget = EVERY_TEST if budget is None else budget
    blocks, exhaustive = _tests(mixture, law, outcomes, length, seed, budget)
    totals, parts, exact_left = np.zeros(5), [], EXACT_TESTS
    for tests, laws in blocks:
        ends = np.zeros((4, len(tests.tokens)))
        for outcome in outcomes:
            found, used = _answers(law, laws, tests, outcome, rates, exact_left)
            exact_left -= used
            ends += outcome.probability * np.stack([found.surely, found.perhaps, found.least, found.most])
        if exhaustive:
            totals += [*(ends @ tests.weight), tests.weight.sum()]
        else:
            parts.append(ends)
    if exhaustive:
        error = 4.0 * rounding(length, mixture.n_states)
        wrong_low, wrong_high, least, most = (float(total) for total in totals[:4] / totals[4])
        excess = max(least - error, 0.0), min(most + error, 1.0) if most > 0 else 0.0
        return LimitRisk((wrong_low, wrong_high), excess, True)
    level = 1.0 - (1.0 - LEVEL) / (2 * share)
    found_at = [bounded_mean_interval(np.clip(row, 0.0, 1.0), level) for row in np.concatenate(parts, 1)]
    nobody = not any(outcome.alive | outcome.perhaps for outcome in outcomes)  # wrong whatever x is
    wrong = (1.0, 1.0) if nobody else (found_at[0].low, found_at[1].high)
    return LimitRisk(wrong, (found_at[2].low, found_at[3].high), False)


def same_argmax(mixture: MixtureOfHMMs, law: PromptLaw, concept: int, *, seed: int = 0) -> Verdict:
    """Whether a concept's predictive after a delimiter has an argmax of p_prompt(y|x) at every x of k - 1 tokens.

    Stops at the first x where it surely has not; "undetermined" where x was sampled and none was met.

    Args:
        mixture: the pretraining law.
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        concept: index of theta.
        seed: of the sampled x, where there are too many.

    Returns:
        True, False or "undetermined".
    """
    alone = (Survivors(1.0, frozenset({concept})),)
    blocks, exhaustive = _tests(mixture, law, alone, law.length - 1, seed, 5 * EVERY_TEST)
    verdict: Verdict = True if exhaustive else "undetermined"
    left = EXACT_TESTS
    for tests, laws in blocks:
        found, used = _answers(law, laws, tests, alone[0], {concept: (0.0, 0.0)}, left)
        left -= used
        if found.surely.any():
            return False
        if found.perhaps.any():
            verdict = "undetermined"
    return verdict


def _tests(
    mixture: MixtureOfHMMs, law: PromptLaw, outcomes: Sequence[Survivors], length: int, seed: int, budget: float
) -> tuple[Iterable[tuple[_Tests, ConceptLaws]], bool]:
    """Every x with its probability (merged by belief, in blocks), or sampled ones; and whether it is every one."""
    concepts = sorted(frozenset().union(*(outcome.alive | outcome.perhaps for outcome in outcomes)))
    states = mixture.delimiter_states()
    laws = max(1, len(concepts)) * len(states)
    hmms = {c: mixture.concept(c) for c in concepts}  # once: checking its rows costs more than a block does
    begun = [Start(np.asarray(hmm.transition)[d], hmm) for hmm in hmms.values() for d in states]
    blocks = belief_blocks(law, begun, length, budget // (laws * mixture.n_tokens))
    if blocks is not None:
        return (_of_block(mixture, law, hmms, states, block) for block in blocks), True
    tokens = prompt_tokens(law, SAMPLED_TESTS, 0, np.random.default_rng(seed))[:, :length]
    size = max(1, NUMBERS // (laws * mixture.n_tokens))
    parts = (tokens[begin : begin + size] for begin in range(0, len(tokens), size))
    return (_of_sample(mixture, law, part) for part in parts), False


def _of_sample(mixture: MixtureOfHMMs, law: PromptLaw, tokens: np.ndarray) -> tuple[_Tests, ConceptLaws]:
    truth, count = example_filter(law, tokens)[1][:, -1], len(tokens)
    sampled = _Tests(tokens, np.full(count, 1.0 / SAMPLED_TESTS), truth, np.ones(count, dtype=bool))
    return sampled, ConceptLaws(mixture, tokens)


def _of_block(
    mixture: MixtureOfHMMs, law: PromptLaw, hmms: Mapping[int, HMM], states: np.ndarray, block: BeliefBlock
) -> tuple[_Tests, ConceptLaws]:
    truth = block.predictive(0, law.hmm)
    laws = ConceptLaws(mixture, block.tokens_NxM, states)
    for i, (c, hmm) in enumerate(hmms.items()):
        rows = [block.predictive(1 + i * len(states) + j, hmm) for j in range(len(states))]
        found = np.stack(rows, 1)
        laws.found[c] = np.asarray(found.any(-1)), found
    return _Tests(block.tokens_NxM, block.mass_N, truth, block.alike_N), laws


def _answers(
    law: PromptLaw, laws: ConceptLaws, tests: _Tests, outcome: Survivors, rates: Rates, most_exact: int
) -> tuple[_Answers, int]:
    """The ends at every x, and how many near-ties were decided exactly (at most ``most_exact``)."""
    concepts, sure_CxB, in_CxB = _left(laws, len(tests.tokens), outcome, rates)
    nobody_B: np.ndarray = np.logical_not(np.any(sure_CxB, axis=0))
    size = (len(tests.tokens), len(concepts) * len(laws.states))
    points_BxP = np.zeros(size, dtype=bool)
    law_BxPxV = np.zeros((*size, tests.truth.shape[1]))
    for i, c in enumerate(concepts):
        allowed, predictive = laws.of(c)
        here = slice(i * len(laws.states), (i + 1) * len(laws.states))
        points_BxP[:, here], law_BxPxV[:, here] = allowed & in_CxB[i][:, None], predictive
    answers = judge(tests.truth, law_BxPxV, points_BxP, nobody_B, rounding(tests.tokens.shape[1], law.hmm.n_states))
    doubtful = np.flatnonzero(answers.close & (answers.surely != answers.perhaps) & tests.alike)
    doubtful = doubtful[np.argsort(-tests.weight[doubtful], kind="stable")][:most_exact]
    if not doubtful.size:
        return answers, 0
    parts = [np.array(part) for part in answers]
    start, kernel, emission = integers(law.start, law.hmm.transition, law.hmm.emission)
    for b in doubtful:
        truth = next_token(start, kernel, emission, tests.tokens[b].tolist())
        left = [divmod(p, len(laws.states)) for p in np.flatnonzero(points_BxP[b])]
        rows = [laws.exactly(concepts[int(i)], int(d), int(b)) for i, d in left]
        points = np.stack(rows)[None] if rows else np.zeros((1, 0, len(truth)), dtype=object)
        exactly = judge(truth[None], points, np.ones((1, len(rows)), dtype=bool), nobody_B[b : b + 1], 0)
        parts[0][b], parts[1][b] = exactly.surely[0], exactly.perhaps[0]
        scale = float(sum(truth))
        parts[2][b], parts[3][b] = (float(each[0]) / scale for each in (exactly.least, exactly.most))
    return _Answers(*parts), len(doubtful)


def _left(laws: ConceptLaws, count: int, outcome: Survivors, rates: Rates) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Concepts, (C, B) whether each surely survives (S_n, x), and whether the posterior given (S_n, x) may stay on it.

    Where x is impossible from some delimiter state and possible from another, a concept's rate bounds what is left of
    it from above only, so that it may be beaten and does not beat.
    """
    concepts = sorted(outcome.alive | outcome.perhaps)
    best = max(outcome.alive, key=lambda c: rates.get(c, (-np.inf, np.inf))[0], default=None)
    if best is not None and laws.of(best)[0].all():
        concepts = [c for c in concepts if not beats(rates, best, c)]
    allowed = [laws.of(c)[0] for c in concepts]
    sure, stays = np.zeros((2, len(concepts), count), dtype=bool)
    for i, (c, each) in enumerate(zip(concepts, allowed, strict=True)):
        sure[i], stays[i] = each.all(1) & (c in outcome.alive), each.any(1)
    for i, c in enumerate(concepts):
        for j, other in enumerate(concepts):
            if beats(rates, other, c):
                stays[i] &= ~sure[j]
    return concepts, sure, stays


def judge(
    truth_BxV: np.ndarray, law_BxPxV: np.ndarray, points_BxP: np.ndarray, nobody_B: np.ndarray, error: float | int
) -> _Answers:
    """Which tokens may be the answer, and how wrong they are.

    Args:
        truth_BxV: p_prompt(y|x), or any positive multiple.
        law_BxPxV: laws in whose convex hull the predictive ends up, each up to a positive multiple of its own.
        points_BxP: which of them count at each x.
        nobody_B: whether there may be no predictive at all.
        error: relative error of every number; two that are closer are not told apart. 0 for exact integers.

    Returns:
        Answers for each x: surely and perhaps wrong (booleans), least and most excess in the scale of ``truth_BxV``,
        and whether the numbers are too close for the stated error.
    """
    lower, upper = 1 - error, 1 + error
    beaten_BxV = np.zeros(truth_BxV.shape, dtype=bool)
    close_B = np.zeros(len(truth_BxV), dtype=bool)
    top_BxP = law_BxPxV.argmax(-1)
    if points_BxP.shape[1] > 1:
        # a token that is beaten under every law by the mean of the laws' first choices is never a mixture's largest
        choices_BxPxV = np.take_along_axis(law_BxPxV, top_BxP[:, None, :], -1) * points_BxP[:, None, :]
        count_B, wider = points_BxP.sum(-1), (1 + points_BxP.shape[1] * EPSILON if error else 1)
        mean_BxPxV = choices_BxPxV.sum(-1)[..., None] * lower > law_BxPxV * count_B[:, None, None] * (upper * wider)
        beaten_BxV |= (mean_BxPxV | ~points_BxP[..., None]).all(1)
    for p in range(points_BxP.shape[1]):
        rival_BxPx1 = np.take_along_axis(law_BxPxV, top_BxP[:, p][:, None, None], -1)
        less_BxPxV = rival_BxPx1 * lower > law_BxPxV * upper
        more_BxPxV = rival_BxPx1 * upper < law_BxPxV * lower
        beaten_BxV |= (less_BxPxV | ~points_BxP[..., None]).all(1) & points_BxP[:, p][:, None]
        near_BxP = (~less_BxPxV & ~more_BxPxV).sum(-1) > 1
        close_B |= (near_BxP & points_BxP).any(1) & points_BxP[:, p]
    possible_BxV = ~beaten_BxV & np.any(points_BxP, axis=1, keepdims=True)
    best_B = truth_BxV.max(-1)
    wrong_BxV = truth_BxV * upper < best_B[:, None] * lower
    alone_B = (~wrong_BxV).sum(-1) == 1
    right_BxV = ~wrong_BxV & (alone_B[:, None] | (error == 0))
    excess_BxV = np.where(right_BxV, 0, best_B[:, None] - truth_BxV)
    excess_BxV, possible_BxV = np.c_[excess_BxV, best_B], np.c_[possible_BxV, nobody_B]
    wrong_BxV, right_BxV = np.c_[wrong_BxV, np.ones_like(nobody_B)], np.c_[right_BxV, np.zeros_like(nobody_B)]
    return _Answers(
        surely=~(possible_BxV & ~wrong_BxV).any(-1),
        perhaps=(possible_BxV & ~right_BxV).any(-1),
        least=np.where(possible_BxV, excess_BxV, best_B[:, None]).min(-1),
        most=np.where(possible_BxV, excess_BxV, 0).max(-1),
        close=close_B | ~alone_B,
    )
