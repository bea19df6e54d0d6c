"""``check_instance``: the suite's identities on one mixture, each by its name; two of them are about prompts.

What is asked of the arithmetic here the tests ask of random instances; this asks it of the numbers that a user brings,
where a kernel of 1e-300 or a prior of zero may be.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.benchmarks.checks import identities
from implicit_bayes.benchmarks.checks.answers import Outcome
from implicit_bayes.benchmarks.checks.identities import (
    Mixed,
    MixedSettings,
    agree,
    chosen_pairs,
    distance,
)
from implicit_bayes.benchmarks.checks.language_model import Start
from implicit_bayes.benchmarks.checks.other_roads import plain_recursion
from implicit_bayes.benchmarks.checks.results import Checked, Found, raise_if_broken
from implicit_bayes.benchmarks.predictors.curves import in_context_curves
from implicit_bayes.benchmarks.verification.enough import FINITE_VERSIONS
from implicit_bayes.benchmarks.verification.verify import as_instance
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.statements.bounds import binomial_interval
from implicit_bayes.theory.statements.finite_sample_odds import Version
from implicit_bayes.theory.statements.finite_sample_table import FiniteSample, finite_sample

ALPHA = 1e-3
"""False-alarm rate of the measurement, over all its cells together."""
NS = (1, 2, 4)
BUDGET = 20_000
"""Nodes of the graphs behind the bound: beyond, it would be an estimate, and is not asked for."""


def kl_chain_rule(mixed: Mixed) -> Outcome:
    """sum_j KL_j by prefixes against KL(p_prompt(O) || p(O | theta)) by the sum over all V^k examples.

    Returns:
        Outcome: the largest ``distance`` of the two sums, beside CLOSE; "undetermined" where V^2 examples are too many.
    """
    tokens, (_, length) = mixed.mixture.n_tokens, mixed.strings_NxT.shape
    if length < 2:
        return Outcome("undetermined", f"{tokens:,}^2 examples are more than {identities.STRINGS:,}")
    log_theta, worst = mixed.strings_log_evidence_NxC, 0.0
    for concept, start in chosen_pairs(mixed.instance):
        law = PromptLaw.of(mixed.mixture, start, concept, length)
        log_prompt = _log_examples(mixed, concept, start)
        for theta in range(mixed.mixture.n_concepts):
            found = kl_sum(law, mixed.mixture.concept(theta))
            if found.method == "exact":
                worst = max(worst, distance(found.value, _kl(log_prompt, log_theta[:, theta])))
                worst = max(worst, distance(found.per_position.sum(), found.value))
    return agree(worst, f"sum KL_j is the divergence of whole examples, over all {tokens}^{length} of them",
                 f"sum KL_j is not the divergence of whole examples (k = {length})")  # fmt: skip


def _log_examples(mixed: Mixed, concept: int, start: np.ndarray) -> np.ndarray:
    """log p_prompt(O) of every string: the concept's kernel from the prompt's start law."""
    mixture = mixed.mixture
    initial = np.repeat(start[None], mixture.n_concepts, 0)
    started = MixtureOfHMMs(mixture.prior, initial, mixture.transition, mixture.emission, mixture.delimiter)
    return np.asarray(plain_recursion(started, mixed.strings_NxT)[:, concept])


def _kl(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    drawn = log_p > -np.inf
    if (log_q[drawn] == -np.inf).any():
        return np.array(np.inf)
    return np.array((np.exp(log_p[drawn]) * (log_p[drawn] - log_q[drawn])).sum())


def finite_n_bound(mixed: Mixed) -> Outcome:
    """The bounds on P( f_n(x) != y_test ) of Theorem 1 at finite n, exact ones only, against wrong answers counted.

    A cell contradicts its bound where the Clopper-Pearson interval of the count, at ALPHA over all cells together, lies
    above it.

    Returns:
        Outcome: the share of wrong answers in the cell closest to its bound, beside that bound; "undetermined" where no
        bound is exact and below 1.
    """
    instance, k, prompts = mixed.instance, mixed.instance.k or 3, mixed.settings.prompts
    cells: list[tuple[FiniteSample, int, int, float]] = []
    reasons = []
    for concept, _ in chosen_pairs(instance):
        rows = [_row(mixed, concept, k, version) for version in FINITE_VERSIONS]
        reasons += [f"{row.version}: {row.reason or 'an estimate'}" for row in rows if not _says(row)]
        rows = [row for row in rows if _says(row)]
        if rows:
            one = Instance(
                name=instance.name,
                mixture=instance.mixture,
                prompt_starts=instance.prompt_starts,
                true_concepts=(concept,),
                k=k,
            )
            curves = in_context_curves(one, [k], NS, prompts=prompts, seed=mixed.settings.seed)
            right = curves.correct.sel(predictor="exact", k=k)
            cells += [(row, n, prompts - int(right.sel(n=n)), bound) for row in rows
                      for n, bound in zip(row.ns, row.mixture_error_bound, strict=True) if bound < 1]  # fmt: skip
    if not cells:
        return Outcome(
            "undetermined", f"at k = {k} the bounds say nothing that can be measured ({'; '.join(reasons[:2])})"
        )
    level = 1 - 2 * ALPHA / len(cells)
    lows = [binomial_interval(wrong, prompts, level).low - bound for _, _, wrong, bound in cells]
    worst = int(np.argmax(lows))
    row, n, wrong, bound = cells[worst]
    words = f"{row.version} bound at k = {k}, n = {n}, concept {row.true_concept}: {wrong} of {prompts} answers wrong"
    holds = lows[worst] <= 0
    return Outcome(holds, f"{words}, the closest of {len(cells)} cells" if holds else f"{words}, more than it allows",
                   wrong / prompts, bound)  # fmt: skip


def _row(mixed: Mixed, concept: int, k: int, version: Version) -> FiniteSample:
    starts = np.asarray(mixed.instance.prompt_starts)[concept]
    return finite_sample(mixed.mixture, starts, concept, k, version, NS, seed=mixed.settings.seed, budget=BUDGET)


def _says(row: FiniteSample) -> bool:
    """Whether a bound is exact and says something at some n."""
    return row.method == "exact" and min(row.mixture_error_bound) < 1


class Identity(NamedTuple):
    """A check of an instance: name, what must hold, the check, and the probability that chance fails it.

    Attributes:
        name: of the check.
        law: what must hold, in words.
        ask: the check.
        level: false-alarm rate of the check; 0 where it is exact.
    """

    name: str
    law: str
    ask: Callable[[Mixed], Outcome]
    level: float = 0.0


IDENTITIES = (
    Identity("sampler", "what is drawn is possible", identities.sampler),
    Identity("enumeration", "the filter is the sum over all hidden paths", identities.enumeration),
    Identity("two-methods", "every recursion gives the same evidence", identities.two_methods),
    Identity("permutation", "names of concepts, states and tokens do not matter", identities.permutation),
    Identity("total-probability", "the probabilities of all strings sum to one", identities.total_probability),
    Identity("evidence-chain-rule", "log p(o_1..o_T) = sum_t log p(o_t | o_<t)", identities.evidence_chain_rule),
    Identity("posterior-martingale", "E[w(c | o_1..o_{t+1}) | o_1..o_t] = w(c | o_1..o_t)",
             identities.posterior_martingale),
    Identity("bounded-regret", "-log p(o) <= -log p(o | c) + log 1/prior_c", identities.bounded_regret),
    Identity("kl-chain-rule", "sum_j KL_j = KL(p_prompt(O) || p(O | theta))", kl_chain_rule),
    Identity("finite-n-bound", "measured errors stay below the bounds of Theorem 1 at finite n", finite_n_bound, ALPHA),
)  # fmt: skip


def check_settings(settings: MixedSettings) -> MixedSettings:
    """See that every check has something to ask.

    Returns:
        The same settings.

    Raises:
        ModelError: documents, length or prompts below 1, or a negative seed.
    """
    for name, least in (("documents", 1), ("length", 1), ("prompts", 1), ("seed", 0)):
        if getattr(settings, name) < least:
            raise ModelError(f"{name}: {getattr(settings, name)} is below {least}")
    return settings


def check_instance(
    instance: Instance | MixtureOfHMMs | str | os.PathLike[str],
    *,
    documents: int = 32,
    length: int = 64,
    prompts: int = 400,
    seed: int = 0,
    on_fail: str = "raise",
    progress: Start | None = None,
) -> Checked:
    """Do the identities hold that the suite's numbers rest on, for this very mixture?

    The filter against all hidden paths (where they can be enumerated), the evidence by other recursions, renamed
    concepts, states and tokens, total probability, the chain rules of evidence and of KL, the martingale of the
    posterior, the regret of Bayes, and the bounds at finite n against a measurement.

        print(check_instance("my-mixture.npz", on_fail="report"))

    Args:
        instance: an Instance, a mixture, a name or the path of an .npz.
        documents: fresh documents.
        length: tokens in each of them.
        prompts: of the measurement, for each true concept (two at most).
        seed: of documents, prompts and new names.
        on_fail: "raise" (LawBroken, an AssertionError, after all checks) or "report".
        progress: called with (words, total) at each stage; returns a function to call with the steps done.

    Returns:
        Checked: every check with its verdict, numbers and words; prints as a table. "undetermined" is what is too
        large to enumerate, and a bound that says nothing.

    Raises:
        LawBroken: an identity is broken, and ``on_fail`` is "raise".
        ModelError: no such instance, or settings that ask nothing.
    """
    if on_fail not in ("raise", "report"):
        raise ModelError(f"on_fail: {on_fail!r} is neither 'raise' nor 'report'")
    settings = check_settings(MixedSettings(documents, length, prompts, seed))
    found = examine(as_instance(instance), settings, progress)
    if on_fail == "raise":
        raise_if_broken([found])
    return found


def examine(instance: Instance, settings: MixedSettings, progress: Start | None = None) -> Checked:
    """``check_instance`` with everything checked.

    Args:
        instance: under examination.
        settings: checked already.
        progress: starts a stage of so many steps, as ``progress_bars`` gives it; None: silence.

    Returns:
        Checked: one row for each identity, in the order of IDENTITIES.
    """
    mixed, rows = Mixed(instance, settings), []
    advance = (progress or (lambda words, total: lambda done: None))(f"{instance.name}: identities", len(IDENTITIES))
    for each in IDENTITIES:
        with jax.enable_x64(True):
            outcome = each.ask(mixed)
        level = each.level if isinstance(outcome.holds, bool) else 0.0
        rows.append(
            Found(
                name=each.name,
                law=each.law,
                holds=outcome.holds,
                words=outcome.words,
                value=outcome.value,
                bound=outcome.bound,
                level=level,
            )
        )
        advance(1)
    return Checked(instance.name, instance.name, settings._asdict(), tuple(rows))
