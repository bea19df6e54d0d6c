"""What the signals of a table of conditions ask for, and what they say without asking."""

import math

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.information.arithmetic import rounding_of_mean
from implicit_bayes.theory.statements import signals
from implicit_bayes.theory.statements.signals import SignalOptions, Signals

ROW = [0.5, 0.25, 0.25]
OPTIONS = SignalOptions(seed=0, budget=200, accuracy=0.01, coverage=0.95, logarithms=1e6)


def forbidding(ks, options=OPTIONS, start=(1.0, 0.0, 0.0), others=(1,)):
    """After b the second concept never writes b: the first example of p_prompt that it forbids is a b b."""
    mixture = MixtureOfHMMs([0.5, 0.25, 0.25], [ROW] * 3, [[ROW] * 3, [ROW, [0.5, 0.0, 0.5], ROW], [ROW] * 3],
                            np.eye(3), 2)  # fmt: skip
    return Signals(mixture, np.array([start]), 0, list(others), ks, options)


@pytest.fixture
def asked(monkeypatch):
    """The k, the number of laws and the options of every table that is computed."""
    found, table = [], signals.kl_table

    def remember(prompt, hmms, ks, **options):
        found.append((list(ks), len(hmms), prompt.length, options))
        return table(prompt, hmms, ks, **options)

    monkeypatch.setattr(signals, "kl_table", remember)
    return found


def test_a_forbidden_example_needs_no_table(asked):
    """a b b comes with 1/16; the sum is infinite from the third position on, and nothing is said of those before."""
    found = forbidding([3, 4]).kl(0, 1, 3)
    assert (found.value, found.low, found.high, found.method, found.prefixes) == (math.inf,) * 3 + ("exact", 0)
    np.testing.assert_array_equal(found.per_position, [np.nan, np.nan, math.inf])
    assert found.infinite_mass == 1 / 16
    later = forbidding([3, 4]).kl(0, 1, 4)  # a b b . and a . b b
    np.testing.assert_array_equal(later.per_position, [np.nan, np.nan, math.inf, math.inf])
    assert later.infinite_mass == pytest.approx(1 / 16 + 0.75 / 16)
    assert asked == []


def test_a_table_is_computed_once_for_all_k_and_concepts(asked):
    """k = 2 and 3 with a third concept, which is theta*: KL 0 but for the start, log 2, under every law."""
    both = forbidding([2, 3], others=(1, 2))
    for k in (2, 3):
        assert both.start_kl(0, k).value == both.kl(0, 2, k).value == pytest.approx(math.log(2))
    assert both.kl(0, 1, 2).value == pytest.approx(math.log(2) + 0.0)
    assert both.kl(0, 1, 3).value == math.inf
    ((ks, laws, length, options),) = asked
    assert (ks, laws, length) == ([2, 3], 3, 3)
    assert (options["budget"], options["accuracy"]) == (200, 0.01)


@pytest.mark.parametrize(("accuracy", "expected"), [(0.01, 1.0), (2.0, 2.0)])
def test_beside_infinite_sums_less_is_spent(asked, monkeypatch, accuracy, expected):
    """start_kl alone is finite: it is enclosed, or, where the enclosure is wide, computed at 1/16 of the cost."""
    options = SignalOptions(**(OPTIONS | {"accuracy": accuracy}))
    close = forbidding([3], options).start_kl(0, 3)
    assert close.low <= math.log(2) <= close.high and asked == []
    assert (close.infinite_mass, close.value) == (0.0, 0.5 * (close.low + close.high))
    assert close.method == ("exact" if close.low == close.high else "bracketed")
    monkeypatch.setattr(signals, "WIDEST", -1.0)
    wide = forbidding([3], options)
    assert wide.start_kl(0, 3).value == pytest.approx(math.log(2))
    ((_, laws, _, given),) = asked
    assert (laws, given["budget"], given["accuracy"]) == (1, 200 // 16, expected)
    assert wide.options["budget"] == 200


def test_an_enclosure_as_wide_as_allowed_is_kept(monkeypatch, asked):
    found = forbidding([3]).start_kl(0, 3)
    monkeypatch.setattr(signals, "WIDEST", found.high / found.low - 1.0 + 1e-12)
    assert forbidding([3]).start_kl(0, 3) is not None and asked == []


def test_the_error_of_an_expectation_counts_both_laws():
    """E |log| of both laws: the sum and twice k log V."""
    both = forbidding([3])
    kl = both.start_kl(0, 3)._replace(value=0.25, prefixes=7)
    assert both._rounding(kl, 3) == rounding_of_mean(3, 3, 3, 7, 0.25 + 6 * math.log(3))
    assert both._rounding(kl._replace(value=math.inf), 3) == 0.0
