"""Bounds at finite n where every moment is known in closed form.

Words a, b and a delimiter D; examples a a, a b, a D have probability 1/2, 1/4, 1/4, and the odds of theta are
multiplied by 1/2, 2, 1: M(s) = 2^-s / 2 + 2^s / 4 + 1/4, least at s = 1/2. Documents of theta begin with a half as
often as those of theta*, so the first example counts half.
"""

import math

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.statements import finite_sample as module
from implicit_bayes.theory.statements.finite_sample import (
    Bound,
    StartLaw,
    _few_s,
    enough,
    error_bound,
    nothing,
    start_law,
    weight_bound,
)
from implicit_bayes.theory.statements.finite_sample_odds import _by_margin, delimiter_row, odds_moments
from implicit_bayes.theory.statements.finite_sample_search import Exponent, _best_s, exponent
from implicit_bayes.theory.statements.finite_sample_steps import (
    conditional_moment,
    lost_weight,
    markov,
    moment,
    power,
    wrong_answer,
)
from implicit_bayes.theory.statements.finite_sample_table import _largest, finite_sample, says_nothing

ROW, OTHER = [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]
S = np.array([0.25, 1.0, 2.0])


def case(copies=0, prior=(0.25, 0.75)):
    kernels = [[ROW, ROW, ROW], [OTHER, ROW, ROW], *[[ROW, ROW, ROW]] * copies]
    starts = [ROW, OTHER, *[ROW] * copies]
    mixture = MixtureOfHMMs(prior, starts, kernels, np.eye(3), 2)
    return mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2)


def m(s):
    return 0.5 * 0.5**s + 0.25 * 2**s + 0.25


def slope(s):
    return math.log(2) * (0.25 * 2**s - 0.5 * 0.5**s) / m(s)


