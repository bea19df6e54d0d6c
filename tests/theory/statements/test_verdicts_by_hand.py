"""Words and arithmetic of verdicts, with pairs, rows and limits that are told what they would work out."""

import math
from types import SimpleNamespace

import pytest

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information.survival import Survivors
from implicit_bayes.theory.statements import theorems
from implicit_bayes.theory.statements.bounds import Interval, RiskBound, g_inverse
from implicit_bayes.theory.statements.conclusions import (
    BOUND_ROUNDING,
    Evidence,
    TheoremVerdict,
    conclude_excess,
    conclude_theorem_1,
    measured,
)
from implicit_bayes.theory.statements.limits import LimitRisk
from implicit_bayes.theory.statements.pairs import Pair
from implicit_bayes.theory.statements.risk import MeasuredRisk
from implicit_bayes.theory.statements.theorems import (
    _random_limit,
    _theorem_1,
    _theorem_3_printed,
    _theorem_3_sharp,
)

ANYTHING = Interval(0.5, 0.0, 1.0)
COIN = HMM([1.0], [[1.0]], [[0.5, 0.5]])


def risk(*last, pairs=1, undefined=0.0):
    """Three n, of which the last counts; the others say the opposite."""
    other = Interval(0.75, 0.5, 0.875) if last[2] < 0.5 else Interval(0.0, 0.0, 0.125)
    each = (other, other, Interval(*last))
    return MeasuredRisk(shots=(0, 4, 256), error=each, excess=each, random_excess=each,
                        undefined=(1.0 - undefined, 0.75, undefined), pairs=pairs, prompts=8)  # fmt: skip


def test_what_was_measured_in_words():
    few = risk(0.125, 0.0625, 0.25)
    assert measured(few, few.error) == "at n = 256 measured 0.1250 in [0.0625, 0.2500]"
    many = risk(0.125, 0.0625, 0.25, pairs=3, undefined=0.25)
    assert measured(many, many.error) == (
        "at n = 256 worst of 3 pairs measured 0.1250 in [0.0625, 0.2500], undefined on 25.0% of prompts"
    )


def test_conclusions_in_words():
    words = {
        (applies, said): TheoremVerdict("1", "sharp", applies, None, False, said, "").in_words
        for applies in (True, False)
        for said in ("holds", "fails", "undetermined")
    }
    assert list(words.values()) == [
        "holds, as promised", "FAILS: a counterexample", "undetermined",
        "true here, not promised", "false here, not promised", "undetermined",
    ]  # fmt: skip


class Told(Pair):
    """A pair that is told its limit, and remembers what it was asked."""

    estimated = False
    concentrates_on = {frozenset({0}): 1.0}  # noqa: RUF012
    theta_star_lives = True
    told = None
    lemma = same = True

    def limit(self, *asked):
        self.asked = [*getattr(self, "asked", []), asked]
        return self.told(asked[1]) if callable(self.told) else self.told

    def lemma_1_holds(self, mixture):
        return self.lemma

    def same_argmax(self, mixture):
        return self.same


def pair(told=None, k=3, start=0, rates=(), outcomes=(), hmm=COIN, **facts):
    law = PromptLaw(hmm, [1.0], k, 0)
    rates = rates if rates is None else dict(rates)
    found = Told(law=law, true_concept=0, start=start, member=0, others=(1, 2), rates=rates, outcomes=outcomes)
    found.told = LimitRisk(told, told, True) if type(told) is tuple else told
    for name, value in facts.items():
        setattr(found, name, value)
    return found


def evidence(*pairs, rows=(), seen=None, seed=0, **holds):
    holds = dict.fromkeys(("A1", "A2", "A3", "A4", "A5"), True) | holds
    return Evidence(mixture=None, pairs=list(pairs), rows=list(rows), holds=holds,  # type: ignore[arg-type]
                    risk=seen or risk(0.125, 0.0625, 0.25), seed=seed)  # fmt: skip


def test_the_limit_of_theorem_1_is_asked_for_x_of_k_minus_1_tokens():
    pairs = [pair((0.0, 0.0)), pair((0.0, 0.0), k=5)]
    conclude_theorem_1(evidence(*pairs, seed=7))
    assert pairs[1].asked == [(None, 2, True, 2, 7)]
    for a1 in (False, "undetermined"):
        doubtful = pair((0.0, 0.0), k=4)
        conclude_theorem_1(evidence(doubtful, A1=a1))
        assert doubtful.asked == [(None, 3, False, 1, 0)]


def test_theorem_1_weighs_the_largest_n():
    guessed = pair((0.25, 0.5), estimated=True)
    assert conclude_theorem_1(evidence(guessed, seen=risk(0.25, 0.2, 0.3)))[0] == "fails"
    assert conclude_theorem_1(evidence(guessed, seen=risk(0.125, 0.0625, 0.25)))[0] == "fails"  # on the end: no doubt
    assert conclude_theorem_1(evidence(guessed, seen=risk(0.125, 0.0625, 0.24)))[0] == "undetermined"
    fine = pair((0.0, 0.0), estimated=True)
    assert conclude_theorem_1(evidence(fine, seen=risk(0.0, 0.0, 0.1)))[0] == "holds"
    word, said = conclude_theorem_1(evidence(fine, pair((0.0, 0.0)), seen=risk(0.0, 0.0, 0.1)))
    assert word == "holds" and said.startswith("the limit agrees at every x_test (rates with intervals)")


