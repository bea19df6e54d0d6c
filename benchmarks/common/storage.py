"""Files that are either the old ones or the new ones, never half of both."""

import json
import math
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.theory import ModelError


class CheckFailed(Exception):
    """A check that was asked for did not pass (exit status 1)."""


def check_directory(directory: Path) -> Path:
    """Make DIR and make sure that it takes files, before hours of work rather than after.

    Raises:
        ModelError: with the reason and the remedy, on one line.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".writable."):
            return directory
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"out: cannot write to {directory} ({reason}); choose another directory") from error


def check_file(path: Path | None, name: str) -> None:
    """Raises ModelError unless ``path`` (if any) can be created."""
    if path is None:
        return
    if path.is_dir():
        raise ModelError(f"{name}: {path} is a directory; name a file")
    try:
        check_directory(path.parent)
    except ModelError as error:
        raise ModelError(str(error).replace("out:", f"{name}:", 1)) from error


def plain(value: Any) -> Any:
    """JSON-ready: NumPy unpacked, non-finite numbers as the strings "inf", "-inf", "nan", fractions as "p/q"."""
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
    return int(value) if isinstance(value, np.integer) else value


def write_json(path: Path, value: Any) -> None:
    """One JSON object, atomically."""
    text = json.dumps(plain(value), indent=1, allow_nan=False)
    with written_aside(path) as file:
        file.write(text + "\n")


def write_results(path: Path, results: xr.Dataset) -> None:
    """results.nc (netCDF-4 through h5netcdf), atomically."""
    content = results.to_netcdf(engine="h5netcdf")
    with written_aside(path, binary=True) as file:
        file.write(content)


def read_results(path: Path) -> xr.Dataset:
    """A stored results.nc, in memory.

    Raises:
        ModelError: missing or not a results file.
    """
    try:
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            return stored.load()
    except (OSError, ValueError) as error:
        raise ModelError(f"results: cannot read {path}; run verify with --out first") from error
