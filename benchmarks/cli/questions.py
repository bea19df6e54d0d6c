"""Subcommands that ask: what holds of an instance, how Bayesian a model is, how fast the suite is.

Each is its signature and its help (``benchmarks.cli.help_text`` reads the docstring). Called, it reads the instance,
so that a defect is named before anything slow is imported, and returns the work, which is done elsewhere.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from implicit_bayes.benchmarks.cli.early import accepted
from implicit_bayes.benchmarks.common.made_by import command_line
from implicit_bayes.simulators.json_types import JsonObject

if TYPE_CHECKING:
    from implicit_bayes.simulators.ginc_family import GincFamily

Work = Callable[[], None]
"""What a subcommand returns once its instance is accepted: the rest, which needs JAX and takes a while."""

Json = Annotated[Path | None, arg(metavar="PATH")]


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
    budget: Annotated[float, arg(metavar="MINUTES")] = 15.0,
    compare: Annotated[tuple[str, ...], arg(metavar="INSTANCE …")] = (),
    out: Annotated[Path | None, arg(metavar="DIR")] = None,
    json: Json = None,
) -> Work:
    """Check the paper's assumptions, conditions and theorems on an instance, and run the exact in-context curves.

    Try:
      implicit-bayes verify ginc --out out/ginc
      implicit-bayes verify regular --k 3 5 --prompts 5000 --json regular.json
      implicit-bayes verify my-mixture.npz --n 0 1 2 4 8
      implicit-bayes verify ginc --model lstm-small runs/mine untrained
      implicit-bayes verify printed-counterexample --certify
      implicit-bayes verify --compare regular ginc-paper printed-counterexample

    Args:
        instance: ginc, ginc-100, ginc-150, ginc-paper, regular, printed-counterexample; mess3, rrxor, even, golden-mean
            chains or ginc-family, with parameters as in mess3:x=0.05,alpha=0.85; or the path of an .npz.
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
        certify: also prove the verdicts in ball arithmetic, with entries read as the decimals they print as.
        budget: CPU minutes (models and certificates apart): what can be sampled more coarsely is, the rest is refused.
        compare: further instances, verified one after the other and shown side by side.
        out: directory for report.html, figures, results.nc and results.json (one folder an instance with --compare).
        json: file for the machine-readable result.
    """
    given = locals()
    names = [*([] if instance is None else [instance]), *compare]
    settings = {"ks": k, "ns": n, "prompts": prompts, "epsilons": epsilon}
    settings |= {"documents": documents, "length": length, "seed": seed, "certify": certify}
    settings |= {"model_prompts": model_prompts, "budget": budget}
    instances = [accepted(name, lambda family: _refuse(family, settings)) for name in names]
    from implicit_bayes.benchmarks.cli import verify_job

    def made_by(name: str | None) -> str:
        """The command of one instance, or (None) of the whole comparison."""
        return command_line(verify, given if name is None else given | {"instance": name, "compare": ()})

    return lambda: verify_job.run(names, instances, model, settings, out, json, made_by)


def _refuse(family: "GincFamily", settings: JsonObject) -> None:
    from implicit_bayes.benchmarks.verification.families import refuse
    from implicit_bayes.benchmarks.verification.settings import Settings

    refuse(family, Settings(**settings))


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
) -> Work:
    """How Bayesian is a model? Loss, in-context curves, implied posterior, belief probes and laws, against exact Bayes.

    docs/gap.md explains every measure. Several models are set side by side, on the same documents and prompts.

    Try:
      implicit-bayes gap lstm-small transformer-small untrained bayes --instance ginc --out out/gap
      implicit-bayes gap runs/mine --instance ginc --json gap.json
      implicit-bayes gap runs/mine/weights.npz --instance my-mixture.npz --k 3 5 --n 0 1 2 4 8 16

    Args:
        models: lstm-small, transformer-small, bayes, bayes(EPS), untrained (the first of the others that can be, with
            fresh weights), references (uniform, ngram-3, window-8, fitted-hmm-100: docs/gap.md), the path of a RUN or
            of its weights.npz, or module.py:factory (a model of your own, see docs/models.md).
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
    found = accepted(instance)
    from implicit_bayes.benchmarks.cli import gap_job
    from implicit_bayes.benchmarks.gap.measure import Settings

    settings = Settings(ks=k, ns=n, prompts=prompts, documents=documents, length=length, seed=seed)
    return lambda: gap_job.run(models, found, settings, out, json, made_by)


