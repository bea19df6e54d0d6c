"""A measured gap as JSON (stable keys) and as one dataset with named dimensions, from which figures are drawn."""

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.gap.context import MEASURES
from implicit_bayes.benchmarks.gap.costs import efficiency_rows, loss_parts, sample_efficiency
from implicit_bayes.benchmarks.gap.laws import ville_threshold
from implicit_bayes.benchmarks.gap.loss import Mean, Slice
from implicit_bayes.benchmarks.gap.measure import EPSILONS, Gap, ModelGap, best_probe, mean_or_none
from implicit_bayes.benchmarks.gap.probes import TARGETS
from implicit_bayes.benchmarks.gap.scaling_laws import Fit
from implicit_bayes.benchmarks.predictors.curves import references
from implicit_bayes.simulators.json_types import JsonObject


def as_json(gap: Gap, command: str = "") -> JsonObject:
    """One model's object, or {"models": [...]} for several; ``command`` is the shell command that gives it.

    Args:
        gap: what was found.
        command: of the shell.

    Returns:
        An object with the keys of ``gap --json``.
    """
    objects = [
        compact(found)
        | {
            "instance": gap.instance.name,
            "command": command,
            "settings": gap.settings,
            "decomposition": loss_parts(gap.information, found.loss.excess.value),
            "sample_efficiency": sample_efficiency(gap.context, found.model),
            "examples_needed": efficiency_rows(gap.context, found.model),
            "curves": curve_rows(gap, found.model, "all"),
            "curves_by_split": [
                row for split in ("possible", "impossible") for row in curve_rows(gap, found.model, split)
            ],
            "scaling_laws": [
                row for (name, k), fits in gap.fits.items() for row in _fit_rows(gap, found, name, k, fits)
            ],
        }
        for found in gap.models
    ]
    return objects[0] if len(objects) == 1 else {"models": objects}


def compact(found: ModelGap) -> JsonObject:
    """What was measured on documents.

    Returns:
        An object with the keys of ``gap --json``; losses and divergences in nats a token.
    """
    loss, implied, order = found.loss, found.implied, found.order
    return {
        "model": found.model,
        "parameters": found.parameters,
        "excess_nats": loss.excess.value,
        "standard_error": loss.excess.standard_error,
        "excess_low": loss.excess.low,
        "excess_high": loss.excess.high,
        "documents": found.documents,
        "tokens": loss.tokens,
        "bayes_cross_entropy": loss.bayes_cross_entropy,
        "kl_nats": loss.kl,
        "total_variation": loss.tv,
        "excess_risk": loss.risk,
        "foresight_nats": loss.foresight,
        "foresight_log_e": loss.foresight_log_e,
        "ville_log_max": loss.log_ratio_max,
        "ville_threshold": ville_threshold(found.documents),
        "laws": found.laws,
        "calibration_error": loss.calibration_error,
        "by_position": loss.positions,
        "by_place": loss.places,
        "by_surprise": loss.surprises,
        "implied_posterior_tv": mean_or_none(implied.total_variation),
        "implied_posterior_tv_standard_error": implied.total_variation.standard_error,
        "implied_posterior_tv_low": implied.total_variation.low,
        "implied_posterior_tv_high": implied.total_variation.high,
        "implied_posterior_residual": implied.residual,
        "implied_posterior_forbidden_mass": implied.forbidden,
        "implied_posterior_open_share": implied.open_share,
        "time_to_identification": {
            "model": implied.time, "exact": implied.exact_time,
            "model_unsettled": implied.unsettled, "exact_unsettled": implied.exact_unsettled,
        },
        "probe_r2": {target: _probe_rows(found, target) for target in TARGETS} if found.probes else {},
        "martingale_gap": mean_or_none(found.martingale.gap),
        "martingale_gap_standard_error": found.martingale.gap.standard_error,
        "martingale_gap_low": found.martingale.gap.low,
        "martingale_gap_high": found.martingale.gap.high,
        "martingale_prefixes": found.martingale.prefixes,
        "order_variance": order,
    }  # fmt: skip


