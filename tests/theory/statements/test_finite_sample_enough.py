"""The exponent is the slope of the exact error, and n(delta) the first n from which the bound stays."""

import itertools
import math

import numpy as np
import pytest
from prompt_enumeration import all_prompts, exact_weight, forward, random_instance

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.statements.finite_sample import Bound, enough, start_law, weight_bound
from implicit_bayes.theory.statements.finite_sample_odds import odds_moments
from implicit_bayes.theory.statements.finite_sample_search import exponent


def odds_laws(mixture, law, ns):
    """The law of the log-odds of theta after n whole examples, by counting their types; and every x with its mass and
    p(x, y) under both concepts and p_prompt. Two concepts, one delimiter state, few types."""
    k, d = law.length, mixture.n_states - 1
    examples = np.array(list(itertools.product(range(mixture.n_tokens), repeat=k)))
    mass = forward(law.start, law.hmm.transition, law.hmm.emission, examples).sum(-1)
    examples, mass = examples[mass > 0], mass[mass > 0]
    closed = np.pad(examples, ((0, 0), (0, 1)), constant_values=mixture.delimiter)

    def ratio(starts):
        laws = [forward(starts[c], mixture.transition[c], mixture.emission, closed).sum(-1) for c in (1, 0)]
        return np.log(laws[0]) - np.log(laws[1])

    first, later = ratio(mixture.initial), ratio(mixture.transition[:, d])
    inputs = np.unique(examples[:, :-1], axis=0)
    x_mass = forward(law.start, law.hmm.transition, law.hmm.emission, inputs).sum(-1)
    ahead = [forward(mixture.transition[c, d], mixture.transition[c], mixture.emission, inputs) for c in (0, 1)]
    own = [a @ mixture.emission for a in ahead]
    truth = (forward(law.start, law.hmm.transition, law.hmm.emission, inputs) @ mixture.emission).argmax(-1)
    values, masses = collect(first + math.log(mixture.prior[1] / mixture.prior[0]), mass)
    found = {}
    for n in range(1, max(ns) + 1):
        found[n] = values, masses
        values, masses = collect(np.add.outer(values, later).reshape(-1), np.outer(masses, mass).reshape(-1))
    return [found[n] for n in ns], x_mass, own, truth


def exact_errors(mixture, law, ns):
    """P(wrong answer)."""
    laws, x_mass, own, truth = odds_laws(mixture, law, ns)
    mixed = [own[0] + np.exp(values)[:, None, None] * own[1] for values, _ in laws]
    wrong = [(each.argmax(-1) != truth) @ x_mass for each in mixed]
    return np.array([float(masses @ each) for (_, masses), each in zip(laws, wrong, strict=True)])


def exact_weights(mixture, law, ns):
    """E[1 - w_n(theta*)]."""
    laws, x_mass, own, _ = odds_laws(mixture, law, ns)
    of_x = np.log(own[1].sum(-1)) - np.log(own[0].sum(-1))
    return np.array([float(masses @ (1 / (1 + np.exp(-values[:, None] - of_x)) @ x_mass)) for values, masses in laws])


def collect(values, masses):
    """Equal values (to 1e-9) once, with the sum of their masses."""
    rounded, which = np.unique(np.round(values, 9), return_inverse=True)
    return rounded, np.bincount(which, masses)


def three_types(seed):
    """Words a, b; examples a a, a b, a d: theta differs from theta* in row a only."""
    rng = np.random.default_rng(seed)
    p, q = 0.5 + 0.3 * rng.random(), 0.3 * rng.random() + 0.05
    rows = [[[x, 0.9 - x, 0.1], [0.3, 0.6, 0.1], [0.9, 0.0, 0.1]] for x in (p, q)]
    mixture = MixtureOfHMMs([0.4, 0.6], [[1.0, 0.0, 0.0]] * 2, rows, np.eye(3), 2)
    return mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2)


