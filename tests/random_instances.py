"""Random small instances that reach the corners of the conditions, one for every seed."""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory import MixtureOfHMMs


class RandomInstance(NamedTuple):
    """A mixture, (S, H) start laws, theta* and k; ``twin``: the concept that is theta* renamed, or None."""

    mixture: MixtureOfHMMs
    starts: np.ndarray
    true_concept: int
    k: int
    twin: int | None


def random_instance(seed: int) -> RandomInstance:
    """One to three start laws, one or two delimiter states, 2 or 3 concepts; by turns: short decimals (ties), exact
    zeros, a prior of zero (theta* itself now and then), a last concept that is theta* with its states renamed."""
    generator = np.random.default_rng(seed)
    delimiters, concepts = int(generator.integers(1, 3)), int(generator.integers(2, 4))
    body, k, true = int(generator.integers(1, 3)), int(generator.integers(2, 4)), 0
    states, tokens = body + delimiters, 3
    decimal, zeros, twin = generator.random(3) < (0.4, 0.3, 0.3)

    def law(*shape: int) -> np.ndarray:
        count = shape[-1]
        if decimal:
            parts = generator.multinomial(10, np.full(count, 1 / count), shape[:-1])
            if not zeros:
                parts = generator.multinomial(10 - count, np.full(count, 1 / count), shape[:-1]) + 1
            return parts / 10
        rows = generator.dirichlet(np.full(count, 0.7), shape[:-1])
        if zeros:
            rows = np.where(rows < 0.15, 0.0, rows)
            rows /= rows.sum(-1, keepdims=True)
        return rows

    emission = np.zeros((concepts, states, tokens))
    emission[:, :body, : tokens - 1] = law(body, tokens - 1)
    emission[:, body:, -1] = 1.0
    initial, transition = law(concepts, states), law(concepts, states, states)
    if twin:
        order = np.r_[np.arange(body)[::-1], np.arange(body, states)]
        initial[-1], transition[-1] = initial[0][order], transition[0][np.ix_(order, order)]
        emission[-1] = emission[0][order]
    prior = np.full(concepts, 1 / concepts)
    if concepts == 3 and generator.random() < 0.5:
        gone = int(generator.integers(0 if generator.random() < 0.3 else 1, 3))
        prior = np.where(np.arange(3) == gone, 0.0, 0.5)
    mixture = MixtureOfHMMs(prior, initial, transition, emission, tokens - 1)
    starts = law(int(generator.integers(1, 4)), states)
    return RandomInstance(mixture, starts, true, k, concepts - 1 if twin else None)
