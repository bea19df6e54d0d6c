"""The forward recursion over token-pair blocks as machine code (numba), one document and one concept at a time.

Lazy scaling: a belief is left unnormalised for as many tokens as cannot underflow, then multiplied by a power of two,
which is exact. If every positive entry is at least m and every positive block entry at least 2**-bits, then after
r further tokens every positive entry, and every product on the way, is at least m 2**(-bits r); r is chosen so that
one more token would still stay above the floor 2**-963 (1e-290). No logarithm and no division is spent on a token.

Imported only when it is used; needs numba, and nothing else in this package does.
"""

import math
from typing import no_type_check

import numpy as np

from implicit_bayes.theory.filtering.machine_code import compiled

FLOOR_BITS = 963
"""Positive numbers are kept above 2**-963, a little above 1e-290."""

LONGEST_RUN = 64
"""Tokens between two rescalings, at most."""

NARROW = 4

ALIVE, DOUBTFUL = 0, 1


@compiled
@no_type_check
def product(belief, block, rows, size, out):
    """out = belief @ block over ``rows`` rows and ``size`` columns, then copied back; four rows at a time.

    Args:
        belief: the row vector; holds the result afterwards.
        block: the matrix.
        rows, size: how much of it counts.
        out: scratch of at least ``size`` numbers.
    """
    for j in range(size):
        out[j] = 0.0
    i = np.uint64(0)
    while i + np.uint64(4) <= rows:
        a0, a1, a2, a3 = belief[i], belief[i + np.uint64(1)], belief[i + np.uint64(2)], belief[i + np.uint64(3)]
        r0, r1, r2, r3 = block[i], block[i + np.uint64(1)], block[i + np.uint64(2)], block[i + np.uint64(3)]
        for j in range(size):
            out[j] += (a0 * r0[j] + a1 * r1[j]) + (a2 * r2[j] + a3 * r3[j])
        i += np.uint64(4)
    while i < rows:
        a0, r0 = belief[i], block[i]
        for j in range(size):
            out[j] += a0 * r0[j]
        i += np.uint64(1)
    for j in range(size):
        belief[j] = out[j]


@compiled
@no_type_check
def rescale(belief, size, bits):
    """Bring the sum into [1/2, 1) by a power of two: (its exponent, tokens that may follow unscaled; -1 if dead).

    Args:
        belief: scaled in place.
        size: entries that count.
        bits: no positive entry of the blocks is below two to the -bits.

    Returns:
        (exponent, run): the old sum lies in [2^(exponent-1), 2^exponent), and ``run`` tokens may pass before the next
        rescaling is due; (0, -1) where the sum is zero.
    """
    total, smallest = 0.0, math.inf
    for j in range(size):
        entry = belief[j]
        total += entry
        if 0.0 < entry < smallest:
            smallest = entry
    if total == 0.0:
        return 0, -1
    _, exponent = math.frexp(total)
    factor = math.ldexp(1.0, -exponent)
    for j in range(size):
        belief[j] *= factor
    _, least = math.frexp(smallest)
    run = (least - exponent - 1 + FLOOR_BITS) // bits - 1
    return exponent, min(max(run, 0), LONGEST_RUN)


@compiled
@no_type_check
def total_of(belief, size):
    """Sum of the entries.

    Args:
        belief: the numbers.
        size: how many of them count.

    Returns:
        The sum in float64, added from the first entry on.
    """
    total = 0.0
    for j in range(size):
        total += belief[j]
    return total


