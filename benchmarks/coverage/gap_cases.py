"""Cases of the gap: the laws of every causal model, and the intervals that come from resampling."""

import numpy as np

from implicit_bayes.benchmarks.common.intervals import LEVEL
from implicit_bayes.benchmarks.coverage.study import Case
from implicit_bayes.benchmarks.gap.laws import ALPHA, check_laws
from implicit_bayes.benchmarks.gap.loss import loss_gap
from implicit_bayes.benchmarks.gap.probes import Errors, summarise
from implicit_bayes.benchmarks.gap.scaling_laws import LAWS, fit_laws
from implicit_bayes.theory import MixtureOfHMMs

DOCUMENTS, LENGTH = 32, 100
TAILS = {
    "a rare token almost denied": ([0.5, 0.49997, 3e-5], [0.50002, 0.49998 - 1e-9, 1e-9]),
    "a rare token denied": ([0.5, 0.4999, 1e-4], [0.5001, 0.4999, 0.0]),
    "close to the truth": ([0.3, 0.3, 0.4], [0.31, 0.3, 0.39]),
}
"""Law of independent tokens, and a model's."""
NS = np.array([0, 1, 2, 4, 8, 16, 32])
CURVE = 0.5 + 1.0 * (NS + 1.0) ** -0.7
"""A power law: K + C (n + 1)^(-a)."""


class Independent:
    """A model of independent tokens."""

    name = "independent"

    def __init__(self, law: list[float]):
        self.law = np.array(law)

    def log_probabilities(self, tokens_BxT: np.ndarray) -> np.ndarray:
        """(B, T + 1, V) the same law everywhere.

        Returns:
            float64 nats; a view that takes no memory for its repetitions.
        """
        with np.errstate(divide="ignore"):
            return np.broadcast_to(np.log(self.law), (len(tokens_BxT), tokens_BxT.shape[1] + 1, len(self.law)))


def _laws(p: list[float], q: list[float]):
    size, model = len(p), Independent(q)
    mixture = MixtureOfHMMs([1.0], [p], [np.tile(p, (size, 1))], np.eye(size), 0)

    def covers(generator: np.random.Generator) -> bool:
        tokens = generator.choice(size, p=p, size=(DOCUMENTS, LENGTH)).astype(np.int32)
        gap = loss_gap(model, mixture, tokens)
        return all(row.holds for row in check_laws(model, gap, tokens, size))

    return covers


def _probe(documents: int):
    """R2 of a probe whose errors vary from document to document; the truth is 1 - E wrong / E off = 0.6."""

    def covers(generator: np.random.Generator) -> bool:
        scale = generator.gamma(4.0, size=documents)
        found = [Errors(share * scale * generator.gamma(4.0, 0.25, documents), scale) for share in (0.4, 0.7, 0.8, 1.0)]
        row = summarise("synthetic", 1, found, generator)
        return row.r2.low <= 0.6 <= row.r2.high and row.margin.low <= 0.3 <= row.margin.high

    return covers


def _scaling(generator: np.random.Generator) -> bool:
    """The band of the fitted power law at n = 4, log-losses of a prompt sharing its difficulty."""
    losses = CURVE + generator.normal(0, 0.3, (200, 1)) + generator.normal(0, 0.3, (200, len(NS)))
    fit = fit_laws(NS, losses, int(generator.integers(1 << 31)), LAWS[:1])[0]
    return bool(fit.low_N[3] <= CURVE[3] <= fit.high_N[3])


def cases() -> list[Case]:
    """Laws (a false alarm is a miss), probes and scaling laws.

    Returns:
        Cases; only that of the laws is a guarantee.
    """
    found = [
        Case("laws of any causal model", words, 1 - 3 * ALPHA, True, _laws(p, q), 0.2)
        for words, (p, q) in TAILS.items()
    ]
    for documents in (20, 100):
        both = 1 - 2 * (1 - LEVEL)
        words = f"R² and margin together, {documents} documents"
        found.append(Case("belief probes (bootstrap)", words, both, False, _probe(documents), 0.2))
    found.append(Case("scaling laws (bootstrap)", "power law at n = 4, 200 prompts", LEVEL, False, _scaling, 0.2))
    return found