def test_how_wrong_a_limit_is_in_words():
    def amount(told, exhaustive=True):
        return conclude_theorem_1(evidence(pair(LimitRisk(told, told, exhaustive))))[1]

    assert "wrong with probability 0.25 (exact limit)" in amount((0.25, 0.25 + 1e-13))
    assert "wrong with probability 0.25 to 0.25 (exact limit)" in amount((0.25, 0.25 + 2e-12))
    assert "wrong with probability 0.25 (sampled x_test)" in amount((0.25, 0.25), False)
    assert "wrong with probability 0.25 to 0.25 (sampled x_test)" in amount((0.25, 0.25 + 1e-13), False)


def test_where_the_posterior_tends_in_words():
    def said(**facts):
        return conclude_theorem_1(evidence(pair(None, **facts)))[1].split(": ", 1)[1].split(";")[0]

    two, one = Survivors(0.5, frozenset({0}), frozenset({1})), Survivors(0.5, frozenset({0}))
    assert said(rates=None, outcomes=(one, two)) == "rates not computed"
    assert said(rates=None, outcomes=(one, one)) == "the posterior tends to concept 0"
    assert said(outcomes=(one, two)) == "the posterior tends to concept 0"
    assert said(concentrates_on={frozenset({2, 1}): 0.25, frozenset(): 0.75}) == (
        "there is no posterior on 0.75 of prompts, the posterior tends to concept 1 or 2 on 0.25 of prompts"
    )
    assert said(concentrates_on={frozenset({0}): 1 - 1e-13}) == "the posterior tends to concept 0"
    assert said(concentrates_on={frozenset({0}): 1 - 1e-6}) == "the posterior tends to concept 0 on 0.999999 of prompts"


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ((0.5 + BOUND_ROUNDING, 0.75), "undetermined"),
        ((0.5 + 3 * BOUND_ROUNDING, 0.75), "fails"),
        ((0.25, 0.5 - BOUND_ROUNDING), "holds"),
        ((0.25, 0.5 - BOUND_ROUNDING / 2), "undetermined"),
        ((0.0, 0.75), "undetermined"),
    ],
)
def test_excess_on_the_edge_of_its_bound(limit, expected):
    assert conclude_excess(RiskBound(0.5, False, 0.1), [limit], False, ANYTHING)[0] == expected


class Row(SimpleNamespace):
    """What the theorems read of a condition."""

    def holds(self, version):
        return self.verdicts[version]


def row(printed=True, repaired=True, sharp=True, threshold=0.0, true=0, concept=1):
    return Row(verdicts=dict(printed=printed, repaired=repaired, sharp=sharp), printed_holds=printed,
               printed_threshold=threshold, true_concept=true, concept=concept)  # fmt: skip


WORDS = {"printed": "printed condition", "repaired": "repaired Lemma 1", "sharp": "equal argmax after a delimiter"}


@pytest.mark.parametrize("version", ["printed", "repaired", "sharp"])
def test_theorem_1_needs_everything_of_every_pair(version):
    told = ("holds", "so it is")

    def found(rows=None, facts=None, **holds):
        pairs = [pair((0.0, 0.0)), pair((0.0, 0.0), **(facts or {}))]
        return _theorem_1(version, evidence(*pairs, rows=rows or [row()], **holds), told)

    every = found()
    assert every == TheoremVerdict("1", version, True, 0.0, False, "holds", "applies; so it is")
    lacking = found([row(), row(**{version: "undetermined"})])
    assert (lacking.applies, lacking.bound, lacking.vacuous) == (False, None, True)
    assert lacking.reason == f"does not apply: {version} condition undetermined; so it is"
    for name, needed in (("A1", True), ("A2", version != "sharp"), ("A3", version == "printed"), ("A4", True),
                         ("A5", version != "sharp")):  # fmt: skip
        assert found(**{name: False}).applies is not needed
    for name, of in (("lemma", "repaired"), ("same", "sharp"), ("theta_star_lives", "sharp")):
        assert found(facts={name: False}).applies is (version != of)
    if version != "printed":
        assert WORDS[version] not in found(facts={"lemma": False, "same": False}, A1=False).reason
        assert WORDS[version] in found(facts={"lemma": False, "same": False}).reason
    assert ("theta*" in found(facts={"theta_star_lives": False}, A4=False).reason) is False


def asked(*ends):
    return lambda: list(ends)


