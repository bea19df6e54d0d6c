"""What --certify proves beside the conditions, on the screen and on the page: the numbers of the certificates."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np

from implicit_bayes.benchmarks.common.storage import plain
from implicit_bayes.benchmarks.verification.proved import (
    NOTHING,
    outwards,
    page_tables,
    proofs_json,
    prove,
    screen_tables,
)
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.proofs import certify_moments


def silent(words, total):
    return lambda done: None


def test_one_delimiter_state_has_exponents_and_numbers(monkeypatch):
    regular = load_instance("regular")
    regular = SimpleNamespace(mixture=regular.mixture, prompt_starts=regular.prompt_starts, true_concepts=(0,))
    monkeypatch.setattr(certify_moments, "MAX_MERGED", 400)
    proofs = prove(regular, [], [2, 5], silent)
    stored = plain(proofs_json(proofs))
    row, large = stored["certificates_finite"]
    assert (row["k"], row["n_enough"], row["delta"], row["reason"]) == (2, 6, 0.01, "") and not proofs.brackets
    assert Fraction(row["error_bound"]["midpoint"]) < Fraction(1, 100)
    assert large["n_enough"] is None and "lower k" in large["reason"]
    (table,) = page_tables(stored)
    assert table.rows[0] == ("2, 0, 0", "1.234923268466", "1.234923268473", "6", "0.005446749611", "")
    assert table.rows[1][:5] == ("5, 0, 0", "–", "–", "–", "–")
    (shown,) = screen_tables(proofs)
    assert [next(iter(column.cells)) for column in shown.columns] == list(table.rows[0])


def test_several_delimiter_states_have_brackets():
    last = [[0.7, 0.1, 0.1, 0.1], [0.3, 0.5, 0.1, 0.1]]
    kernels = [
        [[0.6, 0.2, 0.1, 0.1], [0.3, 0.4, 0.2, 0.1], *last],
        [[0.2, 0.5, 0.2, 0.1], [0.4, 0.3, 0.1, 0.2], *last[::-1]],
    ]
    emission = [[0.8, 0.2, 0.0], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.6, 0.2, 0.1, 0.1]] * 2, kernels, emission, 2)
    instance = SimpleNamespace(
        mixture=mixture, prompt_starts=np.array([[[0.7, 0.3, 0.0, 0.0]]] * 2), true_concepts=(0,)
    )
    rows = [
        SimpleNamespace(k=2, true_concept=0, concept=1, sharp_start=0),
        SimpleNamespace(k=2, true_concept=1, concept=0, sharp_start=0),
        SimpleNamespace(k=3, true_concept=0, concept=1, sharp_start=0),  # not asked for
    ]
    proofs = prove(instance, rows, [2], silent)
    (table,) = page_tables(plain(proofs_json(proofs)))
    assert [row[-2] for row in table.rows] == ["FAILS", "holds"] and not proofs.finite
    low, high = (float(cell) for cell in table.rows[0][1:3])
    assert 0 < low < 0.0878 < high  # verify's rate, 0.0878 by enumeration
    assert table.rows[0][3] == "1"  # forgetting none leaves the sign open


def test_what_cannot_be_proved_says_why_and_what_was_not_asked_for_says_nothing():
    kernels = [[[0.4, 0.4, 0.1, 0.1]] * 4, [[0.4, 0.4, 0.1, 0.1]] * 2 + [[0.0, 0.8, 0.1, 0.1]] * 2]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.25] * 4] * 2, kernels, np.eye(3)[[0, 1, 2, 2]], 2)
    instance = SimpleNamespace(
        mixture=mixture, prompt_starts=np.array([[[0.5, 0.5, 0.0, 0.0]]] * 2), true_concepts=(0,)
    )
    proofs = prove(instance, [SimpleNamespace(k=2, true_concept=0, concept=1, sharp_start=0)], [2], silent)
    (table,) = page_tables(plain(proofs_json(proofs)))
    assert table.rows[0][1:5] == ("–", "–", "–", "undetermined") and "infinite" in table.rows[0][5]
    assert screen_tables(NOTHING) == [] and page_tables({}) == ()


def test_ends_are_rounded_outwards():
    ball = {"midpoint": "0.1234567890125", "radius": 1e-20}
    assert (outwards(ball, "ROUND_FLOOR"), outwards(ball, "ROUND_CEILING")) == ("0.123456789012", "0.123456789013")
    exact = {"midpoint": "0.5", "radius": 1e-13}
    assert (outwards(exact, "ROUND_FLOOR"), outwards(exact, "ROUND_CEILING")) == ("0.499999999999", "0.500000000001")
    assert outwards({"midpoint": "inf", "radius": 0.0}, "ROUND_FLOOR") == "∞" and outwards(None, "ROUND_FLOOR") == "–"
    assert outwards({"midpoint": "-inf", "radius": 0.0}, "ROUND_CEILING") == "-∞"
