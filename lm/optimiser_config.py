"""What an optimiser is told; apart from ``optimiser``, so that presets are read without optax."""

from typing import Literal, NamedTuple


class OptimiserConfig(NamedTuple):
    """The optimiser's method and constants.

    Attributes:
        method: adamw or soap.
        b1, b2: decay of the averages of the gradient and of its square.
        weight_decay: decoupled, on matrices only.
        clip: norm that the whole gradient is cut down to.
        plateau: steps over which the loss is averaged before the rate is cut tenfold for want of progress, or None.
        average: power g of the average of weights (lm.averaging) that the trained network is; None for the last
            weights themselves.
    """

    method: Literal["adamw", "soap"] = "adamw"
    b1: float = 0.9
    b2: float = 0.99
    weight_decay: float = 0.0
    clip: float = 1.0
    plateau: int | None = None
    average: float | None = None
