"""The repaired bound of Theorem 1, step by step, each step a function that can be checked.

Source: docs/theory/repaired.md. Write D for the delimiter states, S = (O_1, delim, ..., O_n, delim) and cut
(S, x_test) *before* every delimiter: O_1 | delim O_2 | ... | delim O_n | delim x_test. Given A1, a segment "delim w"
after any non-empty past has probability

    p(delim, w | past, theta) = sum_{d in D} p(d | past, theta) p(w | d, theta),
    p(d | past, theta) = sum_h p(h | past, theta) p(d | h, theta),    p(w | d, theta) = sum_h p(h|d,theta) p(w|h,theta).

**Step A** (theta). p(d|past) <= c2, so the segment is at most c2 sum_h [sum_d p(h|d,theta)] p(w|h,theta)
<= c2 R_theta sum_h p(h|theta) p(w|h,theta) = c2 R_theta p(w|theta), with R_theta = max_h sum_d p(h|d,theta)/p(h|theta).
**Step B** (theta*). p(d|past) >= c1 gives at least c1 rho* p(w|theta*), rho* = min_h sum_d p(h|d,theta*)/p(h|theta*).
**Last segment.** Under theta at most 1; under theta* each p(x_test|d) contains a path whose k - 1 transitions are
>= c5 and whose k - 1 emissions are >= c6, so the segment is at least |D| c1 (c5 c6)^(k-1).
**Assembly.** Multiply, take logarithms, a_theta = log(R_theta/rho*):

    n r_n(theta) <= -log(|D| c1) - (k-1) log(c5 c6) + (n-1)[log(c2/c1) + a_theta]
                    + sum_{i<=n} log[p(O_i|theta)/p(O_i|theta*)].

**Limit.** Divide by n; the law of large numbers on independent examples gives
lim r_n(theta) <= log(c2/c1) + a_theta + KL(p_prompt(O)||p(O|theta*)) - KL(p_prompt(O)||p(O|theta)).

The cut matters: with the delimiter *after* the example (past ending in a delimiter) steps A and B are false for
|D| > 1, because the past may then know which delimiter state it ended in (test: test_delimiter_must_come_first).
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.filtering.filter import filter_evidence, log_evidence
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import prefix_length
from implicit_bayes.theory.objects.types import Bool, Float
from implicit_bayes.theory.statements.repaired_constants import front_cost, log0, repaired_constants


class Sides(NamedTuple):
    """The two sides of one inequality in nats, over a batch; ``defined`` is False where the past is impossible.

    Attributes:
        left: the side that is claimed to be at most the right one.
        right: the other side.
        defined: False where the past is impossible, so that nothing is claimed.
    """

    left: Float[np.ndarray, "*batch"]
    right: Float[np.ndarray, "*batch"]
    defined: Bool[np.ndarray, "*batch"]


def segment_probability(mixture: MixtureOfHMMs, concept: int, past: np.ndarray, segment: np.ndarray) -> Sides:
    """log p(delim, segment | past, theta) on the left and log p(segment | theta) on the right, by the exact filter.

    Args:
        mixture: supplies theta and the delimiter.
        concept: theta.
        past: (..., T) tokens, T >= 1, of any kind.
        segment: (..., m) tokens after the delimiter.

    Returns:
        Sides of shape (...,), nats; defined where theta allows the past.

    Raises:
        ModelError: an empty past.
    """
    past, segment = np.asarray(past), np.asarray(segment)
    if past.shape[-1] == 0:
        raise ModelError("past: empty; the first example has no delimiter before it and needs no bound")
    delimiters = np.full((*past.shape[:-1], 1), mixture.delimiter)
    document = np.concatenate([past, delimiters, segment], -1)
    ends = [past.shape[-1], document.shape[-1]]
    evidence = np.asarray(filter_evidence(mixture, document, positions=ends).log_evidence)[..., concept]
    alone = np.asarray(log_evidence(mixture, segment))[..., concept]
    defined = evidence[..., 0] > -np.inf
    left = evidence[..., 1] - np.where(defined, evidence[..., 0], 0.0)
    return Sides(left, alone, defined)


def step_a(mixture: MixtureOfHMMs, true_concept: int, concept: int, past: np.ndarray, example: np.ndarray) -> Sides:
    """Step A: log p(delim, O | past, theta) <= log(c2 R_theta) + log p(O | theta), for every past.

    Args:
        mixture: the pretraining law.
        true_concept: index of theta*.
        concept: index of theta.
        past: (B, t) tokens before the delimiter.
        example: (B, m) O.

    Returns:
        Logarithms of both sides, nats.
    """
    constants = repaired_constants(mixture, true_concept, concept)
    sides = segment_probability(mixture, concept, past, example)
    return sides._replace(right=_add(sides.right, log0(constants.r_theta), log0(constants.c2)))


def step_b(mixture: MixtureOfHMMs, true_concept: int, concept: int, past: np.ndarray, example: np.ndarray) -> Sides:
    """Step B, as left <= right: log(c1 rho*) + log p(O | theta*) <= log p(delim, O | past, theta*), for every past.

    Args:
        mixture: the pretraining law.
        true_concept: index of theta*.
        concept: index of theta.
        past: (B, t) tokens before the delimiter.
        example: (B, m) O.

    Returns:
        Logarithms of both sides, nats.
    """
    constants = repaired_constants(mixture, true_concept, concept)
    sides = segment_probability(mixture, true_concept, past, example)
    cost = log0(constants.c1) + log0(constants.rho_star)
    return Sides(sides.right + cost, sides.left, sides.defined)


def last_segment(
    mixture: MixtureOfHMMs, true_concept: int, concept: int, past: np.ndarray, x_test: np.ndarray
) -> Sides:
    """Last segment, as left <= right: log(|D| c1) + m log(c5 c6) <= log p(delim, x_test | past, theta*), m = k - 1.

    Every token of x_test must be one that theta* can emit.

    Args:
        mixture: the pretraining law.
        true_concept: index of theta*.
        concept: index of theta.
        past: (B, t) tokens before the last delimiter.
        x_test: (B, m) tokens.

    Returns:
        Logarithms of both sides, nats.
    """
    constants = repaired_constants(mixture, true_concept, concept)
    sides = segment_probability(mixture, true_concept, past, x_test)
    return Sides(np.full_like(sides.left, -front_cost(constants, np.shape(x_test)[-1])), sides.left, sides.defined)


class AssembledBound(NamedTuple):
    """n r_n(theta) beside its repaired upper bound, nats, for n = 1..N; axes: batch, then n.

    Attributes:
        shots: n.
        log_ratio: n r_n(theta) = log p(S_n, x_test | theta) - log p(S_n, x_test | theta*), by the exact filter.
        bound: the right side of the assembled inequality.
    """

    shots: np.ndarray
    log_ratio: Float[np.ndarray, "*batch N"]
    bound: Float[np.ndarray, "*batch N"]


def assembled_bound(
    mixture: MixtureOfHMMs, true_concept: int, concept: int, length: int, prompts: np.ndarray
) -> AssembledBound:
    """The assembled inequality at every n, on prompts O_1 delim ... O_N delim x_test.

    Args:
        mixture: supplies theta, theta* and the delimiter.
        true_concept: theta*.
        concept: theta.
        length: k.
        prompts: (..., (k + 1) N + k - 1) tokens; at n < N the first k - 1 tokens of O_{n+1} serve as x_test.

    Returns:
        AssembledBound: n = 1..N, and (..., N) both sides of the inequality, n r_n(theta) and its bound, in nats.

    Raises:
        ModelError: the prompts' length is not (k + 1) N + k - 1 for some N >= 1, or A1 fails.
    """
    prompts, k = np.asarray(prompts), length
    n_max, rest = divmod(prompts.shape[-1] - (k - 1), k + 1)
    if n_max < 1 or rest:
        raise ModelError(f"prompts: {prompts.shape[-1]} tokens are not (k + 1) n + k - 1 for k = {k} and any n >= 1")
    constants = repaired_constants(mixture, true_concept, concept)
    shots = np.arange(1, n_max + 1)
    evidence = np.asarray(
        filter_evidence(mixture, prompts, positions=[prefix_length(k, n) for n in range(1, n_max + 1)]).log_evidence
    )
    examples = prompts[..., : (k + 1) * n_max].reshape(*prompts.shape[:-1], n_max, k + 1)[..., :k]
    alone = np.asarray(log_evidence(mixture, examples))
    gain = np.cumsum(alone[..., concept] - alone[..., true_concept], -1)
    delimiters = np.array([constants.eps_delim * (n - 1) if n > 1 else 0.0 for n in shots])
    bound = _add(gain, delimiters, front_cost(constants, k - 1))
    return AssembledBound(shots, evidence[..., concept] - evidence[..., true_concept], bound)


def _add(values: np.ndarray, *costs: np.ndarray | float) -> np.ndarray:
    """The sum of upper bounds: +inf, which says nothing, wins over -inf."""
    terms = np.broadcast_arrays(values, *costs)
    vacuous = np.any([term == math.inf for term in terms], axis=0)
    return np.where(vacuous, math.inf, sum(np.where(vacuous, 0.0, term) for term in terms))
