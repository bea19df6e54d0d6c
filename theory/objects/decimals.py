"""Laws as exact integers: an entry is the decimal it prints as, 0.1 is 1/10 and not the float64 beside it.

For comparisons that lie within the rounding of float64. Rows of decimals need not sum to exactly one here: only
products that share a scale are compared.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from implicit_bayes.theory.objects.types import Array


def integers(*arrays: Array) -> list[np.ndarray]:
    """The arrays as Python integers (dtype object), each array times one common factor of its own.

    Returns:
        Arrays of the same shapes, exact: 0.25 beside 0.75 is 1 beside 3.
    """
    return [_scaled(np.asarray(array, dtype=np.float64)) for array in arrays]


def _scaled(array: np.ndarray) -> np.ndarray:
    exact = [Fraction(repr(float(value))) for value in array.reshape(-1)]
    factor = math.lcm(*(value.denominator for value in exact))
    out = np.empty(len(exact), dtype=object)
    out[:] = [value.numerator * (factor // value.denominator) for value in exact]
    return out.reshape(array.shape)


def next_token(start: np.ndarray, transition: np.ndarray, emission: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
    """(V,) p(x, y) for every y, exact up to one common factor, from ``integers`` of the laws.

    Args:
        start: (H,) the first state's law.
        transition: (H, H) the kernel.
        emission: (H, V) the emission.
        tokens: x.

    Returns:
        (V,) Python integers, which compare and add without rounding.
    """
    ahead = start
    for token in tokens:
        ahead = (ahead * emission[:, token]) @ transition
    predictive: np.ndarray = ahead @ emission
    return predictive
