"""Information about the concept in one example: sum_j KL_j, entropies and cross-entropies.

    KL_j(theta) = E_{O[1:j-1] ~ p_prompt} KL( p_prompt(O[j] | O[1:j-1]) || p(O[j] | O[1:j-1], theta) )
    sum_{j<=k} KL_j(theta) = KL( p_prompt(O) || p(O | theta) )          (chain rule)

p_prompt starts from the prompt's start law under theta*; p(. | theta) starts from the document's start law
p(h | theta). Nats throughout. Source: Xie et al. 2022, Condition 1.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information import scores as scoring
from implicit_bayes.theory.information.estimates import COVERAGE, Rate
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.scores import ACCURACY, BUDGET, WORK
from implicit_bayes.theory.information.supports import Forbidden, forbidden_mass
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw


class KLSum(NamedTuple):
    """sum_j KL_j of one theta, nats.

    Attributes:
        value: the sum; +inf where p_prompt puts mass on examples that theta forbids.
        low, high: 95% interval; both equal ``value`` where it is exact (an infinity is always exact).
        infinite_mass: p_prompt-probability of the examples O with p(O | theta) = 0, exact; 0 if there are none.
        per_position: (k,) KL_j. From the first position at which theta can forbid the prefix on, +inf: the
            conditional law of theta does not exist on those prefixes.
        method: "exact", "monte carlo" (some leading positions may still be exact), or "bracketed" (start_kl only: the
            ends are certain, ``information.start_divergence``; positions that were not worked out are nan).
        prefixes: merged prefixes expanded, or prefixes sampled.
        rounding: bound on the error of float64's arithmetic, which the interval leaves out; 0 where nobody asked
            for it.
    """

    value: float
    low: float
    high: float
    infinite_mass: float
    per_position: np.ndarray
    method: str
    prefixes: int
    rounding: float = 0.0


def kl_sum(prompt: PromptLaw, alternative: HMM, *, seed: int = 0, budget: int = BUDGET) -> KLSum:
    """sum_j KL_j(theta) of one alternative; for theta* itself it is start_kl = KL(p_prompt(O) || p(O|theta*)).

    Exact by expanding the reachable prefixes, merged where the filters agree bit for bit, as long as a level has at
    most ``budget`` of them; the remaining positions by Monte Carlo over prefixes with the next token summed exactly.
    Whether the sum is infinite is decided on the zeros alone, never by sampling.

    Args:
        prompt: theta*, p_prompt(h), k.
        alternative: theta.
        seed: of the sampling, if any.
        budget: merged prefixes affordable on one level.

    Returns:
        KLSum. The interval's nominal coverage is 95%.

    Raises:
        ModelError: different numbers of states or tokens; probabilities so small that float64 loses a finite KL.
    """
    return kl_table(prompt, [alternative], [prompt.length], seed=seed, budget=budget)[0][0]


def kl_sums(
    mixture: MixtureOfHMMs, prompt: PromptLaw, *, seed: int = 0, budget: int = BUDGET, accuracy: float = ACCURACY
) -> list[KLSum]:
    """``kl_sum`` for every concept, theta* included, from one expansion.

    Args:
        mixture: whose concepts are the alternatives theta.
        prompt: theta*, p_prompt(h), k.
        seed: of the Monte Carlo estimate, if any.
        budget: merged prefixes affordable on one level.
        accuracy: relative half-width of the Monte Carlo intervals, if any.

    Returns:
        One KLSum a concept, in the mixture's order.

    Raises:
        ModelError: see ``kl_sum``.
    """
    concepts = [mixture.concept(c) for c in range(mixture.n_concepts)]
    return kl_table(prompt, concepts, [prompt.length], seed=seed, budget=budget, accuracy=accuracy)[0]


def kl_table(
    prompt: PromptLaw,
    laws: Sequence[HMM],
    lengths: Sequence[int],
    *,
    seed: int = 0,
    budget: int = BUDGET,
    accuracy: float = ACCURACY,
    forbidden: Sequence[Forbidden] | None = None,
    coverage: float = COVERAGE,
    logarithms: float = WORK,
) -> list[list[KLSum]]:
    """``kl_sum`` for several laws and example lengths (``prompt.length`` is not used), from one expansion.

    Args:
        prompt: theta*, p_prompt(h).
        laws: every theta, from its own document start law.
        lengths: example lengths k.
        seed: of the Monte Carlo estimate, if any.
        budget: merged prefixes affordable on one level.
        accuracy: relative half-width of the Monte Carlo intervals, if any.
        forbidden: what each law forbids from this start law, if the caller knows it already.
        coverage: of each interval, if any.
        logarithms: see ``scores.collect``.

    Returns:
        One list per length, one KLSum per law.
    """
    if not laws:
        return [[] for _ in lengths]
    forward = build([prompt.example_law(), *laws])
    start = np.asarray(prompt.start)[None]
    if forbidden is None:
        forbidden = [forbidden_mass(start, prompt.hmm, law, max(lengths)) for law in laws]
    scores = scoring.collect(
        forward, lengths, _kl_total, seed=seed, budget=budget, accuracy=accuracy, logarithms=logarithms
    )
    table = []
    for length in lengths:
        total = scoring.evaluate(scores, length, _kl_total, coverage)
        each = scoring.evaluate(scores, length, _kl_each).mean.reshape(length, len(laws))
        each = np.maximum(each, 0.0)  # Gibbs: below 0 is rounding
        table.append([_kl_of(law, total, each[:, law], forbidden[law], length) for law in range(len(laws))])
    return table


def _kl_each(score: np.ndarray, _: np.ndarray) -> np.ndarray:
    """(N, k L') inner KL of every law but the sampler, position by position; linear in the scores."""
    inner = score[:, :, :1] - score[:, :, 1:]
    rows: np.ndarray = inner.transpose(1, 0, 2).reshape(score.shape[1], -1)
    return rows


def _kl_total(score: np.ndarray, closing: np.ndarray) -> np.ndarray:
    sums: np.ndarray = _kl_each(score, closing).reshape(score.shape[1], len(score), -1).sum(1)
    return sums


def _kl_of(law: int, total: scoring.Estimate, each: np.ndarray, forbidden: Forbidden, length: int) -> KLSum:
    method = "exact" if total.exact else "monte carlo"
    first = int(forbidden.first[0])
    if first <= length:
        per_position = np.where(np.arange(1, length + 1) >= first, math.inf, each)
        mass = float(forbidden.mass[0, length - 1])
        return KLSum(
            value=math.inf,
            low=math.inf,
            high=math.inf,
            infinite_mass=mass,
            per_position=per_position,
            method="exact",
            prefixes=total.prefixes,
        )
    value, low, high = (float(x[law]) for x in (total.mean, total.low, total.high))
    if not math.isfinite(value):
        raise ModelError("laws: probabilities below float64's range turn a finite KL into an infinite one")
    return KLSum(
        value=max(value, 0.0),
        low=max(low, 0.0),
        high=max(high, 0.0),
        infinite_mass=0.0,
        per_position=each,
        method=method,
        prefixes=total.prefixes,
    )


def example_entropy(prompt: PromptLaw, *, seed: int = 0, budget: int = BUDGET) -> Rate:
    """-(1/k) E log p_prompt(O): entropy of an example per token, nats.

    Args:
        prompt: theta*, p_prompt(h), k and the delimiter.
        seed: of the Monte Carlo estimate, if any.
        budget: merged prefixes affordable on one level.

    Returns:
        With its interval; closed where it was enumerated.
    """
    return _example_rate(prompt, [], seed, budget)


def example_cross_entropy(prompt: PromptLaw, alternative: HMM, *, seed: int = 0, budget: int = BUDGET) -> Rate:
    """-(1/k) E_{O ~ p_prompt} log p(O | theta) per token, nats; +inf where theta forbids examples of positive mass.

    Args:
        prompt: theta*, p_prompt(h), k and the delimiter.
        alternative: theta.
        seed: of the Monte Carlo estimate, if any.
        budget: merged prefixes affordable on one level.

    Returns:
        With its interval; closed where it was enumerated.
    """
    start = np.asarray(prompt.start)[None]
    if forbidden_mass(start, prompt.hmm, alternative, prompt.length).first[0] <= prompt.length:
        return Rate(value=math.inf, low=math.inf, high=math.inf, method="closed form")
    return _example_rate(prompt, [alternative], seed, budget)


def _example_rate(prompt: PromptLaw, laws: list[HMM], seed: int, budget: int) -> Rate:
    forward = build([prompt.example_law(), *laws])

    def per_token(score: np.ndarray, _: np.ndarray) -> np.ndarray:
        entropy: np.ndarray = -score[:, :, -1:].sum(0) / prompt.length
        return entropy

    scores = scoring.collect(forward, [prompt.length], per_token, seed=seed, budget=budget)
    estimate = scoring.evaluate(scores, prompt.length, per_token)
    method = "closed form" if estimate.exact else "monte carlo"
    value, low, high = (float(x[0]) for x in (estimate.mean, estimate.low, estimate.high))
    return Rate(value=max(value, 0.0), low=max(low, 0.0), high=max(high, 0.0), method=method)
