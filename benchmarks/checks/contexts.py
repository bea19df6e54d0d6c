"""The check of context limits: what a model cannot look at, it refuses or says, and never cuts in silence.

A finite context is no fault. It becomes one where documents go on being answered as if they were read whole. A cut
shows in one of four ways, and each is looked for:

    an answer with too few laws            for long documents, where short ones are answered as promised
    the end is cut                         tokens after some position change nothing any more, though earlier ones do
    the beginning is cut                   in a long question early laws ignore their own tokens, in a short one not
    the past is cut (a sliding window)     the older half of a document changes nothing, where it changes exact Bayes

The last is what a model with a window does by design (an n-gram, local attention). Such a model says so by an
attribute ``window``, the number of tokens it looks back at; a context that it refuses to exceed is its attribute
``context``. A recurrent network that forgets is told from a cut by how its memory ends: it fades over many tokens,
through every size of change, while a cut leaves much and then nothing at all. That is a rule of thumb, and the only one
here: a network whose memory ends all at once, where exact Bayes remembers, is asked to declare its window.
"""

import numpy as np

from implicit_bayes.benchmarks.checks.answers import Outcome
from implicit_bayes.benchmarks.checks.dependence import cuts
from implicit_bayes.benchmarks.checks.subject import (
    FEW_DOCUMENTS,
    NoAnswer,
    Subject,
    declared_tokens,
    declared_window,
    moved_BxS,
)
from implicit_bayes.benchmarks.predictors.models import MixtureModel

SHORTEST = 8
"""A window of fewer tokens is an n-gram's, and nobody's cut context."""
MATTERS = 1e-2
"""Change of a probability, of exact Bayes, from which on the older half of a document is something to lose."""
ABRUPT, PLATEAU = 1e-4, 2e-2
"""Change of the model's own law one token before its memory ends, or half way to there: more is no fading."""
LONGEST = 4096
"""A declared context of more tokens is not tried."""
SMOOTHING = 1e-3
"""Of the mixture whose law says what there is to lose: spliced documents may be impossible under the exact one."""


def context_limits(subject: Subject) -> Outcome:
    """See the module.

    Returns:
        Outcome, without a number; its words name every limit that the model declares or was found to have.
    """
    reach = subject.reach
    if reach.short:
        return Outcome(
            False, f"{reach.short}, while {reach.tokens} tokens are answered as promised: its context is cut"
        )
    for look in (_beyond, _halves, _sliding):
        words = look(subject)
        if words:
            return Outcome(False, words)
    limits = [f"answers {reach.tokens} tokens"]
    if declared_tokens(subject.model) is not None:
        limits.append(f"says that it takes {declared_tokens(subject.model)}")
    if reach.refused:
        limits.append(f"refuses {reach.refused}")
    if declared_window(subject.model) is not None:
        limits.append(f"says that it looks {declared_window(subject.model)} back")
    return Outcome(True, "; ".join(limits))


def _beyond(subject: Subject) -> str:
    """A token more than the declared context is to be refused."""
    most = declared_tokens(subject.model)
    if most is None or not 0 < most <= LONGEST:
        return ""
    tokens = np.resize(subject.documents.tokens[0], (1, most + 1))
    try:
        subject.ask(tokens)
    except NoAnswer:
        return ""
    return (
        f"says that it takes {most} tokens and answers {most + 1} without a word: raise an error where tokens are cut"
    )


def _halves(subject: Subject) -> str:
    """Tokens after some position change nothing (the end is cut), or early ones do only in short questions."""
    length = subject.lawful
    tokens, others = subject.tokens_BxT[:FEW_DOCUMENTS, :length], subject.others_BxT()[:, :length]
    if length < 2:
        return ""
    before, moves, next_row = subject.ask(tokens), {}, {}
    for t in cuts(length):
        changed = tokens.copy()
        changed[:, t:] = others[:, t:]
        move_S = moved_BxS(before, subject.ask(changed)).max(0)
        moves[t], next_row[t] = float(move_S[t + 1 :].max()), float(move_S[t + 1])
    deaf = [t for t in moves if all(moves[later] == 0.0 for later in moves if later >= t)]
    if deaf and deaf[0] > 0 and deaf[0] <= length // 2:
        last = max(t for t in moves if t < deaf[0])
        return (f"tokens after the first {deaf[0]} change no law any more, though those after the first {last} do: the "
                f"context ends there, and {length} tokens are answered as if it did not")  # fmt: skip
    for t in (t for t in cuts(length) if next_row[t] == 0.0 and t + 1 < length):
        alone = tokens[:, : t + 1].copy()
        alone[:, t] = others[:, t]
        if moved_BxS(subject.ask(tokens[:, : t + 1]), subject.ask(alone))[:, t + 1].max() > MATTERS:
            ignored = f"the law after {t + 1} tokens ignores the last of them in a question of {length} tokens"
            return f"{ignored}, and not in one of {t + 1}: the beginning of long documents is cut"
    return ""


def _sliding(subject: Subject) -> str:
    """A foreign first half changes nothing from some distance on, where it changes Bayes, and no window is declared."""
    length = subject.lawful
    half = length // 2
    if half <= SHORTEST or subject.vocabulary < 2:
        return ""
    tokens = subject.tokens_BxT[:FEW_DOCUMENTS, :length]
    spliced = tokens.copy()
    spliced[:, :half] = subject.documents.tokens[_foreign(subject.documents.concepts)][:, :half]
    move_D = moved_BxS(subject.ask(tokens), subject.ask(spliced)).max(0)[half:]  # after d own tokens
    alive = np.flatnonzero(move_D > 0.0)
    window = int(alive[-1]) + 1 if alive.size else 0
    declared = declared_window(subject.model)
    if declared is not None:
        seen = f"says that it looks {declared} tokens back, and is moved by what lies {window} back"
        return seen if window > declared else ""
    if not SHORTEST <= window < len(move_D) - 1 or (move_D[window - 1] < ABRUPT and move_D[window // 2] < PLATEAU):
        return ""
    mixture = MixtureModel("bayes", subject.mixture.smooth(SMOOTHING))
    bayes_D = moved_BxS(mixture.log_probabilities(tokens), mixture.log_probabilities(spliced)).max(0)[half:]
    lost = float(bayes_D[window:].max())
    if lost < MATTERS:
        return ""
    words = f"no law depends on what lies more than {window} tokens back, where exact Bayes moves by {lost:.2g}"
    return f"{words}: the past is cut. If that is meant, say so: window = {window}, an attribute of the model"


def _foreign(concept_B: np.ndarray) -> np.ndarray:
    """For each of the first FEW_DOCUMENTS documents one of another concept, where there is any, else simply another."""
    few, count = min(FEW_DOCUMENTS, len(concept_B)), len(concept_B)
    chosen = []
    for b in range(few):
        order = (b + 1 + np.arange(count)) % count
        different = order[concept_B[order] != concept_B[b]]
        chosen.append(int(different[0] if different.size else order[0]))
    return np.array(chosen)
