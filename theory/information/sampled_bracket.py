"""The bracket of ``theory.information.bracket`` by sampling: independent blocks of m forgotten and r counted examples.

What a fixed law q on the delimiter states would give for the next example,

    E_{O ~ p_prompt} log p(O, delim | q, theta_c) = E log sum_d q(d) p(O, delim | d, theta_c),

needs no past, so it is computed as with one delimiter state (exactly where that is affordable); only the difference
between the block and that is averaged over blocks. That difference is bounded: p(O, delim | b) / p(O, delim | q) lies
between the smallest and the largest ratio of the state laws that rows b and q lead to. The bound pays for examples so
rare that no block met them: of n counted examples they have probability at most log(1/delta)/n, except with
probability delta.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.bracket import pure_starts
from implicit_bayes.theory.information.estimates import t_interval
from implicit_bayes.theory.information.prefixes import build, normalise
from implicit_bayes.theory.information.simulated_rates import run_chains
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.prompts import PromptLaw

PILOT = 768
"""Examples of the first stage, which only chooses m and how many examples the second stage draws."""

LEAST, MOST = 1536, 98_304
"""Bounds on the examples of the second stage."""

BLOCKS = 32
"""Blocks at least, so that their means have a t interval."""

COUNTED = 2
"""Counted examples for each forgotten one: r = COUNTED m."""

FAR = 0.1
"""The bracket is narrow enough at this share of the half-width that sampling leaves."""

CHUNK_NUMBERS = 4_000_000
"""Numbers in the transfer matrices made at a time."""


class Residuals(NamedTuple):
    """What B blocks add to the law of one example under the fixed q, nats an example.

    Attributes:
        low, high: (B, A) ends of the bracket of A laws against theta*, minus the same under q.
        counted: r.
    """

    low: np.ndarray
    high: np.ndarray
    counted: int


class SampledEnds(NamedTuple):
    """E of the ends minus the same under q, with an interval that covers both ends at once.

    Attributes:
        low, high: (A,) lower limit of the lower end, upper limit of the upper end.
        middle: (A,) estimate between the two ends.
        width: (A,) estimated width of the bracket.
        blocks: independent blocks.
    """

    low: np.ndarray
    high: np.ndarray
    middle: np.ndarray
    width: np.ndarray
    blocks: int


class _Transfers(NamedTuple):
    """N examples. kernel: (N, L, D, D), row d is the law of the next delimiter state given d and the example.

    Attributes:
        mass: (N, L, D) log p(O, delim | d).
    """

    kernel: np.ndarray
    mass: np.ndarray


class BlockSampler:
    """Blocks of examples of one prompt law, read by theta* and A alternatives.

    Args:
        prompt: theta*, p_prompt(h), k.
        laws: the alternatives.
        seed: of the sampling.
    """

    def __init__(self, prompt: PromptLaw, laws: Sequence[HMM], seed: int):
        self.prompt, self.laws = prompt, [prompt.hmm, *laws]
        self.forward = build([prompt.example_law(), *self.laws])
        self.pure, self.own = pure_starts(self.forward, self.laws, prompt.delimiter)
        self.generator = np.random.default_rng(seed)
        self.fixed = self.own / self.own.sum(1, keepdims=True)
        supports = self.forward.supports[:-1]
        self.states = np.zeros((len(supports), max(map(len, supports))), dtype=np.int64)
        self.transition = np.stack([np.asarray(law.transition) for law in self.laws])
        self.spoken = np.zeros((len(self.laws), *self.states.shape))
        for token, support in enumerate(supports):
            self.states[token, : len(support)] = support
            self.spoken[:, token, : len(support)] = self.forward.emission[1:, support, token]

    def restarted(self) -> list[HMM]:
        """The laws right after a delimiter whose state has the fixed law q: theta* first.

        Returns:
            One HMM for each law, in the order of ``laws``, with that law's kernel and emission.
        """
        return [
            HMM(
                q @ np.asarray(law.transition)[self.forward.supports[self.prompt.delimiter]],
                law.transition,
                law.emission,
            )
            for q, law in zip(self.fixed, self.laws, strict=True)
        ]

    def spread(self) -> np.ndarray:
        """(A,) length of an interval that holds every residual of a counted example; inf where zeros leave none.

        Returns:
            (A,) nats, one for each alternative: the range of its residuals plus that of theta*'s.
        """
        width = []
        for q, own, law in zip(self.fixed, self.own, self.laws, strict=True):
            rows = np.asarray(law.transition)[self.forward.supports[self.prompt.delimiter]]
            mean = q @ rows
            with np.errstate(divide="ignore"):
                ratio = np.log(rows[own > 0][:, mean > 0]) - np.log(mean[mean > 0])
            width.append(float(ratio.max() - ratio.min()))
        return np.array(width[1:]) + width[0]

    def estimate(self, coverage: float, accuracy: float, offset: np.ndarray) -> SampledEnds | None:
        """Two independent stages; the first chooses m and the number of examples.

        Args:
            coverage: of the interval.
            accuracy: half-width aimed at, relative to |offset + residual|.
            offset: (A,) the part that q gives, known to the caller.

        Returns:
            SampledEnds, or None where zeros leave the residuals unbounded.
        """
        spread = self.spread()
        if not np.isfinite(spread).all():
            return None
        forgotten, examples = self._pilot(accuracy, offset)
        found = self.blocks(examples, forgotten)
        rare = spread * math.log(4.0 / (1.0 - coverage)) / (len(found.low) * found.counted)
        each = (
            0.5 + coverage / 2
        )  # one error for the lower limit, one for the upper, and half of each for rare examples
        low, high = t_interval(found.low, each), t_interval(found.high, each)
        return SampledEnds(
            low=low[1] - rare,
            high=high[2] + rare,
            middle=0.5 * (low[0] + high[0]),
            width=high[0] - low[0],
            blocks=len(found.low),
        )

    def _pilot(self, accuracy: float, offset: np.ndarray) -> tuple[int, int]:
        """m, and the number of examples to draw."""
        forgotten, most = 1, MOST
        pool = self._draw(PILOT)
        while True:
            length = (1 + COUNTED) * forgotten
            if len(pool.mass) < 8 * length:
                pool = _Transfers(
                    *(np.concatenate(x) for x in zip(pool, self._draw(8 * length - len(pool.mass)), strict=True))
                )
            found = self._residuals(pool, forgotten)
            width = (found.high - found.low).mean(0)
            spread = found.low.std(0, ddof=1)
            final = 2.0 * spread / math.sqrt(most / length)
            if (width <= FAR * final + 1e-12).all() or 2 * BLOCKS * length > most:
                break
            forgotten *= 2
        size = np.abs(offset + 0.5 * (found.high + found.low).mean(0))
        wanted = (2.0 * spread / np.maximum(accuracy * size, 1e-12)) ** 2 * length
        least = max(LEAST, BLOCKS * length)
        return forgotten, int(np.clip(wanted[np.isfinite(wanted)].max(initial=0.0), least, max(most, least)))

    def blocks(self, examples: int, forgotten: int) -> Residuals:
        """Residuals of as many fresh blocks as ``examples`` examples make.

        Args:
            examples: drawn in all.
            forgotten: examples at the beginning of a block, which only tell the delimiter states apart.

        Returns:
            Residuals: low and high for each block, nats, and how many examples of a block count.
        """
        length = (1 + COUNTED) * max(forgotten, 1)
        numbers = self.own.size * self.own.shape[1]
        batch = max(1, min(examples, CHUNK_NUMBERS // numbers) // length) * length
        parts, left = [], examples // length * length
        while left > 0:
            parts.append(self._residuals(self._draw(min(batch, left)), forgotten))
            left -= batch
        return Residuals(
            np.concatenate([x.low for x in parts]), np.concatenate([x.high for x in parts]), parts[0].counted
        )

    def _draw(self, count: int) -> _Transfers:
        law = self.prompt.example_law()
        arrays = np.asarray(law.initial), np.asarray(law.transition), np.asarray(law.emission)
        tokens = run_chains(*arrays, (count, self.prompt.length), self.generator)
        return self._read(tokens)

    def _read(self, tokens: np.ndarray) -> _Transfers:
        """Transfer matrices of (N, k) tokens; distinct examples are read once, so many at a time as memory allows."""
        distinct, which = np.unique(tokens, axis=0, return_inverse=True)
        wide = self.states.shape[1]
        batch = max(1, CHUNK_NUMBERS // (len(self.laws) * wide**2))
        parts = [self._read_some(distinct[i : i + batch]) for i in range(0, len(distinct), batch)]
        return _Transfers(*(np.concatenate(x)[which.reshape(-1)] for x in zip(*parts, strict=True)))

    def _read_some(self, tokens: np.ndarray) -> _Transfers:
        laws, delimiter = len(self.laws), self.prompt.delimiter
        belief = np.broadcast_to(self.pure[:, None], (laws, len(tokens), *self.pure.shape[1:]))
        mass, before = np.zeros((laws, len(tokens), self.own.shape[1])), np.full(len(tokens), delimiter)
        for token in (*tokens.T, np.full(len(tokens), delimiter)):
            source, target = self.states[before, : belief.shape[-1]], self.states[token]
            if (token == delimiter).all():
                target = target[:, : self.own.shape[1]]
            kernel = self.transition[:, source[:, :, None], target[:, None, :]]
            kernel *= self.spoken[:, token, : target.shape[1]][:, :, None]
            total, belief = normalise(belief @ kernel)
            with np.errstate(divide="ignore"):
                mass = mass + np.log(total)
            before = token
        return _Transfers(belief.swapaxes(0, 1), mass.swapaxes(0, 1))

    def _residuals(self, pool: _Transfers, forgotten: int) -> Residuals:
        """Cut the pool into blocks and run every initial delimiter state through each."""
        counted = COUNTED * max(forgotten, 1)
        count = len(pool.mass) // (forgotten + counted)
        kernel, mass = (x[: count * (forgotten + counted)].reshape(count, -1, *x.shape[1:]) for x in pool)
        belief = np.broadcast_to(self.pure, (count, *self.pure.shape))
        lag = np.broadcast_to(np.where(self.own > 0, 0.0, -np.inf), (count, *self.own.shape))
        even = np.zeros((count, len(self.own)))  # what the fixed law gives the counted examples
        for i in range(forgotten + counted):
            here, scale = mass[:, i], mass[:, i].max(2, keepdims=True)
            weights = belief * np.exp(here - scale)[:, :, None]
            total, belief = normalise(weights @ kernel[:, i])
            with np.errstate(divide="ignore"):
                lag = lag + np.log(total) + scale
                if i >= forgotten:
                    even += np.log((self.fixed * np.exp(here - scale)).sum(-1)) + scale[..., 0]
            if i + 1 == forgotten:
                lag = np.where(lag > -np.inf, 0.0, -np.inf)
                possible = lag > -np.inf
        if not forgotten:
            possible = np.broadcast_to(self.own > 0, lag.shape)
        low, high = np.where(possible, lag, np.inf).min(-1) - even, lag.max(-1) - even
        return Residuals((low[:, 1:] - high[:, :1]) / counted, (high[:, 1:] - low[:, :1]) / counted, counted)
