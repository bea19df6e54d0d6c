"""One training at the paper's size: compiled once, many steps a dispatch, measured on the way, stopped in time.

The host does nothing between two dispatches but look at the clock. A training that stopped, or was killed, and goes on
ends with bitwise the records of one that did not: the state is in a file, batch, rate and keys are functions of the
step, and records of later steps are dropped and made again.
"""

import functools
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.benchmarks.paper_scale.measure import Measuring
from implicit_bayes.benchmarks.paper_scale.settings import VOCABULARY, Job, Settings, drawn, recipe
from implicit_bayes.benchmarks.paper_scale.state import Budget, add_record, keep_records, load_state, save_state
from implicit_bayes.benchmarks.paper_scale.yardsticks import released_instance
from implicit_bayes.lm.data import fresh_batches, released_batches
from implicit_bayes.lm.flops import operations_per_token, peak
from implicit_bayes.lm.many_steps import every_batch, make_steps
from implicit_bayes.lm.schedule import Schedule, plan
from implicit_bayes.lm.step import State, start
from implicit_bayes.simulators.json_types import JsonObject

Report = Callable[[str], None]
SLACK = 1.5
"""Times what a dispatch, its measurement and a saving took last must be left before another dispatch."""


class Diverged(Exception):
    """The loss is no longer finite; one line."""


class Ended(NamedTuple):
    """How far a training came.

    Attributes:
        finished: whether to its end; otherwise time was up.
        summary: for run.json.
    """

    finished: bool
    summary: JsonObject


