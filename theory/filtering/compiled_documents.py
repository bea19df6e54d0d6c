"""Every document under every concept in machine code: ``compiled_kernels.forward``, and the predictives it leads to.

Imported only when it is used; needs numba.
"""

from typing import no_type_check

import numpy as np

from implicit_bayes.theory.filtering.compiled import LEAST_POWER
from implicit_bayes.theory.filtering.compiled_kernels import DOUBTFUL, NARROW, forward
from implicit_bayes.theory.filtering.machine_code import compiled


@compiled
@no_type_check
def combine(out, coefficient, rows):
    """out = coefficient @ rows, four rows at a time (their number is a multiple of four).

    Args:
        out: the sum.
        coefficient: of every row.
        rows: the matrix.
    """
    for v in range(out.shape[0]):
        out[v] = 0.0
    for first in range(0, rows.shape[0], 4):
        i = np.uint64(first)
        a0, a1 = coefficient[i], coefficient[i + np.uint64(1)]
        a2, a3 = coefficient[i + np.uint64(2)], coefficient[i + np.uint64(3)]
        r0, r1, r2, r3 = rows[i], rows[i + np.uint64(1)], rows[i + np.uint64(2)], rows[i + np.uint64(3)]
        for v in range(out.shape[0]):
            out[v] += (a0 * r0[v] + a1 * r1[v]) + (a2 * r2[v] + a3 * r3[v])


@compiled
@no_type_check
def concepts_along(
    tokens, wanted, begin, last_C, exponent_C, belief_CxX, possible_C,
    scratch, saved, code, width, size, bits, narrow, widen, narrowing, wide, mass, exponents, beliefs,
):  # fmt: skip
    """``forward`` of every concept over a piece of one document that starts at ``begin``: whether any is doubtful.

    Args:
        tokens: the piece of the document.
        wanted: positions within it to record at.
        begin: where it starts in the document.
        last_C, exponent_C, belief_CxX, possible_C: where every concept stands; changed in place.
        scratch, saved: rows to write on.
        code, width, size, bits, narrow, widen, narrowing, wide: of every concept, see
            ``theory.filtering.block_tables.BucketTables``.
        mass, exponents, beliefs: what is recorded, by concept and slot.

    Returns:
        True if float64 may have lost a state of some concept (``DOUBTFUL``), so that the document is filtered again in
        logarithms; what is recorded is written into ``mass``, ``exponents`` and ``beliefs``.
    """
    doubtful = False
    for c in range(last_C.shape[0]):
        if possible_C[c] < begin:  # dead before this piece
            for p in range(wanted.shape[0]):
                mass[c, p], exponents[c, p] = 0.0, 0
                for j in range(belief_CxX.shape[1]):
                    beliefs[c, p, j] = 0.0
            continue
        last, exponent, alive, verdict = forward(
            tokens, wanted, last_C[c], exponent_C[c], belief_CxX[c],
            scratch, saved, code, width, size, bits, narrow[c], widen[c], narrowing[c], wide[c],
            mass[c], exponents[c], beliefs[c],
        )  # fmt: skip
        last_C[c], exponent_C[c] = last, exponent
        possible_C[c] += alive
        doubtful = doubtful or verdict == DOUBTFUL
    return doubtful


@compiled
@no_type_check
def documents(tokens, wanted, carry, prior, blocks, following, per_concept, workspace, out):
    """Every document under every concept; predictives weighed by the posterior, or one a concept.

    Positions come in pieces whose beliefs stay in the cache. ``total`` times two to the ``top`` is sum_c prior_c
    p(prefix | c); masses are brought to the common exponent before they are weighed: none hides the leading one.

    Args:
        tokens, wanted, prior, per_concept: (B, T) int64, (P,) increasing, (C,), and whether predictives are apart.
        carry, blocks, following, workspace, out: tuples of ``compiled``; the first and the last two are written on.
    """
    belief_BxCxX, exponent_BxC, last_B = carry
    code, width, size, bits, narrow, widen, narrowing, wide = blocks
    following_narrow, following_wide, powers = following
    beliefs, mass, mass_bits, exponents, local, last_C, coefficient, scratch, saved, weight = workspace
    mass_BxPxC, exponents_BxPxC, total_BxP, top_BxP, predictive, possible_BxC, doubtful_B = out
    batch, length = tokens.shape
    slots, concepts, side = wanted.shape[0], prior.shape[0], belief_BxCxX.shape[2]
    first_wide, piece = following_narrow.shape[0], local.shape[0]
    for b in range(batch):
        begin, slot = np.int64(0), np.int64(0)
        for c in range(concepts):
            last_C[c], possible_BxC[b, c] = last_B[b], 0
        while True:
            here = min(piece, slots - slot)
            stop = length if slot + here == slots else wanted[slot + here - 1]
            for p in range(here):
                local[p] = wanted[slot + p] - begin
            doubtful_B[b] = concepts_along(
                tokens[b, begin:stop], local[:here], begin, last_C, exponent_BxC[b], belief_BxCxX[b], possible_BxC[b],
                scratch, saved, code, width, size, bits, narrow, widen, narrowing, wide, mass, exponents, beliefs,
            )  # fmt: skip
            if doubtful_B[b]:
                break
            for p in range(here):
                at = begin + local[p]
                token = code[tokens[b, at - 1]] if at > 0 else last_B[b]
                top, some = np.int64(-(2**62)), False
                for c in range(concepts):
                    if prior[c] > 0.0 and mass[c, p] > 0.0:
                        some, top = True, max(top, exponents[c, p] + (mass_bits[c, p] >> 52) - 1022)
                total = 0.0
                for c in range(concepts):
                    weight[c] = 0.0
                    if some and prior[c] > 0.0 and mass[c, p] > 0.0:
                        weight[c] = prior[c] * powers[max(exponents[c, p] - top, LEAST_POWER) - LEAST_POWER]
                        total += weight[c] * mass[c, p]
                    mass_BxPxC[b, slot + p, c], exponents_BxPxC[b, slot + p, c] = mass[c, p], exponents[c, p]
                total_BxP[b, slot + p] = total
                top_BxP[b, slot + p] = top if some else 0
                columns = NARROW if token < first_wide else side
                for c in range(concepts):
                    if per_concept:
                        factor = 1.0 / mass[c, p] if mass[c, p] > 0.0 else 0.0
                    else:
                        factor = weight[c] / total if some else 0.0
                    for i in range(size[token]):
                        coefficient[c * columns + i] = factor * beliefs[c, p, i]
                    for i in range(size[token], columns):
                        coefficient[c * columns + i] = 0.0
                rows = following_narrow[token] if token < first_wide else following_wide[token - first_wide]
                if per_concept:
                    for c in range(concepts):
                        part = slice(c * columns, (c + 1) * columns)
                        combine(predictive[b, slot + p, c], coefficient[part], rows[part])
                else:
                    combine(predictive[b, slot + p, 0], coefficient[: concepts * columns], rows)
            slot, begin = slot + here, stop
            if slot == slots:
                break
        last_B[b] = code[tokens[b, length - 1]] if length > 0 else last_B[b]
