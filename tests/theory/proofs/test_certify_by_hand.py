"""Parts of the certificates one at a time, in numbers worked out by hand: margins of exactly zero, ends, drawn laws."""

import math
from fractions import Fraction as F

import jax
import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.proofs import certify_finite, certify_moments, exact_sums
from implicit_bayes.theory.proofs.certify import _constants, _ratio
from implicit_bayes.theory.proofs.certify_bracket import _after, _point
from implicit_bayes.theory.proofs.certify_finite import _enough, _Table, best_s, exponent_ends
from implicit_bayes.theory.proofs.certify_moments import MomentLaws, error_ball, moment, moment_certificate
from implicit_bayes.theory.proofs.enclosures import Enclosure, enclose, expectation, load_flint, margin, settled
from implicit_bayes.theory.proofs.exact_instance import exact_instance, off_one, printed_fractions
from implicit_bayes.theory.proofs.observed_chains import instance_of, margins_by_enumeration, margins_of, random_logits

pytest.importorskip("flint")

ATOMS = {F(2): F(1, 4), F(1, 2): F(3, 4)}
"""E ratio^s = 2^s / 4 + 3 / (4 2^s), least where 4^s = 3: sqrt(3) / 2 there."""
BEST = math.log(3) / math.log(4)


def laws_with(tests, odds=1, later=None) -> MomentLaws:
    return MomentLaws({1: ATOMS}, {1: later or ATOMS}, tests, {1: F(odds)})


def test_the_exponent_by_hand_and_how_near_its_ends_are():
    """Ends are half a second derivative of log M apart: (log 2)^2 = M'' / M, times SPACING^2 / 2."""
    assert best_s(ATOMS) == pytest.approx(BEST, rel=1e-12)
    with load_flint().ctx.workprec(256):
        low, high = exponent_ends(ATOMS)
        exact = -math.log(math.sqrt(3) / 2)
        assert float(low) == pytest.approx(exact, rel=1e-12)
        width = float(high - low)
        step = float(F(BEST).limit_denominator(10**9)) - BEST
        assert abs(step) < 1e-9
        assert width == pytest.approx(0.5 * math.log(2) ** 2 * 1e-12, rel=0.01, abs=0.0)
        assert float(exponent_ends({F(1): F(1, 4), F(1, 2): F(3, 4)})[1]) == pytest.approx(math.log(4))
        assert exponent_ends({F(1, 2): F(1), F(0): F(0)}) == (math.inf, math.inf) == exponent_ends({F(0): F(1)})
        assert float(exponent_ends({F(2): F(1, 2), F(1, 2): F(1, 4), F(0): F(1, 4)})[0]) == pytest.approx(
            math.log(4 / 3)
        )


def test_a_test_input_without_margin_is_lost_and_not_counted_twice():
    """Margin 0 is no margin: its mass 1/8 is lost, whatever n is; one of margin 1/2 has odds 3 x 1/4 / (1/2)."""
    lost, kept = certify_moments.Tests(F(1, 8), {1: F(1)}, F(0)), certify_moments.Tests(F(7, 8), {1: F(1, 4)}, F(1, 2))
    s = {1: F(1)}
    with load_flint().ctx.workprec(256):
        bases = {1: moment(ATOMS, F(1))}
        assert float(bases[1]) == 7 / 8
        assert float(error_ball(laws_with([lost, kept], 3), s, bases, 3)) == pytest.approx(
            1 / 8 + 7 / 8 * 1.5 * (7 / 8) ** 3, rel=1e-14
        )
        found = _enough(laws_with([lost, kept], 3), F(1, 4), 256)
        assert found is not None
        before = min(float(moment_certificate(laws_with([lost, kept], 3), found.n - 1, F(1, 4), {1: F(i, 50)},
                                              256).error_bound) for i in range(1, 100))  # fmt: skip
        assert found.proved is True and float(found.error_bound) <= 1 / 4 < before
        assert _enough(laws_with([lost, kept]), F(1, 8), 256) is None, "an eighth is lost for ever"


