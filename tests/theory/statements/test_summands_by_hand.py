"""Summands of the bounds at finite n whose factors are told: rounding, thresholds, ranges and what never competes."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from implicit_bayes.theory.information.moment_levels import Cumulant
from implicit_bayes.theory.statements import finite_sample
from implicit_bayes.theory.statements.finite_sample import error_bound
from implicit_bayes.theory.statements.finite_sample_odds import Odds
from implicit_bayes.theory.statements.finite_sample_search import Exponent, Summand, _best_s, _roots, exponent
from implicit_bayes.theory.statements.finite_sample_steps import conditional_moment


class Told(Odds):
    """Odds with factors that are told: one theta, log prior log 2, two classes of x."""

    lost, sampled_inputs = (True, False), False

    def __new__(cls, first=0.0, later=-1.0, of_x=(0.0, 0.0), most=(0.0, 0.0, (0.0, 0.0)), pilot=None):
        none = np.zeros(1)
        self = super().__new__(
            cls, version="sharp", concepts=(1,), log_prior_A=np.array([math.log(2)]), first_graph=None,
            later_graph=None, front_A=none, delimiter_A=none, mass_N=none, margin_N=none, pilot=pilot,
        )  # fmt: skip
        self.told, self.most = (first, later, of_x), most
        return self

    def values(self, a, s):
        first, later, of_x = self.told
        return np.full(len(s), first), np.full(len(s), later), np.tile(of_x, (len(s), 1))

    def slopes(self, a, s):
        return 2.0 * s - 1.0, np.zeros(len(s)), Cumulant(np.zeros((len(s), 2)), np.zeros((len(s), 2)))

    def later(self, a, s):
        return Cumulant(s * s - s, 2.0 * s - 1.0)

    def largest(self, a):
        first, later, reach = self.most
        return first, later, np.array(reach)


def test_a_summand_is_rounded_up():
    """At n - 1 = 0 and 8: prior, first and later factors, x, and 1e-14 for each of 100 + n - 1 roundings."""
    half = math.log(0.5)
    summand = Summand(Told(first=0.25, later=-0.5, of_x=(half, half)), 0, np.array([0.0, 0.0]))
    factors = summand.factors(np.array([0.0, 2.0]))
    np.testing.assert_allclose(factors.of_x, 0.0, atol=1e-15)
    value, falls = summand._at(factors, np.array([0.0, 8.0]))
    plain = np.array([0.25, 2 * math.log(2) + 0.25 - 4.0]) + factors.of_x
    np.testing.assert_allclose(value - plain, [1e-12, 1e-12 + 8e-14], rtol=0.02, atol=0)
    assert falls.tolist() == [True, True]


@pytest.mark.parametrize(
    ("factors", "falls"),
    [
        (dict(later=-1e-14), False),  # a factor that falls by no more than its error
        (dict(later=-3e-14), True),
        (dict(later=0.0), False),
        (dict(later=1.0, first=-math.inf), True),
        (dict(later=1.0, of_x=(-math.inf, -math.inf)), True),
        (dict(later=1.0, of_x=(-math.inf, 0.0)), False),
    ],
)
def test_where_a_summand_can_only_fall(factors, falls):
    summand = Summand(Told(**factors), 0, np.zeros(2))
    assert summand._at(summand.factors(np.ones(1)), np.zeros(1))[1].tolist() == [falls]
    assert summand._at(summand.factors(np.zeros(1)), np.zeros(1))[1].tolist() == [True]  # at s = 0 n plays no part


def test_a_later_factor_that_is_impossible_is_not_nan_at_the_first_example():
    summand = Summand(Told(later=-math.inf), 0, np.zeros(2))
    factors = summand.factors(np.ones(2))
    value, _ = summand._at(factors, np.array([0.0, 1.0]))
    assert np.isfinite(value[0]) and value[1] == -math.inf


def test_inputs_that_do_not_count_are_left_out():
    """Thresholds (log 3, none): only the first class has a factor, and the second is no input of the search."""
    summand = Summand(Told(), 0, np.array([math.log(3), np.nan]))
    raw = Cumulant(np.array([[0.25, 0.5], [1.0, 2.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    found = summand.inputs(np.array([0.0, 2.0]), raw)
    np.testing.assert_allclose(found.value, [[0.25, -np.inf], [1.0 + 2 * math.log(3), -np.inf]])
    np.testing.assert_allclose(found.slope, [[1.0 + math.log(3), 2.0], [3.0 + math.log(3), 4.0]])
    assert summand.counted_N.tolist() == [True, False]


def test_the_best_power_of_every_n_and_input():
    """Slope log 2 + (2 s - 1) + threshold: least at s = (1 - log 2 - threshold) / 2; each pair has its own x."""
    thresholds = np.array([-1.0, 0.0])
    summand = Summand(Told(first=0.0, later=-1.0, of_x=(0.0, math.log(0.5))), 0, thresholds)
    found, falls = summand.best(np.array([0.0, 0.0, 3.0]), np.array([1, 0, 1]), math.inf)
    s = (1 - math.log(2) - thresholds[[1, 0, 1]]) / 2
    right = s * math.log(2) + np.array([math.log(0.5), -s[1], math.log(0.5) - 3.0])
    np.testing.assert_allclose(found, right, rtol=1e-8)
    assert falls.all()
    every, _ = summand.best(np.array([0.0]), None, 0.0)  # s = 0: the sum over both classes
    assert every[0] == pytest.approx(math.log(1.5))


def test_the_best_of_a_few_powers():
    """Of s = 0 and 4 the first is best at n = 1 (4 log 2 is paid) and the second at n = 9 (its factor falls)."""

    class Falling(Told):
        def values(self, a, s):
            first, _, of_x = super().values(a, s)
            return first, -s, of_x

    summand = Summand(Falling(of_x=(math.log(0.25), math.log(0.75))), 0, np.zeros(2))
    factors = summand.factors(np.array([0.0, 4.0]))
    value, falls = summand.best_of(factors, np.array([0.0, 8.0]))
    np.testing.assert_allclose(value, [0.0, 4 * math.log(2) - 32.0], atol=1e-11)
    assert falls.tolist() == [True, True]


def test_sampled_inputs_count_by_the_upper_end_of_their_mean():
    logs_2 = (math.log(0.25), math.log(0.75))

    class Sampled(Told):
        sampled_inputs = True

    plain, sampled = (Summand(odds(of_x=logs_2), 0, np.zeros(2)).factors(np.ones(1)) for odds in (Told, Sampled))
    assert plain.of_x[0] == pytest.approx(0.0, abs=1e-14)
    # twice the mean, .5 of (.25, .75), and twice its half-width, t_1 / 4
    assert sampled.of_x[0] == pytest.approx(math.log(1.0 + 0.5 * stats.t.ppf(0.975, 1)))


@pytest.mark.parametrize(
    ("most", "inputs", "later", "never", "stays"),
    [
        ((-1.0, 0.0, (0.0, 0.0)), None, 0.0, True, False),  # log 2 - 1 < 0
        ((-math.log(2) - 1e-9, 0.0, (0.0, 0.0)), None, 0.0, False, False),  # by no more than rounding
        ((-math.log(2) - 2e-9, 0.0, (0.0, 0.0)), None, 0.0, True, False),
        ((0.0, -1.0, (0.0, 0.0)), None, 0.0, False, True),
        ((0.0, -1.0, (0.0, 0.0)), None, 1.0, True, True),
        ((0.0, -1e-14, (0.0, 0.0)), None, 0.0, False, False),
        ((-1.0, 0.0, (0.0, 0.5)), None, 0.0, False, False),  # one class of x can
        ((-1.0, 0.0, (0.0, 0.5)), 0, 0.0, True, False),
        ((-1.0, 0.0, (0.0, 0.5)), 1, 0.0, False, False),
        ((9.0, -math.inf, (0.0, 0.0)), None, 0.0, False, True),
        ((9.0, -math.inf, (0.0, 0.0)), None, 1.0, True, True),
    ],
)
def test_odds_that_no_prompt_brings_up_to_the_threshold(most, inputs, later, never, stays):
    summand = Summand(Told(most=most), 0, np.zeros(2))
    found = summand.unreachable(np.array([later]), None if inputs is None else np.array([inputs]))
    assert [each.tolist() for each in found] == [[never], [stays]]


def test_an_input_that_does_not_count_reaches_nothing():
    found = Summand(Told(), 0, np.array([np.nan, np.nan])).unreachable(np.zeros(1), None)
    assert [each.tolist() for each in found] == [[True], [True]]
    one = Summand(Told(), 0, np.array([1.0, np.nan])).unreachable(np.zeros(2), np.array([1, 0]))
    assert [each.tolist() for each in one] == [[True, False], [True, False]]


def test_exponents_at_their_ends():
    """The factor s^2 - s is least at 1/2; odds that stay 1e-9 below the threshold never reach it, at half of that they
    may; a theta* that forbids later examples has none, one that forbids first ones has."""

    class Known(Told):
        def values(self, a, s):
            return np.zeros(1), s * s - s, np.zeros((1, 2))

    assert exponent(Known(), 0) == (pytest.approx(0.25), pytest.approx(0.5, rel=1e-8))
    assert exponent(Known(), 0, 0.25) == (pytest.approx(0.1875), 0.25)

    class Lost(Known):
        lost = (False, True)

    assert exponent(Lost(), 0) == Exponent(0.0, 0.0)
    for below, value in ((-2e-9, math.inf), (-1e-9, 0.25), (-5e-10, 0.25)):
        assert exponent(Known(most=(5.0, below, (0.0,))), 0).value == pytest.approx(value)
    assert exponent(Known(most=(5.0, -1.0, (0.0,))), 0, 1.0).value == pytest.approx(0.25)

    class Tied(Told):
        def values(self, a, s):
            return np.zeros(1), np.array([-self.tie]), np.zeros((1, 2))

    for tie, value in ((5e-13, 0.0), (1e-12, 1e-12), (2e-12, 2e-12)):
        found = Tied()
        found.tie = tie
        assert exponent(found, 0).value == value

    class Pilot(Told):
        def later(self, a, s):
            return Cumulant(s * s - 0.5 * s, 2.0 * s - 0.5)

    assert exponent(Known(pilot=Pilot()), 0) == (pytest.approx(0.1875), pytest.approx(0.25, rel=1e-8))


def test_roots_within_ranges_that_are_given():
    """Roots at 0.5, 1 and 1.5 of a range up to 1.25, beyond which nothing is looked at; and one at its very end."""
    roots = np.array([0.5, 1.0, 1.5, 1.25])
    np.testing.assert_allclose(_best_s(lambda s, i: s - roots[i], 4, 1.25), [0.5, 1.0, 1.25, 1.25], rtol=1e-8)


def test_the_first_example_does_not_ask_for_the_factor_of_later_ones():
    """A theta* that forbids later examples has infinite moments from n = 2 on, and a finite one before."""

    class Lost(Told):
        def first(self, a, s):
            return Cumulant(np.full(1, 0.25), np.zeros(1))

        def later(self, a, s):
            return Cumulant(np.full(1, math.inf), np.zeros(1))

        def inputs(self, a, s):
            return Cumulant(np.zeros((1, 2)), np.zeros((1, 2)))

    found = [conditional_moment(Lost(), 0, n, 0.5).tolist() for n in (1, 2)]
    assert found == [[pytest.approx(0.25 + 0.5 * math.log(2))] * 2, [math.inf] * 2]


@pytest.mark.parametrize(("falls", "settled"), [([True, True], True), ([True, False], False), ([False, False], False)])
def test_a_bound_is_settled_where_every_input_is(falls, settled, monkeypatch):
    """Two inputs of masses 1/4 and 3/4, of which the first is lost up to its mass and the second by e^-2."""

    class Two(Told):
        margin_N, mass_N = np.array([0.5, 0.5]), np.array([0.25, 0.75])
        later_graph = SimpleNamespace(edges=1, sampled=False)

    told = np.array([[1.0, -2.0]]), np.array([falls])
    monkeypatch.setattr(finite_sample, "_searched", lambda *_: told)
    monkeypatch.setattr(Summand, "unreachable", lambda *_: (np.zeros(2, bool), np.zeros(2, bool)))
    found = error_bound(Two(), [3])
    assert found.settled.tolist() == [settled]
    assert found.value[0] / (0.25 + math.exp(-2)) - 1 == pytest.approx(1e-12, rel=0.003, abs=0)  # a hundred roundings
    monkeypatch.setattr(Summand, "unreachable", lambda *_: (np.array([True, False]), np.ones(2, bool)))
    never = error_bound(Two(), [3])
    assert never.value[0] == pytest.approx(math.exp(-2)) and never.settled.tolist() == [falls[1]]


@pytest.mark.parametrize(
    ("inputs", "edges", "sampled", "few"),
    [(64, 3125, False, True), (64, 3126, False, False), (65, 1, False, False), (1, 200_000, False, True),
     (1, 200_001, False, False), (2, 1, True, False)],
)  # fmt: skip
def test_inputs_that_are_few_enough_for_a_power_each(inputs, edges, sampled, few):
    class Sized(Told):
        mass_N, later_graph = np.full(inputs, 1 / inputs), SimpleNamespace(edges=edges)

    assert finite_sample._one_s_for_each_input(Sized(pilot=Told() if sampled else None)) is few


def test_roots_are_found_in_few_steps():
    """Of increasing functions on [0, 2]: a line, a cube, an exponential, a jump, and a root at the end. Smooth ones
    take some ten evaluations where bisection takes thirty, and each function is asked only as long as it is open."""
    functions = [lambda x: x - 0.75, lambda x: x**3 - 0.5, lambda x: np.exp(20 * (x - 1.5)) - 1.0,
                 lambda x: np.where(x < 1.25, -1.0, 1e-3), lambda x: x - 2.0]  # fmt: skip
    right = [0.75, 0.5 ** (1 / 3), 1.5, 1.25, 2.0]
    asked = np.zeros(5, dtype=int)

    def rises(x, index):
        np.add.at(asked, index, 1)
        return np.array([functions[i](v) for v, i in zip(x, index, strict=True)], dtype=float)

    end = np.full(5, 2.0)
    at_0, at_end = (np.array([f(v) for f in functions], dtype=float) for v in (0.0, 2.0))
    found = _roots(rises, end, at_0, at_end)
    np.testing.assert_allclose(found, right, rtol=2e-9)
    assert (asked[[0, 1, 2]] <= 20).all() and asked[0] <= 4 and asked[4] == 1 and 25 <= asked[3] <= 45
