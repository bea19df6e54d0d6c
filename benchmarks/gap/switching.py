"""Concept switching: how far behind exact Bayes a model stays that never saw a document change its concept.

Documents change their concept with probability q a token (``simulators.switching``), which makes them one HMM on C H
states. On the same documents: exact Bayes of that law, exact Bayes of the law without switches (which thinks that there
is one concept), and models trained without switches. Losses by the number of tokens since the last switch.

Source: docs/theory, "Other families".
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.gap.probes import RESAMPLES, Estimate

AFTER = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Tokens since the switch; the last is "so many or more", and so each bin reaches to the next."""


class Lag(NamedTuple):
    """Excess over exact Bayes of the switching law, nats a token.

    Attributes:
        excess: over all positions.
        after_A: by tokens since the last switch (bins of AFTER), nan where there were none.
        count_A: positions in each bin.
    """

    excess: Estimate
    after_A: list[Estimate]
    count_A: np.ndarray


def since_switch(concepts_BxT: np.ndarray) -> np.ndarray:
    """(B, T) tokens since the concept last changed, 0 at the first token of the new one; -1 before any change.

    Returns:
        Integers.
    """
    changed = np.concatenate([np.zeros((len(concepts_BxT), 1), bool), concepts_BxT[:, 1:] != concepts_BxT[:, :-1]], 1)
    at = np.where(changed, np.arange(concepts_BxT.shape[1]), -1)
    last = np.maximum.accumulate(at, 1)
    return np.where(last >= 0, np.arange(concepts_BxT.shape[1]) - last, -1)


def lags(
    log_bayes_BxT: np.ndarray, log_models: Mapping[str, np.ndarray], concepts_BxT: np.ndarray, seed: int
) -> dict[str, Lag]:
    """Every predictor's lag.

    Args:
        log_bayes_BxT: log-probability of each token under exact Bayes of the switching law.
        log_models: the same of each predictor.
        concepts_BxT: the concept of every token.
        seed: of the resampling of documents.

    Returns:
        Name -> Lag: mean excess over exact Bayes of all tokens and by tokens since the switch, nats a token, with
        intervals over documents, and how many tokens each bin has.
    """
    since = since_switch(concepts_BxT)
    bins = np.where(since >= 0, np.searchsorted(AFTER, since, side="right") - 1, -1)
    generator, count = np.random.default_rng((seed, 15)), len(since)
    drawn = np.concatenate([np.arange(count)[None], generator.integers(count, size=(RESAMPLES, count))])
    found = {}
    for name, log_model in log_models.items():
        excess = log_bayes_BxT - log_model
        every = _mean(excess, np.ones_like(since, bool), drawn)
        after = [_mean(excess, bins == a, drawn) for a in range(len(AFTER))]
        found[name] = Lag(every, after, np.array([(bins == a).sum() for a in range(len(AFTER))]))
    return found


def _mean(values_BxT: np.ndarray, where_BxT: np.ndarray, drawn: np.ndarray) -> Estimate:
    """Mean over the chosen positions, its interval from whole documents drawn again."""
    total, number = np.where(where_BxT, values_BxT, 0.0).sum(1)[drawn].sum(1), where_BxT.sum(1)[drawn].sum(1)
    if not number[0]:
        return Estimate(np.nan, np.nan, np.nan)
    means = total / np.maximum(number, 1)
    low, high = np.quantile(means[1:][number[1:] > 0], (0.025, 0.975))
    return Estimate(float(means[0]), float(low), float(high))
