"""Training steps beside PyTorch: the same model to rounding, and rows as bench promises."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.speed import training as speed_training
from implicit_bayes.benchmarks.speed.torch_networks import WINDOWS, TorchLSTM, TorchTransformer
from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.transformer import Transformer, TransformerConfig
from implicit_bayes.theory import ModelError

TOKENS = np.random.default_rng(0).integers(0, 5, (2, 12))
BEGUN = np.concatenate([np.full((2, 1), 5), TOKENS[:, :-1]], axis=1)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("taps", [1, 3])
def test_torchs_transformer_is_ours(window, taps):
    ours = Transformer.drawn(
        TransformerConfig(vocabulary=5, width=8, layers=2, heads=2, window=4, taps=taps), jax.random.key(0)
    )
    if taps > 1:  # drawn as the identity: another one tells them apart
        change = lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(1), leaf.shape)  # noqa: E731
        ours = jax.tree.map(change, ours)
    theirs = TorchTransformer(ours, window)
    with torch.no_grad():
        found = theirs(torch.tensor(BEGUN)).numpy()
    np.testing.assert_allclose(found, ours(jnp.asarray(TOKENS))[:, :-1], atol=2e-5)


@pytest.mark.parametrize("readout", [0, 6])
def test_torchs_lstm_is_ours(readout):
    ours = LSTM.drawn(LSTMConfig(vocabulary=5, width=8, readout=readout), jax.random.key(0))
    if readout:  # drawn with a second layer of zeros, which would hide the first
        change = lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(1), leaf.shape)  # noqa: E731
        ours = jax.tree.map(change, ours)
    with torch.no_grad():
        found = TorchLSTM(ours)(torch.tensor(BEGUN)).numpy()
    np.testing.assert_allclose(found, ours(jnp.asarray(TOKENS))[:, :-1], atol=2e-6)


@pytest.fixture(scope="module")
def rows():
    """Both architectures, the tiny preset's first phase, turns of one batch."""
    return speed_training.training("printed-counterexample", "tiny", 1, 0, lambda done: None, turn=1, phases=1)


def test_both_sides_agree_in_losses_and_gradients(rows):
    compared = [row for row in rows if row.variant != "as preset"]
    assert {(row.architecture, row.variant) for row in compared} == {
        ("lstm", "adamw"), ("lstm", "nn.LSTM"),
        ("transformer", "adamw"), ("transformer", "blocks"), ("transformer", "band"),
    }  # fmt: skip
    assert all(0 < row.agrees_to < speed_training.AGREEMENT for row in compared if row.implementation != "ours")


def test_gradients_that_are_zero_have_to_be_zero_on_both_sides():
    """A readout whose second layer is drawn as zero passes no gradient to its first."""
    zero, some = np.zeros(3), np.array([0.0, 0.5, 0.0])
    assert speed_training.apart(zero, zero) == 0.0
    assert speed_training.apart(some, zero) == np.inf
    assert speed_training.apart(zero, some) == 1.0


def test_rows_are_as_bench_promises(rows):
    for architecture in ("lstm", "transformer"):
        of = {row.implementation: row for row in rows if row.architecture == architecture}
        assert {"ours", "torch", "ours (as preset)"} <= set(of)
        assert (of["ours"].ratio_to_ours, of["ours"].wall_ratio_to_ours) == (1.0, 1.0)
        for row in of.values():
            assert row.task == "train"
            assert row.cpu_seconds_per_token > 0
            ratio = of["ours"].tokens_per_second / row.tokens_per_second
            assert row.wall_ratio_to_ours == pytest.approx(ratio)


def test_the_command_writes_the_rows(rows, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed_training, "training", lambda *_, **__: rows)
    target = tmp_path / "bench.json"
    assert cli.run(["bench", "--task", "train", "--json", str(target)]) == 0
    keys = {"task", "implementation", "cpu_seconds_per_token", "ratio_to_ours", "agrees_to"}
    assert all(keys <= set(row) for row in json.loads(target.read_text()))
    assert "tokens/s" in capsys.readouterr().out


def test_what_disagrees_is_not_timed():
    with pytest.raises(ModelError, match=r"torch .nn\.LSTM. differs from ours by 5\.0e-01 .*; not timed"):
        speed_training._agreement(_Side.two(), [("ours", _job("adamw")), ("torch", _job("nn.LSTM"))])


def _job(variant):
    return speed_training.TrainingJob("lstm", variant, 0)


class _Side:
    """A worker whose gradient is what it is given."""

    def __init__(self, value):
        self.value = value

    @staticmethod
    def two():
        return {"ours": _Side(1.0), "torch": _Side(1.5)}

    def ask(self, word, job, place):
        np.savez(place, x=np.array([self.value]))
        return {"losses": [1.0]}
