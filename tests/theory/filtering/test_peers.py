"""Second opinions: pomegranate, hmmlearn and dynamax, each with the trap it is known for."""

from contextlib import contextmanager

import jax
import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, log_evidence
from implicit_bayes.theory.objects.models import HMM


def one_concept(hmm: HMM) -> MixtureOfHMMs:
    return MixtureOfHMMs([1.0], hmm.initial[None], hmm.transition[None], hmm.emission, 0)


def random_hmm(seed, states, tokens) -> HMM:
    rng = np.random.default_rng(seed)
    shapes = ((states,), (states, states), (states, tokens))
    return HMM(*(rng.dirichlet(np.full(shape[-1], 0.3), shape[:-1]) for shape in shapes))


SIZES = [(20, 10, 200), (100, 30, 50)]
"""(states, tokens, length)."""

CASES = [(random_hmm(i, h, v), np.random.default_rng(i).integers(0, v, (3, t))) for i, (h, v, t) in enumerate(SIZES)]

SILENT = (HMM([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5, 0.0], [0.3, 0.7, 0.0]]), np.array([[0, 1, 2, 0, 1]]))
"""Token 2 comes from nobody."""

FORBIDDEN = (HMM([1.0, 0.0], np.eye(2), [[1.0, 0.0], [0.0, 1.0]]), np.array([[0, 0, 1, 1, 1]]))
"""Every token has its state, but no path goes from one to the other."""


def ours(hmm: HMM, documents: np.ndarray) -> np.ndarray:
    return log_evidence(one_concept(hmm), documents)[:, 0]


def hmmlearn_scores(implementation: str, hmm: HMM, documents: np.ndarray) -> np.ndarray:
    learn = pytest.importorskip("hmmlearn.hmm")
    model = learn.CategoricalHMM(n_components=hmm.n_states, n_features=hmm.n_tokens, implementation=implementation)
    model.startprob_, model.transmat_, model.emissionprob_ = hmm.initial, hmm.transition, hmm.emission
    return np.array([model.score(document[:, None]) for document in documents])


@pytest.mark.parametrize("implementation", ["log", "scaling"])
@pytest.mark.parametrize("case", CASES)
def test_hmmlearn_agrees(case, implementation):
    np.testing.assert_allclose(hmmlearn_scores(implementation, *case), ours(*case), rtol=1e-10)


@pytest.mark.parametrize("case", [SILENT, FORBIDDEN])
@pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning")
def test_hmmlearn_in_logarithms_knows_the_impossible(case):
    assert np.isneginf(hmmlearn_scores("log", *case)).all()
    assert np.isneginf(ours(*case)).all()


def test_hmmlearn_scaled_gives_up_on_the_impossible():
    with pytest.raises(ValueError, match="underflow; consider using implementation='log'"):
        hmmlearn_scores("scaling", *FORBIDDEN)


@contextmanager
def torch_in_float64():
    """pomegranate computes in torch's default precision; put it back afterwards."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield torch
    finally:
        torch.set_default_dtype(before)


def pomegranate_scores(hmm: HMM, documents: np.ndarray, **ends) -> np.ndarray:
    module = pytest.importorskip("pomegranate.hmm")
    categorical = pytest.importorskip("pomegranate.distributions").Categorical
    with torch_in_float64() as torch:
        states = [categorical(torch.tensor(row[None])) for row in hmm.emission]
        model = module.DenseHMM(states, edges=hmm.transition, starts=hmm.initial, **ends)
        return model.log_probability(torch.tensor(documents[..., None])).numpy()


@pytest.mark.parametrize("case", CASES)
def test_pomegranate_agrees_once_its_end_probabilities_are_one(case):
    hmm, documents = case
    scores = pomegranate_scores(hmm, documents, ends=np.ones(hmm.n_states))
    np.testing.assert_allclose(scores, ours(hmm, documents), rtol=1e-10)


def test_pomegranate_shifts_every_likelihood_by_default():
    """Its default ends are uniform, so that each document pays log H: not a likelihood of the same model."""
    hmm, documents = CASES[0]
    np.testing.assert_allclose(pomegranate_scores(hmm, documents), ours(hmm, documents) - np.log(20), rtol=1e-10)


def dynamax_scores(hmm: HMM, documents: np.ndarray) -> np.ndarray:
    precision = jax.config.jax_default_matmul_precision
    inference = pytest.importorskip("dynamax.hidden_markov_model.inference")
    jax.config.update("jax_default_matmul_precision", precision)  # importing dynamax sets it for everybody
    with jax.enable_x64(True), np.errstate(divide="ignore"):
        log_emission = np.log(hmm.emission)
        filtered = [
            inference.hmm_filter(hmm.initial, hmm.transition, log_emission[:, document].T) for document in documents
        ]
        return np.array([one.marginal_loglik for one in filtered])


@pytest.mark.parametrize("case", CASES)
def test_dynamax_agrees_where_everything_is_possible(case):
    np.testing.assert_allclose(dynamax_scores(*case), ours(*case), rtol=1e-10)


def test_dynamax_calls_the_impossible_possible():
    """It takes a normaliser of 0 for 1. If this fails, dynamax has changed: say so in the documentation."""
    assert np.isfinite(dynamax_scores(*FORBIDDEN)).all()
    assert np.isneginf(ours(*FORBIDDEN)).all()
