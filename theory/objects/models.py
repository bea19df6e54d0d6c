"""The objects of the theory: one concept (an HMM) and the pretraining law (a mixture of them).

Source: Xie, Raghunathan, Liang, Ma, "An Explanation of In-context Learning as Implicit Bayesian
Inference", ICLR 2022 (arXiv 2111.02080), section 2.
"""

from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape, check_simplex
from implicit_bayes.theory.objects.types import (
    Array,
    Emission_CxHxV,
    Emission_HxV,
    Kernel_CxHxH,
    Kernel_HxH,
    Numbers,
    Probabilities_C,
    Probabilities_CxH,
    Probabilities_H,
)


class HMM(eqx.Module):
    """One concept theta: a hidden Markov model on a finite state set.

    p(h_1..h_T, o_1..o_T | theta) = initial[h_1] prod_t transition[h_t, h_{t+1}] prod_t emission[h_t, o_t]

    Args:
        initial: (H,) start law p(h | theta) of a document.
        transition: (H, H) kernel; row h is p(h' | h, theta).
        emission: (H, V); row h is p(o | h, theta).

    Raises:
        ModelError: a shape disagrees, an entry is negative or not finite, or a row's sum is not one.
    """

    initial: Probabilities_H
    transition: Kernel_HxH
    emission: Emission_HxV

    def __init__(self, initial: Numbers, transition: Numbers, emission: Numbers):
        self.initial = as_float64("initial", initial)
        self.transition = as_float64("transition", transition)
        self.emission = as_float64("emission", emission)
        if self.initial.ndim != 1:
            raise ModelError(f"initial: {self.initial.ndim} axes where (H,) has 1")
        states = self.initial.shape[0]
        check_shape("transition", self.transition, (states, states), f"initial of {states} states")
        if self.emission.ndim != 2 or self.emission.shape[0] != states:
            raise ModelError(f"emission: shape {self.emission.shape} where {states} states ask for ({states}, V)")
        for name in ("initial", "transition", "emission"):
            check_simplex(name, getattr(self, name))

    @property
    def n_states(self) -> int:
        """H, the number of hidden states."""
        return self.initial.shape[-1]

    @property
    def n_tokens(self) -> int:
        """V, the size of the vocabulary."""
        return self.emission.shape[-1]


