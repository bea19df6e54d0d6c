"""The filter of concrete documents by compiled code (``theory.filtering.compiled_kernels``), where numba exists."""

import functools
import importlib.util
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.filtering.block_tables import BucketTables
from implicit_bayes.theory.filtering.stored_code import entry_point
from implicit_bayes.theory.objects.models import MixtureOfHMMs

PIECE = 128
"""Positions whose beliefs are kept at a time; five concepts of GINC take 80 KiB of them."""

LEAST_POWER = -1075
"""Powers of two below 2**-1074 are 0; ``powers[i]`` is two to the i + LEAST_POWER."""

LOG_2 = float(np.log(2.0))


class CompiledTrace(NamedTuple):
    """What the compiled recursion leaves behind for B documents at P positions, in increasing order.

    Attributes:
        log_evidence_BxPxC: log p(prefix | c), nats, -inf where impossible.
        log_posterior_BxPxC: nats; -inf throughout where the prefix is impossible.
        defined_BxP: whether it is possible.
        predictive_BxPxKxV: weighed by the posterior (K = 1), or one for each concept (K = C); 0 where undefined.
        possible_B: number of leading tokens after which some concept of positive prior is still possible.
        doubtful_B: documents in which a filter entry came near underflow; their other fields mean nothing.
    """

    log_evidence_BxPxC: np.ndarray
    log_posterior_BxPxC: np.ndarray
    defined_BxP: np.ndarray
    predictive_BxPxKxV: np.ndarray
    possible_B: np.ndarray
    doubtful_B: np.ndarray


class Carry(NamedTuple):
    """Where B documents stand: enough to go on reading them.

    Attributes:
        belief_BxCxX: beliefs over the states after the last token, on a scale of their own.
        exponent_BxC: p(prefix | c) is the belief's sum times two to this.
        last_B: code of the last token.
    """

    belief_BxCxX: np.ndarray
    exponent_BxC: np.ndarray
    last_B: np.ndarray


class Blocks(NamedTuple):
    """The token-pair blocks of ``BucketTables``, as the machine code takes them (narrow: at most four states).

    Attributes:
        code_V: code of every token.
        width_K: number of states that can emit the token, by code.
        size_K: entries of a belief that are computed after it.
        bits: every positive entry of the blocks is at least 2^-bits.
        narrow_CxMxMx4x4: from a narrow token to a narrow one.
        widen_CxMxNx4xX: from a narrow token to a wide one.
        narrowing_CxNxMxXx4: from a wide token to a narrow one.
        wide_CxNxNxXxX: from a wide token to a wide one.
    """

    code_V: np.ndarray
    width_K: np.ndarray
    size_K: np.ndarray
    bits: int
    narrow_CxMxMx4x4: np.ndarray
    widen_CxMxNx4xX: np.ndarray
    narrowing_CxNxMxXx4: np.ndarray
    wide_CxNxNxXxX: np.ndarray


class Following(NamedTuple):
    """Laws of the next token by the last one's states, every concept below the other; and powers of two.

    Attributes:
        narrow_MxYxV: p(next token v | concept, state after a narrow token), Y = 4 C rows.
        wide_NxZxV: the same after a wide token, Z = C X rows.
        powers: two to the exponents from ``LEAST_POWER`` on; 0 for the least of them.
    """

    narrow_MxYxV: np.ndarray
    wide_NxZxV: np.ndarray
    powers: np.ndarray


class Workspace(NamedTuple):
    """What the machine code writes on: beliefs, masses (also as bits) and exponents of a piece, and single rows.

    Attributes:
        beliefs_CxPxX: beliefs at the P positions of a piece.
        mass_CxP: their sums.
        mass_bits_CxP: the same memory as integers, from which exponents are read.
        exponents_CxP: p(prefix | c) is the mass times two to this.
        local_P: the positions, counted from the piece's beginning.
        last_C: code of the last token.
        coefficient_Y: what the rows of the next-token laws are multiplied by, Y = C X at most.
        scratch_X: a belief in the making.
        saved_X: a belief as it was before a stretch of tokens.
        weight_C: prior times two to the exponent, on a common scale.
    """

    beliefs_CxPxX: np.ndarray
    mass_CxP: np.ndarray
    mass_bits_CxP: np.ndarray
    exponents_CxP: np.ndarray
    local_P: np.ndarray
    last_C: np.ndarray
    coefficient_Y: np.ndarray
    scratch_X: np.ndarray
    saved_X: np.ndarray
    weight_C: np.ndarray


class Recorded(NamedTuple):
    """What the machine code leaves: p(prefix | c) is ``mass`` times two to the ``exponents``, and summed over the prior
    it is ``total`` times two to the ``top``; for the others see ``CompiledTrace``.

    Attributes:
        mass_BxPxC: of p(prefix | c).
        exponents_BxPxC: of p(prefix | c), whole numbers in float64.
        total_BxP: of p(prefix).
        top_BxP: exponent of p(prefix).
        predictive_BxPxKxV: laws of the next token, K = 1 (mixed) or C; no column (V = 0) where they are not wanted.
        possible_BxC: number of leading tokens that concept c allows.
        doubtful_B: whether float64 may have lost something.
    """

    mass_BxPxC: np.ndarray
    exponents_BxPxC: np.ndarray
    total_BxP: np.ndarray
    top_BxP: np.ndarray
    predictive_BxPxKxV: np.ndarray
    possible_BxC: np.ndarray
    doubtful_B: np.ndarray


