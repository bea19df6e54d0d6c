"""Batches are functions of (seed, step): of the right law, never repeated, and for the release every window once."""

from typing import NamedTuple

import numpy as np
import pytest

import implicit_bayes.lm.data as module
from implicit_bayes.lm.data import fresh_batches, released_batches
from implicit_bayes.lm.schedule import Phase, Schedule, plan
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError, log_evidence

CHART = plan(Schedule(tokens=4000, phases=(Phase(0.0, 4, 10), Phase(0.5, 2, 25)), peak=1.0))
MIXTURE = load_instance("printed-counterexample").mixture


def test_a_batch_depends_on_seed_and_step_only():
    """Whatever was asked before: resuming asks for step s first."""
    forward, backward = (fresh_batches(MIXTURE, CHART, 3) for _ in range(2))
    steps = [0, 1, 49, 50, 51, CHART.steps - 1]
    there = {step: forward(step) for step in steps}
    back = {step: backward(step) for step in reversed(steps)}
    for step in steps:
        np.testing.assert_array_equal(there[step], back[step])
    assert there[49].shape == (4, 10) and there[50].shape == (2, 25)
    assert not np.array_equal(there[0], fresh_batches(MIXTURE, CHART, 4)(0))


def test_no_document_comes_twice(monkeypatch):
    """Over phases and shelves (made small here). 4^10 tokens and more: two of 240 equal ones by chance are possible
    for a law this narrow, so documents of length 25 and 40 only."""
    monkeypatch.setattr(module, "SHELF", 100)
    chart = plan(Schedule(tokens=8000, phases=(Phase(0.0, 2, 40), Phase(0.5, 2, 40)), peak=1.0))
    batches = fresh_batches(MIXTURE, chart, 0)
    rows = {tuple(row) for step in range(chart.steps) for row in batches(step)}
    assert len(rows) == 2 * chart.steps


def test_shelves_hold_their_batches_in_order(monkeypatch):
    """Another size of shelf is another stream, but each shelf is a drawing of its own: its key is its number."""
    monkeypatch.setattr(module, "SHELF", 80)
    batches = fresh_batches(MIXTURE, CHART, 0)
    pair = [batches(step) for step in (2, 3)]
    batches = fresh_batches(MIXTURE, CHART, 0)
    np.testing.assert_array_equal(batches(3), pair[1])
    assert not np.array_equal(*pair)


def test_fresh_documents_have_the_pretraining_law():
    """The mean log-evidence of 2000 drawn documents against its exact mean over all 4^3, within 5 standard errors
    (false alarm 6e-7)."""
    chart = plan(Schedule(tokens=6000, phases=(Phase(0.0, 20, 3),), peak=1.0))
    batches = fresh_batches(MIXTURE, chart, 7)
    drawn = np.concatenate([batches(step) for step in range(100)])
    every = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    log_p = np.asarray(_log_mixture(every))
    expected = float(np.sum(np.exp(log_p) * np.where(np.isfinite(log_p), log_p, 0.0)))
    found = log_p[drawn @ [16, 4, 1]]
    assert np.exp(log_p).sum() == pytest.approx(1.0)
    assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(len(found))


def _log_mixture(tokens):
    """log sum_theta p(theta) p(o | theta), concept by concept."""
    with np.errstate(divide="ignore"):
        parts = [np.log(MIXTURE.prior[c]) + np.asarray(log_evidence(MIXTURE.restrict(c), tokens)).reshape(-1)
                 for c in range(MIXTURE.n_concepts)]  # fmt: skip
    return np.logaddexp.reduce(parts, axis=0)


class _Documents(NamedTuple):
    tokens: np.ndarray


@pytest.fixture
def release(monkeypatch):
    """6 documents of 23 tokens, every token another number."""
    tokens = np.arange(6 * 23).reshape(6, 23).astype(np.int32)
    monkeypatch.setattr(module, "released_documents", lambda vocabulary, split: _Documents(tokens))
    return tokens


def test_the_release_comes_window_by_window_each_once_an_epoch(release):
    """12 windows of 10 tokens an epoch (the last 3 tokens of a document fit in none), 4 a batch."""
    batches = released_batches(50, plan(Schedule(tokens=40 * 9, phases=(Phase(0.0, 4, 10),), peak=1.0)), 1)
    windows = {tuple(release[d, p : p + 10]) for d in range(6) for p in (0, 10)}
    epochs = [[tuple(row) for step in range(3 * e, 3 * e + 3) for row in batches(step)] for e in range(3)]
    assert all(len(epoch) == 12 and set(epoch) == windows for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_epochs_that_end_within_a_batch_go_on_in_the_next(release):
    chart = plan(Schedule(tokens=50 * 24, phases=(Phase(0.0, 5, 10),), peak=1.0))
    there, back = released_batches(50, chart, 1), released_batches(50, chart, 1)
    rows = [tuple(row) for step in range(24) for row in there(step)]
    assert all(len(set(rows[12 * e : 12 * e + 12])) == 12 for e in range(10))
    assert [tuple(row) for row in back(23)] == rows[-5:]
    assert [tuple(row) for row in back(2)] == rows[10:15]


def test_windows_longer_than_a_document_are_refused(release):
    with pytest.raises(ModelError, match="windows of 24 where a released document has 23"):
        released_batches(50, plan(Schedule(tokens=240, phases=(Phase(0.0, 1, 24),), peak=1.0)), 0)
