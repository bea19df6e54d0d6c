"""Bayesian inference of an unknown concept in a continuous family: NUTS, and simulation-based calibration.

    p(theta | tokens) proportional to Normal(theta; mean, scale^2) prod_b p(o_b1..o_bT | theta)

with the likelihood from ``theory.filtering.filter``, whose derivatives NUTS uses. A prompt is one document with
delimiters in it: that it was not drawn from the family's law is what in-context learning is about. In few dimensions
``theory.programs.grid_posterior`` finds the same posterior by quadrature.

Source: Xie et al. 2022, section 2 (the posterior over concepts given a prompt); Talts et al. 2018, arXiv 1804.06788
(simulation-based calibration).
"""

import functools
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import distributions as dist
from numpyro.infer import MCMC, NUTS
from scipy.stats import chisquare

from implicit_bayes.theory.filtering.filter import log_probability
from implicit_bayes.theory.filtering.requests import check_tokens
from implicit_bayes.theory.filtering.scales import safe_log
from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape
from implicit_bayes.theory.objects.families import ConceptFamily
from implicit_bayes.theory.objects.precision import in_float64
from implicit_bayes.theory.objects.types import Array, Bool, Float, Int, Numbers


class DivergenceWarning(UserWarning):
    """Trajectories of NUTS diverged: what is said of the posterior may be wrong."""


class PosteriorDraws(NamedTuple):
    """Draws of NUTS. Axes: chains N, draws S, parameters m.

    Attributes:
        theta: (N, S, m).
        log_density: (N, S) log prior + log likelihood, nats.
        acceptance: (N, S) mean acceptance probability of each trajectory.
        diverging: (N, S) trajectories that left the level set; any at all is a warning (``DivergenceWarning``).
    """

    theta: Float[np.ndarray, "N S m"]
    log_density: Float[np.ndarray, "N S"]
    acceptance: Float[np.ndarray, "N S"]
    diverging: Bool[np.ndarray, "N S"]


class Calibration(NamedTuple):
    """Ranks of true parameters among posterior draws, over replications R.

    Attributes:
        ranks: (R, m) number of the draws below theta_i; uniform on 0..draws if the sampler is right.
        draws: L, draws each rank is among.
        diverging: share of divergent trajectories.
    """

    ranks: Int[np.ndarray, "R m"]
    draws: int
    diverging: float


def program(family: ConceptFamily, tokens: Numbers) -> None:
    """A NumPyro program: theta ~ Normal(mean, scale), and the exact evidence of each document as a factor.

    Sites: ``theta`` (m,), ``documents`` (the sum of log p(document | theta)).

    Args:
        family: the continuous family.
        tokens: (..., T) documents.
    """
    theta = numpyro.sample("theta", dist.Normal(family.mean, family.scale).to_event(1))
    numpyro.factor("documents", log_probability(family.mixture(theta), tokens, method="dense").sum())


def sample_posterior(
    family: ConceptFamily, tokens: Numbers, *, seed: int = 0, draws: int = 500, warmup: int = 500, chains: int = 1
) -> PosteriorDraws:
    """NUTS over theta given documents or one prompt, in float64, without touching JAX's global settings.

    Args:
        family: kernels and prior.
        tokens: (T,) a prompt, or (B, T) independent documents.
        seed: of the sampler.
        draws, warmup: per chain.
        chains: run one after the other.

    Returns:
        PosteriorDraws; (chains, draws, m) values of theta.

    Raises:
        ModelError: bad tokens, or tokens that have probability zero (under every theta, since zeros do not move).
    """
    tokens = check_tokens(tokens, family.n_tokens)
    if not np.isfinite(np.asarray(log_probability(family.mixture(np.asarray(family.mean)), tokens))).all():
        raise ModelError("tokens: a document has probability zero under every theta, so there is no posterior")
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), chains)
        run = jax.jit(
            lambda keys: jax.lax.map(lambda key: _nuts(key, family, jnp.asarray(tokens), warmup, draws), keys)
        )
        found = PosteriorDraws(*(np.asarray(x) for x in run(keys)))
    _warn_of_divergences(float(found.diverging.mean()))
    return found


def _warn_of_divergences(share: float) -> None:
    if share > 0:
        warnings.warn(
            f"NUTS: {share:.1%} of the trajectories after warm-up diverged, so the draws may miss part of the "
            "posterior; raise warmup, or rescale theta",
            DivergenceWarning,
            stacklevel=3,
        )


def _nuts(
    key: jax.Array, family: ConceptFamily, tokens: Numbers, warmup: int, draws: int, thin: int = 1
) -> PosteriorDraws:
    """One chain; traceable, so that one compilation holds its start, its adaptation and its draws."""
    mcmc = MCMC(NUTS(program), num_warmup=warmup, num_samples=draws * thin, thinning=thin, progress_bar=False)
    mcmc.run(key, family, tokens, extra_fields=("potential_energy", "accept_prob", "diverging"))
    fields = mcmc.get_extra_fields()
    return PosteriorDraws(
        mcmc.get_samples()["theta"], -fields["potential_energy"], fields["accept_prob"], fields["diverging"]
    )


