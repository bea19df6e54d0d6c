"""``check_language_model``: every law that a causal language model must obey, each by its name.

In the manner of scikit-learn's ``check_estimator``. The laws are those of docs/theory, "Laws that any model obeys", and
the promises of ``lm.model.LanguageModel``. What a model has learnt plays no part: a uniform model passes.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax

from implicit_bayes.benchmarks.checks import answers, contexts, dependence
from implicit_bayes.benchmarks.checks.answers import Outcome
from implicit_bayes.benchmarks.checks.results import Checked, Found, LawBroken, raise_if_broken
from implicit_bayes.benchmarks.checks.statistical import ALPHA, judged
from implicit_bayes.benchmarks.checks.subject import NoAnswer, Settings, Subject
from implicit_bayes.benchmarks.predictors.models import find_models
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.instances import Instance, load_instance
from implicit_bayes.theory import ModelError

Start = Callable[[str, int], Callable[[int], None]]


class Law(NamedTuple):
    """A law by name.

    Attributes:
        name: of the check.
        law: what must hold, in one sentence.
        ask: the check.
        needs: checks without which this one says nothing.
        level: probability that chance fails a model that obeys.
    """

    name: str
    law: str
    ask: Callable[[Subject], Outcome]
    needs: tuple[str, ...] = ("shape",)
    level: float = 0.0


SAME = ("shape", "determinism")
LAWS = (
    Law("shape", "B documents of T tokens have (B, T + 1, V) log-probabilities: a law after every prefix, the empty "
        "one included", answers.shape, ()),
    Law("finite", "no law holds nan or +inf, at any position", answers.finite),
    Law("normalised", "every law sums to one, at every position", answers.normalised),
    Law("determinism", "the same question has the same answer, whatever was asked between", answers.determinism),
    Law("input-unchanged", "the tokens that the model is handed are as they were", answers.input_unchanged),
    Law("token-types", "int32 and int64 tokens have the same answer", answers.token_types, SAME),
    Law("causality", "the law after t tokens does not depend on any token after them", dependence.causality, SAME),
    Law("position-offsets", "the law after t tokens does not depend on how long the question is",
        dependence.position_offsets, (*SAME, "causality")),
    Law("batch-independence", "a document's laws do not depend on the documents asked about with it",
        dependence.batch_independence, SAME),
    Law("context-limits", "what lies beyond the context is refused or declared, and never cut in silence",
        contexts.context_limits, SAME),
    Law("loss-above-bayes", "the loss on documents of a law is at least that of exact Bayes under it",
        partial(judged, law="excess ≥ 0"), level=ALPHA),
    Law("ville", "sup_t prod_{s<=t} q(o_s)/p(o_s) reaches 1/alpha with probability alpha at most",
        partial(judged, law="Ville"), level=ALPHA),
    Law("no-foresight", "the excess of the tokens that come is the mean KL of the laws before them",
        partial(judged, law="no foresight"), level=ALPHA),
    Law("risk-below-kl", "g(excess 0-1 risk) <= KL(Bayes || model), in the mean", partial(judged, law="g(risk) ≤ KL")),
)  # fmt: skip
"""In the order in which they are asked; a later one may need an earlier one."""


class Examination:
    """One model under every check; each is asked once, when it is first wanted.

    Args:
        model: a model, its name, or a function that makes it.
        instance: whose documents it is asked about, or its name.
        settings: how many documents, and how long.
    """

    def __init__(self, model: object, instance: Instance | str, settings: Settings):
        self._model, self._instance, self.settings = model, instance, settings
        self._found: dict[str, Found] = {}

    @cached_property
    def instance(self) -> Instance:
        """The instance itself."""
        return load_instance(self._instance) if isinstance(self._instance, str) else self._instance

    @cached_property
    def subject(self) -> Subject:
        """The model, found or made.

        Raises:
            ModelError: no such model, no language model, or more answers than memory holds.
        """
        model = self._model
        if not isinstance(model, str) and (isinstance(model, type) or not isinstance(model, LanguageModel)):
            model = model() if callable(model) else model
        if not isinstance(model, str) and not isinstance(model, LanguageModel):
            raise ModelError(f"model: a {type(model).__name__} without name and log_probabilities; see lm.model")
        (found,) = find_models([model], self.instance, ask=False)
        return Subject(found, self.instance, self.settings)

    def check(self, law: Law) -> Found:
        """One law, and before it those that it needs.

        Returns:
            Found; "undetermined" where a law that it needs is broken. Each law is asked once and remembered.
        """
        if law.name in self._found:
            return self._found[law.name]
        needed = [self.check(each) for each in LAWS if each.name in law.needs]
        broken = [each.name for each in needed if each.holds is False]
        if broken:
            outcome = Outcome("undetermined", f"not asked: it says nothing where {broken[0]} is broken")
        else:
            subject = self.subject  # made in the precision of whoever calls
            with jax.enable_x64(True):
                outcome = _asked(law, subject)
        level = law.level if isinstance(outcome.holds, bool) else 0.0
        found = Found(
            name=law.name,
            law=law.law,
            holds=outcome.holds,
            words=outcome.words,
            value=outcome.value,
            bound=outcome.bound,
            level=level,
        )
        self._found[law.name] = found
        return found

    def all(self, start: Start | None = None) -> Checked:
        """Every law.

        Returns:
            Checked: one row for each law, in the order of LAWS.
        """
        advance = (start or _silent)(f"{self.subject.name}: laws", len(LAWS))
        rows = []
        for law in LAWS:
            rows.append(self.check(law))
            advance(1)
        return Checked(self.subject.name, self.instance.name, self.settings._asdict(), tuple(rows))


def _asked(law: Law, subject: Subject) -> Outcome:
    try:
        return law.ask(subject)
    except NoAnswer as error:  # for this question, though it answers the short ones of ``shape``
        return Outcome(False, f"a question has no proper answer: {error}")


def _silent(words: str, total: int) -> Callable[[int], None]:
    return lambda done: None


def check_settings(settings: Settings) -> Settings:
    """See that every check has something to ask.

    Returns:
        The same settings.

    Raises:
        ModelError: fewer than 3 documents or 2 tokens, a negative seed, or a tolerance outside (0, 1).
    """
    for name, least in (("documents", 3), ("length", 2), ("seed", 0)):
        if getattr(settings, name) < least:
            raise ModelError(f"{name}: {getattr(settings, name)} is below {least}")
    if not 0.0 < settings.tolerance < 1.0:
        raise ModelError(f"tolerance: {settings.tolerance} is outside (0, 1)")
    return settings


def check_language_model(
    model: str | LanguageModel | Callable[[], LanguageModel],
    instance: Instance | str | os.PathLike[str] = "ginc",
    *,
    documents: int = 64,
    length: int = 256,
    seed: int = 0,
    tolerance: float = 1e-4,
    on_fail: str = "raise",
    progress: Start | None = None,
) -> Checked:
    """Does a model obey every law that a causal language model must obey, whatever it has learnt?

    Laws that sum to one at every position, causality, a loss not below that of exact Bayes, Ville's inequality, g of
    the 0-1 risk below KL, the same answer twice, in any batch, in a question of any length, no silent cut of the
    context.

        check_language_model(my_model, "ginc")                       # LawBroken names what is broken, and where
        print(check_language_model("lstm-small", on_fail="report"))  # the table

    A statistical check fails a model that obeys with probability 1e-3 at most, without a normal limit.

    Args:
        model: a language model (``LanguageModel``), a function that makes one, or a name as on the command line.
        instance: an Instance, a name or the path of an .npz: whose vocabulary and documents the model is asked about.
        documents: fresh documents.
        length: tokens in each of them; fewer where the model's context is shorter.
        seed: of documents and replaced tokens.
        tolerance: by how much a probability may differ between questions of different shapes.
        on_fail: "raise" (LawBroken, an AssertionError, after all checks) or "report".
        progress: called with (words, total) at each stage; returns a function to call with the steps done.

    Returns:
        Checked: every check with its verdict, numbers and words; prints as a table.

    Raises:
        LawBroken: a law is broken, and ``on_fail`` is "raise".
        ModelError: no such model or instance, or settings that ask nothing.
    """
    if on_fail not in ("raise", "report"):
        raise ModelError(f"on_fail: {on_fail!r} is neither 'raise' nor 'report'")
    settings = check_settings(Settings(documents, length, seed, tolerance))
    chosen = os.fspath(instance) if isinstance(instance, os.PathLike) else instance
    found = Examination(model, chosen, settings).all(progress)
    if on_fail == "raise":
        raise_if_broken([found])
    return found


def parametrize_with_checks(
    models: Sequence[object],
    instance: Instance | str = "ginc",
    *,
    documents: int = 64,
    length: int = 256,
    seed: int = 0,
    tolerance: float = 1e-4,
    expected_failures: Mapping[str, str] | Callable[[object], Mapping[str, str]] | None = None,
) -> Any:  # pytest's mark; pytest is optional
    """A pytest decorator: one test for every model and law, with the law's name in the test's.

        @parametrize_with_checks([my_model, "lstm-small", make_another], instance="ginc")
        def test_laws(model, check):
            check(model)

    Models given by name or by a function are found or made when their first test runs. A check that says nothing where
    another is broken skips.

    Args:
        models: language models, names, or functions that make one.
        instance, documents, length, seed, tolerance: as in ``check_language_model``.
        expected_failures: check -> reason, or a function from a model (as given) to such a mapping: those tests are
            strict expected failures.

    Returns:
        A ``pytest.mark.parametrize`` over ("model", "check").

    Raises:
        ModelError: settings that ask nothing, or an expected failure of a check that does not exist.
    """
    import pytest

    settings = check_settings(Settings(documents, length, seed, tolerance))
    cases = []
    for i, model in enumerate(models):
        examination = Examination(model, instance, settings)
        expected = expected_failures(model) if callable(expected_failures) else expected_failures or {}
        unknown = sorted(set(expected) - {law.name for law in LAWS})
        if unknown:
            raise ModelError(f"expected_failures: there is no check {unknown[0]!r}")
        for law in LAWS:
            marks = (
                [pytest.mark.xfail(reason=expected[law.name], raises=LawBroken, strict=True)]
                if law.name in expected
                else []
            )
            words = f"{_label(model, i)}-{law.name}"
            cases.append(pytest.param(model, Check(examination, law), marks=marks, id=words))
    return pytest.mark.parametrize(("model", "check"), cases)


class Check:
    """One law of one model, to be called by a test with the model that it was made for."""

    def __init__(self, examination: Examination, law: Law):
        self._examination, self._law = examination, law

    def __repr__(self) -> str:
        return self._law.name

    def __call__(self, model: object) -> Found:
        """Raises LawBroken where the law is broken; skips the test where it could not be asked."""
        import pytest

        found = self._examination.check(self._law)
        if found.holds is False:
            raise LawBroken(f"{self._examination.subject.name} breaks {found.name}: {found.words}")
        if found.holds == "undetermined":
            pytest.skip(found.words)
        return found


def _label(model: object, index: int) -> str:
    """A short name for a test's."""
    name = model if isinstance(model, str) else getattr(model, "name", None) or getattr(model, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else f"model{index}"
