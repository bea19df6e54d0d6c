"""Theorem 2's ingredients in a continuous family: KL_j to second order, Fisher information, gamma, and the rate's peak.

Theorem 2 assumes KL_j(theta) = 1/2 v' I_j v + O(|v|^3), v = theta - theta*, I_j the Fisher information of the law of
O[j] given O[1:j-1]. That needs p_prompt(h) to be the document start law of theta*; in general

    KL_j(theta) = KL_j(theta*) + grad' v + 1/2 v' H_j v + O(|v|^3),   all three reported here,

by automatic differentiation through ``theory.filtering.filter``, expectations over examples by enumeration (small
instances).

Source: Xie et al. 2022, Theorem 2; docs/theory/laws.md.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.filtering.filter import filter_mixture
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.families import ConceptFamily
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.precision import in_float64
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array, Float, Numbers
from implicit_bayes.theory.statements.repaired_constants import pure_delimiter_states
from implicit_bayes.theory.statements.risk import example_filter, reachable_tests

SINGULAR = 1e-12
"""An eigenvalue below this share of the largest counts as zero (float64 enumeration is good to about 1e-15)."""


class SecondOrder(NamedTuple):
    """KL_j around one theta, j = 1..k, nats per (unit of theta)^0, ^1, ^2.

    Attributes:
        value: KL_j(theta*); 0 if the prompt start is the document start law.
        gradient: of KL_j; 0 then too.
        hessian: H_j; equal to ``fisher`` then.
        fisher: I_j = E_{O ~ p_prompt} s s', s = gradient of log p(O[j] | O[1:j-1], theta).
    """

    value: Float[np.ndarray, "k"]
    gradient: Float[np.ndarray, "k m"]
    hessian: Float[np.ndarray, "k m m"]
    fisher: Float[np.ndarray, "k m m"]


class Gamma(NamedTuple):
    """How unevenly information is spread over positions.

    Attributes:
        printed: max_j lambda_max(I_j) / min_j lambda_min(I_j). Infinite wherever some I_j is singular, which I_1 is
            if the start law does not move with theta, and every I_j is if theta has more dimensions than there are
            beliefs.
        needed: largest v' I_k v / ( v' sum_j I_j v / (k - 1) ) over v, the factor that the proof uses: to second
            order KL_k <= needed * sum_j KL_j / (k - 1). At most ``printed``; inf if the sum is singular along a v
            that I_k sees.
    """

    printed: float
    needed: float


class Peak(NamedTuple):
    """Where the posterior of the continuous family concentrates on prompts, and how fast.

    Attributes:
        theta: theta_o = argmax of the rate. It is theta* if p_prompt(h) = p(h|d,theta*) and no theta changes
            p(delimiter|h): a prompt puts its delimiter after every k tokens, whatever theta* would have done.
        information: J = - Hessian of the rate there, per example: posterior covariance ~ (n J)^{-1}.
        rate: lim r_n(theta_o) >= 0, nats an example.
        gradient: largest entry of the gradient at theta_o (how well it was found).
    """

    theta: Float[np.ndarray, "m"]
    information: Float[np.ndarray, "m m"]
    rate: float
    gradient: float


def kl_per_position(family: ConceptFamily, law: PromptLaw, theta: Numbers) -> Array:
    """(k,) KL_j(theta) = E_{O ~ p_prompt} [ log p_prompt(O[j]|O[1:j-1]) - log p(O[j]|O[1:j-1], theta) ], traceable.

    Args:
        family: the continuous family.
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        theta: (m,) where the KL is taken; may be traced.

    Returns:
        (k,) nats; exact by enumeration, V^k examples.

    Raises:
        ModelError: too many examples to enumerate.
    """
    tokens, weight, log_p = _examples(law)
    return in_float64(lambda t: jnp.asarray(weight) @ (log_p - _log_conditionals(family.mixture(t), tokens)))(theta)


def second_order(family: ConceptFamily, law: PromptLaw, theta: Numbers) -> SecondOrder:
    """Value, gradient, Hessian and Fisher information of every KL_j at theta (m,), normally theta*.

    Args:
        family: the continuous family.
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        theta: (m,) where they are taken.

    Returns:
        SecondOrder, one entry for each position.

    Raises:
        ModelError: too many examples to enumerate.
    """
    tokens, weight, log_p = _examples(law)

    def derivatives(at: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        def scores(t: jax.Array) -> jax.Array:
            return _log_conditionals(family.mixture(t), tokens)

        def with_value(t: jax.Array) -> tuple[jax.Array, jax.Array]:
            value = scores(t)
            return value, value

        def mean(t: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            score_Nxkxm, value_Nxk = jax.jacfwd(with_value, has_aux=True)(t)
            return jnp.einsum("n,nkm->km", weight, score_Nxkxm), (score_Nxkxm, value_Nxk)

        hessian, (score, value) = jax.jacfwd(mean, has_aux=True)(at)
        return value, score, hessian

    value, score, hessian = in_float64(jax.jit(derivatives))(np.asarray(theta, dtype=np.float64))
    value, score, hessian = np.asarray(value), np.asarray(score), np.asarray(hessian)
    return SecondOrder(
        weight @ (log_p - value),
        -np.einsum("n,nkm->km", weight, score),
        -0.5 * (hessian + hessian.swapaxes(-1, -2)),
        np.einsum("n,nki,nkj->kij", weight, score, score),
    )


def _examples(law: PromptLaw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every example of positive probability, its probability, and its (N, k) log-conditionals under p_prompt."""
    found = reachable_tests(law, law.length)
    if found is None:
        raise ModelError(f"k: {law.length} tokens of {law.hmm.n_tokens} make too many examples to enumerate")
    tokens, weight = found
    mass = np.concatenate([np.ones((len(tokens), 1)), example_filter(law, tokens)[0]], 1)
    return tokens, weight, np.diff(np.log(mass), axis=1)


