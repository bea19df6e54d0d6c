"""Moments of likelihood ratios: full enumeration, derivatives, zeros, and the intervals of the sampled ones."""

import itertools

import numpy as np
import pytest
from prompt_enumeration import forward, random_instance
from scipy import stats

from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import HMM, ModelError, PromptLaw
from implicit_bayes.theory.information.likelihood_moments import upper_mean
from implicit_bayes.theory.information.moment_graphs import _gains, example_graph, sampled_graph

S = np.array([0.0, 1e-3, 0.3, 1.0, 2.5])


def pair(seed, **options):
    """p_prompt and the laws that a ratio compares: theta* and the last concept, each from a start law of its own."""
    mixture, law = random_instance(seed, **options)
    return law, law.hmm, mixture.concept(mixture.n_concepts - 1)


def brute(law, true, theta, closed):
    """(O, mass of O, ratio of O) over the examples that p_prompt draws; ratio inf where theta* forbids."""
    examples = np.array(list(itertools.product(range(true.n_tokens), repeat=law.length)))
    mass = forward(law.start, law.hmm.transition, law.hmm.emission, examples).sum(-1)
    examples, mass = examples[mass > 0], mass[mass > 0]
    ended = np.pad(examples, ((0, 0), (0, 1)), constant_values=law.delimiter) if closed else examples
    ours, theirs = (forward(h.initial, h.transition, h.emission, ended).sum(-1) for h in (theta, true))
    with np.errstate(divide="ignore", invalid="ignore"):
        return examples, mass, np.where(theirs > 0, ours / theirs, np.inf)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("closed", [False, True])
