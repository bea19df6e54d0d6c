"""The NumPyro forms: a distribution over documents, and a program whose latents funsor enumerates."""

import itertools
import sys

import brute_force
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from hypothesis import given, settings
from numpyro.infer import Predictive
from numpyro.infer.util import log_density
from scipy.stats import chi2
from strategies import mixtures_with_documents

from implicit_bayes.theory import MixtureOfHMMs, ModelError, log_probability
from implicit_bayes.theory.programs.distribution import MixtureOfHMMsDistribution, as_distribution
from implicit_bayes.theory.programs.generative import enumerated_log_probability, generative_program

LENGTH = 3
SPARSE = MixtureOfHMMs(
    prior=[0.3, 0.0, 0.7],
    initial=[[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]],
    transition=[[[0.0, 1.0], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]], [[0.9, 0.1], [0.0, 1.0]]],
    emission=[[[0.5, 0.5, 0.0], [0.0, 0.2, 0.8]], [[1.0, 0.0, 0.0]] * 2, [[0.0, 0.4, 0.6], [0.1, 0.9, 0.0]]],
    delimiter=0,
)
"""Zeros in every array: a concept, start states, transitions and tokens that never happen."""


def rows(seed, *shape):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])


def every_document(tokens, length):
    return np.array(list(itertools.product(range(tokens), repeat=length)))


# -- sampling ---------------------------------------------------------------------------------------------------------

FALSE_ALARM = 1e-6
"""Probability that a correct sampler fails one chi-square test below (asymptotically; cells expect 10 or more)."""


def assert_sampled_from(mixture, documents):
    """Pearson's chi-square on the counts of whole documents; impossible documents must not occur at all."""
    vocabulary, length = mixture.n_tokens, documents.shape[-1]
    exact = np.array([float(brute_force.probability(mixture, d)) for d in every_document(vocabulary, length)])
    codes = documents.reshape(-1, length) @ vocabulary ** np.arange(length)[::-1]
    counts = np.bincount(codes, minlength=exact.size)
    assert (counts[exact == 0] == 0).all()
    expected = counts.sum() * exact
    large = expected >= 10
    small = (counts[~large].sum(), expected[~large].sum())
    counts, expected = counts[large], expected[large]
    if small[1] > 0:
        counts, expected = np.append(counts, small[0]), np.append(expected, small[1])
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < chi2.isf(FALSE_ALARM, len(expected) - 1)


def test_samples_follow_the_law_and_never_the_impossible():
    documents = np.asarray(as_distribution(SPARSE, LENGTH).sample(jax.random.key(7), (40, 500)))
    assert documents.shape == (40, 500, LENGTH)
    assert_sampled_from(SPARSE, documents)


def test_a_wrong_law_fails_the_chi_square_test():
    documents = np.asarray(as_distribution(SPARSE, LENGTH).sample(jax.random.key(7), (20_000,)))
    prior = np.array([0.33, 0.0, 0.67])
    moved = MixtureOfHMMs(prior, SPARSE.initial, SPARSE.transition, SPARSE.emission, 0)
    with pytest.raises(AssertionError):
        assert_sampled_from(moved, documents)


def test_the_program_samples_the_same_law():
    drawn = Predictive(generative_program, num_samples=20_000)(jax.random.key(11), SPARSE, LENGTH)
    assert_sampled_from(SPARSE, np.concatenate([drawn["first_token"][:, None], drawn["token"]], 1))
    assert not (drawn["concept"] == 1).any()


