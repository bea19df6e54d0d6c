"""Task ``posterior+predictive``: concept posterior and next-token law at every position, no concept skipped."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.speed import peers
from implicit_bayes.benchmarks.speed.compare import Advance, How, Run, Timing, compare, relative
from implicit_bayes.benchmarks.speed.evidence import ours_called
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture
from implicit_bayes.theory.filtering.dispatch import prepare
from implicit_bayes.theory.filtering.results import MixtureFilter
from implicit_bayes.theory.objects.types import Array

TINY = 1e-200
"""Posteriors and predictives below this are not compared with the naive recursion, which underflows there."""


def posterior_and_predictive(
    name: str, mixture: MixtureOfHMMs, documents: int, length: int, repeats: int, seed: int, advance: Advance
) -> list[Timing]:
    """Ours, a naive batched recursion in JAX, and pomegranate's evidence once for every concept (it has neither).

    Args:
        name: of the instance, in words.
        mixture: all concepts.
        documents: drawn from it.
        length: of each, tokens.
        repeats: timed calls of each.
        seed: of the documents.
        advance: called with 1 after every timed call.

    Returns:
        One Timing for each: CPU seconds a token, the ratio to ours, and to what they agree.

    Raises:
        ModelError: an implementation disagrees with ours.
    """
    tokens = sample_documents(mixture, jax.random.key(seed), documents, length).tokens
    tables = prepare(mixture)
    reference = filter_mixture(mixture, tokens, method="dense")

    def differs(answer: Sequence[Array]) -> float:
        posterior, predictive = np.exp(np.asarray(reference.log_posterior)), np.asarray(reference.predictive)
        found = (np.exp(np.asarray(answer[1])), np.asarray(answer[3]))
        pairs = zip(found, (posterior, predictive), strict=True)
        return max(float(np.max(np.abs(x - y))) for x, y in pairs)

    scanned = How("jax.jit once, a scan over tokens for the whole batch", documents, threads=cores())

    def dense() -> MixtureFilter:
        return filter_mixture(mixture, tokens, method="dense")

    called = ours_called(mixture, tokens, "auto")
    runs = {
        "ours": Run(lambda: filter_mixture(mixture, tokens, tables=tables), tokens.size, differs, called),
        "ours dense": Run(dense, tokens.size, differs, scanned),
        "naive batched JAX": Run(naive(mixture, tokens), tokens.size, differs, scanned),
    }
    try:
        concepts = [peers.pomegranate(mixture.restrict(c), tokens) for c in range(mixture.n_concepts)]
    except ImportError:
        return compare("posterior+predictive", name, runs, repeats, advance)
    last = np.asarray(reference.log_evidence)[:, -1]
    runs["pomegranate f64"] = Run(
        lambda: np.stack([run() for run in concepts], -1),
        tokens.size,
        lambda answer: relative(np.where(np.isfinite(last), answer, last), last),
        peers.how("pomegranate f64", documents),
    )
    return compare("posterior+predictive", name, runs, repeats, advance)


def naive(mixture: MixtureOfHMMs, tokens_BxT: np.ndarray) -> Callable[[], Sequence[Array]]:
    """What one writes first: all concepts and documents in one einsum a step, everything normalised, logs summed.

    Args:
        mixture: of C concepts over V tokens.
        tokens_BxT: the documents.

    Returns:
        What gives, after every prefix, log evidence, log posterior, whether it is defined, and the predictive.
    """
    emission_CxVxH = jnp.swapaxes(jnp.asarray(mixture.emissions), -1, -2)

    @jax.jit
    def run(tokens_TxB: jax.Array) -> tuple[jax.Array, ...]:
        def step(
            carry: tuple[jax.Array, jax.Array], token_B: jax.Array
        ) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, ...]]:
            belief, evidence = carry
            joint = belief * emission_CxVxH[:, token_B].swapaxes(0, 1)
            mass = joint.sum(-1)
            evidence = evidence + jnp.log(mass)
            belief = jnp.einsum("bch,chg->bcg", joint / jnp.where(mass > 0, mass, 1)[..., None], mixture.transition)
            return (belief, evidence), read(belief, evidence)

        def read(belief: jax.Array, evidence: jax.Array) -> tuple[jax.Array, ...]:
            posterior = jax.nn.log_softmax(jnp.log(jnp.asarray(mixture.prior)) + evidence, -1)
            following = jnp.einsum("bch,cvh->bcv", belief, emission_CxVxH)
            return evidence, posterior, (jnp.exp(posterior)[..., None] * following).sum(1)

        belief = jnp.broadcast_to(jnp.asarray(mixture.initial), (tokens_TxB.shape[1], *mixture.initial.shape))
        first = (belief, jnp.zeros(belief.shape[:2]))
        _, rest = jax.lax.scan(step, first, tokens_TxB)
        whole = [jnp.concatenate([x[None], y]).swapaxes(0, 1) for x, y in zip(read(*first), rest, strict=True)]
        return whole[0], whole[1], jnp.isfinite(whole[1]).any(-1), whole[2]

    return lambda: run(tokens_BxT.T)
