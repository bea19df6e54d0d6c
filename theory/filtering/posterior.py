"""Bayes' rule over concepts: evidence to posterior and probability of the whole, exact at zeros."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.filtering.scales import safe_log
from implicit_bayes.theory.objects.precision import in_float64
from implicit_bayes.theory.objects.types import Array


class Weighed(NamedTuple):
    """Concepts weighed by their evidence.

    Attributes:
        log_probability: (...,) log sum_c prior_c exp(evidence_c), nats; -inf where impossible.
        log_posterior: (..., C) nats; -inf throughout where ``defined`` is False.
        defined: (...,) whether the posterior exists.
    """

    log_probability: Array
    log_posterior: Array
    defined: Array


def weigh(prior: Array, log_evidence: Array) -> Weighed:
    """Bayes' rule over concepts: from (C,) prior and (..., C) log-evidence to the posterior, exact at zeros.

    In NumPy where both are NumPy's.

    Args:
        prior: (C,) law of the concept.
        log_evidence: (..., C) log p(o | c), nats, -inf where impossible.

    Returns:
        Log p(o), log posterior, and whether there is one (p(o) > 0).
    """
    if isinstance(prior, np.ndarray) and isinstance(log_evidence, np.ndarray):
        return _on_host(prior, log_evidence)
    return _in_jax(prior, log_evidence)


def _on_host(prior: np.ndarray, log_evidence: np.ndarray) -> Weighed:
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)
        joint = log_prior + log_evidence
        top = joint.max(-1, keepdims=True)
        shift = np.where(top > -np.inf, top, 0.0)
        total = np.asarray(np.log(np.exp(joint - shift).sum(-1)) + shift[..., 0])
    defined = np.asarray(total > -np.inf)
    return Weighed(total, np.asarray(joint - np.where(defined, total, 0.0)[..., None]), defined)


def bayes_rule(prior: Array, log_evidence: Array) -> Weighed:
    """(..., C) prior and evidence to log p, log posterior and whether there is one; traceable.

    Args:
        prior: (C,) or (..., C).
        log_evidence: (..., C) nats.

    Returns:
        Weighed: (...,) log p(o), nats; (..., C) log posterior, nats; (...,) whether p(o) > 0, so that there is a
        posterior.
    """
    joint = safe_log(prior) + log_evidence
    total = _log_mean(jnp.asarray(prior), log_evidence, jax.lax.stop_gradient(joint.max(-1, keepdims=True)))
    defined = total > -jnp.inf
    return Weighed(total, joint - jnp.where(defined, total, 0.0)[..., None], defined)


def _log_mean(prior: Array, log_evidence: Array, top: Array) -> jax.Array:
    """log sum_c prior_c exp(evidence_c) with ``top`` the largest term; linear in the prior, also where it is zero."""
    finite = top > -jnp.inf
    shift = jnp.where(finite, top, 0.0)
    most = 0.99 * math.log(float(jnp.finfo(jnp.result_type(log_evidence)).max))
    likelihood = jnp.exp(jnp.minimum(jnp.where(finite, log_evidence - shift, -jnp.inf), most))
    return safe_log((prior * likelihood).sum(-1)) + shift[..., 0]


_in_jax = in_float64(bayes_rule)
