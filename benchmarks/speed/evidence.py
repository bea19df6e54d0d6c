"""Task ``evidence``: log p(o_1..o_T | theta_0) of documents drawn from that concept."""

import contextlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.benchmarks.speed import peers
from implicit_bayes.benchmarks.speed.compare import Advance, Run, Timing, compare, relative
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture, log_evidence
from implicit_bayes.theory.filtering.dispatch import Method, choose, compiles, prepare
from implicit_bayes.theory.objects.types import Array

NUMPYRO = 3, 40
"""Documents and tokens that enumeration is given: it holds C H H numbers for every token."""


def evidence(
    name: str, mixture: MixtureOfHMMs, documents: int, length: int, repeats: int, seed: int, advance: Advance
) -> list[Timing]:
    """Ours (automatic, and each recursion), the bare matrix product of the same shape, and every library installed."""
    alone = mixture.restrict(0)
    tokens = sample_documents(alone, jax.random.key(seed), documents, length).tokens
    ours = log_evidence(alone, tokens)[:, 0]

    def as_run(call: Callable[[], object], part: np.ndarray = tokens) -> Run:
        return Run(call, part.size, lambda answer: relative(np.asarray(answer).reshape(-1), reference(part)))

    def reference(part: np.ndarray) -> np.ndarray:
        return np.asarray(ours if part is tokens else log_evidence(alone, part)[:, 0])

    tables = prepare(alone)  # once, as the peers' models are made once

    def whole(method: Method) -> Array:
        return filter_mixture(alone, tokens, positions=[length], method=method, tables=tables).log_evidence

    runs = {"ours": as_run(lambda: whole("auto"))}
    if compiles(alone, "auto") and choose(alone, "auto") == "sparse":
        runs["ours sparse"] = as_run(lambda: whole("sparse"))
    runs["ours dense"] = as_run(lambda: whole("dense"))
    runs["matrix product alone"] = Run(matrix_products(alone, documents, length), tokens.size, lambda _: 0.0)
    for peer, make in peers.EVIDENCE.items():
        try:
            runs[peer] = as_run(make(alone, tokens))
        except ImportError:
            continue
    short = np.ascontiguousarray(tokens[: NUMPYRO[0], : NUMPYRO[1]])
    with contextlib.suppress(ImportError):
        runs["numpyro enumeration"] = as_run(peers.numpyro(alone, short), short)
    return compare("evidence", name, runs, repeats, advance)


def matrix_products(alone: MixtureOfHMMs, documents: int, length: int) -> Callable[[], Array]:
    """T products (B, H) @ (H, H) in one scan: the floor under any dense recursion."""

    @partial(jax.jit, static_argnames="steps")
    def run(belief: jax.Array, kernel: jax.Array, steps: int) -> jax.Array:
        return jax.lax.scan(lambda carry, _: (carry @ kernel, None), belief, None, length=steps)[0]

    belief = jnp.broadcast_to(jnp.asarray(alone.initial[0]), (documents, alone.n_states))
    return lambda: run(belief, jnp.asarray(alone.transition[0]), length)
