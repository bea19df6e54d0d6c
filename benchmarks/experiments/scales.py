"""How large a reproduction is: tiny (for tests), small (two cores, under an hour), paper (the full grid)."""

from implicit_bayes.benchmarks.experiments.base import Scale
from implicit_bayes.benchmarks.experiments.learners import Learner, Measure
from implicit_bayes.theory import ModelError

SMALL_TRANSFORMER = {"width": 64, "layers": 2}

TINY = Scale(
    name="tiny",
    ks=(3, 5),
    ns=(0, 1, 4),
    prompts=40,
    prompts_of_many=40,
    vocabularies=(50,),
    learners=(Learner("LSTM", "lstm", "tiny", 2000, {}, 2), Learner("Transformer", "transformer", "tiny", 2000, {}, 2)),
    sizes=(Learner("LSTM", "lstm", "tiny", 2000, {}, 2), Learner("Transformer", "transformer", "tiny", 2000, {}, 2)),
    dial=Learner("LSTM", "lstm", "tiny", 2000, {}, 2),
    shipped=False,
    measure=Measure(5, 4, 20, 4, 32),
    sets=2,
    tests=5,
    grid=3,
    concepts=1,
)

SMALL = Scale(
    name="small",
    ks=(3, 5, 8, 10),
    ns=(0, 1, 2, 4, 8, 16, 32, 64),
    prompts=1000,
    prompts_of_many=1000,
    vocabularies=(50, 100, 150),
    learners=(
        Learner("LSTM", "lstm", "small", 3_500_000),
        Learner("Transformer", "transformer", "small", 2_500_000, SMALL_TRANSFORMER),
    ),
    sizes=(
        Learner("LSTM, width 128", "lstm", "small", 3_500_000),
        Learner("Transformer, 2 x 32", "transformer", "small", 2_500_000, {"width": 32, "layers": 2}),
        Learner("Transformer, 2 x 64", "transformer", "small", 2_500_000, SMALL_TRANSFORMER),
        Learner("Transformer, 3 x 128", "transformer", "small", 1_500_000),
    ),
    dial=Learner("LSTM", "lstm", "tiny", 800_000, {"width": 64}, 2),
    shipped=True,
    measure=Measure(10, 64, 400, 64, 256),
    sets=10,
    tests=100,
    grid=10,
    concepts=5,
)

PAPER = Scale(
    name="paper",
    ks=(3, 5, 8, 10),
    ns=(0, 1, 2, 4, 8, 16, 32, 64),
    prompts=2500,
    prompts_of_many=2500,
    vocabularies=(50, 100, 150),
    learners=(
        Learner("LSTM", "lstm", "paper-lstm", None, {}, 20),
        Learner("Transformer", "transformer", "paper-12l", None, {}, 20),
    ),
    sizes=(
        Learner("LSTM, 6 layers", "lstm", "paper-lstm", None, {}, 20),
        Learner("Transformer, 4 layers", "transformer", "paper-4l", None, {}, 20),
        Learner("Transformer, 12 layers", "transformer", "paper-12l", None, {}, 20),
        Learner("Transformer, 16 layers", "transformer", "paper-16l", None, {}, 20),
    ),
    dial=Learner("LSTM", "lstm", "small", 4_000_000, {}, 6),
    shipped=False,
    measure=Measure(10, 64, 2500, 100, 1000),
    sets=10,
    tests=1000,
    grid=10,
    concepts=5,
)

SCALES = {scale.name: scale for scale in (TINY, SMALL, PAPER)}


def scale_of(preset: str, seed: int) -> Scale:
    """A scale by name, with a seed.

    Args:
        preset: tiny, small or paper.
        seed: of prompts and trainings.

    Returns:
        Scale: sizes, numbers of prompts and trainings of a preset.

    Raises:
        ModelError: there is none of this name.
    """
    if preset not in SCALES:
        raise ModelError(f"preset: {preset!r} is none of {', '.join(SCALES)}")
    return SCALES[preset]._replace(seed=seed)
