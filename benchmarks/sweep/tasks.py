"""What a cell can compute, by name. Each task reads its config and the results it needs, and returns a dataset.

The version of a task is part of every key: raise it when the task's results would change.
"""

import itertools
import shutil

import jax
import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.gap.context import context_gap
from implicit_bayes.benchmarks.predictors.agreement import is_right
from implicit_bayes.benchmarks.predictors.curves import References, ask, references
from implicit_bayes.benchmarks.predictors.paired import excess, hold_out
from implicit_bayes.benchmarks.predictors.promises import InTraining
from implicit_bayes.benchmarks.sweep import field_tasks
from implicit_bayes.benchmarks.sweep.cells import Cell, Store
from implicit_bayes.benchmarks.sweep.diversity_task import diversity
from implicit_bayes.benchmarks.sweep.task_parts import Task, instance_of, models_of
from implicit_bayes.benchmarks.training.records import read_records
from implicit_bayes.benchmarks.verification.losses import bayes_loss
from implicit_bayes.lm.model import NetworkModel
from implicit_bayes.lm.run import from_json
from implicit_bayes.lm.schedule import plan
from implicit_bayes.lm.step import Network
from implicit_bayes.lm.train import Cadence
from implicit_bayes.lm.train import train as train_network
from implicit_bayes.simulators.datasets import Prompts
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.json_types import JsonMapping
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.simulators.sampler import sample_prompts
from implicit_bayes.theory import PromptLaw
from implicit_bayes.theory.statements.assumptions import check_assumptions, largest_shift
from implicit_bayes.theory.statements.conditions import condition_table


