"""Timing machinery, the kept compilations, and a guard on our speed by ratios within one run."""

import time

import jax
import numpy as np
import pytest

from benchmarks import cli, compilation
from benchmarks.speed import Run, compare, relative
from benchmarks.speed_evidence import matrix_products
from benchmarks.speed_scaling import family
from theory import ModelError, log_evidence


def test_a_disagreement_is_never_timed():
    runs = {"ours": Run(lambda: 1.0, 1, lambda _: 0.0), "wrong": Run(lambda: 2.0, 1, lambda x: relative(x, 1.0))}
    with pytest.raises(ModelError, match="wrong differs from ours by"):
        compare("evidence", "x", runs, 1, lambda _: None)


def test_relative_difference_knows_infinities():
    assert relative([-np.inf, 2.0], [-np.inf, 2.0]) == 0.0
    assert relative([-np.inf, 2.0], [1.0, 2.0]) == np.inf
    assert relative([1.1], [1.0]) == pytest.approx(0.1)


def test_compilations_go_to_the_users_cache_or_nowhere(tmp_path):
    assert compilation.directory({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "implicit-bayes" / "jax"
    assert compilation.directory({"XDG_CACHE_HOME": str(tmp_path), compilation.OPT_OUT: "1"}) is None
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert compilation.directory({"XDG_CACHE_HOME": str(blocked)}) is None


def test_importing_and_running_in_process_keep_nothing(capsys):
    before = jax.config.jax_compilation_cache_dir
    assert cli.run(["bench", "no-such-instance"]) == 2
    assert jax.config.jax_compilation_cache_dir == before
    assert "no-such-instance" in capsys.readouterr().err


def cpu(call) -> float:
    """Least CPU time of five calls, after one to compile."""
    jax.block_until_ready(call())
    spent = []
    for _ in range(5):
        begin = time.process_time()
        jax.block_until_ready(call())
        spent.append(time.process_time() - begin)
    return min(spent)


def test_our_speed_against_the_matrix_product_of_the_same_shape():
    """100 states in tokens of 4. Measured on a busy machine: dense 2 products, compiled 0.1. Half that speed fails."""
    mixture, documents, length = family(100, 4, 1, 0), 50, 400
    tokens = np.random.default_rng(0).integers(0, mixture.n_tokens, (documents, length))
    with jax.enable_x64(True):
        product = cpu(matrix_products(mixture, documents, length))
        dense = cpu(lambda: log_evidence(mixture, tokens, method="dense"))
        ours = cpu(lambda: log_evidence(mixture, tokens))
    assert dense < 4 * product + 0.002
    pytest.importorskip("numba")
    assert ours < 0.3 * product + 0.002


def test_bench_writes_every_task(tmp_path):
    arguments = ["bench", "regular", "--task", "posterior+predictive", "--documents", "2", "--length", "20"]
    arguments += ["--repeats", "1", "--epsilon", "0.01", "--json", str(tmp_path / "b.json"), "--out", str(tmp_path)]
    assert cli.run(arguments) == 0
    written = (tmp_path / "b.json").read_text()
    for key in ("task", "implementation", "cpu_seconds_per_token", "ratio_to_ours", "agrees_to", "instance"):
        assert f'"{key}"' in written
    assert (tmp_path / "speed.png").stat().st_size > 0
