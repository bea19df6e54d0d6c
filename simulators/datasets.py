"""What a simulator hands over: documents and prompts as integer arrays, nothing lazy, nothing nested.

Axes: B documents, T document length, P prompts, k example length (delimiter not counted), n examples.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import as_token


class Documents(NamedTuple):
    """B documents of the pretraining law.

    Attributes:
        tokens: (B, T) integers 0..V-1.
        states: (B, T) hidden states 0..H-1 that emitted them.
        concepts: (B,) the concept of each document, 0..C-1.
    """

    tokens: np.ndarray
    states: np.ndarray
    concepts: np.ndarray


class Prompts(NamedTuple):
    """P prompts: n complete examples, each followed by a delimiter, and one more complete example.

    Example i = 0..n occupies columns (k+1) i .. (k+1) i + k - 1. The prefix of length (k+1) m + k - 1
    is therefore (S_m, x_test) for every m <= n, and its next token is a sampled y.

    Attributes:
        tokens: (P, (k+1) n + k) integers 0..V-1.
        concepts: (P,) the true concept of each prompt.
        starts: (P,) which of the alternative start laws the prompt uses, 0..S-1.
    """

    tokens: np.ndarray
    concepts: np.ndarray
    starts: np.ndarray


def as_count(name: str, value: int, least: int = 1) -> int:
    """``value`` as a Python int that is at least ``least``.

    Args:
        name: of the argument, for the error.
        value: what a user brought.
        least: allowed.

    Returns:
        The integer.

    Raises:
        ModelError: not one integer, or too small.
    """
    count = as_token(name, value)
    if count < least:
        raise ModelError(f"{name}: {count} is below {least}; give an integer of at least {least}")
    return count
