"""GINC with very many concepts, chains, and switching documents."""

import itertools

import jax
import numpy as np
import pytest
from brute_force import probability

from implicit_bayes.simulators.chains import Chains, chain_instance, parse_chains
from implicit_bayes.simulators.ginc import paper_ginc
from implicit_bayes.simulators.ginc_family import GincFamily, parse_family
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.random_mixtures import random_mixture
from implicit_bayes.simulators.switching import switching_mixture
from implicit_bayes.simulators.variants import load_variant
from implicit_bayes.theory import ModelError, filter_mixture, log_probability
from implicit_bayes.theory.filtering.concept_blocks import filter_blocks


def test_the_family_is_gincs_recipe():
    """Shared entity kernel and memory, own property kernels: each joint kernel is a Kronecker product."""
    mixture, usual = GincFamily().select([0, 9_999]), paper_ginc()
    assert mixture.n_states == usual.n_states and mixture.emission.shape == usual.emission.shape
    blocks = np.asarray(mixture.transition).reshape(2, 10, 10, 10, 10)
    entity = blocks.sum(4)[:, :, 0]
    assert np.allclose(entity[0], entity[1]) and np.allclose(np.diagonal(entity[0]) > 0.9, True)
    assert not np.allclose(mixture.transition[0], mixture.transition[1])
    assert [int(s) for s in mixture.delimiter_states()] == list(range(0, 100, 10))


def test_a_concept_does_not_depend_on_its_block_nor_on_how_many_there_are():
    few, many = GincFamily(concepts=5), GincFamily(concepts=10_000)
    assert np.array_equal(few.select([3]).transition[0], many.blocks(2).make(2, 4).transition[1])


def test_ten_thousand_concepts_in_bounded_memory(monkeypatch):
    """Documents come from few of them, and no more than a block is ever made; on 8 the filter is the whole one's."""
    family, most = GincFamily(concepts=10_000), []
    real = GincFamily.select
    monkeypatch.setattr(GincFamily, "select", lambda self, i: (most.append(len(i)), real(self, i))[1])
    drawn = family.sample(jax.random.key(0), 3, 12)
    assert drawn.tokens.shape == (3, 12) and drawn.concepts.max() < 10_000 and max(most) == 1
    small = GincFamily(concepts=8)
    found = filter_blocks(small.blocks(3), drawn.tokens, [0, 6, 12])
    whole = filter_mixture(real(small, range(8)), drawn.tokens, positions=[0, 6, 12])
    assert max(most) == 3
    assert found.predictive_BxPxV == pytest.approx(np.asarray(whole.predictive), abs=1e-12)
    assert found.log_posterior_BxPxC == pytest.approx(np.asarray(whole.log_posterior), abs=1e-9)


def test_documents_of_the_family_are_possible_under_their_concept():
    family = GincFamily(concepts=500, permutations=10)
    drawn = family.sample(jax.random.key(1), 4, 30)
    again = family.sample(jax.random.key(1), 4, 30)
    assert np.array_equal(drawn.tokens, again.tokens) and len(set(drawn.concepts.tolist())) > 1
    for tokens, concept in zip(drawn.tokens, drawn.concepts.tolist(), strict=True):
        assert np.isfinite(log_probability(family.select([concept]), tokens))


def test_chains_by_specification():
    instance = load_instance("chains:concepts=3,vocabulary=4,alpha=0.5,seed=2")
    assert instance.mixture.transition.shape == (3, 4, 4) and instance.true_concepts == (0, 1, 2)
    assert np.array_equal(instance.mixture.transition, chain_instance(instance.name).mixture.transition)
    assert parse_chains("chains") == Chains()
    assert load_variant("chains:concepts=3:smoothed=0.1").mixture.n_concepts == 3


@pytest.mark.parametrize(
    "spec", ["chains:concepts=0", "chains:concepts=1.5", "chains:x=1", "chains:alpha=nan", "chains:seed=1,seed=2",
             "chains:vocabulary=1", "chains:"]
)  # fmt: skip
def test_bad_chains(spec):
    with pytest.raises(ModelError, match=r"instance: .*chains"):
        load_instance(spec)


