"""The state of a training in one file, its records in another, and how long is left.

A state of the largest network takes 1.4 GB: it goes to a folder of its own, which need not come back from the machine
that trains. Without it a training begins again, and its records with it.
"""

import json
import math
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from implicit_bayes.lm.step import State
from implicit_bayes.lm.trees import CheckpointError, flatten, unflatten
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.json_types import JsonMapping, JsonObject
from implicit_bayes.theory import ModelError

ABOUT, LOSSES = "about", "losses"


class Budget:
    """Seconds of the wall clock. None is without end."""

    def __init__(self, minutes: float | None):
        if minutes is not None and not minutes > 0:
            raise ModelError(f"minutes: {minutes} is no positive number")
        self.end = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def allows(self, seconds: float) -> bool:
        """Whether so many seconds are left."""
        return time.monotonic() + seconds <= self.end


def save_state(path: Path, state: State, losses: Sequence[float], about: str) -> None:
    """Write a state aside and rename it.

    Args:
        path: of the file.
        state: of the training.
        losses: of the steps since the last record.
        about: of what training it is.

    Raises:
        ModelError: the place cannot be written.
    """
    arrays = {name: np.asarray(array) for name, array in flatten(state).items()}
    with written_aside(path, binary=True) as file:
        np.savez(file, allow_pickle=False, **arrays, **{ABOUT: np.array(about), LOSSES: np.array(losses, float)})


def load_state(path: Path, like: State, about: str) -> tuple[State, list[float]]:
    """The state that ``save_state`` wrote, as host arrays, and the losses.

    Args:
        path: of the file.
        like: a state of the same training, for its shapes.
        about: what the file must say of its training.

    Returns:
        (state, losses); losses in nats a token, of the steps since the last record.

    Raises:
        ModelError: damaged (a zip file has a checksum for each array), or of another training.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        found, losses = str(arrays.pop(ABOUT)), arrays.pop(LOSSES).tolist()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"states: {path} cannot be read ({type(error).__name__}); remove it to begin again") from error
    if found != about:
        raise ModelError(f"states: {path} is of a training with {found}, not {about}; name another folder")
    try:
        return unflatten(like, arrays, str(path)), losses
    except CheckpointError as error:
        raise ModelError(f"states: {error}") from error


def keep_records(path: Path, done: int) -> list[JsonObject]:
    """The records up to step ``done``; later ones, and a half-written last line, are dropped from the file.

    Args:
        path: of metrics.jsonl; none yet is no error.
        done: steps.

    Returns:
        Records in the order of their steps.

    Raises:
        ModelError: a line that is no record.
    """
    if not path.is_file():
        return []
    kept = [record for record in read_records(path) if record["step"] <= done]
    with written_aside(path) as file:
        file.writelines(json.dumps(record) + "\n" for record in kept)
    return kept


def read_records(path: Path) -> list[JsonObject]:
    """Every whole line of a metrics.jsonl.

    Returns:
        Records in the file's order.

    Raises:
        ModelError: missing, or a line that is no record.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        records = [json.loads(line) for line in lines]
        for record in records:
            if not isinstance(record, dict) or not isinstance(record["step"], int):
                raise ValueError("a line is no record")
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise ModelError(f"metrics: {path} cannot be read ({type(error).__name__}); remove the folder") from error
    return records


def add_record(path: Path, record: JsonMapping) -> None:
    """One line more; numbers that are not finite are null.

    Args:
        path: of metrics.jsonl.
        record: its fields.
    """
    finite = {name: None if isinstance(x, float) and not math.isfinite(x) else x for name, x in record.items()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(finite, allow_nan=False) + "\n")
