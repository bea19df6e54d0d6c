"""verify on inputs that once failed: concepts of prior zero, and one of everything."""

from pathlib import Path

import pytest
from rich.console import Console

from implicit_bayes.benchmarks.verification.tables import show
from implicit_bayes.benchmarks.verification.verify import Settings, as_json, check_settings, verify
from implicit_bayes.simulators.instance_files import read_instance

CASES = Path(__file__).parents[2] / "cases"
SETTINGS = Settings((), (0, 1), 20, (), 3, 16, 0)


def verified(name, **settings):
    instance = read_instance(CASES / f"{name}.npz")
    result = verify(instance, check_settings(SETTINGS._replace(**settings), instance))
    out = Console(width=118, record=True)
    show(result, out)
    return as_json(result), out.export_text()


@pytest.mark.parametrize("name", ["true_concept_of_prior_zero", "a_concept_of_prior_zero"])
def test_a_true_concept_of_prior_zero_fails_a4_and_everything_else_is_said(name):
    stored, screen = verified(name)
    assert [row["holds"] for row in map(lambda a: a._asdict(), stored["assumptions"])][3] is False
    assert "whose prior is 0" in screen
    assert "A4 fails" in screen
    assert "false here, not promised" in screen
    assert len(stored["theorems"]) == 6
    assert not any(row["applies"] for row in stored["theorems"])
    assert stored["conditions"]


def test_one_of_everything_is_trivially_true():
    stored, screen = verified("one_of_everything", ks=(3,))
    assert all(row.holds is True for row in stored["assumptions"])
    assert all(row["in_words"] == "holds, as promised" for row in stored["theorems"] if row["name"] != "2")
    assert "holds, as promised" in " ".join(screen.split())
