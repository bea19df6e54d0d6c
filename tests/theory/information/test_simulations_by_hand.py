"""Simulated rates, sizes of samples, sums of logarithms, faint tokens and entropies of a token, by hand."""

import math

import numpy as np
import pytest

from implicit_bayes.theory import HMM, ModelError, PromptLaw
from implicit_bayes.theory.information import sampling, scores, simulated_rates
from implicit_bayes.theory.information.likelihood_moments import upper_mean
from implicit_bayes.theory.information.moment_graphs import _may_close, _refuse_faint, example_graph
from implicit_bayes.theory.information.moment_levels import log_sum, total
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.process_entropies import _step, process_entropies, union
from implicit_bayes.theory.information.ranges import _coefficients, score_range
from implicit_bayes.theory.information.rates import _dies_on_a_sample, _only_delimiter_state
from implicit_bayes.theory.information.sampled_means import samples_for
from implicit_bayes.theory.information.scores import collect, evaluate
from implicit_bayes.theory.information.simulated_rates import (
    cross_entropy_rate,
    entropy_rate,
    run_chains,
    simulate_rates,
)
from implicit_bayes.theory.objects.edges import EdgeProcess

COIN = HMM([0.25, 0.75], [[0.5, 0.5], [0.125, 0.875]], np.eye(2))
FREE = HMM([0.5, 0.25, 0.25], [[0.5, 0.25, 0.25]] * 3, np.eye(3))
"""Two words and a delimiter, anything after anything."""


def test_a_witness_that_theta_star_forbids_a_prompt():
    """Examples begin at word 1 half of the time, which theta* never starts with; and one that forbids nothing."""
    law = HMM([0.5, 0.0, 0.5], FREE.transition, np.eye(3))
    assert _dies_on_a_sample(PromptLaw(law, [0.5, 0.5, 0.0], 2, 2)) is True
    assert _dies_on_a_sample(PromptLaw(FREE, [0.5, 0.5, 0.0], 2, 2)) is False
    mute = HMM(FREE.initial, FREE.transition, [[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0]])
    assert _dies_on_a_sample(PromptLaw(mute, [0.5, 0.5, 0.0], 2, 2)) is True  # no delimiter
    prompt = PromptLaw(FREE, [0.5, 0.5, 0.0], 2, 2)
    two = HMM(FREE.initial, FREE.transition, np.eye(3)[[0, 2, 2]])
    assert [_only_delimiter_state(prompt, x) for x in (FREE, mute, two)] == [2, None, None]


def test_rates_of_documents_by_hand():
    """A fair coin has log 2; judged by (1/4, 3/4) it costs more; a law that forbids a word costs infinity."""
    coin = HMM([1.0], [[1.0]], [[0.5, 0.5]])
    assert entropy_rate(coin).value == pytest.approx(math.log(2), abs=1e-12)
    wrong = cross_entropy_rate(coin, HMM([1.0], [[1.0]], [[0.25, 0.75]]))
    right = 0.5 * (math.log(4) + math.log(4 / 3))
    assert wrong.low - 0.01 < right < wrong.high + 0.01 and wrong.method == "simulation"  # six standard errors: .008
    never = cross_entropy_rate(coin, HMM([1.0], [[1.0]], [[1.0, 0.0]]))
    assert never == (math.inf, math.inf, math.inf, "closed form", 0.0, 0.0, 0)


def test_simulated_rates_are_of_counted_examples_alone(monkeypatch):
    """A prompt that is certain: 0 1 D 0 1 D ...: theta's share of every example but the first is (1/2 1/4 1/4)."""
    sure = HMM([1.0, 0, 0], [[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]], np.eye(3))
    prompt = PromptLaw(sure, [1.0, 0.0, 0.0], 2, 2)
    found = simulate_rates(prompt, [FREE], chains=3, examples=4, burn_in=2)
    np.testing.assert_allclose(found, np.full((3, 1), math.log(1 / 32)), rtol=1e-12)
    tokens = run_chains(np.array([0.0, 1.0]), np.eye(2), np.array([[1.0, 0, 0], [0, 0, 1.0]]), (2, 3), RNG)
    assert tokens.tolist() == [[2, 2, 2]] * 2 and tokens.dtype == np.int32


