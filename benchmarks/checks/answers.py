"""Checks of each answer by itself: shape, finite numbers, laws that sum to one, the same question twice.

Every check takes a Subject and returns an Outcome. Source: ``lm.model.LanguageModel``, which says what is promised.
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.checks.results import Verdict
from implicit_bayes.benchmarks.checks.subject import FEW_DOCUMENTS, NoAnswer, Subject, declared_tokens, moved_BxS
from implicit_bayes.benchmarks.gap.laws import ROUNDING
from implicit_bayes.benchmarks.predictors.promises import TOLERANCE

SHORT = 64
"""Tokens of the questions that are asked again and again."""


class Outcome(NamedTuple):
    """What a check found: see ``results.Found``.

    Attributes:
        holds: True, False or "undetermined".
        words: what was found, as a sentence without its full stop.
        value: what was measured, or None where nothing has a number.
        bound: the most that ``value`` may be, in its unit.
    """

    holds: Verdict
    words: str
    value: float | None = None
    bound: float | None = None


def shape(subject: Subject) -> Outcome:
    """Questions of one and of several documents, of one token and of more.

    Returns:
        Outcome, without a number; the first question that has no answer of the promised shape breaks the law.
    """
    most = declared_tokens(subject.model) or 16
    for batch, length in ((1, 1), (3, min(2, most)), (2, min(16, most, subject.settings.length))):
        tokens = subject.documents.tokens[np.arange(batch) % len(subject.documents.tokens), :length]
        try:
            subject.ask(tokens)
        except NoAnswer as error:
            return Outcome(False, f"{batch} documents of {length} tokens: {error}")
    return Outcome(True, "one law after every prefix, the empty one included")


def finite(subject: Subject) -> Outcome:
    """No nan and no +inf in any law; -inf is a probability of 0.

    Returns:
        Outcome, without a number.
    """
    answers, good_S = subject.answers_BxSxV, subject.finite_S
    if good_S.all():
        return Outcome(True, f"{answers.size:,} numbers after 0 to {subject.reach.tokens} tokens")
    at = int(np.argmin(good_S))
    bad_B = (np.isnan(answers[:, at]) | (answers[:, at] == np.inf)).any(-1)
    what = "nan" if np.isnan(answers[:, at]).any() else "+inf"
    rest = int((~good_S).sum())
    words = f"{what} after {at} tokens in {int(bad_B.sum())} of {len(answers)} documents"
    return Outcome(False, f"{words}, and at {rest} of {len(good_S)} positions: no loss exists from there on")


def normalised(subject: Subject) -> Outcome:
    """|log sum_v q(v)| at most TOLERANCE, at every position of every document at which the numbers are finite.

    Returns:
        Outcome: the largest |log sum|, nats, beside TOLERANCE.
    """
    logs_BxS = np.where(subject.finite_S, subject.log_sum_BxS, 0.0)
    off_BxS = np.abs(logs_BxS)
    worst = float(off_BxS.max())
    if worst <= TOLERANCE:
        return Outcome(True, "every law sums to 1", worst, TOLERANCE)
    b, at = (int(i) for i in np.unravel_index(np.argmax(off_BxS), off_BxS.shape))
    first = int(np.argmax((off_BxS > TOLERANCE).any(0)))
    words = f"the law after {at} tokens of document {b} sums to {math.exp(min(logs_BxS[b, at], 700.0)):.4g}"
    return Outcome(False, f"{words}; the first that is off comes after {first} tokens. Give log-probabilities, as a "
                          "log-softmax does, and not logits", worst, TOLERANCE)  # fmt: skip


def determinism(subject: Subject) -> Outcome:
    """The same question before and after another one, of another shape.

    Returns:
        Outcome: the largest change of a probability, beside ROUNDING.
    """
    length = min(SHORT, subject.reach.tokens)
    tokens = subject.tokens_BxT[:FEW_DOCUMENTS, :length]
    first = subject.ask(tokens)
    subject.ask(subject.others_BxT()[:2, : max(1, min(16, length // 2))])
    worst_S = moved_BxS(first, subject.ask(tokens)).max(0)
    worst = float(worst_S.max())
    if worst <= ROUNDING:
        return Outcome(True, "the same question has the same answer, whatever was asked between", worst, ROUNDING)
    at = int(np.argmax(worst_S > ROUNDING))
    words = (
        f"asked twice, a probability after {at} tokens differs; it draws (dropout left on?) or remembers its past calls"
    )
    return Outcome(False, words, worst, ROUNDING)


def input_unchanged(subject: Subject) -> Outcome:
    """The array of tokens that a model is handed is as it was.

    Returns:
        Outcome, without a number.
    """
    tokens = subject.tokens_BxT[:2, : min(SHORT, subject.reach.tokens)].copy()
    before = tokens.copy()
    subject.model.log_probabilities(tokens)
    changed = int((tokens != before).sum()) if tokens.shape == before.shape else tokens.size
    if not changed:
        return Outcome(True, "the tokens that it is handed are left alone")
    return Outcome(False, f"{changed} of the {before.size} tokens that it was handed were overwritten: work on a copy")


def token_types(subject: Subject) -> Outcome:
    """int32 and int64 tokens have the same answer.

    Returns:
        Outcome: the largest difference of a probability, beside ROUNDING.
    """
    tokens = subject.tokens_BxT[:2, : min(SHORT, subject.reach.tokens)]
    try:
        one, other = (subject.ask(tokens.astype(kind)) for kind in (np.int32, np.int64))
    except NoAnswer as error:
        return Outcome(False, f"one of int32 and int64 tokens is not answered: {error}")
    worst = float(moved_BxS(one, other).max())
    words = "int32 and int64 tokens have the same answer" if worst <= ROUNDING else "int32 and int64 tokens differ"
    return Outcome(worst <= ROUNDING, words, worst, ROUNDING)