def test_the_table_of_exponents_by_hand():
    """400 values up to 2 s + 1, 0 left out; the summand at n is odds^s M_1^s M^(n - 1)."""
    kept = certify_moments.Tests(F(1), {1: F(1, 4)}, F(1, 2))
    table = _Table(
        laws_with(
            [kept, certify_moments.Tests(F(1), {1: F(1)}, F(0)), certify_moments.Tests(F(1), {1: F(0)}, F(1))], 3
        ),
        1,
    )
    assert len(table.s) == 400 and table.s[-1] == pytest.approx(2 * BEST + 1)
    assert table.s[0] == pytest.approx((2 * BEST + 1) / 400)
    np.testing.assert_allclose(table.inputs, table.s * math.log(1.5))
    value, s = table.best(30)
    logs = np.log(0.25 * 2**table.s + 0.75 / 2**table.s)
    right = table.inputs + 30 * logs
    assert value == pytest.approx(math.exp(right.min())) and s == table.s[right.argmin()]
    growing = _Table(laws_with([kept], later={F(2): F(1)}), 1)
    assert growing.best(5)[0] == math.e
    assert _Table(laws_with([kept], later={F(1, 2): F(1)}), 1).s[-1] == 256.0
    assert certify_finite._slope(np.array([[0.25, 0.75], [math.log(2), -math.log(2)]]), BEST) == pytest.approx(0.0)


def test_a_sum_of_logarithms_by_hand():
    """log 2 / 2 - log 2 / 2 is exactly 0; infinities of both signs are nan, and -inf of one sign stays."""
    one, half = F(1), F(1, 2)
    with load_flint().ctx.workprec(128):
        zero = {(F(2), one): half, (one, F(2)): half}
        assert enclose(settled(expectation(zero), (zero, 1))) == Enclosure("0", 0.0, False)
        twice = {(F(4), one): half}
        apart = {(F(2), one): one}
        difference = expectation(twice) - expectation(apart)
        assert enclose(settled(difference, (twice, 1), (apart, -1))).midpoint == "0"
        assert expectation({(F(0), one): half, (F(2), one): half}) == -math.inf
        assert expectation({(one, F(0)): half}) == math.inf
        assert math.isnan(expectation({(one, F(0)): half, (F(0), one): half}))
        assert math.isnan(expectation({(F(0), F(0)): half}))
        assert float(expectation({(F(3), one): half})) == pytest.approx(0.5 * math.log(3))
        assert margin(math.inf, math.inf) == -math.inf == margin(expectation(twice), math.inf)
        assert [enclose(x).sign for x in (math.inf, -math.inf, math.nan)] == [True, False, "undetermined"]


def test_decimals_of_a_row_and_how_far_they_are_from_one():
    third = 0.3333333333333333
    assert printed_fractions(np.array([[third] * 3, [0.1, 0.2, 0.7]])) == (
        (F(1, 3),) * 3,
        (F(1, 10), F(1, 5), F(7, 10)),
    )
    assert off_one(np.array([[third] * 3]), np.array([[0.5, 0.5]])) == 1 - 3 * F("0.3333333333333333")
    assert off_one(np.array([0.5, 0.75])) == F(1, 4)


def small(emission=((1, 0, 0), (0, 1, 0), (0, 0, 1))):
    kernels = [[[0.5, 0.25, 0.25], [0.25, 0.25, 0.5], [0.25, 0.5, 0.25]],
               [[0.25, 0.25, 0.5], [0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]]  # fmt: skip
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]], kernels, np.array(emission, float), 2)
    return mixture, PromptLaw.of(mixture, [0.75, 0.25, 0.0], 0, 2)


def test_constants_by_hand():
    """One delimiter state, the last; every constant of the two bounds read off the matrices."""
    exact = exact_instance(*small(), 0, 1)
    found = {name: None if value is None else float(value) for name, value in _constants(exact).items()}
    assert found == {
        "c1": 0.25, "c2": 0.5, "c2_theta": 0.5, "c3": 0.25, "c4": 0.5, "c5": 0.25, "c6": 1.0, "c8": 0.25,
        "r_theta": 2.0, "rho_star": 0.5, "tv": 0.5,
    }  # fmt: skip
    assert _ratio(exact, 1, [2], min) == F(1, 2) and _ratio(exact, 0, [2], max) == F(2)
    assert exact.restart(0) == exact.restart(1) == 2 and exact.delimiters() == [2] and exact.family == [0, 1]


def test_sums_by_transition_and_by_example_are_one_and_prefixes_are_counted(monkeypatch):
    """9 examples; with the states hidden by an equivalent table the enumeration needs 2 prefixes, then 6."""
    exact = exact_instance(*small(), 0, 1)
    merged, every = exact_sums.merged(exact), exact_sums.enumerated(exact)
    for name in ("kl", "start", "rate"):
        one, two = (sum(float(w) * math.log(p / q) for (p, q), w in getattr(each, name).items())
                    for each in (merged, every))  # fmt: skip
        assert one == pytest.approx(two, abs=1e-14)
    assert merged.by_true == every.by_true and merged.by_other == every.by_other
    assert sorted(merged.tests) == sorted(every.tests)
    monkeypatch.setattr(exact_sums, "MAX_PREFIXES", 6)
    exact_sums.enumerated(exact)
    monkeypatch.setattr(exact_sums, "MAX_PREFIXES", 5)
    with pytest.raises(ModelError, match="more than 5 exact prefixes"):
        exact_sums.enumerated(exact)


