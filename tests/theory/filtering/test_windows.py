"""Bayes with a window: against sums over everything that was dropped, the filter, and its expected loss."""

import itertools
from fractions import Fraction

import brute_force
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture
from implicit_bayes.theory.filtering.windows import window_predictive


def mixture(seed: int, zeros: bool = True, prior=(0.7, 0.3)) -> MixtureOfHMMs:
    """Two concepts of two states over two tokens; exact zeros by turns."""
    rng = np.random.default_rng(seed)
    kernel, emission = rng.dirichlet(np.ones(2), (2, 2)), rng.dirichlet(np.ones(2), (2, 2))
    if zeros:
        kernel[seed % 2, 0] = [0.0, 1.0]
        emission[0, seed % 2] = [1.0, 0.0]
    return MixtureOfHMMs(list(prior), rng.dirichlet(np.ones(2), 2), kernel, emission, 1)


def by_definition(law: MixtureOfHMMs, tokens, window: int) -> list[Fraction]:
    """p(v | the last w of o_1..o_t) from probabilities of whole strings, what came before summed over all strings."""
    dropped, kept = max(len(tokens) - window, 0), [int(token) for token in tokens[max(len(tokens) - window, 0) :]]
    pasts = list(itertools.product(range(law.n_tokens), repeat=dropped))
    joint = [sum(brute_force.probability(law, [*past, *kept, v]) for past in pasts) for v in range(law.n_tokens)]
    total = sum(joint)
    return [float(p / total) if total else 0.0 for p in joint]


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("window", [0, 1, 2, 3])
def test_it_is_the_conditional_law_given_the_window_by_enumeration_in_fractions(seed, window):
    law = mixture(seed, prior=(0.7, 0.3) if seed else (1.0, 0.0))
    tokens = np.array(list(itertools.product(range(2), repeat=4)))
    found = window_predictive(law, tokens, window)
    for row, document in zip(found, tokens, strict=True):
        for t in range(5):
            np.testing.assert_allclose(row[t], by_definition(law, document[:t], window), rtol=1e-12, atol=1e-15)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.booleans(), st.sampled_from([0, 5, 6, 50]))
def test_a_window_as_long_as_the_document_is_the_filter(seed, zeros, more):
    law = mixture(seed, zeros)
    tokens = np.random.default_rng(seed).integers(0, 2, (6, 6))
    found = window_predictive(law, tokens, 6 + more)
    np.testing.assert_allclose(found, filter_mixture(law, tokens).predictive, rtol=1e-10, atol=1e-14)
    short = window_predictive(law, tokens, 4)  # and up to the window at every length
    np.testing.assert_allclose(short[:, :5], found[:, :5], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", range(6))
def test_its_expected_loss_falls_with_the_window_to_that_of_bayes(seed):
    """Exactly, over all strings of six tokens: the loss of window w is at most that of w - 1, and Bayes' from 5 on."""
    law = mixture(seed, zeros=seed % 2 == 0)
    strings = np.array(list(itertools.product(range(2), repeat=6)))
    mass = np.array([float(brute_force.probability(law, string)) for string in strings])
    losses = []
    for window in range(7):
        predictive = window_predictive(law, strings, window)[:, :-1]
        came = np.take_along_axis(predictive, strings[..., None], -1)[..., 0]
        with np.errstate(divide="ignore"):
            losses.append(-(mass[mass > 0] * np.log(came[mass > 0]).sum(1)).sum())
    assert (np.diff(losses) <= 1e-12).all()
    entropy = -(mass[mass > 0] * np.log(mass[mass > 0])).sum()
    assert losses[0] > losses[1] + 1e-6 and losses[5] == pytest.approx(entropy, abs=1e-12)


def test_a_concept_that_underflows_in_the_window_comes_back():
    """Concept 0 explains 400 tokens e^800 times better and forbids the next one."""
    kernel = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.1], [0.5, 0.5]]])
    emission = np.array([[[0.999999, 1e-6, 0.0]] * 2, [[0.1, 0.3, 0.6]] * 2])
    law = MixtureOfHMMs([0.5, 0.5], [[1.0, 0.0]] * 2, kernel, emission, 1)
    document = np.array([[0] * 400 + [2]])
    found = window_predictive(law, document, 401)
    np.testing.assert_allclose(found[0, -1], [0.1, 0.3, 0.6], rtol=1e-12)
    np.testing.assert_allclose(found[0, -2], [0.999999, 1e-6, 0.0], rtol=1e-9, atol=1e-300)


def test_an_impossible_window_has_no_law_and_a_negative_one_is_refused():
    law = MixtureOfHMMs([1.0], [[1.0, 0.0]], [[[0.0, 1.0], [1.0, 0.0]]], np.eye(2), 1)
    found = window_predictive(law, np.array([[0, 0, 1, 0]]), 2)  # 0 and 1 take turns
    np.testing.assert_array_equal(found.sum(-1), [[1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(window_predictive(law, np.array([[0, 0, 0]]), 1).sum(-1), [[1, 1, 0, 1]])
    with pytest.raises(ModelError, match="window: -1"):
        window_predictive(law, np.array([[0]]), -1)
    assert window_predictive(law, np.zeros((2, 0), int), 3).shape == (2, 1, 2)
