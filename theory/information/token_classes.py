"""Tokens that the same states can emit are alike wherever only zeros and positives count.

A vocabulary of 50,257 tokens over four states has at most 15 kinds of tokens, so that what is decided on supports costs
15 steps and not 50,257, and 15 x 15 pairs and not 2.5 billion.
"""

from typing import NamedTuple

import numpy as np


class TokenClasses(NamedTuple):
    """K kinds of tokens, in the order of their first tokens.

    Attributes:
        first_K: a token of each.
        class_V: the kind of every token.
        count_K: how many tokens are of each kind.
    """

    first_K: np.ndarray
    class_V: np.ndarray
    count_K: np.ndarray

    def sums(self, values_HxV: np.ndarray) -> np.ndarray:
        """(H, K) columns added up by kind; columns of kinds of one token are those columns, bit for bit.

        Returns:
            (H, K), kinds in the order of ``first_K``.
        """
        order = np.argsort(self.class_V, kind="stable")
        begins = np.cumsum(self.count_K) - self.count_K
        summed: np.ndarray = np.add.reduceat(values_HxV[:, order], begins, axis=1)
        return summed


def token_classes(*can_HxV: np.ndarray) -> TokenClasses:
    """The kinds of tokens that (H, V) tables of booleans tell apart, by their columns in all of them at once.

    Returns:
        TokenClasses: K kinds, in the order in which tokens meet them.
    """
    columns = np.packbits(np.concatenate(can_HxV).T, axis=1)
    _, first, inverse, count = np.unique(columns, axis=0, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return TokenClasses(first[order], place[inverse.reshape(-1)], count[order])
