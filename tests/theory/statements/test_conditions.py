"""Conditions: thresholds by hand, three-valued verdicts, the binding start law, and the theorem the repair proves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mixtures

from implicit_bayes.simulators.ginc import released_ginc
from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.information.estimates import Rate, exceeds
from implicit_bayes.theory.information.kl import KLSum, kl_sum
from implicit_bayes.theory.information.rates import log_likelihood_rate
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1
from implicit_bayes.theory.statements.conditions import (
    IMPOSSIBLE,
    Thresholds,
    _Case,
    _condition,
    check_conditions,
    condition_table,
    condition_thresholds,
    critical_k,
    critical_k_of,
)
from implicit_bayes.theory.statements.repaired_constants import limit_bound, repaired_constants


def test_printed_counterexample():
    case = printed_theorem_1()
    (found,) = check_conditions(case.mixture, case.prompt.start[None], 0, 2)
    assert found.kl_sum == pytest.approx(7.2816, abs=5e-5)
    assert found.eps_start == pytest.approx(math.log(5))
    assert found.eps_delim_printed == pytest.approx(2 * math.log(15))
    assert found.eps_start + found.eps_delim_printed == pytest.approx(7.0255, abs=5e-5)
    assert found.eps_delim_repaired == pytest.approx(math.log(15) + math.log(1200 / (0.0125 / 0.27)))
    assert found.rate == pytest.approx(2.0041, abs=5e-5)
    assert (found.printed_holds, found.repaired_holds, found.sharp_holds) == (True, False, False)
    assert (found.k, found.true_concept, found.concept, found.prompt_start) == (2, 0, 1, 0)
    assert found.method == "kl exact, rate closed form"


def three_concepts(seed, states=3):
    generator = np.random.default_rng(seed)
    emission = np.eye(states)
    return MixtureOfHMMs(
        np.full(3, 1 / 3),
        generator.dirichlet(np.full(states, 5.0), 3),
        generator.dirichlet(np.full(states, 5.0), (3, states)),
        emission,
        states - 1,
    ), generator.dirichlet(np.ones(states), 4)


def test_thresholds_by_hand():
    """The printed c2 is over every theta != theta*, the repaired one is this theta's; c3, c4 are over all concepts."""
    mixture, _ = three_concepts(0)
    into, start = mixture.transition[:, :, 2], mixture.initial
    for true in range(3):
        others = [c for c in range(3) if c != true]
        c1, c2 = into[true].min(), into[others].max()
        for concept in others:
            found = condition_thresholds(mixture, true, concept)
            assert found.start == pytest.approx(-math.log(start[true].min()))
            assert found.printed == pytest.approx(
                2 * math.log(c2 / c1) + math.log(start[:, 2].max() / start[:, 2].min())
            )
            largest = (mixture.transition[concept, 2] / start[concept]).max()
            smallest = (mixture.transition[true, 2] / start[true]).min()
            repaired = math.log(into[concept].max() / c1) + math.log(largest / smallest)
            assert found.repaired == pytest.approx(repaired)


def test_zeros_make_thresholds_infinite_one_cause_at_a_time():
    base, _ = three_concepts(1)

    def variant(initial=None, transition=None, emission=None):
        return MixtureOfHMMs(
            base.prior,
            base.initial if initial is None else initial,
            base.transition if transition is None else transition,
            base.emission if emission is None else emission,
            2,
        )

    no_c1 = base.transition.copy()
    no_c1[0, 1] = [0.5, 0.5, 0]
    assert condition_thresholds(variant(transition=no_c1), 0, 1)[1:3] == (math.inf, math.inf)
    no_c8 = base.initial.copy()
    no_c8[0] = [0, 0.5, 0.5]
    found = condition_thresholds(variant(initial=no_c8), 0, 1)
    assert found.start == math.inf
    assert math.isfinite(found.printed)
    # A state where theta* never starts does not bind rho*: 0/0 and x/0 there cost nothing.
    assert math.isfinite(found.repaired)
    never_starts = base.initial.copy()
    never_starts[1] = [0, 0.5, 0.5]
    assert condition_thresholds(variant(initial=never_starts), 0, 1).repaired == math.inf
    never_reached = base.transition.copy()
    never_reached[1, 2] = [0, 0.5, 0.5]
    assert math.isfinite(condition_thresholds(variant(never_starts, never_reached), 0, 1).repaired)
    no_rho = base.transition.copy()
    no_rho[0, 2] = [0, 0.5, 0.5]
    assert condition_thresholds(variant(transition=no_rho), 0, 1).repaired == math.inf
    no_c2 = base.transition.copy()
    no_c2[1:, :, 2] = 0
    no_c2 /= no_c2.sum(-1, keepdims=True)
    assert condition_thresholds(variant(transition=no_c2), 0, 1)[1:3] == (-math.inf, -math.inf)
    impure = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0.5, 0.5]])
    assert condition_thresholds(variant(emission=impure), 0, 1).repaired == math.inf


