"""Delta: how far the likeliest token leads the second.

Source: Xie et al. 2022, Assumption 3.
"""

import numpy as np

from implicit_bayes.theory.objects.models import HMM

NUMBERS = 1 << 23
"""Next-token probabilities that are held at once: 64 MB."""


def top_margin(laws: np.ndarray) -> np.ndarray:
    """(...,) top-1 minus top-2 probability of (..., V) laws; 1 where there is one token only.

    Args:
        laws: along the last axis.

    Returns:
        (...,) in [0, 1] up to rounding.
    """
    if laws.shape[-1] == 1:
        return np.ones(laws.shape[:-1])
    top = np.partition(laws, -2, -1)[..., -2:]
    margin: np.ndarray = top[..., 1] - top[..., 0]
    return margin


def top_margins(law_NxH: np.ndarray, hmm: HMM) -> np.ndarray:
    """(N,) ``top_margin`` of the next token's law where the next state has these laws, a block of them at a time.

    Args:
        law_NxH: laws of the next state.
        hmm: whose emission speaks.

    Returns:
        (N,) in [0, 1] up to rounding.
    """
    size, emission = max(1, NUMBERS // hmm.n_tokens), np.asarray(hmm.emission)
    blocks = [top_margin(law_NxH[at : at + size] @ emission) for at in range(0, len(law_NxH), size)]
    return np.concatenate(blocks)
