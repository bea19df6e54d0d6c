"""Task diversity: a network trained on N Markov chains memorises them or learns the law they come from."""

from collections.abc import Mapping
from typing import NamedTuple

import xarray as xr

from implicit_bayes.benchmarks.experiments.base import Experiment, Scale, interval_point, listed
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Table
from implicit_bayes.benchmarks.sweep.cells import Cell
from implicit_bayes.benchmarks.sweep.tasks import cell
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.run import RunConfig, to_json
from implicit_bayes.lm.schedule import Phase, Schedule
from implicit_bayes.lm.transformer import TransformerConfig
from implicit_bayes.simulators.chains import NAME

TITLE = "Task diversity: memorising and generalising"
VOCABULARY = 10
PUBLISHED = "2^14 to 2^15 tasks (Raventós et al. 2023, linear regression in 8 dimensions)"
BATCH = 16
HALF = 0.5


class Size(NamedTuple):
    """How large the experiment is at one scale.

    Attributes:
        concepts: the numbers N of concepts in the pretraining law, one training each.
        tokens: of each training.
        length: of its documents, tokens.
        width: of the Transformer.
        documents: of each exam.
        points: measurements on the way.
    """

    concepts: tuple[int, ...]
    tokens: int
    length: int
    width: int
    documents: int
    points: int


SIZES = {
    "tiny": Size((1, 4), 2048, 16, 16, 16, 2),
    "small": Size((1, 4, 16, 64, 256, 1024), 2_000_000, 96, 64, 150, 6),
    "paper": Size((1, 4, 16, 64, 256, 1024, 4096), 30_000_000, 192, 128, 400, 10),
}


def training(scale: Scale, concepts: int) -> Cell:
    """The cell that trains on N concepts.

    Args:
        scale: of the reproduction; gives the seed.
        concepts: N.

    Returns:
        Cell; its result holds losses in nats a token.
    """
    size = SIZES[scale.name]
    network = TransformerConfig(vocabulary=VOCABULARY, width=size.width, layers=2, heads=2, window=None, taps=3)
    schedule = Schedule(tokens=size.tokens, phases=(Phase(0.0, BATCH, size.length),), peak=5e-3, warm_up=50)
    spec = f"{NAME}:concepts={concepts},vocabulary={VOCABULARY},seed={scale.seed}"
    run = RunConfig(
        instance=spec,
        architecture="transformer",
        preset="small",
        network=network,
        optimiser=OptimiserConfig(method="soap", b1=0.95, b2=0.95),
        schedule=schedule,
        seed=scale.seed,
    )
    stored = {field: value for field, value in to_json(run).items() if field not in ("documents", "length")}
    config = {"run": stored, "documents": size.documents, "length": size.length, "points": size.points}
    return cell("diversity", config)


def cells(scale: Scale) -> dict[str, Cell]:
    """One training for each N.

    Returns:
        Cells by name, ``diversity-N``.
    """
    return {f"diversity-{n}": training(scale, n) for n in SIZES[scale.name].concepts}


class _At(NamedTuple):
    """A measure's value and interval."""

    value: float
    low: float
    high: float


def at(data: xr.Dataset, split: str, measure: str, point: int = -1) -> _At:
    """One measure of one training, at the end or on the way.

    Args:
        data: result of a ``diversity`` cell.
        split: known (documents of the N concepts) or fresh (of newly drawn ones).
        measure: a field of ``benchmarks.gap.diversity.Standing`` that is an estimate.
        point: index of the measurement; -1 is the end.

    Returns:
        Value and ends of the 95% interval.
    """
    return _At(*data.standing.sel(split=split, measure=measure).values[point].tolist())