def smallest(f, largest):
    """By golden section, f convex."""
    low, high, ratio = 0.0, largest, (math.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if f(a) <= f(b) else (a, high)
    return min(f(low), f(0.0))


@pytest.mark.parametrize(("version", "first"), [("sharp", 0.5), ("repaired", 8.0)])
def test_moments_in_closed_form(version, first):
    """Repaired: R = 2, rho* = 1, so B = 2 undoes the half of every example; K = 1 / (1/4 * 1/4) = 16."""
    odds = odds_moments(*case(), 0, version)
    assert odds.concepts == (1,) and odds.log_prior_A == pytest.approx([math.log(3)])
    assert odds.margin_N.tolist() == [0.25] and odds.mass_N.tolist() == [1.0]
    assert (odds.lost, odds.sampled_inputs, odds.closed) == ((False, False), False, version == "sharp")
    np.testing.assert_allclose(odds.later(0, S).value, np.log(m(S)), atol=1e-14)
    np.testing.assert_allclose(odds.first(0, S).value, np.log(m(S)) + S * math.log(first), atol=1e-13)
    np.testing.assert_allclose(odds.later(0, S).slope, slope(S), atol=1e-14)
    np.testing.assert_allclose(odds.first(0, S).slope, slope(S) + math.log(first), atol=1e-13)
    np.testing.assert_allclose(odds.inputs(0, S).value, np.zeros((3, 1)), atol=1e-15)
    slopes = odds.slopes(0, S)
    np.testing.assert_allclose(slopes[0], slope(S) + math.log(first), atol=1e-13)
    np.testing.assert_allclose(slopes[1], slope(S), atol=1e-13)
    values = odds.values(0, S)
    np.testing.assert_allclose(values[0], np.log(m(S)) + S * math.log(first), atol=1e-13)
    np.testing.assert_allclose(values[1], np.log(m(S)), atol=1e-13)
    np.testing.assert_allclose(values[2], np.zeros((3, 1)), atol=1e-15)
    front, later, reach = odds.largest(0)
    assert (front, later) == (pytest.approx(math.log(2 * first)), pytest.approx(math.log(2)))
    assert reach.tolist() == pytest.approx([0.0])
    for n in (1, 4):
        expected = 0.5 * math.log(3 * first) + n * math.log(m(0.5))
        assert conditional_moment(odds, 0, n, 0.5) == pytest.approx([expected])
        assert moment(odds, 0, n, 0.5) == pytest.approx(expected)


@pytest.mark.parametrize(("version", "first"), [("sharp", 0.5), ("repaired", 8.0)])
def test_bounds_in_closed_form(version, first, monkeypatch):
    """F1: the smallest of (3 first)^s M(s)^n over s <= 1; F2: of (12 first)^s M(s)^n over s >= 0 (Delta* = 1/4)."""
    found = start_law(*case(), 0, version)
    assert found.exponents[1].value == pytest.approx(-math.log(m(0.5)), rel=1e-9)
    assert found.exponents[1].s == pytest.approx(0.5, rel=1e-6)
    ns = (1, 10, 100, 200)
    f1 = [min(1.0, smallest(lambda s, n=n: (3 * first) ** s * m(s) ** n, 1.0)) for n in ns]
    f2 = [min(1.0, smallest(lambda s, n=n: (12 * first) ** s * m(s) ** n, 8.0)) for n in ns]
    np.testing.assert_allclose(found.weight(ns).value, f1, rtol=1e-9)
    np.testing.assert_allclose(found.error(ns).value, f2, rtol=1e-9)
    np.testing.assert_array_equal(weight_bound(found.odds, ns).value, found.weight(ns).value)
    np.testing.assert_array_equal(error_bound(found.odds, ns).value, found.error(ns).value)
    assert found.error(ns).settled.tolist()[1:] == [True] * 3
    first_n = next(n for n in range(1, 400) if smallest(lambda s, n=n: (12 * first) ** s * m(s) ** n, 8.0) <= 0.01)
    assert enough(found.error, 0.01) == first_n
    monkeypatch.setattr(module, "FEW_EDGES", 0)  # a grid of 33 powers up to 1, twice the exponent's
    grid = np.linspace(0.0, 1.0, 33)
    coarse = [min(1.0, ((12 * first) ** grid * m(grid) ** n).min()) for n in ns]
    np.testing.assert_allclose(error_bound(found.odds, ns).value, coarse, rtol=1e-9)


def test_the_power_of_a_sample_stays_in_its_range(monkeypatch):
    """Sampled examples have one power, the pilot's; F1 holds for s up to 1 only. An infinite one is sought again."""
    odds = odds_moments(*case(1, (0.25, 0.5, 0.25)), 0, "sharp")
    assert not isinstance(odds, str)
    sampled = odds._replace(pilot=odds)
    assert _few_s(sampled, 0, 1.0, Exponent(0.5, 3.0)).tolist() == [1.0]
    assert _few_s(sampled, 0, math.inf, Exponent(0.5, 3.0)).tolist() == [3.0]
    asked = []
    monkeypatch.setattr(module, "exponent", lambda *arguments: asked.append(arguments) or Exponent(0.1, 0.75))
    assert _few_s(sampled, 2, 1.0, Exponent(math.inf, math.inf)).tolist() == [0.75]
    assert [each[1:] for each in asked] == [(2, 1.0)] and asked[0][0] is sampled


def test_the_grid_of_powers():
    odds = odds_moments(*case(1, (0.25, 0.5, 0.25)), 0, "sharp")
    assert odds.concepts == (1, 2)
    np.testing.assert_allclose(_few_s(odds, 0, math.inf, exponent(odds, 0)), np.linspace(0, 1, 33), rtol=1e-6)
    np.testing.assert_allclose(_few_s(odds, 0, 0.75, exponent(odds, 0)), np.linspace(0, 0.75, 33), rtol=1e-6)
    np.testing.assert_allclose(_few_s(odds, 1, math.inf, exponent(odds, 1)), np.linspace(0, 1, 33))
    assert exponent(odds, 0, 0.25).s == min(exponent(odds, 0).s, 0.25)  # convex: cut off, not searched again
    assert exponent(odds, 1) == (0.0, 0.0)
    assert exponent(odds, 0, 0.25) == (pytest.approx(-math.log(m(0.25))), 0.25)


def test_a_copy_of_theta_star_is_never_told_apart():
    mixture, law = case(1, (0.25, 0.5, 0.25))
    row = finite_sample(mixture, np.asarray(law.start)[None], 0, 2, "sharp", (0, 4, 4, 1))
    assert (row.ns, row.exponent, row.method) == ((1, 4), 0.0, "exact")
    assert row.reason == "concept 2 is not told apart from theta* by further examples"
    assert row.error_bound == (1.0, 1.0) and row.n_enough == {"0.1": None, "0.01": None, "0.001": None}
    repaired = finite_sample(mixture, np.asarray(law.start)[None], 0, 2, "repaired", (1,))
    assert repaired.reason == "the repaired condition does not hold for concept 2"


def test_a_row_that_says_nothing():
    row = says_nothing(1, 3, "repaired", (0, 2, 1, 2), 2, "why")
    assert (row.k, row.true_concept, row.version, row.ns) == (3, 1, "repaired", (1, 2))
    assert (row.exponent, row.method, row.reason) == (0.0, "none", "why")
    never = {"0.1": None, "0.01": None, "0.001": None}
    assert row.n_enough == row.mixture_n_enough == never
    assert row.weight_bound == row.error_bound == row.mixture_error_bound == (1.0, 1.0)
    assert row.start_laws == ((0.0, never, (1.0, 1.0)),) * 2
    assert (_largest([3, 7, 5]), _largest([3, None])) == (7, None)
    words = StartLaw("words", {})
    assert words.weight is words.error is nothing
    assert nothing([1, 2]).value.tolist() == [1.0, 1.0] and not nothing([1, 2]).settled.any()


@pytest.mark.parametrize(
    ("value", "settled", "delta", "expected"),
    [
        (lambda n: 1 / n, lambda n: n > 0, 0.1, 10),
        (lambda n: 1 / n, lambda n: n >= 20, 0.1, 20),
        (lambda n: 1 / n, lambda n: n > 0, 1.0, 1),
        (lambda n: 1 / n, lambda n: n > 0, 0.5, 2),
        (lambda n: np.where(n < 2**30, 1.0, 0.0), lambda n: n > 0, 0.5, 2**30),
        (lambda n: np.where(n <= 2**30, 1.0, 0.0), lambda n: n > 0, 0.5, None),
        (lambda n: 1 / n, lambda n: n < 0, 0.5, None),
    ],
)
def test_the_first_n_that_is_enough(value, settled, delta, expected):
    def bound(ns):
        ns = np.array(ns)
        return Bound(ns, value(ns), settled(ns))

    assert enough(bound, delta) == expected


def test_roots_of_derivatives():
    offsets = np.array([0.25, 0.0, 3.0, 1.0, 1e9, -1.0])
    for largest, expected in (
        (math.inf, [0.25, 0.0, 3.0, 1.0, 1024.0, 0.0]),
        (1.0, [0.25, 0.0, 1.0, 1.0, 1.0, 0.0]),
    ):
        found = _best_s(lambda s, i: s - offsets[i], 6, largest)
        np.testing.assert_allclose(found, expected, rtol=1e-8)
    np.testing.assert_allclose(_best_s(lambda s, i: s - 0.75, 1, 0.5), [0.5])


def test_inputs_of_one_margin_are_one():
    mass, margin = _by_margin(np.array([0.25, 0.25, 0.5]), np.array([0.5, 0.125, 0.5]))
    assert (mass.tolist(), margin.tolist()) == ([0.25, 0.75], [0.125, 0.5])


def test_the_law_after_a_delimiter():
    mixture, _ = case()
    hmm = mixture.concept(1)
    assert delimiter_row(hmm, 2).initial.tolist() == ROW
    assert delimiter_row(hmm, 0).initial.tolist() == OTHER
    two = MixtureOfHMMs([1.0], [ROW], [[ROW] * 3], np.eye(4)[[0, 2, 2]], 2).concept(0)
    assert delimiter_row(two, 2) is None
    assert delimiter_row(two, 3) is two


def test_steps_of_the_proofs_by_hand():
    sides = lost_weight(np.array([[1.0, 3.0], [math.inf, 0.5], [0.5, 0.25]]))
    np.testing.assert_allclose(sides.left, [0.8, 1.0, 0.75 / 1.75])
    assert sides.right.tolist() == [2.0, 1.5, 0.75] and sides.defined.all()
    logs = np.array([-math.inf, math.inf, math.log(0.25), math.log(4)])
    half = power(logs, 0.5)
    assert half.left.tolist() == [-math.inf, 0.0, math.log(0.25), 0.0]
    assert half.right.tolist() == [-math.inf, math.inf, 0.5 * math.log(0.25), 0.5 * math.log(4)]
    assert power(logs, 0.0).right.tolist() == [-math.inf, 0.0, 0.0, 0.0] and half.defined.all()
    at = markov(np.array([0.5, 2.0, 4.0, 0.0]), np.array([0.25, 0.25, 0.25, 0.25]), 2.0, 1.0)
    assert (float(at.left), float(at.right), bool(at.defined)) == (0.5, 0.8125, True)
    none = markov(np.array([0.5, 0.0]), np.array([0.25, 0.75]), 2.0, 0.0)
    assert (float(none.left), float(none.right)) == (0.0, 0.25)


def test_a_tie_is_wrong_and_odds_on_the_edge_reach_it():
    laws = np.array([[[0.75, 0.25], [0.0, 1.0]], [[0.5, 0.5], [0.0, 1.0]], [[0.75, 0.25], [0.5, 0.5]]])
    sides = wrong_answer(np.array([[0.5, 0.25]] * 3), laws, 0, np.array([0, 0, 0]))
    assert sides.left.tolist() == [1.0, 1.0, 0.0] and sides.right.tolist() == [1.0, 1.0, 1.0]
    assert sides.defined.tolist() == [True, False, True]
    below = wrong_answer(np.array([[0.5, 0.125, 0.1249]]), np.array([[[0.75, 0.25], [0.0, 1.0], [1.0, 0.0]]]), 0,
                         np.array([0]))  # fmt: skip
    assert (below.left.tolist(), below.right.tolist()) == ([0.0], [1.0])
    less = wrong_answer(np.array([[0.5, 0.1249, 0.0]]), np.array([[[0.75, 0.25], [0.0, 1.0], [1.0, 0.0]]]), 0,
                        np.array([0]))  # fmt: skip
    assert less.right.tolist() == [0.0]
