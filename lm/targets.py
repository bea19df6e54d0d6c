"""What a training step is asked for: the token that came, or the exact law that it was drawn from.

The loss of a token is -log q(o_t | o_1..o_{t-1}). Its expectation given the document so far is the cross-entropy
-sum_v p(v | o_1..o_{t-1}) log q(v | o_1..o_{t-1}) with the Bayes predictive p of the pretraining law. Both have the
same mean over documents, and so the same minimiser; the second has no noise of the token that happened to come, and
where q is p its gradient vanishes on every batch, not only in the mean. A network that learns it is *taught*: it
has been shown p, which no reader of documents is.

Source: Rao and Blackwell's theorem for the loss; Hinton, Vinyals and Dean 2015 for learning from a law.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from implicit_bayes.lm.data import Batches
from implicit_bayes.lm.schedule import Plan
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture

NUMBERS = 1 << 22
"""Probabilities that are worked out at once, about (one step at least): 32 MB, and as float32 half of it."""


class Lesson(NamedTuple):
    """One batch.

    Attributes:
        tokens: (B, T) int32.
        laws: (B, T, V) float32, p(v | o_1..o_{t-1}) for every token o_t; None where the tokens themselves are learnt.
    """

    tokens: np.ndarray
    laws: np.ndarray | None = None


Lessons = Callable[[int], Lesson]
"""step -> the batch."""


def tokens_alone(batches: Batches) -> Lessons:
    """Batches as lessons that ask for the tokens that came.

    Args:
        batches: of lm.data.

    Returns:
        Lessons without laws.
    """
    return lambda step: Lesson(batches(step))


def taught(batches: Batches, mixture: MixtureOfHMMs, plan: Plan) -> Lessons:
    """Batches as lessons that ask for the exact law of each token.

    Several steps are filtered at once; which ones depends on the step alone, so that a resumed training has bitwise the
    lessons of one that was not stopped.

    Args:
        batches: of lm.data; every row begins where its document does.
        mixture: the pretraining law that they were drawn from.
        plan: shapes of the batches.

    Returns:
        Lessons with laws.
    """
    held: dict[tuple[int, int], list[Lesson]] = {}

    def lesson(step: int) -> Lesson:
        index, phase = plan.phase(step)
        together = max(1, NUMBERS // (phase.batch * phase.length * mixture.n_tokens))
        group, place = divmod(step - int(plan.first_P[index]), together)
        if (index, group) not in held:
            held.clear()
            held[index, group] = _group(batches, mixture, plan, step - place, together)
        return held[index, group][place]

    return lesson


def _group(batches: Batches, mixture: MixtureOfHMMs, plan: Plan, first: int, count: int) -> list[Lesson]:
    """The lessons of up to ``count`` steps of one phase."""
    index, phase = plan.phase(first)
    end = plan.steps if index + 1 == len(plan.phases) else int(plan.first_P[index + 1])
    tokens = [np.asarray(batches(step)) for step in range(first, min(first + count, end))]
    out = filter_mixture(mixture, np.concatenate(tokens), positions=range(phase.length))
    laws = np.asarray(out.predictive).astype(np.float32).reshape(len(tokens), phase.batch, phase.length, -1)
    return [Lesson(*each) for each in zip(tokens, laws, strict=True)]
