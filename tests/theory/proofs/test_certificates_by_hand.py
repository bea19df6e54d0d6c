"""Certificates at their defaults and limits: what is assumed where nothing is said, how much is enumerated, and a
concept with fewer delimiter states than theta*."""

import math
from fractions import Fraction as F

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.proofs import certify_bracket as bracket_module
from implicit_bayes.theory.proofs import certify_moments, exact_sequences
from implicit_bayes.theory.proofs.certify import certify
from implicit_bayes.theory.proofs.certify_bracket import certify_bracket
from implicit_bayes.theory.proofs.certify_finite import best_s, certify_finite
from implicit_bayes.theory.proofs.certify_moments import certify_enough, moment_laws
from implicit_bayes.theory.proofs.exact_instance import exact_instance
from implicit_bayes.theory.proofs.exact_sequences import example_masses, sequence_laws

pytest.importorskip("flint")

TRUE = [[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
OTHER = [[0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]
STARTS = [[0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]


def instance(k=2, start=(0.75, 0.25, 0.0)):
    mixture = MixtureOfHMMs([0.25, 0.75], STARTS, [TRUE, OTHER], np.eye(3), 2)
    return mixture, PromptLaw.of(mixture, start, 0, k)


def test_what_certificates_assume_where_nothing_is_said():
    """256 bits, an error of one hundredth, s = 1/2, nothing forgotten."""
    finite = certify_finite(*instance(), 0)
    assert (finite.k, finite.true_concept) == (2, 0)
    assert finite.enough is None or (finite.enough.delta, finite.enough.bits) == (F(1, 100), 256)
    enough = certify_enough(*instance(), 0, 1, F(1, 2))
    assert (enough.n, enough.delta, enough.s, enough.bits) == (1, F(1, 2), {1: F(1, 2)}, 256)
    found = certify_bracket(*instance(), 0, 1)
    assert (found.forgotten, found.bits, certify(*instance(), 0, 1).bits) == (0, 256, 256)
    for bits in (64, 128):
        assert certify_enough(*instance(), 0, 1, F(1, 2), bits=bits).bits == bits
    assert certify_enough(*instance(), 0, 1, F(1, 2), {1: F(0)}).base[1].midpoint.startswith("1.")
    with pytest.raises(ModelError, match="exponents of at least 0"):
        certify_enough(*instance(), 0, 1, F(1, 2), {1: F(-1, 100)})


def test_a_hundredth_is_the_error_that_is_proved():
    from implicit_bayes.simulators.regular import regular

    mixture, start = regular()
    found = certify_finite(mixture, PromptLaw.of(mixture, start, 0, 2), 0)
    assert (found.enough.delta, found.enough.bits) == (F(1, 100), 256)


def test_the_laws_of_ratios_by_hand():
    """Of nine examples: p_prompt, and how often theta writes them and D more often than theta*, first and later."""
    laws = moment_laws(*instance(), 0)
    true, other = np.array(TRUE), np.array(OTHER)
    for found, begin in ((laws.first[1], STARTS), (laws.later[1], (TRUE[2], OTHER[2]))):
        right = {}
        for a, start in ((0, F(3, 4)), (1, F(1, 4))):
            for b in range(3):
                ratio = F(begin[1][a] * other[a, b] * other[b, 2]) / F(begin[0][a] * true[a, b] * true[b, 2])
                right[ratio] = right.get(ratio, F(0)) + start * F(true[a, b])
        assert dict(found) == right
    assert laws.prior_odds == {1: F(3)}
    tests = sorted((t.mass, t.ratios[1], t.margin) for t in laws.tests)
    assert tests == [(F(1, 4), F(2), F(1, 8)), (F(3, 4), F(1, 2), F(1, 4))]


def test_a_slope_far_out_does_not_overflow():
    """Ratios of 1/1000 and 1/2: the moment falls for ever, and the search ends at 256."""
    assert best_s({F(1, 1000): F(1, 2), F(1, 2): F(1, 2)}) == 256.0
    assert best_s({F(2): F(1, 4), F(1, 2): F(3, 4)}) == pytest.approx(math.log(3) / math.log(4), rel=1e-12)


def test_how_many_prefixes_are_expanded(monkeypatch):
    """p_prompt begins with two words: 1 x 3 prefixes, then 2 x 3, each with its filters."""
    monkeypatch.setattr(certify_moments, "MAX_MERGED", 6)
    assert len(moment_laws(*instance(), 0).tests) == 2
    monkeypatch.setattr(certify_moments, "MAX_MERGED", 5)
    with pytest.raises(ModelError, match="k: 2 needs more than 5 exact prefixes"):
        moment_laws(*instance(), 0)
    exact = exact_instance(*instance(), 0, 1)
    monkeypatch.setattr(exact_sequences, "MAX_EXAMPLES", 6)
    masses = dict(example_masses(exact, 2))
    assert len(masses) == 6 and masses[0, 1] == F(3, 8) and sum(masses.values()) == 1
    monkeypatch.setattr(exact_sequences, "MAX_EXAMPLES", 5)
    with pytest.raises(ModelError, match="k: 2 needs more than 5 exact prefixes"):
        example_masses(exact, 2)
    assert sequence_laws(exact, 0, exact.start, (0, 1, 2)) == (0, 0, F(3, 8) * F(1, 8))


def apart():
    """Words a, b; theta* has two delimiter states, theta one: its other state writes a."""
    true = [[0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.375, 0.125], [0.5, 0.25, 0.125, 0.125], [0.25, 0.5, 0.125, 0.125]]
    other = [[0.25, 0.25, 0.25, 0.25]] * 4
    emission = [np.eye(3)[[0, 1, 2, 2]], np.eye(3)[[0, 1, 2, 0]]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.25] * 4] * 2, [true, other], emission, 2)
    return mixture, PromptLaw.of(mixture, [0.75, 0.25, 0.0, 0.0], 0, 2)


def test_laws_of_different_delimiter_states_by_hand():
    """theta writes a, b, D with 1/2, 1/4, 1/4 whatever came before. Under theta* an example x y and D have p(x | d)
    p(y | x) p(D | y), with p(x | d) the only part that knows d: the ends are those of its logarithm."""
    mixture, prompt = apart()
    true = np.array(mixture.transition[0])
    token = np.column_stack([true[:, 0], true[:, 1], true[:, 2:].sum(1)])  # rows by state, D from either state
    low = high = 0.0
    for x, p in ((0, 0.75), (1, 0.25)):
        for y in range(3):
            theta = math.log([0.5, 0.25, 0.25][x] * [0.5, 0.25, 0.25][y] * 0.25)
            each = []
            for d in (2, 3):
                if y < 2:
                    each.append(math.log(true[d, x] * true[x, y] * token[y, 2]))
                else:  # from x to one of the two delimiter states, and from it to one of them again
                    each.append(math.log(true[d, x] * (true[x, 2:] @ token[2:, 2])))
            mass = p * token[x, y]
            low, high = low + mass * (theta - max(each)), high + mass * (theta - min(each))
    found = certify_bracket(mixture, prompt, 0, 1)
    assert float(found.low) == pytest.approx(low, rel=1e-12) and float(found.high) == pytest.approx(high, rel=1e-12)
    assert found.sharp_holds is (True if high < 0 else False if low >= 0 else "undetermined")
    back = certify_bracket(mixture, PromptLaw.of(mixture, [0.75, 0.25, 0.0, 0.0], 1, 2), 1, 0, 1)
    assert back.forgotten == 1 and float(back.low) <= float(back.high)


def test_how_many_blocks_are_forgotten(monkeypatch):
    """Six examples, one block: six pairs for the first forgotten example, and six for every filter after it."""
    mixture, prompt = apart()
    monkeypatch.setattr(bracket_module, "MAX_BLOCKS", 6)
    first = certify_bracket(mixture, prompt, 0, 1, 1)
    assert first.forgotten == 1
    monkeypatch.setattr(bracket_module, "MAX_BLOCKS", 5)
    with pytest.raises(ModelError, match="forgotten: 1 examples lead to more than 5 exact filters"):
        certify_bracket(mixture, prompt, 0, 1, 1)


def test_as_many_digits_as_are_certain():
    """256 bits are 77 digits, of which three are left for rounding; never fewer than 15 are printed."""
    flint = pytest.importorskip("flint")
    from implicit_bayes.theory.proofs.enclosures import enclose

    for bits, digits in ((256, 74), (128, 35), (53, 15), (64, 16)):
        with flint.ctx.workprec(bits):
            third = flint.arb(flint.fmpq(1, 3))
            found = enclose(third)
        assert found.midpoint == "0." + "3" * digits
        assert abs(F(found.midpoint) - F(1, 3)) <= F(found.radius) < F(1, 10 ** (digits - 1))