def test_keys_decide_and_documents_differ():
    law = as_distribution(SPARSE, 20)
    one, again, other = (np.asarray(law.sample(jax.random.key(seed), (8,))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert len(np.unique(one, axis=0)) > 4


# -- log_prob ---------------------------------------------------------------------------------------------------------


def test_probabilities_of_all_documents_sum_to_one_and_zeros_are_minus_infinity():
    everything = every_document(3, LENGTH)
    log_p = as_distribution(SPARSE, LENGTH).log_prob(everything)
    exact = [brute_force.log(brute_force.probability(SPARSE, document)) for document in everything]
    np.testing.assert_allclose(log_p, exact, rtol=1e-12)
    assert np.isneginf(log_p).any()
    np.testing.assert_allclose(np.exp(log_p).sum(), 1.0, rtol=1e-13)


def test_outside_the_vocabulary_is_impossible_and_validation_warns():
    documents = every_document(3, LENGTH)
    documents[:2] = [[0, 1, 3], [-1, 0, 0]]
    quiet, strict = (as_distribution(SPARSE, LENGTH, validate_args=flag) for flag in (False, True))
    for log_p in (quiet.log_prob(documents), jax.jit(quiet.log_prob)(documents)):
        assert np.isneginf(log_p[:2]).all()
        np.testing.assert_allclose(log_p[2:], log_probability(SPARSE, every_document(3, LENGTH))[2:], rtol=1e-5)
    with pytest.warns(UserWarning, match="Out-of-support"):
        strict.log_prob(documents)
    support = quiet.support
    assert support.event_dim == 1
    np.testing.assert_array_equal(support(documents), np.arange(27) >= 2)


def test_precision_is_double_for_concrete_arrays():
    law, documents = as_distribution(SPARSE, LENGTH, validate_args=True), every_document(3, LENGTH)
    found = law.log_prob(documents)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    with jax.enable_x64(True):
        assert as_distribution(SPARSE, LENGTH).log_prob(documents).dtype == jnp.float64
    assert jax.jit(law.log_prob)(documents).dtype == jnp.float32
    assert law.sample(jax.random.key(0)).dtype == jnp.int32


def test_the_empty_document_is_certain():
    law = as_distribution(SPARSE, 0)
    assert law.event_shape == (0,)
    assert law.sample(jax.random.key(0), (2,)).shape == (2, 0)
    np.testing.assert_allclose(law.log_prob(np.zeros((2, 0), int)), 0.0, atol=1e-15)


# -- shapes, batches, transformations ---------------------------------------------------------------------------------


def batched(emission_shape=(3, 2, 2, 4)):
    """Batch (2, 3) of mixtures with C = 2, H = 2, V = 4 from arrays of which none has all the batch axes."""
    return (rows(0, 3, 2), rows(1, 2, 1, 2, 2), rows(2, 2, 2, 2), rows(3, *emission_shape))


@pytest.mark.parametrize("emission_shape", [(2, 4), (3, 2, 2, 4), (2, 1, 1, 2, 4)])
def test_batched_mixtures_are_their_members(emission_shape):
    arrays = batched(emission_shape)
    law = MixtureOfHMMsDistribution(arrays, 5, validate_args=True)
    assert law.batch_shape == (2, 3)
    assert law.event_shape == (5,)
    documents = law.sample(jax.random.key(0), (4,))
    assert documents.shape == (4, 2, 3, 5)
    log_p, shared = law.log_prob(documents), law.log_prob(documents[0, 0, 0])
    assert log_p.shape == (4, 2, 3)
    assert shared.shape == (2, 3)
    prior, initial = np.broadcast_to(arrays[0], (2, 3, 2)), np.broadcast_to(arrays[1], (2, 3, 2, 2))
    core = emission_shape if len(emission_shape) == 2 else (2, *emission_shape[-2:])
    emission = np.broadcast_to(arrays[3], (2, 3, *core))
    for i, j in np.ndindex(2, 3):
        member = MixtureOfHMMs(prior[i, j], initial[i, j], arrays[2], emission[i, j], 0)
        np.testing.assert_allclose(log_p[:, i, j], log_probability(member, documents[:, i, j]), rtol=1e-12)
        np.testing.assert_allclose(shared[i, j], log_probability(member, documents[0, 0, 0]), rtol=1e-12)


def test_batch_members_are_sampled_from_their_own_law():
    """Member i can only say token i."""
    emission = np.eye(3)[:, None, None]
    law = MixtureOfHMMsDistribution((np.ones(1), np.ones((1, 1)), np.ones((1, 1, 1)), emission), 4)
    np.testing.assert_array_equal(
        law.sample(jax.random.key(0), (5,)), np.broadcast_to(np.arange(3)[:, None], (5, 3, 4))
    )


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((rows(0, 2), rows(0, 2, 2), rows(0, 2, 2, 2)), "3 arrays where prior, initial, transition, emission are 4"),
        ((rows(0, 3), rows(0, 2, 2), rows(0, 2, 2, 2), rows(0, 2, 4)), "prior"),
        ((rows(0, 2), rows(0, 2), rows(0, 2, 2, 2), rows(0, 2, 4)), "initial: 1 axes"),
        ((rows(0, 2), rows(0, 2, 2), rows(0, 2, 2, 3), rows(0, 2, 4)), "transition"),
        ((rows(0, 2), rows(0, 2, 2), rows(0, 2, 2, 2), rows(0, 3, 4)), "emission"),
        ((rows(0, 4, 2), rows(0, 3, 2, 2), rows(0, 2, 2, 2), rows(0, 2, 4)), "do not broadcast"),
    ],
)
def test_shapes_that_disagree_are_named(arrays, words):
    with pytest.raises(ModelError, match=words):
        MixtureOfHMMsDistribution(arrays, 5)


def test_bad_lengths_values_and_rows_are_refused():
    with pytest.raises(ModelError, match="length: -1 is negative"):
        as_distribution(SPARSE, -1)
    with pytest.raises(ModelError, match="value"):
        as_distribution(SPARSE, 3).log_prob(np.zeros((2, 4), int))
    halved = (SPARSE.prior / 2, SPARSE.initial, SPARSE.transition, SPARSE.emission)
    with pytest.raises(ValueError, match="invalid prior parameter"):
        MixtureOfHMMsDistribution(halved, 3, validate_args=True)


