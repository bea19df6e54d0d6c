"""Variants of instances: what each changes, what it leaves alone, and what it refuses."""

import re

import numpy as np
import pytest

from implicit_bayes.simulators import ginc
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.variants import after_delimiter, load_variant
from implicit_bayes.theory import ModelError, PromptLaw
from implicit_bayes.theory.statements.assumptions import check_assumptions


def test_a_name_alone_is_the_named_instance():
    made, named = load_variant("ginc"), load_instance("ginc")
    assert np.array_equal(made.mixture.transition, named.mixture.transition)
    assert made.released_vocabulary == 50
    assert load_variant("ginc:single-concept").released_vocabulary is None


def test_single_concept_changes_documents_and_not_prompts():
    made, base = load_variant("ginc:single-concept"), load_instance("ginc")
    assert list(made.mixture.prior) == [1, 0, 0, 0, 0]
    assert made.true_concepts == (0, 1, 2, 3, 4)
    assert np.array_equal(made.prompt_starts, base.prompt_starts)
    assert np.array_equal(made.mixture.transition, base.mixture.transition)


def test_random_tokens_are_independent_and_prompts_are_those_of_the_base():
    made, base = load_variant("ginc:random-tokens"), load_instance("ginc")
    assert np.flatnonzero(made.mixture.prior).tolist() == [0]
    assert np.allclose(made.mixture.transition[0], 1 / 100)
    assert np.array_equal(made.mixture.transition[1:], base.mixture.transition)
    assert made.true_concepts == (1, 2, 3, 4, 5)


def test_unseen_concepts_are_the_last_five_of_the_release():
    made, release = load_variant("ginc:unseen-concepts"), ginc.released_ginc(50)
    assert np.array_equal(made.mixture.transition[5:], release.unseen.transition)
    assert np.array_equal(made.mixture.prior[5:], np.zeros(5))
    assert made.true_concepts == (5, 6, 7, 8, 9)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_interpolation_runs_from_one_concept_to_the_instance(share):
    made, base = load_variant(f"regular:interpolated={share}").mixture, load_instance("regular").mixture
    mean = np.asarray(base.transition).mean(0)
    expected = mean + share * (np.asarray(base.transition) - mean)
    assert np.allclose(made.transition, expected, atol=1e-15)
    if share == 0.0:
        assert np.ptp(np.asarray(made.transition), axis=0).max() == 0


def test_prompt_shift_is_a3s_distance():
    """With one delimiter state and the far law off its support's mode, TV(p_prompt, p(h|d)) = W (1 - p(far|d))."""
    for share in (0.0, 0.3, 1.0):
        made = load_variant(f"regular:prompt-shift={share}")
        law = PromptLaw.of(made.mixture, made.prompt_starts[0, 0], 0, 3)
        row = next(row for row in check_assumptions(made.mixture, law) if row.name == "A3")
        assert row.constants["tv"] == pytest.approx(share * (1 - 0.06), abs=1e-12)


def test_a_twin_shares_the_token_and_goes_elsewhere():
    """p(h | d) is .55 and .05 on the two; merged again they are the instance; only the twin's favourite differs."""
    made, base = load_variant("regular:twin").mixture, load_instance("regular").mixture
    old, new = np.asarray(base.transition), np.asarray(made.transition)
    assert np.array_equal(made.emission[1], made.emission[7])
    assert np.allclose(after_delimiter(made)[:, [1, 7]], [0.55, 0.05])
    merged = new[:, :7, :7].copy()
    merged[:, :, 1] += new[:, :7, 7]
    assert np.allclose(merged, old, atol=1e-15)
    assert new[:, 7].argmax(-1).tolist() == [1] * 5
    assert new[:, 1].argmax(-1).tolist() == [2, 3, 4, 5, 6]
    assert np.allclose(new.sum(-1), 1)
    assert new.min() > 0
    far = load_variant("regular:twin:prompt-shift=1").prompt_starts
    assert np.array_equal(far[:, 0], np.tile(np.eye(8)[7], (5, 1)))


def test_property_shift_ends_at_the_instances_own_start_laws():
    made, base = load_variant("ginc:property-shift=1"), load_instance("ginc")
    assert np.allclose(made.prompt_starts, base.prompt_starts)
    none = load_variant("ginc:property-shift=0")
    assert np.allclose(none.prompt_starts[:, 0], after_delimiter(base.mixture))


@pytest.mark.parametrize("probability", [1e-6, 0.1, 0.5])
def test_delimiter_probability_is_c1_and_leaves_c2(probability):
    made = load_variant(f"regular:delimiter={probability}")
    law = PromptLaw.of(made.mixture, made.prompt_starts[0, 0], 0, 2)
    row = next(row for row in check_assumptions(made.mixture, law) if row.name == "A2")
    assert row.constants["c1"] == pytest.approx(probability, rel=1e-12)
    assert row.constants["c2"] == pytest.approx(0.1, rel=1e-12)
    assert made.true_concepts == (0,)
    words = np.asarray(made.mixture.transition)[0][:, 1:]
    before = np.asarray(load_instance("regular").mixture.transition)[0][:, 1:]
    assert np.allclose(words / words.sum(-1, keepdims=True), before / before.sum(-1, keepdims=True))


def test_without_persistence_the_entity_moves_and_properties_do_not_change():
    made, base = load_variant("ginc-no-persistence").mixture, load_instance("ginc").mixture
    joint = np.asarray(made.transition).reshape(5, 10, 10, 10, 10)
    entity, properties = joint.sum(4)[:, :, 0], joint.sum(3)[:, 0]
    before = np.asarray(base.transition).reshape(5, 10, 10, 10, 10)
    assert np.allclose(properties, before.sum(3)[:, 0])
    assert np.allclose(0.1 * entity + 0.9 * np.eye(10), before.sum(4)[:, :, 0])
    assert np.trace(entity[0]) < 5


def test_low_entropy_is_the_papers_setting():
    made = load_variant("ginc-low-entropy").mixture
    assert (made.n_concepts, made.n_tokens) == (12, 100)
    kernel = np.asarray(made.transition)[0]
    entropy = -np.where(kernel > 0, kernel * np.log(np.maximum(kernel, 1e-300)), 0).sum(-1).mean()
    assert entropy < 2.0 < -np.log(1 / 100)


def test_random_kernels_keep_the_tokens_and_lose_the_structure():
    made, base = load_variant("ginc-random-kernels").mixture, load_instance("ginc").mixture
    assert np.array_equal(made.emission, base.emission)
    assert not np.allclose(made.transition[0], base.transition[0])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ginc:unknown", "'unknown'"),
        ("ginc:single-concept=1", "takes no value"),
        ("regular:interpolated", "takes a value"),
        ("regular:interpolated=2", "not a number in [0, 1]"),
        ("regular:delimiter=0", "strictly between"),
        ("regular:unseen-concepts", "not regular"),
        ("gincc", "did you mean"),
    ],
)
def test_bad_specifications_say_why(spec, words):
    with pytest.raises(ModelError, match=re.escape(words)):
        load_variant(spec)
