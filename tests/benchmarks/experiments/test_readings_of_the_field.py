"""``read`` of geometry, diversity and switching on results made up so that the verdict is known, and must turn."""

import numpy as np
import pytest
from experiment_results import read
from field_results import FieldRules

from implicit_bayes.benchmarks.experiments.diversity import SIZES, threshold
from implicit_bayes.benchmarks.experiments.geometry import HEIGHT, corner
from implicit_bayes.benchmarks.experiments.scales import PAPER, SMALL, TINY
from implicit_bayes.benchmarks.sweep.field_tasks import STATIC


def test_r2_is_called_high_only_above_its_controls():
    found = read("geometry")
    assert "all above 0.95 and above every control" in found.verdict and "not all" not in found.verdict
    low = read("geometry", field=FieldRules(r2=lambda model, estimate: 0.9 if estimate == "r2" else 0.1))
    assert "not all above 0.95" in low.verdict
    beaten = read("geometry", field=FieldRules(r2=lambda model, estimate: 0.0 if estimate == "margin" else 0.99))
    assert "not all above" in beaten.verdict


def test_effects_of_moves_are_said_with_their_intervals():
    found = read("geometry", field=FieldRules(moved=lambda cell, model, d: 0.25 if d == "probe" else -0.5))
    assert "25.0% [24.0, 26.0] (LSTM, states of Mess3; random -50.0% [-51.0, -49.0])" in found.verdict
    assert "at least 25.0%" in found.summary
    (drawn,) = (each for each in found.pictures if each.name == "intervention")
    assert {p.panel for p in drawn.points} == {"states of Mess3", "concepts of regular"}


def test_entropies_in_bits():
    found = read("geometry")
    rows = {row[0]: row[1:] for row in found.tables[2].rows}
    assert rows["even"][0] == rows["golden-mean"][0] == rows["rrxor"][0] == "0.666667"
    assert rows["golden-mean"][1] == "0.251629"


def test_corners_of_the_triangle():
    assert corner(np.eye(3)).tolist() == [
        [0, 0], [1, 0], [0.5, HEIGHT]]  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "words", "summary"),
    [
        ({1: 0.9, 4: 0.1}, "clearly above a half up to N = 1, and it is clearly below a half from N = 4 on",
         "between N = 1 and 4"),
        ({1: 0.9, 4: 0.8}, "clearly above a half up to N = 4, and at no N is it clearly below a half", "up to N = 4"),
        ({1: 0.1, 4: 0.1}, "clearly above a half at no N, and it is clearly below a half from N = 1 on", "at no N"),
        ({1: 0.9, 4: 0.495}, "clearly above a half up to N = 1, and at no N is it clearly below a half", "up to N = 1"),
        ({1: 0.1, 4: 0.9}, "clearly above a half up to N = 4, and at no N is it clearly below a half", "up to N = 4"),
    ],
)  # fmt: skip
def test_the_threshold_is_what_fresh_documents_say(weights, words, summary):
    rules = FieldRules(weight=lambda n, split: weights[n] if split == "fresh" else 1.0)
    found = read("diversity", field=rules)
    assert words in found.verdict and summary in found.summary
    assert "2^14" in found.verdict and "Raventós" in found.paper


def test_no_results_no_threshold():
    assert threshold({}) == (None, None)


def test_every_scale_has_its_sizes():
    assert {scale.name for scale in (TINY, SMALL, PAPER)} == set(SIZES)
    assert SIZES["small"].concepts == (1, 4, 16, 64, 256, 1024)


def test_who_follows_a_switch_is_what_the_intervals_say():
    def lagging(predictor: str, q: float) -> float:
        return {STATIC: 0.5, "LSTM": 0.3}.get(predictor, 0.7) * (q > 0)

    found = read("switching", field=FieldRules(lagging=lagging))
    assert found.verdict.endswith(
        "Clearly nearer than exact Bayes without switches: LSTM; clearly farther: Transformer."
    )
    alike = read("switching", field=FieldRules(lagging=lagging, wide=0.3))
    assert alike.verdict.endswith("without switches: none; clearly farther: none.")


def test_how_long_the_lag_lasts():
    found = read(
        "switching", field=FieldRules(lagging=lambda predictor, q: {STATIC: 0.5}.get(predictor, 0.05) * (q > 0))
    )
    assert "peaks at 0.50 (exact Bayes without switches, not below 0.1 in the last bin)" in found.verdict
    assert "0.05 (LSTM, below 0.1 from 0 tokens on)" in found.verdict
