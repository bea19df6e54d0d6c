"""A verification as JSON (stable keys) and as one dataset with named dimensions, from which figures are drawn."""

import math

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.gap.store import compact
from implicit_bayes.benchmarks.verification.enough import finite_dataset, finite_json, information_json
from implicit_bayes.benchmarks.verification.evaluate import conditions_dataset
from implicit_bayes.benchmarks.verification.proved import proofs_json
from implicit_bayes.benchmarks.verification.verify import Verification
from implicit_bayes.simulators.json_types import JsonObject


def as_json(result: Verification) -> JsonObject:
    """The object of ``verify --json``; its keys are stable.

    Returns:
        An object; NumPy numbers and records in it are made plain when it is written.
    """
    mixture = result.instance.mixture
    return {
        "command": result.command,
        "description": result.instance.description,
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
        "theorems": [
            row._asdict() | {"k": result.statements.theorem_k, "in_words": row.in_words}
            for row in result.statements.theorems
        ],
        "budget": result.statements.splits,
        "certificates": result.statements.certificates,
        **proofs_json(result.statements.proofs),
        "finite_sample": finite_json(result.statements.finite, result.curves),
        "information": information_json(result.information),
        "curves": curve_rows(result.curves),
        "bayes": result.bayes,
        "models": result.models,
        "gap": [compact(found) for found in result.gaps],
        "bayes_published_validation": result.validation,
    }


def curve_rows(curves: xr.Dataset) -> list[JsonObject]:
    """One row per (predictor, k, n): accuracy of the ``defined`` among the ``prompts``, its 95% Wilson interval and
    standard error (0 at accuracies of 0 and 1, where the interval is the one to read); null where none is defined.

    Returns:
        Objects in the order of predictor, k and n.
    """
    shares = ("accuracy", "accuracy_low", "accuracy_high", "standard_error")
    names = (*shares, "undefined_share", "prompts", "undefined")
    at = {name: curves[name].transpose("predictor", "k", "n").values for name in names}
    labels, epsilons, ks, ns = (curves[name].values for name in ("predictor", "epsilon", "k", "n"))
    rows = []
    for cell in np.ndindex(at["prompts"].shape):
        label, epsilon = labels[cell[0]], float(epsilons[cell[0]])
        defined = int(at["prompts"][cell]) - int(at["undefined"][cell])
        rows.append(
            {
                "predictor": str(label).split("(")[0],
                "epsilon": None if math.isnan(epsilon) else epsilon,
                "k": int(ks[cell[1]]),
                "n": int(ns[cell[2]]),
                **{name: float(at[name][cell]) if defined else None for name in shares},
                "undefined_share": float(at["undefined_share"][cell]),
                "prompts": int(at["prompts"][cell]),
                "defined": defined,
            }
        )
    return rows


def as_dataset(result: Verification) -> xr.Dataset:
    """Everything numeric, for results.nc: the curves with the rest as scalars and attributes.

    Returns:
        A Dataset; strings for verdicts, units as attributes.
    """
    data = result.curves.merge(conditions_dataset(result.statements))
    data = data.merge(finite_dataset(result.statements.finite, result.information))
    for prefix, loss in (("bayes", result.bayes), ("validation", result.validation)):
        for field, value in (loss._asdict() if loss is not None else {}).items():
            units = {"units": "nats per token"} if field in ("cross_entropy", "standard_error", "low", "high") else {}
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
    data.attrs = {"instance": result.instance.name, "seed": result.settings.seed, "command": result.command, **settings}
    return data
