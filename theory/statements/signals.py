"""kl_sum and start_kl of one theta* at every start law, k and theta; finite ones computed once and shared."""

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from implicit_bayes.theory.information.arithmetic import Watch, rounding_of_mean
from implicit_bayes.theory.information.kl import KLSum, kl_table
from implicit_bayes.theory.information.start_divergence import start_divergences
from implicit_bayes.theory.information.supports import Forbidden, forbidden_mass
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw

ENCLOSED_SHARE, ENCLOSED_WIDTH = 64, 0.01
"""Where start_kl is wanted beside infinite sums only: share of the budget of nodes, and relative width aimed at."""

WIDEST = 1.0
"""Relative width above which an enclosure is given up for a sample."""


class SignalOptions(TypedDict):
    """How the sums are computed; see ``kl_table``.

    Attributes:
        seed, budget, accuracy, coverage, logarithms: its arguments of the same names.
    """

    seed: int
    budget: int
    accuracy: float
    coverage: float
    logarithms: float


class Signals:
    """Both sides' divergences for one table of conditions.

    Args:
        mixture: the pretraining law.
        starts: (S, H) start laws.
        true_concept: theta*.
        others: the alternatives.
        ks: example lengths.
        options: of ``kl_table``.
    """

    def __init__(
        self,
        mixture: MixtureOfHMMs,
        starts: np.ndarray,
        true_concept: int,
        others: Sequence[int],
        ks: Sequence[int],
        options: SignalOptions,
    ):
        self.mixture, self.starts, self.ks, self.options = mixture, starts, ks, options
        self.true_concept, self.true = true_concept, mixture.concept(true_concept)
        self.forbidden = {
            c: forbidden_mass(starts, self.true, mixture.concept(c), max(ks)) for c in (true_concept, *others)
        }
        self.tables: dict[int, dict[tuple[int, int], KLSum]] = {}

    def kl(self, s: int, concept: int, k: int) -> KLSum:
        """sum_j KL_j(theta_concept) at start law s.

        Args:
            s: which start law.
            concept: index of theta.
            k: tokens in an example.

        Returns:
            KLSum, nats, with its interval; +inf, without a computation, where the concept forbids an example of the
            start law.
        """
        forbidden = self.forbidden[concept]
        if forbidden.first[s] <= k:
            unknown = np.where(np.arange(1, k + 1) >= forbidden.first[s], math.inf, math.nan)
            return KLSum(
                value=math.inf,
                low=math.inf,
                high=math.inf,
                infinite_mass=float(forbidden.mass[s, k - 1]),
                per_position=unknown,
                method="exact",
                prefixes=0,
            )
        if s not in self.tables:
            self.tables[s] = self._table(s)
        return self.tables[s][k, concept]

    def start_kl(self, s: int, k: int) -> KLSum:
        """KL( p_prompt(O) || p(O|theta*) ) at start law s.

        Args:
            s: which start law.
            k: tokens in an example.

        Returns:
            KLSum, as of ``kl``.
        """
        return self.kl(s, self.true_concept, k)

    def _table(self, s: int) -> dict[tuple[int, int], KLSum]:
        finite = [c for c, forbidden in self.forbidden.items() if forbidden.first[s] > min(self.ks)]
        prompt, options = PromptLaw(self.true, self.starts[s], max(self.ks), self.mixture.delimiter), self.options
        if finite == [self.true_concept]:  # on the right side only, beside infinite sums: no verdict needs it precisely
            if enclosed := self._enclosed(prompt, int(self.forbidden[self.true_concept].first[s])):
                return enclosed
            options = options.copy()
            options["budget"], options["accuracy"] = options["budget"] // 16, max(options["accuracy"], 1.0)
        forbidden = [Forbidden(f.mass[s : s + 1], f.first[s : s + 1]) for f in (self.forbidden[c] for c in finite)]
        with Watch() as watch:
            rows = kl_table(prompt, [self.mixture.concept(c) for c in finite], self.ks, forbidden=forbidden, **options)
        return {
            (k, c): kl._replace(rounding=watch.widen(self._rounding(kl, k)))
            for k, row in zip(self.ks, rows, strict=True)
            for c, kl in zip(finite, row, strict=True)
        }

    def _enclosed(self, prompt: PromptLaw, first: int) -> dict[tuple[int, int], KLSum]:
        """start_kl between certain ends at every k below ``first``; empty where they stay far apart."""
        ks = [k for k in self.ks if k < first]
        with Watch() as watch:
            found = start_divergences(prompt, ks, self.options["budget"] // ENCLOSED_SHARE, ENCLOSED_WIDTH)
        if any(each.high > (1.0 + WIDEST) * each.low for each in found):
            return {}
        rows = {}
        for k, each in zip(ks, found, strict=True):
            middle = 0.5 * (each.low + each.high)
            method = "exact" if each.low == each.high else "bracketed"
            kl = KLSum(
                value=middle,
                low=each.low,
                high=each.high,
                infinite_mass=0.0,
                per_position=each.per_position,
                method=method,
                prefixes=each.prefixes,
            )
            rows[k, self.true_concept] = kl._replace(rounding=watch.widen(self._rounding(kl, k)))
        return rows

    def _rounding(self, kl: KLSum, k: int) -> float:
        """E |log| of both laws is at most kl_sum plus twice the entropy, which is at most k log V."""
        if kl.value == math.inf:
            return 0.0
        states, tokens = self.mixture.n_states, self.mixture.n_tokens
        return rounding_of_mean(k, states, tokens, kl.prefixes, kl.value + 2 * k * math.log(tokens))
