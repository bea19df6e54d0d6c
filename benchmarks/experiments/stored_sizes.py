"""What ``python -m implicit_bayes.benchmarks.paper_scale`` left in a directory, read back and checked.

run.json, bayes.json and every NAME/metrics.jsonl come from another machine: they are input like any other.
"""

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from implicit_bayes.simulators.stored import Count, Positive, Text, parse, read_json, read_text
from implicit_bayes.theory import ModelError

REMEDY = "name the --out directory of python -m implicit_bayes.benchmarks.paper_scale"
Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,40}$")]
Counts = list[list[Count]]
Finite = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
Prompts = Annotated[int, msgspec.Meta(ge=1, le=1 << 30)]
Small = Annotated[int, msgspec.Meta(ge=0, le=1 << 20)]
Cells = Annotated[list[Small], msgspec.Meta(min_length=1, max_length=1 << 10)]


class StoredAbout(msgspec.Struct):
    """One training in run.json.

    Attributes:
        size: name of the network's size.
        stream: of documents: released or fresh.
        label: what figures call it.
        parameters: of the network.
        tokens: trained on so far.
        planned_tokens: at the end.
        finished: whether it has come to the end.
    """

    size: Text
    stream: Text
    label: Text
    parameters: Positive
    tokens: Count
    planned_tokens: Positive
    finished: bool


class RunSettings(msgspec.Struct):
    """Of the settings, what a figure must say.

    Attributes:
        rehearsal: whether it was a trial of the machinery only.
        seed: of the trainings.
    """

    rehearsal: bool
    seed: Count


class StoredSize(msgspec.Struct):
    """run.json: where and how the trainings ran.

    Attributes:
        platform: of JAX.
        device: its name.
        settings: of the run.
        finished: whether all trainings have come to their end.
        trainings: by name.
    """

    platform: Text
    device: Text
    settings: RunSettings
    finished: bool
    trainings: dict[Name, StoredAbout]


class StoredScores(msgspec.Struct):
    """One reference in bayes.json, by k and n.

    Attributes:
        right: prompts answered rightly.
        answered: prompts that have an answer.
    """

    right: Counts
    answered: Counts


class Bayes(msgspec.Struct):
    """bayes.json: the references on the same prompts and documents.

    Attributes:
        k: example lengths.
        n: numbers of examples.
        prompts: at each (k, n).
        predictors: scores by name.
        cross_entropy: of exact Bayes on fresh documents, nats a token.
        published_cross_entropy: of exact Bayes on the published validation documents, nats a token.
    """

    k: Cells
    n: Cells
    prompts: Prompts
    predictors: dict[str, StoredScores]
    cross_entropy: Finite
    published_cross_entropy: Finite


class Record(msgspec.Struct):
    """A line of metrics.jsonl: one measurement of a training. What was not measured then is None.

    Attributes:
        step: of the optimiser.
        tokens: trained on so far.
        loss: of the training, nats a token.
        excess: over exact Bayes on fresh documents, nats a token.
        excess_standard_error: of that mean over documents.
        excess_documents: how many those are.
        tokens_per_second: by the wall clock.
        matrix_share: of the device's peak of matrix products that the training used.
        right: prompts answered rightly, by k and n.
        published_excess: over exact Bayes on the published validation documents, nats a token.
        implied_tv: total variation of the implied posterior from Bayes's.
    """

    step: Count
    tokens: Count
    loss: Finite
    excess: Finite
    excess_standard_error: Finite | None
    excess_documents: Positive
    tokens_per_second: Finite
    matrix_share: Finite | None = None
    right: Counts | None = None
    published_excess: Finite | None = None
    implied_tv: Finite | None = None


class StoredTraining(NamedTuple):
    """A training that came to its first curve.

    Attributes:
        name: of its folder.
        about: in run.json.
        points: its records that hold curves.
    """

    name: str
    about: StoredAbout
    points: list[Record]

    @property
    def label(self) -> str:
        """In figures and tables: what it is, and how far it came if not to the end."""
        if self.about.finished:
            return self.about.label
        done, whole = (x / 1e6 for x in (self.about.tokens, self.about.planned_tokens))
        return f"{self.about.label}, {done:.1f} of {whole:.1f} million tokens"


class Stored(NamedTuple):
    """A run.

    Attributes:
        run, bayes: the files.
        trained: in the order of run.json.
    """

    run: StoredSize
    bayes: Bayes
    trained: list[StoredTraining]

    @property
    def rehearsal(self) -> bool:
        """Whether these are not the paper's sizes."""
        return self.run.settings.rehearsal


def read_stored(source: Path) -> Stored:
    """A run's files.

    Returns:
        Stored: the run, what Bayes says, and the trainings that have a curve, in the run's order.

    Raises:
        ModelError: missing, damaged, of tables that do not fit each other, or without a single curve.
    """
    run: StoredSize = read_json(source / "run.json", StoredSize, REMEDY)
    bayes: Bayes = read_json(source / "bayes.json", Bayes, REMEDY)
    for name, scores in bayes.predictors.items():
        _check(scores.answered, bayes, bayes.prompts, f"{source / 'bayes.json'}: answered of {name[:40]}")
        _check(scores.right, bayes, bayes.prompts, f"{source / 'bayes.json'}: right of {name[:40]}")
        rows = zip(scores.right, scores.answered, strict=True)
        if any(r > a for right, answered in rows for r, a in zip(right, answered, strict=True)):
            raise ModelError(f"{source / 'bayes.json'}: {name[:40]} is right more often than it answers; {REMEDY}")
    trained = []
    for name, about in run.trainings.items():
        path = source / name / "metrics.jsonl"
        lines = read_text(path, REMEDY).split("\n")[:-1]
        records: list[Record] = [parse(line, Record, f"{path}, line {i}", REMEDY) for i, line in enumerate(lines, 1)]
        points = [record for record in records if record.right is not None]
        for record in points:
            _check(record.right or [], bayes, bayes.prompts, f"{path}: right at step {record.step}")
        if points:
            trained.append(StoredTraining(name, about, points))
    if not trained:
        raise ModelError(f"from: no training in {source} has come to its first curve; run it on")
    return Stored(run, bayes, trained)


def _check(counts: Counts, bayes: Bayes, most: int, source: str) -> None:
    """Raises ModelError unless counts are (k, n) and none above ``most``."""
    shaped = len(counts) == len(bayes.k) and all(len(row) == len(bayes.n) for row in counts)
    if not shaped or any(count > most for row in counts for count in row):
        raise ModelError(f"{source} is no table of {len(bayes.k)} by {len(bayes.n)} counts up to {most}; {REMEDY}")
