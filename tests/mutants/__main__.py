"""Mutants by machine: python -m mutants, in tests/."""

import argparse
import sys
from pathlib import Path

from mutants.plan import ROOT
from mutants.run import chosen_mutants, drawn, identity, known, work

DONE = 0.9
"""Share killed that the suite is held to."""


def main() -> int:
    """Run a sample, then print the score; exit status 1 below 90% of the mutants run."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument(
        "--share", type=float, default=0.02, help="of the mutants of every module (1: all); default 0.02"
    )
    parser.add_argument(
        "--count", type=int, help="instead of a share: so many, drawn from all places of the modules alike"
    )
    parser.add_argument("--modules", nargs="*", default=(), help="parts of paths, as in: statements gap/loss.py")
    parser.add_argument("--seed", type=int, default=0, help="of the sample; a larger share contains a smaller one")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after these; run again to go on; default 60")
    parser.add_argument("--results", type=Path, default=ROOT / "out" / "mutants" / "results.jsonl")
    parser.add_argument(
        "--near", type=float, metavar="SECONDS",
        help="ask only the tests that enter the changed function, so many seconds of them: quick, and the score is a "
        "lower bound",
    )  # fmt: skip
    parser.add_argument("--score", action="store_true", help="only say what the results so far come to")
    given = parser.parse_args()
    if not 0 < given.share <= 1:
        parser.error("--share: between 0 and 1")
    if given.count is not None and given.count < 1:
        parser.error("--count: at least 1")
    modules, seed = tuple(given.modules), given.seed
    chosen = drawn(modules, given.count, seed) if given.count else chosen_mutants(modules, given.share, seed)
    if not chosen:
        parser.error(f"--modules: no module that is mutated contains {' or '.join(given.modules)}")
    if not given.score:
        work(chosen, given.results, given.minutes, given.near)
    from mutants.score import score  # imports the project, which the children must not have imported before

    done, names = known(given.results), {identity(mutant) for mutant in chosen}
    found = score([row for name, row in done.items() if name in names])
    for row in found.left:
        print(f"survives  {row['file']}:{row['line']} [{row['operator']}]  {row['before']}  ->  {row['after']}")
    print(f"of {len(chosen)} chosen: {found.words}")
    return 0 if found.killed >= DONE * found.run else 1


if __name__ == "__main__":
    sys.exit(main())