def _log_conditionals(mixture: MixtureOfHMMs, tokens: Array) -> jax.Array:
    """(N, T) log p(o_t | o_1..o_{t-1}) under a mixture of one."""
    evidence = jnp.asarray(filter_mixture(mixture, tokens, method="dense").log_evidence)[..., 0]
    return jnp.diff(evidence, axis=-1)


def gamma(information: Array) -> Gamma:
    """Both versions of gamma from (k, m, m) Fisher informations.

    Args:
        information: (k, m, m) I_j at theta*, as of ``second_order``.

    Returns:
        Gamma: the printed ratio of eigenvalues (inf where the smallest is zero) and the smallest constant that the
        proof needs.
    """
    info = np.asarray(information, dtype=np.float64)
    values = np.linalg.eigvalsh(info)
    largest, smallest = values.max(), values.min()
    printed = largest / smallest if smallest > SINGULAR * largest else np.inf
    return Gamma(float(printed), _needed(info[-1], info.sum(0) / (len(info) - 1)))


def _needed(last: np.ndarray, average: np.ndarray) -> float:
    scale, basis = np.linalg.eigh(average)
    seen = scale > SINGULAR * max(scale.max(), np.finfo(float).tiny)
    blind = basis[:, ~seen]
    if np.abs(blind.T @ last @ blind).sum() > SINGULAR * np.abs(last).sum():
        return float(np.inf)
    whiten = basis[:, seen] / np.sqrt(scale[seen])
    return float(np.linalg.eigvalsh(whiten.T @ last @ whiten).max()) if seen.any() else 0.0


