"""Compilations kept between runs of the command line, in the user's cache directory: JAX's, and the filter's by numba.

Only the command line turns this on; importing the package does not. ``IMPLICIT_BAYES_NO_CACHE=1`` leaves it off, and
a directory that cannot be written to leaves it off without a word: nothing but time depends on it.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jax

from implicit_bayes.theory.filtering.stored_code import keep_in

OPT_OUT = "IMPLICIT_BAYES_NO_CACHE"
LEAST_SECONDS = 0.1
"""Compilations faster than this are not worth a file."""


def directory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where compilations are kept: $XDG_CACHE_HOME (or ~/.cache)/implicit-bayes/jax; None if not wanted or possible.

    The user's own ``JAX_COMPILATION_CACHE_DIR`` comes first: where it is set, JAX uses it and this stays out.

    Returns:
        A path that may not exist yet, or None.
    """
    return None if environment.get("JAX_COMPILATION_CACHE_DIR") else _place("jax", environment)


def _place(name: str, environment: Mapping[str, str]) -> Path | None:
    if environment.get(OPT_OUT, "") not in ("", "0"):
        return None
    base = environment.get("XDG_CACHE_HOME", "")
    try:
        root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
        found = root / "implicit-bayes" / name
        found.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=found):
            return found
    except (OSError, RuntimeError):  # not writable, or no home
        return None


def keep_compilations() -> Path | None:
    """Turn the cache on for this process, where one is wanted and possible.

    Returns:
        The directory of JAX's cache, or None where it stays off.
    """
    keep_in(_place("machine-code", os.environ))
    found = directory()
    if found is not None:
        jax.config.update("jax_compilation_cache_dir", str(found))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return found
