"""Model cards: finished RUNs of one recipe and several seeds become shipped weights with measured facts.

    python -m implicit_bayes.benchmarks.training.cards lstm-small runs/lstm-0 runs/lstm-1 runs/lstm-2

writes lm/pretrained/lstm-small/ with weights.npz (the first RUN's), card.json (every number) and card.md. A folder of
lm/pretrained/ serves as a RUN too: its first seed is measured again, next to new ones.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro
import xarray as xr
from tyro.conf import Positional

from implicit_bayes.benchmarks.common.storage import write_json
from implicit_bayes.benchmarks.predictors.curves import in_context_curves
from implicit_bayes.benchmarks.predictors.models import (
    LARGER,
    OTHER_LAW,
    STORED,
    TAUGHT,
    MixtureModel,
    shipped_path,
)
from implicit_bayes.benchmarks.predictors.paired import Held, excess, hold_out
from implicit_bayes.benchmarks.predictors.published_accuracy import RIVAL, published
from implicit_bayes.benchmarks.report.house import house_style, save
from implicit_bayes.benchmarks.training.card_figure import accuracy_figure, interval
from implicit_bayes.benchmarks.training.records import draw, read_records
from implicit_bayes.lm.model import LanguageModel, NetworkModel
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.run import RunConfig, to_json
from implicit_bayes.lm.weights import read_weights
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.resets import with_resets
from implicit_bayes.theory import ModelError

KS, NS = (3, 5, 8, 10), (0, 1, 2, 4, 8, 16, 32, 64)
SEED = 20220
"""Of the card's prompts and documents; no training uses it."""
BAYES = "exact Bayes under the law with resets"
EPSILON = 0.01
"""Of smoothed Bayes, the floor of prompts that no concept can write."""
FLOOR = ("exact Bayes, where defined", f"smoothed Bayes, ε = {EPSILON:g}", "prompt-aware Bayes")
"""What the references are called, in the order of in_context_curves."""


def measure(runs: Sequence[Path], prompts: int, documents: int, length: int) -> tuple[JsonObject, list[RunConfig]]:
    """Excess and accuracies of each run's final network, all on the same documents and prompts.

    Documents are those of the law that the runs learnt, resets included; prompts are the instance's own. Beside models
    that learnt documents with resets stands exact Bayes under that law.

    Args:
        runs: finished RUNs.
        prompts: for each k.
        documents, length: held-out documents of the pretraining law.

    Returns:
        The card, JSON-ready, and the configurations.
    """
    stored = [read_weights(run / "weights.npz") for run in runs]
    configs = [config for config, _ in stored]
    instance = load_instance(configs[0].instance)
    learnt = with_resets(instance, configs[0].resets)
    models = [NetworkModel(f"seed {config.seed}", network) for config, network in stored]
    every: list[LanguageModel] = [*models, *([MixtureModel(BAYES, learnt.mixture)] if configs[0].resets else [])]
    held = hold_out(learnt.mixture, documents, length, SEED)
    curves = in_context_curves(instance, KS, NS, prompts=prompts, seed=SEED, epsilons=(EPSILON,), models=every)
    seeds = [
        _seed(model, config, run, held, curves) for model, (config, _), run in zip(models, stored, runs, strict=True)
    ]
    card = {
        "instance": learnt.name,
        "command": command(configs[0]),
        "config": to_json(configs[0]),
        "parameters": models[0].parameters,
        "documents": documents,
        "length": length,
        "bayes_cross_entropy": -float(held.log_bayes_BxT.mean()),
        "prompts": prompts,
        "k": list(KS),
        "n": list(NS),
        "seeds": seeds,
        "floor": [_reference(curves, words, at) for at, words in enumerate(FLOOR)],
    }
    if instance.released_vocabulary not in LARGER and configs[0].target == "token":  # published at V = 50, by readers
        rival = published(RIVAL[configs[0].architecture])
        card["published"] = {
            "model": rival.label, "accuracy": rival.accuracy_KxN, "half_width": rival.half_width_KxN,
        }  # fmt: skip
    if configs[0].resets:
        card["bayes"] = {"model": BAYES, "accuracy": 100 * curves.sel(predictor=BAYES).accuracy.values}
    return card, configs


