"""How a conclusion is drawn from limits and measurements, case by case: the ends, the worst pair, what is not known."""

from types import SimpleNamespace

import pytest

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.statements.bounds import Interval, RiskBound
from implicit_bayes.theory.statements.conclusions import Evidence, conclude_excess, conclude_theorem_1, hypotheses
from implicit_bayes.theory.statements.pairs import Pair
from implicit_bayes.theory.statements.risk import MeasuredRisk

NOTHING = Interval(0.0, 0.0, 1.0)
HALF = RiskBound(0.5, False, 0.1)


@pytest.mark.parametrize(
    ("limits", "conclusion", "words"),
    [
        ([(0.6, 0.7), (0.1, 0.2)], "fails", "[0.6, 0.7]"),
        ([(0.1, 0.8), (0.6, 0.7)], "fails", "[0.6, 0.8]"),
        ([(0.1, 0.2), (0.3, 0.4)], "holds", "[0.3, 0.4]"),
        ([(0.1, 0.6), (0.3, 0.4)], "undetermined", "[0.3, 0.6]"),
        ([(0.5, 0.5)], "undetermined", "[0.5, 0.5]"),
        ([(0.5 + 5e-13, 0.5 + 5e-13)], "undetermined", "[0.5, 0.5]"),
        ([(0.6, 0.6), None], "fails", "[0.6, 0.6]"),
        ([(0.1, 0.2), None], "undetermined", "known for 1 of 2 pairs"),
        ([None], "undetermined", "is not known"),
    ],
)
def test_excess_risks_beside_their_bound(limits, conclusion, words):
    found, said = conclude_excess(HALF, limits, False, NOTHING)
    assert found == conclusion and words in said


def test_estimated_limits_give_way_to_what_was_measured():
    """A limit by rates with intervals neither fails below the measured interval nor holds under it."""
    assert conclude_excess(HALF, [(0.6, 0.7)], True, Interval(0.3, 0.2, 0.59))[0] == "undetermined"
    assert conclude_excess(HALF, [(0.6, 0.7)], True, Interval(0.3, 0.2, 0.6))[0] == "fails"
    assert conclude_excess(HALF, [(0.1, 0.2)], True, Interval(0.6, 0.53, 0.7))[0] == "undetermined"
    assert conclude_excess(HALF, [(0.1, 0.2)], True, Interval(0.6, 0.52, 0.7))[0] == "holds"
    assert conclude_excess(HALF, [(0.1, 0.2)], False, Interval(0.6, 0.53, 0.7))[0] == "holds"
    assert conclude_excess(RiskBound(0.0, False, 0.0), [(0.0, 0.0)], False, NOTHING)[0] == "holds"
    assert conclude_excess(RiskBound(1.0, True, 1.0), [None], False, NOTHING) == ("holds", "no excess risk is above 1")


class Told(Pair):
    """A pair that is told what it would work out."""

    estimated = False
    concentrates_on = {frozenset({0}): 0.75, frozenset({1, 2}): 0.25}  # noqa: RUF012
    told = None

    def limit(self, *_):
        return self.told


def pair(wrong=None, exhaustive=True, estimated=False, start=0):
    """A pair whose limit is wrong with a probability in ``wrong``; no limit where that is None."""
    law = PromptLaw(HMM([1.0], [[1.0]], [[0.5, 0.5]]), [1.0], 3, 0)
    found = Told(law=law, true_concept=0, start=start, member=0, others=(1, 2), rates={}, outcomes=())
    found.told = None if wrong is None else SimpleNamespace(wrong=wrong, exhaustive=exhaustive)
    found.estimated = estimated
    return found


def concluded(*pairs, error=(0.0, 0.0, 0.1)):
    risk = MeasuredRisk(shots=(4,), error=(Interval(*error),), excess=(), random_excess=(), undefined=(0.0,),
                        pairs=len(pairs), prompts=8)  # fmt: skip
    holds = dict.fromkeys(("A1", "A2", "A3", "A4", "A5"), True)
    return conclude_theorem_1(
        Evidence(mixture=None, pairs=list(pairs), rows=[], holds=holds, risk=risk, seed=0)  # type: ignore[arg-type]
    )


def test_theorem_1_by_its_pairs():
    good, unknown = pair((0.0, 0.0)), pair()
    assert concluded(good)[0] == "holds" and "exact limit agrees" in concluded(good)[1]
    word, said = concluded(good, unknown)
    assert word == "undetermined" and said.startswith(
        "theta* = 0, start law 0: the posterior tends to concept 0 on 0.75"
    )
    assert "to concept 1 or 2 on 0.25 of prompts; at n = 4 worst of 2 pairs measured" in said
    word, said = concluded(pair((0.0, 0.25), start=1), pair((0.0, 0.5), start=2))
    assert word == "undetermined" and "start law 1" in said and "wrong with probability 0 to 0.25" in said
    assert concluded(pair((0.0, 0.0), exhaustive=False))[0] == "undetermined"


def test_theorem_1_fails_where_one_pair_is_wrong():
    word, said = concluded(pair((0.0, 0.0)), pair((0.25, 0.25), start=3))
    assert word == "fails" and "start law 3" in said and "wrong with probability 0.25 (exact limit)" in said
    assert "0.25 to 0.5 (sampled x_test)" in concluded(pair((0.25, 0.5), exhaustive=False))[1]
    assert "0.25 to 0.5 (exact limit)" in concluded(pair((0.25, 0.5)))[1]
    guessed = pair((0.25, 0.25), estimated=True)
    assert concluded(guessed)[0] == "undetermined", "measured below what the estimated limit says"
    word, said = concluded(guessed, error=(0.2, 0.1, 0.25))
    assert word == "fails" and "(rates with intervals)" in said


def test_theorem_1_by_estimated_rates_holds_only_where_the_measurement_lets_it():
    fine = pair((0.0, 0.0), estimated=True)
    assert concluded(fine, error=(0.1, 0.02, 0.3))[0] == "holds"
    word, said = concluded(fine, error=(0.1, 0.03, 0.3))
    assert word == "undetermined" and said.startswith("the limit by rates with intervals agrees")


def test_hypotheses_in_words():
    assert hypotheses({"A1": True, "A2": True}) == (True, "applies")
    assert hypotheses({"A1": False, "A2": True, "A3": "undetermined"}) == (
        False, "does not apply: A1 fails, A3 undetermined"
    )  # fmt: skip
