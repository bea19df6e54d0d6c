"""The filter against enumeration of all hidden paths, and its contract where arithmetic is about to fail."""

import brute_force
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from random_laws import random_documents, random_mixture
from strategies import mixtures_with_documents

from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture, log_evidence, log_probability
from implicit_bayes.theory.filtering import filter as filter_module
from implicit_bayes.theory.filtering.filter import filter_concepts, filter_evidence

METHODS = ("dense", "sparse", "log")
EVERY = (*METHODS, "auto")
"""What is small goes to NumPy by ``auto``."""


# -- against enumeration ----------------------------------------------------------------------------------------------


# JAX compiles once per shape, about a second each: the general case and the corners ask for few of them.
@pytest.mark.parametrize("method", EVERY)
@given(case=mixtures_with_documents(shapes=((2, 2, 3),), lengths=(3,)))
def test_filter_is_enumeration(method, case):
    brute_force.assert_is_enumeration(*case, filter_mixture(*case, method=method))


@pytest.mark.parametrize("method", EVERY)
@given(case=mixtures_with_documents(shapes=((1, 1, 2),), lengths=(1,)))
def test_filter_is_enumeration_in_the_corners(method, case):
    brute_force.assert_is_enumeration(*case, filter_mixture(*case, method=method))


@given(case=mixtures_with_documents(shapes=((2, 2, 3),), lengths=(2,)))
def test_concepts_and_whole_documents_are_enumeration(case):
    mixture, documents = case
    concepts, whole = filter_concepts(mixture, documents), log_probability(mixture, documents)
    evidence = log_evidence(mixture, documents)
    for b, document in enumerate(documents):
        exact = brute_force.enumerate_paths(mixture, document)
        np.testing.assert_allclose(concepts.log_evidence[b], exact.log_evidence, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(concepts.predictive[b], exact.concept_predictive, rtol=1e-10, atol=1e-290)
        np.testing.assert_allclose(evidence[b], exact.log_evidence[-1], rtol=1e-12, atol=1e-11)
        log_p = brute_force.log(brute_force.probability(mixture, document))
        np.testing.assert_allclose(whole[b], log_p, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("method", ["dense", "auto"])
def test_a_case_worked_by_hand(method):
    """Two states that emit their own token, p(0, 1) = .5 * .25 under one concept and .5 * 1 under the other."""
    mixture = MixtureOfHMMs(
        [0.75, 0.25], [[0.5, 0.5]] * 2, [[[0.75, 0.25], [0.5, 0.5]], [[0.0, 1.0], [1.0, 0.0]]], np.eye(2), 0
    )
    found = filter_mixture(mixture, [0, 1], method=method)
    np.testing.assert_allclose(np.exp(found.log_evidence), [[1, 1], [0.5, 0.5], [0.125, 0.5]], rtol=1e-15)
    np.testing.assert_allclose(np.exp(found.log_posterior), [[0.75, 0.25], [0.75, 0.25], [3 / 7, 4 / 7]], rtol=1e-15)
    np.testing.assert_allclose(found.predictive[1], [0.75 * 0.75, 0.75 * 0.25 + 0.25], rtol=1e-15)
    np.testing.assert_allclose(found.predictive[2], [3 / 14 + 4 / 7, 3 / 14], rtol=1e-14)


def test_three_recursions_agree_beyond_the_reach_of_enumeration():
    mixture = random_mixture(3, concepts=3, states=20, tokens=7, zeros=0.5)
    documents = random_documents(4, 6, 60, tokens=7)
    dense, *others = (filter_mixture(mixture, documents, method=method) for method in EVERY)
    assert dense.defined[:, -1].any()
    for other in others:
        np.testing.assert_allclose(other.log_evidence, dense.log_evidence, rtol=1e-12)
        np.testing.assert_allclose(other.log_posterior, dense.log_posterior, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(other.predictive, dense.predictive, rtol=1e-10)
        np.testing.assert_array_equal(other.first_impossible, dense.first_impossible)


def test_auto_takes_the_sparse_recursion_where_it_pays():
    one_state_a_token = MixtureOfHMMs([1.0], np.full((1, 8), 1 / 8), np.full((1, 8, 8), 1 / 8), np.eye(8), 0)
    assert filter_module.choose(one_state_a_token, "auto") == "sparse"
    assert filter_module.choose(random_mixture(0), "auto") == "dense"


# -- shapes and positions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "batch"), [("dense", ()), ("dense", (0,)), ("auto", ()), ("auto", (0,)), *[(m, (2, 2)) for m in EVERY]]
)
def test_batch_axes_lead(method, batch):
    mixture, documents = random_mixture(1), random_documents(2, 2, 2, 6)
    documents = {(): documents[0, 1], (0,): documents[0, :0], (2, 2): documents}[batch]
    found = filter_mixture(mixture, documents, method=method)
    assert found.log_evidence.shape == found.log_posterior.shape == (*batch, 7, 3)
    assert found.predictive.shape == (*batch, 7, 4)
    assert found.defined.shape == (*batch, 7)
    assert found.first_impossible.shape == batch
    for index in np.ndindex(*batch):
        alone = filter_mixture(mixture, documents[index])
        jax.tree.map(lambda x, one, i=index: np.testing.assert_allclose(x[i], one, rtol=1e-12), found, alone)


@pytest.mark.parametrize("batch", [(), (2, 2)])
def test_whole_document_summaries_are_the_last_prefix(batch):
    mixture, documents = random_mixture(1), random_documents(2, *batch, 6)
    last = filter_mixture(mixture, documents).log_evidence[..., -1, :]
    np.testing.assert_allclose(log_evidence(mixture, documents), last, rtol=1e-13)
    mixed = np.log((mixture.prior * np.exp(last)).sum(-1))
    found = log_probability(mixture, documents)
    assert np.shape(found) == batch
    np.testing.assert_allclose(found, mixed, rtol=1e-13)


@pytest.mark.parametrize(
    ("method", "wanted"), [("dense", []), ("auto", []), *[(method, [6, 0, 3]) for method in EVERY]]
)
def test_positions_are_reported_in_the_order_asked(method, wanted):
    mixture, documents = random_mixture(1, zeros=0.3), random_documents(2, 4, 6)
    everything = filter_mixture(mixture, documents, method=method)
    chosen = filter_mixture(mixture, documents, positions=wanted, method=method)
    for name in ("log_evidence", "log_posterior", "defined", "predictive"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(everything, name)[:, wanted])
    np.testing.assert_array_equal(chosen.first_impossible, everything.first_impossible)


@pytest.mark.parametrize(("method", "batch"), [("dense", ()), *[(method, (2,)) for method in EVERY]])
def test_the_empty_document_knows_the_prior(method, batch):
    mixture = random_mixture(1)
    found = filter_mixture(mixture, np.zeros((*batch, 0), dtype=np.int64), method=method)
    start = np.einsum("c,ch,chv->v", mixture.prior, mixture.initial, mixture.emissions)
    np.testing.assert_array_equal(found.log_evidence, np.zeros((*batch, 1, 3)))
    np.testing.assert_allclose(np.exp(found.log_posterior), np.broadcast_to(mixture.prior, (*batch, 1, 3)), rtol=1e-14)
    np.testing.assert_allclose(found.predictive, np.broadcast_to(start, (*batch, 1, 4)), rtol=1e-14)
    assert found.defined.all()
    np.testing.assert_array_equal(found.first_impossible, np.zeros(batch))


@pytest.mark.parametrize(
    ("tokens", "arguments", "words"),
    [
        ([0, 4], {}, "tokens: 4 is outside the vocabulary 0..3"),
        ([0, -1], {}, "tokens: -1 is outside"),
        ([0.0, 1.0], {}, "tokens: expected integers"),
        (3, {}, "tokens: a single number"),
        ([0, 1], {"positions": [3]}, "positions"),
        ([0, 1], {"positions": [-1]}, "positions"),
        ([0, 1], {"positions": [1, 1]}, "twice"),
    ],
)
def test_bad_input_is_named(tokens, arguments, words):
    with pytest.raises(ModelError, match=words):
        filter_mixture(random_mixture(0), tokens, **arguments)


@pytest.mark.parametrize("budget", [1, 3 * (8 * 7 * 3 * 5 + 1)], ids=["one document", "three, then one padded"])
def test_chunks_leave_no_trace(monkeypatch, budget):
    mixture, documents = random_mixture(1, zeros=0.3), random_documents(2, 4, 6)
    whole = filter_mixture(mixture, documents)
    monkeypatch.setattr(filter_module, "CHUNK_BYTES", budget)
    for x64 in (False, True):
        with jax.enable_x64(x64):
            pieces = filter_mixture(mixture, documents)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13), pieces, whole)


