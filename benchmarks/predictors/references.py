"""References that a near-Bayes model must beat: ``ngram-N``, ``window-W`` and ``uniform``, named like any model.

    uniform       1 / V
    ngram-N       Witten and Bell's interpolated N-gram: counts of the documents that a shipped model trains on first
    window-W      exact Bayes that sees the last W tokens only (theory.filtering.windows)

The N-gram of order n mixes the relative frequencies after the last n - 1 tokens with the N-gram below it,

    q_n(v | a) = ( count(a, v) + d(a) q_{n-1}(v | a') ) / ( count(a) + d(a) ),    q_0(v) = 1 / V,

where a' is a without its oldest token and d(a) the number of different tokens seen after a (where a was never seen, q_n
is q_{n-1}). Every law sums to one and is positive everywhere. Contexts know where a document begins.

Source: Witten & Bell 1991; Chen & Goodman 1999, section 2.
"""

import re

import numpy as np

from implicit_bayes.lm.data import fresh_batches
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.schedule import plan
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.theory import MixtureOfHMMs, ModelError
from implicit_bayes.theory.filtering.windows import window_predictive

PATTERN = re.compile(r"(?P<kind>ngram|window)-(?P<size>[0-9]{1,4})")
COUNTED = 1 << 21
"""Training tokens that an N-gram counts: the first of the preset ``small`` of the LSTM, seed 0."""
LARGEST = 1 << 24
"""Entries of an N-gram's table."""


class Uniform:
    """Every token equally probable: what a model that learnt nothing should not lose to."""

    name, parameters, window = "uniform", 0, 0

    def __init__(self, vocabulary: int):
        self.vocabulary = vocabulary

    def log_probabilities(self, tokens_BxT: np.ndarray) -> np.ndarray:
        """See LanguageModel.

        Returns:
            (B, T + 1, V), each -log V nats.
        """
        batch, length = tokens_BxT.shape
        return np.full((batch, length + 1, self.vocabulary), -np.log(self.vocabulary))


