"""Every law of a causal model by name: honest models pass all of them, and each wrong one breaks its own."""

import functools
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from gap_cases import Leaking, network, small

from implicit_bayes import check_language_model, load_instance, parametrize_with_checks
from implicit_bayes.benchmarks.checks.dependence import cuts
from implicit_bayes.benchmarks.checks.language_model import LAWS, Examination
from implicit_bayes.benchmarks.checks.results import LawBroken
from implicit_bayes.benchmarks.checks.subject import Settings, Subject, declared_tokens, declared_window, moved_BxS
from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.gap.laws import ALPHA
from implicit_bayes.lm.huggingface import TorchModel
from implicit_bayes.theory import ModelError

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "wrong_models.py"
FEW = {"documents": 24, "length": 256}


@functools.cache
def wrong_models():
    spec = importlib.util.spec_from_file_location("wrong_models", EXAMPLES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def regular():
    return load_instance("regular")


def broken(model, **settings):
    found = check_language_model(model, regular(), on_fail="report", **(FEW | settings))
    return {each.name for each in found.broken}


def asked(name, model, instance=None, **settings):
    """One check alone, with those that it needs."""
    examination = Examination(model, instance or regular(), Settings(**(FEW | settings)))
    return examination.check(next(law for law in LAWS if law.name == name))


@pytest.mark.parametrize("name", wrong_models().CAUGHT_BY)
def test_each_wrong_model_is_caught_by_the_check_that_is_meant_for_it(name):
    assert broken(getattr(wrong_models(), name)) == wrong_models().CAUGHT_BY[name]


def test_every_law_that_can_be_broken_alone_has_a_model_that_breaks_it():
    """token-types and risk-below-kl have theirs below."""
    caught = set().union(*wrong_models().CAUGHT_BY.values())
    assert {law.name for law in LAWS} - caught == {"token-types", "risk-below-kl"}


HONEST = [
    functools.partial(network, "lstm", 8, 1),
    functools.partial(network, "transformer", 8, 2),
]


@parametrize_with_checks(HONEST, small(), documents=16, length=48)
def test_honest_models_obey_every_law(model, check):
    check(model)


class Given:
    """A model that is a function of tokens."""

    name = "given"

    def __init__(self, answer, **attributes):
        self.log_probabilities = answer
        self.__dict__ |= attributes


def uniform(tokens, vocabulary=7):
    return np.full((len(tokens), tokens.shape[1] + 1, vocabulary), -np.log(vocabulary))


def test_a_model_that_knows_nothing_and_one_that_forgets_gradually_pass():
    """Memory that halves at every token is gone from float32 after 30 of them, and is no cut."""
    assert not broken(Given(uniform))
    assert not broken(Given(functools.partial(faded, 0.5)))


def faded(rate, tokens, cut=None):
    """From a sum of the tokens seen, each weighted by rate^age, in float32; with a cut the oldest do not count."""
    length = tokens.shape[1]
    age = np.arange(length + 1)[:, None] - 1 - np.arange(length)
    weight = np.where(age >= 0, np.float32(rate) ** np.maximum(age, 0), 0.0).astype(np.float32)
    weight = weight if cut is None else np.where(age < cut, weight, 0).astype(np.float32)
    seen = np.einsum("st,btv->bsv", weight, np.eye(7, dtype=np.float32)[tokens])
    logits = seen.astype(np.float32)
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)


@pytest.mark.parametrize("rate", [0.97, 0.9])
def test_a_memory_that_is_cut_is_told_from_one_that_fades(rate):
    def judged(cut, **attributes):
        return asked("context-limits", Given(functools.partial(faded, rate, cut=cut), **attributes)).holds

    assert judged(40) is False
    assert judged(40, window=40) is True
    assert judged(40, window=30) is False
    assert judged(2) is True  # an n-gram
    assert judged(None) is True


def test_a_declared_context_is_kept_to_or_it_is_a_silent_cut():
    def strict(tokens):
        if tokens.shape[1] > 40:
            raise ValueError("40 positions")
        return uniform(tokens)

    assert asked("context-limits", Given(strict, context=40)).holds is True
    found = asked("context-limits", Given(uniform, context=40))
    assert found.holds is False and "says that it takes 40 tokens and answers 41 without a word" in found.words
    found = asked("context-limits", Given(strict))  # it declares nothing, and raises: no cut either
    assert found.holds is True
    assert found.words.startswith("answers 32 tokens; refuses 256 tokens (ValueError: 40 positions)")


