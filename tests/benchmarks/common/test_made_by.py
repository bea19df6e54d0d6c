"""The recorded command: quoted for a shell, with everything that the numbers depend on, and true."""

import json
import shlex

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common.made_by import command_line, with_out
from implicit_bayes.simulators.instances import load_instance, save_instance

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(lambda x: x[0] != "-")


@given(TEXT, st.lists(st.integers(2, 99), max_size=3), st.lists(TEXT, max_size=2), st.booleans())
def test_a_shell_reads_back_what_was_asked(instance, k, models, certify):
    """Whatever quotes, dollars and newlines a path holds; nothing at its default is repeated."""
    asked = {"instance": instance, "k": tuple(k), "model": tuple(models), "certify": certify, "out": "elsewhere"}
    words = shlex.split(command_line(cli.verify, asked))
    expected = ["implicit-bayes", "verify", instance]
    expected += ["--k", *map(str, k)] if k else []
    expected += ["--model", *models] if models != ["shipped"] else []
    expected += ["--certify"] if certify else []
    assert words == expected


def test_the_command_of_a_result_gives_that_result(tmp_path, monkeypatch):
    """results.json comes out byte for byte, from a path with a blank and a quote, and does not depend on DIR."""
    monkeypatch.chdir(tmp_path)
    save_instance(load_instance("printed-counterexample"), tmp_path / "my 'own' mixture.npz")
    asked = ["verify", "my 'own' mixture.npz", "--prompts", "7", "--k", "3", "2", "--n", "0", "3",
             "--documents", "4", "--length", "10", "--epsilon", "0.01", "--model", "bayes", "--model-prompts", "5",
             "--certify"]  # fmt: skip
    assert cli.run([*asked, "--out", "first", "--json", "x.json"]) == 0
    command = json.loads((tmp_path / "first" / "results.json").read_text())["command"]
    words = shlex.split(with_out(command, "second place"))
    assert words[0] == "implicit-bayes"
    assert cli.run(words[1:]) == 0
    again = (tmp_path / "second place" / "results.json").read_bytes()
    assert again == (tmp_path / "first" / "results.json").read_bytes() == (tmp_path / "x.json").read_bytes()
    page = (tmp_path / "second place" / "report.html").read_text()
    assert "Certificate: proved in ball arithmetic" in page and "± 4.3e-75" in page
    assert "--k 3 2 --n 0 3" in page and "--certify" in page and "second place" in page
    assert np.load(tmp_path / "my 'own' mixture.npz", allow_pickle=False)["k"] == 2
