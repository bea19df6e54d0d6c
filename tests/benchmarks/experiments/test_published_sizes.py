"""Scaling at the paper's sizes: the verdict is what the stored trainings say, and nothing is drawn of damaged ones."""

import json

import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.experiments import published_sizes
from implicit_bayes.benchmarks.experiments.stored_sizes import read_stored
from implicit_bayes.benchmarks.predictors.published_accuracy import published
from implicit_bayes.benchmarks.report import findings
from implicit_bayes.theory import ModelError

PROMPTS = 500
LAYERS = {"paper-4l": 29, "paper-12l": 85, "paper-16l": 115, "paper-lstm": 28}


def write(folder, lines, rehearsal=False, finished=True, prompts=PROMPTS):
    """A run with these trainings: name -> [(excess, share of right answers at k = 10, n = 64)]."""
    trainings = {}
    for name, line in lines.items():
        (folder / name).mkdir(parents=True)
        rows = []
        for i, (excess, share) in enumerate(line, 1):
            right = [[0, 0], [0, round(share * prompts)]]
            rows.append({
                "step": i, "tokens": 8192 * i, "loss": 1.2 + excess, "excess": excess, "excess_standard_error": 0.002,
                "excess_documents": 64, "tokens_per_second": 1e5, "matrix_share": 0.31, "right": right,
                "published_excess": excess, "implied_tv": 0.1,
            })  # fmt: skip
        rows.insert(1, {**rows[0], "right": None})
        (folder / name / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        trainings[name] = {
            "size": name.removesuffix("-fresh"), "stream": "fresh" if name.endswith("fresh") else "released",
            "label": published_label(name), "parameters": LAYERS[name.removesuffix("-fresh")] * 10**6,
            "tokens": 8192 * len(line), "planned_tokens": 51_200_000, "finished": finished,
        }  # fmt: skip
    settings = {"rehearsal": rehearsal, "seed": 0}
    run = {"platform": "gpu", "device": "NVIDIA H100 80GB HBM3", "settings": settings, "finished": finished}
    (folder / "run.json").write_text(json.dumps(run | {"trainings": trainings}))
    scores = {"right": [[0, 0], [0, prompts]], "answered": [[prompts, prompts], [0, prompts]]}
    bayes = {"k": [3, 10], "n": [0, 64], "prompts": prompts, "predictors": {"smoothed(0.01)": scores}}
    (folder / "bayes.json").write_text(json.dumps(bayes | {"cross_entropy": 1.2, "published_cross_entropy": 1.2}))
    return folder


def published_label(name):
    size = name.removesuffix("-fresh").removeprefix("paper-").removesuffix("l")
    label = "LSTM, 6 layers" if size == "lstm" else f"Transformer, {size} layers"
    return label + (", fresh documents" if name.endswith("fresh") else "")


@pytest.mark.parametrize(
    ("small", "large", "verdict", "words"),
    [
        (0.5, 0.7, "True", "clearly better in 1 and clearly worse in 0 of 1 pairs (Transformer, 16 layers over"),
        (0.7, 0.5, "False", "clearly better in 0 and clearly worse in 1 of 1 pairs (Transformer, 4 layers over"),
        (0.5, 0.51, "undetermined", "clearly better in 0 and clearly worse in 0 of 1 pairs"),
    ],
)
def test_the_verdict_is_what_equal_losses_say(tmp_path, small, large, verdict, words):
    """Both at 0.2 nats, where the larger one is not yet at its end: ends are not compared."""
    source = write(
        tmp_path, {"paper-4l": [(1.0, 0.1), (0.2, small)], "paper-16l": [(1.0, 0.1), (0.2, large), (0.1, 0.9)]}
    )
    found = published_sizes.read(source)
    assert found.summary.startswith(f"accuracy rises with size at equal excess: {verdict} (")
    assert words in found.verdict and "at 0.200 nats" in found.verdict
    assert "One training of each size" in found.verdict and "ehearsal" not in found.verdict


def test_one_pair_the_other_way_is_enough_to_say_no(tmp_path):
    shares = {"paper-4l": 0.3, "paper-12l": 0.8, "paper-16l": 0.6}
    source = write(tmp_path, {name: [(1.0, 0.1), (0.2, share)] for name, share in shares.items()})
    assert published_sizes.read(source).summary.startswith("accuracy rises with size at equal excess: False (2 of 3")


def test_losses_that_do_not_meet_decide_nothing_and_lstm_and_fresh_documents_are_no_sizes(tmp_path):
    source = write(tmp_path, {
        "paper-4l": [(1.0, 0.1), (0.5, 0.2)], "paper-16l": [(0.4, 0.5), (0.1, 0.9)],
        "paper-4l-fresh": [(0.9, 0.1), (0.3, 0.9)], "paper-lstm": [(0.9, 0.1), (0.3, 0.9)],
    })  # fmt: skip
    found = published_sizes.read(source)
    assert found.summary == "accuracy rises with size at equal excess: undetermined (0 of 0 pairs clear)"
    assert found.verdict.startswith("No two of the Transformers reach the same excess loss: whether")


def test_the_figure_has_ours_the_published_and_bayes(tmp_path):
    source = write(tmp_path, {"paper-4l": [(1.0, 0.1), (0.2, 0.5)], "paper-lstm": [(0.4, 0.2)]})
    loss, size = published_sizes.read(source).pictures
    line = {p.x: p.y for p in loss.points if p.series == "Transformer, 4 layers"}
    assert line == {1.0: 10.0, 0.2: 50.0}
    (end,) = [p for p in size.points if p.series == "Transformer, 4 layers"]
    assert (end.x, end.y) == (29e6, 50.0)
    theirs = {p.series: p for p in loss.points if p.series.startswith("published")}
    assert len(theirs) == 4
    lstm = published("lstm_6_layers")
    assert theirs["published LSTM"].y == pytest.approx(lstm.accuracy_KxN[lstm.ks.index(10), lstm.ns.index(64)])
    assert theirs["published LSTM"].x == pytest.approx(1.35 - 1.2)
    level = [p for p in loss.points if p.series.startswith("smoothed Bayes")]
    assert [p.y for p in level] == [100.0, 100.0] and level[0].x < level[1].x
    assert "NVIDIA H100" in loss.caption and "REHEARSAL" not in loss.caption


def test_a_rehearsal_and_a_training_cut_short_say_so(tmp_path):
    source = write(tmp_path, {"paper-4l": [(1.0, 0.1), (0.2, 0.5)]}, rehearsal=True, finished=False)
    found = published_sizes.read(source)
    assert found.pictures[0].caption.startswith("A REHEARSAL of the code")
    published_of = [{p.series for p in each.points if p.series.startswith("published")} for each in found.pictures]
    assert [len(each) for each in published_of] == [0, 4], "Bayes' loss on short documents is not the paper's"
    assert found.verdict.startswith("A rehearsal of the code, which says nothing about the paper's sizes.")
    assert found.summary.startswith("rehearsal; ")
    assert "Not trained to the end: Transformer, 4 layers, 0.0 of 51.2 million tokens." in found.verdict


def test_reproduce_draws_it_and_report_again(tmp_path, capsys):
    source = write(tmp_path / "in", {"paper-4l": [(1.0, 0.1), (0.2, 0.5)]})
    command = ["reproduce", "scaling", "--preset", "paper", "--from", str(source), "--out", str(tmp_path / "out")]
    assert cli.run([*command, "--json", str(tmp_path / "x.json")]) == 0
    assert {"report.html", "scaling-loss.png", "scaling-size.svg", "results.nc"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    (found,), about = findings.load(tmp_path / "out")
    assert found.name == "scaling" and about["command"].endswith(f"--from {source}")
    assert cli.run(["report", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    for wrong in (["reproduce", "curves"], ["reproduce", "scaling", "curves"]):
        assert cli.run([*wrong, *command[2:]]) == 2
        assert "from: only scaling" in capsys.readouterr().err
    assert cli.run(["reproduce", "scaling", "--preset", "small", *command[4:]]) == 2


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("run.json", lambda x: x["trainings"].update({"../x": x["trainings"]["paper-4l"]}), "run.json"),
        ("run.json", lambda x: x["trainings"].clear(), "no training in"),
        ("run.json", lambda x: x["settings"].pop("rehearsal"), "rehearsal"),
        ("bayes.json", lambda x: x.update(prompts=3), "counts up to 3"),
        ("bayes.json", lambda x: x.update(k=[3, 5, 10]), "no table of 3 by 2"),
        ("bayes.json", lambda x: x.update(prompts=0), "prompts"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, change, words):
    source = write(tmp_path, {"paper-4l": [(1.0, 0.1), (0.2, 0.5)]})
    stored = json.loads((source / name).read_text())
    change(stored)
    (source / name).write_text(json.dumps(stored))
    with pytest.raises(ModelError, match=words):
        read_stored(source)


def test_a_record_that_is_none_is_named_with_its_line(tmp_path):
    source = write(tmp_path, {"paper-4l": [(1.0, 0.1), (0.2, 0.5)]})
    path = source / "paper-4l" / "metrics.jsonl"
    last = json.loads(path.read_text().splitlines()[-1])
    path.write_text(path.read_text() + json.dumps(last | {"excess": float("nan")}) + "\n")
    with pytest.raises(ModelError, match=r"metrics\.jsonl, line 4"):
        read_stored(source)
