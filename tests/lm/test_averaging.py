"""The average of weights: its shares by definition, and that a training hands it out, killed and resumed or not."""

import json
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_training import mass, records, small_config, small_instance

from implicit_bayes.lm.averaging import first_average, next_average
from implicit_bayes.lm.checkpoints import load_latest, steps_of
from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.many_steps import make_steps
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.run import RunConfig, draw_network, from_json, to_json
from implicit_bayes.lm.step import make_mesh, make_step, replicate, shard, start
from implicit_bayes.lm.weights import read_weights

TOKENS = np.random.default_rng(0).integers(0, 5, (6, 4, 9)).astype(np.int32)
POWER = 3.0


def _shares(steps: int, power: float) -> np.ndarray:
    """The share of each step's weights in the average after the last, from a_s = a_{s-1} + r_s (w_s - a_{s-1})."""
    rate_S = (power + 1) / (np.arange(1, steps + 1) + power)
    left_S = np.append(np.cumprod((1 - rate_S)[::-1])[::-1][1:], 1.0)
    return rate_S * left_S


@pytest.mark.parametrize("power", [0, 1, 3])
def test_shares_of_the_average_rise_as_a_power_of_the_step(power):
    """s (s + 1) ... (s + g - 1), normalised; g = 0 is the plain mean. float32: 40 sums of relative error 6e-8."""
    values = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    config = OptimiserConfig(average=power)
    average = first_average(jnp.zeros(3), config)
    for step, value in enumerate(values, 1):
        average = next_average(average, jnp.asarray(value), jnp.int32(step), config)
    share = np.array([np.prod(s + np.arange(power, dtype=float)) for s in range(1, 41)])
    np.testing.assert_allclose(np.asarray(average), share / share.sum() @ values, atol=1e-5)


def _trained(config):
    """Weights after each of six steps, and the averages beside them."""
    mesh, network = make_mesh(1), LSTM.drawn(LSTMConfig(vocabulary=5, width=6), jax.random.key(1))
    step, state, seen = make_step(config, mesh, 3), replicate(start(network, config), mesh), []
    for tokens in TOKENS:
        state, _ = step(state, shard(tokens, mesh), np.float32(0.05))
        seen.append(jax.tree.map(np.asarray, (state.network, state.average)))
    return seen, jax.tree.map(np.asarray, state)


@pytest.mark.parametrize("method", ["adamw", "soap"])
def test_training_goes_on_from_the_last_weights_and_hands_out_the_average_of_all(method):
    plain, last = _trained(OptimiserConfig(method=method))
    averaged, state = _trained(OptimiserConfig(method=method, average=POWER))
    assert last.average is None and last.trained is last.network
    for (mine, _), (theirs, _) in zip(plain, averaged, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True))
    columns = [jax.tree.leaves(network) for network, _ in averaged]
    for i, leaf in enumerate(jax.tree.leaves(state.trained)):
        expected = np.tensordot(_shares(6, POWER), np.stack([column[i] for column in columns]), 1)
        np.testing.assert_allclose(leaf, expected, atol=1e-6)
        assert np.abs(leaf - columns[-1][i]).max() > 1e-3


def test_many_steps_in_one_program_keep_the_same_average():
    config = OptimiserConfig(average=POWER)
    network = LSTM.drawn(LSTMConfig(vocabulary=5, width=6), jax.random.key(1))
    _, one_by_one = _trained(config)
    state, _ = make_steps(config, 3, False, 6)(start(network, config), jnp.asarray(TOKENS), jnp.full(6, 0.05))
    for mine, theirs in zip(jax.tree.leaves(state.trained), jax.tree.leaves(one_by_one.trained), strict=True):
        np.testing.assert_allclose(np.asarray(mine), theirs, atol=1e-5)


def test_a_run_hands_out_and_measures_its_average_and_ends_the_same_when_killed(server, tmp_path):
    whole, killed, plain = (tmp_path / name for name in ("whole", "killed", "plain"))
    assert server.run(whole, config={"average": POWER}) == 0
    assert server.run(plain) == 0
    moment = ("implicit_bayes.lm.checkpoints", "json.dump", 3)
    assert server.run(killed, config={"average": POWER}, kill=moment) == -signal.SIGKILL
    assert server.run(killed, config={"average": POWER}, resume=True) == 0
    assert (killed / "weights.npz").read_bytes() == (whole / "weights.npz").read_bytes()
    assert records(killed) == records(whole)
    config, network = read_weights(whole / "weights.npz")
    assert config == small_config(average=POWER)
    assert mass(network) == {"mass": records(whole)[-1]["mass"]}
    like = start(draw_network(config), config.optimiser)
    _, state, _ = load_latest(whole / "checkpoints", like)
    assert mass(state.trained) == mass(network) != mass(state.network)
    assert mass(read_weights(plain / "weights.npz")[1]) == mass(state.network)
    losses = [[row["loss"] for row in records(folder)] for folder in (whole, plain)]
    assert losses[0] == losses[1]


def test_a_run_without_an_average_is_not_resumed_with_one(server, tmp_path):
    from implicit_bayes.lm.train import train
    from implicit_bayes.theory import ModelError

    assert server.run(tmp_path / "run") == 0
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "24")
    with pytest.raises(ModelError, match=r"^optimiser: "):
        train(small_config(average=1.0), small_instance(), tmp_path / "run", resume=True)
    assert steps_of(tmp_path / "run" / "checkpoints") == [20]


def test_configurations_that_know_of_no_average_are_read_as_before():
    stored = json.loads(json.dumps(to_json(small_config())))
    assert stored["optimiser"].pop("average") is None
    assert from_json(stored, "old") == small_config()
    again: RunConfig = from_json(json.loads(json.dumps(to_json(small_config(average=2.5)))), "new")
    assert again.optimiser.average == 2.5
