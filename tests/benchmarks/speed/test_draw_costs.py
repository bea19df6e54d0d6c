"""What a drawn token costs: every part is timed, and no part is less than its floor by more than a clock's noise."""

import json

import pytest

from implicit_bayes.benchmarks.speed import draw_costs
from implicit_bayes.theory.filtering import compiled


def test_every_part_has_a_cost(tmp_path, monkeypatch, capsys):
    pytest.importorskip("numba")
    monkeypatch.setattr(draw_costs, "DOCUMENTS", 128)
    monkeypatch.setattr(draw_costs, "LENGTH", 300)
    assert draw_costs.main(["--repeats", "2", "--json", str(tmp_path / "x.json")]) == 0
    found = json.loads((tmp_path / "x.json").read_text())
    assert len(found) == len(capsys.readouterr().out.splitlines()) == 7
    assert sum(row["floor"] for row in found) == 2
    assert all(0 < row["nanoseconds"] < 10_000 for row in found)


def test_without_machine_code_there_is_nothing_to_time(monkeypatch, capsys):
    monkeypatch.setattr(compiled, "available", lambda: False)
    assert draw_costs.main([]) == 2
    assert "numba" in capsys.readouterr().out
