"""Checkpoints: the whole training state by Orbax, atomic, with a digest of every file so that damage is noticed.

RUN/checkpoints/<step> is one checkpoint: Orbax writes it aside and renames it; ``digest.json``, written last and aside,
holds the SHA-256 of every file. A folder without a digest was never finished. Two checkpoints are kept.

The state is stored flat, path -> array: weights, optimiser state and step. The step is the data position, and with the
run's seed it gives the data's and the dropout's keys (lm.data, lm.step).
"""

import contextlib
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Annotated

import jax
import msgspec
import numpy as np

from implicit_bayes.lm.faults import CheckpointError
from implicit_bayes.lm.trees import Arrays, Tree, flatten, unflatten
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.stored import read_json
from implicit_bayes.theory.objects.checks import ModelError

DIGEST = "digest.json"
Digests = dict[str, Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]]
STEP = re.compile(r"[0-9]{1,18}")
KEPT = 2


def steps_of(folder: Path) -> list[int]:
    """Steps of the finished checkpoints in RUN/checkpoints, oldest first.

    Returns:
        Numbers of training steps; checkpoints without a digest were not finished and are not among them.
    """
    if not folder.is_dir():
        return []
    return sorted(
        int(path.name) for path in folder.iterdir() if STEP.fullmatch(path.name) and (path / DIGEST).is_file()
    )


def save(folder: Path, step: int, tree: Arrays) -> None:
    """Write one checkpoint and remove those before the last two. Every process of a run must call this.

    Args:
        folder: of all checkpoints of a run.
        step: its name.
        tree: what is stored.

    Raises:
        CheckpointError: the disk is full, or cannot be written for another reason; earlier checkpoints are untouched.
    """
    import orbax.checkpoint as ocp

    target = folder.absolute() / str(step)
    first = jax.process_index() == 0
    try:
        if first:
            _clear(folder)
            folder.mkdir(parents=True, exist_ok=True)
            if target.exists():
                shutil.rmtree(target)
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(target, flatten(tree), force=True)
            checkpointer.wait_until_finished()
        if first:
            digests = _digests(target)
            with written_aside(target / DIGEST) as file:
                json.dump(digests, file)
            for old in steps_of(folder)[:-KEPT]:
                shutil.rmtree(folder / str(old))
    except Exception as error:  # Orbax passes on whatever its storage layer raises
        if first:
            with contextlib.suppress(OSError):
                _clear(folder)
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{target}: cannot be written ({reason}); free some space, then --resume") from error


def _clear(folder: Path) -> None:
    """Remove what an interrupted save left behind."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_dir() and not (path / DIGEST).is_file():
            shutil.rmtree(path)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DIGEST)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def load(folder: Path, step: int, like: Tree) -> Tree:
    """One checkpoint, as host arrays in a tree like ``like``.

    Args:
        folder: of all checkpoints of a run.
        step: which.
        like: a tree of the same arrays.

    Returns:
        A tree of NumPy arrays; every file was compared with the digest noted when it was written.

    Raises:
        CheckpointError: damaged (a file is missing or differs from its digest), or of another model.
    """
    import orbax.checkpoint as ocp

    target = folder.absolute() / str(step)
    try:
        expected = read_json(target / DIGEST, Digests, "it was not finished")
        found = _digests(target)
    except (OSError, ModelError) as error:
        raise CheckpointError(f"{target}: no readable {DIGEST} ({error})") from error
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            state = "missing" if name not in found else "truncated or changed"
            raise CheckpointError(f"{target}: {name} is {state}")
    try:
        with ocp.PyTreeCheckpointer() as checkpointer:
            metadata = checkpointer.metadata(target).item_metadata
            wanted = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), dict(metadata.tree))
            arrays = checkpointer.restore(target, restore_args=wanted)
    except Exception as error:  # as above
        raise CheckpointError(f"{target}: Orbax cannot read it ({' '.join(str(error).split())[:300]})") from error
    return unflatten(like, arrays, str(target))


def load_latest(folder: Path, like: Tree) -> tuple[int, Tree, list[str]]:
    """The newest checkpoint that can be read.

    Args:
        folder: of all checkpoints of a run.
        like: a tree of the same arrays.

    Returns:
        Its step, the tree, and one line for every newer checkpoint that had to be passed over.

    Raises:
        ModelError: there is none.
    """
    passed: list[str] = []
    for step in reversed(steps_of(folder)):
        try:
            return step, load(folder, step, like), passed
        except CheckpointError as error:
            passed.append(str(error))
    because = f" ({passed[0]})" if passed else ""
    raise ModelError(f"resume: no good checkpoint in {folder}{because}; train without --resume in a new directory")
