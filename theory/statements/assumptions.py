"""Assumptions 1 to 5 of the paper, as printed, each with its constants and a witness where it fails.

Source: Xie et al. 2022, Assumptions 1-5; restated in docs/theory/assumptions.md.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.arithmetic import UNIT
from implicit_bayes.theory.information.beliefs import reachable_beliefs
from implicit_bayes.theory.information.estimates import Verdict
from implicit_bayes.theory.information.exact_laws import UndecidedError, exact_law, reachable_laws, spoken
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.top_margins import top_margins

LOOKED_AT = 1 << 29
"""Next-token probabilities (beliefs times vocabulary) that A3 looks at; beyond, it is undetermined."""

MEMBER = "theta* is concept "
"""How A4's witness begins where it holds."""


class Assumption(NamedTuple):
    """One assumption on one instance.

    Attributes:
        name: "A1" to "A5".
        holds: True, False, or "undetermined" where enumeration was not affordable and no violation was met.
        constants: the best constants (suprema or infima) the assumption speaks of.
        witness: words naming the worst state, token or concept.
    """

    name: str
    holds: Verdict
    constants: dict[str, float]
    witness: str


def check_assumptions(mixture: MixtureOfHMMs, prompt: PromptLaw, budget: int = 200_000) -> list[Assumption]:
    """A1 to A5 for one prompt law against one mixture, in order.

    The true concept is the concept of the mixture with the same three laws as ``prompt.hmm``; if there is none, A4
    fails and theta* counts as outside Theta for the others. Theta is the concepts of positive prior: no verdict
    depends on another.

    Args:
        mixture: the pretraining law.
        prompt: theta*, p_prompt(h) and k.
        budget: the largest number of (belief, token) pairs that A3 may expand a level to.

    Returns:
        Assumptions "A1" to "A5", each with its verdict, best constants and a witness in words.
    """
    true_concept = find_concept(mixture, prompt.hmm)
    return [
        delimiter_purity(mixture),
        delimiter_bounds(mixture, prompt.hmm, true_concept),
        start_shift(mixture, prompt, budget),
        well_specified(mixture, prompt.hmm),
        regularity(mixture, prompt.hmm, true_concept),
    ]


def find_concept(mixture: MixtureOfHMMs, hmm: HMM) -> int | None:
    """Index of the first concept of positive prior with exactly these laws, or None.

    Args:
        mixture: the pretraining law.
        hmm: laws that are looked for, entry for entry.

    Returns:
        The index, or None where none agrees: A4 fails then.
    """
    return next((c for c in mixture.possible_concepts().tolist() if _same(mixture, c, hmm)), None)


def _same(mixture: MixtureOfHMMs, c: int, hmm: HMM) -> bool:
    return (
        np.array_equal(mixture.initial[c], hmm.initial)
        and np.array_equal(mixture.transition[c], hmm.transition)
        and np.array_equal(mixture.emissions[c], hmm.emission)
    )


def delimiter_purity(mixture: MixtureOfHMMs) -> Assumption:
    """A1: delimiter states emit the delimiter with probability 1 under every concept; no other state can emit it.

    D is the set of states that emit the delimiter with positive probability under some concept of Theta, so A1 fails
    exactly where one of them does so with probability below 1 under some concept of Theta.

    Args:
        mixture: the pretraining law; concepts of prior zero take no part.

    Returns:
        Assumption "A1" with a witness where it fails: the state and concept of the smallest such probability below 1.
    """
    possible, states = mixture.possible_concepts(), mixture.delimiter_states()
    delim_CxD = np.asarray(mixture.emissions)[possible][:, states, mixture.delimiter]
    i, d = np.unravel_index(delim_CxD.argmin(), delim_CxD.shape)
    worst, c, state = float(delim_CxD[i, d]), int(possible[i]), int(states[d])
    if worst == 1.0:
        count = delim_CxD.shape[1]
        words = "1 delimiter state emits" if count == 1 else f"{count} delimiter states emit"
        return Assumption("A1", True, {}, f"{words} only the delimiter")
    witness = f"state {state} of concept {c} emits the delimiter with probability {worst:.6g}, not 0 or 1"
    return Assumption("A1", False, {}, witness)


