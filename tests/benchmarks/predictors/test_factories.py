"""``--model module.py:factory``: a model that the user brings, and what is said where it does not fit."""

import json

import numpy as np
import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.predictors.models import find_model
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError

GOOD = """
import numpy as np

class Uniform:
    name = "mine"

    def __init__(self, vocabulary=4):
        self.vocabulary = vocabulary

    def log_probabilities(self, tokens):
        batch, length = tokens.shape
        return np.full((batch, length + 1, self.vocabulary), -np.log(self.vocabulary))

class Peaked(Uniform):
    def log_probabilities(self, tokens):
        return super().log_probabilities(tokens) + 0.5

class Broken(Uniform):
    def log_probabilities(self, tokens):
        raise KeyError("weights")

def wide():
    return Uniform(9)

def nothing():
    return None

def late():
    raise RuntimeError("no weights found")

number = 3
"""


@pytest.fixture
def instance():
    return load_instance("printed-counterexample")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "mine.py").write_text(GOOD)
    return tmp_path / "mine.py"


def test_a_factory_s_model_is_asked_like_any_other(path, instance, tmp_path):
    model = find_model(f"{path}:Uniform", instance)
    assert model.name == "mine"
    np.testing.assert_allclose(model.log_probabilities(np.zeros((2, 3), int)), -np.log(4))
    target = tmp_path / "x.json"
    arguments = ["--prompts", "5", "--n", "0", "--documents", "3", "--length", "20", "--epsilon", "0.01"]
    called = ["verify", "printed-counterexample", *arguments, "--model", f"{path}:Uniform", "--json", str(target)]
    assert cli.run(called) == 0
    assert "mine" in {row["predictor"] for row in json.loads(target.read_text())["curves"]}


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("absent", "has no function absent"),
        ("number", "has no function number"),
        ("nothing", "returned a NoneType without name and log_probabilities"),
        ("wide", r"of shape \(1, 3, 9\) where logarithms of shape \(1, 3, 4\)"),
        ("Peaked", r"sums to 1\.649 after 0 tokens"),
        ("Broken", "does not answer for 2 tokens .KeyError"),
        ("late", "failed with RuntimeError: no weights found"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(path, instance, factory, words):
    with pytest.raises(ModelError, match=rf"^model: .*{words}"):
        find_model(f"{path}:{factory}", instance)


def test_a_missing_or_broken_file_is_one_line_and_exit_2(tmp_path, instance, capsys):
    broken = tmp_path / "broken.py"
    broken.write_text("import nonsense_that_is_not_there")
    for name, words in ((tmp_path / "absent.py", "is not a file"), (broken, "cannot be imported")):
        assert cli.run(["verify", "printed-counterexample", "--model", f"{name}:make"]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
