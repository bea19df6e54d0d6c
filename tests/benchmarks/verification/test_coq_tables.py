"""The generated Coq tables: the committed files are what the instances say, in exact fractions."""

from fractions import Fraction

import pytest

from implicit_bayes.benchmarks.verification import coq_tables
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1


@pytest.mark.parametrize("name", ["PrintedTables.v", "Lemma1Tables.v", "RegularTables.v"])
def test_the_committed_tables_are_fresh(name):
    assert (coq_tables.FOLDER / name).read_text() == coq_tables.coq_tables()[name]


def test_a_changed_entry_changes_the_table(tmp_path, monkeypatch, capsys):
    """``--check`` fails on a table that is not the instance's, and writing mends it."""
    monkeypatch.setattr(coq_tables, "FOLDER", tmp_path)
    assert coq_tables.main([]) == 0
    assert coq_tables.main(["--check"]) == 0
    table = tmp_path / "PrintedTables.v"
    table.write_text(table.read_text().replace("1467/2500", "1467/2501"))
    assert coq_tables.main(["--check"]) == 1
    assert "PrintedTables.v" in capsys.readouterr().err
    assert coq_tables.main([]) == 0
    assert coq_tables.main(["--check"]) == 0
    assert coq_tables.main(["--fix"]) == 2


def test_entries_are_the_decimals_they_print_as():
    text = coq_tables.coq_tables()["PrintedTables.v"]
    assert "initial := vector [1/2000; 1599/4000; 1599/4000; 1/5]" in text
    start = printed_theorem_1().prompt.start
    assert sum(Fraction(repr(float(p))) for p in start) == 1
    assert "start := vector [47/50; 3/100; 3/100; 0]" in text
