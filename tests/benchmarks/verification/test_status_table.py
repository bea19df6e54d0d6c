"""The generated table: what it names exists, and the committed page is what the command would write."""

import importlib
from pathlib import Path

import pytest

from implicit_bayes.benchmarks.verification.status_table import INSTANCES, STATEMENTS, evaluate

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "statements.md"


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_functions_and_tests_exist(statement):
    module, function = statement.function.rsplit(".", 1)
    assert callable(getattr(importlib.import_module(f"implicit_bayes.{module}"), function))
    file, test = statement.test.split("::")
    assert f"def {test}(" in (ROOT / "tests" / "theory" / file).read_text()


@pytest.mark.parametrize("name", ["regular", "printed-counterexample"])
def test_the_page_is_fresh_for_the_small_instances(name):
    """The others take a minute; ``implicit-bayes statements --check`` in CI covers all four."""
    rows = [line.replace("\\|", "") for line in PAGE.read_text().splitlines() if line.startswith("|")][2:]
    column = 5 + list(INSTANCES).index(name)
    assert [row.split("|")[column].strip() for row in rows] == evaluate(name, INSTANCES[name])
