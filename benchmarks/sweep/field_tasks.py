"""Tasks of the field's questions: the zoo's entropies and belief geometry, interventions, switching, task diversity.

Each reads its cell's config and the results it needs, as those of ``benchmarks.sweep.tasks`` do.
"""

import math
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.gap.geometry import belief_geometry, held_points, process_beliefs
from implicit_bayes.benchmarks.gap.intervention import Positions, exchanged, intervene
from implicit_bayes.benchmarks.gap.probes import Estimate, Probe
from implicit_bayes.benchmarks.gap.switching import AFTER, lags
from implicit_bayes.benchmarks.predictors.paired import log_bayes, log_scores
from implicit_bayes.benchmarks.sweep.cells import Cell, Store
from implicit_bayes.benchmarks.sweep.task_parts import instance_of, models_of
from implicit_bayes.lm.heads import last_layer
from implicit_bayes.lm.model import NetworkModel, ShowsActivations
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.simulators.switching import switching_mixture
from implicit_bayes.simulators.zoo import in_zoo, zoo_edges, zoo_processes
from implicit_bayes.theory import filter_concepts, filter_mixture
from implicit_bayes.theory.information.ergodic_mixtures import mixture_entropies

STATIC = "exact Bayes without switches"
"""What the predictor is called that thinks a document has one concept."""
R2S = ("r2", "untrained", "last_token", "shuffled", "margin")
"""Fields of a Probe that are estimates."""


def entropies(cell: Cell, store: Store) -> xr.Dataset:
    """Exact entropies of processes of the zoo, in bits.

    Config: ``specs``, ``length``.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over (process, tokens): ``myopic`` and ``known``, nan beyond what the budget reached; over process: the two
        sides of ``rate`` and of ``excess``.
    """
    length, rows = cell.config["length"], []
    for spec in cell.config["specs"]:
        rows.append(mixture_entropies(zoo_processes(spec), length=length))
    padded = {
        field: [np.pad(getattr(row, f"{field}_n"), (0, length - len(row.myopic_n)), constant_values=np.nan)
                for row in rows]
        for field in ("myopic", "known")
    }  # fmt: skip
    ends = ("rate_low", "rate_high", "excess_low", "excess_high")
    columns = {field: (("process", "tokens"), np.array(value) / math.log(2.0)) for field, value in padded.items()}
    sides = {field: ("process", [getattr(row, field) / math.log(2.0) for row in rows]) for field in ends}
    return xr.Dataset(columns | sides, {"process": list(cell.config["specs"]), "tokens": np.arange(1, length + 1)})


def geometry(cell: Cell, store: Store) -> xr.Dataset:
    """Beliefs over a process's states, read off trained networks.

    Config: ``instance`` (of the zoo), ``documents``, ``length``, ``points`` (of the picture), ``skip`` (tokens at the
    beginning of a document that the picture leaves out), ``seed``, and those of ``models_of``.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over (model, estimate, side): ``estimates``, with value, low and high of R2 and its controls at the best layer;
        over model: ``layer``; over (point, state): ``exact``; over (model, point, state): ``read``.
    """
    config = cell.config
    edges, instance = zoo_edges(config["instance"]), instance_of(config["instance"])
    key = jax.random.fold_in(jax.random.key(config["seed"]), 10)
    tokens = sample_documents(edges.mixture, key, config["documents"], config["length"]).tokens
    beliefs = process_beliefs(edges, tokens)
    points, exact = held_points(beliefs, config["points"], config["skip"], config["seed"])
    found, names = [], []
    for model in models_of(cell, store, instance):
        assert isinstance(model, ShowsActivations)
        found.append(belief_geometry(model, beliefs, points, config["seed"]))
        names.append(model.name)
    return xr.Dataset(
        {
            "estimates": (("model", "estimate", "side"), [_estimates(each.best) for each in found]),
            "layer": ("model", [each.best.layer for each in found]),
            "exact": (("point", "state"), exact),
            "read": (("model", "point", "state"), np.stack([each.read_PxS for each in found])),
        },
        {"model": names, "estimate": list(R2S), "side": list(Estimate._fields)},
    )


def _estimates(row: Probe) -> list[list[float]]:
    return [list(getattr(row, field)) for field in R2S]


