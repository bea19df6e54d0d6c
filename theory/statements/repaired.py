"""The repaired bound of Theorem 1 and the repaired Lemma 1, step by step, each step a function that can be checked.

Source: theory notes, section 3. Write D for the delimiter states, S = (O_1, delim, ..., O_n, delim) and cut
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

from implicit_bayes.theory.filtering.filter import filter_mixture, log_evidence
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import prefix_length
from implicit_bayes.theory.objects.types import Array, Bool, Float
from implicit_bayes.theory.statements.assumptions import top_margin


class RepairedConstants(NamedTuple):
    """Constants of the repaired bound for one theta against theta*; each is attained, so inequalities are not strict.

    n_delimiters: |D|.
    c1: min over d in D and h of p(d|h,theta*).
    c2: max over d in D and h of p(d|h,theta).
    c5: min over h, h' of p(h'|h,theta*).
    c6: min over the tokens that theta* can emit of max_h p(o|h,theta*).
    r_theta: R_theta = max_h sum_d p(h|d,theta)/p(h|theta); inf where a delimiter leads to a state that never starts.
    rho_star: rho* = min_h sum_d p(h|d,theta*)/p(h|theta*), over the states that can start a document.
    """

    n_delimiters: int
    c1: float
    c2: float
    c5: float
    c6: float
    r_theta: float
    rho_star: float

    @property
    def a_theta(self) -> float:
        """a_theta = log(R_theta/rho*), nats."""
        return log0(self.r_theta) - log0(self.rho_star) if self.rho_star > 0 else math.inf

    @property
    def log_c2_over_c1(self) -> float:
        """log(c2/c1), nats; inf where c1 = 0 (the bound then says nothing)."""
        return log0(self.c2) - log0(self.c1) if self.c1 > 0 else math.inf

    @property
    def eps_delim(self) -> float:
        """log(c2/c1) + a_theta, nats: what one delimiter can cost."""
        terms = (self.log_c2_over_c1, self.a_theta)
        return math.inf if math.inf in terms else sum(terms)


class Sides(NamedTuple):
    """The two sides of one inequality in nats, over a batch; ``defined`` is False where the past is impossible."""

    left: Float[np.ndarray, "*batch"]
    right: Float[np.ndarray, "*batch"]
    defined: Bool[np.ndarray, "*batch"]


def repaired_constants(mixture: MixtureOfHMMs, true_concept: int, concept: int) -> RepairedConstants:
    """c1, c2, c5, c6, R_theta and rho* for theta = ``concept`` against theta* = ``true_concept``.

    Raises:
        ModelError: A1 fails (some delimiter state emits something else), or there is no such concept.
    """
    states = pure_delimiter_states(mixture)
    true, other = mixture.concept(true_concept), mixture.concept(concept)
    best_V = np.asarray(true.emission).max(0)
    return RepairedConstants(
        len(states),
        float(np.asarray(true.transition)[:, states].min()),
        float(np.asarray(other.transition)[:, states].max()),
        float(np.asarray(true.transition).min()),
        float(best_V[best_V > 0].min()),
        float(_start_ratio(other.transition, other.initial, states).max()),
        float(_start_ratio(true.transition, true.initial, states).min()),
    )


def pure_delimiter_states(mixture: MixtureOfHMMs) -> np.ndarray:
    """(|D|,) the delimiter states, A1 checked.

    Raises:
        ModelError: A1 fails.
    """
    states = mixture.delimiter_states()
    purity = np.asarray(mixture.emissions)[:, states, mixture.delimiter]
    if (purity != 1.0).any():
        c, d = np.argwhere(purity != 1.0)[0]
        raise ModelError(
            f"emission: state {states[d]} of concept {c} emits the delimiter with probability {purity[c, d]:.6g}; "
            "the repaired bound needs A1 (0 or 1 throughout)"
        )
    return states


def _start_ratio(transition: Array, initial: Array, states: np.ndarray) -> np.ndarray:
    """sum_d p(h|d)/p(h) over the states h where it is not 0/0."""
    after, start = np.asarray(transition)[states].sum(0), np.asarray(initial)
    relevant = (after > 0) | (start > 0)
    with np.errstate(divide="ignore"):
        return after[relevant] / start[relevant]


def segment_probability(mixture: MixtureOfHMMs, concept: int, past: np.ndarray, segment: np.ndarray) -> Sides:
    """log p(delim, segment | past, theta) on the left and log p(segment | theta) on the right, by the exact filter.

    Args:
        mixture: supplies theta and the delimiter.
        concept: theta.
        past: (..., T) tokens, T >= 1, of any kind.
        segment: (..., m) tokens after the delimiter.
    """
    past, segment = np.asarray(past), np.asarray(segment)
    if past.shape[-1] == 0:
        raise ModelError("past: empty; the first example has no delimiter before it and needs no bound")
    delimiters = np.full((*past.shape[:-1], 1), mixture.delimiter)
    document = np.concatenate([past, delimiters, segment], -1)
    ends = [past.shape[-1], document.shape[-1]]
    evidence = np.asarray(filter_mixture(mixture, document, positions=ends).log_evidence)[..., concept]
    alone = np.asarray(log_evidence(mixture, segment))[..., concept]
    defined = evidence[..., 0] > -np.inf
    left = evidence[..., 1] - np.where(defined, evidence[..., 0], 0.0)
    return Sides(left, alone, defined)


def step_a(mixture: MixtureOfHMMs, true_concept: int, concept: int, past: np.ndarray, example: np.ndarray) -> Sides:
    """Step A: log p(delim, O | past, theta) <= log(c2 R_theta) + log p(O | theta), for every past."""
    constants = repaired_constants(mixture, true_concept, concept)
    sides = segment_probability(mixture, concept, past, example)
    return sides._replace(right=_add(sides.right, log0(constants.r_theta), log0(constants.c2)))


def step_b(mixture: MixtureOfHMMs, true_concept: int, concept: int, past: np.ndarray, example: np.ndarray) -> Sides:
    """Step B, as left <= right: log(c1 rho*) + log p(O | theta*) <= log p(delim, O | past, theta*), for every past."""
    constants = repaired_constants(mixture, true_concept, concept)
    sides = segment_probability(mixture, true_concept, past, example)
    cost = log0(constants.c1) + log0(constants.rho_star)
    return Sides(sides.right + cost, sides.left, sides.defined)


def last_segment(
    mixture: MixtureOfHMMs, true_concept: int, concept: int, past: np.ndarray, x_test: np.ndarray
) -> Sides:
    """Last segment, as left <= right: log(|D| c1) + m log(c5 c6) <= log p(delim, x_test | past, theta*), m = k - 1.

    Every token of x_test must be one that theta* can emit.
    """
    constants = repaired_constants(mixture, true_concept, concept)
    sides = segment_probability(mixture, true_concept, past, x_test)
    return Sides(np.full_like(sides.left, -front_cost(constants, np.shape(x_test)[-1])), sides.left, sides.defined)


class AssembledBound(NamedTuple):
    """n r_n(theta) beside its repaired upper bound, nats, for n = 1..N; axes: batch, then n.

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
        filter_mixture(mixture, prompts, positions=[prefix_length(k, n) for n in range(1, n_max + 1)]).log_evidence
    )
    examples = prompts[..., : (k + 1) * n_max].reshape(*prompts.shape[:-1], n_max, k + 1)[..., :k]
    alone = np.asarray(log_evidence(mixture, examples))
    gain = np.cumsum(alone[..., concept] - alone[..., true_concept], -1)
    delimiters = np.array([constants.eps_delim * (n - 1) if n > 1 else 0.0 for n in shots])
    bound = _add(gain, delimiters, front_cost(constants, k - 1))
    return AssembledBound(shots, evidence[..., concept] - evidence[..., true_concept], bound)


