"""The other libraries at their best settings, each made ready for one concept and a batch of documents.

hmmlearn: ``CategoricalHMM(implementation="scaling")``, its compiled one. pomegranate: ``DenseHMM`` in float64, end
probabilities of one (its default shifts every likelihood). dynamax: ``hmm_filter`` on gathered likelihoods, jitted
and mapped over documents (its own Categorical emission is 18 times slower). torch: a batched scaled recursion in
float64 under ``inference_mode``, the plainest code that is fast in it. Importing them is put off until they are
asked for; each raises ImportError where it is not installed.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.speed.compare import How
from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.programs.interchange import to_hmmlearn, to_pomegranate

Evidence = Callable[[], np.ndarray]


def hmmlearn(alone: MixtureOfHMMs, tokens_BxT: np.ndarray) -> Evidence:
    """log p of every document by hmmlearn's scaled forward recursion, document after document.

    Args:
        alone: a mixture of one concept.
        tokens_BxT: the documents.

    Returns:
        What gives (B,) nats when it is called.

    Raises:
        ImportError: the library is not installed.
    """
    model, columns = to_hmmlearn(alone.concept(0), "scaling"), [row.reshape(-1, 1) for row in tokens_BxT]
    return lambda: np.array([model.score(column) for column in columns])


def pomegranate(alone: MixtureOfHMMs, tokens_BxT: np.ndarray) -> Evidence:
    """log p of every document by pomegranate in float64, all documents at once.

    Args:
        alone: a mixture of one concept.
        tokens_BxT: the documents.

    Returns:
        What gives (B,) nats when it is called.

    Raises:
        ImportError: the library is not installed.
    """
    import torch

    default, model = torch.get_default_dtype(), to_pomegranate(alone.concept(0))
    data = torch.tensor(tokens_BxT[..., None])

    def run() -> np.ndarray:
        torch.set_default_dtype(torch.float64)
        try:
            return model.log_probability(data).numpy()
        finally:
            torch.set_default_dtype(default)

    return run


def dynamax(alone: MixtureOfHMMs, tokens_BxT: np.ndarray) -> Evidence:
    """log p of every document by dynamax's filter, compiled once and mapped over documents.

    Args:
        alone: a mixture of one concept.
        tokens_BxT: the documents.

    Returns:
        What gives (B,) nats when it is called.

    Raises:
        ImportError: the library is not installed.
    """
    precision = getattr(jax.config, "jax_default_matmul_precision", None)
    from dynamax.hidden_markov_model import hmm_filter

    jax.config.update("jax_default_matmul_precision", precision)  # dynamax changes it when imported
    with np.errstate(divide="ignore"):
        log_emission = jnp.asarray(np.log(np.asarray(alone.emissions[0])))

    def one(document: jax.Array) -> jax.Array:
        return hmm_filter(alone.initial[0], alone.transition[0], log_emission[:, document].T).marginal_loglik

    filtered = jax.jit(jax.vmap(one))
    return lambda: np.asarray(filtered(tokens_BxT))


def numpyro(alone: MixtureOfHMMs, tokens_BxT: np.ndarray) -> Evidence:
    """log p of every document by funsor's enumeration of the generative program.

    Args:
        alone: a mixture of one concept.
        tokens_BxT: the documents.

    Returns:
        What gives (B,) nats when it is called.

    Raises:
        ImportError: the library is not installed.
    """
    import funsor  # noqa: F401

    from implicit_bayes.theory.programs.generative import enumerated_log_probability

    return lambda: np.array([float(enumerated_log_probability(alone, document)) for document in tokens_BxT])


def torch(alone: MixtureOfHMMs, tokens_BxT: np.ndarray) -> Evidence:
    """log p of every document by the scaled forward recursion, in PyTorch, float64, batched over documents.

    Args:
        alone: a mixture of one concept.
        tokens_BxT: the documents.

    Returns:
        What gives (B,) nats when it is called.

    Raises:
        ImportError: the library is not installed.
    """
    import torch as library

    kernel = library.tensor(np.asarray(alone.transition[0]))
    likelihood_VxH = library.tensor(np.ascontiguousarray(np.asarray(alone.emissions[0]).T))
    start, tokens_TxB = library.tensor(np.asarray(alone.initial[0])), library.tensor(tokens_BxT.T.astype(np.int64))

    def run() -> np.ndarray:
        with library.inference_mode():
            predicted = start.expand(tokens_TxB.shape[1], -1)
            log_p = library.zeros(tokens_TxB.shape[1], dtype=library.float64)
            for token_B in tokens_TxB:
                joint = predicted * likelihood_VxH[token_B]
                mass = joint.sum(-1)
                log_p = log_p + mass.log()
                predicted = (joint / mass[:, None]) @ kernel
            return log_p.numpy()

    return run


EVIDENCE: dict[str, Callable[[MixtureOfHMMs, np.ndarray], Evidence]] = {
    "hmmlearn scaling": hmmlearn,
    "pomegranate f64": pomegranate,
    "dynamax hmm_filter": dynamax,
    "torch": torch,
}
"""Those that take the whole batch; NumPyro's enumeration is given a few short documents."""


def how(peer: str, batch: int) -> How:
    """How one of the peers is called on so many documents.

    Args:
        peer: its name in the tables.
        batch: documents.

    Returns:
        How: words, batch, and threads.
    """
    threads = cores()
    if peer in ("pomegranate f64", "torch"):
        import torch as library

        threads = library.get_num_threads()
    return {
        "hmmlearn scaling": How("model made once; its compiled score() once for each document", 1),
        "pomegranate f64": How("DenseHMM made once; log_probability() of the whole batch, not torch.compiled", batch,
                               threads=threads),
        "dynamax hmm_filter": How("jax.jit once over jax.vmap of hmm_filter", batch, threads=threads),
        "torch": How("eager, one step a token for the whole batch, under inference_mode", batch, threads=threads),
        "numpyro enumeration": How("funsor's elimination traced anew for each document, as its users call it", 1,
                                   threads=threads),
    }[peer]  # fmt: skip
