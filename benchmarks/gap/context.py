"""The in-context gap: models and the Bayes references asked about the same prompts, all n from one pass.

The answer to x_test is the law p_prompt(y | x_test) of the true concept. Per cell (predictor, k, n):

    accuracy      share of prompts whose guess is argmax_y p_prompt(y | x_test)                    (the paper's)
    log_loss      mean of - sum_y p_prompt(y | x_test) log q(y): nats, at least the law's entropy
    calibration   expected calibration error of the guess's confidence against p_prompt(guess | x_test)

each over all prompts, over those of positive probability under some concept ("possible") and over the others
("impossible"), since exact Bayes exists on the first kind only.
"""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.intervals import mean_interval, wilson
from implicit_bayes.benchmarks.gap.loss import calibration_error
from implicit_bayes.benchmarks.predictors.agreement import is_right
from implicit_bayes.benchmarks.predictors.curves import CHUNK, Answers, References, ask, references
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.keys import derived_key
from implicit_bayes.simulators.sampler import sample_prompts
from implicit_bayes.theory.statements.bounds import first_choice

SPLITS = ("all", "possible", "impossible")
MEASURES = ("accuracy", "accuracy_low", "accuracy_high", "standard_error", "log_loss", "log_loss_low", "log_loss_high",
            "log_loss_error", "calibration")  # fmt: skip


def context_gap(
    instance: Instance,
    ks: Sequence[int],
    ns: Sequence[int],
    *,
    prompts: int,
    seed: int,
    epsilons: Sequence[float] = (),
    models: Sequence[LanguageModel] = (),
    advance: Callable[[int], None] = lambda prompts: None,
) -> xr.Dataset:
    """Accuracy, log-loss and calibration of every predictor.

    Args:
        instance: mixture, start laws, true concepts.
        ks, ns: example lengths and numbers of examples.
        prompts: for each k.
        seed: of the prompts.
        epsilons: of the smoothed reference.
        models: language models.
        advance: called with the prompts just done.

    Returns:
        Dataset over (predictor, split, k, n): ``accuracy``, its 95% Wilson interval ``accuracy_low``,
        ``accuracy_high``, ``standard_error`` (binomial: 0 at shares of 0 and 1), ``log_loss`` (inf where the law
        needed has a zero), ``log_loss_error`` and its 95% interval ``log_loss_low``, ``log_loss_high`` (Student's t),
        ``calibration``, ``prompts`` (how many the cell has: of the split, and with an answer); over (k, n):
        ``entropy`` of p_prompt(y | x_test), the least log-loss there is, and ``impossible_share``; over (predictor, k,
        n, prompt): ``prompt_loss``, each prompt's log-loss, and ``prompt_right`` (1 right, 0 wrong, -1 no answer).
        Empty cells, and losses of prompts without an answer, are nan.
    """
    names = [predictor.label for predictor in references(epsilons)] + [model.name for model in models]
    shape = (len(names), len(SPLITS), len(ks), len(ns))
    out = {name: np.full(shape, np.nan) for name in MEASURES} | {"prompts": np.empty(shape, int)}
    entropy, impossible = np.empty(shape[2:]), np.empty(shape[2:])
    every_loss = np.empty((len(names), *shape[2:], prompts))
    every_right = np.empty(every_loss.shape, np.int8)
    ask_references = References(instance, references(epsilons))
    for i, k in enumerate(ks):
        truth_PxNxV, possible_PxN, answers = _ask_all(instance, ask_references, models, k, ns, prompts, seed, advance)
        entropy[i] = _cross(truth_PxNxV, truth_PxNxV).mean(0)
        impossible[i] = (~possible_PxN).mean(0)
        for p, answer in enumerate(answers):
            loss_PxN = _cross(truth_PxNxV, answer.law_PxNxV)
            every_loss[p, i] = np.where(answer.defined_PxN, loss_PxN, np.nan).T
            right_PxN = is_right(answer.law_PxNxV, truth_PxNxV)
            every_right[p, i] = np.where(answer.defined_PxN, right_PxN, -1).T
            for s, of_split in enumerate((np.ones_like(possible_PxN), possible_PxN, ~possible_PxN)):
                cells = _cells(truth_PxNxV, answer, of_split)
                for name, values in cells.items():
                    out[name][p, s, i] = values
    dims = ("predictor", "split", "k", "n")
    data: dict[str, object] = {name: (dims, values) for name, values in out.items()}
    data |= {"entropy": (("k", "n"), entropy, {"units": "nats"}), "impossible_share": (("k", "n"), impossible)}
    by_prompt = ("predictor", "k", "n", "prompt")
    data |= {"prompt_loss": (by_prompt, every_loss, {"units": "nats"}), "prompt_right": (by_prompt, every_right)}
    return xr.Dataset(data, {"predictor": names, "split": list(SPLITS), "k": list(ks), "n": list(ns)})


