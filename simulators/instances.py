"""Named instances: a mixture with the prompt laws that go with it, by name or from an npz file.

ginc, ginc-100, ginc-150    the released recipe with V = 50, 100, 150
ginc-paper                  the paper's recipe
regular                     meets every assumption and both conditions
printed-counterexample      meets the printed assumptions and Condition 1, and fails to learn
mess3, rrxor, even, golden-mean
                            edge-emitting processes, with parameters as in mess3:x=0.05,alpha=0.85 (simulators.zoo)
chains                      Markov chains with Dirichlet rows, as in chains:concepts=64 (simulators.chains)
ginc-family                 the paper's recipe, any number of concepts: ginc-family:concepts=20 (simulators.ginc_family)
a path                      an npz file (see simulators.instance_files)
"""

import difflib
import os
from collections.abc import Callable

import numpy as np

from implicit_bayes.simulators import chains, ginc, ginc_family
from implicit_bayes.simulators.datasets import as_count
from implicit_bayes.simulators.ginc_instance import ginc_instance
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.instance_files import read_instance, save_instance
from implicit_bayes.simulators.regular import regular
from implicit_bayes.simulators.zoo import ZOO, in_zoo, zoo_instance
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1

__all__ = ["MAKERS", "Instance", "load_instance", "save_instance"]


def load_instance(spec: str, seed: int | None = None) -> Instance:
    """The instance called ``spec``, or the one in the file ``spec``.

    Args:
        spec: a name, or a path: what contains a slash, ends in .npz, or exists.
        seed: for ``ginc-paper``, the only instance that is drawn; the others are what they are.

    Returns:
        Instance: mixture, prompt start laws, true concepts, and k where it has one of its own.

    Raises:
        ModelError: an unknown name (the nearest is suggested), a file with a defect, or a negative seed.
    """
    if seed is not None:
        as_count("seed", seed, least=0)
    if spec in MAKERS:
        return MAKERS[spec](spec, seed)
    if in_zoo(spec):
        return zoo_instance(spec)
    if chains.in_chains(spec):
        return chains.chain_instance(spec)
    if ginc_family.in_family(spec):
        return ginc_family.family_instance(spec)
    if "/" in spec or os.sep in spec or spec.endswith(".npz") or os.path.exists(spec):
        return read_instance(spec)
    known = [*MAKERS, chains.NAME, ginc_family.NAME]
    near = difflib.get_close_matches(spec, known, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]!r}? " if near else ""
    names = ", ".join(known)
    raise ModelError(f"instance: unknown name {spec!r}; {guess}choose {names}, or the path of an .npz file")


def _released(vocabulary: int) -> Callable[[str, int | None], Instance]:
    def make(name: str, seed: int | None) -> Instance:
        mixture = ginc.released_ginc(vocabulary).pretraining
        text = f"GINC, released recipe (10 permutations), V = {vocabulary}"
        return ginc_instance(name, mixture, ginc.PARAMETER_SEED, text, vocabulary)

    return make


def _paper(name: str, seed: int | None) -> Instance:
    seed = ginc.PAPER_SEED if seed is None else seed
    return ginc_instance(name, ginc.paper_ginc(seed=seed), seed, "GINC, paper recipe (100 permutations), V = 50")


def _regular(name: str, seed: int | None) -> Instance:
    mixture, start = regular()
    starts = np.tile(start, (mixture.n_concepts, 1, 1))
    text = "cyclic shifts over six words, 5% smoothed: A1-A5 and both conditions hold at every k >= 2"
    return Instance(
        name=name,
        mixture=mixture,
        prompt_starts=starts,
        true_concepts=tuple(range(mixture.n_concepts)),
        k=5,
        seed=None,
        description=text,
    )


def _counterexample(name: str, seed: int | None) -> Instance:
    """The instance of ``theory.proofs.counterexamples.printed_theorem_1``."""
    case = printed_theorem_1()
    starts = np.tile(np.asarray(case.prompt.start), (case.mixture.n_concepts, 1, 1))
    text = "meets the printed A1-A5 and Condition 1, and the posterior concentrates on the wrong concept"
    return Instance(
        name=name,
        mixture=case.mixture,
        prompt_starts=starts,
        true_concepts=(case.true_concept,),
        k=case.prompt.length,
        seed=None,
        description=text,
    )


MAKERS: dict[str, Callable[[str, int | None], Instance]] = {
    "ginc": _released(50),
    "ginc-100": _released(100),
    "ginc-150": _released(150),
    "ginc-paper": _paper,
    "regular": _regular,
    "printed-counterexample": _counterexample,
    **dict.fromkeys(ZOO, zoo_instance),
}
"""Every name, and what makes it of the name and the caller's seed."""
