"""What one pass for all n saves over filtering and running each n's prompts on their own, measured in one run.

    python -m implicit_bayes.benchmarks.speed.one_pass lstm-small --instance ginc --k 5 --largest 32 --prompts 100

A pass over prompts of the largest n answers every smaller n on the way (causality), for (k + 1) N tokens a prompt; on
their own the prompts of n = 0..N cost (k + 1) N (N + 1) / 2.
"""

import time
from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import numpy as np
import tyro
from tyro.conf import Positional, arg

from implicit_bayes.benchmarks.predictors.curves import ask
from implicit_bayes.benchmarks.predictors.models import MixtureModel, find_model
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.instances import Instance, load_instance
from implicit_bayes.simulators.sampler import sample_prompts
from implicit_bayes.theory.objects.prompts import prefix_length


class Speed(NamedTuple):
    """Every prefix answered in one pass, and each on its own.

    Attributes:
        one_pass: CPU seconds of all threads, compilation excluded.
        each_alone: the same of the other way.
        ratio: each_alone / one_pass.
        agrees_to: largest difference of a probability between their answers.
    """

    one_pass: float
    each_alone: float
    ratio: float
    agrees_to: float


def one_pass_speed(
    instance: Instance, model: LanguageModel, k: int, largest: int, prompts: int, seed: int = 0
) -> Speed:
    """Time the in-context curve at every n = 0..largest, of a model and of exact Bayes together.

    Args:
        instance: whose prompts are asked.
        model: a language model.
        k: example length.
        largest: N.
        prompts: how many.
        seed: of the prompts.

    Returns:
        Speed: CPU seconds of either way, their ratio, and the largest difference of their answers.
    """
    key = jax.random.fold_in(jax.random.key(seed), 10)
    batch = sample_prompts(
        instance.mixture, instance.prompt_starts, key, prompts, k, largest, true_concepts=instance.true_concepts
    )
    both, ns = (model, MixtureModel("bayes", instance.mixture)), range(largest + 1)

    def together() -> np.ndarray:
        return np.stack([ask(each, batch.tokens, k, list(ns)).law_PxNxV for each in both])

    def alone() -> np.ndarray:
        laws = [[ask(each, batch.tokens[:, : prefix_length(k, n)], k, [n]).law_PxNxV for n in ns] for each in both]
        return np.stack([np.concatenate(law, axis=1) for law in laws])

    one, first = _seconds(together)
    many, second = _seconds(alone)
    return Speed(one, many, many / one, float(np.abs(first - second).max()))


def _seconds(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds of the second call, the first having compiled, and what it answers."""
    work()
    begin = time.process_time()
    answer = work()
    return time.process_time() - begin, answer


def main(
    model: Annotated[Positional[str], arg(metavar="MODEL_OR_RUN")] = "untrained",
    instance: str = "ginc",
    k: int = 5,
    largest: int = 32,
    prompts: int = 100,
    seed: int = 0,
) -> None:
    """Time one pass for all n against each n's prompts on their own.

    Args:
        model: as for ``implicit-bayes gap``.
        instance: a name or the path of an .npz.
        k: example length.
        largest: every n from 0 to this.
        prompts: how many.
        seed: of the prompts.
    """
    chosen = load_instance(instance)
    found = one_pass_speed(chosen, find_model(model, chosen), k, largest, prompts, seed)
    print(
        f"one pass {found.one_pass:.2f} CPU s, each n alone {found.each_alone:.2f} CPU s, ratio {found.ratio:.1f}, "
        f"answers agree to {found.agrees_to:.0e}"
    )


if __name__ == "__main__":
    with jax.enable_x64(True):
        tyro.cli(main)
