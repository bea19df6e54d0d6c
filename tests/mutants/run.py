"""The machine: plan, run, resume, score. ``python -m mutants --help`` in tests/, or ``make mutants``."""

import contextlib
import functools
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mutants.inplace import changed_code
from mutants.operators import Mutant, mutants_at, places
from mutants.plan import ROOT, its_tests, modules
from mutants.pool import Ran, Room, run_tests, warm

COPIED = ("implicit_bayes", "theory", "simulators", "lm", "benchmarks", "tests", "docs", "pyproject.toml", "README.md")
NEAR = 30.0
"""CPU seconds of the tests that enter a mutant's function, cheapest first; a survivor meets all of its module's."""
LEAST_LIMIT = 60.0
"""CPU seconds that any run of tests may take, or four times what it took unmutated."""
UNMUTATED_LIMIT = 3600.0
"""CPU seconds of one file's tests when they are watched."""


def sample(file: str, share: float, seed: int) -> list[Mutant]:
    """The same mutants for the same seed: a larger share has those of a smaller one and more."""
    source = (ROOT / file).read_text()
    every = places(source)
    random.Random(f"{seed} {file}").shuffle(every)
    return mutants_at(file, source, every[: max(1, round(share * len(every)))])


def copy_tree(target: Path) -> None:
    """The parts of the repository that tests read."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            skip = shutil.ignore_patterns("__pycache__", "_build", ".hypothesis", ".pytest_cache")
            shutil.copytree(source, target / name, symlinks=True, ignore=skip)
        elif source.is_file():
            shutil.copy(source, target / name)


@functools.cache
def digest(*paths: str) -> str:
    """Of the Python files at and under some paths: a result holds as long as a module and its tests are the same."""
    parts = [ROOT / path for path in paths]
    files = [each for part in parts for each in (sorted(part.glob("**/*.py")) if part.is_dir() else [part])]
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:12]


def entered(file: str, tree: Path, cache: Path, room: Room | None = None) -> dict[str, dict[str, Any]]:
    """Which functions each test of a module's files enters: found by one run of each file without a mutant, and kept.

    Raises:
        SystemExit: the tests fail unmutated.
    """
    found: dict[str, dict[str, Any]] = {}
    for tests in test_files(file):
        path = cache / f"entered-{digest(tests)}.json"
        if not path.is_file():
            print(f"{tests}: asking which of its tests enter what", flush=True)
            log = path.with_suffix(".log")
            watched = {"ENTERED": str(path), "MUTANTS_LOG": str(log)}
            if room is None:
                ran = run_tests(tree, [tests], UNMUTATED_LIMIT, watched)
            else:
                ran = room.run([tests], UNMUTATED_LIMIT, watched=watched)
            if not path.is_file():
                sys.exit(f"{tests} cannot be run unmutated:\n{log.read_text()[-2000:] if log.is_file() else ran}")
            if ran.outcome != "survived":
                print(f"{tests}: what fails unmutated is not asked:\n{log.read_text()[-800:]}", flush=True)
        found |= json.loads(path.read_text())
    return found


def test_files(file: str) -> list[str]:
    """Every test file that belongs to a module."""
    parts = [ROOT / test for test in its_tests(file)]
    files = [each for part in parts for each in (sorted(part.glob("**/test_*.py")) if part.is_dir() else [part])]
    return [str(each.relative_to(ROOT)) for each in files]


def choose(
    mutant: Mutant, tests: dict[str, dict[str, Any]], near_seconds: float = NEAR
) -> tuple[list[str], list[str], float]:
    """Tests that enter the mutant's function (cheapest first, about ``near_seconds`` of them), all others of the
    module, and how long all take unmutated."""
    seconds = {name: found["seconds"] for name, found in tests.items()}
    name = f"{mutant.file}::{mutant.function}"
    near = [test for test, found in tests.items() if name in found["functions"]] if mutant.function else list(tests)
    first, used = [], 0.0
    for test in sorted(near, key=seconds.__getitem__):
        if first and used + seconds[test] > near_seconds:
            break
        first.append(test)
        used += seconds[test]
    rest = [test for test in sorted(tests, key=seconds.__getitem__) if test not in set(first)]
    return first, sorted(rest, key=lambda test: test not in near), sum(seconds.values())


def judge(
    mutant: Mutant,
    tests: dict[str, dict[str, Any]],
    tree: Path,
    near_seconds: float | None = None,
    room: Room | None = None,
) -> tuple[Ran, str]:
    """Run the mutant in ``tree``; the module stands there unmutated before and after. With ``near_seconds`` only the
    tests that enter its function are asked. ``room`` has the tests collected: a mutant that changes the code of
    functions only is planted in its forks."""

    def ask(names: list[str], most: float) -> Ran:
        if room is not None and changed_code(mutant.file, kept, mutant.source):
            ran = room.run(names, most, (mutant.file, kept, mutant.source))
            if ran.outcome != "error":
                return ran
        return run_tests(tree, names, most)

    asked = near_seconds or NEAR
    path, first, rest, seconds = tree / mutant.file, *choose(mutant, tests, asked)
    kept, limit = path.read_text(), max(LEAST_LIMIT, 4 * seconds)
    path.write_text(mutant.source)
    try:
        ran = ask(first, LEAST_LIMIT + 4 * asked) if first else Ran("survived", 0.0)
        if ran.outcome != "survived" or not rest or near_seconds is not None:
            return ran, "near"
        again = ask(rest, limit)
        return Ran(again.outcome, ran.seconds + again.seconds), "all"
    finally:
        path.write_text(kept)


def known(results: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Results so far, the last one of each (key, source, digest)."""
    if not results.is_file():
        return {}
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    return {(row["key"], row["source"], row["digest"]): row for row in rows}