@compiled
@no_type_check
def steps(
    tokens, begin, stop, last, belief, scratch, code, width, size, narrow, widen, narrowing, wide,
    wanted, slot, slots, exponent, mass, exponents, beliefs,
):  # fmt: skip
    """Run tokens[begin:stop], recording as ``forward`` does.

    Args:
        tokens, begin, stop: (T,) one document, and the part of it that is run.
        last: code of the token before ``begin``.
        belief, scratch: the belief, and room for the next one.
        code, width, size, narrow, widen, narrowing, wide: see ``theory.filtering.block_tables.BucketTables``.
        wanted: increasing positions to record at.
        slot, slots: the next of them, and how many there are.
        exponent: the power of two split off so far.
        mass, exponents, beliefs: what is recorded, by slot.

    Returns:
        (last, slot): the code of the last token that was run, and the next slot to record in.
    """
    first_wide = np.uint64(narrow.shape[0])
    previous = np.uint64(last)
    awaited = wanted[slot] if slot < slots else -1
    t, end = np.uint64(begin), np.uint64(stop)
    while t < end:
        token = np.uint64(code[tokens[t]])
        if token < first_wide and previous < first_wide:
            rest = np.uint64(min(np.int64(end), awaited)) if awaited > np.int64(t) else end
            a0, a1, a2, a3 = belief[0], belief[1], belief[2], belief[3]
            while True:  # a stretch of narrow tokens: the belief stays in registers
                q = narrow[previous, token]
                n0 = (a0 * q[0, 0] + a1 * q[1, 0]) + (a2 * q[2, 0] + a3 * q[3, 0])
                n1 = (a0 * q[0, 1] + a1 * q[1, 1]) + (a2 * q[2, 1] + a3 * q[3, 1])
                n2 = (a0 * q[0, 2] + a1 * q[1, 2]) + (a2 * q[2, 2] + a3 * q[3, 2])
                n3 = (a0 * q[0, 3] + a1 * q[1, 3]) + (a2 * q[2, 3] + a3 * q[3, 3])
                a0, a1, a2, a3 = n0, n1, n2, n3
                previous = token
                t += np.uint64(1)
                if t >= rest:
                    break
                token = np.uint64(code[tokens[t]])
                if token >= first_wide:
                    break
            belief[0], belief[1], belief[2], belief[3] = a0, a1, a2, a3
        else:
            if token < first_wide:
                q = narrowing[previous - first_wide, token]
                n0, n1, n2, n3 = 0.0, 0.0, 0.0, 0.0
                for i in range(np.uint64(width[previous])):
                    entry = belief[i]
                    n0 += entry * q[i, 0]
                    n1 += entry * q[i, 1]
                    n2 += entry * q[i, 2]
                    n3 += entry * q[i, 3]
                belief[0], belief[1], belief[2], belief[3] = n0, n1, n2, n3
            elif previous < first_wide:
                product(belief, widen[previous, token - first_wide], np.uint64(NARROW), size[token], scratch)
            else:
                block = wide[previous - first_wide, token - first_wide]
                product(belief, block, np.uint64(width[previous]), size[token], scratch)
            previous = token
            t += np.uint64(1)
        if np.int64(t) == awaited:
            total = 0.0
            for j in range(size[previous]):
                total += belief[j]
                beliefs[slot, j] = belief[j]
            mass[slot], exponents[slot] = total, exponent
            slot += 1
            awaited = wanted[slot] if slot < slots else -1
    return np.int64(previous), slot


@compiled
@no_type_check
def forward(
    tokens, wanted, last, exponent, belief, scratch, saved, code, width, size, bits,
    narrow, widen, narrowing, wide, mass, exponents, beliefs,
):  # fmt: skip
    """One concept along tokens[0..T), recorded after each number of tokens in ``wanted`` (increasing, within 0..T).

    Carried in and out: the code of the last token, the power of two split off so far, and the belief.

    Args:
        tokens: (T,) one document.
        wanted: increasing numbers of tokens to record after.
        last: code of the token before the first.
        exponent: the power of two split off so far.
        belief, scratch, saved: the belief, room for the next one, and for the one to go back to.
        code, width, size, bits, narrow, widen, narrowing, wide: see ``theory.filtering.block_tables.BucketTables``.
        mass, exponents, beliefs: what is recorded, by slot.

    Returns:
        (last code, exponent, leading tokens that are possible, ALIVE or DOUBTFUL). ``mass`` times two to the
        ``exponents`` is p(prefix | concept); beliefs are on the scale of ``mass``. Zeros after an impossible token.
    """
    length, slots = tokens.shape[0], wanted.shape[0]
    side, origin = belief.shape[0], last
    t, slot, since = np.int64(0), np.int64(0), np.int64(0)  # a literal would be a type, and a compilation, of its own
    if slots > 0 and wanted[0] == 0:
        mass[0], exponents[0] = total_of(belief, size[last]), exponent
        for j in range(side):
            beliefs[0, j] = belief[j]
        slot = np.int64(1)
    limit, careful = slots, False
    while True:
        shift, run = rescale(belief, size[last], bits)
        if run < 0:
            if careful or t == 0:
                break
            careful, limit, t, last = True, slot, since, origin  # dead on the way: again, to see after which token
            for j in range(side):
                belief[j] = saved[j]
            continue
        exponent += shift
        if run == 0 and not careful:
            return last, exponent, t, DOUBTFUL
        if t == length:
            return last, exponent, t, ALIVE
        for j in range(side):
            saved[j] = belief[j]
        since, origin = t, last
        t = min(length, t + (1 if careful else run))
        last, slot = steps(
            tokens, since, t, last, belief, scratch, code, width, size, narrow, widen, narrowing, wide,
            wanted, slot, limit, exponent, mass, exponents, beliefs,
        )  # fmt: skip
    for rest in range(slot, slots):
        mass[rest], exponents[rest] = 0.0, 0
        for j in range(side):
            beliefs[rest, j] = 0.0
    for j in range(side):
        belief[j] = 0.0
    return last, exponent, since, ALIVE
