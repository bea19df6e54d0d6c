"""The limit of the predictor by hand: which tokens may be the answer, who is left, and what budgets and roundings do."""

import math

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.estimates import Rate
from implicit_bayes.theory.information.survival import Survivors
from implicit_bayes.theory.statements import limits
from implicit_bayes.theory.statements.bounds import bounded_mean_interval
from implicit_bayes.theory.statements.concept_laws import ConceptLaws
from implicit_bayes.theory.statements.limits import _left, judge, limit_risk, same_argmax
from implicit_bayes.theory.statements.pairs import Pair, _ends
from implicit_bayes.theory.statements.rate_order import beats

EPSILON = 2.0**-52
JUST_BELOW_3 = math.nextafter(3.0, 0.0)


def judged(truth, laws, error: float | int, counted=None, nobody=False):
    laws = np.array([laws])
    counted = [True] * laws.shape[1] if counted is None else counted
    found = judge(np.array([truth]), laws, np.array([counted]), np.array([nobody]), error)
    return tuple(part[0].item() for part in found)


@pytest.mark.parametrize(
    ("truth", "laws", "error", "expected"),  # expected: surely wrong, perhaps wrong, least, most, close
    [
        ([5, 3, 2], [[6, 3, 1]], 0, (False, False, 0, 0, False)),
        ([5, 3, 2], [[3, 6, 1]], 0, (True, True, 2, 2, False)),
        ([5, 5, 2], [[1, 3, 1]], 0, (False, False, 0, 0, True)),  # of answers that tie either is right, exactly
        ([5, 5, 2], [[1, 1, 3]], 0, (True, True, 3, 3, True)),
        ([1, 5, 1], [[4, 1, 0], [0, 1, 4]], 0, (True, True, 4, 4, False)),  # 1 < (4 + 0) / 2, the first choices' mean
        ([1, 5, 1], [[4, 2, 0], [0, 2, 4]], 0, (False, True, 0, 4, False)),  # and here it is that mean
        ([10, 6, 5], [[8, 2, 1]], 0.25, (False, True, 0, 0, True)),  # 6 * 1.25 = 10 * .75: perhaps the largest
        ([10, 6, 5], [[2, 1, 8]], 0.25, (True, True, 5, 5, True)),
        ([10, 5, 5], [[8, 2, 1]], 0.25, (False, False, 0, 0, False)),
        ([20, 1, 2], [[10, 6, 0]], 0.25, (False, True, 0, 19, True)),  # the same of the law that answers
        ([20, 1, 2], [[10, 5, 0]], 0.25, (False, False, 0, 0, False)),
        ([20, 1, 2], [[1, 8, 0], [20, 6, 10]], 0.25, (False, True, 0, 19, True)),
        ([20, 1, 2], [[1, 8, 0], [20, 6, 11]], 0.25, (False, True, 0, 19, False)),
        ([2, 20, 1], [[10, JUST_BELOW_3, 0], [0, JUST_BELOW_3, 10]], 0.25, (False, True, 0, 19, False)),
        ([2, 20, 1], [[10, 2.99, 0], [0, 2.99, 10]], 0.25, (True, True, 18, 19, False)),
    ],
)
def test_judged_by_hand(truth, laws, error, expected):
    assert judged(truth, laws, error) == expected


def test_laws_that_do_not_count_decide_nothing():
    laws = [[4, 1, 1], [0, 9, 0], [4, 2, 1]]
    assert judged([5, 3, 2], laws, 0, [True, False, True]) == (False, False, 0, 0, False)
    assert judged([5, 3, 2], laws, 0, [False, True, False]) == (True, True, 2, 2, False)
    assert judged([5, 3, 2], [[4, 1, 1], [9, 9, 0]], 0, [True, False])[4] is False


def test_no_predictor_is_wrong_and_loses_all():
    assert judged([5, 3], [[6, 1]], 0, nobody=True) == (False, True, 0, 5, False)
    assert judged([5, 3], [[6, 1]], 0, [False], nobody=True) == (True, True, 5, 5, False)
    assert judged([5, 3], [[1, 6]], 0, nobody=True) == (True, True, 2, 5, False)


class Told(ConceptLaws):
    """Delimiter states that allow x, by concept."""

    def __init__(self, allowed):
        self.allowed = {c: np.array(each, dtype=bool) for c, each in allowed.items()}

    def of(self, concept):
        return self.allowed[concept], np.zeros(0)


def left(allowed, outcome, rates):
    concepts, sure, stays = _left(Told(allowed), 2, outcome, rates)
    return concepts, sure.astype(int).tolist(), stays.astype(int).tolist()


