"""verify with language models: they answer the first of the prompts that exact Bayes answers."""

import numpy as np
import pytest

from benchmarks.models import MixtureModel
from benchmarks.verify import Settings, check_settings, verify
from simulators.instances import load_instance
from theory import ModelError

SETTINGS = Settings((2,), (0, 1, 4), 200, (1e-2,), 3, 16, 0, model_prompts=100)


@pytest.fixture(scope="module")
def instance():
    return load_instance("printed-counterexample")


@pytest.fixture(scope="module")
def result(instance):
    return verify(instance, check_settings(SETTINGS, instance), models=[MixtureModel("bayes", instance.mixture)])


def test_models_answer_the_first_prompts_and_exact_bayes_all(result, instance):
    """Bayes asked as a model gives the counts of exact Bayes in a run with as few prompts."""
    assert set(result.curves.prompts.sel(predictor="exact").values.ravel()) == {200}
    assert set(result.curves.prompts.sel(predictor="bayes").values.ravel()) == {100}
    few = verify(instance, check_settings(SETTINGS._replace(prompts=100), instance)).curves
    for count in ("correct", "undefined"):
        np.testing.assert_array_equal(
            result.curves[count].sel(predictor="bayes"), few[count].sel(predictor="exact")
        )  # fmt: skip
    assert (few.correct.sel(predictor="exact") != result.curves.correct.sel(predictor="exact")).any()


def test_models_change_nothing_of_what_is_exact(result, instance):
    alone = verify(instance, check_settings(SETTINGS, instance))
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
        verify(instance, check_settings(SETTINGS, instance), models=[Broken()])


def test_no_prompts_for_models_are_refused(instance):
    with pytest.raises(ModelError, match="model_prompts"):
        check_settings(SETTINGS._replace(model_prompts=0), instance)
