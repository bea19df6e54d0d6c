"""``reproduce --plan`` says how long: the arithmetic of a training, and the times of what is stored."""

import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.experiments import cost
from implicit_bayes.benchmarks.experiments.registry import chosen
from implicit_bayes.benchmarks.experiments.scales import scale_of
from implicit_bayes.benchmarks.sweep.cells import in_order


def cells(preset):
    return in_order([cell for each in chosen(("all",)) for cell in each.cells(scale_of(preset, 0)).values()])


def test_a_training_costs_six_operations_a_parameter_and_token():
    cell = next(cell for cell in cells("small") if cell.task == "train")
    tokens = cell.config["run"]["schedule"]["tokens"]
    assert cost.cpu_seconds(cell) == cost.EACH + 6 * cost.parameters(cell) * tokens / cost.RATE
    assert 1e5 < cost.parameters(cell) < 1e6


def test_the_small_preset_is_estimated_within_a_factor_of_two_of_what_it_took():
    """33 CPU minutes were measured for the paper's eight experiments, and 7 for the three others."""
    seconds, measured = cost.remaining(cells("small"), {})
    assert not measured
    assert 0.5 < seconds / (40 * 60) < 2.0


def test_stored_cells_scale_the_estimate_of_the_others():
    every = cells("tiny")
    first = every[: len(every) // 2]
    stored = {cell.key: 3.0 * cost.cpu_seconds(cell) for cell in first}
    rest = sum(cost.cpu_seconds(cell) for cell in every[len(first) :])
    seconds, measured = cost.remaining(every, stored)
    assert measured and seconds == pytest.approx(3.0 * rest)
    assert cost.remaining(every, {cell.key: 1.0 for cell in every})[0] == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3.2, "3 seconds"), (67, "67 seconds"), (2220, "37 minutes"), (5e4, "14 hours"), (7.6e6, "88 days")],
)
def test_durations_are_said_to_two_digits(seconds, words):
    assert cost.in_words(seconds) == words


def test_the_plan_says_how_long(tmp_path, capsys):
    assert cli.run(["reproduce", "dial", "--preset", "tiny", "--plan", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "the rest takes about" in said and "of CPU time" in said
    assert not (tmp_path / "cells").exists()
