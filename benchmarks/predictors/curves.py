"""Exact in-context curves: accuracy against the number of examples, for the three Bayes references.

One pass over a prompt of the largest n yields every smaller n: its first n examples, then as x_test the first k - 1
tokens of example n + 1. Cells of one k therefore share prompts; the standard error is of one cell.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.predictors.agreement import is_right
from implicit_bayes.benchmarks.predictors.promises import answer_at
from implicit_bayes.benchmarks.predictors.prompt_aware import prompt_aware, prompt_truth, started_mixture
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.datasets import Prompts
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.keys import derived_key
from implicit_bayes.simulators.sampler import sample_prompts
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture
from implicit_bayes.theory.filtering.dispatch import Prepared, prepare
from implicit_bayes.theory.objects.prompts import prefix_length

if TYPE_CHECKING:  # what asks only for References needs no xarray
    import xarray as xr

DEFAULT_KS = (3, 5, 8, 10)
"""Example lengths where an instance has none of its own: the paper's."""
CHUNK = 100
"""Prompts drawn with one key."""
TOGETHER = 1 << 22
"""Numbers (prompts x examples x concepts x tokens) in one table of what is filtered together, a progress tick each."""

NUMBERS = 1 << 26
"""Probabilities held at once, however few the prompts: 512 MB."""


class Predictor(NamedTuple):
    """A reference predictor.

    Attributes:
        name: "exact", "smoothed" or "prompt-aware".
        epsilon: share of the uniform law in a smoothed one; None for the others.
    """

    name: str
    epsilon: float | None

    @property
    def label(self) -> str:
        """The name with its epsilon, as in smoothed(0.01)."""
        return self.name if self.epsilon is None else f"{self.name}({self.epsilon:g})"


class Answers(NamedTuple):
    """What one predictor says of x_test's next token, by prompt and n.

    Attributes:
        law_PxNxV: its law; meaningless where not defined.
        defined_PxN: whether it has one.
    """

    law_PxNxV: np.ndarray
    defined_PxN: np.ndarray


def references(epsilons: Sequence[float]) -> list[Predictor]:
    """The predictors of every curve, in the order they are shown.

    Returns:
        Predictors: exact, smoothed ones, prompt-aware.
    """
    return [
        Predictor("exact", None),
        *(Predictor("smoothed", float(eps)) for eps in epsilons),
        Predictor("prompt-aware", None),
    ]


def in_context_curves(
    instance: Instance,
    ks: Sequence[int],
    ns: Sequence[int],
    *,
    prompts: int,
    seed: int,
    epsilons: Sequence[float] = (),
    models: Sequence[LanguageModel] = (),
    exact: bool = True,
    advance: Callable[[int], None] = lambda prompts: None,
) -> "xr.Dataset":
    """Accuracy of f_n(x_test) = argmax_y p(y | S_n, x_test) against y_test = argmax_y p_prompt(y | x_test).

    Where several tokens tie for y_test, each of them is right.

    Args:
        instance: mixture, start laws and true concepts (each prompt draws one of each).
        ks: example lengths k.
        ns: numbers of examples n.
        prompts: prompts for each k.
        seed: of the prompts.
        epsilons: smoothing levels of the ``smoothed`` predictor.
        models: language models asked about the same prompts; a row of -inf only is "undefined".
        exact: whether the exact predictors, smoothed ones included, have rows too; y_test is worked out in any case.
        advance: called with the number of prompts just finished, for a progress bar.

    Returns:
        Dataset over (predictor, k, n): ``correct`` and ``undefined`` (counts), ``prompts`` (count per cell),
        ``accuracy`` (share of correct among *defined* prompts, nan where none is), its 95% Wilson interval
        ``accuracy_low``, ``accuracy_high``, ``standard_error`` (binomial: 0 at shares of 0 and 1),
        ``undefined_share``; coordinate ``epsilon`` (nan where it does not apply).
    """
    asked = references(epsilons) if exact else []
    predictors = [*asked, *(Predictor(model.name, None) for model in models)]
    shape = (len(predictors), len(ks), len(ns))
    correct, undefined = np.zeros(shape, int), np.zeros(shape, int)
    references_of = References(instance, asked)
    for i, k in enumerate(ks):
        for batch in _batches(instance, k, max(ns), prompts, seed, bool(models)):
            for part in _parts(batch, held_at_once(instance.mixture, max(ns))):
                truth_PxNxV, answers = references_of.answers(part, k, ns)
                answers += [ask(model, part.tokens, k, ns) for model in models]
                for j, (law_PxNxV, defined_PxN) in enumerate(answers):
                    right_PxN = is_right(law_PxNxV, truth_PxNxV) & defined_PxN
                    correct[j, i] += right_PxN.sum(0)
                    undefined[j, i] += (~defined_PxN).sum(0)
                advance(len(part.concepts))
    return _dataset(predictors, ks, ns, prompts, correct, undefined)


