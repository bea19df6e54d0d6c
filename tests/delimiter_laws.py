"""Small mixtures with one delimiter state or several, and their probabilities summed over hidden paths."""

import itertools

import numpy as np

from implicit_bayes.theory import MixtureOfHMMs


def path_sum(start, law, tokens):
    """p(tokens) of a law started from ``start``, over every hidden path."""
    total = 0.0
    for path in itertools.product(range(len(start)), repeat=len(tokens)):
        p = start[path[0]] * law.emission[path[0], tokens[0]]
        for a, b, token in zip(path[:-1], path[1:], tokens[1:], strict=True):
            p *= law.transition[a, b] * law.emission[b, token]
        total += p
    return total


def one_delimiter(seed, states=3, tokens=3, concepts=2):
    """Positive concepts whose last state alone emits the last token, and nothing else."""
    generator = np.random.default_rng(seed)
    emission = np.zeros((states, tokens))
    emission[:-1, :-1] = generator.dirichlet(np.ones(tokens - 1), states - 1)
    emission[-1, -1] = 1.0
    initial = generator.dirichlet(np.ones(states), concepts)
    transition = generator.dirichlet(np.ones(states), (concepts, states))
    mixture = MixtureOfHMMs(np.full(concepts, 1 / concepts), initial, transition, emission, tokens - 1)
    return mixture, generator.dirichlet(np.ones(states))


def split_delimiter(mixture, start, share=0.3):
    """The same laws of tokens with the delimiter state split into two indistinguishable copies (so |D| = 2)."""

    def divide(x):
        return np.concatenate([x[..., :-1], share * x[..., -1:], (1 - share) * x[..., -1:]], -1)

    rows = divide(mixture.transition)
    transition = np.concatenate([rows, rows[:, -1:]], 1)
    emission = np.concatenate([mixture.emission, mixture.emission[-1:]])
    divided = MixtureOfHMMs(mixture.prior, divide(mixture.initial), transition, emission, mixture.delimiter)
    return divided, divide(start)