class MixtureOfHMMs(eqx.Module):
    """The pretraining law: a document draws a concept, then runs that concept's HMM.

    p(o_1..o_T) = sum_c prior[c] p(o_1..o_T | theta_c)

    Args:
        prior: (C,) p(theta).
        initial: (C, H) document start laws p(h | theta).
        transition: (C, H, H) kernels; row [c, h] is p(h' | h, theta_c).
        emission: (C, H, V), or (H, V) when all concepts share one.
        delimiter: token index of the delimiter.

    Raises:
        ModelError: shapes disagree, a row is not a probability law, or the delimiter is not a token
            that some state can emit.
    """

    prior: Probabilities_C
    initial: Probabilities_CxH
    transition: Kernel_CxHxH
    emission: Emission_HxV | Emission_CxHxV
    delimiter: int = eqx.field(static=True)

    def __init__(self, prior: Numbers, initial: Numbers, transition: Numbers, emission: Numbers, delimiter: Numbers):
        self.prior = as_float64("prior", prior)
        self.initial = as_float64("initial", initial)
        self.transition = as_float64("transition", transition)
        self.emission = as_float64("emission", emission)
        self.delimiter = as_token("delimiter", delimiter)
        self._check_shapes()
        for name in ("prior", "initial", "transition", "emission"):
            check_simplex(name, getattr(self, name))
        self._check_delimiter()

    def _check_shapes(self) -> None:
        if self.prior.ndim != 1:
            raise ModelError(f"prior: {self.prior.ndim} axes where (C,) has 1")
        concepts = self.prior.shape[0]
        if self.initial.ndim != 2 or self.initial.shape[0] != concepts:
            raise ModelError(f"initial: shape {self.initial.shape} where prior of {concepts} asks for ({concepts}, H)")
        states = self.initial.shape[1]
        because = f"prior and initial of {concepts} concepts and {states} states"
        check_shape("transition", self.transition, (concepts, states, states), because)
        if self.emission.ndim not in (2, 3):
            raise ModelError(f"emission: {self.emission.ndim} axes where (H, V) has 2 and (C, H, V) has 3")
        check_shape("emission", self.emission[..., 0], (concepts, states)[3 - self.emission.ndim :], because)

    def _check_delimiter(self) -> None:
        if not 0 <= self.delimiter < self.n_tokens:
            raise ModelError(f"delimiter: token {self.delimiter} is outside the vocabulary 0..{self.n_tokens - 1}")
        if isinstance(self.emission, jax.core.Tracer):
            return
        if not (np.asarray(self.emission)[..., self.delimiter] > 0).any():
            raise ModelError(f"delimiter: no state emits token {self.delimiter}")

    @property
    def n_concepts(self) -> int:
        """C, the number of concepts."""
        return self.prior.shape[-1]

    @property
    def n_states(self) -> int:
        """H, the number of hidden states, common to all concepts."""
        return self.initial.shape[-1]

    @property
    def n_tokens(self) -> int:
        """V, the size of the vocabulary, the delimiter included."""
        return self.emission.shape[-1]

    @property
    def emissions(self) -> Emission_CxHxV:
        """(C, H, V) emissions, the shared one repeated for every concept."""
        if self.emission.ndim == 3:
            return self.emission
        xp = jnp if isinstance(self.emission, jax.Array) else np
        emissions: Emission_CxHxV = xp.broadcast_to(self.emission, (self.n_concepts, *self.emission.shape))
        return emissions

    def concept(self, index: int) -> HMM:
        """The HMM of one concept.

        Args:
            index: of the concept, 0..C-1.

        Returns:
            Start law (H,), kernel (H, H) and emission (H, V), as stored.

        Raises:
            ModelError: if there is no such concept.
        """
        c = self._concept_index(index)
        one: HMM = object.__new__(HMM)  # its rows were checked with the mixture's
        for name, rows in (("initial", self.initial), ("transition", self.transition), ("emission", self.emissions)):
            object.__setattr__(one, name, rows[c])
        return one

    def restrict(self, index: int) -> "MixtureOfHMMs":
        """The mixture that knows the concept: a prior of one on ``index`` and nothing else.

        Args:
            index: of the concept, 0..C-1.

        Returns:
            MixtureOfHMMs with C = 1.

        Raises:
            ModelError: if there is no such concept.
        """
        c = self._concept_index(index)
        emission = self.emission if self.emission.ndim == 2 else self.emission[c : c + 1]
        one = slice(c, c + 1)
        return MixtureOfHMMs(np.ones(1), self.initial[one], self.transition[one], emission, self.delimiter)

    def _concept_index(self, index: int) -> int:
        if not 0 <= index < self.n_concepts:
            raise ModelError(f"concept: {index} is outside 0..{self.n_concepts - 1}")
        return int(index)

    def smooth(self, epsilon: float) -> "MixtureOfHMMs":
        """Every transition kernel mixed with epsilon of the uniform law on states.

        transition'[c, h] = (1 - epsilon) transition[c, h] + epsilon / H

        Start laws and emissions are unchanged, so A1 survives. ``epsilon = 0`` is the mixture itself.

        Args:
            epsilon: share of the uniform law, in [0, 1].

        Returns:
            A mixture of the same shapes.

        Raises:
            ModelError: epsilon outside [0, 1], or so small that arithmetic would take epsilon / H for zero.
        """
        if not 0.0 <= epsilon <= 1.0:
            raise ModelError(f"epsilon: {epsilon} is outside [0, 1]")
        least = float(np.finfo(np.float64).tiny * self.n_states)
        if 0.0 < epsilon < least:
            raise ModelError(
                f"epsilon: {epsilon} shared between {self.n_states} states is below 2.2e-308, which arithmetic takes "
                f"for zero; use 0, or at least {1.01 * least:.2e}"
            )
        transition = (1.0 - epsilon) * self.transition + epsilon / self.n_states
        changed: MixtureOfHMMs = eqx.tree_at(lambda m: m.transition, self, transition)
        return changed

    def delimiter_states(self) -> np.ndarray:
        """(|D|,) indices of D: the states that can emit the delimiter under some concept of positive prior.

        Where only concepts of prior zero can emit it, under some concept of any prior.

        Returns:
            Increasing integers, at least one.
        """
        can_CxH = np.asarray(self.emissions)[..., self.delimiter] > 0
        states = np.flatnonzero(can_CxH[self.possible_concepts()].any(0))
        return states if states.size else np.flatnonzero(can_CxH.any(0))

    def possible_concepts(self) -> np.ndarray:
        """Indices of the concepts of positive prior; one of prior zero takes no part in any posterior or verdict.

        Returns:
            Increasing integers, at least one.
        """
        return np.flatnonzero(np.asarray(self.prior) > 0)


