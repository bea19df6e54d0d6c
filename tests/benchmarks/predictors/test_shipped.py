"""Shipped models by name and by instance, those that are known and not shipped included."""

import pytest

from implicit_bayes.benchmarks.predictors import models
from implicit_bayes.benchmarks.predictors.models import find_model, installed, shipped_for
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """As if lm/pretrained/ held what the test puts there."""
    monkeypatch.setattr(models, "shipped_path", lambda name: tmp_path / name / "weights.npz")

    def put(name):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.npz").touch()

    return put


@pytest.mark.parametrize("size", [100, 150])
def test_models_of_a_larger_vocabulary_belong_to_its_instance_alone(no_weights, size):
    no_weights(f"lstm-{size}")
    no_weights("lstm-small")
    assert shipped_for(load_instance(f"ginc-{size}")) == (f"lstm-{size}",)
    assert shipped_for(load_instance("ginc")) == ("lstm-small",)
    assert shipped_for(load_instance("regular")) == shipped_for(load_instance(f"ginc-{250 - size}")) == ()
    assert set(installed()) == {"lstm-small", f"lstm-{size}"}


def test_a_known_model_that_is_not_shipped_is_refused_with_how_to_train_it(no_weights):
    words = "transformer-150 is not shipped with this version; train one .*--instance ginc-150 --model transformer"
    with pytest.raises(ModelError, match=words):
        find_model("transformer-150", load_instance("ginc-150"))


def test_an_unknown_name_is_told_the_names_that_are_here(no_weights):
    no_weights("lstm-100")
    with pytest.raises(ModelError, match=r"'lstm-99' is none of lstm-100, bayes, "):
        find_model("lstm-99", load_instance("ginc-100"))
