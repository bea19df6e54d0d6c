"""Progress where there is no terminal: plain lines at intervals, nothing where the work is short, never an error."""

import sys
import time

from implicit_bayes.benchmarks.common import console
from implicit_bayes.benchmarks.training import progress


def test_a_plain_line_says_what_is_done_and_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(console, "EVERY", 0.05)
    with console.progress_bars() as start:
        first = start("conditions", 4)
        first(4)
        second = start("in-context curves", 100)
        second(30)
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 7
    assert {line.split("  ", 1)[1] for line in lines} == {"in-context curves: 30 of 100"}


def test_short_work_is_quiet_and_stages_without_a_total_count(capsys):
    with console.progress_bars() as start:
        start("repeats", 0)(3)
    assert capsys.readouterr().err == ""
    plain = console.PlainProgress()
    plain.start("repeats", 0)(3)
    plain.start("done", 1)(1)
    assert plain.words() == "repeats: 3"
    assert console.EVERY == 10.0


def test_a_closed_standard_error_stops_no_work(monkeypatch):
    class Closed:
        def write(self, _: str) -> int:
            raise ValueError("I/O operation on closed file")

        def flush(self) -> None: ...

    with console.PlainProgress(0.02) as plain:
        monkeypatch.setattr(sys, "stderr", Closed())
        time.sleep(0.1)
        assert plain.thread.is_alive()


def test_a_training_says_where_it_is(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.05)
    with progress.training_bar(2000) as show:
        show({"tokens": 500, "tokens_per_second": 1234.0, "loss": 1.5, "seconds_left": 61.0, "excess": 0.25})
        time.sleep(0.2)
    expected = "500 of 2,000 tokens  1,234 tokens/s  loss 1.5000  excess 0.2500  1:01 left"
    assert {line.split("  ", 1)[1] for line in capsys.readouterr().err.splitlines()} == {expected}
