"""The paper's eight experiments and the field's questions since, in the order of the report."""

from implicit_bayes.benchmarks.experiments import (
    ablations,
    curves,
    dial,
    diversity,
    geometry,
    length,
    order,
    possible,
    scaling,
    switching,
    zero_shot,
)
from implicit_bayes.benchmarks.experiments.base import Experiment
from implicit_bayes.theory import ModelError

EXPERIMENTS: dict[str, Experiment] = {
    each.EXPERIMENT.name: each.EXPERIMENT
    for each in (curves, scaling, ablations, order, zero_shot, length, possible, dial, diversity, geometry, switching)
}
"""By the name used on the command line."""


def chosen(names: tuple[str, ...]) -> list[Experiment]:
    """Experiments by name, in the report's order; ``all`` is all of them.

    Returns:
        Experiments, each once.

    Raises:
        ModelError: there is none of a name, or no name is given.
    """
    if not names:
        raise ModelError(f"experiment: name one or more of all, {', '.join(EXPERIMENTS)}")
    for name in names:
        if name != "all" and name not in EXPERIMENTS:
            raise ModelError(f"experiment: {name!r} is none of all, {', '.join(EXPERIMENTS)}")
    return [each for name, each in EXPERIMENTS.items() if name in names or "all" in names]
