"""Posteriors in the continuous family: NUTS against quadrature, calibration by simulation, contraction with n."""

import functools

import jax
import numpy as np
import pytest

from implicit_bayes.theory.filtering.filter import log_evidence
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.families import ConceptFamily
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.programs import inference
from implicit_bayes.theory.programs.grid_posterior import document_posterior, prompt_posterior
from implicit_bayes.theory.programs.inference import (
    Calibration,
    calibrate,
    rank_p_values,
    sample_posterior,
    simulate_documents,
    to_inference_data,
)
from implicit_bayes.theory.statements.fisher import rate_peak, second_order
from implicit_bayes.theory.statements.risk import prompt_tokens

EMISSION = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 1.0]])
DIRECTIONS = np.array([[[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.5, -0.5, 0.0]]])
THETA = np.array([0.4])
GRID = np.linspace(-4.0, 4.0, 401)[:, None]
NEAR = np.linspace(0.0, 0.8, 101)[:, None]


@functools.cache
def family():
    return ConceptFamily(
        np.log([0.45, 0.35, 0.2]), np.zeros((3, 3)), DIRECTIONS, EMISSION, 2, mean=[0.3], delimiter_share=0.2
    )


@functools.cache
def short_documents():
    return np.asarray(simulate_documents(family(), THETA, jax.random.key(3), 6, 6))


@functools.cache
def nuts():
    return sample_posterior(family(), short_documents(), draws=2000, warmup=300)


def test_quadrature_is_bayes_rule_written_out():
    points = np.array([[-1.0], [0.0], [0.5]])
    likelihood = np.exp([sum(log_evidence(family().mixture(p), short_documents())[:, 0]) for p in points])
    weight = likelihood * np.exp(-0.5 * (points[:, 0] - 0.3) ** 2)
    weight /= weight.sum()
    found = document_posterior(family(), short_documents(), points)
    np.testing.assert_allclose(np.exp(found.log_weight), weight, rtol=1e-12)
    np.testing.assert_allclose(found.mean, weight @ points, rtol=1e-12)
    np.testing.assert_allclose(found.covariance[0, 0], weight @ (points[:, 0] - found.mean) ** 2, rtol=1e-12)


def test_nuts_agrees_with_quadrature():
    """2000 draws with an effective size of at least 300 (by batch means): the mean within 4.5 standard errors, false
    alarm below 1e-5; the variance within a factor 1 -+ 4.5 sqrt(2 / 300) = 0.37."""
    exact, draws = document_posterior(family(), short_documents(), GRID), nuts()
    sample = draws.theta[0, :, 0]
    batches = sample.reshape(40, 50).mean(1)
    effective = min(2000.0, 2000 * sample.var() / (50 * batches.var(ddof=1)))
    assert effective > 300
    sd = float(np.sqrt(exact.covariance[0, 0]))
    assert abs(sample.mean() - exact.mean[0]) < 4.5 * sd / np.sqrt(effective)
    assert abs(sample.var() / sd**2 - 1) < 0.37
    assert not draws.diverging.any()


def test_log_density_is_prior_plus_likelihood():
    draws = nuts()
    at = draws.theta[0, 7]
    prior = -0.5 * (at[0] - 0.3) ** 2 - 0.5 * np.log(2 * np.pi)
    likelihood = float(np.sum(log_evidence(family().mixture(at), short_documents())))
    assert draws.log_density[0, 7] == pytest.approx(prior + likelihood, rel=1e-10)


def test_draws_are_readable_by_arviz():
    import arviz_stats

    data = to_inference_data(nuts(), short_documents())
    assert float(arviz_stats.ess(data)["theta"].min()) > 300
    assert data.posterior.theta.dims == ("chain", "draw", "parameter")
    assert data.sample_stats.diverging.shape == (1, 2000)
    assert data.observed_data.tokens.dims == ("document", "position")


@pytest.mark.parametrize(("documents", "length"), [(1, 4), (12, 6)])
def test_simulation_based_calibration(documents, length):
    """Ranks of 256 replications in 8 bins; the chi-square test on 7 degrees of freedom fails below p = 1e-4, its
    false-alarm rate. Power, measured: with little data a prior three times too wide gives p = 5e-7 (and is invisible
    with much data), with much data a likelihood counted twice gives p = 6e-6: hence two designs."""
    found = calibrate(family(), documents=documents, length=length, replications=256, thin=3)
    assert found.ranks.shape == (256, 1)
    assert found.ranks.min() >= 0
    assert found.ranks.max() <= found.draws
    assert rank_p_values(found)[0] > 1e-4
    assert found.diverging < 0.01


def test_rank_test_has_power_and_size():
    rng = np.random.default_rng(0)
    flat = np.array([rank_p_values(Calibration(rng.integers(0, 32, (96, 1)), 31, 0.0))[0] for _ in range(400)])
    assert (flat < 0.1).mean() < 0.2  # Binomial(400, 0.1) exceeds 80 with probability below 1e-8
    narrow = np.clip(np.rint(rng.normal(15.5, 4, (96, 1))), 0, 31).astype(int)
    assert rank_p_values(Calibration(narrow, 31, 0.0))[0] < 1e-4
    with pytest.raises(ModelError, match="bins"):
        rank_p_values(Calibration(narrow, 30, 0.0))