def to_inference_data(draws: PosteriorDraws, tokens: Numbers | None = None) -> Any:  # of an optional library
    """The draws as ArviZ reads them: an ``xarray.DataTree`` of dimensions chain, draw, parameter, document, position.

    Args:
        draws: of ``sample_posterior``.
        tokens: the documents, to be kept beside them.

    Returns:
        The tree, with groups ``posterior``, ``sample_stats`` and, if tokens are given, ``observed_data``.

    Raises:
        ModelError: arviz-base is not installed (it is in the extra ``test``).
    """
    try:
        from arviz_base import from_dict
    except ImportError as error:
        raise ModelError("arviz-base: not installed; pip install 'implicit-bayes[test]'") from error
    groups = {
        "posterior": {"theta": draws.theta},
        "sample_stats": {"lp": draws.log_density, "acceptance_rate": draws.acceptance, "diverging": draws.diverging},
    }
    if tokens is not None:
        groups["observed_data"] = {"tokens": np.atleast_2d(np.asarray(tokens))}
    return from_dict(
        groups,
        coords={"parameter": np.arange(draws.theta.shape[-1])},
        dims={"theta": ["parameter"], "tokens": ["document", "position"]},
    )


def calibrate(
    family: ConceptFamily,
    *,
    documents: int,
    length: int,
    replications: int = 96,
    draws: int = 31,
    thin: int = 4,
    warmup: int = 150,
    seed: int = 0,
) -> Calibration:
    """Simulation-based calibration: theta from the prior, documents from theta, then the rank of theta among draws.

    Claim: if the sampler draws from p(theta | documents), each rank is uniform on 0..draws, since theta and the draws
    are then exchangeable. Replications run one after the other inside one compiled loop.

    Args:
        family: kernels and prior.
        documents, length: what is simulated each time.
        replications: R.
        draws: L kept draws, every ``thin``-th, so that their autocorrelation is small.
        thin, warmup: of NUTS.
        seed: of everything.

    Returns:
        Calibration: (R, m) ranks in 0..draws, and the share of divergent trajectories.
    """

    def replicate(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        of_theta, of_documents, of_nuts = jax.random.split(key, 3)
        theta = family.mean + family.scale * jax.random.normal(of_theta, family.mean.shape)
        tokens = simulate_documents(family, theta, of_documents, documents, length)
        posterior = _nuts(of_nuts, family, tokens, warmup, draws, thin)
        return (posterior.theta < theta).sum(0), posterior.diverging.mean()

    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), replications)
        ranks, diverging = jax.jit(lambda k: jax.lax.map(replicate, k))(keys)
        share = float(diverging.mean())
    _warn_of_divergences(share)
    return Calibration(np.asarray(ranks), draws, share)


def simulate_documents(family: ConceptFamily, theta: Numbers, key: jax.Array, documents: int, length: int) -> Array:
    """(documents, length) tokens drawn from theta; traceable. A state or token of probability zero is never drawn.

    Args:
        family: the continuous family.
        theta: (m,) the concept; may be traced.
        key: a JAX key.
        documents: how many.
        length: T.

    Returns:
        Integer tokens.

    Raises:
        ModelError: a theta that is no array of m numbers.
    """
    at: Array = as_float64("theta", theta)
    check_shape("theta", at, (family.n_parameters,), f"{family.n_parameters} parameters")
    documents_found: Array = in_float64(_simulate)(family, at, key, documents=documents, length=length)
    return documents_found


@functools.partial(jax.jit, static_argnames=("documents", "length"))
def _simulate(family: ConceptFamily, theta: jax.Array, key: jax.Array, documents: int, length: int) -> jax.Array:
    initial, transition = (safe_log(law) for law in family.laws(theta))
    emission = safe_log(family.emission)

    def step(logits: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        of_state, of_token = jax.random.split(key)
        state = jax.random.categorical(of_state, logits)
        return transition[state], jax.random.categorical(of_token, emission[state])

    first = jnp.broadcast_to(initial, (documents, *initial.shape))
    return jax.lax.scan(step, first, jax.random.split(key, length))[1].T


def rank_p_values(calibration: Calibration, bins: int = 8) -> np.ndarray:
    """(m,) p-values of the chi-square test that the ranks are uniform, L + 1 ranks in equal bins.

    Args:
        calibration: of ``calibrate``.
        bins: equal ones.

    Returns:
        (m,) probabilities; uniform if the sampler is right, as far as chi-square's approximation goes.

    Raises:
        ModelError: the bins do not divide L + 1.
    """
    if (calibration.draws + 1) % bins:
        raise ModelError(f"bins: {bins} do not divide the {calibration.draws + 1} possible ranks")
    width = (calibration.draws + 1) // bins
    counts = np.stack([np.bincount(column // width, minlength=bins) for column in calibration.ranks.T])
    return np.asarray(chisquare(counts, axis=-1).pvalue)