def test_who_is_left_after_x():
    """Two inputs, two delimiter states; a concept that some state forbids x may be beaten there and does not beat."""
    both, one, none = [[1, 1], [1, 1]], [[1, 0], [1, 1]], [[1, 0], [0, 0]]
    outcome = Survivors(1.0, frozenset({0, 1}), frozenset({2}))
    assert left({0: both, 1: none, 2: both}, outcome, {}) == ([0, 1, 2], [[1, 1], [0, 0], [0, 0]],
                                                              [[1, 1], [1, 0], [1, 1]])  # fmt: skip
    worse = {0: (0.0, 0.0), 1: (-2.0, -1.0), 2: (-3.0, -2.5)}
    assert left({0: both, 1: both, 2: both}, outcome, worse) == ([0], [[1, 1]], [[1, 1]])
    assert left({0: [[1, 1], [0, 1]], 1: one, 2: both}, outcome, worse) == (
        [0, 1, 2], [[1, 0], [0, 1], [0, 0]], [[1, 1], [0, 1], [0, 0]]
    )  # fmt: skip


def test_the_best_is_the_one_of_the_largest_lower_end():
    both, one = [[1, 1], [1, 1]], [[1, 0], [1, 1]]
    outcome = Survivors(1.0, frozenset({0, 1, 2, 3}), frozenset())
    rates = {0: (0.0, 0.0), 1: (-1.0, 5.0), 2: (-3.0, -2.0)}  # nothing is known of 3
    assert left({0: both, 1: one, 2: both, 3: one}, outcome, rates)[0] == [0, 1, 3]


def certain():
    """After a theta* writes b for certain; theta writes a. D leads to A under both."""
    kernels = [[[0, 1, 0], [0, 1, 0], [1, 0, 0]], [[1, 0, 0], [0, 1, 0], [1, 0, 0]]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[1, 0, 0]] * 2, kernels, np.eye(3), 2)
    return mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2)


RATES = {0: (0.0, 0.0), 1: (-1.0, 1.0)}
ERROR = 16 * (1 + 1) * (3 + 8) * EPSILON
"""16 (m + 1) (H + 8) roundings, m = 1, H = 3."""


def outcome(probability, alive, perhaps=()):
    return Survivors(probability, frozenset(alive), frozenset(perhaps))


@pytest.mark.parametrize(
    ("outcomes", "wrong", "excess"),
    [
        ([outcome(1.0, {0})], (0.0, 0.0), (0.0, 0.0)),
        ([outcome(1.0, {1})], (1.0, 1.0), (1 - ERROR, 1.0)),
        ([outcome(1.0, {0}, {1})], (0.0, 1.0), (0.0, 1.0)),
        ([outcome(0.25, {0}), outcome(0.75, {1})], (0.75, 0.75), (0.75 - ERROR, 0.75 + ERROR)),
        ([outcome(0.5, {0}), outcome(0.25, {1}), outcome(0.25, {0}, {1})], (0.25, 0.5), (0.25 - ERROR, 0.5 + ERROR)),
    ],
)
def test_risk_of_what_survives(outcomes, wrong, excess):
    found = limit_risk(*certain(), outcomes, RATES, 1)
    assert (found.wrong, found.exhaustive) == (wrong, True)
    for one, other in zip(found.excess, excess, strict=True):
        assert one == pytest.approx(other, abs=ERROR / 50)


def test_inputs_are_visited_up_to_the_budget():
    """One input, three tokens: 3 numbers for each concept that may be left."""
    two = [outcome(0.5, {0}), outcome(0.5, {1})]
    for outcomes, budget in (([outcome(1.0, {1})], 3), (two, 6), ([outcome(1.0, {0}, {1})], 6)):
        assert limit_risk(*certain(), outcomes, RATES, 1, budget=budget).exhaustive
        assert not limit_risk(*certain(), outcomes, RATES, 1, budget=budget - 1).exhaustive


def test_sampled_inputs_have_chernoffs_ends():
    """All of 200 inputs are wrong: 200 log(1 / low) = log(2 / (.01 / (2 share)))."""
    for share in (1, 3):
        found = limit_risk(*certain(), [outcome(1.0, {1})], RATES, 1, budget=0, share=share)
        low = math.exp(-math.log(400 * share) / 200)
        assert found.wrong == pytest.approx((low, 1.0), rel=1e-9)
        assert found.excess == pytest.approx((low, 1.0), rel=1e-9)


def kernels_after_a(*rows):
    """One concept for each row, the law of what follows a; D leads to A."""
    kernels = [[row, [0, 1, 0], [1, 0, 0]] for row in rows]
    mixture = MixtureOfHMMs([1 / len(rows)] * len(rows), [[1, 0, 0]] * len(rows), kernels, np.eye(3), 2)
    return mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, 2)


