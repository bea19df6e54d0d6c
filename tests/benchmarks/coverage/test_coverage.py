"""The coverage command: it finds an interval that is too narrow, and its cases know their truth."""

import json

import numpy as np
import pytest

import implicit_bayes.benchmarks.coverage.__main__ as coverage
from implicit_bayes.benchmarks.coverage.__main__ import every_case, main
from implicit_bayes.benchmarks.coverage.study import Case, failed, run
from implicit_bayes.benchmarks.coverage.theory_cases import hidden, rare
from implicit_bayes.theory.filtering.filter import log_probability
from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.information.simulated_rates import stack

CASES = every_case()


def coin(share: float, guaranteed: bool = True) -> Case:
    return Case("coin", "tossed", 0.95, guaranteed, lambda generator: generator.random() < share)


def test_too_narrow_an_interval_is_found_and_a_good_one_is_not():
    """False alarm: 400 tosses at .97 are below .95 by their 99% interval with probability under 1e-4."""
    narrow, wide, loose = run(coin(0.85), 400, 0), run(coin(0.97), 400, 0), run(coin(0.5, False), 400, 0)
    assert (narrow.verdict, loose.verdict) == ("below", "below")
    assert wide.verdict != "below"
    assert run(coin(1.0), 4000, 0).verdict == "at least"
    assert failed([narrow, wide, loose]) == [narrow]


def test_repetitions_go_on_where_fewer_stopped():
    seen: list[float] = []
    case = Case("x", "y", 0.5, False, lambda generator: not seen.append(float(generator.random())))
    run(case, 5, 3)
    run(case, 8, 3)
    assert seen[:5] == seen[5:10]
    assert len(set(seen)) == 8
    run(case._replace(share=0.5), 8, 4)
    assert len(seen) == 17
    assert not set(seen[:13]) & set(seen[13:])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}, {case.setting}")
def test_every_case_runs(case):
    assert run(case, 1, 0).runs == 1


def test_a_split_delimiter_is_the_same_process():
    one, other = hidden(1), hidden(1, 2)
    laws = [stack([pair[0].hmm, pair[1]], 0) for pair in (one, other)]
    assert (laws[0].n_states, laws[1].n_states) == (5, 6)
    tokens = np.random.default_rng(0).integers(0, 4, (20, 9)).astype(np.int32)
    np.testing.assert_allclose(*(log_probability(law, tokens) for law in laws), rtol=1e-12)
    assert kl_sum(*one).value == pytest.approx(kl_sum(*other).value, rel=1e-12)


@pytest.mark.parametrize("probability", [0.1, 1e-5])
def test_the_telling_prefix_by_hand(probability):
    """Two tokens: p times the KL of (.1, 0, .89, .01) from (.1, 0, .01, .89)."""
    prompt, other = rare(probability)
    expected = probability * 0.88 * np.log(89)
    prompt = type(prompt)(prompt.hmm, prompt.start, 2, prompt.delimiter)
    assert kl_sum(prompt, other).value == pytest.approx(expected, rel=1e-12)


def test_the_command_prints_writes_and_says_what_is_wrong(tmp_path, capsys):
    assert main(runs=50, kind="Wilson", json=tmp_path / "rows.json") == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert {row["kind"] for row in rows} == {"Wilson"}
    assert {"nominal", "covered", "low", "high", "runs", "verdict", "guaranteed"} <= set(rows[0])
    assert "1000 prompts" in capsys.readouterr().out
    assert main(kind="no such kind") == 2
    assert "no such kind" in capsys.readouterr().err


def test_rows_of_a_file_are_not_simulated_again(tmp_path, capsys, monkeypatch):
    """An interrupted run goes on, other kinds and seeds in the file stay, and what is no such file is left alone."""
    path, asked = tmp_path / "rows.json", []
    of_one = coin(0.99)._replace(covers=lambda generator: not asked.append(generator))
    monkeypatch.setattr(coverage, "every_case", lambda: [of_one, of_one._replace(kind="die", share=0.5)])
    assert main(runs=20, kind="coin", json=path) == 0
    assert main(runs=20, json=path) == 0
    assert len(asked) == 20 + 10
    assert main(runs=20, seed=1, json=path) == main(runs=20, json=path) == 0
    assert len(asked) == 2 * (20 + 10)
    assert main(runs=30, kind="coin", json=path) == 0
    assert len(asked) == 2 * (20 + 10) + 30
    assert [(row["kind"], row["seed"], row["runs"]) for row in json.loads(path.read_text())] == [
        ("coin", 0, 20), ("die", 0, 10), ("coin", 1, 20), ("die", 1, 10), ("coin", 0, 30)]  # fmt: skip
    for text in ("[1]", "not json", '[{"kind": "coin"}]'):
        path.write_text(text)
        assert main(runs=20, json=path) == 2
        assert "does not hold rows" in capsys.readouterr().err
        assert path.read_text() == text
