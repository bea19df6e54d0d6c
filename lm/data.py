"""Training batches, each a function of (seed, step): fresh documents for ever, or the released ones for some epochs."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.lm.schedule import Plan
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.objects.checks import ModelError

SHELF = 1 << 17
"""Tokens drawn at once; the batches of a shelf are its rows in order."""

Batches = Callable[[int], np.ndarray]
"""step -> (batch, length) int32 tokens."""


class _Shelf(NamedTuple):
    name: tuple[int, int]
    tokens_DxT: np.ndarray


def fresh_batches(mixture: MixtureOfHMMs, plan: Plan, seed: int) -> Batches:
    """Fresh documents of the pretraining law, never seen twice; every row is the beginning of one.

    Shelf j of phase p is drawn with the key fold_in(fold_in(key(seed), p), j).

    Args:
        mixture: the pretraining law.
        plan: shapes of the batches.
        seed: of the documents.

    Returns:
        Batches: step -> (B, T) tokens, the same whenever it is asked.
    """
    key, held = jax.random.key(seed), [_Shelf((-1, -1), np.zeros((0, 0), np.int32))]

    def batch(step: int) -> np.ndarray:
        index, phase = plan.phase(step)
        per_shelf = max(1, SHELF // (phase.batch * phase.length))
        shelf, place = divmod(step - int(plan.first_P[index]), per_shelf)
        if held[0].name != (index, shelf):
            draw = jax.random.fold_in(jax.random.fold_in(key, index), shelf)
            documents = sample_documents(mixture, draw, per_shelf * phase.batch, phase.length)
            held[0] = _Shelf((index, shelf), documents.tokens)
        return held[0].tokens_DxT[place * phase.batch : (place + 1) * phase.batch]

    return batch


def released_batches(vocabulary: int, plan: Plan, seed: int) -> Batches:
    """Windows of the released 1000 training documents of 10240 tokens, every window once an epoch, in a fresh order.

    A window need not begin where its document does, so its first tokens are harder than a document's.

    Args:
        vocabulary: V of the release.
        plan: shapes of the batches; lengths above a document's are refused.
        seed: of the order.

    Returns:
        Batches: step -> (B, T) tokens, the same whenever it is asked.

    Raises:
        ModelError: windows longer than a document.
    """
    tokens_DxT = released_documents(vocabulary, "train").tokens
    held = tokens_DxT.shape[1]
    for phase in plan.phases:
        if phase.length > held:
            raise ModelError(f"length: windows of {phase.length} where a released document has {held}; ask for less")
    orders: dict[tuple[int, int], np.ndarray] = {}

    def batch(step: int) -> np.ndarray:
        index, phase = plan.phase(step)
        per_document = held // phase.length
        windows = len(tokens_DxT) * per_document
        first = (step - int(plan.first_P[index])) * phase.batch
        rows = [
            _window(orders, (index, i // windows), windows, i % windows, seed)
            for i in range(first, first + phase.batch)
        ]
        document, place = np.divmod(np.array(rows), per_document)
        return tokens_DxT[document[:, None], place[:, None] * phase.length + np.arange(phase.length)]

    return batch


def _window(orders: dict[tuple[int, int], np.ndarray], epoch: tuple[int, int], windows: int, i: int, seed: int) -> int:
    """The i-th window of an epoch; at most two epochs' orders are held."""
    if epoch not in orders:
        for old in list(orders)[:-1]:
            del orders[old]
        orders[epoch] = np.random.Generator(np.random.SFC64([seed, *epoch])).permutation(windows)
    return int(orders[epoch][i])
