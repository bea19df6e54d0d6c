"""Names for the array types used in theory/, one place.

Axes, everywhere in this package:

    C concepts    H hidden states    V tokens (vocabulary)    T document length in tokens
    B documents   k example length in tokens (delimiter not counted)    n examples (shots)

Probabilities are float64 in [0, 1]; everything called ``log_…`` is in nats and may be -inf.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

Array = np.ndarray | jax.Array
"""A concrete NumPy array, a JAX array, or a tracer of one."""

if TYPE_CHECKING:
    from numpy.typing import ArrayLike as Numbers
else:  # NumPy's own protocol denies tuples at run time, where tests check types
    Numbers = Array | np.generic | Sequence | float
"""What a user may bring where an array or a number is asked for; what is none is refused with the field's name."""

Probabilities_H = Float[Array, "H"]
Probabilities_C = Float[Array, "C"]
Probabilities_CxH = Float[Array, "C H"]
Kernel_HxH = Float[Array, "H H"]
Kernel_CxHxH = Float[Array, "C H H"]
Emission_HxV = Float[Array, "H V"]
Emission_CxHxV = Float[Array, "C H V"]
Tokens = Int[Array, "*batch T"]

__all__ = [
    "Array",
    "Bool",
    "Emission_CxHxV",
    "Emission_HxV",
    "Float",
    "Int",
    "Kernel_CxHxH",
    "Kernel_HxH",
    "Numbers",
    "Probabilities_C",
    "Probabilities_CxH",
    "Probabilities_H",
    "Tokens",
]
