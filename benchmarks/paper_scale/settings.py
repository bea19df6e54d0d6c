"""What is trained at the paper's own sizes, and on what it is measured; and the same in small, for a rehearsal.

A rehearsal runs the very same code: as many layers, at a width and on a number of tokens that two cores can do.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from implicit_bayes.lm.lstm import LSTM, LSTMConfig
from implicit_bayes.lm.presets import Preset, preset
from implicit_bayes.lm.schedule import Phase, plan
from implicit_bayes.lm.stacked import StackedTransformer
from implicit_bayes.lm.transformer import Transformer, TransformerConfig
from implicit_bayes.theory import ModelError

VOCABULARY = 50
SIZES = {
    "paper-4l": "Transformer, 4 layers",
    "paper-12l": "Transformer, 12 layers",
    "paper-16l": "Transformer, 16 layers",
    "paper-lstm": "LSTM, 6 layers",
}
"""Presets in the order in which they are trained. The LSTM is last: its recurrence, step by step, leaves an
accelerator idle, and it takes what time is left."""
STREAMS = ("released", "fresh")
"""The released 1000 documents, again and again, as the paper did; or documents that are never seen twice."""


class Settings(NamedTuple):
    """Everything that results depend on.

    Attributes:
        seed: of weights, order of the data, dropout, held-out documents and prompts.
        half: computed in bfloat16.
        tokens: of every training, or None for the published numbers.
        every: steps from one measurement of the excess to the next.
        points: in-context curves and implied posterior are measured so often, the end included.
        dispatch: steps that the device does on its own; ``every`` is a multiple.
        documents: held-out documents of the excess.
        prompts: for each k.
        implied: held-out documents of the implied posterior.
        ks, ns: of the curves.
        rehearsal: whether widths and lengths are reduced.
    """

    seed: int = 0
    half: bool = True
    tokens: int | None = None
    every: int = 250
    points: int = 5
    dispatch: int = 25
    documents: int = 64
    prompts: int = 500
    implied: int = 32
    ks: tuple[int, ...] = (3, 5, 8, 10)
    ns: tuple[int, ...] = (0, 1, 2, 4, 8, 16, 32, 64)
    rehearsal: bool = False

    def check(self) -> None:
        """See that every field makes sense.

        Raises:
            ModelError: a count that is too small, a negative seed, or measurements between two dispatches; it names the
                field.
        """
        least = {"seed": 0, "documents": 2, "prompts": 2, "implied": 2}
        for field in ("seed", "every", "points", "dispatch", "documents", "prompts", "implied"):
            if (value := getattr(self, field)) < least.get(field, 1):
                raise ModelError(f"{field}: {value} is below {least.get(field, 1)}")
        if self.every % self.dispatch:
            raise ModelError(f"every: {self.every} is no multiple of dispatch ({self.dispatch}); give one")


REHEARSAL = Settings(
    tokens=10_240, every=8, points=2, dispatch=4, documents=4, prompts=12, implied=2, ks=(3, 5), ns=(0, 1, 4),
    rehearsal=True,
)  # fmt: skip
"""Forty steps of 4 rows of 64 tokens."""


class Job(NamedTuple):
    """One training.

    Attributes:
        size: its preset's name.
        stream: released or fresh.
    """

    size: str
    stream: str

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.size if self.stream == "released" else f"{self.size}-{self.stream}"

    @property
    def label(self) -> str:
        """In figures and tables."""
        return SIZES[self.size] + ("" if self.stream == "released" else ", fresh documents")


def jobs(sizes: Sequence[str], fresh: bool) -> list[Job]:
    """Every training, in order: Transformers, then (if asked for) on fresh documents, the LSTM after all of them.

    Args:
        sizes: names of presets, as "paper-12l".
        fresh: whether Transformers are trained on fresh documents too.

    Returns:
        Jobs in the order they are trained in.

    Raises:
        ModelError: a size that the paper has not.
    """
    for size in sizes:
        if size not in SIZES:
            raise ModelError(f"sizes: {size!r} is none of {', '.join(SIZES)}")
    chosen = [size for size in SIZES if size in sizes]
    streams = STREAMS if fresh else STREAMS[:1]
    every = [Job(size, stream) for stream in streams for size in chosen]
    return sorted(every, key=lambda job: job.size == "paper-lstm")


def recipe(job: Job, settings: Settings) -> Preset:
    """The preset of a training: the published one, or in a rehearsal a narrow one.

    Args:
        job: the training.
        settings: of the run; ``tokens`` replaces the published number.

    Returns:
        Preset: network, optimiser, schedule and stream of documents.
    """
    architecture = "lstm" if job.size == "paper-lstm" else "transformer"
    chosen = preset(architecture, job.size, VOCABULARY)
    schedule, optimiser = chosen.schedule, chosen.optimiser
    if settings.rehearsal:
        schedule = schedule._replace(phases=(Phase(0.0, 4, 64),), warm_up=min(schedule.warm_up, 4))
    if settings.tokens is not None:
        schedule = schedule._replace(tokens=settings.tokens)
    # the loss is looked at ten times, as in the published training
    if settings.rehearsal and optimiser.plateau is not None:
        optimiser = optimiser._replace(plateau=max(1, plan(schedule).steps // 10))
    network: Any = chosen.network  # the union does not tell which fields `narrow` may have
    if settings.rehearsal:
        narrow = {"width": 16, "embedding": 16, "layers": 2} if architecture == "lstm" else {"width": 24, "heads": 2}
        network = network._replace(**narrow)
    return Preset(network, optimiser, schedule, job.stream)


def drawn(network: LSTMConfig | TransformerConfig, key: jax.Array) -> LSTM | StackedTransformer:
    """A network before training, a Transformer's layers stacked.

    Args:
        network: sizes.
        key: a JAX key.

    Returns:
        A network of float32 weights.
    """
    if isinstance(network, LSTMConfig):
        return LSTM.drawn(network, key)
    return StackedTransformer.of(Transformer.drawn(network, key))
