"""``implicit-bayes verify``: check, compute, show, write."""

from collections.abc import Callable, Sequence
from pathlib import Path

from implicit_bayes.benchmarks.cli import reports
from implicit_bayes.benchmarks.common import console as terminal
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.predictors.models import each_name, find_models
from implicit_bayes.benchmarks.report import panels
from implicit_bayes.benchmarks.report.findings import as_csv
from implicit_bayes.benchmarks.verification import beside, compare_page, store
from implicit_bayes.benchmarks.verification import figures as drawing
from implicit_bayes.benchmarks.verification import tables as screen
from implicit_bayes.benchmarks.verification import verify as verification
from implicit_bayes.benchmarks.verification.cost import estimate, in_words
from implicit_bayes.benchmarks.verification.settings import Settings, check_models, check_settings
from implicit_bayes.benchmarks.verification.side_by_side import comparison_table
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.stored import printable
from implicit_bayes.theory import ModelError


def run(
    names: Sequence[str],
    instances: Sequence[Instance],
    models: Sequence[str],
    settings: JsonObject,
    out: Path | None,
    json: Path | None,
    made_by: Callable[[str | None], str] = lambda name: "",
) -> None:
    """Every input is checked before the work, every file written after it, whole.

    Args:
        names: of the instances, as they were asked for.
        instances: verified one after the other; several are compared on a page.
        models: names for ``find_model``.
        settings: by field of ``verification.settings.Settings``.
        out: directory, or None for the screen alone.
        json: file for the machine-readable answer, or None.
        made_by: the shell command for one instance by name, or for all (None).

    Raises:
        ModelError: no instance or no such model, settings that make no sense or cannot be afforded, or a place that
            cannot be written.
    """
    if not names:
        raise ModelError("instance: name one, as in: implicit-bayes verify ginc")
    instances = _told_apart(instances, names)
    chosen = [check_settings(Settings(**settings), instance) for instance in instances]
    asked, notes = [find_models(models, instance) for instance in instances], []
    for instance, setting, found in zip(instances, chosen, asked, strict=True):
        check_models(found, instance, setting)
        notes.append(in_words(instance.name, estimate(instance, setting), setting.budget))
    storage.check_file(json, "json")
    folders = storage.folders(out, [instance.name for instance in instances])
    for folder in folders:
        if folder is not None:
            storage.check_directory(folder)
    for words in notes:
        terminal.note(words)
    console, results, written = terminal.console(), [], []
    for name, instance, setting, folder, found in zip(names, instances, chosen, folders, asked, strict=True):
        with terminal.progress_bars() as progress:
            if beside.worth_it(setting, found):
                with beside.asked(name, each_name(models, instance), setting, progress) as answers:
                    result = _verified(instance, setting, (), progress, made_by(name), answers)
            else:
                result = _verified(instance, setting, found, progress, made_by(name))
            results.append(result)
        if folder is not None:
            written += _store(results[-1], folder)
    if len(results) > 1 and out is not None:
        written.append(compare_page.write_index(out, [folder for folder in folders if folder], made_by(None)))
        written.append(reports.write_report(out))
    if json is not None:
        objects = [store.as_json(result) for result in results]
        storage.write_json(json, objects[0] if len(objects) == 1 else {"compare": objects})
        written.append(json)
    for result in results:  # shown when everything is stored: whoever reads may have left
        screen.show(result, console)
    if len(results) > 1:
        console.print(comparison_table(results))
    if written:
        console.print("wrote " + "  ".join(str(path) for path in written), soft_wrap=True)


def _told_apart(instances: Sequence[Instance], names: Sequence[str]) -> list[Instance]:
    """Instances whose names differ: files of one name are called by as much of their path as it takes."""
    found = list(instances)
    for i, instance in enumerate(instances):
        others = [Path(name).with_suffix("").parts for j, name in enumerate(names)
                  if j != i and instances[j].name == instance.name]  # fmt: skip
        parts = Path(names[i]).with_suffix("").parts
        count = next((n for n in range(1, len(parts)) if all(parts[-n:] != each[-n:] for each in others)), len(parts))
        if others and count > 1:
            found[i] = instance.called(printable("/".join(parts[-count:])))
    return found


def _verified(
    instance: Instance,
    settings: Settings,
    models: Sequence[str | LanguageModel],
    progress: verification.Progress,
    command: str,
    answers: Callable[[], list[verification.Answer]] | None = None,
) -> verification.Verification:
    return verification.verify(
        instance, k=settings.ks, n=settings.ns, prompts=settings.prompts, epsilon=settings.epsilons,
        documents=settings.documents, length=settings.length, seed=settings.seed, model=models,
        model_prompts=settings.model_prompts, certify=settings.certify, budget=settings.budget, progress=progress,
        answers=answers, command=command,
    )  # fmt: skip


def _store(result: verification.Verification, folder: Path) -> list[Path]:
    stored = store.as_json(result)
    storage.write_json(folder / "results.json", stored)
    results = store.as_dataset(result)
    storage.write_results(folder / "results.nc", results)
    curves = stored["curves"]
    with written_aside(folder / "results.csv") as file:
        file.write(as_csv(list(curves[0]), [list(row.values()) for row in curves]))
    names = ("results.json", "results.nc", "results.csv")
    written = [*(folder / name for name in names), *panels.draw_all(results, folder, drawing.FIGURES)]
    return [*written, reports.write_report(folder, {"results.json": results})]
