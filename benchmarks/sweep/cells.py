"""A cell: one unit of a sweep, known by the hash of all that its result depends on, and stored whole or not at all.

    key = SHA-256 of the canonical JSON of { task, version of the task, config, keys of the cells it needs }

A rerun finds what is stored under the same key; a changed config, a changed input or a new version of the task has
another key and is computed. In DIR:

    cells/KEY.nc     the result (netCDF), written aside and renamed
    runs/KEY/        the RUN of a training, resumable
    journal.jsonl    a line for every cell as it is stored: key, task, host, process, seconds, CPU seconds, SHA-256
    locks/KEY        held while a cell is computed, so that two processes do not compute the same one
"""

import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import xarray as xr

from implicit_bayes.benchmarks.common.storage import plain, read_results, write_results
from implicit_bayes.simulators.json_types import JsonMapping, JsonObject
from implicit_bayes.simulators.stored import parse
from implicit_bayes.theory import ModelError

REMEDY = "remove it; the same command computes it again"


class Line(msgspec.Struct):
    """What is read of a line of the journal.

    Attributes:
        key: of the cell.
        cpu_seconds: that it took; 0 where it was not measured.
        sha256: of the stored file, in hexadecimal.
    """

    key: str
    cpu_seconds: float = 0.0
    sha256: str = ""


class Cell(NamedTuple):
    """One piece of work whose result is stored by the key of all that decides it.

    Attributes:
        task: a name in ``benchmarks.sweep.tasks.TASKS``.
        version: of that task's code.
        config: JSON-ready.
        needs: cells whose results the task reads, in order.
    """

    task: str
    version: int
    config: JsonMapping
    needs: tuple["Cell", ...] = ()

    @property
    def key(self) -> str:
        """16 bytes of the SHA-256, as hexadecimal digits."""
        words = json.dumps(
            [self.task, self.version, plain(dict(self.config)), [cell.key for cell in self.needs]],
            sort_keys=True, separators=(",", ":"), allow_nan=False,
        )  # fmt: skip
        return hashlib.sha256(words.encode()).hexdigest()[:32]

    @property
    def words(self) -> str:
        """One line for people."""
        parts = ", ".join(f"{name}={value}" for name, value in self.config.items())
        return f"{self.task}({parts if len(parts) < 160 else parts[:157] + '…'})"


def to_json(cell: Cell) -> JsonObject:
    """A cell as plain JSON.

    Returns:
        An object: task, version, config, needs.
    """
    needs = [to_json(each) for each in cell.needs]
    return {"task": cell.task, "version": cell.version, "config": plain(dict(cell.config)), "needs": needs}


def from_json(stored: JsonMapping) -> Cell:
    """The cell of ``to_json``.

    Returns:
        Cell with the same key.
    """
    needs = tuple(from_json(each) for each in stored["needs"])
    return Cell(stored["task"], stored["version"], stored["config"], needs)


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """Every cell and all that they need, each once, needs before needers.

    Returns:
        Cells; a later one needs none that comes after it.
    """
    found: dict[str, Cell] = {}

    def visit(cell: Cell) -> None:
        for need in cell.needs:
            visit(need)
        found.setdefault(cell.key, cell)

    for cell in cells:
        visit(cell)
    return list(found.values())


class Store:
    """The results of a sweep in one directory, which every worker can reach."""

    def __init__(self, directory: Path):
        self.directory = directory

    def path(self, cell: Cell) -> Path:
        """Where a result is, once there is one.

        Returns:
            A path that may not exist yet.
        """
        return self.directory / "cells" / f"{cell.key}.nc"

    def run(self, cell: Cell) -> Path:
        """The RUN of a training cell.

        Returns:
            A path that may not exist yet.
        """
        return self.directory / "runs" / cell.key

    def has(self, cell: Cell) -> bool:
        """Whether the result is stored."""
        return self.path(cell).is_file()

    def read(self, cell: Cell) -> xr.Dataset:
        """The stored result.

        Returns:
            A Dataset in memory.

        Raises:
            ModelError: there is none, or the file is not the one that was stored.
        """
        path = self.path(cell)
        expected = [line.sha256 for line in self.journal() if line.key == cell.key][-1:]
        if path.is_file() and any(expected) and _digest(path) != expected[0]:
            raise ModelError(f"cells: {path} has been damaged or changed since it was stored; {REMEDY}")
        return read_results(path, REMEDY)

    def write(self, cell: Cell, result: xr.Dataset, seconds: float, cpu_seconds: float = 0.0) -> None:
        """Store a result (with the cell's own description in it) and say so in the journal.

        Args:
            cell: whose result it is.
            result: the data set.
            seconds: that it took, by the clock.
            cpu_seconds: of this process, meanwhile.
        """
        kept = result.assign_attrs(cell=json.dumps(to_json(cell), sort_keys=True))
        write_results(self.path(cell), kept)
        line = {"key": cell.key, "task": cell.task, "host": socket.gethostname(), "process": os.getpid()}
        line |= {"seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3), "time": round(time.time(), 3)}
        line |= {"sha256": _digest(self.path(cell))}
        text = json.dumps(line) + "\n"
        with (self.directory / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(text)  # one write of one line: appends of different processes do not mix

    def journal(self) -> list[Line]:
        """Every line of the journal that can be read; it costs nothing but an estimate where one cannot.

        Returns:
            Lines in the order in which they were written; none where there is no journal.
        """
        path, found = self.directory / "journal.jsonl", []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
            with suppress(ModelError):
                found.append(parse(line, Line, str(path), ""))
        return found

    @contextmanager
    def claim(self, cell: Cell) -> Iterator[None]:
        """Wait until no other process computes this cell. The system drops a claim when its holder dies."""
        place = self.directory / "locks" / cell.key
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
