"""The concept posterior that a model's predictions imply, against the exact one.

The theory says that a model predicts as sum_c w_c p( . | prefix, c) with w the concept posterior. So we ask which w on
the simplex explains the model's predictive q best,

    w* = argmin_w KL( q || sum_c w_c p_c ),    p_c = p( . | prefix, c),

a convex problem, solved for all prefixes at once by an interior-point method. Where the concepts' laws are affinely
dependent (fewer tokens than concepts, say) many w explain q alike: such prefixes are marked as not identified.
What q gives to tokens that no concept allows cannot be explained by any w: it is left out of the KL and reported.

Source: Xie et al. 2022, section 2 (prediction as a mixture over concepts); Boyd & Vandenberghe 2004, section 11.7.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import rel_entr

from implicit_bayes.theory import ConceptFilter, MixtureOfHMMs
from implicit_bayes.theory.filtering.posterior import weigh

STEPS = 40
"""Newton steps of the interior-point method; the barrier shrinks tenfold at each."""
TELLING = 0.01
"""Weights are identified where a unit of difference between them, in whatever direction, moves the predictive by this
much (Euclidean norms). Below it an error of 0.001 in the model's law could mean a tenth of posterior mass: so it is at
the empty prefix of GINC, where the concepts differ by their start laws only (0.002)."""

LEAST = 1e-300
"""A probability at or below this is 0 here: products with it leave the range of float64."""


class Implied(NamedTuple):
    """Implied and exact posteriors after each of N prefixes, C concepts.

    Attributes:
        weight_NxC: w*; nan-free, 0 for concepts that forbid the prefix; 0 throughout where ``defined_N`` is False.
        residual_N: KL( q || sum_c w*_c p_c ) on the tokens that some concept allows, q renormalised there; nats.
        forbidden_N: mass of q on tokens that no concept allows.
        exact_NxC: the exact concept posterior.
        total_variation_N: between the two, 0 to 1.
        defined_N: whether an exact posterior exists.
        identified_N: whether only one w explains q best; False where q allows nothing that a concept allows.
        open_N: whether two concepts or more are possible, so that w is not settled by the zeros alone.
    """

    weight_NxC: np.ndarray
    residual_N: np.ndarray
    forbidden_N: np.ndarray
    exact_NxC: np.ndarray
    total_variation_N: np.ndarray
    defined_N: np.ndarray
    identified_N: np.ndarray
    open_N: np.ndarray


def implied_posterior(
    mixture: MixtureOfHMMs, log_evidence_NxC: np.ndarray, concept_NxCxV: np.ndarray, q_NxV: np.ndarray
) -> Implied:
    """Implied and exact concept posteriors after N prefixes.

    Args:
        mixture: for its prior.
        log_evidence_NxC: log p(prefix | c), nats, -inf where impossible (``ConceptFilter.log_evidence``).
        concept_NxCxV: p( . | prefix, c), 0 throughout where impossible (``ConceptFilter.predictive``).
        q_NxV: the model's predictive; rows sum to one.

    Returns:
        Implied: (N, C) weights w*, what they leave unexplained (nats), and the exact posterior beside them.
    """
    weighed = weigh(mixture.prior, log_evidence_NxC)
    exact, defined = np.exp(np.asarray(weighed.log_posterior)), np.asarray(weighed.defined)
    possible = np.isfinite(log_evidence_NxC) & (np.asarray(mixture.prior) > 0)
    with jax.enable_x64(True):
        found = _fit(jnp.asarray(q_NxV, jnp.float64), jnp.asarray(concept_NxCxV, jnp.float64), jnp.asarray(possible))
    weight, residual, forbidden, identified = (np.asarray(x) for x in found)
    distance = 0.5 * np.abs(weight - exact).sum(1)
    return Implied(
        weight_NxC=weight,
        residual_N=residual,
        forbidden_N=forbidden,
        exact_NxC=exact,
        total_variation_N=distance,
        defined_N=defined,
        identified_N=identified,
        open_N=possible.sum(1) > 1,
    )


def after_prefixes(mixture: MixtureOfHMMs, found: ConceptFilter, q_BxPxV: np.ndarray) -> Implied:
    """``implied_posterior`` after every prefix of a filter's batch, flattened to N = B P rows.

    Args:
        mixture: the pretraining law.
        found: its filter on B sequences at P positions.
        q_BxPxV: the model's next-token laws there.

    Returns:
        The implied posterior of each row.
    """
    concepts, tokens = mixture.n_concepts, mixture.n_tokens
    evidence = np.asarray(found.log_evidence).reshape(-1, concepts)
    predictive = np.asarray(found.predictive).reshape(-1, concepts, tokens)
    return implied_posterior(mixture, evidence, predictive, np.asarray(q_BxPxV).reshape(-1, tokens))


@jax.jit
def _fit(q_NxV: jax.Array, p_NxCxV: jax.Array, possible_NxC: jax.Array) -> tuple[jax.Array, ...]:
    """Weights, residual KL, forbidden mass, and whether the weights are unique; zeros where no concept is possible."""
    p_NxCxV = jnp.where(p_NxCxV > LEAST, p_NxCxV, 0.0) * possible_NxC[..., None]
    kept_NxV = jnp.where(p_NxCxV.any(1), q_NxV, 0.0)
    mass_N = kept_NxV.sum(1)
    some_N = mass_N > 0
    target_NxV = kept_NxV / jnp.maximum(mass_N, jnp.finfo(mass_N.dtype).tiny)[:, None]
    found_NxC = jax.vmap(_interior_point)(target_NxV, p_NxCxV) * possible_NxC
    weight_NxC = jnp.where(some_N[:, None], found_NxC / found_NxC.sum(1, keepdims=True), 0.0)
    mixed_NxV = jnp.einsum("nc,ncv->nv", weight_NxC, p_NxCxV)
    residual_N = jnp.maximum(rel_entr(target_NxV, mixed_NxV).sum(1), 0.0)
    forbidden_N = jnp.where(possible_NxC.any(1), (q_NxV - kept_NxV).sum(1), 0.0)
    return weight_NxC, residual_N, forbidden_N, some_N & jax.vmap(_unique)(p_NxCxV, possible_NxC)


def _interior_point(target_V: jax.Array, p_CxV: jax.Array) -> jax.Array:
    """argmin_{w >= 0} -sum_v q_v log (w p)_v + sum_c w_c; at its minimum the weights sum to one of themselves.

    Primal-dual steps: (H + diag(z / w)) dw = mu / w - gradient, where z are the multipliers of w >= 0 and z w = mu is
    driven to 0. A concept that is not possible has a law of zeros: nothing keeps its weight from 0.
    """

    def step(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        w, z = state
        part_CxV = p_CxV / jnp.where(target_V > 0, w @ p_CxV, jnp.inf)
        hessian = (part_CxV * target_V) @ part_CxV.T
        mu = 0.1 * (w @ z) / len(w)
        ridge = 1e-14 * jnp.diagonal(hessian)  # where weights are not unique the system is singular in the end
        dw = jnp.linalg.solve(hessian + jnp.diag(z / w + ridge), mu / w - 1.0 + part_CxV @ target_V)
        dz = mu / w - z - z / w * dw
        new = w + _longest(w, dw) * dw, z + _longest(z, dz) * dz
        sound = jnp.isfinite(jnp.stack(new)).all()
        return jnp.where(sound, new[0], w), jnp.where(sound, new[1], z)

    start = jnp.ones(len(p_CxV), p_CxV.dtype)
    return jax.lax.fori_loop(0, STEPS, step, (start / len(start), start))[0]


def _longest(x_C: jax.Array, dx_C: jax.Array) -> jax.Array:
    """The longest step, at most 1, that keeps x positive with 5% to spare."""
    return jnp.minimum(1.0, 0.95 * jnp.where(dx_C < 0, -x_C / dx_C, jnp.inf).min())


def _unique(p_CxV: jax.Array, possible_C: jax.Array) -> jax.Array:
    """Whether every unit difference between two weightings of the possible concepts moves the law by TELLING at least:
    the smallest singular value of their laws on weights that sum to zero (no concept is singled out)."""
    one_C = possible_C / possible_C.sum()
    centred_CxV = possible_C[:, None] * (p_CxV - one_C @ p_CxV)
    level = jnp.outer(possible_C, one_C)  # the direction in which weights do not sum to zero: not asked about
    gram = centred_CxV @ centred_CxV.T + level + jnp.diag(~possible_C)
    return jnp.linalg.eigvalsh(gram)[0] > TELLING**2


def time_to_identify(
    posterior_BxPxC: np.ndarray, concept_B: np.ndarray, counted_BxP: np.ndarray, level: float = 0.9
) -> np.ndarray:
    """The first prefix from which the true concept's weight stays above ``level``; P where it does not stay.

    Args:
        posterior_BxPxC: weights after each of P prefixes.
        concept_B: the true concepts.
        counted_BxP: prefixes whose weights mean something; the others say nothing either way.
        level: of the weight.

    Returns:
        (B,) indices into the prefixes, 0..P.
    """
    weight_BxP = np.take_along_axis(posterior_BxPxC, concept_B[:, None, None], axis=-1).squeeze(-1)
    below = (weight_BxP <= level) & counted_BxP
    positions = below.shape[1]
    last_below = positions - 1 - below[:, ::-1].argmax(1)
    return np.where(below.any(1), last_below + 1, 0)