RNG = np.random.default_rng(0)


def test_a_linear_quantity_is_probed_entry_by_entry():
    """Scores count j + 1 times at position j, closings three times; nothing is added to either."""

    def quantity(score, closing):
        weights = np.arange(1.0, len(score) + 1)[:, None, None]
        return np.concatenate([(weights * score).sum(0), 3.0 * closing], 1)

    scored, closed = _coefficients(2, quantity, 3)
    for j in range(3):
        np.testing.assert_array_equal(scored[j], np.concatenate([(j + 1) * np.eye(2), np.zeros((2, 2))], 1))
    np.testing.assert_array_equal(closed, np.concatenate([np.zeros((2, 2)), 3.0 * np.eye(2)], 1))
    machine = build([COIN], 0)
    rows, start = np.array(COIN.transition), np.array(COIN.initial)
    low, high = score_range(machine, lambda score, closing: score.sum(0) + closing, 2, 0)
    each, ended = (rows * np.log(rows)).sum(-1), (rows * np.log(rows * rows[:, :1].T)).sum(-1)
    assert low[0] == pytest.approx(start @ np.log(start) + each.min() + ended.min())
    assert high[0] == pytest.approx(start @ np.log(start) + each.max() + ended.max())


def test_how_many_samples_bernstein_asks_for():
    """Without variance 7 L span / (3 (N - 1)) = half; without span sqrt(2 v L / (N - 1)) = half."""
    level = math.log(40.0)
    found = samples_for(np.array([0.0, 2.0, 0.0]), np.array([3.0, 0.0, 1.0]), np.array([0.5, 0.25, 0.0]), 0.9)
    assert found[0] == pytest.approx(7 * 3 * level / (3 * 0.5) + 1, rel=1e-12)
    assert found[1] == pytest.approx(2 * 2 * level / 0.25**2 + 1, rel=1e-12) and found[2] == math.inf


def test_sums_of_logarithms_row_by_row():
    logs = np.log(np.array([[0.25, 0.5, 0.125], [1e-300, 2e-300, 1e-300]]))
    np.testing.assert_allclose(np.exp(log_sum(logs)), [0.875, 4e-300])
    high = upper_mean(logs)
    assert high[1] - math.log(4e-300) == pytest.approx(upper_mean(np.log([[0.25, 0.5, 0.25]]))[0])
    part = total(type(example_graph(COIN, COIN, [COIN], 2, 0).inputs(0, 1.0))(logs, np.array([[1.0, 2.0, 3.0]] * 2)))
    np.testing.assert_allclose(part.slope, [(0.25 + 1.0 + 0.375) / 0.875, 2.0])
    none = total(part._replace(value=np.full((1, 2), -math.inf), slope=np.ones((1, 2))))
    assert (none.value[0], none.slope[0]) == (-math.inf, 0.0)


def test_a_faint_last_token_is_refused_as_any_other():
    """A word that both states can write with 1e-200 each after a belief of 1e-200; and a delimiter behind the last."""
    belief, may = np.array([[1.0, 1e-200]]), np.array([[False], [True]])
    with pytest.raises(ModelError, match="float64"):
        _refuse_faint(np.array([[1e-295]]), belief, may)
    _refuse_faint(np.array([[1e-289]]), belief, may)
    _refuse_faint(np.array([[0.0]]), np.array([[1.0, 0.0]]), may)
    _refuse_faint(np.zeros((1, 0)), belief, may)
    machine = build([COIN, HMM([0.5, 0.5], [[1.0, 0.0], [0.5, 0.5]], np.eye(2))], 1)
    assert _may_close(machine, 1).tolist() == [[True, True], [False, True]]
    faint = HMM([1.0, 1e-200], [[0.5, 0.5]] * 2, [[1.0, 0.0], [1.0, 1e-200]])
    with pytest.raises(ModelError, match="float64"):
        example_graph(HMM([0.5, 0.5], [[0.5, 0.5]] * 2, np.eye(2)), COIN, [faint], 2, 0)
    last = HMM([1.0, 0.0], [[1.0, 1e-200], [1.0, 1e-200]], [[1.0, 0.0], [1.0, 1e-200]])
    with pytest.raises(ModelError, match="float64"):
        example_graph(HMM([1.0, 0.0], [[0.0, 1.0], [0.0, 1.0]], np.eye(2)), COIN, [last], 2, 0)


