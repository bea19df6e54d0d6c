"""The command line: ``implicit-bayes SUBCOMMAND …`` (also ``python -m implicit_bayes SUBCOMMAND …``).

Bad input ends with exit status 2 and one line on standard error that names the field and the remedy.
"""

import contextlib
import difflib
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg

from implicit_bayes.benchmarks.cli import help_text
from implicit_bayes.benchmarks.cli.process import complain, guarded
from implicit_bayes.benchmarks.common.made_by import command_line

Out = Annotated[Path, arg(metavar="DIR")]
Json = Annotated[Path | None, arg(metavar="PATH")]
Instance = Annotated[Positional[str], arg(metavar="INSTANCE")]


def verify(
    instance: Annotated[Positional[str | None], arg(metavar="INSTANCE")] = None,
    /,
    k: tuple[int, ...] = (),
    n: tuple[int, ...] = (0, 1, 2, 4, 8, 16, 32, 64),
    prompts: int = 1000,
    epsilon: tuple[float, ...] = (1e-8, 1e-4, 1e-2),
    documents: int = 100,
    length: int = 1024,
    seed: int = 0,
    model: Annotated[tuple[str, ...], arg(metavar="NAME_OR_RUN …")] = ("shipped",),
    model_prompts: int = 300,
    certify: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    compare: Annotated[tuple[str, ...], arg(metavar="INSTANCE …")] = (),
    out: Annotated[Path | None, arg(metavar="DIR")] = None,
    json: Json = None,
) -> None:
    """Check the paper's assumptions, conditions and theorems on an instance, and run the exact in-context curves.

    Try:
      implicit-bayes verify ginc --out out/ginc
      implicit-bayes verify regular --k 3 5 --prompts 5000 --json regular.json
      implicit-bayes verify my-mixture.npz --n 0 1 2 4 8
      implicit-bayes verify ginc --model lstm-small runs/mine untrained
      implicit-bayes verify printed-counterexample --certify
      implicit-bayes verify --compare regular ginc-paper printed-counterexample

    Args:
        instance: ginc, ginc-100, ginc-150, ginc-paper, regular, printed-counterexample, or the path of an .npz.
        k: example lengths in tokens (default: the instance's own k, else 3 5 8 10).
        n: numbers of examples in the prompt.
        prompts: prompts for each k.
        epsilon: smoothing levels of the smoothed reference.
        documents: fresh documents for the Bayes cross-entropy.
        length: tokens in each of them.
        seed: of prompts, documents and every estimate that samples.
        model: language models set beside Bayes: lstm-small, transformer-small, bayes, untrained, the path of a RUN
            or of its weights.npz, or module.py:factory; "shipped" is all that come with the suite
            for this instance, and no name is none.
        model_prompts: prompts for each k that models answer, the first of the others.
        certify: also prove the verdicts in ball arithmetic, on instances whose entries are short decimals.
        compare: further instances, verified one after the other and shown side by side.
        out: directory for report.html, figures, results.nc and results.json (one folder an instance with --compare).
        json: file for the machine-readable result.
    """
    given = locals()
    from implicit_bayes.benchmarks.cli import jobs

    def made_by(name: str | None) -> str:
        """The command of one instance, or (None) of the whole comparison."""
        return command_line(verify, given if name is None else given | {"instance": name, "compare": ()})

    settings = {"ks": k, "ns": n, "prompts": prompts, "epsilons": epsilon}
    settings |= {"documents": documents, "length": length, "seed": seed, "certify": certify}
    settings |= {"model_prompts": model_prompts}
    jobs.verify([*([] if instance is None else [instance]), *compare], model, settings, out, json, made_by)


