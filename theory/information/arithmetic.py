"""How far float64 can be from the number it stands for: a stated bound, and a watch for underflow.

Filters and next-token laws are sums of products of nonnegative numbers, so errors stay relative: after j tokens at most
j (2 H + 8) units of 2^-53 in every probability (a product with a kernel of H states, an emission, a normalising sum
and a division a token). A mean of N logarithms over k positions then errs by at most

    2 * 2^-53 * [ k^2 (2 H + 8) + (k (2 H + 8) + N + V) E |log| ]                     (the 2 pays for second order)

Source: N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition 2002, sections 3.1 and 4.2. The model
behind it, fl(x op y) = (x op y)(1 + delta), ends where a product underflows; ``Watch`` notices.
"""

import math

import numpy as np

UNIT = 2.0**-53
"""Largest relative error of one operation on float64."""


def rounding_of_mean(positions: int, states: int, tokens: int, terms: int, magnitude: float) -> float:
    """The bound above on an expectation of log-probabilities.

    Args:
        positions: k, tokens scored one after another.
        states: H.
        tokens: V.
        terms: N, numbers that were added up.
        magnitude: E |log| of everything added up, before anything cancels.

    Returns:
        Nats; inf where ``magnitude`` is.
    """
    each = positions * (2 * states + 8)
    return 2.0 * UNIT * (positions * each + (each + terms + tokens) * magnitude)


class Watch:
    """Notices whether anything inside its ``with`` block underflowed, so that relative errors mean nothing there.

    A product that underflows and does not matter is noticed too: the answer is then "undetermined" rather than wrong.
    """

    def __init__(self) -> None:
        self.underflowed = False
        self._state = np.errstate(under="call", call=self._notice)

    def _notice(self, kind: str, flag: int) -> None:
        self.underflowed = True

    def __enter__(self) -> "Watch":
        self._state.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._state.__exit__(None, None, None)

    def widen(self, rounding: float) -> float:
        """The bound, or inf where something underflowed.

        Args:
            rounding: an error bound that holds as long as nothing underflows.

        Returns:
            In the unit of ``rounding``.
        """
        return math.inf if self.underflowed else rounding
