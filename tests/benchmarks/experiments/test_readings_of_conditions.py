"""``read`` of experiments 6 to 8 on results made up so that the verdict is known, and must turn when they turn."""

import numpy as np
import pytest
from experiment_results import SMOOTH, marks, points, read

from implicit_bayes.benchmarks.experiments.scales import TINY

# 6: the length of the examples


def from_k(least):
    """A verdict that holds from some k on; None is never."""
    return lambda k: "True" if least is not None and k >= least else "False"


@pytest.mark.parametrize(
    ("bayes", "lstm", "sharp", "repaired", "printed", "words"),
    [
        (3, 4, 4, 6, None, "exact Bayes 3, LSTM 4, sharp 4, repaired 6, printed none (of k to 10)"),
        (4, 9, 2, None, 3, "exact Bayes 4, LSTM none, sharp 2, repaired none, printed 3 (of k to 10)"),
        (9, 2, None, 10, 8, "exact Bayes none, LSTM 2, sharp none, repaired 10, printed 8 (of k to 10)"),
    ],
)
def test_length_sets_the_k_of_bayes_beside_those_of_the_conditions(bayes, lstm, sharp, repaired, printed, words):
    held = {"sharp": from_k(sharp), "repaired": from_k(repaired), "printed": from_k(printed)}
    enough = {"exact": bayes, "LSTM": lstm}

    def right(cell, predictor, k, n):
        return 0.95 if cell.startswith("ginc-paper") and k >= enough.get(predictor, 9) else 0.9

    found = read("length", right=right, holds=lambda cell, version, k, concept: held[version](k))
    assert found.summary == f"GINC, paper recipe: {words}"
    assert found.summary in found.verdict
    drawn = {label: x for (panel, label), x in marks(found, "length").items() if panel == "GINC, paper recipe"}
    known = {"sharp": sharp, "repaired": repaired, "printed": printed}
    assert drawn == {f"{version} holds": k for version, k in known.items() if k is not None and k <= 4}
    rows = {row[0]: row[1:] for row in found.tables[0].rows}
    assert rows["released GINC"][:3] == ("none: ΣKL is infinite",) * 3
    assert rows["GINC, paper recipe"][:3] == tuple(k or "none to k = 10" for k in (printed, repaired, sharp))
    assert "regular: exact Bayes none, LSTM none" in found.verdict


def test_length_counts_a_condition_only_where_every_alternative_has_it():
    def holds(cell, version, k, concept):
        if version == "sharp" and concept == 2:
            return "undetermined" if k < 4 else "True"
        return "True"

    found = read("length", holds=holds)
    assert "sharp 4, repaired 2, printed 2" in found.summary


@pytest.mark.parametrize(
    ("smooth", "model", "words", "ends"),
    [
        ((0.2, 0.9), (0.1, 0.8), "longer examples are clearly better", "0.01 20 to 90%, LSTM 10 to 80%"),
        ((0.9, 0.2), (0.1, 0.8), "longer examples are not clearly better for all", "0.01 90 to 20%, LSTM 10 to 80%"),
        ((0.5, 0.55), (0.1, 0.8), "longer examples are not clearly better for all", "0.01 50 to 55%, LSTM 10 to 80%"),
    ],
)
def test_length_says_whether_longer_examples_are_better(smooth, model, words, ends):
    def right(cell, predictor, k, n):
        return (smooth if predictor == SMOOTH else model)[k == 4] if cell.startswith("ginc-") else 0.5

    found = read("length", right=right)
    assert f"In prompts of 24 tokens {words} on released GINC (k = 2 to 4:" in found.verdict
    assert ends in found.verdict


# 7: impossible prompts, smoothing, concepts that grow alike


