"""How many prefixes of an example the exact sums run over."""

import numpy as np

from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.information.token_classes import token_classes
from implicit_bayes.theory.statements.conditions import BUDGET


def prefixes(mixture: MixtureOfHMMs, true: int, k: int) -> float:
    """Merged prefixes of at most k - 1 tokens, an upper bound by kinds of tokens; inf where a level passes the budget
    of the expansions.

    Prefixes that end in a token of one state are one for each such token, the others branch.

    Args:
        mixture: the pretraining law.
        true: index of theta*.
        k: example length.

    Returns:
        How many; inf where there are too many.
    """
    hmm = mixture.concept(true)
    can_HxV: np.ndarray = np.logical_or.reduce(np.asarray(mixture.emissions) > 0)
    kinds = token_classes(can_HxV, np.asarray(hmm.emission) > 0)
    emits_HxK = (np.asarray(hmm.emission) > 0)[:, kinds.first_K].astype(float)
    step_KxK = (emits_HxK.T @ (np.asarray(hmm.transition) > 0) @ emits_HxK > 0).astype(float)
    single_K = can_HxV[:, kinds.first_K].sum(0) == 1
    level_K, total = (emits_HxK > 0).any(0).astype(float), 1.0
    for _ in range(k - 1):
        nodes = float(level_K @ kinds.count_K)
        if nodes > BUDGET:
            return np.inf
        total += nodes
        level_K = (level_K * kinds.count_K) @ step_KxK
        level_K = np.where(single_K, np.minimum(level_K, 1.0), level_K)
    return total
