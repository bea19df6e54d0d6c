"""The scaled forward recursion over all states in NumPy, for work too small to be worth a compilation.

The same recursion as ``theory.filtering.scaled``, all documents side by side: beliefs carry powers of two that are
split off every few tokens, which is exact, and a document in which an entry comes near underflow is named doubtful.
"""

import math

import numpy as np

from implicit_bayes.theory.filtering.compiled import CompiledTrace
from implicit_bayes.theory.objects.models import MixtureOfHMMs

FLOOR = 1e-290
"""Smallest product of filter, kernel and emission entries that is trusted; as ``scales.FLOOR``."""

LONGEST_RUN = 16
"""Tokens between two rescalings, at most."""

LOG_2 = math.log(2.0)

CHUNK_BYTES = 64 * 2**20
"""Recorded beliefs and next-token probabilities of the documents that are worked on together."""


def trace(
    mixture: MixtureOfHMMs, tokens_BxT: np.ndarray, wanted_P: np.ndarray, per_concept: bool, laws: bool = True
) -> CompiledTrace:
    """Run the documents.

    Args:
        mixture: concrete.
        tokens_BxT: tokens.
        wanted_P: prefix lengths, increasing, within 0..T.
        per_concept: whether ``predictive`` is one for each concept.
        laws: whether next-token laws are made; ``predictive`` has no column otherwise.

    Returns:
        CompiledTrace: what compiled code finds, to rounding.
    """
    widest = max(mixture.n_states, mixture.n_tokens if laws else 0)
    size = max(1, CHUNK_BYTES // (16 * max(1, len(wanted_P)) * mixture.n_concepts * widest))
    begins = range(0, max(1, len(tokens_BxT)), size)
    pieces = [_piece(mixture, tokens_BxT[begin : begin + size], wanted_P, per_concept, laws) for begin in begins]
    joined = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return pieces[0] if len(pieces) == 1 else CompiledTrace(*joined)


def _piece(
    mixture: MixtureOfHMMs, tokens_BxT: np.ndarray, wanted_P: np.ndarray, per_concept: bool, laws: bool
) -> CompiledTrace:
    """``trace`` of documents that fit in CHUNK_BYTES."""
    prior, emissions = np.asarray(mixture.prior), np.asarray(mixture.emissions)[..., : None if laws else 0]
    transition, least_C = np.asarray(mixture.transition), _smallest_products(mixture)
    bits = -0.4 * math.log2(FLOOR) / -math.log2(min(float(least_C.min()), 0.5))
    every = min(max(int(bits), 1), LONGEST_RUN)
    belief, smallest_CxB, beliefs_PxCxBxH, exponent_PxCxB = _along(mixture, tokens_BxT, wanted_P, every)
    mass_PxCxB = beliefs_PxCxBxH.sum(-1)
    with np.errstate(divide="ignore"):
        evidence_BxPxC = (np.log(mass_PxCxB) + exponent_PxCxB * LOG_2).transpose(2, 0, 1)
    evidence_BxPxC[:, wanted_P == 0] = 0.0  # the empty prefix, whatever a start law's sum is rounded to
    weight_PxCxB, total_PxB, top_PxB = _weighed(prior, mass_PxCxB, exponent_PxCxB)
    with np.errstate(divide="ignore"):
        log_total_BxP = (np.log(total_PxB) + top_PxB * LOG_2).T
        log_prior = np.log(prior)
    defined_BxP = (total_PxB > 0.0).T
    posterior = evidence_BxPxC + log_prior - np.where(defined_BxP, log_total_BxP, 0.0)[..., None]
    joint_PxCxBxV = _next_token(mixture, beliefs_PxCxBxH, wanted_P, transition, emissions)
    if per_concept:
        law = joint_PxCxBxV / np.where(mass_PxCxB > 0, mass_PxCxB, 1.0)[..., None]
        predictive = np.ascontiguousarray(law.transpose(2, 0, 1, 3))
    else:
        share_PxCxB = weight_PxCxB / np.where(total_PxB > 0, total_PxB, 1.0)[:, None]
        predictive = (share_PxCxB[..., None] * joint_PxCxBxV).sum(1).transpose(1, 0, 2)[:, :, None]
    doubtful_B = (smallest_CxB * least_C[:, None] ** every < FLOOR).any(0)
    possible_B = np.full(len(tokens_BxT), tokens_BxT.shape[1], np.int32)
    dead = np.flatnonzero(~(belief.any(-1) & (prior > 0)[:, None]).any(0))
    if dead.size:
        possible_B[dead] = _count_possible(mixture, tokens_BxT[dead])
    return CompiledTrace(evidence_BxPxC, posterior, defined_BxP, predictive, possible_B, doubtful_B)


def _along(
    mixture: MixtureOfHMMs, tokens_BxT: np.ndarray, wanted_P: np.ndarray, every: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The last belief (C, B, H), the smallest entries seen at a rescaling, and where wanted beliefs and exponents."""
    (batch, length), (concepts, states) = tokens_BxT.shape, np.shape(mixture.initial)
    transition = np.asarray(mixture.transition)
    emission_CxVxH = np.ascontiguousarray(np.asarray(mixture.emissions).swapaxes(-1, -2))
    belief = np.broadcast_to(np.asarray(mixture.initial)[:, None], (concepts, batch, states)).copy()
    exponent, smallest = np.zeros((concepts, batch), np.int64), np.ones((concepts, batch))
    recorded = np.empty((len(wanted_P), concepts, batch, states)), np.empty((len(wanted_P), concepts, batch), np.int64)
    slot_of = {int(t): i for i, t in enumerate(wanted_P)}
    tokens_TxB = np.ascontiguousarray(tokens_BxT.T, dtype=np.intp)
    ahead, likelihood = belief.copy(), np.empty_like(belief)  # written again and again: fresh memory costs more
    for t in range(length + 1):
        if t:
            if t > 1:
                np.matmul(belief, transition, out=ahead)
            np.take(emission_CxVxH, tokens_TxB[t - 1], axis=1, out=likelihood, mode="clip")
            np.multiply(ahead, likelihood, out=belief)
        if t and (t % every == 0 or t == length):
            _, shift = np.frexp(belief.sum(-1))  # 0 where the sum is
            np.ldexp(belief, -shift[..., None], out=belief)  # a power of two alone could overflow
            exponent += shift
            positive = np.where(belief > 0, belief, 1.0)
            np.minimum(smallest, positive.min(-1), out=smallest)
        if t in slot_of:
            recorded[0][slot_of[t]], recorded[1][slot_of[t]] = belief, exponent
    return belief, smallest, *recorded


def _next_token(
    mixture: MixtureOfHMMs,
    beliefs_PxCxBxH: np.ndarray,
    wanted_P: np.ndarray,
    transition: np.ndarray,
    emissions: np.ndarray,
) -> np.ndarray:
    """(P, C, B, V) p(o_1..o_t, o_{t+1} | c) on the beliefs' scale."""
    joint: np.ndarray = beliefs_PxCxBxH @ (transition @ emissions)
    for slot in np.flatnonzero(wanted_P == 0):  # the start law is of h_1 itself
        joint[slot] = beliefs_PxCxBxH[slot] @ emissions
    return joint


def _weighed(
    prior: np.ndarray, mass_PxCxB: np.ndarray, exponent_PxCxB: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """prior_c 2^(exponent_c - top), its sum against the masses, and top, the exponent of the leading concept."""
    live = (prior[:, None] > 0) & (mass_PxCxB > 0)
    _, size = np.frexp(np.where(live, mass_PxCxB, 0.5))
    lowest = np.iinfo(np.int64).min // 2
    top_PxB = np.where(live, exponent_PxCxB + size, lowest).max(1)
    top_PxB = np.where(live.any(1), top_PxB, 0)
    shift = np.clip(exponent_PxCxB - top_PxB[:, None], -2000, 1000)
    weight = np.where(live, prior[:, None] * np.ldexp(1.0, shift), 0.0)
    return weight, (weight * np.where(live, mass_PxCxB, 0.0)).sum(1), top_PxB


def _smallest_products(mixture: MixtureOfHMMs) -> np.ndarray:
    """(C,) product of the smallest positive kernel (or start-law) and emission entry of each concept."""

    def smallest(array: np.ndarray) -> np.ndarray:
        flat = array.reshape(len(array), -1)
        least: np.ndarray = np.where(flat > 0, flat, 1.0).min(-1)
        return least

    kernel = np.minimum(smallest(np.asarray(mixture.transition)), smallest(np.asarray(mixture.initial)))
    return np.asarray(kernel * smallest(np.asarray(mixture.emissions)))


def _count_possible(mixture: MixtureOfHMMs, tokens_BxT: np.ndarray) -> np.ndarray:
    """(B,) leading tokens after which some concept of positive prior is possible, by which states can be reached."""
    here = np.flatnonzero(np.asarray(mixture.prior) > 0)
    initial, transition = np.asarray(mixture.initial)[here] > 0, np.asarray(mixture.transition)[here] > 0
    can_CxVxH = (np.asarray(mixture.emissions)[here] > 0).swapaxes(-1, -2)
    reach = np.broadcast_to(initial[:, None], (len(here), len(tokens_BxT), mixture.n_states))
    count = np.zeros(len(tokens_BxT), np.int32)
    for t, token_B in enumerate(tokens_BxT.T):
        reach = (reach @ transition if t else reach) & can_CxVxH[:, token_B]
        count += reach.any((0, 2))
    return count
