"""Speed of the evidence of one HMM against other libraries: agreement first, then CPU time, all in one run."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from simulators.sampler import sample_documents
from theory import MixtureOfHMMs, ModelError, log_evidence

AGREEMENT = 1e-8
"""Largest relative difference of a log-evidence, beyond which an implementation is not timed."""


class Timing(NamedTuple):
    """One implementation on one task.

    cpu_seconds_per_token: process CPU time (all threads), median over repeats, compilation excluded.
    ratio_to_ours: how many times faster ours is (> 1: ours is faster).
    agrees_to: largest relative difference of the log-evidence from ours.
    """

    task: str
    implementation: str
    cpu_seconds_per_token: float
    ratio_to_ours: float
    agrees_to: float


def evidence(
    mixture: MixtureOfHMMs, documents: int, length: int, repeats: int, seed: int, advance: Callable[[int], None]
) -> list[Timing]:
    """log p(o_1..o_T | theta_0) of documents drawn from that concept, by every library that is installed.

    Peers at their best settings: hmmlearn ``scaling``; pomegranate in float64 with end probabilities of one; dynamax
    ``hmm_filter`` on gathered likelihoods. Implementations are interleaved, so that drift of the machine hits all.

    Raises:
        ModelError: an implementation that disagrees with ours (nothing is timed then).
    """
    alone = mixture.restrict(0)
    tokens = sample_documents(alone, jax.random.key(seed), documents, length).tokens
    runs = {
        "ours": lambda: log_evidence(alone, tokens),
        "ours dense": lambda: log_evidence(alone, tokens, method="dense"),
    }
    for name, make in PEERS.items():
        try:
            runs[name] = make(alone, tokens)
        except ImportError:
            continue
    ours = np.asarray(runs["ours"]()).reshape(-1)
    agreement = {name: float(np.max(np.abs(np.asarray(run()).reshape(-1) / ours - 1))) for name, run in runs.items()}
    for name, difference in agreement.items():
        if not difference < AGREEMENT:
            raise ModelError(f"bench: {name} differs from ours by {difference:.1e} (relative); not timed")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.process_time()
            jax.block_until_ready(run())
            seconds[name].append(time.process_time() - begin)
            advance(1)
    median = {name: float(np.median(spent)) / tokens.size for name, spent in seconds.items()}
    return [Timing("evidence", name, t, t / median["ours"], agreement[name]) for name, t in median.items()]


def _hmmlearn(alone: MixtureOfHMMs, tokens: np.ndarray) -> Callable[[], Any]:
    from hmmlearn.hmm import CategoricalHMM

    model = CategoricalHMM(n_components=alone.n_states, implementation="scaling")
    model.startprob_, model.transmat_ = np.asarray(alone.initial[0]), np.asarray(alone.transition[0])
    model.emissionprob_, model.n_features = np.asarray(alone.emissions[0]), alone.n_tokens
    columns = [row.reshape(-1, 1) for row in tokens]
    return lambda: np.array([model.score(column) for column in columns])


def _pomegranate(alone: MixtureOfHMMs, tokens: np.ndarray) -> Callable[[], Any]:
    import torch
    from pomegranate.distributions import Categorical
    from pomegranate.hmm import DenseHMM

    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        states = [Categorical(row[None].tolist()) for row in np.asarray(alone.emissions[0])]
        model = DenseHMM(
            states,
            edges=np.asarray(alone.transition[0]).tolist(),
            starts=np.asarray(alone.initial[0]).tolist(),
            ends=[1.0] * alone.n_states,
        )
    finally:
        torch.set_default_dtype(default)
    data = torch.tensor(tokens[..., None])

    def run() -> Any:
        torch.set_default_dtype(torch.float64)
        try:
            return model.log_probability(data).numpy()
        finally:
            torch.set_default_dtype(default)

    return run


def _dynamax(alone: MixtureOfHMMs, tokens: np.ndarray) -> Callable[[], Any]:
    precision = getattr(jax.config, "jax_default_matmul_precision", None)
    from dynamax.hidden_markov_model import hmm_filter

    jax.config.update("jax_default_matmul_precision", precision)  # dynamax changes it when imported

    def one(document):
        with np.errstate(divide="ignore"):
            likelihood = jax.numpy.log(jax.numpy.asarray(alone.emissions[0]))[:, document].T
        return hmm_filter(alone.initial[0], alone.transition[0], likelihood).marginal_loglik

    filtered = jax.jit(jax.vmap(one))
    return lambda: np.asarray(filtered(tokens))


PEERS = {"hmmlearn scaling": _hmmlearn, "pomegranate f64": _pomegranate, "dynamax hmm_filter": _dynamax}