@pytest.mark.parametrize("q", [0.0, 0.3, 1.0])
def test_switching_is_a_sum_over_all_sequences_of_concepts(q):
    mixture = random_mixture(5, concepts=2, states=2, tokens=2, zeros=0.3)
    law = switching_mixture(mixture, q)
    prior, initial, kernel = (np.asarray(x) for x in (mixture.prior, mixture.initial, mixture.transition))
    emission = np.asarray(mixture.emissions)
    for word in itertools.product(range(2), repeat=3):
        total = 0.0
        for concepts in itertools.product(range(2), repeat=3):
            weight = prior[concepts[0]]
            for before, now in itertools.pairwise(concepts):
                weight *= (1 - q) * (before == now) + q * prior[now]
            belief = initial[concepts[0]] * emission[concepts[0], :, word[0]]
            for concept, token in zip(concepts[1:], word[1:], strict=True):
                belief = belief @ kernel[concept] * emission[concept, :, token]
            total += weight * belief.sum()
        assert float(probability(law, word)) == pytest.approx(total, abs=1e-14)


def test_without_switches_it_is_the_mixture():
    mixture, tokens = load_instance("regular").mixture, np.array([[1, 2, 3, 0, 4, 5]])
    assert log_probability(switching_mixture(mixture, 0.0), tokens) == pytest.approx(log_probability(mixture, tokens))


def test_the_variant_has_one_concept_and_the_prompts_of_its_base():
    made, base = load_variant("regular:switching=0.1"), load_instance("regular")
    assert made.mixture.n_concepts == 1 and made.mixture.n_states == 5 * base.mixture.n_states
    starts = np.asarray(made.prompt_starts).reshape(1, 5, -1).sum(1)
    assert np.allclose(starts[0], np.asarray(base.prompt_starts).mean(0)[0])
    with pytest.raises(ModelError, match="is not a number in"):
        load_variant("regular:switching=2")
    with pytest.raises(ModelError, match="switching: 2"):
        switching_mixture(base.mixture, 2.0)


def test_a_family_by_specification():
    instance = load_instance("ginc-family:concepts=3,vocabulary=20,seed=5")
    same = GincFamily(concepts=3, vocabulary=20, seed=5).select(range(3))
    assert np.array_equal(instance.mixture.transition, same.transition) and instance.true_concepts == (0, 1, 2)
    assert np.array_equal(instance.mixture.emission, same.emission) and instance.seed == 5
    more = load_instance("ginc-family:concepts=5,vocabulary=20,seed=5")
    assert np.array_equal(more.mixture.transition[:3], same.transition)
    assert np.array_equal(instance.prompt_starts[1], load_instance("ginc-paper").prompt_starts[0])
    assert parse_family("ginc-family") == GincFamily()
    assert load_variant("ginc-family:concepts=2,permutations=10:smoothed=0.1").mixture.n_concepts == 2


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ginc-family:concepts=0", "not an integer from 1"),
        ("ginc-family:concepts=2.5", "not an integer"),
        ("ginc-family:temperature=nan", "not a number from 0.001"),
        ("ginc-family:concept=2", "takes concepts, vocabulary, seed, permutations, temperature"),
        ("ginc-family:seed=1,seed=2", "each once"),
        ("ginc-family:", "each once"),
        ("ginc-family", "10,000 concepts, and what is held as a whole has 1,024"),
        ("ginc-family:concepts=1025", "give ginc-family:concepts=1024 or fewer"),
        ("ginc-famly", "did you mean 'ginc-family'"),
        ("chains:concepts=1048576,vocabulary=1024", "8,192.0 GiB; an instance holds 0.5, so give at most concepts=64"),
    ],
)
def test_bad_families_and_those_too_large_to_hold_are_refused_before_anything_is_drawn(spec, words, monkeypatch):
    monkeypatch.setattr(GincFamily, "select", lambda *_: pytest.fail("drawn"))
    with pytest.raises(ModelError, match=r"instance: .*" + words):
        load_instance(spec)


def test_prompts_of_ten_thousand_concepts_are_gincs(monkeypatch):
    """Each prompt's examples keep one property at their first token, run under its concept, and end in a delimiter."""
    family, most = GincFamily(concepts=10_000), []
    real = GincFamily.select
    monkeypatch.setattr(GincFamily, "select", lambda self, i: (most.append(len(i)), real(self, i))[1])
    drawn = family.sample_prompts(jax.random.key(3), 30, 3, 4)
    assert max(most) == 1 and drawn.tokens.shape == (30, 4 * 4 + 3) and len(set(drawn.concepts.tolist())) > 20
    assert (drawn.tokens[:, 3::4] == 0).all()
    memory = real(family, [0]).emission.argmax(-1).reshape(10, 10)
    for tokens, start in zip(drawn.tokens, drawn.starts.tolist(), strict=True):
        assert set(tokens[::4].tolist()) <= set(memory[:, 1 + start].tolist())
    again = family.sample_prompts(jax.random.key(3), 30, 3, 4)
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))
