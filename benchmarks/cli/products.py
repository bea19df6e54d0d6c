"""Subcommands that make: documents, trained models, experiments repeated, figures and pages.

Each is its signature and its help (``benchmarks.cli.help_text`` reads the docstring). Called, it reads the instance,
so that a defect is named before anything slow is imported, and returns the work, which is done elsewhere.
"""

from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from implicit_bayes.benchmarks.cli.early import accepted, family_of
from implicit_bayes.benchmarks.cli.questions import Work

Out = Annotated[Path, arg(metavar="DIR")]
Json = Annotated[Path | None, arg(metavar="PATH")]
Instance = Annotated[Positional[str], arg(metavar="INSTANCE")]


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
) -> Work:
    """Write documents and prompts of an instance.

    The published layout of ginc, ginc-100 and ginc-150 continues the released random stream bit for bit (its seed
    is the release's own; --seed does not apply) and holds text files and JSON lines with the released field names.

    Try:
      implicit-bayes sample ginc --split validation --documents 100 --length 1024 --layout published --out data/ginc
      implicit-bayes sample ginc-paper --documents 1000 --length 1024 --seed 3 --out data/paper
      implicit-bayes sample ginc-family:concepts=10000 --prompts 100 --k 3 --out data/many

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
    found = family_of(instance) or accepted(instance)
    from implicit_bayes.benchmarks.cli import jobs

    return lambda: jobs.sample(instance, found, out, documents, length, split, prompts, k, n, layout, seed, json)


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
    target: Literal["token", "law"] | None = None,
    devices: int | None = None,
    bfloat16: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    documents: int | None = None,
    length: int | None = None,
    tensorboard: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    coordinator: Annotated[str | None, arg(metavar="HOST:PORT")] = None,
    processes: int = 1,
    process: int = 0,
    json: Json = None,
) -> Work:
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
        preset: small (the default), long (hours), wide (of lstm), tiny (seconds), taught (by exact laws), paper-4l,
            paper-12l, paper-16l, paper-lstm (of lstm).
        resume: go on from the newest good checkpoint in RUN, with everything that RUN was begun with.
        seed: of weights, documents and dropout (default 0).
        tokens: to train on (default: the preset's; curriculum and learning rate scale along, so RUN cannot change it).
        data: fresh documents without end, or the released training documents again and again (default: the preset's).
        resets: probability that a document's state is redrawn at a token; anything but 0 is another pretraining law.
        target: of the loss: the token, or its exact law (default: the preset's).
        devices: to split every batch over (default: as many as there are and as divide the batches).
        bfloat16: compute in bfloat16; weights stay in float32.
        documents: held-out documents that the excess over Bayes is measured on (default: 64, or RUN's).
        length: tokens of each of them (default: 1024, or RUN's).
        tensorboard: also write TensorBoard events to RUN/tensorboard (needs the package tensorboardX).
        coordinator: address of process 0, where several processes train together.
        processes: how many they are.
        process: which of them this is, from 0.
        json: file for the machine-readable summary.
    """
    if instance is not None:
        accepted(instance)
    from implicit_bayes.benchmarks.cli import jobs
    from implicit_bayes.benchmarks.training import setup as training

    cluster = training.Cluster(coordinator, processes, process)
    asked = training.Asked(
        instance=instance, architecture=model, preset=preset, seed=seed, tokens=tokens, data=data, resets=resets,
        target=target,
        devices=devices, half=True if bfloat16 else None, documents=documents, length=length,
    )  # fmt: skip
    return lambda: jobs.train(asked, out, resume, tensorboard, cluster, json)


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
    from_: Annotated[Path | None, arg(name="from", metavar="DIR")] = None,
    seed: int = 0,
    json: Json = None,
) -> Work:
    """Repeat the paper's experiments, and newer ones, beside exact Bayes; write figures, tables and a report.

    Experiments: curves, scaling, ablations, order, zero-shot, length, possible, dial, diversity, geometry, switching;
    or all. Cells of work are stored one by one: the same command again goes on after an interruption.

    Try:
      implicit-bayes reproduce all --preset small --out out/small
      implicit-bayes reproduce zero-shot dial --out out/small
      implicit-bayes reproduce all --preset paper --plan --out out/paper
      implicit-bayes reproduce all --preset paper --scheduler tcp://127.0.0.1:8786 --out out/paper
      implicit-bayes reproduce scaling --preset paper --from out/trained --out out/figure

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
        from_: draw scaling at preset paper from what python -m implicit_bayes.benchmarks.paper_scale trained.
        seed: of prompts, documents and trainings.
        json: file for the machine-readable findings.
    """
    from implicit_bayes.benchmarks.cli import reproduce as reproduction
    from implicit_bayes.benchmarks.sweep.run import Tls

    where = reproduction.Where(scheduler, Tls(tls_ca, tls_cert, tls_key), workers)
    if from_ is not None:
        return lambda: reproduction.from_trained(experiments, preset, from_, out, seed, json)
    if slurm:
        return lambda: reproduction.write_slurm(experiments, preset, seed, out, host, where.tls, json)
    if plan:
        return lambda: reproduction.show_plan(experiments, preset, seed, out, json)
    return lambda: reproduction.reproduce(experiments, preset, seed, out, where, json)


def figures(directory: Annotated[Positional[Path], arg(metavar="DIR")], /, json: Json = None) -> Work:
    """Redraw every figure from the results.nc in DIR.

    Try:
      implicit-bayes figures out/ginc

    Args:
        directory: the --out directory of an earlier verify, or a RUN.
        json: file for a machine-readable list of what was written.
    """
    from implicit_bayes.benchmarks.cli import jobs

    return lambda: jobs.figures(directory, json)


def report(directory: Annotated[Positional[Path], arg(metavar="DIR")], /, json: Json = None) -> Work:
    """Write one page, DIR/report.html, from the results stored in DIR.

    Try:
      implicit-bayes report out/ginc
      implicit-bayes report out/small

    Args:
        directory: the --out directory of an earlier verify, gap or reproduce.
        json: file for a machine-readable list of what was written.
    """
    from implicit_bayes.benchmarks.cli import jobs

    return lambda: jobs.report(directory, json)
