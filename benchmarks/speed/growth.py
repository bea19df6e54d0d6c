"""Task ``growth``: what evidence, posterior and a whole ``verify`` cost as an instance grows, one size at a time.

Every case runs in a process of its own, so that its peak memory is its own; a process that asks nothing ("bare":
imports and the instance) is measured too, and exponents are of what is above it. Compilation and table building are
part of the figure: it is what a person waits for, once. A case that ``verify`` refuses (``--budget``), or that passes
its limit of CPU time, is said to be. Finished cases are kept beside the file that the rows will go to, and an
interrupted run goes on from them.
"""

import contextlib
import io
import json
import math
import resource
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import numpy as np
from rich.table import Table

from implicit_bayes.benchmarks.common import children, storage
from implicit_bayes.benchmarks.speed.compare import Advance
from implicit_bayes.benchmarks.speed.scaling import slope
from implicit_bayes.simulators import stored
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory import MixtureOfHMMs, ModelError

BASE = {"concepts": 5, "vocabulary": 50, "states": 20, "k": 3, "n": 8}
GRID: dict[str, tuple[int, ...]] = {
    "concepts": (1, 10, 100, 1000, 10_000),
    "vocabulary": (50, 500, 5000, 50_257),
    "states": (10, 100, 1000, 5000),
    "k": (2, 3, 5, 10),
    "n": (1, 8, 64, 256),
}
QUESTIONS = ("evidence", "posterior", "verify")
BARE = "bare"
"""The question of the process that only imports and makes the base instance."""

ABOVE = 1.0
"""Share of a bare process's time that a case must take beyond it to count for an exponent: what is left of less is the
call itself, and noise."""

WIDTH = 4
"""States that emit a token, where there are more states than tokens as many as it takes."""

PROMPTS, VERIFIED = 200, 20
"""Prompts of n examples that evidence and posterior are asked for, and those of a verification's curves."""

LIMIT = 600
"""CPU seconds of one case."""

GRACE = 120
"""CPU seconds after which a case that does not hear that it should stop is killed."""

BUDGET = 5.0
"""CPU minutes that ``verify`` is given."""


class Growth(NamedTuple):
    """One size varied, the others at BASE.

    Attributes:
        task: always "growth".
        size: what is varied.
        question: evidence (of every concept, whole prompts), posterior (and predictive, after every example) or verify
            (with few prompts and documents).
        values: the sizes.
        cpu_seconds: of each; None where it was not finished.
        peak_bytes: highest resident set of the process of each; None likewise.
        notes: why one was not finished, in words; empty where it was.
        bare_seconds: CPU seconds of a process that asks nothing.
        exponent: slope of log time beyond ``bare_seconds`` on log size, over the upper half of the finished values that
            take as long again (nan with fewer than two).
    """

    task: str
    size: str
    question: str
    values: tuple[int, ...]
    cpu_seconds: tuple[float | None, ...]
    peak_bytes: tuple[int | None, ...]
    notes: tuple[str, ...]
    bare_seconds: float
    exponent: float


class GrowthCase(NamedTuple):
    """One case as it is kept while others run.

    Attributes:
        at: every size.
        question: bare, evidence, posterior or verify.
        seed: of kernels and prompts.
        prompts: that were asked.
        cpu_seconds, peak_bytes, note: as of ``report_on``.
    """

    at: dict[str, int]
    question: str
    seed: int
    prompts: int
    cpu_seconds: float | None
    peak_bytes: int | None
    note: str


def growth(
    seed: int, advance: Advance, grid: dict[str, tuple[int, ...]] = GRID, keep: Path | None = None
) -> list[Growth]:
    """Every question along every size.

    Args:
        seed: of kernels and prompts.
        advance: called with 1 after every case, each in a process of its own; the bare one comes first.
        grid: values of every size that is varied.
        keep: file for the cases as they come; those that it holds are taken from it. Without one the same case (the
            base, on several sizes' way) is still worked out once.

    Returns:
        A row for each (size, question).

    Raises:
        ModelError: the file holds something else, or a case fails.
    """
    rows, cases = [], kept(keep)

    def known(at: dict[str, int], question: str) -> JsonObject:
        prompts = VERIFIED if question == "verify" else PROMPTS
        for case in cases:
            if (case.at, case.question, case.seed, case.prompts) == (at, question, seed, prompts):
                return case._asdict()
        found = _child(at, question, seed)
        cases.append(GrowthCase(at=at, question=question, seed=seed, prompts=prompts, **found))
        if keep is not None:
            storage.write_json(keep, cases)
        return cases[-1]._asdict()

    bare = known(BASE, BARE)["cpu_seconds"]
    advance(1)
    for size, values in grid.items():
        for question in QUESTIONS:
            found = []
            for value in values:
                found.append(known(BASE | {size: value}, question))
                advance(1)
            beyond = [(v, e["cpu_seconds"] - bare) for v, e in zip(values, found, strict=True) if not e["note"]]
            counted = [(v, seconds) for v, seconds in beyond if seconds > ABOVE * bare]
            rows.append(
                Growth(
                    task="growth",
                    size=size,
                    question=question,
                    values=values,
                    cpu_seconds=tuple(each["cpu_seconds"] for each in found),
                    peak_bytes=tuple(each["peak_bytes"] for each in found),
                    notes=tuple(each["note"] for each in found),
                    bare_seconds=bare,
                    exponent=slope([v for v, _ in counted], [seconds for _, seconds in counted]),
                )
            )
    return rows