@pytest.mark.parametrize(
    ("shares", "lost", "words"),
    [
        ((0.9, 0.2), 0.5, "worse on impossible prompts than on possible ones in 8 of 8 comparisons at equal k and n, "
         "and clearly better in 0"),
        ((0.2, 0.9), 0.5, "worse on impossible prompts than on possible ones in 0 of 8 comparisons at equal k and n, "
         "and clearly better in 8"),
        ((0.5, 0.55), 0.5, "worse on impossible prompts than on possible ones in 0 of 8 comparisons at equal k and n, "
         "and clearly better in 0"),
        ((0.9, 0.2), 0.25, "At no k and n are there 20 possible and 20 impossible prompts to compare our models on."),
    ],
)  # fmt: skip
def test_possible_tells_possible_from_impossible_prompts(shares, lost, words):
    found = read("possible", right=lambda cell, predictor, k, n: shares, impossible=lambda cell, k, n: lost)
    assert words in found.verdict
    if lost == 0.5:
        line = points(found, "possible", "k = 5", "LSTM (ours), impossible")
        assert line == dict.fromkeys((0.0, 1.0, 4.0), (round(100 * shares[1], 6), 20))


@pytest.mark.parametrize(
    ("where", "low", "high", "words"),
    [
        ((5, 4), 0.001, 0.5, "80 points (at k = 5, n = 4 from 10% at 0.001 to 90% at 0.5)"),
        ((3, 0), 0.5, 1e-12, "80 points (at k = 3, n = 0 from 10% at 0.5 to 90% at 1e-12)"),
    ],
)
def test_possible_says_where_smoothing_matters_most(where, low, high, words):
    def right(cell, predictor, k, n):
        if not (cell.startswith("smoothing") and predictor.startswith("smoothed")):
            return 0.5
        moved = {low: 0.1, high: 0.9} if (k, n) == where else {low: 0.3, high: 0.7}
        return moved.get(float(predictor[9:-1]), 0.5)

    found = read("possible", right=right)
    assert f"depends on ε by up to {words}." in found.verdict
    assert found.summary.startswith("ε moves smoothed Bayes by up to 80 points; ")


@pytest.mark.parametrize(
    ("bayes", "least", "words", "summary"),
    [
        (0.2, {"sharp": 0.2, "repaired": 1.0}, "from a share 0.2 of own kernel on; the conditions hold, sharp from "
         "0.2, repaired from 1 and printed nowhere.", "Bayes needs a share 0.2, the printed condition never holds"),
        (1.0, {"sharp": 0.02, "printed": 0.2}, "from a share 1 of own kernel on; the conditions hold, sharp from "
         "0.02, repaired nowhere and printed from 0.2.", "Bayes needs a share 1, the printed condition 0.2"),
        (2.0, {"printed": 1.0}, "from a share none on the grid of own kernel on; the conditions hold, sharp nowhere, "
         "repaired nowhere and printed from 1.", "Bayes needs a share none on the grid, the printed condition 1"),
    ],
)  # fmt: skip
def test_possible_sets_the_share_that_bayes_needs_beside_the_conditions(bayes, least, words, summary):
    def share(cell):
        return float(cell.rsplit("-", 1)[1])

    def right(cell, predictor, k, n):
        return 0.95 if cell.startswith("regular-") and predictor == "exact" and n == 4 and share(cell) >= bayes else 0.9

    def holds(cell, version, k, concept):
        return "True" if share(cell) >= least.get(version, 2.0) else ("undetermined" if concept == 1 else "True")

    found = read("possible", right=right, holds=holds)
    assert words in found.verdict
    assert found.summary.endswith(f"; {summary}")
    assert {label.split()[0]: x for (_, label), x in marks(found, "alike").items()} == least


# 8: the delimiter dial


def at(cell):
    """The position of a cell of the dial."""
    parts = cell.removeprefix("shift-").removeprefix("delimiter-").removeprefix("ginc-").removeprefix("conditions-")
    return float(parts.rsplit("-", 1)[0] if cell.startswith("shift-conditions") else parts)


