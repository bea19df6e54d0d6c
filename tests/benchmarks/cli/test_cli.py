"""The command line as a user meets it: what it writes, its JSON keys, and bad input."""

import json
import subprocess
import sys

import numpy as np
import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.verification import status_table
from implicit_bayes.simulators.instances import load_instance, save_instance

SMALL = ["--prompts", "5", "--n", "0", "2", "--documents", "3", "--length", "20", "--epsilon", "0.01"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One small verify of the printed counterexample, with every output."""
    directory = tmp_path_factory.mktemp("verify") / "new" / "folder"
    status = cli.run(
        [
            "verify",
            "printed-counterexample",
            *SMALL,
            "--certify",
            "--out",
            str(directory),
            "--json",
            str(directory / "x.json"),
        ]
    )
    assert status == 0
    return directory


def test_verify_writes_json_figures_and_results(run):
    names = {path.name for path in run.iterdir()}
    assert {"x.json", "results.json", "results.nc", "curves.png", "curves.svg"} <= names
    assert "undefined.png" not in names  # every prompt has a posterior here: there is nothing to draw
    assert not [name for name in names if name.startswith(".")]
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (run / "curves.svg").read_text()


def test_json_has_the_stable_keys_and_strict_numbers(run):
    def refuse(word):
        raise AssertionError(f"bare {word} in the JSON")

    found = json.loads((run / "x.json").read_text(), parse_constant=refuse)
    assert {"instance", "assumptions", "curves", "bayes"} <= set(found)
    assert found["instance"] == {
        "name": "printed-counterexample", "concepts": 2, "states": 4, "vocabulary": 4, "delimiter": 3, "seed": 0,
    }  # fmt: skip
    assert [row["name"] for row in found["assumptions"]] == ["A1", "A2", "A3", "A4", "A5"]
    assert all(set(row) == {"name", "holds", "constants", "witness"} for row in found["assumptions"])
    assert [row["holds"] for row in found["assumptions"]] == [True] * 5
    keys = {"predictor", "epsilon", "k", "n", "accuracy", "standard_error", "undefined_share", "prompts"}
    assert all(set(row) >= keys for row in found["curves"])
    cells = {(row["predictor"], row["epsilon"], row["k"], row["n"]) for row in found["curves"]}
    expected = {(p, e, 2, n) for p, e in (("exact", None), ("smoothed", 0.01), ("prompt-aware", None)) for n in (0, 2)}
    assert cells == expected
    assert set(found["bayes"]) >= {"cross_entropy", "standard_error", "documents", "length"}


def test_json_states_the_counterexample(run):
    found = json.loads((run / "x.json").read_text())
    row = next(row for row in found["conditions"] if row["k"] == 2)
    keys = "k true_concept concept kl_sum kl_infinite_mass eps_start eps_delim_printed eps_delim_repaired start_kl"
    keys += " printed_holds repaired_holds rate rate_low rate_high sharp_holds method"
    assert set(keys.split()) <= set(row)
    assert row["kl_sum"] == pytest.approx(7.2816, abs=5e-5)
    assert row["eps_start"] + row["eps_delim_printed"] == pytest.approx(7.0255, abs=5e-5)
    assert row["rate"] == pytest.approx(2.0041, abs=5e-5)
    assert (row["printed_holds"], row["repaired_holds"], row["sharp_holds"]) == (True, False, False)
    assert set(found["critical_k"]) == {"printed", "repaired", "sharp"}
    assert found["critical_k"]["printed"] == 2
    first = {(row["name"], row["version"]): row for row in found["theorems"]}
    keys = {"name", "version", "applies", "bound", "vacuous", "conclusion"}
    assert all(keys <= set(row) for row in first.values())
    assert (first["1", "printed"]["applies"], first["1", "printed"]["conclusion"]) == (True, "fails")
    assert first["1", "repaired"]["applies"] is False


def test_certificates_prove_the_counterexample(run):
    """Printed margin > 0 and rate > 0, enclosed with radius below 1e-30."""
    proof = json.loads((run / "x.json").read_text())["certificates"][0]
    for name in ("printed_margin", "rate"):
        assert proof[name]["sign"] is True
        assert proof[name]["radius"] < 1e-30
    assert proof["printed_holds"] is True
    assert proof["repaired_holds"] is False
    assert all(proof["assumptions"].values())


def test_compare_shows_instances_side_by_side(tmp_path, capsys):
    target = tmp_path / "x.json"
    names = ["regular", "printed-counterexample"]
    arguments = ["verify", "--compare", *names, *SMALL, "--out", str(tmp_path / "out"), "--json", str(target)]
    assert cli.run(arguments) == 0
    assert "Side by side" in capsys.readouterr().out
    found = json.loads(target.read_text())["compare"]
    assert [each["instance"]["name"] for each in found] == names
    assert all((tmp_path / "out" / name / "budget.svg").is_file() for name in names)
    regular = found[0]
    assert all(row["holds"] is True for row in regular["assumptions"])
    assert None not in regular["critical_k"].values()
    first = [row for row in regular["theorems"] if row["name"] == "1"]
    assert [(row["applies"], row["conclusion"]) for row in first] == [(True, "holds")] * 3


def test_one_concept_has_no_alternatives_and_still_verifies(tmp_path):
    path, target = tmp_path / "one.npz", tmp_path / "x.json"
    np.savez(path, prior=[1.0], initial=[[0.5, 0.5]], transition=[[[0.5, 0.5], [1.0, 0.0]]], emission=np.eye(2),
             delimiter=1)  # fmt: skip
    assert cli.run(["verify", str(path), *SMALL, "--k", "2", "--json", str(target), "--out", str(tmp_path / "o")]) == 0
    assert json.loads(target.read_text())["conditions"] == []


def test_search_writes_instances_that_verify_as_counterexamples(tmp_path, capsys):
    assert cli.run(["search", "--starts", "2", "--out", str(tmp_path), "--json", str(tmp_path / "s.json")]) == 0
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["found"] == len(found["files"]) > 0
    again = tmp_path / "again.json"
    assert cli.run(["verify", found["files"][0], *SMALL, "--json", str(again)]) == 0
    row = json.loads(again.read_text())["theorems"][0]
    assert (row["version"], row["applies"]) == ("printed", True)
    assert json.loads(again.read_text())["conditions"][0]["rate"] > 0


def test_figures_redraw_from_results_alone_and_are_reproducible(run, tmp_path):
    storage.write_results(tmp_path / "results.nc", storage.read_results(run / "results.nc"))
    assert cli.run(["figures", str(tmp_path)]) == 0
    assert (tmp_path / "curves.svg").read_bytes() == (run / "curves.svg").read_bytes()


def test_non_finite_numbers_become_words():
    assert storage.plain({"a": [np.inf, -np.inf, np.nan, np.float64(2), np.int64(3), np.bool_(True), None]}) == {
        "a": ["inf", "-inf", "nan", 2.0, 3, True, None]
    }


BAD = {
    "unknown name": (["verify", "gincc"], "did you mean 'ginc'"),
    "k below two": (["verify", "ginc", "--k", "1"], "k: 1 is below 2"),
    "negative n": (["verify", "ginc", "--n", "-1"], "n"),
    "no prompts": (["verify", "ginc", "--prompts", "0"], "prompts: 0 is below 1"),
    "epsilon": (["verify", "ginc", "--epsilon", "2"], "epsilon: 2.0 is outside"),
    "not a number": (["verify", "ginc", "--k", "three"], "--k"),
    "no instance": (["verify"], "instance: name one"),
    "search": (["search", "--starts", "0"], "starts"),
    "negative seed": (["verify", "regular", "--seed", "-1"], "seed: -1 is negative"),
    "seed beyond 64 bits": (["verify", "regular", "--seed", str(1 << 63)], "seed: 9223372036854775808 is too large"),
    "negative seed of a training": (["train", "--out", "DIR/run", "--seed", "-1"], "seed: -1 is negative"),
    "no model by a word": (["verify", "ginc", "--model", "none"], "give --model with no name after it"),
    "a file without a function": (["gap", "hf.py", "--instance", "regular"], "write hf.py:make"),
    "no subcommand": (["--k", "3"], "unknown subcommand '--k'"),
    "unknown command": (["verfy", "ginc"], "did you mean 'verify'"),
    "unknown flag": (["verify", "ginc", "--shots", "3"], "--shots"),
    "missing file": (["verify", "no/such.npz"], "no/such.npz"),
    "published layout of another instance": (["sample", "regular", "--layout", "published", "--out", "DIR"], "layout"),
    "more than released": (
        ["sample", "ginc", "--layout", "published", "--documents", "1001", "--out", "DIR"], "documents"),
    "no results": (["figures", "DIR"], "results"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_two(case, tmp_path, capsys):
    arguments, words = BAD[case]
    status = cli.run([a.replace("DIR", str(tmp_path)) for a in arguments])
    captured = capsys.readouterr()
    assert status == 2
    assert captured.err.count("\n") == 1 and captured.err.count("error:") == 1
    assert words in captured.err
    assert captured.out == ""


def corrupt(path, **changes):
    """The printed counterexample with some arrays replaced (or dropped, for None)."""
    save_instance(load_instance("printed-counterexample"), path)
    with np.load(path, allow_pickle=False) as stored:
        arrays = {**stored, **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


KERNEL = load_instance("printed-counterexample").mixture.transition
DEFECTS = {
    "row sum": ({"transition": KERNEL * 0.9}, "transition[0, 0]: row sums to 0.9"),
    "negative": ({"prior": np.array([1.5, -0.5])}, "prior[1]: entry"),
    "nan": ({"initial": np.full((2, 4), np.nan)}, "initial[0, 0]"),
    "nobody emits the delimiter": (
        {"emission": np.eye(5)[:4], "delimiter": np.int64(4)}, "delimiter: no state emits token 4"),
    "delimiter out of range": ({"delimiter": np.int64(9)}, "delimiter"),
    "shape": ({"initial": np.ones((3, 4)) / 4}, "initial: shape"),
    "object array": ({"prior": np.array([0.5, "x"], dtype=object)}, "prior"),
    "missing array": ({"prior": None}, "prior"),
    "k": ({"k": np.int64(1)}, "k: 1 is below 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", DEFECTS)
def test_a_bad_file_is_bad_input_and_loses_nothing(case, tmp_path, capsys):
    changes, words = DEFECTS[case]
    path, kept = tmp_path / "mixture.npz", tmp_path / "out" / "results.json"
    kept.parent.mkdir()
    kept.write_text("earlier output")
    corrupt(path, **changes)
    assert cli.run(["verify", str(path), "--out", str(kept.parent)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert kept.read_text() == "earlier output"


@pytest.mark.parametrize("damage", ["truncated", "text", "flipped"])
def test_a_damaged_zip_is_bad_input(damage, tmp_path, capsys):
    path = tmp_path / "mixture.npz"
    save_instance(load_instance("printed-counterexample"), path)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        at = content.find(b"\x93NUMPY") + 140
        content[at] ^= 0xFF
    path.write_bytes({"truncated": content[:200], "text": b"hello", "flipped": content}[damage])
    assert cli.run(["verify", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_unwritable_directory_is_found_before_the_work(tmp_path, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("not a directory")
    for extra in (["--out", str(blocker / "out")], ["--json", str(blocker / "x.json")], ["--json", str(tmp_path)]):
        assert cli.run(["verify", "ginc", *extra]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert blocker.read_text() == "not a directory"


def test_an_npz_of_ones_own_verifies(tmp_path):
    path = tmp_path / "mine.npz"
    save_instance(load_instance("regular"), path)
    target = tmp_path / "x.json"
    assert cli.run(["verify", str(path), *SMALL, "--k", "3", "--json", str(target)]) == 0
    assert json.loads(target.read_text())["instance"]["states"] == 7


def test_sample_writes_both_layouts(tmp_path):
    common = ["--documents", "2", "--length", "30", "--out"]
    assert cli.run(["sample", "regular", *common, str(tmp_path / "a"), "--prompts", "3", "--k", "4", "--n", "2"]) == 0
    with np.load(tmp_path / "a" / "prompts_4.npz", allow_pickle=False) as stored:
        assert set(stored.files) == {
            "prompt_tokens",
            "prompt_concepts",
            "prompt_starts",
            "k",
            "delimiter",
            "vocabulary",
        }
        assert stored["prompt_tokens"].shape == (3, 14)
    published = ["sample", "ginc", *common, str(tmp_path / "b"), "--layout", "published", "--prompts", "0"]
    assert cli.run([*published, "--split", "validation"]) == 0
    assert {p.name for p in (tmp_path / "b").iterdir()} == {"val.txt", "val.json", "tokenizer.json"}
    record = json.loads((tmp_path / "b" / "val.json").read_text().splitlines()[0])
    assert len(record["text"].split()) == len(record["hiddens"]) == 30


def test_statements_prints_and_writes_nothing_unless_told_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(status_table, "evaluate", lambda *_: ["holds"] * len(status_table.STATEMENTS))
    assert cli.run(["statements"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("# Statements") and page.count("| holds ") == 4 * len(status_table.STATEMENTS)
    assert list(tmp_path.iterdir()) == []
    assert cli.run(["statements", "--out", "page.md"]) == 0
    assert (tmp_path / "page.md").read_text() == page
    assert cli.run(["statements", "--check", "--out", "page.md"]) == 0
    assert cli.run(["statements", "--check"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


def test_help_has_examples_and_the_module_is_the_script():
    for command in cli.COMMANDS:
        shown = subprocess.run(
            [sys.executable, "-m", "implicit_bayes", command, "--help"], capture_output=True, text=True, check=True
        )
        assert f"implicit-bayes {command}" in shown.stdout
        assert "Try:" in shown.stdout


def test_a_file_called_ginc_is_not_the_release(tmp_path):
    """The published validation documents belong to the released instance, not to whatever bears its name."""
    path, target = tmp_path / "ginc.npz", tmp_path / "x.json"
    save_instance(load_instance("printed-counterexample"), path)
    assert cli.run(["verify", str(path), *SMALL, "--json", str(target)]) == 0
    found = json.loads(target.read_text())
    assert found["instance"]["name"] == "ginc"
    assert found["bayes_published_validation"] is None


def test_costs_of_opposite_infinities_are_infinite_never_nan(tmp_path):
    """theta* never starts in state 0 (eps_start = inf) while theta never visits a delimiter (eps_delim = -inf)."""
    path, target = tmp_path / "x.npz", tmp_path / "x.json"
    true, other = [[0.4, 0.4, 0.2]] * 3, [[0.5, 0.5, 0.0]] * 3
    np.savez(path, prior=[0.5, 0.5], initial=[[0.0, 0.6, 0.4], [0.3, 0.3, 0.4]], transition=[true, other],
             emission=np.eye(3), delimiter=2, true_concept=0, prompt_start=[0.0, 1.0, 0.0], k=2)  # fmt: skip
    out = tmp_path / "out"
    assert cli.run(["verify", str(path), *SMALL, "--json", str(target), "--out", str(out)]) == 0
    row = next(row for row in json.loads(target.read_text())["conditions"] if row["k"] == 2)
    assert (row["eps_start"], row["eps_delim_printed"]) == ("inf", "-inf")
    stored = storage.read_results(out / "results.nc")
    assert not np.isnan(stored.condition_printed_threshold).any()
    assert not np.isnan(stored.condition_repaired_threshold).any()
