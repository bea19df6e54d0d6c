"""Reachable beliefs: the distinct filters p(h_{j+1} | O[1..j]) that an example can lead to, with their mass.

Prefixes that lead to the same belief are merged, so that an instance whose token shows its state costs V
beliefs a level instead of V^j prefixes.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.rows import distinct_rows


class Beliefs(NamedTuple):
    """Distinct predicted state laws after the same number of tokens.

    Attributes:
        law_NxH: p(h | prefix) for the *next* hidden state.
        mass_N: total probability of the prefixes merged into each.
        example_Nxj: one prefix (tokens) of each.
        complete: False if the expansion stopped at its budget, in which case nothing is returned but the start.
    """

    law_NxH: np.ndarray
    mass_N: np.ndarray
    example_Nxj: np.ndarray
    complete: bool


def reachable_beliefs(hmm: HMM, length: int, budget: int = 200_000) -> Beliefs:
    """All distinct beliefs after ``length`` tokens of positive probability, by breadth-first expansion.

    Args:
        hmm: the law of one example (its ``initial`` is the example's start law).
        length: j, tokens seen.
        budget: largest number of (belief, token) pairs one level may visit.

    Returns:
        Beliefs; ``complete`` is False where the budget does not suffice.
    """
    transition, emission = np.asarray(hmm.transition), np.asarray(hmm.emission)
    law: np.ndarray = np.asarray(hmm.initial)[None]
    mass: np.ndarray = np.ones(1)
    example = np.zeros((1, 0), dtype=np.int64)
    for _ in range(length):
        if len(law) * hmm.n_tokens > budget:
            return Beliefs(np.asarray(hmm.initial)[None], np.ones(1), np.zeros((1, 0), dtype=np.int64), False)
        joint_NxVxH = law[:, None, :] * emission.T[None]
        token_mass_NxV = joint_NxVxH.sum(-1)
        node, token = np.nonzero(token_mass_NxV)
        filtered = joint_NxVxH[node, token] / token_mass_NxV[node, token, None]
        first, inverse = distinct_rows(filtered)
        mass = np.bincount(inverse, mass[node] * token_mass_NxV[node, token], len(first))
        example = np.concatenate([example[node], token[:, None]], 1)[first]
        law = filtered[first] @ transition
    return Beliefs(law, mass, example, True)