# -- zeros and underflow ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", EVERY)
def test_impossible_is_minus_infinity_and_masked_never_nan(method):
    """Token 2 comes from nobody; token 1 only from the second concept, whose prior is zero in the second mixture."""
    emission = [[[1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0]]]
    parts = ([[1.0]] * 2, [[[1.0]]] * 2, emission, 0)
    documents = np.array([[0, 0, 2, 0], [0, 1, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0]])
    for prior, first in (([0.5, 0.5], [2, 4, 0, 4]), ([1.0, 0.0], [2, 1, 0, 4])):
        found = filter_mixture(MixtureOfHMMs(prior, *parts), documents, method=method)
        np.testing.assert_array_equal(found.first_impossible, first)
        after = np.arange(5) > np.array(first)[:, None]
        np.testing.assert_array_equal(found.defined, ~after)
        assert (found.log_posterior[after] == -np.inf).all()
        assert (found.predictive[after] == 0).all()
        np.testing.assert_allclose(found.predictive[~after].sum(-1), 1.0, rtol=1e-14)
        np.testing.assert_allclose(np.exp(found.log_posterior[~after]).sum(-1), 1.0, rtol=1e-14)
        for leaf in jax.tree.leaves(found):
            assert not np.isnan(leaf).any()
    assert found.log_evidence[1, -1, 1] == pytest.approx(4 * np.log(0.5), rel=1e-14)
    assert found.log_posterior[1, 0].tolist() == [0.0, -np.inf]


