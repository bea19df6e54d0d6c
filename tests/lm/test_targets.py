"""What a taught network learns: exact laws, in the mean the gradient of the tokens, bitwise the same after a resume."""

import itertools
import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from prompt_enumeration import forward
from small_training import mass, records, small_config, small_instance

import implicit_bayes.lm.targets as module
from implicit_bayes.benchmarks.predictors.models import find_model
from implicit_bayes.lm.data import fresh_batches
from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.run import from_json, to_json
from implicit_bayes.lm.schedule import Phase, Schedule, plan
from implicit_bayes.lm.step import law_loss, make_mesh, make_step, shard, start, token_loss
from implicit_bayes.lm.targets import Lesson, taught, tokens_alone
from implicit_bayes.lm.train import Cadence, train
from implicit_bayes.theory import ModelError

CHART = plan(Schedule(tokens=2000, phases=(Phase(0.0, 4, 5), Phase(0.5, 2, 8)), peak=1.0))


def _mass_by_enumeration(mixture, tokens_PxT):
    """(P,) sum_c p(c) p(o_1..o_T | c), written out."""
    return sum(
        float(mixture.prior[c])
        * forward(mixture.initial[c], mixture.transition[c], mixture.concept(c).emission, tokens_PxT).sum(-1)
        for c in range(mixture.n_concepts)
    )


def test_the_laws_are_those_of_bayes_by_enumeration():
    """p(v | o_1..o_{t-1}) = p(o_1..o_{t-1}, v) / p(o_1..o_{t-1}), for the first token and every later one."""
    mixture = small_instance().mixture
    lessons = taught(fresh_batches(mixture, CHART, 1), mixture, CHART)
    for step in (0, 7, CHART.steps - 1):
        tokens, laws = lessons(step)
        assert laws is not None and laws.dtype == np.float32 and laws.shape == (*tokens.shape, mixture.n_tokens)
        for t in range(tokens.shape[1]):
            before = _mass_by_enumeration(mixture, tokens[:, :t])
            for v in range(mixture.n_tokens):
                after = _mass_by_enumeration(mixture, np.c_[tokens[:, :t], np.full(len(tokens), v)])
                np.testing.assert_allclose(laws[:, t, v], after / before, atol=1e-6)


