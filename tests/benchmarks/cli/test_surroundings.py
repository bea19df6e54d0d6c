"""Names, paths, terminals and models as strangers bring them, through the command line in this process."""

import io
import json
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from small_training import small_config

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.cli import verify_job
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.report.findings import as_csv
from implicit_bayes.benchmarks.verification import verify as verification
from implicit_bayes.lm.run import draw_network
from implicit_bayes.lm.transformer import TransformerConfig
from implicit_bayes.lm.weights import write_weights

CASES = Path(__file__).parents[2] / "cases"
SMALL = ["--k", "3", "--n", "0", "1", "--prompts", "5", "--documents", "3", "--length", "12", "--epsilon", "0.01"]
NAME = "run[v2] cost_$5_$10 <i>&amp; [bold] 'q' \"r\" =1+1"


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Two instances of one name, full of what other languages take for theirs, verified side by side."""
    root = tmp_path_factory.mktemp("outside")
    paths = []
    for folder in ("dir[", "b"):
        path = root / folder / ("/old]" if folder == "dir[" else "c").strip("/") / f"{NAME}.npz"
        path.parent.mkdir(parents=True)
        shutil.copyfile(CASES / "periodic.npz", path)
        paths.append(str(path))
    out = root / "out[v2]"
    arguments = ["verify", paths[0], "--compare", paths[1], *SMALL, "--out", str(out), "--json", str(root / "x.json")]
    keep, sys.stdout = sys.stdout, io.StringIO()
    try:
        assert cli.run(arguments) == 0
        said = sys.stdout.getvalue()
    finally:
        sys.stdout = keep
    return root, out, said


def test_two_instances_of_one_name_are_two(outside):
    root, out, _ = outside
    folders = [path for path in out.iterdir() if path.is_dir()]
    assert len(folders) == 2
    for folder in folders:
        assert {"results.json", "results.nc", "curves.png", "report.html"} <= {path.name for path in folder.iterdir()}
    names = [each["instance"]["name"] for each in json.loads((root / "x.json").read_text())["compare"]]
    assert names == [f"old]/{NAME}", f"c/{NAME}"]


def test_names_are_words_on_the_screen_and_every_path_exists(outside):
    _, _, said = outside
    assert said.count(f"old]/{NAME}") >= 1
    listed = [word for word in said.split("wrote ")[1].strip().split("  ") if word]
    assert len(listed) > 10
    assert all(Path(path).is_file() for path in listed)


def test_names_are_words_in_figures_and_pages(outside):
    _, out, _ = outside
    for folder in (path for path in out.iterdir() if path.is_dir()):
        text = "".join(ET.parse(folder / "curves.svg").getroot().itertext())
        assert "cost_$5_$10" in text
        page = (folder / "report.html").read_text()
        assert "cost_$5_$10 &lt;i&gt;&amp;amp; [bold]" in page
        assert "<i>&amp;" not in page


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["a", "a", "A"], ["a", "a-2", "A-3"]),
        (["..", ".", "a/../..", "/etc/x"], ["instance", "instance-2", "a_.._", "_etc_x"]),
        (["x" * 300, "\x1b[0m"], ["x" * 80, "_[0m"]),
    ],
)
def test_folders_are_in_the_directory_and_never_the_same(names, folders):
    found = storage.folders(Path("out"), names)
    assert [path.name for path in found] == folders
    assert all(path.parent == Path("out") for path in found)
    assert storage.folders(Path("out"), ["../x"]) == [Path("out")]


def test_cells_of_a_table_are_no_formulas():
    rows = [["=1+1", "+x", "-x", "@x", "-1.5", "-inf", "a", -2.0]]
    assert as_csv(list("abcdefgh"), rows).splitlines()[1] == "'=1+1,'+x,'-x,'@x,-1.5,-inf,a,-2"


@pytest.mark.parametrize("how", ["left", "full", "latin-1"])
def test_results_are_stored_before_anything_is_printed(how, tmp_path, monkeypatch):
    """Standard output that fails at its first byte, and one that knows no Greek."""

    class Failing(io.StringIO):
        def write(self, text):
            raise BrokenPipeError if how == "left" else OSError(28, "No space left on device")

    file = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="strict") if how == "latin-1" else Failing()
    monkeypatch.setattr(sys, "stdout", file)
    arguments = [
        "verify",
        str(CASES / "periodic.npz"),
        *SMALL,
        "--out",
        str(tmp_path),
        "--json",
        str(tmp_path / "x.json"),
    ]
    assert cli.run(arguments) == {"left": 141, "full": 1, "latin-1": 0}[how]
    assert {"x.json", "results.json", "results.nc", "report.html"} <= {path.name for path in tmp_path.iterdir()}
    if how == "latin-1":
        file.flush()
        assert b"theta*" in file.buffer.getvalue()


PROMISES = {
    "nan_later": "nan-later gives a law that sums to nan after 8 tokens",
    "unnormalised_later": "unnormalised-later gives a law that sums to 31.19 after 8 tokens",
    "short_context": "short-context does not answer for 1024 tokens (ValueError: only 16 positions)",
    "wrong_shape_later": "wrong-shape-later answers 1024 tokens with float64 of shape (2, 10, 4)",
}


@pytest.mark.parametrize("name", PROMISES)
@pytest.mark.parametrize("command", ["verify", "gap"])
def test_a_model_that_breaks_a_promise_is_refused_before_the_work(command, name, monkeypatch, capsys):
    monkeypatch.setattr(verification, "check_assumptions", lambda *_: pytest.fail("the work began"))
    model, instance = f"{CASES / 'models.py'}:{name}", str(CASES / "periodic.npz")
    arguments = (
        ["verify", instance, "--model", model] if command == "verify" else ["gap", model, "--instance", instance]
    )
    assert cli.run([*arguments, "--k", "3", "--n", "0", "1", "--prompts", "20", "--length", "1024"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert PROMISES[name] in said


def test_learned_positions_and_the_default_length(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(verification, "check_assumptions", lambda *_: pytest.fail("the work began"))
    network = TransformerConfig(vocabulary=4, width=8, layers=1, heads=2, window=None, context=1024, dialect="gpt2")
    config = small_config(network=network, architecture="transformer")
    write_weights(tmp_path / "weights.npz", config, draw_network(config))
    arguments = ["verify", str(CASES / "periodic.npz"), "--k", "3", "--model", str(tmp_path / "weights.npz")]
    assert cli.run([*arguments, "--n", "0"]) == 2
    assert "length: asks" in (said := capsys.readouterr().err)
    assert "1024 positions, for 1023; give --length of less" in said
    assert cli.run([*arguments, "--n", "0", "512", "--length", "9"]) == 2
    assert "n: asks" in capsys.readouterr().err


def test_answers_are_checked_wherever_they_are_used(capsys):
    """Well-behaved when it is first asked, at any length, and not afterwards."""
    from implicit_bayes.benchmarks.predictors.promises import answer
    from implicit_bayes.theory import ModelError

    class Later:
        name, asked = "later", 0

        def log_probabilities(self, tokens):
            import numpy as np

            self.asked += 1
            return np.full(
                (*np.shape(tokens)[:1], np.shape(tokens)[1] + 1, 4), np.nan if self.asked > 1 else -np.log(4)
            )

    import numpy as np

    model = Later()
    answer(model, np.zeros((1, 3), np.int32))
    with pytest.raises(ModelError, match="after 0 tokens"):
        answer(model, np.zeros((1, 3), np.int32))


def test_told_apart_only_where_it_is_needed():
    from implicit_bayes.simulators.instances import load_instance

    one, other = (load_instance(name) for name in ("regular", "printed-counterexample"))
    assert [each.name for each in verify_job._told_apart([one, other], ["regular", "printed-counterexample"])] == [
        "regular", "printed-counterexample",
    ]  # fmt: skip


def test_answers_that_no_memory_holds_are_refused_with_their_size(monkeypatch):
    from implicit_bayes.benchmarks.common import memory
    from implicit_bayes.benchmarks.predictors import promises
    from implicit_bayes.theory import ModelError

    class Wide:
        name = "wide"

        def log_probabilities(self, tokens):
            pytest.fail("asked")

    for module in (promises, memory):
        monkeypatch.setattr(module, "memory", lambda: 8 << 30)
    words = r"length: 32 answers of 1024 tokens over a vocabulary of 50,257 take 12\.3 GiB"
    with pytest.raises(ModelError, match=words):
        promises.check_promises([Wide()], 50_257, {"length": 1024, "n": 10})
    promises.check_promises([], 50_257, {"length": 1024, "n": 10})
    memory.check_held(50, 1200, (0, 1, 2, 4, 8, 16, 32, 64), 6)
    with pytest.raises(ModelError, match=r"prompts: laws over 50,257 tokens of 1,200 prompts .* at most \d+ --prompts"):
        memory.check_held(50_257, 1200, (0, 1, 2, 4, 8, 16, 32, 64), 6)
