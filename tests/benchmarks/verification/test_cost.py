"""Sizes: what a verification costs is said before, fitted into its budget, or refused with the remedy."""

import numpy as np
import pytest

from implicit_bayes import verify
from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common import machine
from implicit_bayes.benchmarks.predictors import curves
from implicit_bayes.benchmarks.speed.growth import BASE, family
from implicit_bayes.benchmarks.verification import cost
from implicit_bayes.benchmarks.verification.cost import LOGARITHMS, estimate, in_words, minutes
from implicit_bayes.benchmarks.verification.prefix_counts import prefixes
from implicit_bayes.benchmarks.verification.settings import DEFAULT_EPSILONS, DEFAULT_NS, Settings, check_settings
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.instances import load_instance, save_instance
from implicit_bayes.theory import MixtureOfHMMs, ModelError
from implicit_bayes.theory.filtering import dispatch
from implicit_bayes.theory.information.expansion import children, root
from implicit_bayes.theory.information.prefixes import build

NAMED = ("ginc", "ginc-100", "ginc-150", "ginc-paper", "regular", "printed-counterexample")


def wide(concepts=2, states=4, tokens=50_257, k=3):
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(states), (concepts, states + 1))
    emission = np.zeros((states, tokens))
    emission[0, 0], emission[1:, 1:] = 1.0, rng.dirichlet(np.ones(tokens - 1), states - 1)
    mixture = MixtureOfHMMs(np.full(concepts, 1 / concepts), rows[:, 0], rows[:, 1:], emission, 0)
    return Instance("wide", mixture, rows[:, 0][:, None], tuple(range(concepts)), k)


def asked(instance, **changes):
    settings = Settings((), DEFAULT_NS, 1000, DEFAULT_EPSILONS, 100, 1024, 0)._replace(**changes)
    return check_settings(settings, instance)


@pytest.mark.parametrize("name", NAMED)
def test_named_instances_are_affordable_as_they_are(name):
    instance = load_instance(name)
    found = estimate(instance, asked(instance))
    assert found.seconds < 600 and not found.coarse and found.risk_prompts == cost.RISK_PROMPTS


def test_a_long_work_is_said_on_one_line_and_a_short_one_is_not():
    instance = wide()
    found = estimate(instance, asked(instance))
    assert "conditions of 2 pairs: about" in in_words("wide", found, 15.0)
    assert in_words("regular", estimate(load_instance("regular"), asked(load_instance("regular"))), 15.0) == ""
    assert [minutes(x) for x in (0.2, 40, 240, 9000)] == ["1 seconds", "40 seconds", "4 minutes", "2.5 hours"]


def test_a_smaller_budget_samples_more_coarsely_and_says_what():
    instance = wide()
    full, small = (
        estimate(instance, asked(instance, prompts=50)),
        estimate(instance, asked(instance, prompts=50, budget=2)),
    )
    assert small.logarithms < full.logarithms
    assert small.coarse == ("conditions",) and small.seconds <= 120
    assert "sampled more coarsely, to fit --budget 2 (minutes): conditions" in in_words("wide", small, 2)


def test_kernels_that_are_multiplied_whole_are_counted_whole(monkeypatch):
    """200 states, 4 of which emit a token: with blocks a token takes 16 x 4^2 operations, without them 2 x 200^2. On
    5,000 states, where blocks have no room, theorems alone took more than twice the whole budget."""
    instance = family(BASE | {"states": 200, "vocabulary": 200}, 0)
    blocks = estimate(instance, asked(instance))
    monkeypatch.setattr(dispatch, "MAX_TABLE_BYTES", 0)
    whole = estimate(instance, asked(instance))
    assert whole.stages["in-context curves"] > 2 * blocks.stages["in-context curves"]
    monkeypatch.setattr(cost, "PRODUCTS", 1e8)
    slow = estimate(instance, asked(instance, prompts=10, documents=1, length=64))
    assert slow.risk_prompts < cost.RISK_PROMPTS and f"theorems on {slow.risk_prompts} prompts" in slow.coarse