def check(
    models: Annotated[Positional[tuple[str, ...]], arg(metavar="MODEL …")] = (),
    /,
    instance: Annotated[str, arg(metavar="INSTANCE")] = "ginc",
    documents: int | None = None,
    length: int | None = None,
    tolerance: float = 1e-4,
    prompts: int = 400,
    seed: int = 0,
    json: Json = None,
) -> Work:
    """Check a model against every law, or an instance's own identities.

    Without a model the instance is checked. Each law has a name, and words where it is broken; the exit status is
    then 1. Of a model: laws that sum to one at every position, causality, loss above Bayes, Ville, g(risk) below KL,
    the same answer twice, in any batch, in questions of any length, no silent cut of the context. Of an instance: the
    filter against all hidden paths and by other recursions, new names, chain rules, the bounds at finite n against a
    measurement.

    Try:
      implicit-bayes check lstm-small transformer-small --instance ginc
      implicit-bayes check my_models.py:make --instance regular --json check.json
      implicit-bayes check --instance my-mixture.npz

    Args:
        models: as gap takes them: lstm-small, bayes, untrained, the path of a RUN or of its weights.npz, or
            module.py:factory (a model of your own, see docs/models.md).
        instance: a name or the path of an .npz.
        documents: fresh documents (default: 64 for a model, 32 for an instance).
        length: tokens in each (default: 256 for a model, 64 for an instance).
        tolerance: by how much a probability may differ between questions of different shapes.
        prompts: of the measurement beside the bounds at finite n.
        seed: of documents, prompts and replaced tokens.
        json: file for the machine-readable result.
    """
    made_by = command_line(check, locals())
    accepted(instance)
    from implicit_bayes.benchmarks.cli import check_job

    return lambda: check_job.run(models, instance, documents, length, tolerance, prompts, seed, json, made_by)


def search(
    statement: Literal["printed", "repaired"] = "printed",
    starts: int = 64,
    seed: int = 0,
    out: Annotated[Path | None, arg(metavar="DIR")] = None,
    json: Json = None,
) -> Work:
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

    return lambda: jobs.search(statement, starts, seed, out, json)


def statements(
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    check: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    seed: int = 0,
    json: Json = None,
) -> Work:
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

    return lambda: jobs.statements(out, check, seed, json)


def bench(
    instance: Annotated[Positional[str], arg(metavar="INSTANCE")] = "ginc",
    /,
    task: Literal["evidence", "posterior+predictive", "sampling", "kl", "memory", "growth", "train", "all"] = "all",
    documents: int = 100,
    length: int = 1000,
    repeats: int = 3,
    epsilon: tuple[float, ...] = (0.0, 0.01),
    scaling: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    seed: int = 0,
    preset: Literal["small", "tiny"] = "small",
    out: Annotated[Path | None, arg(metavar="DIR")] = None,
    json: Json = None,
) -> Work:
    """Speed against the other libraries that are installed, at their best settings, in one run.

    Of the evidence of one concept, the posterior and predictive of all, sampling and KL; or (--task train) of training
    steps of both architectures, beside PyTorch; or (--task memory) of ten million tokens filtered in bounded memory; or
    (--task growth) of evidence, posterior and verify against concepts, vocabulary, states, k and n (an hour; with
    --json an interrupted one goes on).
    Agreement is checked before anything is timed. Times are CPU seconds of the process (all threads), compilation
    apart, repeats interleaved; pin the process to one core, one thread a library, to compare cores.

    Try:
      implicit-bayes bench --json bench.json --out out/bench
      implicit-bayes bench ginc --task evidence --repeats 5
      implicit-bayes bench --task train --repeats 9
      OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 taskset -c 0 implicit-bayes bench --json bench.json

    Args:
        instance: a name or the path of an .npz.
        task: one task; or all of them but memory, growth and train.
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
    found = accepted(instance)
    from implicit_bayes.benchmarks.cli import bench_job

    settings = bench_job.Settings(
        documents=documents, length=length, repeats=repeats, epsilons=epsilon, scaling=scaling, seed=seed, preset=preset
    )
    return lambda: bench_job.bench(instance, found, task, settings, out, json)
