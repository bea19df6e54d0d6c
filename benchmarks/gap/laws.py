"""Laws that every causal model obeys, whatever it has learnt.

    excess >= 0              -sum of the excess over all documents, log prod q / p, is at most log(1 / ALPHA): Markov
    Ville                    log M_t = sum_s log q(o_s) / p(o_s) stays below log(documents / ALPHA) in every document
    no foresight             the e-value against mean KL > mean excess is at most 1 / ALPHA (benchmarks.gap.loss)
    g(risk) <= KL            of means: g is convex (theory.statements.bounds.excess_risk); certain, up to rounding
    causality                rows up to t do not move when tokens after t do

Each of the first three is broken by a causal model in at most a share ALPHA of all runs, whatever its losses are like:
all rest on E prod q / p <= 1, none on a normal limit. (With standard errors instead, a model of independent tokens that
gives 1e-9 to a token of probability 3e-5 breaks the first wherever that token does not come up.)
A model that breaks a law leaks, or the harness is wrong, or chance had a share of at most 3 ALPHA.

Source: Ville 1939; Xie et al. 2022, Theorem 2 (g).
"""

import math
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.gap.loss import LossGap
from implicit_bayes.benchmarks.predictors.promises import answer
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.theory.statements.bounds import g

ALPHA = 1e-3
"""False-alarm rate of each statistical law, over all documents together."""
ROUNDING = 1e-5
"""Nats a token (or probability) that float32 may cost."""


class LawCheck(NamedTuple):
    """One law that any model obeys, checked on one model.

    Attributes:
        law: its name, in words.
        value: what the model has.
        bound: what it may have at most.
        holds: value <= bound.
    """

    law: str
    value: float
    bound: float
    holds: bool


def ville_threshold(documents: int) -> float:
    """log(documents / ALPHA): by the union bound M exceeds it in any of the documents with probability <= ALPHA.

    Returns:
        Nats.
    """
    return math.log(documents / ALPHA)


def check_laws(model: LanguageModel, gap: LossGap, tokens_BxT: np.ndarray, vocabulary: int) -> list[LawCheck]:
    """Every law, on the documents that ``gap`` was measured on.

    Args:
        model: the model.
        gap: of ``loss_gap`` on ``tokens_BxT``.
        tokens_BxT: the documents.
        vocabulary: V.

    Returns:
        One LawCheck for each law.
    """
    moved = foresight_of_tokens(model, tokens_BxT[:8, :64], vocabulary)
    return [*document_laws(gap, len(tokens_BxT)), LawCheck("causality", moved, ROUNDING, moved <= ROUNDING)]


def document_laws(gap: LossGap, documents: int) -> list[LawCheck]:
    """The laws that can be read off the losses alone: all but causality.

    Args:
        gap: the model's losses against exact Bayes.
        documents: how many they were measured on.

    Returns:
        One check for each law: the measured value and the bound that it may not exceed.
    """
    kl = min(gap.kl.value, math.log(2.0) + 1.0)  # g never exceeds log 2, and inf - inf is no number
    found = [
        ("excess ≥ 0", -gap.excess.value, math.log(1 / ALPHA) / gap.tokens + ROUNDING),
        ("Ville", gap.log_ratio_max, ville_threshold(documents)),
        ("no foresight", gap.foresight_log_e, math.log(1 / ALPHA)),
        ("g(risk) ≤ KL", float(g(gap.risk.value)), kl + ROUNDING),
    ]
    return [LawCheck(law, value, bound, value <= bound) for law, value, bound in found]


def foresight_of_tokens(model: LanguageModel, tokens_BxT: np.ndarray, vocabulary: int) -> float:
    """The largest change of a probability in rows 0..t when every token after the first t is another; a few t.

    Args:
        model: asked twice for each t.
        tokens_BxT: documents.
        vocabulary: V.

    Returns:
        0 for a model that does not look ahead, but for rounding.
    """
    length, worst = tokens_BxT.shape[1], 0.0
    before = np.exp(answer(model, tokens_BxT).astype(np.float64))
    for t in sorted({0, length // 2, length - 1}):
        other = tokens_BxT.copy()
        other[:, t:] = (other[:, t:] + 1) % vocabulary
        after = np.exp(answer(model, other).astype(np.float64))
        worst = max(worst, float(np.abs(after - before)[:, : t + 1].max()))
    return worst
