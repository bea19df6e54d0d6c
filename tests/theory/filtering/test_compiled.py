"""Compiled code against JAX's recursions and enumeration: equal to 1e-12, zeros, underflow and carries included."""

import brute_force
import jax
import numpy as np
import pytest
from hypothesis import given
from strategies import mixtures_with_documents

from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture, log_evidence
from implicit_bayes.theory.filtering import filter as filter_module
from implicit_bayes.theory.filtering import host
from implicit_bayes.theory.filtering.block_tables import NARROW, bucket_bytes, bucket_tables, support_widths
from implicit_bayes.theory.filtering.dispatch import compiles, prepare
from implicit_bayes.theory.filtering.filter import filter_concepts
from implicit_bayes.theory.filtering.streaming import filter_stream

compiled = pytest.importorskip("implicit_bayes.theory.filtering.compiled")
pytest.importorskip("numba")


def mixed_widths(seed=0, zeros=0.3) -> MixtureOfHMMs:
    """Two concepts of 24 states; tokens of 1, 3, 4, 5 and 11 states, so that every pair of buckets occurs."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(5), [1, 3, 4, 5, 11])

    def rows(*shape):
        weights = np.where(rng.random(shape) < zeros, 0.0, rng.gamma(1.0, size=shape) + 1e-3)
        weights[..., 0] += weights.sum(-1) == 0
        return weights / weights.sum(-1, keepdims=True)

    return MixtureOfHMMs(rows(2), rows(2, 24), rows(2, 24, 24), np.eye(5)[owner], 0)


def documents(seed, *shape, tokens=5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, tokens, shape)


def assert_same(found, expected):
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)


@given(case=mixtures_with_documents(shapes=((2, 2, 3), (1, 6, 2)), lengths=(3, 0)))
def test_compiled_is_enumeration(case):
    mixture, batch = case
    found = filter_mixture(mixture, batch, method="compiled")
    concepts = filter_concepts(mixture, batch, method="compiled")
    brute_force.assert_is_enumeration(mixture, batch, found)
    for b, document in enumerate(batch):
        exact = brute_force.enumerate_paths(mixture, document)
        np.testing.assert_allclose(concepts.predictive[b], exact.concept_predictive, rtol=1e-10, atol=1e-290)


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.8])
def test_compiled_is_jax(zeros):
    """Long enough for many rescalings and pieces; at 0.8 most documents die on the way."""
    mixture, batch = mixed_widths(zeros=zeros), documents(1, 5, 300)
    assert set(support_widths(mixture) <= NARROW) == {True, False}
    found = filter_mixture(mixture, batch, method="compiled")
    assert_same(found, filter_mixture(mixture, batch, method="sparse"))
    if zeros == 0.8:
        assert (found.first_impossible < 300).any() and (found.log_evidence == -np.inf).any()


def test_positions_in_any_order_and_precision():
    mixture, batch = mixed_widths(), documents(2, 2, 3, 40)
    whole = filter_mixture(mixture, batch, method="compiled")
    tables = prepare(mixture, "compiled")
    chosen = filter_mixture(mixture, batch, positions=[40, 0, 7], method="compiled", tables=tables)
    for name in ("log_evidence", "log_posterior", "defined", "predictive"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(whole, name)[:, :, [40, 0, 7]])
    np.testing.assert_array_equal(chosen.first_impossible, whole.first_impossible)
    with jax.enable_x64(True):
        inside = filter_mixture(mixture, batch, method="compiled")
    assert all(isinstance(leaf, np.ndarray) for leaf in inside)
    jax.tree.map(np.testing.assert_array_equal, tuple(inside), tuple(whole))


def test_pieces_leave_no_trace(monkeypatch):
    mixture, batch = mixed_widths(zeros=0.6), documents(3, 4, 50)
    whole = filter_mixture(mixture, batch, method="compiled")
    monkeypatch.setattr(compiled, "PIECE", 7)
    assert_same(filter_mixture(mixture, batch, method="compiled"), whole)


def test_a_losing_concept_is_weighed_on_the_common_scale():
    """50,000 tokens take the loser 1.1e5 nats down, and both far below float64's range."""
    length = 50_000
    mixture = MixtureOfHMMs([0.5, 0.5], [[1.0]] * 2, [[[1.0]]] * 2, [[[0.9, 0.1]], [[0.1, 0.9]]], 0)
    found = filter_mixture(mixture, np.zeros(length, dtype=int), positions=[length], method="compiled")
    np.testing.assert_allclose(found.log_evidence[0], [length * np.log(0.9), length * np.log(0.1)], rtol=1e-13)
    np.testing.assert_allclose(found.log_posterior[0], [0.0, -length * np.log(9)], rtol=1e-11)