def test_a_pytree_through_jit_vmap_and_expand():
    law = MixtureOfHMMsDistribution(batched(), 5)
    documents = law.sample(jax.random.key(0))
    plain = law.log_prob(documents)
    np.testing.assert_allclose(jax.jit(lambda d, x: d.log_prob(x))(law, documents), plain, rtol=1e-5)

    def one(member, document):
        assert member.batch_shape == (3,)
        return member.log_prob(document)

    np.testing.assert_allclose(jax.vmap(one)(law, documents), plain, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(law.log_prob)(jnp.stack([documents] * 2)), [plain] * 2, rtol=1e-5)
    made = jax.vmap(lambda p: MixtureOfHMMsDistribution((p, *batched()[1:]), 5))(jnp.asarray(rows(0, 3, 2)))
    assert made.batch_shape == (3, 2, 3)
    wide = law.expand((4, 2, 3))
    assert wide.batch_shape == (4, 2, 3)
    assert wide.sample(jax.random.key(1), (2,)).shape == (2, 4, 2, 3, 5)
    np.testing.assert_allclose(wide.log_prob(documents), np.broadcast_to(plain, (4, 2, 3)), rtol=1e-5)
    copy = jax.tree.unflatten(*reversed(jax.tree.flatten(law)))
    assert (copy.batch_shape, copy.event_shape) == ((2, 3), (5,))


# -- as a site of a program -------------------------------------------------------------------------------------------


def program(documents):
    """An unknown prior over the two known concepts, seen through a plate of documents."""
    prior = numpyro.sample("prior", dist.Dirichlet(jnp.array([2.0, 3.0])))
    arrays = batched((2, 2, 4))
    with numpyro.plate("documents", len(documents)):
        numpyro.sample("tokens", MixtureOfHMMsDistribution((prior, arrays[1][0, 0], *arrays[2:]), 5), obs=documents)


def test_an_observed_site_in_a_plate_has_the_right_density_and_gradient():
    documents = np.random.default_rng(0).integers(0, 4, (6, 5))
    arrays = batched((2, 2, 4))
    with jax.enable_x64(True):

        def total(first):
            prior = jnp.array([first, 1 - first])
            return log_density(program, (documents,), {}, {"prior": prior})[0]

        value, slope = jax.jit(jax.value_and_grad(total))(0.3)
        mixture = MixtureOfHMMs([0.3, 0.7], arrays[1][0, 0], *arrays[2:], 0)
        likelihood = sum(brute_force.log(brute_force.probability(mixture, document)) for document in documents)
        truth = float(dist.Dirichlet(np.array([2.0, 3.0])).log_prob(np.array([0.3, 0.7]))) + likelihood
        np.testing.assert_allclose(value, truth, rtol=1e-12)
        np.testing.assert_allclose(slope, (total(0.3 + 1e-6) - total(0.3 - 1e-6)) / 2e-6, rtol=1e-7)


def test_an_unobserved_site_is_sampled_inside_a_traced_program():
    drawn = Predictive(lambda: numpyro.sample("o", as_distribution(SPARSE, LENGTH).expand((2,))), num_samples=5)(
        jax.random.key(0)
    )
    assert drawn["o"].shape == (5, 2, LENGTH)
    assert (log_probability(SPARSE, drawn["o"]) > -np.inf).all()


# -- enumeration ------------------------------------------------------------------------------------------------------


@given(case=mixtures_with_documents(shapes=((2, 2, 2),), lengths=(3, 0), count=2))
@settings(max_examples=6)
def test_funsor_enumerates_to_the_same_evidence_zeros_included(case):
    mixture, documents = case
    for document in documents:
        found = enumerated_log_probability(mixture, document)
        assert np.asarray(found).dtype == np.float64
        exact = brute_force.log(brute_force.probability(mixture, document))
        np.testing.assert_allclose(found, exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("x64", [False, True])
def test_funsor_agrees_with_the_filter(x64):
    mixture = MixtureOfHMMs(rows(0, 2), rows(1, 2, 3), rows(2, 2, 3, 3), rows(3, 2, 3, 4), 0)
    tokens = np.array([0, 3, 1, 1, 2])
    with jax.enable_x64(x64):
        found, ours = enumerated_log_probability(mixture, tokens), log_probability(mixture, tokens)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, ours, rtol=1e-10)


def test_without_funsor_the_program_runs_and_the_enumeration_names_the_extra(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "funsor" or "contrib.funsor" in name]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "numpyro.contrib.funsor", None)
    with pytest.raises(ImportError, match=r"needs funsor: pip install 'implicit-bayes\[enumeration\]'"):
        enumerated_log_probability(SPARSE, [0])
    drawn = numpyro.handlers.trace(numpyro.handlers.seed(generative_program, 0)).get_trace(SPARSE, 1)
    assert {"concept", "first_state", "first_token"} <= set(drawn)


def test_enumeration_takes_one_document_of_the_vocabulary():
    with pytest.raises(ModelError, match="one document"):
        enumerated_log_probability(SPARSE, [[0, 1]])
    with pytest.raises(ModelError, match="outside the vocabulary"):
        enumerated_log_probability(SPARSE, [0, 3])
