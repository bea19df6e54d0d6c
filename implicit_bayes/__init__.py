"""In-context learning as implicit Bayesian inference, computed exactly on mixtures of hidden Markov models.

Documents come from a mixture of HMMs, one latent concept each; a prompt of independent examples joined by delimiters
does not. This package computes the exact posterior over concepts, checks every assumption, condition and theorem of
Xie, Raghunathan, Liang and Ma (ICLR 2022) on any finite instance, and measures language models against exact Bayes.

Objects        ``HMM``, ``MixtureOfHMMs`` (the pretraining law), ``PromptLaw``, ``ModelError`` (what bad input raises).
Filtering      ``filter_mixture``, ``filter_concepts``, ``filter_stream``, ``state_beliefs``, ``log_evidence``,
               ``log_probability``: evidence, posterior over concepts and predictive after every prefix.
Information    ``kl_sum``, ``log_likelihood_rate``, ``log_likelihood_rates``.
Statements     ``check_assumptions``, ``check_conditions``, ``evaluate_theorems``; ``certify`` proves them on rational
               instances, ``search`` looks for counterexamples.
NumPyro        ``MixtureOfHMMsDistribution``, ``as_distribution``, ``generative_program``.
Interchange    ``from_hmmlearn``, ``to_hmmlearn`` and the same for dynamax and pomegranate.
Instances      ``Instance``, ``load_instance``, ``save_instance``, ``sample_documents``, ``sample_prompts``.
Models         ``LanguageModel``, ``NetworkModel``, ``TorchModel``, ``HuggingFaceModel``, ``find_model``, ``train``.
Whole checks   ``verify(instance)`` and ``gap(model, instance)``, what the command line runs; ``check_language_model``
               and ``check_instance``, every law by name, ``parametrize_with_checks`` for pytest.

Results are NumPy arrays on the host unless the call is traced by JAX (``jax.jit``, ``jax.grad``): then they are JAX's.
Everything is computed in float64; JAX's own settings are left alone. Names are imported when they are first used.

The four rooms, which import one another in this order only: ``theory``, ``simulators``, ``lm``, ``benchmarks``. In the
repository they are its four folders, to which the package holds links.

    >>> import numpy as np
    >>> from implicit_bayes import MixtureOfHMMs, filter_mixture
    >>> coin = MixtureOfHMMs([0.5, 0.5], [[1.0], [1.0]], [[[1.0]], [[1.0]]], [[[0.9, 0.1]], [[0.5, 0.5]]], delimiter=1)
    >>> np.round(np.exp(filter_mixture(coin, [[0, 0]]).log_posterior[0, -1]), 3)  # after two heads
    array([0.764, 0.236])
"""

import importlib.metadata
from typing import Any

import lazy_loader

_attribute, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":  # read from the installation only when it is asked for
        return importlib.metadata.version("implicit-bayes")
    return _attribute(name)
