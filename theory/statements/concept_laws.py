"""What each concept says of the answer to test inputs, from every delimiter state: floats, and exact integers."""

import numpy as np

from implicit_bayes.theory.objects.decimals import integers, next_token
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.statements.risk import start_filter


class ConceptLaws:
    """(B, D) whether d allows x, and (B, D, V) p(y | x, d, concept), each concept's computed when asked for.

    Args:
        mixture: whose concepts.
        tokens: (B, m) the inputs x.
        states: ``mixture.delimiter_states()``, if the caller has them.
    """

    def __init__(self, mixture: MixtureOfHMMs, tokens: np.ndarray, states: np.ndarray | None = None):
        self.mixture, self.tokens = mixture, tokens
        self.states = mixture.delimiter_states() if states is None else states
        self.found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.exact: dict[int, list[np.ndarray]] = {}

    def of(self, concept: int) -> tuple[np.ndarray, np.ndarray]:
        """For one concept, (B, D) and (B, D, V).

        Args:
            concept: index of theta.

        Returns:
            (possible, laws): which delimiter states d allow x, and p(y | x, d, concept), 0 throughout where d does not;
            kept after the first call.
        """
        if concept not in self.found:
            kernel = np.asarray(self.mixture.transition)[concept]
            emission = np.asarray(self.mixture.emissions)[concept]
            mass, predictive = start_filter(kernel[self.states], kernel, emission, self.tokens)
            self.found[concept] = mass[-1] > 0, predictive[-1]
        return self.found[concept]

    def exactly(self, concept: int, d: int, x: int) -> np.ndarray:
        """(V,) p(x, y | d, concept) in integers of one scale.

        Args:
            concept: index of theta.
            d: which delimiter state the example starts behind, by its place among them.
            x: which test input.

        Returns:
            V Python integers, proportional to the probabilities by one factor for the concept and the length of x.
        """
        if concept not in self.exact:
            hmm = self.mixture.concept(concept)
            self.exact[concept] = integers(hmm.transition, hmm.emission)
        kernel, emission = self.exact[concept]
        return next_token(kernel[self.states[d]], kernel, emission, self.tokens[x].tolist())
