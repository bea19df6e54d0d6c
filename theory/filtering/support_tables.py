"""Token-pair blocks over the states that can emit each token, for JAX's sparse recursion, padded to the widest."""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array


class SupportTables(NamedTuple):
    """Precomputed token-pair blocks for the sparse recursion.

    S_o lists the states that can emit token o under some concept, padded to the widest (W). Row V of the
    first axis is the virtual "start" token, whose only state stands for the start law.

    Attributes:
        block_VVxCxWxW: entry [o * V + o', c, w, w'] = transition[c, S_o[w], S_o'[w']] emission[c, S_o'[w'], o'].
        state_VxW: S_o[w]; 0 where there is none.
    """

    block_VVxCxWxW: Array
    state_VxW: Array


def support_width(emission: Array) -> int:
    """W: the largest number of states that can emit one token (under some concept), at least 1.

    Args:
        emission: (H, V), or (C, H, V) where it depends on the concept.

    Returns:
        W, an integer.
    """
    positive_CxHxV = np.asarray(emission).reshape(-1, *np.shape(emission)[-2:]) > 0
    return max(1, int(positive_CxHxV.any(0).sum(0).max()))


def table_bytes(mixture: MixtureOfHMMs) -> int:
    """Memory of ``support_tables`` in bytes, without building them.

    Returns:
        Bytes of the (V+1) V blocks of C W^2 float64 numbers.
    """
    width, tokens = support_width(mixture.emission), mixture.n_tokens
    return 8 * (tokens + 1) * tokens * mixture.n_concepts * width**2


def support_tables(mixture: MixtureOfHMMs) -> SupportTables:
    """Build the sparse tables in NumPy (the structure of zeros must be concrete).

    Args:
        mixture: with concrete arrays.

    Returns:
        SupportTables in float64, ``table_bytes(mixture)`` of them and V W indices.
    """
    emission, transition = np.asarray(mixture.emissions), np.asarray(mixture.transition)
    concepts, states, tokens = emission.shape
    width = support_width(emission)
    can_emit: np.ndarray = np.any(emission > 0, axis=0)
    index = np.zeros((tokens, width), dtype=np.int64)
    real = np.zeros((tokens, width), dtype=bool)
    for o in range(tokens):
        support = np.flatnonzero(can_emit[:, o])
        index[o, : support.size], real[o, : support.size] = support, True
    emit_CxVxW = np.where(real, emission[:, index, np.arange(tokens)[:, None]], 0.0)
    rows_CxVxWxH = np.zeros((concepts, tokens + 1, width, states))
    rows_CxVxWxH[:, :tokens] = np.where(real[..., None], transition[:, index], 0.0)
    rows_CxVxWxH[:, tokens, 0] = np.asarray(mixture.initial)
    block = rows_CxVxWxH[:, :, :, index] * emit_CxVxW[:, None, None]
    block = block.transpose(1, 3, 0, 2, 4).reshape(-1, concepts, width, width)
    return SupportTables(np.ascontiguousarray(block), index)
