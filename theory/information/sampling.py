"""Monte Carlo over the sampler's prefixes with the next token integrated out (Rao-Blackwell)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.prefixes import ForwardTables, expected_log_scores, normalise
from implicit_bayes.theory.information.sampled_means import samples_for
from implicit_bayes.theory.objects.rows import draw_index, grouped

PILOT = 1024
"""Prefixes of the first stage, which only decides how many the second stage draws."""

NUMBERS = 1 << 23
"""Probabilities of tokens held at once where the next token is drawn: 64 MB."""

LEAST, MOST = 2048, 65_536
"""Bounds on the prefixes of the second stage."""


MARGIN = 1.2
"""More samples than the pilot's variance asks for, since it is itself an estimate."""


class Draws(NamedTuple):
    """Per-sample scores at positions 1..k; see ``theory.information.expansion.Expansion`` for their expectations.

    Attributes:
        tokens: (N, k - 1) the sampled prefixes.
        log_mass: (N, k - 1) log p(first j tokens), j = 1..k-1, nats.
        score: (k, N, L) sum_v p(v | prefix, sampler) log q_l(v | prefix), nats.
        closing: (k, N, L) the score of (token, then the closing token); nan at positions not asked for.
    """

    tokens: np.ndarray
    log_mass: np.ndarray
    score: np.ndarray
    closing: np.ndarray


def draw(
    forward: ForwardTables, length: int, count: int, generator: np.random.Generator, closings: Sequence[int] = ()
) -> Draws:
    """Sample ``count`` prefixes of ``length`` - 1 tokens from law 0, filter them under every law, score each step.

    Args:
        forward: law 0 draws.
        length: k.
        count: prefixes.
        generator: source of randomness.
        closings: positions at which the closing score is wanted too.

    Returns:
        Draws: (count, k - 1) tokens and log masses, (k, count, L) scores in nats, closing scores nan where they are not
        wanted.
    """
    laws, states = forward.n_laws, forward.emission.shape[1]
    score, closing = np.empty((length, count, laws)), np.full((length, count, laws), np.nan)
    tokens, mass = np.full((count, length), forward.n_tokens), np.ones((count, length))
    belief = np.zeros((laws, count, states))
    belief[:, :, 0] = 1.0
    for j in range(length):
        ahead = np.empty_like(belief)
        fresh = np.empty(count, dtype=np.int64)
        for token, rows in grouped(tokens[:, j - 1] if j else tokens[:, 0]):
            here = np.ascontiguousarray(belief[:, rows][:, :, forward.supports[token]])
            following = forward.following[token]
            score[j, rows] = expected_log_scores(here, following, following)
            if j + 1 in closings:
                closing[j, rows] = expected_log_scores(here, following, forward.closing[token])
            fresh[rows], mass[rows, j] = _choose(here[0], following[0], generator)
            ahead[:, rows] = here @ forward.rows[token]
        tokens[:, j] = fresh
        if j + 1 < length:
            belief = np.zeros_like(ahead)
            for token, rows in grouped(fresh):
                support = forward.supports[token]
                joint = ahead[:, rows][:, :, support] * forward.emission[:, None, support, token]
                belief[:, rows[:, None], support] = normalise(joint)[1]
    log_mass = np.log(mass[:, : length - 1]).cumsum(1)
    return Draws(tokens[:, : length - 1], log_mass, score, closing)


def _choose(
    belief_NxW: np.ndarray, following_WxV: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) a next token for each belief by inverse CDF, and its probability; one of probability zero is never chosen.

    A block of beliefs at a time: the laws of 4,096 over 50,257 tokens are 1.5 GiB.
    """
    place_N, size = generator.random(len(belief_NxW)), max(1, NUMBERS // following_WxV.shape[1])
    fresh, mass = np.empty(len(place_N), dtype=np.int64), np.empty(len(place_N))
    for begin in range(0, len(place_N), size):
        rows = slice(begin, begin + size)
        law = belief_NxW[rows] @ following_WxV
        cumulative = law.cumsum(-1)
        fresh[rows] = draw_index(cumulative, place_N[rows])
        mass[rows] = np.take_along_axis(law, fresh[rows][:, None], -1)[:, 0]
    return fresh, mass


def sample_size(pilot: np.ndarray, offset: np.ndarray, span: np.ndarray, accuracy: float, coverage: float) -> int:
    """Samples for a half-width of ``accuracy`` relative to |offset + mean|, within LEAST..MOST.

    Args:
        pilot: (N, Q) values of Q quantities; columns that are not finite do not count.
        offset: (Q,) the part of each quantity that is known exactly.
        span: (Q,) between what ends values lie, at most.
        accuracy: relative half-width.
        coverage: of the interval.

    Returns:
        A number of prefixes; LEAST where no quantity is finite.
    """
    finite = np.isfinite(pilot).all(0) & np.isfinite(offset)
    if not finite.any():
        return LEAST
    size = np.abs(pilot[:, finite].mean(0) + offset[finite])
    wanted = samples_for(pilot[:, finite].var(0, ddof=1), span[finite], accuracy * size, coverage)
    return int(np.clip(MARGIN * wanted.max(), LEAST, MOST))
