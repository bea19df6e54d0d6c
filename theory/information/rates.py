"""The log-likelihood rate lim r_n(theta), which decides on which concept the posterior concentrates.

    r_n(theta) = (1/n) log [ p(S_n, x_test | theta) / p(S_n, x_test | theta*) ]

With one delimiter state d the delimiter regenerates the chain, examples are independent, and by the law of large
numbers

    lim r_n(theta) = E_{O ~ p_prompt} log [ p(O, delimiter | d, theta) / p(O, delimiter | d, theta*) ]

(p(. | d): the first token's state is drawn from the kernel's row d). With more states it is a difference of Lyapunov
exponents, which ``theory.information.bracket`` encloses. Source: docs/theory, sections 3 (the sharp condition) and 8.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information import scores as scoring
from implicit_bayes.theory.information.arithmetic import Watch, rounding_of_mean
from implicit_bayes.theory.information.bracket import ENTRIES, Ends, enumerate_bracket
from implicit_bayes.theory.information.equality import same_process
from implicit_bayes.theory.information.estimates import COVERAGE, UNDEFINED, Rate, simultaneous
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.sampled_bracket import BlockSampler, SampledEnds
from implicit_bayes.theory.information.scores import ACCURACY, BUDGET, WORK
from implicit_bayes.theory.information.simulated_rates import prompt_chains
from implicit_bayes.theory.information.supports import forbids, may_forbid
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.prompts import PromptLaw

__all__ = ["Rate", "log_likelihood_rate", "log_likelihood_rates"]

FORBIDDEN = Rate(value=-math.inf, low=-math.inf, high=-math.inf, method="closed form")

EQUAL = Rate(value=0.0, low=0.0, high=0.0, method="equal processes")

WITNESSES = (16, 8)
"""Prompts drawn, and examples in each, to look for one that theta* forbids."""

SETTLED = 1e-9
"""An enumerated bracket of this width, nats, is not sampled as well."""


class Shared:
    """Expansions and samples that serve several example lengths, each made when it is first asked for.

    Args:
        lengths: the k that the rates will be asked for.
    """

    def __init__(self, lengths: Sequence[int]):
        self.lengths = tuple(sorted(set(lengths)))
        self.found: dict[bytes, tuple[scoring.Scores, Watch]] = {}


class Work(NamedTuple):
    """How sampling is done where it has to be; the arguments of ``log_likelihood_rates``.

    Attributes:
        seed: of whatever is sampled.
        budget: merged prefixes affordable on one level.
        accuracy: relative half-width that samples are drawn for.
        coverage: of each interval.
        logarithms: that one level of an expansion may take.
        shared: expansions and samples of other lengths, used again.
    """

    seed: int
    budget: int
    accuracy: float
    coverage: float
    logarithms: float
    shared: Shared


def log_likelihood_rate(prompt: PromptLaw, alternative: HMM, *, seed: int = 0, budget: int = BUDGET) -> Rate:
    """lim r_n(theta) of one alternative; see ``log_likelihood_rates``.

    Args:
        prompt: theta*, p_prompt(h), k, delimiter.
        alternative: theta.
        seed: of the sampling, if any.
        budget: merged prefixes affordable on one level.

    Returns:
        Rate, nats an example, with its interval and the method it was found by.
    """
    return log_likelihood_rates(prompt, [alternative], seed=seed, budget=budget)[0]


def log_likelihood_rates(
    prompt: PromptLaw,
    laws: Sequence[HMM],
    *,
    seed: int = 0,
    budget: int = BUDGET,
    accuracy: float = ACCURACY,
    coverage: float = COVERAGE,
    logarithms: float = WORK,
    shared: Shared | None = None,
) -> list[Rate]:
    """lim r_n(theta), nats an example, for several theta against prompt.hmm = theta*.

    method "closed form": by enumeration of the reachable examples (one delimiter state), or -inf decided on zeros.
    method "equal processes": theta and theta* are proved to be the same law of tokens, so the rate is exactly 0.
    method "monte carlo": the closed form's expectation, its affordable leading positions exact, the others sampled.
    method "bracketed": several delimiter states; by enumeration (``samples`` = 0, the ends are certain) and, where
        that leaves more than SETTLED open, by independent blocks. ``value`` is None where an end is infinite.
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
        coverage: nominal, of every interval.
        logarithms: see ``scores.collect``.
        shared: what calls for other lengths of the same start law have in common with this one, if there are any.

    Returns:
        One Rate for each law, in their order: nats an example, certain ends or an interval, and the method it was found
        by.

    Raises:
        ModelError: different shapes; probabilities so small that float64 loses a finite rate.
    """
    if _dies_on_a_sample(prompt) or may_forbid(prompt, prompt.hmm):
        return [UNDEFINED] * len(laws)
    verdicts = [forbids(prompt, law) for law in laws]
    rates = [FORBIDDEN if verdict == "surely" else UNDEFINED for verdict in verdicts]
    for i, law in enumerate(laws):
        if verdicts[i] == "never" and same_process(law, prompt.hmm) is True:
            rates[i] = EQUAL
    work = Work(seed, budget, accuracy, coverage, logarithms, shared or Shared([prompt.length]))
    regenerates = [_regenerates(prompt, law) for law in laws]
    open_ = [i for i, verdict in enumerate(verdicts) if verdict != "surely" and rates[i] is not EQUAL]
    closed = [i for i in open_ if regenerates[i]]
    if closed:
        for i, rate in zip(closed, _closed_rates(prompt, [laws[i] for i in closed], work), strict=True):
            rates[i] = rate
    several = [i for i in open_ if verdicts[i] == "never" and not regenerates[i]]
    if several:
        for i, rate in zip(several, _bracketed_rates(prompt, [laws[i] for i in several], work), strict=True):
            rates[i] = rate
    return rates


def _dies_on_a_sample(prompt: PromptLaw) -> bool:
    """Whether theta* forbids one of a few prompts drawn: a witness, which spares the search through all of them."""
    tokens = prompt_chains(prompt, *WITNESSES, np.random.default_rng(0))
    move, speak = np.asarray(prompt.hmm.transition) > 0, np.asarray(prompt.hmm.emission) > 0
    here = np.broadcast_to(np.asarray(prompt.hmm.initial) > 0, (len(tokens), prompt.hmm.n_states))
    for token in tokens.T:
        here = here & speak[:, token].T
        if not here.any(1).all():
            return True
        here = here.astype(np.float32) @ move.astype(np.float32) > 0
    return False


def _regenerates(prompt: PromptLaw, law: HMM) -> bool:
    return None not in (_only_delimiter_state(prompt, prompt.hmm), _only_delimiter_state(prompt, law))


def _only_delimiter_state(prompt: PromptLaw, law: HMM) -> int | None:
    states = np.flatnonzero(np.asarray(law.emission)[:, prompt.delimiter] > 0)
    return int(states[0]) if len(states) == 1 else None


def _restarted(prompt: PromptLaw, law: HMM) -> HMM:
    """The law right after the delimiter: its kernel, started from row d."""
    state = _only_delimiter_state(prompt, law)
    return HMM(np.asarray(law.transition)[state], law.transition, law.emission)


def _closed_rates(prompt: PromptLaw, laws: Sequence[HMM], work: Work) -> list[Rate]:
    """One delimiter state: the expectation itself."""
    restarted = [_restarted(prompt, law) for law in (prompt.hmm, *laws)]
    mean, ends, rounding = _expected(prompt, restarted, work)
    rates = []
    for i, law in enumerate(restarted[1:]):
        if not math.isfinite(mean[i]):
            raise ModelError("laws: probabilities below float64's range turn a finite rate into an infinite one")
        exact = ends[0][i] == ends[1][i]
        if exact and abs(mean[i]) <= rounding[i] and same_process(law, restarted[0]) is True:
            rates.append(EQUAL)
            continue
        method = "closed form" if exact else "monte carlo"
        rates.append(
            Rate(
                value=float(mean[i]),
                low=float(ends[0][i]),
                high=float(ends[1][i]),
                method=method,
                rounding=float(rounding[i]),
            )
        )
    return rates


def _bracketed_rates(prompt: PromptLaw, laws: Sequence[HMM], work: Work) -> list[Rate]:
    """Several delimiter states: the enumerated bracket, and a sampled one for the laws that it leaves open."""
    with Watch() as watch:
        known = enumerate_bracket(prompt, laws, entries=min(2 * work.budget, ENTRIES))
    rates = [_of_enumeration(prompt, known, i, watch) for i in range(len(laws))]
    wide = [i for i, rate in enumerate(rates) if rate.bracket > SETTLED]
    if not wide:
        return rates
    sampler = BlockSampler(prompt, [laws[i] for i in wide], work.seed)
    each = work._replace(coverage=simultaneous(work.coverage, 2))  # for the fixed law, and for what blocks add
    fixed, ends, rounding = _expected(prompt, sampler.restarted(), each)
    found = sampler.estimate(each.coverage, work.accuracy, fixed)
    if found is None:
        return rates
    for j, i in enumerate(wide):
        rates[i] = _narrowed(rates[i], fixed[j], (ends[0][j], ends[1][j]), found, j, rounding[j])
    return rates


def _of_enumeration(prompt: PromptLaw, known: Ends | None, i: int, watch: Watch) -> Rate:
    if known is None:
        return Rate(value=None, low=-math.inf, high=math.inf, method="bracketed", bracket=math.inf)
    low, high = float(known.low[i]), float(known.high[i])
    middle = 0.5 * (low + high) if math.isfinite(high - low) else None
    rounding = rounding_of_mean(
        (known.forgotten + 1) * (prompt.length + 1), prompt.hmm.n_states, prompt.hmm.n_tokens, known.nodes,
        float(known.magnitude[i]),
    )  # fmt: skip
    rounding = watch.widen(rounding if math.isfinite(rounding) else 0.0)
    return Rate(value=middle, low=low, high=high, method="bracketed", bracket=high - low, rounding=rounding)


def _narrowed(rate: Rate, fixed: float, ends: tuple[float, float], found: SampledEnds, j: int, rounding: float) -> Rate:
    """The enumerated bracket cut down by the sampled one; the two disagree only where the sampled one errs."""
    low, high = float(ends[0] + found.low[j]), float(ends[1] + found.high[j])
    if not (math.isfinite(low) and math.isfinite(high)) or low > rate.high or high < rate.low:
        return rate
    low, high = max(low, rate.low), min(high, rate.high)
    return Rate(
        value=min(max(float(fixed + found.middle[j]), low), high),
        low=low,
        high=high,
        method="bracketed",
        bracket=min(rate.bracket, float(found.width[j])),
        rounding=max(rate.rounding, float(rounding)),
        samples=found.blocks,
    )


def _expected(
    prompt: PromptLaw, restarted: Sequence[HMM], work: Work
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """(A,) E log [ p(O, delimiter | law) / p(O, delimiter | law 0) ] of restarted laws, its interval, its rounding."""
    scores, collected = _collected(prompt, restarted, work)
    with Watch() as watch:
        estimate = scoring.evaluate(scores, prompt.length, _ratio, work.coverage)
        size = -scoring.evaluate(scores, prompt.length, _log_probabilities).mean
    rounding = [
        rounding_of_mean(
            prompt.length + 1, prompt.hmm.n_states, prompt.hmm.n_tokens, estimate.prefixes, float(own + size[0])
        )
        for own in size[1:]
    ]  # fmt: skip
    return estimate.mean, (estimate.low, estimate.high), np.array([watch.widen(collected.widen(r)) for r in rounding])


def _collected(prompt: PromptLaw, restarted: Sequence[HMM], work: Work) -> tuple[scoring.Scores, Watch]:
    """Scores of the examples of every shared length under the laws, and what was noticed while they were made."""
    laws = [prompt.example_law(), *restarted]
    arrays = (
        np.asarray(each, dtype=np.float64) for law in laws for each in (law.initial, law.transition, law.emission)
    )
    key = hashlib.sha256(b"".join(each.tobytes() for each in arrays)).digest()
    if key not in work.shared.found:
        with Watch() as watch:
            scores = scoring.collect(
                build(laws, prompt.delimiter), work.shared.lengths, _ratio, seed=work.seed, budget=work.budget,
                accuracy=work.accuracy, closings=True, logarithms=work.logarithms,
            )  # fmt: skip
        work.shared.found[key] = scores, watch
    return work.shared.found[key]


def _log_probabilities(score: np.ndarray, closing: np.ndarray) -> np.ndarray:
    """(N, L - 1) E log p(O, delimiter | law) of every law but the sampler."""
    pieces: np.ndarray = score[:-1, :, 1:].sum(0) + closing[:, 1:]
    return pieces


def _ratio(score: np.ndarray, closing: np.ndarray) -> np.ndarray:
    """(N, L - 2) log-ratio of the laws to theta* (law 1): tokens 1..k-1, then token k together with the delimiter."""
    with np.errstate(invalid="ignore"):  # inf - inf, by underflow alone, is refused by ``_closed_rates``
        pieces: np.ndarray = (score[:-1, :, 2:] - score[:-1, :, 1:2]).sum(0) + closing[:, 2:] - closing[:, 1:2]
        return pieces
