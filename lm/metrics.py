"""RUN/metrics.jsonl: one record a line, written as training goes, read when it resumes and when it is drawn."""

import math
from pathlib import Path

import msgspec

from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.stored import MOST_DRAWN, Count, Positive, convert, parse, read_text
from implicit_bayes.theory.objects.checks import ModelError

Record = JsonObject
REMEDY = "name a directory that train wrote"


class Always(msgspec.Struct):
    """What every record holds; an evaluation adds fields of its own.

    Attributes:
        step: updates of the weights so far.
        tokens: trained on so far.
        loss: mean over the last batches, nats a token.
        cpu_seconds: spent on the training so far.
    """

    step: Count
    tokens: Count
    loss: float
    cpu_seconds: float


class Measured(Always):
    """A record with the distance from Bayes, as the learning figure needs it."""

    excess: float
    excess_standard_error: float
    bayes_cross_entropy: float
    excess_positions: list[Count]
    excess_by_position: list[float]
    excess_by_position_standard_error: list[float]
    excess_documents: Positive | None = None


def read_metrics(path: Path) -> tuple[list[str], list[Record]]:
    """Every whole line of a metrics.jsonl, as text and as a record; a last line that a kill left half-written is none.

    Returns:
        (lines without their ends, records), in the file's order.

    Raises:
        ModelError: missing, or a line that is no record.
    """
    lines = read_text(path, REMEDY).split("\n")
    records = []
    for i, line in enumerate(lines[:-1], 1):
        source = f"{path}, line {i}"
        record = parse(line, Record, source, REMEDY)
        convert(record, Always, source, REMEDY)
        records.append(record)
    return lines[:-1], records


def check_measured(path: Path, records: list[Record]) -> list[Record]:
    """The records that hold an excess.

    Args:
        path: of metrics.jsonl, for the error.
        records: read from it.

    Returns:
        Records in their order, perhaps none; losses in them are nats a token.

    Raises:
        ModelError: one of them lacks what the figure draws, has a finite number that no axis can show, or bins of
            different numbers.
    """
    found = [record for record in records if "excess" in record]
    for record in found:
        read = convert(record, Measured, f"{path}, step {record['step']}", REMEDY)
        _check_drawn(read, f"{path}, step {record['step']}")
        bins = {len(read.excess_positions), len(read.excess_by_position), len(read.excess_by_position_standard_error)}
        if len(bins) > 1:
            raise ModelError(f"{path}, step {record['step']}: excess_by_position has another length; {REMEDY}")
    return found


def _check_drawn(read: Measured, source: str) -> None:
    for name, value in msgspec.structs.asdict(read).items():
        for number in value if isinstance(value, list) else [value or 0]:
            if MOST_DRAWN < abs(number) < math.inf:
                raise ModelError(f"{source}: {name} is beyond {MOST_DRAWN:g}, which no axis can show; {REMEDY}")