@pytest.mark.parametrize("method", ["dense", "log"])
def test_a_losing_concept_keeps_its_log_posterior(method):
    """The odds grow by log 9 a token: after 50,000 of them the loser lies 1.1e5 nats down, far below exp's reach."""
    length = 50_000
    mixture = MixtureOfHMMs([0.5, 0.5], [[1.0]] * 2, [[[1.0]]] * 2, [[[0.9, 0.1]], [[0.1, 0.9]]], 0)
    found = filter_mixture(mixture, np.zeros(length, dtype=int), positions=[length], method=method)
    assert found.log_posterior[0, 0] == 0.0
    np.testing.assert_allclose(found.log_posterior[0, 1], -length * np.log(9), rtol=1e-11)


def two_blocks(rare=1e-3) -> MixtureOfHMMs:
    """One concept, two states that never meet: the second says 0 rarely, and alone can say 2."""
    return MixtureOfHMMs([1.0], [[0.5, 0.5]], [np.eye(2)], [[0.9, 0.1, 0.0], [rare, 0.9 - rare, 0.1]], 0)


@pytest.mark.parametrize("rare", [1e-3, 1e-16])
@pytest.mark.parametrize("method", (*METHODS, "auto"))
def test_a_state_that_underflows_inside_its_concept_still_counts(method, rare):
    """The filter's mass on the second block falls to 1e-6000 or below; one float64 scale per concept would lose it.

    At 1e-16 it falls from 1e-224 to 0 between two rescalings: the guard has to look as far ahead as they are apart.
    """
    length = 2000
    tokens = np.array([*[0] * length, 2])
    batch = np.stack([np.zeros_like(tokens), tokens])
    found = filter_mixture(two_blocks(rare), batch, positions=[length, length + 1], method=method)
    truth = np.log(0.5) + length * np.log(rare) + np.log(0.1)
    np.testing.assert_allclose(found.log_evidence[1, 1, 0], truth, rtol=1e-12)
    np.testing.assert_allclose(found.log_evidence[0, 1, 0], np.log(0.5) + (length + 1) * np.log(0.9), rtol=1e-12)
    np.testing.assert_array_equal(found.first_impossible, length + 1)
    np.testing.assert_allclose(found.predictive[1, 1], [rare, 0.9 - rare, 0.1], rtol=1e-9)
    assert found.defined.all()


def test_the_same_underflow_in_single_precision_and_under_vmap():
    """A float32 trace loses the second block a hundred times sooner, so its guard must be float32's."""
    tokens = np.array([*[0] * 60, 2])
    truth = np.log(0.5) + 60 * np.log(1e-3) + np.log(0.1)
    single = jax.jit(lambda o: log_probability(two_blocks(), o))(tokens)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, truth, rtol=1e-5)
    mapped = jax.vmap(lambda o: log_probability(two_blocks(), o))(tokens[None])
    np.testing.assert_allclose(mapped, [truth], rtol=1e-5)


# -- symmetries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", EVERY)
def test_labels_carry_no_information(method):
    """Renaming concepts permutes the posterior, tokens the predictives; renaming states changes nothing."""
    mixture, documents = random_mixture(7, zeros=0.3), random_documents(8, 4, 6)
    c, h, v = np.array([2, 0, 1]), np.array([3, 1, 4, 0, 2]), np.array([1, 3, 0, 2])
    initial, transition = mixture.initial[c][:, h], mixture.transition[c][:, h][:, :, h]
    renamed = MixtureOfHMMs(mixture.prior[c], initial, transition, mixture.emission[c][:, h][:, :, v], 0)
    before = filter_mixture(mixture, documents, method=method)
    after = filter_mixture(renamed, np.argsort(v)[documents], method=method)
    np.testing.assert_allclose(after.log_posterior, before.log_posterior[..., c], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after.log_evidence, before.log_evidence[..., c], rtol=1e-12)
    np.testing.assert_allclose(after.predictive, before.predictive[..., v], rtol=1e-11)
    np.testing.assert_array_equal(after.first_impossible, before.first_impossible)


@pytest.mark.parametrize("method", EVERY)
@given(case=mixtures_with_documents(shapes=((2, 2, 3),), lengths=(3,)))
def test_evidence_without_laws_is_the_filters(method, case):
    """Evidence, posterior and what is impossible are those of ``filter_mixture``; the predictive has no column."""
    whole, found = (f(*case, positions=[3, 0], method=method) for f in (filter_mixture, filter_evidence))
    assert found.predictive.shape == (*whole.predictive.shape[:-1], 0)
    for one, other in zip(found[:3], whole[:3], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.first_impossible, whole.first_impossible)
