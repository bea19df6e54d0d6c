"""Every test input x of positive probability, those that leave the same belief merged, for Lemma 1 and limiting risks.

All that Lemma 1 and the limit of the predictor ask of x = x_1..x_m is a function of the normalised paths

    J_x(h_1, h_m) = p(x, h_m | h_1, law) / sum over both,    h_1 in S_{x_1}, h_m in S_{x_m},

S_o the states that can emit o: any start law turns it into a belief, and x into the laws of the next token. Inputs
whose J agree bit for bit are one class. With identity emissions there is one class for each (first, last token),
whatever k is; with many states a token there are as many classes as inputs, and they are visited a block at a time.

Source: docs/theory, "Lemma 1".
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import Verdict
from implicit_bayes.theory.information.token_classes import token_classes
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.rows import distinct_rows
from implicit_bayes.theory.statements.lemma_1 import Lemma1, lemma_1_from_paths
from implicit_bayes.theory.statements.repaired_constants import pure_delimiter_states
from implicit_bayes.theory.statements.risk import rounding

CLASSES = 2_000_000
"""Largest number of classes that are visited; GINC's prompts of k = 5 have 1.3 million."""


class InputBlock(NamedTuple):
    """N classes of test inputs that share their first and their last token.

    Attributes:
        tokens_NxM: a representative of each.
        mass_N: p_prompt-mass of each.
        first_F, last_W: the states that can emit the first and the last token.
        paths_LxNxFxW: J under theta* (law 0) and under the other laws asked for; 0 throughout where one forbids x.
        alike_N: the inputs of the class have exactly equal J: there is but one, or J is a point under every law
            (else they are equal as rounded).
    """

    tokens_NxM: np.ndarray
    mass_N: np.ndarray
    first_F: np.ndarray
    last_W: np.ndarray
    paths_LxNxFxW: np.ndarray
    alike_N: np.ndarray

    def predictive(self, law: int, start_H: np.ndarray, hmm: HMM) -> np.ndarray:
        """(N, V) p(y | x) of a law begun from a start law; 0 throughout where x is impossible then.

        Args:
            law: which of the block's laws, by its place.
            start_H: the first state's law.
            hmm: that law itself.

        Returns:
            (N, V), one row for each class of the block.
        """
        joint_NxW = start_H[self.first_F] @ self.paths_LxNxFxW[law]
        mass_N = joint_NxW.sum(-1, keepdims=True)
        ahead = np.asarray(hmm.transition)[self.last_W] @ np.asarray(hmm.emission)
        predictive: np.ndarray = joint_NxW / np.where(mass_N > 0, mass_N, 1.0) @ ahead
        return predictive

    def lemma_1(self, law: PromptLaw, delimiters: np.ndarray) -> Lemma1:
        """``repaired.lemma_1`` at each x, from the merged paths of theta* = ``law.hmm``.

        Args:
            law: the prompt law: theta*, p_prompt(h), k and the delimiter.
            delimiters: the delimiter states (``pure_delimiter_states``).

        Returns:
            The verdicts for every x of the block.
        """
        rows_SxH = np.asarray(law.hmm.transition)[delimiters]
        starts_SxH = np.concatenate([np.asarray(law.start)[None], rows_SxH])
        tv_start = float(0.5 * np.abs(rows_SxH - starts_SxH[0]).sum(-1).max())
        following_WxV = np.asarray(law.hmm.transition)[self.last_W] @ np.asarray(law.hmm.emission)
        error = 4.0 * rounding(self.tokens_NxM.shape[1], law.hmm.n_states)
        return lemma_1_from_paths(self.paths_LxNxFxW[0], starts_SxH[:, self.first_F], following_WxV, tv_start, error)


class _Laws(NamedTuple):
    """theta* and the other laws, L of them.

    Attributes:
        supports: S_o for every token, under any of them.
    """

    transition_LxHxH: np.ndarray
    emission_LxHxV: np.ndarray
    start_H: np.ndarray
    supports: tuple[np.ndarray, ...]


