"""The prompt law: n independent examples joined by delimiters, which is not a document of the pretraining law.

Source: Xie et al. 2022, section 2.1 ("prompt distribution") and docs/theory/objects.md.
"""

import equinox as eqx
import numpy as np

from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape, check_simplex
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs, as_token
from implicit_bayes.theory.objects.types import Numbers, Probabilities_H


def prefix_length(k: int, n: int) -> int:
    """(k + 1) n + k - 1, the tokens of (S_n, x_test): n examples with delimiters, then the first k - 1 of one more.

    Args:
        k: tokens in an example.
        n: complete examples before x_test.

    Returns:
        Tokens, k - 1 for n = 0.
    """
    return (k + 1) * n + k - 1


class PromptLaw(eqx.Module):
    """Law of S_n = (O_1, delimiter, ..., O_n, delimiter) and of x_test.

    O_i = k tokens of the concept's HMM started afresh from h ~ start; x_test = first k - 1 tokens of a fresh O.

    Args:
        hmm: the true concept theta*.
        start: (H,) p_prompt(h), the law of every example's first hidden state.
        length: k, tokens in an example, its delimiter not counted (k >= 2: at least one token of x and one of y).
        delimiter: token index written between examples.

    Raises:
        ModelError: the start law is not a law on the concept's states, k < 2, or the delimiter is no token.
    """

    hmm: HMM
    start: Probabilities_H
    length: int = eqx.field(static=True)
    delimiter: int = eqx.field(static=True)

    def __init__(self, hmm: HMM, start: Numbers, length: Numbers, delimiter: Numbers):
        self.hmm = hmm
        self.start = as_float64("prompt_start", start)
        self.length = as_token("k", length)
        self.delimiter = as_token("delimiter", delimiter)
        check_shape("prompt_start", self.start, (hmm.n_states,), f"a concept of {hmm.n_states} states")
        check_simplex("prompt_start", self.start)
        if self.length < 2:
            raise ModelError(f"k: {self.length} is below 2 (an example is at least one token of x and one of y)")
        if not 0 <= self.delimiter < hmm.n_tokens:
            raise ModelError(f"delimiter: token {self.delimiter} is outside the vocabulary 0..{hmm.n_tokens - 1}")

    @classmethod
    def of(cls, mixture: MixtureOfHMMs, start: Numbers, true_concept: Numbers, k: Numbers) -> "PromptLaw":
        """The prompt law whose true concept is one of the mixture's; arguments in the order of all such functions.

        Args:
            mixture: the pretraining law.
            start: (H,) p_prompt(h).
            true_concept: index of theta*.
            k: tokens in an example.

        Returns:
            PromptLaw with the mixture's delimiter.

        Raises:
            ModelError: the start law and the concept are exchanged (one is a law, the other a number), the mixture has
                no such concept, or what ``PromptLaw`` refuses.
        """
        if np.ndim(true_concept) or not np.ndim(start):
            raise ModelError("prompt_start: comes before true_concept: PromptLaw.of(mixture, start, true_concept, k)")
        return cls(mixture.concept(as_token("true_concept", true_concept)), start, k, mixture.delimiter)

    def example_law(self) -> HMM:
        """The law of one example as an HMM: the concept's kernel and emission, started from p_prompt.

        Returns:
            HMM whose first k tokens are an example.
        """
        return HMM(self.start, self.hmm.transition, self.hmm.emission)

    def test_position(self, n: int) -> int:
        """Prefix length (k + 1) n + k - 1 of (S_n, x_test) inside a prompt of at least n + 1 examples.

        Args:
            n: examples before x_test.

        Returns:
            Tokens.
        """
        return prefix_length(self.length, n)
