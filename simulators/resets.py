"""Documents whose hidden state is redrawn now and then: another pretraining law, nearer to that of prompts.

At every step the state is redrawn from the concept's start law with probability q, the concept kept:

    p_q(h' | h, theta) = (1 - q) p(h' | h, theta) + q p(h' | theta)

A prompt's examples are redrawn starts joined by delimiters, which the pretraining law of the paper does not have.
"""

import numpy as np

from implicit_bayes.simulators.instance import Instance
from implicit_bayes.theory import MixtureOfHMMs, ModelError
from implicit_bayes.theory.objects.checks import without_subnormals


def with_resets(instance: Instance, share: float) -> Instance:
    """The instance with resets in its documents; its prompts stay as they were.

    Args:
        instance: any.
        share: q, in [0, 1); at 0 the instance itself is returned.

    Returns:
        Instance, named ``NAME+resets(q)``.

    Raises:
        ModelError: q outside [0, 1).
    """
    if not 0.0 <= share < 1.0:
        raise ModelError(f"resets: {share} is outside [0, 1); give the probability of a reset at a token")
    if share == 0.0:
        return instance
    mixture = instance.mixture
    initial = np.asarray(mixture.initial)
    transition = without_subnormals((1.0 - share) * np.asarray(mixture.transition) + share * initial[:, None, :])
    changed = MixtureOfHMMs(mixture.prior, initial, transition, mixture.emission, mixture.delimiter)
    return instance.changed(
        name=f"{instance.name}+resets({share:g})",
        mixture=changed,
        description=f"{instance.description}; the state redrawn with probability {share:g} a token",
        released_vocabulary=None,
    )
