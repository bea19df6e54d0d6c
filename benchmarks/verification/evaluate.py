"""Conditions, critical k, theorems, budget and certificates of one instance, gathered for ``verify``."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.verification.cost import RISK_PROMPTS, SPLIT_LOGARITHMS, tested_ks
from implicit_bayes.benchmarks.verification.enough import finite_samples
from implicit_bayes.benchmarks.verification.proved import NOTHING, Proofs, prove
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.theory import PromptLaw
from implicit_bayes.theory.information.scores import WORK
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.proofs.certify import Certificate, certify
from implicit_bayes.theory.statements.assumptions import Assumption
from implicit_bayes.theory.statements.conclusions import TheoremVerdict
from implicit_bayes.theory.statements.conditions import (
    VERSIONS,
    Condition,
    CriticalK,
    Version,
    conditions_by_start_law,
    critical_k_of,
    worst_over_start_laws,
    worst_pair,
)
from implicit_bayes.theory.statements.diagnosis import ConditionSplit, split_condition
from implicit_bayes.theory.statements.finite_sample_table import FiniteSample
from implicit_bayes.theory.statements.theorems import evaluate_theorems

COUNTS = (
    "k", "true_concept", "concept", "prompt_start", "repaired_start", "sharp_start", "kl_infinite_mass",
    "rate_samples", "level",
)  # fmt: skip
"""Fields of a condition that are no nats."""


class Statements(NamedTuple):
    """What the paper's conditions and theorems come to on one instance.

    Attributes:
        conditions: one for each (k, theta*, theta), each version at the start law that binds it, k over
            ``tested_ks``.
        tested_ks: rising.
        critical_k: smallest tested k at which each version holds for every pair.
        theorems: at ``theorem_k``.
        theorem_k: the largest k asked for.
        splits: for each k asked for, the pair and the start law that bind the repaired condition.
        certificates: for each (k asked for, theta*, theta), if asked for.
        finite: Theorem 1 at finite n for each (k asked for, theta*) and version.
        proofs: if certificates are asked for, those of finite n and of rates with several delimiter states.
    """

    conditions: list[Condition]
    tested_ks: tuple[int, ...]
    critical_k: CriticalK
    theorems: list[TheoremVerdict]
    theorem_k: int
    splits: list[ConditionSplit]
    certificates: list[Certificate]
    finite: Sequence[FiniteSample] = ()
    proofs: Proofs = NOTHING


def check_statements(
    instance: Instance,
    ks: Sequence[int],
    assumptions: Sequence[Assumption],
    seed: int,
    certified: bool,
    ns: Sequence[int],
    start: Callable[[str, int], Callable[[int], None]],
    logarithms: float = WORK,
    risk_prompts: int = RISK_PROMPTS,
) -> Statements:
    """Evaluate every statement of the paper on one instance.

    Args:
        instance: mixture, start laws, true concepts.
        ks: example lengths asked for.
        assumptions: A1 to A5 for every prompt law, in any order.
        seed: of every estimate that samples.
        certified: also prove what can be proved on rational entries.
        ns: numbers of examples at which the bounds of finite n are wanted.
        start: progress, see ``benchmarks.verification.verify.verify``.
        logarithms: that each expectation of the conditions may take.
        risk_prompts: on which exact Bayes is measured beside the theorems.

    Returns:
        Statements: conditions, critical k, theorems, bounds at finite n, splits and, if asked for, certificates.
    """
    lengths, true = tested_ks(instance, ks), instance.true_concepts
    rows: list[Condition] = []
    advance = start("conditions", len(true))
    for c in true:
        laws = np.asarray(instance.prompt_starts)[c]
        rows += conditions_by_start_law(
            instance.mixture, laws, c, lengths, seed=seed, tables=len(true), logarithms=logarithms
        )
        advance(1)
    conditions = worst_over_start_laws(rows)
    advance = start("theorems", 1)
    theorems = evaluate_theorems(
        instance.mixture, instance.prompt_starts, true, max(ks),
        conditions=rows, assumptions=assumptions, seed=seed, prompts=risk_prompts,
    )  # fmt: skip
    advance(1)
    splits = [
        split_condition(
            *_case(instance, row, row.repaired_start), row.concept, true_concept=row.true_concept, seed=seed,
            logarithms=min(logarithms, SPLIT_LOGARITHMS),
            condition=next(each for each in rows if _place(each, each.prompt_start) == _place(row, row.repaired_start)),
        )
        for row in binding(conditions, ks, "repaired")
    ]  # fmt: skip
    certificates = certificates_of(instance, conditions, ks, start) if certified else []
    proofs = prove(instance, conditions, ks, start) if certified else NOTHING
    finite = finite_samples(instance, ks, ns, conditions, seed, start)
    critical = critical_k_of(conditions, lengths)
    return Statements(
        conditions=conditions, tested_ks=lengths, critical_k=critical, theorems=theorems, theorem_k=max(ks),
        splits=splits, certificates=certificates, finite=finite, proofs=proofs,
    )  # fmt: skip


def _case(instance: Instance, row: Condition, start: int) -> tuple[MixtureOfHMMs, PromptLaw]:
    start_law = instance.prompt_starts[row.true_concept, start]
    return instance.mixture, PromptLaw.of(instance.mixture, start_law, row.true_concept, row.k)


def _place(row: Condition, start: int) -> tuple[int, int, int, int]:
    return row.k, row.true_concept, row.concept, start


def binding(conditions: Sequence[Condition], ks: Sequence[int], version: Version) -> list[Condition]:
    """For each k, the pair (theta*, theta) that binds a version of the condition: its verdict is that of every pair.

    Args:
        conditions: of every (k, theta*, theta).
        ks: example lengths.
        version: printed, repaired or sharp.

    Returns:
        One condition for each k that has any.
    """
    return [worst_pair(rows, version) for k in ks if (rows := [row for row in conditions if row.k == k])]


def certificates_of(
    instance: Instance,
    conditions: Sequence[Condition],
    ks: Sequence[int],
    start: Callable[[str, int], Callable[[int], None]],
) -> list[Certificate]:
    """Proved enclosures for every (k asked for, theta*, theta) at every start law that binds a version of it.

    Args:
        instance: gives kernels and start laws.
        conditions: of every (k, theta*, theta).
        ks: those asked for.
        start: called with (words, total) at the beginning; returns what is called after each step.

    Returns:
        Certificates, in the order of k, theta*, theta.
    """
    rows = [row for row in conditions if row.k in ks]
    advance, found = start("certificates", len(rows)), []
    for row in rows:
        for law in sorted({row.prompt_start, row.repaired_start, row.sharp_start}):
            found.append(certify(*_case(instance, row, law), row.true_concept, row.concept))
        advance(1)
    return found


def _rooms(conditions: Sequence[Condition], version: Version) -> dict[str, object]:
    """Room of every condition in one version with the ends of its interval, and its place in the order of binding."""
    order = np.empty(len(conditions), dtype=int)
    order[sorted(range(len(conditions)), key=lambda i: conditions[i].binding(version))] = np.arange(len(conditions))
    rooms = np.array([(row.room(version), *row.room_interval(version)) for row in conditions]).reshape(-1, 3)
    named = zip(("", "_low", "_high"), rooms.T, strict=True)
    columns: dict[str, object] = {
        f"condition_{version}_room{end}": ("condition", values, {"units": "nats"}) for end, values in named
    }
    return columns | {f"condition_{version}_order": ("condition", order)}


def conditions_dataset(statements: Statements) -> xr.Dataset:
    """Conditions as columns over a ``condition`` axis, for results.nc (verdicts as the words they print as).

    Returns:
        A Dataset, empty where no condition was evaluated.
    """
    columns: dict[str, object] = {}
    for field in (*Condition._fields, "printed_threshold", "repaired_threshold"):
        values = [getattr(row, field) for row in statements.conditions]
        if field == "method" or field.endswith("_holds"):
            columns[f"condition_{field}"] = ("condition", [str(value) for value in values])
        else:
            numbers = [np.nan if value is None else value for value in values]
            units = {} if field in COUNTS else {"units": "nats"}
            columns[f"condition_{field}"] = ("condition", numbers, units)
    for version in VERSIONS:
        columns |= _rooms(statements.conditions, version)
    split = statements.splits
    columns["budget_k"] = ("budget", [row.condition.k for row in split])
    parts = {
        "signal": [row.signal.value for row in split],
        "start_kl": [row.start_kl.value for row in split],
        **{
            name: [getattr(row.condition, name) for row in split]
            for name in ("eps_start", "eps_delim_printed", "eps_delim_repaired")
        },
    }
    columns |= {f"budget_{name}": ("budget", values, {"units": "nats"}) for name, values in parts.items()}
    columns["budget_tv"] = ("budget", [row.start_shift.tv for row in split])
    worst = [[(i.margin, " ".join(map(str, i.tokens))) for i in row.start_shift.worst] for row in split]
    width = max((len(row) for row in worst), default=0)
    padded = [[*row, *[(np.nan, "")] * (width - len(row))] for row in worst]
    margins = np.array([[margin for margin, _ in row] for row in padded], float).reshape(len(split), width)
    words = np.array([[x for _, x in row] for row in padded], object).reshape(len(split), width)
    columns["budget_margin"] = (("budget", "x_test"), margins)
    columns["budget_x_test"] = (("budget", "x_test"), words.astype(str))
    return xr.Dataset(columns) if statements.conditions else xr.Dataset()
