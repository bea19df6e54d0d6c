"""Checks of the mathematics at construction: errors name the field, the row and the number.

They guard what users bring. What we computed ourselves (predictives, smoothed or random kernels, priors on a grid) is
normalised up to rounding by construction; ``without_subnormals`` takes its faint entries.
"""

import sys
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

SIMPLEX_TOLERANCE = 1e-9
"""How far the sum of a probability row may lie from one (absolute)."""


class ModelError(ValueError):
    """A field of a mathematical object is not what it claims to be (one line, names the field)."""


_Law = TypeVar("_Law")


@runtime_checkable
class Shaped(Protocol):
    """An array of NumPy's or JAX's, or a tracer of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every axis."""


def is_tracer(value: object) -> bool:
    """Whether JAX is tracing this value (inside jit, grad or vmap); without JAX loaded there is none.

    JAX is not imported for it: what is refused here is refused in a tenth of a second.
    """
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def as_float64(name: str, value: object) -> Any:  # an array, or untouched what JAX traces
    """A float64 NumPy array of ``value``; tracers (inside jit, grad, vmap) and leafless
    placeholders pass through untouched.

    Args:
        name: of the field, for the error.
        value: what a user brought.

    Returns:
        A new float64 array, or the value itself.

    Raises:
        ModelError: if the value is not a real numeric array.
    """
    if is_tracer(value):
        return value
    array = np.asarray(value)
    if array.dtype == object or not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise ModelError(f"{name}: expected numbers, got dtype {array.dtype}")
    if np.iscomplexobj(array):
        raise ModelError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def check_shape(name: str, array: Shaped, shape: tuple[int, ...], because: str) -> None:
    """Raises ModelError unless ``array.shape == shape``.

    Args:
        name: of the field, for the error.
        array: what is checked.
        shape: what it must have.
        because: who asks for it, for the error.

    Raises:
        ModelError: another shape.
    """
    if tuple(array.shape) != shape:
        raise ModelError(f"{name}: shape {tuple(array.shape)} where {because} asks for {shape}")


def check_simplex(name: str, array: object) -> None:
    """Every row (last axis) is a probability law: finite, nonnegative, sums to one, no subnormal entries
    (XLA flushes those to zero, which would turn the merely improbable into the impossible).

    Skipped for tracers, whose values are not known.

    Args:
        name: of the field, for the error.
        array: laws along the last axis.

    Raises:
        ModelError: naming the field, the first bad row, and its sum or its bad entry.
    """
    if is_tracer(array):
        return
    rows = np.asarray(array)
    if rows.shape[-1] == 0:
        raise ModelError(f"{name}: the last axis is empty")
    subnormal = (rows > 0) & (rows < np.finfo(np.float64).tiny)
    lost = "is below 2.2e-308, where arithmetic would take it for zero; make it zero or larger"
    for defect, text in ((~np.isfinite(rows), "is not finite"), (rows < 0, "is negative"), (subnormal, lost)):
        if defect.any():
            where = tuple(int(i) for i in np.argwhere(defect)[0])
            raise ModelError(f"{_at(name, where)}: entry {float(rows[where])!r} {text}")
    sums = rows.sum(-1)
    bad = np.abs(sums - 1.0) > SIMPLEX_TOLERANCE
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0]) if sums.ndim else ()
        raise ModelError(
            f"{_at(name, where)}: row sums to {float(sums[where]):.12g}, not to one within "
            f"{SIMPLEX_TOLERANCE:g}; normalise it in float64"
        )


def without_subnormals(law: _Law) -> _Law:
    """A law that we computed, its entries below float64's normal range (2.2e-308) put to exactly zero.

    Arithmetic flushes such entries one by one, here and there; a law is what it is everywhere. What users bring is
    refused instead (``check_simplex``): they are told, and choose. Tracers pass through.

    Returns:
        float64 of the same shape; a row may then sum to less than 1 by at most H times 2.2e-308.
    """
    if is_tracer(law):
        return law
    values = np.asarray(law)
    return cast(_Law, np.where(np.abs(values) < np.finfo(np.float64).tiny, 0.0, values))


def _at(name: str, where: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, where))}]" if where else name