class Classes(NamedTuple):
    """N classes of inputs so far, after the same last token.

    Attributes:
        values: (L, N, ...) what tells classes apart under each of L laws: J here, beliefs in ``merged_beliefs``.
        mass_N: p_prompt-mass of each.
        tokens_Nxj: (N, j) a representative of each.
        alike_N: the inputs of the class have exactly equal values: there is but one, or values are points under every
            law (else they are equal as rounded).
    """

    values: np.ndarray
    mass_N: np.ndarray
    tokens_Nxj: np.ndarray
    alike_N: np.ndarray

    def merged(self) -> "Classes":
        """The same classes, those whose values agree bit for bit made one.

        Returns:
            No more classes, in another order; masses added up.
        """
        rows_NxR = np.ascontiguousarray(self.values.swapaxes(0, 1)).reshape(len(self.mass_N), -1)
        first, inverse = distinct_rows(rows_NxR)
        values = self.values[:, first]
        count = np.bincount(inverse, minlength=len(first))
        points = ((values > 0).reshape(*values.shape[:2], -1).sum(-1) <= 1).all(0)
        alike = points | ((count == 1) & self.alike_N[first])
        return Classes(values, np.bincount(inverse, self.mass_N, len(first)), self.tokens_Nxj[first], alike)


def joined(parts: Sequence[Classes], token: int) -> Classes:
    """Classes from several last tokens, after the token that now follows all of them.

    Args:
        parts: at least one; of the same laws and states.
        token: appended to every representative.

    Returns:
        All classes, none merged.
    """
    values = np.concatenate([part.values for part in parts], 1)
    mass, tokens, alike = (np.concatenate(each) for each in zip(*(part[1:] for part in parts), strict=True))
    return Classes(values, mass, np.pad(tokens, ((0, 0), (0, 1)), constant_values=token), alike)


def input_blocks(
    law: PromptLaw, others: Sequence[HMM], length: int, budget: float = CLASSES
) -> Iterator[InputBlock] | None:
    """Every x of ``length`` tokens with p_prompt(x) > 0 in exactly one class; None where there are too many classes.

    Args:
        law: p_prompt.
        others: laws besides theta* = ``law.hmm`` whose beliefs tell inputs apart.
        length: m >= 1 tokens.
        budget: classes to visit.

    Returns:
        An iterator of InputBlocks, one for each pair of a first and a last token; None above the budget.
    """
    laws = supports_of(law, [law.hmm, *others])
    return _blocks(laws, length) if count_classes(laws, length) <= budget else None


def supports_of(law: PromptLaw, hmms: Sequence[HMM]) -> _Laws:
    """The laws in one table, with the states that can emit each token under any of them.

    Args:
        law: p_prompt, whose start law is kept.
        hmms: the laws, theta* = ``law.hmm`` first.

    Returns:
        What ``count_classes`` counts on.
    """
    transition, emission = (np.stack([np.asarray(getattr(h, n)) for h in hmms]) for n in ("transition", "emission"))
    can_HxV: np.ndarray = np.logical_or.reduce(emission > 0)
    kinds = token_classes(can_HxV)
    shared = [np.flatnonzero(can_HxV[:, token]) for token in kinds.first_K]
    supports = tuple(shared[kind] for kind in kinds.class_V)
    return _Laws(transition, emission, np.asarray(law.start), supports)


def merged_tests(
    law: PromptLaw, others: Sequence[HMM], length: int, budget: float = 20_000
) -> tuple[np.ndarray, np.ndarray] | None:
    """One x of each class (B, m) with the class's p_prompt-mass (B,): enough for whatever depends on beliefs only.

    Args:
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        others: concepts whose beliefs tell classes apart too.
        length: tokens of x.
        budget: classes affordable.

    Returns:
        None where there are more classes.
    """
    blocks = input_blocks(law, others, length, budget)
    if blocks is None:
        return None
    tokens, mass = zip(*((block.tokens_NxM, block.mass_N) for block in blocks), strict=True)
    return np.concatenate(tokens), np.concatenate(mass)


def lemma_1_everywhere(mixture: MixtureOfHMMs, law: PromptLaw, budget: float = CLASSES) -> Verdict:
    """The repaired Lemma 1 at every x of k - 1 tokens that p_prompt can draw; stops at the first where it fails.

    Args:
        mixture: the pretraining law.
        law: the prompt law: theta*, p_prompt(h), k and the delimiter.
        budget: classes affordable.

    Returns:
        True or False by looking at every class; "undetermined" where there are too many, or rounding decides.
    """
    blocks = input_blocks(law, [], law.length - 1, budget)
    if blocks is None:
        return "undetermined"
    verdict: Verdict = True
    delimiters = pure_delimiter_states(mixture)
    for block in blocks:
        lemma = block.lemma_1(law, delimiters)
        if (~lemma.perhaps).any():
            return False
        if not (lemma.by_posterior | lemma.by_start).all():
            verdict = "undetermined"
    return verdict


