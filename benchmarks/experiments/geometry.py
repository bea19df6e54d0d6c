"""Belief geometry and intervention: a fractal of exact beliefs, read off trained networks, and moved in them."""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.experiments.asked import trained
from implicit_bayes.benchmarks.experiments.base import Experiment, Scale, interval_point, listed
from implicit_bayes.benchmarks.experiments.learners import Learner, Named
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Picture, Point, Table
from implicit_bayes.benchmarks.sweep.cells import Cell
from implicit_bayes.benchmarks.sweep.tasks import cell

TITLE = "Belief geometry, and what moves with it"
PROCESS = "mess3:x=0.05,alpha=0.85"
MIXTURE = "regular"
"""Where concepts are moved: its five concepts are all possible after every prefix."""
SPECS = ("mess3", "rrxor", "even", "golden-mean", "mess3:x=0.05+0.15,alpha=0.85+0.6")
"""Of the entropies' figure."""
NETWORKS = {"width": 64}
LEARNERS = {
    "small": (Learner("LSTM", "lstm", "tiny", 1_000_000, NETWORKS, 2),
              Learner("Transformer", "transformer", "tiny", 1_000_000, NETWORKS, 2)),
    "paper": (Learner("LSTM", "lstm", "small", 8_000_000, {}, 2),
              Learner("Transformer", "transformer", "small", 4_000_000, {}, 2)),
}  # fmt: skip
SIZES = {"tiny": (24, 16, 40), "small": (240, 64, 2500), "paper": (600, 128, 2500)}
"""Documents of the probes, tokens of each, points of the picture."""
MOVED = {"tiny": 40, "small": 800, "paper": 2000}
"""Documents of the interventions, half of them to fit probes on."""
LENGTH = {"tiny": 12, "small": 24, "paper": 24}
SKIP = 8
"""Tokens of a document after which the picture begins: beliefs have reached the fractal."""
DRAWN = 16
"""Tokens of the entropies' figure."""
HEIGHT = math.sqrt(3.0) / 2.0
ENOUGH = 0.95


def taught(scale: Scale, instance: str) -> Named:
    """Both networks, trained on an instance.

    Args:
        scale: of the reproduction.
        instance: name of the process or mixture that they learn.

    Returns:
        The models and the cells that train them.
    """
    return trained(scale, instance, LEARNERS.get(scale.name))


