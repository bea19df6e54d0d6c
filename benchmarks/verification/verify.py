"""What the theory says about one instance, and what exact Bayes does on it: the suite's main job."""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import xarray as xr

from implicit_bayes.benchmarks.gap.measure import ModelGap, one_model
from implicit_bayes.benchmarks.predictors.curves import in_context_curves
from implicit_bayes.benchmarks.predictors.models import find_models
from implicit_bayes.benchmarks.verification.cost import BUDGET_MINUTES, estimate
from implicit_bayes.benchmarks.verification.evaluate import Statements, check_statements
from implicit_bayes.benchmarks.verification.losses import BayesLoss, ModelLoss, bayes_loss, model_loss, published_loss
from implicit_bayes.benchmarks.verification.settings import (
    DEFAULT_EPSILONS,
    DEFAULT_NS,
    Settings,
    check_models,
    check_settings,
)
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.datasets import Documents
from implicit_bayes.simulators.instances import Instance, load_instance
from implicit_bayes.simulators.keys import derived_key
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.decomposition import Decomposition, decompose
from implicit_bayes.theory.statements.assumptions import Assumption, check_assumptions, worst_case
from implicit_bayes.theory.statements.conclusions import TheoremVerdict
from implicit_bayes.theory.statements.conditions import Condition

MARTINGALE_DOCUMENTS = 16
"""For the martingale gap, which is the slowest of the models' measures; ``gap`` takes more."""


Progress = Callable[[str, int], Callable[[int], None]]
"""Called with (words, total) when a stage begins; returns what is called with the steps just done."""

Answer = tuple[xr.Dataset, ModelGap]
"""A model's row of the curves, and what ``gap`` finds on the documents."""


class Verification(NamedTuple):
    """Everything that ``verify`` found; prints as the tables of the command line.

    Attributes:
        instance, settings: what was asked.
        assumptions: A1 to A5, each over every true concept, start law and k.
        statements: conditions, critical k, theorems, budget and certificates; the first and third also as
            attributes.
        curves: accuracy over (predictor, k, n), with counts and intervals.
        bayes: cross-entropy of exact Bayes on fresh documents.
        validation: the same on the published validation split, where there is one.
        models, gaps: language models on the fresh documents; gaps are what ``gap`` finds there, without probes and
            orders.
        information: what the fresh documents cost Bayes, split into the noise of a known concept and not knowing
            it.
        command: the shell command that gives this result, empty where none was used.
    """

    instance: Instance
    settings: Settings
    assumptions: list[Assumption]
    statements: Statements
    curves: xr.Dataset
    bayes: BayesLoss
    validation: BayesLoss | None
    models: list[ModelLoss]
    gaps: list[ModelGap]
    information: Decomposition
    command: str = ""

    @property
    def conditions(self) -> list[Condition]:
        """Condition 1 in its three versions, for every k, true concept and other concept."""
        return self.statements.conditions

    @property
    def theorems(self) -> list[TheoremVerdict]:
        """Theorems 1 to 3 at the largest k."""
        return self.statements.theorems

    def __str__(self) -> str:
        """The tables that ``implicit-bayes verify`` shows."""
        from implicit_bayes.benchmarks.verification.tables import as_text

        return as_text(self)

    def __repr__(self) -> str:
        """The same: a console shows tables and not arrays."""
        return str(self)


def as_instance(instance: Instance | MixtureOfHMMs | str | os.PathLike[str]) -> Instance:
    """An instance, the one of a name or path, or a mixture whose every concept is true in turn and starts prompts as
    it starts documents.

    Returns:
        Instance; a mixture's is called "mixture".
    """
    if isinstance(instance, Instance):
        return instance
    if isinstance(instance, MixtureOfHMMs):
        return Instance.of("mixture", instance)
    return load_instance(os.fspath(instance))


def verify(
    instance: Instance | MixtureOfHMMs | str | os.PathLike[str],
    *,
    k: Sequence[int] | int = (),
    n: Sequence[int] = DEFAULT_NS,
    prompts: int = 1000,
    epsilon: Sequence[float] = DEFAULT_EPSILONS,
    documents: int = 100,
    length: int = 1024,
    seed: int = 0,
    model: str | Sequence[str | LanguageModel] = (),
    model_prompts: int = 300,
    certify: bool = False,
    budget: float = BUDGET_MINUTES,
    progress: Progress | None = None,
    answers: Callable[[], list[Answer]] | None = None,
    command: str = "",
) -> Verification:
    """What the theory says of an instance, and what exact Bayes does on it: everything, in one call.

    Assumptions A1 to A5, Condition 1 in its three versions, critical k, Theorems 1 to 3, the exact in-context curves
    and the Bayes cross-entropy. ``implicit-bayes verify`` is this function and the files it writes.

        result = verify("regular", k=3, prompts=200)
        print(result)                                    # the tables
        result.assumptions[2].holds, result.conditions[0].rate, result.curves.accuracy

    Args:
        instance: an Instance, a mixture, a name or the path of an .npz.
        k: example lengths in tokens; the instance's own k, else 3, 5, 8, 10 where none is given.
        n: numbers of examples in the prompt.
        prompts: prompts for each k.
        epsilon: smoothing levels of the smoothed reference.
        documents: fresh documents for the Bayes cross-entropy.
        length: tokens in each of them.
        seed: of prompts, documents and every estimate that samples.
        model: language models set beside Bayes: objects, or names as on the command line.
        model_prompts: prompts for each k that models answer, the first of the others.
        certify: also prove the verdicts in ball arithmetic (needs the extra ``certify``).
        budget: CPU minutes without models and certificates, as estimated from the sizes beforehand: what can be
            sampled more coarsely is made to fit, the rest is refused.
        progress: called with (words, total) at each stage; returns a function to call with the steps done.
        answers: waits for the answers of other models, which are being asked elsewhere.
        command: the shell command that this call carries out, to be stored with the result.

    Returns:
        Verification: assumptions, conditions, theorems, bounds, curves and models; prints as the tables of the command
        line.

    Raises:
        ModelError: bad input, on one line that names the field and the remedy.
    """
    ks = (k,) if isinstance(k, int) else tuple(k)
    with jax.enable_x64(True):
        found = as_instance(instance)
        settings = check_settings(
            Settings(
                ks=ks, ns=tuple(n), prompts=prompts, epsilons=tuple(epsilon), documents=documents, length=length,
                seed=seed, certify=certify, model_prompts=model_prompts, budget=budget,
            ),
            found,
        )  # fmt: skip
        models = find_models([model] if isinstance(model, str) else list(model), found)
        check_models(models, found, settings)
        return _verify(found, settings, progress, models, answers)._replace(command=command)