def delimiter_bounds(mixture: MixtureOfHMMs, true: HMM, true_concept: int | None) -> Assumption:
    """A2: p(d|h,theta) < c2 for theta != theta*, p(d|h,theta*) > c1 > 0, start law p(d|theta) in [c3, c4].

    The constants reported are the infimum c1 and c3 and the supremum c2 and c4 (any c1 below and c2 above them
    serve). A2 asks only for c1 > 0; c3 = 0 satisfies it, but makes epsilon_delim infinite. Concepts of prior zero are
    not in Theta.

    Args:
        mixture: the pretraining law.
        true: theta*.
        true_concept: its index; None where it is not in the mixture.

    Returns:
        A2, with c1 to c4 among its constants.
    """
    possible, states = mixture.possible_concepts(), mixture.delimiter_states()
    true_HxD = np.asarray(true.transition)[:, states]
    start_CxD = np.asarray(mixture.initial)[possible][:, states]
    others = [c for c in possible if c != true_concept]
    other_CxHxD = np.asarray(mixture.transition)[others][:, :, states]
    c1, c2 = float(true_HxD.min()), float(other_CxHxD.max()) if other_CxHxD.size else 0.0
    constants = {"c1": c1, "c2": c2, "c3": float(start_CxD.min()), "c4": float(start_CxD.max())}
    h, d = np.unravel_index(true_HxD.argmin(), true_HxD.shape)
    name = _name(true_concept)
    witness = f"smallest p(d|h): {c1:.6g} from state {h} to delimiter state {states[d]} under {name}"
    if c1 == 0.0:
        witness += f"; {int((true_HxD == 0).sum())} of {true_HxD.size} such transitions are exactly 0"
    if constants["c3"] == 0.0:
        witness += "; c3 = 0 makes epsilon_delim infinite"
    return Assumption("A2", c1 > 0, constants, witness)


def start_shift(mixture: MixtureOfHMMs, prompt: PromptLaw, budget: int) -> Assumption:
    """A3: max over d in D of TV(p_prompt(h), p(h|d, theta*)) < Delta(x)/4 for every x_test of positive probability.

    Delta(x) is the top-1 minus top-2 probability of p_prompt(y|x). Since Delta <= 1, a distance of 1/4 or more fails
    for every x; otherwise every reachable belief after k - 1 tokens is expanded (x_test may hold delimiters too).
    Where the two are closer than float64's error they are compared in exact fractions, see ``compare_shift``.

    Args:
        mixture: the pretraining law.
        prompt: theta*, p_prompt(h), k and the delimiter.
        budget: (belief, token) pairs that a level may be expanded to.

    Returns:
        A3; "undetermined" where there are more beliefs than the budget allows.
    """
    tv, d = largest_shift(mixture, prompt)
    error = shift_rounding(prompt)
    if tv - error >= 0.25:
        witness = f"TV {tv:.6g} from delimiter state {d} is at least 1/4, so no x_test can satisfy it"
        return Assumption("A3", False, {"tv": tv, "margin": 0.25}, witness)
    beliefs = reachable_beliefs(prompt.example_law(), prompt.length - 1, budget)
    if not beliefs.complete or len(beliefs.law_NxH) * mixture.n_tokens > LOOKED_AT:
        witness = f"TV {tv:.6g}; more than {budget} beliefs to expand at k = {prompt.length}"
        return Assumption("A3", "undetermined", {"tv": tv}, witness)
    delta_N = top_margins(beliefs.law_NxH, prompt.hmm)
    worst = int(delta_N.argmin())
    margin = float(delta_N[worst]) / 4
    holds = compare_shift(mixture, prompt, tv, margin)
    x = " ".join(map(str, beliefs.example_Nxj[worst]))
    witness = f"largest TV {tv:.6g} (delimiter state {d}) against smallest Delta/4 {margin:.6g} at x_test = {x}"
    if abs(tv - margin) <= error:
        witness += "; closer than rounding" if holds == "undetermined" else "; compared in exact fractions"
    return Assumption("A3", holds, {"tv": tv, "margin": margin}, witness)


def shift_rounding(prompt: PromptLaw) -> float:
    """Bound on what float64 errs by in TV - Delta/4: relative errors of k filtered tokens, in numbers of at most 1.

    Returns:
        An absolute error, of a probability.
    """
    return 4 * UNIT * (prompt.length + 1) * (2 * prompt.hmm.n_states + 8)


def compare_shift(mixture: MixtureOfHMMs, prompt: PromptLaw, tv: float, margin: float) -> Verdict:
    """Whether the largest TV is below the smallest Delta/4, given both in float64.

    Closer than their rounding error they are compared in exact fractions, over every belief that can be reached;
    "undetermined" where those cannot be had.

    Args:
        mixture: the pretraining law.
        prompt: theta*, p_prompt(h), k and the delimiter.
        tv: max over d of TV(p_prompt(h), p(h|d, theta*)).
        margin: min over x of Delta(x)/4.

    Returns:
        True, False or "undetermined".
    """
    if abs(tv - margin) > shift_rounding(prompt):
        return tv < margin
    try:
        law = exact_law(prompt.example_law())
        laws = reachable_laws(law, prompt.length - 1)
    except UndecidedError:
        return "undetermined"
    ordered = (sorted(spoken(belief, law.emission)) for belief in laws)
    least = min(row[-1] - (row[-2] if len(row) > 1 else 0) for row in ordered)
    distances = (
        sum(abs(p - q) for p, q in zip(law.start, law.transition[d], strict=True)) for d in mixture.delimiter_states()
    )
    verdict: Verdict = 2 * max(distances) < least
    return verdict


