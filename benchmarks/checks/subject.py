"""A model under examination: what it is asked, and what it answered, each question once."""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import jax
import numpy as np
from scipy.special import logsumexp

from implicit_bayes.benchmarks.gap.loss import LossGap, loss_gap
from implicit_bayes.benchmarks.predictors.promises import ROWS, context_of, memory
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.datasets import Documents
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import ModelError

Advance = Callable[[int], None]

CHUNK = 16
"""Documents that are asked about together."""
FEW_DOCUMENTS = 8
"""Documents whose tokens are changed to see what an answer depends on."""


class Settings(NamedTuple):
    """What a model is asked.

    Attributes:
        documents: fresh documents of the instance.
        length: tokens in each; fewer where the model takes fewer.
        seed: of the documents and of the tokens that are replaced.
        tolerance: by how much a probability may differ between questions of different shapes (float32 sums in
            another order).
    """

    documents: int = 64
    length: int = 256
    seed: int = 0
    tolerance: float = 1e-4


class NoAnswer(Exception):
    """The model raised, or did not give a law after every prefix; the message says which."""


class Reach(NamedTuple):
    """How many tokens the model answers.

    Attributes:
        tokens: T that the model answers, at most ``length`` of the settings.
        refused: what it raises for the full length; empty where it answers.
        short: how its answer to the full length is misshapen; empty where it is not.
    """

    tokens: int
    refused: str
    short: str


