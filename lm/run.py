"""A RUN: its configuration, its network, and where its files are."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax

from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.optimiser import OptimiserConfig
from implicit_bayes.lm.schedule import Phase, Schedule
from implicit_bayes.lm.transformer import Transformer, TransformerConfig
from implicit_bayes.simulators.atomic import written_aside
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


def draw_network(config: RunConfig) -> LSTM | Transformer:
    """The network before training."""
    key = jax.random.key(config.seed)
    if isinstance(config.network, LSTMConfig):
        return LSTM.drawn(config.network, key)
    return Transformer.drawn(config.network, key)


def to_json(config: RunConfig) -> dict[str, Any]:
    """The configuration as plain JSON."""
    schedule = config.schedule._asdict() | {"phases": [list(phase) for phase in config.schedule.phases]}
    parts = {"network": config.network._asdict(), "optimiser": config.optimiser._asdict(), "schedule": schedule}
    return config._asdict() | parts


def from_json(stored: dict[str, Any], source: str) -> RunConfig:
    """The configuration of ``to_json``.

    Raises:
        ModelError: not one.
    """
    try:
        network = ARCHITECTURES[stored["architecture"]]
        schedule = dict(stored["schedule"])
        schedule["phases"] = tuple(Phase(*phase) for phase in schedule["phases"])
        parts = {
            "network": network(**stored["network"]),
            "optimiser": OptimiserConfig(**stored["optimiser"]),
            "schedule": Schedule(**schedule),
        }
        return RunConfig(**(stored | parts))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{source}: not the configuration of a run ({type(error).__name__}: {error})") from error


def write_config(folder: Path, config: RunConfig) -> None:
    """RUN/config.json."""
    with written_aside(folder / "config.json") as file:
        json.dump(to_json(config), file, indent=1)
        file.write("\n")


def read_config(folder: Path) -> RunConfig:
    """RUN/config.json.

    Raises:
        ModelError: missing or not one.
    """
    path = folder / "config.json"
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); name a directory that train wrote") from error
    return from_json(stored, str(path))
