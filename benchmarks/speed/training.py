"""Speed of training steps, ours beside PyTorch in float32: agreement first, then interleaved turns, all in one run.

Each side runs in a process of its own, as it is fastest: ours data-parallel over forced host devices, one thread a core
(``benchmarks.training.setup.start_devices``), PyTorch eager with as many threads as cores. They take turns; neither
works
while the other is timed. Both train the same weights on the same batches by AdamW with clipping (``fused`` in PyTorch);
PyTorch's Transformer has the faster of two ways to compute the window. Times are of whole steps (batch in, loss out),
weighted over the preset's curriculum by its shares of tokens.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table

from implicit_bayes.benchmarks.common import children
from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.speed.training_worker import TrainingJob
from implicit_bayes.lm.presets import preset
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory import ModelError

AGREEMENT = 1e-3
"""Largest relative difference of a loss or a gradient, beyond which nothing is timed."""
TURN = 20_000
"""Tokens of a turn, about; at least one batch."""
SIDES: dict[str, dict[str, tuple[str, ...]]] = {
    "lstm": {"ours": ("adamw", "as preset"), "torch": ("nn.LSTM",)},
    "transformer": {"ours": ("adamw", "as preset"), "torch": ("blocks", "band")},
}


class TrainingTiming(NamedTuple):
    """One implementation of one architecture's training step.

    Attributes:
        task: always "train".
        implementation: whose step it is.
        architecture: lstm or transformer.
        cpu_seconds_per_token: process CPU time of all threads, median over turns.
        ratio_to_ours: of CPU seconds (> 1: ours needs less).
        tokens_per_second: by the wall clock.
        wall_ratio_to_ours: how many times more tokens/s ours does.
        agrees_to: largest relative difference from ours of a gradient's leaf (to the leaf's largest entry) and of
            the first losses.
        variant: which way it is computed.
    """

    task: str
    implementation: str
    architecture: str
    variant: str
    cpu_seconds_per_token: float
    ratio_to_ours: float
    tokens_per_second: float
    wall_ratio_to_ours: float
    agrees_to: float


class Worker:
    """One side's process."""

    def __init__(self, **settings: object):
        command = [sys.executable, "-m", "implicit_bayes.benchmarks.speed.training_worker", json.dumps(settings)]
        self.side = settings["side"]
        self.process = children.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, word: str, job: TrainingJob, place: Path | None = None) -> JsonObject:
        """Send one request to the worker, and wait for its answer.

        Args:
            word: what to do: make the step, or take a turn.
            job: which training.
            place: where the worker writes its gradient.

        Returns:
            The object that the worker answered.

        Raises:
            ModelError: the worker has ended.
        """
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([word, job, None if place is None else str(place)]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise ModelError(f"bench: the process of {self.side} ended at {'/'.join(map(str, job))}; see above")
        return json.loads(answer)

    def close(self, at_once: bool = False) -> None:
        """End the worker, by killing it where there is no time to ask."""
        assert self.process.stdin and self.process.stdout
        if at_once:
            self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def training(
    instance: str,
    preset_name: str,
    repeats: int,
    seed: int,
    advance: Callable[[int], None],
    architectures: tuple[str, ...] = ("lstm", "transformer"),
    turn: int = TURN,
    phases: int | None = None,
) -> list[TrainingTiming]:
    """Tokens a second of both architectures, ours and PyTorch's.

    Args:
        instance: whose documents are trained on.
        preset_name: small or tiny.
        repeats: turns of every implementation in every phase; the median counts.
        seed: of weights and documents.
        advance: called with 1 after every round of turns.
        architectures: which.
        turn: tokens of a turn.
        phases: of the curriculum, from its first on; all by default.

    Returns:
        Rows, ours first in each architecture.

    Raises:
        ModelError: a side that disagrees with ours (nothing is timed then), or PyTorch is missing.
    """
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        raise ModelError("bench: the task train needs PyTorch; pip install 'implicit-bayes[reference]'")
    threads = cores()
    common = {"instance": instance, "preset_name": preset_name, "seed": seed, "threads": threads, "turn": turn}
    workers = {side: Worker(side=side, **common) for side in ("ours", "torch")}
    try:
        jobs = [
            (side, TrainingJob(architecture, variant, phase))
            for architecture in architectures
            for side, variants in SIDES[architecture].items()
            for variant in variants
            for phase in range(len(preset(architecture, preset_name, 2).schedule.phases[:phases]))
        ]
        agreement = _agreement(workers, jobs)
        turns: dict[tuple[str, TrainingJob], list[JsonObject]] = {job: [] for job in jobs}
        for _ in range(repeats):
            for side, job in jobs:
                turns[side, job].append(workers[side].ask("time", job))
            advance(1)
    except BaseException:
        for worker in workers.values():
            worker.close(at_once=True)
        raise
    for worker in workers.values():
        worker.close()
    rows: list[TrainingTiming] = []
    for architecture in architectures:
        begins = [phase.begin for phase in preset(architecture, preset_name, 2).schedule.phases]
        shares = np.diff([*begins, 1.0])[:phases]
        rows += _rows(architecture, shares / shares.sum(), turns, agreement)
    return rows


def _agreement(workers: dict[str, Worker], jobs: list[tuple[str, TrainingJob]]) -> dict[tuple[str, TrainingJob], float]:
    """Make every job, and compare what can be compared with ours by AdamW."""
    losses, gradients = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for i, (side, job) in enumerate(jobs):
            place = Path(scratch) / f"{i}.npz"
            losses[side, job] = np.array(workers[side].ask("make", job, place)["losses"])
            with np.load(place, allow_pickle=False) as stored:
                gradients[side, job] = dict(stored)
    found = {}
    for side, job in jobs:
        if job.variant == "as preset":
            found[side, job] = 0.0  # another model or another optimiser: nothing to agree with
            continue
        base = ("ours", TrainingJob(job.architecture, "adamw", job.phase))
        theirs, mine = gradients[side, job], gradients[base]
        if theirs.keys() != mine.keys():
            raise ModelError(f"bench: {side} has gradients of other weights: {sorted(theirs.keys() ^ mine.keys())}")
        worst = [apart(theirs[name], mine[name]) for name in mine]
        worst.append(float(np.abs(losses[side, job] / losses[base] - 1).max()))
        found[side, job] = max(worst)
        if not found[side, job] < AGREEMENT:
            words = f"{side} ({job.variant}) differs from ours by {found[side, job]:.1e} (relative)"
            raise ModelError(f"bench: {job.architecture}: {words}; not timed")
    return found


def apart(theirs: np.ndarray, mine: np.ndarray) -> float:
    """Largest difference relative to the largest entry; 0 where both are 0 throughout, inf where only ours is.

    Args:
        theirs: a gradient's leaf.
        mine: the same leaf of ours.

    Returns:
        max |theirs - mine| / max |mine|.
    """
    difference, size = float(np.abs(theirs - mine).max()), float(np.abs(mine).max())
    return difference / size if size else (0.0 if difference == 0.0 else np.inf)


def _rows(
    architecture: str,
    shares: np.ndarray,
    turns: dict[tuple[str, TrainingJob], list[JsonObject]],
    agreement: dict[tuple[str, TrainingJob], float],
) -> list[TrainingTiming]:
    """Timings of one architecture; ``shares`` are the phases' of all tokens."""

    def spent(side: str, variant: str, clock: str) -> float:
        """Seconds a token over the curriculum."""
        each = [
            np.median([row[clock] / row["tokens"] for row in turns[side, TrainingJob(architecture, variant, phase)]])
            for phase in range(len(shares))
        ]
        return float(np.dot(shares, each))

    fastest = min(SIDES[architecture]["torch"], key=lambda variant: spent("torch", variant, "wall"))
    base = {clock: spent("ours", "adamw", clock) for clock in ("cpu", "wall")}
    rows = []
    for side, variants in SIDES[architecture].items():
        for variant in variants:
            cpu, wall = (spent(side, variant, clock) for clock in ("cpu", "wall"))
            name = side if variant in ("adamw", fastest) else f"{side} ({variant})"
            worst = max(agreement[side, TrainingJob(architecture, variant, phase)] for phase in range(len(shares)))
            rows.append(
                TrainingTiming(
                    task="train",
                    implementation=name,
                    architecture=architecture,
                    variant=variant,
                    cpu_seconds_per_token=cpu,
                    ratio_to_ours=cpu / base["cpu"],
                    tokens_per_second=1 / wall,
                    wall_ratio_to_ours=wall / base["wall"],
                    agrees_to=worst,
                )
            )
    return rows


def table(rows: list[TrainingTiming]) -> Table:
    """What a person reads.

    Returns:
        A table of rich's; tokens a second by the wall clock.
    """
    columns = (
        "architecture",
        "implementation",
        "variant",
        "tokens/s",
        "ours is faster by",
        "CPU µs/token",
        "CPU ratio",
    )
    shown = Table(*columns, "agrees to", title="Training steps", title_justify="left")
    for row in rows:
        speed, cpu = f"{row.tokens_per_second:,.0f}", f"{1e6 * row.cpu_seconds_per_token:.1f}"
        ratios = (f"{row.wall_ratio_to_ours:.2f}x", cpu, f"{row.ratio_to_ours:.2f}x")
        agrees = "–" if row.variant == "as preset" else f"{row.agrees_to:.0e}"
        shown.add_row(row.architecture, row.implementation, row.variant, speed, *ratios, agrees)
    return shown