def train(cell: Cell, store: Store) -> xr.Dataset:
    """Train a network; its excess over Bayes and its in-context accuracy as it learns.

    Config: ``run`` (lm.run.to_json of its RunConfig), ``k``, ``n``, ``prompts`` (of the accuracy), ``documents``,
    ``length`` (of the excess), ``points`` (measurements on the way, the end included).

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over ``point``: tokens, excess, excess_error (nats), accuracy; attributes ``parameters``, ``prompts``,
        ``tokens``.
    """
    config, run = cell.config, from_json(dict(cell.config["run"]), cell.words)
    instance, chart = instance_of(run.instance), plan(run.schedule)
    held = hold_out(instance.mixture, config["documents"], config["length"], run.seed)
    batch, truth_PxV = _asked(instance, config["k"], config["n"], config["prompts"], run.seed)

    def evaluate(network: Network) -> JsonMapping:
        model = InTraining("in training", network)
        found = excess(model, held)
        law = ask(model, batch, config["k"], [config["n"]]).law_PxNxV[:, 0]
        accuracy = float(is_right(law, truth_PxV).mean())
        return {"excess": found.nats, "excess_error": found.standard_error, "accuracy": accuracy}

    every = max(1, chart.steps // config["points"])
    cadence = Cadence(every, every, max(1, chart.steps // 3))
    folder = store.run(cell)
    with jax.enable_x64(False):
        done = train_network(run, instance, folder, (folder / "config.json").is_file(), evaluate, cadence=cadence)
    records = [row for row in read_records(folder) if "excess" in row]
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    columns = {name: ("point", [row[name] for row in records])
               for name in ("tokens", "excess", "excess_error", "accuracy")}  # fmt: skip
    count = NetworkModel("", done.network).parameters
    return xr.Dataset(columns, attrs={"parameters": count, "prompts": config["prompts"], "tokens": done.tokens})


def _asked(instance: Instance, k: int, n: int, prompts: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(P, T) prompts and (P, V) the true concept's predictives."""
    key = jax.random.fold_in(jax.random.key(seed), 1 << 30)
    batch = sample_prompts(
        instance.mixture, instance.prompt_starts, key, prompts, k, n, true_concepts=instance.true_concepts
    )
    truth_PxNxV, _ = References(instance, []).answers(batch, k, [n])
    return batch.tokens, truth_PxNxV[:, 0]


def context(cell: Cell, store: Store) -> xr.Dataset:
    """In-context accuracy of the references and of models; see ``benchmarks.gap.context``.

    Config: ``instance``, ``ks``, ``ns``, ``prompts``, ``epsilons``, ``seed``, and those of ``models_of``.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        A Dataset over predictor, k and n: counts, accuracies with intervals, log-losses in nats.
    """
    config, instance = cell.config, instance_of(cell.config["instance"])
    models = models_of(cell, store, instance)
    found = context_gap(
        instance, config["ks"], config["ns"], prompts=config["prompts"], seed=config["seed"],
        epsilons=config["epsilons"], models=models,
    )  # fmt: skip
    return found.drop_vars("prompt_loss")


def loss(cell: Cell, store: Store) -> xr.Dataset:
    """Excess over exact Bayes on held-out documents.

    Config: ``instance``, ``documents``, ``length``, ``seed``, and those of ``models_of``.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over ``model``: excess, excess_error (nats per token), parameters; and bayes, the cross-entropy of Bayes.
    """
    config, instance = cell.config, instance_of(cell.config["instance"])
    held = hold_out(instance.mixture, config["documents"], config["length"], config["seed"])
    models = models_of(cell, store, instance)
    found = [excess(model, held) for model in models]
    return xr.Dataset(
        {
            "excess": ("model", [row.nats for row in found]),
            "excess_error": ("model", [row.standard_error for row in found]),
            "parameters": ("model", [getattr(model, "parameters", 0) for model in models]),
            "bayes": ((), -float(held.log_bayes_BxT.mean())),
        },
        {"model": [model.name for model in models]},
    )


def conditions(cell: Cell, store: Store) -> xr.Dataset:
    """Condition 1 in its three versions for one true concept, and what A1 to A5 come to at the largest k.

    Config: ``instance``, ``true_concept``, ``ks``, ``seed``.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over ``row`` (k, theta): the fields of ``theory.statements.conditions.Condition`` that are numbers or verdicts
        (as words);
        over ``assumption``: ``holds`` (words); scalars ``tv`` (largest over start laws) and ``margin`` (Delta / 4).
    """
    config, instance = cell.config, instance_of(cell.config["instance"])
    true, starts = config["true_concept"], np.asarray(instance.prompt_starts)[config["true_concept"]]
    rows = condition_table(instance.mixture, starts, true, config["ks"], seed=config["seed"])
    columns: dict[str, object] = {}
    for field in ("k", "concept", "kl_sum", "kl_infinite_mass", "rate", "rate_low", "rate_high"):
        values = [getattr(row, field) for row in rows]
        columns[field] = ("row", [np.nan if value is None else value for value in values])
    for field in ("printed_threshold", "repaired_threshold"):
        columns[field] = ("row", [getattr(row, field) for row in rows])
    for field in ("printed_holds", "repaired_holds", "sharp_holds"):
        columns[field] = ("row", [str(getattr(row, field)) for row in rows])
    laws = [PromptLaw.of(instance.mixture, start, true, max(config["ks"])) for start in starts]
    reports = [check_assumptions(instance.mixture, law) for law in laws]
    names = [row.name for row in reports[0]]
    worst = [
        "False" if any(report[i].holds is False for report in reports)
        else "True" if all(report[i].holds is True for report in reports) else "undetermined"
        for i in range(len(names))
    ]  # fmt: skip
    shift = [largest_shift(instance.mixture, law)[0] for law in laws]
    margins = [report[2].constants.get("margin", np.nan) for report in reports]
    columns |= {"holds": ("assumption", worst), "tv": ((), max(shift)), "margin": ((), float(np.min(margins)))}
    return xr.Dataset(columns, {"assumption": names})


def order(cell: Cell, store: Store) -> xr.Dataset:
    """Accuracy of every permutation of the examples in the prompt.

    Config: ``instance``, ``k``, ``n``, ``sets`` (of n examples), ``tests`` (x_test of each set), ``epsilons``,
    ``seed``, and those of ``models_of``. The tests of a set share its concept and its start law.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        Over (predictor, set, permutation): ``correct``, ``defined`` (counts); attribute ``tests``.
    """
    config, instance = cell.config, instance_of(cell.config["instance"])
    k, n, tests = config["k"], config["n"], config["tests"]
    models = models_of(cell, store, instance)
    predictors = references(config["epsilons"])
    asked = References(instance, predictors)
    orders = list(itertools.permutations(range(n)))
    shape = (len(predictors) + len(models), config["sets"], len(orders))
    correct, defined = np.zeros(shape, int), np.zeros(shape, int)
    for s in range(config["sets"]):
        batch = _one_set(instance, k, n, tests, jax.random.fold_in(jax.random.key(config["seed"]), s))
        for p, permutation in enumerate(orders):
            tokens = _permuted(batch.tokens, k, permutation)
            truth_PxNxV, answers = asked.answers(batch._replace(tokens=tokens), k, [n])
            answers += [ask(model, tokens, k, [n]) for model in models]
            for i, (law_PxNxV, defined_PxN) in enumerate(answers):
                right = is_right(law_PxNxV, truth_PxNxV) & defined_PxN
                correct[i, s, p], defined[i, s, p] = right.sum(), defined_PxN.sum()
    dims = ("predictor", "set", "permutation")
    names = [each.label for each in predictors] + [model.name for model in models]
    return xr.Dataset({"correct": (dims, correct), "defined": (dims, defined)}, {"predictor": names},
                      {"tests": tests})  # fmt: skip


def _one_set(instance: Instance, k: int, n: int, tests: int, key: jax.Array) -> Prompts:
    """``tests`` prompts that share their first n examples, their concept and their start law."""
    first = sample_prompts(instance.mixture, instance.prompt_starts, key, 1, k, n, true_concepts=instance.true_concepts)
    concept, start = int(first.concepts[0]), int(first.starts[0])
    starts = np.asarray(instance.prompt_starts)[:, start : start + 1]
    fresh = sample_prompts(instance.mixture, starts, jax.random.fold_in(key, 1), tests, k, 0, true_concepts=[concept])
    head = np.repeat(first.tokens[:, : n * (k + 1)], tests, 0)
    tokens = np.concatenate([head, fresh.tokens], 1)
    return fresh._replace(tokens=tokens, starts=np.full(tests, start, np.int32))


def _permuted(tokens_PxL: np.ndarray, k: int, permutation: tuple[int, ...]) -> np.ndarray:
    size = k + 1
    parts = [tokens_PxL[:, i * size : (i + 1) * size] for i in permutation]
    return np.concatenate([*parts, tokens_PxL[:, len(permutation) * size :]], 1)


def validation(cell: Cell, store: Store) -> xr.Dataset:
    """Cross-entropy of exact Bayes on the published validation documents; config: ``vocabulary``.

    Args:
        cell: of this task; its config is said above.
        store: DIR of the sweep, where the results of the cells it needs lie.

    Returns:
        A Dataset: ``bayes`` and ``bayes_error``, nats a token.
    """
    documents = released_documents(cell.config["vocabulary"], "validation")
    instance = instance_of("ginc" if cell.config["vocabulary"] == 50 else f"ginc-{cell.config['vocabulary']}")
    found = bayes_loss(instance, documents.tokens, documents.concepts)
    return xr.Dataset({"bayes": ((), found.cross_entropy), "bayes_error": ((), found.standard_error)})


TASKS: dict[str, Task] = {
    "train": Task(1, train),
    "context": Task(2, context),
    "loss": Task(1, loss),
    "conditions": Task(1, conditions),
    "order": Task(1, order),
    "validation": Task(1, validation),
    "entropies": Task(1, field_tasks.entropies),
    "geometry": Task(1, field_tasks.geometry),
    "intervention": Task(1, field_tasks.intervention),
    "switching": Task(1, field_tasks.switching),
    "diversity": Task(1, diversity),
}


def cell(task: str, config: JsonMapping, needs: tuple[Cell, ...] = ()) -> Cell:
    """A cell of the current version of a task.

    Args:
        task: its name.
        config: all that decides the result.
        needs: cells whose results it reads.

    Returns:
        Cell; it has a result once a store holds its key.
    """
    return Cell(task, TASKS[task].version, config, needs)
