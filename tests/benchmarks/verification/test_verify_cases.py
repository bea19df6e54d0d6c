"""verify on inputs that once failed: concepts of prior zero, and one of everything."""

from pathlib import Path

import pytest
from rich.console import Console

from implicit_bayes.benchmarks.verification.store import as_json
from implicit_bayes.benchmarks.verification.tables import show
from implicit_bayes.benchmarks.verification.verify import verify

CASES = Path(__file__).parents[2] / "cases"


def verified(name, **settings):
    path = CASES / f"{name}.npz"
    result = verify(path, n=(0, 1), prompts=20, epsilon=(), documents=3, length=16, **settings)
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
    stored, screen = verified("one_of_everything", k=3)
    assert all(row.holds is True for row in stored["assumptions"])
    assert all(row["in_words"] == "holds, as promised" for row in stored["theorems"] if row["name"] != "2")
    assert "holds, as promised" in " ".join(screen.split())
