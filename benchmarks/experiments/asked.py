"""What experiments ask to be computed: cells of in-context curves and of conditions, and the models beside Bayes."""

from collections.abc import Sequence

from implicit_bayes.benchmarks.experiments.base import Scale
from implicit_bayes.benchmarks.experiments.learners import Learner, Named, reference_models, training
from implicit_bayes.benchmarks.sweep.cells import Cell
from implicit_bayes.benchmarks.sweep.tasks import cell

NO_MODELS = Named((), ())


def context(
    scale: Scale, instance: str, ks: Sequence[int], ns: Sequence[int], models: Named,
    epsilons: Sequence[float] = (0.01,), prompts: int | None = None,
) -> Cell:  # fmt: skip
    """A cell of in-context curves: accuracy of every predictor on the same prompts.

    Args:
        scale: gives the seed, and the prompts where none are given.
        instance: name or specification of the pretraining law and its prompts.
        ks: example lengths k.
        ns: numbers of examples n.
        models: asked beside the Bayes predictors.
        epsilons: each gives a smoothed Bayes predictor, whose kernels are mixed with the uniform law at this weight.
        prompts: for each k; None for ``scale.prompts``.

    Returns:
        The cell, which needs those that train ``models``.
    """
    config = {
        "instance": instance, "ks": list(ks), "ns": list(ns), "prompts": prompts or scale.prompts,
        "epsilons": list(epsilons), "seed": scale.seed,
    }  # fmt: skip
    return cell("context", config | models.config, models.cells)


def conditions(scale: Scale, instance: str, true_concept: int, ks: Sequence[int]) -> Cell:
    """A cell of the assumptions and of Condition 1 in every version, against every alternative to one true concept.

    Args:
        scale: gives the seed.
        instance: name or specification.
        true_concept: index of theta*.
        ks: example lengths k.

    Returns:
        Cell; its result holds verdicts and, in nats, thresholds, ΣKL and rates.
    """
    return cell("conditions", {"instance": instance, "true_concept": true_concept, "ks": list(ks), "seed": scale.seed})


def models(scale: Scale, instance: str) -> Named:
    """The two models that stand beside Bayes on an instance.

    Args:
        scale: gives the learners, how they are measured, and whether shipped models may be taken.
        instance: name or specification.

    Returns:
        The models, with the cells that train them where nothing is shipped.
    """
    return reference_models(scale.learners, instance, scale.measure, scale.shipped, scale.seed)


def trained(scale: Scale, instance: str, learners: Sequence[Learner] | None = None, share: float = 1.0) -> Named:
    """Models trained afresh, shipped ones or not, on a share of their tokens.

    Args:
        scale: gives the learners where none are given, how they are measured, and the seed.
        instance: name or specification of the law of the documents.
        learners: to train; None for the scale's.
        share: of each learner's tokens, in (0, 1].

    Returns:
        The models and the cells that train them.
    """
    chosen = tuple(learners or scale.learners)
    cells = tuple(training(each, instance, scale.measure, scale.seed, share) for each in chosen)
    return Named(tuple(each.label for each in chosen), cells)
