"""The profile of a training step: what a turn counts, and that every arrangement answers."""

import time

import numpy as np
import pytest

from implicit_bayes.benchmarks.speed import training_profile
from implicit_bayes.benchmarks.speed.training_profile import profile, turn


def test_a_turn_counts_each_tokens_share_of_its_steps():
    """Twenty steps of 10 ms of sleep and as much of work, on batches of 100 tokens in turn."""
    seen = []

    def step(tokens):
        seen.append(int(tokens[0, 0]))
        time.sleep(0.01)
        end = time.process_time() + 0.01
        while time.process_time() < end:
            pass
        return 0.0

    spent = turn(step, [np.full((10, 10), i) for i in range(3)], 20)
    assert seen == [i % 3 for i in range(20)]
    assert 95 <= spent.user + spent.system <= 150  # 10 ms a step of 100 tokens, and the clock of rusage
    assert spent.wall >= 195
    assert spent.faults >= 0


@pytest.mark.slow
def test_every_arrangement_answers_in_every_phase(monkeypatch):
    monkeypatch.setattr(training_profile, "ARRANGEMENTS", ("1 device", "threads"))
    found = profile("lstm", 1)
    assert len(found) == 3 * 2 * 2
    assert all(spent.user > 0 and spent.wall > 0 for spent in found.values())
