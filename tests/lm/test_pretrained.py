"""Laws that any trained model must obey, asked of the shipped weights, and the figures of their cards."""

import json

import numpy as np
import pytest

from implicit_bayes import parametrize_with_checks
from implicit_bayes.benchmarks.predictors.models import (
    LARGER,
    OTHER_LAW,
    SHIPPED,
    TAUGHT,
    find_model,
    installed,
    shipped_for,
    shipped_path,
)
from implicit_bayes.benchmarks.predictors.paired import excess, hold_out
from implicit_bayes.benchmarks.predictors.published_accuracy import RIVAL, published
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.resets import with_resets

LARGEST_EXCESS = {"lstm-small": 0.010, "transformer-small": 0.015}
"""Nats per token: what the shipped models are to reach."""
LEAST_ACCURACY = {"lstm-small": 98.0, "transformer-small": 95.0}
"""Percent, at k = 10, n = 64, in the mean over the seeds."""
ASKED = {"lstm": 0.0045, "transformer": 0.0075}
"""Nats per token, in the mean over the seeds: what is asked of the best model of each kind."""
ASKED_ACCURACY = {"lstm": 98.5, "transformer": 97.0}
"""Percent, as above, at k = 10, n = 64."""
LARGER_EXCESS = {"lstm": 0.012, "transformer": 0.02}
"""Nats per token, of the models of V = 100 and 150."""
NEXT = pytest.mark.xfail(
    strict=True,
    reason="from tokens alone: lstm-small 0.0071 and 98.2%, transformer-small 0.0113 and 96.0%; docs/training.md has "
    "the curves, and the taught models reach both",
)
SHORT = pytest.mark.xfail(strict=True, reason="lstm-small: 97.6% at n = 0 (three seeds, 97.4 to 97.8); see its card")


@pytest.fixture(scope="module")
def ginc():
    return load_instance("ginc")


def _card(name):
    return json.loads((shipped_path(name).parent / "card.json").read_text())


def test_both_models_are_shipped(ginc):
    assert shipped_for(ginc) == SHIPPED


@parametrize_with_checks([*SHIPPED, *TAUGHT], "ginc", documents=200, length=128)
def test_every_law_of_a_causal_model_holds(model, check):
    """On 200 fresh documents; a false alarm comes with 1e-3 for each of the three statistical laws."""
    check(model)


@pytest.mark.parametrize("name", [*SHIPPED, *TAUGHT])
def test_the_card_tells_the_measured_excess(name, ginc):
    """Fresh documents: the difference of the two means within 5 of its standard errors, false alarm 6e-7."""
    card = _card(name)["seeds"][0]
    found = excess(find_model(name, ginc), hold_out(ginc.mixture, 64, 512, seed=7))
    assert abs(found.nats - card["excess"]) < 5 * np.hypot(found.standard_error, card["excess_standard_error"]) + 0.002


@pytest.mark.parametrize("name", [*SHIPPED, *TAUGHT])
def test_the_card_is_of_a_small_model_trained_in_twenty_minutes_of_two_cores(name):
    card = _card(name)
    assert card["parameters"] <= 2_000_000
    assert card["prompts"] >= 1200
    assert all(row["cpu_seconds"] <= 2 * 20 * 60 for row in card["seeds"])


@pytest.mark.parametrize("name", [*SHIPPED, *TAUGHT])
def test_three_seeds_are_on_the_card(name):
    assert len(_card(name)["seeds"]) >= 3


@pytest.mark.parametrize("name", SHIPPED)
def test_every_seed_reaches_the_excess_that_the_model_is_held_to(name):
    assert all(row["excess"] <= LARGEST_EXCESS[name] for row in _card(name)["seeds"])


@pytest.mark.parametrize("name", SHIPPED)
def test_the_mean_over_seeds_reaches_the_accuracy_that_the_model_is_held_to(name):
    accuracy = np.mean([row["accuracy"] for row in _card(name)["seeds"]], axis=0)
    assert accuracy[-1, -1] >= LEAST_ACCURACY[name]


OF_EACH = [*TAUGHT, *(pytest.param(name, marks=NEXT) for name in SHIPPED)]


@pytest.mark.parametrize("name", OF_EACH)
def test_the_mean_over_seeds_reaches_the_excess_that_is_asked(name):
    assert np.mean([row["excess"] for row in _card(name)["seeds"]]) <= ASKED[name.split("-")[0]]


