"""Cases of the sampled numbers of theory: KL sums, rates, entropy rates; the truth is the enumeration of everything."""

import functools
from collections.abc import Callable

import numpy as np

from implicit_bayes.benchmarks.common.intervals import LEVEL
from implicit_bayes.benchmarks.coverage.study import Case
from implicit_bayes.theory.information.kl import kl_table
from implicit_bayes.theory.information.rates import log_likelihood_rates
from implicit_bayes.theory.information.simulated_rates import cross_entropy_rate, entropy_rate
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.prompts import PromptLaw

RARE = (1e-1, 1e-3, 1e-4, 1e-5)
"""Probability of the one prefix that tells the concepts apart."""
SHARE = 0.1
COARSE = 1.0
"""Relative half-width aimed at: the fewest samples that theory ever draws."""


def rare(probability: float) -> tuple[PromptLaw, HMM]:
    """Tokens 0 (delimiter), 1, 2, 3: an example, or what follows a delimiter, starts with 1 with this probability; then
    the concepts say 2 and 3 in opposite proportions, and everywhere else they agree.

    Returns:
        (prompt law with k = 4, the other concept); one delimiter state, the token is the state.
    """
    start = np.array([0.05, probability, 0.5, 0.45 - probability])
    even = np.array([0.1, 0.0, 0.45, 0.45])
    true, other = np.tile(even, (4, 1)), np.tile(even, (4, 1))
    true[1], other[1] = [0.1, 0.0, 0.89, 0.01], [0.1, 0.0, 0.01, 0.89]
    for kernel in (true, other):
        kernel[0] = start
    hmms = [HMM(start, kernel, np.eye(4)) for kernel in (true, other)]
    return PromptLaw(hmms[0], start, 4, 0), hmms[1]


def hidden(seed: int, delimiters: int = 1, k: int = 4) -> tuple[PromptLaw, HMM]:
    """Two random concepts on five states that emit four tokens; the delimiter's state is split into ``delimiters``
    copies with the same row, between which documents choose evenly: for every number of copies the same process.

    Args:
        seed: of the two concepts and of the start law.
        delimiters: copies of the delimiter's state.
        k: tokens in an example.

    Returns:
        The prompt law of the first concept, and the second concept.
    """
    generator = np.random.default_rng(seed)
    emission = generator.dirichlet(np.ones(3), 4)
    hmms = []
    for _ in range(2):
        start, kernel = generator.dirichlet(np.ones(5)), generator.dirichlet(np.ones(5), 5)
        copies = np.r_[np.zeros(delimiters, int), 1:5]
        weight = np.r_[np.full(delimiters, 1 / delimiters), np.ones(4)]
        tokens = np.zeros((5, 4))
        tokens[0, 0], tokens[1:, 1:] = 1.0, emission
        hmms.append(HMM(start[copies] * weight, kernel[np.ix_(copies, copies)] * weight, tokens[copies]))
    return PromptLaw(hmms[0], np.r_[np.zeros(delimiters), generator.dirichlet(np.ones(4))], k, 0), hmms[1]


Pair = Callable[[], tuple[PromptLaw, HMM]]


def _kl(pair: Pair, budget: int):
    @functools.cache
    def truth() -> float:
        prompt, other = pair()
        return kl_table(prompt, [other], [prompt.length])[0][0].value

    def covers(generator: np.random.Generator) -> bool:
        prompt, other = pair()
        at = [prompt.length]
        found = kl_table(prompt, [other], at, seed=_seed(generator), budget=budget, accuracy=COARSE)[0][0]
        return found.low <= truth() + 1e-12 and truth() - 1e-12 <= found.high

    return covers


def _rate(pair: Pair, budget: int, reference: Pair):
    @functools.cache
    def truth() -> float:
        prompt, other = reference()
        value = log_likelihood_rates(prompt, [other])[0].value
        assert value is not None
        return value

    def covers(generator: np.random.Generator) -> bool:
        prompt, other = pair()
        found = log_likelihood_rates(prompt, [other], seed=_seed(generator), budget=budget, accuracy=COARSE)[0]
        return found.low <= truth() + 1e-12 and truth() - 1e-12 <= found.high

    return covers


def _seed(generator: np.random.Generator) -> int:
    return int(generator.integers(1 << 31))


def _chain() -> HMM:
    """A chain that shows its states: its entropy rate is a sum over its stationary law."""
    kernel = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    return HMM(np.array([1.0, 0.0, 0.0]), kernel, np.eye(3))


def _entropy(crossed: bool):
    hmm = _chain()
    kernel = np.asarray(hmm.transition)
    other = HMM(hmm.initial, 0.5 * kernel + 0.5 / 3, np.eye(3))
    stationary = np.linalg.matrix_power(kernel, 200)[0]
    asked = np.asarray(other.transition) if crossed else kernel
    truth = float(-(stationary[:, None] * kernel * np.log(asked)).sum())

    def covers(generator: np.random.Generator) -> bool:
        seed = _seed(generator)
        found = cross_entropy_rate(hmm, other, seed=seed) if crossed else entropy_rate(hmm, seed=seed)
        return found.low <= truth <= found.high

    return covers


def cases() -> list[Case]:
    """Every interval that theory computes by sampling.

    Returns:
        Cases, with a nominal coverage of LEVEL that large samples have.
    """
    found = []
    for probability in RARE:
        pair = functools.partial(rare, probability)
        words = f"telling prefix of probability {probability:g}"
        found.append(Case("ΣKL, sampled", words, LEVEL, False, _kl(pair, 1), SHARE))
        found.append(Case("rate, one delimiter state, sampled", words, LEVEL, False, _rate(pair, 1, pair), SHARE))
    pair = functools.partial(hidden, 1)
    found.append(Case("ΣKL, sampled", "hidden states", LEVEL, False, _kl(pair, 4), SHARE))
    found.append(Case("rate, one delimiter state, sampled", "hidden states", LEVEL, False, _rate(pair, 4, pair), SHARE))
    two = functools.partial(hidden, 1, 2)
    words = "hidden states, delimiter split"
    found.append(Case("rate, two delimiter states", words, LEVEL, False, _rate(two, 4, pair), SHARE))
    found.append(Case("entropy rate", "a chain of three states", LEVEL, False, _entropy(False), SHARE))
    found.append(Case("cross-entropy rate", "a chain of three states", LEVEL, False, _entropy(True), SHARE))
    return found