def sample(
    instance: Instance,
    /,
    out: Out,
    documents: int | None = None,
    length: int | None = None,
    split: Literal["train", "validation"] = "train",
    prompts: int | None = None,
    k: tuple[int, ...] = (3, 5, 8, 10),
    n: int = 64,
    layout: Literal["npz", "published"] = "npz",
    seed: int = 0,
    json: Json = None,
) -> None:
    """Write documents and prompts of an instance.

    The published layout of ginc, ginc-100 and ginc-150 continues the released random stream bit for bit (its seed
    is the release's own; --seed does not apply) and holds text files and JSON lines with the released field names.

    Try:
      implicit-bayes sample ginc --split validation --documents 100 --length 1024 --layout published --out data/ginc
      implicit-bayes sample ginc-paper --documents 1000 --length 1024 --seed 3 --out data/paper

    Args:
        instance: a name or the path of an .npz.
        out: directory for the files.
        documents: how many (default: 100, or all that the released split holds).
        length: tokens in each (default: 1024, or the released length).
        split: train or validation (they differ in their random stream).
        prompts: prompts for each k, in the published layout for each (k, n); 0 writes none (default: none in the
            npz layout; all 2500 of the release, in and out of distribution, in the published one).
        k: example lengths of the prompts.
        n: examples in each prompt (npz layout).
        layout: npz, or published (the released GINC file layout).
        seed: of documents and prompts (npz layout).
        json: file for a machine-readable list of what was written.
    """
    from implicit_bayes.benchmarks.cli import jobs

    jobs.sample(instance, out, documents, length, split, prompts, k, n, layout, seed, json)


def train(
    out: Annotated[Path, arg(metavar="RUN")],
    instance: Annotated[str | None, arg(metavar="INSTANCE")] = None,
    model: Literal["lstm", "transformer"] | None = None,
    preset: str | None = None,
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    seed: int | None = None,
    tokens: int | None = None,
    data: Literal["fresh", "released"] | None = None,
    resets: float | None = None,
    devices: int | None = None,
    bfloat16: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    documents: int | None = None,
    length: int | None = None,
    tensorboard: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    coordinator: Annotated[str | None, arg(metavar="HOST:PORT")] = None,
    processes: int = 1,
    process: int = 0,
    json: Json = None,
) -> None:
    """Train a language model on an instance's documents, and measure its distance from exact Bayes as it goes.

    RUN holds config.json, metrics.jsonl, checkpoints, figures and, at the end, weights.npz. A run that is stopped in
    any way goes on with --resume, to bitwise the same weights.

    Try:
      implicit-bayes train --instance ginc --model lstm --out runs/lstm
      implicit-bayes train --model lstm --preset tiny --out runs/tiny
      implicit-bayes train --out runs/lstm --resume
      implicit-bayes train --model transformer --preset paper-4l --bfloat16 --out runs/paper-4l

    Args:
        out: directory of the run.
        instance: a name or the path of an .npz (default: ginc, or what RUN has with --resume).
        model: architecture (default: lstm, or RUN's).
        preset: small (the default), tiny (seconds), paper-4l, paper-12l, paper-16l (transformer), paper-lstm (lstm).
        resume: go on from the newest good checkpoint in RUN, with everything that RUN was begun with.
        seed: of weights, documents and dropout (default 0).
        tokens: to train on (default: the preset's; curriculum and learning rate scale along, so RUN cannot change it).
        data: fresh documents without end, or the released training documents again and again (default: the preset's).
        resets: probability that a document's state is redrawn at a token; anything but 0 is another pretraining law.
        devices: to split every batch over (default: as many as there are and as divide the batches).
        bfloat16: compute in bfloat16 (for accelerators); weights and optimiser stay in float32.
        documents: held-out documents that the excess over Bayes is measured on (default: 64, or RUN's).
        length: tokens of each of them (default: 1024, or RUN's).
        tensorboard: also write TensorBoard events to RUN/tensorboard (needs the package tensorboardX).
        coordinator: address of process 0, where several processes train together.
        processes: how many they are.
        process: which of them this is, from 0.
        json: file for the machine-readable summary.
    """
    from implicit_bayes.benchmarks.cli import jobs
    from implicit_bayes.benchmarks.training import setup as training

    cluster = training.Cluster(coordinator, processes, process)
    asked = training.Asked(
        instance, model, preset, seed, tokens, data, resets, devices, True if bfloat16 else None, documents, length
    )
    jobs.train(asked, out, resume, tensorboard, cluster, json)