def _probe_rows(found: ModelGap, target: str) -> JsonObject:
    best = best_probe(found, target)
    rows = [row._asdict() for row in found.probes if row.target == target]
    return {"best_layer": best.layer if best else None, "layers": rows}


def curve_rows(gap: Gap, model: str, split: str) -> list[JsonObject]:
    """One row per (predictor, k, n), the references and this model; null where no prompt of the split has an answer.

    Args:
        gap: what was found.
        model: its name.
        split: all, possible or impossible prompts.

    Returns:
        Objects: counts, accuracy with its 95% interval, and log-loss in nats.
    """
    rows = []
    every = [(each.label, each.name, each.epsilon) for each in references(EPSILONS)] + [(model, model, None)]
    for label, name, epsilon in every:
        for k in gap.settings.ks:
            for n in gap.settings.ns:
                cell = gap.context.sel(predictor=label, split=split, k=k, n=n)
                counted = int(cell.prompts)
                row = {"predictor": name, "epsilon": epsilon, "k": k, "n": n, "split": split}
                row |= {key: float(cell[key]) if counted else None for key in MEASURES}
                of_split = _size(gap, split, k, n)
                row["undefined_share"] = 1.0 - counted / of_split if of_split else None
                rows.append(row | {"prompts": of_split, "defined": counted, "entropy": float(cell.entropy)})
    return rows


def _size(gap: Gap, split: str, k: int, n: int) -> int:
    """Prompts of a split."""
    impossible = round(float(gap.context.impossible_share.sel(k=k, n=n)) * gap.settings.prompts)
    return {"all": gap.settings.prompts, "possible": gap.settings.prompts - impossible, "impossible": impossible}[split]


def _fit_rows(gap: Gap, found: ModelGap, name: str, k: int, fits: list[Fit]) -> list[JsonObject]:
    """The laws fitted to this model and to the references, not to the other models."""
    if name in {other.model for other in gap.models} - {found.model}:
        return []
    keys = ("law", "parameters", "held_out", "held_out_error", "carried_error")
    return [{"predictor": name, "k": k} | {key: getattr(fit, key) for key in keys} for fit in fits]


