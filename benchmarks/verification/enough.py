"""Examples that are enough, certified beside measured, and what a token costs: the parts of ``verify`` on finite n."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.intervals import LEVEL
from implicit_bayes.benchmarks.gap.costs import first_staying
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory.information.decomposition import Decomposition
from implicit_bayes.theory.information.estimates import simultaneous
from implicit_bayes.theory.statements.bounds import binomial_interval
from implicit_bayes.theory.statements.conditions import Condition
from implicit_bayes.theory.statements.finite_sample import DELTAS
from implicit_bayes.theory.statements.finite_sample_odds import Version
from implicit_bayes.theory.statements.finite_sample_table import FiniteSample, finite_sample, says_nothing

ENDS = ("low", "high")

FINITE_VERSIONS: tuple[Version, ...] = ("sharp", "repaired")


def finite_samples(
    instance: Instance,
    ks: Sequence[int],
    ns: Sequence[int],
    conditions: Sequence[Condition],
    seed: int,
    start: Callable[[str, int], Callable[[int], None]],
) -> list[FiniteSample]:
    """Bounds, exponents and n(delta) for every k asked for, true concept and version.

    Where some theta misses the repaired condition the repaired bound is known to say nothing and is not worked out.

    Args:
        instance: mixture, start laws, true concepts.
        ks: example lengths asked for.
        ns: numbers of examples; n = 0 has no bound, and without another n nothing is worked out.
        conditions: each pair's, worst over its start laws.
        seed: of the estimates, if any.
        start: progress, see ``benchmarks.verification.verify.verify``.

    Returns:
        FiniteSamples in the order of k, true concept and version; exponents in nats an example.
    """
    if not any(n >= 1 for n in ns):
        return []
    cells = [(k, c, version) for k in ks for c in instance.true_concepts for version in FINITE_VERSIONS]
    advance, found = start("examples that are enough", len(cells)), []
    for k, c, version in cells:
        laws = np.asarray(instance.prompt_starts)[c]
        misses = [r.concept for r in conditions if (r.k, r.true_concept) == (k, c) and r.repaired_holds is False]
        if version == "repaired" and misses:
            why = f"the repaired condition does not hold for concept {misses[0]}"
            found.append(says_nothing(c, k, version, ns, len(laws), why))
        else:
            found.append(finite_sample(instance.mixture, laws, c, k, version, ns, seed=seed))
        advance(1)
    return found


def measured_enough(curves: xr.Dataset, k: int) -> dict[str, int | None]:
    """The smallest tested n from which exact Bayes errs on at most a share delta of the prompts; None if there is none.

    An answer that does not exist is an error. Shares are of the sample, true concepts and start laws drawn together;
    ``measured_between`` says what they show of probabilities.

    Args:
        curves: result of ``in_context_curves``.
        k: example length.

    Returns:
        n for each delta of ``DELTAS``.
    """
    cell = curves.sel(predictor="exact", k=k)
    wrong = 1.0 - cell.correct.values / cell.prompts.values
    return {str(delta): first_staying(cell.n.values, wrong, delta) for delta in DELTAS}


Ends = tuple[int | None, int | None]
"""Between which n the measured n(delta) lies: first where more is not excluded, first where less is shown; None: no
tested n."""


def measured_between(curves: xr.Dataset, k: int) -> dict[str, Ends]:
    """Ends of the smallest tested n from which the *probability* of an error is at most delta at every tested n.

    From Clopper-Pearson intervals of that probability which cover at all tested n at once with probability LEVEL
    (Bonferroni): the lower end is the first n from which no interval lies above delta, the upper one the first from
    which all lie below.

    Args:
        curves: result of ``in_context_curves``.
        k: example length.

    Returns:
        (lower, upper) for each delta of ``DELTAS``; None where there is no such n.
    """
    cell = curves.sel(predictor="exact", k=k)
    level = simultaneous(LEVEL, cell.n.size)
    wrong = (cell.prompts - cell.correct).values
    found = [binomial_interval(int(w), int(p), level) for w, p in zip(wrong, cell.prompts.values, strict=True)]
    low, high = (np.array([getattr(each, end) for each in found]) for end in ("low", "high"))
    ns = cell.n.values
    return {str(delta): (first_staying(ns, low, delta), first_staying(ns, high, delta)) for delta in DELTAS}


def measured_words(between: dict[str, Ends], least: int) -> str:
    """n at each delta, or between which n it lies; "–" where no tested n is enough.

    Args:
        between: of ``measured_between``.
        least: the smallest tested n.

    Returns:
        One cell of a table, the deltas between slashes.
    """

    def words(low: int | None, high: int | None) -> str:
        if low is None:
            return "–"
        if high is None:
            return "undetermined" if low == least else f"{low} or more"
        return str(low) if low == high else f"{low} to {high}"

    return " / ".join(words(*ends) for ends in between.values())


def finite_json(found: Sequence[FiniteSample], curves: xr.Dataset) -> list[JsonObject]:
    """The rows of ``finite_sample``, each with what was measured at its k (over all true concepts).

    Args:
        found: the rows.
        curves: result of ``in_context_curves``.

    Returns:
        Objects with the keys of ``verify --json``: exponents in nats an example, bounds as probabilities.
    """
    measured = {k: measured_enough(curves, k) for k in {row.k for row in found}}
    ends = {k: measured_between(curves, k) for k in measured}
    return [
        row._asdict()
        | {"n_measured": measured[row.k]}
        | {f"n_measured_{end}": {delta: pair[i] for delta, pair in ends[row.k].items()} for i, end in enumerate(ENDS)}
        for row in found
    ]


def information_json(found: Decomposition) -> JsonObject:
    """``information``: nats a document of ``length`` tokens.

    Returns:
        An object.
    """
    return {
        "entropy_given_concept": float(found.entropy[-1]),
        "concept_information": float(found.information[-1]),
        "prior_entropy": found.prior_entropy,
        "standard_error": float(found.entropy_error[-1]),
        "concept_information_standard_error": float(found.information_error[-1]),
        "length": int(found.positions[-1]),
        "documents": found.documents,
        "by_position": [
            {"t": int(t), "entropy_given_concept": float(h), "concept_information": float(i)}
            for t, h, i in zip(found.positions, found.entropy, found.information, strict=True)
        ],
    }


def finite_dataset(found: Sequence[FiniteSample], information: Decomposition) -> xr.Dataset:
    """Bounds over (finite, finite_n) and the decomposition over ``prefix_length``, for results.nc.

    Args:
        found: rows of ``finite_sample``.
        information: the decomposition of the documents' cost, nats.

    Returns:
        A Dataset: exponents in nats an example, entropies and information in nats a document.
    """
    data = xr.Dataset(
        {
            "information_entropy": ("prefix_length", information.entropy, {"units": "nats"}),
            "information_concept": ("prefix_length", information.information, {"units": "nats"}),
            "information_prior": ((), information.prior_entropy, {"units": "nats"}),
        },
        coords={"prefix_length": information.positions},
    )
    if not found or not found[0].ns:
        return data
    data = data.assign_coords(finite_n=list(found[0].ns), delta=list(DELTAS))
    for field in ("k", "true_concept", "version", "exponent", "method", "reason"):
        data[f"finite_{field}"] = ("finite", [getattr(row, field) for row in found])
    for field in ("weight_bound", "error_bound"):
        data[f"finite_{field}"] = (("finite", "finite_n"), [getattr(row, field) for row in found])
    enough = [[np.nan if n is None else n for n in row.n_enough.values()] for row in found]
    data["finite_n_enough"] = (("finite", "delta"), enough)
    return data


def worst_rows(found: Sequence[FiniteSample]) -> list[FiniteSample]:
    """For each k and version the true concept with the smallest exponent and, among equals, the largest bound.

    Returns:
        A part of ``found``.
    """
    keys = list(dict.fromkeys((row.k, row.version) for row in found))
    groups = ([row for row in found if (row.k, row.version) == key] for key in keys)
    return [min(rows, key=lambda row: (row.exponent, [-bound for bound in row.error_bound])) for rows in groups]


def enough_words(n_enough: dict[str, int | None]) -> str:
    """n at each delta, "–" where there is none.

    Returns:
        One cell of a table, the deltas between slashes.
    """
    return " / ".join("–" if n is None else str(n) for n in n_enough.values())


def information_line(found: Decomposition) -> str:
    """The decomposition in one sentence.

    Returns:
        One sentence without a full stop.
    """
    length = int(found.positions[-1])
    return (
        f"A token of a document of {length} costs Bayes {found.entropy[-1] / length:.4f} nats of noise of a known "
        f"concept and {found.information[-1] / length:.4f} for not knowing it; the latter adds up to "
        f"{found.information[-1]:.4f} of at most {found.prior_entropy:.4f} nats a document"
    )
