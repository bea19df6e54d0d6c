"""Task ``memory``: long documents, and many of them, filtered in bounded memory, each in a process of its own.

Tokens are drawn once, written to a file and read through a memory map; ``filter_stream`` then answers at every
position (evidence, posterior, predictive), and each chunk is dropped when its answer has been looked at. Peak memory
is the process's highest resident set. A first process that reads only one chunk shows what importing, tables and
machine code take; what a stream takes over it is the price of its length, and must not grow with it.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from rich.table import Table

from implicit_bayes.benchmarks.common import children
from implicit_bayes.benchmarks.speed.compare import Advance
from implicit_bayes.simulators.instances import Instance, load_instance, save_instance
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.filtering.posterior import weigh
from implicit_bayes.theory.filtering.streaming import filter_stream

CASES = ((1, 10_000_000, 1 << 14), (1, 10_000_000, 1 << 16), (1000, 10_240, 16), (1000, 10_240, 64))
"""(documents, tokens in each, tokens in a chunk): ten million tokens both ways, each in two sizes of chunk."""

AGREEMENT = 1e-12
"""Largest relative difference of log p between two sizes of chunk."""


class MemoryUse(NamedTuple):
    """One stream through the filter.

    Attributes:
        task: always "memory".
        documents: in the stream, side by side.
        length: of each, tokens.
        chunk: tokens that are filtered at a time.
        cpu_seconds: of the whole stream.
        peak_bytes: highest resident set of the process.
        base_bytes: that of the same process after one chunk only.
        log_probability: sum over documents of log p of the whole document, nats: the same for every size of chunk.
    """

    task: str
    documents: int
    length: int
    chunk: int
    cpu_seconds: float
    peak_bytes: int
    base_bytes: int
    log_probability: float


def memory(
    instance: Instance, seed: int, advance: Advance, cases: tuple[tuple[int, int, int], ...] = CASES
) -> list[MemoryUse]:
    """Every case twice: once to the end of its first chunk, once to the end of the documents.

    Args:
        instance: whose mixture draws the documents and filters them.
        seed: of the documents.
        advance: called with 1 after every case.
        cases: (documents, length, chunk) of each.

    Returns:
        MemoryUse of each case: CPU seconds, and peak memory in bytes of both runs, which differ by what grows.

    Raises:
        ModelError: two sizes of chunk that disagree on the same documents.
    """
    rows: list[MemoryUse] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instance.npz"
        save_instance(instance, path)
        for documents, length, chunk in cases:
            tokens = Path(folder) / f"{documents}x{length}.npy"
            if not tokens.exists():
                key = jax.random.key(seed)
                np.save(tokens, sample_documents(instance.mixture, key, documents, length).tokens)
            base = _child(path, tokens, chunk, chunk)
            whole = _child(path, tokens, chunk, length)
            rows.append(
                MemoryUse(
                    task="memory",
                    documents=documents,
                    length=length,
                    chunk=chunk,
                    cpu_seconds=whole["cpu_seconds"],
                    peak_bytes=int(whole["peak_bytes"]),
                    base_bytes=int(base["peak_bytes"]),
                    log_probability=whole["log_probability"],
                )
            )
            advance(1)
    for row in rows:
        same = next(other for other in rows if (other.documents, other.length) == (row.documents, row.length))
        if abs(row.log_probability - same.log_probability) > AGREEMENT * abs(same.log_probability):
            raise ModelError(f"bench: chunks of {row.chunk} and of {same.chunk} tokens disagree on the same documents")
    return rows


def _child(instance: Path, tokens: Path, chunk: int, length: int) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "implicit_bayes.benchmarks.speed.memory",
        str(instance),
        str(tokens),
        str(chunk),
        str(length),
    ]
    done = children.run(command)
    if done.returncode:
        raise ModelError(f"bench: a stream failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


def stream(instance: Path, tokens: Path, chunk: int, length: int) -> dict[str, float]:
    """What a process of its own does: filter the first ``length`` tokens of every document, and report on itself.

    Args:
        instance: file of the instance.
        tokens: file of the (B, T) tokens.
        chunk: tokens that are filtered at a time.
        length: tokens of each document to read.

    Returns:
        CPU seconds, peak bytes and log probability, as in ``MemoryUse``.

    Raises:
        ModelError: a predictive that is not finite.
    """
    mixture = load_instance(str(instance)).mixture
    tokens_BxT = np.load(tokens, mmap_mode="r")[:, :length]
    begin, last = time.process_time(), None
    for last in filter_stream(mixture, tokens_BxT, chunk):
        if not np.isfinite(last.predictive).all():
            raise ModelError("bench: a predictive that is not a number")
    assert last is not None
    total = float(np.sum(weigh(mixture.prior, last.log_evidence[:, -1]).log_probability))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"cpu_seconds": time.process_time() - begin, "peak_bytes": peak, "log_probability": total}


def table(rows: list[MemoryUse]) -> Table:
    """What a person reads.

    Returns:
        A table of rich's.
    """
    shown = Table("documents", "tokens in each", "chunk", "CPU s", "ns/token", "peak MiB", "over one chunk, MiB")
    for row in rows:
        peak, over = row.peak_bytes / 2**20, (row.peak_bytes - row.base_bytes) / 2**20
        each = 1e9 * row.cpu_seconds / (row.documents * row.length)
        shown.add_row(
            f"{row.documents:,}", f"{row.length:,}", f"{row.chunk:,}", f"{row.cpu_seconds:.1f}", f"{each:.0f}",
            f"{peak:.0f}", f"{over:.0f}",
        )  # fmt: skip
    return shown


if __name__ == "__main__":
    children.watch_parent()
    print(json.dumps(stream(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
