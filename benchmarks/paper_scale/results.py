"""What a run leaves in OUT, small enough to come back from a machine that is there for minutes:

run.json             device, settings, and how far each training came
bayes.json           what exact Bayes, smoothed and prompt-aware, answer to the same prompts
NAME/metrics.jsonl   one line a measurement: loss, excess, tokens a second, share of the peak; curves at some
NAME/curves.nc       the curves alone, netCDF-3 (written by SciPy, which JAX brings)
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np
from scipy.io import netcdf_file

from implicit_bayes.benchmarks.paper_scale.settings import Settings
from implicit_bayes.benchmarks.paper_scale.yardsticks import Yardsticks, labels
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.json_types import JsonMapping, JsonObject
from implicit_bayes.theory import ModelError

if TYPE_CHECKING:
    import h5py

RUN, BAYES, METRICS, CURVES = "run.json", "bayes.json", "metrics.jsonl", "curves.nc"
BY_POINT = ("excess", "published_excess", "published_excess_standard_error", "implied_tv", "implied_tv_standard_error",
            "implied_residual", "loss")  # fmt: skip


def write_json(path: Path, value: object) -> None:
    """One JSON object, atomically.

    Args:
        path: of the file.
        value: what JSON can say, without infinities.
    """
    with written_aside(path) as file:
        file.write(json.dumps(value, indent=1, allow_nan=False) + "\n")


def earlier(out: Path, settings: Settings) -> JsonObject:
    """What run.json says of trainings that were done before.

    Args:
        out: DIR.
        settings: of the run.

    Returns:
        Name of the training -> what it came to; empty where DIR holds no run.

    Raises:
        ModelError: it cannot be read, or is of other settings.
    """
    path = out / RUN
    if not path.is_file():
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        before, trainings = stored["settings"], dict(stored["trainings"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"out: {path} cannot be read ({type(error).__name__}); name another directory") from error
    now = json.loads(json.dumps(settings._asdict()))
    for field, value in now.items():
        if not isinstance(before, dict) or before.get(field) != value:
            found = before.get(field) if isinstance(before, dict) else before
            raise ModelError(f"{field}: {path} is of a run with {found}, not {value}; name another directory")
    return trainings


def write_run(out: Path, settings: Settings, trainings: JsonMapping, finished: bool) -> None:
    """run.json: the machine, the settings and every training.

    Args:
        out: DIR.
        settings: of the run.
        trainings: what is known of each, by its name.
        finished: whether all are done.
    """
    device = jax.devices()[0]
    about = {"platform": device.platform, "device": device.device_kind, "jax": jax.__version__}
    of_run = {"settings": settings._asdict(), "finished": finished, "trainings": dict(trainings)}
    write_json(out / RUN, about | of_run)


def write_bayes(out: Path, settings: Settings, yard: Yardsticks) -> None:
    """bayes.json: counts over the prompts, by reference, k and n.

    Args:
        out: DIR.
        settings: of the run.
        yard: the exact references.
    """
    found = {
        label: {"right": yard.right_RxKxN[r].tolist(), "answered": yard.answered_RxKxN[r].tolist()}
        for r, label in enumerate(labels())
    }
    write_json(out / BAYES, {
        "k": list(settings.ks), "n": list(settings.ns), "prompts": settings.prompts, "predictors": found,
        "cross_entropy": -float(yard.log_bayes_DxT.mean()),
        "published_cross_entropy": -float(yard.log_bayes_published_DxT.mean()),
    })  # fmt: skip


def write_curves(path: Path, records: Sequence[JsonMapping], settings: Settings) -> None:
    """curves.nc of the records that hold curves: (point, k, n) counts of right answers, and what else was measured.

    Args:
        path: of curves.nc; not written where no record holds curves.
        records: of one training.
        settings: whose k and n the curves have.
    """
    found = [record for record in records if "right" in record]
    if not found:
        return
    content = io.BytesIO()
    file = netcdf_file(content, "w")
    for name, size in (("point", len(found)), ("k", len(settings.ks)), ("n", len(settings.ns))):
        file.createDimension(name, size)
    file.prompts = settings.prompts
    _variable(file, "k", ("k",), np.array(settings.ks, np.int32))
    _variable(file, "n", ("n",), np.array(settings.ns, np.int32))
    _variable(file, "right", ("point", "k", "n"), np.array([record["right"] for record in found], np.int32))
    for name in ("step", "tokens"):
        _variable(file, name, ("point",), np.array([record[name] for record in found], np.int32))
    for name in BY_POINT:
        values = [np.nan if record[name] is None else record[name] for record in found]
        _variable(file, name, ("point",), np.array(values, np.float64))
    file.flush()
    with written_aside(path, binary=True) as target:
        target.write(content.getvalue())


def _variable(file: "h5py.File", name: str, dimensions: tuple[str, ...], values: np.ndarray) -> None:
    file.createVariable(name, values.dtype, dimensions)[:] = values