class Training:
    """A training, with its files: OUT/NAME/metrics.jsonl and STATES/NAME.npz.

    Args:
        job, settings: what to train.
        measuring: what the network is measured with.
        out, states: folders.
        took: seconds of the last dispatch, measurement, compilation and saving, of earlier trainings too.
        report: called with lines for the terminal.
    """

    def __init__(
        self, job: Job, settings: Settings, measuring: Measuring, out: Path, states: Path, took: dict[str, float],
        report: Report,
    ):  # fmt: skip
        self.job, self.settings, self.measuring, self.took, self.report = job, settings, measuring, took, report
        self.preset = recipe(job, settings)
        self.plan = plan(self.preset.schedule)
        self.metrics, self.stored = out / job.name / "metrics.jsonl", states / f"{job.name}.npz"
        self.points = point_steps(self.plan.steps, settings)
        self.about = json.dumps([job, self.preset, settings])
        phase = self.plan.phases[0]
        self.per_step = phase.batch * phase.length
        self.operations = operations_per_token(self.preset.network, phase.length)
        self.peak = peak(jax.devices()[0], settings.half)
        self.compiling = 0.0

    def run(self, budget: Budget) -> Ended:
        """Train until the end, or until the budget's.

        Returns:
            Ended: whether it came to its end, and its summary. Where time was up the state is stored, to go on from.

        Raises:
            Diverged: the loss is no longer finite.
            ModelError: a stored state that cannot be gone on with.
        """
        self.metrics.parent.mkdir(parents=True, exist_ok=True)
        last = keep_records(self.metrics, self.plan.steps)
        if last and last[-1]["step"] == self.plan.steps:
            return self._ended(self.plan.steps)
        with jax.enable_x64(False):  # networks live in float32 whatever the caller computes in
            return self._run(budget)

    def _run(self, budget: Budget) -> Ended:
        state, losses, done = self._begin()
        records = keep_records(self.metrics, done)
        tokens, rates = self._on_the_device()
        trained = float(records[-1]["train_seconds"]) if records else 0.0
        first = since = done
        spent, compiled = 0.0, dict[int, jax.stages.Compiled]()
        while done < self.plan.steps:
            every = self.settings.every
            count = min(self.settings.dispatch, self.plan.steps - done, every - done % every)
            if not budget.allows(self._needs(done + count, count in compiled)):
                if done > first:
                    self._save(state, losses)
                return self._ended(done)
            if count not in compiled:
                compiled[count] = self._compile(count, state, tokens, rates)
            begun = time.perf_counter()
            state, loss_K = compiled[count](state, tokens, rates)
            losses += np.asarray(loss_K).tolist()
            self.took["dispatch"] = took = time.perf_counter() - begun
            spent, trained, done = spent + took, trained + took, done + count
            if self._measures(done):
                speed = (done - since) * self.per_step / max(spent, 1e-9)
                self._record(state, done, losses, {"tokens_per_second": speed, "train_seconds": trained})
                losses, spent, since = [], 0.0, done
                if done in self.points:
                    self._save(state, losses)
        return self._ended(done)

    def _measures(self, done: int) -> bool:
        return done % self.settings.every == 0 or done == self.plan.steps

    def _needs(self, done: int, compiled: bool) -> float:
        """Seconds that must be left to come to step ``done`` and store it, by what such things took last."""
        needed = ["dispatch", "save"] + ([] if compiled else ["compile"])
        if self._measures(done):
            needed.append("point" if done in self.points else "loss")
        return SLACK * sum(self.took.get(what, 0.0) for what in needed)

    def _begin(self) -> tuple[State, list[float], int]:
        """The state to go on from, on the device, the losses since its last record, and its step."""
        begin = jax.jit(lambda key: start(drawn(self.preset.network, key), self.preset.optimiser))
        state: State = begin(jax.random.key(self.settings.seed))  # one program, and no array shared with another
        if not self.stored.is_file():
            return state, [], 0
        held, losses = load_state(self.stored, state, self.about)
        state = jax.tree.map(jnp.array, held)  # copies: what NumPy holds cannot be given away
        self.report(f"{self.job.name}: goes on after step {int(state.step):,} of {self.plan.steps:,}")
        return state, losses, int(state.step)

    def _on_the_device(self) -> tuple[jax.Array, jax.Array]:
        """Every batch and every learning rate."""
        tokens = _tokens(self.job.stream, self.preset.schedule, self.settings.seed)
        return jnp.asarray(tokens), jnp.asarray(self.plan.rate_S, jnp.float32)

    def _compile(self, count: int, state: State, tokens: jax.Array, rates: jax.Array) -> jax.stages.Compiled:
        begun = time.perf_counter()
        steps = make_steps(self.preset.optimiser, self.settings.seed, self.settings.half, count)
        program = steps.lower(state, tokens, rates).compile()
        self.took["compile"] = time.perf_counter() - begun
        self.compiling += self.took["compile"]
        self.report(f"{self.job.name}: {count} steps compiled in {self.took['compile']:.0f} s")
        return program

    def _record(self, state: State, done: int, losses: list[float], times: Mapping[str, float]) -> None:
        """Measure, and write a line."""
        mean = float(np.mean(losses))
        if not math.isfinite(mean):
            raise Diverged(f"{self.job.name}: the loss became {mean} before step {done:,}")
        begun = time.perf_counter()
        record: JsonObject = {"step": done, "tokens": done * self.per_step, "loss": mean}
        record["learning_rate"] = float(self.plan.rate_S[done - 1])
        record |= self.measuring.loss(state.trained)
        if done in self.points:
            record |= self.measuring.point(state.trained)
        share = None if self.peak is None else times["tokens_per_second"] * self.operations / self.peak
        record |= dict(times) | {"matrix_share": share, "cpu_seconds": time.process_time()}
        self.took["point" if done in self.points else "loss"] = took = time.perf_counter() - begun
        add_record(self.metrics, record | {"measure_seconds": took})
        of_peak = "" if share is None else f", {100 * share:.0f}% of the peak"
        self.report(
            f"{self.job.name}: step {done:,} of {self.plan.steps:,}, excess {record['excess']:.4f} nats, "
            f"{times['tokens_per_second']:,.0f} tokens/s{of_peak}"
        )

    def _save(self, state: State, losses: list[float]) -> None:
        begun = time.perf_counter()
        save_state(self.stored, state, losses, self.about)
        self.took["save"] = time.perf_counter() - begun

    def _ended(self, done: int) -> Ended:
        shapes = jax.eval_shape(lambda: drawn(self.preset.network, jax.random.key(0)))
        return Ended(done == self.plan.steps, {
            "size": self.job.size, "stream": self.job.stream, "label": self.job.label,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(shapes)),
            "steps": done, "planned_steps": self.plan.steps,
            "tokens": done * self.per_step, "planned_tokens": self.plan.steps * self.per_step,
            "operations_per_token": self.operations, "peak": self.peak, "compile_seconds": self.compiling,
        })  # fmt: skip


def point_steps(steps: int, settings: Settings) -> set[int]:
    """Steps at which curves are measured: evenly in the logarithm from a sixteenth of the training to its end, moved to
    the next measurement of the excess.

    Args:
        steps: of the whole training.
        settings: with the number of points and the steps between two measurements.

    Returns:
        Numbers of steps, the last one among them.
    """
    shares = np.geomspace(1 / 16, 1, settings.points) if settings.points > 1 else np.ones(1)
    return {min(steps, math.ceil(share * steps / settings.every) * settings.every) for share in shares}


@functools.lru_cache(maxsize=1)
def _tokens(stream: str, schedule: Schedule, seed: int) -> np.ndarray:
    """All batches of a training; the Transformers' are the same."""
    chart = plan(schedule)
    if stream == "released":
        return every_batch(released_batches(VOCABULARY, chart, seed), chart, VOCABULARY)
    return every_batch(fresh_batches(released_instance().mixture, chart, seed), chart, VOCABULARY)