def test_too_few_laws_for_a_long_document_are_a_cut():
    found = asked("context-limits", Given(lambda tokens: uniform(tokens[:, -64:])))
    assert found.holds is False
    assert "256 tokens: float64 of shape (2, 65, 7)" in found.words


def test_what_models_declare_is_read():
    import torch

    module = torch.nn.Embedding(7, 7)
    assert declared_tokens(TorchModel("x", module, 7, begin_token=0, context=16)) == 15
    assert declared_tokens(TorchModel("x", module, 7, context=16)) == 16
    assert declared_tokens(Given(uniform)) is None and declared_window(Given(uniform)) is None
    local = network("transformer", 8, 2)  # two layers of windows of four tokens
    assert declared_window(local) == 2 * (4 + 1) and declared_tokens(local) is None
    assert declared_window(network("lstm", 8, 2)) is None


def test_a_model_that_answers_one_integer_type_is_told():
    def picky(tokens):
        return uniform(tokens) if tokens.dtype == np.int32 else faded(0.5, tokens)

    assert asked("token-types", Given(picky)).holds is False


def test_guesses_that_are_worse_than_their_distance_from_bayes_allows_are_told(monkeypatch):
    """No model can; a measurement that swaps two numbers can."""
    subject = Subject(Given(uniform), regular(), Settings(24, 256))
    loss = subject.loss
    subject.__dict__["loss"] = loss._replace(risk=loss.risk._replace(value=0.9), kl=loss.kl._replace(value=0.01))
    law = next(law for law in LAWS if law.name == "risk-below-kl")
    found = law.ask(subject)
    assert found.holds is False and found.bound == pytest.approx(0.01, abs=1e-4)


def test_a_leak_of_one_percent_is_seen_by_causality():
    leaking = Leaking(network("lstm", 8, 0), 0.01)
    found = asked("position-offsets", leaking, small(), documents=8, length=40)
    assert found.holds == "undetermined" and "causality is broken" in found.words
    found = asked("causality", leaking, small(), documents=8, length=40)
    assert found.holds is False and 0.005 < found.value < 0.011


def test_statistical_laws_keep_their_level_for_laws_that_nearly_sum_to_one():
    """Rows that sum to 1.0009 are within what is allowed; over 24 x 256 tokens their product would be e^5.5, and they
    are divided by their sums before Bayes is asked."""
    bayes = wrong_models().honest()
    inflated = Given(lambda tokens: bayes.log_probabilities(tokens) + 9e-4)
    assert broken(inflated) == set()
    assert sum(law.level for law in LAWS) == pytest.approx(3 * ALPHA)


def test_the_false_alarm_rate_is_stated_and_kept():
    """20 honest models, each with documents of its own: three laws of level 1e-3 each, so one alarm comes with 6e-2 and
    two with 2e-3."""
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        law = rng.dirichlet(np.full(7, 0.5)) * 0.999 + 0.001 / 7

        def answer(tokens, law=law):
            return np.broadcast_to(np.log(law), (len(tokens), tokens.shape[1] + 1, 7)).copy()

        alarms += bool(broken(Given(answer), documents=8, length=32, seed=seed))
    assert alarms <= 1


def test_a_broken_law_is_raised_with_its_words_after_all_checks():
    with pytest.raises(LawBroken, match=r"unnormalised breaks normalised: .* sums to 1\.35; the first that is off"):
        check_language_model(wrong_models().unnormalised, regular(), documents=8, length=32)
    assert issubclass(LawBroken, AssertionError)


def test_what_makes_no_sense_is_refused():
    for settings, words in (
        ({"documents": 2}, "documents: 2"),
        ({"length": 1}, "length: 1"),
        ({"seed": -1}, "seed: -1"),
        ({"tolerance": 0.0}, "tolerance: 0.0"),
        ({"on_fail": "warn"}, "on_fail: 'warn'"),
    ):
        with pytest.raises(ModelError, match=words):
            check_language_model("bayes", "regular", **settings)
    with pytest.raises(ModelError, match="a int without name"):
        check_language_model(3, "regular")
    with pytest.raises(ModelError, match="expected_failures: there is no check 'causal'"):
        parametrize_with_checks(["bayes"], "regular", expected_failures={"causal": "why"})