def test_exceeds_is_three_valued_and_infinity_proves_nothing():
    assert exceeds(2, 3, 1, 1) is True
    assert exceeds(0, 1, 1, 1) is False
    assert exceeds(0, 2, 1, 1) == "undetermined"
    assert exceeds(2, 3, 1, 2.5) == "undetermined"
    assert exceeds(math.inf, math.inf, math.inf, math.inf) is False
    assert exceeds(math.inf, math.inf, 5, 5) is True
    assert exceeds(1, 1, -math.inf, -math.inf) is True


def test_each_verdict_uses_its_own_thresholds():
    """start_kl = 1 below eps_start = 3: a sum of 4 beats the repaired 1 + 2 and not the printed 3 + 1.5."""
    mixture, starts = three_concepts(0)

    def decided(kl, start_kl, eps, rate):
        case = _Case(mixture, PromptLaw.of(mixture, starts[0], 0, 2), 0, 1, 0, 0.95, eps)
        row = _condition(case, kl, start_kl, rate)
        return row.printed_holds, row.repaired_holds, row.sharp_holds

    def known(value):
        return KLSum(value, value, value, 0.0, np.array([value]), "exact", 1)

    def rate(value, low, high):
        return Rate(value, low, high, "bracketed", samples=32)

    eps = Thresholds(3.0, 1.5, 2.0)
    assert decided(known(4.0), known(1.0), eps, rate(-1.0, -1.5, -0.5)) == (False, True, True)
    estimate = known(4.0)._replace(low=2.5, high=4.6)
    assert decided(estimate, known(1.0), eps, rate(-0.1, -0.5, 0.3)) == ("undetermined",) * 3
    start = known(1.0)._replace(low=0.5, high=2.5)
    found = decided(known(4.0), start, Thresholds(3.0, 0.5, 2.0), rate(0.2, 0.1, 0.3))
    assert found == (True, "undetermined", False)


def test_each_version_shows_the_start_law_that_binds_it():
    mixture, starts = three_concepts(2)
    table = condition_table(mixture, starts, 1, [2, 4])
    assert [(c.k, c.concept) for c in table] == [(2, 0), (2, 2), (4, 0), (4, 2)]
    for found in table:
        prompts = [PromptLaw.of(mixture, s, 1, found.k) for s in starts]
        sums = np.array([kl_sum(prompt, mixture.concept(found.concept)).value for prompt in prompts])
        start_kls = np.array([kl_sum(prompt, mixture.concept(1)).value for prompt in prompts])
        rates = np.array([log_likelihood_rate(prompt, mixture.concept(found.concept)).value for prompt in prompts])
        assert (found.prompt_start, found.kl_sum) == (sums.argmin(), pytest.approx(sums.min(), abs=1e-12))
        assert found.repaired_start == (sums - start_kls).argmin()
        assert found.repaired_kl_sum == pytest.approx(sums[found.repaired_start], abs=1e-12)
        assert found.start_kl == pytest.approx(start_kls[found.repaired_start], abs=1e-12)
        assert (found.sharp_start, found.rate) == (rates.argmax(), pytest.approx(rates.max(), abs=1e-12))
        assert found.sharp_holds is bool(rates.max() < 0)
    assert any(found.prompt_start != found.sharp_start for found in table)


