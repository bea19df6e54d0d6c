"""Checks of what a law may depend on: the tokens before it, and nothing else.

Every check takes a Subject and returns an Outcome; each puts two questions that differ in what must not matter.
"""

import numpy as np

from implicit_bayes.benchmarks.checks.answers import SHORT, Outcome
from implicit_bayes.benchmarks.checks.subject import FEW_DOCUMENTS, Subject, moved_BxS
from implicit_bayes.benchmarks.gap.laws import ROUNDING

ALONE = 3
"""Documents that are asked about one at a time, so that no other document can move a law."""


def cuts(length: int) -> list[int]:
    """0, 1, 2, 4, 8, … and length - 1: positions from which tokens are replaced.

    Returns:
        Increasing positions of a document of ``length`` tokens.
    """
    return sorted({0, length - 1, *(1 << i for i in range(length.bit_length()) if 1 << i < length)})


def causality(subject: Subject) -> Outcome:
    """Rows 0 .. t stay when every token after the first t is another, for several t; one document at a time.

    Returns:
        Outcome: the largest change of a probability, beside ROUNDING.
    """
    length, worst, where = subject.reach.tokens, 0.0, (0, 0)
    short = min(SHORT, length)
    for size, at in ((short, cuts(short)), (length, [length // 2, length - 1])):
        for b in range(min(ALONE if size == short else 1, len(subject.tokens_BxT))):
            tokens = subject.tokens_BxT[b : b + 1, :size]
            before = subject.ask(tokens)
            for t in at:
                other = tokens.copy()
                other[:, t:] = subject.others_BxT(t)[b : b + 1, t:size]
                row_S = moved_BxS(before, subject.ask(other))[0, : t + 1]
                if row_S.max() > worst:
                    worst, where = float(row_S.max()), (int(row_S.argmax()), t)
    if worst <= ROUNDING:
        return Outcome(True, "no law moves when the tokens after its prefix are replaced", worst, ROUNDING)
    words = (
        f"the law after {where[0]} tokens moves by {worst:.2g} when the tokens after the first {where[1]} are replaced"
    )
    return Outcome(False, f"{words}: it sees what it is asked to predict (an index off by one, or no causal mask)",
                   worst, ROUNDING)  # fmt: skip


def position_offsets(subject: Subject) -> Outcome:
    """The law after t tokens is the same whether the question ends there or goes on.

    Returns:
        Outcome: the largest difference of a probability, beside the settings' tolerance.
    """
    length, bound = subject.reach.tokens, subject.settings.tolerance
    tokens = subject.tokens_BxT[:2]
    whole, worst, where = subject.ask(tokens), 0.0, (0, 0)
    for size in sorted({1, 16, length // 3, length - 1} & set(range(1, length))):
        row_S = moved_BxS(whole[:, : size + 1], subject.ask(tokens[:, :size])).max(0)
        if row_S.max() > worst:
            worst, where = float(row_S.max()), (int(row_S.argmax()), size)
    if worst <= bound:
        return Outcome(
            True, "positions count from the beginning of a document, however long the question is", worst, bound
        )
    words = f"the law after {where[0]} tokens is another in a question of {where[1]} tokens than in one of {length}"
    return Outcome(False, f"{words}: positions are counted from the end, or padding is read as tokens", worst, bound)


def batch_independence(subject: Subject) -> Outcome:
    """A document's laws alone, among others, in another order and beside copies of itself.

    Returns:
        Outcome: the largest difference of a probability, beside the settings' tolerance.
    """
    length, bound = min(SHORT, subject.reach.tokens), subject.settings.tolerance
    tokens = subject.tokens_BxT[:FEW_DOCUMENTS, :length]
    together = subject.ask(tokens)
    rows = np.arange(len(tokens))
    companies = [(f"alone and among {len(tokens)}", rows[i : i + 1]) for i in range(min(ALONE, len(tokens)))]
    companies += [
        ("in another order", rows[::-1]),
        ("beside copies of another document", np.array([0, 0, 0, len(rows) - 1])),
    ]
    worst, where = 0.0, ("", 0)
    for words, chosen in companies:
        row_S = moved_BxS(together[chosen], subject.ask(tokens[chosen])).max(0)
        if row_S.max() > worst:
            worst, where = float(row_S.max()), (words, int(row_S.argmax()))
    others = tokens.copy()
    others[1:] = subject.others_BxT()[1 : len(tokens), :length]
    row_S = moved_BxS(together[:1], subject.ask(others)[:1]).max(0)
    if row_S.max() > worst:
        worst, where = float(row_S.max()), ("beside other documents", int(row_S.argmax()))
    if worst <= bound:
        return Outcome(True, "a document's laws do not depend on the documents asked about with it", worst, bound)
    words = f"the law after {where[1]} tokens of the same document differs {where[0]} by {worst:.2g}"
    why = "a batch norm in training mode, a mean over the wrong axis, padding to the longest"
    return Outcome(False, f"{words}: something is shared across the batch ({why})", worst, bound)
