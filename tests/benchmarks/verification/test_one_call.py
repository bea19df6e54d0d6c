"""``verify(instance)``: everything in one result that prints as tables, what the command line is built on; and the
command that it stores gives the same result."""

import json
import shlex

import jax
import numpy as np
import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.common.made_by import with_out
from implicit_bayes.benchmarks.verification import store
from implicit_bayes.benchmarks.verification import verify as verification
from implicit_bayes.benchmarks.verification.verify import verify
from implicit_bayes.simulators.instances import load_instance, save_instance
from implicit_bayes.theory import ModelError

ASKED = ["verify", "my 'own' mixture.npz", "--prompts", "7", "--k", "3", "2", "--n", "0", "3", "--documents", "4",
         "--length", "10", "--epsilon", "0.01", "--model", "bayes", "--model-prompts", "5", "--certify"]  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """(what the call returned to the command line, the directory in which the command ran with --out first)."""
    returned, folder = [], tmp_path_factory.mktemp("one call")
    save_instance(load_instance("printed-counterexample"), folder / "my 'own' mixture.npz")

    def kept(*arguments, **named):
        returned.append(verify(*arguments, **named))
        return returned[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(verification, "verify", kept)
        assert cli.run([*ASKED, "--out", "first", "--json", "x.json"]) == 0
    (result,) = returned
    return result, folder


def test_one_call_returns_everything(shown):
    result, _ = shown
    assert [row.name for row in result.assumptions] == ["A1", "A2", "A3", "A4", "A5"]
    assert result.conditions is result.statements.conditions and result.conditions[0].rate > 0
    assert (result.theorems[0].name, result.theorems[0].version) == ("1", "printed")
    assert set(result.curves.predictor.values) == {"exact", "smoothed(0.01)", "prompt-aware", "bayes"}
    assert result.curves.accuracy.dtype == np.float64


def test_it_prints_as_tables(shown):
    text = str(shown[0])
    for words in ("Assumptions of the paper", "Condition 1", "Theorems at k = 3", "In-context accuracy"):
        assert words in text
    assert repr(shown[0]) == text and "\x1b" not in text


def test_the_files_are_the_call_result(shown):
    result, folder = shown
    stored = (folder / "first" / "results.json").read_bytes()
    assert stored == (folder / "x.json").read_bytes()
    assert json.loads(stored) == json.loads(json.dumps(storage.plain(store.as_json(result))))


def test_the_command_of_a_result_gives_that_result(shown, monkeypatch):
    """results.json comes out byte for byte, from a path with a blank and a quote, and does not depend on DIR."""
    _, folder = shown
    monkeypatch.chdir(folder)
    command = json.loads((folder / "first" / "results.json").read_text())["command"]
    words = shlex.split(with_out(command, "second place"))
    assert words[0] == "implicit-bayes"
    assert cli.run(words[1:]) == 0
    assert (folder / "second place" / "results.json").read_bytes() == (folder / "first" / "results.json").read_bytes()
    page = (folder / "second place" / "report.html").read_text()
    assert "--k 3 2 --n 0 3" in page and "--certify" in page and "second place" in page
    assert "Certificate: proved in ball arithmetic" in page and "Proved of " in page


def test_a_mixture_alone_is_an_instance_and_settings_of_jax_are_left_alone():
    assert not jax.config.jax_enable_x64
    mixture = load_instance("printed-counterexample").mixture
    found = verify(mixture, k=3, n=(0,), prompts=2, documents=2, length=5, epsilon=())
    assert not jax.config.jax_enable_x64
    assert found.instance.true_concepts == (0, 1) and found.settings.ks == (3,) and found.command == ""


def test_bad_input_is_named():
    with pytest.raises(ModelError, match="k: 1 is below 2"):
        verify("regular", k=1)
    with pytest.raises(ModelError, match="did you mean 'ginc'"):
        verify("gincc")
