"""Who survives long prompts, against enumeration of first examples and of two examples in a row."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from exact_limits import fractions, probability, random_case

from implicit_bayes.simulators.instance_files import read_instance
from implicit_bayes.theory.information.survival import Survivors, survivors
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw

CASES = Path(__file__).parents[2] / "cases"


def enumerated(mixture, law):
    """P( exactly this set survives ), one delimiter state: each first example, and every example after a delimiter."""
    (d,), delimiter = mixture.delimiter_states(), mixture.delimiter
    prompt = [fractions(x) for x in (law.start, law.hmm.transition, law.hmm.emission)]
    examples = itertools.product(range(mixture.n_tokens), repeat=law.length)
    examples = [(o, p) for o in examples if (p := probability(*prompt, o))]
    found = {}
    laws = {c: [fractions(x[c]) for x in (mixture.initial, mixture.transition, mixture.emissions)]
            for c in mixture.possible_concepts().tolist()}  # fmt: skip
    lasting = [c for c, (_, kernel, emission) in laws.items()
               if all(probability(kernel[d], kernel, emission, (*o, delimiter)) for o, _ in examples)]  # fmt: skip
    for o, p in examples:
        alive = frozenset(c for c in lasting if probability(*laws[c], (*o, delimiter)))
        found[alive] = found.get(alive, 0) + p
    total = sum(found.values())
    return {alive: float(p / total) for alive, p in found.items()}


@pytest.mark.parametrize("seed", range(3))
def test_survivors_of_one_delimiter_state_are_enumerated_exactly(seed):
    rng, several = np.random.default_rng(1000 + seed), 0
    for _ in range(70):
        mixture, starts, true, k = random_case(rng)
        law = PromptLaw.of(mixture, true, starts[0], k)
        found = survivors(mixture, law, mixture.possible_concepts().tolist())
        assert all(not outcome.perhaps for outcome in found)
        assert sum(outcome.probability for outcome in found) == pytest.approx(1, abs=1e-12)
        assert {o.alive: o.probability for o in found} == pytest.approx(enumerated(mixture, law), abs=1e-12)
        several += len(found) > 1
    assert several > 3


def test_the_case_where_a_first_example_decides():
    instance = read_instance(CASES / "forbids_some_first_examples.npz")
    law = PromptLaw.of(instance.mixture, 0, instance.prompt_starts[0, 0], 2)
    found = {o.alive: o.probability for o in survivors(instance.mixture, law, [0, 1])}
    assert found == pytest.approx({frozenset({0}): 0.38, frozenset({0, 1}): 0.62})


def test_with_two_delimiter_states_what_is_not_decided_is_said():
    """theta may leave delimiter state 3 for state 0 only and state 4 for 1 only: whether it lives hangs on the past."""
    words = [[0.4, 0.2, 0.1, 0.15, 0.15]] * 3
    mixed, split = [[0.3, 0.3, 0.3, 0.1, 0.0]] * 2, [[0.9, 0.0, 0.0, 0.1, 0.0], [0.0, 0.9, 0.0, 0.0, 0.1]]
    kernels = [[*words, *mixed], [*words, *split], [*words, [0.0, 0.0, 0.9, 0.1, 0.0], [0.0, 0.0, 0.9, 0.1, 0.0]]]
    mixture = MixtureOfHMMs([0.4, 0.3, 0.3], [[0.2] * 5] * 3, kernels, np.eye(4)[[0, 1, 2, 3, 3]], 3)
    law = PromptLaw.of(mixture, 0, [0.5, 0.5, 0.0, 0.0, 0.0], 2)
    # theta 2 can only go on with token 2, which no example starts with: it dies; theta 1 can hear 0 and 1
    assert survivors(mixture, law, [0, 1, 2]) == [Survivors(1.0, frozenset({0, 1}))]
    split_only = [[0.9, 0.0, 0.0, 0.1, 0.0], [0.0, 0.0, 0.9, 0.0, 0.1]]
    only = MixtureOfHMMs([0.5, 0.5], [[0.2] * 5] * 2, [kernels[0], [*words, *split_only]], mixture.emission, 3)
    narrow = PromptLaw.of(only, 0, [1.0, 0.0, 0.0, 0.0, 0.0], 2)
    found = survivors(only, narrow, [0, 1])
    assert [o.alive for o in found] == [frozenset({0, 1})]
    no_way_back = [*words[:2], [0.0, 0.0, 0.5, 0.0, 0.5], *split_only]
    lost = MixtureOfHMMs([0.5, 0.5], [[0.2] * 5] * 2, [kernels[0], no_way_back], mixture.emission, 3)
    either = PromptLaw.of(lost, 0, [0.9, 0.0, 0.1, 0.0, 0.0], 2)
    assert survivors(lost, either, [0, 1])[0].alive == {0}
