"""Trained weights in one file: the configuration and every array, as .npz without pickles."""

import io
import json
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from implicit_bayes.lm.checkpoints import flatten, unflatten
from implicit_bayes.lm.faults import CheckpointError
from implicit_bayes.lm.lstm import LSTM
from implicit_bayes.lm.run import REMEDY, RunConfig, draw_network, from_json, to_json
from implicit_bayes.lm.transformer import Transformer
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.npz import Npz
from implicit_bayes.simulators.stored import parse
from implicit_bayes.theory.objects.checks import ModelError

CONFIG = "config"


def write_weights(path: Path, config: RunConfig, network: LSTM | Transformer) -> None:
    """Write a network with its configuration.

    Args:
        path: of the .npz.
        config: written into it.
        network: of that configuration.

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

    Returns:
        (configuration, network), every array finite.

    Raises:
        ModelError: missing, damaged, or not a file of ``write_weights``.
    """
    try:
        with Npz(path) as stored:
            if stored.header(CONFIG).nbytes > 1 << 22:
                raise ModelError(f"{CONFIG}: larger than any")
            config = from_json(parse(_text(stored.read(CONFIG)), JsonObject, str(path), REMEDY), str(path))
            like = empty_network(config)
            for name, leaf in flatten(like).items():
                if name in stored.names and stored.header(name).shape != leaf.shape:
                    shape = list(stored.header(name).shape)
                    raise ModelError(f"{name} is {shape} where this run has {list(leaf.shape)}")
            arrays = {name: stored.read(name) for name in stored.names if name != CONFIG}
        network = unflatten(like, arrays, str(path))
    except CheckpointError as error:
        raise ModelError(str(error)) from error
    except ModelError as error:
        words = str(error)
        raise ModelError(
            words if words.startswith(str(path)) else f"{path}: not a file of trained weights ({words})"
        ) from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{path}: {name} holds numbers that are not finite; {REMEDY}")
    return config, network


def empty_network(config: RunConfig) -> LSTM | Transformer:
    """A network of the right shapes that takes no memory: every array is one zero, seen many times.

    Returns:
        An LSTM or a Transformer to compare shapes with, not to compute with.
    """
    with jax.enable_x64(False):  # networks live in float32 whatever the caller computes in
        like = eqx.filter_eval_shape(draw_network, config)
    zeros = lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape)  # noqa: E731
    return jax.tree.map(lambda x: zeros(x) if isinstance(x, jax.ShapeDtypeStruct) else x, like)


def _text(array: np.ndarray) -> str:
    if array.dtype.kind != "U" or array.shape != ():
        raise ModelError(f"{CONFIG}: {array.dtype} of shape {array.shape} where a text is needed")
    return str(array)