def kept(path: Path | None) -> list[GrowthCase]:
    """The cases that an interrupted run left.

    Args:
        path: where it kept them.

    Returns:
        Cases, none where there is no file.

    Raises:
        ModelError: the file holds something else.
    """
    if path is None or not path.is_file():
        return []
    found = stored.read_json(path, list[stored.record(GrowthCase)], "remove it to begin anew")  # type: ignore[misc]
    return [GrowthCase(**stored.fields_of(case)) for case in found]


def _child(at: dict[str, int], question: str, seed: int) -> JsonObject:
    asked = json.dumps({"at": at, "question": question, "seed": seed})
    done = children.run([sys.executable, "-m", "implicit_bayes.benchmarks.speed.growth", asked])
    if done.returncode == -signal.SIGKILL:
        return {
            "cpu_seconds": None,
            "peak_bytes": None,
            "note": "killed: out of memory, or far beyond the limit of CPU time",
        }
    if done.returncode:
        raise ModelError(f"bench: {question} failed: {done.stderr.strip().splitlines()[-1:]}")
    found: JsonObject = json.loads(done.stdout)
    return found


def family(at: dict[str, int], seed: int) -> Instance:
    """Random positive kernels, one delimiter state, every other token emitted by WIDTH states and every state by some.

    Concept 0 is the true one; its documents' start law starts prompts.

    Args:
        at: concepts, vocabulary, states and k.
        seed: of the kernels.

    Returns:
        Instance of these sizes.
    """
    rng, (concepts, tokens, states) = np.random.default_rng(seed), (at["concepts"], at["vocabulary"], at["states"])
    kernels, initial = rng.random((concepts, states, states)) + 0.05, rng.random((concepts, states)) + 0.05
    kernels /= kernels.sum(-1, keepdims=True)
    initial /= initial.sum(-1, keepdims=True)
    emission = np.zeros((states, tokens))
    emission[0, 0] = 1.0
    others, words = np.arange(states - 1), np.arange(tokens - 1)
    for shift in range(min(WIDTH, states - 1)):
        emission[1 + (words + shift) % (states - 1), 1 + words] += rng.random(len(words)) + 0.05
    emission[1 + others, 1 + others % (tokens - 1)] += 0.5
    emission /= emission.sum(-1, keepdims=True)
    mixture = MixtureOfHMMs(np.full(concepts, 1 / concepts), initial, kernels, emission, 0)
    return Instance(name="growth", mixture=mixture, prompt_starts=initial[:, None], true_concepts=(0,), k=at["k"])


def one_case(at: dict[str, int], question: str, seed: int) -> None:
    """The work itself.

    Args:
        at: concepts, vocabulary, states, k and n.
        question: bare, evidence, posterior or verify.
        seed: of kernels and prompts.

    Raises:
        ModelError: ``verify`` refuses.
    """
    from implicit_bayes.benchmarks.verification.verify import verify
    from implicit_bayes.simulators.sampler import sample_prompts
    from implicit_bayes.theory import filter_mixture

    instance, k, n = family(at, seed), at["k"], at["n"]
    if question == BARE:
        return
    if question == "verify":
        verify(instance, k=k, n=(0, n), prompts=VERIFIED, documents=5, length=64, epsilon=(0.01,), budget=BUDGET)
        return
    import jax

    tokens = sample_prompts(
        instance.mixture, instance.prompt_starts, jax.random.key(seed), PROMPTS, k, n, true_concepts=(0,)
    ).tokens
    length = tokens.shape[1]
    after = range(k + 1, length + 1, k + 1) if question == "posterior" else ()
    found = filter_mixture(instance.mixture, tokens, positions=sorted({*after, length}))
    if not np.isfinite(np.asarray(found.log_posterior)).all():
        raise ModelError("bench: a posterior that is not finite")


def report_on(asked: str) -> JsonObject:
    """What a process of its own prints: seconds, peak memory, and a note where the case was not finished.

    Returns:
        An object: cpu_seconds and peak_bytes (None where it was not finished), note.
    """
    request, note = json.loads(asked), ""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)  # it comes again every second
        raise TimeoutError

    signal.signal(signal.SIGXCPU, stop)
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + GRACE))
    begin = time.process_time()
    import jax

    try:
        with contextlib.redirect_stdout(io.StringIO()), jax.enable_x64(True):
            one_case(request["at"], request["question"], request["seed"])
    except ModelError as error:
        note = f"refused: {error}"
    except TimeoutError:
        note = f"stopped after {LIMIT} CPU seconds"
    except MemoryError:
        note = "not enough memory"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    done = not note
    return {
        "cpu_seconds": time.process_time() - begin if done else None,
        "peak_bytes": peak if done else None,
        "note": note,
    }


def table(rows: list[Growth]) -> Table:
    """What a person reads.

    Returns:
        A table of rich's.
    """
    bare = f" ({rows[0].bare_seconds:.2f} bare)" if rows else ""
    shown = Table("size", "question", "values", f"CPU s{bare}", "peak MiB", "exponent", "not finished")
    for row in rows:
        seconds = ["–" if each is None else f"{each:.2f}" for each in row.cpu_seconds]
        peaks = ["–" if each is None else f"{each / 2**20:.0f}" for each in row.peak_bytes]
        notes = "; ".join(f"{v:,}: {note}" for v, note in zip(row.values, row.notes, strict=True) if note)
        exponent = "" if math.isnan(row.exponent) else f"{row.exponent:.2f}"
        values = " ".join(f"{value:,}" for value in row.values)
        shown.add_row(row.size, row.question, values, " ".join(seconds), " ".join(peaks), exponent, notes)
    return shown


if __name__ == "__main__":
    children.watch_parent()
    print(json.dumps(report_on(sys.argv[1])))
