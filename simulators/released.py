"""The released documents, token for token: one legacy random stream, walked in the release's own order.

Per document one draw of the concept, then per token one uniform for the state (first index whose cumulative
probability exceeds it, the start law first) and one for the emission, which is drawn although the token is
already certain. 1000 training documents of 10240 tokens come first, then 100 validation documents of 1024.

Source: the published generator (p-lambda/incontext-learning) with hmmlearn's sampler; the V = 50 validation
file made here equals the published one.
"""

import numpy as np

from implicit_bayes.simulators.datasets import Documents, as_count
from implicit_bayes.simulators.ginc import CONCEPTS, STATES, ReleasedGinc, released_ginc
from implicit_bayes.simulators.inverse_cdf import CdfTable, cdf_table, first_above
from implicit_bayes.simulators.sampler import DRAW
from implicit_bayes.theory.filtering import compiled
from implicit_bayes.theory.filtering.dispatch import on_host
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs

RELEASED = {"train": (1000, 10240), "validation": (100, 1024)}
"""Documents and tokens per document of each split, in the order of the stream."""


def released_documents(
    vocabulary: int, split: str, documents: int | None = None, length: int | None = None, *, once: bool = False
) -> Documents:
    """The first documents of a released split.

    Skipped documents and tokens advance the stream without being walked, so the validation documents follow
    all 1000 training documents whatever is asked for, and a shorter ``length`` is a prefix of each document.

    Args:
        vocabulary: V; the release used 50, 100 and 150.
        split: "train" or "validation".
        documents: how many of the split's first documents; all of them if not given.
        length: how many of each document's first tokens; all of them if not given.
        once: the process asks for no more than this, so that few documents are not worth making machine code; the
            documents are the same.

    Returns:
        Documents: tokens (B, T), states (B, T), concepts (B,), int32.

    Raises:
        ModelError: an unknown split, a count below one, or more than the release holds.
    """
    if split not in RELEASED:
        raise ModelError(f"split: {split!r} is not a released split; choose 'train' or 'validation'")
    held, held_length = RELEASED[split]
    documents = _within("documents", documents, held, f"the released {split} split holds {held}")
    length = _within("length", length, held_length, f"released {split} documents have {held_length} tokens")
    ginc = released_ginc(vocabulary)
    stream = ginc.generator()
    if split == "validation":
        _skip_documents(stream, *RELEASED["train"])
    concepts, uniforms = _document_draws(stream, documents, held_length, length)
    states = _walk(ginc.pretraining, concepts, uniforms, once)
    return Documents(_tokens(ginc, states), states, concepts)


def _within(name: str, value: int | None, most: int, holds: str) -> int:
    """``value``, or ``most`` if not given; ModelError above ``most`` or below one."""
    if value is None:
        return most
    count = as_count(name, value)
    if count > most:
        raise ModelError(f"{name}: {count} asked for, but {holds}; ask for at most {most}")
    return count


def _skip_documents(stream: np.random.RandomState, documents: int, length: int) -> None:
    """Advances the stream past whole documents."""
    for _ in range(documents):
        stream.choice(CONCEPTS)
        stream.random_sample(2 * length)


def _document_draws(
    stream: np.random.RandomState, documents: int, drawn: int, kept: int
) -> tuple[np.ndarray, np.ndarray]:
    """(B,) concepts and (B, T) state uniforms: of each document's ``drawn`` tokens the first ``kept``."""
    concepts = np.empty(documents, dtype=np.int32)
    uniforms_BxT = np.empty((documents, kept))
    for document in range(documents):
        concepts[document] = stream.choice(CONCEPTS)
        uniforms_BxT[document] = stream.random_sample(2 * drawn)[: 2 * kept : 2]
    return concepts, uniforms_BxT


def _walk(mixture: MixtureOfHMMs, concepts: np.ndarray, uniforms_BxT: np.ndarray, once: bool) -> np.ndarray:
    """(B, T) hidden states; in machine code where numba is installed, else (or ``once``, if few) all documents side by
    side in NumPy."""
    starts = cdf_table(np.asarray(mixture.initial), normalised=False)
    kernels = cdf_table(np.reshape(mixture.transition, (-1, STATES)), normalised=False)
    few = once and on_host(uniforms_BxT.shape[1], DRAW * uniforms_BxT.size)
    if compiled.available() and not few:
        from implicit_bayes.simulators.compiled_walks import inverse_cdf_chains

        states_BxT, block = np.empty(uniforms_BxT.shape, dtype=np.int32), concepts * STATES
        inverse_cdf_chains(
            kernels.flat, kernels.width, kernels.size, concepts, block, uniforms_BxT, states_BxT, 0, starts.flat
        )
        return states_BxT
    return _walk_in_numpy(starts, kernels, concepts, np.ascontiguousarray(uniforms_BxT.T))


def _walk_in_numpy(starts: CdfTable, kernels: CdfTable, concepts: np.ndarray, uniforms_TxB: np.ndarray) -> np.ndarray:
    states_TxB = np.empty(uniforms_TxB.shape, dtype=np.int32)
    block = concepts.astype(np.int64) * STATES
    state = first_above(starts, concepts, uniforms_TxB[0])
    states_TxB[0] = state
    for position in range(1, len(uniforms_TxB)):
        state = first_above(kernels, block + state, uniforms_TxB[position])
        states_TxB[position] = state
    return np.ascontiguousarray(states_TxB.T)


def _tokens(ginc: ReleasedGinc, states: np.ndarray) -> np.ndarray:
    """Tokens of states, by the memory."""
    tokens: np.ndarray = ginc.memory.reshape(-1).astype(np.int32)[states]
    return tokens
