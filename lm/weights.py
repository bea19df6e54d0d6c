"""Trained weights in one file: the configuration and every array, as .npz without pickles."""

import io
import json
import zipfile
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from implicit_bayes.lm.checkpoints import CheckpointError, flatten, unflatten
from implicit_bayes.lm.lstm import LSTM
from implicit_bayes.lm.run import RunConfig, draw_network, from_json, to_json
from implicit_bayes.lm.transformer import Transformer
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.theory.objects.checks import ModelError

CONFIG = "config"


def write_weights(path: Path, config: RunConfig, network: LSTM | Transformer) -> None:
    """Write a network with its configuration.

    Raises:
        ModelError: the place cannot be written.
    """
    arrays = {name: np.asarray(array) for name, array in flatten(network).items()}
    content = io.BytesIO()
    arrays[CONFIG] = np.array(json.dumps(to_json(config)))
    np.savez(content, allow_pickle=False, **arrays)
    with written_aside(path, binary=True) as file:
        file.write(content.getvalue())


def read_weights(path: Path) -> tuple[RunConfig, LSTM | Transformer]:
    """A network with its configuration.

    Raises:
        ModelError: missing, damaged, or not a file of ``write_weights``.
    """
    try:
        content = io.BytesIO(path.read_bytes())  # NumPy leaves a file open that it cannot read
        with np.load(content, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        config = from_json(json.loads(str(arrays.pop(CONFIG))), str(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: not a file of trained weights ({error})") from error
    with jax.enable_x64(False):  # networks live in float32 whatever the caller computes in
        like = eqx.filter_eval_shape(draw_network, config)
    like = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype) if isinstance(x, jax.ShapeDtypeStruct) else x, like)
    try:
        return config, unflatten(like, arrays, str(path))
    except CheckpointError as error:
        raise ModelError(str(error)) from error
