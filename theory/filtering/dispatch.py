"""Which recursion and which engine a filter uses: every size rule in one place, each with its measurement.

Recursions: ``dense`` (all states), ``sparse`` (the states that can emit the token), ``log``. Engines: NumPy for
concrete arrays that it is done with before another engine is compiled; JAX, which also serves GPUs and gradients; and
compiled code for concrete arrays where numba is installed. The numbers behind the rules are in docs/speed.md.
"""

import math
from typing import Literal

import jax
import numpy as np

from implicit_bayes.theory.filtering import compiled
from implicit_bayes.theory.filtering.block_tables import BucketTables, bucket_bytes, bucket_tables, support_widths
from implicit_bayes.theory.filtering.support_tables import SupportTables, support_tables, support_width, table_bytes
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.precision import is_traced

Method = Literal["auto", "dense", "sparse", "log", "compiled"]

MAX_TABLE_BYTES = 512 * 2**20
"""The tables of token-pair blocks may take at most this; above it ``auto`` is dense."""

SPARSE_SHARE = 4
"""JAX's sparse recursion needs a widest support of at most H over this to beat its dense one."""

COMPILED_STATES = 32
"""Up to this many states compiled code beats a scan of JAX whatever the supports are (the scan is all overhead)."""

COMPILED_SHARE = 8
"""Above that, compiled blocks win where the mean product of two supports is at most H squared over this: a matrix
product over a batch makes far better use of the processor for each of its many more multiplications."""


COMPILED_WORK = 1 << 14
"""Tokens times concepts from which a call is worth machine code: compiling it takes seconds, once a process."""


HOST_SECONDS = 0.5
"""What NumPy does in this time is not worth a compilation: one of XLA takes 0.1 to 1 s for each shape, numba's 4 s."""

HOST_STEP, HOST_PRODUCT = 4e-5, 1e-9
"""Seconds that NumPy takes for one token of all documents, and for one multiplication in it, on one core of 2020."""


def on_host(steps: int, products: float) -> bool:
    """Whether NumPy does so many steps with so many multiplications in all before a compiler would be done.

    It depends on sizes alone, never on what this process has compiled: the same call gives the same bits everywhere.

    Args:
        steps: NumPy calls, one after the other.
        products: multiplications in all of them.
    """
    return steps * HOST_STEP + products * HOST_PRODUCT <= HOST_SECONDS


def filters_on_host(mixture: MixtureOfHMMs, method: Method, documents: int, length: int) -> bool:
    """Whether so many concrete documents of this length are filtered in NumPy.

    Args:
        mixture: the pretraining law.
        method: what was asked for; only "auto" leaves the choice.
        documents, length: B and T.
    """
    products = float(documents) * length * mixture.n_concepts * mixture.n_states * (mixture.n_states + 2)
    return method == "auto" and not is_traced(mixture) and on_host(length, products)


def choose(mixture: MixtureOfHMMs, method: Method) -> Method:
    """The recursion that ``auto`` means in JAX: sparse where the zeros of the emission are known and pay, else dense.

    Args:
        mixture: the pretraining law.
        method: what was asked for.

    Returns:
        "dense", "sparse", "log" or "compiled", never "auto".

    Raises:
        ModelError: an unknown method, or one that does not go with a traced mixture or with what is installed.
    """
    if method not in ("auto", "dense", "sparse", "log", "compiled"):
        raise ModelError(f"method: {method!r} is none of auto, dense, sparse, log, compiled")
    if method in ("sparse", "compiled") and is_traced(mixture):
        raise ModelError(
            f"method: {method} needs a concrete mixture (its zeros are structure); use dense under a trace"
        )
    if method == "compiled" and not compiled.available():
        raise ModelError("method: compiled needs numba; pip install 'implicit-bayes[compiled]', or use auto")
    if method != "auto":
        return method
    if is_traced(mixture):
        return "dense"
    pays = support_width(mixture.emission) * SPARSE_SHARE <= mixture.n_states
    return "sparse" if pays and table_bytes(mixture) <= MAX_TABLE_BYTES else "dense"


def compiles(mixture: MixtureOfHMMs, method: Method, tokens: float = math.inf) -> bool:
    """Whether so many concrete tokens of this mixture go to compiled code.

    Args:
        mixture: the pretraining law.
        method: what was asked for; "compiled" always does.
        tokens: B times T; without it as many as make the tables worth their time.
    """
    if method != "auto" or is_traced(mixture) or not compiled.available() or jax.default_backend() != "cpu":
        return method == "compiled"
    if tokens * mixture.n_concepts < COMPILED_WORK or bucket_bytes(mixture) > MAX_TABLE_BYTES:
        return False
    pairs = float(np.mean(support_widths(mixture))) ** 2
    return mixture.n_states <= COMPILED_STATES or pairs * COMPILED_SHARE <= mixture.n_states**2


class Prepared:
    """What filters precompute from one mixture, each table built when it is first asked for.

    Args:
        mixture: concrete.
    """

    def __init__(self, mixture: MixtureOfHMMs):
        self._mixture = mixture
        self._padded: SupportTables | None = None
        self._buckets: BucketTables | None = None

    def padded(self) -> SupportTables:
        """For JAX's sparse recursion.

        Returns:
            SupportTables of the mixture, built at the first call and kept.
        """
        if self._padded is None:
            self._padded = support_tables(self._mixture)
        return self._padded

    def buckets(self) -> BucketTables:
        """For compiled code.

        Returns:
            BucketTables of the mixture, built at the first call and kept.
        """
        if self._buckets is None:
            self._buckets = bucket_tables(self._mixture)
        return self._buckets


def prepare(mixture: MixtureOfHMMs, method: Method = "auto") -> Prepared | None:
    """What the sparse recursions precompute from a mixture, for callers that filter with the same one many times.

    Args:
        mixture: concrete, not traced.
        method: a recursion, see ``filter_mixture``.

    Returns:
        The tables to pass on as ``tables``; None where ``method`` comes to another recursion, which needs none.
    """
    return Prepared(mixture) if compiles(mixture, method) or choose(mixture, method) == "sparse" else None
