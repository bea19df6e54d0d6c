"""What ``verify`` will cost, estimated from sizes before the work: CPU minutes stage by stage, and memory.

Estimates are right to a factor of about three; they are made to tell a minute from an hour. What can be sampled more
coarsely (the expectations of the conditions, the prompts on which a theorem is measured) is made to fit ``--budget``,
and its intervals are as wide as the sample is small; where the rest does not fit, the instance is refused before the
work. The same budget gives the same numbers on every machine: it is a number of operations, at one nominal speed.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from implicit_bayes.benchmarks.common.memory import check_memory, sizes_of
from implicit_bayes.benchmarks.verification.prefix_counts import prefixes
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.theory import MixtureOfHMMs, ModelError
from implicit_bayes.theory.filtering.dispatch import prepare
from implicit_bayes.theory.information.scores import FEWEST, WORK
from implicit_bayes.theory.statements.risk import LEAST_PROMPTS, SHOTS

BUDGET_MINUTES = 15.0
"""CPU minutes that ``verify`` may take where nothing else is said."""

SMALL_STATES, SMALL_TOKENS = 32, 1024
"""Up to so many states and tokens every k from 2 to 10 is tested for the critical k; above, only the k asked for."""

LOGARITHMS = 8e7
"""Logarithms of next-token probabilities in a second."""

PRODUCTS = 2e9
"""Multiplications and additions of matrix products in a second."""

PREFIX = 5e-7
"""Seconds for a position of a prefix under one law beside both: its token drawn, its score weighed into an interval."""

GRAPH = 1e-4
"""Seconds for a node of a graph of examples under one law: moments of its odds, at every s that is tried."""

STEP = 4e-8
"""Seconds for a token of one concept, whatever the states are."""

ANSWER = 1e-8
"""Seconds for a token's probability under one concept, beside its products: normalised, mixed, its largest found."""

HELD = 4e-8
"""The same where the laws of all concepts are kept side by side and weighed afterwards."""

SPLIT_LOGARITHMS = WORK >> 4
"""Logarithms for the split of a condition position by position, where it is sampled: sums are the condition's own."""

TYPICAL = 16_384
"""Prefixes sampled for an expectation whose prefixes are too many: between ``sampling.LEAST`` and ``MOST``."""

RISK_PROMPTS = 400
"""Prompts on which exact Bayes is measured beside a theorem, shared out over the pairs (theta*, start law)."""

RISK_SHARE = 0.25
"""Of the budget, that measuring may take; it takes fewer prompts above."""

SAID = 60.0
"""Seconds from which the estimate is said."""


class Cost(NamedTuple):
    """What one verification takes.

    Attributes:
        stages: seconds by words, in order.
        logarithms: that each expectation of the conditions may take.
        risk_prompts: on which exact Bayes is measured beside the theorems.
        coarse: what is sampled more coarsely than without a budget, in words.
    """

    stages: dict[str, float]
    logarithms: float
    risk_prompts: int
    coarse: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(self.stages.values())


def tested_ks(instance: Instance, ks: Sequence[int]) -> tuple[int, ...]:
    """The k at which conditions are evaluated: those asked for, and 2..10 on small instances.

    Args:
        instance: small where it has at most SMALL_STATES states and SMALL_TOKENS tokens.
        ks: those asked for.

    Returns:
        Rising, each of them once.
    """
    small = instance.mixture.n_states <= SMALL_STATES and instance.mixture.n_tokens <= SMALL_TOKENS
    more = range(2, 11) if small else ()
    return tuple(sorted({*ks, *more}))


class Affordable(Protocol):
    """The settings of ``verify`` that its cost depends on, checked."""

    @property
    def ks(self) -> tuple[int, ...]:
        """Tokens in an example."""

    @property
    def ns(self) -> tuple[int, ...]:
        """Examples before x_test."""

    @property
    def epsilons(self) -> tuple[float, ...]:
        """Margins that "enough examples" is asked for."""

    @property
    def prompts(self) -> int:
        """Prompts of an in-context accuracy."""

    @property
    def documents(self) -> int:
        """Documents of the Bayes cross-entropy."""

    @property
    def length(self) -> int:
        """Tokens in each of them."""

    @property
    def budget(self) -> float:
        """Minutes of CPU time."""


