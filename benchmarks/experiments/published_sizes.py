"""Scaling at the paper's own sizes, drawn from what ``benchmarks.paper_scale`` trained: figures 5 and 6.

The question: does accuracy rise with the size of a Transformer *at equal excess loss*? The answer is True, False or
undetermined, by the same comparison as ``benchmarks.experiments.scaling``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.intervals import errors, wilson
from implicit_bayes.benchmarks.experiments.base import interval_point, shown
from implicit_bayes.benchmarks.experiments.equal_loss import Equal, at_equal_loss
from implicit_bayes.benchmarks.experiments.scaling import ROUNDING, published_losses
from implicit_bayes.benchmarks.experiments.stored_sizes import Bayes, Stored, StoredTraining, read_stored
from implicit_bayes.benchmarks.predictors.published_accuracy import NAMES, SEEDS, published
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Point, Table

TITLE = "Scaling at equal loss, at the paper's sizes"
LEAST = 1e-4
"""Excess, nats, at which a published model is drawn whose rounded loss is not above that of Bayes."""
Verdict = Literal["True", "False", "undetermined"]


class Shown(NamedTuple):
    """The one cell that is drawn.

    Attributes:
        k: example length.
        n: number of examples.
        i: place of k in the stored list.
        j: place of n in the stored list.
    """

    k: int
    n: int
    i: int
    j: int

    @property
    def words(self) -> str:
        """k = 10, n = 64."""
        return f"k = {self.k}, n = {self.n}"


def read(source: Path) -> Findings:
    """The findings of a run of ``benchmarks.paper_scale``, finished or not.

    Args:
        source: its --out directory.

    Returns:
        Findings with two figures and a table; losses in nats a token, accuracies in percent.

    Raises:
        ModelError: no such run, a damaged one, or none of whose trainings has come to its first curve.
    """
    stored = read_stored(source)
    bayes = stored.bayes
    k, n = max(bayes.k), max(bayes.n)
    cell = Shown(k, n, bayes.k.index(k), bayes.n.index(n))
    lines = {each.name: _line(each, cell, bayes.prompts) for each in stored.trained}
    verdict, pairs = rises(stored.trained, cell, bayes.prompts)
    by_loss = [point for line in lines.values() for point in line]
    by_size = [lines[each.name][-1]._replace(x=float(each.about.parameters)) for each in stored.trained]
    rows = [_row(each, lines[each.name][-1]) for each in stored.trained]
    for where, size in _published(bayes.published_cross_entropy, cell):
        if not stored.rehearsal:  # whose validation documents are cut short: Bayes' loss on them is not the paper's
            by_loss.append(where)
        by_size.append(where._replace(x=size))
        rows.append(_published_row(where, size, stored.rehearsal))
    by_loss += _levels(bayes, cell, [point.x for point in by_loss])
    by_size += _levels(bayes, cell, [point.x for point in by_size])
    caption = _caption(stored, cell)
    losses, sizes = (
        Axes(x, "in-context accuracy, %", "log", (0, 103)) for x in ("excess over Bayes, nats a token", "parameters")
    )
    pictures = (
        Picture("scaling-loss", "Accuracy against excess loss", caption, losses, tuple(by_loss)),
        Picture("scaling-size", "Accuracy against parameters", caption, sizes, tuple(by_size)),
    )
    header = ("model", "parameters", "tokens trained on", "excess, nats", "on the published validation documents, nats",
              f"accuracy {cell.words}, %", "95%", "implied posterior, TV", "tokens a second",
              "share of peak")  # fmt: skip
    up = [each.words for each in pairs if each.verdict == "True"]
    return Findings(
        name="scaling", title=TITLE,
        paper="Larger Transformers learn better in context, even at equal pretraining loss (12 and 16 layers, both "
        "1.33); the LSTM is best, at a higher loss.",
        ours=f"The same sizes{' (rehearsed)' if stored.rehearsal else ''}, measured on the way down, so that equal "
        "losses are compared and not only ends.",
        verdict=_words(stored, verdict, pairs),
        summary=f"{'rehearsal; ' if stored.rehearsal else ''}accuracy rises with size at equal excess: {verdict} "
        f"({len(up)} of {len(pairs)} pairs clear)",
        pictures=pictures, tables=(Table("Sizes and ends", header, tuple(rows)),),
    )  # fmt: skip


class Pair(NamedTuple):
    """A smaller and a larger Transformer where their excess is equal.

    Attributes:
        found: the comparison.
        verdict: whether the larger is better: True or False where that is clear, else undetermined.
        words: the comparison in words.
    """

    found: Equal
    verdict: Verdict
    words: str


def rises(trained: Sequence[StoredTraining], cell: Shown, prompts: int) -> tuple[Verdict, list[Pair]]:
    """Whether accuracy rises with size at equal excess, over the Transformers on the released documents.

    True where the larger is clearly better in every pair whose excesses meet (one pair at least), False where it is
    clearly worse in some, undetermined otherwise.

    Args:
        trained: the stored trainings.
        cell: the (k, n) of the accuracy.
        prompts: on which it was measured.

    Returns:
        The verdict, and the compared pairs.
    """
    sized = sorted((each for each in trained if each.about.size != "paper-lstm" and each.about.stream == "released"),
                   key=lambda each: each.about.parameters)  # fmt: skip
    runs = {each.about.label: _as_run(each, cell, prompts) for each in sized}
    names, pairs = list(runs), []
    for i, small in enumerate(names):
        for large in names[i + 1 :]:
            found = at_equal_loss(runs, small, large)
            if found is None:
                continue
            verdict: Verdict = "undetermined"
            if found.clearly_differs:
                verdict = "True" if found.better == large else "False"
            words = (
                f"{found.better} over {found.worse} {found.points:+.1f} [{found.low:.1f}, {found.high:.1f}] points at "
            )
            pairs.append(Pair(found, verdict, f"{words}{found.excess:.3f} nats"))
    verdicts = {each.verdict for each in pairs}
    if "False" in verdicts:
        return "False", pairs
    return ("True" if verdicts == {"True"} else "undetermined"), pairs


def _as_run(trained: StoredTraining, cell: Shown, prompts: int) -> xr.Dataset:
    """What ``at_equal_loss`` compares: excess and accuracy over the points."""
    excess = [record.excess for record in trained.points]
    share = [record.right[cell.i][cell.j] / prompts for record in trained.points if record.right]
    return xr.Dataset({"excess": ("point", excess), "accuracy": ("point", share)}, attrs={"prompts": prompts})


def _line(trained: StoredTraining, cell: Shown, prompts: int) -> list[Point]:
    """Accuracy against excess, as the training went."""
    points = []
    for record in trained.points:
        right = record.right[cell.i][cell.j] if record.right else 0
        low, high = wilson(np.array(right), np.array(prompts))
        share = (100 * right / prompts, 100 * float(low), 100 * float(high))
        points.append(interval_point(cell.words, trained.label, max(record.excess, LEAST), share, prompts))
    return points


def _published(bayes: float, cell: Shown) -> list[tuple[Point, float]]:
    """The published models, with their parameters; none where the paper has no such k and n."""
    models = [published(name) for name in NAMES]
    found = []
    for label, size, excess, _, _ in published_losses(bayes):
        model = next(each for each in models if each.label.startswith(label))
        if cell.k in model.ks and cell.n in model.ns:
            at = model.ks.index(cell.k), model.ns.index(cell.n)
            share, half = float(model.accuracy_KxN[at]), float(model.half_width_KxN[at])
            ends = (share, share - half, share + half)
            found.append((interval_point(cell.words, label, max(excess, LEAST), ends, SEEDS), size))
    return found


def _levels(bayes: Bayes, cell: Shown, xs: Sequence[float]) -> list[Point]:
    """The Bayes predictors, which have neither loss nor size: level lines from one end of the figure to the other."""
    found = []
    for name, counts in bayes.predictors.items():
        right, answered = (rows[cell.i][cell.j] for rows in (counts.right, counts.answered))
        if not answered:
            continue
        low, high = (100 * float(x) for x in wilson(np.array(right), np.array(answered)))
        ends = (min(xs), max(xs))
        found += [
            Point(
                panel=cell.words,
                series=shown(name),
                x=x,
                y=100 * right / answered,
                low=low,
                high=high,
                prompts=answered,
            )
            for x in ends
        ]
    return found


def _row(trained: StoredTraining, end: Point) -> tuple[object, ...]:
    last, about = trained.points[-1], trained.about
    half = errors(last.excess_documents) * (last.excess_standard_error or np.inf)
    share = "–" if last.matrix_share is None else f"{100 * last.matrix_share:.0f}%"
    return (
        trained.label, f"{about.parameters:,}", f"{last.tokens:,}", f"{last.excess:.4f} ± {half:.4f}",
        "–" if last.published_excess is None else f"{last.published_excess:.4f}", f"{end.y:.1f}",
        f"[{end.low:.1f}, {end.high:.1f}]", "–" if last.implied_tv is None else f"{last.implied_tv:.3f}",
        f"{last.tokens_per_second:,.0f}", share,
    )  # fmt: skip


def _published_row(where: Point, size: float, rehearsal: bool) -> tuple[object, ...]:
    excess = "–" if rehearsal else f"{where.x:.3f} ± {ROUNDING}"
    return (where.series, f"{size:,.0f}", "51–102 million", "–", excess, f"{where.y:.1f}",
            f"[{where.low:.1f}, {where.high:.1f}]", "–", "–", "–")  # fmt: skip


def _caption(stored: Stored, cell: Shown) -> str:
    rehearsed = "A REHEARSAL of the code, narrow networks on few tokens, not the paper's sizes. "
    rehearsed = "A REHEARSAL of the code, narrow networks on few tokens, not the paper's sizes. "
    return (
        f"{rehearsed if stored.rehearsal else ''}Released GINC, V = 50, accuracy at {cell.words} on "
        f"{stored.bayes.prompts} prompts, as networks train (lines; one training each, on {stored.run.device}); excess "
        f"over exact Bayes on held-out documents from their beginning; {_losses(stored)}; level lines are Bayes on the "
        f"same prompts; bands 95%."
    )


def _losses(stored: Stored) -> str:
    """Where the published losses are put."""
    if stored.rehearsal:
        return "the published models have no place on documents this short, and stand against parameters only"
    floor = f"({stored.bayes.published_cross_entropy:.4f}), known to ± {ROUNDING}"
    return f"published losses less that of Bayes on the published validation documents {floor}"


def _words(stored: Stored, verdict: Verdict, pairs: Sequence[Pair]) -> str:
    conclusion = {
        "True": "accuracy rises with size at equal excess",
        "False": "accuracy does not rise with size at equal excess",
        "undetermined": "whether accuracy rises with size at equal excess is undetermined",
    }[verdict]
    better, worse = (sum(each.verdict == kind for each in pairs) for kind in ("True", "False"))
    found = "No two of the Transformers reach the same excess loss"
    if pairs:
        found = (
            f"At the least excess that both reach, the larger Transformer is clearly better in {better} and clearly "
            f"worse in {worse} of {len(pairs)} pairs ({'; '.join(each.words for each in pairs)})"
        )
    rehearsed = "A rehearsal of the code, which says nothing about the paper's sizes. " if stored.rehearsal else ""
    cut = [each.label for each in stored.trained if not each.about.finished]
    stopped = f" Not trained to the end: {', '.join(cut)}." if cut else ""
    return (
        f"{rehearsed}{found}: {conclusion}. One training of each size, so that the intervals know the prompts' chance "
        f"and not the seeds'.{stopped}"
    )
