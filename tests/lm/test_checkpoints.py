"""Checkpoints as files: what is kept, what is refused and why. (Kills and disks that are full: test_training.py.)"""

import jax.numpy as jnp
import numpy as np
import pytest
from small_training import small_config

from implicit_bayes.lm.checkpoints import flatten, load, load_latest, save, steps_of, unflatten
from implicit_bayes.lm.faults import CheckpointError
from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.weights import read_weights, write_weights
from implicit_bayes.theory import ModelError

TREE = {"a": jnp.arange(6.0).reshape(2, 3), "b": [jnp.int32(3), jnp.zeros(1)], "fixed": "name"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three checkpoints were saved; two are kept."""
    path = tmp_path_factory.mktemp("run") / "checkpoints"
    for step in (9, 10, 100):
        save(path, step, TREE | {"a": TREE["a"] + step})
    return path


def test_the_last_two_are_kept_and_come_back_bit_by_bit(folder):
    assert steps_of(folder) == [10, 100]
    assert {path.name for path in folder.iterdir()} == {"10", "100"}
    step, tree, passed = load_latest(folder, TREE)
    assert (step, passed) == (100, [])
    assert tree["fixed"] == "name"
    np.testing.assert_array_equal(tree["a"], np.arange(6.0).reshape(2, 3) + 100)
    assert tree["b"][0].dtype == np.int32 and tree["b"][0].shape == ()
    assert load(folder, 10, TREE)["a"][0, 0] == 10


@pytest.mark.parametrize(
    ("like", "words"),
    [
        (TREE | {"c": jnp.zeros(1)}, "c is missing; was it written by another configuration"),
        ({"a": TREE["a"]}, r"b\.0 is not part of this model"),
        (TREE | {"a": jnp.zeros((3, 2))}, r"a is float32\[2, 3\] where this run has float32\[3, 2\]"),
        (TREE | {"a": jnp.zeros((2, 3), jnp.int32)}, r"a is float32\[2, 3\] where this run has int32"),
    ],
)
def test_another_model_is_told_by_the_array_that_differs(folder, like, words):
    with pytest.raises(CheckpointError, match=words):
        load(folder, 100, like)


def test_a_folder_that_is_no_checkpoint_is_refused(folder, tmp_path):
    (tmp_path / "7").mkdir()
    with pytest.raises(CheckpointError, match=r"7: no readable digest\.json"):
        load(tmp_path, 7, TREE)
    (tmp_path / "7" / "digest.json").write_text("{}")
    with pytest.raises(CheckpointError, match="Orbax cannot read it"):
        load(tmp_path, 7, TREE)


def test_where_there_is_none_it_says_so(tmp_path):
    with pytest.raises(ModelError, match=r"resume: no good checkpoint in .*without --resume"):
        load_latest(tmp_path / "none", TREE)
    assert steps_of(tmp_path / "none") == []


def test_a_place_that_takes_no_files_is_one_line(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(CheckpointError, match="cannot be written") as refused:
        save(tmp_path / "checkpoints", 1, TREE)
    assert "\n" not in str(refused.value)
    assert (tmp_path / "checkpoints").read_text() == "a file"


def test_flat_and_back():
    assert set(flatten(TREE)) == {"a", "b.0", "b.1"}
    back = unflatten(TREE, flatten(TREE), "here")
    assert back["fixed"] == "name"


def test_weights_survive_their_file_and_damage_is_told(tmp_path):
    import jax

    network = LSTM.drawn(LSTMConfig(vocabulary=4, width=8), jax.random.key(2))
    write_weights(tmp_path / "weights.npz", small_config(), network)
    config, back = read_weights(tmp_path / "weights.npz")
    assert config == small_config()
    for a, b in zip(jax.tree.leaves(network), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(a, b)
    content = (tmp_path / "weights.npz").read_bytes()
    (tmp_path / "short.npz").write_bytes(content[: len(content) // 2])
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    for name in ("short", "other", "absent"):
        with pytest.raises(ModelError, match=f"{name}.npz: not a file of trained weights"):
            read_weights(tmp_path / f"{name}.npz")
    write_weights(tmp_path / "wrong.npz", small_config(network=LSTMConfig(vocabulary=4, width=9)), network)
    with pytest.raises(ModelError, match=r"wrong\.npz: .* where this run has"):
        read_weights(tmp_path / "wrong.npz")