def count_classes(laws: _Laws, length: int) -> float:
    """An upper bound on the number of classes: 1 for each pair of tokens that only one state emits, else all inputs.

    Tokens of the same supports are counted together: the count for a first token and a last one depends on their kinds.

    Args:
        laws: law 0 draws the inputs.
        length: tokens of x.

    Returns:
        A whole number as a float, since it may be beyond integers' range.
    """
    emits_HxV = laws.emission_LxHxV[0] > 0
    can_HxV: np.ndarray = np.logical_or.reduce(laws.emission_LxHxV > 0)
    kinds = token_classes(can_HxV, emits_HxV)
    emits_HxK = emits_HxV[:, kinds.first_K]
    single_K = can_HxV[:, kinds.first_K].sum(0) == 1
    step_KxK = ((emits_HxK.T.astype(float) @ (laws.transition_LxHxH[0] > 0)) @ emits_HxK > 0).astype(float)
    weight_K = kinds.count_K.astype(float)
    first_K = weight_K * (laws.start_H[None] > 0).astype(float).dot(emits_HxK).clip(0.0, 1.0)[0]
    if length == 1:
        return float(first_K.sum())
    count_KxK = step_KxK  # inputs that begin with a given token of one kind and end in a given one of another
    for _ in range(length - 2):
        count_KxK = (count_KxK * weight_K) @ step_KxK
        count_KxK = np.where(single_K[:, None] & single_K, np.minimum(count_KxK, 1.0), count_KxK)
    return float(first_K @ count_KxK @ weight_K)


def _blocks(laws: _Laws, length: int) -> Iterator[InputBlock]:
    for first, states in enumerate(laws.supports):
        emits_LxF = laws.emission_LxHxV[:, states, first]
        mass = float(laws.start_H[states] @ emits_LxF[0])
        if mass <= 0:
            continue
        paths = _normalise((np.eye(len(states)) * emits_LxF[:, None, :])[:, None])
        level = {first: Classes(paths, np.array([mass]), np.array([[first]]), np.ones(1, dtype=bool))}
        for _ in range(length - 1):
            level = dict(_extended(laws, level, laws.start_H[states]))
        for last, found in level.items():
            ends = laws.supports[last]
            yield InputBlock(found.tokens_Nxj, found.mass_N, states, ends, found.values, found.alike_N)


def _extended(laws: _Laws, level: dict[int, Classes], start_F: np.ndarray) -> Iterator[tuple[int, Classes]]:
    """The classes one token on, by that token."""
    ahead = {o: found.values @ laws.transition_LxHxH[:, None, laws.supports[o]] for o, found in level.items()}
    for token, states in enumerate(laws.supports):
        emits_LxW = laws.emission_LxHxV[:, states, token]
        parts = []
        for o, found in level.items():
            raw = ahead[o][..., states] * emits_LxW[:, None, None]
            gain_N = (start_F @ raw[0]).sum(-1) / (start_F @ found.values[0]).sum(-1)
            alive = np.flatnonzero(gain_N > 0)
            if alive.size:
                mass = found.mass_N[alive] * gain_N[alive]
                parts.append(Classes(raw[:, alive], mass, found.tokens_Nxj[alive], found.alike_N[alive]))
        if parts:
            every = joined(parts, token)
            yield token, every._replace(values=_normalise(every.values)).merged()


def _normalise(paths_LxNxFxW: np.ndarray) -> np.ndarray:
    sums = paths_LxNxFxW.sum((-1, -2), keepdims=True)
    return paths_LxNxFxW / np.where(sums > 0, sums, 1.0)


def answer_margins(truth_NxV: np.ndarray, predictive_NxDxV: np.ndarray, tie: float) -> np.ndarray:
    """(N,) Delta*(x) = min_d [ p(y_test | x, d) - max_{y != y_test} p(y | x, d) ], over the d that allow x.

    y_test is an argmax of p_prompt(y | x); of answers tied within ``tie`` the one with the largest margin, which is
    as good. -1 where no d can write x, and where there is one token only the margin is its probability.

    Args:
        truth_NxV: p_prompt(y | x).
        predictive_NxDxV: p(y | x, d, theta*).
        tie: probabilities closer than this are tied.

    Returns:
        (N,) in [-1, 1]; positive where theta* answers right whatever delimiter state came before.
    """
    best = np.full(len(truth_NxV), -1.0)
    possible_NxD = predictive_NxDxV.sum(-1) > 0
    for answer in range(truth_NxV.shape[1]):
        tied = np.flatnonzero((truth_NxV[:, answer] >= truth_NxV.max(-1) - tie) & possible_NxD.any(-1))
        if tied.size:
            others = np.delete(predictive_NxDxV[tied], answer, -1).max(-1, initial=0.0)
            margin = np.where(possible_NxD[tied], predictive_NxDxV[tied][..., answer] - others, 2.0).min(-1)
            best[tied] = np.maximum(best[tied], margin)
    return best