def estimate(instance: Instance, settings: Affordable) -> Cost:
    """The cost of ``verify`` with checked settings, fitted into ``settings.budget`` as far as sampling allows.

    Args:
        instance: to verify.
        settings: of ``verify``, checked.

    Returns:
        Seconds by stage, and how coarsely it samples.

    Raises:
        ModelError: it does not fit, or not into memory: on one line, with the sizes and the remedy.
    """
    check_memory(instance.mixture)
    budget = 60.0 * settings.budget
    stages = {
        "in-context curves": _curves(instance, settings),
        "Bayes cross-entropy": _documents(instance, settings),
        "examples that are enough": _finite(instance, settings),
    }
    per_prompt = _per_prompt(instance, max(settings.ks))
    pairs = len(instance.true_concepts) * instance.prompt_starts.shape[1]
    least = pairs * LEAST_PROMPTS
    prompts = int(np.clip(RISK_SHARE * budget / per_prompt, least, max(RISK_PROMPTS, least)))
    stages["theorems"] = prompts * per_prompt + _splits(instance, settings.ks)
    coarse = [] if prompts >= min(RISK_PROMPTS, pairs * RISK_PROMPTS) else [f"theorems on {prompts} prompts"]
    words, wanted, each, calls = _conditions(instance, settings.ks)
    left = budget - sum(stages.values())
    prefix = max(tested_ks(instance, settings.ks)) * _prefix(instance.mixture)
    floor = calls * FEWEST * prefix
    if left < floor:
        raise ModelError(_refusal(instance, settings, stages | {words: floor}))
    allowed = min(WORK, each * left / (max(calls, 1) * prefix))
    if wanted > left:
        coarse.append("conditions")
    return Cost({words: min(wanted, left)} | stages, allowed, prompts, tuple(coarse))


def _conditions(instance: Instance, ks: Sequence[int]) -> tuple[str, float, float, int]:
    """Words; seconds wanted; logarithms of one prefix of the longest length; expectations."""
    mixture, lengths = instance.mixture, tested_ks(instance, ks)
    possible, starts = len(mixture.possible_concepts()), instance.prompt_starts.shape[1]
    pairs = sum(possible - (float(mixture.prior[c]) > 0) for c in instance.true_concepts)
    laws, wide, prefix = possible + 1, mixture.n_tokens, _prefix(mixture)
    seconds = 0.0
    for true in instance.true_concepts:
        lives = bool((np.asarray(mixture.transition)[true] > 0).all())  # else most prompts are forbidden: no rates
        for k in [max(lengths), *(lengths if lives else ())]:
            nodes = prefixes(mixture, true, k)
            sampled = min(TYPICAL * k, max(WORK / (laws * wide), FEWEST * k))
            seconds += starts * (nodes if nodes < np.inf else sampled) * prefix
    calls = len(instance.true_concepts) * starts * (1 + len(lengths))
    return f"conditions of {pairs:,} pairs", seconds, float(laws * wide * max(lengths)), calls


def _width(mixture: MixtureOfHMMs) -> float:
    """States that may have emitted a token, in the mean over tokens."""
    return float((np.asarray(mixture.emissions) > 0).any(0).sum(0).mean())


def _prefix(mixture: MixtureOfHMMs) -> float:
    """Seconds for one position of one prefix of an expectation: under the prompt's law and every possible concept the
    law of the next token, its logarithms, and the belief after it."""
    laws, tokens = len(mixture.possible_concepts()) + 1, mixture.n_tokens
    products = 2.0 * _width(mixture) * (tokens + mixture.n_states)
    return laws * (PREFIX + tokens / LOGARITHMS + products / PRODUCTS)


def _token(mixture: MixtureOfHMMs) -> float:
    """Seconds for a token under every concept: a product with the kernel, or with the blocks that supports leave where
    the filter has room for them."""
    products = float(mixture.n_states) ** 2
    if prepare(mixture) is not None:
        products = min(products, 8.0 * _width(mixture) ** 2)
    return float(mixture.n_concepts) * (STEP + 2.0 * products / PRODUCTS)


def _answer(mixture: MixtureOfHMMs) -> float:
    """Seconds for the law of a next token under every concept."""
    return float(mixture.n_concepts * mixture.n_tokens * (2.0 * mixture.n_states / PRODUCTS + ANSWER))


