"""Task ``evidence``: log p(o_1..o_T | theta_0) of documents drawn from that concept."""

import contextlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.speed import peers
from implicit_bayes.benchmarks.speed.compare import Advance, How, Run, Timing, compare, relative
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture, log_evidence
from implicit_bayes.theory.filtering.dispatch import Method, choose, compiles, filters_on_host, prepare
from implicit_bayes.theory.objects.types import Array

NUMPYRO = 3, 40
"""Documents and tokens that enumeration is given: it holds C H H numbers for every token."""


def evidence(
    name: str, mixture: MixtureOfHMMs, documents: int, length: int, repeats: int, seed: int, advance: Advance
) -> list[Timing]:
    """Ours (automatic, and each recursion), the bare matrix product of the same shape, and every library installed.

    Args:
        name: of the instance, in words.
        mixture: its first concept is the HMM.
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
    alone = mixture.restrict(0)
    tokens = sample_documents(alone, jax.random.key(seed), documents, length).tokens
    ours = log_evidence(alone, tokens)[:, 0]

    def as_run(call: Callable[[], object], how: How, part: np.ndarray = tokens) -> Run:
        return Run(call, part.size, lambda answer: relative(np.asarray(answer).reshape(-1), reference(part)), how)

    def reference(part: np.ndarray) -> np.ndarray:
        return np.asarray(ours if part is tokens else log_evidence(alone, part)[:, 0])

    tables = prepare(alone)  # once, as the peers' models are made once

    def whole(method: Method) -> Array:
        return filter_mixture(alone, tokens, positions=[length], method=method, tables=tables).log_evidence

    scanned = How("jax.jit once, a scan over tokens for the whole batch", documents, threads=cores())
    runs = {"ours": as_run(lambda: whole("auto"), ours_called(alone, tokens, "auto"))}
    if compiles(alone, "auto") and choose(alone, "auto") == "sparse":
        runs["ours sparse"] = as_run(lambda: whole("sparse"), scanned)
    runs["ours dense"] = as_run(lambda: whole("dense"), scanned)
    products = matrix_products(alone, documents, length)
    runs["matrix product alone"] = Run(products, tokens.size, lambda _: 0.0, scanned)
    for peer, make in peers.EVIDENCE.items():
        try:
            runs[peer] = as_run(make(alone, tokens), peers.how(peer, documents))
        except ImportError:
            continue
    short = np.ascontiguousarray(tokens[: NUMPYRO[0], : NUMPYRO[1]])
    with contextlib.suppress(ImportError):
        runs["numpyro enumeration"] = as_run(peers.numpyro(alone, short), peers.how("numpyro enumeration", 1), short)
    return compare("evidence", name, runs, repeats, advance)


def ours_called(mixture: MixtureOfHMMs, tokens_BxT: np.ndarray, method: Method) -> How:
    """How ``filter_mixture`` does these documents: in which engine, after what is made once.

    Args:
        mixture: whose sizes decide.
        tokens_BxT: the documents.
        method: as for ``filter_mixture``.

    Returns:
        How: words, batch, and threads.
    """
    documents, length = tokens_BxT.shape
    if filters_on_host(mixture, method, documents, length):
        return How("NumPy, one step a token for the whole batch", documents, threads=cores())
    if compiles(mixture, method, tokens_BxT.size):
        return How("machine code and tables made once; document after document", documents)
    return How("jax.jit and tables made once, a scan over tokens for the whole batch", documents, threads=cores())


def matrix_products(alone: MixtureOfHMMs, documents: int, length: int) -> Callable[[], Array]:
    """T products (B, H) @ (H, H) in one scan: the floor under any dense recursion.

    Args:
        alone: a mixture of one concept of H states.
        documents: B.
        length: T.

    Returns:
        What does them when it is called.
    """

    @partial(jax.jit, static_argnames="steps")
    def run(belief: jax.Array, kernel: jax.Array, steps: int) -> jax.Array:
        return jax.lax.scan(lambda carry, _: (carry @ kernel, None), belief, None, length=steps)[0]

    belief = jnp.broadcast_to(jnp.asarray(alone.initial[0]), (documents, alone.n_states))
    return lambda: run(belief, jnp.asarray(alone.transition[0]), length)
