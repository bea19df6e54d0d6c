"""``implicit-bayes gap``: check, measure, show, write."""

from collections.abc import Sequence
from pathlib import Path

from implicit_bayes.benchmarks.cli.reports import write_report
from implicit_bayes.benchmarks.common import console as terminal
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.gap import figures as gap_figures
from implicit_bayes.benchmarks.gap import measure as measuring
from implicit_bayes.benchmarks.gap import store as gap_store
from implicit_bayes.benchmarks.gap import tables as gap_screen
from implicit_bayes.benchmarks.predictors.models import find_models
from implicit_bayes.benchmarks.report import panels
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.theory import ModelError


def run(
    names: Sequence[str],
    instance: Instance,
    settings: measuring.Settings,
    out: Path | None,
    json: Path | None,
    command: str = "",
) -> None:
    """Every input is checked before the work, every file written after it, whole.

    Args:
        names: of the models.
        instance: whose exact Bayes they are measured against.
        settings: sizes, k, n and seed.
        out: directory for gap.json, gap.nc, figures and the page, or None.
        json: file for the machine-readable answer, or None.
        command: the shell command, stored with the result.

    Raises:
        ModelError: no such model, settings that make no sense, a place that cannot be written, or a model called as a
            reference is.
    """
    models = find_models(names, instance)
    settings = measuring.check_settings(settings, instance, models)
    storage.check_file(json, "json")
    if out is not None:
        storage.check_directory(out)
    taken = {"exact", "prompt-aware"} & {model.name for model in models}
    if taken:
        raise ModelError(f"model: {min(taken)!r} is the name of a reference; rename the RUN or file")
    with terminal.progress_bars() as progress:
        found = measuring.measure(instance, models, settings, progress)
    console, written = terminal.console(), []
    if out is not None:
        storage.write_json(out / "gap.json", gap_store.as_json(found, command))
        results = gap_store.as_dataset(found)
        storage.write_results(out / "gap.nc", results)
        written += [out / "gap.json", out / "gap.nc", *panels.draw_all(results, out, gap_figures.FIGURES)]
        written.append(write_report(out))
    if json is not None:
        storage.write_json(json, gap_store.as_json(found, command))
        written.append(json)
    gap_screen.show(found, console)
    if written:
        console.print("wrote " + "  ".join(str(path) for path in written), soft_wrap=True)