@functools.cache
def available() -> bool:
    """Whether numba is installed (it is not imported before it is used)."""
    return importlib.util.find_spec("numba") is not None


@functools.cache
def _powers() -> np.ndarray:
    powers = np.ldexp(1.0, np.arange(LEAST_POWER, 1024))
    powers[0] = 0.0
    return powers


def start(tables: BucketTables, batch: int) -> Carry:
    """Before the first token.

    Args:
        tables: of the mixture.
        batch: documents.

    Returns:
        What the first call of ``trace`` takes as ``carry``.
    """
    concepts, first_wide = tables.narrow_CxMxMx4x4.shape[:2]
    side = max(4, tables.wide_CxNxNxXxX.shape[-1])
    belief = np.zeros((batch, concepts, side))
    belief[:, :, 0] = 1.0
    return Carry(belief, np.zeros((batch, concepts), np.int64), np.full(batch, first_wide - 1))


def trace(
    mixture: MixtureOfHMMs,
    tables: BucketTables,
    tokens_BxT: np.ndarray,
    wanted_P: np.ndarray,
    per_concept: bool,
    carry: Carry | None = None,
    laws: bool = True,
) -> CompiledTrace:
    """Run the documents.

    Args:
        mixture: concrete.
        tables: ``bucket_tables(mixture)``.
        tokens_BxT: int32 tokens.
        wanted_P: prefix lengths, increasing, within 0..T.
        per_concept: whether ``predictive`` is one for each concept.
        carry: where the documents stand before these tokens; changed in place. Default: at their beginning.
        laws: whether next-token laws are made; ``predictive`` has no column otherwise.

    Returns:
        CompiledTrace, in nats, at the P prefix lengths of ``wanted_P``; ``carry`` stands after the last token.
    """
    documents = entry_point()
    (batch, _), slots, concepts = tokens_BxT.shape, len(wanted_P), mixture.n_concepts
    carry = start(tables, batch) if carry is None else carry
    prior = np.asarray(mixture.prior)
    out = Recorded(
        mass_BxPxC=np.zeros((batch, slots, concepts)), exponents_BxPxC=aligned((batch, slots, concepts)),
        total_BxP=aligned((batch, slots)), top_BxP=aligned((batch, slots)),
        predictive_BxPxKxV=aligned((batch, slots, concepts if per_concept else 1, mixture.n_tokens if laws else 0)),
        possible_BxC=np.zeros((batch, concepts), np.int64), doubtful_B=np.zeros(batch, np.bool_),
    )  # fmt: skip
    blocks = Blocks(
        code_V=tables.code_V, width_K=tables.width_K, size_K=tables.size_K, bits=tables.bits,
        narrow_CxMxMx4x4=tables.narrow_CxMxMx4x4, widen_CxMxNx4xX=tables.widen_CxMxNx4xX, 
        narrowing_CxNxMxXx4=tables.narrowing_CxNxMxXx4, wide_CxNxNxXxX=tables.wide_CxNxNxXxX,
    )  # fmt: skip
    narrow, wide = tables.next_MxCx4xV, tables.next_wide_NxCxXxV
    following = Following(
        narrow.reshape(len(narrow), concepts * narrow.shape[2], narrow.shape[3]),
        wide.reshape(len(wide), concepts * wide.shape[2], wide.shape[3]),
        _powers(),
    )
    workspace = _workspace(concepts, min(PIECE, max(slots, 1)), carry.belief_BxCxX.shape[2])
    documents(
        np.ascontiguousarray(tokens_BxT), wanted_P.astype(np.int64), carry, prior, blocks, following,
        per_concept, workspace, out,
    )  # fmt: skip
    return _in_logs(out, prior)


def _in_logs(out: Recorded, prior: np.ndarray) -> CompiledTrace:
    """Masses become nats, in the same memory."""
    mass, exponents, total, top, predictive, possible, doubtful = out
    for unfinished in (mass, exponents, total, top, predictive) if doubtful.any() else ():
        unfinished[doubtful] = 0.0
    with np.errstate(divide="ignore"):
        evidence = np.log(mass, out=mass)
        log_prior, log_total = np.log(prior), np.log(total)
    exponents *= LOG_2
    evidence += exponents
    defined = total > 0.0
    posterior = np.add(evidence, log_prior, out=exponents)
    top *= LOG_2
    log_total += top
    log_total[~defined] = 0.0
    posterior -= log_total[..., None]
    possible_B = possible[:, prior > 0.0].max(-1, initial=0).astype(np.int32)
    return CompiledTrace(evidence, posterior, defined, predictive, possible_B, doubtful)


def _workspace(concepts: int, piece: int, side: int) -> Workspace:
    mass, exponents = np.zeros((concepts, piece)), np.zeros((concepts, piece), np.int64)
    return Workspace(
        beliefs_CxPxX=np.zeros((concepts, piece, side)), mass_CxP=mass, mass_bits_CxP=mass.view(np.int64),
        exponents_CxP=exponents, local_P=np.zeros(piece, np.int64), last_C=np.zeros(concepts, np.int64),
        coefficient_Y=np.zeros(concepts * side), scratch_X=np.zeros(side), saved_X=np.zeros(side),
        weight_C=np.zeros(concepts),
    )  # fmt: skip


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Uninitialised float64 on a cache line, so that JAX can take it over without a copy.

    Returns:
        An array of that shape, its numbers arbitrary until they are written.
    """
    size = int(np.prod(shape))
    raw = np.empty(8 * size + 64, np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + 8 * size].view(np.float64).reshape(shape)
