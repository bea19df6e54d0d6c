"""How Bayesian is a model? Every measure of the gap, on one set of documents and one set of prompts for all models."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.memory import check_held, check_memory
from implicit_bayes.benchmarks.gap.bayesianity import (
    LENGTHS,
    MartingaleGap,
    OrderVariance,
    martingale_gap,
    order_variance,
)
from implicit_bayes.benchmarks.gap.context import context_gap
from implicit_bayes.benchmarks.gap.implied_documents import ImpliedGap, implied_gap
from implicit_bayes.benchmarks.gap.laws import LawCheck, check_laws
from implicit_bayes.benchmarks.gap.loss import LossGap, Mean, loss_gap
from implicit_bayes.benchmarks.gap.probes import Beliefs, Probe, exact_beliefs, probe
from implicit_bayes.benchmarks.gap.scaling_laws import Fit, fit_laws
from implicit_bayes.benchmarks.predictors.curves import DEFAULT_KS, references
from implicit_bayes.benchmarks.predictors.models import find_models
from implicit_bayes.benchmarks.predictors.promises import check_promises
from implicit_bayes.lm.model import LanguageModel, ShowsActivations
from implicit_bayes.simulators.datasets import Documents
from implicit_bayes.simulators.instances import Instance, load_instance
from implicit_bayes.simulators.keys import derived_key
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.information.decomposition import Decomposition, decompose

Start = Callable[[str, int], Callable[[int], None]]

PREFIX = 64
"""Tokens of each document that the implied posterior and the probes look at: where the concept is settled."""
MARTINGALE_DOCUMENTS = 64
"""Documents whose prefixes the martingale gap extends by every token."""
ORDER_PROMPTS = 100
"""Prompts of the order variance."""
EPSILONS = (0.01,)
"""Smoothing levels of the ``smoothed`` reference."""


class Settings(NamedTuple):
    """What is asked.

    Attributes:
        ks: example lengths k; none of them for the instance's own.
        ns: numbers of examples n.
        prompts: for each k.
        documents: how many.
        length: of each document, tokens.
        seed: of documents and prompts.
    """

    ks: tuple[int, ...]
    ns: tuple[int, ...]
    prompts: int
    documents: int
    length: int
    seed: int


class ModelGap(NamedTuple):
    """One model on documents.

    Attributes:
        model: its name.
        parameters: how many it has, 0 where that is not known.
        documents: how many it was measured on.
        loss: its loss against exact Bayes.
        laws: checks that hold for every causal model.
        implied: the posterior over concepts that its answers imply.
        martingale: how far its beliefs are from a martingale.
        order: how much its answers depend on the order of the examples; None where it was not asked for.
        probes: exact beliefs read off its activations; empty where not asked for, or where it shows none.
    """

    model: str
    parameters: int
    documents: int
    loss: LossGap
    laws: list[LawCheck]
    implied: ImpliedGap
    martingale: MartingaleGap
    order: OrderVariance | None
    probes: list[Probe]


class Gap(NamedTuple):
    """All models; prints as the tables of the command line.

    Attributes:
        instance, settings: what was asked.
        models: what was measured of each.
        context: of ``context_gap``.
        fits: (predictor, k) -> one Fit for each scaling law, or none.
        information: what the documents cost Bayes, at their full length.
    """

    instance: Instance
    settings: Settings
    models: list[ModelGap]
    context: xr.Dataset
    fits: dict[tuple[str, int], list[Fit]]
    information: Decomposition

    def __str__(self) -> str:
        """The tables that ``implicit-bayes gap`` shows."""
        from implicit_bayes.benchmarks.gap.tables import as_text

        return as_text(self)

    def __repr__(self) -> str:
        """The same: a console shows tables and not arrays."""
        return str(self)


def check_settings(settings: Settings, instance: Instance, models: Sequence[LanguageModel]) -> Settings:
    """Fill in the instance's own k where none was asked for, and refuse what makes no sense.

    Args:
        settings: as they were asked for.
        instance: to measure on.
        models: asked whether they keep their promises.

    Returns:
        The settings, k and n sorted, each of them once.

    Raises:
        ModelError: on one line, naming the field.
    """
    if not models:
        raise ModelError("model: name one, as in: implicit-bayes gap lstm-small --instance ginc")
    ks = settings.ks or ((instance.k,) if instance.k is not None else DEFAULT_KS)
    if min(ks) < 2:
        raise ModelError(f"k: {min(ks)} is below 2 (an example is at least one token of x and one of y)")
    if not settings.ns or min(settings.ns) < 0:
        raise ModelError("n: give numbers of examples of at least 0")
    for name, least in (("prompts", 1), ("documents", 3), ("length", 2)):
        if getattr(settings, name) < least:
            raise ModelError(f"{name}: {getattr(settings, name)} is below {least}")
    check_memory(instance.mixture)
    predictors = len(references(EPSILONS)) + len(models)
    check_held(instance.mixture.n_tokens, settings.prompts, sorted(set(settings.ns)), predictors)
    longest = {"length": settings.length, "n": (max(ks) + 1) * (max(settings.ns) + 1)}
    check_promises(models, instance.mixture.n_tokens, longest)
    return settings._replace(ks=tuple(sorted(set(ks))), ns=tuple(sorted(set(settings.ns))))


def gap(
    model: str | LanguageModel | Sequence[str | LanguageModel],
    instance: Instance | str = "ginc",
    *,
    k: Sequence[int] | int = (),
    n: Sequence[int] = (0, 1, 2, 4, 8, 16, 32, 64),
    prompts: int = 1200,
    documents: int = 200,
    length: int = 512,
    seed: int = 0,
    progress: Start | None = None,
) -> Gap:
    """How Bayesian is a model? Loss, in-context curves, implied posterior, probes and laws against exact Bayes.

        result = gap("lstm-small", "ginc", k=10, prompts=100, documents=32)
        print(result)                                     # the tables
        result.models[0].loss.excess, result.context.accuracy

    Args:
        model: a language model, or its name as on the command line; or several, to be set side by side.
        instance: an Instance, a name or the path of an .npz.
        k: example lengths in tokens; the instance's own k, else 3, 5, 8, 10 where none is given.
        n: numbers of examples in the prompt.
        prompts: prompts for each k.
        documents: fresh documents for everything that is not in context.
        length: tokens in each of them.
        seed: of documents, prompts, fresh weights and resamples.
        progress: called with (words, total) at each stage; returns a function to call with the steps done.

    Returns:
        Gap: every measure for every model, on the same documents and prompts; prints as tables.

    Raises:
        ModelError: bad input, on one line that names the field and the remedy.
    """
    with jax.enable_x64(True):
        found = load_instance(instance) if isinstance(instance, str) else instance
        given = [model] if isinstance(model, str) or not isinstance(model, Sequence) else list(model)
        models = find_models(given, found)
        ks = (k,) if isinstance(k, int) else tuple(k)
        settings = check_settings(Settings(ks, tuple(n), prompts, documents, length, seed), found, models)
        return measure(found, models, settings, progress)


def measure(
    instance: Instance, models: Sequence[LanguageModel], settings: Settings, progress: Start | None = None
) -> Gap:
    """Everything, for every model.

    Args:
        instance: whose documents and prompts are asked.
        models: language models, their names distinct.
        settings: checked by ``check_settings``.
        progress: called with (words, total) at each stage; returns a function to call with the steps done.

    Returns:
        Gap: every measure for every model, on the same documents and prompts.
    """
    start = progress or (lambda words, total: lambda done: None)
    drawn = fresh_documents(instance, settings.documents, settings.length, settings.seed)
    beliefs = None
    if any(isinstance(model, ShowsActivations) for model in models):
        beliefs = exact_beliefs(instance.mixture, drawn.tokens[:, :PREFIX])
    found = [one_model(model, instance, drawn, min(settings.ks), settings.seed, start, beliefs) for model in models]
    advance = start("in-context curves", settings.prompts * len(settings.ks))
    context = context_gap(
        instance, settings.ks, settings.ns, prompts=settings.prompts, seed=settings.seed, epsilons=EPSILONS,
        models=models, advance=advance,
    )  # fmt: skip
    fits, cells = {}, [(str(name), int(k)) for name in context.predictor.values for k in context.k.values]
    advance = start("scaling laws", len(cells))
    for name, k in cells:
        losses = context.prompt_loss.sel(predictor=name, k=k).values.T
        fits[name, k] = fit_laws(context.n.values, losses, settings.seed)
        advance(1)
    information = decompose(instance.mixture, drawn.tokens, [settings.length])
    return Gap(instance, settings, found, context, fits, information)


def fresh_documents(instance: Instance, documents: int, length: int, seed: int) -> Documents:
    """The documents that every model is measured on.

    Args:
        instance: whose mixture draws them.
        documents, length: how many, and tokens of each.
        seed: of the draws.

    Returns:
        Tokens and the concepts that drew them.
    """
    return sample_documents(instance.mixture, derived_key(seed, 5), documents, length)


def one_model(
    model: LanguageModel,
    instance: Instance,
    drawn: Documents,
    k: int,
    seed: int,
    start: Start = lambda words, total: lambda done: None,
    beliefs: Beliefs | None = None,
    orders: bool = True,
    martingale_documents: int = MARTINGALE_DOCUMENTS,
) -> ModelGap:
    """All that is measured on documents, and the order variance.

    Args:
        model: the model.
        instance: where the documents come from.
        drawn: the documents.
        k: example length of the order variance.
        seed: of its prompts, and of the probes.
        start: as ``progress`` of ``measure``.
        beliefs: the probes' targets; None leaves the probes out.
        orders: whether to ask for the order variance.
        martingale_documents: documents whose prefixes the martingale gap extends.

    Returns:
        ModelGap; losses in nats a token, intervals over documents.
    """
    mixture, tokens, documents = instance.mixture, drawn.tokens, len(drawn.tokens)
    loss = loss_gap(model, mixture, tokens, start(f"{model.name}: loss", documents))
    laws = check_laws(model, loss, tokens, mixture.n_tokens)
    advance = start(f"{model.name}: implied posterior", documents)
    implied = implied_gap(model, mixture, tokens[:, :PREFIX], drawn.concepts, advance)
    total = min(martingale_documents, documents) * sum(length <= tokens.shape[1] for length in LENGTHS)
    advance = start(f"{model.name}: martingale", total)
    martingale = martingale_gap(model, mixture, tokens[:martingale_documents], advance=advance)
    order = order_variance(model, instance, k, ORDER_PROMPTS, seed) if orders else None
    probes: list[Probe] = []
    if beliefs is not None and isinstance(model, ShowsActivations):
        probes = probe(model, beliefs, seed, start(f"{model.name}: probes", 0))
    parameters = int(getattr(model, "parameters", 0))
    return ModelGap(
        model=model.name,
        parameters=parameters,
        documents=documents,
        loss=loss,
        laws=laws,
        implied=implied,
        martingale=martingale,
        order=order,
        probes=probes,
    )


def best_probe(found: ModelGap, target: str) -> Probe | None:
    """The layer from which a target is read off best.

    Args:
        found: of one model.
        target: "log posterior" or "state belief".

    Returns:
        Its probe of the largest R²; None where there is no probe.
    """
    rows = [row for row in found.probes if row.target == target]
    return max(rows, key=lambda row: row.r2.value) if rows else None


def mean_or_none(mean: Mean) -> float | None:
    """A mean's value, None where nothing was counted.

    Returns:
        In the mean's unit.
    """
    return None if mean.value == 0.0 and np.isinf(mean.standard_error) else mean.value
