"""``read`` of experiments 3 to 5 on results made up so that the verdict is known, and must turn when they turn."""

import pytest
from experiment_results import AWARE, DOWN, LEVEL, SMOOTH, UP, read

from implicit_bayes.benchmarks.experiments.ablations import LAWS

# 3: ablations


LOST = ("ginc:single-concept", "ginc:random-tokens")


@pytest.mark.parametrize(
    ("model", "other", "bayes", "lost", "blind"),
    [
        (0.375, 0.2, 0.2, "a single concept and random tokens", True),
        (0.375, 0.2, 0.9, "a single concept and random tokens", False),
        (0.4, 0.2, 0.2, "none", False),  # exactly half
        (0.2, 0.8, 0.2, "none", False),  # one model still knows
    ],
)
def test_ablations_name_the_laws_that_halve_accuracy(model, other, bayes, lost, blind):
    def right(cell, predictor, k, n):
        gone = cell.rsplit("-", 1)[0] in LOST
        return {
            "LSTM": model if gone else 0.8,
            "Transformer": other if gone else 0.1,
            SMOOTH: bayes if gone else 0.9,
        }.get(predictor, 0.5)

    found = read("ablations", right=right)
    assert found.summary == f"accuracy more than halves with {lost}"
    assert f"models lose more than half with {lost}" in found.verdict
    assert ("and there Bayes itself does not know the answer" in found.verdict) == blind
    assert (
        f"as released 80 and 90; a single concept {100 * max(model, other):.0f} and {100 * bayes:.0f};" in found.verdict
    )


@pytest.mark.parametrize(
    ("model", "smooth", "words"),
    [
        (UP, UP, "at k = 3 smoothed Bayes with none and a model with random kernels; at k = 5 smoothed Bayes with "
         "no entity persistence and a model with none"),
        (DOWN, UP, "at k = 3 smoothed Bayes with none and a model with none; at k = 5 smoothed Bayes with "
         "no entity persistence and a model with none"),
        (LEVEL, DOWN, "at k = 3 smoothed Bayes with none and a model with none; at k = 5 smoothed Bayes with none and "
         "a model with none"),
    ],
)  # fmt: skip
def test_ablations_say_for_whom_examples_help(model, smooth, words):
    moved = {("ginc-random-kernels-3", "Transformer"): model, ("ginc-no-persistence-5", SMOOTH): smooth}
    found = read("ablations", right=lambda cell, predictor, k, n: moved.get((cell, predictor), LEVEL)[n])
    assert f"clearly gain from 4 examples over 0: {words}." in found.verdict


def test_ablations_draw_every_law_at_both_lengths_with_the_excess_of_its_own_training():
    excess = {f"train-{law}-LSTM": 0.1 * i for i, law in enumerate(LAWS)}
    found = read("ablations", learnt=lambda cell: [(excess.get(cell, 9.0), 0.5)])
    assert [picture.name for picture in found.pictures] == ["ablations", "ablations-3"]
    rows = {(row[0], row[1]): row[-1] for row in found.tables[0].rows if row[2] == "LSTM (ours)"}
    assert rows == {(k, words): f"{0.1 * i:.3f}" for k in (3, 5) for i, words in enumerate(LAWS.values())}


# 4: the order of the examples


def spread(low, high):
    """Right in ``low`` of 5 tests in even orders and in ``high`` in odd ones."""
    return lambda permutation: ((low, high)[permutation % 2], 5)


def half(permutation):
    """No answer in even orders, 2 of 4 in the others."""
    return (0, 0) if permutation % 2 == 0 else (2, 4)