def test_doubtful_documents_are_redone_and_the_others_kept():
    """The second state's mass falls to 1e-5908 before it alone can go on."""
    mixture = MixtureOfHMMs([1.0], [[0.5, 0.5]], [np.eye(2)], [[0.9, 0.1, 0.0], [1e-3, 0.899, 0.1]], 0)
    batch = np.stack([np.array([*[0, 1, 1, 1] * 500, 0]), np.array([*[0] * 2000, 2])])  # the first keeps both states
    tables = bucket_tables(mixture)
    doubts = compiled.trace(mixture, tables, batch.astype(np.int32), np.array([2001]), False).doubtful_B
    assert doubts.tolist() == [False, True]
    found = filter_mixture(mixture, batch, positions=[2001], method="compiled")
    truth = np.log(0.5) + 2000 * np.log(1e-3) + np.log(0.1)
    np.testing.assert_allclose(found.log_evidence[1, 0, 0], truth, rtol=1e-12)
    np.testing.assert_allclose(found.predictive[1, 0], [1e-3, 0.899, 0.1], rtol=1e-9)


def test_evidence_alone_is_that_of_the_filter_and_no_law_is_made():
    """The same bits without next-token laws, in machine code and in NumPy; near underflow the document is redone."""
    mixture, batch = mixed_widths(zeros=0.7), documents(4, 3, 64)
    wanted, tokens = np.array([0, 5, 64]), batch.astype(np.int32)
    tables = bucket_tables(mixture)
    for with_laws, alone in (
        [compiled.trace(mixture, tables, tokens, wanted, False, laws=laws) for laws in (True, False)],
        [host.trace(mixture, tokens, wanted, False, laws) for laws in (True, False)],
    ):
        assert alone.predictive_BxPxKxV.shape == (*with_laws.predictive_BxPxKxV.shape[:3], 0)
        np.testing.assert_array_equal(alone.log_evidence_BxPxC, with_laws.log_evidence_BxPxC)
        np.testing.assert_array_equal(alone.doubtful_B, with_laws.doubtful_B)
    vanishing = MixtureOfHMMs([1.0], [[0.5, 0.5]], [np.eye(2)], [[0.9, 0.1, 0.0], [1e-3, 0.899, 0.1]], 0)
    truth = np.log(0.5) + 2000 * np.log(1e-3) + np.log(0.1)
    for method in ("compiled", "dense", "log", "auto"):
        found = log_evidence(vanishing, np.array([*[0] * 2000, 2]), method=method)
        np.testing.assert_allclose(found, [truth], rtol=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 64])
@pytest.mark.parametrize("method", ["auto", "dense"])
def test_streams_do_not_depend_on_the_chunk(method, chunk):
    """Chunk by chunk with a carry, impossible documents included."""
    mixture, batch = mixed_widths(zeros=0.7), documents(4, 3, 64)
    whole = filter_mixture(mixture, batch, method="log")
    parts = list(filter_stream(mixture, batch, chunk, method=method))
    for name in ("log_evidence", "log_posterior", "defined", "predictive"):
        joined = np.concatenate([np.asarray(getattr(part, name)) for part in parts], 1)
        np.testing.assert_allclose(joined, np.asarray(getattr(whole, name))[:, 1:], rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(sum(np.asarray(p.first_impossible) for p in parts), whole.first_impossible)


def test_streams_survive_underflow():
    mixture = MixtureOfHMMs([1.0], [[0.5, 0.5]], [np.eye(2)], [[0.9, 0.1, 0.0], [1e-3, 0.899, 0.1]], 0)
    document = np.array([[*[0] * 2000, 2]])
    *_, last = filter_stream(mixture, document, 100)
    truth = np.log(0.5) + 2000 * np.log(1e-3) + np.log(0.1)
    np.testing.assert_allclose(last.log_evidence[0, -1, 0], truth, rtol=1e-12)


def test_rules():
    mixture = mixed_widths()
    assert compiles(mixture, "auto") and compiles(mixture, "compiled") and not compiles(mixture, "sparse")
    built = bucket_tables(mixture)
    assert bucket_bytes(mixture) == sum(x.nbytes for x in built[3:-1])
    with pytest.raises(ModelError, match="concrete"):
        jax.jit(lambda m: filter_mixture(m, np.zeros(3, int), method="compiled"))(mixture)
    with pytest.raises(ModelError, match="concrete tokens"):
        jax.jit(lambda o: filter_mixture(mixture, o, method="compiled"))(np.zeros(3, int))
    assert filter_module.choose(mixture, "auto") == "dense"
