"""Names for the array types used in theory/, one place.

Axes, everywhere in this package:

    C concepts    H hidden states    V tokens (vocabulary)    T document length in tokens
    B documents   k example length in tokens (delimiter not counted)    n examples (shots)

Probabilities are float64 in [0, 1]; everything called ``log_…`` is in nats and may be -inf.
"""

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

Array = np.ndarray | jax.Array
"""A concrete NumPy array, a JAX array, or a tracer of one."""

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
    "Probabilities_C",
    "Probabilities_CxH",
    "Probabilities_H",
    "Tokens",
]
