"""The training loop: resumable and interruptible.

What is measured as it goes is handed in (``evaluate``). What is Bayes-optimal is asked in one place only,
``lm.targets``, where a run is to be taught it.

RUN holds ``config.json``, ``metrics.jsonl`` (one object a line), ``checkpoints/``, ``lock`` and, at the end,
``weights.npz``. A run that is killed at any moment and resumed ends with bitwise the weights of one that was not:
the state is in the checkpoint, the batch and the keys are functions of the step, and metrics after the checkpoint are
dropped and written again.
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import threadpoolctl

from implicit_bayes.lm.checkpoints import load_latest, save, steps_of
from implicit_bayes.lm.data import fresh_batches, released_batches
from implicit_bayes.lm.faults import CheckpointError, TrainingStopped
from implicit_bayes.lm.lock import locked
from implicit_bayes.lm.lstm import LSTM
from implicit_bayes.lm.metrics import read_metrics
from implicit_bayes.lm.run import RunConfig, draw_network, read_config, write_config
from implicit_bayes.lm.schedule import Plan, plan
from implicit_bayes.lm.step import State, make_mesh, make_step, replicate, shard, start
from implicit_bayes.lm.targets import Lessons, taught, tokens_alone
from implicit_bayes.lm.transformer import Transformer
from implicit_bayes.lm.weights import write_weights
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.json_types import JsonMapping, JsonObject
from implicit_bayes.theory.objects.checks import ModelError

Network = LSTM | Transformer
Evaluate = Callable[[Network], JsonMapping]
"""Network -> JSON-ready measurements, put into the record of its step."""
Report = Callable[[JsonMapping], None]


class Cadence(NamedTuple):
    """How often a training writes something down.

    Attributes:
        record: steps between two records of the loss.
        evaluate: steps between two evaluations.
        checkpoint: steps between two checkpoints.
    """

    record: int
    evaluate: int
    checkpoint: int

    @staticmethod
    def of(steps: int) -> "Cadence":
        """About 200 records, 20 evaluations and 20 checkpoints a run.

        Returns:
            Steps between two records, two evaluations and two checkpoints, at least 1 each.
        """
        coarse = max(1, round(steps / 20))
        return Cadence(max(1, round(steps / 200)), coarse, coarse)


class Trained(NamedTuple):
    """A finished training: its network and what it took.

    Attributes:
        network: at the end.
        steps, tokens: done in all.
        cpu_seconds: of every process that worked on the run.
        notes: what the user should know, a line each.
    """

    network: Network
    steps: int
    tokens: int
    cpu_seconds: float
    notes: list[str]


def train(
    config: RunConfig,
    instance: Instance,
    folder: Path,
    resume: bool = False,
    evaluate: Evaluate | None = None,
    report: Report = lambda record: None,
    cadence: Cadence | None = None,
) -> Trained:
    """Train a network, or go on training it.

    Args:
        config: what to train; where RUN exists already, it must be the same.
        instance: whose documents are learnt (``config.instance``, ``config.resets`` included).
        folder: RUN.
        resume: go on from RUN's newest good checkpoint; from the start if RUN has none yet.
        evaluate: measurements of the network as it stands.
        report: called with every record.
        cadence: how often; by default a share of the run.

    Returns:
        Trained: the network at the end (its average, where one is kept), steps, tokens and CPU seconds of all attempts.

    Raises:
        ModelError: RUN holds another configuration, is trained by another process, or is not empty without ``resume``.
        TrainingStopped: the loss or the weights are no longer finite, or a checkpoint cannot be written.
    """
    chart = plan(config.schedule)
    smallest = min(phase.batch for phase in chart.phases)
    if config.devices < 1 or any(phase.batch % config.devices for phase in chart.phases):
        raise ModelError(f"devices: {config.devices} do not divide every batch (the smallest has {smallest} rows)")
    if config.devices > jax.device_count():
        raise ModelError(f"devices: {config.devices} asked for, {jax.device_count()} found; ask for fewer")
    _check_data(config, instance)
    if jax.process_index():
        return _Loop(config, instance, folder, chart, cadence or Cadence.of(chart.steps), None, report).run(resume)
    _check_place(folder, resume)
    with locked(folder):
        _prepare(config, folder, resume)
        return _Loop(config, instance, folder, chart, cadence or Cadence.of(chart.steps), evaluate, report).run(resume)


def _check_place(folder: Path, resume: bool) -> None:
    """Make RUN, or make sure that it may be used. What a kill left of a run without a configuration is no obstacle."""
    if (folder / "config.json").exists():
        if not resume:
            raise ModelError(f"out: {folder} holds a run already; give --resume, or name another directory")
    elif folder.is_dir() and any(path.name != "lock" and path not in _torn(folder) for path in folder.iterdir()):
        raise ModelError(f"out: {folder} is not empty and holds no run; name another directory")
    folder.mkdir(parents=True, exist_ok=True)


def _torn(folder: Path) -> list[Path]:
    """What a kill left of files that were being written aside."""
    names = ("config.json", "metrics.jsonl", "weights.npz")
    return [path for name in names for path in folder.glob(f".{name}.*.part")]


def _prepare(config: RunConfig, folder: Path, resume: bool) -> None:
    """Write RUN's configuration, or make sure that it is this one; the lock is held."""
    _check_place(folder, resume)
    if (folder / "config.json").exists():
        stored = read_config(folder)
        for field in RunConfig._fields:
            before, now = getattr(stored, field), getattr(config, field)
            if before != now:
                raise ModelError(f"{field}: {folder} was begun with {before}, not {now}")
    for path in _torn(folder):
        path.unlink()
    if not (folder / "config.json").exists():
        write_config(folder, config)


