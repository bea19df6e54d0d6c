"""What a drawn token costs, part by part, beside what its parts cannot cost less than.

    python -m implicit_bayes.benchmarks.speed.draw_costs [--json PATH]

Parts are timed on the shapes of a batch of a stream of released GINC: the whole; its uniforms alone; its chains alone,
writing to the same few places (in the cache), through the whole of memory that is there, and through memory that the
system has to give first. Floors: one look-up a token in a table of the same size, at a place that the look-up before
it and a uniform decide, with nothing computed and nothing written; and filling the memory with a constant.
"""

import argparse
import json
import mmap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, no_type_check

import jax
import numpy as np

from implicit_bayes.simulators.ginc import released_ginc
from implicit_bayes.simulators.sampler import CACHED, sample_documents, stream, tables_of
from implicit_bayes.theory import MixtureOfHMMs, ModelError
from implicit_bayes.theory.filtering import compiled as machine_code

DOCUMENTS, LENGTH = 1000, 1000


class DrawCost(NamedTuple):
    """What one part of drawing a token costs.

    Attributes:
        part: what is done.
        nanoseconds: CPU time a token, least of the repeats.
        floor: whether nothing can do with less.
    """

    part: str
    nanoseconds: float
    floor: bool


def costs(mixture: MixtureOfHMMs, documents: int, length: int, repeats: int, seed: int) -> list[DrawCost]:
    """Every part, in nanoseconds a token.

    Args:
        mixture: whose states emit one token each.
        documents: drawn side by side.
        length: tokens in each.
        repeats: of which the least counts.
        seed: of what is drawn.

    Returns:
        DrawCosts; floors are marked, which no sampler of this kind can go below.

    Raises:
        ModelError: numba is not installed.
    """
    if not machine_code.available():
        raise ModelError("draw_costs: times machine code, which needs numba; pip install 'implicit-bayes[compiled]'")
    from implicit_bayes.simulators.compiled_walks import GROUP, alias_chains, sfc64_uniforms
    from implicit_bayes.theory.filtering.machine_code import compiled

    @compiled
    @no_type_check
    def look_ups(alias_R, size, random_TxB, row_G):
        for group in range(0, random_TxB.shape[1] - GROUP + 1, GROUP):
            for t in range(random_TxB.shape[0]):
                for i in range(GROUP):
                    column = np.int64(random_TxB[np.uint64(t), np.uint64(group + i)] * size)
                    row_G[i] = np.int64(alias_R[np.uint64(row_G[i] * size + column)])

    tables, batches = tables_of(mixture), stream(mixture, jax.random.key(seed), documents, length)
    drawn = sample_documents(mixture, jax.random.key(seed), documents, length)
    block, state = (drawn.concepts * tables.states).astype(np.int32), drawn.states[:, 0].copy()
    steps = max(1, min(CACHED // documents, length))
    words, uniforms = np.arange(1, 5, dtype=np.uint64), np.random.default_rng(seed).random((steps, documents))
    both, rows = np.empty((2, documents, length), np.int32), np.zeros(GROUP, np.int64)
    emit = np.zeros_like(block) if tables.shared else block

    def chains(out: np.ndarray, begin: int) -> None:
        alias_chains(
            tables.limit_R, tables.alias_R, tables.states, block, state, uniforms[: length - begin], out[0], begin,
            tables.token_of, emit, out[1],
        )  # fmt: skip

    def whole(out: np.ndarray) -> None:
        for begin in range(0, length, steps):
            chains(out, begin)

    def fresh() -> None:
        with mmap.mmap(-1, both.nbytes) as memory:
            given = np.frombuffer(memory, np.int32).reshape(both.shape)
            whole(given)
            del given

    every, piece, floor = documents * length, steps * documents, documents // GROUP * GROUP * steps
    parts: dict[str, tuple[Callable[[], object], int, bool]] = {
        "a batch of a stream, all of it": (lambda: next(batches), every, False),
        "uniforms": (lambda: sfc64_uniforms(words, uniforms), piece, False),
        "chains, written to the cache": (lambda: chains(both, 0), piece, False),
        "chains, written to memory": (lambda: whole(both), every, False),
        "chains, written to memory that is new": (fresh, every, False),
        "one look-up, nothing else": (lambda: look_ups(tables.alias_R, tables.states, uniforms, rows), floor, True),
        "a constant, written to memory": (lambda: both.fill(1), every, True),
    }
    return [
        DrawCost(part, _least(call, repeats) / tokens * 1e9, floor) for part, (call, tokens, floor) in parts.items()
    ]


def _least(call: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one call, the least of several after one that does not count."""
    call()
    found = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        found.append(time.process_time() - begin)
    return min(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time, print, write; 0, or 2 where numba is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    try:
        found = costs(released_ginc(50).pretraining, DOCUMENTS, LENGTH, max(1, asked.repeats), 0)
    except ModelError as error:
        print(f"error: {error}")
        return 2
    for cost in found:
        print(f"{cost.nanoseconds:6.2f} ns  {cost.part}{' (floor)' if cost.floor else ''}")
    if asked.json:
        asked.json.write_text(json.dumps([cost._asdict() for cost in found], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
