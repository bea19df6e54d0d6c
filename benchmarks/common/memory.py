"""Whether the work fits into this machine's memory, asked before it begins: a refusal in one line, not a killed job."""

from collections.abc import Sequence

from implicit_bayes.benchmarks.common.machine import memory
from implicit_bayes.theory import MixtureOfHMMs, ModelError

COPIES = 10
"""Of the mixture in memory: as given, smoothed three times, stacked, and JAX's own."""
HELD_BESIDE = 3
"""Laws held beside those of the predictors: the truth, and what is made of two while they are compared."""
SHARE = 0.75
"""Of the memory, that a mixture's copies may take."""


def check_memory(mixture: MixtureOfHMMs) -> None:
    """Refuse a mixture of which the work would hold more copies than fit.

    ``COPIES`` of its transitions and emissions are counted, 8 C H (H + V) bytes each.

    Args:
        mixture: C concepts of H states and V tokens.

    Raises:
        ModelError: naming these sizes and the bytes, with the remedy.
    """
    wanted = COPIES * 8.0 * mixture.n_concepts * mixture.n_states * (mixture.n_states + mixture.n_tokens)
    there = memory()
    if wanted > SHARE * there:
        raise ModelError(
            f"instance: {sizes_of(mixture)} take about {wanted / 2**30:,.0f} GiB of memory, and this machine has "
            f"{there / 2**30:,.0f}; give fewer concepts, states or tokens"
        )


def sizes_of(mixture: MixtureOfHMMs) -> str:
    """C, H and V in words, as in "5 concepts, 100 states and 50 tokens".

    Args:
        mixture: of C concepts.

    Returns:
        Words of a sentence.
    """
    return f"{mixture.n_concepts:,} concepts, {mixture.n_states:,} states and {mixture.n_tokens:,} tokens"


def check_held(vocabulary: int, prompts: int, ns: Sequence[int], predictors: int) -> None:
    """Refuse more prompts than fit, where the next-token laws of all predictors are held at once.

    A prompt holds one law of 8 V bytes for every n and predictor, and ``HELD_BESIDE`` more; half of the memory may be
    taken.

    Args:
        vocabulary: V.
        prompts: prompts at each n.
        ns: numbers of examples, each of them once.
        predictors: references and models.

    Raises:
        ModelError: with how many prompts fit.
    """
    each, most = 8 * (predictors + HELD_BESIDE) * len(ns) * vocabulary, memory() // 2
    if prompts * each > most:
        words = f"laws over {vocabulary:,} tokens of {prompts:,} prompts at {len(ns)} n from {predictors} predictors"
        size = f"take {prompts * each / 2**30:.1f} GiB, more than {most / 2**30:.1f}"
        raise ModelError(f"prompts: {words} {size}; give at most {most // each} --prompts, or fewer --n")