def test_whether_a_token_shows_the_state():
    shown = exact_instance(*small(), 0, 1)
    assert exact_sums.shows_its_state(shown)
    for emission in (((0.5, 0.5, 0), (0, 1, 0), (0, 0, 1)), ((1, 0, 0), (1, 0, 0), (0, 0, 1))):
        assert not exact_sums.shows_its_state(exact_instance(*small(emission), 0, 1))


def test_a_filter_after_an_example_by_hand():
    step = ((F(1, 4), F(1, 4)), (F(0), F(1, 2)))
    assert (_point(2, 0), _point(2, 1)) == ((1, 0), (0, 1))
    assert _after((F(1, 2), F(1, 2)), step) == (F(1, 4), F(3, 4))
    assert _after((), step) == () == _after((F(1), F(0)), ((F(0), F(0)), (F(1), F(1))))


def test_the_laws_that_the_search_starts_from():
    """A prompt's start law lies around the row after a delimiter, not beside it; the delimiter's logits are near -1.

    256 instances of three states: a share of signs that is off by four standard errors has probability 6e-5, were it
    drawn anew; the keys are fixed.
    """
    keys = jax.random.split(jax.random.key(5), 256)
    logits = jax.vmap(lambda key: random_logits(key, "repaired", 3))(keys)
    beside = np.asarray(logits.prompt - logits.transition[:, 0, -1, :-1])
    assert abs(np.sign(beside).mean()) < 4 / math.sqrt(beside.size)
    apart = np.asarray(logits.initial - logits.transition[:, :, -1])
    assert abs(np.sign(apart).mean()) < 4 / math.sqrt(apart.size)
    into = np.asarray(logits.transition[..., -1]) + 1.0
    assert abs(np.sign(into).mean()) < 4 / math.sqrt(into.size) and 0.01 < np.abs(into).mean() < 0.5
    spread = np.abs(beside).max(1)
    assert spread.min() < 0.2 and spread.max() > 2.0, "of very different spreads"
    plain = jax.vmap(lambda key: random_logits(key, "printed", 3))(keys)
    for leaf in plain:
        assert abs(float(leaf.mean())) < 0.2 and abs(float(leaf.std()) - 1) < 0.1


@pytest.mark.parametrize("length", [2, 3])
def test_a3_of_the_search_leaves_out_what_no_test_input_reaches(length):
    """At k = 2 the test input is one token, never the delimiter: its row is no test input, at k = 3 it is."""
    with jax.enable_x64(True):
        logits = random_logits(jax.random.key(3), "printed", 3)
        flat = logits.transition.at[0, -1].set(jax.numpy.array([0.0, 0.0, 0.0]))
        logits = logits._replace(transition=flat)
        found = margins_of(logits, length)
        right = margins_by_enumeration(*instance_of(logits, length), 0, 1)
    np.testing.assert_allclose(np.array([float(x) for x in found]), np.array(right), rtol=1e-9, atol=1e-12)


def test_a_number_of_examples_is_sought_up_to_4096():
    """Odds that double with .488 and halve with .512 lose .000288 nats an example: some 3,000 are enough for 1/2; with
    .49 and .51 it is .0002, and more than 4,096 are."""
    kept = certify_moments.Tests(F(1), {1: F(1, 4)}, F(1, 2))
    for up, some in ((F(488, 1000), True), (F(492, 1000), False)):
        law = {F(2): up, F(1, 2): 1 - up}
        found = _enough(MomentLaws({1: law}, {1: law}, [kept], {1: F(3)}), F(1, 2), 256)
        assert (found is not None) is some
        assert found is None or (2049 <= found.n <= 4096 and found.proved is True)


def test_the_three_points_that_hold_a_minimum(monkeypatch):
    """The best s as a fraction of at most 10^9, and a millionth on either side; at least a millionth itself."""
    asked, plain = [], certify_finite.moment
    monkeypatch.setattr(certify_finite, "moment", lambda atoms, s: asked.append(s) or plain(atoms, s))
    with load_flint().ctx.workprec(256):
        exponent_ends(ATOMS)
        s = F(best_s(ATOMS)).limit_denominator(10**9)
        assert asked == [s - F(1, 10**6), s, s + F(1, 10**6)] and 10**8 < s.denominator <= 10**9
        asked.clear()
        up = F(1, 3) - F(1, 10**8)  # least where 4^s is 2 + 9e-8: that is 1/2 but for 3e-8
        exponent_ends({F(2): up, F(1, 2): 1 - up})
        assert abs(float(asked[1]) - 0.5) < 1e-7
