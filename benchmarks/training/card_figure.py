"""The figure of a model card, and the intervals of its accuracies."""

import numpy as np
from matplotlib.figure import Figure

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.report.house import caption
from implicit_bayes.simulators.json_types import JsonObject


def interval(row: JsonObject, prompts: int) -> tuple[np.ndarray, np.ndarray]:
    """95% Wilson interval of a seed's accuracies, percent.

    Args:
        row: of one seed: ``accuracy`` in percent, by k and n.
        prompts: behind each accuracy.

    Returns:
        (low, high), of the shape of the accuracies.
    """
    right = np.array(row["accuracy"]) / 100 * prompts
    low, high = wilson(right.round(), np.full(right.shape, prompts))
    return 100 * low, 100 * high


def accuracy_figure(name: str, card: JsonObject) -> Figure:
    """A panel for each k: our seeds, the published model and what has a law of every prompt, against n.

    Args:
        name: of the model.
        card: card.json.

    Returns:
        A figure; accuracy in percent.
    """
    figure = Figure(figsize=(12.0, 3.6))
    axes = figure.subplots(1, len(card["k"]), sharey=True)
    x, rival = np.arange(len(card["n"])), card.get("published")
    for i, (axis, k) in enumerate(zip(axes, card["k"], strict=True)):
        for row in card["seeds"]:
            y, (low, high) = np.array(row["accuracy"])[i], (end[i] for end in interval(row, card["prompts"]))
            bars = np.clip([y - low, high - y], 0, None)
            axis.errorbar(x, y, bars, marker="o", capsize=2, label=f"seed {row['seed']}")
        if rival:
            mean, half = np.array(rival["accuracy"])[i], np.array(rival["half_width"])[i]
            axis.errorbar(x, mean, half, color="#888888", marker="s", ls="--", capsize=2, label=rival["model"])
        for style, floor in zip(("-.", ":"), card.get("floor", [])[1:], strict=False):
            axis.plot(x, np.array(floor["accuracy"][i], float), color="#888888", lw=1.2, ls=style, label=floor["model"])
        axis.set(title=f"k = {k}", xlabel="examples in the prompt, n", ylim=(-2, 102))
        axis.set_xticks(x, [str(n) for n in card["n"]])
    axes[0].set_ylabel("in-context accuracy, %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(card["seeds"]) + 3)
    return caption(
        figure,
        f"{name} on {card['instance']}: accuracy against argmax of the true concept's predictive, {card['prompts']} "
        "prompts a cell; bars 95%, Wilson over prompts"
        + (" (ours) or Student over five training seeds (published)." if rival else "."),
    )