def intervention(cell: Cell, store: Store) -> xr.Dataset:
    """Activations moved from one belief to another, and the next-token law that follows.

    Config: ``instance`` (of the zoo: beliefs over its states; any other: over concepts), ``documents``, ``length``,
    ``seed``, and those of ``models_of``. The last position of every held-out document is moved.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over (model, direction, side): ``share``; over model: ``before``, ``after`` (nats), ``length`` (of the move).
    """
    config, instance = cell.config, instance_of(cell.config["instance"])
    key = jax.random.fold_in(jax.random.key(config["seed"]), 12)
    tokens = sample_documents(instance.mixture, key, config["documents"], config["length"]).tokens
    asked = _of_states(config["instance"], tokens) if in_zoo(config["instance"]) else _of_concepts(instance, tokens)
    half = len(tokens) // 2
    moved = exchanged(asked.belief_BxTxK[half:, -1], np.random.default_rng((config["seed"], 13)))
    law = np.einsum("nk,nkv->nv", moved, asked.law_NxKxV[half:])
    names, found = [], []
    for model in models_of(cell, store, instance):
        assert isinstance(model, NetworkModel)
        x = last_layer(model.network, tokens)[:, 1:]
        flat = lambda a: a.reshape(-1, *a.shape[2:])  # noqa: E731
        fit = Positions(flat(x[:half]), flat(asked.belief_BxTxK[:half]), flat(asked.group_BxT[:half]))
        held = Positions(x[half:, -1], asked.belief_BxTxK[half:, -1], asked.group_BxT[half:, -1])
        found.append(intervene(model.network, fit, held, moved, law, config["seed"]))
        names.append(model.name)
    return xr.Dataset(
        {
            "share": (("model", "direction", "side"), [[list(e.probe), list(e.random)] for e in found]),
            "before": ("model", [e.before for e in found]),
            "after": ("model", [e.after for e in found]),
            "length": ("model", [e.length for e in found]),
        },
        {"model": names, "direction": ["probe", "random"], "side": list(Estimate._fields)},
        {"documents": len(tokens) - half},
    )


class _Asked(NamedTuple):
    """belief_BxTxK exact; law_NxKxV next-token law after each document if all belief were on one; group_BxT."""

    belief_BxTxK: np.ndarray
    law_NxKxV: np.ndarray
    group_BxT: np.ndarray


def _of_states(spec: str, tokens_BxT: np.ndarray) -> _Asked:
    """Beliefs over the states of one edge-emitting process: the law given a state is that state's own."""
    (process,) = zoo_processes(spec)
    belief = process_beliefs(zoo_edges(spec), tokens_BxT).state_BxTxH
    law_SxV = np.asarray(process.labelled).sum(-1).T
    return _Asked(belief, np.repeat(law_SxV[None], len(tokens_BxT), 0), np.zeros_like(tokens_BxT))


def _of_concepts(instance: Instance, tokens_BxT: np.ndarray) -> _Asked:
    """Posteriors over concepts; probes by the last token, on which the law given a concept depends."""
    out = filter_mixture(instance.mixture, tokens_BxT, positions=range(1, tokens_BxT.shape[1] + 1))
    last = filter_concepts(instance.mixture, tokens_BxT, positions=[tokens_BxT.shape[1]])
    return _Asked(np.exp(np.asarray(out.log_posterior)), np.asarray(last.predictive)[:, 0], tokens_BxT)


def switching(cell: Cell, store: Store) -> xr.Dataset:
    """Documents whose concept changes, and predictors that never saw one change.

    Config: ``instance``, ``probabilities``, ``documents``, ``length``, ``seed``, and those of ``models_of``.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over (probability, predictor, side): ``excess`` over exact Bayes of the switching law, nats a token; with
        ``after`` (tokens since the last switch): ``lag``; over (probability, after): ``count``; over probability:
        ``bayes``, the loss of exact Bayes of the switching law. The first predictor is exact Bayes without switches.
    """
    config, instance = cell.config, instance_of(cell.config["instance"])
    models = models_of(cell, store, instance)
    names = [STATIC, *(model.name for model in models)]
    excess, lag, count, bayes = [], [], [], []
    for i, probability in enumerate(config["probabilities"]):
        law = switching_mixture(instance.mixture, probability)
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config["seed"]), 16), i)
        drawn = sample_documents(law, key, config["documents"], config["length"])
        truth = log_bayes(law, drawn.tokens)
        said = {STATIC: log_bayes(instance.mixture, drawn.tokens)}
        said |= {model.name: log_scores(model, drawn.tokens) for model in models}
        found = lags(truth, said, drawn.states // instance.mixture.n_states, config["seed"])
        excess.append([list(found[name].excess) for name in said])
        lag.append([[list(each) for each in found[name].after_A] for name in said])
        count.append(found[STATIC].count_A)
        bayes.append(-float(truth.mean()))
    return xr.Dataset(
        {
            "excess": (("probability", "predictor", "side"), excess),
            "lag": (("probability", "predictor", "after", "side"), lag),
            "count": (("probability", "after"), np.array(count)),
            "bayes": ("probability", bayes),
        },
        {"probability": list(config["probabilities"]), "predictor": names,
         "after": list(AFTER), "side": list(Estimate._fields)},
    )  # fmt: skip
