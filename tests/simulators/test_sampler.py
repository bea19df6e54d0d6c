"""The sampler: what has probability zero is never drawn, frequencies are right, keys decide everything.

False alarms: the keys are fixed, so a test that passed passes again. The tolerances come from Hoeffding's bound with a
union over the cells compared, |frequency - p| <= sqrt(log(2 cells / ALPHA) / (2 draws)), so that a correct sampler
with a fresh key would fail with probability at most ALPHA = 1e-9.
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import laws, mixtures

from implicit_bayes.simulators.alias import alias_table, draw
from implicit_bayes.simulators.ginc import property_start_laws, released_ginc
from implicit_bayes.simulators.random_mixtures import random_mixture
from implicit_bayes.simulators.regular import regular
from implicit_bayes.simulators.sampler import sample_documents, sample_prompts, stream
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs

ALPHA = 1e-9
BELOW_ONE = 1 - 2.0**-53


def tolerance(cells, draws):
    return np.sqrt(np.log(2 * cells / ALPHA) / (2 * draws))


@given(st.integers(1, 9).flatmap(lambda size: st.lists(laws(size), min_size=1, max_size=4)))
def test_alias_tables_hold_exactly_their_laws(rows):
    table, expected = alias_table(np.stack(rows)), np.stack(rows)
    held = np.asarray(table.accept, dtype=np.float64).copy()
    for row, column in np.ndindex(held.shape):
        held[row, table.alias[row, column]] += 1 - table.accept[row, column]
    np.testing.assert_allclose(held / held.shape[1], expected, atol=1e-15)
    assert (table.accept[expected == 0] == 0).all()
    assert (np.take_along_axis(expected, table.alias.astype(int), -1) > 0)[table.accept < 1].all()


@given(st.sampled_from([1, 2, 3, 5, 8]).flatmap(laws), st.floats(0, BELOW_ONE))
@settings(max_examples=100)
def test_no_uniform_draws_a_zero(law, uniform):
    """Any uniform, both ends, every column's edge, and the doubles beside it."""
    edges = np.arange(len(law)) / len(law)
    uniforms = np.concatenate([[uniform, 0.0, BELOW_ONE], edges, np.nextafter(edges, 1), np.nextafter(edges[1:], 0)])
    with jax.enable_x64(True):
        table = alias_table(law[None])
        drawn = np.asarray(jax.jit(draw)(table, jnp.zeros(len(uniforms), jnp.int32), jnp.asarray(uniforms)))
    assert (law[drawn] > 0).all()


@given(mixtures(), st.integers(0, 2**32 - 1))
def test_every_step_of_a_document_is_possible(mixture, seed):
    found = sample_documents(mixture, jax.random.key(seed), 6, 4)
    assert (mixture.prior[found.concepts] > 0).all()
    assert (mixture.initial[found.concepts, found.states[:, 0]] > 0).all()
    assert (mixture.transition[found.concepts[:, None], found.states[:, :-1], found.states[:, 1:]] > 0).all()
    assert (mixture.emissions[found.concepts[:, None], found.states, found.tokens] > 0).all()


@given(mixtures(), st.integers(0, 2**32 - 1), st.sampled_from([(2, 2), (3, 0)]))
def test_every_step_of_a_prompt_is_possible(mixture, seed, k_and_n):
    """With emissions made the identity, the tokens are the states and can be followed."""
    (k, n), states = k_and_n, mixture.n_states
    plain = MixtureOfHMMs(mixture.prior, mixture.initial, mixture.transition, np.eye(states), states - 1)
    starts = np.stack([plain.initial, plain.initial[::-1]], axis=1)
    found = sample_prompts(plain, starts, jax.random.key(seed), 5, k, n)
    assert found.tokens.shape == (5, (k + 1) * n + k)
    closed = np.concatenate([found.tokens, np.full((5, 1), states - 1)], axis=1).reshape(5, n + 1, k + 1)
    assert (closed[..., -1] == states - 1).all()
    concept = found.concepts[:, None]
    assert (starts[concept, found.starts[:, None], closed[..., 0]] > 0).all()
    for step in range(k - 1):
        assert (plain.transition[concept, closed[..., step], closed[..., step + 1]] > 0).all()


