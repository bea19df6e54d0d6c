"""Fitted HMMs of other libraries as concepts, and concepts as their HMMs: hmmlearn, dynamax, pomegranate.

A concept is a start law, a kernel and an emission table; each library keeps the same three under its own names. Rows
that sum to one only to single precision, as what was fitted in float32 does, are divided by their sums. Traps that
the evidence depends on (pomegranate's end probabilities, its and dynamax's single precision) are dealt with here, and
the tests compare evidence on both sides.

Needs the extra ``reference``. Importing dynamax changes JAX's matmul precision, and these functions put it back.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM

__all__ = ["from_dynamax", "from_hmmlearn", "from_pomegranate", "to_dynamax", "to_hmmlearn", "to_pomegranate"]


Foreign = Any
"""What belongs to a library that need not be installed."""


def from_hmmlearn(model: Foreign) -> HMM:
    """The concept of a fitted ``hmmlearn.hmm.CategoricalHMM``.

    Args:
        model: fitted, or with ``startprob_`` (H,), ``transmat_`` (H, H) and ``emissionprob_`` (H, V) set.

    Returns:
        HMM with the same law of token sequences.

    Raises:
        ModelError: the model lacks one of the three (it is not fitted, or not categorical).
    """
    return _concept(model, "startprob_", "transmat_", "emissionprob_")


def to_hmmlearn(hmm: HMM, implementation: str = "log") -> Foreign:
    """A ``hmmlearn.hmm.CategoricalHMM`` with the laws of one concept.

    Args:
        hmm: the concept.
        implementation: "log" gives an impossible sequence its log-evidence -inf; "scaling" is faster and raises there.

    Returns:
        The model; ``model.score(tokens[:, None])`` is the log-evidence in nats.

    Raises:
        ImportError: hmmlearn is not installed.
    """
    with _needed("hmmlearn"):
        from hmmlearn.hmm import CategoricalHMM
    model = CategoricalHMM(n_components=hmm.n_states, n_features=hmm.n_tokens, implementation=implementation)
    model.startprob_, model.transmat_ = np.asarray(hmm.initial), np.asarray(hmm.transition)
    model.emissionprob_ = np.asarray(hmm.emission)
    return model


def from_dynamax(parameters: Foreign) -> HMM:
    """The concept of a fitted ``dynamax.hidden_markov_model.CategoricalHMM`` with one emission a step.

    Args:
        parameters: what ``fit_em`` or ``initialize`` returns: ``initial.probs`` (H,), ``transitions.transition_matrix``
            (H, H), ``emissions.probs`` (H, 1, V).

    Returns:
        HMM with the same law of token sequences.

    Raises:
        ModelError: a part is missing, or the model emits several tokens a step.
    """
    emission = np.asarray(_read(parameters, "emissions.probs"))
    if emission.ndim != 3 or emission.shape[1] != 1:
        raise ModelError(f"emissions.probs: shape {emission.shape}; a concept emits one token a step, (H, 1, V)")
    initial = _read(parameters, "initial.probs")
    return HMM(_rows(initial), _rows(_read(parameters, "transitions.transition_matrix")), _rows(emission[:, 0]))


def to_dynamax(hmm: HMM) -> tuple[Foreign, Foreign]:
    """A ``dynamax.hidden_markov_model.CategoricalHMM`` with the laws of one concept.

    dynamax computes in JAX's default precision (float32 unless ``jax_enable_x64``) and floors probabilities at 1e-15,
    so that an impossible sequence gets a finite log-evidence.

    Args:
        hmm: the concept.

    Returns:
        (model, parameters); ``model.marginal_log_prob(parameters, tokens[:, None])`` is the log-evidence in nats.

    Raises:
        ImportError: dynamax is not installed.
    """
    with _needed("dynamax"), _matmul_precision_kept():
        from dynamax.hidden_markov_model import CategoricalHMM
    model = CategoricalHMM(hmm.n_states, 1, hmm.n_tokens)
    parameters, _ = model.initialize(
        initial_probs=jax.numpy.asarray(hmm.initial),
        transition_matrix=jax.numpy.asarray(hmm.transition),
        emission_probs=jax.numpy.asarray(hmm.emission)[:, None],
    )
    return model, parameters


def from_pomegranate(model: Foreign) -> HMM:
    """The concept of a fitted ``pomegranate.hmm.DenseHMM`` with one categorical distribution a state.

    pomegranate multiplies every sequence by the end probability of its last state. A concept has no ends, so the two
    evidences are equal only where all end probabilities are one, as ``to_pomegranate`` sets them.

    Args:
        model: with logarithms ``starts`` (H,) and ``edges`` (H, H), and ``distributions[h].probs`` (1, V).

    Returns:
        HMM in float64, its rows divided by their sums.

    Raises:
        ModelError: a part is missing, or a state emits several tokens a step.
    """
    states = list(_read(model, "distributions"))
    probs = [np.asarray(_read(state, "probs"), dtype=np.float64) for state in states]
    if any(row.ndim != 2 or row.shape != (1, probs[0].shape[-1]) for row in probs):
        raise ModelError("distributions: a concept emits one token a step, probs of shape (1, V)")
    starts, edges = (np.exp(np.asarray(_read(model, name), dtype=np.float64)) for name in ("starts", "edges"))
    return HMM(_rows(starts), _rows(edges), _rows(np.concatenate(probs)))


def to_pomegranate(hmm: HMM) -> Foreign:
    """A ``pomegranate.hmm.DenseHMM`` in float64 with the laws of one concept and end probabilities of one.

    Args:
        hmm: the concept.

    Returns:
        The model; ``model.log_probability(torch.tensor(tokens)[None, :, None])`` is the log-evidence in nats, if
        ``torch.set_default_dtype(torch.float64)`` is in force while it runs.

    Raises:
        ImportError: pomegranate is not installed.
    """
    with _needed("pomegranate"):
        import torch
        from pomegranate.distributions import Categorical
        from pomegranate.hmm import DenseHMM
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        states = [Categorical(row[None].tolist()) for row in np.asarray(hmm.emission)]
        kernel, start = np.asarray(hmm.transition).tolist(), np.asarray(hmm.initial).tolist()
        return DenseHMM(states, edges=kernel, starts=start, ends=[1.0] * hmm.n_states)
    finally:
        torch.set_default_dtype(default)


def _concept(model: Foreign, *names: str) -> HMM:
    return HMM(*(_rows(_read(model, name)) for name in names))


def _read(model: Foreign, path: str) -> Foreign:
    found = model
    for name in path.split("."):
        found = getattr(found, name, None)
        if found is None:
            raise ModelError(f"{path}: {type(model).__name__} has none; fit a categorical HMM first")
    return found


def _rows(law: Foreign) -> np.ndarray:
    values = np.asarray(law, dtype=np.float64)
    total = values.sum(-1, keepdims=True)
    off = np.abs(total - 1.0)
    # Further from one than single precision explains is left as it is, for HMM to refuse by its name.
    return np.where((off > 1e-12) & (off < 1e-4), values / np.where(total > 0, total, 1.0), values)


@contextlib.contextmanager
def _needed(library: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{library}: not installed; pip install 'implicit-bayes[reference]'") from error


@contextlib.contextmanager
def _matmul_precision_kept() -> Iterator[None]:
    before = getattr(jax.config, "jax_default_matmul_precision", None)
    try:
        yield
    finally:
        jax.config.update("jax_default_matmul_precision", before)
