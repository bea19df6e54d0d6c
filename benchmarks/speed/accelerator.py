"""``python -m implicit_bayes.benchmarks.speed.accelerator``: GINC's filter on an accelerator, beside machine code.

Evidence (of every concept, after the last token) and posterior with predictive (after every token), in float64. Answers
are compared first: what differs by more than 1e-12 is not timed. Times are of the wall clock, least of some repeats,
since a processor's time says nothing of an accelerator's; results stay on the device that computed them.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.benchmarks.speed.compare import relative
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.ginc import released_ginc
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureFilter, MixtureOfHMMs, ModelError, filter_mixture
from implicit_bayes.theory.filtering import compiled
from implicit_bayes.theory.filtering.dispatch import Method, prepare

AGREEMENT = 1e-12
"""Largest difference: relative in log evidence, absolute in probabilities."""
TASKS = ("evidence", "posterior+predictive")


class AcceleratorRow(NamedTuple):
    """One implementation on one task.

    Attributes:
        task, implementation, device: which, and where.
        tokens_per_second: of the wall clock, at the best of the repeats.
        first_call_seconds: compilation included.
        agrees_to: largest difference from the reference.
    """

    task: str
    implementation: str
    device: str
    tokens_per_second: float
    first_call_seconds: float
    agrees_to: float


def measure(
    documents: int, length: int, repeats: int, tasks: Sequence[str] = TASKS, seed: int = 0
) -> list[AcceleratorRow]:
    """The tasks, by machine code (if numba is installed) and by JAX's two scaled recursions on its default device.

    Args:
        documents, length: of the pretraining law, drawn afresh.
        repeats: after the first call.
        tasks: of TASKS.
        seed: of the documents.

    Returns:
        A row for each task and implementation: tokens a second by the wall clock, the least time of the repeats;
        seconds of the first call, compilation included.

    Raises:
        ModelError: an implementation that disagrees; nothing is timed then.
    """
    mixture = released_ginc(50).pretraining
    tokens = sample_documents(mixture, jax.random.key(seed), documents, length).tokens
    rows = []
    for task in tasks:
        positions = [length] if task == "evidence" else None
        reference = filter_mixture(mixture, tokens, positions=positions, method=_reference())
        calls = {"JAX sparse": _in_jax(mixture, tokens, positions, "sparse"),
                 "JAX dense": _in_jax(mixture, tokens, positions, "dense")}  # fmt: skip
        if compiled.available():
            tables = prepare(mixture, "compiled")
            calls = {"machine code": lambda at=positions, made=tables: filter_mixture(
                mixture, tokens, positions=at, method="compiled", tables=made)} | calls  # fmt: skip
        for name, call in calls.items():
            first, agrees = _first(call, reference)
            if not agrees <= AGREEMENT:
                raise ModelError(f"accelerator: {name} differs by {agrees:.1e} on {task}; nothing is timed")
            device = "processor" if name == "machine code" else jax.devices()[0].device_kind
            rows.append(AcceleratorRow(task, name, device, tokens.size / _least(call, repeats), first, agrees))
    return rows


def _reference() -> Method:
    return "compiled" if compiled.available() else "log"


def _in_jax(
    mixture: MixtureOfHMMs, tokens: np.ndarray, positions: Sequence[int] | None, method: Method
) -> Callable[[], MixtureFilter]:
    """The filter as a program of its own, in float64, whose tokens are on the device already."""
    tables = prepare(mixture, method)

    @jax.jit
    def program(tokens_BxT: jax.Array) -> MixtureFilter:
        return filter_mixture(mixture, tokens_BxT, positions=positions, method=method, tables=tables)

    def call() -> MixtureFilter:
        with jax.enable_x64(True):
            return jax.block_until_ready(program(there))

    with jax.enable_x64(True):
        there = jax.device_put(tokens)
    return call


def _first(call: Callable[[], MixtureFilter], reference: MixtureFilter) -> tuple[float, float]:
    """Seconds of the first call, and the largest difference of its answer."""
    begun = time.perf_counter()
    found = call()
    seconds = time.perf_counter() - begun
    differences = [relative(found.log_evidence, reference.log_evidence)]
    for mine, theirs in (
        (np.exp(np.asarray(found.log_posterior)), np.exp(np.asarray(reference.log_posterior))),
        (np.asarray(found.predictive), np.asarray(reference.predictive)),
    ):
        differences.append(float(np.abs(mine - theirs).max()))
    return seconds, max(differences)


def _least(call: Callable[[], MixtureFilter], repeats: int) -> float:
    """Least seconds of a call."""
    found = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return min(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m implicit_bayes.benchmarks.speed.accelerator", description=(__doc__ or "").split(": ", 1)[1],
        epilog="example:\n  %(prog)s --documents 1000 --json filter.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    for name, default, words in (
        ("documents", 500, "drawn from released GINC"), ("length", 1024, "tokens of each"), ("repeats", 5, "timed"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{words} [{default}]")
    parser.add_argument("--task", nargs="+", default=list(TASKS), choices=TASKS, help="evidence, posterior+predictive")
    parser.add_argument("--json", type=Path, metavar="PATH", help="file for the rows")
    asked = parser.parse_args(arguments)
    try:
        for name in ("documents", "length", "repeats"):
            if getattr(asked, name) < 1:
                raise ModelError(f"{name}: {getattr(asked, name)} is below 1")
        rows = measure(asked.documents, asked.length, asked.repeats, asked.task)
        if asked.json is not None:
            with written_aside(asked.json) as file:
                file.write(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for row in rows:
        speed = f"{row.tokens_per_second:>14,.0f} tokens/s"
        print(f"{row.task:<21} {row.implementation:<13} {row.device:<22} {speed}  agrees to {row.agrees_to:.0e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
