"""Lemma 1, repaired: when the filter's answer after a delimiter is that of the prompt's own start law.

Source: docs/theory/repaired.md, step 4; Xie et al. 2022, Lemma 1.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array, Bool, Float
from implicit_bayes.theory.statements.bounds import first_choice
from implicit_bayes.theory.statements.repaired_constants import pure_delimiter_states
from implicit_bayes.theory.statements.risk import rounding
from implicit_bayes.theory.statements.top_margins import top_margin


class Lemma1(NamedTuple):
    """Everything the repaired Lemma 1 says about one x (B of them), theta* known.

    Attributes:
        margin: Delta(x), top-1 minus top-2 of p_prompt(y|x); 1 where there is one token only.
        defined: x has positive probability under p_prompt and after every delimiter state.
        tv_start: max_d TV(p_prompt(h), p(h|d,theta*)), the same for every x.
        tv_posterior: max_d TV(p_prompt(h|x), p(h|x,d)), h the state that emits x[1].
        start_limit: Delta(x) p_prompt(x) / (2 max_h p(x|h,theta*)).
        printed: tv_start < Delta(x)/4 (A3; does not suffice).
        by_posterior: tv_posterior < Delta(x)/2 (suffices), by more than rounding.
        by_start: tv_start < start_limit (suffices), by more than rounding.
        perhaps: one of the two would hold if rounding were in its favour; where this is False neither does.
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
    perhaps: Bool[np.ndarray, "B"]
    answer: np.ndarray
    predictive: np.ndarray


def lemma_1(mixture: MixtureOfHMMs, start: Array, true_concept: int, x_test: np.ndarray) -> Lemma1:
    """Repaired Lemma 1: either condition makes argmax_y p(y|x, S_n, theta*) equal argmax_y p_prompt(y|x), n >= 1.

    Proof. p(y|x, start law q) = sum_h q(h|x) p(y|x,h), so predictives differ by at most TV of the start-state
    posteriors, and an argmax that leads by Delta survives any TV < Delta/2 (two coordinates move by at most 2 TV in
    all). After S_n the start law is a mixture over d of p(h|d,theta*); its posterior given x is a mixture of theirs,
    and TV is convex. For the second form let a = p_prompt(h) p(x|h), b = p(h|d) p(x|h) with sums A, B: the TV of a/A
    and b/B is at most max(sum (a-b)+, sum (b-a)+)/max(A, B) <= max_h p(x|h) TV(p_prompt, p(.|d)) / p_prompt(x).

    Source: docs/theory/repaired.md, step 4.

    Args:
        mixture: supplies theta* and the delimiter states.
        start: (H,) p_prompt(h).
        true_concept: theta*.
        x_test: (B, m) tokens, m >= 1.

    Returns:
        Lemma1. Where not ``defined`` every verdict is False.
    """
    hmm, states = mixture.concept(true_concept), pure_delimiter_states(mixture)
    start = np.asarray(start, dtype=np.float64)
    starts_SxH = np.concatenate([start[None], np.asarray(hmm.transition)[states]])
    tv_start = float(0.5 * np.abs(starts_SxH[1:] - start).sum(-1).max())
    paths_BxHxH = paths_from_start(np.asarray(hmm.transition), np.asarray(hmm.emission), np.asarray(x_test))
    following_HxV = np.asarray(hmm.transition) @ np.asarray(hmm.emission)
    error = 4.0 * rounding(np.shape(x_test)[1], mixture.n_states)
    return lemma_1_from_paths(paths_BxHxH, starts_SxH, following_HxV, tv_start, error)


def lemma_1_from_paths(
    paths_BxFxG: np.ndarray, starts_SxF: np.ndarray, following_GxV: np.ndarray, tv_start: float, error: float
) -> Lemma1:
    """``lemma_1`` from p(x, h_m | h_1), up to a factor for each x, over only the states h_1 and h_m that x allows.

    Args:
        paths_BxFxG: the paths of each x.
        starts_SxF: p_prompt(h_1), then p(h_1 | d) for every d.
        following_GxV: p(y | h_m).
        tv_start: max_d TV(p_prompt(h), p(h | d)), over all states.
        error: what rounding may have done to a difference of two numbers in [0, 1].

    Returns:
        Lemma1 with one entry for each x.
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
    posterior_room, start_room = margin / 2 - tv_posterior, start_limit - tv_start
    return Lemma1(
        margin=margin,
        defined=defined,
        tv_start=tv_start,
        tv_posterior=tv_posterior,
        start_limit=start_limit,
        printed=defined & (tv_start < margin / 4),
        by_posterior=defined & (posterior_room > error),
        by_start=defined & (start_room > error),
        perhaps=defined & (np.maximum(posterior_room, start_room) > -error),
        answer=first_choice(predictive_BxSxV[:, 0]),
        predictive=predictive_BxSxV[:, 1:],
    )


def paths_from_start(transition: np.ndarray, emission: np.ndarray, tokens_Bxm: np.ndarray) -> np.ndarray:
    """(B, H, H) p(x, h_m = h' | h_1 = h) of m >= 1 tokens.

    Args:
        transition: (H, H) the kernel.
        emission: (H, V) the emission.
        tokens_Bxm: x.

    Returns:
        (B, H, H) probabilities, in sum over h' p(x | h).
    """
    emits_BxmxH = emission.T[tokens_Bxm]
    paths: np.ndarray = np.eye(len(transition)) * emits_BxmxH[:, 0, None, :]
    for t in range(1, tokens_Bxm.shape[1]):
        paths = (paths @ transition) * emits_BxmxH[:, t, None, :]
    return paths
