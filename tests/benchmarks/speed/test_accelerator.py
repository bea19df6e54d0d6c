"""The filter on JAX's default device: the same numbers as machine code, to 1e-12, or nothing is timed."""

import json

import numpy as np
import pytest

from implicit_bayes.benchmarks.speed import accelerator
from implicit_bayes.theory import ModelError, filter_mixture


@pytest.mark.parametrize(
    ("tasks", "machine_code"),
    [(["posterior+predictive"], False), pytest.param(list(accelerator.TASKS), True, marks=pytest.mark.slow)],
)
def test_every_implementation_agrees_and_is_timed(tasks, machine_code, tmp_path, capsys, monkeypatch):
    """JAX's recursions against the log domain, or against machine code."""
    if not machine_code:
        monkeypatch.setattr(accelerator.compiled, "available", lambda: False)
    command = ["--documents", "3", "--length", "24", "--repeats", "1", "--json", str(tmp_path / "x.json"), "--task"]
    assert accelerator.main([*command, *tasks]) == 0
    rows = json.loads((tmp_path / "x.json").read_text())
    wanted = {"JAX sparse", "JAX dense"} | ({"machine code"} if machine_code else set())
    assert {(row["task"], row["implementation"]) for row in rows} == {(task, name) for task in tasks for name in wanted}
    assert all(row["agrees_to"] <= 1e-12 and row["tokens_per_second"] > 0 for row in rows)
    assert len(capsys.readouterr().out.splitlines()) == len(rows)


def test_a_difference_in_the_twelfth_digit_is_refused(monkeypatch):
    """Any answer that is off by 2e-12 in a predictive is refused before the clock is looked at."""

    def off(mixture, tokens, positions, method):
        found = filter_mixture(mixture, tokens, positions=positions, method="log")
        return lambda: found._replace(predictive=np.asarray(found.predictive) + 2e-12)

    monkeypatch.setattr(accelerator, "_in_jax", off)
    monkeypatch.setattr(accelerator, "_least", lambda call, repeats: pytest.fail("timed"))
    monkeypatch.setattr(accelerator.compiled, "available", lambda: False)
    with pytest.raises(ModelError, match=r"JAX sparse differs by 2\.0e-12 on posterior\+predictive"):
        accelerator.measure(3, 24, 1, ["posterior+predictive"])


def test_counts_below_one_are_named(capsys):
    assert accelerator.main(["--documents", "0"]) == 2
    assert capsys.readouterr().err.startswith("error: documents: 0 is below 1")