@pytest.mark.parametrize("shared", [True, False])
def test_document_frequencies(shared):
    """Joint law of (concept, h_1, h_2, o_2) over independent documents; tolerance as at the top."""
    mixture = random_mixture(5, 2, 3, 4, zeros=0.3, shared_emission=shared)
    draws = 200_000
    found = sample_documents(mixture, jax.random.key(1), draws, 2)
    expected = np.einsum("c,ci,cij,cjo->cijo", mixture.prior, mixture.initial, mixture.transition, mixture.emissions)
    counts = np.zeros(expected.shape)
    np.add.at(counts, (found.concepts, found.states[:, 0], found.states[:, 1], found.tokens[:, 1]), 1)
    assert np.abs(counts / draws - expected).max() < tolerance(expected.size, draws)
    assert (counts[expected == 0] == 0).all()


def test_prompt_frequencies():
    """Concept and start law uniform over what is allowed; two examples of one prompt independent given both."""
    mixture, start = regular()
    starts = np.stack([np.tile(start, (5, 1)), np.tile(start[::-1], (5, 1))], axis=1)
    draws, k = 100_000, 2
    found = sample_prompts(mixture, starts, jax.random.key(2), draws, k, 1, true_concepts=[1, 4])
    assert set(found.concepts.tolist()) == {1, 4}
    counts = np.zeros((5, 2, 7, 7, 7))
    np.add.at(counts, (found.concepts, found.starts, *(found.tokens[:, i] for i in (0, 1, 3))), 1)
    expected = np.zeros(counts.shape)
    for c, s in itertools.product([1, 4], [0, 1]):
        first = starts[c, s]
        expected[c, s] = np.einsum("i,ij,k->ijk", first, mixture.transition[c], first) / 4
    assert np.abs(counts / draws - expected).max() < tolerance(counts.size, draws)
    assert (counts[expected == 0] == 0).all()


@pytest.mark.parametrize("certain", [True, False])
def test_prompts_are_emitted_by_their_own_concept(certain):
    """Joint law of concept, start law and the three tokens of an example, emissions of each concept its own."""
    mixture = random_mixture(8, 3, 3, 4, zeros=0.2, shared_emission=False)
    if certain:
        tokens = np.array([[0, 1, 2], [3, 3, 0], [2, 0, 1]])
        mixture = MixtureOfHMMs(mixture.prior, mixture.initial, mixture.transition, np.eye(4)[tokens], 3)
    starts = np.random.default_rng(0).dirichlet(np.ones(3), (3, 2))
    draws = 100_000
    found = sample_prompts(mixture, starts, jax.random.key(5), draws, 3, 0, true_concepts=[0, 2])
    counts, expected = np.zeros((3, 2, 4, 4, 4)), np.zeros((3, 2, 4, 4, 4))
    np.add.at(counts, (found.concepts, found.starts, *found.tokens.T), 1)
    for c, s in itertools.product([0, 2], [0, 1]):
        kernel, emission = mixture.transition[c], mixture.emissions[c]
        path = np.einsum("i,ia,ij,jb,jk,kd->abd", starts[c, s], emission, kernel, emission, kernel, emission)
        expected[c, s] = path / 4
    assert np.abs(counts / draws - expected).max() < tolerance(counts.size, draws)
    assert (counts[expected == 0] == 0).all()


def test_long_documents_run_their_kernel_in_every_chunk(monkeypatch):
    """Transition counts of documents that take many chunks of the table of uniforms.

    Given the state, the next one is an independent draw: the tolerance at the top holds for each state's number of
    visits, with the union over all (concept, state, next state).
    """
    monkeypatch.setattr("implicit_bayes.simulators.sampler.CHUNK", 1000)
    mixture = random_mixture(11, 2, 3, 3, zeros=0.2)
    found = sample_documents(mixture, jax.random.key(3), 40, 3000)
    counts = np.zeros(mixture.transition.shape)
    pairs = (np.repeat(found.concepts, 2999), found.states[:, :-1].reshape(-1), found.states[:, 1:].reshape(-1))
    np.add.at(counts, pairs, 1)
    visits = counts.sum(-1, keepdims=True)
    error = np.abs(counts / np.maximum(visits, 1) - mixture.transition)
    seen = visits[..., 0] > 0
    assert (error < tolerance(counts.size, np.maximum(visits, 1)))[seen].all()
    assert (counts[mixture.transition == 0] == 0).all()
    assert np.median(visits) > 10_000