def _batches(instance: Instance, k: int, n: int, prompts: int, seed: int, singly: bool) -> Iterator[Prompts]:
    """The first ``prompts`` prompts of one k, as many together as TOGETHER allows, whole draws of CHUNK at least.

    Args:
        instance: mixture, start laws and true concepts.
        k, n: tokens in an example, and the largest number of examples.
        prompts: how many.
        seed: of all of them.
        singly: a draw at a time, whatever its size.
    """
    mixture = instance.mixture
    draws = 1 if singly else max(1, TOGETHER // (CHUNK * (n + 1) * mixture.n_concepts * mixture.n_tokens))
    for first in range(0, prompts, draws * CHUNK):
        drawn = [
            sample_prompts(
                mixture, instance.prompt_starts, derived_key(seed, k, begin), CHUNK, k, n,
                true_concepts=instance.true_concepts,
            )
            for begin in range(first, min(prompts, first + draws * CHUNK), CHUNK)
        ]  # fmt: skip
        yield Prompts(*(np.concatenate(parts)[: prompts - first] for parts in zip(*drawn, strict=True)))


def held_at_once(mixture: MixtureOfHMMs, examples: int) -> int:
    """Prompts answered together at most: prompt-aware Bayes holds two laws for each example and concept.

    Args:
        mixture: its sizes decide.
        examples: n, the largest that is asked about.

    Returns:
        A number of prompts, at least 1.
    """
    wide = max(mixture.n_tokens, mixture.n_states)
    return max(1, NUMBERS // (2 * (examples + 1) * mixture.n_concepts * wide))


def _parts(batch: Prompts, most: int) -> Iterator[Prompts]:
    """The prompts of a batch, at most so many together, in equal parts."""
    count = len(batch.concepts)
    size = -(-count // -(-count // most))
    for first in range(0, count, size):
        yield Prompts(*(each[first : first + size] for each in batch))


class References:
    """The predictors of one instance, what their filters precompute built once for all k and all batches."""

    def __init__(self, instance: Instance, predictors: Sequence[Predictor]):
        self.mixture, states = instance.mixture, instance.mixture.n_states
        laws = np.asarray(instance.prompt_starts).reshape(-1, states)
        self.start_SxH, index = np.unique(laws, axis=0, return_inverse=True)
        self.index_CxS = index.reshape(instance.prompt_starts.shape[:2])
        self.started_tables = prepare(started_mixture(self.mixture, self.start_SxH))
        self.filters: list[tuple[MixtureOfHMMs, Prepared | None] | None] = []
        for predictor in predictors:
            if predictor.name == "prompt-aware":
                self.filters.append(None)
                continue
            mixture = self.mixture if predictor.epsilon is None else self.mixture.smooth(predictor.epsilon)
            self.filters.append((mixture, prepare(mixture)))

    def answers(self, batch: Prompts, k: int, ns: Sequence[int]) -> tuple[np.ndarray, list[Answers]]:
        """p_prompt(y | x_test) under the true concept (P, N, V), and every predictor's answers, at the chosen n.

        Keep batches of one size, so that one compilation serves.

        Args:
            batch: P prompts of more than max(ns) examples.
            k: tokens in an example.
            ns: examples before x_test, N values.

        Returns:
            ((P, N, V) laws, one Answers for each predictor): probabilities, and (P, N) whether the predictor has an
            answer.
        """
        start_P = self.index_CxS[batch.concepts, batch.starts]
        examples, ceiling = split_examples(batch.tokens, k), None
        prompt = (self.mixture, examples, self.start_SxH, start_P, batch.concepts)
        if None in self.filters:
            ceiling = prompt_aware(*prompt, tables=self.started_tables, ns=ns)
            truth_PxNxV = ceiling.truth_PxNxV
        else:
            truth_PxNxV = prompt_truth(*prompt, tables=self.started_tables, ns=ns)
        answers, at = [], [prefix_length(k, n) for n in ns]
        for prepared in self.filters:
            if prepared is None:
                assert ceiling is not None
                answers.append(Answers(ceiling.predictive_PxNxV, ceiling.defined_PxN))
            else:
                mixture, tables = prepared
                out = filter_mixture(mixture, batch.tokens[:, : max(at)], positions=at, tables=tables)
                answers.append(Answers(np.asarray(out.predictive), np.asarray(out.defined)))
        return truth_PxNxV, answers


def ask(model: LanguageModel, tokens_PxT: np.ndarray, k: int, ns: Sequence[int]) -> Answers:
    """A language model's answers to the same prompts; a row of -inf only is no law.

    Args:
        model: asked once, about the longest prefix.
        tokens_PxT: prompts, delimiters included.
        k: tokens in an example.
        ns: examples before x_test.

    Returns:
        Answers at each n.
    """
    at = [prefix_length(k, n) for n in ns]
    log_q_PxNxV = answer_at(model, tokens_PxT, at)
    return Answers(np.exp(log_q_PxNxV, dtype=np.float64), np.isfinite(log_q_PxNxV).any(-1))


def split_examples(tokens_PxL: np.ndarray, k: int) -> np.ndarray:
    """(P, N + 1, k) examples of prompts written as k tokens, delimiter, k tokens, delimiter, ..., k tokens.

    Args:
        tokens_PxL: prompts; L = (N + 1)(k + 1) - 1.
        k: tokens in an example.

    Returns:
        A view or a copy in the tokens' type; delimiters are left out.
    """
    prompts, length = tokens_PxL.shape
    padded = np.concatenate([tokens_PxL, tokens_PxL[:, :1]], 1)  # any token where a last delimiter would stand
    return padded.reshape(prompts, (length + 1) // (k + 1), k + 1)[..., :k]


def _dataset(predictors, ks, ns, prompts, correct, undefined) -> "xr.Dataset":
    import xarray as xr

    dims = ("predictor", "k", "n")
    defined = prompts - undefined
    accuracy = np.divide(correct, defined, out=np.full(correct.shape, np.nan), where=defined > 0)
    error = np.sqrt(
        np.divide(accuracy * (1 - accuracy), defined, out=np.full(correct.shape, np.nan), where=defined > 0)
    )
    low, high = wilson(correct, defined)
    return xr.Dataset(
        {
            "correct": (dims, correct),
            "undefined": (dims, undefined),
            "accuracy": (dims, accuracy, {"units": "share of defined prompts"}),
            "standard_error": (dims, error, {"units": "share of defined prompts"}),
            "accuracy_low": (dims, np.where(defined > 0, low, np.nan), {"units": "share of defined prompts"}),
            "accuracy_high": (dims, np.where(defined > 0, high, np.nan), {"units": "share of defined prompts"}),
            "undefined_share": (dims, undefined / prompts, {"units": "share of prompts"}),
            "prompts": (dims, np.full(correct.shape, prompts)),
        },
        coords={
            "predictor": [p.label for p in predictors],
            "k": list(ks),
            "n": list(ns),
            "epsilon": ("predictor", [np.nan if p.epsilon is None else p.epsilon for p in predictors]),
        },
    )