def _verify(
    instance: Instance,
    settings: Settings,
    progress: Progress | None,
    models: Sequence[LanguageModel],
    answers: Callable[[], list[Answer]] | None,
) -> Verification:
    """``verify`` with everything checked."""
    start = progress or (lambda words, total: lambda done: None)
    cost = estimate(instance, settings)
    laws = prompt_laws(instance, settings.ks)
    advance = start("assumptions", len(laws))
    reports = []
    for law in laws.values():
        reports.append(check_assumptions(instance.mixture, law))
        advance(1)
    every = [row for report in reports for row in report]
    statements = check_statements(
        instance, settings.ks, every, settings.seed, settings.certify, settings.ns, start,
        logarithms=cost.logarithms, risk_prompts=cost.risk_prompts,
    )  # fmt: skip
    curves = in_context_curves(
        instance, settings.ks, settings.ns, prompts=settings.prompts, seed=settings.seed, epsilons=settings.epsilons,
        advance=start("in-context curves", settings.prompts * len(settings.ks)),
    )  # fmt: skip
    advance = start("Bayes cross-entropy", 2)
    documents = fresh_documents(instance, settings)
    bayes = bayes_loss(instance, documents.tokens, documents.concepts)
    information = decompose(instance.mixture, documents.tokens)
    advance(1)
    validation = published_loss(instance)
    advance(1)
    found = [ask_model(instance, settings, model, documents, start) for model in models]
    found += answers() if answers else []
    gaps = [gap for _, gap in found]
    if found:
        curves = xr.concat([curves, *(theirs for theirs, _ in found)], "predictor")
    losses = [model_loss(gap) for gap in gaps]
    worst = worst_case(reports, list(laws))
    return Verification(
        instance=instance, settings=settings, assumptions=worst, statements=statements, curves=curves, bayes=bayes,
        validation=validation, models=losses, gaps=gaps, information=information,
    )  # fmt: skip


def ask_model(
    instance: Instance,
    settings: Settings,
    model: LanguageModel,
    documents: Documents,
    start: Callable[[str, int], Callable[[int], None]],
) -> Answer:
    """A model on the first prompts of the curves, and on the documents.

    Args:
        instance: gives the prompts, and Bayes beside the model.
        settings: of the verification, checked.
        model: asked.
        documents: on which its gap is measured.
        start: called with (words, total) when a stage begins; returns what is called with the steps just done.

    Returns:
        Its row of the curves, and its gap.
    """
    prompts = min(settings.prompts, settings.model_prompts)
    advance = start(f"{model.name} in context", prompts * len(settings.ks))
    curves = in_context_curves(
        instance, settings.ks, settings.ns, prompts=prompts, seed=settings.seed, models=[model], exact=False,
        advance=advance,
    )  # fmt: skip
    found = one_model(
        model, instance, documents, min(settings.ks), settings.seed, start,
        orders=False, martingale_documents=MARTINGALE_DOCUMENTS,
    )  # fmt: skip
    return curves, found


def prompt_laws(instance: Instance, ks: Sequence[int]) -> dict[str, PromptLaw]:
    """Every prompt law of the instance, by its name in words.

    Args:
        instance: gives true concepts and start laws.
        ks: example lengths.

    Returns:
        A law for each (true concept, start law, k).
    """
    return {
        f"concept {c}, start law {s}, k = {k}": PromptLaw.of(instance.mixture, instance.prompt_starts[c, s], c, k)
        for k in ks
        for c in instance.true_concepts
        for s in range(instance.prompt_starts.shape[1])
    }


def fresh_documents(instance: Instance, settings: Settings) -> Documents:
    """Documents drawn afresh from the pretraining law.

    Args:
        instance: whose mixture draws them.
        settings: say how many of which length, and the seed.

    Returns:
        Tokens and the concepts that drew them.
    """
    return sample_documents(instance.mixture, derived_key(settings.seed, 1), settings.documents, settings.length)
