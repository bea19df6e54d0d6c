"""Long-run averages by simulation: independent chains through the exact filter, one batch mean a chain.

Each of CHAINS independent chains runs through a burn-in and then a batch; the batch means are independent, so a t
interval over them has its nominal coverage up to their non-normality (they average many tokens).
"""

import math
from collections.abc import Sequence

import numpy as np

from implicit_bayes.theory.filtering.filter import filter_evidence
from implicit_bayes.theory.information.estimates import Rate, t_interval
from implicit_bayes.theory.information.supports import can_forbid
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.rows import draw_index

CHAINS = 32
"""Independent chains; the t interval has CHAINS - 1 degrees of freedom."""

EXAMPLES, BURN_IN = 128, 16
"""Examples in a chain's batch, and before it."""

TOKENS, TOKENS_BURN_IN = 2048, 256
"""Tokens in a document's batch, and before it."""


def run_chains(
    start: np.ndarray,
    transition: np.ndarray,
    emission: np.ndarray,
    shape: tuple[int, int],
    generator: np.random.Generator,
) -> np.ndarray:
    """(B, T) tokens of B independent runs of T tokens of an HMM.

    Args:
        start: (H,) the first state's law.
        transition: (H, H) the kernel.
        emission: (H, V) the emission.
        shape: (B, T).
        generator: source of randomness.

    Returns:
        (B, T) int32.
    """
    count, length = shape
    move, speak = np.cumsum(transition, -1), np.cumsum(emission, -1)
    tokens = np.empty(shape, dtype=np.int32)
    cumulative = np.broadcast_to(np.cumsum(start), (count, len(start)))
    for t in range(length):
        uniform = generator.random((2, count))
        state = draw_index(cumulative, uniform[0])
        tokens[:, t] = draw_index(speak[state], uniform[1])
        cumulative = move[state]
    return tokens


def prompt_chains(prompt: PromptLaw, chains: int, examples: int, generator: np.random.Generator) -> np.ndarray:
    """(B, (k + 1) n) tokens O_1 delimiter ... O_n delimiter of B independent prompts.

    Args:
        prompt: theta*, p_prompt(h), k and the delimiter.
        chains: B.
        examples: n.
        generator: source of randomness.

    Returns:
        (B, (k + 1) n) int32.
    """
    laws = np.asarray(prompt.start), np.asarray(prompt.hmm.transition), np.asarray(prompt.hmm.emission)
    tokens = run_chains(*laws, (chains * examples, prompt.length), generator).reshape(chains, examples, prompt.length)
    return np.pad(tokens, ((0, 0), (0, 0), (0, 1)), constant_values=prompt.delimiter).reshape(chains, -1)


def stack(laws: Sequence[HMM], delimiter: int) -> MixtureOfHMMs:
    """The laws as a mixture of uniform prior, sharing one emission where they all agree on it.

    Args:
        laws: at least one, of one size.
        delimiter: the delimiter token.

    Returns:
        MixtureOfHMMs with one concept for each law, in their order; the prior plays no part in what is done with it
        here.
    """
    emission = np.stack([np.asarray(law.emission) for law in laws])
    shared = (emission == emission[0]).all()
    return MixtureOfHMMs(
        np.full(len(laws), 1 / len(laws)),
        np.stack([np.asarray(law.initial) for law in laws]),
        np.stack([np.asarray(law.transition) for law in laws]),
        emission[0] if shared else emission,
        delimiter,
    )


def batch_means(laws: MixtureOfHMMs, tokens: np.ndarray, begin: int) -> np.ndarray:
    """(B, C) log p(tokens after ``begin`` | tokens before, theta_c), nats; -inf where impossible.

    Args:
        laws: as ``stack`` makes them.
        tokens: (B, T).
        begin: tokens that are only conditioned on.

    Returns:
        (B, C) sums over the counted tokens, not yet divided by their number.
    """
    evidence = np.asarray(filter_evidence(laws, tokens, positions=[begin, tokens.shape[1]]).log_evidence)
    possible = evidence[:, 1] > -math.inf
    return np.where(possible, evidence[:, 1] - np.where(possible, evidence[:, 0], 0.0), -math.inf)


def simulate_rates(
    prompt: PromptLaw,
    laws: Sequence[HMM],
    *,
    seed: int = 0,
    chains: int = CHAINS,
    examples: int = EXAMPLES,
    burn_in: int = BURN_IN,
) -> np.ndarray:
    """(B, L) batch means of log p(O_i, delimiter | past, theta) - log p(O_i, delimiter | past, theta*), nats.

    Args:
        prompt: theta* writes the examples.
        laws: every theta.
        seed: of whatever is sampled.
        chains: independent prompts, B.
        examples: counted, of each.
        burn_in: examples before them.

    Returns:
        (B, L) nats an example: one independent mean for each prompt, so that their t interval is one for the limit, up
        to what the burn-in leaves. -inf where theta forbids a prompt.
    """
    tokens = prompt_chains(prompt, chains, burn_in + examples, np.random.default_rng(seed))
    means = batch_means(stack([prompt.hmm, *laws], prompt.delimiter), tokens, burn_in * (prompt.length + 1))
    rates: np.ndarray = (means[:, 1:] - means[:, :1]) / examples
    return rates


def entropy_rate(hmm: HMM, *, seed: int = 0) -> Rate:
    """lim -(1/T) log p(o_1..o_T) of the HMM's own documents, nats per token, with a 95% interval.

    Args:
        hmm: writes the documents.
        seed: of whatever is sampled.

    Returns:
        Rate, never below 0; simulated by ``CHAINS`` independent documents.
    """
    return cross_entropy_rate(hmm, hmm, seed=seed)


def cross_entropy_rate(hmm: HMM, alternative: HMM, *, seed: int = 0) -> Rate:
    """lim -(1/T) E log p(o_1..o_T | alternative) over documents of ``hmm``, nats per token, with a 95% interval.

    +inf (exact) where ``hmm`` can write a document that the alternative forbids, however late that happens.
    On a reducible chain the limit is random; the value is then its mean over where the chains got caught.

    Args:
        hmm: writes the documents.
        alternative: what they are judged by.
        seed: of whatever is sampled.

    Returns:
        Rate, never below 0; its interval is Student's t over ``CHAINS`` independent documents after a burn-in.
    """
    if alternative is not hmm and can_forbid(hmm, alternative):
        return Rate(value=math.inf, low=math.inf, high=math.inf, method="closed form")
    laws = np.asarray(hmm.initial), np.asarray(hmm.transition), np.asarray(hmm.emission)
    tokens = run_chains(*laws, (CHAINS, TOKENS_BURN_IN + TOKENS), np.random.default_rng(seed))
    token = int(np.flatnonzero((np.asarray(alternative.emission) > 0).any(0))[0])
    means = -batch_means(stack([alternative], token), tokens, TOKENS_BURN_IN)[:, 0] / TOKENS
    value, low, high = (float(x) for x in t_interval(means))
    return Rate(value=max(value, 0.0), low=max(low, 0.0), high=max(high, 0.0), method="simulation")
