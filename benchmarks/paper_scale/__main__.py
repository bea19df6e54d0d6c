"""``python -m implicit_bayes.benchmarks.paper_scale``: the paper's own sizes, trained on an accelerator in minutes.

Needs JAX, Equinox, optax, jaxtyping and lazy_loader only, so that it runs on a machine that was given nothing else.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from implicit_bayes.benchmarks.paper_scale import results, yardsticks
from implicit_bayes.benchmarks.paper_scale.measure import Measuring
from implicit_bayes.benchmarks.paper_scale.settings import REHEARSAL, SIZES, Job, Settings, jobs, recipe
from implicit_bayes.benchmarks.paper_scale.state import Budget, read_records
from implicit_bayes.benchmarks.paper_scale.training import SLACK, Diverged, Training
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory import ModelError

EXAMPLES = """examples:
  python -m implicit_bayes.benchmarks.paper_scale --rehearse --out out/rehearsal
  python -m implicit_bayes.benchmarks.paper_scale --prepare --out out/paper
  python -m implicit_bayes.benchmarks.paper_scale --minutes 9 --states /tmp/states --out out/paper
  implicit-bayes reproduce scaling --preset paper --from out/paper --out out/figure

Run the same command again to go on with what is not finished. docs/paper_scale.md explains it."""


def parser() -> argparse.ArgumentParser:
    """The command line.

    Returns:
        A parser whose defaults are those of ``Settings``.
    """
    made = argparse.ArgumentParser(
        prog="python -m implicit_bayes.benchmarks.paper_scale", description=(__doc__ or "").split(": ", 1)[1],
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = made.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="records and curves; small")
    add("--states", type=Path, metavar="DIR", help="states to go on from, 0.3 to 1.4 GB each (default: OUT/states)")
    add("--yardsticks", type=Path, metavar="FILE", help="what exact Bayes says (default: OUT/yardsticks.npz)")
    add("--minutes", type=float, metavar="M", help="stop, and store, before so many minutes have passed")
    add("--sizes", nargs="+", default=list(SIZES), metavar="SIZE", help=f"of {', '.join(SIZES)} (default: all)")
    add("--fresh", action="store_true", help="train on documents that are never seen twice, too")
    add("--prepare", action="store_true", help="only work out what exact Bayes says")
    add("--rehearse", action="store_true", help="narrow networks and few tokens: the same code in a minute")
    add("--float32", action="store_true", help="compute in float32 instead of bfloat16")
    add("--seed", type=int, metavar="S", help="of everything (default 0)")
    for name, words in (
        ("tokens", "of every training (default: the published numbers)"), ("every", "steps between measurements"),
        ("points", "in-context curves of every training"), ("dispatch", "steps the device does on its own"),
        ("documents", "held out"), ("prompts", "for each k"),
    ):  # fmt: skip
        default = "" if name == "tokens" else f" (default {getattr(Settings(), name)})"
        add(f"--{name}", type=int, metavar="N", help=words + default)
    return made


def settings_of(asked: argparse.Namespace) -> Settings:
    """What was asked for over the defaults.

    Returns:
        Settings that passed their own check.

    Raises:
        ModelError: a value that makes no sense.
    """
    fields = ("seed", "tokens", "every", "points", "dispatch", "documents", "prompts")
    given = {field: getattr(asked, field) for field in fields if getattr(asked, field) is not None}
    base = REHEARSAL if asked.rehearse else Settings()
    settings = base._replace(**given, half=not asked.float32)
    settings = settings._replace(implied=min(settings.implied, settings.documents))
    settings.check()
    return settings


def say(words: str) -> None:
    """A line, at once."""
    print(words, flush=True)


def run(asked: argparse.Namespace) -> bool:
    """Do what was asked for.

    Returns:
        Whether every training came to its end, or time was up; False where one diverged.
    """
    budget, settings, out = Budget(asked.minutes), settings_of(asked), asked.out
    todo, before = jobs(asked.sizes, asked.fresh), results.earlier(out, settings)
    length = recipe(todo[0], settings).schedule.phases[0].length - 1
    words = yardsticks.about(settings, length)
    stored = asked.yardsticks or out / "yardsticks.npz"
    if stored.is_file():
        yard = yardsticks.read(stored, words)
    else:
        yard = yardsticks.make(settings, length)
        yardsticks.write(stored, yard, words)
    results.write_bayes(out, settings, yard)
    say(f"exact Bayes: {-yard.log_bayes_DxT.mean():.4f} nats a token on {len(yard.held_DxT)} held-out documents")
    if asked.prepare:
        return True
    measuring = Measuring(yardsticks.released_instance().mixture, yard, settings)
    return _train(todo, measuring, out, asked.states or out / "states", before, budget)


def _train(
    todo: Sequence[Job], measuring: Measuring, out: Path, states: Path, trainings: JsonObject, budget: Budget
) -> bool:
    """Every training, one after the other; ``trainings`` were done before."""
    took: dict[str, float] = {}
    settings, sound = measuring.settings, True
    for job in todo:
        if not budget.allows(SLACK * sum(took.values())):
            say(f"{job.name}: no time is left for it; the same command goes on")
            continue
        training = Training(job, settings, measuring, out, states, took, say)
        try:
            ended = training.run(budget)
            trainings[job.name] = ended.summary | {"finished": ended.finished}
        except Diverged as error:
            say(str(error))
            sound = False
        if training.metrics.is_file():
            results.write_curves(out / job.name / results.CURVES, read_records(training.metrics), settings)
        done = [trainings[each.name]["finished"] for each in todo if each.name in trainings]
        results.write_run(out, settings, trainings, len(done) == len(todo) and all(done))
    for name, each in trainings.items():
        if not each["finished"]:
            say(f"{name}: {each['steps']:,} of {each['planned_steps']:,} steps; the same command goes on")
    return sound


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done or time was up, 1 a training diverged, 2 bad input."""
    try:
        return 0 if run(parser().parse_args(arguments)) else 1
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
