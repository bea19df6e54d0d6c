"""A RUN: its configuration, its network, and where its files are."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import msgspec

from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.schedule import Phase, Schedule
from implicit_bayes.lm.transformer import Transformer, TransformerConfig
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.stored import (
    Count,
    Positive,
    Schema,
    Share,
    Text,
    at_most,
    convert,
    fields_of,
    read_json,
    record,
)
from implicit_bayes.theory.objects.checks import ModelError

ARCHITECTURES = {"lstm": LSTMConfig, "transformer": TransformerConfig}
NetworkConfig = LSTMConfig | TransformerConfig


class RunConfig(NamedTuple):
    """Everything that a training's result depends on.

    Args:
        instance: name or path of the instance whose documents are learnt.
        architecture: lstm or transformer.
        preset: what the configurations below were taken from.
        network, optimiser, schedule: the configurations.
        seed: of the first weights (fold 0), the data (fold 1 via the integer itself) and the dropout.
        data: fresh (documents without end) or released (the released training documents, again and again).
        resets: probability that a document's state is redrawn from the start law at a step; 0 is the instance itself,
            anything else *another* pretraining law.
        devices: in the mesh, over all processes.
        half: computed in bfloat16.
        target: of the loss: "token" (the one that came) or "law" (the exact one that it was drawn from; lm.targets).
        documents, length: how many held-out documents, of how many tokens, the run is measured on as it goes (no
            weight depends on them).
    """

    instance: str
    architecture: str
    preset: str
    network: NetworkConfig
    optimiser: OptimiserConfig
    schedule: Schedule
    seed: int = 0
    data: str = "fresh"
    resets: float = 0.0
    devices: int = 1
    half: bool = False
    documents: int = 64
    length: int = 1024
    target: str = "token"


def draw_network(config: RunConfig) -> LSTM | Transformer:
    """The network before training.

    Returns:
        An LSTM or a Transformer, the same for the same configuration and seed.
    """
    key = jax.random.key(config.seed)
    if isinstance(config.network, LSTMConfig):
        return LSTM.drawn(config.network, key)
    return Transformer.drawn(config.network, key)


def to_json(config: RunConfig) -> JsonObject:
    """The configuration as plain JSON.

    Returns:
        Nested objects, lists and numbers, with the names of the fields.
    """
    schedule = config.schedule._asdict() | {"phases": [list(phase) for phase in config.schedule.phases]}
    parts = {"network": config.network._asdict(), "optimiser": config.optimiser._asdict(), "schedule": schedule}
    return config._asdict() | parts


Size: Schema = at_most(1 << 20)
Width: Schema = at_most(1 << 14)
Rate = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
Amount = Annotated[float, msgspec.Meta(ge=0.0, le=1e6)]
LARGEST = 1 << 31
"""Parameters of a network that is read; the largest preset has 115 million."""
NETWORKS: dict[str, type[msgspec.Struct]] = {
    "lstm": record(
        LSTMConfig, vocabulary=Size, width=Width, layers=at_most(256), embedding=Width | None, dropout=Rate,
        readout=at_most(1 << 17, 0),
    ),
    "transformer": record(
        TransformerConfig, vocabulary=Size, width=Width, layers=at_most(256), heads=at_most(1 << 10),
        window=Size | None, context=Size | None, dropout=Rate, taps=at_most(1 << 10),
    ),
}  # fmt: skip
OPTIMISER = record(
    OptimiserConfig, b1=Rate, b2=Rate, weight_decay=Amount, clip=Amount, plateau=Positive | None, average=Amount | None,
)  # fmt: skip
PHASES: Schema = Annotated[list[tuple[Rate, Size, Size]], msgspec.Meta(min_length=1, max_length=1 << 10)]
SCHEDULE = record(Schedule, tokens=Positive, phases=PHASES, peak=Amount, warm_up=Count, floor=Share, hold=Rate)
RUN = record(
    RunConfig, instance=Text, architecture=Literal["lstm", "transformer"], preset=Text, network=JsonObject,
    optimiser=OPTIMISER, schedule=SCHEDULE, seed=Count, data=Literal["fresh", "released"], resets=Share,
    devices=at_most(1 << 16, 0), target=Literal["token", "law"],
)  # fmt: skip
REMEDY = "name a directory, or weights, that train wrote"


def from_json(stored: object, source: str) -> RunConfig:
    """The configuration of ``to_json``.

    Args:
        stored: parsed JSON.
        source: what an error names.

    Returns:
        RunConfig, equal to the one that was stored.

    Raises:
        ModelError: not one, or one of a network that nobody could have trained.
    """
    source = f"{source}: not the configuration of a run"
    # Any: a schema made by `record`, whose fields no type checker sees.
    read: Any = convert(stored, RUN, source, REMEDY)
    network = ARCHITECTURES[read.architecture](
        **fields_of(convert(read.network, NETWORKS[read.architecture], source, REMEDY))
    )
    schedule = fields_of(read.schedule) | {"phases": tuple(Phase(*phase) for phase in read.schedule.phases)}
    parts = {
        "network": network,
        "optimiser": OptimiserConfig(**fields_of(read.optimiser)),
        "schedule": Schedule(**schedule),
    }
    if isinstance(network, TransformerConfig):
        whole = network.heads * (2 if network.context is None else 1)
        if network.width % whole:
            raise ModelError(f"{source}: width {network.width} is no multiple of {whole}; {REMEDY}")
    if (size := _parameters(network)) > LARGEST:
        raise ModelError(f"{source}: a network of {size:,} parameters, more than {LARGEST:,}; {REMEDY}")
    return RunConfig(**(fields_of(read) | parts))


def _parameters(network: NetworkConfig) -> int:
    """Numbers in a network, near enough to refuse what no memory holds, without making it."""
    rows, width = network.vocabulary + 1, network.width
    if isinstance(network, LSTMConfig):
        inner = (network.embedding or 4 * width) * rows + 8 * width * width * network.layers
        return inner + rows * width * (1 + network.multiplicative) + network.readout * (width + rows)
    layer = 12 * width * width + 3 * width * network.taps
    return 2 * rows * width + network.layers * layer + (network.context or 0) * width


def write_config(folder: Path, config: RunConfig) -> None:
    """RUN/config.json.

    Args:
        folder: RUN.
        config: what is written.
    """
    with written_aside(folder / "config.json") as file:
        json.dump(to_json(config), file, indent=1)
        file.write("\n")


def read_config(folder: Path) -> RunConfig:
    """RUN/config.json.

    Returns:
        RunConfig.

    Raises:
        ModelError: missing or not one.
    """
    path = folder / "config.json"
    return from_json(read_json(path, JsonObject, REMEDY), str(path))
