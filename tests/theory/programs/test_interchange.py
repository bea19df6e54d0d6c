"""A fitted HMM becomes a concept and a concept becomes theirs: evidence is equal on both sides, and so are the laws."""

import jax
import numpy as np
import pytest

from implicit_bayes.theory.filtering.filter import log_evidence
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.programs import interchange

pytest.importorskip("hmmlearn")
pytest.importorskip("dynamax")
torch = pytest.importorskip("torch")
pytest.importorskip("pomegranate")


def random_hmm(seed: int) -> HMM:
    rng = np.random.default_rng(seed)
    return HMM(rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4), 4), rng.dirichlet(np.ones(3), 4))


WITH_ZEROS = HMM([1.0, 0.0], [[0.0, 1.0], [0.5, 0.5]], [[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]])
CONCEPTS = [random_hmm(0), random_hmm(1), WITH_ZEROS]
TOKENS = np.array([0, 1, 2, 1, 0, 2])


def ours(hmm: HMM, tokens: np.ndarray) -> float:
    mixture = MixtureOfHMMs([1.0], hmm.initial[None], hmm.transition[None], hmm.emission, 0)
    return float(log_evidence(mixture, tokens[None])[0, 0])


def same(left: HMM, right: HMM, tolerance: float) -> None:
    for name in ("initial", "transition", "emission"):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=0, atol=tolerance)


@pytest.mark.parametrize("hmm", CONCEPTS)
@pytest.mark.parametrize("tokens", [TOKENS[:1], TOKENS[:2], TOKENS])
@pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning")
def test_hmmlearn_evidence_is_ours_both_ways(hmm, tokens):
    model = interchange.to_hmmlearn(hmm)
    np.testing.assert_allclose(model.score(tokens[:, None]), ours(hmm, tokens), rtol=1e-12)
    same(interchange.from_hmmlearn(model), hmm, 0.0)


@pytest.mark.parametrize("hmm", CONCEPTS[:2])
def test_dynamax_evidence_is_ours_both_ways(hmm):
    before = jax.config.jax_default_matmul_precision
    model, parameters = interchange.to_dynamax(hmm)
    assert jax.config.jax_default_matmul_precision == before
    np.testing.assert_allclose(model.marginal_log_prob(parameters, TOKENS[:, None]), ours(hmm, TOKENS), rtol=1e-5)
    same(interchange.from_dynamax(parameters), hmm, 1e-6)


@pytest.mark.parametrize("hmm", CONCEPTS)
def test_pomegranate_evidence_is_ours_both_ways(hmm):
    model = interchange.to_pomegranate(hmm)
    assert torch.get_default_dtype() == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        theirs = model.log_probability(torch.tensor(TOKENS[:3][None, :, None])).item()
    finally:
        torch.set_default_dtype(torch.float32)
    expected = ours(hmm, TOKENS[:3])
    np.testing.assert_allclose(theirs, expected, rtol=1e-12)
    same(interchange.from_pomegranate(model), hmm, 1e-15)


def test_a_model_fitted_by_hmmlearn_becomes_a_concept():
    """Baum-Welch on documents of a known concept: its score on new tokens is our evidence of the concept read off."""
    from hmmlearn.hmm import CategoricalHMM

    documents = np.random.default_rng(5).integers(0, 3, (200, 1))
    model = CategoricalHMM(n_components=2, n_features=3, n_iter=5, random_state=0).fit(documents)
    np.testing.assert_allclose(model.score(TOKENS[:, None]), ours(interchange.from_hmmlearn(model), TOKENS), rtol=1e-10)


def test_rows_of_single_precision_are_laws_and_other_sums_are_refused():
    from hmmlearn.hmm import CategoricalHMM

    model, exact = CategoricalHMM(n_components=2), np.array([1 / 3, 2 / 3])
    model.startprob_, model.transmat_ = exact.astype(np.float32), np.array([exact, exact], np.float32)
    model.emissionprob_ = np.array([exact, exact], np.float32)
    same(interchange.from_hmmlearn(model), HMM(exact, [exact, exact], [exact, exact]), 1e-7)
    model.emissionprob_ = np.array([[0.5, 0.4], [0.5, 0.5]])
    with pytest.raises(ModelError, match="emission"):
        interchange.from_hmmlearn(model)


def test_what_is_not_a_categorical_hmm_is_refused_by_name():
    from hmmlearn.hmm import CategoricalHMM

    with pytest.raises(ModelError, match="startprob_"):
        interchange.from_hmmlearn(CategoricalHMM(n_components=2))
    with pytest.raises(ModelError, match=r"emissions\.probs"):
        interchange.from_dynamax(object())
    with pytest.raises(ModelError, match="distributions"):
        interchange.from_pomegranate(object())
