"""Trees of arrays as flat tables, path -> array, and back: how a state of training is stored.

The paths name what is stored (``network.layers.0.qkv.weight_IxO``), so that another configuration is noticed.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np

from implicit_bayes.lm.faults import CheckpointError
from implicit_bayes.theory.objects.types import Array

Tree = TypeVar("Tree")
Arrays = Any
"""A tree of arrays: JAX gives trees no type."""


def is_array(x: object) -> bool:
    """Whether something is an array of JAX or of NumPy."""
    return isinstance(x, jax.Array | np.ndarray)


def flatten(tree: Arrays) -> dict[str, Array]:
    """Path -> array of every array in a tree.

    Returns:
        Arrays by path, names joined with dots, in the tree's order.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, is_array))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def unflatten(like: Tree, arrays: Mapping[str, Array], source: str) -> Tree:
    """A tree like ``like`` with these arrays for its own.

    Args:
        like: a tree of the same shapes.
        arrays: by their paths, as ``flatten`` gives them.
        source: what an error names.

    Returns:
        A tree whose other leaves are those of ``like``.

    Raises:
        CheckpointError: an array is missing, left over, or of another shape or type.
    """
    wanted = flatten(like)
    for name in sorted(wanted.keys() ^ arrays.keys()):
        state = "missing" if name in wanted else "not part of this model"
        raise CheckpointError(f"{source}: {name} is {state}; was it written by another configuration?")
    for name, array in wanted.items():
        if (array.shape, array.dtype) != (arrays[name].shape, arrays[name].dtype):
            found = f"{arrays[name].dtype}{list(arrays[name].shape)}"
            raise CheckpointError(f"{source}: {name} is {found} where this run has {array.dtype}{list(array.shape)}")
    dynamic, static = eqx.partition(like, is_array)
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(dynamic), [arrays[name] for name in wanted]), static)
