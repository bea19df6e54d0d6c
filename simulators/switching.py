"""Documents whose concept changes: one HMM on C H states.

With probability q a token the concept is drawn anew from the prior (so it may stay), then the state moves by the kernel
of the concept that holds now:

    p((c', h') | (c, h)) = [ (1 - q) 1{c' = c} + q prior_c' ] p(h' | h, theta_c'),     start prior_c p(h | theta_c)

State (c, h) has index c H + h. At q = 0 it is the mixture itself, as one HMM; its only concept is "some concept".
"""

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError, without_subnormals
from implicit_bayes.theory.objects.models import MixtureOfHMMs


def switching_mixture(mixture: MixtureOfHMMs, probability: float) -> MixtureOfHMMs:
    """The one-concept mixture of a document whose concept changes.

    Args:
        mixture: C concepts on H states.
        probability: q, in [0, 1].

    Returns:
        MixtureOfHMMs: one concept, C H states, the same tokens and delimiter.

    Raises:
        ModelError: q outside [0, 1].
    """
    if not 0.0 <= probability <= 1.0:
        raise ModelError(f"switching: {probability} is outside [0, 1]; give the probability of a switch at a token")
    concepts, states = mixture.n_concepts, mixture.n_states
    prior = np.asarray(mixture.prior)
    choose_CxC = (1.0 - probability) * np.eye(concepts) + probability * prior
    kernel = np.einsum("cd,dhg->chdg", choose_CxC, np.asarray(mixture.transition))
    size = concepts * states
    initial = (prior[:, None] * np.asarray(mixture.initial)).reshape(1, size)
    emission = np.asarray(mixture.emissions).reshape(size, mixture.n_tokens)
    return MixtureOfHMMs(
        np.ones(1), without_subnormals(initial), without_subnormals(kernel.reshape(1, size, size)), emission,
        mixture.delimiter,
    )  # fmt: skip