def taylor_remainder(
    family: ConceptFamily,
    law: PromptLaw,
    theta: Numbers,
    radii: Sequence[float],
    *,
    directions: int = 16,
    seed: int = 0,
) -> Float[np.ndarray, "R"]:
    """(R,) largest | KL_j(theta + v) - second-order expansion | over j and over sampled v with |v| = each radius.

    O(|v|^3): halving a small radius divides it by about 8.

    Args:
        family: the continuous family.
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        theta: (m,) the centre.
        radii: |v|, in the units of theta.
        directions: sampled, each with its opposite.
        seed: of whatever is sampled.

    Returns:
        (R,) nats; a maximum over sampled directions, so a lower bound on the true one.
    """
    theta, series = np.asarray(theta, dtype=np.float64), second_order(family, law, theta)
    generator = np.random.default_rng(seed)
    unit = generator.standard_normal((directions, theta.size))
    unit = np.concatenate([unit, -unit]) / np.linalg.norm(np.concatenate([unit, unit]), axis=-1, keepdims=True)
    shifts = np.asarray(radii, dtype=np.float64)[:, None, None] * unit
    tokens, weight, log_p = _examples(law)

    def many(points: jax.Array) -> jax.Array:
        kl = lambda t: jnp.asarray(weight) @ (log_p - _log_conditionals(family.mixture(t), tokens))  # noqa: E731
        values: jax.Array = jax.lax.map(kl, points)
        return values

    flat = (theta + shifts).reshape(-1, theta.size)
    exact = np.asarray(in_float64(jax.jit(many))(flat)).reshape(*shifts.shape[:2], -1)
    second = series.value + np.einsum("km,rdm->rdk", series.gradient, shifts)
    second = second + 0.5 * np.einsum("kij,rdi,rdj->rdk", series.hessian, shifts, shifts)
    remainder: np.ndarray = np.abs(exact - second).max((1, 2))
    return remainder


def prompt_rate(family: ConceptFamily, law: PromptLaw) -> Callable[[Array], jax.Array]:
    """theta -> lim r_n(theta) = E_{O~p_prompt} log [ p(O, delimiter | d, theta) / p(O, delimiter | d, theta*) ].

    A function that can be traced and differentiated. theta* is ``law.hmm``, which need not belong to the family.

    Args:
        family: the continuous family.
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.

    Returns:
        A function of (m,) theta.

    Raises:
        ModelError: more than one delimiter state, or too many examples to enumerate.
    """
    tokens, weight, _ = _examples(law)
    tokens = np.concatenate([tokens, np.full((len(tokens), 1), law.delimiter)], 1)
    true = MixtureOfHMMs(np.ones(1), law.hmm.initial[None], law.hmm.transition[None], law.hmm.emission, law.delimiter)
    states = pure_delimiter_states(true)
    if len(states) != 1:
        raise ModelError(f"delimiter: {len(states)} delimiter states; the closed form of the rate needs one")

    def score(transition: Array, emission: Array) -> jax.Array:
        restarted = MixtureOfHMMs(np.ones(1), transition[states[0]][None], transition[None], emission, law.delimiter)
        return jnp.asarray(weight) @ _log_conditionals(restarted, tokens).sum(-1)

    reference = float(in_float64(score)(np.asarray(law.hmm.transition), np.asarray(law.hmm.emission)))
    return in_float64(lambda theta: score(family.laws(theta)[1], family.emission) - reference)


def rate_peak(family: ConceptFamily, law: PromptLaw, theta: Numbers, steps: int = 50) -> Peak:
    """Newton's method with halving from ``theta`` (m,), normally theta*, to a local maximum of the prompt's rate.

    Args:
        family: the continuous family.
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        theta: (m,) where the search begins.
        steps: at most so many.

    Returns:
        Peak: the maximiser (m,), minus the Hessian there (m, m), the rate (nats an example) and the largest entry of
        the gradient.

    Raises:
        ModelError: where no maximum is found (the rate keeps rising, or its curvature vanishes).
    """
    rate = prompt_rate(family, law)
    value = in_float64(jax.jit(rate))
    slopes = in_float64(jax.jit(lambda t: (jax.jacfwd(rate)(t), jax.jacfwd(jax.jacfwd(rate))(t))))
    at = np.asarray(theta, dtype=np.float64)
    for _ in range(steps):
        gradient, hessian = (np.asarray(x) for x in slopes(at))
        size, basis = np.linalg.eigh(-hessian)
        if np.abs(gradient).max() < 1e-12:
            break
        step = basis @ ((basis.T @ gradient) / np.maximum(np.abs(size), 1e-9))
        here, length = float(value(at)), 1.0
        while float(value(at + length * step)) < here and length > 1e-9:
            length *= 0.5
        if length <= 1e-9:
            break
        at = at + length * step
    if np.abs(gradient).max() > 1e-8 or size.min() <= 0:
        raise ModelError(
            f"theta: the rate has no maximum near; gradient {np.abs(gradient).max():.3g} after {steps} steps"
        )
    return Peak(at, -hessian, float(value(at)), float(np.abs(gradient).max()))
