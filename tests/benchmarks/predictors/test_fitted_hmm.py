"""The HMM that pomegranate's EM fits: a round by enumeration of paths, a rising likelihood, a missing extra."""

import itertools

import numpy as np
import pytest

from implicit_bayes import find_model, load_instance, log_probability
from implicit_bayes.benchmarks.predictors import fitted_hmm
from implicit_bayes.benchmarks.predictors.fitted_hmm import FittedHMM, fit, random_hmm, smoothed
from implicit_bayes.theory import ModelError

TOKENS = np.random.default_rng(0).choice(3, (5, 4), p=[0.5, 0.3, 0.2])


def one_round(hmm, tokens):
    """Baum and Welch from the posterior of every hidden path."""
    states, vocabulary = hmm.n_states, hmm.n_tokens
    first, moves, said = np.zeros(states), np.zeros((states, states)), np.zeros((states, vocabulary))
    for document in tokens:
        paths = list(itertools.product(range(states), repeat=len(document)))
        weight = []
        for path in paths:
            p = hmm.initial[path[0]] * np.prod([hmm.emission[h, o] for h, o in zip(path, document, strict=True)])
            weight.append(p * np.prod([hmm.transition[a, b] for a, b in itertools.pairwise(path)]))
        for path, share in zip(paths, np.array(weight) / sum(weight), strict=True):
            first[path[0]] += share
            for a, b in itertools.pairwise(path):
                moves[a, b] += share
            for h, o in zip(path, document, strict=True):
                said[h, o] += share
    return [x / x.sum(-1, keepdims=True) for x in (first, moves, said)]


def test_a_round_is_baum_and_welchs_over_all_paths():
    """Documents that are cut have no ends: pomegranate's own end probabilities would shift every number."""
    start = random_hmm(2, 3, 0)
    found = fit(start, TOKENS, 1)
    for ours, expected in zip((found.initial, found.transition, found.emission), one_round(start, TOKENS), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_the_likelihood_never_falls_and_a_smoothed_fit_forbids_nothing():
    start, losses = random_hmm(3, 3, 1), []
    for rounds in range(5):
        model = FittedHMM("x", fit(start, TOKENS, rounds), 0)
        losses.append(-float(np.asarray(log_probability(model.mixture, TOKENS)).sum()))
    assert (np.diff(losses) < 1e-9).all() and losses[0] > losses[-1] + 0.1
    assert min(x.min() for x in smoothed(fit(start, TOKENS, 5), 0.01).__dict__.values()) >= 0.01 / 3
    assert model.parameters == 2 + 3 * 2 + 3 * 2


def test_it_is_a_model_by_name(monkeypatch):
    monkeypatch.setattr(fitted_hmm, "TOKENS", 1024)
    monkeypatch.setattr(fitted_hmm, "ROUNDS", 2)
    model = find_model("fitted-hmm-4", load_instance("regular"))
    law = np.exp(model.log_probabilities(np.zeros((2, 3), int)))
    assert model.name == "fitted-hmm-4" and law.shape == (2, 4, 7)
    np.testing.assert_allclose(law.sum(-1), 1, rtol=1e-9)


def test_bad_sizes_and_a_missing_extra_are_one_line(monkeypatch):
    instance = load_instance("regular")
    for states in (0, 501):
        with pytest.raises(ModelError, match="give 1 to 500 states"):
            find_model(f"fitted-hmm-{states}", instance)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="model: fitted-hmm-3: needs pomegranate, of the extra 'reference'"):
        find_model("fitted-hmm-3", instance)
