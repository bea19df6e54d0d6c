"""Theorem 2 in a continuous family: its bound, from gamma and the conditions on a grid, beside the exact limit.

Source: Xie et al. 2022, Theorem 2; docs/theory/laws.md. Its ingredients are those of ``theory.statements.fisher``.
"""

from collections.abc import Sequence

import numpy as np

from implicit_bayes.theory.objects.families import ConceptFamily
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array, Numbers
from implicit_bayes.theory.statements.assumptions import check_assumptions
from implicit_bayes.theory.statements.bounds import risk_bound
from implicit_bayes.theory.statements.conclusions import TheoremVerdict, conclude_excess, measured
from implicit_bayes.theory.statements.conditions import check_conditions
from implicit_bayes.theory.statements.fisher import gamma, second_order
from implicit_bayes.theory.statements.pairs import pairs_of
from implicit_bayes.theory.statements.risk import SHOTS, measure_risk


def evaluate_theorem_2(
    family: ConceptFamily,
    prompt_start: Array,
    theta: Numbers,
    k: int,
    points: Array,
    *,
    seed: int = 0,
    prompts: int = 200,
    shots: Sequence[int] = SHOTS,
) -> TheoremVerdict:
    """Theorem 2 (printed): excess 0-1 risk at most g^{-1}( gamma sup_B (eps_start + eps_delim) / (k - 1) ).

    The printed bound hides a constant in O(.); it is taken as 1, which favours the theorem. Theta is represented by
    theta* and ``points``, on which B, the supremum and the exact predictor are computed. It applies if A1-A5 hold, the
    expansion has neither constant nor gradient, and gamma is finite.

    Args:
        family: the continuous family.
        prompt_start: (H,) p_prompt(h).
        theta: (m,) theta*.
        k: tokens in an example.
        points: (N, m) grid over Theta.
        seed, prompts, shots: of the measured risk, see ``statements.risk.measure_risk``.

    Returns:
        TheoremVerdict of the printed version; the conclusion compares the limit of exact Bayes on the grid with the
        bound.
    """
    theta = np.asarray(theta, dtype=np.float64).reshape(1, -1)
    others = np.asarray(points, dtype=np.float64).reshape(-1, theta.shape[1])
    others = others[(others != theta).any(-1)]
    mixture = family.discretise(np.concatenate([theta, others]))
    law = PromptLaw.of(mixture, prompt_start, 0, k)
    series = second_order(family, law, theta[0])
    factor = gamma(series.fisher)
    rows = check_conditions(mixture, np.asarray(prompt_start)[None], 0, k, seed=seed)
    inside = [row for row in rows if row.printed_holds is not True]
    worst = max((row.printed_threshold for row in inside), default=0.0)
    nats = factor.printed * worst / (k - 1) if inside else 0.0
    bound = risk_bound(max(nats, 0.0))
    assumptions = check_assumptions(mixture, law)
    lacking = [a.name for a in assumptions if a.holds is not True]
    if max(np.abs(series.value).max(), np.abs(series.gradient).max()) > 1e-9:
        lacking.append("the expansion (KL_j has a constant or a gradient at theta*: p_prompt is not the start law)")
    if factor.printed == np.inf:
        lacking.append("a finite gamma (some I_j is singular)")
    risk = measure_risk(mixture, [law], prompts=prompts, seed=seed, shots=shots)
    pair = pairs_of(mixture, np.asarray(prompt_start)[None], [0], k, rows)[0]
    limit = pair.limit(mixture, k - 1, assumptions[0].holds is True, seed=seed)
    limits = [None if limit is None else limit.excess]
    conclusion, seen = conclude_excess(bound, limits, pair.estimated, risk.excess[-1])
    applies = not lacking
    reason = (
        f"{'applies' if applies else 'does not apply, lacking ' + ', '.join(lacking)}; constant in O(.) taken as 1; "
        f"gamma = {factor.printed:.6g} (needed: {factor.needed:.6g}); {len(inside)} of {len(rows)} points in B, "
        f"sup eps = {worst:.6g}; g^-1({nats:.6g}) = {bound.value:.6g}; {seen}; {measured(risk, risk.excess)}"
    )
    return TheoremVerdict(
        name="2",
        version="printed",
        applies=applies,
        bound=bound.value,
        vacuous=bound.vacuous or not applies,
        conclusion=conclusion,
        reason=reason,
    )
