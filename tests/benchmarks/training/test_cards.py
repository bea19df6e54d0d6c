"""Model cards: what is measured of runs, what the page says of a card, and that shipped pages are of their cards."""

import json
import re

import jax
import numpy as np
import pytest
from small_training import small_config

from implicit_bayes.benchmarks.predictors.curves import in_context_curves
from implicit_bayes.benchmarks.predictors.models import installed, shipped_path
from implicit_bayes.benchmarks.predictors.published_accuracy import RIVAL, published
from implicit_bayes.benchmarks.training import cards
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.run import draw_network, to_json
from implicit_bayes.lm.weights import write_weights
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError

PROMPTS, DOCUMENTS, LENGTH = 12, 4, 20


def write_run(folder, seed, resets=0.0, tokens=2304):
    """A RUN of an untrained network, with the records that a training would have left."""
    folder.mkdir()
    config = small_config(seed=seed, resets=resets)
    with jax.enable_x64(False):
        write_weights(folder / "weights.npz", config, draw_network(config))
    measured = {"excess": 0.5, "excess_standard_error": 0.1, "bayes_cross_entropy": 1.0, "excess_positions": [0, 1],
                "excess_by_position": [0.2, 0.8], "excess_by_position_standard_error": [0.1, 0.1]}  # fmt: skip
    rows = [{"step": i, "tokens": i * tokens // 2, "loss": 2.0, "cpu_seconds": 10.0 * i * (seed + 1)} for i in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row | measured) + "\n" for row in rows))
    return folder


@pytest.fixture
def small_grid(monkeypatch):
    """Two k and three n, of the published too (the page and the figure set row i of one beside row i of the other)."""
    monkeypatch.setattr(cards, "KS", (2, 3))
    monkeypatch.setattr(cards, "NS", (0, 2, 3))
    corner = {field: getattr(published(RIVAL["lstm"]), field)[:2, :3] for field in ("accuracy_KxN", "half_width_KxN")}
    monkeypatch.setattr(cards, "published", lambda name: published(name)._replace(**corner))


@pytest.fixture
def runs(tmp_path, small_grid):
    return [write_run(tmp_path / f"run-{seed}", seed) for seed in (3, 1)]


def plain(card):
    return json.loads(json.dumps(card, default=lambda array: array.tolist()))


def test_every_seed_is_measured_on_the_same_documents_and_prompts(runs):
    """Measured together or alone, a seed has the same numbers; the first RUN's comes first."""
    with jax.enable_x64(True):
        both, configs = cards.measure(runs, PROMPTS, DOCUMENTS, LENGTH)
        alone, _ = cards.measure(runs[1:], PROMPTS, DOCUMENTS, LENGTH)
    assert [config.seed for config in configs] == [row["seed"] for row in both["seeds"]] == [3, 1]
    assert [row["tokens"] for row in both["seeds"]] == [2304, 2304]
    assert [row["cpu_seconds"] for row in both["seeds"]] == [80.0, 40.0]  # of the last record
    assert plain(both["seeds"][1:]) == plain(alone["seeds"])
    first, second = (np.array(row["accuracy"]) for row in both["seeds"])
    assert first.shape == (2, 3) and (first != second).any()
    right = first / 100 * PROMPTS
    np.testing.assert_allclose(right, right.round(), atol=1e-9)
    assert both["seeds"][0]["excess"] != both["seeds"][1]["excess"]
    assert min(row["excess"] for row in both["seeds"]) > 0  # untrained
    assert "bayes" not in both and both["instance"] == "printed-counterexample"
    assert both["published"]["model"] == published(RIVAL["lstm"]).label


def test_models_of_another_law_stand_beside_bayes_under_that_law(tmp_path, small_grid):
    with jax.enable_x64(True):
        card, _ = cards.measure([write_run(tmp_path / "r", 0, resets=0.25)], PROMPTS, DOCUMENTS, LENGTH)
        usual, _ = cards.measure([write_run(tmp_path / "u", 0)], PROMPTS, DOCUMENTS, LENGTH)
    assert card["instance"] == "printed-counterexample+resets(0.25)"
    assert card["bayes"]["model"] == cards.BAYES and np.array(card["bayes"]["accuracy"]).shape == (2, 3)
    assert "--resets 0.25" in card["command"] and "--resets" not in usual["command"]
    assert card["bayes_cross_entropy"] != usual["bayes_cross_entropy"]  # documents of the law with resets
    np.testing.assert_array_equal(card["seeds"][0]["accuracy"], usual["seeds"][0]["accuracy"])  # the same prompts


def test_a_card_has_the_grid_of_the_published_accuracies():
    """Which the page and the figure take for granted."""
    for name in RIVAL.values():
        assert (published(name).ks, published(name).ns) == (cards.KS, cards.NS)


def seed_row(seed, accuracy, excess):
    return {"seed": seed, "tokens": 1_000_000, "cpu_seconds": 1000.0 + seed, "excess": excess,
            "excess_standard_error": excess / 10, "excess_positions": [0, 1, 2],
            "excess_by_position": [excess, 2 * excess, 3 * excess], "accuracy": accuracy}  # fmt: skip


def made_up(resets=0.0):
    """Three seeds at two k and two n."""
    config = small_config(resets=resets)
    seeds = [seed_row(4, [[80.0, 90.0], [10.0, 20.0]], 0.01), seed_row(5, [[70.0, 95.0], [30.0, 40.0]], 0.02),
             seed_row(6, [[90.0, 85.0], [50.0, 90.0]], 0.03)]  # fmt: skip
    card = {
        "instance": "ginc", "command": "implicit-bayes train …", "config": to_json(config), "parameters": 123456,
        "documents": 256, "length": 1024, "bayes_cross_entropy": 1.5, "prompts": 10, "k": [3, 5], "n": [0, 64],
        "seeds": seeds,
        "published": {"model": "their model", "accuracy": [[33.3, 44.4], [55.5, 66.6]], "half_width": [[1, 2], [3, 4]]},
    }  # fmt: skip
    return card | ({"bayes": {"model": cards.BAYES, "accuracy": [[97.0, 98.0], [99.0, 100.0]]}} if resets else {})


def row_of(page, start):
    (line,) = (line for line in page.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.split("|")[3:-1]]


def test_the_page_has_means_ranges_intervals_and_the_published_beside():
    page = cards.page("name", made_up())
    assert row_of(page, "| k |") == ["n = 0", "n = 64"]
    assert row_of(page, "| 3 | name |") == ["80.0 (70.0–90.0)", "90.0 (85.0–95.0)"]
    assert row_of(page, "| 5 | name |") == ["30.0 (10.0–50.0)", "50.0 (20.0–90.0)"]
    lines = page.splitlines()
    for k, interval, theirs in ((3, "49.0–94.3 | 59.6–98.2", "33.3 | 44.4"), (5, "1.8–40.4 | 5.7–51.0", "55.5 | 66.6")):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"| {k} | name |"))
        assert lines[at + 1] == f"| | 95% over prompts, seed 4 | {interval} |"  # of the shipped seed: 8, 9, 1, 2 of 10
        assert lines[at + 2] == f"| | their model | {theirs} |"
    assert "| seeds | 4, 5, 6 |" in page
    assert "by seed | 0.0100 ± 0.0010, 0.0200 ± 0.0020, 0.0300 ± 0.0030 |" in page
    assert "| CPU seconds, by seed | 1,004, 1,005, 1,006 (" in page
    assert "The shipped weights are those of seed 4." in page
    assert "(seed 4): from 0: 0.0100, from 1: 0.0200, from 2: 0.0300." in page
    assert "Another pretraining law" not in page and cards.BAYES not in page


