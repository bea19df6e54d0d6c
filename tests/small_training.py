"""Trainings of a second or two: the smallest configurations, and a server that forks one training after another.

Importing JAX and Orbax takes seconds. The server (``python small_training.py``) imports them once and forks a child for
every job before any JAX backend runs, so that a test can kill real processes by the dozen.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

INSTANCE = "printed-counterexample"
"""Two concepts, four states, four tokens."""
OFTEN = (2, 4, 4)
"""Steps between records, evaluations and checkpoints."""
TIMES = {"tokens_per_second", "seconds_left", "cpu_seconds"}
"""What of a record may differ between two runs of the same training."""


def small_config(architecture: str = "lstm", steps: int = 24, average: float | None = None, **changes: Any) -> Any:
    """A run of ``steps`` batches, 8 by 12 tokens and then 4 by 24; ``average`` is the optimiser's."""
    from implicit_bayes.lm.lstm import LSTMConfig
    from implicit_bayes.lm.optimiser_config import OptimiserConfig
    from implicit_bayes.lm.run import RunConfig
    from implicit_bayes.lm.schedule import Phase, Schedule
    from implicit_bayes.lm.transformer import TransformerConfig

    networks = {
        "lstm": LSTMConfig(vocabulary=4, width=8),
        "transformer": TransformerConfig(vocabulary=4, width=8, layers=1, heads=2, window=4),
    }
    schedule = Schedule(tokens=steps * 96, phases=(Phase(0.0, 8, 12), Phase(0.5, 4, 24)), peak=2e-2, warm_up=4)
    method = OptimiserConfig(method="soap", b1=0.95, b2=0.95) if architecture == "transformer" else OptimiserConfig()
    method = method._replace(average=average)
    return RunConfig(INSTANCE, architecture, "small", networks[architecture], method, schedule)._replace(**changes)


def small_instance() -> Any:
    from implicit_bayes.simulators.instances import load_instance

    return load_instance(INSTANCE)


def mass(network: Any) -> dict[str, float]:
    """A measurement that no two different networks share: the sum of all weights, exactly."""
    import math

    import jax
    import numpy as np

    return {"mass": math.fsum(float(x) for leaf in jax.tree.leaves(network) for x in np.asarray(leaf).reshape(-1))}


def records(folder: Path) -> list[dict[str, Any]]:
    """RUN/metrics.jsonl without the times."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


class Server:
    """Forks trainings; see the module. Use as a context."""

    def __init__(self, scratch: Path):
        self.scratch = scratch

    def __enter__(self) -> "Server":
        cache = {"JAX_COMPILATION_CACHE_DIR": str(self.scratch / "compiled")}
        cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
        path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
        self.log = (self.scratch / "server.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env=os.environ | cache | {"PYTHONPATH": path},
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=60)
        assert self.process.stdout
        self.process.stdout.close()
        self.log.close()

    def _ask(self, word: str, value: Any) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([word, value]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the server died: {(self.scratch / 'server.log').read_text()[-2000:]}"
        return int(answer)

    def begin(self, folder: Path, **job: Any) -> int:
        """Fork a training; its process id. ``job``: see ``work``."""
        return self._ask("begin", {"folder": str(folder), **job})

    def end(self, pid: int) -> int:
        """Wait for a training; its exit status, or minus the signal that ended it."""
        return self._ask("end", pid)

    def run(self, folder: Path, **job: Any) -> int:
        """Fork a training and wait for it."""
        return self.end(self.begin(folder, **job))


def said(folder: Path) -> str:
    """The error that a training ended with, or its notes."""
    return folder.with_suffix(".said").read_text()


def work(
    folder: str,
    resume: bool = False,
    devices: int = 1,
    config: dict[str, Any] | None = None,
    kill: tuple[str, str, int] | None = None,
    limit: tuple[int, int] | None = None,
    cluster: tuple[str, int, int] | None = None,
    often: tuple[int, int, int] = OFTEN,
) -> int:
    """One training, in a process of its own.

    Args:
        folder: RUN.
        resume: go on.
        devices: of this process.
        config: changes to ``small_config``.
        kill: (module, attribute, n): SIGKILL this process where that function is called for the n-th time.
        limit: (step, bytes): from that step on no file may grow beyond so many bytes.
        cluster: coordinator, processes, process.
        often: the cadence.

    Returns:
        0 done, 1 stopped, 2 refused.
    """
    import jax

    from implicit_bayes.lm.faults import TrainingStopped
    from implicit_bayes.lm.train import Cadence, train
    from implicit_bayes.theory.objects.checks import ModelError

    jax.config.update("jax_num_cpu_devices", devices)
    if cluster:
        jax.distributed.initialize(*cluster)
    if kill:
        _kill_in(*kill)

    def report(record: Any) -> None:
        if limit and record["step"] >= limit[0]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit[1], resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    try:
        chosen = small_config(**(config or {}))
        done = train(chosen, small_instance(), Path(folder), resume, mass, report, Cadence(*often))
        _say(folder, "\n".join(done.notes))
    except (TrainingStopped, ModelError) as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        _say(folder, str(error))
        return 1 if isinstance(error, TrainingStopped) else 2
    if cluster:
        jax.distributed.shutdown()
    return 0


def _say(folder: str, words: str) -> None:
    Path(folder).with_suffix(".said").write_text(words)


def _kill_in(module: str, attribute: str, times: int) -> None:
    holder: Any = importlib.import_module(module)
    *path, name = attribute.split(".")
    for part in path:
        holder = getattr(holder, part)
    plain, left = getattr(holder, name), [times]

    def instead(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*args, **kwargs)

    setattr(holder, name, instead)


def serve() -> None:
    """Fork, and answer, until standard input ends."""
    import traceback

    import orbax.checkpoint  # noqa: F401

    import implicit_bayes.lm.train  # noqa: F401

    for line in sys.stdin:
        word, value = json.loads(line)
        if word == "end":
            print(os.waitstatus_to_exitcode(os.waitpid(value, 0)[1]), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            status = 3
            os.dup2(2, 1)  # Gloo speaks on standard output, which is for answers here
            try:
                status = work(**value)
            except BaseException:
                traceback.print_exc()
            os._exit(status)
        print(pid, flush=True)


if __name__ == "__main__":
    serve()