def test_moments_equal_enumeration(seed, closed):
    law, true, theta = pair(seed)
    graph = example_graph(law.example_law(), true, [theta], law.length, law.delimiter)
    _, mass, ratio = brute(law, true, theta, closed)
    if np.isinf(ratio).any():
        assert graph.lost_closed if closed else graph.lost_last
        assert (graph.examples(0, S, closed).value == np.inf).all()
        return
    assert not (graph.lost_closed if closed else graph.lost_last)
    allowed = ratio > 0
    with np.errstate(divide="ignore"):
        truth = np.log([(mass[allowed] * ratio[allowed] ** s).sum() for s in S])
        largest = np.log(ratio.max())
    np.testing.assert_allclose(graph.examples(0, S, closed).value, truth, rtol=1e-12, atol=1e-12)
    assert graph.largest(0, closed) == pytest.approx(largest, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_parts_by_input_are_the_inputs(seed):
    """Over the nodes of the last level: masses of x, moments of x, and the parts of whole examples."""
    law, true, theta = pair(seed, zeros=False)
    graph = example_graph(law.example_law(), true, [theta], law.length, law.delimiter)
    examples, mass, ratio = brute(law, true, theta, True)
    inputs, which = np.unique(examples[:, :-1], axis=0, return_inverse=True)
    x_mass = np.bincount(which, mass)
    x_ratio = np.divide(*(forward(h.initial, h.transition, h.emission, inputs).sum(-1) for h in (theta, true)))
    assert graph.mass().sum() == pytest.approx(1.0, abs=1e-13)
    for s in S:
        parts = graph.inputs(0, s).value[0]
        assert np.exp(parts).sum() == pytest.approx((x_mass * x_ratio**s).sum(), rel=1e-12)
        whole = np.exp(graph.examples(0, s, True).value[0])
        assert whole == pytest.approx((mass * ratio**s).sum(), rel=1e-12)
    assert graph.largest_inputs(0).max() == pytest.approx(np.log(x_ratio.max()), abs=1e-12)
    truth = forward(law.start, law.hmm.transition, law.hmm.emission, inputs) @ law.hmm.emission
    truth = np.unique(truth.argmax(-1))
    assert set(graph.law_2xNxV[0].argmax(-1)) == set(truth)
    assert not graph.lost_N.any()


@pytest.mark.parametrize("seed", range(20))
def test_derivatives_are_those_of_the_logarithm(seed):
    law, true, theta = pair(seed, zeros=False)
    graph, h = example_graph(law.example_law(), true, [theta], law.length, law.delimiter), 1e-4
    s = np.array([0.2, 0.7, 1.9])
    low, here, high = (graph.examples(0, s + step, True) for step in (-h, 0.0, h))
    np.testing.assert_allclose(here.slope, (high.value - low.value) / (2 * h), rtol=1e-5, atol=1e-6)
    inputs, whole = graph.values(0, s, True)  # the same without derivatives
    np.testing.assert_array_equal(inputs, graph.inputs(0, s).value)
    np.testing.assert_array_equal(whole, here.value)


def test_merging_keeps_regular_small_and_right():
    """k = 8 has 6 x 7^7 examples and 7 nodes a level; a matrix power gives the moment."""
    mixture, start = regular()
    law = PromptLaw.of(mixture, start, 0, 8)
    rows = [HMM(h.transition[0], h.transition, h.emission) for h in map(mixture.concept, (0, 2))]
    graph = example_graph(law.example_law(), rows[0], rows[1:], 8, 0)
    assert [len(level.first_N) for level in graph.levels] == [6] + [7] * 6
    true, theta = (np.asarray(h.transition) for h in rows)
    for s in (0.0, 0.5, 1.2):
        tilted = true * (theta / true) ** s
        value = start * (theta[0] / true[0]) ** s @ np.linalg.matrix_power(tilted, 7) @ (theta[:, 0] / true[:, 0]) ** s
        assert graph.examples(0, s, True).value[0] == pytest.approx(np.log(value), abs=1e-12)


def test_too_many_prefixes_are_refused():
    law, true, theta = pair(3, zeros=False)
    assert example_graph(law.example_law(), true, [theta], law.length, law.delimiter, budget=2) is None


def test_the_improbable_is_not_taken_for_the_impossible():
    """An example of three tokens of 1e-600 is weighed in logarithms; a token of 1e-400 is refused, not taken for 0."""
    true = HMM([0.5, 0.5], [[0.5, 0.5]] * 2, np.eye(2))
    theta = HMM([1.0, 1e-200], [[1.0, 1e-200]] * 2, np.eye(2))
    graph = example_graph(true, true, [theta], 3, 0)
    assert graph.examples(0, 1e-4, False).value[0] == pytest.approx(3 * np.log(0.5 * (2**1e-4 + (2e-200) ** 1e-4)))
    hidden = HMM([1.0, 1e-200], [[0.5, 0.5]] * 2, [[1.0, 0.0], [1.0, 1e-200]])
    with pytest.raises(ModelError, match="float64"):
        example_graph(true, true, [hidden], 3, 0)


def test_sampled_moments_agree_and_their_interval_covers():
    """400 samples of 256 prefixes; the upper 97.5% end misses a moment of a bounded ratio at most 31 times with
    probability 1 - 1e-7 if it covers with 97% (0.5% allowed for the skewness of 256 terms)."""
    law, true, theta = pair(5, zeros=False)
    arguments = (law.example_law(), true, [theta], law.length, law.delimiter)
    exact, s = example_graph(*arguments).examples(0, 0.4, True).value[0], np.array([0.4])
    graphs = [sampled_graph(*arguments, seed, 256) for seed in range(400)]
    values = np.array([graph.examples(0, s, True).value[0] for graph in graphs])
    error = np.exp(values).mean() - np.exp(exact)
    assert abs(error) <= 5.5 * np.exp(values).std(ddof=1) / 20
    missed = sum(graph.values(0, s, True)[1][0] < exact for graph in graphs)
    assert missed <= stats.binom.isf(1e-7, 400, 0.03)
    assert values.std() > 0
    large = sampled_graph(*arguments, 0, 100_000)
    assert large.examples(0, s, True).value[0] == pytest.approx(exact, abs=0.02)
    assert large.inputs(0, s).value.shape == (1, 100_000)


def test_upper_end_of_a_mean_by_hand():
    values = np.array([1.0, 2.0, 3.0, 6.0])
    high = 3.0 + stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert upper_mean(np.log(values / 4)[None])[0] == pytest.approx(np.log(high))
    assert upper_mean(np.full((1, 4), -np.inf))[0] == -np.inf


def test_samples_that_all_end_in_one_token_are_kept():
    """The word a is always followed by b, so every prefix of one token ends in a, and every example is a b."""
    emission = np.eye(3)
    true = HMM(np.array([1.0, 0.0, 0.0]), np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]), emission)
    theta = HMM(true.initial, np.array([[0.0, 1.0, 0.0], [0.75, 0.0, 0.25], [1.0, 0.0, 0.0]]), emission)
    graph = sampled_graph(true, true, [theta], 2, 2, 0, 256)
    assert graph.examples(0, np.array([1.0]), True).value[0] == pytest.approx(np.log(0.5))


def test_gains_by_hand():
    """Of the sampler, theta* and two alternatives at three tokens: log-ratios to theta*; -inf where the alternative
    forbids a token, 0 where theta* does (such examples are counted apart)."""
    found = _gains(np.array([[0.2, 0.3, 0.5], [0.5, 0.0, 0.25], [0.25, 0.5, 0.0], [0.5, 0.0, 0.5]]))
    np.testing.assert_allclose(found, [[np.log(0.5), 0.0, -np.inf], [0.0, 0.0, np.log(2.0)]], rtol=1e-15)