class WindowModel:
    """Exact Bayes that sees the last ``window`` tokens; a row after an impossible window is all -inf, no law."""

    exact, parameters = True, 0

    def __init__(self, mixture: MixtureOfHMMs, window: int):
        self.name, self.mixture, self.window = f"window-{window}", mixture, window

    def log_probabilities(self, tokens_BxT: np.ndarray) -> np.ndarray:
        """See LanguageModel.

        Returns:
            (B, T + 1, V) nats: exact Bayes given the last W tokens and their place in the document; -inf throughout
            where they are impossible there.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(window_predictive(self.mixture, tokens_BxT, self.window)))


class NGram:
    """An interpolated N-gram.

    Args:
        order: N, tokens of a gram; 1 looks at no other token.
        documents: (B, T) arrays of tokens to count.
        vocabulary: V.

    Raises:
        ModelError: an order below 1, or a table of more than LARGEST entries.
    """

    def __init__(self, order: int, documents: list[np.ndarray], vocabulary: int):
        if order < 1:
            raise ModelError(f"model: ngram-{order}: a gram has one token at least, as in ngram-3")
        if (vocabulary + 1) ** order > LARGEST:
            words = f"needs a table of {vocabulary + 1:,}^{order} entries, more than {LARGEST:,}"
            raise ModelError(f"model: ngram-{order} {words}; name a smaller one")
        self.name, self.order, self.window, self.vocabulary = f"ngram-{order}", order, order - 1, vocabulary
        table = np.full(vocabulary, 1.0 / vocabulary)
        for n in range(1, order + 1):
            counts = sum(self._counts(n, each) for each in documents)
            table = _interpolated(np.asarray(counts, np.float64), table)
        self.log_table = np.log(table)

    @property
    def parameters(self) -> int:
        """Entries of the table."""
        return int(self.log_table.size)

    def _codes(self, n: int, tokens_BxT: np.ndarray) -> np.ndarray:
        """(B, T + 1) the last n - 1 tokens before each position as one number; V stands for the beginning."""
        begun = np.concatenate([np.full((len(tokens_BxT), n), self.vocabulary), tokens_BxT.astype(np.int64)], axis=1)
        codes = np.zeros((len(tokens_BxT), tokens_BxT.shape[1] + 1), np.int64)
        for i in range(n - 1):
            codes = codes * (self.vocabulary + 1) + begun[:, i + 1 : i + 1 + codes.shape[1]]
        return codes

    def _counts(self, n: int, tokens_BxT: np.ndarray) -> np.ndarray:
        """((V + 1)^(n-1), V) how often each token came after each context."""
        contexts = (self.vocabulary + 1) ** (n - 1)
        grams = self._codes(n, tokens_BxT)[:, :-1] * self.vocabulary + tokens_BxT
        return np.bincount(grams.reshape(-1), minlength=contexts * self.vocabulary).reshape(contexts, self.vocabulary)

    def log_probabilities(self, tokens_BxT: np.ndarray) -> np.ndarray:
        """See LanguageModel.

        Returns:
            (B, T + 1, V) nats, read from a table.
        """
        return np.asarray(self.log_table[self._codes(self.order, tokens_BxT)])


def _interpolated(counts_AxV: np.ndarray, below: np.ndarray) -> np.ndarray:
    """(A, V) Witten and Bell's mixture with the laws ``below``: those of the contexts without their oldest token."""
    below_LxV = below.reshape(-1, counts_AxV.shape[1])
    lower = np.tile(below_LxV, (len(counts_AxV) // len(below_LxV), 1))  # the oldest token is the slowest digit
    kinds_A = (counts_AxV > 0).sum(1).astype(np.float64)
    total_A = counts_AxV.sum(1) + kinds_A
    mixed = (counts_AxV + kinds_A[:, None] * lower) / np.where(total_A > 0, total_A, 1.0)[:, None]
    return np.asarray(np.where(total_A[:, None] > 0, mixed, lower))


def training_documents(instance: Instance, tokens: int = COUNTED) -> list[np.ndarray]:
    """The first batches that ``train --model lstm --preset small --seed 0`` sees, ``tokens`` of them at least.

    Args:
        instance: whose documents they are.
        tokens: how many are wanted; fewer where the preset ends before.

    Returns:
        (B, T) batches, in the order of training.
    """
    steps = plan(preset("lstm", "small", instance.mixture.n_tokens).schedule)
    batches, count = fresh_batches(instance.mixture, steps, 0), 0
    found: list[np.ndarray] = []
    while count < tokens and len(found) < steps.steps:
        found.append(batches(len(found)))
        count += found[-1].size
    return found


def is_reference(name: str) -> bool:
    """Whether a model's name is one of these."""
    return name == "uniform" or PATTERN.fullmatch(name) is not None


def reference(name: str, instance: Instance) -> LanguageModel:
    """A reference by name.

    Args:
        name: ``ngram-N``, ``window-W``, or that of the uniform law.
        instance: that it predicts.

    Returns:
        LanguageModel; an N-gram has learnt from the instance's training documents, a window is exact.

    Raises:
        ModelError: an N-gram of no token, or of too many for its table.
    """
    match = PATTERN.fullmatch(name)
    if match is None:
        return Uniform(instance.mixture.n_tokens)
    size = int(match["size"])
    if match["kind"] == "window":
        return WindowModel(instance.mixture, size)
    documents = training_documents(instance) if size and (instance.mixture.n_tokens + 1) ** size <= LARGEST else []
    by_length: dict[int, list[np.ndarray]] = {}
    for each in documents:
        by_length.setdefault(each.shape[1], []).append(each)
    return NGram(size, [np.concatenate(same) for same in by_length.values()], instance.mixture.n_tokens)