def _seed(model: NetworkModel, config: RunConfig, run: Path, held: Held, curves: xr.Dataset) -> JsonObject:
    found, last = excess(model, held), _spent(run)
    cells = curves.sel(predictor=model.name)
    return {
        "seed": config.seed,
        "tokens": last["tokens"],
        "cpu_seconds": last["cpu_seconds"],
        "excess": found.nats,
        "excess_standard_error": found.standard_error,
        "excess_positions": found.position_P,
        "excess_by_position": found.nats_P,
        "accuracy": 100 * cells.accuracy.values,
        "standard_error": 100 * cells.standard_error.values,
        "accuracy_low": 100 * cells.accuracy_low.values,
        "accuracy_high": 100 * cells.accuracy_high.values,
    }


def _reference(curves: xr.Dataset, words: str, at: int) -> JsonObject:
    """Accuracy of a Bayes reference on the card's prompts: percent of those where it has a law, None where none has."""
    cells = curves.isel(predictor=at)
    accuracy = [[None if np.isnan(share) else 100 * float(share) for share in row] for row in cells.accuracy.values]
    return {"model": words, "accuracy": accuracy, "undefined": 100 * cells.undefined_share.values}


def _spent(run: Path) -> JsonObject:
    """What the training of the run's weights took: its last record, or what the card says of its first seed."""
    if (run / "card.json").is_file():
        return json.loads((run / "card.json").read_text())["seeds"][0]
    return read_records(run)[-1]


def command(config: RunConfig) -> str:
    """The command that trains this run.

    Returns:
        One line for a shell, RUN standing for the directory.
    """
    parts = ["implicit-bayes train", f"--instance {config.instance}", f"--model {config.architecture}"]
    parts += [f"--preset {config.preset}", f"--seed {config.seed}", f"--devices {config.devices}"]
    if config.schedule.tokens != preset(config.architecture, config.preset, 2).schedule.tokens:
        parts.append(f"--tokens {config.schedule.tokens}")
    if config.resets:
        parts.append(f"--resets {config.resets:g}")
    if config.target != preset(config.architecture, config.preset, 2).target:
        parts.append(f"--target {config.target}")
    return " ".join([*parts, "--out RUN"])


def page(name: str, card: JsonObject) -> str:
    """card.md of a shipped model.

    Args:
        name: of the model.
        card: card.json.

    Returns:
        Markdown.
    """
    first, seeds = card["seeds"][0], card["seeds"]
    spread = ", ".join(f"{row['excess']:.4f} ± {row['excess_standard_error']:.4f}" for row in seeds)
    spent = ", ".join(f"{row['cpu_seconds']:,.0f}" for row in seeds)
    lines = [
        f"# {name}",
        "",
        f"{card['config']['architecture']}, {card['parameters']:,} parameters, float32, trained on "
        f"`{card['instance']}`.",
        f"The shipped weights are those of seed {first['seed']}.",
        *_another_law(card),
        *_taught(card),
        "",
        "| | |",
        "|---|---|",
        f"| command | `{card['command']}` |",
        f"| seeds | {', '.join(str(row['seed']) for row in seeds)} |",
        f"| tokens | {first['tokens']:,} each, every document fresh |",
        f"| CPU seconds, by seed | {spent} (all threads, measurements on the way included) |",
        f"| excess over exact Bayes, nats/token, by seed | {spread} |",
        f"| measured on | {card['documents']} fresh documents of {card['length']} tokens "
        f"(Bayes: {card['bayes_cross_entropy']:.4f}), {card['prompts']} prompts for each k |",
        "",
        "Accuracy in percent"
        + (", mean over the seeds (smallest to largest)" if len(seeds) > 1 else "")
        + (", and the published mean:" if "published" in card else ":"),
        "",
        "| k | | " + " | ".join(f"n = {n}" for n in card["n"]) + " |",
        "|---|---|" + "---|" * len(card["n"]),
    ]
    table = np.array([row["accuracy"] for row in seeds])
    low, high = interval(first, card["prompts"])
    for i, k in enumerate(card["k"]):
        cells = [
            f"{c.mean():.1f}" + (f" ({c.min():.1f}–{c.max():.1f})" if len(seeds) > 1 else "") for c in table[:, i].T
        ]
        lines.append(f"| {k} | {name} | " + " | ".join(cells) + " |")
        ends = [f"{a:.1f}–{b:.1f}" for a, b in zip(low[i], high[i], strict=True)]
        lines.append(f"| | 95% over prompts, seed {first['seed']} | " + " | ".join(ends) + " |")
        for other in (card[which] for which in ("published", "bayes") if which in card):
            row = np.array(other["accuracy"])[i]
            lines.append(f"| | {other['model']} | " + " | ".join(f"{a:.1f}" for a in row) + " |")
        for other in card.get("floor", []):
            lines.append(f"| | {other['model']} | " + " | ".join(_floor_cells(other, i)) + " |")
    positions = [
        f"from {p}: {nats:.4f}" for p, nats in zip(first["excess_positions"], first["excess_by_position"], strict=True)
    ]
    lines += ["", f"Excess by position in the document (seed {first['seed']}): {', '.join(positions)}.", ""]
    lines += [
        "![accuracy](accuracy.png)",
        "![learning](learning.png)",
        "",
        f"Made by `python -m implicit_bayes.benchmarks.training.cards {name} RUN …`.",
    ]
    return "\n".join(lines) + "\n"


