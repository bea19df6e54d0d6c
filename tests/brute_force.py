"""The filter by enumeration of every hidden path, in exact rational arithmetic: slow, short, and hard to get wrong.

Floats are rationals, so p(o_1..o_t | c) of given arrays is a rational number; only the last logarithm rounds.
The cost is C * H^T products of T factors: keep C, H and T at four or less.
"""

import itertools
import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np


class Enumerated(NamedTuple):
    """The fields of ``MixtureFilter`` for one document at all P = T + 1 prefixes, and one more.

    concept_predictive: (P, C, V) p(o_{t+1} = v | o_1..o_t, c), zero rows where the prefix is impossible under c.
    """

    log_evidence: np.ndarray
    log_posterior: np.ndarray
    defined: np.ndarray
    predictive: np.ndarray
    first_impossible: int
    concept_predictive: np.ndarray


def log(number: Fraction) -> float:
    """Natural logarithm of a nonnegative rational, however small; -inf at zero."""
    if number == 0:
        return -math.inf
    if Fraction(1, 10**300) < number < 10**300:
        return math.log(float(number))
    return math.log(number.numerator) - math.log(number.denominator)


class Tables(NamedTuple):
    """A mixture's arrays as nested lists of rationals."""

    prior: list
    initial: list
    transition: list
    emission: list


def rationals(array):
    """Nested lists of the exact values of a float array."""
    return [rationals(row) for row in array] if np.ndim(array) else Fraction(float(array))


def tables(mixture) -> Tables:
    """The exact values of a mixture's arrays, every concept with an emission of its own."""
    return Tables(*(rationals(x) for x in (mixture.prior, mixture.initial, mixture.transition, mixture.emissions)))


def path_probability(exact: Tables, concept: int, path, tokens) -> Fraction:
    """p(h_1..h_T, o_1..o_T | c) of one hidden path: a product of 2T table entries."""
    product = Fraction(1)
    for t, (state, token) in enumerate(zip(path, tokens, strict=True)):
        arrived = exact.initial[concept][state] if t == 0 else exact.transition[concept][path[t - 1]][state]
        emitted = exact.emission[concept][state][token]
        if arrived == 0 or emitted == 0:
            return Fraction(0)
        product *= arrived * emitted
    return product


def evidence(exact: Tables, concept: int, tokens) -> Fraction:
    """p(o_1..o_T | c): the sum over all H^T hidden paths."""
    paths = itertools.product(range(len(exact.initial[concept])), repeat=len(tokens))
    return sum((path_probability(exact, concept, path, tokens) for path in paths), Fraction(0))


def probability(mixture, tokens) -> Fraction:
    """p(o_1..o_T) = sum_c prior_c p(o_1..o_T | c)."""
    exact, tokens = tables(mixture), [int(token) for token in tokens]
    return sum((p * evidence(exact, c, tokens) for c, p in enumerate(exact.prior)), Fraction(0))


def enumerate_paths(mixture, tokens) -> Enumerated:
    """Evidence, concept posterior and predictives after every prefix of one document."""
    exact, tokens = tables(mixture), [int(token) for token in tokens]
    prior, rows = exact.prior, []
    concepts, vocabulary = range(mixture.n_concepts), range(mixture.n_tokens)
    for t in range(len(tokens) + 1):
        by_concept = [evidence(exact, c, tokens[:t]) for c in concepts]
        extended = [[evidence(exact, c, [*tokens[:t], v]) for v in vocabulary] for c in concepts]
        total = sum((p * e for p, e in zip(prior, by_concept, strict=True)), Fraction(0))
        mixed = [sum((p * e[v] for p, e in zip(prior, extended, strict=True)), Fraction(0)) for v in vocabulary]
        rows.append(
            (
                [log(e) for e in by_concept],
                [log(p * e / total) if total else -math.inf for p, e in zip(prior, by_concept, strict=True)],
                total > 0,
                [float(m / total) if total else 0.0 for m in mixed],
                [[float(x / e) if e else 0.0 for x in row] for e, row in zip(by_concept, extended, strict=True)],
            )
        )
    log_evidence, log_posterior, defined, predictive, concept_predictive = (
        np.array(x) for x in zip(*rows, strict=True)
    )
    first_impossible = len(tokens) if defined.all() else int(np.argmin(defined)) - 1
    return Enumerated(log_evidence, log_posterior, defined, predictive, first_impossible, concept_predictive)


def assert_is_enumeration(mixture, documents, found):
    """A MixtureFilter of every prefix of each document against its enumeration, zeros included."""
    for b, document in enumerate(documents):
        exact = enumerate_paths(mixture, document)
        np.testing.assert_allclose(found.log_evidence[b], exact.log_evidence, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(found.log_posterior[b], exact.log_posterior, rtol=1e-12, atol=1e-11)
        np.testing.assert_array_equal(found.defined[b], exact.defined)
        np.testing.assert_allclose(found.predictive[b], exact.predictive, rtol=1e-10, atol=1e-290)
        assert found.first_impossible[b] == exact.first_impossible
