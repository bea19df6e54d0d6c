"""The generated table: what it names exists, and the committed page is what the command would write."""

import importlib
import re
from pathlib import Path

import pytest

from implicit_bayes.benchmarks.verification.status_table import INSTANCES, MACHINE_CHECKED, STATEMENTS, evaluate

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "statements.md"


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_functions_and_tests_exist(statement):
    module, function = statement.function.rsplit(".", 1)
    assert callable(getattr(importlib.import_module(f"implicit_bayes.{module}"), function))
    file, test = statement.test.split("::")
    assert f"def {test}(" in (ROOT / "tests" / "theory" / file).read_text()


@pytest.mark.parametrize("statement", sorted(MACHINE_CHECKED))
def test_machine_checked_theorems_exist(statement):
    assert statement in {row.name for row in STATEMENTS}
    names = re.findall(r"`(\w+)\.(\w+)`", MACHINE_CHECKED[statement])
    assert names and MACHINE_CHECKED[statement].count("`") == 2 * len(names)
    for file, theorem in names:
        source = (ROOT / "theory" / "proofs" / "coq" / f"{file}.v").read_text()
        assert re.search(rf"^(Theorem|Lemma) {theorem}\b", source, flags=re.M), (file, theorem)


@pytest.mark.parametrize("name", ["regular", "printed-counterexample"])
def test_the_page_is_fresh_for_the_small_instances(name):
    """The others take a minute; ``implicit-bayes statements --check`` in CI covers all four."""
    rows = [line.replace("\\|", "") for line in PAGE.read_text().splitlines() if line.startswith("|")][2:]
    column = 6 + list(INSTANCES).index(name)
    assert [row.split("|")[column].strip() for row in rows] == evaluate(name, INSTANCES[name])
