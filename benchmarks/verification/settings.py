"""What a verification is asked to do, and what of it is refused before the work."""

from collections.abc import Sequence
from typing import NamedTuple

from implicit_bayes.benchmarks.common.extras import need
from implicit_bayes.benchmarks.predictors.curves import DEFAULT_KS
from implicit_bayes.benchmarks.predictors.promises import check_promises
from implicit_bayes.benchmarks.verification.cost import BUDGET_MINUTES
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.theory import ModelError

DEFAULT_NS = (0, 1, 2, 4, 8, 16, 32, 64)
DEFAULT_EPSILONS = (1e-8, 1e-4, 1e-2)


class Settings(NamedTuple):
    """What a verification is asked to do; every field is stored beside its results.

    Attributes:
        ks: example lengths k; none of them for the instance's own.
        ns: numbers of examples n.
        prompts: for each k.
        epsilons: of the smoothed Bayes predictors, each in (0, 1].
        documents: on which losses are measured.
        length: of each document, tokens.
        seed: of documents and prompts.
        certify: whether enclosures of the conditions are proved.
        model_prompts: the first so many of ``prompts`` are asked of language models, which cost a hundred times what
            exact Bayes does.
        budget: CPU minutes.
    """

    ks: tuple[int, ...]
    ns: tuple[int, ...]
    prompts: int
    epsilons: tuple[float, ...]
    documents: int
    length: int
    seed: int
    certify: bool = False
    model_prompts: int = 300
    budget: float = BUDGET_MINUTES


def check_settings(settings: Settings, instance: Instance) -> Settings:
    """Fill in the instance's own k where none was asked for, and refuse what makes no sense.

    Args:
        settings: as they were asked for.
        instance: to verify.

    Returns:
        The settings, k, n and epsilon sorted, each of them once.

    Raises:
        ModelError: on one line, naming the field.
    """
    ks = settings.ks or ((instance.k,) if instance.k is not None else DEFAULT_KS)
    if min(ks) < 2:
        raise ModelError(f"k: {min(ks)} is below 2 (an example is at least one token of x and one of y)")
    if not settings.ns or min(settings.ns) < 0:
        raise ModelError("n: give numbers of examples of at least 0")
    for name in ("prompts", "documents", "length", "model_prompts"):
        if getattr(settings, name) < 1:
            raise ModelError(f"{name}: {getattr(settings, name)} is below 1")
    if not settings.budget > 0:
        raise ModelError(f"budget: {settings.budget:g} minutes; give more than 0")
    for epsilon in settings.epsilons:
        if not 0.0 < epsilon <= 1.0:
            raise ModelError(f"epsilon: {epsilon} is outside (0, 1]")
        instance.mixture.smooth(epsilon)  # refuses one that arithmetic would drop
    if settings.certify:
        need("flint", "certify")
    return settings._replace(
        ks=tuple(sorted(set(ks))),
        ns=tuple(sorted(set(settings.ns))),
        epsilons=tuple(sorted(set(settings.epsilons))),
    )


def check_models(models: Sequence[LanguageModel], instance: Instance, settings: Settings) -> None:
    """Refuse models that break a promise at the longest document or prompt; ``settings`` have been checked.

    Args:
        models: of any kind.
        instance: whose vocabulary they must have.
        settings: of the verification, checked.

    Raises:
        ModelError: naming the model, the position and the promise.
    """
    longest = {"length": settings.length, "n": (max(settings.ks) + 1) * (max(settings.ns) + 1)}
    check_promises(models, instance.mixture.n_tokens, longest)