@pytest.mark.parametrize(
    ("a3", "bayes", "lstm", "sharp", "words", "needed"),
    [
        (0.2, {2: 0.0, 3: 1.0}, 0.2, 1.0, ("A3 holds to 0.20", "at k = 2 exact Bayes is right on 95% of prompts to 0.00"
         ", the LSTM to 0.20, and the sharp condition holds to 1.00", "at k = 3 exact Bayes is right on 95% of prompts "
         "to 1.00"), True),
        (0.0, {2: 0.2, 3: 0.0}, 1.0, 0.2, ("A3 holds to 0.00", "at k = 2 exact Bayes is right on 95% of prompts to 0.20"
         ", the LSTM to 1.00, and the sharp condition holds to 0.20", "at k = 3 exact Bayes is right on 95% of prompts "
         "to 0.00"), False),
        (-1.0, {2: 1.0, 3: 0.2}, 0.0, -1.0, ("A3 holds nowhere", "at k = 2 exact Bayes is right on 95% of prompts to "
         "1.00, the LSTM to 0.00, and the sharp condition holds nowhere"), False),
    ],
)  # fmt: skip
def test_dial_says_where_a3_ends_and_where_bayes_does(a3, bayes, lstm, sharp, words, needed):
    def right(cell, predictor, k, n):
        least = {"exact": bayes.get(k), "LSTM": lstm}.get(predictor, -1.0)
        return 0.95 if cell.startswith("shift-") and n == 4 and at(cell) <= least else 0.9

    found = read(
        "dial", right=right, a3=lambda cell: "True" if at(cell) <= a3 else "undetermined", tv=at,
        holds=lambda cell, version, k, concept: "True" if version == "sharp" and at(cell) <= sharp else "False",
    )  # fmt: skip
    assert found.verdict.startswith("As the prompt's start law leaves p(h|d) (total variation 0 to 1.00, n = 4) ")
    for each in words:
        assert each in found.verdict
    assert ("A3's part of the theorem, and not only Condition 1's, is needed" in found.verdict) == needed
    ends = f"{bayes[2]:.2f} (k = 2) and {bayes[3]:.2f} (k = 3)"
    assert found.summary == f"{words[0]} in total variation, Bayes is right to {ends}"
    known = {"A3 ends": a3, "sharp condition ends": sharp}
    drawn = {(f"k = {k}", label): x for k in (2, 3) for label, x in known.items() if 0 <= x < 1}
    assert marks(found, "dial-start") == drawn


@pytest.mark.parametrize(
    ("bayes", "lstm", "held", "words", "apart"),
    [
        ((0.01,), (0.01,), {"sharp": (0.01, 0.5), "repaired": (0.5,), "printed": ()},
         "exact Bayes is right on 95% of prompts at 0.01 only; conditions hold: sharp from 0.01 to 0.5, repaired at "
         "0.5 only, printed nowhere", ""),
        ((1e-6, 0.01, 0.5), (0.01,), {"sharp": (1e-6, 0.01), "repaired": (), "printed": (1e-6, 0.01, 0.5)},
         "exact Bayes is right on 95% of prompts from 1e-06 to 0.5; conditions hold: sharp from 1e-06 to 0.01, "
         "repaired nowhere, printed from 1e-06 to 0.5",
         "parts from Bayes: 10% at 1e-06, k = 2 (Bayes 95%), 10% at 0.5, k = 2 (Bayes 95%), "),
        ((), (0.5,), {"sharp": (), "repaired": (1e-6,), "printed": ()},
         "exact Bayes is right on 95% of prompts nowhere; conditions hold: sharp nowhere, repaired at 1e-06 only, "
         "printed nowhere", "parts from Bayes: 95% at 0.5, k = 2 (Bayes 10%) and 95% at 0.5, k = 3 (Bayes 10%)."),
    ],
)  # fmt: skip
def test_dial_says_between_which_delimiters_bayes_is_right_and_who_parts_from_it(bayes, lstm, held, words, apart):
    where = {"exact": bayes, "LSTM": lstm}

    def right(cell, predictor, k, n):
        good = cell.startswith("delimiter-") and n == 4 and at(cell) in where.get(predictor, ())
        return 0.95 if good else 0.1

    found = read(
        "dial", right=right, holds=lambda cell, version, k, concept: str(concept == 1 or at(cell) in held[version])
    )
    assert f"at k = 2 {words}. And at k = 3 {words}." in found.verdict
    assert ("The LSTM trained on the same documents parts from Bayes" in found.verdict) == bool(apart)
    assert apart in found.verdict
    rows = [row for row in found.tables[0].rows if row[:2] == (3, "0.5")]
    assert [row[4:7] for row in rows] == [
        tuple("yes" if 0.5 in held[version] else "no" for version in ("printed", "repaired", "sharp"))
    ]
    begin = {version: min(positions) for version, positions in held.items() if positions}
    assert marks(found, "dial-delimiter") == {
        (f"k = {k}", f"{version} from here"): x for k in (2, 3) for version, x in begin.items()
    }