def _floor_cells(floor: JsonObject, i: int) -> list[str]:
    """A reference's accuracies at the i-th k, a dash where no prompt has a law; behind them the share without one."""
    return [
        ("–" if share is None else f"{share:.1f}") + (f" ({round(lost, 2):g}% undefined)" if lost else "")
        for share, lost in zip(floor["accuracy"][i], floor["undefined"][i], strict=True)
    ]


def _another_law(card: JsonObject) -> list[str]:
    """What has to be said before any number of a model that did not learn the paper's law."""
    share = card["config"]["resets"]
    if not share:
        return []
    return [
        "",
        "**Another pretraining law.** At every token of a document the hidden state was redrawn from the start law "
        f"with probability {share:g} (`--resets {share:g}`), so prompts are possible documents. "
        "Excess is over exact Bayes under that law; prompts are those of the released GINC. Nothing here says anything "
        "about the paper's models, which saw no resets.",
    ]


def _taught(card: JsonObject) -> list[str]:
    """What has to be said before any number of a model that was shown what Bayes knows."""
    if card["config"].get("target", "token") != "law":
        return []
    return [
        "",
        "**Taught.** At every token the loss was the cross-entropy of the exact Bayes predictive of the pretraining "
        "law (`--preset taught`), not of the token that came. Its mean over documents is the same, and the noise of "
        "the sampled token is gone. These numbers say what the network can hold. They say nothing about networks that "
        f"only read documents, for which see `{card['config']['architecture']}-small`; no published model stands "
        "beside them.",
    ]


def _check_names(name: str, configs: Sequence[RunConfig]) -> None:
    """Refuse runs of another law, instance or architecture than the name says."""
    for config in configs:
        if (name in OTHER_LAW) != (config.resets > 0):
            raise ModelError(f"name: {name} is {'' if name in OTHER_LAW else 'not '}for runs with --resets")
        if (name in TAUGHT) != (config.target == "law"):
            raise ModelError(f"name: {name} is {'' if name in TAUGHT else 'not '}for runs with --preset taught")
        if not name.startswith(f"{config.architecture}-"):
            raise ModelError(f"name: {name} is for no {config.architecture}")
        learnt = {f"ginc-{size}": size for size in LARGER}.get(config.instance)
        if learnt != next((size for size, names in LARGER.items() if name in names), None):
            raise ModelError(f"name: {name} is not for a run on {config.instance}")


def main(
    name: Annotated[Positional[str], tyro.conf.arg(metavar="NAME")],
    runs: Annotated[Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN")],
    prompts: int = 2500,
    documents: int = 256,
    length: int = 1024,
) -> None:
    """Measure finished RUNs of one recipe and ship the first one's weights with a model card.

    Args:
        name: lstm-small, transformer-small, lstm-100, transformer-100, lstm-150, transformer-150, lstm-resets,
            lstm-taught or transformer-taught.
        runs: finished RUNs (or a shipped folder), one a seed; the first is shipped.
        prompts: for each k.
        documents: held-out documents for the excess.
        length: tokens of each.
    """
    if name not in STORED or not runs:
        raise ModelError(f"name: {name!r} is none of {', '.join(STORED)}, or no RUN was named")
    _check_names(name, [read_weights(run / "weights.npz")[0] for run in runs])
    card, configs = measure(runs, prompts, documents, length)
    target = shipped_path(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = (runs[0] / "weights.npz").read_bytes()
    with written_aside(target, binary=True) as file:
        file.write(weights)
    write_json(target.parent / "card.json", card)
    with written_aside(target.parent / "card.md") as file:
        file.write(page(name, json.loads((target.parent / "card.json").read_text())))
    with house_style():
        save(accuracy_figure(name, card), target.parent / "accuracy.png")
    if (runs[0] / "card.json").is_file():
        return  # its learning curve was drawn when it was trained
    for path in draw(runs[0], configs[0], read_records(runs[0])):
        if path.suffix == ".png":
            shutil.copyfile(path, target.parent / path.name)


if __name__ == "__main__":
    with jax.enable_x64(True):
        tyro.cli(main)
