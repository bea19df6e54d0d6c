"""The best s as the root of a derivative, and how often the examples are gone through."""

import math

import numpy as np
import pytest
from scipy.optimize import elementwise

from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import PromptLaw
from implicit_bayes.theory.information.likelihood_moments import ExampleGraph
from implicit_bayes.theory.statements import finite_sample
from implicit_bayes.theory.statements.finite_sample_search import CLOSE, _best_s, _roots


@pytest.mark.parametrize("seed", range(30))
def test_minima_of_random_cumulants(seed):
    """log E exp(s G), G of up to six values: at the root the tilted mean is 0, and bisection finds the same s."""
    generator = np.random.default_rng(seed)
    gains = [generator.normal(-0.5, 1.0, generator.integers(2, 7)) * 10 ** generator.uniform(-2, 2) for _ in range(12)]
    laws = [generator.dirichlet(np.ones(len(gain))) for gain in gains]

    def slope(s, index):
        tilted = [laws[i] * np.exp(t * gains[i] - max(t * gains[i])) for t, i in zip(s, index, strict=True)]
        return np.array([w @ gains[i] / w.sum() for w, i in zip(tilted, index, strict=True)])

    found = _best_s(slope, len(gains), math.inf)
    for i, s in enumerate(found):
        if slope([0.0], [i])[0] >= 0:
            assert s == 0.0
        elif gains[i].max() <= 0:
            assert s >= 1024.0  # falls for ever
        else:
            low, high = 0.0, 1.0
            while slope([high], [i])[0] < 0:
                high *= 2
            for _ in range(200):
                low, high = (low, mid) if slope([mid := 0.5 * (low + high)], [i])[0] >= 0 else (mid, high)
            assert s == pytest.approx(high, rel=10 * CLOSE)
    within = _best_s(slope, len(gains), 1.0)
    np.testing.assert_allclose(within, np.minimum(found, 1.0), rtol=10 * CLOSE)


@pytest.mark.parametrize("edge", [1e-7, 0.3, 0.999999, 100.0])
def test_a_derivative_that_jumps(edge):
    """|s - edge| has no root of a smooth derivative: bisection alone gets there."""
    found = _best_s(lambda s, index: np.where(s < edge, -1.0, 3.0), 2, math.inf)
    np.testing.assert_allclose(found, edge, rtol=10 * CLOSE)


@pytest.mark.parametrize("power", [0.3, 1.0, 3.0, 9.0])
def test_roots_are_scipys_and_cost_two_evaluations_less(power):
    """The same method, begun with the ends that are known: the same points, without the two of the ends."""
    generator = np.random.default_rng(int(10 * power))
    roots = 1000.0 * generator.uniform(size=200) ** 4
    end, asked = roots * generator.uniform(1.0, 10.0, 200) + 1e-3, []

    def rises(x, index):
        asked.append(len(x))
        return np.sign(x - roots[index]) * np.abs(x - roots[index]) ** power * (1.0 + x)

    every = np.arange(200)
    at_0, at_end = rises(np.zeros(200), every), rises(end, every)
    asked.clear()
    found, cost = _roots(rises, end, at_0, at_end), sum(asked)
    asked.clear()
    theirs = elementwise.find_root(rises, (np.zeros(200), end), args=(every,), tolerances={"xrtol": CLOSE}, maxiter=100)
    np.testing.assert_array_equal(found, theirs.x)
    assert cost == sum(asked) - 2 * 200
    np.testing.assert_allclose(found, roots, rtol=10 * CLOSE)


def test_roots_at_an_end_beside_infinities_and_one_by_one():
    assert _roots(lambda x, i: x - 2.0, np.array([2.0]), np.array([-2.0]), np.array([0.0])).tolist() == [2.0]
    steep = lambda x, i: np.where(x < 3.0, -np.inf, np.where(x > 3.0, np.inf, 0.0))  # noqa: E731
    found = _roots(steep, np.array([7.0, 4.0]), np.full(2, -np.inf), np.full(2, np.inf))
    np.testing.assert_allclose(found, 3.0, rtol=10 * CLOSE)
    targets = np.array([0.1, 5.0, 9.99])  # which function is asked for stays its own when others have ended
    found = _roots(lambda x, i: (x - targets[i]) ** 3, np.full(3, 10.0), -(targets**3), (10.0 - targets) ** 3)
    np.testing.assert_allclose(found, targets, rtol=10 * CLOSE)


def test_one_pass_over_the_examples_serves_all_n(monkeypatch):
    """Where the graph is too large for a search at each n: n(delta) at three deltas, and the bounds at any n, go
    through the examples as often as there are other concepts."""
    mixture, start = regular()
    passes = []
    values = ExampleGraph.values
    monkeypatch.setattr(ExampleGraph, "values", lambda *arguments: passes.append(1) or values(*arguments))
    monkeypatch.setattr(finite_sample, "FEW_EDGES", 0)
    law = finite_sample.start_law(mixture, PromptLaw.of(mixture, start, 0, 3), 0, "repaired")
    first = law.error([4])
    others = mixture.n_concepts - 1
    once = len(passes)
    assert [finite_sample.enough(law.error, delta) for delta in (0.1, 0.01, 0.001)] == sorted(
        finite_sample.enough(law.error, delta) for delta in (0.1, 0.01, 0.001)
    )
    assert len(passes) == once <= 3 * others
    assert law.error([4, 9]).value[0] == first.value[0]
