"""Expansions that go on where a sample would visit more prefixes, and several families of laws on one sample."""

import itertools

import numpy as np
import pytest
from prompt_enumeration import forward as forward_products

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information import expansion, scores
from implicit_bayes.theory.information.expansion import Expander, children, count_children, expand, root
from implicit_bayes.theory.information.kl import kl_table
from implicit_bayes.theory.information.moment_graphs import example_graphs, sampled_graph, sampled_graphs
from implicit_bayes.theory.information.prefixes import build

LENGTHS = [2, 5, 7]


def dense(seed: int, tokens: int = 3) -> HMM:
    """Three states of which every one emits every token: no two prefixes merge."""
    rng = np.random.default_rng(seed)
    return HMM(rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(tokens), 3))


def test_an_expansion_that_goes_on_is_the_expansion_of_the_larger_budget():
    forward = build([dense(0), dense(1)], 0)
    expander = Expander(forward, LENGTHS, LENGTHS)
    assert [len(expander.within(budget).score) for budget in (100, 100, 1000)] == [5, 5, 7]  # 3^4 = 81, 3^6 = 729
    here, there = expander.within(1000), expand(forward, LENGTHS, 1000, LENGTHS)
    for name in here._fields:
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    assert len(expander.within(1).score) == 7  # what is known stays known


@pytest.mark.parametrize(("budget", "method"), [(364, "monte carlo"), (365, "exact"), (729, "exact")])
def test_a_sample_that_would_visit_more_is_not_drawn(budget, method):
    """The last level has 729 prefixes; the least sample visits 2048 x 7. Twice the budget is the most."""
    prompt = PromptLaw(dense(0), np.full(3, 1 / 3), 7, 0)
    (found,) = kl_table(prompt, [dense(1)], [7], budget=budget)
    (whole,) = kl_table(prompt, [dense(1)], [7], budget=10_000)
    assert found[0].method == method and whole[0].method == "exact"
    assert (found[0].value == whole[0].value) == (method == "exact")


@pytest.mark.parametrize(("wanted", "method"), [(104, "monte carlo"), (105, "exact")])
def test_a_sample_that_visits_less_is_drawn(wanted, method, monkeypatch):
    """104 prefixes of 7 tokens are 728 steps, one fewer than the level has prefixes."""
    monkeypatch.setattr(scores, "sample_size", lambda *given: wanted)
    prompt = PromptLaw(dense(0), np.full(3, 1 / 3), 7, 0)
    found = kl_table(prompt, [dense(1)], [7], budget=400)[0][0]
    assert (found.method, found.prefixes) == (method, wanted if method == "monte carlo" else (3**7 - 1) // 2)


def test_families_on_one_sample_are_what_each_is_alone():
    sampler, first, later = dense(0), [dense(1), dense(2)], [dense(3), dense(4), dense(5)]
    both = sampled_graphs(sampler, [first, later], 4, 0, 7, 500)
    s = np.array([0.0, 0.3, 1.5])
    for graph, (true, *others) in zip(both, (first, later), strict=True):
        alone = sampled_graph(sampler, true, others, 4, 0, 7, 500)
        for a in range(len(others)):
            np.testing.assert_allclose(graph.inputs(a, s).value, alone.inputs(a, s).value, rtol=1e-12, atol=1e-12)
            for here, there in zip(graph.values(a, s, True), alone.values(a, s, True), strict=True):
                np.testing.assert_allclose(here, there, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(graph.law_2xNxV, alone.law_2xNxV, rtol=1e-12)
    assert example_graphs(sampler, [first, later], 4, 0, 2) is None
    exact = example_graphs(sampler, [first, later], 4, 0)
    assert exact is not None and [graph.last.gain_AxE.shape[0] for graph in exact] == [1, 2]


SPARSE = HMM(
    [0.5, 0.5, 0.0],
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.5]],
    [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.25, 0.0, 0.75]],
)
"""Words that two states share, and moves that cannot be."""