def test_documents_contract_at_the_fisher_information():
    """Posterior variance * n * sum_j I_j -> 1. Observed information at n = 2000 varies by a few per cent; the mean over
    8 replications is held to 8%, about 4 of its standard deviations, and the prior's share is 1/(n I) < 0.1%."""
    hmm, n, k = family().hmm(THETA), 2000, 4
    information = second_order(family(), PromptLaw(hmm, hmm.initial, k, 2), THETA).fisher.sum(0)[0, 0]
    scaled = []
    for seed in range(8):
        documents = simulate_documents(family(), THETA, jax.random.key(seed), n, k)
        scaled.append(document_posterior(family(), documents, NEAR).covariance[0, 0] * n * information)
    assert abs(np.mean(scaled) - 1) < 0.08


@pytest.mark.parametrize("start", [[0.05, 0.95, 0.0], None])
def test_prompts_contract_at_the_curvature_of_the_rate_around_its_peak(start):
    """Given prompts the posterior tends to theta_o, not theta*, with variance 1/(n J). At n = 1024, over 24 prompts:
    variance * n * J within 12% (about 4 standard deviations of the mean), the mean within 4.5 standard errors of
    theta_o, plus 1/n for bias. With p_prompt(h) = p(h|d,theta*) theta_o is theta*; otherwise it is 0.5 away, and
    theta* in its place would fail by more than 20 standard errors."""
    hmm, shots = family().hmm(THETA), (64, 1024)
    law = PromptLaw(hmm, hmm.transition[2] if start is None else start, 3, 2)
    peak = rate_peak(family(), law, THETA)
    tokens = prompt_tokens(law, 24, shots[-1], np.random.default_rng(5))
    found = prompt_posterior(family(), tokens, np.linspace(-1.2, 1.6, 141)[:, None], [4 * n for n in shots])
    scaled = found.covariance[..., 0, 0] * np.array(shots) * peak.information[0, 0]
    assert abs(scaled[:, 1].mean() - 1) < 0.12
    means = found.mean[:, 1, 0]
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - peak.theta[0]) < 4.5 * error + 1 / shots[-1]
    assert (abs(peak.theta[0] - THETA[0]) > 0.4) == (start is not None)


def test_a_run_that_diverges_says_so(monkeypatch):
    """Half of the trajectories marked as divergent, in draws and in calibration; none marked, nothing said."""

    def marked(key, family, tokens, warmup, draws, thin=1):
        found = nuts(key, family, tokens, warmup, draws, thin)
        return found._replace(diverging=found.diverging.at[: draws // 2].set(True))

    nuts = inference._nuts
    sample_posterior(family(), short_documents(), draws=4, warmup=4)
    monkeypatch.setattr(inference, "_nuts", marked)
    with pytest.warns(inference.DivergenceWarning, match=r"50\.0% of the trajectories"):
        assert sample_posterior(family(), short_documents(), draws=4, warmup=4).diverging.mean() == 0.5
    with pytest.warns(inference.DivergenceWarning, match=r"50\.0%"):
        assert calibrate(family(), documents=2, length=3, replications=2, draws=4, warmup=4).diverging == 0.5


@pytest.mark.slow
def test_long_documents_of_a_family_with_two_blocks_do_not_diverge():
    """T = 1000, the second block without start mass: every gradient was nan, and every trajectory divergent."""
    no, words = -np.inf, np.random.default_rng(0).choice(3, 1000, p=[0.1, 0.75, 0.15])
    base = [[0.0, 0.3, no, no], [0.2, 0.0, no, no], [no, no, 0.0, 0.4], [no, no, 0.1, 0.0]]
    emission = [[0.8, 0.2, 0.0], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]
    blocks = ConceptFamily([0.0, 0.0, no, no], base, [[[1.0, -1.0, 0.0, 0.0]] + [[0.0] * 4] * 3], emission, 2)
    assert not sample_posterior(blocks, words, draws=50, warmup=50).diverging.any()


def test_impossible_tokens_have_no_posterior():
    impossible = ConceptFamily(np.array([0.0, 0.0, -np.inf]), np.zeros((3, 3)), DIRECTIONS, EMISSION, 2)
    with pytest.raises(ModelError, match="probability zero"):
        sample_posterior(impossible, np.array([2, 0]))
    with pytest.raises(ModelError, match="probability zero"):
        document_posterior(impossible, np.array([[2, 0]]), GRID[:3])


def test_simulated_documents_follow_the_law():
    """First two tokens of 4000 documents: chi-square over the 9 pairs against enumeration, p > 1e-4."""
    tokens = np.asarray(simulate_documents(family(), THETA, jax.random.key(9), 4000, 2))
    pairs = np.indices((3, 3)).reshape(2, -1).T
    law = np.exp(np.asarray(log_evidence(family().mixture(THETA), pairs))[:, 0])
    counts = np.bincount(tokens[:, 0] * 3 + tokens[:, 1], minlength=9)
    statistic = ((counts - 4000 * law) ** 2 / (4000 * law)).sum()
    assert statistic < 31.8  # chi-square with 8 degrees of freedom at 1 - 1e-4
