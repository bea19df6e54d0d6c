"""Steps of the repaired proof and rows of conditions, each side by numbers worked out by hand."""

import math

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.information.estimates import Rate
from implicit_bayes.theory.information.kl import KLSum
from implicit_bayes.theory.statements import conditions
from implicit_bayes.theory.statements.condition_rows import Condition, CriticalK
from implicit_bayes.theory.statements.conditions import _Case, _condition, conditions_by_start_law, critical_k
from implicit_bayes.theory.statements.repaired import assembled_bound, last_segment, segment_probability, step_a, step_b
from implicit_bayes.theory.statements.repaired_constants import RepairedConstants, limit_bound
from implicit_bayes.theory.statements.thresholds import Thresholds

TRUE = [[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
OTHER = [[0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]
STARTS = [[0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
"""c1 = 1/8, c2 = 1/2, c5 = 1/8, c6 = 1, R = 2 (word 1), rho* = 2/3 (word 1)."""


def mixture(starts=STARTS, kernels=(TRUE, OTHER)):
    return MixtureOfHMMs([0.5, 0.5], np.array(starts), np.array(kernels), np.eye(3), 2)


def logs(*products):
    return pytest.approx([math.log(x) for x in products], rel=1e-13)


def test_both_sides_of_every_step():
    """Tokens show states, so a past counts by its last token, and the delimiter leads to the words' row after it."""
    past, example = np.array([[1, 0], [0, 1]]), np.array([[1, 0], [0, 0]])
    sides = step_a(mixture(), 0, 1, past, example)
    assert sides.left == logs(0.5 * 0.5 * 0.25, 0.25 * 0.25 * 0.25)
    assert sides.right == logs(2 * 0.5 * 0.25 * 0.25, 2 * 0.5 * 0.5 * 0.25)
    sides = step_b(mixture(), 0, 1, past, example)
    assert sides.left == logs(0.125 * 2 / 3 * 0.375 * 0.5, 0.125 * 2 / 3 * 0.5 * 0.25)
    assert sides.right == logs(0.25 * 0.25 * 0.5, 0.125 * 0.5 * 0.25)
    sides = last_segment(mixture(), 0, 1, past, example)
    assert sides.left == logs(0.125 * 0.125**2, 0.125 * 0.125**2)
    assert sides.right == logs(0.25 * 0.25 * 0.5, 0.125 * 0.5 * 0.25)
    assert sides.defined.tolist() == [True, True]
    shorter = last_segment(mixture(), 0, 1, past, example[:, :1])
    assert shorter.left == logs(0.125 * 0.125, 0.125 * 0.125)
    assert shorter.right == logs(0.25 * 0.25, 0.125 * 0.5)
    alone = segment_probability(mixture(), 1, past, example)
    assert alone.left == logs(0.5 * 0.5 * 0.25, 0.25 * 0.25 * 0.25)
    assert alone.right == logs(0.25 * 0.25, 0.5 * 0.25)


def test_one_of_two_pasts_is_impossible():
    """theta never goes from word 0 to itself: nothing is claimed behind 0 0, and no number is nan."""
    kernels = [TRUE, [[0.0, 0.5, 0.5], *OTHER[1:]]]
    found = segment_probability(mixture(kernels=kernels), 1, np.array([[0, 0], [0, 1]]), np.array([[1], [0]]))
    assert found.defined.tolist() == [False, True]
    assert found.left.tolist() == [-math.inf, pytest.approx(math.log(0.25 * 0.25))]
    assert segment_probability(mixture(), 0, np.array([2]), np.array([1])).left == pytest.approx(math.log(0.25 * 0.25))


PROMPT = np.array([1, 0, 2, 0, 0, 2, 1])
"""(1 0) D (0 0) D 1, k = 2."""


def test_the_assembled_bound_by_hand():
    """eps = log(4) + log(3); front = 6 log 2; gains (1/8) / (3/16) and (1/8) / (1/8)."""
    out = assembled_bound(mixture(), 0, 1, 2, PROMPT)
    assert out.shots.tolist() == [1, 2]
    gains = np.log([(0.25 * 0.25) / (0.375 * 0.5), (0.5 * 0.25) / (0.5 * 0.25)]).cumsum()
    np.testing.assert_allclose(out.bound, math.log(64) + gains + np.array([0.0, math.log(12)]), rtol=1e-13)
    theirs = [0.25 * 0.25 * 0.5, 0.25 * 0.25 * 0.5 * 0.25 * 0.25 * 0.5]
    ours = [0.375 * 0.5 * 0.25, 0.375 * 0.5 * 0.25 * 0.5 * 0.25 * 0.25]
    last = np.array([0.25 / 0.5, 0.5 / 0.25])  # x_test is the first token of the next example
    np.testing.assert_allclose(out.log_ratio, np.log(np.array(theirs) / ours * last), rtol=1e-13)


def test_the_first_example_pays_for_no_delimiter():
    """theta never starts at word 0 and goes there behind D: R is infinite, and the bound at n = 1 is not."""
    out = assembled_bound(mixture([STARTS[0], [0.0, 0.5, 0.5]]), 0, 1, 2, PROMPT)
    gain = math.log((0.5 * 0.25) / (0.375 * 0.5))
    assert out.bound.tolist() == [pytest.approx(math.log(64) + gain), math.inf]


@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 5, 6, 8])
def test_prompts_of_no_whole_number_of_examples_are_refused(tokens):
    with pytest.raises(ModelError, match=f"prompts: {tokens} tokens are not"):
        assembled_bound(mixture(), 0, 1, 2, np.zeros((1, tokens), dtype=int))
    assert assembled_bound(mixture(), 0, 1, 2, PROMPT[:4]).shots.tolist() == [1]


def test_the_bound_of_the_limit_by_hand():
    found = RepairedConstants(2, 0.25, 0.5, 0.125, 0.5, 4.0, 0.5)
    assert limit_bound(found, 0.25, 1.0) == pytest.approx(math.log(16) + 0.25 - 1.0)


def kl(value, half=0.0, **fields):
    return KLSum(value=value, low=value - half, high=value + half, infinite_mass=0.125, per_position=np.array([value]),
                 method="exact", prefixes=1, **fields)  # fmt: skip


def case(eps, start=0):
    return _Case(mixture=mixture(), prompt=PromptLaw.of(mixture(), STARTS[0], 0, 3), true_concept=0, concept=1,
                 start=start, level=0.875, eps=eps)  # fmt: skip


def test_every_field_of_a_row():
    """Printed 4 against 1 + 2, repaired 4 +- .25 against .5 + .25 + 3 +- .125, rate -1 in [-1.5, -.5]."""
    eps = Thresholds(start=1.0, printed=2.0, repaired=3.0, rounding=1e-3)
    rate = Rate(value=-1.0, low=-1.5, high=-0.5, method="bracketed", bracket=0.25, rounding=2e-3, samples=7)
    row = _condition(case(eps, 5), kl(4.0, 0.25, rounding=4e-3), kl(0.5, 0.125, rounding=8e-3), rate)
    assert row == Condition(
        k=3, true_concept=0, concept=1, kl_sum=4.0, kl_infinite_mass=0.125, eps_start=1.0, eps_delim_printed=2.0,
        eps_delim_repaired=3.0, start_kl=0.5, printed_holds=True, repaired_holds=True, rate=-1.0, rate_low=-1.5,
        rate_high=-0.5, sharp_holds=True, method="kl exact, rate bracketed", kl_low=3.75, kl_high=4.25, prompt_start=5,
        repaired_start=5, sharp_start=5, repaired_kl_sum=4.0, repaired_kl_low=3.75, repaired_kl_high=4.25,
        start_kl_low=0.375, start_kl_high=0.625, rate_bracket=0.25, rate_samples=7, kl_rounding=1e-3 + 4e-3 + 8e-3,
        rate_rounding=2e-3, level=0.875,
    )  # fmt: skip


def decided(monkeypatch, sign, given, version):
    """The verdict, and whether exact fractions were asked."""
    asked = []
    monkeypatch.setattr(conditions, "exact_margin", lambda *arguments: asked.append(arguments[4]) or sign)
    row = _condition(*given)
    return getattr(row, f"{version}_holds"), version in asked


CALM = Rate(value=-1.0, low=-1.0, high=-1.0, method="closed form")
EVEN = Thresholds(start=1.0, printed=2.0, repaired=2.5, rounding=1e-3)
"""Thresholds 3 and, with a start_kl of 1/2, 3."""


def test_inside_the_rounding_the_sign_is_asked_for(monkeypatch):
    """A sum of 3 + 3/1000 is inside 1/1000 + 4/1000 and outside 1/1000 + 1/1000; the repaired one adds start_kl's."""
    for version in ("printed", "repaired"):
        for sign, expected in ((1, True), (0, False), (-1, False), (None, "undetermined")):
            near = case(EVEN), kl(3.003, rounding=4e-3), kl(0.5), CALM
            assert decided(monkeypatch, sign, near, version) == (expected, True)
        far = case(EVEN), kl(3.003, rounding=1e-3), kl(0.5), CALM
        assert decided(monkeypatch, -1, far, version) == (True, False)
        below = case(EVEN), kl(2.997, rounding=1e-3), kl(0.5), CALM
        assert decided(monkeypatch, 1, below, version) == (False, False)
    wider = case(EVEN), kl(3.003, rounding=1e-3), kl(0.5, rounding=2e-3), CALM
    assert decided(monkeypatch, -1, wider, "repaired") == (False, True)
    assert decided(monkeypatch, -1, wider, "printed") == (True, False)


def test_what_was_sampled_is_not_decided_in_fractions(monkeypatch):
    """An interval around the threshold stays open; so does one beside it that rounding alone reaches over."""
    for version in ("printed", "repaired"):
        for value, half in ((3.0, 0.5), (3.502, 0.5)):
            wide = case(EVEN), kl(value, half, rounding=4e-3), kl(0.5), CALM
            assert decided(monkeypatch, 1, wide, version) == ("undetermined", False)
    wide = case(EVEN), kl(3.003, rounding=4e-3), kl(0.5, 0.001), CALM
    assert decided(monkeypatch, 1, wide, "repaired") == ("undetermined", False)
    assert decided(monkeypatch, 1, wide, "printed") == (True, True)


def test_a_rate_near_zero_is_decided_in_fractions(monkeypatch):
    for value, low in ((-1e-3, -1e-3), (1e-3, 1e-3)):
        near = case(EVEN), kl(9.0), kl(0.5), CALM._replace(value=value, low=low, high=low, rounding=2e-3)
        assert decided(monkeypatch, 1, near, "sharp") == (True, True)
        assert decided(monkeypatch, 0, near, "sharp") == (False, True)
    open_ = case(EVEN), kl(9.0), kl(0.5), CALM._replace(value=0.0, low=-1e-3, high=1e-3, rounding=2e-3)
    assert decided(monkeypatch, 1, open_, "sharp") == ("undetermined", False)
    unknown = case(EVEN), kl(9.0), kl(0.5), CALM._replace(value=None, low=0.0, high=0.0)
    assert decided(monkeypatch, 1, unknown, "sharp") == ("undetermined", False)


def test_what_a_table_of_conditions_asks_for(monkeypatch):
    """3 concepts, 2 start laws, 2 lengths, 5 tables: 5 * 2 * 2 * (2 * 2 + 1) intervals of 90% together; the sign of a
    rate needs a tenth of the accuracy. Rows by k in the order given, then concept, then start law."""
    asked = []

    class Told:
        def __init__(self, mixture, starts, true_concept, others, ks, options):
            asked.append((true_concept, list(others), list(ks), dict(options)))

        def kl(self, s, c, k):
            return kl(100.0 * s + 10.0 * c + k)

        def start_kl(self, s, k):
            return kl(0.5 + s + k)

    def rates(prompt, laws, **options):
        shared = options.pop("shared")
        asked.append((prompt.length, np.asarray(prompt.start).tolist(), len(laws), options, id(shared)))
        return [CALM._replace(value=-float(i), low=-float(i), high=-float(i)) for i in (1, 2)]

    monkeypatch.setattr(conditions, "Signals", Told)
    monkeypatch.setattr(conditions, "log_likelihood_rates", rates)
    three = MixtureOfHMMs([0.25, 0.5, 0.25], [*STARTS, STARTS[1]], [TRUE, OTHER, OTHER], np.eye(3), 2)
    starts = np.array([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]])
    rows = conditions_by_start_law(three, starts, 1, [3, 2], seed=7, budget=11, accuracy=0.125, coverage=0.9, tables=5,
                                   logarithms=13.0)  # fmt: skip
    each = pytest.approx(1 - 0.1 / 100, abs=1e-15)
    assert asked[0] == (1, [0, 2], [3, 2], dict(seed=7, budget=11, accuracy=0.125, coverage=each, logarithms=13.0))
    options = dict(seed=7, budget=11, accuracy=1.25, coverage=each, logarithms=13.0)
    assert [row[:4] for row in asked[1:]] == [(k, start, 2, options) for k in (3, 2) for start in starts.tolist()]
    assert asked[1][4] == asked[3][4] != asked[2][4] == asked[4][4]  # what lengths share, start by start
    assert [(row.k, row.concept, row.prompt_start) for row in rows] == [
        (k, c, s) for k in (3, 2) for c in (0, 2) for s in (0, 1)
    ]
    assert [row.kl_sum for row in rows] == [100.0 * r.prompt_start + 10.0 * r.concept + r.k for r in rows]
    assert [row.start_kl for row in rows] == [0.5 + r.prompt_start + r.k for r in rows]
    assert [row.rate for row in rows] == [-1.0 if r.concept == 0 else -2.0 for r in rows]
    assert {(row.level, row.true_concept) for row in rows} == {(0.9, 1)}


def test_what_conditions_refuse():
    with pytest.raises(ModelError, match="ks, start_laws: at least one of each"):
        conditions_by_start_law(mixture(), np.array([STARTS[0]]), 0, [])
    with pytest.raises(ModelError, match="ks, start_laws: at least one of each"):
        conditions_by_start_law(mixture(), np.zeros((0, 3)), 0, [2])
    with pytest.raises(ModelError, match="true_concepts: none given"):
        critical_k(mixture(), np.array([STARTS[0]]), [], [2])
    with pytest.raises(ModelError, match="ks: a list"):
        critical_k(mixture(), np.array([STARTS[0]]), 0, 2)


def test_what_a_table_asks_where_nothing_is_said(monkeypatch):
    """One table of 95%, seed 0, 200,000 prefixes, an accuracy of 1%; ``check_conditions`` is of one k."""
    asked = []
    monkeypatch.setattr(
        conditions, "conditions_by_start_law", lambda *given, **how: asked.append((given[2:], how)) or []
    )
    monkeypatch.setattr(conditions, "worst_over_start_laws", lambda rows: rows)
    conditions.condition_table(mixture(), np.array([STARTS[0]]), 1, [2, 3])
    conditions.check_conditions(mixture(), np.array([STARTS[0]]), 1, 4, seed=5)
    plain = dict(seed=0, budget=200_000, accuracy=0.01, coverage=0.95, tables=1)
    assert asked == [((1, [2, 3]), plain), ((1, [4]), plain | dict(seed=5))]


def test_critical_k_shares_its_coverage_among_true_concepts(monkeypatch):
    asked = []
    monkeypatch.setattr(conditions, "condition_table", lambda *given, **how: asked.append((given[2], how)) or [])
    monkeypatch.setattr(conditions, "critical_k_of", lambda rows, ks: CriticalK(*ks, 9))
    assert critical_k(mixture(), np.array([STARTS[0]]), 1, [2, 3], seed=4) == (2, 3, 9)
    assert critical_k(mixture(), np.array([STARTS[0]]), [0, 1], [5, 2]) == (5, 2, 9)
    assert asked == [(1, dict(seed=4, tables=1)), (0, dict(seed=0, tables=2)), (1, dict(seed=0, tables=2))]