def test_expected_failures_are_strict_and_what_says_nothing_skips():
    marked = parametrize_with_checks(
        [wrong_models().draws],
        regular(),
        documents=4,
        length=16,
        expected_failures=lambda model: {"determinism": "it draws"},
    ).mark
    cases = {case.id: case for case in marked.args[1]}
    assert len(cases) == len(LAWS)
    (mark,) = cases["draws-determinism"].marks
    assert mark.name == "xfail" and mark.kwargs["strict"] and not cases["draws-shape"].marks
    model, check = cases["draws-determinism"].values
    with pytest.raises(LawBroken, match="draws breaks determinism"):
        check(model)
    model, check = cases["draws-causality"].values
    with pytest.raises(pytest.skip.Exception, match="says nothing where determinism is broken"):
        check(model)
    assert repr(check) == "causality"


def test_a_result_prints_its_table_and_its_level():
    found = check_language_model(Given(uniform), regular(), documents=4, length=16)
    assert found.holds and "0 of 14 checks broken. Chance fails" in str(found) and "batch-independence" in repr(found)
    assert found.level == pytest.approx(3 * ALPHA)


def test_changes_are_measured_with_nan_equal_to_itself():
    one = np.log([[[0.5, 0.5], [0.2, 0.8]]])
    other = one.copy()
    other[0, 1] = np.log([0.3, 0.7])
    np.testing.assert_allclose(moved_BxS(one, other), [[0.0, 0.1]])
    one[0, 0] = other[0, 0] = np.nan
    np.testing.assert_allclose(moved_BxS(one, other), [[0.0, 0.1]])
    other[0, 0, 0] = 0.0
    assert moved_BxS(one, other)[0, 0] == np.inf
    with np.errstate(divide="ignore"):
        impossible = np.log([[[0.0, 1.0]]])
    assert moved_BxS(impossible, impossible)[0, 0] == 0.0


def test_cuts_are_powers_of_two_and_the_last_token():
    assert (cuts(1), cuts(5), cuts(9)) == ([0], [0, 1, 2, 4], [0, 1, 2, 4, 8])


class TestShell:
    """``implicit-bayes check``."""

    @staticmethod
    def run(tmp_path, *arguments):
        path = tmp_path / "check.json"
        return cli.run(["check", *arguments, "--json", str(path)]), path

    def test_an_honest_model_exits_with_0_and_its_laws_are_in_json(self, tmp_path, capsys):
        status, path = self.run(tmp_path, f"{EXAMPLES}:honest", "--instance", "regular", "--documents", "24")
        assert status == 0
        found = json.loads(path.read_text())
        assert set(found) == {"model", "instance", "command", "settings", "holds", "level", "checks"}
        assert (found["model"], found["instance"], found["holds"]) == ("honest", "regular", True)
        assert found["command"] == f"implicit-bayes check {EXAMPLES}:honest --instance regular --documents 24"
        assert [each["name"] for each in found["checks"]] == [law.name for law in LAWS]
        assert "honest: 0 of 14 checks broken" in capsys.readouterr().out

    def test_a_wrong_model_exits_with_1_and_the_law_in_words(self, tmp_path, capsys):
        """A model that answers wrongly at once is no bad input here: what it breaks is what is asked."""
        spoilt = tmp_path / "mine.py"
        spoilt.write_text(EXAMPLES.read_text().replace("log_law[:, 12:] += 0.3", "log_law += 0.3"))
        status, path = self.run(tmp_path, f"{spoilt}:unnormalised", "--instance", "regular", "--documents", "4")
        assert status == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "unnormalised breaks normalised: the law after" in said
        assert json.loads(path.read_text())["holds"] is False

    def test_several_models_are_checked_one_after_the_other(self, tmp_path, capsys):
        names = [f"{EXAMPLES}:honest", f"{EXAMPLES}:draws"]
        status, path = self.run(tmp_path, *names, "--instance", "regular", "--documents", "4", "--length", "16")
        assert status == 1
        assert [each["holds"] for each in json.loads(path.read_text())["models"]] == [True, False]
        assert "draws breaks determinism" in capsys.readouterr().err

    def test_bad_input_exits_with_2(self, tmp_path, capsys):
        for arguments, words in ((["nobody"], "model: 'nobody'"), (["bayes", "--documents", "1"], "documents: 1"),
                                 (["bayes", "--instance", "nowhere"], "instance: unknown")):  # fmt: skip
            assert cli.run(["check", *arguments]) == 2
            assert words in capsys.readouterr().err