def as_dataset(gap: Gap) -> xr.Dataset:
    """Everything the figures need: dimensions model, prefix, slice, probe, fit beside those of the curves.

    Returns:
        A Dataset, whose attributes hold the instance's name and the settings.
    """
    models, first = gap.models, gap.models[0]
    data = gap.context.drop_vars(["prompt_loss", "prompt_right"]).assign_coords(model=[found.model for found in models])
    for name in ("excess", "kl", "tv", "risk", "foresight"):
        data = _add_means(data, f"loss_{name}", [getattr(found.loss, name) for found in models])
    data = _add_means(data, "martingale", [found.martingale.gap for found in models])
    data = _add_means(data, "implied_tv_mean", [found.implied.total_variation for found in models])
    data = _add_means(data, "implied_residual_mean", [found.implied.residual for found in models])
    data = _add_means(data, "implied_forbidden_mean", [found.implied.forbidden for found in models])
    if all(found.order is not None for found in models):
        for name in ("variance", "possible", "bayes"):
            data = _add_means(data, f"order_{name}", [getattr(found.order, name) for found in models])
        data["order_prompts"] = ("model", [found.order.possible_prompts for found in models if found.order])
    parts = loss_parts(gap.information, 0.0)
    names = ["entropy_given_concept", "concept_information"]
    data["part_nats"] = ("part", [parts[name] for name in names], {"units": "nats per token"})
    data["ville_log_max"] = ("model", [found.loss.log_ratio_max for found in models])
    data["calibration_error"] = ("model", [found.loss.calibration_error for found in models])
    data["implied_time"] = ("model", [found.implied.time for found in models])
    slices = [_slices(found) for found in models]
    data = data.assign_coords(
        slice_kind=("slice", [kind for kind, _ in slices[0]]),
        slice_words=("slice", [row.words for _, row in slices[0]]),
    )
    data["slice_share"] = ("slice", [row.share for _, row in slices[0]])
    for name in ("kl", "excess", "tv"):
        rows = [[getattr(row, name) for _, row in each] for each in slices]
        data[f"slice_{name}"] = (("model", "slice"), [[mean.value for mean in row] for row in rows])
        data[f"slice_{name}_error"] = (("model", "slice"), [[mean.standard_error for mean in row] for row in rows])
        data[f"slice_{name}_low"] = (("model", "slice"), [[mean.low for mean in row] for row in rows])
        data[f"slice_{name}_high"] = (("model", "slice"), [[mean.high for mean in row] for row in rows])
    data = data.assign_coords(prefix=np.arange(len(first.implied.tv_P)))
    for name in ("tv_P", "residual_P", "weight_P"):
        data[f"implied_{name[:-2]}"] = (("model", "prefix"), [getattr(found.implied, name) for found in models])
    data["implied_share"] = ("prefix", first.implied.share_P)
    data["implied_exact"] = ("prefix", first.implied.exact_P)
    data = _add_fits(_add_probes(data, models), gap)
    settings = {f"setting_{name}": value for name, value in gap.settings._asdict().items()}
    data.attrs = {"instance": gap.instance.name, "ville_threshold": ville_threshold(first.documents), **settings}
    data.attrs["bayes_cross_entropy"] = first.loss.bayes_cross_entropy
    data.attrs["exact_time"] = first.implied.exact_time
    return data


def _slices(found: ModelGap) -> list[tuple[str, Slice]]:
    kinds = {"position": found.loss.positions, "place": found.loss.places, "surprise": found.loss.surprises}
    return [(kind, row) for kind, rows in kinds.items() for row in rows]


def _add_means(data: xr.Dataset, name: str, means: list[Mean]) -> xr.Dataset:
    values = {name: ("model", [mean.value for mean in means])}
    values |= {f"{name}_{end}": ("model", [getattr(mean, end) for mean in means]) for end in ("low", "high")}
    return data.assign(values | {f"{name}_error": ("model", [mean.standard_error for mean in means])})


def _add_probes(data: xr.Dataset, models: list[ModelGap]) -> xr.Dataset:
    rows = [(found.model, row) for found in models for row in found.probes]
    if not rows:
        return data
    data = data.assign_coords(
        probe_model=("probe", [name for name, _ in rows]),
        probe_target=("probe", [row.target for _, row in rows]),
        probe_layer=("probe", [row.layer for _, row in rows]),
    )
    fields = ("r2", "untrained", "last_token", "shuffled", "margin")
    return data.assign(
        {f"probe_{field}": (("probe", "bound"), [tuple(getattr(row, field)) for _, row in rows]) for field in fields}
    )


def _add_fits(data: xr.Dataset, gap: Gap) -> xr.Dataset:
    rows = [(name, k, fit) for (name, k), fits in gap.fits.items() for fit in fits]
    if not rows:
        return data
    data = data.assign_coords(
        fit_predictor=("fit", [name for name, _, _ in rows]),
        fit_k=("fit", [k for _, k, _ in rows]),
        fit_law=("fit", [fit.law for _, _, fit in rows]),
    )
    bands = {
        f"fit_{name}": (("fit", "n"), [getattr(fit, f"{name}_N") for *_, fit in rows])
        for name in ("curve", "low", "high")
    }
    held: dict[str, object] = {"fit_error": (("fit", "bound"), [fit.held_out_error for *_, fit in rows])}
    held["fit_carried"] = ("fit", [fit.carried_error for *_, fit in rows])
    return data.assign(bands | held | {"fit_held_out": ((), len(rows[0][2].held_out))})
