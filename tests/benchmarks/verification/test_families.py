"""A family by name: small ones are verified as any mixture is, large ones refused before anything is made."""

import json
import time

import numpy as np
import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.verification import families
from implicit_bayes.benchmarks.verification.cost import estimate
from implicit_bayes.benchmarks.verification.settings import DEFAULT_EPSILONS, DEFAULT_NS, Settings, check_settings
from implicit_bayes.simulators.ginc_family import GincFamily
from implicit_bayes.simulators.instances import load_instance, save_instance
from implicit_bayes.theory import ModelError

GIVEN = Settings((), DEFAULT_NS, 1000, DEFAULT_EPSILONS, 100, 1024, 0)


@pytest.mark.slow
def test_a_small_family_is_verified_as_the_same_mixture_from_a_file(tmp_path):
    few = ["--k", "2", "--n", "0", "1", "--prompts", "20", "--documents", "3", "--length", "12", "--model"]
    spec, path = "ginc-family:concepts=2", tmp_path / "same.npz"
    instance = load_instance(spec)
    found = []
    for true, name in ((None, spec), (0, str(path))):
        if true is not None:
            save_instance(instance, path)
        assert cli.run(["verify", name, *few, "--json", str(tmp_path / "found.json")]) == 0
        found.append(json.loads((tmp_path / "found.json").read_text()))
    assert found[0]["instance"]["concepts"] == 2 and found[0]["instance"]["name"] == spec
    assert found[0]["bayes"] == found[1]["bayes"] and found[0]["assumptions"] == found[1]["assumptions"]
    assert found[0]["curves"] == found[1]["curves"] and found[0]["conditions"] == found[1]["conditions"]


def test_ten_thousand_concepts_are_refused_in_seconds_with_how_many_fit(tmp_path, capsys, monkeypatch):
    made = []
    real = GincFamily.select
    monkeypatch.setattr(GincFamily, "select", lambda self, i: (made.append(len(i)), real(self, i))[1])
    begin = time.process_time()
    assert cli.run(["verify", "ginc-family:concepts=10000", "--out", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and not (tmp_path / "o").exists() and "Traceback" not in said
    for words in ("budget: 10,000 concepts", "years (--budget: 15 minutes)", "fits the budget", "filter_blocks"):
        assert words in said
    assert max(made) <= 64 and time.process_time() - begin < 60


def test_the_estimate_of_a_large_family_is_that_of_its_members():
    """The polynomial through small members, against the estimate of one that can be made."""
    family = GincFamily(concepts=120)
    with pytest.raises(ModelError) as refused:
        families.refuse(family, GIVEN._replace(budget=1e-4))
    instance = family.instance("x")
    whole = estimate(instance, check_settings(GIVEN._replace(budget=np.inf), instance)).seconds
    small = [families._estimated(family, c, GIVEN._replace(budget=np.inf)) for c in families.SMALL]
    assert np.polyval(np.polyfit(families.SMALL, small, 2), 120) == pytest.approx(whole, rel=0.1)
    assert "not one concept fits" in str(refused.value)


@pytest.mark.parametrize("budget", [0.7, 3.0])
def test_how_many_fit_is_the_largest_number_that_fits(budget):
    settings = GIVEN._replace(budget=budget)
    most = families.affordable(GincFamily(), settings)
    assert most > 0 and families._fits(GincFamily(), most, settings)
    assert not families._fits(GincFamily(), most + 1, settings)


def test_sample_draws_ten_thousand_concepts(tmp_path, monkeypatch):
    made = []
    real = GincFamily.select
    monkeypatch.setattr(GincFamily, "select", lambda self, i: (made.append(len(i)), real(self, i))[1])
    asked = ["--documents", "5", "--length", "20", "--prompts", "4", "--k", "3", "--n", "2", "--seed", "1"]
    assert cli.run(["sample", "ginc-family:concepts=10000", *asked, "--out", str(tmp_path)]) == 0
    assert max(made) == 1
    with np.load(tmp_path / "train.npz", allow_pickle=False) as drawn:
        assert drawn["tokens"].shape == (5, 20) and drawn["concepts"].max() > 1024
    with np.load(tmp_path / "prompts_3.npz", allow_pickle=False) as drawn:
        assert drawn["prompt_tokens"].shape == (4, 11) and drawn["prompt_concepts"].max() < 10_000
    assert cli.run(["sample", "ginc-family", "--layout", "published", "--out", str(tmp_path / "p")]) == 2