def test_intervals_hold_at_once():
    """Bonferroni: with S laws, K lengths and A alternatives every interval has level 0.05 / (S K (2A + 1) T).

    Bernstein's half width is a sqrt(L) + b L with L = log(4 / level), so the ratio of two lies between the ratios of
    the roots and of the L; a level that was not shared would give ratio 1.
    """
    mixture, starts = three_concepts(3)
    alone = condition_table(mixture, starts[:1], 0, [12], budget=0, accuracy=1.0)
    shared = condition_table(mixture, starts[:1], 0, [12], budget=0, accuracy=1.0, tables=100)
    count = 1 * 1 * (2 * 2 + 1)
    ratio = np.log(4 * count * 100 / 0.05) / np.log(4 * count / 0.05)
    for one, many in zip(alone, shared, strict=True):
        widths = [row.kl_high - row.kl_low for row in (one, many)]
        assert np.sqrt(ratio) * 0.999 < widths[1] / widths[0] < ratio * 1.001
        assert one.level == many.level == 0.95


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 4), st.floats(0.3, 20))
def test_the_repaired_bound_is_above_the_rate(seed, k, concentration):
    """lim r_n <= log(c2/c1) + a_theta + start_kl - kl_sum, so repaired_holds implies sharp_holds."""
    generator = np.random.default_rng(seed)
    initial = generator.dirichlet(np.full(3, concentration), 2) * 0.97 + 0.01
    transition = generator.dirichlet(np.full(3, concentration), (2, 3)) * 0.97 + 0.01
    mixture = MixtureOfHMMs([0.5, 0.5], initial, transition, np.eye(3), 2)
    (found,) = check_conditions(mixture, generator.dirichlet(np.ones(3))[None], 0, k)
    bound = limit_bound(repaired_constants(mixture, 0, 1), found.start_kl, found.kl_sum)
    assert found.rate <= bound + 1e-9
    assert found.start_kl <= found.eps_start + 1e-9
    assert not (found.repaired_holds is True and found.sharp_holds is not True)


@given(mixtures(shapes=((2, 2, 3), (2, 1, 2))))
def test_corners_have_honest_verdicts(mixture):
    try:
        table = condition_table(mixture, mixture.initial, 0, [2])
    except ModelError as error:
        if "float64" not in str(error):
            raise
        return
    for found in table:
        numbers = [x for x in found if isinstance(x, float)]
        assert not np.isnan(numbers).any()
        for verdict in (found.printed_holds, found.repaired_holds, found.sharp_holds):
            assert verdict in (True, False, "undetermined")
        if found.rate is None:  # where theta* has prior 0 no version holds, whatever the numbers are
            assert found.sharp_holds == (False if found.method.endswith(IMPOSSIBLE) else "undetermined")
        if found.eps_delim_printed == math.inf:
            assert found.printed_holds is False


def test_released_ginc_says_nothing():
    mixture = released_ginc(50).pretraining
    starts = np.zeros((9, 100))
    for s in range(9):
        starts[s, np.arange(10) * 10 + s + 1] = 0.1
    table = condition_table(mixture, starts, 0, [3, 5])
    assert len(table) == 8
    for found in table:
        assert found.kl_sum == found.kl_low == math.inf
        assert 0 < found.kl_infinite_mass < 1
        assert found.eps_delim_printed == found.eps_delim_repaired == math.inf
        assert (found.printed_holds, found.repaired_holds, found.sharp_holds) == (False, False, "undetermined")
        assert found.rate is None
        # theta* allows every start, and KL(p_prompt(h) || p(h|theta*)) bounds the KL of the tokens.
        law = np.log(0.1 / mixture.initial[0][starts[found.prompt_start] > 0]).mean()
        assert 0 < found.start_kl <= law + 1e-9


def test_critical_k():
    case = printed_theorem_1()
    found = critical_k(case.mixture, case.prompt.start[None], [0], [2, 3, 10])
    assert found.printed == 2
    assert found.sharp == 10
    rows = [c._replace(repaired_holds=True if c.k == 3 else "undetermined") for k in (2, 3) for c in
            check_conditions(case.mixture, case.prompt.start[None], 0, k)]  # fmt: skip
    assert critical_k_of(rows, [3, 2]).repaired == 3
    assert critical_k_of([c._replace(printed_holds=False) for c in rows], [2, 3]).printed is None


def test_bad_input():
    mixture, starts = three_concepts(0)
    with pytest.raises(ModelError, match="start_laws"):
        check_conditions(mixture, starts[:, :2], 0, 2)
    with pytest.raises(ModelError, match="sums to"):
        check_conditions(mixture, 2 * starts, 0, 2)
    with pytest.raises(ModelError, match="concept"):
        check_conditions(mixture, starts, 3, 2)
    with pytest.raises(ModelError, match="at least one"):
        condition_table(mixture, starts, 0, [])


def test_critical_k_takes_one_concept_or_several_and_refuses_nonsense():
    case = printed_theorem_1()
    starts = np.asarray(case.prompt.start)[None]
    assert critical_k(case.mixture, starts, 0, [2, 3]) == critical_k(case.mixture, starts, [0], [2, 3])
    for concepts, ks, words in (([0], [0], "k: 0 is below 2"), ([], [2], "true_concepts"), ([0], [], "at least one"),
                                ([0], 3, "a list")):  # fmt: skip
        with pytest.raises(ModelError, match=words):
            critical_k(case.mixture, starts, concepts, ks)
