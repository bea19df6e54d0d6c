"""GINC's prompts on a mixture with its states: what the released instances, the family and the variants share."""

import numpy as np

from implicit_bayes.simulators import ginc
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.theory.objects.models import MixtureOfHMMs


def ginc_instance(
    name: str, mixture: MixtureOfHMMs, seed: int, description: str, released_vocabulary: int | None = None
) -> Instance:
    """GINC's prompts: nine start laws, one a property; every concept is the true one in turn.

    Args:
        name: of the instance.
        mixture: on GINC's states.
        seed: that the mixture was drawn with.
        description: one line.
        released_vocabulary: V, if this is the released GINC of that size.

    Returns:
        Instance with (C, 9, 100) prompt start laws; k is left to the caller of ``verify``.
    """
    return Instance(
        name=name,
        mixture=mixture,
        prompt_starts=np.tile(ginc.property_start_laws(), (mixture.n_concepts, 1, 1)),
        true_concepts=tuple(range(mixture.n_concepts)),
        k=None,
        seed=seed,
        description=description,
        released_vocabulary=released_vocabulary,
    )