@pytest.mark.parametrize(
    ("rules", "present", "absent", "summary"),
    [
        ({"LSTM": spread(1, 4), SMOOTH: spread(1, 3), "exact": half},
         ("60 for the LSTM, 0 for the Transformer and 40 for smoothed Bayes", "therefore Bayes's own",
          "no answer in 50% of orders; in the others it differs by 0.0 points", "answers alike in every order"),
         "Prompt-aware Bayes differs", "models up to 60 points, smoothed Bayes 40"),
        ({"Transformer": spread(5, 1), AWARE: spread(2, 3), "exact": spread(1, 2)},
         ("0 for the LSTM, 80 for the Transformer and 0 for smoothed Bayes",
          "no answer in 0% of orders; in the others it differs by 20.0 points", "Prompt-aware Bayes differs by 20.0"),
         "therefore Bayes's own", "models up to 80 points, smoothed Bayes 0"),
    ],
)  # fmt: skip
def test_order_tells_whose_answers_depend_on_it(rules, present, absent, summary):
    same = spread(3, 3)
    found = read("order", ordered=lambda predictor, permutation: rules.get(predictor, same)(permutation))
    for words in present:
        assert words in found.verdict
    assert absent not in found.verdict
    assert found.summary == f"best less worst order, k = 3: {summary}"


def test_order_says_no_number_where_exact_bayes_never_answers():
    found = read("order", ordered=lambda predictor, permutation: (0, 0) if predictor == "exact" else (1, 5))
    assert "Exact Bayes has no answer in 100% of orders. Prompt-aware" in found.verdict
    assert "nan" not in found.verdict


def test_order_draws_means_between_the_worst_and_the_best_order():
    found = read("order", ordered=lambda predictor, permutation: spread(1, 4)(permutation))
    drawn = {(p.y, p.low, p.high, p.prompts) for p in found.pictures[0].points}
    assert drawn == {(50.0, 20.0, 80.0, 24)}
    assert {row[:2] for row in found.tables[0].rows} >= {(3, "LSTM (ours)"), (5, "Transformer (ours)")}


# 5: zero-shot against few-shot


@pytest.mark.parametrize(("worst", "other"), [(3, 5), (5, 3)])
def test_zero_shot_says_where_one_example_hurts_exact_bayes(worst, other):
    shares = {worst: {0: 0.9, 1: 0.3, 4: 0.6}, other: {0: 0.5, 1: 0.5, 4: 0.5}}
    found = read(
        "zero-shot", impossible=lambda cell, k, n: 0.25 if (k, n) == (worst, 4) else 0.0,
        right=lambda cell, predictor, k, n: shares[k][n] if predictor == "exact" else 0.5,
    )  # fmt: skip
    assert found.verdict.startswith(
        f"Exact Bayes itself is worse with one example than with none, at 1 of 2 k clearly so; where it differs most, "
        f"at k = {worst}, it is right on 90.0 ["
    )
    assert "% of prompts with none and on 30.0 [" in found.verdict and "and on 60.0 [" in found.verdict
    assert "(-60.0 [" in found.verdict and "25.0% of prompts have probability zero here" in found.verdict
    assert found.summary == f"exact Bayes at k = {worst}: 90% with no example, 30% with one"


def test_zero_shot_without_a_fall():
    found = read("zero-shot", right=lambda cell, predictor, k, n: UP[n])
    assert found.verdict.startswith("Exact Bayes is not worse with one example than with none beyond chance, at 0 of 2")
    assert "Models are clearly worse with one example in 0 of 4 cases." in found.verdict
    assert "No prompt has probability zero here." in found.verdict


@pytest.mark.parametrize(
    ("aware", "model", "words", "explained"),
    [
        (UP, DOWN, "clearly gains by it at 2 of 2 k and clearly loses at 0", True),
        (LEVEL, LEVEL, "clearly gains by it at 0 of 2 k and clearly loses at 0", True),
        (DOWN, UP, "clearly gains by it at 0 of 2 k and clearly loses at 2", False),
    ],
)
def test_zero_shot_blames_the_pretraining_law_only_if_the_example_tells_the_concept(aware, model, words, explained):
    lines = {"exact": DOWN, AWARE: aware, "LSTM": model}
    found = read("zero-shot", right=lambda cell, predictor, k, n: lines.get(predictor, LEVEL)[n])
    assert words in found.verdict
    assert ("the loss comes from the pretraining law" in found.verdict) == explained
    assert f"Models are clearly worse with one example in {2 if model is DOWN else 0} of 4 cases." in found.verdict