def test_a_certain_emission_is_read_off_and_not_drawn():
    """GINC's tokens are the memory's; states do not depend on how tokens come about, as no draw is spent on them."""
    ginc = released_ginc(50)
    found = sample_documents(ginc.pretraining, jax.random.key(3), 30, 200)
    np.testing.assert_array_equal(found.tokens, ginc.memory.reshape(-1)[found.states])
    per_concept = eqx.tree_at(lambda m: m.emission, ginc.pretraining, ginc.pretraining.emissions[:, ::-1])
    other = sample_documents(per_concept, jax.random.key(3), 30, 200)
    np.testing.assert_array_equal(other.states, found.states)
    np.testing.assert_array_equal(other.tokens, ginc.memory.reshape(-1)[99 - found.states])


def test_the_key_decides_and_precision_does_not():
    mixture = random_mixture(6, 2, 3, 4)
    once = sample_documents(mixture, jax.random.key(7), 5, 9)
    again = sample_documents(mixture, jax.random.key(7), 5, 9)
    old_style = sample_documents(mixture, jax.random.PRNGKey(7), 5, 9)
    with jax.enable_x64(True):
        double = sample_documents(mixture, jax.random.key(7), 5, 9)
    other = sample_documents(mixture, jax.random.key(8), 5, 9)
    for name in once._fields:
        for same in (again, old_style, double):
            np.testing.assert_array_equal(getattr(once, name), getattr(same, name))
        assert isinstance(getattr(once, name), np.ndarray)
        assert getattr(once, name).dtype == np.int32
    assert not np.array_equal(once.states, other.states)


def test_stream_folds_a_fresh_key_into_every_batch():
    mixture, key = random_mixture(6, 2, 3, 4), jax.random.key(9)
    batches = list(itertools.islice(stream(mixture, key, 4, 6), 3))
    for index, batch in enumerate(batches):
        direct = sample_documents(mixture, jax.random.fold_in(key, index), 4, 6)
        np.testing.assert_array_equal(batch.tokens, direct.tokens)
    assert not np.array_equal(batches[0].tokens, batches[1].tokens)


def test_ginc_prompts_keep_one_property_for_all_examples():
    mixture = released_ginc(50).pretraining
    starts = np.tile(property_start_laws(), (5, 1, 1))
    memory = released_ginc(50).memory
    found = sample_prompts(mixture, starts, jax.random.key(4), 200, 5, 8)
    firsts = np.concatenate([found.tokens, np.zeros((200, 1), int)], 1).reshape(200, 9, 6)[:, :, 0]
    for prompt in range(200):
        assert np.isin(firsts[prompt], memory[:, found.starts[prompt] + 1]).all()
    assert set(found.starts.tolist()) == set(range(9))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"prompts": 0}, "prompts"),
        ({"k": 1}, "k: 1"),
        ({"n": -1}, "n: -1"),
        ({"true_concepts": [5]}, "true_concepts"),
        ({"true_concepts": []}, "true_concepts"),
        ({"starts_CxSxH": np.ones((5, 7))}, "prompt_starts"),
        ({"starts_CxSxH": np.ones((5, 1, 7))}, "prompt_starts"),
        ({"key": jnp.zeros((2, 2), jnp.uint32)}, "key"),
    ],
)
def test_bad_requests_name_the_field(change, word):
    mixture, start = regular()
    request = {"starts_CxSxH": np.tile(start, (5, 1, 1)), "key": jax.random.key(0), "prompts": 2, "k": 3, "n": 1}
    with pytest.raises(ModelError, match=word):
        sample_prompts(mixture, **(request | change))


@pytest.mark.parametrize(("documents", "length", "word"), [(0, 3, "documents"), (3, 0, "length")])
def test_empty_documents_are_refused(documents, length, word):
    mixture, _ = regular()
    with pytest.raises(ModelError, match=word):
        sample_documents(mixture, jax.random.key(0), documents, length)
    with pytest.raises(ModelError, match=word):
        stream(mixture, jax.random.key(0), documents, length)