def _ask_all(
    instance: Instance,
    ask_references: References,
    models: Sequence[LanguageModel],
    k: int,
    ns: Sequence[int],
    prompts: int,
    seed: int,
    advance: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray, list[Answers]]:
    """Truth (P, N, V), whether each prefix is possible (P, N), and all answers, over all prompts of one k."""
    truths, every = [], []
    for begin in range(0, prompts, CHUNK):
        size = min(CHUNK, prompts - begin)
        draw = derived_key(seed, k, begin)
        batch = sample_prompts(
            instance.mixture, instance.prompt_starts, draw, CHUNK, k, max(ns), true_concepts=instance.true_concepts
        )
        truth, answers = ask_references.answers(batch, k, ns)
        answers += [ask(model, batch.tokens, k, ns) for model in models]
        truths.append(truth[:size])
        every.append([Answers(law[:size], defined[:size]) for law, defined in answers])
        advance(size)
    joined = [Answers(*(np.concatenate(x) for x in zip(*parts, strict=True))) for parts in zip(*every, strict=True)]
    return np.concatenate(truths), joined[0].defined_PxN, joined


def _cross(p_PxNxV: np.ndarray, q_PxNxV: np.ndarray) -> np.ndarray:
    """(P, N) - sum_y p log q, 0 log 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(p_PxNxV > 0, p_PxNxV * np.log(q_PxNxV), 0.0).sum(-1)


def _cells(truth_PxNxV: np.ndarray, answer: Answers, of_split_PxN: np.ndarray) -> dict[str, np.ndarray]:
    """Every measure at each n, over the prompts of a split that have an answer."""
    law_PxNxV, counted_PxN = answer.law_PxNxV, answer.defined_PxN & of_split_PxN
    guess_PxN = first_choice(law_PxNxV)
    right_PxN = is_right(law_PxNxV, truth_PxNxV)
    loss_PxN = _cross(truth_PxNxV, law_PxNxV)
    confidence, chance = (np.take_along_axis(x, guess_PxN[..., None], -1).squeeze(-1) for x in (law_PxNxV, truth_PxNxV))
    cells = {name: np.full(guess_PxN.shape[1], np.nan) for name in MEASURES}
    cells["prompts"] = counted_PxN.sum(0)
    for n, count in enumerate(cells["prompts"]):
        if not count:
            continue
        chosen = counted_PxN[:, n]
        accuracy, losses = right_PxN[chosen, n].mean(), loss_PxN[chosen, n]
        cells["accuracy"][n] = accuracy
        cells["standard_error"][n] = np.sqrt(accuracy * (1 - accuracy) / count)
        cells["accuracy_low"][n], cells["accuracy_high"][n] = wilson(right_PxN[chosen, n].sum(), count)
        mean = cells["log_loss"][n] = losses.mean()
        spread = losses.std(ddof=1) / np.sqrt(count) if count > 1 and np.isfinite(losses).all() else np.inf
        cells["log_loss_error"][n] = spread
        low, cells["log_loss_high"][n] = mean_interval(mean, spread, count)
        cells["log_loss_low"][n] = max(low, 0.0)  # no law charges less than 0
        cells["calibration"][n] = calibration_error(confidence[chosen, n], chance[chosen, n])
    return cells
