"""Entropies of a source that draws one of several stationary processes and stays in it: not ergodic, and exact still.

Where the components are different processes, each ergodic, almost every infinite past shows which one it is, so

    h = sum_c pi_c h_c,     E = sum_c pi_c E_c + H(pi),     h_L = the myopic entropies of the union.

The h_L come down to h as slowly as the component is recognised (their excess sums to H(pi)), so no finite L gives a
good bracket, and this gives one. Components that are the same process count as one.

Source: Crutchfield and Marzen 2015, "Signatures of infinity: nonergodicity and resource scaling"; docs/theory, "Other
families".
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from implicit_bayes.theory.information.decomposition import entropy
from implicit_bayes.theory.information.process_entropies import ProcessEntropies, process_entropies, union
from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape, check_simplex
from implicit_bayes.theory.objects.edges import EdgeProcess

TOLERANCE = 1e-10
"""Probabilities of a word whose ratio is nearer to 1 count as equal."""
DEPENDENT = 1e-7
"""A vector that is nearer to the span of others counts as in it."""


def mixture_entropies(
    processes: Sequence[EdgeProcess], prior: np.ndarray | None = None, length: int = 64, budget: int = 200_000
) -> ProcessEntropies:
    """Entropies of a mixture of ergodic processes.

    Args:
        processes: the components, each stationary with one closed class of states.
        prior: of the components; uniform by default.
        length, budget: as in ``process_entropies``, for each component and for the union.

    Returns:
        ProcessEntropies: ``myopic_n`` and ``known_n`` of the union; rate and excess entropy by the sums above.

    Raises:
        ModelError: as ``process_entropies``; or a prior that is no law on the components.
    """
    if not processes:
        raise ModelError("processes: none given; give one at least")
    weights = np.full(len(processes), 1.0 / len(processes)) if prior is None else as_float64("prior", prior)
    check_shape("prior", weights, (len(processes),), f"{len(processes)} processes")
    check_simplex("prior", weights)
    kept, mass = _distinct(processes, weights)
    each = [process_entropies(process, length, budget) for process in kept]
    if len(kept) == 1:
        return each[0]
    whole = process_entropies(union(kept, mass), length, budget)
    rate_low, rate_high, low, high = (
        float(mass @ [getattr(e, field) for e in each])
        for field in ("rate_low", "rate_high", "excess_low", "excess_high")
    )
    return whole._replace(rate_low=rate_low, rate_high=rate_high, excess_low=low + entropy(mass),
                          excess_high=high + entropy(mass))  # fmt: skip


def _distinct(processes: Sequence[EdgeProcess], prior: np.ndarray) -> tuple[list[EdgeProcess], np.ndarray]:
    """Different components of positive prior, with the prior of all that are the same."""
    kept: list[EdgeProcess] = []
    mass: list[float] = []
    for process, weight in zip(processes, prior.tolist(), strict=True):
        if weight == 0.0:
            continue
        match = next((i for i, other in enumerate(kept) if same_edge_process(process, other)), None)
        if match is None:
            kept.append(process)
            mass.append(weight)
        else:
            mass[match] += weight
    return kept, np.array(mass)


def same_edge_process(one: EdgeProcess, other: EdgeProcess) -> bool:
    """Whether two processes give every word the same probability (to about DEPENDENT, relatively).

    p_1(w) - p_2(w) is linear in (start_1 T_1^w, -start_2 T_2^w). Words are tried in the order of their lengths, and
    those whose vector the vectors before them span are not prolonged: at most S_1 + S_2 are.

    Source: Paz 1971, "Introduction to Probabilistic Automata" (equivalence of probabilistic automata).

    Args:
        one, other: any two; their numbers of states may differ.
    """
    if one.n_tokens != other.n_tokens:
        return False
    both, states = union([one, other], np.array([0.5, 0.5])), one.n_states
    basis: list[np.ndarray] = []
    waiting = deque([np.concatenate([np.asarray(one.start), -np.asarray(other.start)])])
    while waiting:
        vector = waiting.popleft()
        mass = max(float(vector[:states].sum()), -float(vector[states:].sum()))
        if mass == 0.0:
            continue
        vector = vector / mass
        if abs(float(vector.sum())) > TOLERANCE:
            return False
        rest = vector
        for _ in range(2):  # twice, so that rounding leaves nothing of the basis in it
            for unit in basis:
                rest = rest - (rest @ unit) * unit
        size = float(np.linalg.norm(rest))
        if size > DEPENDENT:
            basis.append(rest / size)
            waiting.extend(vector @ np.asarray(matrix) for matrix in both.labelled)
    return True
