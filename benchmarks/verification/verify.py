"""What the theory says about one instance, and what exact Bayes does on it: the suite's main job."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.gap.measure import ModelGap, one_model
from implicit_bayes.benchmarks.gap.store import compact
from implicit_bayes.benchmarks.predictors.curves import DEFAULT_KS, in_context_curves
from implicit_bayes.benchmarks.verification.evaluate import Statements, check_statements, conditions_dataset
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.datasets import Documents
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import ModelError, PromptLaw, filter_mixture
from implicit_bayes.theory.filtering.filter import weigh
from implicit_bayes.theory.statements.assumptions import Assumption, check_assumptions, worst_case

MARTINGALE_DOCUMENTS = 16
"""For the martingale gap, which is the slowest of the models' measures; ``gap`` takes more."""


class BayesLoss(NamedTuple):
    """Cross-entropy of the exact Bayes predictor.

    cross_entropy: nats per token, mean over documents.
    standard_error: of that mean, over documents; inf where there is one document, or an impossible one.
    documents, length: how many, and their length in tokens.
    recovered: documents whose posterior ends with its largest weight on the true concept.
    """

    cross_entropy: float
    standard_error: float
    documents: int
    length: int
    recovered: int


class Settings(NamedTuple):
    """What a verification is asked to do; every field is stored beside its results. Language models answer the first
    ``model_prompts`` of the ``prompts``: they cost a hundred times what exact Bayes does."""

    ks: tuple[int, ...]
    ns: tuple[int, ...]
    prompts: int
    epsilons: tuple[float, ...]
    documents: int
    length: int
    seed: int
    certify: bool = False
    model_prompts: int = 300


class ModelLoss(NamedTuple):
    """A language model on the fresh documents of ``bayes``, nats per token.

    excess, standard_error: over exact Bayes on the same documents, and the error of that mean over documents.
    """

    model: str
    excess: float
    standard_error: float
    tokens: int


Answer = tuple[xr.Dataset, ModelGap]
"""A model's row of the curves, and what ``gap`` finds on the documents."""


class Verification(NamedTuple):
    """Everything that ``verify`` found. ``validation`` is the published validation split, where there is one; ``gaps``
    are what ``gap`` finds on documents, without probes and orders."""

    instance: Instance
    settings: Settings
    assumptions: list[Assumption]
    statements: Statements
    curves: xr.Dataset
    bayes: BayesLoss
    validation: BayesLoss | None
    models: list[ModelLoss]
    gaps: list[ModelGap]


