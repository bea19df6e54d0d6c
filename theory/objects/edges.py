"""Edge-emitting (Mealy) processes, and the state-emitting HMM that is the same process.

    T^(o)[s, s'] = p(o, s' | s),     p(o_1..o_n) = pi T^(o_1) ... T^(o_n) 1

The HMMs of this suite emit from states. With the pairs (s', o) as states, o being emitted on arrival in s', it is one:

    p((s', o) | (s, .)) = T^(o)[s, s'],     start (s', o) ~ sum_s pi(s) T^(o)[s, s'],     emission of (s', o): o, surely

Pairs that no s leads to are left out. Source: docs/theory, "Other families".
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import numpy as np

from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape, check_simplex
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs, stationary_law
from implicit_bayes.theory.objects.types import Array, Float, Numbers


class EdgeProcess(eqx.Module):
    """A hidden Markov process that emits on its edges, and the law of its first state.

    Args:
        labelled: (V, S, S); entry [o, s, s'] is p(o, s' | s).
        start: (S,) law of the first state; by default the stationary one, which makes the process stationary.

    Raises:
        ModelError: a shape disagrees, sum over o and s' is not one for some s, or no start is given where the
            stationary law is not unique.
    """

    labelled: Float[Array, "V S S"]
    start: Float[Array, "S"]

    def __init__(self, labelled: Numbers, start: Numbers | None = None):
        self.labelled = as_float64("labelled", labelled)
        if self.labelled.ndim != 3 or self.labelled.shape[1] != self.labelled.shape[2]:
            raise ModelError(f"labelled: shape {self.labelled.shape} where (V, S, S) is asked for")
        check_simplex("labelled", np.moveaxis(np.asarray(self.labelled), 0, 1).reshape(self.labelled.shape[1], -1))
        self.start = as_float64("start", stationary_law(self.transition) if start is None else start)
        check_shape("start", self.start, (self.n_states,), f"labelled of {self.n_states} states")
        check_simplex("start", self.start)

    @property
    def n_states(self) -> int:
        """S."""
        return int(self.labelled.shape[1])

    @property
    def n_tokens(self) -> int:
        """V."""
        return int(self.labelled.shape[0])

    @property
    def transition(self) -> np.ndarray:
        """(S, S) p(s' | s), whatever is emitted."""
        kernel: np.ndarray = np.asarray(self.labelled).sum(0)
        return kernel

    @property
    def is_unifilar(self) -> bool:
        """Whether state and token leave one next state: then the state follows the tokens once it is known."""
        return bool(((np.asarray(self.labelled) > 0).sum(-1) <= 1).all())

    def stationary_error(self) -> float:
        """Largest entry of |start T - start|: 0, up to rounding, for a stationary process.

        Returns:
            A probability, in [0, 1].
        """
        return float(np.abs(self.start @ self.transition - self.start).max())


class Edges(NamedTuple):
    """The state-emitting form of edge-emitting processes over the same states and tokens.

    Attributes:
        mixture: one concept a process, on the pairs that some process uses.
        pairs_Hx2: (s', o) of every state.
    """

    mixture: MixtureOfHMMs
    pairs_Hx2: np.ndarray


def state_emitting(processes: Sequence[EdgeProcess], delimiter: int, prior: Numbers | None = None) -> Edges:
    """The mixture of edge-emitting processes, exactly, as one of state-emitting HMMs.

    Args:
        processes: one or more, with the same numbers of states and tokens.
        delimiter: a token that some process emits.
        prior: of the processes; uniform by default.

    Returns:
        Edges: the mixture, C concepts on the pairs (s', o) that some process uses, and those pairs.

    Raises:
        ModelError: none, or of different shapes.
    """
    if not processes:
        raise ModelError("processes: none given; give one at least")
    shape = np.shape(processes[0].labelled)
    for each in processes[1:]:
        check_shape("processes", each.labelled, shape, "the first of them")
    labelled_CxVxSxS = np.stack([np.asarray(each.labelled) for each in processes])
    used_VxS = (labelled_CxVxSxS > 0).any((0, 2))
    pairs_Hx2 = np.argwhere(used_VxS.T)
    arrive, token = pairs_Hx2.T
    from_CxSxH = labelled_CxVxSxS[:, token, :, arrive].transpose(1, 2, 0)
    start_CxS = np.stack([np.asarray(each.start) for each in processes])
    weights = np.full(len(processes), 1.0 / len(processes)) if prior is None else prior
    initial_CxH = np.einsum("cs,csh->ch", start_CxS, from_CxSxH)
    emission_HxV = np.eye(shape[0])[token]
    return Edges(MixtureOfHMMs(weights, initial_CxH, from_CxSxH[:, arrive], emission_HxV, delimiter), pairs_Hx2)


def edge_emitting(hmm: HMM) -> EdgeProcess:
    """A state-emitting HMM as an edge-emitting process: T^(o)[h, h'] = p(h' | h) p(o | h').

    The first token comes with the first *edge* here, so a state before the first is needed: one more, the last, which
    leads into the start law and is never entered again. Where the start law is stationary it is left out, and the
    process starts from that law itself.

    Args:
        hmm: emits a token from each state, the first state included.

    Returns:
        EdgeProcess of H states, or H + 1 where the start law is not stationary; its documents have the same law.
    """
    transition, emission, initial = (np.asarray(x) for x in (hmm.transition, hmm.emission, hmm.initial))
    if np.abs(initial @ transition - initial).max() <= STATIONARY:
        return EdgeProcess(np.einsum("hg,gv->vhg", transition, emission), initial)
    states = hmm.n_states
    wider = np.zeros((states + 1, states + 1))
    wider[:states, :states], wider[states, :states] = transition, initial
    spoken = np.concatenate([emission, np.zeros((1, hmm.n_tokens))])
    return EdgeProcess(np.einsum("hg,gv->vhg", wider, spoken), np.eye(states + 1)[states])


STATIONARY = 1e-12
"""How far a start law may be from one that the kernel keeps."""
