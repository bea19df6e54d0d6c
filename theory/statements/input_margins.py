"""Assumption 3 input by input: how far each x_test's margin is from what the start law's shift asks for.

Source: Xie et al. 2022, Assumption 3.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.beliefs import reachable_beliefs
from implicit_bayes.theory.information.estimates import Verdict
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.sampling import draw
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.statements.assumptions import (
    LOOKED_AT,
    compare_shift,
    largest_shift,
    shift_rounding,
)
from implicit_bayes.theory.statements.top_margins import top_margins

BUDGET = 200_000
"""(Belief, token) pairs affordable on one level."""

SAMPLED_TESTS = 2000
"""Test inputs drawn where they are too many to enumerate."""


class InputMargin(NamedTuple):
    """A3 at one x_test: it asks for tv < margin.

    Attributes:
        tokens: x_test (of the merged ones, a representative).
        probability: p_prompt-mass of the inputs it stands for (their share of the sample, if sampled).
        delta: top-1 minus top-2 of p_prompt(y | x_test).
        margin: delta / 4.
    """

    tokens: tuple[int, ...]
    probability: float
    delta: float
    margin: float


class StartShift(NamedTuple):
    """A3: max_d TV(p_prompt(h), p(h|d, theta*)) against Delta(x)/4 at every x_test.

    Attributes:
        tv: the largest distance, a probability (it does not depend on x_test).
        delimiter_state: the d that causes it.
        worst: the inputs of smallest Delta, worst first.
        failing_mass: p_prompt-mass of the inputs with margin <= tv, in float64.
        holds: "undetermined" where inputs were sampled and none failed.
        exhaustive: whether every input of positive probability was looked at.
    """

    tv: float
    delimiter_state: int
    worst: tuple[InputMargin, ...]
    failing_mass: float
    holds: Verdict
    exhaustive: bool


def start_shift_by_input(
    mixture: MixtureOfHMMs, prompt: PromptLaw, *, seed: int = 0, budget: int = BUDGET, worst: int = 5
) -> StartShift:
    """A3 at every x_test of positive probability (those that hold delimiters too), or at sampled ones.

    Args:
        mixture: the pretraining law.
        prompt: theta*, p_prompt(h), k and the delimiter.
        seed: of the sampled inputs, if any.
        budget: beliefs that the enumeration may hold.
        worst: inputs that are listed.

    Returns:
        The distance, and the inputs whose margins are smallest.
    """
    tv, state = largest_shift(mixture, prompt)
    beliefs = reachable_beliefs(prompt.example_law(), prompt.length - 1, budget)
    complete = beliefs.complete and len(beliefs.law_NxH) * mixture.n_tokens <= LOOKED_AT
    if complete:
        tokens, mass, ahead = beliefs.example_Nxj, beliefs.mass_N, beliefs.law_NxH
    else:
        tokens, mass, ahead = _sampled_inputs(prompt, seed)
    delta = top_margins(ahead, prompt.hmm)
    order = np.argsort(delta, kind="stable")[:worst]
    rows = tuple(
        InputMargin(tuple(int(t) for t in tokens[i]), float(mass[i]), float(delta[i]), float(delta[i]) / 4)
        for i in order
    )
    holds = compare_shift(mixture, prompt, tv, rows[0].margin)
    if not complete and (holds is True or abs(tv - rows[0].margin) <= shift_rounding(prompt)):
        holds = "undetermined"
    reach = tv if holds is not True else tv - shift_rounding(prompt)
    failing = float(mass[delta / 4 <= reach].sum())
    return StartShift(tv, state, rows, failing, holds, complete)


def _sampled_inputs(prompt: PromptLaw, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct sampled x_tests, their shares, and the law of the state after each."""
    example = prompt.example_law()
    drawn = draw(build([example]), prompt.length, SAMPLED_TESTS, np.random.default_rng(seed)).tokens
    tokens, counts = np.unique(drawn, axis=0, return_counts=True)
    law = np.broadcast_to(np.asarray(example.initial), (len(tokens), example.n_states))
    for token in tokens.T:
        joint = law * np.asarray(example.emission)[:, token].T
        law = joint / joint.sum(-1, keepdims=True) @ np.asarray(example.transition)
    return tokens, counts / SAMPLED_TESTS, law
