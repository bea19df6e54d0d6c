"""N-grams, windows and the uniform law as models: by hand, by name, and under every law of a causal model."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes import check_language_model, filter_mixture, find_model, load_instance
from implicit_bayes.benchmarks.predictors import references
from implicit_bayes.benchmarks.predictors.references import NGram, training_documents
from implicit_bayes.lm.data import fresh_batches
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.schedule import plan
from implicit_bayes.theory import ModelError


def by_definition(documents, vocabulary, context, order):
    """The recursion of Witten and Bell in fractions, counts by a dictionary; "^" is the beginning."""
    if order == 0:
        return [Fraction(1, vocabulary)] * vocabulary
    seen = Counter()
    for document in documents:
        padded = ["^"] * (order - 1) + list(document)
        for i in range(len(document)):
            seen[tuple(padded[i : i + order - 1]), padded[i + order - 1]] += 1
    recent = tuple((["^"] * order + list(context))[len(context) + 1 :])
    below = by_definition(documents, vocabulary, context, order - 1)
    counts = [seen[recent, v] for v in range(vocabulary)]
    kinds = sum(count > 0 for count in counts)
    if not kinds:
        return below
    return [Fraction(c + kinds * b) / (sum(counts) + kinds) for c, b in zip(counts, below, strict=True)]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_an_ngram_is_its_recursion_in_fractions(order):
    rng = np.random.default_rng(order)
    documents = [rng.choice(3, (2, 5), p=[0.6, 0.3, 0.1]), rng.choice(3, (3, 2), p=[0.5, 0.5, 0.0])]
    model = NGram(order, documents, 3)
    rows = [row.tolist() for each in documents for row in each]
    asked = np.array([[0, 1, 2, 2, 0, 1], [2, 2, 2, 1, 1, 0]])
    found = np.exp(model.log_probabilities(asked))
    for row, tokens in zip(found, asked.tolist(), strict=True):
        for t in range(7):
            expected = [float(p) for p in by_definition(rows, 3, tokens[:t], order)]
            np.testing.assert_allclose(row[t], expected, rtol=1e-12)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-12)
    assert (found > 0).all() and model.window == order - 1


def test_it_counts_what_a_shipped_preset_sees_first():
    instance = load_instance("regular")
    steps = plan(preset("lstm", "small", 7).schedule)
    batches = fresh_batches(instance.mixture, steps, 0)
    found = training_documents(instance, 3000)
    assert sum(each.size for each in found) == 3072
    for step, each in enumerate(found):
        np.testing.assert_array_equal(each, batches(step))


@pytest.mark.parametrize("name", ["ngram-2", "window-12", "uniform"])
def test_references_are_models_that_obey_every_law(name, monkeypatch):
    monkeypatch.setattr(references, "training_documents", lambda instance: training_documents(instance, 20_000))
    found = check_language_model(name, "regular", documents=24, length=64)
    assert found.subject == name and not found.broken


def test_a_window_as_long_as_the_document_is_bayes_and_a_shorter_one_declares_itself():
    instance = load_instance("regular")
    tokens = np.random.default_rng(0).integers(0, 7, (3, 9))
    expected = np.log(filter_mixture(instance.mixture, tokens).predictive)
    np.testing.assert_allclose(find_model("window-9", instance).log_probabilities(tokens), expected, atol=1e-12)
    assert find_model("window-4", instance).window == 4


def test_what_is_no_reference_is_refused():
    instance = load_instance("ginc")
    for name, words in (("ngram-0", "one token at least"), ("ngram-5", r"51\^5 entries"), ("ngram-x", "is none of")):
        with pytest.raises(ModelError, match=words):
            find_model(name, instance)
