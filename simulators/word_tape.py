"""The raw 32-bit words behind a legacy NumPy generator, so that millions of small draws can be made in bulk.

``RandomState`` spends the Mersenne Twister's words in a fixed way (frozen by NumPy's policy for legacy streams):

- a bounded integer below m: words in turn, each cut to as many low bits as m - 1 has, until one is below m;
- a double: two words a, b as ((a >> 5) 2**26 + (b >> 6)) / 2**53.

Which word a draw uses therefore depends on the draws before it, but only through a position: the positions are
chased one by one, the values are then read off all at once.
"""

from typing import NamedTuple

import numpy as np


class WordTape(NamedTuple):
    """A stretch of words ahead of a legacy generator.

    Args:
        words: (M,) uint32, in the order the generator would spend them.
    """

    words: np.ndarray

    def next_below(self, bound: int) -> memoryview:
        """(M,) position of the first word at or after each position that a draw below ``bound`` accepts.

        Positions with no such word on the tape hold M, which no view can be indexed with.

        Returns:
            A view of M integers that Python indexes without making arrays of them.
        """
        size = len(self.words)
        place = np.where(self._cut(self.words, bound) < bound, np.arange(size), size)
        return np.minimum.accumulate(place[::-1])[::-1].copy().data

    def below(self, positions: np.ndarray, bound: int) -> np.ndarray:
        """Integers 0..bound-1 drawn by the accepted words at ``positions``.

        Args:
            positions: among the accepted words.
            bound: exclusive.

        Returns:
            int64, as ``RandomState.randint(bound)`` would draw them there.
        """
        return self._cut(self.words[positions], bound).astype(np.int64)

    def doubles(self, positions: np.ndarray) -> np.ndarray:
        """Uniforms in [0, 1) made of the two words at each position and the next.

        Returns:
            float64, as ``RandomState.random_sample`` would draw them there.
        """
        high = (self.words[positions] >> np.uint32(5)).astype(np.float64)
        low = (self.words[positions + 1] >> np.uint32(6)).astype(np.float64)
        uniforms: np.ndarray = (high * 2.0**26 + low) / 2.0**53
        return uniforms

    @staticmethod
    def _cut(words: np.ndarray, bound: int) -> np.ndarray:
        return words & np.uint32((1 << (bound - 1).bit_length()) - 1)


def read_tape(generator: np.random.RandomState, words: int) -> WordTape:
    """The generator's next ``words`` words; the generator itself ends up where it was.

    Args:
        generator: left where it was.
        words: how many.

    Returns:
        WordTape of ``words`` 32-bit words.
    """
    state = generator.get_state()
    tape = WordTape(generator.randint(0, 2**32, words, dtype=np.uint32))
    generator.set_state(state)
    return tape


def spend(generator: np.random.RandomState, words: int) -> None:
    """Advances the generator past ``words`` words.

    Args:
        generator: advanced.
        words: how many.
    """
    generator.randint(0, 2**32, words, dtype=np.uint32)
