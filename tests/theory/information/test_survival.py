"""Who survives long prompts, against enumeration of first examples and of two examples in a row."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from exact_limits import fractions, probability, random_case

from implicit_bayes.simulators.instance_files import read_instance
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.information import survival
from implicit_bayes.theory.information.survival import survivors, survivors_by_start
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
        law = PromptLaw.of(mixture, starts[0], true, k)
        found = survivors(mixture, law, mixture.possible_concepts().tolist())
        assert all(not outcome.perhaps for outcome in found)
        assert sum(outcome.probability for outcome in found) == pytest.approx(1, abs=1e-12)
        assert {o.alive: o.probability for o in found} == pytest.approx(enumerated(mixture, law), abs=1e-12)
        several += len(found) > 1
    assert several > 3


@pytest.mark.parametrize("seed", range(3))
def test_start_laws_that_share_a_walk_have_their_own_outcomes(seed):
    """Start laws on one state each, and mixed ones, together against each alone; in some cases they differ."""
    rng, differ = np.random.default_rng(2000 + seed), 0
    for _ in range(25):
        mixture, _, true, k = random_case(rng)
        starts = [*np.eye(mixture.n_states), rng.dirichlet(np.ones(mixture.n_states))]
        laws = [PromptLaw.of(mixture, start, true, k) for start in starts]
        concepts = mixture.possible_concepts().tolist()
        together = survivors_by_start(mixture, laws, concepts)
        alone = [survivors(mixture, law, concepts) for law in laws]
        assert together == alone
        differ += len({outcomes[0].alive for outcomes in alone}) > 1
    assert differ > 3


def test_a_delimiter_that_is_lost_kills_from_the_starts_that_meet_it_only():
    """theta can write word 1 again and again, and no delimiter after it; prompts begun at word 0 never hold word 1."""
    true = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]  # examples are one word again and again
    theta = [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.5, 0.0]] * 2, [true, theta], np.eye(3), 2)
    laws = [PromptLaw.of(mixture, start, 0, 2) for start in ([0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0])]
    assert survival.dies(mixture, laws, 1).tolist() == [True, False, True]


def test_start_laws_that_share_too_many_sets_are_walked_one_by_one(monkeypatch):
    rng = np.random.default_rng(5)
    mixture, _, true, k = random_case(rng)
    laws = [PromptLaw.of(mixture, start, true, k) for start in np.eye(mixture.n_states)]
    concepts, plain = mixture.possible_concepts().tolist(), survival.dies
    expected = survivors_by_start(mixture, laws, concepts)

    def narrow(mixture, laws, concept):
        if len(laws) > 1:
            raise ModelError("laws: too many support sets")
        return plain(mixture, laws, concept)

    monkeypatch.setattr(survival, "dies", narrow)
    assert survivors_by_start(mixture, laws, concepts) == expected


def test_the_case_where_a_first_example_decides():
    instance = read_instance(CASES / "forbids_some_first_examples.npz")
    law = PromptLaw.of(instance.mixture, instance.prompt_starts[0, 0], 0, 2)
    found = {o.alive: o.probability for o in survivors(instance.mixture, law, [0, 1])}
    assert found == pytest.approx({frozenset({0}): 0.38, frozenset({0, 1}): 0.62})


def test_with_two_delimiter_states_what_is_not_decided_is_said():
    """Delimiter states 3 and 4. theta can go on with word 0 from state 3 and with word 2 from state 4 only."""
    words = [[0.4, 0.2, 0.1, 0.15, 0.15]] * 3
    free = [*words, *[[0.3, 0.3, 0.3, 0.1, 0.0]] * 2]
    split = [*words, [0.9, 0.0, 0.0, 0.1, 0.0], [0.0, 0.0, 0.9, 0.0, 0.1]]
    narrow = [*words[:2], [0.3, 0.3, 0.2, 0.0, 0.2], *split[3:]]  # word 2 is followed by delimiter state 4 only
    mute = [*words, *[[0.0, 0.9, 0.0, 0.1, 0.0]] * 2]  # no example starts with word 1
    kernels = [free, split, narrow, mute]
    mixture = MixtureOfHMMs([0.25] * 4, [[0.2] * 5] * 4, kernels, np.eye(4)[[0, 1, 2, 3, 3]], 3)
    law = PromptLaw.of(mixture, [0.9, 0.0, 0.1, 0.0, 0.0], 0, 2)
    (found,) = survivors(mixture, law, [0, 1, 2, 3])
    assert found.alive == {0, 1}
    assert found.perhaps == {2}  # after word 2 it is in state 4 and cannot go on with word 0