@pytest.mark.parametrize("name", OF_EACH)
def test_the_mean_over_seeds_reaches_the_accuracy_that_is_asked(name):
    accuracy = np.mean([row["accuracy"] for row in _card(name)["seeds"]], axis=0)
    assert accuracy[-1, -1] >= ASKED_ACCURACY[name.split("-")[0]]


@pytest.mark.parametrize("name", TAUGHT)
def test_a_taught_model_is_labelled_and_never_taken_for_one_that_has_only_read(name, ginc):
    card = _card(name)
    assert name not in shipped_for(ginc) and card["config"]["target"] == "law" and "--preset taught" in card["command"]
    assert "**Taught.**" in (shipped_path(name).parent / "card.md").read_text()
    assert all(_card(each)["config"].get("target", "token") == "token" for each in installed() if each not in TAUGHT)


@pytest.mark.parametrize(("size", "name"), [(s, n) for s, names in LARGER.items() for n in names if n in installed()])
def test_a_model_of_a_larger_vocabulary_has_the_excess_that_its_card_tells(size, name):
    """Fresh documents: within 5 standard errors of the difference, false alarm 6e-7; the card's own within its bar."""
    instance, card = load_instance(f"ginc-{size}"), _card(name)
    assert card["instance"] == instance.name and name in shipped_for(instance)
    row = card["seeds"][0]
    assert row["excess"] <= LARGER_EXCESS[card["config"]["architecture"]]
    assert card["parameters"] <= 2_000_000 and "published" not in card
    found = excess(find_model(name, instance), hold_out(instance.mixture, 64, 512, seed=7))
    assert abs(found.nats - row["excess"]) < 5 * np.hypot(found.standard_error, row["excess_standard_error"]) + 0.002
    assert found.nats > -5 * found.standard_error


@pytest.mark.parametrize("name", ["lstm-taught", pytest.param("lstm-small", marks=SHORT)])
def test_the_lstm_reaches_the_accuracy_without_examples_that_it_is_held_to(name):
    accuracy = np.mean([row["accuracy"] for row in _card(name)["seeds"]], axis=0)
    assert accuracy[-1, 0] >= LEAST_ACCURACY["lstm-small"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_mean_over_seeds_is_at_or_above_the_published_model_in_every_cell(name):
    card = _card(name)
    rival = published(RIVAL[card["config"]["architecture"]])
    ours = np.mean([row["accuracy"] for row in card["seeds"]], axis=0)
    assert (ours >= rival.accuracy_KxN).all()


@pytest.mark.parametrize("name", OTHER_LAW)
def test_a_model_of_another_law_is_labelled_and_never_taken_for_a_shipped_one(name, ginc):
    card = _card(name)
    assert name not in shipped_for(ginc)
    assert card["config"]["resets"] > 0
    assert "resets" in card["instance"]
    assert f"--resets {card['config']['resets']:g}" in card["command"]
    assert "Another pretraining law" in (shipped_path(name).parent / "card.md").read_text()


@pytest.mark.parametrize("name", OTHER_LAW)
def test_resets_in_documents_bring_short_examples_in_reach(name):
    """k = 3, n = 64: at least 62%, where the released law's own models stay far below; exact Bayes is above both."""
    card = _card(name)
    assert card["k"][0] == 3
    assert all(np.array(row["accuracy"])[0, -1] >= 62.0 for row in card["seeds"])
    assert np.array(card["bayes"]["accuracy"])[0, -1] > 62.0
    assert all(np.array(row["accuracy"])[0, -1] < 62.0 for each in SHIPPED for row in _card(each)["seeds"])


@pytest.mark.parametrize("name", OTHER_LAW)
def test_the_card_of_another_law_tells_the_excess_over_bayes_under_that_law(name, ginc):
    """Fresh documents: within 5 standard errors of the difference, false alarm 6e-7."""
    card = _card(name)
    learnt = with_resets(ginc, card["config"]["resets"])
    found = excess(find_model(name, ginc), hold_out(learnt.mixture, 64, 512, seed=7))
    row = card["seeds"][0]
    assert abs(found.nats - row["excess"]) < 5 * np.hypot(found.standard_error, row["excess_standard_error"]) + 0.002
    assert found.nats > -5 * found.standard_error
