"""Scaling laws of in-context curves, fitted and asked about larger n.

A curve is the mean log-loss on x_test after n examples, in nats. Laws, with n >= 0 examples before the test example:

    power           K + C (n + 1)^(-a)
    bounded power   K + C (1 + n / m)^(-a)
    Bayesian        -log [ sum_c r_c p_c^(b n + 1) / sum_c r_c p_c^(b n) ]

The Bayesian law is that of a learner with prior r over latent tasks that give each test answer probability p_c and each
example b times the evidence of one answer (the efficiency); here with two tasks, the true one and the rest. Each law is
fitted by least squares, weighted with the curve's standard errors, to all but the largest HELD_OUT numbers of examples,
and judged on those: root mean squared error there, in nats, beside that of carrying the last fitted point on. Intervals
come from resampling prompts, which are common to all n, and refitting.

Source: Arora, Jurafsky, Potts & Goodman 2024, "Bayesian scaling laws for in-context learning" (arXiv 2410.16531).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logsumexp

HELD_OUT = 2
"""The largest n, kept from the fit."""
LEAST_POINTS = 6
"""Numbers of examples that a curve must have: four to fit four parameters, two to test."""
RESAMPLES = 40
"""Bootstrap resamples of the prompts."""
LEAST_ERROR = 1e-4
"""Nats: weights treat no point as better known than this."""


class ScalingLaw(NamedTuple):
    """A scaling law: its formula, its parameters and how a fit begins.

    Attributes:
        name: of the law.
        read: from unconstrained parameters to those that are named.
        curve: log-loss at n given unconstrained parameters.
        starts: where the search begins.
        box: least and largest parameters.
        names: of what ``read`` makes of them.
    """

    name: str
    curve: Callable[[np.ndarray, np.ndarray], np.ndarray]
    starts: Callable[[np.ndarray, np.ndarray], list[list[float]]]
    box: tuple[list[float], list[float]]
    names: tuple[str, ...]
    read: Callable[[np.ndarray], np.ndarray]


class Fit(NamedTuple):
    """One law on one curve.

    Attributes:
        law: its name.
        parameters: by name, with 95% intervals (value, low, high).
        held_out_error: RMSE at the held-out n, nats (value, low, high).
        carried_error: of carrying the last point on.
        curve_N, low_N, high_N: the fitted curve at every n, with its interval.
        held_out: the n kept from the fit.
    """

    law: str
    parameters: dict[str, tuple[float, float, float]]
    held_out_error: tuple[float, float, float]
    carried_error: float
    curve_N: np.ndarray
    low_N: np.ndarray
    high_N: np.ndarray
    held_out: tuple[int, ...]


def fit_laws(ns: np.ndarray, loss_PxN: np.ndarray, seed: int, laws: Sequence[ScalingLaw] | None = None) -> list[Fit]:
    """Fit laws to one in-context curve.

    Args:
        ns: numbers of examples, increasing, at least LEAST_POINTS.
        loss_PxN: log-loss of each prompt at each of them; finite.
        seed: of the resamples, which are the same whichever laws are asked.
        laws: which; None for all of LAWS.

    Returns:
        One Fit for each; none where there are too few n, fewer than two prompts, or losses that are not finite
        (an undefined answer, or a law with a zero where the truth has none).
    """
    prompts = len(loss_PxN)
    if len(ns) < LEAST_POINTS or prompts < 2 or not np.isfinite(loss_PxN).all():
        return []
    generator = np.random.default_rng((seed, 9))
    mean_N = loss_PxN.mean(0)
    error_N = np.maximum(loss_PxN.std(0, ddof=1) / np.sqrt(prompts), LEAST_ERROR)
    drawn = [loss_PxN[generator.integers(prompts, size=prompts)].mean(0) for _ in range(RESAMPLES)]
    return [_fit(law, np.asarray(ns, float), mean_N, error_N, drawn) for law in (LAWS if laws is None else laws)]


def _fit(law: ScalingLaw, ns: np.ndarray, mean_N: np.ndarray, error_N: np.ndarray, drawn: list[np.ndarray]) -> Fit:
    from scipy.optimize import least_squares  # an eighth of a second that tables of laws do not need

    kept = slice(0, len(ns) - HELD_OUT)

    def solve(curve_N: np.ndarray, starts: list[list[float]]) -> np.ndarray:
        def residual(parameters: np.ndarray) -> np.ndarray:
            return (law.curve(ns[kept], parameters) - curve_N[kept]) / error_N[kept]

        tries = [least_squares(residual, np.clip(start, *law.box), bounds=law.box, max_nfev=200) for start in starts]
        return min(tries, key=lambda each: each.cost).x

    best = solve(mean_N, law.starts(ns[kept], mean_N[kept]))
    again = [best, *(solve(curve, [list(best)]) for curve in drawn)]
    curves = np.stack([law.curve(ns, parameters) for parameters in again])
    parameters = np.stack([law.read(each) for each in again])
    targets = np.stack([mean_N, *drawn])
    errors = np.sqrt(((curves - targets)[:, -HELD_OUT:] ** 2).mean(1))
    low_N, high_N = np.quantile(curves[1:], (0.025, 0.975), axis=0)
    carried = float(np.sqrt(((mean_N[kept][-1] - mean_N[-HELD_OUT:]) ** 2).mean()))
    named = {name: _interval(parameters[:, i]) for i, name in enumerate(law.names)}
    held = tuple(int(n) for n in ns[-HELD_OUT:])
    return Fit(
        law=law.name,
        parameters=named,
        held_out_error=_interval(errors),
        carried_error=carried,
        curve_N=curves[0],
        low_N=low_N,
        high_N=high_N,
        held_out=held,
    )


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return float(values[0]), float(low), float(high)


def power(n: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """K + C (n + 1)^(-a).

    Args:
        n: (N,) numbers of examples.
        parameters: K, C and log a.

    Returns:
        (N,) nats.
    """
    k, c, log_a = parameters
    return k + c * (n + 1.0) ** -np.exp(log_a)


def bounded_power(n: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """K + C (1 + n / m)^(-a).

    Args:
        n: (N,) numbers of examples.
        parameters: K, C, log a and log m.

    Returns:
        (N,) nats.
    """
    k, c, log_a, log_m = parameters
    return k + c * (1.0 + n * np.exp(-log_m)) ** -np.exp(log_a)


def bayesian(n: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """-log [ sum_c r_c p_c^(b n + 1) / sum_c r_c p_c^(b n) ] for two tasks, in logarithms.

    Args:
        n: (N,) numbers of examples.
        parameters: logits of p_1, p_2 and r_1, and log b.

    Returns:
        (N,) nats.
    """
    logit_true, logit_other, logit_prior, log_b = parameters
    log_p = -np.logaddexp(0.0, -np.array([logit_true, logit_other]))
    log_r = -np.logaddexp(0.0, -np.array([logit_prior, -logit_prior]))
    evidence_Nx2 = log_r + np.exp(log_b) * n[:, None] * log_p
    return -(logsumexp(evidence_Nx2 + log_p, axis=1) - logsumexp(evidence_Nx2, axis=1))


def _power_starts(n: np.ndarray, loss: np.ndarray) -> list[list[float]]:
    return [[loss[-1], loss[0] - loss[-1], np.log(a)] for a in (0.3, 1.0, 3.0)]


def _bounded_starts(n: np.ndarray, loss: np.ndarray) -> list[list[float]]:
    return [[loss[-1], loss[0] - loss[-1], np.log(a), np.log(m)] for a in (0.5, 2.0) for m in (0.3, 3.0)]


def _bayes_starts(n: np.ndarray, loss: np.ndarray) -> list[list[float]]:
    def logit(p: float) -> float:
        return float(np.log(p) - np.log1p(-p))

    last, first = np.exp(-np.clip(loss[[-1, 0]], 0.01, 10.0))
    return [
        [logit(last), logit(max(first * other, 1e-4)), prior, np.log(b)]
        for other in (0.3, 0.9)
        for prior in (-1.5, 0.0)
        for b in (0.3, 2.0)
    ]


def _same(parameters: np.ndarray) -> np.ndarray:
    return np.concatenate([parameters[:2], np.exp(parameters[2:])])


def _named(parameters: np.ndarray) -> np.ndarray:
    """Probabilities and efficiency, the task of the higher probability first: the law does not tell the two apart."""
    p_true, p_other, prior = expit(parameters[:3])
    first = (p_true, p_other, prior) if p_true >= p_other else (p_other, p_true, 1.0 - prior)
    return np.array([*first, np.exp(parameters[3])])


LAWS = (
    ScalingLaw("power", power, _power_starts, ([0.0, -20.0, -6.0], [20.0, 20.0, 3.0]), ("K", "C", "a"), _same),
    ScalingLaw(
        "bounded power", bounded_power, _bounded_starts, ([0.0, -20.0, -6.0, -7.0], [20.0, 20.0, 3.0, 7.0]),
        ("K", "C", "a", "m"), _same,
    ),
    ScalingLaw(
        "Bayesian", bayesian, _bayes_starts, ([-12.0, -12.0, -12.0, -7.0], [12.0, 12.0, 12.0, 7.0]),
        ("p_best", "p_other", "prior_best", "b"), _named,
    ),
)  # fmt: skip
"""The laws, in the order they are reported. A C below 0 is a curve that gets worse with examples; the Bayesian law,
whose weight can only move to the task that explains the answers better, cannot follow such a curve."""
