"""Task ``kl``: exact sum_j KL_j of every alternative at one k, from one expansion of the reachable prefixes."""

import numpy as np

from implicit_bayes.benchmarks.speed.compare import Advance, How, Run, Timing, compare, relative
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.kl import kl_sum, kl_table


def kl(
    name: str, instance: Instance, mixture: MixtureOfHMMs, repeats: int, advance: Advance, k: int = 5
) -> list[Timing]:
    """All alternatives at once, and one after the other. "Per token" is per token of an example: total over k.

    Args:
        name: of the instance, in words.
        instance: gives the prompt start law of concept 0.
        mixture: its kernels, or those smoothed; concept 0 is theta*.
        repeats: timed calls of each way.
        advance: called with 1 after every timed call.
        k: example length.

    Returns:
        One timing for each way.

    Raises:
        ModelError: the two ways disagree.
    """
    prompt = PromptLaw.of(mixture, instance.prompt_starts[0, 0], 0, k)
    laws = [mixture.concept(c) for c in range(1, mixture.n_concepts)]

    def together() -> np.ndarray:
        return np.array([each.value for each in kl_table(prompt, laws, [k])[0]])

    def apart() -> np.ndarray:
        return np.array([kl_sum(prompt, law).value for law in laws])

    ours = together()
    runs = {
        "ours": Run(together, k, lambda found: relative(found, ours), How("NumPy, all laws at once", len(laws))),
        "ours one by one": Run(apart, k, lambda found: relative(found, ours), How("NumPy, law after law", 1)),
    }
    return compare("kl", name, runs, repeats, advance)