def as_token(name: str, value: object) -> int:
    """A Python int of an integer scalar (0-d arrays welcome).

    Args:
        name: of the field, for the error.
        value: what a user brought.

    Returns:
        The number, whatever integer type it came in; that it lies in the vocabulary is checked elsewhere.

    Raises:
        ModelError: not an integer scalar.
    """
    array = np.asarray(value)
    if array.shape != () or not np.issubdtype(array.dtype, np.integer):
        raise ModelError(f"{name}: expected one integer, got {value!r}")
    return int(array)


def stationary_law(transition: Array) -> np.ndarray:
    """The stationary law pi = pi P of a kernel with one closed class, by the elimination of states without subtraction.

    Which states are recurrent is read off the zeros: a probability of 1e-13 is not zero. On the closed class the states
    are eliminated one by one, the chain watched on those that remain; only sums, products and quotients of nonnegative
    numbers occur, so every entry is accurate to a few roundings however slowly the chain mixes.

    Source: Grassmann, Taksar and Heyman 1985, Operations Research 33(5).

    Args:
        transition: (H, H) or (C, H, H) row-stochastic kernels.

    Returns:
        (H,) or (C, H) stationary laws, nonnegative, summing to one.

    Raises:
        ModelError: more than one stationary law exists (the chain is reducible into two or more closed classes).
    """
    kernels = np.asarray(transition, dtype=np.float64)
    if kernels.ndim == 3:
        return np.stack([stationary_law(kernel) for kernel in kernels])
    recurrent = _closed_class(kernels)
    law = np.zeros(len(kernels))
    law[recurrent] = _eliminate(kernels[np.ix_(recurrent, recurrent)])
    return law


def _closed_class(kernel: np.ndarray) -> np.ndarray:
    """Indices of the states of the only closed class."""
    from scipy.sparse.csgraph import connected_components  # a fifth of a second that few callers need

    count, label = connected_components(kernel > 0, connection="strong")
    leaves = np.zeros(count, bool)
    source, target = np.nonzero(kernel > 0)
    np.logical_or.at(leaves, label[source], label[source] != label[target])
    closed = np.flatnonzero(~leaves)
    if len(closed) > 1:
        raise ModelError(f"transition: {len(closed)} closed classes, so the stationary law is not unique")
    return np.flatnonzero(label == closed[0])


def _eliminate(kernel: np.ndarray) -> np.ndarray:
    """The stationary law of an irreducible kernel; in exact fractions where the way round is below float64's range."""
    chain, entry = kernel.copy(), []
    for last in range(len(kernel) - 1, 0, -1):
        leaves = chain[last, :last].sum()
        if kernel.dtype != object and leaves < np.finfo(np.float64).tiny:
            exact = np.vectorize(Fraction, otypes=[object])(kernel)
            return np.array([float(p) for p in _eliminate(exact)])
        chain[:last, :last] += np.outer(chain[:last, last], chain[last, :last] / leaves)
        entry.append(chain[:last, last] / leaves)
    law = np.ones(1, kernel.dtype)
    for into in reversed(entry):
        law = np.append(law, law @ into)
        law = law / law.sum()
    return law