def threshold(results: Mapping[int, xr.Dataset]) -> tuple[int | None, int | None]:
    """Smallest N from which on fresh documents' weight is clearly below a half; and the largest where it is clearly
    above (None where there is none).

    Returns:
        (from here on generalising, last one memorising), numbers of training concepts.
    """
    below = [n for n, data in results.items() if at(data, "fresh", "weight").high < HALF]
    above = [n for n, data in results.items() if at(data, "fresh", "weight").low > HALF]
    last_above = max(above, default=None)
    from_here = [n for n in below if last_above is None or n > last_above]
    return min(from_here, default=None), last_above


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Excess over both references against N, weight and residual against N and against tokens.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; excess and residual in nats a token.
    """
    size = SIZES[scale.name]
    by_n = {n: results[f"diversity-{n}"] for n in size.concepts}
    pictures = (_excess_picture(size, by_n), _weight_picture(size, by_n), _steps_picture(size, by_n))
    rows = []
    for n, data in by_n.items():
        for split in ("known", "fresh"):
            cells_ = [at(data, split, name) for name in ("over_memorising", "over_generalising", "weight", "residual")]
            rows.append((n, split, *(f"{v:.4f} [{a:.4f}, {b:.4f}]" for v, a, b in cells_),
                         f"{float(data.apart.sel(split=split)):.4f}"))  # fmt: skip
    header = ("N", "documents", "excess over memorising, nats", "over generalising", "weight of memorising", "residual",
              "the two apart, nats")  # fmt: skip
    verdict, summary = _words(by_n)
    paper = f"Not in the paper. Published threshold: {PUBLISHED}."
    ours = (
        "Both references are exact: the finite mixture of the N kernels, and the Dirichlet law in closed form. Trained "
        f"on {size.tokens:,} tokens each; a longer training or a larger network memorises more."
    )
    table = Table("At the end of training, 95% bootstrap intervals over documents", header, tuple(rows))
    return Findings(
        name="diversity",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=pictures,
        tables=(table,),
    )


def _words(by_n: Mapping[int, xr.Dataset]) -> tuple[str, str]:
    weights = {n: at(data, "fresh", "weight") for n, data in by_n.items()}
    said = listed([f"{w.value:.2f} [{w.low:.2f}, {w.high:.2f}] at N = {n}" for n, w in weights.items()])
    first, last = threshold(by_n)
    where = (
        f"it is clearly below a half from N = {first} on" if first is not None else "at no N is it clearly below a half"
    )  # fmt: skip
    until = f"clearly above a half up to N = {last}" if last is not None else "clearly above a half at no N"
    n_most, n_least = max(by_n), min(by_n)
    fresh = {n: at(by_n[n], "fresh", "over_generalising") for n in (n_least, n_most)}
    known = {n: at(by_n[n], "known", "over_memorising") for n in (n_least, n_most)}
    unexplained = max(at(data, "fresh", "residual").value for data in by_n.values())
    verdict = (
        f"On fresh concepts the weight of memorising Bayes that best explains the network is {said}: {until}, and "
        f"{where}; what no weight explains is at most {unexplained:.3f} nats a token. "
        f"Its excess over generalising Bayes on fresh concepts is {fresh[n_least].value:.3f} nats at N = {n_least} and "
        f"{fresh[n_most].value:.3f} at N = {n_most}; over memorising Bayes on its own concepts "
        f"{known[n_least].value:.3f} and {known[n_most].value:.3f}. Published threshold: {PUBLISHED}."
    )
    between = f"between N = {last} and {first}" if first is not None and last is not None else f"{until}; {where}"
    return verdict, f"memorising gives way to generalising {between}"


def _excess_picture(size: Size, by_n: Mapping[int, xr.Dataset]) -> Picture:
    words = {"over_memorising": "over memorising Bayes", "over_generalising": "over generalising Bayes"}
    points = [
        interval_point(f"{split} concepts", words[name], n, at(data, split, name), size.documents)
        for split in ("known", "fresh") for n, data in by_n.items() for name in words
    ]  # fmt: skip
    caption = (
        f"A Transformer trained on N Markov chains over {VOCABULARY} tokens with Dirichlet(1) rows. Excess of its "
        f"loss over two exact predictors, on {size.documents} documents of {size.length} tokens of its own concepts "
        "and on as many of fresh ones; next tokens averaged out exactly, bands 95% over documents. The reference whose "
        "documents they are cannot be beaten; the other one can."
    )
    return Picture("diversity", "Excess over memorising and over generalising Bayes", caption,
                   Axes("training concepts, N", "excess, nats a token", "log"), tuple(points))  # fmt: skip


def _weight_picture(size: Size, by_n: Mapping[int, xr.Dataset]) -> Picture:
    points = [
        interval_point(panel, f"{split} concepts", n, at(data, split, name), size.documents)
        for panel, name in (("weight of memorising Bayes", "weight"), ("residual, nats a token", "residual"))
        for split in ("known", "fresh") for n, data in by_n.items()
    ]  # fmt: skip
    caption = (
        "The weight w for which w memorising + (1 - w) generalising Bayes is nearest to the network (in KL), and the "
        "divergence that it leaves; 95% bootstrap over documents. On known concepts of a large N the two predictors "
        "are nearly one."
    )
    return Picture("diversity-weight", "Between memorising and generalising", caption,
                   Axes("training concepts, N", "weight; nats", "log"), tuple(points))  # fmt: skip


def _steps_picture(size: Size, by_n: Mapping[int, xr.Dataset]) -> Picture:
    points = []
    for n, data in by_n.items():
        for i, tokens in enumerate(data.tokens.values.tolist()):
            for panel, name in (
                ("weight of memorising Bayes", "weight"),
                ("over generalising Bayes", "over_generalising"),
            ):
                points.append(interval_point(panel, f"N = {n}", tokens, at(data, "fresh", name, i), size.documents))
    caption = f"The same on fresh concepts as training goes on; {size.documents} documents, bands 95%."
    return Picture("diversity-steps", "As training goes on (fresh concepts)", caption,
                   Axes("tokens trained on", "weight; nats a token", "log"), tuple(points))  # fmt: skip


EXPERIMENT = Experiment("diversity", TITLE, "Raventós et al. 2023", cells, read)