def test_entropies_of_one_token():
    """Of a coin of 1/4: one length is enough; none is refused; a budget of two pairs is one of two tokens."""
    coin = EdgeProcess(np.array([[[0.25]], [[0.75]]]))
    h = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert process_entropies(coin, 1).block_n.tolist() == [pytest.approx(h)]
    with pytest.raises(ModelError, match="length: 0"):
        process_entropies(coin, 0)
    assert len(process_entropies(coin, 3, budget=2).myopic_n) == 3 and len(process_entropies(coin).known_n) == 64
    with pytest.raises(ModelError, match="budget: 1 is below"):
        process_entropies(coin, 3, budget=1)
    both = union([coin, EdgeProcess(np.array([[[0.5]], [[0.5]]]))], np.array([0.25, 0.75]))
    assert both.start.tolist() == [0.25, 0.75] and both.labelled[0].tolist() == [[0.25, 0.0], [0.0, 0.5]]
    from implicit_bayes.theory.information.process_entropies import _Level

    found, level = _step(both, _Level(np.array([[0.25, 0.75]]), np.ones(1)))
    p = 0.25 * 0.25 + 0.75 * 0.5
    assert found == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p))
    assert sorted(level.mass_N.tolist()) == pytest.approx(sorted([p, 1 - p]))
    with pytest.raises(ModelError, match="3 tokens beside 2"):
        union([coin, EdgeProcess(np.array([[[0.25]], [[0.5]], [[0.25]]]))], np.array([0.5, 0.5]))


def test_what_is_sampled_beyond_what_is_expanded(monkeypatch):
    """Nothing is affordable beyond position 1: the second stage draws as many prefixes as logarithms allow, in chunks,
    and the pilot at most as many; the mean of KL is that of the rows."""
    machine = build([COIN, HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], np.eye(2))], 0)
    asked, draw = [], sampling.draw

    def remember(forward, length, count, generator, at):
        asked.append((length, count, at))
        return draw(forward, length, count, generator, at)

    monkeypatch.setattr(scores, "draw", remember)
    monkeypatch.setattr(scores, "FEWEST", 5)
    monkeypatch.setattr(scores, "CHUNK", 40)

    def quantity(score, closing):
        return (score[:, :, 0] - score[:, :, 1]).sum(0)[:, None]

    found = collect(machine, [2, 3], quantity, budget=0, accuracy=1e-9, logarithms=100 * 3 * 2 * 2)
    assert [count for _, count, _ in asked] == [min(scores.PILOT, 100), 40, 40, 20]
    assert {(length, at) for length, _, at in asked} == {(3, ())}
    estimate = evaluate(found, 3, quantity)
    assert estimate.prefixes == 100 and not estimate.exact
    rows, other = np.array(COIN.transition), np.array([[0.25, 0.75], [0.5, 0.5]])
    each, start = (rows * np.log(rows / other)).sum(-1), np.array(COIN.initial)
    right = start @ np.log(start / 0.5) + start @ each + start @ rows @ each
    assert estimate.low[0] <= right <= estimate.high[0] and estimate.low[0] <= estimate.mean[0] <= estimate.high[0]
    asked.clear()
    collect(machine, [2, 3], quantity, budget=0, accuracy=1e-9, logarithms=1.0)
    assert [count for _, count, _ in asked] == [5, 5]
    asked.clear()
    assert collect(machine, [2, 3], quantity, closings=True).draws is None and asked == []
    assert simulated_rates.CHAINS == 32
