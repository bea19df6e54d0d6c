"""The posterior of a continuous family by quadrature on an even grid of concepts.

    p(theta | tokens) proportional to Normal(theta; mean, scale^2) prod_b p(o_b1..o_bT | theta)

at N points, each the exact evidence of one concept: what NUTS (``theory.programs.inference``) is compared with, and how
the posterior contracts along a prompt. Up to the grid's error it is the continuous family's.

Source: Xie et al. 2022, section 2 (the posterior over concepts given a prompt).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.filtering.filter import filter_evidence
from implicit_bayes.theory.filtering.requests import check_tokens
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.families import ConceptFamily
from implicit_bayes.theory.objects.types import Array, Float, Numbers


class GridPosterior(NamedTuple):
    """The posterior by quadrature on a grid of N points; axes before it: those asked for.

    Attributes:
        log_weight: (..., N) log of the normalised weights, nats.
        mean: (..., m) of theta.
        covariance: (..., m, m) of theta; the grid's spacing is not corrected for.
    """

    log_weight: Float[np.ndarray, "*batch N"]
    mean: Float[np.ndarray, "*batch m"]
    covariance: Float[np.ndarray, "*batch m m"]


def document_posterior(family: ConceptFamily, tokens_BxT: Numbers, points: Numbers) -> GridPosterior:
    """The posterior given all B documents together, on an even grid of (N, m) points.

    Args:
        family: the continuous family.
        tokens_BxT: documents.
        points: (N, m) an even grid.

    Returns:
        GridPosterior without leading axes: one posterior, of all documents.

    Raises:
        ModelError: tokens outside the vocabulary, or documents of probability zero at every point.
    """
    mixture = family.discretise(points)
    tokens = check_tokens(tokens_BxT, family.n_tokens)
    evidence = np.asarray(filter_evidence(mixture, tokens, positions=[tokens.shape[-1]]).log_evidence)
    return _on_grid(mixture.prior, evidence.reshape(-1, mixture.n_concepts).sum(0), points)


def prompt_posterior(
    family: ConceptFamily, tokens: Numbers, points: Numbers, positions: Sequence[int]
) -> GridPosterior:
    """The posterior after several prefix lengths of prompts (..., T): one pass shows how it contracts with n.

    Args:
        family: the continuous family.
        tokens: (..., T) prompts.
        points: (N, m) an even grid.
        positions: prefix lengths.

    Returns:
        GridPosterior with leading axes (..., P), P the number of positions.

    Raises:
        ModelError: tokens outside the vocabulary, or a prompt of probability zero at every point.
    """
    mixture = family.discretise(points)
    evidence = np.asarray(filter_evidence(mixture, tokens, positions=positions).log_evidence)
    return _on_grid(mixture.prior, evidence, points)


def _on_grid(prior: Array, evidence: np.ndarray, points: Numbers) -> GridPosterior:
    points = np.asarray(points, dtype=np.float64)
    with np.errstate(divide="ignore"):
        joint = np.log(np.asarray(prior)) + evidence
    top = joint.max(-1, keepdims=True)
    if not np.isfinite(top).all():
        raise ModelError("tokens: probability zero at every point of the grid, so there is no posterior")
    log_weight = joint - top - np.log(np.exp(joint - top).sum(-1, keepdims=True))
    weight = np.exp(log_weight)
    mean = weight @ points
    centred = points - mean[..., None, :]
    return GridPosterior(log_weight, mean, np.einsum("...n,...ni,...nj->...ij", weight, centred, centred))