@pytest.mark.parametrize("closed", [False, True])
def test_moments_of_long_hidden_examples_are_those_of_their_enumeration(closed):
    """Five tokens: groups of several nodes lead to groups of several nodes."""
    true, theta, s = dense(1), dense(2), np.array([0.3, 1.0, 1.7])
    graph = example_graphs(SPARSE, [[true, theta]], 5, 1)[0]
    examples = np.array(list(itertools.product(range(3), repeat=5)))
    ended = np.pad(examples, ((0, 0), (0, 1)), constant_values=1) if closed else examples
    mass, *laws = (
        forward_products(h.initial, h.transition, h.emission, o).sum(-1)
        for h, o in ((SPARSE, examples), (theta, ended), (true, ended))
    )
    assert 0 < (mass == 0).sum() < len(mass)
    expected = [np.log((mass * (laws[0] / laws[1]) ** power).sum()) for power in s]
    np.testing.assert_allclose(graph.examples(0, s, closed).value, expected, rtol=1e-12)
    np.testing.assert_allclose(graph.values(0, s, closed)[1], expected, rtol=1e-12)


@pytest.mark.parametrize("lost", ["last", "closed"])
def test_what_theta_star_forbids_makes_the_moment_infinite(lost):
    """theta* never says word 2 after word 0, or never closes after it; an upper bound may not forget that."""
    uniform = HMM(np.full(3, 1 / 3), np.full((3, 3), 1 / 3), np.eye(3))
    kernel = {"last": [[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]], "closed": [[0.5, 0.0, 0.5]] * 3}[lost]
    true = HMM(np.full(3, 1 / 3), kernel, np.eye(3))
    prompts, theta = true if lost == "closed" else uniform, HMM(uniform.initial, np.eye(3) / 4 + 0.25, np.eye(3))
    s = np.array([0.5, 1.0])
    for graph in (
        example_graphs(prompts, [[true, theta]], 3, 1)[0],
        sampled_graph(prompts, true, [theta], 3, 1, 0, 300),
    ):
        assert (graph.lost_last, graph.lost_closed) == (lost == "last", True)
        for closed in (True, False):
            infinite = closed or lost == "last"
            for found in (graph.values(0, s, closed)[1], graph.examples(0, s, closed).value):
                assert (found == np.inf).all() if infinite else np.isfinite(found).all()
            if not infinite and graph.sampled:  # an interval's upper end, whatever else is lost
                assert (graph.values(0, s, closed)[1] > graph.examples(0, s, closed).value).all()


def test_a_dead_node_has_no_slope():
    """The first word is forbidden under the alternative: -inf, with derivative 0, through further levels."""
    alternative = HMM([0.0, 0.5, 0.5], np.full((3, 3), 1 / 3), np.eye(3))
    true = HMM([0.25, 0.5, 0.25], np.full((3, 3), 1 / 3), np.eye(3))
    graph = example_graphs(true, [[true, alternative]], 2, 1)[0]
    value, slope = graph.inputs(0, np.array([0.5, 1.0]))
    np.testing.assert_array_equal(np.isneginf(value), [[True, False, False]] * 2)
    np.testing.assert_allclose(slope, [[0.0, 0.0, np.log(2.0)]] * 2, atol=1e-15)


def test_children_are_counted_and_made_under_the_sampler(monkeypatch):
    """Its zeros decide, not the other laws'; and they are the same where the laws of next states are not held."""
    forward = build([SPARSE, dense(0)], 0)
    level = list(children(forward, list(children(forward, [root(forward)]))))
    law = [nodes.belief[0] @ forward.following[nodes.token][0] for nodes in level]
    count, forecast = count_children(forward, level, 0)
    assert count == forecast == sum((each > 0).sum() for each in law) < sum(each.size for each in law)
    held = list(children(forward, level))
    monkeypatch.setattr(expansion, "AHEAD", 0)
    monkeypatch.setattr(expansion, "LEVELS", 0)
    for here, there in zip(held, children(forward, level), strict=True):
        assert here.token == there.token and here.weight.sum() == pytest.approx(there.weight.sum(), abs=0)
        order = [np.lexsort(each.belief[0].T) for each in (here, there)]
        np.testing.assert_allclose(here.belief[:, order[0]], there.belief[:, order[1]], rtol=1e-12, atol=1e-15)