def test_each_end_of_a_sample_is_its_own():
    """Surely wrong .5, perhaps .75; half of that is lost."""
    case = kernels_after_a([0.25, 0.75, 0.0], [1.0, 0.0, 0.0])
    outcomes = [outcome(0.5, {1}), outcome(0.25, {0}), outcome(0.25, {0}, {1})]
    found = limit_risk(*case, outcomes, RATES, 1, budget=0)
    ends = [bounded_mean_interval(np.full(200, value), 1 - 0.01 / 2) for value in (0.5, 0.75, 0.25, 0.375)]
    assert found.wrong == pytest.approx((ends[0].low, ends[1].high), rel=1e-12)
    assert found.excess == pytest.approx((ends[2].low, ends[3].high), rel=1e-12)


def test_a_tie_of_a_right_and_a_wrong_answer_stays_open():
    """theta answers a or b after a, which theta* gives .5 and .25; exact integers find the same .25."""
    found = limit_risk(*kernels_after_a([0.5, 0.25, 0.25], [0.375, 0.375, 0.25]), [outcome(1.0, {1})], RATES, 1)
    assert (found.wrong, found.excess[0]) == ((0.0, 1.0), 0.0)
    assert found.excess[1] == pytest.approx(0.25 + ERROR, abs=ERROR / 50)


def test_same_argmax_is_asked_after_k_minus_1_tokens():
    """theta* goes A, B, C, A; the other prefers A after A and goes from C to B: it is right after a b only."""
    kernels = [np.roll(np.eye(3), 1, 1), [[0.6, 0.4, 0], [0, 0, 1], [0, 1, 0]]]
    kernels = [np.block([[np.array(each), np.zeros((3, 1))], [np.eye(4)[:1]]]) for each in kernels]
    mixture = MixtureOfHMMs([0.5, 0.5], [[1, 0, 0, 0]] * 2, kernels, np.eye(4), 3)
    assert [same_argmax(mixture, PromptLaw.of(mixture, [1.0, 0, 0, 0], 0, k), 1) for k in (2, 3, 4, 5)] == [
        False, True, False, False
    ]  # fmt: skip


def test_every_concept_from_every_delimiter_state():
    """Two concepts, two delimiter states: laws after a are (a, b) = (.75, .25), (.25, .75) behind the one, (.5, .5) and
    (0, 1) behind the other. theta* from p_prompt answers a."""
    hidden = [[0.75, 0.25], [0.25, 0.75]], [[0.5, 0.5], [0.0, 1.0]]
    kernels = []
    for one, other in hidden:  # states a1, a2 (they write a), b, D1, D2
        kernels.append([[*_words(one)], [*_words(other)], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.5, 0, 0, 0]] * 2, kernels, np.eye(3)[[0, 0, 1, 2, 2]], 2)
    law = PromptLaw.of(mixture, [1.0, 0, 0, 0, 0], 0, 2)
    error = 16 * 2 * (5 + 8) * EPSILON
    for alive, wrong, excess in (({0}, (0.0, 1.0), (0.0, 0.5 + error)), ({1}, (0.0, 1.0), (0.0, 0.5 + error)),
                                 ({0, 1}, (0.0, 1.0), (0.0, 0.5 + error))):  # fmt: skip
        found = limit_risk(mixture, law, [outcome(1.0, alive)], {}, 1)
        assert found.wrong == wrong
        assert found.excess == pytest.approx(excess, abs=error / 10)
    assert same_argmax(mixture, law, 0) == "undetermined"


def _words(law):
    return law[0], 0.0, law[1], 0.0, 0.0


def ties():
    """Two inputs, each followed by 0 and 1 alike, under theta* and after the delimiter."""
    kernel = [[0.375, 0.375, 0.25], [0.375, 0.375, 0.25], [0.5, 0.5, 0.0]]
    mixture = MixtureOfHMMs([1.0], [[0.5, 0.5, 0.0]], [kernel], np.eye(3), 2)
    return mixture, PromptLaw.of(mixture, [0.5, 0.5, 0.0], 0, 2)


def test_only_so_many_ties_are_decided_in_exact_integers(monkeypatch):
    outcomes, rates = [outcome(1.0, {0})], {0: (0.0, 0.0)}
    assert limit_risk(*ties(), outcomes, rates, 1).wrong == (0.0, 0.0)
    assert same_argmax(*ties(), 0) is True
    monkeypatch.setattr(limits, "EXACT_TESTS", 1)
    assert limit_risk(*ties(), outcomes, rates, 1).wrong == (0.0, 0.5)
    assert same_argmax(*ties(), 0) == "undetermined"
    monkeypatch.setattr(limits, "EXACT_TESTS", 0)
    assert limit_risk(*ties(), outcomes, rates, 1).wrong == (0.0, 1.0)