class _Loop:
    """One process's share of a training."""

    def __init__(
        self,
        config: RunConfig,
        instance: Instance,
        folder: Path,
        chart: Plan,
        cadence: Cadence,
        evaluate: Evaluate | None,
        report: Report,
    ):
        self.config, self.folder, self.chart, self.cadence = config, folder, chart, cadence
        self.evaluate, self.report, self.first = evaluate, report, jax.process_index() == 0
        self.mesh = make_mesh(config.devices)
        self.lesson = _lessons(config, instance, chart)
        self.step = make_step(config.optimiser, self.mesh, config.seed, config.half)
        self.notes: list[str] = []
        self.spent = 0.0

    def run(self, resume: bool) -> Trained:
        with _one_blas_thread():
            return self._run(resume)

    def _run(self, resume: bool) -> Trained:
        state, done = self._begin(resume)
        losses: list[jax.Array] = []
        self.begun = (time.process_time(), time.perf_counter(), int(self.chart.tokens_S1[done]))
        for now in range(done, self.chart.steps):
            tokens, laws = self.lesson(now)
            given = () if laws is None else (shard(laws, self.mesh),)
            state, loss = self.step(state, shard(tokens, self.mesh), np.float32(self.chart.rate_S[now]), *given)
            losses.append(loss.block_until_ready())  # two steps in flight can wait for one another for ever on CPUs
            done = now + 1
            last = done == self.chart.steps
            if last or done % self.cadence.record == 0 or done % self.cadence.checkpoint == 0:
                self._record(state, done, losses)
                losses = []
            if last or done % self.cadence.checkpoint == 0:
                self._save(state, done)
        network = jax.tree.map(np.asarray, state.trained)
        if self.first:
            write_weights(self.folder / "weights.npz", self.config, network)
        return Trained(network, done, int(self.chart.tokens_S1[done]), self._cpu(), self.notes)

    def _begin(self, resume: bool) -> tuple[State, int]:
        """The state to start from, on the mesh, and the steps behind it."""
        state, done = start(draw_network(self.config), self.config.optimiser), 0
        if resume and steps_of(self.folder / "checkpoints"):
            done, state, passed = load_latest(self.folder / "checkpoints", state)
            self.notes += [f"passed over a bad checkpoint: {line}" for line in passed]
            self.notes.append(f"resumed after step {done} of {self.chart.steps}")
        if self.first:
            self.spent = _keep_records(self.folder / "metrics.jsonl", done)
        return replicate(state, self.mesh), done

    def _cpu(self) -> float:
        return self.spent + time.process_time() - self.begun[0]

    def _record(self, state: State, done: int, losses: list[jax.Array]) -> None:
        """Write and report a record; stop where the loss is not finite."""
        mean = float(np.mean([float(loss) for loss in losses]))
        if not math.isfinite(mean):
            self._stop(done, f"the loss became {mean}")
        if not self.first:
            return
        wall = max(time.perf_counter() - self.begun[1], 1e-9)
        tokens = int(self.chart.tokens_S1[done])
        record: JsonObject = {"step": done, "tokens": tokens, "loss": mean}
        record["learning_rate"] = float(self.chart.rate_S[done - 1])
        record["tokens_per_second"] = (tokens - self.begun[2]) / wall
        record["seconds_left"] = wall * (int(self.chart.tokens_S1[-1]) - tokens) / max(1, tokens - self.begun[2])
        if self.evaluate and (done % self.cadence.evaluate == 0 or done == self.chart.steps):
            record |= self.evaluate(jax.tree.map(np.asarray, state.trained))
        record["cpu_seconds"] = self._cpu()
        try:
            with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            self._stop(done, f"metrics.jsonl cannot be written ({error.strerror or error})")
        self.report(record)

    def _save(self, state: State, done: int) -> None:
        weights = jax.tree.leaves(state.network)
        if not all(np.isfinite(np.asarray(leaf)).all() for leaf in weights):
            self._stop(done, "a weight is no longer finite")
        try:
            save(self.folder / "checkpoints", done, state)
        except CheckpointError as error:
            self._stop(done, str(error))

    def _stop(self, done: int, why: str) -> None:
        kept = steps_of(self.folder / "checkpoints")
        state = f"the state after step {kept[-1]} is kept in {self.folder}" if kept else "no state was kept yet"
        raise TrainingStopped(f"stopped at step {done}: {why}; {state}")


