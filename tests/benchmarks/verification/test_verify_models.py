"""verify with language models: they answer the first of the prompts that exact Bayes answers."""

import os
import signal

import numpy as np
import pytest

from implicit_bayes.benchmarks.predictors.models import MixtureModel, find_model
from implicit_bayes.benchmarks.verification import beside
from implicit_bayes.benchmarks.verification.settings import Settings, check_settings
from implicit_bayes.benchmarks.verification.verify import ask_model, fresh_documents, verify
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError

SETTINGS = Settings((2,), (0, 1, 4), 200, (1e-2,), 3, 16, 0, model_prompts=100)


def verified(instance, models=(), prompts=SETTINGS.prompts):
    return verify(
        instance, k=SETTINGS.ks, n=SETTINGS.ns, prompts=prompts, epsilon=SETTINGS.epsilons, model=models,
        documents=SETTINGS.documents, length=SETTINGS.length, seed=SETTINGS.seed, model_prompts=SETTINGS.model_prompts,
    )  # fmt: skip


@pytest.fixture(scope="module")
def instance():
    return load_instance("printed-counterexample")


@pytest.fixture(scope="module")
def result(instance):
    return verified(instance, [MixtureModel("bayes", instance.mixture)])


def test_models_answer_the_first_prompts_and_exact_bayes_all(result, instance):
    """Bayes asked as a model gives the counts of exact Bayes in a run with as few prompts."""
    assert set(result.curves.prompts.sel(predictor="exact").values.ravel()) == {200}
    assert set(result.curves.prompts.sel(predictor="bayes").values.ravel()) == {100}
    few = verified(instance, prompts=100).curves
    for count in ("correct", "undefined"):
        np.testing.assert_array_equal(
            result.curves[count].sel(predictor="bayes"), few[count].sel(predictor="exact")
        )  # fmt: skip
    assert (few.correct.sel(predictor="exact") != result.curves.correct.sel(predictor="exact")).any()


def test_models_change_nothing_of_what_is_exact(result, instance):
    alone = verified(instance)
    exact = result.curves.sel(predictor=alone.curves.predictor.values)
    assert exact.equals(alone.curves)
    assert (result.bayes, result.assumptions) == (alone.bayes, alone.assumptions)
    assert [gap.model for gap in result.gaps] == ["bayes"]
    assert alone.gaps == []


def test_a_model_that_fails_fails_the_verification(instance):
    class Broken:
        name = "broken"

        def log_probabilities(self, tokens):
            raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        verified(instance, [Broken()])


def test_no_prompts_for_models_are_refused(instance):
    with pytest.raises(ModelError, match="model_prompts"):
        check_settings(SETTINGS._replace(model_prompts=0), instance)


ASKED = Settings((3,), (0, 2), 100, (), 3, 32, 0)


def test_a_process_of_its_own_gives_the_same_answers():
    ginc, seen = load_instance("ginc"), []
    model = find_model("lstm-small", ginc)
    with beside.asked("ginc", ["lstm-small"], ASKED, lambda words, total: lambda done: seen.append(words)) as answers:
        [(curves, gap)] = answers()
    here, gap_here = ask_model(ginc, ASKED, model, fresh_documents(ginc, ASKED), lambda words, total: lambda done: None)
    assert curves.equals(here)
    assert gap.loss.excess == pytest.approx(gap_here.loss.excess, rel=1e-6)
    assert {"lstm-small in context", "lstm-small: loss"} <= set(seen)


def test_what_fails_in_a_process_fails_here():
    silent = beside.asked("ginc", ["no such model"], ASKED, lambda words, total: lambda done: None)
    with silent as answers, pytest.raises(ModelError, match="no such model"):
        answers()


def test_a_dead_process_is_said_in_a_line(monkeypatch):
    monkeypatch.setattr(beside, "_ask", _die)
    silent = beside.asked("ginc", ["lstm-small"], ASKED, lambda words, total: lambda done: None)
    with silent as answers, pytest.raises(ModelError, match="process that asked a language model died"):
        answers()


def _die(*args):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("change", ["", "one core", "few prompts", "bayes", "none"])
def test_processes_are_for_much_work_on_several_cores(monkeypatch, change):
    ginc = load_instance("ginc")
    monkeypatch.setattr(beside, "cores", lambda: 1 if change == "one core" else 2)
    settings = Settings((3, 5, 8, 10), (0, 64), 1000, (), 3, 32, 0, model_prompts=3 if change == "few prompts" else 300)
    names = {"bayes": ["lstm-small", "bayes"], "none": []}.get(change, ["lstm-small"])
    assert beside.worth_it(settings, [find_model(name, ginc) for name in names]) is (change == "")
