"""Memory that a process gives back it needs again at the next step: let the allocator keep it.

glibc hands arrays above its threshold straight back to the system, and takes what is free at the end of its heap down
too. The kernel then clears every page again at the next step: 15,000 of them on a batch of 16 by 256 tokens of the
small LSTM on one device, a fifth to two fifths of the CPU time of a training's step; a tenth of a verification's. No
number changes.
"""

import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Names of mallopt(3), as malloc.h numbers them."""
SIZES = (1 << 30, 1 << 25)
"""Largest array that is kept, in bytes: the second is the most that an older glibc takes."""
AHEAD = 1 << 26
VERIFYING = 1 << 25
"""Largest array whose memory ``verify`` keeps: its arrays are of many sizes, and room for each would add up."""


def keep_freed_memory(largest: int = SIZES[0]) -> int:
    """Ask the C library of this process to keep what is freed.

    Args:
        largest: arrays above so many bytes go back at once, and so does what is free beyond eight of them (at most
            1 GiB): a process with many sizes of array would keep room for each otherwise.

    Returns:
        Bytes of the largest array that it keeps; 0 where there is no ``mallopt`` and nothing was asked.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function; no C library to be had by this way
        return 0
    kept = next((size for size in (largest, SIZES[1]) if mallopt(MMAP_THRESHOLD, size) == 1), 0)
    if kept:
        mallopt(TRIM_THRESHOLD, min(8 * largest, SIZES[0]))
        mallopt(TOP_PAD, AHEAD)
    return kept