def test_dial_and_length_ask_every_true_concept():
    """Of two true concepts the second has the larger distance, loses A3 first, and has the sharp condition later."""
    two = TINY._replace(concepts=2)

    def second(cell):
        return cell.endswith("-1") and "conditions" in cell and "delimiter" not in cell

    found = read(
        "dial", two, tv=lambda cell: at(cell) / (1 if second(cell) else 2) if "conditions" in cell else 0.0,
        a3=lambda cell: "True" if at(cell) <= (0.0 if second(cell) else 0.2) else "False",
        holds=lambda cell, version, k, concept: str(at(cell) <= (0.2 if second(cell) else 1.0)),
    )  # fmt: skip
    assert "(total variation 0 to 1.00, n = 4) A3 holds to 0.00; " in found.verdict
    assert "the sharp condition holds to 0.20" in found.verdict
    found = read("length", two, holds=lambda cell, version, k, concept: str(k >= (6 if second(cell) else 3)))
    assert "sharp 6, repaired 6, printed 6 (of k to 10)" in found.summary


def test_dial_shows_the_binding_alternative():
    """The largest threshold, the smallest sum of KL and the largest rate of two alternatives, at the row's own k."""
    numbers = {
        (2, 1): (1.0, 5.0, -2.0),
        (2, 2): (3.0, 4.0, -1.0),
        (3, 1): (7.0, 9.0, -3.0),
        (3, 2): (6.0, np.inf, -8.0),
    }
    found = read("dial", numbers=lambda cell, k, concept: numbers[k, concept])
    rows = {(row[0], *row[2:4], row[7]) for row in found.tables[0].rows}
    assert rows == {(2, "3.00", "4.00", "-1.00"), (3, "7.00", "9.00", "-3.00")}


@pytest.mark.parametrize(("near", "far"), [((0.3, 0.1), (0.9, 0.8)), ((0.9, 0.8), (0.3, 0.1))])
def test_dial_reads_both_ends_on_released_ginc(near, far):
    ends = {0.0: near, 0.25: (0.5, 0.5), 1.0: far}
    found = read("dial", tv=lambda cell: ends.get(at(cell), near)[0] if "ginc" in cell else 0.0,
                 impossible=lambda cell, k, n: ends[at(cell)][1] if "ginc" in cell else 0.0)  # fmt: skip
    assert f"A3's distance is {near[0]:.2f} even where" in found.verdict
    assert f"({far[0]:.2f} in the release)" in found.verdict
    assert f"{100 * near[1]:.0f}% of prompts there and {100 * far[1]:.0f}% of the release's have no" in found.verdict
    lost = points(found, "dial-ginc", "released GINC, k = 3, n = 4", "prompts with no posterior")
    assert lost == {x: (100 * share, 40) for x, (_, share) in ends.items()}