def gap(
    models: Annotated[Positional[tuple[str, ...]], arg(metavar="MODEL_OR_RUN …")],
    /,
    instance: Annotated[str, arg(metavar="INSTANCE")] = "ginc",
    k: tuple[int, ...] = (),
    n: tuple[int, ...] = (0, 1, 2, 4, 8, 16, 32, 64),
    prompts: int = 1200,
    documents: int = 200,
    length: int = 512,
    seed: int = 0,
    out: Annotated[Path | None, arg(metavar="DIR")] = None,
    json: Json = None,
) -> None:
    """How Bayesian is a model? Loss, in-context curves, implied posterior, belief probes and laws, against exact Bayes.

    docs/gap.md explains every measure. Several models are set side by side, on the same documents and prompts.

    Try:
      implicit-bayes gap lstm-small transformer-small untrained bayes --instance ginc --out out/gap
      implicit-bayes gap runs/mine --instance ginc --json gap.json
      implicit-bayes gap runs/mine/weights.npz --instance my-mixture.npz --k 3 5 --n 0 1 2 4 8 16

    Args:
        models: lstm-small, transformer-small, bayes, bayes(EPS), untrained (the first of the others that can be, with
            fresh weights), the path of a RUN or of its weights.npz,
            or module.py:factory (a model of your own, see docs/models.md).
        instance: a name or the path of an .npz.
        k: example lengths in tokens (default: the instance's own k, else 3 5 8 10).
        n: numbers of examples in the prompt; scaling laws need six at least.
        prompts: prompts for each k.
        documents: fresh documents for everything that is not in context.
        length: tokens in each of them.
        seed: of documents, prompts, fresh weights and resamples.
        out: directory for report.html, figures (PNG, SVG), gap.nc and gap.json.
        json: file for the machine-readable result.
    """
    made_by = command_line(gap, locals())
    from implicit_bayes.benchmarks.cli import gap_job
    from implicit_bayes.benchmarks.gap.measure import Settings

    gap_job.run(models, instance, Settings(k, n, prompts, documents, length, seed), out, json, made_by)


def search(
    statement: Literal["printed", "repaired"] = "printed",
    starts: int = 64,
    seed: int = 0,
    out: Annotated[Path | None, arg(metavar="DIR")] = None,
    json: Json = None,
) -> None:
    """Look for counterexamples by gradient ascent from random starts, and write each as an .npz instance.

    The printed Theorem 1 has them; none to the repaired one is known. Each is confirmed by an independent check.

    Try:
      implicit-bayes search --starts 64 --out out/search
      implicit-bayes search --statement repaired --starts 4096

    Args:
        statement: printed or repaired.
        starts: independent random starts.
        seed: of the starts.
        out: directory for the instances found.
        json: file for the machine-readable result.
    """
    from implicit_bayes.benchmarks.cli import jobs

    jobs.search(statement, starts, seed, out, json)


def figures(directory: Annotated[Positional[Path], arg(metavar="DIR")], /, json: Json = None) -> None:
    """Redraw every figure from the results.nc in DIR, without computing anything again.

    Try:
      implicit-bayes figures out/ginc

    Args:
        directory: the --out directory of an earlier verify, or a RUN.
        json: file for a machine-readable list of what was written.
    """
    from implicit_bayes.benchmarks.cli import jobs

    jobs.figures(directory, json)


def statements(
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    check: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    seed: int = 0,
    json: Json = None,
) -> None:
    """Print the table of every assumption, condition and theorem: formula, function, test, status on four instances.

    Try:
      implicit-bayes statements
      implicit-bayes statements --out docs/statements.md
      implicit-bayes statements --check

    Args:
        out: write the Markdown page there instead.
        check: write nothing; exit with status 1 if --out (docs/statements.md) differs from what it would be now.
        seed: of every estimate that samples.
        json: file for the machine-readable result.
    """
    from implicit_bayes.benchmarks.cli import jobs

    jobs.statements(out, check, seed, json)


