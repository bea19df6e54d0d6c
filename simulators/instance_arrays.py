"""The arrays in an instance's npz file, read and checked as arrays: what can be refused before anything is built.

Nothing here needs JAX, so that a damaged file is named in a tenth of a second.
"""

import difflib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from implicit_bayes.simulators.npz import Npz
from implicit_bayes.simulators.stored import printable
from implicit_bayes.theory.objects.checks import ModelError

REQUIRED = ("prior", "initial", "transition", "emission", "delimiter")
OPTIONAL = ("prompt_start", "prompt_starts", "true_concept", "true_concepts", "k", "seed")

Arrays = dict[str, np.ndarray]


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """A ModelError of this block begins with the path, on one line.

    Raises:
        ModelError: that one, with the path.
    """
    try:
        yield
    except ModelError as error:
        raise ModelError(" ".join(f"{path}: {error}".split())) from error


def check_file(path: str | os.PathLike[str]) -> None:
    """Look at the container and at the headers of its arrays, not at their contents.

    Args:
        path: of an npz file.

    Raises:
        ModelError: as ``read_instance`` for a file that is no such container, or lacks an array.
    """
    with naming(path), _opened(Path(path)) as archive:
        for name in _known(archive):
            archive.header(name)


def read_arrays(path: Path) -> Arrays:
    """The arrays with known names.

    Returns:
        Arrays of real numbers by name; one that the file leaves out is absent.

    Raises:
        ModelError: no such file, not a zip, damaged, a required array missing or misspelt, or not plain numbers.
    """
    with _opened(path) as archive:
        return {name: _real(name, archive.read(name)) for name in _known(archive)}


def _opened(path: Path) -> Npz:
    if not path.exists():
        raise ModelError("file: does not exist; check the path")
    if path.is_dir():
        raise ModelError("file: is a directory; name an .npz file")
    return Npz(path)


def _known(archive: Npz) -> list[str]:
    """Names of the arrays that are meant for us.

    Raises:
        ModelError: a required one is missing or misspelt, or there is one that nothing reads.
    """
    held = set(archive.names)
    missing = [name for name in REQUIRED if name not in held]
    for name in sorted(held.difference(REQUIRED, OPTIONAL)):
        near = difflib.get_close_matches(name, set(REQUIRED + OPTIONAL) - held, n=1, cutoff=0.8)
        remedy = f"rename it {near[0]!r} if that is what it is, or leave it out" if near else "leave it out"
        known = ", ".join(REQUIRED + OPTIONAL)
        raise ModelError(f"{printable(name)}: unknown array; {remedy} (an instance has the arrays {known})")
    if missing:
        raise ModelError(f"{missing[0]}: missing; the file needs the arrays {', '.join(REQUIRED)}")
    return [name for name in (*REQUIRED, *OPTIONAL) if name in held]


def _real(name: str, array: np.ndarray) -> np.ndarray:
    """An array, if it is one of real numbers and not empty.

    Raises:
        ModelError: text, complex numbers, or empty.
    """
    if array.dtype.kind not in "iuf":
        raise ModelError(f"{name}: dtype {array.dtype} where real numbers are needed; convert it to float64 or int64")
    if not array.size:
        raise ModelError(f"{name}: empty (shape {array.shape}); give at least one entry")
    return array