def test_a_card_of_one_seed_has_no_range_and_the_floor_has_dashes_where_nothing_is_defined():
    card = made_up()
    card["seeds"] = card["seeds"][:1]
    card["floor"] = [
        {"model": "exact", "accuracy": [[50.0, None], [25.0, 75.0]], "undefined": [[39.284, 100], [0, 0.04]]}
    ]
    page = cards.page("name", card)
    assert row_of(page, "| 3 | name |") == ["80.0", "90.0"] and "smallest to largest" not in page
    rows = [line for line in page.splitlines() if line.startswith("| | exact |")]
    assert rows == [
        "| | exact | 50.0 (39.28% undefined) | – (100% undefined) |", "| | exact | 25.0 | 75.0 (0.04% undefined) |",
    ]  # fmt: skip


def test_the_floor_of_a_card_is_of_bayes_on_the_models_own_prompts(runs):
    """Exact Bayes of the counterexample has a law of every prompt, which a second count of right answers confirms."""
    with jax.enable_x64(True):
        card, _ = cards.measure(runs[:1], PROMPTS, DOCUMENTS, LENGTH)
        instance = load_instance("printed-counterexample")
        curves = in_context_curves(instance, cards.KS, cards.NS, prompts=PROMPTS, seed=cards.SEED, epsilons=(0.01,))
    card = plain(card)
    assert [row["model"] for row in card["floor"]] == list(cards.FLOOR)
    for row, name in zip(card["floor"], ("exact", "smoothed(0.01)", "prompt-aware"), strict=True):
        cells = curves.sel(predictor=name)
        lost = cells.undefined.values
        np.testing.assert_allclose(row["undefined"], 100 * lost / PROMPTS)
        share = np.array(row["accuracy"], float) / 100
        np.testing.assert_allclose((share * (PROMPTS - lost))[lost < PROMPTS], cells.correct.values[lost < PROMPTS])


