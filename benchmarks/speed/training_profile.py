"""Where a training step's time goes: by phase of the curriculum, by arrangement of the cores, memory kept or not.

    python -m implicit_bayes.benchmarks.speed.training_profile lstm --repeats 5

Arrangements: ``1 device`` (one thread), ``threads`` (one device whose products are split over the cores), and
``devices`` (one device a core, one thread each, the mean of their gradients at every step; what ``train`` does). Each
is a process of its own; they take turns, and medians over turns are told. User time is arithmetic and waiting in loops,
system time is the kernel's, most of it clearing pages (benchmarks.common.freed_memory).
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from implicit_bayes.benchmarks.common import children
from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.speed.training_worker import BATCHES, WARM_UP, TrainingJob, batches, configuration, ours
from implicit_bayes.lm.presets import preset

ARRANGEMENTS = ("1 device", "threads", "devices")
TURN = 8192
"""Tokens of a turn, about; at least one batch."""


class Spent(NamedTuple):
    """Microseconds a token of one turn.

    Attributes:
        user, system: CPU time of all threads.
        wall: by the clock.
        faults: pages that the kernel had to find, a step.
    """

    user: float
    system: float
    wall: float
    faults: float


def turn(step: Callable[[np.ndarray], float], tokens: list[np.ndarray], steps: int) -> Spent:
    """Time ``steps`` steps.

    Args:
        step: a training step, from tokens to its loss.
        tokens: batches, gone round.
        steps: how many.

    Returns:
        Microseconds a token, and page faults a step.
    """
    before, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for i in range(steps):
        step(tokens[i % len(tokens)])
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    per_token = 1e6 / (steps * tokens[0].size)
    return Spent(
        user=per_token * (after.ru_utime - before.ru_utime),
        system=per_token * (after.ru_stime - before.ru_stime),
        wall=per_token * wall,
        faults=(after.ru_minflt - before.ru_minflt) / steps,
    )


def serve(architecture: str, arrangement: str, kept: bool) -> None:
    """Answer a phase's number a line with one turn of it, until standard input ends.

    Args:
        architecture: lstm or transformer.
        arrangement: of the cores; see ``ARRANGEMENTS``.
        kept: whether freed memory is kept for the next step.
    """
    from implicit_bayes.benchmarks.common.freed_memory import keep_freed_memory

    if arrangement != "threads":
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if kept:
        keep_freed_memory()
    count = cores() if arrangement == "devices" else 1
    jax.config.update("jax_num_cpu_devices", count)
    import scipy.linalg  # noqa: F401  (its BLAS does SOAP's QR, on one thread as in lm.train)
    import threadpoolctl

    threadpoolctl.threadpool_limits(1, user_api="blas")
    made: dict[int, Any] = {}  # a step of any network, and its tokens
    for line in sys.stdin:
        phase = int(line)
        if phase not in made:
            config, shape = configuration("small", TrainingJob(architecture, "as preset", phase), 0, 50)
            tokens = batches("ginc", shape, 0)
            step, _ = ours(config, tokens[0], max(d for d in range(1, count + 1) if shape.batch % d == 0))
            for i in range(WARM_UP):
                step(tokens[i % BATCHES])
            made[phase] = step, tokens
        step, tokens = made[phase]
        print(json.dumps(turn(step, tokens, max(1, TURN // tokens[0].size))), flush=True)


def profile(architecture: str, repeats: int) -> dict[tuple[int, str, bool], Spent]:
    """Medians over turns, by phase, arrangement and whether freed memory is kept.

    Args:
        architecture: lstm or transformer.
        repeats: turns that count.

    Returns:
        Microseconds a token, and page faults a step.
    """
    ways = [(arrangement, kept) for arrangement in ARRANGEMENTS for kept in (False, True)]
    phases = range(len(preset(architecture, "small", 50).schedule.phases))
    program = [sys.executable, "-m", "implicit_bayes.benchmarks.speed.training_profile", architecture, "--serve"]
    workers = {
        way: children.start([*program, json.dumps(way)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for way in ways
    }
    turns: dict[tuple[int, str, bool], list[Spent]] = {}
    try:
        for again in range(repeats + 1):
            for phase in phases:
                for way, worker in workers.items():
                    assert worker.stdin and worker.stdout
                    worker.stdin.write(f"{phase}\n")
                    worker.stdin.flush()
                    spent = Spent(*json.loads(worker.stdout.readline()))
                    if again:  # the first turn makes the step
                        turns.setdefault((phase, *way), []).append(spent)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    return {key: Spent(*np.median(np.array(rows), axis=0)) for key, rows in turns.items()}


def main(
    architecture: Annotated[Positional[Literal["lstm", "transformer"]], tyro.conf.arg(metavar="lstm|transformer")],
    repeats: int = 5,
    serve_as: Annotated[str | None, tyro.conf.arg(name="serve")] = None,
) -> None:
    """Profile the training step of a small network on this machine.

    Args:
        architecture: which.
        repeats: turns of every arrangement in every phase.
        serve_as: used by the program itself, for its child processes.
    """
    if serve_as is not None:
        children.watch_parent()
        serve(architecture, *json.loads(serve_as))
        return
    table = Table("phase", "arrangement", "freed memory", "user µs/token", "system", "by the clock", "page faults/step")
    phases = preset(architecture, "small", 50).schedule.phases
    for (phase, arrangement, kept), spent in profile(architecture, repeats).items():
        shape = f"{phases[phase].batch} × {phases[phase].length}"
        times = [f"{value:.1f}" for value in (spent.user, spent.system, spent.wall)]
        table.add_row(shape, arrangement, "kept" if kept else "given back", *times, f"{spent.faults:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    with jax.enable_x64(False):
        tyro.cli(main)