class Subject:
    """A model, the instance it is asked about, and its answers.

    Args:
        model: the model.
        instance: whose documents it is asked about.
        settings: how many, how long.
    """

    def __init__(self, model: LanguageModel, instance: Instance, settings: Settings):
        self.model, self.instance, self.settings = model, instance, settings
        self.mixture, self.vocabulary = instance.mixture, instance.mixture.n_tokens
        self.name = str(model.name)
        each = 8 * (settings.length + 1) * self.vocabulary * max(settings.documents, ROWS["length"])
        if each > memory() // 4:
            words = f"answers over a vocabulary of {self.vocabulary:,} take {each / 2**30:.1f} GiB"
            raise ModelError(f"length: {words}; give --length or --documents of less")

    @cached_property
    def documents(self) -> Documents:
        """Fresh documents, as long as the model takes them."""
        key = jax.random.fold_in(jax.random.key(self.settings.seed), 5)
        return sample_documents(self.mixture, key, self.settings.documents, self.settings.length)

    @property
    def tokens_BxT(self) -> np.ndarray:
        """The documents' tokens, cut to ``reach``."""
        return self.documents.tokens[:, : self.reach.tokens]

    def ask(self, tokens_BxT: np.ndarray) -> np.ndarray:
        """(B, T + 1, V) what the model answers, as float64.

        Returns:
            (B, T + 1, V) float64, as the model gave them: neither normalised nor checked to be finite.

        Raises:
            NoAnswer: it raised, or the answer has another shape or no floating-point numbers.
        """
        try:
            raw = np.asarray(self.model.log_probabilities(tokens_BxT.copy()))
        except Exception as error:  # the user's own code
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        wanted = (len(tokens_BxT), tokens_BxT.shape[1] + 1, self.vocabulary)
        if raw.shape != wanted or raw.dtype.kind != "f":
            raise NoAnswer(f"{raw.dtype} of shape {raw.shape} where logarithms of shape {wanted} are promised")
        return raw.astype(np.float64)

    @cached_property
    def reach(self) -> Reach:
        """See Reach; halved from the length of the settings until there is an answer.

        Raises:
            NoAnswer: there is none for a single token.
        """
        wanted, declared = self.settings.length, declared_tokens(self.model)
        length = wanted if declared is None else max(1, min(wanted, declared))
        refused = short = ""
        while True:
            try:
                self.ask(self.documents.tokens[:2, :length])
                return Reach(length, refused, short)
            except NoAnswer as error:
                if isinstance(error.__cause__, Exception):
                    refused = refused or f"{length} tokens ({error})"
                else:
                    short = short or f"{length} tokens: {error}"
                if length == 1:
                    raise
                length = max(1, length // 2)

    @cached_property
    def answers_BxSxV(self) -> np.ndarray:
        """The model's answers on all documents."""
        tokens = self.tokens_BxT
        return np.concatenate([self.ask(tokens[i : i + CHUNK]) for i in range(0, len(tokens), CHUNK)])

    @cached_property
    def finite_S(self) -> np.ndarray:
        """(T + 1,) whether every law after so many tokens is free of nan and of +inf (-inf is a probability of 0)."""
        return np.asarray((~np.isnan(self.answers_BxSxV) & (self.answers_BxSxV < np.inf)).all((0, 2)))

    @cached_property
    def log_sum_BxS(self) -> np.ndarray:
        """log of the sum of every law; nan where it is not finite."""
        with np.errstate(all="ignore"):
            return np.asarray(logsumexp(self.answers_BxSxV, axis=-1))

    @cached_property
    def lawful(self) -> int:
        """Tokens up to which every document has laws: finite numbers whose sum is not 0."""
        usable_S = self.finite_S & np.isfinite(self.log_sum_BxS).all(0)
        return self.reach.tokens if usable_S.all() else max(0, int(np.argmin(usable_S)) - 1)

    @cached_property
    def loss(self) -> LossGap | None:
        """The gap to exact Bayes on the documents as far as there are laws, each divided by its sum in float64; None
        where some document has none after its first token."""
        length = self.lawful
        if length < 1:
            return None
        tokens = self.tokens_BxT[:, :length]
        laws = self.answers_BxSxV[:, : length + 1] - self.log_sum_BxS[:, : length + 1, None]
        return loss_gap(_Remembered(self.name, tokens, laws), self.mixture, tokens)

    def others_BxT(self, shift: int = 1) -> np.ndarray:
        """Tokens that differ from the first FEW_DOCUMENTS documents' everywhere (where there is another token).

        Returns:
            (B, T) tokens of the documents' own type; another shift gives other tokens.
        """
        rng = np.random.default_rng([self.settings.seed, shift])
        tokens = self.tokens_BxT[:FEW_DOCUMENTS]
        moved = rng.integers(1, max(2, self.vocabulary), tokens.shape)
        return np.asarray((tokens + moved) % self.vocabulary, tokens.dtype)


class _Remembered:
    """A model that gives the answers that were given before."""

    exact = True

    def __init__(self, name: str, tokens_BxT: np.ndarray, laws_BxSxV: np.ndarray):
        self.name = name
        self._rows = {row.tobytes(): law for row, law in zip(tokens_BxT, laws_BxSxV, strict=True)}

    def log_probabilities(self, tokens_BxT: np.ndarray) -> np.ndarray:
        """See LanguageModel."""
        return np.stack([self._rows[np.ascontiguousarray(row).tobytes()] for row in tokens_BxT])


def moved_BxS(one_BxSxV: np.ndarray, other_BxSxV: np.ndarray) -> np.ndarray:
    """(B, S) the largest change of a probability in each law; 0 where both are the same, nan included, and inf where
    only one of two numbers is nan.

    Args:
        one_BxSxV: log-probabilities, nats.
        other_BxSxV: of the same positions, asked another way.

    Returns:
        (B, S) differences of probabilities.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        change = np.abs(np.exp(one_BxSxV) - np.exp(other_BxSxV))
    same = (one_BxSxV == other_BxSxV) | (np.isnan(one_BxSxV) & np.isnan(other_BxSxV))
    return np.asarray(np.where(same, 0.0, np.where(np.isnan(change), np.inf, change)).max(-1))


def declared_tokens(model: LanguageModel) -> int | None:
    """The most tokens that a model says it takes: ``context`` of the model (of a TorchModel less its begin token), or
    the rows of a network's table of positions less the beginning; None if it says nothing.

    Returns:
        A number of tokens, or None; nothing is tried.
    """
    rows = context_of(model)
    if rows is not None:
        return rows - 1
    context = getattr(model, "context", None)
    if not isinstance(context, int):
        return None
    return context - (getattr(model, "begin_token", None) is not None)


def declared_window(model: LanguageModel) -> int | None:
    """The most tokens before the one asked for that a model says it looks at: ``window`` of the model, or what the
    local attention of a Transformer of this suite reaches; None if it says nothing.

    Returns:
        A number of tokens, or None; nothing is tried.
    """
    window = getattr(model, "window", None)
    if isinstance(window, int):
        return window
    config = getattr(getattr(model, "network", None), "config", None)
    if isinstance(own := getattr(config, "window", None), int):
        return int(getattr(config, "layers", 1)) * (own + int(getattr(config, "taps", 1)))
    return None
