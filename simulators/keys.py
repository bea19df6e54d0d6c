"""Words of JAX's keys without JAX's programs: ``jax.random.key`` and ``fold_in`` bit for bit.

The sampler reads nothing but a key's two words. Making them takes JAX three programs to compile, or to load, which is a
tenth of a second in every process: more than a small instance's documents and prompts take to be drawn.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3" (Threefry-2x32, 20 rounds).
"""

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError

MASK = 0xFFFFFFFF
PARITY = 0x1BD11BDA
"""The constant that the third word of the key schedule is mixed with."""
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
"""Bits by which the second word is rotated in four rounds, in turn."""


def derived_key(seed: int, *data: int) -> np.ndarray:
    """The words of fold_in(... fold_in(key(seed), data_1) ..., data_n), as JAX makes them with 64-bit integers.

    Args:
        seed: at least 0, below 2^63.
        data: numbers folded in, in this order, each at least 0, below 2^32.

    Returns:
        (2,) uint32, a key for ``sample_documents``, ``sample_prompts`` and ``stream``.

    Raises:
        ModelError: a number outside its range.
    """
    if not 0 <= seed < 1 << 63 or not all(0 <= number <= MASK for number in data):
        raise ModelError(f"seed: {seed} and {data} where 0..2^63 - 1 and 0..2^32 - 1 are keys")
    words = seed >> 32, seed & MASK
    for number in data:
        words = _threefry(words, (0, number))
    return np.array(words, dtype=np.uint32)


def _threefry(key: tuple[int, int], count: tuple[int, int]) -> tuple[int, int]:
    """Twenty rounds of additions, rotations and exclusive ors; a part of the key is added after every four."""
    schedule = (*key, key[0] ^ key[1] ^ PARITY)
    x, y = (count[0] + key[0]) & MASK, (count[1] + key[1]) & MASK
    for block in range(5):
        for bits in ROTATIONS[block % 2]:
            x = (x + y) & MASK
            y = ((y << bits | y >> 32 - bits) & MASK) ^ x
        x = (x + schedule[(block + 1) % 3]) & MASK
        y = (y + schedule[(block + 2) % 3] + block + 1) & MASK
    return x, y
