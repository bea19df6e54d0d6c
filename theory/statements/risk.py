"""The 0-1 risk of the exact predictor at finite n, measured pair by pair on sampled prompts.

Source: Xie et al. 2022, section 2 (the in-context predictor f_n and its 0-1 risk).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.filtering.filter import filter_mixture
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.bounds import Interval, binomial_interval, bounded_mean_interval, first_choice

SHOTS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Numbers of examples at which the exact predictor is measured."""

LEVEL = 0.99
"""Probability with which all intervals of one n, over all pairs (theta*, start law), cover at once."""

LEAST_PROMPTS = 8
"""Prompts for every pair, however few were asked for."""

NUMBERS = 1 << 25
"""Probabilities of tokens that are held at once for a block of prompts: 256 MB."""

ENUMERATION_BUDGET = 8_000_000
"""Largest V^(k-1) H^2 for which every x_test is enumerated."""


class MeasuredRisk(NamedTuple):
    """The exact predictor's risk at growing n on sampled prompts, of the pair (theta*, start law) that does worst.

    Each interval is [max of the pairs' lower ends, max of their upper ends] with all pairs covered at once with
    probability LEVEL (Bonferroni), so it covers the largest risk of any pair with that probability; its value is the
    largest mean.

    Attributes:
        shots: n, increasing.
        error: P( f_n(x) is not an argmax of p_prompt(y|x) ), x of k - 1 tokens; an undefined f_n is an error.
        excess: excess 0-1 risk of f_n, x of k - 1 tokens.
        random_excess: the same with the test example's length uniform on 2..k, the label being its last token.
        undefined: share of prompts of probability zero under the pretraining law, over all pairs.
        pairs: how many pairs, each with ``prompts`` prompts of its own.
        prompts: of each pair.
    """

    shots: tuple[int, ...]
    error: tuple[Interval, ...]
    excess: tuple[Interval, ...]
    random_excess: tuple[Interval, ...]
    undefined: tuple[float, ...]
    pairs: int
    prompts: int


def prompt_tokens(law: PromptLaw, prompts: int, shots: int, generator: np.random.Generator) -> np.ndarray:
    """(prompts, (k+1) shots + k - 1) tokens of (S_n, x_test): independent examples, a delimiter after each.

    By inverse CDF: a state or token of probability zero is never drawn.

    Args:
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        prompts: how many.
        shots: n.
        generator: source of randomness.

    Returns:
        Integers, one prompt a row.
    """
    kernel, emission = (np.asarray(x, dtype=np.float64) for x in (law.hmm.transition, law.hmm.emission))
    count = prompts * (shots + 1)
    tokens = np.full((count, law.length + 1), law.delimiter)
    state = _draw(np.asarray(law.start, dtype=np.float64)[None], np.zeros(count, dtype=np.int64), generator)
    for j in range(law.length):
        state = _draw(kernel, state, generator) if j else state
        tokens[:, j] = _draw(emission, state, generator)
    return tokens.reshape(prompts, -1)[:, : law.test_position(shots)]