def check_settings(settings: Settings, instance: Instance) -> Settings:
    """Fill in the instance's own k where none was asked for, and refuse what makes no sense.

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
    for epsilon in settings.epsilons:
        if not 0.0 < epsilon <= 1.0:
            raise ModelError(f"epsilon: {epsilon} is outside (0, 1]")
        instance.mixture.smooth(epsilon)  # refuses one that arithmetic would drop
    return settings._replace(
        ks=tuple(sorted(set(ks))),
        ns=tuple(sorted(set(settings.ns))),
        epsilons=tuple(sorted(set(settings.epsilons))),
    )


def verify(
    instance: Instance,
    settings: Settings,
    progress: Callable[[str, int], Callable[[int], None]] | None = None,
    models: Sequence[LanguageModel] = (),
    answers: Callable[[], list[Answer]] | None = None,
) -> Verification:
    """Check assumptions, conditions and theorems, and run the exact curves and the Bayes loss of one instance.

    Args:
        instance: the mixture, its prompt start laws and true concepts.
        settings: checked by ``check_settings``.
        progress: called with (words, total) at each stage; returns a function to call with the steps done.
        models: language models to set beside Bayes.
        answers: waits for the answers of other models, which are being asked elsewhere
            (``benchmarks.verification.beside``).

    Returns:
        Verification.
    """
    start = progress or (lambda words, total: lambda done: None)
    laws = prompt_laws(instance, settings.ks)
    advance = start("assumptions", len(laws))
    reports = []
    for law in laws.values():
        reports.append(check_assumptions(instance.mixture, law))
        advance(1)
    every = [row for report in reports for row in report]
    statements = check_statements(instance, settings.ks, every, settings.seed, settings.certify, start)
    curves = in_context_curves(
        instance,
        settings.ks,
        settings.ns,
        settings.prompts,
        settings.epsilons,
        settings.seed,
        start("in-context curves", settings.prompts * len(settings.ks)),
    )
    advance = start("Bayes cross-entropy", 2)
    documents = fresh_documents(instance, settings)
    bayes = bayes_loss(instance, documents.tokens, documents.concepts)
    advance(1)
    validation = published_loss(instance)
    advance(1)
    found = [ask_model(instance, settings, model, documents, start) for model in models]
    found += answers() if answers else []
    gaps = [gap for _, gap in found]
    if found:
        curves = xr.concat([curves, *(theirs for theirs, _ in found)], "predictor")
    losses = [ModelLoss(gap.model, *gap.loss.excess, gap.loss.tokens) for gap in gaps]
    worst = worst_case(reports, list(laws))
    return Verification(instance, settings, worst, statements, curves, bayes, validation, losses, gaps)


def ask_model(
    instance: Instance,
    settings: Settings,
    model: LanguageModel,
    documents: Documents,
    start: Callable[[str, int], Callable[[int], None]],
) -> Answer:
    """A model on the first prompts of the curves, and on the documents."""
    prompts = min(settings.prompts, settings.model_prompts)
    advance = start(f"{model.name} in context", prompts * len(settings.ks))
    curves = in_context_curves(
        instance, settings.ks, settings.ns, prompts, (), settings.seed, advance, [model]
    ).sel(predictor=[model.name])  # fmt: skip
    few, k = MARTINGALE_DOCUMENTS, min(settings.ks)
    return curves, one_model(model, instance, documents, k, settings.seed, start, orders=False, few=few)


def prompt_laws(instance: Instance, ks: Sequence[int]) -> dict[str, PromptLaw]:
    """Every prompt law of the instance, by its name in words."""
    return {
        f"concept {c}, start law {s}, k = {k}": PromptLaw.of(instance.mixture, c, instance.prompt_starts[c, s], k)
        for k in ks
        for c in instance.true_concepts
        for s in range(instance.prompt_starts.shape[1])
    }


def fresh_documents(instance: Instance, settings: Settings) -> Documents:
    """Documents drawn afresh from the pretraining law."""
    key = jax.random.fold_in(jax.random.key(settings.seed), 1)
    return sample_documents(instance.mixture, key, settings.documents, settings.length)


def published_loss(instance: Instance) -> BayesLoss | None:
    """Bayes cross-entropy on the published validation documents, for the released instances."""
    if instance.released_vocabulary is None:
        return None
    documents = released_documents(instance.released_vocabulary, "validation")
    return bayes_loss(instance, documents.tokens, documents.concepts)


def bayes_loss(instance: Instance, tokens_BxT: np.ndarray, concepts_B: np.ndarray) -> BayesLoss:
    """-(1/T) log p(o_1..o_T) under the mixture, in nats per token, and how often the concept is recovered."""
    documents, length = tokens_BxT.shape
    out = filter_mixture(instance.mixture, tokens_BxT, positions=[length])
    loss_B = -np.asarray(weigh(instance.mixture.prior, out.log_evidence[:, 0]).log_probability) / length
    recovered = int((np.asarray(out.log_posterior)[:, 0].argmax(-1) == concepts_B).sum())
    known = documents > 1 and np.isfinite(loss_B).all()
    error = float(loss_B.std(ddof=1) / math.sqrt(documents)) if known else math.inf
    return BayesLoss(float(loss_B.mean()), error, documents, length, recovered)


def as_json(result: Verification) -> dict[str, Any]:
    """The object of ``verify --json``; its keys are stable (shared design, "Commands that stay stable")."""
    mixture = result.instance.mixture
    return {
        "instance": {
            "name": result.instance.name,
            "concepts": mixture.n_concepts,
            "states": mixture.n_states,
            "vocabulary": mixture.n_tokens,
            "delimiter": mixture.delimiter,
            "seed": result.settings.seed,
        },
        "settings": result.settings,
        "assumptions": result.assumptions,
        "conditions": result.statements.conditions,
        "tested_k": result.statements.tested_ks,
        "critical_k": result.statements.critical_k,
        "theorems": [row._asdict() | {"k": result.statements.theorem_k} for row in result.statements.theorems],
        "budget": result.statements.budgets,
        "certificates": result.statements.certificates,
        "curves": curve_rows(result.curves),
        "bayes": result.bayes,
        "models": result.models,
        "gap": [compact(found) for found in result.gaps],
        "bayes_published_validation": result.validation,
    }


def curve_rows(curves: xr.Dataset) -> list[dict[str, Any]]:
    """One row per (predictor, k, n); accuracy and its error are null where no prompt is defined."""
    rows = []
    for i, label in enumerate(curves.predictor.values):
        epsilon = float(curves.epsilon[i])
        for k in curves.k.values:
            for n in curves.n.values:
                cell = curves.isel(predictor=i).sel(k=k, n=n)
                exists = int(cell.undefined) < int(cell.prompts)
                rows.append(
                    {
                        "predictor": str(label).split("(")[0],
                        "epsilon": None if math.isnan(epsilon) else epsilon,
                        "k": int(k),
                        "n": int(n),
                        "accuracy": float(cell.accuracy) if exists else None,
                        "standard_error": float(cell.standard_error) if exists else None,
                        "undefined_share": float(cell.undefined_share),
                        "prompts": int(cell.prompts),
                    }
                )
    return rows


def as_dataset(result: Verification) -> xr.Dataset:
    """Everything numeric, for results.nc: the curves with the rest as scalars and attributes."""
    data = result.curves.merge(conditions_dataset(result.statements))
    for prefix, loss in (("bayes", result.bayes), ("validation", result.validation)):
        for field, value in (loss._asdict() if loss is not None else {}).items():
            units = {"units": "nats per token"} if field in ("cross_entropy", "standard_error") else {}
            data[f"{prefix}_{field}"] = ((), value, units)
    if result.models:
        data = data.assign_coords(model=[row.model for row in result.models])
        units = {"units": "nats per token"}
        data["model_excess"] = ("model", [row.excess for row in result.models], units)
        data["model_standard_error"] = ("model", [row.standard_error for row in result.models], units)
    names = [row.name for row in result.assumptions]
    data = data.assign_coords(assumption=names)
    data["assumption_holds"] = ("assumption", [str(row.holds) for row in result.assumptions])
    data["assumption_witness"] = ("assumption", [row.witness for row in result.assumptions])
    constants = {name: value for row in result.assumptions for name, value in row.constants.items()}
    for name, value in constants.items():
        data[f"constant_{name}"] = ((), value)
    settings = {f"setting_{name}": value for name, value in result.settings._asdict().items()}
    settings["setting_certify"] = int(result.settings.certify)  # netCDF has no booleans
    for version, k in result.statements.critical_k._asdict().items():
        data[f"critical_k_{version}"] = ((), np.nan if k is None else k)
    data.attrs = {"instance": result.instance.name, "seed": result.settings.seed, **settings}
    return data
