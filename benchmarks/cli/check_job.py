"""``implicit-bayes check``: check the models, or the instance; show, write, and fail where a law is broken."""

from collections.abc import Sequence
from pathlib import Path

from implicit_bayes.benchmarks.checks import instances
from implicit_bayes.benchmarks.checks.identities import MixedSettings
from implicit_bayes.benchmarks.checks.language_model import Examination, check_settings
from implicit_bayes.benchmarks.checks.results import Checked, show
from implicit_bayes.benchmarks.checks.subject import Settings
from implicit_bayes.benchmarks.common import console as terminal
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.predictors.models import find_models
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.json_types import JsonObject


def run(
    names: Sequence[str],
    instance_name: str,
    documents: int | None,
    length: int | None,
    tolerance: float,
    prompts: int,
    seed: int,
    json: Path | None,
    command: str = "",
) -> None:
    """Every input is checked before the work, every file written after it, whole.

    Args:
        names: of the models.
        instance_name: of the instance, or the path of a file.
        documents, length: held-out documents and tokens of each; None takes what the checks need.
        tolerance: of sums to one, and of answers that ought to be equal.
        prompts: for the laws of prompts.
        seed: of documents and prompts.
        json: file for the machine-readable answer, or None.
        command: the shell command, stored with the answer.

    Raises:
        CheckFailed: a law is broken; the message says which, and how.
    """
    instance = load_instance(instance_name)
    given = {key: value for key, value in {"documents": documents, "length": length}.items() if value is not None}
    settings = check_settings(Settings(tolerance=tolerance, seed=seed)._replace(**given))
    mixed = instances.check_settings(MixedSettings(prompts=prompts, seed=seed)._replace(**given))
    models = find_models(names, instance, ask=False)
    storage.check_file(json, "json")
    with terminal.progress_bars() as progress:
        if names:
            found = [Examination(model, instance, settings).all(progress) for model in models]
        else:
            found = [instances.examine(instance, mixed, progress)]
    console = terminal.console()
    if json is not None:
        objects = [as_json(each, command) for each in found]
        storage.write_json(json, objects[0] if len(objects) == 1 else {"models": objects})
    for each in found:
        show(each, console)
    if json is not None:
        console.print(f"wrote {json}", soft_wrap=True)
    broken = [each.complaint() for each in found if each.broken]
    if broken:
        raise storage.CheckFailed(". ".join(broken))


def as_json(found: Checked, command: str) -> JsonObject:
    """Stable keys: model, instance, command, settings, holds, level, checks.

    Args:
        found: what was checked of one model on one instance.
        command: the shell command that asked.

    Returns:
        An object; ``model`` is null where the instance itself was checked.
    """
    model = None if found.subject == found.instance else found.subject
    checks = [each._asdict() for each in found.checks]
    return {
        "model": model, "instance": found.instance, "command": command, "settings": found.settings,
        "holds": found.holds, "level": found.level, "checks": checks,
    }  # fmt: skip
