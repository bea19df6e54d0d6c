"""``implicit-bayes bench``: check, time every task that is asked for, show, write."""

import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from implicit_bayes.benchmarks.common import console as terminal
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.speed import figures as speed_figures
from implicit_bayes.benchmarks.speed import growth as speed_growth
from implicit_bayes.benchmarks.speed import memory as speed_memory
from implicit_bayes.benchmarks.speed import scaling as speed_scaling
from implicit_bayes.benchmarks.speed import tables as speed_tables
from implicit_bayes.benchmarks.speed import training as speed_training
from implicit_bayes.benchmarks.speed.compare import Advance, Timing
from implicit_bayes.benchmarks.speed.evidence import evidence
from implicit_bayes.benchmarks.speed.kl import kl
from implicit_bayes.benchmarks.speed.posterior import posterior_and_predictive
from implicit_bayes.benchmarks.speed.sampling import sampling
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.theory import ModelError

if TYPE_CHECKING:
    from rich.table import Table


class Settings(NamedTuple):
    """What is timed.

    Attributes:
        documents, length: drawn from the instance, and tokens of each.
        repeats: interleaved; the median is reported.
        epsilons: smoothing levels of the instance, 0 for itself.
        scaling: also time the evidence against tokens, states, concepts, support width and batch.
        seed: of the documents.
        preset: of the networks, where training is timed.
    """

    documents: int = 100
    length: int = 1000
    repeats: int = 3
    epsilons: Sequence[float] = (0.0, 0.01)
    scaling: bool = False
    seed: int = 0
    preset: str = "small"


def bench(name: str, instance: Instance, task: str, settings: Settings, out: Path | None, json: Path | None) -> None:
    """Timings of one task, or of all inference; agreement first. The others run only where they are named.

    Args:
        name: what was asked for, as tables and files call the instance.
        instance: timed, with its smoothed forms beside it.
        task: all, or one task by name.
        settings: sizes, repeats and seed.
        out: directory for figures and tables, or None.
        json: file for the machine-readable answer, or None; cases of growth are kept beside it (FILE.cases) until then.

    Raises:
        ModelError: documents, length or repeats below 1, or a place that cannot be written.
    """
    for field in ("documents", "length", "repeats"):
        if getattr(settings, field) < 1:
            raise ModelError(f"{field}: {getattr(settings, field)} is below 1")
    storage.check_file(json, "json")
    if out is not None:
        storage.check_directory(out)
    keep = json.with_name(json.name + ".cases") if json is not None and task == "growth" else None
    with terminal.progress_bars() as progress:
        if task == "train":
            # Any: each task has a record of its own, and a table that shows this record.
            rows: list[Any] = speed_training.training(
                name, settings.preset, settings.repeats, settings.seed, progress("timing", settings.repeats)
            )
        elif task == "memory":
            rows = speed_memory.memory(instance, settings.seed, progress("streams", len(speed_memory.CASES)))
        elif task == "growth":
            cases = 1 + len(speed_growth.QUESTIONS) * sum(map(len, speed_growth.GRID.values()))
            rows = speed_growth.growth(settings.seed, progress("cases", cases), keep=keep)
        else:
            rows = inference(name, instance, task, settings, progress)
        advance = progress("scaling", 0) if settings.scaling else None
        curves = speed_scaling.scaling(settings.seed, advance) if advance else []
    written: list[Path] = []
    tables: dict[str, Callable[[list[Any]], Table]] = {  # Any: as of rows
        "train": speed_training.table,
        "memory": speed_memory.table,
        "growth": speed_growth.table,
    }
    if out is not None:
        written += speed_figures.bars(rows, out) if task not in tables else []
        written += speed_figures.scaling(curves, out) if curves else []
    if json is not None:
        storage.write_json(json, [*rows, *curves])
        written.append(json)
        if keep is not None:
            keep.unlink(missing_ok=True)
    console = terminal.console()
    console.print(tables.get(task, speed_tables.timing_table)(rows))
    if task not in tables:
        console.print(speed_tables.calls_table(rows))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        console.print(f"peak memory of the whole run, all libraries: {peak:.1f} GiB")
    if curves:
        console.print(speed_tables.scaling_table(curves))
    if written:
        console.print("wrote " + "  ".join(str(path) for path in written), soft_wrap=True)


def inference(
    name: str, instance: Instance, task: str, settings: Settings, progress: Callable[[str, int], Advance]
) -> list[Timing]:
    """The tasks of exact inference, on the instance and on its smoothed forms.

    Args:
        name: of the instance.
        instance: its mixture and the seed's documents.
        task: all, or one of evidence, posterior+predictive, sampling, kl.
        settings: sizes, repeats and seed.
        progress: (words, total) -> a function to call with the steps done.

    Returns:
        Timings, CPU seconds, in the order of the smoothings and tasks.
    """
    rows: list[Timing] = []
    size = (settings.documents, settings.length, settings.repeats, settings.seed)
    advance = progress("repeats timed", 0)
    for epsilon in settings.epsilons:
        label = f"{name}+smoothed({epsilon:g})" if epsilon else name
        mixture = instance.mixture.smooth(epsilon)
        if task in ("evidence", "all"):
            rows += evidence(label, mixture, *size, advance)
        if task in ("posterior+predictive", "all"):
            rows += posterior_and_predictive(label, mixture, *size, advance)
        if task in ("sampling", "all"):
            rows += sampling(label, mixture, *size, advance, None if epsilon else instance.released_vocabulary)
        if task == "kl" or (task == "all" and epsilon):
            rows += kl(label, instance, mixture, settings.repeats, advance)
    return rows