def identity(mutant: Mutant) -> tuple[str, str, str]:
    """Key, digest of the mutated source, and of the module with its tests."""
    return (
        mutant.key,
        hashlib.sha256(mutant.source.encode()).hexdigest()[:12],
        digest(mutant.file, *its_tests(mutant.file)),
    )


def interleaved(columns: Sequence[list[Mutant]]) -> list[Mutant]:
    """All columns at the same pace, so that a run that is cut short has sampled the same share of every file."""
    placed = [((i + 0.5) / len(column), at, mutant) for at, column in enumerate(columns)
              for i, mutant in enumerate(column)]  # fmt: skip
    return [mutant for *_, mutant in sorted(placed, key=lambda each: each[:2])]


def work(chosen: list[Mutant], results: Path, minutes: float, near_seconds: float | None = None) -> None:
    """Judge what is not known yet, and append each result when it is there.

    ``near_seconds``: see ``judge``; who survived such a run is not known to a run of all tests.
    """
    done, stop = known(results), time.monotonic() + 60 * minutes
    if near_seconds is None:
        done = {name: row for name, row in done.items() if (row["outcome"], row["by"]) != ("survived", "near")}
    todo = [mutant for mutant in chosen if identity(mutant) not in done]
    print(f"{len(chosen)} mutants, {len(chosen) - len(todo)} known, {len(todo)} to run", flush=True)
    if not todo:
        return
    results.parent.mkdir(parents=True, exist_ok=True)
    warm()
    with tempfile.TemporaryDirectory() as folder, results.open("a") as file, contextlib.ExitStack() as leave:
        tree = Path(folder) / "tree"
        tree.mkdir()
        copy_tree(tree)
        room = Room(tree, sorted({test for mutant in todo for test in test_files(mutant.file)}))
        leave.callback(room.close)  # it waits for work, and would wait for ever if this process fell over
        for mutant in todo:
            if time.monotonic() > stop:
                print("out of time; the same command goes on from here", flush=True)
                break
            tests = entered(mutant.file, tree, results.parent, room)
            ran, by = judge(mutant, tests, tree, near_seconds, room)
            key, source, of = identity(mutant)
            row = mutant._asdict() | {"key": key, "source": source, "digest": of, "outcome": ran.outcome, "by": by}
            print(json.dumps(row | {"seconds": round(ran.seconds, 1)}), file=file, flush=True)
            where = f"{mutant.file}:{mutant.line} [{mutant.operator}]"
            print(f"{ran.outcome:9}{ran.seconds:6.0f} s  {where}  {mutant.before}  ->  {mutant.after}", flush=True)


def chosen_mutants(patterns: tuple[str, ...], share: float, seed: int) -> list[Mutant]:
    """The sample, files in turn."""
    return interleaved([sample(file, share, seed) for file in modules(patterns)])


def drawn(patterns: tuple[str, ...], count: int, seed: int) -> list[Mutant]:
    """So many mutants, each place of all the modules as likely as any other: a simple random sample.

    The first few are such a sample too, so a run that is cut short is none the worse.
    """
    sources = {file: (ROOT / file).read_text() for file in modules(patterns)}
    every = [(file, place) for file, source in sources.items() for place in places(source)]
    random.Random(seed).shuffle(every)
    found: dict[tuple[str, str], Mutant] = {}
    for file, place in every:
        for mutant in mutants_at(file, sources[file], [place]):
            found.setdefault((file, mutant.source), mutant)
        if len(found) >= count:
            break
    return list(found.values())
