"""``verify(instance)`` in Python: everything in one result that prints as tables, the command line's own numbers."""

import json

import jax
import numpy as np
import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.verification import store
from implicit_bayes.benchmarks.verification.verify import verify
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError

SMALL = {"prompts": 6, "n": (0, 2), "documents": 3, "length": 20, "epsilon": (0.01,)}


@pytest.fixture(scope="module")
def result():
    assert not jax.config.jax_enable_x64
    found = verify("printed-counterexample", model=["bayes"], **SMALL)
    assert not jax.config.jax_enable_x64
    return found


def test_one_call_returns_everything(result):
    assert [row.name for row in result.assumptions] == ["A1", "A2", "A3", "A4", "A5"]
    assert result.conditions is result.statements.conditions and result.conditions[0].rate > 0
    assert (result.theorems[0].name, result.theorems[0].version) == ("1", "printed")
    assert result.theorems[0].applies and result.theorems[0].conclusion == "fails"
    assert set(result.curves.predictor.values) == {"exact", "smoothed(0.01)", "prompt-aware", "bayes"}
    assert result.curves.accuracy.dtype == np.float64


def test_it_prints_as_tables(result):
    text = str(result)
    for words in ("Assumptions of the paper", "Condition 1", "Theorems at k = 2", "In-context accuracy"):
        assert words in text
    assert repr(result) == text and "\x1b" not in text


def test_the_command_line_is_this_call(result, tmp_path):
    flags = ["--prompts", "6", "--n", "0", "2", "--documents", "3", "--length", "20", "--epsilon", "0.01"]
    path = tmp_path / "x.json"
    assert cli.run(["verify", "printed-counterexample", *flags, "--model", "bayes", "--json", str(path)]) == 0
    shown = json.loads(path.read_text())
    assert shown.pop("command").startswith("implicit-bayes verify printed-counterexample")
    here = json.loads(json.dumps(storage.plain(store.as_json(result))))
    assert here.pop("command") == ""
    assert here == shown


def test_a_mixture_alone_is_an_instance_and_bad_input_is_named():
    mixture = load_instance("printed-counterexample").mixture
    found = verify(mixture, k=3, **SMALL)
    assert found.instance.true_concepts == (0, 1) and found.settings.ks == (3,)
    with pytest.raises(ModelError, match="k: 1 is below 2"):
        verify(mixture, k=1)
    with pytest.raises(ModelError, match="did you mean 'ginc'"):
        verify("gincc")
