"""The log-likelihood rate lim r_n(theta), which decides on which concept the posterior concentrates.

    r_n(theta) = (1/n) log [ p(S_n, x_test | theta) / p(S_n, x_test | theta*) ]

With one delimiter state d the delimiter regenerates the chain, examples are independent, and by the law of large
numbers

    lim r_n(theta) = E_{O ~ p_prompt} log [ p(O, delimiter | d, theta) / p(O, delimiter | d, theta*) ]

(p(. | d): the first token's state is drawn from the kernel's row d). With more states it is a
difference of Lyapunov exponents, found by simulation.
Source: theory notes, section 3 (the sharp condition).
"""

import math
from collections.abc import Sequence

import numpy as np

from implicit_bayes.theory.information import scores as scoring
from implicit_bayes.theory.information.estimates import UNDEFINED, Rate, t_interval
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.scores import ACCURACY, BUDGET
from implicit_bayes.theory.information.simulated_rates import simulate_rates
from implicit_bayes.theory.information.supports import forbids, may_forbid
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.prompts import PromptLaw

__all__ = ["Rate", "log_likelihood_rate", "log_likelihood_rates"]

FORBIDDEN = Rate(-math.inf, -math.inf, -math.inf, "closed form")


def log_likelihood_rate(prompt: PromptLaw, alternative: HMM, *, seed: int = 0, budget: int = BUDGET) -> Rate:
    """lim r_n(theta) of one alternative; see ``log_likelihood_rates``."""
    return log_likelihood_rates(prompt, [alternative], seed=seed, budget=budget)[0]


def log_likelihood_rates(
    prompt: PromptLaw, laws: Sequence[HMM], *, seed: int = 0, budget: int = BUDGET, accuracy: float = ACCURACY
) -> list[Rate]:
    """lim r_n(theta), nats an example, for several theta against prompt.hmm = theta*.

    method "closed form": by enumeration of the reachable examples (one delimiter state), or -inf decided on zeros.
    method "monte carlo": the same expectation, its affordable leading positions exact and the others sampled.
    method "simulation": several delimiter states; see ``theory.information.simulated_rates``.
    method "undefined": theta* itself gives prompts probability zero (as on released GINC), so there is no ratio; or
    theta does so with a probability strictly between 0 and 1 and several delimiter states, so the limit is random.

    With one delimiter state, a theta that can forbid the first example only (the document start law differs from row
    d) is given the rate of the prompts that survive it; on the others r_n = -inf for every n.

    Args:
        prompt: theta*, p_prompt(h), k, delimiter.
        laws: the alternatives; theta* itself has rate exactly 0.
        seed: of the sampling, if any.
        budget: merged prefixes affordable on one level.
        accuracy: relative half-width aimed at by the Monte Carlo.

    Returns:
        One Rate per law; nominal coverage of every interval is 95%.

    Raises:
        ModelError: different shapes; probabilities so small that float64 loses a finite rate.
    """
    if may_forbid(prompt, prompt.hmm):
        return [UNDEFINED] * len(laws)
    verdicts = [forbids(prompt, law) for law in laws]
    rates = [FORBIDDEN if verdict == "surely" else UNDEFINED for verdict in verdicts]
    true_delimiter = _only_delimiter_state(prompt, prompt.hmm)
    regenerates = [true_delimiter is not None and _only_delimiter_state(prompt, law) is not None for law in laws]
    closed = [i for i, verdict in enumerate(verdicts) if verdict != "surely" and regenerates[i]]
    if closed:
        _fill(rates, closed, _expected(prompt, [laws[i] for i in closed], seed, budget, accuracy))
    simulated = [i for i, verdict in enumerate(verdicts) if verdict == "never" and not regenerates[i]]
    if simulated:
        means = t_interval(simulate_rates(prompt, [laws[i] for i in simulated], seed=seed))
        _fill(rates, simulated, [_as_rate(row, "simulation") for row in np.transpose(means)])
    return rates


def _fill(rates: list[Rate], where: Sequence[int], found: Sequence[Rate]) -> None:
    for i, rate in zip(where, found, strict=True):
        if rate.value is None or not math.isfinite(rate.value):
            raise ModelError("laws: probabilities below float64's range turn a finite rate into an infinite one")
        rates[i] = rate


def _as_rate(row: np.ndarray, method: str) -> Rate:
    value, low, high = (float(x) for x in row)
    return Rate(value, low, high, method)


def _only_delimiter_state(prompt: PromptLaw, law: HMM) -> int | None:
    states = np.flatnonzero(np.asarray(law.emission)[:, prompt.delimiter] > 0)
    return int(states[0]) if len(states) == 1 else None


def _after_delimiter(prompt: PromptLaw, law: HMM) -> HMM:
    """The law right after the delimiter: its kernel, started from row d."""
    state = _only_delimiter_state(prompt, law)
    return HMM(np.asarray(law.transition)[state], law.transition, law.emission)


def _expected(prompt: PromptLaw, laws: Sequence[HMM], seed: int, budget: int, accuracy: float) -> list[Rate]:
    restarted = [_after_delimiter(prompt, law) for law in (prompt.hmm, *laws)]
    machine = build([prompt.example_law(), *restarted], prompt.delimiter)
    lengths = [prompt.length]
    scores = scoring.collect(
        machine, lengths, _ratio, seed=seed, budget=budget, accuracy=accuracy, closings=True
    )  # fmt: skip
    estimate = scoring.evaluate(scores, prompt.length, _ratio)
    method = "closed form" if estimate.exact else "monte carlo"
    rows = np.stack([estimate.mean, estimate.low, estimate.high], 1)
    return [_as_rate(row, method) for row in rows]


def _ratio(score: np.ndarray, closing: np.ndarray) -> np.ndarray:
    """(N, L - 2) log-ratio of the laws to theta* (law 1): tokens 1..k-1, then token k together with the delimiter."""
    with np.errstate(invalid="ignore"):  # inf - inf, by underflow alone, is refused by ``_fill``
        return (score[:-1, :, 2:] - score[:-1, :, 1:2]).sum(0) + closing[:, 2:] - closing[:, 1:2]