def test_what_does_not_fit_is_refused_with_sizes_time_and_remedy(tmp_path, capsys):
    save_instance(wide(), tmp_path / "wide.npz")
    assert (
        cli.run(["verify", str(tmp_path / "wide.npz"), "--budget", "0.5", "--model", "--out", str(tmp_path / "o")]) == 2
    )
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and not (tmp_path / "o").exists()
    for words in (
        "2 concepts, 4 states and 50,257 tokens",
        "in-context curves",
        "--budget",
        "fewer --prompts than 1,000",
    ):
        assert words in said
    with pytest.raises(ModelError, match="budget: 0 minutes"):
        asked(wide(), budget=0.0)


def test_what_does_not_fit_into_memory_is_refused(monkeypatch, tmp_path):
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "limit").write_text("4096\n")
    monkeypatch.setattr(machine, "CONTAINER", (tmp_path / "absent", tmp_path / "max"))
    assert machine.memory() > 1 << 28
    monkeypatch.setattr(machine, "CONTAINER", (tmp_path / "max", tmp_path / "limit"))
    assert machine.memory() == 4096
    with pytest.raises(ModelError, match="GiB of memory, and this machine has"):
        estimate(load_instance("regular"), asked(load_instance("regular")))


@pytest.mark.parametrize("name", ["regular", "printed-counterexample"])
def test_prefixes_are_bounded_from_above(name):
    instance = load_instance(name)
    for true in instance.true_concepts:
        machine = build([instance.mixture.concept(c) for c in range(instance.mixture.n_concepts)])
        level, total = [root(machine)], 1
        for k in range(2, 6):
            level = list(children(machine, level))
            total += sum(len(nodes.weight) for nodes in level)
            assert prefixes(instance.mixture, true, k) >= total * (true == 0)
    assert prefixes(wide().mixture, 0, 3) == np.inf


def test_a_coarse_sample_is_named_and_keeps_its_interval():
    """What the budget cuts is sampled, called so, and its interval holds the exact value."""
    instance = load_instance("regular")
    exact = verify(instance, k=3, n=(0,), prompts=2, documents=2, length=8)
    assert {row.method for row in exact.conditions} == {"kl exact, rate closed form"}
    from implicit_bayes.theory.statements.conditions import conditions_by_start_law

    laws = np.asarray(instance.prompt_starts)[0]
    rows = conditions_by_start_law(instance.mixture, laws, 0, [3], logarithms=LOGARITHMS / 1e6)
    for row in rows:
        assert row.method == "kl monte carlo, rate monte carlo"
        same = next(r for r in exact.conditions if (r.k, r.true_concept, r.concept) == (3, 0, row.concept))
        assert row.kl_low <= same.kl_sum <= row.kl_high
        assert row.rate_low <= same.rate <= row.rate_high


def test_prompts_answered_in_parts_give_the_same_curves(monkeypatch):
    instance = load_instance("regular")
    whole = curves.in_context_curves(instance, (3,), (0, 2), prompts=130, seed=0, epsilons=(0.01,))
    monkeypatch.setattr(curves, "NUMBERS", 20 * 2 * 3 * instance.mixture.n_concepts * instance.mixture.n_tokens)
    assert curves.held_at_once(instance.mixture, 2) == 20
    parts = curves.in_context_curves(instance, (3,), (0, 2), prompts=130, seed=0, epsilons=(0.01,))
    assert parts.identical(whole)


@pytest.mark.slow
def test_a_vocabulary_of_50257_is_verified_in_bounded_memory():
    """As a stranger would, with fewer prompts: in a process of its own, below 2 GiB (measured: see docs/speed.md)."""
    import json
    import subprocess
    import sys

    code = (
        "import json, resource, sys; sys.path.insert(0, 'tests/benchmarks/verification'); from test_cost import wide\n"
        "from implicit_bayes import verify\n"
        "found = verify(wide(), n=(0, 1, 8), prompts=20, documents=5, length=64, budget=2)\n"
        "print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(found.conditions)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, conditions = json.loads(done.stdout.splitlines()[-1])
    assert conditions == 2 and peak < 2 << 20
