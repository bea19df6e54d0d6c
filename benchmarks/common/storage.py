"""Files that are either the old ones or the new ones, never half of both."""

import io
import json
import math
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from implicit_bayes.simulators.atomic import clear_left_behind, written_aside
from implicit_bayes.simulators.stored import LARGEST, MOST_DRAWN, short
from implicit_bayes.theory import ModelError

if TYPE_CHECKING:  # imported where they are used: most errors are found without them
    import h5py
    import xarray as xr


JsonValue = None | bool | int | float | str | Sequence[object] | Mapping[str, object]
"""What JSON can say."""


class CheckFailed(Exception):
    """A check that was asked for did not pass (exit status 1)."""


def check_directory(directory: Path) -> Path:
    """Make DIR and make sure that it takes files, before hours of work rather than after.

    Returns:
        The directory.

    Raises:
        ModelError: with the reason and the remedy, on one line.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        clear_left_behind(directory)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".writable."):
            return directory
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"out: cannot write to {directory} ({reason}); choose another directory") from error


def check_file(path: Path | None, name: str) -> None:
    """Make sure that a file can be created, before the work rather than after; its directory is made.

    Args:
        path: of the file to be written, or None where none is asked for.
        name: of the option, for the error.

    Raises:
        ModelError: it is a directory, or its directory takes no files.
    """
    if path is None:
        return
    if path.is_dir():
        raise ModelError(f"{name}: {path} is a directory; name a file")
    try:
        check_directory(path.parent)
    except ModelError as error:
        raise ModelError(str(error).replace("out:", f"{name}:", 1)) from error


def plain(value: object) -> JsonValue:
    """JSON-ready: NumPy unpacked, non-finite numbers as the strings "inf", "-inf", "nan", fractions as "p/q".

    Returns:
        Objects, lists, strings, numbers, booleans and null.
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else str(float(value))
    return int(value) if isinstance(value, np.integer) else cast(JsonValue, value)


def write_json(path: Path, value: object) -> None:
    """Write one JSON value (see ``plain``), atomically.

    Args:
        path: of the file.
        value: whatever ``plain`` understands.

    Raises:
        ModelError: the place cannot be written.
    """
    text = json.dumps(plain(value), indent=1, allow_nan=False)
    with written_aside(path) as file:
        file.write(text + "\n")


def write_results(path: Path, results: "xr.Dataset") -> None:
    """results.nc (netCDF-4 through h5netcdf), atomically.

    Args:
        path: of the file.
        results: the data set.

    Raises:
        ModelError: the place cannot be written.
    """
    from implicit_bayes.benchmarks.common.netcdf import dump

    content = io.BytesIO()
    dump(results, content)
    with written_aside(path, binary=True) as file:
        file.write(content.getvalue())


def read_results(path: Path, remedy: str = "run verify with --out first") -> "xr.Dataset":
    """A stored results.nc, in memory.

    Args:
        path: of the file.
        remedy: how an error ends.

    Returns:
        A Dataset in memory; the file is closed.

    Raises:
        ModelError: missing, not a results file, larger than any, one that reads other files, or a finite number that
            no axis can show.
    """
    import h5py
    import xarray as xr
    from xarray.backends import H5NetCDFStore

    try:
        with h5py.File(path, "r") as file:
            _check_contents(file)
        store = H5NetCDFStore.open(str(path), mode="r", lock=False)  # open_dataset would import Dask where there is one
        try:
            results = xr.Dataset.load_store(store).load()
        finally:
            store.close()
    except Exception as error:  # whatever a damaged container makes HDF5's readers raise, the file is at fault
        words = f"results: cannot read {path} ({short(error)}); {remedy}"
        raise ModelError(words) from error
    for name, values in results.variables.items():
        if values.dtype.kind == "O" and not all(isinstance(value, str) for value in values.values.flat):
            raise ModelError(f"results: {name} in {path} holds neither numbers nor words; run the command again")
        size = np.abs(values.values) if values.dtype.kind == "f" else np.zeros(1)
        if ((size > MOST_DRAWN) & (size < math.inf)).any():
            words = f"results: a number of {name} in {path} is beyond {MOST_DRAWN:g}, which no axis can show"
            raise ModelError(f"{words}; run the command again")
    return results


def _check_contents(file: "h5py.File") -> None:
    """Sizes are as they are declared, whatever is stored: a hostile file declares terabytes in a few bytes."""
    import h5py

    total = 0
    for name in file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link")
        item = file[name]
        if isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                raise ValueError(f"{name} lies in another file")
            total += item.size * max(1, item.dtype.itemsize)
    if total > LARGEST:
        raise ValueError(f"{total:,} bytes when unpacked, more than {LARGEST:,}")


@contextmanager
def reading(source: Path, remedy: str = "run the command that made it again") -> Iterator[None]:
    """What goes wrong in this block is the fault of a stored file that somebody changed, in a way no schema sees.

    Numbers whose product or sum float64 does not hold are such a fault, and not a warning on the screen.

    Args:
        source: the stored file, for the error.
        remedy: how an error ends.

    Raises:
        ModelError: for whatever the block raises but errors of the system.
    """
    try:
        with np.errstate(over="raise"):
            yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        words = f"{source}: holds what cannot be shown ({type(error).__name__}: {short(error)}); {remedy}"
        raise ModelError(words) from error


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""Names of figures; they become names of files."""


def inside(directory: Path, name: str, ending: str) -> Path:
    """DIR/NAME.ENDING for a name that came out of a file.

    Args:
        directory: DIR.
        name: of the figure: letters, digits, - and _, at most 100.
        ending: without its dot.

    Returns:
        A path in DIR, whether or not there is such a file.

    Raises:
        ModelError: a name that could lead out of DIR.
    """
    if not NAME.fullmatch(name):
        raise ModelError(f"results: {name[:60]!r} is no name of a figure; run the command that stored it again")
    return directory / f"{name}.{ending}"


def folders(out: Path | None, names: Sequence[str]) -> list[Path | None]:
    """Where each of several instances writes: DIR for one alone, else a folder each, never the same one twice.

    Args:
        out: DIR, or None where nothing is written.
        names: of the instances; what no folder can be called is replaced by _.

    Returns:
        One place for each name, in order.
    """
    if out is None or len(names) == 1:
        return [out] * len(names)
    chosen: list[Path | None] = []
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^\w.,+=@()\[\] -]", "_", name).strip(". ")[:80] or "instance"
        folder, i = stem, 1
        while folder.casefold() in taken:
            i += 1
            folder = f"{stem}-{i}"
        taken.add(folder.casefold())
        chosen.append(out / folder)
    return chosen
