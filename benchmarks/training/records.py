"""What a training wrote, read back: its records, a summary, and its figure. Everything is drawn from metrics.jsonl."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from implicit_bayes.benchmarks.common.intervals import errors
from implicit_bayes.benchmarks.report.house import caption, house_style, save
from implicit_bayes.lm.metrics import check_measured, read_metrics
from implicit_bayes.lm.run import RunConfig
from implicit_bayes.lm.step import Network
from implicit_bayes.lm.train import Trained
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory.objects.types import Array

Records = list[JsonObject]

MANY = 10**6
"""Documents of records that do not say how many: Student's quantile is then the normal one."""


def read_records(folder: Path) -> Records:
    """Every record of RUN/metrics.jsonl.

    Returns:
        Records in the order of their steps; losses in nats a token.

    Raises:
        ModelError: missing, or not such a file.
    """
    return read_metrics(folder / "metrics.jsonl")[1]


def summary(config: RunConfig, done: Trained, records: Records) -> JsonObject:
    """The machine-readable end of a training.

    Args:
        config: of the run.
        done: the finished training.
        records: of metrics.jsonl.

    Returns:
        An object with the keys of ``train --json``; the excess, nats a token, is that of the last evaluation (null if
        there was none).
    """
    last = next((record for record in reversed(records) if "excess" in record), {})
    fields = ("excess", "excess_standard_error", "bayes_cross_entropy", "excess_positions", "excess_by_position")
    return {
        "instance": config.instance,
        "architecture": config.architecture,
        "preset": config.preset,
        "seed": config.seed,
        "resets": config.resets,
        "devices": config.devices,
        "parameters": sum(leaf.size for leaf in _leaves(done.network)),
        "steps": done.steps,
        "tokens": done.tokens,
        "cpu_seconds": done.cpu_seconds,
        **{field: last.get(field) for field in fields},
    }


def _leaves(network: Network) -> list[Array]:
    import jax

    return jax.tree.leaves(network)


def draw(folder: Path, config: RunConfig, records: Records) -> list[Path]:
    """The learning figure, as PNG and SVG in RUN.

    Args:
        folder: RUN.
        config: of the run.
        records: of metrics.jsonl.

    Returns:
        Paths of the PNG and the SVG.

    Raises:
        ModelError: a record lacks what the figure draws.
    """
    check_measured(folder / "metrics.jsonl", records)
    with house_style():
        figure = learning_figure(config, records)
        return [save(figure, folder / f"learning.{kind}") for kind in ("png", "svg")]


def learning_figure(config: RunConfig, records: Records) -> Figure:
    """Left: held-out cross-entropy against tokens, with the Bayes floor. Middle: the excess itself, on log axes.
    Right: excess by position in the document, at the end.

    Args:
        config: of the run.
        records: of metrics.jsonl; those without an excess are not drawn.

    Returns:
        A figure; nats a token.
    """
    rows = [record for record in records if "excess" in record]
    figure = Figure(figsize=(12.0, 3.9))
    left, middle, right = figure.subplots(1, 3)
    tokens = np.array([row["tokens"] for row in rows]) / 1e6
    found = np.array([row["excess"] for row in rows])
    error = np.array([row["excess_standard_error"] for row in rows])
    wide = errors(rows[-1].get("excess_documents", MANY)) if rows else np.nan
    floor = rows[-1]["bayes_cross_entropy"] if rows else np.nan
    left.plot(tokens, floor + found, marker="o", label=f"{config.architecture} {config.preset}")
    left.axhline(floor, color="#444444", lw=1.0, ls="--", label="exact Bayes")
    left.set(xlabel="training tokens, millions", ylabel="held-out cross-entropy, nats/token", title="Cross-entropy")
    left.legend(loc="upper right")
    middle.errorbar(tokens, found, np.where(np.isfinite(error), wide * error, 0.0), marker="o", capsize=2)
    middle.set(xlabel="training tokens, millions", ylabel="excess over Bayes, nats/token", yscale="log", xscale="log")
    middle.set_title("Excess over exact Bayes")
    if rows:
        position = np.array(rows[-1]["excess_positions"])
        by_position = np.array(rows[-1]["excess_by_position"])
        spread = np.array(rows[-1]["excess_by_position_standard_error"])
        spread = np.where(np.isfinite(spread), wide * spread, 0.0)
        right.errorbar(np.arange(len(position)), by_position, spread, marker="o", capsize=2)
        right.set_xticks(np.arange(len(position)), [str(p) for p in position], rotation=45)
    right.axhline(0, color="#888888", lw=0.8)
    right.set(xlabel="position in the document, from", ylabel="excess over Bayes, nats/token", title="By position")
    return caption(
        figure,
        f"{config.architecture} {config.preset} on {config.instance}, seed {config.seed}: mean excess over exact Bayes "
        f"on held-out documents, paired token by token; bars 95% over documents.",
    )