def test_sampled_inputs_never_show_that_all_are_right(monkeypatch):
    mixture, law = certain()
    assert (same_argmax(mixture, law, 0), same_argmax(mixture, law, 1)) == (True, False)
    monkeypatch.setattr(limits, "EVERY_TEST", 3 / 5)  # five times as much where one x may settle the matter
    assert same_argmax(mixture, law, 0) is True
    monkeypatch.setattr(limits, "EVERY_TEST", 2.75 / 5)
    assert (same_argmax(mixture, law, 0), same_argmax(mixture, law, 1)) == ("undetermined", False)


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [
        ((0.0, 0.0), (-1.0, -1.0), True),
        ((-1.0, -1.0), (0.0, 0.0), False),
        ((0.5, 9.0), (-9.0, 0.5), False),
        ((0.0, 0.0), (-9.0, -1e-11), False),  # as far as two rates of this size may be off
        ((0.0, 0.0), (-9.0, -1.5e-11), True),
        ((4.0, 4.0), (3.0, 4.0 - 3e-11), False),
        ((4.0, 4.0), (3.0, 4.0 - 5e-11), True),
        ((-4.0, -4.0), (-8.0, -8.0), True),
        ((-4.0, -4.0), (-5.0, -4.0 - 3e-11), False),
        ((-4.0, -4.0), (-np.inf, -np.inf), True),
        ((-np.inf, -np.inf), (-np.inf, -np.inf), False),
        ((-np.inf, 0.0), (-1.0, -1.0), False),
    ],
)
def test_a_rate_beats_another_by_more_than_rounding(better, worse, expected):
    assert beats({0: better, 1: worse}, 0, 1) is expected


def pair(outcomes, rates=None, member=0, sampled=()):
    return Pair(certain()[1], 0, 0, member, (1, 2), rates, tuple(outcomes), frozenset(sampled))


def test_outcomes_that_end_alike_add_up():
    found = pair([outcome(0.25, {0, 1}), outcome(0.5, {0}), outcome(0.25, {1})], {0: (0.0, 0.0), 1: (-2.0, -1.0)})
    assert found.concentrates_on == {frozenset({0}): 0.75, frozenset({1}): 0.25}
    assert pair([outcome(1.0, {0}, {1})]).concentrates_on == {frozenset({0, 1}): 1.0}


def test_theta_star_lives_where_every_outcome_has_it():
    assert pair([outcome(0.5, {0}), outcome(0.5, {0, 1})]).theta_star_lives is True
    assert pair([outcome(0.5, {0}), outcome(0.5, {1}, {0})]).theta_star_lives == "undetermined"
    assert pair([outcome(0.5, {0}), outcome(0.5, {1})]).theta_star_lives is False


def test_a_sampled_rate_matters_where_it_tells_concepts_apart():
    assert pair([outcome(0.5, {0}), outcome(0.5, {1})], sampled={1}).estimated is False
    assert pair([outcome(0.5, {0}), outcome(0.5, {0}, {1})], sampled={1}).estimated is True
    assert pair([outcome(0.5, {0}), outcome(0.5, {0, 1})], sampled={2}).estimated is False


def test_a_rate_is_negative_by_more_than_rounding():
    rates = {1: (-1.0, -1e-11), 2: (-1.0, -2e-11)}
    assert [pair([], rates).beaten(c) for c in (1, 2, 3)] == [False, True, False]


def test_a_limit_needs_a1_and_rates_where_they_matter():
    mixture, _ = certain()
    nobody, one, two = outcome(0.5, ()), outcome(0.5, {0}), outcome(0.5, {0}, {1})
    assert pair([nobody, nobody]).limit(mixture, 1, pure=False).wrong == (1.0, 1.0)
    assert pair([nobody, one]).limit(mixture, 1, pure=False) is None
    assert pair([nobody, one]).limit(mixture, 1, pure=True).wrong == (0.5, 0.5)
    assert pair([one, two]).limit(mixture, 1, pure=True) is None
    assert pair([one, two], {0: (0.0, 0.0)}).limit(mixture, 1, pure=True).wrong == (0.0, 0.5)


def test_ends_of_a_rate_are_widened_by_its_rounding():
    rate = Rate(value=0.5, low=0.25, high=0.75, method="", rounding=0.125)
    assert _ends(rate) == (0.125, 0.875)
    assert _ends(rate._replace(value=None)) == (0.25, 0.75)
    assert _ends(rate._replace(value=-math.inf, low=-math.inf, high=-math.inf)) == (-math.inf, -math.inf)
