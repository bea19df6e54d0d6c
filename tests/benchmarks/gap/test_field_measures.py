"""Belief geometry, interventions, diversity and switching on models whose answers are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from implicit_bayes.benchmarks.gap import intervention
from implicit_bayes.benchmarks.gap.diversity import exam, standing
from implicit_bayes.benchmarks.gap.geometry import belief_geometry, held_points, process_beliefs
from implicit_bayes.benchmarks.gap.intervention import Positions, directions, exchanged, intervene
from implicit_bayes.benchmarks.gap.switching import AFTER, lags, since_switch
from implicit_bayes.simulators.chains import Chains
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.simulators.zoo import zoo_edges

EDGES = zoo_edges("mess3")
TOKENS = sample_documents(EDGES.mixture, jax.random.key(0), 30, 16).tokens
BELIEFS = process_beliefs(EDGES, TOKENS)


class Shows:
    """A model whose second layer is an affine image of some beliefs."""

    name = "shows"

    def __init__(self, beliefs):
        self.beliefs = beliefs

    def activations(self, tokens):
        mixing = np.random.default_rng(1).normal(size=(3, 5))
        return [np.random.default_rng(2).normal(size=(*tokens.shape, 4)), self.beliefs @ mixing + 1.0]


def test_beliefs_are_over_states_and_not_over_tokens():
    """The forward recursion on labelled matrices, by hand."""
    from implicit_bayes.simulators.zoo import mess3

    process, belief = mess3(), np.full(3, 1 / 3)
    for t, token in enumerate(TOKENS[0]):
        belief = belief @ process.labelled[token]
        belief = belief / belief.sum()
        assert BELIEFS.state_BxTxH[0, t] == pytest.approx(belief, abs=1e-13)


def test_a_linear_belief_is_found_and_put_where_it_is():
    points, exact = held_points(BELIEFS, 50, 4, seed=0)
    found = belief_geometry(Shows(BELIEFS.state_BxTxH), BELIEFS, points, seed=0)
    assert found.best.layer == 2 and found.best.r2.value > 0.99 and len(found.probes) == 2
    assert np.abs(found.read_PxS - exact).mean() < 0.02
    held = BELIEFS.state_BxTxH[~BELIEFS.train_B]
    assert np.array_equal(held.reshape(-1, 3)[points], exact) and (points % 16 >= 4).all()
    assert np.isnan(found.best.untrained.value)  # cannot be had


def test_beliefs_of_other_documents_are_not_found():
    points, _ = held_points(BELIEFS, 50, 4, seed=0)
    found = belief_geometry(Shows(BELIEFS.state_BxTxH[::-1]), BELIEFS, points, seed=0)
    assert found.best.r2.value < 0.3 and found.best.margin.value < 0


def test_exchanged_beliefs():
    belief = np.random.default_rng(0).dirichlet(np.ones(4), 200)
    moved = exchanged(belief, np.random.default_rng(1))
    assert np.array_equal(np.sort(belief, 1), np.sort(moved, 1))
    assert ((belief != moved).sum(1) == 2).all() and (moved.argmax(1) != belief.argmax(1)).all()


def linear_positions(count: int, seed: int, groups: int = 1) -> tuple[Positions, np.ndarray]:
    """x = belief A_group + noise elsewhere: the activation says the belief, each group in its own way."""
    generator = np.random.default_rng(seed)
    belief, noise = generator.dirichlet(np.ones(3), count), 0.1 * generator.normal(size=(count, 2))
    group = generator.integers(groups, size=count)
    ways = np.random.default_rng(99).normal(size=(groups, 3, 4))
    x = np.concatenate([np.einsum("nk,nkd->nd", belief, ways[group]), noise], 1)
    return Positions(x, belief, group), ways


@pytest.mark.parametrize("groups", [1, 3])
def test_the_move_changes_the_belief_and_nothing_else(groups):
    fit, ways = linear_positions(3000, 0, groups)
    change = np.array([[0.5, -0.5, 0.0], [-0.2, 0.0, 0.2]])
    for group in range(groups):
        delta = directions(fit, np.full(2, group), change)
        assert delta[:, :4] == pytest.approx(change @ ways[group], abs=0.05)
        assert delta[:, 4:] == pytest.approx(np.zeros((2, 2)), abs=0.05)


def test_a_group_without_training_positions_is_not_moved():
    fit, _ = linear_positions(100, 0)
    assert not directions(fit, np.array([7]), np.array([[0.5, -0.5, 0.0]])).any()


@pytest.mark.parametrize("deaf", [False, True])
def test_effect_of_a_model_that_uses_what_it_shows_and_of_one_that_does_not(monkeypatch, deaf):
    """The first reads its law off the activations as Bayes would; the second holds the belief, and ignores it."""
    fit, ways = linear_positions(2000, 0)
    held, _ = linear_positions(150, 1)
    law = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    back = np.linalg.pinv(ways[0])

    def says(network, x):
        if deaf:
            return np.log(np.full((len(x), 3), 1 / 3))
        probability = np.maximum(x[:, :4] @ back @ law, 1e-4)
        return np.log(probability / probability.sum(1, keepdims=True))

    monkeypatch.setattr(intervention, "next_law", says)
    moved = exchanged(held.belief_NxK, np.random.default_rng(2))
    found = intervene(None, fit, held, moved, moved @ law, seed=0)  # type: ignore[arg-type]
    if deaf:
        assert max(abs(found.probe.value), abs(found.random.value)) < 1e-12
    else:
        assert found.probe.low > 0.95 and found.random.high < found.probe.low
        assert found.after < 0.05 * found.before and found.documents == 150 and found.length > 0


def test_divergence_at_zeros():
    law, log_law = np.array([[0.0, 1.0]]), np.log(np.array([[0.5, 0.5]]))
    assert intervention.divergence(law, log_law) == pytest.approx([np.log(2.0)])


class Says:
    """A model that answers a mixture of the two exact laws of an exam."""

    name = "says"

    def __init__(self, asked, weight):
        self.law = weight * asked.memorising_BxSxV + (1 - weight) * asked.generalising_BxSxV

    def log_probabilities(self, tokens):
        return np.log(self.law)


@pytest.mark.parametrize("split", ["known", "fresh"])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_weight_is_found_and_leaves_nothing(split, weight):
    asked = exam(Chains(concepts=3, vocabulary=4), split, 12, 20, jax.random.key(0))
    found = standing(Says(asked, weight), asked, seed=0)
    assert found.weight.value == pytest.approx(weight) and found.residual.value == pytest.approx(0.0, abs=1e-12)
    own = found.over_memorising if split == "known" else found.over_generalising
    assert own.value >= -1e-12 and (own.value < 1e-12) == (weight == (split == "known"))
    assert found.apart > 0.0


def test_what_is_neither_leaves_a_residual():
    asked = exam(Chains(concepts=3, vocabulary=4), "fresh", 12, 20, jax.random.key(0))
    model = Says(asked, 0.5)
    model.law = np.full_like(model.law, 0.25)
    found = standing(model, asked, seed=0)
    q = model.law
    least = min(
        float((q * np.log(q / (w * asked.memorising_BxSxV + (1 - w) * asked.generalising_BxSxV))).sum(-1).mean())
        for w in np.linspace(0, 1, 101)
    )
    assert found.residual.value == pytest.approx(least, abs=1e-12) and least > 0.01


def test_one_known_concept_is_memorised_by_its_kernel():
    """At N = 1 memorising Bayes is the kernel itself, whatever came before."""
    asked = exam(Chains(concepts=1, vocabulary=3), "known", 4, 10, jax.random.key(1))
    for token in range(3):
        rows = asked.memorising_BxSxV[:, 1:][asked.tokens_BxT == token]
        assert np.ptp(rows, axis=0).max() < 1e-15


def test_since_switch():
    concepts = np.array([[0, 0, 1, 1, 1, 0], [2, 2, 2, 2, 2, 2]])
    assert since_switch(concepts).tolist() == [[-1, -1, 0, 1, 2, 0], [-1] * 6]


def test_lags_by_hand():
    concepts = np.array([[0, 0, 1, 1, 1, 0]] * 5)
    bayes, model = np.zeros((5, 6)), -np.arange(6.0) * np.ones((5, 1))
    found = lags(bayes, {"m": model, "bayes": bayes}, concepts, seed=0)["m"]
    assert found.excess.value == pytest.approx(2.5)
    assert found.after_A[0].value == pytest.approx((2 + 5) / 2) and found.after_A[1].value == 3.0
    assert found.count_A.tolist() == [10, 5, 5] + [0] * (len(AFTER) - 3) and np.isnan(found.after_A[-1].value)


def test_the_last_bin_is_so_many_or_more():
    concepts = np.zeros((2, 60), int)
    concepts[:, 5:] = 1
    found = lags(np.zeros((2, 60)), {"m": -np.ones((2, 60))}, concepts, seed=0)["m"]
    assert found.count_A[-1] == 2 * (60 - 5 - AFTER[-1]) and found.count_A.sum() == 2 * 55
    assert jnp.isfinite(found.after_A[-1].value)
