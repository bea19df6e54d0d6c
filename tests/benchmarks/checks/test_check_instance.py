"""The identities of a mixture by name: they hold on corners, and each fails where its arithmetic is wrong."""

import functools
import json

import numpy as np
import pytest

from implicit_bayes import MixtureOfHMMs, check_instance, load_instance
from implicit_bayes.benchmarks.checks import identities, instances
from implicit_bayes.benchmarks.checks.identities import Mixed, MixedSettings, distance
from implicit_bayes.benchmarks.checks.instances import IDENTITIES
from implicit_bayes.benchmarks.checks.results import LawBroken
from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.simulators.instances import Instance, save_instance
from implicit_bayes.theory import ModelError, filter_mixture

NAMES = [each.name for each in IDENTITIES]
FEW = {"documents": 6, "length": 20, "prompts": 50}


def three_by_three(prior, seed=5, zeros=False, tiny=0.0, starts=None) -> Instance:
    """Two concepts of three states and tokens (one shape, so that one compilation serves)."""
    rng = np.random.default_rng(seed)
    kernel = rng.dirichlet(np.ones(3), (2, 3))
    if zeros:
        kernel[0] = [[0, 1, 0], [0.5, 0, 0.5], [1, 0, 0]]
    if tiny:
        kernel[1, 0] = [1 - tiny, tiny, 0.0]
    emission = np.array([[0.0, 1, 0], [0, 0.5, 0.5], [1, 0, 0]]) if zeros else rng.dirichlet(np.ones(3), 3)
    mixture = MixtureOfHMMs(prior, rng.dirichlet(np.ones(3), 2), kernel, emission, 0)
    return Instance("tiny", mixture, np.full((2, 1, 3), 1 / 3) if starts is None else starts, (0,), 2)


@functools.cache
def skewed() -> Instance:
    return three_by_three([0.9, 0.1]).called("skewed")


def verdicts(found):
    return {each.name: each.holds for each in found.checks}


CORNERS = {
    "positive": lambda: three_by_three([0.9, 0.1]),
    "zeros": lambda: three_by_three([0.5, 0.5], zeros=True),
    "a prior of zero": lambda: three_by_three([1.0, 0.0], zeros=True),
    "1e-300": lambda: three_by_three([0.5, 0.5], tiny=1e-300),
    "a start law of one state": lambda: three_by_three(
        [0.5, 0.5], zeros=True, starts=np.tile([0.0, 0.0, 1.0], (2, 1, 1))
    ),
}


@pytest.mark.parametrize("corner", CORNERS)
def test_no_identity_is_broken_on_corners(corner):
    """False alarms come with 1e-3 each, where the bounds say anything at all."""
    found = check_instance(CORNERS[corner](), on_fail="report", **FEW)
    assert not found.broken, found.complaint()
    assert all(holds is True for name, holds in verdicts(found).items() if name != "finite-n-bound")
    assert "of 9 checks broken" in str(found) or "of 10 checks broken" in str(found)


def test_a_mixture_alone_is_enough(monkeypatch):
    monkeypatch.setattr(instances, "IDENTITIES", IDENTITIES[:2])
    assert verdicts(check_instance(skewed().mixture, **FEW)) == {"sampler": True, "enumeration": True}


def test_the_bounds_at_finite_n_are_measured_where_they_say_something():
    outcome = instances.finite_n_bound(Mixed(load_instance("regular"), MixedSettings(4, 8, 40)))
    assert outcome.holds is True and "the closest of 8 cells" in outcome.words


def test_what_is_too_large_to_enumerate_is_undetermined_and_says_so(monkeypatch):
    mixed = Mixed(skewed(), MixedSettings(2, 4, 5))
    monkeypatch.setattr(identities, "PATHS", 1)
    monkeypatch.setattr(identities, "STRINGS", 2)
    for ask in (identities.enumeration, identities.total_probability, instances.kl_chain_rule):
        outcome = ask(mixed)
        assert outcome.holds == "undetermined" and "more" in outcome.words


def wrong_posterior(mixture, tokens, **keywords):
    out = filter_mixture(mixture, tokens, **keywords)
    flat = np.asarray(out.log_evidence) - np.logaddexp.reduce(np.asarray(out.log_evidence), axis=-1, keepdims=True)
    return out._replace(log_posterior=flat)  # the prior forgotten


def wrong_predictive(mixture, tokens, **keywords):
    out = filter_mixture(mixture, tokens, **keywords)
    return out._replace(predictive=np.roll(np.asarray(out.predictive), 1, axis=-1))


def wrong_evidence(mixture, tokens, **keywords):
    out = filter_mixture(mixture, tokens, **keywords)
    return out._replace(log_evidence=np.asarray(out.log_evidence) + 0.01 * np.arange(mixture.n_concepts))