def _one_blas_thread() -> threadpoolctl.threadpool_limits:
    """SOAP's orthonormal bases come from LAPACK, which JAX takes from SciPy. On matrices this small its threads wait
    for one another far longer than they work when another process wants the cores."""
    import scipy.linalg  # noqa: F401 - loads the library that is to be limited

    return threadpoolctl.threadpool_limits(1, user_api="blas")


def _check_data(config: RunConfig, instance: Instance) -> None:
    if config.data == "released" and (instance.released_vocabulary is None or config.resets):
        raise ModelError("data: released is for ginc, ginc-100 and ginc-150 without resets; use --data fresh")
    if config.data == "released" and config.target == "law":
        raise ModelError("data: a window of a released document has no exact law of its own; use --data fresh")


def _lessons(config: RunConfig, instance: Instance, chart: Plan) -> Lessons:
    if config.data == "fresh":
        batches = fresh_batches(instance.mixture, chart, config.seed)
        return taught(batches, instance.mixture, chart) if config.target == "law" else tokens_alone(batches)
    assert instance.released_vocabulary is not None  # by _check_data
    return tokens_alone(released_batches(instance.released_vocabulary, chart, config.seed))


def _keep_records(path: Path, done: int) -> float:
    """Drop the records of steps after ``done`` (and a half-written last line); the CPU seconds of the last one kept.

    Raises:
        ModelError: a line that is no record; the file is left as it was.
    """
    if not path.is_file():
        return 0.0
    lines, records = read_metrics(path)
    kept = [(line, record) for line, record in zip(lines, records, strict=True) if record["step"] <= done]
    with written_aside(path) as file:
        file.writelines(line + "\n" for line, _ in kept)
    return kept[-1][1]["cpu_seconds"] if kept else 0.0