def _curves(instance: Instance, settings: Affordable) -> float:
    mixture, seconds = instance.mixture, 0.0
    for k in settings.ks:
        tokens, laws = (k + 1) * (max(settings.ns) + 1), len(settings.ns)
        seconds += (2 + len(settings.epsilons)) * tokens * _token(mixture)
        seconds += (2 + len(settings.epsilons)) * laws * _answer(mixture)
        seconds += laws * mixture.n_concepts * mixture.n_tokens * HELD  # of prompt-aware Bayes
    return float(settings.prompts * seconds)


def _documents(instance: Instance, settings: Affordable) -> float:
    positions = 4 * max(settings.length, 1).bit_length()
    each = 2 * settings.length * _token(instance.mixture) + positions * _answer(instance.mixture)
    return float(settings.documents * each)


def _per_prompt(instance: Instance, k: int) -> float:
    mixture = instance.mixture
    return (k + 1) * (SHOTS[-1] + 1) * _token(mixture) + 2 * len(SHOTS) * (k - 1) * _answer(mixture)


def _splits(instance: Instance, ks: Sequence[int]) -> float:
    """Of the pair that binds at each k, its sum under three laws."""
    tokens, seconds = instance.mixture.n_tokens, 0.0
    for k in ks:
        nodes = min(prefixes(instance.mixture, true, k) for true in instance.true_concepts)
        sampled = min(TYPICAL * k, max(SPLIT_LOGARITHMS / (3 * tokens), FEWEST * k))
        seconds += 3 * (nodes if nodes < np.inf else sampled) * (PREFIX + tokens / LOGARITHMS)
    return float(seconds)


def _finite(instance: Instance, settings: Affordable) -> float:
    """Two graphs of examples for each k, true concept and start law, where the examples are few enough."""
    mixture, seconds = instance.mixture, 0.0
    if not any(n >= 1 for n in settings.ns):
        return 0.0
    laws = len(mixture.possible_concepts()) + 1
    moments = GRAPH if len(mixture.delimiter_states()) == 1 else 0.0  # else there is nothing exact to minimise
    for true in instance.true_concepts:
        for k in settings.ks:
            nodes = min(prefixes(mixture, true, k), 8192.0)
            seconds += nodes * laws * moments + 3 * nodes * min(mixture.n_tokens, 2_000_000 / nodes) * laws / LOGARITHMS
    return float(seconds * instance.prompt_starts.shape[1])


def _refusal(instance: Instance, settings: Affordable, stages: dict[str, float]) -> str:
    total = sum(stages.values())
    dear = max(stages, key=lambda words: stages[words])
    remedy = {
        "in-context curves": f"fewer --prompts than {settings.prompts:,} or no --n as large as {max(settings.ns)}",
        "Bayes cross-entropy": f"fewer --documents than {settings.documents:,} or a shorter --length than "
        f"{settings.length:,}",
        "theorems": "a shorter --k",
    }.get(dear, "one true_concept, fewer concepts, start laws or --k")
    more = f"{np.ceil(1.2 * total / 60):.0f}"
    return (
        f"budget: {sizes_of(instance.mixture)} take about {minutes(total)} ({dear}: {minutes(stages[dear])}), more "
        f"than the {minutes(60.0 * settings.budget)} of --budget; give --budget {more}, or ask for {remedy}"
    )


def minutes(seconds: float) -> str:
    """In words: 40 seconds, 4 minutes, 2.5 hours, 12 days, 3 years.

    Returns:
        Words.
    """
    if seconds < 90:
        return f"{max(seconds, 1.0):.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    hours = seconds / 3600
    if hours < 100:
        return f"{hours:.3g} hours"
    return f"{hours / 24:,.0f} days" if hours < 8766 else f"{hours / 8766:,.0f} years"


def in_words(name: str, cost: Cost, budget: float) -> str:
    """The estimate for an instance on one line; empty where it is below a minute and nothing is cut.

    Args:
        name: of the instance.
        cost: the estimate.
        budget: CPU minutes.

    Returns:
        One line, or "".
    """
    if cost.seconds < SAID and not cost.coarse:
        return ""
    parts = [f"{words}: about {minutes(seconds)}" for words, seconds in cost.stages.items() if seconds >= 10]
    said = f"{name}: about {minutes(cost.seconds)} of CPU time; " + "; ".join(parts or ["every stage below 10 seconds"])
    if cost.coarse:
        said += f"; sampled more coarsely, to fit --budget {budget:g} (minutes): {', '.join(cost.coarse)}"
    return said