def bench(
    instance: Annotated[Positional[str], arg(metavar="INSTANCE")] = "ginc",
    /,
    task: Literal["evidence", "posterior+predictive", "sampling", "kl", "memory", "train", "all"] = "all",
    documents: int = 100,
    length: int = 1000,
    repeats: int = 3,
    epsilon: tuple[float, ...] = (0.0, 0.01),
    scaling: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    seed: int = 0,
    preset: Literal["small", "tiny"] = "small",
    out: Annotated[Path | None, arg(metavar="DIR")] = None,
    json: Json = None,
) -> None:
    """Speed against the other libraries that are installed, at their best settings, in one run.

    Of the evidence of one concept, the posterior and predictive of all, sampling and KL; or (--task train) of training
    steps of both architectures, beside PyTorch; or (--task memory) of ten million tokens filtered in bounded memory.
    Agreement is checked before anything is timed. Times are CPU seconds of the process (all threads), compilation
    apart, repeats interleaved; pin the process to one core, one thread a library, to compare cores.

    Try:
      implicit-bayes bench --json bench.json --out out/bench
      implicit-bayes bench ginc --task evidence --repeats 5
      implicit-bayes bench --task train --repeats 9
      OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 taskset -c 0 implicit-bayes bench --json bench.json

    Args:
        instance: a name or the path of an .npz.
        task: one task; or all of them but memory and train.
        documents: how many, drawn from the instance.
        length: tokens in each.
        repeats: interleaved repeats; the median is reported.
        epsilon: smoothing levels of the instance, 0 for itself (kl: only those above 0, since it is infinite there).
        scaling: also time the evidence against tokens, states, concepts, support width and batch (minutes).
        seed: of the documents.
        preset: of the networks (train).
        out: directory for the figures.
        json: file for the machine-readable result.
    """
    from implicit_bayes.benchmarks.cli import bench_job

    settings = bench_job.Settings(documents, length, repeats, epsilon, scaling, seed, preset)
    bench_job.bench(instance, task, settings, out, json)


def reproduce(
    experiments: Annotated[Positional[tuple[str, ...]], arg(metavar="EXPERIMENT|all …")],
    /,
    out: Out,
    preset: Literal["tiny", "small", "paper"] = "small",
    workers: int = 0,
    scheduler: Annotated[str | None, arg(metavar="ADDRESS")] = None,
    slurm: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    host: str = "127.0.0.1",
    tls_ca: Annotated[str | None, arg(metavar="FILE")] = None,
    tls_cert: Annotated[str | None, arg(metavar="FILE")] = None,
    tls_key: Annotated[str | None, arg(metavar="FILE")] = None,
    plan: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    seed: int = 0,
    json: Json = None,
) -> None:
    """Repeat the paper's experiments beside exact Bayes, and write figures, tables and a report.

    Experiments: curves, scaling, ablations, order, zero-shot, length, possible, dial; or all. The work is cut into
    cells that are stored one by one: run the same command again to go on after an interruption.

    Try:
      implicit-bayes reproduce all --preset small --out out/small
      implicit-bayes reproduce zero-shot dial --out out/small
      implicit-bayes reproduce all --preset paper --plan --out out/paper
      implicit-bayes reproduce all --preset paper --scheduler tcp://127.0.0.1:8786 --out out/paper

    Args:
        experiments: names, or all.
        out: directory for cells, results.nc, results.csv, figures and report.html.
        preset: tiny (a minute or two, for tests), small (two cores, under an hour), paper (the full grid, a cluster).
        workers: local processes (default: one a core).
        scheduler: address of a Dask scheduler, tcp://… or tls://…; DIR must be on a file system its workers share.
        slurm: write scripts for a Slurm cluster to DIR/slurm, and compute nothing.
        host: that the scheduler of those scripts binds to.
        tls_ca: certificate authority, for tls://.
        tls_cert: certificate.
        tls_key: its key.
        plan: say how many cells there are, how many are stored and how long the rest takes, and compute nothing.
        seed: of prompts, documents and trainings.
        json: file for the machine-readable findings.
    """
    from implicit_bayes.benchmarks.cli import reproduce as reproduction
    from implicit_bayes.benchmarks.sweep.run import Tls

    where = reproduction.Where(scheduler, Tls(tls_ca, tls_cert, tls_key), workers)
    if slurm:
        reproduction.write_slurm(experiments, preset, seed, out, host, where.tls, json)
    elif plan:
        reproduction.show_plan(experiments, preset, seed, out, json)
    else:
        reproduction.reproduce(experiments, preset, seed, out, where, json)


