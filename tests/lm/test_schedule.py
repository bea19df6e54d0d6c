"""Schedules worked out step by step, against a plain loop."""

import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from implicit_bayes.lm.schedule import Phase, Schedule, plan
from implicit_bayes.theory import ModelError

SCHEDULE = Schedule(
    tokens=10_000,
    phases=(Phase(0.0, 4, 10), Phase(0.5, 8, 10), Phase(0.8, 2, 50)),
    peak=0.3,
    warm_up=20,
    decay="cosine",
    floor=0.1,
)


def test_a_curriculum_worked_by_hand():
    """5000 tokens in batches of 40, 3000 in batches of 80, 2000 in batches of 100: 125, 37 and 20 steps."""
    chart = plan(SCHEDULE)
    assert chart.first_P.tolist() == [0, 125, 162]
    assert chart.steps == 182
    assert [chart.phase(step)[0] for step in (0, 124, 125, 161, 162, 181)] == [0, 0, 1, 1, 2, 2]
    assert chart.tokens_S1[[0, 1, 125, 126, 182]].tolist() == [0, 40, 5000, 5080, 5000 + 37 * 80 + 2000]


@pytest.mark.parametrize("hold", [0.0, 0.6])
@pytest.mark.parametrize("decay", ["cosine", "linear", "constant"])
def test_rates_rise_to_the_peak_and_fall_to_the_floor(decay, hold):
    chart = plan(SCHEDULE._replace(decay=decay, hold=hold))
    seen = 0
    for step in range(chart.steps):
        done = max(0.0, (seen / chart.tokens_S1[-1] - hold) / (1 - hold))
        left = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}[decay]
        expected = 0.3 * min(1.0, (step + 1) / 20) * (0.1 + 0.9 * left)
        assert chart.rate_S[step] == pytest.approx(expected, rel=1e-12)
        _, phase = chart.phase(step)
        seen += phase.batch * phase.length


@example(tokens=200, begins=[0.5625], shapes=[(3, 38), (4, 22), (1, 1), (1, 1)])
@given(
    tokens=st.integers(200, 5000),
    begins=st.lists(st.floats(0.01, 0.99), max_size=3, unique=True),
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 40)), min_size=4, max_size=4),
)
def test_no_more_tokens_than_asked_and_less_than_a_batch_a_phase_is_lost(tokens, begins, shapes):
    phases = [Phase(b, *s) for b, s in zip([0.0, *sorted(begins)], shapes, strict=False)]
    schedule = Schedule(tokens=tokens, phases=tuple(phases), peak=1.0)
    try:
        chart = plan(schedule)
    except ModelError as error:  # not one batch fits into any phase: with what the message asks for one does
        least = int(re.search(r"at least (\d+)$", str(error)).group(1))
        assert least > tokens and plan(schedule._replace(tokens=least)).steps >= 1
        with pytest.raises(ModelError, match="not one batch"):
            plan(schedule._replace(tokens=least - 1))
        return
    lost = tokens - chart.tokens_S1[-1]
    assert -1e-6 * tokens <= lost < sum(phase.batch * phase.length + 1 for phase in phases)
    of_step = [chart.phase(step)[1] for step in range(chart.steps)]
    assert np.diff(chart.tokens_S1).tolist() == [phase.batch * phase.length for phase in of_step]
    assert (chart.rate_S > 0).all() and (chart.rate_S <= 1).all()


@pytest.mark.parametrize(
    "phases", [(), (Phase(0.1, 1, 1),), (Phase(0.0, 1, 1), Phase(0.0, 1, 1)), (Phase(0.0, 1, 1), Phase(1.0, 1, 1)),
               (Phase(0.0, 1, 1), Phase(0.7, 1, 1), Phase(0.5, 1, 1))],
)  # fmt: skip
def test_phases_out_of_order_are_refused(phases):
    with pytest.raises(ModelError, match="begin at 0 and rise below 1"):
        plan(Schedule(tokens=100, phases=phases, peak=1.0))


def test_less_than_a_batch_is_refused_with_what_it_takes():
    with pytest.raises(ModelError, match="tokens: 19 is not one batch of any phase; give at least 20"):
        plan(Schedule(tokens=19, phases=(Phase(0.0, 2, 10),), peak=1.0))


@pytest.mark.parametrize("hold", [-0.1, 1.0])
def test_a_rate_that_never_falls_is_asked_for_by_its_name(hold):
    with pytest.raises(ModelError, match=r"hold: .* is no share of the tokens"):
        plan(SCHEDULE._replace(hold=hold))
