"""What each subcommand does once its arguments are parsed: check, compute, show, write."""

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np

from implicit_bayes.benchmarks.cli import reports
from implicit_bayes.benchmarks.common import console as terminal
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.common.extras import need
from implicit_bayes.benchmarks.gap import figures as gap_figures
from implicit_bayes.benchmarks.report import build as reporting
from implicit_bayes.benchmarks.report import panels
from implicit_bayes.benchmarks.training import progress as training_progress
from implicit_bayes.benchmarks.training import records as learning
from implicit_bayes.benchmarks.training import setup as training
from implicit_bayes.benchmarks.verification import figures as drawing
from implicit_bayes.benchmarks.verification import status_table as table
from implicit_bayes.benchmarks.verification import tables as screen
from implicit_bayes.lm.run import read_config
from implicit_bayes.lm.train import train as run
from implicit_bayes.simulators import ginc, published
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.ginc_family import GincFamily
from implicit_bayes.simulators.instances import Instance, save_instance
from implicit_bayes.simulators.json_types import JsonMapping
from implicit_bayes.simulators.sampler import sample_documents, sample_prompts
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.proofs.search import search as find


def train(
    asked: training.Asked,
    out: Path,
    resume: bool,
    tensorboard: bool,
    cluster: training.Cluster,
    json: Path | None,
) -> None:
    """``implicit-bayes train``: a run, measured against Bayes, with its figures.

    Args:
        asked: instance, architecture, preset and what is changed of it.
        out: the run's directory.
        resume: go on from what is stored there.
        tensorboard: also write events there.
        cluster: coordinator, number and rank of the processes.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: what is asked for cannot be trained, a package is missing, or a place cannot be written.
    """
    if tensorboard:
        need("tensorboardX", "tensorboard")
    with jax.enable_x64(False):  # networks live in float32
        training.start_devices(asked.devices, cluster)
        config = training.configure(asked, out, resume)
        instance = training.instance_of(config)
        storage.check_file(json, "json")
        storage.check_directory(out)
        held = training.held_out(instance, config)
        board = training.TensorBoard(out) if tensorboard else contextlib.nullcontext()
        with training_progress.training_bar(config.schedule.tokens) as show, board as events:

            def report(record: JsonMapping) -> None:
                show(record)
                if events:
                    events(record)

            done = run(config, instance, out, resume, training.evaluation(held), report)
    if jax.process_index():
        return
    console, records = terminal.console(), learning.read_records(out)
    summary = learning.summary(config, done, records)
    written = [out / "weights.npz", *learning.draw(out, config, records)]
    if json is not None:
        storage.write_json(json, summary)
        written.append(json)
    for note in done.notes:
        console.print(note, soft_wrap=True)
    console.print(training_progress.training_lines(summary), soft_wrap=True)
    _list(console, written)


def search(statement: str, starts: int, seed: int, out: Path | None, json: Path | None) -> None:
    """``implicit-bayes search``: counterexamples, each written as an instance.

    Args:
        statement: ``printed`` or ``repaired``.
        starts: random instances from which the ascent begins.
        seed: of them.
        out: directory for what is found, or None.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: a number of starts below 1, or a place that cannot be written.
    """
    storage.check_file(json, "json")
    if out is not None:
        storage.check_directory(out)
    with terminal.progress_bars() as progress:
        advance, seen = progress("ascent", starts), [0]

        def report(done: int, total: int) -> None:
            advance(done - seen[0])
            seen[0] = done

        found = find(statement, starts, jax.random.key(seed), progress=report)
    console, written = terminal.console(), []
    for i, each in enumerate(found.instances):
        if out is None:
            break
        name = f"{statement}-{seed}-{i}"
        starts_CxSxH = np.broadcast_to(each.prompt.start, (each.mixture.n_concepts, 1, each.mixture.n_states))
        instance = Instance(
            name=name,
            mixture=each.mixture,
            prompt_starts=starts_CxSxH,
            true_concepts=(0,),
            k=each.prompt.length,
            seed=seed,
            description=f"found by search, {name}",
        )
        save_instance(instance, out / f"{name}.npz")
        written.append(out / f"{name}.npz")
    if json is not None:
        summary = found._asdict() | {"instances": [each.margins for each in found.instances]}
        storage.write_json(json, summary | {"files": [str(path) for path in written]})
        written.append(json)
    console.print(screen.search_lines(found))
    _list(console, written)


def figures(directory: Path, json: Path | None) -> None:
    """``implicit-bayes figures``: redraw from results.nc, or from the metrics of a RUN.

    Args:
        directory: where results.nc, or a run's metrics, lie; the figures go there too.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: no stored results, or a place that cannot be written.
    """
    storage.check_file(json, "json")
    if (directory / "findings.json").is_file():
        written = reporting.redraw(directory)
    elif (directory / "metrics.jsonl").is_file():
        with storage.reading(directory / "metrics.jsonl"):
            written = learning.draw(directory, read_config(directory), learning.read_records(directory))
    else:
        stored = {"results.nc": drawing.FIGURES, "gap.nc": gap_figures.FIGURES}
        names = [name for name in stored if (directory / name).is_file()] or ["results.nc"]
        read = {name: storage.read_results(directory / name) for name in names}
        storage.check_directory(directory)
        written = []
        for name, results in read.items():
            with storage.reading(directory / name):
                written += panels.draw_all(results, directory, stored[name])
    if json is not None:
        storage.write_json(json, {"files": [str(path) for path in written]})
    _list(terminal.console(), written)