def limit_bound(constants: RepairedConstants, start_kl: float, kl_sum: float) -> float:
    """lim r_n(theta) <= log(c2/c1) + a_theta + start_kl - kl_sum, nats; the repaired condition asks for < 0.

    Args:
        constants: of theta against theta*.
        start_kl: KL(p_prompt(O) || p(O|theta*)), or epsilon_start = log(1/c8), which is never smaller.
        kl_sum: sum_j KL_j(theta) = KL(p_prompt(O) || p(O|theta)); +inf makes the bound -inf where the rest is finite.

    Returns:
        The bound; +inf where it says nothing (c1 = 0, rho* = 0, R_theta = inf or start_kl = inf).
    """
    cost = constants.eps_delim + start_kl
    return math.inf if cost == math.inf else cost - kl_sum


def front_cost(constants: RepairedConstants, steps: int) -> float:
    """-log(|D| c1) - m log(c5 c6), nats: what the segments without a bound of their own can cost, m = k - 1."""
    return -log0(constants.n_delimiters * constants.c1) - steps * (log0(constants.c5) + log0(constants.c6))


def _add(values: np.ndarray, *costs: np.ndarray | float) -> np.ndarray:
    """The sum of upper bounds: +inf, which says nothing, wins over -inf."""
    terms = np.broadcast_arrays(values, *costs)
    vacuous = np.any([term == math.inf for term in terms], axis=0)
    return np.where(vacuous, math.inf, sum(np.where(vacuous, 0.0, term) for term in terms))


def log0(x: float) -> float:
    """log x, with log 0 = -inf."""
    return math.log(x) if x > 0 else -math.inf


