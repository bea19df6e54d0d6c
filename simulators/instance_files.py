"""Instances as npz files: plain numeric arrays, never a pickle; every defect of a file is one line that says so.

Arrays: prior (C,), initial (C, H), transition (C, H, H), emission (H, V) or (C, H, V), delimiter (); optional
prompt_start (H,), true_concept (), k (), seed (); and, for instances with several of them, prompt_starts (C, S, H)
and true_concepts (number of them,). Without a prompt start law, that of the true concept's documents serves; without
a true concept, every concept is the true one in turn.
"""

import os
from collections.abc import Container
from pathlib import Path

import numpy as np

from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.instance_arrays import REQUIRED, Arrays, naming, read_arrays
from implicit_bayes.simulators.stored import JsonObject, printable
from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape, check_simplex
from implicit_bayes.theory.objects.models import MixtureOfHMMs


def read_instance(path: str | os.PathLike[str]) -> Instance:
    """The instance in an npz file.

    Args:
        path: of the file.

    Returns:
        Instance: called after the file's stem.

    Raises:
        ModelError: any defect of the file, its zip container included: one line with the path, the field and the
            remedy.
    """
    with naming(path):
        return _instance(Path(path), read_arrays(Path(path)))


def save_instance(instance: Instance, path: str | os.PathLike[str]) -> Path:
    """Writes an instance so that ``read_instance`` gives it back (name and description apart), atomically.

    Args:
        instance: what to write.
        path: where; made if its directory is missing, replaced if it exists.

    Returns:
        The path.

    Raises:
        ModelError: the path cannot be written.
    """
    mixture, starts = instance.mixture, np.asarray(instance.prompt_starts)
    arrays: JsonObject = {name: np.asarray(getattr(mixture, name)) for name in REQUIRED}
    if starts.shape[1] == 1 and (starts == starts[0]).all():
        arrays["prompt_start"] = starts[0, 0]
    else:
        arrays["prompt_starts"] = starts
    if len(instance.true_concepts) == 1:
        arrays["true_concept"] = np.int64(instance.true_concepts[0])
    elif instance.true_concepts != tuple(range(mixture.n_concepts)):
        arrays["true_concepts"] = np.array(instance.true_concepts, dtype=np.int64)
    arrays |= {name: np.int64(value) for name in ("k", "seed") if (value := getattr(instance, name)) is not None}
    with written_aside(path, binary=True) as file:
        np.savez(file, **arrays)
    return Path(path)


def _instance(path: Path, arrays: Arrays) -> Instance:
    """The instance of the arrays, all constraints between them checked.

    Raises:
        ModelError: naming the field and the remedy.
    """
    name = printable(path.stem)
    delimiter = _integer("delimiter", arrays["delimiter"])
    try:
        prior, initial, transition, emission = (arrays[name] for name in REQUIRED[:-1])
        mixture = MixtureOfHMMs(prior, initial, transition, emission, delimiter)
        starts = _prompt_starts(mixture, arrays)
        trues = _true_concepts(mixture, arrays)
        k, seed = (_integer(name, arrays[name]) if name in arrays else None for name in ("k", "seed"))
        words = "; ".join([f"read from {printable(str(path))}", *defaults_in_words(arrays)])
        return Instance(
            name=" ".join(name.split()) or "instance",
            mixture=mixture,
            prompt_starts=starts,
            true_concepts=trues,
            k=k,
            seed=seed,
            description=words,
        )
    except ModelError as error:
        text = str(error)
        raise ModelError(text if ";" in text else f"{text}; correct that array and save the file again") from error


def defaults_in_words(arrays: Container[str]) -> list[str]:
    """What stands in for the optional arrays that a file leaves out, a sentence each.

    Args:
        arrays: names of the arrays that the file holds.

    Returns:
        Sentences, none where the file says everything.
    """
    words = []
    if "prompt_start" not in arrays and "prompt_starts" not in arrays:
        words.append("no prompt_start: examples start as the true concept's documents do")
    if "true_concept" not in arrays and "true_concepts" not in arrays:
        words.append("no true_concept: every concept is the true one in turn")
    if "k" not in arrays:
        words.append("no k: example lengths 3, 5, 8 and 10 unless others are asked for")
    return words


def _prompt_starts(mixture: MixtureOfHMMs, arrays: Arrays) -> np.ndarray:
    """(C, S, H) start laws: those given, the one given for every concept, or each concept's document start law."""
    if "prompt_start" in arrays and "prompt_starts" in arrays:
        raise ModelError("prompt_start: given beside prompt_starts; leave one of the two out")
    if "prompt_starts" in arrays:
        return arrays["prompt_starts"]
    if "prompt_start" not in arrays:
        return np.asarray(mixture.initial)[:, None]
    start = as_float64("prompt_start", arrays["prompt_start"])
    check_shape("prompt_start", start, (mixture.n_states,), f"a mixture of {mixture.n_states} states")
    check_simplex("prompt_start", start)
    return np.tile(start, (mixture.n_concepts, 1, 1))


def _true_concepts(mixture: MixtureOfHMMs, arrays: Arrays) -> tuple[int, ...]:
    """The true concepts given; all of them in turn where none is."""
    if "true_concept" in arrays and "true_concepts" in arrays:
        raise ModelError("true_concept: given beside true_concepts; leave one of the two out")
    if "true_concept" in arrays:
        return (_integer("true_concept", arrays["true_concept"]),)
    if "true_concepts" in arrays:
        if arrays["true_concepts"].ndim != 1:
            raise ModelError(f"true_concepts: shape {arrays['true_concepts'].shape}; give a list of integers")
        return tuple(_integer("true_concepts", concept) for concept in arrays["true_concepts"])
    return tuple(range(mixture.n_concepts))


def _integer(name: str, array: np.ndarray) -> int:
    """A scalar that is a whole number.

    Raises:
        ModelError: more than one number, or not a whole one.
    """
    array = np.asarray(array)
    if array.shape != ():
        raise ModelError(f"{name}: shape {array.shape} where one integer is needed; save it as a scalar")
    if not abs(array) < 2.0**63 or array != np.floor(array):  # nan and inf fail the first comparison
        raise ModelError(f"{name}: {array.item()} is not a whole number of 64 bits; save it as an integer")
    return int(array)