def test_printed_theorem_3_by_hand():
    """B: thresholds .3 and .5, one of them twice; k = 3: g^-1(.25). A threshold below 0 bounds by 0."""
    rows = [row(False, threshold=0.3), row("undetermined", threshold=0.5, concept=2),
            row(False, threshold=0.5, concept=2), row(True, threshold=0.9, true=1, concept=2)]  # fmt: skip
    found = _theorem_3_printed(evidence(pair(), rows=rows), asked((0.0, 0.125)))
    assert found.bound == float(g_inverse(0.25)) and found.vacuous is False and found.applies is True
    assert found.reason.startswith("applies; 2 of 3 pairs (theta*, theta) in B, g^-1(0.25) = ")
    assert found.conclusion == "holds"
    none = _theorem_3_printed(evidence(pair(), rows=[row(True, threshold=0.9)]), asked((0.0, 0.0)))
    assert (none.bound, none.conclusion) == (0.0, "holds")
    assert _theorem_3_printed(evidence(pair(), rows=[row(False, threshold=-1.0)]), asked(None)).bound == 0.0
    vacuous = _theorem_3_printed(evidence(pair(), rows=[row(False, threshold=math.inf)]), asked((2.0, 2.0)))
    assert (vacuous.bound, vacuous.vacuous, vacuous.conclusion) == (1.0, True, "holds")
    assert _theorem_3_printed(evidence(pair(), rows=rows, A3=False), asked((0.0, 0.0))).vacuous is True


def test_theorem_3_believes_estimates_less():
    """Where one pair's rates are estimated, its limit of .9 is not believed beside a measured .125 (+- .125)."""
    rows = [row(False, threshold=0.3)]
    sure, guessed = pair(), pair(estimated=True)
    assert _theorem_3_printed(evidence(sure, sure, rows=rows), asked((0.9, 0.9))).conclusion == "fails"
    assert _theorem_3_printed(evidence(sure, guessed, rows=rows), asked((0.9, 0.9))).conclusion == "undetermined"


def test_the_limit_at_a_random_length_is_a_mean_over_lengths():
    told = {1: LimitRisk((0, 0), (0.25, 0.5), True), 2: LimitRisk((0, 0), (0.5, 1.0), True),
            3: LimitRisk((0, 0), (0.75, 1.0), True)}  # fmt: skip
    asking = pair(told.get, k=4)
    assert _random_limit(evidence(asking, pair(k=4), seed=5), asking) == (0.5, pytest.approx(2.5 / 3))
    assert asking.asked == [(None, m, True, 6, 5) for m in (1, 2, 3)]
    lost = pair(lambda m: None if m == 2 else told[m], k=4)
    assert _random_limit(evidence(lost, A1=False), lost) is None
    assert lost.asked[0][2] is False


def test_sharp_theorem_3_by_hand(monkeypatch):
    """theta* and what is not shown beaten: KL .2 and .5 (k = 3: g^-1(.25)); the beaten one's .8 does not count."""
    monkeypatch.setattr(theorems, "_kl_after_delimiter", lambda mixture, law, c: {0: 0.2, 1: 0.5, 2: 0.8}[c])
    beaten = pair(rates={0: (0.0, 0.0), 2: (-1.0, -0.5)})
    found = _theorem_3_sharp(evidence(beaten, beaten), asked((0.0, 0.125)))
    assert found.bound == float(g_inverse(0.25)) and found.applies is True
    assert "; 1 of 2 pairs (theta*, theta) in B, and theta* itself, g^-1(0.25) = " in found.reason
    assert found.conclusion == "holds"
    alone = pair(rates={0: (0.0, 0.0), 1: (-1.0, -0.5), 2: (-1.0, -0.5)})
    assert _theorem_3_sharp(evidence(alone), asked((0.0, 0.0))).bound == float(g_inverse(0.1))
    for lacking in (dict(A1=False), dict(A2=False), dict(A4="undetermined")):
        none = _theorem_3_sharp(evidence(beaten, **lacking), asked((0.0, 0.0)))
        assert (none.applies, none.bound, none.vacuous, none.conclusion) == (False, None, True, "undetermined")
        assert none.reason.startswith("does not apply: A")
    assert _theorem_3_sharp(evidence(beaten, A3=False, A5=False), asked((0.0, 0.0))).applies is True
    dies = pair(theta_star_lives=False)
    assert _theorem_3_sharp(evidence(beaten, dies), asked((0.0, 0.0))).applies is False


def test_sharp_theorem_3_is_worked_out_where_inputs_can_be_enumerated(monkeypatch):
    """2^22 inputs are fewer than eight million, 2^23 more."""
    monkeypatch.setattr(theorems, "_kl_after_delimiter", lambda mixture, law, c: 0.0)
    assert _theorem_3_sharp(evidence(pair(k=23)), asked((0.0, 0.0))).bound == 0.0
    large = _theorem_3_sharp(evidence(pair(k=24)), asked((0.0, 0.0)))
    assert (large.applies, large.bound, large.vacuous, large.conclusion) == (True, None, True, "undetermined")
    assert large.reason == "applies, but its bound is too large a computation and was not evaluated"