def report(directory: Path, json: Path | None) -> None:
    """``implicit-bayes report``: the page of a verification, a comparison, a gap or a reproduction.

    Args:
        directory: that holds the results; the page goes there too.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: no stored results, or a place that cannot be written.
    """
    storage.check_file(json, "json")
    written = [reports.write_report(directory)]
    if json is not None:
        storage.write_json(json, {"files": [str(path) for path in written]})
    _list(terminal.console(), written)


def sample(
    name: str,
    instance: Instance | GincFamily,
    out: Path,
    documents: int | None,
    length: int | None,
    split: str,
    prompts: int | None,
    ks: Sequence[int],
    n: int,
    layout: str,
    seed: int,
    json: Path | None,
) -> None:
    """``implicit-bayes sample``: data sets in either layout.

    Args:
        name: of the instance, as its files call it.
        instance: a mixture, or GINC's law over more concepts than are held at once.
        out: directory.
        documents, length: documents and tokens of each; None takes the layout's own.
        split: ``train`` or ``validation``.
        prompts: for each k, or None for documents.
        ks: example lengths.
        n: examples in a prompt.
        layout: ``npz`` or ``published`` (the released one, bit for bit).
        seed: of everything drawn; the published layout has its own.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: a count that is too small, a layout that the instance does not have, or a place that cannot be
            written.
    """
    counts = {"documents": (documents, 1), "length": (length, 1), "prompts": (prompts, 0), "n": (n, 0)}
    for field, (value, least) in counts.items():
        if value is not None and value < least:
            raise ModelError(f"{field}: {value} is below {least}")
    if min(ks, default=2) < 2:
        raise ModelError(f"k: {min(ks)} is below 2 (an example is at least one token of x and one of y)")
    storage.check_file(json, "json")
    storage.check_directory(out)
    with terminal.progress_bars() as progress:
        advance = progress(f"{layout} layout", 1)
        if layout == "published":
            written = _sample_published(name, instance, out, documents, length, split, prompts, ks)
        else:
            written = _sample_npz(instance, out, documents, length, split, prompts or 0, ks, n, seed)
        advance(1)
    if json is not None:
        storage.write_json(json, {"files": [str(path) for path in written]})
    _list(terminal.console(), written)


def _sample_published(name, instance, out, documents, length, split, prompts, ks) -> list[Path]:
    vocabulary = None if isinstance(instance, GincFamily) else instance.released_vocabulary
    if vocabulary is None:
        raise ModelError(f"layout: published is for ginc, ginc-100 and ginc-150 only; use --layout npz for {name}")
    return published.write_published(out, vocabulary, split, documents, length, ks, prompts)


def _sample_npz(instance, out, documents, length, split, prompts, ks, n, seed) -> list[Path]:
    key = jax.random.fold_in(jax.random.key(seed), ("train", "validation").index(split))
    draw, ask, delimiter, vocabulary = _simulators(instance)
    stem = published.STEMS[split]
    drawn = draw(key, 100 if documents is None else documents, length or 1024)
    written = [published.write_npz(out / f"{stem}.npz", drawn, delimiter, vocabulary)]
    for k in ks if prompts else ():
        batch = ask(jax.random.fold_in(key, k), prompts, k, n)
        path = out / f"prompts_{k}.npz"
        written.append(published.write_prompts_npz(path, batch, k, delimiter, vocabulary))
    return written


def _simulators(instance):
    """(key, documents, length) -> Documents; (key, prompts, k, n) -> Prompts; delimiter; vocabulary."""
    if isinstance(instance, GincFamily):  # only the concepts that are drawn are ever made
        return instance.sample, instance.sample_prompts, ginc.DELIMITER, instance.vocabulary
    mixture, starts, true = instance.mixture, instance.prompt_starts, instance.true_concepts
    ask = partial(sample_prompts, mixture, starts, true_concepts=true)
    return partial(sample_documents, mixture), ask, mixture.delimiter, mixture.n_tokens


def statements(out: Path | None, check: bool, seed: int, json: Path | None) -> None:
    """``implicit-bayes statements``: the generated table, printed, written or compared.

    Args:
        out: file for the table, or None to print it.
        check: compare the file with what would be written.
        seed: of the instances that the table speaks of.
        json: file for the machine-readable answer, or None.

    Raises:
        ModelError: a place that cannot be written.
        CheckFailed: the file is not what would be written.
    """
    storage.check_file(json, "json")
    if not check:
        storage.check_file(out, "out")
    columns = {}
    with terminal.progress_bars() as progress:
        advance = progress("instances", len(table.INSTANCES))
        for name, k in table.INSTANCES.items():
            columns[name] = table.evaluate(name, k, seed)
            advance(1)
    page = table.table(columns)
    if json is not None:
        names = [row.name for row in table.STATEMENTS]
        storage.write_json(json, {name: dict(zip(names, column, strict=True)) for name, column in columns.items()})
    if check:
        page_file = out or Path("docs/statements.md")
        if not page_file.is_file() or page_file.read_text(encoding="utf-8") != page:
            raise storage.CheckFailed(f"{page_file} is stale; run: implicit-bayes statements --out {page_file}")
    elif out is None:
        print(page, end="")
    else:
        with written_aside(out) as file:
            file.write(page)
        _list(terminal.console(), [out])


def _list(console: terminal.Console, written: Sequence[Path]) -> None:
    if written:
        console.print("wrote " + "  ".join(str(path) for path in written), soft_wrap=True)