def _draw(table_RxM: np.ndarray, row_N: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(N,) one column from each of the rows named, as ``draw_index`` draws it; nothing of size N x M is made."""
    cumulative = table_RxM.cumsum(-1)
    place_N = generator.random(len(row_N)) * cumulative[row_N, -1]
    drawn = np.empty(len(row_N), dtype=np.int64)
    order = np.argsort(row_N, kind="stable")
    begins = np.searchsorted(row_N[order], np.arange(len(table_RxM) + 1))
    for row in range(len(table_RxM)):
        mine = order[begins[row] : begins[row + 1]]
        drawn[mine] = np.searchsorted(cumulative[row], place_N[mine], side="right")
    return drawn


def measure_risk(
    mixture: MixtureOfHMMs, laws: Sequence[PromptLaw], *, prompts: int, seed: int, shots: Sequence[int] = SHOTS
) -> MeasuredRisk:
    """Run the exact predictor on prompts of every law, nested in n: x_test at n is the next example's start.

    Only the prompt is sampled; the risk given the prompt is exact (y_test is summed out).

    Args:
        mixture: the pretraining law, whose posterior predictive decides.
        laws: prompt laws of one length k, one for each pair (theta*, start law).
        prompts: number of prompts, all independent, shared out evenly (at least LEAST_PROMPTS for each law).
        seed: of the sampling.
        shots: numbers of examples n.

    Returns:
        MeasuredRisk: for each n the worst pair's error and excess risk with intervals that hold for all pairs at once,
        and the share of prompts for which no predictor exists.
    """
    shots, k, generator = tuple(sorted(set(shots))), laws[0].length, np.random.default_rng(seed)
    each = max(-(-prompts // len(laws)), LEAST_PROMPTS)
    tokens = np.concatenate([prompt_tokens(law, each, shots[-1], generator) for law in laws])
    law_of = np.repeat(np.arange(len(laws)), each)
    size = max(1, NUMBERS // (len(shots) * (k - 1) * mixture.n_tokens))  # prompts whose predictives are held at once
    size = -(-len(tokens) // -(-len(tokens) // size))  # equal blocks: one compilation
    parts = []
    for begin in range(0, len(tokens), size):
        rows = np.minimum(np.arange(begin, begin + size), len(tokens) - 1)
        found = _risk_of(mixture, laws, tokens[rows], law_of[rows], shots)
        parts.append([part[: len(tokens) - begin] for part in found])
    excess, undefined = (np.concatenate(part) for part in zip(*parts, strict=True))
    excess_LxPxNxM = excess.reshape(len(laws), each, len(shots), k - 1)
    level, last = 1.0 - (1.0 - LEVEL) / len(laws), excess_LxPxNxM[..., -1]
    wrong = (last > rounding(k - 1, mixture.n_states)).sum(1)
    mean = excess_LxPxNxM.mean(-1)
    return MeasuredRisk(
        shots=shots,
        error=tuple(_largest_mean([binomial_interval(int(w), each, level) for w in column]) for column in wrong.T),
        excess=_worst_means(last, level),
        random_excess=_worst_means(mean, level),
        undefined=tuple(undefined.mean(0).tolist()),
        pairs=len(laws),
        prompts=each,
    )


def _risk_of(
    mixture: MixtureOfHMMs, laws: Sequence[PromptLaw], tokens_PxT: np.ndarray, law_P: np.ndarray, shots: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """(P, N, k - 1) excess risk after 1..k - 1 tokens of x_test, and (P, N) whether there is no predictive after all.

    ``law_P`` says which of the laws wrote each prompt.
    """
    k, prompts = laws[0].length, len(tokens_PxT)
    begin_N = np.array([(k + 1) * n for n in shots])
    bayes = np.zeros((prompts, len(shots), k - 1, mixture.n_tokens))
    for i in np.unique(law_P):
        mine = law_P == i
        x_test = tokens_PxT[mine][:, begin_N[:, None] + np.arange(k - 1)]
        bayes[mine] = example_filter(laws[i], x_test.reshape(-1, k - 1))[1].reshape(x_test.shape[:2] + bayes.shape[2:])
    positions = (begin_N[:, None] + np.arange(1, k)).reshape(-1)
    out = filter_mixture(mixture, tokens_PxT, positions=positions.tolist())
    predictive = np.asarray(out.predictive, dtype=np.float64).reshape(bayes.shape)
    undefined: np.ndarray = ~np.asarray(out.defined).reshape(prompts, len(shots), k - 1)[:, :, -1]
    return excess_of(bayes, predictive), undefined


def _worst_means(values_LxPxN: np.ndarray, level: float) -> tuple[Interval, ...]:
    shots = range(values_LxPxN.shape[2])
    return tuple(_largest_mean([bounded_mean_interval(of[:, n], level) for of in values_LxPxN]) for n in shots)


def _largest_mean(intervals: Sequence[Interval]) -> Interval:
    """The largest mean of several, from intervals that cover all of them at once."""
    return Interval(*(max(ends) for ends in zip(*intervals, strict=True)))


def excess_of(truth: np.ndarray, predictor: np.ndarray) -> np.ndarray:
    """(...,) max_y p(y) - p(argmax_y q(y)) in [0, 1], for laws that were computed here; see ``bounds.excess_risk``.

    Args:
        truth: (..., V) p.
        predictor: (..., V) q; 0 throughout where there is no answer, which then counts as wrong.

    Returns:
        (...,) probabilities.
    """
    chosen = np.take_along_axis(truth, first_choice(predictor)[..., None], -1)[..., 0]
    excess: np.ndarray = np.clip(truth.max(-1) - np.where((predictor > 0).any(-1), chosen, 0.0), 0.0, 1.0)
    return excess


def rounding(length: int, states: int) -> float:
    """Bound on the relative error of each p(x, y) and p(y | x) that ``start_filter`` computes, x of ``length`` tokens.

    Every number is a sum of products of nonnegative numbers, so nothing cancels: each of length + 1 steps adds H terms
    twice and multiplies three times, and the entries themselves are rounded decimals. Doubled, for products.

    Args:
        length: tokens of x.
        states: H.

    Returns:
        A relative error, of no unit.
    """
    return 4.0 * (length + 1) * (states + 8) * float(np.finfo(np.float64).eps)


def start_filter(
    start_SxH: np.ndarray, transition: np.ndarray, emission: np.ndarray, tokens_BxM: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(M, B, S) p(x_1..x_m | start law s) and (M, B, S, V) p(next token | x_1..x_m, s); zero rows where it is zero.

    The scaled forward recursion in NumPy: examples are short, and there is nothing to compile for each new shape.

    Args:
        start_SxH: start laws.
        transition: (H, H) the kernel.
        emission: (H, V) the emission.
        tokens_BxM: x.

    Returns:
        (mass, predictives), float64.
    """
    shape = len(tokens_BxM), *start_SxH.shape
    ahead = np.broadcast_to(start_SxH, shape)
    mass, masses, predictives = np.ones(shape[:2]), [], []
    for token_B in tokens_BxM.T:
        joint = ahead * emission.T[token_B][:, None]
        total = joint.sum(-1)
        filtered = (joint / np.where(total > 0, total, 1.0)[..., None]).reshape(shape[0] * shape[1], shape[2])
        after = filtered @ transition  # in one: given three axes NumPy reads the kernel anew for every x
        ahead = after.reshape(shape)
        mass = mass * total
        masses.append(mass)
        predictives.append((after @ emission).reshape(*shape[:2], emission.shape[1]))
    return np.stack(masses), np.stack(predictives)


def example_filter(law: PromptLaw, tokens_BxM: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, M) p_prompt(x_1..x_m) and (B, M, V) p_prompt(next token | x_1..x_m), m = 1..M; see ``start_filter``.

    Args:
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        tokens_BxM: x.

    Returns:
        (mass, predictives), float64.
    """
    laws = np.asarray(law.start)[None], np.asarray(law.hmm.transition), np.asarray(law.hmm.emission)
    mass, predictive = start_filter(*laws, tokens_BxM)
    return mass[..., 0].T, predictive[:, :, 0].transpose(1, 0, 2)


def reachable_tests(law: PromptLaw, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Every x of ``length`` tokens with p_prompt(x) > 0, and those probabilities; None above ENUMERATION_BUDGET.

    Args:
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        length: tokens of x.

    Returns:
        ((B, length) tokens, (B,) probabilities in sum 1), or None.
    """
    if not affordable(law, length):
        return None
    tokens = np.indices((law.hmm.n_tokens,) * length).reshape(length, -1).T
    mass = example_filter(law, tokens)[0][:, -1]
    return tokens[mass > 0], mass[mass > 0]


def affordable(law: PromptLaw, length: int) -> bool:
    """Whether every x of this length can be looked at.

    Args:
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        length: tokens of x.
    """
    affordable: bool = law.hmm.n_tokens**length * law.hmm.n_states**2 <= ENUMERATION_BUDGET
    return affordable