@pytest.mark.parametrize("seed", range(4))
def test_the_exponent_is_the_slope_of_the_exact_error(seed):
    """-log of the exact error between n = 60 and 120: its slope is the exponent plus log(2)/2 a doubling (Bahadur and
    Rao's n^(-1/2)), up to the lattice's ripple; and the bound lies above, by a bounded factor times n^(1/2)."""
    mixture, law = three_types(seed)
    found = start_law(mixture, law, 0, "sharp")
    ns = [1, 5, 30, 60, 120]
    errors, bound = exact_errors(mixture, law, ns), found.error(ns).value
    assert (errors > 0).all() and (bound >= errors).all()
    value = found.exponents[1].value
    slope = (math.log(errors[3]) - math.log(errors[4]) - 0.5 * math.log(2)) / 60
    assert slope == pytest.approx(value, abs=0.02)
    assert (np.log(bound / errors) <= 0.5 * np.log(ns) + 4.5).all()
    for delta in (0.1, 0.01):
        n = enough(found.error, delta)
        assert n is not None and (exact_errors(mixture, law, [n, n + 1, n + 7]) <= delta).all()


def test_the_exponent_of_the_weight_has_s_up_to_1():
    """theta rarely starts with a after a delimiter, which all examples do, so s > 1 is best for the error; but E[1 - w]
    behaves as E min(1, odds), whose exponent is -log M(1), and F1 attains it."""
    rows = [[[0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.8, 0.1, 0.1]], [[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.4, 0.5, 0.1]]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.8, 0.1, 0.1]] * 2, rows, np.eye(3), 2)
    law = PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2)
    odds = odds_moments(mixture, law, 0, "sharp")
    error, weight = exponent(odds, 0), exponent(odds, 0, 1.0)
    assert error.s > 2 and weight.s == 1.0 and weight.value == pytest.approx(math.log(2))
    assert error.value > 2 * weight.value
    exact = exact_weights(mixture, law, [20, 40])
    assert math.log(exact[0] / exact[1]) / 20 == pytest.approx(weight.value, abs=1e-6)
    assert (weight_bound(odds, [20, 40]).value >= exact).all()
    assert exact_weights(mixture, law, [2])[0] == pytest.approx(exact_weight(mixture, all_prompts(mixture, law, 2), 0))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("version", ["sharp", "repaired"])
def test_enough_is_the_first_n_from_which_the_bound_stays(seed, version):
    mixture, law = random_instance(seed, delimiters=1, zeros=False)
    found = start_law(mixture, law, 0, version)
    for delta in (0.3, 0.01):
        n = enough(found.error, delta)
        if n is None:
            assert (found.error([1, 10, 100, 1000]).value > delta).any() or not found.error([1000]).settled[0]
            continue
        later = [n, n + 1, n + 2, 2 * n, 10 * n]
        assert (found.error(later).value <= delta).all() and found.error(later).settled.all()
        if n > 1:
            before = found.error([n - 1])
            assert before.value[0] > delta or not before.settled[0]


def test_a_summand_that_is_zero_now_may_not_be_later():
    """theta has prior 1e-9 and is better after every example: at n = 1 its odds cannot reach the threshold, at 60 they
    do, so n = 1 is not enough."""
    rows = [[*[[0.6, 0.3, 0.1]] * 2, [0.45, 0.45, 0.1]], [*[[0.6, 0.3, 0.1]] * 2, [0.8, 0.1, 0.1]]]
    mixture = MixtureOfHMMs([1 - 1e-9, 1e-9], [[0.45, 0.45, 0.1]] * 2, rows, np.eye(3), 2)
    found = start_law(mixture, PromptLaw.of(mixture, [0.9, 0.1, 0.0], 0, 2), 0, "sharp")
    assert found.exponents[1].value == 0.0
    assert found.error([1]).value[0] == 0.0 and not found.error([1]).settled[0]
    assert found.error([60]).value[0] > 0.5 and enough(found.error, 0.1) is None


def test_enough_needs_the_bound_to_stay():
    """A bound that dips below delta at n = 1 and rises is not enough; one that settles at 37 is enough there."""

    def dips(ns):
        return Bound(np.asarray(ns), np.where(np.asarray(ns) < 9, 0.001, 1.0), np.zeros(len(ns), bool))

    def falls(ns):
        return Bound(np.asarray(ns), 3.7 / np.asarray(ns), np.ones(len(ns), bool))

    assert enough(dips, 0.1) is None and enough(falls, 0.1) == 37
