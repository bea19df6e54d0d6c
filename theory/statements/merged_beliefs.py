"""Every test input x of positive probability, those that leave the same beliefs merged, for limiting risks.

All that the limit of the predictor asks of x = x_1..x_m is, for each of S ways an example can begin (a start law, and
the concept whose kernel goes on from it), the belief over the last state

    b_x(h) = p(h_m = h | x, start, concept),    h in S_{x_m},

S_o the states that can emit o. Inputs whose S beliefs agree bit for bit are one class. ``merged_inputs`` keeps the
first state too, so that its classes serve any start law; they are more, and each costs |S_{x_1}| times as much.

Source: docs/theory, "Lemma 1".
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.rows import distinct_rows
from implicit_bayes.theory.statements.merged_inputs import CLASSES, Classes, count_classes, joined, supports_of

TOGETHER = 1 << 22
"""Probabilities that are held for first tokens together, about: 32 MB. They share blocks as long as they fit; one alone
may take more."""

LOOKED_AT = 1 << 12
"""Classes among which a repetition is looked for before all are sorted for them."""


class Start(NamedTuple):
    """One way in which an example begins.

    Attributes:
        law_H: of the first state.
        hmm: the concept that goes on from it.
    """

    law_H: np.ndarray
    hmm: HMM


class BeliefBlock(NamedTuple):
    """N classes of test inputs that share their last token.

    Attributes:
        tokens_NxM: a representative of each.
        mass_N: p_prompt-mass of each.
        last_W: the states that can emit the last token.
        beliefs_SxNxW: b_x for p_prompt's own start (start 0) and the others asked for; 0 throughout where one
            forbids x.
        alike_N: the inputs of the class have exactly equal beliefs: there is but one, or each belief is a point
            (else they are equal as rounded).
    """

    tokens_NxM: np.ndarray
    mass_N: np.ndarray
    last_W: np.ndarray
    beliefs_SxNxW: np.ndarray
    alike_N: np.ndarray

    def predictive(self, start: int, hmm: HMM) -> np.ndarray:
        """The law of the token after x.

        Args:
            start: which of the block's starts, by its place.
            hmm: the concept of that start.

        Returns:
            (N, V) p(y | x, start); 0 throughout where x is impossible then.
        """
        found: np.ndarray = self.beliefs_SxNxW[start] @ (np.asarray(hmm.transition)[self.last_W] @ hmm.emission)
        return found


class _Concept(NamedTuple):
    """A concept with the starts it goes on from: a slice of S."""

    transition_HxH: np.ndarray
    emission_HxV: np.ndarray
    starts: slice


def belief_blocks(
    law: PromptLaw, others: Sequence[Start], length: int, budget: float = CLASSES
) -> Iterator[BeliefBlock] | None:
    """Every x of ``length`` tokens with p_prompt(x) > 0 in exactly one class; None where there are too many classes.

    Args:
        law: p_prompt, whose own start is start 0.
        others: starts besides it; those of one concept stand together.
        length: m >= 1 tokens.
        budget: classes to visit.

    Returns:
        The blocks, one at a time; a class is made only when its block is asked for.
    """
    starts = [Start(np.asarray(law.start), law.hmm), *others]
    hmms = list({id(start.hmm): start.hmm for start in starts}.values())
    laws = supports_of(law, hmms)
    count = count_classes(laws, length)
    if count > budget:
        return None
    law_SxH = np.stack([start.law_H for start in starts])
    concepts = _concepts([start.hmm for start in starts])
    alive = [token for token, states in enumerate(laws.supports) if _begins(law, states, token)]
    numbers = count * len(starts) * law.hmm.n_states  # a step ahead, before the next token is known
    parts = np.array_split(np.array(alive), min(len(alive), max(1, math.ceil(numbers / TOGETHER))))
    return (
        BeliefBlock(found.tokens_Nxj, found.mass_N, laws.supports[last], found.values, found.alike_N)
        for part in parts
        for last, found in _grown(law_SxH, concepts, laws.supports, part, length).items()
    )


def _begins(law: PromptLaw, states: np.ndarray, token: int) -> bool:
    return float(np.asarray(law.start)[states] @ np.asarray(law.hmm.emission)[states, token]) > 0


def _concepts(hmm_S: Sequence[HMM]) -> list[_Concept]:
    """Runs of starts that one concept goes on from."""
    found: list[_Concept] = []
    for s, hmm in enumerate(hmm_S):
        if s and hmm is hmm_S[s - 1]:
            found[-1] = found[-1]._replace(starts=slice(found[-1].starts.start, s + 1))
        else:
            found.append(_Concept(np.asarray(hmm.transition), np.asarray(hmm.emission), slice(s, s + 1)))
    return found


def _grown(
    law_SxH: np.ndarray, concepts: Sequence[_Concept], supports: Sequence[np.ndarray], first: np.ndarray, length: int
) -> dict[int, Classes]:
    """The classes of all x that begin with one of these tokens, by their last token."""
    level: dict[int, Classes] = {}
    for token in first.tolist():
        raw = law_SxH[:, None, supports[token]] * _emits(concepts, supports[token], token)
        mass = raw[0].sum(-1)
        level[token] = Classes(_normalise(raw), mass, np.array([[token]]), np.ones(1, dtype=bool))
    for _ in range(length - 1):
        level = dict(_extended(concepts, supports, level))
    return level


def _emits(concepts: Sequence[_Concept], states: np.ndarray, token: int) -> np.ndarray:
    """(S, 1, W) p(token | h), h in W."""
    rows = [np.repeat(c.emission_HxV[None, states, token], c.starts.stop - c.starts.start, 0) for c in concepts]
    return np.concatenate(rows)[:, None]


def _extended(
    concepts: Sequence[_Concept], supports: Sequence[np.ndarray], level: dict[int, Classes]
) -> Iterator[tuple[int, Classes]]:
    """The classes one token on, by that token."""
    ahead = {
        o: np.concatenate([found.values[c.starts] @ c.transition_HxH[supports[o]] for c in concepts])
        for o, found in level.items()
    }
    for token, states in enumerate(supports):
        emits_Sx1xW, parts = _emits(concepts, states, token), []
        for o, found in level.items():
            raw = ahead[o][..., states] * emits_Sx1xW
            gain_N = raw[0].sum(-1)
            alive = slice(None) if (gain_N > 0).all() else np.flatnonzero(gain_N > 0)
            if gain_N[alive].size:
                mass = found.mass_N[alive] * gain_N[alive]
                parts.append(Classes(raw[:, alive], mass, found.tokens_Nxj[alive], found.alike_N[alive]))
        if parts:
            every = joined(parts, token)
            yield token, _merged(every._replace(values=_normalise(every.values)))


def _normalise(beliefs_SxNxW: np.ndarray) -> np.ndarray:
    """In place."""
    sums = beliefs_SxNxW @ np.ones((beliefs_SxNxW.shape[-1], 1))
    normalised: np.ndarray = np.divide(beliefs_SxNxW, sums, out=beliefs_SxNxW, where=sums > 0)
    return normalised


def _merged(classes: Classes) -> Classes:
    """``Classes.merged`` where a sample of them has repetitions; some may be missed: classes more, none wrong."""
    rows = classes.values.swapaxes(0, 1)
    if len(rows) > LOOKED_AT:
        sample = rows[:: len(rows) // LOOKED_AT]
        if len(distinct_rows(sample.reshape(len(sample), -1))[0]) == len(sample):
            return classes
    return classes.merged()