def report(directory: Annotated[Positional[Path], arg(metavar="DIR")], /, json: Json = None) -> None:
    """Write DIR/report.html, one page that needs nothing else, from the results stored in DIR.

    Try:
      implicit-bayes report out/ginc
      implicit-bayes report out/small

    Args:
        directory: the --out directory of an earlier verify, gap or reproduce.
        json: file for a machine-readable list of what was written.
    """
    from implicit_bayes.benchmarks.cli import jobs

    jobs.report(directory, json)


COMMANDS: dict[str, Callable[..., Any]] = {
    "verify": verify,
    "train": train,
    "gap": gap,
    "search": search,
    "sample": sample,
    "reproduce": reproduce,
    "report": report,
    "figures": figures,
    "bench": bench,
    "statements": statements,
}


def run(arguments: Sequence[str], keep: bool = False) -> int:
    """Run one subcommand; returns the exit status, whatever ends it (``benchmarks.cli.process``).

    Args:
        arguments: of the command line.
        keep: whether JAX's compilations are kept on disk (``benchmarks.common.compilation``): a setting of the process.
    """
    return guarded(lambda: _run(arguments, keep))


def _run(arguments: Sequence[str], keep: bool) -> int:
    from implicit_bayes.benchmarks.common.storage import CheckFailed
    from implicit_bayes.lm.train import TrainingStopped
    from implicit_bayes.theory.objects.checks import ModelError

    try:
        call = parse(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    import jax

    from implicit_bayes.benchmarks.common.compilation import keep_compilations

    if keep:
        keep_compilations()
    try:
        with jax.enable_x64(True):
            call()
    except (CheckFailed, TrainingStopped) as error:
        complain(str(error))
        return 1
    except ModelError as error:
        complain(str(error))
        return 2
    except ImportError as error:
        from implicit_bayes.benchmarks.common import extras

        module = extras.absent(error)
        if module is None:
            raise
        complain(extras.missing(module))
        return 2
    return 0


def parse(arguments: Sequence[str]) -> Callable[[], None]:
    """The chosen subcommand with its arguments bound; argument errors become one line and SystemExit(2)."""
    name, rest = (arguments[0], list(arguments[1:])) if arguments else ("--help", [])
    if name in ("--help", "-h"):
        print(help_text.overview(COMMANDS, DESCRIPTION), end="")
        raise SystemExit(0)
    if name == "--version":
        print(f"implicit-bayes {version()}")
        raise SystemExit(0)
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        guess = f"did you mean {near[0]!r}? " if near else ""
        complain(f"unknown subcommand {name!r}; {guess}choose {', '.join(COMMANDS)}")
        raise SystemExit(2)
    if {"--help", "-h"} & set(rest):
        print(help_text.of_command(COMMANDS[name]), end="")
        raise SystemExit(0)
    bound: dict[str, Callable[[], None]] = {}
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured):
            tyro.cli(_defer(COMMANDS[name], bound), prog=f"implicit-bayes {name}", args=rest)
    except SystemExit as stop:
        if stop.code:
            complain(one_line(captured.getvalue()) or "the arguments are off; see --help")
        raise
    return bound["call"]


def version() -> str:
    """The installed version; "unknown" where the project is run without being installed."""
    from importlib import metadata

    try:
        return metadata.version("implicit-bayes")
    except metadata.PackageNotFoundError:
        return "unknown"


def _defer(command: Callable[..., None], bound: dict[str, Callable[[], None]]) -> Callable[..., None]:
    """The same signature and help as ``command``, but only remembers the call (so parsing errors stay apart)."""
    import functools

    @functools.wraps(command)
    def remember(*args: Any, **kwargs: Any) -> None:
        seed = kwargs.get("seed")
        if seed is not None and seed < 0:
            complain(f"seed: {seed} is negative; give 0 or more")
            raise SystemExit(2)
        bound["call"] = functools.partial(command, *args, **kwargs)

    return remember


def one_line(box: str) -> str:
    """The words of an argument parser's box, on one line."""
    words = re.sub(r"[─│╭╮╰╯━┃]+", " ", box)
    return re.sub(r"\s+", " ", words).strip()


DESCRIPTION = """Verify the theory that in-context learning is implicit Bayesian inference (Xie et al. 2022).

Start with: implicit-bayes verify ginc --out out/ginc
"""