class Lemma1(NamedTuple):
    """Everything the repaired Lemma 1 says about one x (B of them), theta* known.

    margin: Delta(x), top-1 minus top-2 of p_prompt(y|x); 1 where there is one token only.
    defined: x has positive probability under p_prompt and after every delimiter state.
    tv_start: max_d TV(p_prompt(h), p(h|d,theta*)), the same for every x.
    tv_posterior: max_d TV(p_prompt(h|x), p(h|x,d)), h the state that emits x[1].
    start_limit: Delta(x) p_prompt(x) / (2 max_h p(x|h,theta*)).
    printed: tv_start < Delta(x)/4 (A3; does not suffice).
    by_posterior: tv_posterior < Delta(x)/2 (suffices).
    by_start: tv_start < start_limit (suffices).
    answer: argmax_y p_prompt(y|x).
    predictive: (B, |D|, V) p(y | x, d, theta*); the filter's predictive after S_n is a mixture of these over d.
    """

    margin: Float[np.ndarray, "B"]
    defined: Bool[np.ndarray, "B"]
    tv_start: float
    tv_posterior: Float[np.ndarray, "B"]
    start_limit: Float[np.ndarray, "B"]
    printed: Bool[np.ndarray, "B"]
    by_posterior: Bool[np.ndarray, "B"]
    by_start: Bool[np.ndarray, "B"]
    answer: np.ndarray
    predictive: np.ndarray


def lemma_1(mixture: MixtureOfHMMs, true_concept: int, start: Array, x_test: np.ndarray) -> Lemma1:
    """Repaired Lemma 1: either condition makes argmax_y p(y|x, S_n, theta*) equal argmax_y p_prompt(y|x), n >= 1.

    Proof. p(y|x, start law q) = sum_h q(h|x) p(y|x,h), so predictives differ by at most TV of the start-state
    posteriors, and an argmax that leads by Delta survives any TV < Delta/2 (two coordinates move by at most 2 TV in
    all). After S_n the start law is a mixture over d of p(h|d,theta*); its posterior given x is a mixture of theirs,
    and TV is convex. For the second form let a = p_prompt(h) p(x|h), b = p(h|d) p(x|h) with sums A, B: the TV of a/A
    and b/B is at most max(sum (a-b)+, sum (b-a)+)/max(A, B) <= max_h p(x|h) TV(p_prompt, p(.|d)) / p_prompt(x).

    Source: theory notes, section 3 (Lemma 1, repair).

    Args:
        mixture: supplies theta* and the delimiter states.
        true_concept: theta*.
        start: (H,) p_prompt(h).
        x_test: (B, m) tokens, m >= 1.

    Returns:
        Lemma1. Where not ``defined`` all three verdicts are False.
    """
    hmm, states = mixture.concept(true_concept), pure_delimiter_states(mixture)
    start = np.asarray(start, dtype=np.float64)
    starts_SxH = np.concatenate([start[None], np.asarray(hmm.transition)[states]])
    tv_start = float(0.5 * np.abs(starts_SxH[1:] - start).sum(-1).max())
    paths_BxHxH = paths_from_start(np.asarray(hmm.transition), np.asarray(hmm.emission), np.asarray(x_test))
    return lemma_1_from_paths(paths_BxHxH, starts_SxH, np.asarray(hmm.transition) @ np.asarray(hmm.emission), tv_start)


def lemma_1_from_paths(
    paths_BxFxG: np.ndarray, starts_SxF: np.ndarray, following_GxV: np.ndarray, tv_start: float
) -> Lemma1:
    """``lemma_1`` from p(x, h_m | h_1), up to a factor for each x, over only the states h_1 and h_m that x allows.

    Args:
        paths_BxFxG: the paths of each x.
        starts_SxF: p_prompt(h_1), then p(h_1 | d) for every d.
        following_GxV: p(y | h_m).
        tv_start: max_d TV(p_prompt(h), p(h | d)), over all states.
    """
    like_BxF = paths_BxFxG.sum(-1)
    joint_BxSxF = starts_SxF * like_BxF[:, None]
    total_BxS = joint_BxSxF.sum(-1)
    safe_BxS = np.where(total_BxS > 0, total_BxS, 1.0)
    posterior_BxSxF = joint_BxSxF / safe_BxS[..., None]
    predictive_BxSxV = (starts_SxF @ paths_BxFxG) @ following_GxV / safe_BxS[..., None]
    margin = top_margin(predictive_BxSxV[:, 0])
    defined = (total_BxS > 0).all(-1)
    tv_posterior = 0.5 * np.abs(posterior_BxSxF[:, 1:] - posterior_BxSxF[:, :1]).sum(-1).max(-1)
    best = like_BxF.max(-1)
    start_limit = margin * total_BxS[:, 0] / (2 * np.where(best > 0, best, 1.0))
    return Lemma1(
        margin, defined, tv_start, tv_posterior, start_limit,
        defined & (tv_start < margin / 4), defined & (tv_posterior < margin / 2), defined & (tv_start < start_limit),
        predictive_BxSxV[:, 0].argmax(-1), predictive_BxSxV[:, 1:],
    )  # fmt: skip


def paths_from_start(transition: np.ndarray, emission: np.ndarray, tokens_Bxm: np.ndarray) -> np.ndarray:
    """(B, H, H) p(x, h_m = h' | h_1 = h) of m >= 1 tokens."""
    emits_BxmxH = emission.T[tokens_Bxm]
    paths = np.eye(len(transition)) * emits_BxmxH[:, 0, None, :]
    for t in range(1, tokens_Bxm.shape[1]):
        paths = (paths @ transition) * emits_BxmxH[:, t, None, :]
    return paths
