"""numba's compiler, as this project uses it; imported only where machine code is wanted."""

from collections.abc import Callable
from typing import TypeVar, cast

try:
    import numba
except ImportError as error:
    raise ImportError("the compiled filter needs numba: pip install 'implicit-bayes[compiled]'") from error

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """numba's ``njit``, compiled in this process when first called (``stored_code`` keeps the filter's code on disk).

    Products may be contracted into fused multiply-adds; infinities, zeros and the order of sums are left alone.
    Each function is written so that one set of types calls it, without slice assignments: so they compile in seconds.

    Returns:
        A function of the same arguments, compiled anew for each set of types that calls it.
    """
    compiler = numba.njit(fastmath={"contract"}, error_model="numpy", boundscheck=False, nogil=True)
    return cast(F, compiler(function))
