"""The prompt law: its checks and where its test position lies."""

import inspect

import numpy as np
import pytest

from implicit_bayes.theory import HMM, MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.statements.conditions import check_conditions, condition_table, critical_k
from implicit_bayes.theory.statements.theorems import evaluate_theorems

CONCEPT = HMM([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])


@pytest.mark.parametrize(
    ("start", "length", "delimiter", "words"),
    [
        ([0.5, 0.25], 3, 0, ["prompt_start", "0.75"]),
        ([1.5, -0.5], 3, 0, ["prompt_start[1]", "negative"]),
        ([1.0], 3, 0, ["prompt_start", "(1,)", "(2,)"]),
        ([0.5, 0.5], 1, 0, ["k: 1", "below 2"]),
        ([0.5, 0.5], 0, 0, ["k: 0"]),
        ([0.5, 0.5], 2.0, 0, ["k", "integer"]),
        ([0.5, 0.5], 3, 3, ["delimiter", "3", "0..2"]),
        ([0.5, 0.5], 3, -1, ["delimiter", "-1"]),
    ],
)
def test_error_names_field_and_number(start, length, delimiter, words):
    with pytest.raises(ModelError) as caught:
        PromptLaw(CONCEPT, start, length, delimiter)
    for word in words:
        assert word in str(caught.value)


def test_two_tokens_are_enough_and_numpy_integers_are_integers():
    law = PromptLaw(CONCEPT, [0.0, 1.0], np.int64(2), np.int32(1))
    assert (law.length, law.delimiter) == (2, 1)


def test_an_example_starts_from_the_prompt_start_under_the_true_kernel():
    example = PromptLaw(CONCEPT, [0.0, 1.0], 3, 0).example_law()
    np.testing.assert_array_equal(example.initial, [0.0, 1.0])
    np.testing.assert_array_equal(example.transition, CONCEPT.transition)
    np.testing.assert_array_equal(example.emission, CONCEPT.emission)


def test_of_takes_concept_and_delimiter_of_the_mixture():
    kernels = np.stack([np.eye(2), CONCEPT.transition])
    mixture = MixtureOfHMMs([0.5, 0.5], np.full((2, 2), 0.5), kernels, CONCEPT.emission, 2)
    law = PromptLaw.of(mixture, [0.0, 1.0], 1, 4)
    np.testing.assert_array_equal(law.hmm.transition, CONCEPT.transition)
    assert (law.delimiter, law.length) == (2, 4)
    with pytest.raises(ModelError, match="concept"):
        PromptLaw.of(mixture, [0.0, 1.0], 2, 4)


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_the_test_position_counts_examples_and_delimiters(k, n):
    prompt = [*[*["o"] * k, "/"] * n, *["x"] * (k - 1)]
    assert PromptLaw(CONCEPT, [0.5, 0.5], k, 0).test_position(n) == len(prompt)


def test_arguments_come_in_one_order_and_exchanged_ones_are_refused():
    """(mixture, start law, true concept, k), as check_conditions, critical_k and evaluate_theorems have them."""
    mixture = MixtureOfHMMs([0.5, 0.5], np.eye(2), np.full((2, 2, 2), 0.5), np.eye(2), 1)
    law = PromptLaw.of(mixture, [0.0, 1.0], 1, 4)
    np.testing.assert_array_equal(law.start, [0.0, 1.0])
    np.testing.assert_array_equal(law.hmm.initial, mixture.initial[1])
    assert law.length == 4
    for start, concept in ((1, [0.0, 1.0]), (1, 0), ([0.0, 1.0], [0.0, 1.0])):
        with pytest.raises(ModelError, match=r"^prompt_start: comes before true_concept"):
            PromptLaw.of(mixture, start, concept, 4)
    for function in (check_conditions, condition_table, critical_k, evaluate_theorems):
        names = list(inspect.signature(function).parameters)
        assert names[0] == "mixture" and names[1].startswith("start_laws") and names[2].startswith("true_concept")
        assert names[3] in ("k", "ks")
