"""Rates, sums and beliefs from parts that are told: which law gets which rate, what is widened, and where work ends."""

import math

import numpy as np
import pytest

from implicit_bayes.theory import HMM, ModelError, PromptLaw
from implicit_bayes.theory.information import rates
from implicit_bayes.theory.information.arithmetic import UNIT, Watch, rounding_of_mean
from implicit_bayes.theory.information.beliefs import reachable_beliefs
from implicit_bayes.theory.information.bracket import Ends
from implicit_bayes.theory.information.estimates import Rate
from implicit_bayes.theory.information.kl import _kl_of, example_cross_entropy, example_entropy, kl_table
from implicit_bayes.theory.information.rates import EQUAL, Shared, Work, _bracketed_rates, _closed_rates, _expected
from implicit_bayes.theory.information.sampled_bracket import SampledEnds
from implicit_bayes.theory.information.scores import Estimate
from implicit_bayes.theory.information.start_divergence import divergence, start_divergences
from implicit_bayes.theory.information.supports import Forbidden

COIN = HMM([0.5, 0.5], [[0.5, 0.5], [0.125, 0.875]], np.eye(2))
OTHER = HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], np.eye(2))
HIDDEN = HMM([0.5, 0.5], [[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
PROMPT = PromptLaw(COIN, [0.25, 0.75], 3, 0)
WORK = Work(seed=3, budget=50, accuracy=0.25, coverage=0.9, logarithms=1e6, shared=Shared([3]))


def test_rates_of_one_delimiter_state_from_told_expectations(monkeypatch):
    """Four laws: two that may be 0, the same process and another, one sampled, one clear."""
    told = np.array([1e-9, -1e-9, 0.5, -0.5]), np.array([1e-9, 1e-9, 1e-3, 2e-3])
    ends = np.array([1e-9, -1e-9, 0.25, -0.5]), np.array([1e-9, -1e-9, 0.75, -0.5])
    monkeypatch.setattr(rates, "_expected", lambda prompt, laws, work: (told[0], ends, told[1]))
    found = _closed_rates(PROMPT, [COIN, OTHER, COIN, COIN], WORK)
    assert found[0] is EQUAL
    assert found[1] == Rate(value=-1e-9, low=-1e-9, high=-1e-9, method="closed form", rounding=1e-9)
    assert found[2] == Rate(value=0.5, low=0.25, high=0.75, method="monte carlo", rounding=1e-3)
    assert found[3] == Rate(value=-0.5, low=-0.5, high=-0.5, method="closed form", rounding=2e-3)
    told[0][1] = math.inf
    with pytest.raises(ModelError, match="below float64's range"):
        _closed_rates(PROMPT, [COIN, OTHER, COIN, COIN], WORK)


def test_the_rounding_of_an_expected_ratio(monkeypatch):
    """k + 1 = 4 tokens of two, two states, 7 prefixes; E |log| of both laws, 2 + 3 and 2 + 5; an underflow voids it."""
    noticed = Watch()
    monkeypatch.setattr(rates, "_collected", lambda *_: ("scores", noticed))

    def evaluate(scores, length, quantity, *coverage):
        assert scores == "scores" and length == 3
        if quantity is rates._ratio:
            assert coverage == (0.9,)
            return Estimate(np.array([0.5, 0.25]), np.array([0.0, 0.1]), np.array([1.0, 0.4]), False, 7)
        return Estimate(np.array([-2.0, -3.0, -5.0]), None, None, False, 7)

    monkeypatch.setattr(rates.scoring, "evaluate", evaluate)
    mean, (low, high), rounding = _expected(PROMPT, [COIN, COIN, OTHER], WORK)
    assert (mean.tolist(), low.tolist(), high.tolist()) == ([0.5, 0.25], [0.0, 0.1], [1.0, 0.4])
    each = 4 * (2 * 2 + 8)
    assert rounding.tolist() == [2 * UNIT * (4 * each + (each + 7 + 2) * size) for size in (5.0, 7.0)]
    assert rounding.tolist() == [rounding_of_mean(4, 2, 2, 7, size) for size in (5.0, 7.0)]
    noticed.underflowed = True
    assert _expected(PROMPT, [COIN, COIN, OTHER], WORK)[2].tolist() == [math.inf, math.inf]


def test_only_wide_brackets_are_sampled(monkeypatch):
    """Widths below 1e-9, 2 and 4: the last two are sampled, each with its own numbers, at half of the error each."""
    ends = Ends(low=np.array([-0.5, -1.0, -2.0]), high=np.array([-0.5 + 2.0**-30, 1.0, 2.0]), forgotten=1, nodes=5,
                magnitude=np.ones(3))  # fmt: skip
    asked = []

    class Told:
        def __init__(self, prompt, laws, seed):
            asked.append((len(laws), seed))

        def restarted(self):
            return "restarted"

        def estimate(self, coverage, accuracy, fixed):
            asked.append((round(coverage, 9), accuracy, fixed.tolist()))
            low = np.array([-0.25, -0.5])
            return found and SampledEnds(low=low, high=-low, middle=0.5 * low, width=np.array([0.125, 0.25]), blocks=9)

    def enumerate_bracket(prompt, laws, entries):
        asked.append(entries)
        return ends

    def expected(prompt, laws, work):
        assert laws == "restarted" and work._replace(coverage=0.9, budget=50) == WORK
        asked.append(round(work.coverage, 9))
        return np.array([0.125, 0.25]), (np.array([0.0, 0.125]), np.array([0.25, 0.5])), np.array([1e-3, 2e-3])

    monkeypatch.setattr(rates, "enumerate_bracket", enumerate_bracket)
    monkeypatch.setattr(rates, "BlockSampler", Told)
    monkeypatch.setattr(rates, "_expected", expected)
    found = True
    one, two, three = _bracketed_rates(PROMPT, [COIN, OTHER, COIN], WORK)
    assert asked == [100, (2, 3), 0.95, (0.95, 0.25, [0.125, 0.25])]
    assert (one.low, one.high, one.samples) == (-0.5, -0.5 + 2.0**-30, 0)
    assert two == Rate(value=0.0, low=-0.25, high=0.5, method="bracketed", bracket=0.125, rounding=1e-3, samples=9)
    assert three == Rate(value=0.0, low=-0.375, high=1.0, method="bracketed", bracket=0.25, rounding=2e-3, samples=9)
    found = None
    assert [rate.bracket for rate in _bracketed_rates(PROMPT, [COIN, OTHER, COIN], WORK)][1:] == [2.0, 4.0]
    asked.clear()
    _bracketed_rates(PROMPT, [COIN, OTHER, COIN], WORK._replace(budget=10**6))
    assert asked[0] == 400_000
    ends = ends._replace(low=ends.high - 2.0**-31)
    asked.clear()
    assert [rate.samples for rate in _bracketed_rates(PROMPT, [COIN] * 3, WORK)] == [0, 0, 0] and asked == [100]


def test_sums_of_kl_are_never_negative_and_infinite_from_where_it_is_forbidden():
    each = np.array([0.0, 0.25, 0.5])
    total = Estimate(np.array([9.0, -1e-17]), np.array([8.0, -2e-3]), np.array([9.5, -1e-4]), False, 7)
    never = Forbidden(np.array([[0.0, 0.0, 0.0]]), np.array([4]))
    found = _kl_of(1, total, each, never, 3)
    assert (found.value, found.low, found.high, found.infinite_mass) == (0.0, 0.0, 0.0, 0.0)
    assert (found.method, found.prefixes, found.per_position.tolist()) == ("monte carlo", 7, each.tolist())
    plain = _kl_of(0, total._replace(exact=True), each, never, 3)
    assert (plain.value, plain.low, plain.high, plain.method) == (9.0, 8.0, 9.5, "exact")
    lost = Forbidden(np.array([[0.0, 0.0, 0.125, 0.25]]), np.array([3]))
    at = _kl_of(0, total, each, lost, 3)
    assert (at.value, at.low, at.high, at.infinite_mass, at.method, at.prefixes) == (*[math.inf] * 3, 0.125, "exact", 7)
    assert at.per_position.tolist() == [0.0, 0.25, math.inf]
    assert _kl_of(0, total, each[:2], lost, 2).value == 9.0
    with pytest.raises(ModelError, match="float64's range"):
        _kl_of(0, total._replace(mean=np.array([math.inf, 0.0])), each, never, 3)
    assert kl_table(PROMPT, [], [2, 3]) == [[], []]


def test_entropies_of_examples_per_token():
    start, rows, other = np.array([0.25, 0.75]), np.array(COIN.transition), np.array(OTHER.transition)
    own, theirs = -(rows * np.log(rows)).sum(-1), -(rows * np.log(other)).sum(-1)
    right = [(-start @ np.log(first) + start @ each + start @ rows @ each) / 3 for first, each in
             ((start, own), (np.array([0.5, 0.5]), theirs))]  # fmt: skip
    assert example_entropy(PROMPT) == (pytest.approx(right[0]), *[pytest.approx(right[0])] * 2, "closed form", 0, 0, 0)
    assert example_cross_entropy(PROMPT, OTHER).value == pytest.approx(right[1])
    stuck = HMM([0.5, 0.5], np.eye(2), np.eye(2))
    assert example_cross_entropy(PROMPT, stuck).low == math.inf
    assert example_cross_entropy(PromptLaw(stuck, [0.25, 0.75], 3, 0), stuck).value < 1.0


def test_start_divergences_end_where_the_start_is_forgotten():
    """Tokens show the state, so all of KL is at the first: nothing is expanded beyond it."""
    kl = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    short, long = start_divergences(PROMPT, [1, 3], 100, 0.0)
    assert (short.low, short.high, short.prefixes) == (pytest.approx(kl), short.low, 1)
    assert (long.low, long.prefixes, np.isnan(long.per_position).tolist()) == (short.low, 1, [False, True, True])
    assert long.high == pytest.approx(kl)
    assert divergence(np.array([0.25, 0.75]), np.array([0.5, 0.5])) == pytest.approx(kl)


@pytest.mark.parametrize(("budget", "width", "known"), [(100, 0.0, 3), (2, 0.0, 1), (3, 0.0, 2), (100, 1e9, 1)])
def test_start_divergences_of_hidden_words(budget, width, known):
    """After each token one or two states are left (three merged prefixes, then five); ends hold what enumeration finds,
    and close in with every token that is expanded."""
    start = np.array([0.25, 0.75])
    prompt = PromptLaw(HIDDEN, start, 3, 0)
    ahead, each = [(1.0, start, np.array([0.5, 0.5]))], []
    kernel, emission = np.array(HIDDEN.transition), np.array(HIDDEN.emission)
    beyond = []
    for _ in range(3):
        grown, total = [], 0.0
        for mass, ours, theirs in ahead:
            for token in range(3):
                p, q = ours @ emission[:, token], theirs @ emission[:, token]
                if p > 0:
                    total += mass * p * math.log(p / q)
                    after = [(law * emission[:, token] / (law @ emission[:, token])) for law in (ours, theirs)]
                    grown.append((mass * p, *after))
        each.append(total)
        beyond.append(sum(m * divergence(ours, theirs) for m, ours, theirs in grown))
        ahead = [(m, ours @ kernel, theirs @ kernel) for m, ours, theirs in grown]
    (found,) = start_divergences(prompt, [3], budget, width)
    np.testing.assert_allclose(found.per_position[:known], each[:known], atol=1e-15)
    assert np.isnan(found.per_position[known:]).all()
    assert found.low == pytest.approx(sum(each[:known]))
    high = min([divergence(start, HIDDEN.initial), *(sum(each[: j + 1]) + beyond[j] for j in range(known - 1))])
    assert found.high == pytest.approx(found.low if known == 3 else high)


def test_beliefs_that_examples_leave():
    """After one token of a shown chain one of two rows, with masses 1/4 and 3/4; (belief, token): 2 pairs, then 4."""
    law = PROMPT.example_law()
    for budget, complete in ((4, True), (3, False)):
        found = reachable_beliefs(law, 2, budget)
        assert found.complete is complete
        if complete:
            rows = {tuple(row): m for row, m in zip(found.law_NxH.tolist(), found.mass_N.tolist(), strict=True)}
            assert rows == {(0.5, 0.5): 0.25 * 0.5 + 0.75 * 0.125, (0.125, 0.875): 0.25 * 0.5 + 0.75 * 0.875}
            assert found.example_Nxj.shape == (2, 2) and sorted(found.example_Nxj[:, 1].tolist()) == [0, 1]
        else:
            assert found.law_NxH.tolist() == [[0.25, 0.75]] and found.mass_N.tolist() == [1.0]
            assert found.example_Nxj.shape == (1, 0)
    none = reachable_beliefs(law, 0, 0)
    assert none.complete and none.law_NxH.tolist() == [[0.25, 0.75]]


def test_scores_are_made_once_for_all_lengths(monkeypatch):
    """One key for the same laws, another for others; what is collected has the options of the work and closings."""
    asked = []

    def collect(forward, lengths, quantity, **options):
        asked.append((lengths, quantity, options))
        return rates.scoring.Scores(len(asked), None, None)

    monkeypatch.setattr(rates.scoring, "collect", collect)
    work = WORK._replace(shared=Shared([3, 2, 3]))
    one = rates._collected(PROMPT, [COIN, OTHER], work)
    assert rates._collected(PROMPT, [COIN, OTHER], work) is one
    assert rates._collected(PROMPT, [OTHER, COIN], work)[0].forward == 2
    options = dict(seed=3, budget=50, accuracy=0.25, closings=True, logarithms=1e6)
    assert asked == [((2, 3), rates._ratio, options)] * 2
