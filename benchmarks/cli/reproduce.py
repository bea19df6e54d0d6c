"""``implicit-bayes reproduce``: the paper's experiments, cell by cell, then figures, findings and the report."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import xarray as xr
from rich.text import Text

from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.common.console import console, progress_bars
from implicit_bayes.benchmarks.common.extras import need
from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.experiments import cost
from implicit_bayes.benchmarks.experiments.base import Experiment, Scale
from implicit_bayes.benchmarks.experiments.registry import EXPERIMENTS, chosen
from implicit_bayes.benchmarks.experiments.scales import scale_of
from implicit_bayes.benchmarks.report import findings as found
from implicit_bayes.benchmarks.sweep import run as sweep
from implicit_bayes.benchmarks.sweep.cells import Cell, Store, in_order, to_json
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory import ModelError


class Where(NamedTuple):
    """Where cells are computed.

    Attributes:
        scheduler: of a Dask cluster, or None.
        tls: its certificates.
        workers: local processes; 0 is one a core.
    """

    scheduler: str | None = None
    tls: sweep.Tls = sweep.NO_TLS
    workers: int = 0


def plan(experiments: Sequence[Experiment], scale: Scale) -> dict[str, dict[str, Cell]]:
    """Every experiment's cells by name.

    Args:
        experiments: any of them.
        scale: sizes, seeds and prompts of a preset.

    Returns:
        Experiment's name -> cell's name -> Cell; nothing is computed.
    """
    return {each.name: each.cells(scale) for each in experiments}


def reproduce(names: tuple[str, ...], preset: str, seed: int, out: Path, where: Where, json: Path | None) -> None:
    """Compute what is not stored yet, then write figures, results.nc, results.csv, findings.json and report.html.

    Args:
        names: of experiments, or ``all``.
        preset: tiny, small or paper.
        seed: of everything.
        out: directory; cells that it holds are not computed again.
        where: this machine or a cluster.
        json: file for the machine-readable answer, or None.

    Raises:
        CheckFailed: cells failed; the others are done, and DIR/failures.json says what happened.
        ModelError: bad input.
    """
    from implicit_bayes.benchmarks.report.build import draw, write_report

    experiments, scale = chosen(names), scale_of(preset, seed)
    storage.check_file(json, "json")
    if where.scheduler is not None:
        need("distributed", "scheduler")
    if where.workers < 0:
        raise ModelError(f"workers: {where.workers} is negative")
    store = Store(storage.check_directory(out))
    cells = plan(experiments, scale)
    failures = compute([cell for each in cells.values() for cell in each.values()], store, where)
    screen, complete, written = console(), [], []
    for each in experiments:
        if all(store.has(cell) for cell in cells[each.name].values()):
            results: dict[str, xr.Dataset] = {name: store.read(cell) for name, cell in cells[each.name].items()}
            complete.append(each.read(scale, results))
            written += draw(complete[-1], out)
    about = about_run(names, preset, seed, out, len(failures)) | spent(store, cells)
    written += found.store(out, complete, about)
    write_failures(out, failures)
    written.append(write_report(out, tuple(EXPERIMENTS)))
    if json is not None:
        storage.write_json(json, {"about": about, "findings": [f._asdict() for f in complete],
                                  "failures": [f.message for f in failures]})  # fmt: skip
        written.append(json)
    for each_found in complete:
        screen.print(Text(each_found.title, "bold"), f"{each_found.verdict}\n", soft_wrap=True)
    screen.print(f"wrote {len(written)} files; open {out / 'report.html'}", soft_wrap=True)
    if failures:
        for each_failed in failures:
            screen.print(f"failed: {each_failed.cell.words}: {each_failed.message}\n{each_failed.trace}")
        total = len(in_order([cell for each in cells.values() for cell in each.values()]))
        raise storage.CheckFailed(f"{len(failures)} of {total} cells failed; see {out / 'failures.json'}")


def from_trained(names: tuple[str, ...], preset: str, source: Path, out: Path, seed: int, json: Path | None) -> None:
    """``scaling`` at the paper's sizes, drawn from what ``python -m implicit_bayes.benchmarks.paper_scale`` trained.

    Args:
        names: ``scaling`` alone.
        preset: ``paper``.
        source: directory of the trainings.
        out: directory for figure and page.
        seed: said in the report.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: another experiment or preset, or a directory that holds no such run.
    """
    from implicit_bayes.benchmarks.experiments import published_sizes
    from implicit_bayes.benchmarks.report.build import draw, write_report

    if names != ("scaling",) or preset != "paper":
        raise ModelError("from: only scaling is drawn from trainings, at --preset paper; leave --from out")
    storage.check_file(json, "json")
    findings, screen = published_sizes.read(source), console()
    written = draw(findings, storage.check_directory(out))
    about = about_run(names, preset, seed, out, 0)
    about["command"] += f" --from {shlex.quote(str(source))}"
    written += [*found.store(out, [findings], about), write_report(out, tuple(EXPERIMENTS))]
    if json is not None:
        storage.write_json(json, {"about": about, "findings": [findings._asdict()], "failures": []})
        written.append(json)
    screen.print(Text(findings.title, "bold"), f"{findings.verdict}\n", soft_wrap=True)
    screen.print(f"wrote {len(written)} files; open {out / 'report.html'}", soft_wrap=True)


def compute(cells: Sequence[Cell], store: Store, where: Where) -> list[sweep.Failure]:
    """Every cell, wherever it is to be computed, with a progress bar.

    Args:
        cells: in any order; those they need come first.
        store: what it holds is not computed again.
        where: this machine or a cluster.

    Returns:
        Cells that failed, with the reason; the others are in the store.
    """
    todo = in_order(cells)
    with progress_bars() as progress:
        advance = progress("cells", len(todo))
        report = lambda cell: advance(1)  # noqa: E731
        if where.scheduler is not None:
            return sweep.run_dask(cells, store, where.scheduler, where.tls, report)
        workers = where.workers or cores()
        if workers == 1:
            return sweep.run_serial(cells, store, report)
        return sweep.run_processes(cells, store, workers, report)


def about_run(names: tuple[str, ...], preset: str, seed: int, out: Path, failed: int) -> JsonObject:
    """What the report says of the run.

    Args:
        names: as they were asked for.
        preset: of the sizes.
        seed: of everything.
        out: directory.
        failed: how many cells failed.

    Returns:
        An object: command, preset, seed, failed.
    """
    command = shlex.join(
        ["implicit-bayes", "reproduce", *names, "--preset", preset, "--seed", str(seed), "--out", str(out)]
    )
    return {"command": command, "preset": preset, "seed": seed, "failed": failed}


def spent(store: Store, cells: Mapping[str, Mapping[str, Cell]]) -> JsonObject:
    """How many cells the experiments have, and the CPU seconds that computing those took, whenever that was.

    Args:
        store: of the cells.
        cells: of every experiment, by name.

    Returns:
        An object: ``cells``, and ``cpu_seconds`` of the last computation of each.
    """
    keys = {cell.key for each in cells.values() for cell in in_order(list(each.values()))}
    last = {row.key: row.cpu_seconds for row in store.journal() if row.key in keys}
    return {"cells": len(keys), "cpu_seconds": round(sum(last.values()), 1)}


def write_failures(out: Path, failures: Sequence[sweep.Failure]) -> None:
    """DIR/failures.json, where there are any; that of an earlier run goes where there are none.

    Args:
        out: directory.
        failures: this run's.
    """
    path = out / "failures.json"
    if failures:
        rows = [{"cell": to_json(f.cell), "message": f.message, "traceback": f.trace} for f in failures]
        storage.write_json(path, {"failures": rows})
    else:
        path.unlink(missing_ok=True)


def write_slurm(
    names: tuple[str, ...], preset: str, seed: int, out: Path, host: str, tls: sweep.Tls, json: Path | None
) -> None:
    """The scripts of ``--slurm``; nothing is computed or submitted.

    Args:
        names: of experiments.
        preset: of the sizes.
        seed: of everything.
        out: directory of scripts and results.
        host: name or address on which the scheduler listens.
        tls: certificates of scheduler and workers.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: no such experiment, or a place that cannot be written.
    """
    from implicit_bayes.benchmarks.sweep.slurm import write_scripts

    chosen(names)
    storage.check_file(json, "json")
    directory = storage.check_directory(out).resolve()
    command = about_run(names, preset, seed, directory, 0)["command"]
    written = write_scripts(directory, command, host, tls)
    if json is not None:
        storage.write_json(json, {"files": [str(path) for path in written]})
    console().print("wrote " + "  ".join(str(path) for path in written), soft_wrap=True)


def show_plan(names: tuple[str, ...], preset: str, seed: int, out: Path, json: Path | None) -> None:
    """What there is to compute, and how much of it is stored, without computing anything.

    Args:
        names: of experiments.
        preset: of the sizes.
        seed: of everything.
        out: directory whose stored cells are counted.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: no such experiment, or a place that cannot be written.
    """
    storage.check_file(json, "json")
    experiments, store = chosen(names), Store(out)
    cells = plan(experiments, scale_of(preset, seed))
    screen = console()
    for name, each in cells.items():
        every = in_order(list(each.values()))
        done = sum(store.has(cell) for cell in every)
        trainings = sum("run" in cell.config for cell in every)
        screen.print(f"{name}: {len(every)} cells, {trainings} of them trainings; {done} stored", soft_wrap=True)
    every = in_order([cell for each in cells.values() for cell in each.values()])
    took = {row.key: row.cpu_seconds for row in store.journal()}
    stored = {cell.key: took.get(cell.key, 0.0) for cell in every if store.has(cell)}
    seconds, measured = cost.remaining(every, stored)
    if json is not None:
        cells_json = [to_json(cell) for cell in every]
        storage.write_json(json, {"cells": cells_json, "stored": len(stored), "cpu_seconds_left": seconds})
    screen.print(f"together {len(every)} cells ({len(stored)} stored)", soft_wrap=True)
    if len(stored) == len(every):
        screen.print("nothing is left to compute")
        return
    basis = "by the cells that are stored" if measured else "an estimate from their arithmetic, good to a factor of two"
    screen.print(
        f"the rest takes about {cost.in_words(seconds)} of CPU time, {cost.in_words(seconds / cores())} with the "
        f"{cores()} cores here ({basis}); shared out with --scheduler or --slurm, that time by the number of workers",
        soft_wrap=True,
    )
