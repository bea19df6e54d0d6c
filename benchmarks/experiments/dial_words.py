"""The sentences, captions and table of experiment 8, decided by the numbers of ``dial_numbers``."""

import math

from implicit_bayes.benchmarks.experiments.base import Scale, listed, shown
from implicit_bayes.benchmarks.experiments.dial_findings import RIGHT, Delimiters, Released, Shifts
from implicit_bayes.benchmarks.experiments.dial_numbers import KS
from implicit_bayes.benchmarks.report.findings import Axes, Picture, Table


def stretch(positions: list[float]) -> str:
    """From where to where, in words.

    Returns:
        Part of a sentence.
    """
    if not positions:
        return "nowhere"
    return f"from {min(positions):g} to {max(positions):g}" if len(positions) > 1 else f"at {positions[0]:g} only"


def on_shifts(found: Shifts) -> str:
    """How far the start law may be moved, and whether the sharp condition is enough without A3.

    Returns:
        One or two sentences.
    """
    parts = []
    for k in KS:
        others = "".join(
            f", the {shown(name).removesuffix(' (ours)')} to {found.last_right(k, name):.2f}" for name in found.models
        )
        kept = f"to {max(found.sharp[k]):.2f}" if found.sharp[k] else "nowhere"
        parts.append(
            f"at k = {k} exact Bayes is right on {100 * RIGHT:.0f}% of prompts to {found.last_right(k, 'exact'):.2f}"
            f"{others}, and the sharp condition holds {kept}"
        )
    words = (
        f"As the prompt's start law leaves p(h|d) (total variation 0 to {found.largest:.2f}, n = {found.shots}) "
        f"{where_a3_holds(found)}; {'; '.join(parts)}."
    )
    if found.wrong_under_sharp:
        words += (
            f" Where the sharp condition holds and Bayes fails (k = {min(KS)}), the concept is inferred and the wrong "
            "token predicted: A3's part of the theorem, and not only Condition 1's, is needed."
        )
    return words


def where_a3_holds(found: Shifts) -> str:
    """A3's last position.

    Returns:
        Part of a sentence; total variation.
    """
    return f"A3 holds to {max(found.a3):.2f}" if found.a3 else "A3 holds nowhere"


def summary(found: Shifts) -> str:
    """A3's end beside Bayes's.

    Returns:
        Part of a sentence; total variation.
    """
    right = listed([f"{found.last_right(k, 'exact'):.2f} (k = {k})" for k in KS])
    return f"{where_a3_holds(found)} in total variation, Bayes is right to {right}"


def on_delimiters(found: Delimiters) -> str:
    """Where exact Bayes is right and each condition holds, and where the LSTM parts from Bayes.

    Returns:
        One to three sentences.
    """
    probabilities = [each.probability for each in found.positions]
    parts = []
    for k in KS:
        where = ", ".join(
            f"{version} {stretch(found.where(k, version))}" for version in ("sharp", "repaired", "printed")
        )
        parts.append(
            f"at k = {k} exact Bayes is right on {100 * RIGHT:.0f}% of prompts {stretch(found.right(k))}; "
            f"conditions hold: {where}"
        )
    words = (
        f"As θ*'s delimiter probability runs from {min(probabilities):g} to {max(probabilities):g} against 0.1 of the "
        f"others (n = {found.shots}), {'. And '.join(parts)}."
    )
    apart = [
        f"{100 * each.models[0].share:.0f}% at {each.probability:g}, k = {each.k} (Bayes {100 * each.bayes.share:.0f}%)"
        for each in found.positions if each.parted
    ]  # fmt: skip
    return words + (f" The LSTM trained on the same documents parts from Bayes: {listed(apart)}." if apart else "")


def on_released(found: Released) -> str:
    """A3's distance and the prompts without a posterior at both ends of the dial on GINC.

    Returns:
        One sentence.
    """
    ends = [100 * share for share in found.impossible]
    return (
        f"On released GINC A3's distance is {found.tv[0]:.2f} even where prompts start as documents go on after an "
        f"average delimiter ({found.tv[1]:.2f} in the release), for it is the largest over the delimiter states; "
        f"{ends[0]:.0f}% of prompts there and {ends[1]:.0f}% of the release's have no posterior (k = {found.k}, "
        f"n = {found.shots})."
    )


def shift_picture(scale: Scale, found: Shifts) -> Picture:
    """Accuracy against the start law's distance.

    Args:
        scale: says how many prompts a point has.
        found: the dial of the start law.

    Returns:
        Picture with its caption; percent against total variation.
    """
    caption = (
        "Regular instance whose most frequent first state has a twin with the same token; prompt start law moved from "
        f"p(h|d, θ*) to the twin; {scale.prompts} prompts a point, bands 95% Wilson. The pretraining law and the model "
        "are the same at every position. Dashed lines: the largest distance on the grid at which A3, or the sharp "
        "condition, holds for every true concept."
    )
    axes = Axes("distance of the start law from p(h|d), total variation", "in-context accuracy, %", "linear", (0, 103))
    return Picture("dial-start", "Start mismatch", caption, axes, found.points, found.marks)


def delimiter_picture(scale: Scale, found: Delimiters) -> Picture:
    """Accuracy against the delimiter's probability.

    Args:
        scale: says how many prompts a point has.
        found: the dial of the delimiter.

    Returns:
        Picture with its caption; percent against a probability.
    """
    caption = (
        f"θ*'s probability of a delimiter, the other concepts staying at 0.1; {scale.prompts} prompts a point, bands "
        "95% Wilson; an LSTM trained at every position. Dashed lines: smallest probability on the grid at which the "
        "condition holds against every alternative."
    )
    axes = Axes("delimiter probability p(d|h, θ*)", "in-context accuracy, %", "log", (0, 103))
    return Picture("dial-delimiter", "Delimiter mismatch", caption, axes, found.points, found.marks)


def released_picture(scale: Scale, found: Released) -> Picture:
    """Accuracy on GINC against the share of its own start law.

    Args:
        scale: says how many prompts a point has.
        found: the dial of the start law on released GINC.

    Returns:
        Picture with its caption; percent against a share.
    """
    caption = (
        f"Prompt start laws from p(h|d, θ*), averaged over the ten delimiter states (0), to the release's (1); "
        f"{scale.prompts_of_many} prompts a point, bands 95% Wilson."
    )
    axes = Axes("share of the released start law", "%", "linear", (0, 103))
    return Picture("dial-ginc", "The same dial on GINC", caption, axes, found.points)


def delimiter_table(found: Delimiters) -> Table:
    """One row for each position.

    Returns:
        Table; thresholds, sums and rates in nats, accuracies in percent.
    """
    header = ("k", "p(d|h, θ*)", "ε_delim printed + ε_start", "ΣKL", "printed", "repaired", "sharp", "lim r_n",
              "exact Bayes, %", "LSTM, %")  # fmt: skip
    rows = tuple(
        (
            each.k,
            f"{each.probability:g}",
            number(each.threshold),
            number(each.kl_sum),
            *("yes" if held else "no" for held in each.holds.values()),
            number(each.rate),
            *(accuracy.words for accuracy in (each.bayes, *each.models)),
        )
        for each in found.positions
    )
    return Table(f"Delimiter probability of θ* against 0.1 of the others, n = {found.shots}", header, rows)


def number(value: float) -> str:
    """Two digits after the point, or a signed ∞.

    Returns:
        Text.
    """
    return f"{value:.2f}" if math.isfinite(value) else ("∞" if value > 0 else "-∞")
