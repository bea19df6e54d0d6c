"""Task ``sampling``: documents of the pretraining law, and the released stream token for token."""

import jax
import numpy as np

from implicit_bayes.benchmarks.speed.compare import Advance, How, Run, Timing, compare
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.simulators.sampler import sample_documents, stream
from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.programs.interchange import to_hmmlearn

HMMLEARN_TOKENS = 10_000
"""hmmlearn draws nearly 200,000 tokens a second: as long a turn as ours."""

BATCHES = 10
"""Batches of a turn of ours, one after the other as a training asks for them; a single one takes 6 ms."""

LEAST_DOCUMENTS = 1000
"""Ours draws documents side by side, and is given as many as a training set has."""

FREQUENCIES = 0.1
"""Largest difference of a token's frequency: a sampler of another law differs by more (samples are not compared
one by one, and a short chain's frequencies scatter by a few hundredths)."""

RELEASED = {50: 100, 100: 100, 150: 100}
"""Documents of the released stream that are timed, by vocabulary."""


def sampling(
    name: str,
    mixture: MixtureOfHMMs,
    documents: int,
    length: int,
    repeats: int,
    seed: int,
    advance: Advance,
    released_vocabulary: int | None = None,
) -> list[Timing]:
    """Ours, the released stream where the instance is released, and hmmlearn's sampler of the first concept.

    Args:
        name: of the instance, in words.
        mixture: to draw from.
        documents: of a batch, and at least ``LEAST_DOCUMENTS``.
        length: of each, tokens.
        repeats: timed calls of each.
        seed: of the draws.
        advance: called with 1 after every timed call.
        released_vocabulary: V of the released instance; None where it is none.

    Returns:
        One Timing for each: CPU seconds a token and the ratio to ours.

    Raises:
        ModelError: the token frequencies of an implementation differ.
    """
    tokens = mixture.n_tokens
    drawn = sample_documents(mixture, jax.random.key(seed + 1), documents, length).tokens
    expected = np.bincount(drawn.reshape(-1), minlength=tokens) / drawn.size

    def differs(found: np.ndarray) -> float:
        return float(np.abs(np.bincount(np.reshape(found, -1), minlength=tokens) / np.size(found) - expected).max())

    batch = max(documents, LEAST_DOCUMENTS)
    batches = stream(mixture, jax.random.key(seed), batch, length)  # tables made once, as hmmlearn's model is

    def turn() -> np.ndarray:
        for _ in range(BATCHES - 1):
            next(batches)  # used and dropped: its memory serves the next one
        return next(batches).tokens

    drawing = How(f"tables and machine code made once; {BATCHES} batches from one stream", batch)
    runs = {"ours": Run(turn, BATCHES * batch * length, differs, drawing)}
    if released_vocabulary is not None:
        count = RELEASED[released_vocabulary]
        runs["ours released stream"] = Run(
            lambda: released_documents(released_vocabulary, "train", count).tokens, count * 10240, differs,
            How("tables and machine code made once; documents one after another, seed for seed", 1),
        )  # fmt: skip
    try:
        model = to_hmmlearn(mixture.concept(0), "scaling")
    except ImportError:
        return compare("sampling", name, runs, repeats, advance, FREQUENCIES)
    alone = sample_documents(mixture.restrict(0), jax.random.key(seed), documents, length).tokens
    frequency = np.bincount(alone.reshape(-1), minlength=tokens) / alone.size
    runs["hmmlearn scaling"] = Run(
        lambda: model.sample(HMMLEARN_TOKENS, random_state=seed)[0].reshape(-1),
        HMMLEARN_TOKENS,
        lambda found: float(np.abs(np.bincount(found, minlength=tokens) / found.size - frequency).max()),
        How(f"model made once; sample() of one chain of {HMMLEARN_TOKENS:,} tokens", 1),
    )
    return compare("sampling", name, runs, repeats, advance, FREQUENCIES)
