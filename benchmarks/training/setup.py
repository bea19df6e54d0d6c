"""``implicit-bayes train``: the training loop of lm, with its distance from Bayes measured as it goes."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax

from implicit_bayes.benchmarks.common.extras import need
from implicit_bayes.benchmarks.common.freed_memory import keep_freed_memory
from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.predictors.paired import Held, excess, hold_out
from implicit_bayes.benchmarks.predictors.promises import InTraining
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.run import RunConfig, read_config
from implicit_bayes.lm.train import Evaluate, Network
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.json_types import JsonMapping
from implicit_bayes.simulators.resets import with_resets
from implicit_bayes.theory import ModelError

FLAG = "--xla_cpu_multi_thread_eigen=false"


class Cluster(NamedTuple):
    """Several processes that train together.

    Attributes:
        coordinator: HOST:PORT of process 0, or None for one process.
        processes, process: how many, and which this is.
    """

    coordinator: str | None = None
    processes: int = 1
    process: int = 0


class Asked(NamedTuple):
    """What the command line asked for; None where it said nothing, so that a resumed run keeps what it had.

    Attributes:
        instance: name or path.
        architecture: "lstm" or "transformer".
        preset: name of the configurations.
        seed: of weights, data and dropout.
        tokens: to train on.
        data: "fresh" or "released".
        resets: probability that a state is redrawn from the start law at a step.
        target: of the loss, "token" or "law" (lm.targets).
        devices: in the mesh.
        half: computed in bfloat16.
        documents: held out, to measure on.
        length: tokens in each of those.
    """

    instance: str | None = None
    architecture: str | None = None
    preset: str | None = None
    seed: int | None = None
    tokens: int | None = None
    data: str | None = None
    resets: float | None = None
    target: str | None = None
    devices: int | None = None
    half: bool | None = None
    documents: int | None = None
    length: int | None = None


def start_devices(devices: int | None, cluster: Cluster) -> None:
    """Give this process its CPU devices, one a core, each on one thread; and join the other processes.

    Two one-thread devices are faster at these sizes than one that splits its products over two threads. Settings of a
    process whose JAX has started already, and anything that XLA_FLAGS says, are left alone. The C library keeps freed
    memory from here on (benchmarks.common.freed_memory).

    Args:
        devices: in the mesh, or None where nothing was said.
        cluster: the processes that train together.

    Raises:
        ModelError: the coordinator is not answering.
    """
    keep_freed_memory()
    count = max(1, (devices or cores() * cluster.processes) // cluster.processes)
    if count > 1 and "xla_cpu_multi_thread_eigen" not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}".strip()
    try:
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError:
        return  # JAX runs already
    if cluster.coordinator is not None:
        try:
            jax.distributed.initialize(cluster.coordinator, cluster.processes, cluster.process)
        except RuntimeError as error:
            raise ModelError(f"coordinator: {cluster.coordinator}: {error}; start process 0 there first") from error


def configure(asked: Asked, folder: Path, resume: bool) -> RunConfig:
    """The run's configuration: what is asked for over what RUN has stored (if resumed) or the preset says.

    Args:
        asked: of the command line.
        folder: RUN.
        resume: whether to go on with what RUN holds.

    Returns:
        RunConfig, complete: also with the number of devices.

    Raises:
        ModelError: no such preset, or a value that makes no sense.
    """
    kept = read_config(folder) if resume and (folder / "config.json").is_file() else None
    for field in ("tokens", "documents", "length"):
        value = getattr(asked, field)
        if value is not None and value < 1:
            raise ModelError(f"{field}: {value} is below 1")
    if kept and asked.tokens not in (None, kept.schedule.tokens):
        raise ModelError(_other_length(folder, kept.schedule.tokens, asked.tokens))
    instance = asked.instance or (kept.instance if kept else "ginc")
    architecture = asked.architecture or (kept.architecture if kept else "lstm")
    name = asked.preset or "small"
    chosen = None
    if asked.preset or not kept:
        chosen = preset(architecture, name, load_instance(instance).mixture.n_tokens)
    base = kept
    if base is None:
        assert chosen is not None
        base = RunConfig(
            instance=instance, architecture=architecture, preset=name, network=chosen.network,
            optimiser=chosen.optimiser, schedule=chosen.schedule, data=chosen.data, target=chosen.target, devices=0,
        )  # fmt: skip
    config = base._replace(instance=instance, architecture=architecture)
    if chosen:
        config = config._replace(preset=name, network=chosen.network, optimiser=chosen.optimiser, target=chosen.target)
    for field in ("seed", "data", "resets", "target", "devices", "half", "documents", "length"):
        if getattr(asked, field) is not None:
            config = config._replace(**{field: getattr(asked, field)})
    if asked.tokens is not None:
        config = config._replace(schedule=config.schedule._replace(tokens=asked.tokens))
    if not config.devices:
        common = math.gcd(*(phase.batch for phase in config.schedule.phases))
        most = min(common, jax.device_count())
        config = config._replace(devices=max(d for d in range(1, most + 1) if common % d == 0))
    return config


def _other_length(folder: Path, begun: int, asked: int) -> str:
    """Why a run is not made longer or shorter: its learning rate and curriculum are laid out over all its tokens."""
    state = "is finished with" if (folder / "weights.npz").is_file() else "was begun for"
    return (
        f"tokens: {folder} {state} {begun:,} tokens, over which its learning rate falls to its end: it cannot become "
        f"a run of {asked:,}; leave --tokens out to go on with it, or train --tokens {asked} --out ANOTHER_RUN"
    )


def instance_of(config: RunConfig) -> Instance:
    """The instance that a run learns, resets included.

    Returns:
        Instance.
    """
    return with_resets(load_instance(config.instance), config.resets)


def evaluation(held: Held) -> Evaluate:
    """Measures a network's excess over exact Bayes on held-out documents, the same ones every time.

    Returns:
        network -> fields of a record; nats a token, standard errors over documents.
    """
    floor = -float(held.log_bayes_BxT.mean())

    def evaluate(network: Network) -> JsonMapping:
        found = excess(InTraining("in training", network), held)
        return {
            "excess": found.nats,
            "excess_standard_error": found.standard_error,
            "excess_documents": found.documents,
            "bayes_cross_entropy": floor,
            "excess_positions": found.position_P.tolist(),
            "excess_by_position": found.nats_P.tolist(),
            "excess_by_position_standard_error": found.standard_error_P.tolist(),
        }

    return evaluate


def held_out(instance: Instance, config: RunConfig) -> Held:
    """Documents to measure on; shorter ones where the network has no more positions.

    Args:
        instance: that the documents are drawn from.
        config: of the run: how many, how long, and the seed.

    Returns:
        Held: (B, T) tokens and exact Bayes's log-probabilities, nats.
    """
    context = getattr(config.network, "context", None)
    length = min(config.length, (context or config.length + 1) - 1)
    return hold_out(instance.mixture, config.documents, length, config.seed)


class TensorBoard:
    """Scalars of every record as TensorBoard events in RUN/tensorboard (needs the package tensorboardX); a context.

    Raises:
        ModelError: the package is not installed.
    """

    def __init__(self, folder: Path):
        need("tensorboardX", "tensorboard")
        from tensorboardX import SummaryWriter

        # Opened with the first record: RUN must be empty when a training begins.
        self.open: Callable[[], SummaryWriter] = lambda: SummaryWriter(str(folder / "tensorboard"))
        self.writer: SummaryWriter | None = None

    def __call__(self, record: JsonMapping) -> None:
        self.writer = self.writer or self.open()
        for name, value in record.items():
            if isinstance(value, float):
                self.writer.add_scalar(name, value, record["step"])
        self.writer.flush()

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer:
            self.writer.close()