def largest_shift(mixture: MixtureOfHMMs, prompt: PromptLaw) -> tuple[float, int]:
    """max over d in D of TV(p_prompt(h), p(h|d, theta*)), and the d that attains it.

    Args:
        mixture: supplies the delimiter states.
        prompt: theta*, p_prompt(h), k and the delimiter.

    Returns:
        The distance in [0, 1], and the state.
    """
    states = mixture.delimiter_states()
    tv_D = 0.5 * np.abs(np.asarray(prompt.hmm.transition)[states] - np.asarray(prompt.start)).sum(-1)
    return float(tv_D.max()), int(states[tv_D.argmax()])


def well_specified(mixture: MixtureOfHMMs, hmm: HMM) -> Assumption:
    """A4: theta* is in Theta.

    Args:
        mixture: its concepts of positive prior are Theta.
        hmm: theta*.

    Returns:
        A4, its witness naming the concept, or why there is none.
    """
    member = find_concept(mixture, hmm)
    if member is not None:
        return Assumption("A4", True, {}, f"{MEMBER}{member}")
    idle = next((c for c in range(mixture.n_concepts) if _same(mixture, c, hmm)), None)
    if idle is not None:
        return Assumption("A4", False, {}, f"{MEMBER}{idle}, whose prior is 0")
    return Assumption("A4", False, {}, "no concept has the laws of theta*")


def regularity(mixture: MixtureOfHMMs, true: HMM, true_concept: int | None) -> Assumption:
    """A5: p(h'|h,theta*) > c5 > 0; p(h|theta*) >= c8 > 0; every token has a state with p(o|h,theta*) > c6 > 0;
    the prior has full support on Theta (by what Theta is) and is bounded (being finite).

    Args:
        mixture: the pretraining law.
        true: theta*.
        true_concept: its index; None where it is not in the mixture.

    Returns:
        A5, with c5, c6 and c8 (attained) among its constants.
    """
    name = _name(true_concept)
    transition, initial, emission = (np.asarray(x) for x in (true.transition, true.initial, true.emission))
    best_V = emission.max(0)
    constants = {"c5": float(transition.min()), "c6": float(best_V.min()), "c8": float(initial.min())}
    faults = []
    if constants["c5"] == 0.0:
        h, g = np.unravel_index(transition.argmin(), transition.shape)
        share = (transition == 0).mean()
        faults.append(f"c5 = 0: {share:.1%} of the kernel of {name} is exactly 0, first from state {h} to {g}")
    if constants["c6"] == 0.0:
        unseen = np.flatnonzero(best_V == 0)
        faults.append(f"c6 = 0: {unseen.size} tokens are emitted by no state, first token {unseen[0]}")
    if constants["c8"] == 0.0:
        faults.append(f"c8 = 0: under {name} a document never starts in state {int(initial.argmin())}")
    idle = np.flatnonzero(np.asarray(mixture.prior) == 0)
    note = f"; the prior of concept {', '.join(map(str, idle))} is 0, so it takes no part" if idle.size else ""
    h, g = np.unravel_index(transition.argmin(), transition.shape)
    fine = f"smallest kernel entry {constants['c5']:.6g} from state {h} to {g} under {name}"
    return Assumption("A5", not faults, constants, ("; ".join(faults) or fine) + note)


def _name(true_concept: int | None) -> str:
    return "theta*, which is outside Theta" if true_concept is None else f"concept {true_concept} as theta*"


def worst_case(reports: list[list[Assumption]], labels: list[str]) -> list[Assumption]:
    """One verdict per assumption over several prompt laws: it holds only if it holds for all of them.

    Args:
        reports: one ``check_assumptions`` per prompt law.
        labels: words for each prompt law, put before the witness of the one that decides where witnesses differ
            and do not name a concept themselves.

    Returns:
        Five assumptions. Constants and witness are those of the prompt law with the worst verdict and, among equal
        verdicts, the least room (c1 for A2, Delta/4 - TV for A3, the smallest constant for A5).
    """
    rank = {False: 0, "undetermined": 1, True: 2}
    merged = []
    for column in zip(*reports, strict=True):
        at = min(range(len(column)), key=lambda i: (rank[column[i].holds], _room(column[i])))
        several = len(column) > 1 and any(row.witness != column[at].witness for row in column)
        prefix = f"{labels[at]}: " if several and "concept" not in column[at].witness else ""
        merged.append(column[at]._replace(witness=prefix + column[at].witness))
        if column[at].name == "A4" and column[at].holds is True and several:
            turns = sorted({int(row.witness.removeprefix(MEMBER)) for row in column})
            merged[-1] = column[at]._replace(witness=f"{MEMBER}{', '.join(map(str, turns))} in turn, each in Theta")
    return merged


def _room(assumption: Assumption) -> float:
    constants = assumption.constants
    if assumption.name == "A3":
        return constants.get("margin", 0.25) - constants["tv"]
    decisive = [constants[name] for name in ("c1", "c5", "c6", "c8") if name in constants]
    return min(decisive, default=0.0)