def cells(scale: Scale) -> dict[str, Cell]:
    """Entropies; probes on one process; interventions on the process and on a mixture.

    Returns:
        Cells by name: entropies, geometry, ``intervention-PROCESS``, ``training-PROCESS-LABEL``.
    """
    documents, length, points = SIZES[scale.name]
    on = {name: taught(scale, name) for name in (PROCESS, MIXTURE)}
    config = {"instance": PROCESS, "documents": documents, "length": length, "points": points, "seed": scale.seed,
              "skip": min(SKIP, length // 2)}  # fmt: skip
    found = {
        "entropies": cell("entropies", {"specs": list(SPECS), "length": 8 if scale.name == "tiny" else 64}),
        "geometry": cell("geometry", config | on[PROCESS].config, on[PROCESS].cells),
    }
    for name, named in on.items():
        moves = {"instance": name, "documents": MOVED[scale.name], "length": LENGTH[scale.name], "seed": scale.seed}
        found[f"intervention-{name}"] = cell("intervention", moves | named.config, named.cells)
        found |= {f"training-{name}-{label}": each for label, each in zip(named.labels, named.cells, strict=True)}
    return found


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """The simplex, R2 beside its controls, effects of moves, and entropies of the zoo.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; entropies in nats a token.
    """
    probes, moves = results["geometry"], {name: results[f"intervention-{name}"] for name in (PROCESS, MIXTURE)}
    pictures = (_simplex(probes), _r2(probes), _effects(moves), _myopic(results["entropies"]))
    tables = (_probe_table(probes, results), _move_table(moves), _entropy_table(results["entropies"]))
    said, far = [], []
    for model in (str(m) for m in probes.model.values):
        r2, margin = _three(probes, model, "r2"), _three(probes, model, "margin")
        said.append(f"{r2[0]:.4f} [{r2[1]:.4f}, {r2[2]:.4f}] ({model}; best control {_best(probes, model):.3f}, margin "
                    f"{margin[0]:.3f} [{margin[1]:.3f}, {margin[2]:.3f}])")  # fmt: skip
        far.append(r2[1] > ENOUGH and margin[1] > 0)
    verdict = (
        f"An affine map of activations gives the exact belief with R² {listed(said)}: "
        f"{'all' if all(far) else 'not all'} above {ENOUGH} and above every control. "
    )
    effects = []
    for name, data in moves.items():
        for model in (str(m) for m in data.model.values):
            probe, random = _move(data, model, "probe"), _move(data, model, "random")
            effects.append(f"{_percent(probe)} ({model}, {_short(name)}; random {_percent(random)})")
    verdict += (
        f"Moving the last layer along the probe from one belief to another brings the next-token law this much of the "
        f"way to Bayes's: {listed(effects)}."
    )
    first = [f"{_three(probes, str(m), 'r2')[0]:.3f} {m}" for m in probes.model.values]
    least = min(_move(data, str(m), "probe")[0] for data in moves.values() for m in data.model.values)
    summary = f"R² of the belief {listed(first)}; moves along the probe follow Bayes by at least {100 * least:.1f}%"
    paper = "Not in the paper. Shai et al. 2024: a Transformer's residual stream holds Mess3's belief simplex linearly."
    ours = "Both architectures, with controls and intervals, and the activations moved: R² alone is correlation."
    return Findings(
        name="geometry",
        title=TITLE,
        paper=paper,
        ours=ours,
        verdict=verdict,
        summary=summary,
        pictures=pictures,
        tables=tables,
    )


def _three(data: xr.Dataset, model: str, estimate: str) -> tuple[float, float, float]:
    value, low, high = data.estimates.sel(model=model, estimate=estimate).values.tolist()
    return value, low, high


def _move(data: xr.Dataset, model: str, direction: str) -> tuple[float, float, float]:
    value, low, high = data.share.sel(model=model, direction=direction).values.tolist()
    return value, low, high


def _percent(share: tuple[float, float, float]) -> str:
    """99.7% [99.6, 99.8]."""
    return f"{100 * share[0]:.1f}% [{100 * share[1]:.1f}, {100 * share[2]:.1f}]"


def _best(data: xr.Dataset, model: str) -> float:
    return float(np.nanmax([_three(data, model, name)[0] for name in ("untrained", "last_token", "shuffled")]))


def _short(spec: str) -> str:
    return "states of Mess3" if spec == PROCESS else f"concepts of {spec}"


def corner(belief_PxS: np.ndarray) -> np.ndarray:
    """(P, 2) a belief over three states in an equilateral triangle of side 1, state 2 at the top.

    Returns:
        (P, 2) coordinates.
    """
    return np.stack([belief_PxS[:, 1] + belief_PxS[:, 2] / 2.0, HEIGHT * belief_PxS[:, 2]], -1)


def _simplex(data: xr.Dataset) -> Picture:
    panels = {"exact belief": data.exact.values} | {str(m): data.read.sel(model=m).values for m in data.model.values}
    points = []
    for panel, beliefs in panels.items():
        points += [
            Point(panel=panel, series="belief", x=x, y=y, low=y, high=y, prompts=1) for x, y in corner(beliefs).tolist()
        ]
    caption = (
        f"{PROCESS}: exact beliefs over its three states at {len(data.exact)} held-out positions, and "
        "the affine image of trained networks' activations at the same positions (ridge probe, fitted on other "
        "documents). A point has the colour of its exact belief in every panel."
    )
    axes = Axes("belief, horizontal (side = 1)", "belief, vertical", "linear", (-0.08, 0.95), "simplex")
    return Picture("belief-simplex", "Beliefs, and what activations say of them", caption, axes, tuple(points))


def _r2(data: xr.Dataset) -> Picture:
    names = {"r2": "trained network", "untrained": "untrained network", "last_token": "last token only",
             "shuffled": "shuffled beliefs"}  # fmt: skip
    points = []
    for i, model in enumerate(str(m) for m in data.model.values):
        for estimate, words in names.items():
            points.append(interval_point("R² of the belief", words, i + 1, _three(data, model, estimate), 1))
    which = ", ".join(f"{i + 1} {m}" for i, m in enumerate(data.model.values))
    caption = f"Held-out R² of a linear probe at the best layer, with 95% bootstrap intervals over documents ({which})."
    axes = Axes(f"network ({which})", "R²", "category", (-0.1, 1.05), "bars")
    return Picture("belief-r2", "Is the belief linear in the activations?", caption, axes, tuple(points))


def _effects(moves: Mapping[str, xr.Dataset]) -> Picture:
    points, models = [], [str(m) for m in next(iter(moves.values())).model.values]
    for name, data in moves.items():
        for i, model in enumerate(models):
            for direction, words in (("probe", "along the probe"), ("random", "random, equal length")):
                value = [100 * x for x in _move(data, model, direction)]
                points.append(interval_point(_short(name), words, i + 1, value, int(data.attrs["documents"])))
    which = ", ".join(f"{i + 1} {m}" for i, m in enumerate(models))
    caption = (
        "The last layer's activation at one position is moved from the exact belief to the same with two weights "
        "exchanged. Share of KL(changed Bayes || model) that the move removes: 100% is Bayes's own move, 0 none; 95% "
        f"bootstrap intervals over held-out documents ({which}). A Transformer's last norm divides by the "
        "length, so that a long random move flattens its law."
    )
    axes = Axes(f"network ({which})", "way to the changed Bayes law, %", "category", None, "bars")
    return Picture("intervention", "Moving a belief in the activations", caption, axes, tuple(points))


def _myopic(data: xr.Dataset) -> Picture:
    points = []
    for spec in (str(p) for p in data.process.values):
        for i, tokens in enumerate(data.tokens.values.tolist()):
            value = float(data.myopic.sel(process=spec).values[i])
            if math.isfinite(value) and tokens <= DRAWN:
                points.append(interval_point("myopic entropy", spec, tokens, (value, value, value), 1))
    caption = (
        "H(token L | the L - 1 before it), exact, as far as the distinct beliefs allow; it falls to the entropy rate. "
        "The last source draws one of two processes and is not ergodic."
    )
    axes = Axes("tokens, L", "bits a token", "linear", None)
    return Picture("entropies", "Myopic entropies of the zoo", caption, axes, tuple(points))


def _probe_table(data: xr.Dataset, results: Mapping[str, xr.Dataset]) -> Table:
    rows = []
    for model in (str(m) for m in data.model.values):
        excess = float(results[f"training-{PROCESS}-{model}"].excess.values[-1])
        numbers = [_three(data, model, name) for name in ("r2", "untrained", "last_token", "shuffled", "margin")]
        rows.append((model, int(data.layer.sel(model=model)), f"{excess:.5f}",
                     *(f"{v:.4f} [{a:.4f}, {b:.4f}]" for v, a, b in numbers)))  # fmt: skip
    header = ("network", "layer", "excess, nats", "R²", "untrained", "last token", "shuffled", "above the best control")
    return Table("R² of the belief over states, held out", header, tuple(rows))


def _move_table(moves: Mapping[str, xr.Dataset]) -> Table:
    rows = []
    for name, data in moves.items():
        for model in (str(m) for m in data.model.values):
            at = data.sel(model=model)
            shares = [_move(data, model, direction) for direction in ("probe", "random")]
            rows.append((_short(name), model, *(f"{100 * v:.1f} [{100 * a:.1f}, {100 * b:.1f}]" for v, a, b in shares),
                         f"{float(at.before):.4f}", f"{float(at.after):.4f}", f"{float(at.length):.2f}"))  # fmt: skip
    header = ("moved", "network", "along the probe, %", "random, %", "KL before, nats", "KL after, nats",
              "length over mean distance")  # fmt: skip
    return Table("Interventions on the last layer", header, tuple(rows))


def _entropy_table(data: xr.Dataset) -> Table:
    rows = []
    for spec in (str(p) for p in data.process.values):
        at = data.sel(process=spec)
        rate, excess = ((float(at[f"{name}_low"]), float(at[f"{name}_high"])) for name in ("rate", "excess"))
        rows.append((spec, _between(*rate), _between(*excess)))
    header = ("process", "entropy rate, bits", "excess entropy, bits")
    return Table("Entropy rates and excess entropies, exact (between two computed numbers)", header, tuple(rows))


def _between(low: float, high: float) -> str:
    """One number where both sides round to it."""
    return f"{low:.6f}" if high - low < 5e-7 else f"[{low:.6f}, {high:.6f}]"


EXPERIMENT = Experiment("geometry", TITLE, "Shai et al. 2024", cells, read)
