"""An instance: the pretraining law, and the prompts that are to be asked of it."""

import dataclasses
from typing import Any

import equinox as eqx
import numpy as np

from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape, check_simplex
from implicit_bayes.theory.objects.models import MixtureOfHMMs, as_token
from implicit_bayes.theory.objects.types import Array, Numbers


class Instance(eqx.Module):
    """A mixture, and the prompts that are to be asked of it.

    Args:
        name: what reports call it.
        mixture: the pretraining law.
        prompt_starts: (C, S, H) for every true concept S alternative p_prompt(h); each prompt draws one uniformly.
        true_concepts: the concepts that serve as true concept in turn.
        k: the example length the instance was made for, or None.
        seed: what the numbers were drawn with, or None where nothing was drawn.
        description: one line.
        released_vocabulary: V of the release that this instance *is* (its data can be replayed), or None.

    Raises:
        ModelError: a start law that is no law on the mixture's states, a true concept the mixture does not have,
            or k < 2.
    """

    mixture: MixtureOfHMMs
    prompt_starts: Array
    name: str = eqx.field(static=True)
    true_concepts: tuple[int, ...] = eqx.field(static=True)
    k: int | None = eqx.field(static=True)
    seed: int | None = eqx.field(static=True)
    description: str = eqx.field(static=True)
    released_vocabulary: int | None = eqx.field(static=True)

    def __init__(
        self,
        name: str,
        mixture: MixtureOfHMMs,
        prompt_starts: Numbers,
        true_concepts: tuple[int, ...],
        k: int | None = None,
        seed: int | None = None,
        description: str = "",
        released_vocabulary: int | None = None,
    ):
        self.name, self.mixture, self.seed, self.description = name, mixture, seed, description
        self.released_vocabulary = released_vocabulary
        self.prompt_starts = as_float64("prompt_starts", prompt_starts)
        self.true_concepts = tuple(as_token("true_concept", concept) for concept in true_concepts)
        self.k = None if k is None else as_token("k", k)
        self._check()

    @classmethod
    def of(cls, name: str, mixture: MixtureOfHMMs, seed: int | None = None, description: str = "") -> "Instance":
        """An instance whose prompts start as documents do, every concept being the true one in turn.

        Args:
            name: what reports call it.
            mixture: the pretraining law.
            seed: what the numbers were drawn with, or None.
            description: one line.

        Returns:
            The instance, of no k of its own; prompt_starts are the (C, 1, H) initial laws.
        """
        starts, concepts = np.asarray(mixture.initial)[:, None], tuple(range(mixture.n_concepts))
        return cls(
            name=name, mixture=mixture, prompt_starts=starts, true_concepts=concepts, seed=seed, description=description
        )

    def changed(self, **fields: Any) -> "Instance":  # of the kind that each field has
        """The same instance but for some fields, checked anew.

        Args:
            fields: by name; ``released_vocabulary=None`` belongs to them where its data cannot be replayed any more.

        Returns:
            Another instance, of the same mixture unless another is named.

        Raises:
            ModelError: as for a new one.
        """
        return Instance(**({each.name: getattr(self, each.name) for each in dataclasses.fields(self)} | fields))

    def called(self, name: str) -> "Instance":
        """The same instance by another name.

        Returns:
            Instance of the same mixture.
        """
        return self.changed(name=name)

    def _check(self) -> None:
        concepts, states = self.mixture.n_concepts, self.mixture.n_states
        if self.prompt_starts.ndim != 3 or not self.prompt_starts.shape[1]:
            raise ModelError(f"prompt_starts: shape {self.prompt_starts.shape} where (C, S, H) has 3 axes and S >= 1")
        because = f"a mixture of {concepts} concepts and {states} states"
        check_shape("prompt_starts", self.prompt_starts, (concepts, self.prompt_starts.shape[1], states), because)
        check_simplex("prompt_starts", self.prompt_starts)
        if not self.true_concepts:
            raise ModelError("true_concept: none given; name at least one concept")
        for concept in self.true_concepts:
            if not 0 <= concept < concepts:
                raise ModelError(f"true_concept: {concept} is outside 0..{concepts - 1}; name one of the concepts")
        if self.k is not None and self.k < 2:
            raise ModelError(f"k: {self.k} is below 2 (at least one token of x and one of y); give 2 or more")