def test_the_page_of_another_law_says_so_before_any_number():
    page = cards.page("name", made_up(resets=0.03))
    assert page.index("**Another pretraining law.**") < page.index("| seeds |")
    assert "with probability 0.03 (`--resets 0.03`)" in page
    assert [line for line in page.splitlines() if cards.BAYES in line] == [
        f"| | {cards.BAYES} | 97.0 | 98.0 |", f"| | {cards.BAYES} | 99.0 | 100.0 |",
    ]  # fmt: skip


def test_the_figure_has_a_panel_for_each_k_with_every_seed_and_the_published_model():
    figure = cards.accuracy_figure("name", made_up())
    assert [axis.get_title() for axis in figure.axes] == ["k = 3", "k = 5"]
    lines = [[list(each.lines[0].get_ydata()) for each in axis.containers] for axis in figure.axes]
    assert lines[0] == [[80.0, 90.0], [70.0, 95.0], [90.0, 85.0], [33.3, 44.4]]
    assert lines[1] == [[10.0, 20.0], [30.0, 40.0], [50.0, 90.0], [55.5, 66.6]]
    ends = figure.axes[0].containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose([[y for _, y in end] for end in ends], [[49.0, 94.3], [59.6, 98.2]], atol=0.05)


def test_a_card_of_another_vocabulary_has_no_published_accuracies_beside_its_own(tmp_path):
    """The paper's are of V = 50."""
    folder = tmp_path / "run"
    write_run(folder, 0)
    network = preset("lstm", "tiny", 100).network
    config = small_config()._replace(instance="ginc-100", network=network)
    with jax.enable_x64(False):
        write_weights(folder / "weights.npz", config, draw_network(config))
    with jax.enable_x64(True):
        card, _ = cards.measure([folder], 3, DOCUMENTS, LENGTH)
    card = plain(card)
    assert card["instance"] == "ginc-100" and "published" not in card
    page, figure = cards.page("lstm-100", card), cards.accuracy_figure("lstm-100", card)
    assert "published" not in page
    assert sum(line.startswith("| | 95% over prompts") for line in page.splitlines()) == len(cards.KS)
    assert [len(axis.containers) for axis in figure.axes] == [1] * len(cards.KS)


def test_the_command_names_what_differs_from_the_preset():
    config = small_config()
    usual = config._replace(schedule=preset("lstm", "small", 2).schedule)
    assert cards.command(usual) == (
        "implicit-bayes train --instance printed-counterexample --model lstm --preset small --seed 0 --devices 1 "
        "--out RUN"
    )
    assert f" --tokens {config.schedule.tokens} --out RUN" in cards.command(config)
    assert " --resets 0.5 --out RUN" in cards.command(usual._replace(resets=0.5))


BAD = {"unknown": ("lstm-huge", 0.0, "name: 'lstm-huge' is none of"),
       "none": ("lstm-small", None, "or no RUN was named"),
       "resets": ("lstm-small", 0.5, "name: lstm-small is not for runs with --resets"),
       "usual": ("lstm-resets", 0.0, "name: lstm-resets is for runs with --resets"),
       "vocabulary": ("lstm-100", 0.0, "name: lstm-100 is not for a run on printed-counterexample"),
       "architecture": ("transformer-small", 0.0, "name: transformer-small is for no lstm")}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_runs_of_another_law_are_not_shipped_under_a_usual_name(case, tmp_path):
    name, resets, words = BAD[case]
    runs = () if resets is None else (write_run(tmp_path / "run", 0, resets),)
    with pytest.raises(ModelError, match=re.escape(words)):
        cards.main(name, runs, PROMPTS, DOCUMENTS, LENGTH)


def test_shipping_writes_the_first_runs_weights_and_a_shipped_folder_is_a_run(runs, tmp_path, monkeypatch):
    place = tmp_path / "pretrained" / "lstm-small"
    monkeypatch.setattr(cards, "shipped_path", lambda name: place / "weights.npz")
    with jax.enable_x64(True):
        cards.main("lstm-small", tuple(runs), PROMPTS, DOCUMENTS, LENGTH)
        assert (place / "weights.npz").read_bytes() == (runs[0] / "weights.npz").read_bytes()
        first = json.loads((place / "card.json").read_text())
        assert (place / "card.md").read_text() == cards.page("lstm-small", first)
        names = {"weights.npz", "card.json", "card.md", "accuracy.png", "learning.png"}
        assert {path.name for path in place.iterdir()} == names
        again, _ = cards.measure([place], PROMPTS, DOCUMENTS, LENGTH)
    assert plain(again["seeds"]) == first["seeds"][:1]  # its cost from the card, the rest measured again


@pytest.mark.parametrize("name", installed())
def test_shipped_pages_are_those_of_their_cards(name):
    folder = shipped_path(name).parent
    card = json.loads((folder / "card.json").read_text())
    assert (folder / "card.md").read_text(encoding="utf-8") == cards.page(name, card)