def test_the_law_s_gradient_is_the_mean_of_the_tokens_gradients():
    """Sum over every document of its probability times the gradient: 3^3 documents of a law of our own, both losses."""
    mixture = small_instance().mixture
    network = LSTM.drawn(LSTMConfig(vocabulary=mixture.n_tokens, width=6), jax.random.key(0))
    every = np.array(list(itertools.product(range(mixture.n_tokens), repeat=3)))
    weight = _mass_by_enumeration(mixture, every)
    every, weight = every[weight > 0], weight[weight > 0]
    laws = taught(lambda step: every, mixture, plan(Schedule(3 * len(every), (Phase(0.0, len(every), 3),), 1.0)))(
        0
    ).laws
    tokens, weight = jnp.asarray(every), jnp.asarray(weight, jnp.float32)

    def mean(network, loss, target):
        logits = network(tokens[:, :-1])
        each = jax.vmap(lambda row, wanted: loss(row[None], wanted[None]))(logits, target)
        return (weight * each).sum()

    by_token, by_law = (
        jax.tree.leaves(eqx.filter_grad(mean)(network, *which))
        for which in ((token_loss, tokens), (law_loss, jnp.asarray(laws)))
    )
    assert max(float(np.abs(leaf).max()) for leaf in by_token) > 1e-3
    for ours, theirs in zip(by_law, by_token, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    one = tokens[5:6]  # of one document alone they differ: that is the noise that is gone
    alone = [
        float(loss(network(one[:, :-1]), each))
        for loss, each in ((token_loss, one), (law_loss, jnp.asarray(laws[5:6])))
    ]
    assert abs(alone[0] - alone[1]) > 1e-3


def test_a_lesson_depends_on_the_step_only(monkeypatch):
    """Groups of several steps, a group cut short by its phase, and steps asked for in any order."""
    mixture = small_instance().mixture
    whole = [taught(fresh_batches(mixture, CHART, 3), mixture, CHART)(step) for step in range(CHART.steps)]
    monkeypatch.setattr(module, "NUMBERS", 7 * 4 * 5 * mixture.n_tokens)
    lessons = taught(fresh_batches(mixture, CHART, 3), mixture, CHART)
    for step in (CHART.steps - 1, 3, 4, 49, 50, 51, 0, 48):
        for ours, alone in zip(lessons(step), whole[step], strict=True):
            np.testing.assert_array_equal(ours, alone)


def test_tokens_alone_have_no_laws():
    tokens = np.zeros((2, 3), np.int32)
    assert tokens_alone(lambda step: tokens)(5) == Lesson(tokens, None)


def test_a_step_along_one_hot_laws_is_the_step_along_the_tokens():
    network, config = LSTM.drawn(LSTMConfig(vocabulary=5, width=6), jax.random.key(1)), small_config().optimiser
    tokens, mesh = np.random.default_rng(0).integers(0, 5, (4, 9)).astype(np.int32), make_mesh(1)
    step = make_step(config, mesh, 0)
    rate, laws = np.float32(0.01), shard(np.eye(5, dtype=np.float32)[tokens], mesh)
    (by_token, first), (by_law, second) = (
        step(start(jax.tree.map(jnp.array, network), config), shard(tokens, mesh), rate, *given)
        for given in ((), (laws,))
    )
    assert float(first) == pytest.approx(float(second), rel=1e-6)
    for ours, theirs in zip(*(jax.tree.leaves(state.network) for state in (by_law, by_token)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_taught_run_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    """Two halves against a whole, bitwise; and it is another run than the one that learns tokens."""
    config, instance, often = small_config(target="law"), small_instance(), Cadence(2, 4, 4)

    class Stop(Exception):
        pass

    def stop(record):
        if record["step"] == 14:
            raise Stop

    whole = train(config, instance, tmp_path / "whole", evaluate=mass, cadence=often)
    with pytest.raises(Stop):
        train(config, instance, tmp_path / "half", evaluate=mass, report=stop, cadence=often)
    half = train(config, instance, tmp_path / "half", resume=True, evaluate=mass, cadence=often)
    assert half.notes == ["resumed after step 12 of 24"]
    assert mass(half.network) == mass(whole.network)
    assert records(tmp_path / "half") == records(tmp_path / "whole")
    assert find_model(str(tmp_path / "whole"), instance).name == "whole (taught)"
    tokens = train(small_config(), instance, tmp_path / "tokens", evaluate=mass, cadence=often)
    assert mass(tokens.network) != mass(whole.network)
    assert find_model(str(tmp_path / "tokens"), instance).name == "tokens"
    with pytest.raises(ModelError, match=r"target: .* was begun with law, not token"):
        train(small_config(), instance, tmp_path / "whole", resume=True)


def test_configurations_from_before_there_were_targets_learn_tokens():
    stored = to_json(small_config())
    assert stored.pop("target") == "token"
    assert from_json(stored, "old").target == "token"
    with pytest.raises(ModelError, match="target"):
        from_json(stored | {"target": "answer"}, "changed")


def test_released_windows_cannot_be_taught(tmp_path):
    """They do not begin where their documents do, so the law of a window is not that of a document."""
    from implicit_bayes.simulators.instances import load_instance

    config = small_config(target="law", data="released")._replace(instance="ginc")
    with pytest.raises(ModelError, match="no exact law of its own; use --data fresh"):
        train(config, load_instance("ginc"), tmp_path / "run")
    assert not os.path.exists(tmp_path / "run")


@pytest.mark.parametrize("architecture", ["lstm", "transformer"])
def test_the_taught_preset_is_the_long_one_with_another_target(architecture):
    ours, long = preset(architecture, "taught", 50), preset(architecture, "long", 50)
    assert (ours.target, long.target) == ("law", "token")
    assert ours.network == long.network and ours.optimiser == long.optimiser
    assert ours.schedule.tokens < long.schedule.tokens / 4
    assert ours.schedule._replace(tokens=long.schedule.tokens, hold=0.6) == long.schedule and ours.schedule.hold == 0.3
