"""Ties in what a sweep counts: of a predictor's own the first token, of the truth's every token, at any rounding."""

from types import SimpleNamespace

import numpy as np
import pytest

from implicit_bayes.benchmarks.predictors.prompt_aware import prompt_aware
from implicit_bayes.benchmarks.sweep import tasks
from implicit_bayes.benchmarks.sweep.cells import Store
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture

ABOVE = 0.1 + 0.2
"""0.3 and a last bit: a plain argmax prefers it to 0.3."""


def instance_with(rows, prior) -> Instance:
    """k = 2, so that x_test is one token, equally likely in every concept; each concept goes on by its own row."""
    rows = np.array(rows)
    kernel = np.repeat(rows[:, None], 3, 1)
    mixture = MixtureOfHMMs(prior, [[0.4, 0.4, 0.2]] * len(rows), kernel, np.eye(3), 2)
    return Instance("ties", mixture, np.array([[[0.5, 0.5, 0.0]]] * len(rows)), (0,), 2, None, "")


def counted(instance, monkeypatch, tmp_path, n=0):
    """(correct, defined) by name of ``order``."""
    monkeypatch.setattr(tasks, "instance_of", lambda spec: instance)
    monkeypatch.setattr(tasks, "models_of", lambda *_: [])
    config = {"instance": "ties", "k": 2, "n": n, "sets": 3, "tests": 4, "epsilons": [], "seed": 0,
              "trained": [], "named": []}  # fmt: skip
    found = tasks.order(tasks.cell("order", config), Store(tmp_path))
    return {str(name): (found.correct.sel(predictor=name).values, found.defined.sel(predictor=name).values)
            for name in found.predictor.values}  # fmt: skip


def by_bayes(instance):
    return np.asarray(filter_mixture(instance.mixture, np.array([[0], [1]])).predictive)[:, -1]


@pytest.fixture(scope="module")
def tie() -> Instance:
    """Bayes ties tokens 0 and 1 at n = 0, and rounding puts token 1 above; the true concept prefers token 0.

    Shares p of token 0 are w.(.5, .2, .2), of token 1 w.(.2, .x, .y) with the same sum: priors are tried in turn.
    """
    for tenths in range(1, 10):
        for other in range(1, 10 - tenths):
            prior = np.array([tenths, other, 10 - tenths - other]) / 10
            gap = 0.2 * prior[0] / (prior[1] + prior[2])  # what the others give to token 1 more than to token 0
            rows = [[0.5, 0.3, 0.2], [0.3, 0.3 + gap, 0.4 - gap], [0.3, 0.3 + gap, 0.4 - gap]]
            if gap < 0.3:
                found = instance_with(rows, prior)
                law = by_bayes(found)
                if (law[:, 1] > law[:, 0]).all() and (law[:, 0] > law[:, 2]).all() and np.ptp(law[:, :2]) < 1e-15:
                    return found
    raise AssertionError("no prior whose sums come apart")


def test_the_order_task_answers_a_tie_by_its_first_token(tie, monkeypatch, tmp_path):
    """An argmax would name 1, which is wrong; x_test says nothing of the concept, so all 12 prompts are right."""
    correct, defined = counted(tie, monkeypatch, tmp_path)["exact"]
    assert defined.sum() == 12 and (correct == defined).all()


@pytest.fixture(scope="module")
def tied_truth() -> Instance:
    """Truth .4 and .4 with a last bit between them; the other concept leans to either token."""
    most = 0.1 + 0.3 + 2**-54
    return instance_with([[most, np.nextafter(most, 1), 0.2], [0.3, 0.5, 0.2]], [0.5, 0.5])


@pytest.mark.parametrize("swapped", [False, True])
def test_the_order_task_takes_every_tied_token_of_the_truth(tied_truth, swapped, monkeypatch, tmp_path):
    mixture = tied_truth.mixture
    rows = np.array(mixture.transition)[:, 0][:, [1, 0, 2] if swapped else [0, 1, 2]]
    found = counted(instance_with(rows, mixture.prior), monkeypatch, tmp_path, n=1)
    for name in ("exact", "prompt-aware"):
        correct, defined = found[name]
        assert defined.sum() == 12 and (correct == defined).all(), name


def test_accuracy_in_training_counts_ties_as_everything_else_does(tied_truth, monkeypatch, tmp_path):
    """The truth ties 0 and 1: a network that ties them, or names either, is right; one that names 2 is wrong."""
    laws = {"ties": [0.3, ABOVE, 0.2], "first": [0.5, 0.3, 0.2], "second": [0.3, 0.5, 0.2], "third": [0.3, ABOVE, 0.9]}
    seen: dict[str, float] = {}
    for name, law in laws.items():
        rows = []

        def fake_training(run, instance, folder, resume, evaluate, *, cadence, rows=rows):
            rows.append(evaluate(None) | {"tokens": 5})
            return SimpleNamespace(network=None, tokens=5)

        def fake_ask(model, tokens, k, ns, law=law):
            return SimpleNamespace(law_PxNxV=np.tile(law, (len(tokens), len(ns), 1)))

        for attribute, value in {
            "from_json": lambda *_: SimpleNamespace(instance="", schedule=None, seed=0),
            "instance_of": lambda _: tied_truth,
            "plan": lambda _: SimpleNamespace(steps=10),
            "hold_out": lambda *_: None,
            "excess": lambda *_: SimpleNamespace(nats=0.0, standard_error=0.0),
            "InTraining": lambda *_: None,
            "NetworkModel": lambda *_: SimpleNamespace(parameters=3),
            "ask": fake_ask,
            "train_network": fake_training,
            "read_records": lambda _, rows=rows: rows,
        }.items():
            monkeypatch.setattr(tasks, attribute, value)
        config = {"run": {}, "k": 2, "n": 1, "prompts": 8, "documents": 1, "length": 4, "points": 1}
        seen[name] = tasks.train(tasks.cell("train", config), Store(tmp_path)).accuracy.item()
    assert seen == {"ties": 1.0, "first": 1.0, "second": 1.0, "third": 0.0}


@pytest.mark.parametrize("row", [[0.3, ABOVE, 0.2, 0.2], [ABOVE, 0.3, 0.2, 0.2]])
def test_the_label_of_prompt_aware_is_the_first_of_the_tied(row):
    """The truth of x_test as the filter computes it: its tied tokens differ in a last bit, its label does not."""
    kernel = np.repeat(np.array(row)[None, None], 4, 1)
    kernel /= kernel.sum(-1, keepdims=True)
    mixture = MixtureOfHMMs([1.0], [[0.25] * 4], kernel, np.eye(4), 3)
    example = np.array([[[0, 1], [1, 0], [2, 1]]])
    out = prompt_aware(mixture, example, np.array([[0.4, 0.4, 0.2, 0.0]]), np.array([0]), np.array([0]))
    assert (out.truth_PxNxV.argmax(-1) == np.argmax(row)).all()
    assert out.label_PxN.tolist() == [[0, 0, 0]]
