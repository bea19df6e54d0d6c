"""Cells computed one after the other, in local processes, or on a Dask cluster: the same graph, the same results.

Workers and client share DIR. A cell that fails is reported with config and traceback; what does not need it goes on.
"""

import contextlib
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax

from implicit_bayes.benchmarks.common.children import Children
from implicit_bayes.benchmarks.common.extras import need
from implicit_bayes.benchmarks.sweep.cells import Cell, Store, from_json, in_order, to_json
from implicit_bayes.simulators.json_types import JsonMapping
from implicit_bayes.theory import ModelError

if TYPE_CHECKING:
    import distributed


class Failure(NamedTuple):
    """A cell that failed, and why.

    Attributes:
        cell: which.
        message: one line.
        trace: the traceback, empty where the cell was never begun.
    """

    cell: Cell
    message: str
    trace: str


class Tls(NamedTuple):
    """What a scheduler at tls://… asks for; None for none.

    Attributes:
        authority: path of the certificate authority's certificate.
        certificate: path of our own.
        key: path of its private key.
    """

    authority: str | None = None
    certificate: str | None = None
    key: str | None = None


NO_TLS = Tls()

PATIENCE = "60s"
"""How long a scheduler may take to answer: a busy machine can be slow."""

Report = Callable[[Cell], None]
"""Called with every cell that is done (or was found stored)."""


def compute(stored: JsonMapping, directory: str) -> tuple[str, str] | None:
    """One cell, in any process: found, or computed and stored.

    Args:
        stored: ``cells.to_json`` of it.
        directory: DIR.

    Returns:
        None, or (message, traceback) of the failure.
    """
    from implicit_bayes.benchmarks.sweep.tasks import TASKS

    cell, store = from_json(stored), Store(Path(directory))
    try:
        with store.claim(cell):
            if not store.has(cell):
                begun, spent = time.perf_counter(), time.process_time()
                with jax.enable_x64(True):
                    result = TASKS[cell.task].run(cell, store)
                store.write(cell, result, time.perf_counter() - begun, time.process_time() - spent)
    except Exception as error:  # whatever a task raises is its cell's failure and nobody else's
        return f"{type(error).__name__}: {error}", traceback.format_exc()
    return None


def run_serial(cells: Sequence[Cell], store: Store, report: Report = lambda cell: None) -> list[Failure]:
    """Every cell in this process, one after the other.

    Args:
        cells: what is wanted; what they need comes by itself.
        store: DIR.
        report: see ``Report``.

    Returns:
        The failures, those of cells that need a failed one included.
    """
    failures: dict[str, Failure] = {}
    for cell in in_order(cells):
        missing = _missing(cell, failures)
        outcome = (missing, "") if missing else compute(to_json(cell), str(store.directory))
        _settle(cell, outcome, failures, report)
    return list(failures.values())


def run_processes(
    cells: Sequence[Cell], store: Store, workers: int, report: Report = lambda cell: None
) -> list[Failure]:
    """Every cell in ``workers`` local processes, each on one thread.

    Args:
        cells, store, report: as ``run_serial``.
        workers: processes at once.

    Returns:
        As ``run_serial``.
    """
    todo = in_order(cells)
    failures: dict[str, Failure] = {}
    running: dict[Future, Cell] = {}
    done: set[str] = set()
    # An interrupted sweep does not wait for the cells it is at: they are stored whole or not.
    with _one_thread_each(), Children(workers) as pool:
        while todo or running:
            ready = [c for c in todo if all(n.key in done or n.key in failures for n in c.needs)]
            for cell in ready:
                todo.remove(cell)
                missing = _missing(cell, failures)
                if missing or store.has(cell):
                    _settle(cell, (missing, "") if missing else None, failures, report)
                    done.add(cell.key)
                else:
                    running[pool.submit(compute, to_json(cell), str(store.directory))] = cell
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                cell = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool) and not running:
                    pool.renew()
                _settle(cell, _outcome(future), failures, report)
                done.add(cell.key)
    return list(failures.values())


def run_dask(
    cells: Sequence[Cell], store: Store, address: str, tls: Tls = NO_TLS, report: Report = lambda cell: None
) -> list[Failure]:
    """Every cell on a Dask cluster. A worker that dies costs the cell it was at, which another one computes.

    Args:
        cells, store, report: as ``run_serial``; DIR must be on a file system that the workers share.
        address: of a running scheduler, as tcp://127.0.0.1:8786 or tls://….
        tls: certificates, for tls://.

    Returns:
        As ``run_serial``.

    Raises:
        ModelError: dask is not installed, or the scheduler does not answer.
    """
    need("distributed", "scheduler")
    from distributed import Client, as_completed
    from distributed.security import Security

    security = Security(tls_ca_file=tls.authority, tls_client_cert=tls.certificate, tls_client_key=tls.key,
                        require_encryption=address.startswith("tls://"))  # fmt: skip
    try:
        client = Client(address, security=security, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise ModelError(f"scheduler: {address} does not answer ({error}); start one with dask scheduler") from error
    failures: dict[str, Failure] = {}
    with contextlib.closing(client):
        futures: dict[str, distributed.Future] = {}
        cell_of = {}
        directory = str(store.directory.resolve())
        for cell in in_order(cells):
            if store.has(cell):
                report(cell)
                continue
            needs = [futures[need.key] for need in cell.needs if need.key in futures]
            # retries=1: an exception that comes from Dask and not from the task (a cell's own never leaves compute)
            futures[cell.key] = client.submit(
                _on_worker, to_json(cell), directory, needs, key=f"{cell.task}-{cell.key}", pure=False, retries=1
            )
            cell_of[futures[cell.key].key] = cell
        for future in as_completed(list(futures.values()), loop=client.loop):
            cell = cell_of[future.key]
            _settle(cell, _outcome(future), failures, report)
    return list(failures.values())


def _on_worker(stored: JsonMapping, directory: str, needs: list[object]) -> tuple[str, str] | None:
    """``compute``, unless a cell that this one needs has failed."""
    if any(outcome is not None for outcome in needs):
        return "a cell that it needs has failed", ""
    import dask

    with dask.config.set(scheduler="synchronous"):  # else xarray asks the cluster for a lock on every file it writes
        return compute(stored, directory)


def _outcome(
    future: "Future[tuple[str, str] | None] | distributed.Future[tuple[str, str] | None]",
) -> tuple[str, str] | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return "its process died (killed, or out of memory); run the same command again to go on", ""
    except Exception as error:  # lost by the cluster
        return f"{type(error).__name__}: {error}", traceback.format_exc()


def _missing(cell: Cell, failures: Mapping[str, Failure]) -> str:
    failed = [need.words for need in cell.needs if need.key in failures]
    return f"needs {failed[0]}, which failed" if failed else ""


def _settle(cell: Cell, outcome: tuple[str, str] | None, failures: dict[str, Failure], report: Report) -> None:
    if outcome is not None:
        failures[cell.key] = Failure(cell, *outcome)
    report(cell)


@contextlib.contextmanager
def _one_thread_each():
    """Environment for child processes: XLA and BLAS on one thread (the parent's own are set up already)."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    wanted = {"XLA_FLAGS": flags, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NPROC": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