@pytest.mark.parametrize(
    ("spoil", "caught"),
    [
        (wrong_posterior, {"enumeration", "posterior-martingale"}),
        (wrong_predictive, {"enumeration", "permutation", "evidence-chain-rule", "posterior-martingale"}),
        (wrong_evidence, {"enumeration", "two-methods", "permutation"}),
    ],
)
def test_a_wrong_filter_breaks_the_identities_that_are_about_it(monkeypatch, spoil, caught):
    monkeypatch.setattr(identities, "filter_mixture", spoil)
    mixed = Mixed(skewed(), MixedSettings(6, 20, 50))
    asked = [each for each in IDENTITIES if each.name in ALL_OF_THE_FILTER]
    with np.errstate(all="ignore"):
        broken = {each.name for each in asked if each.ask(mixed).holds is False}
    assert caught <= broken


ALL_OF_THE_FILTER = {"enumeration", "two-methods", "permutation", "evidence-chain-rule", "posterior-martingale"}


def test_a_total_that_is_not_one_a_kl_that_is_not_and_too_much_regret_are_told(monkeypatch):
    mixed = Mixed(skewed(), MixedSettings(6, 20, 50))
    assert identities.total_probability(mixed).holds is True
    assert identities.bounded_regret(mixed).holds is True
    assert instances.kl_chain_rule(mixed).holds is True
    exact_strings = mixed.strings_log_evidence_NxC
    mixed.__dict__["strings_log_evidence_NxC"] = exact_strings - 1e-6
    assert identities.total_probability(mixed).holds is False
    mixed.__dict__["strings_log_evidence_NxC"] = exact_strings
    found = mixed.filtered
    mixed.__dict__["filtered"] = found._replace(log_evidence=found.log_evidence + 5.0)
    assert identities.bounded_regret(mixed).holds is False
    exact = instances.kl_sum
    monkeypatch.setattr(instances, "kl_sum", lambda *given: exact(*given)._replace(value=exact(*given).value * 1.001))
    assert instances.kl_chain_rule(mixed).holds is False


def test_a_bound_below_what_is_measured_is_told_at_its_level(monkeypatch):
    """6 of 40 wrong answers against a bound of 1e-9."""
    mixed = Mixed(load_instance("regular"), MixedSettings(4, 8, 40))
    exact = instances.finite_sample

    def too_low(*given, **keywords):
        row = exact(*given, **keywords)
        return row._replace(mixture_error_bound=(1e-9,) * len(row.ns))

    class Wrong:
        """Curves on which fifteen percent of the answers are wrong."""

        @property
        def correct(self):
            return self

        def sel(self, **where):
            return self if "predictor" in where else 34

    monkeypatch.setattr(instances, "finite_sample", too_low)
    monkeypatch.setattr(instances, "in_context_curves", lambda *given, **named: Wrong())
    outcome = instances.finite_n_bound(mixed)
    assert outcome.holds is False and "6 of 40 answers wrong, more than it allows" in outcome.words
    monkeypatch.setattr(instances, "finite_sample", exact)
    assert outcome.value == pytest.approx(0.15)


def test_distances_know_infinities():
    inf = np.inf
    assert distance([1.0, -inf], [1.0, -inf]) == 0.0 and distance([], []) == 0.0
    assert distance([-inf], [1.0]) == inf and distance([np.nan], [1.0]) == inf
    assert distance([110.0], [100.0]) == pytest.approx(0.1) and distance([0.5], [0.4]) == pytest.approx(0.1)


def test_what_makes_no_sense_is_refused_and_what_is_broken_is_raised(monkeypatch):
    for settings, words in (({"documents": 0}, "documents: 0"), ({"on_fail": "warn"}, "on_fail: 'warn'")):
        with pytest.raises(ModelError, match=words):
            check_instance("regular", **settings)
    broken = IDENTITIES[0]._replace(ask=lambda mixed: identities.agree(1.0, "", "it is off"))
    monkeypatch.setattr(instances, "IDENTITIES", (broken,))
    with pytest.raises(LawBroken, match="skewed breaks sampler: it is off"):
        check_instance(skewed())


def test_the_shell_checks_an_instance_where_no_model_is_named(tmp_path, capsys):
    save_instance(skewed(), tmp_path / "mine.npz")
    arguments = ["check", "--instance", str(tmp_path / "mine.npz"), "--documents", "6", "--length", "20"]
    assert cli.run([*arguments, "--prompts", "50", "--json", str(tmp_path / "x.json")]) == 0
    found = json.loads((tmp_path / "x.json").read_text())
    assert found["model"] is None and [each["name"] for each in found["checks"]] == NAMES
    assert "checks broken" in capsys.readouterr().out
    assert cli.run(["check", "--instance", str(tmp_path / "none.npz")]) == 2
