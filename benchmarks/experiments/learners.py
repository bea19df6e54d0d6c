"""The language models of the experiments: those that are shipped, and short trainings that experiments share."""

import hashlib
from types import MappingProxyType
from typing import NamedTuple

from implicit_bayes.benchmarks.predictors.models import shipped_for, shipped_path
from implicit_bayes.benchmarks.sweep.cells import Cell
from implicit_bayes.benchmarks.sweep.tasks import cell
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.run import RunConfig, to_json
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.json_types import JsonMapping, JsonObject
from implicit_bayes.simulators.variants import load_variant

WATCHED = "ginc"
"""The instance on which trainings are measured as they go: the scaling experiment's."""


class Learner(NamedTuple):
    """A recipe, whatever the instance it is trained on.

    Attributes:
        label: what figures call it.
        architecture, preset: of lm.presets.
        tokens: to train on, or None for the preset's own.
        network: fields that differ from the preset's.
        points: measurements on the way, on released GINC (``WATCHED``); elsewhere there is one, at the end.
    """

    label: str
    architecture: str
    preset: str
    tokens: int | None = None
    network: JsonMapping = MappingProxyType({})
    points: int = 6


class Measure(NamedTuple):
    """What a training measures as it goes; see ``benchmarks.sweep.tasks.train``.

    Attributes:
        k: example length of the accuracy.
        n: number of examples of the accuracy.
        prompts: on which the accuracy is measured.
        documents: on which the excess over exact Bayes is measured.
        length: of those documents, tokens.
    """

    k: int
    n: int
    prompts: int
    documents: int
    length: int


class Named(NamedTuple):
    """The models of a cell.

    Attributes:
        labels: of those that are trained.
        cells: that train them, in the same order.
        names: of shipped ones.
    """

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    names: tuple[str, ...] = ()

    @property
    def config(self) -> JsonObject:
        """The part of a cell's config that names its models."""
        return {"trained": list(self.labels), "named": [[name, digest(name)] for name in self.names]}

    @property
    def every(self) -> tuple[str, ...]:
        """Every model's name, in the order in which results have them."""
        return (*self.labels, *self.names)


def digest(name: str) -> str:
    """SHA-256 of a shipped model's weights, so that new weights are another config.

    Returns:
        The first 16 hexadecimal digits.
    """
    return hashlib.sha256(shipped_path(name).read_bytes()).hexdigest()[:16]


def training(learner: Learner, instance: str, measure: Measure, seed: int = 0, share: float = 1.0) -> Cell:
    """The cell that trains a learner on an instance, on a share of its tokens.

    Args:
        learner: the recipe.
        instance: name or specification of the law of the documents.
        measure: what is measured as it goes.
        seed: of weights and documents.
        share: of the learner's tokens, in (0, 1].

    Returns:
        Cell; its result is the training's summary, its RUN lies in the store.
    """
    chosen = preset(learner.architecture, learner.preset, load_variant(instance).mixture.n_tokens)
    network = chosen.network._replace(**learner.network)
    tokens = round(share * (learner.tokens or chosen.schedule.tokens))
    schedule = chosen.schedule._replace(tokens=tokens)
    run = RunConfig(
        instance=instance,
        architecture=learner.architecture,
        preset=learner.preset,
        network=network,
        optimiser=chosen.optimiser,
        schedule=schedule,
        seed=seed,
        data="fresh",
        target=chosen.target,
    )
    if learner.preset.startswith("paper") and load_variant(instance).released_vocabulary is not None:
        run = run._replace(data=chosen.data)
    points = learner.points if instance == WATCHED else 1
    left_out = ("documents", "length") if run.target == "law" else ("documents", "length", "target")  # as ever stored
    stored = {field: value for field, value in to_json(run).items() if field not in left_out}
    return cell("train", {"run": stored, "points": points} | measure._asdict())


def reference_models(
    learners: tuple[Learner, ...], instance: str, measure: Measure, shipped: bool, seed: int = 0
) -> Named:
    """The models that an experiment on this instance sets beside Bayes: shipped ones where there are any, else trained.

    Args:
        learners: to train where nothing is shipped, or nothing shipped is wanted.
        instance: name or specification.
        measure: of the trainings.
        shipped: whether shipped models are wanted.
        seed: of the trainings.

    Returns:
        Named: labels with the cells that train them, or names of shipped models.
    """
    names = shipped_for(load_instance(instance)) if shipped and ":" not in instance and "ginc" == instance else ()
    if names:
        return Named((), (), names)
    cells = tuple(training(each, instance, measure, seed) for each in learners)
    return Named(tuple(each.label for each in learners), cells)
