"""``compiled_documents.documents`` behind two pointers, so that its machine code can be called without numba.

Imported only when machine code is made to be kept (``stored_code``); needs numba.
"""

from typing import Any, cast, no_type_check

import numpy as np

from implicit_bayes.theory.filtering.compiled_documents import documents
from implicit_bayes.theory.filtering.machine_code import compiled
from implicit_bayes.theory.filtering.stored_code import KINDS, LARGEST_RANK

try:
    from numba import carray, cfunc, types
    from numba.extending import intrinsic
except ImportError as error:
    raise ImportError("the compiled filter needs numba: pip install 'implicit-bayes[compiled]'") from error

ROWS = len(KINDS) + 1
"""Of the table of shapes; the last row holds the two numbers that are not arrays."""


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:  # numba's own objects, which it gives no types
    """The address, an integer, as a pointer."""

    @no_type_check
    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@compiled
@no_type_check
def _reals_1(at, size, i):
    """The i-th array, of one axis.

    Args:
        at: addresses.
        size: shapes.
        i: which.
    """
    return carray(_pointer(at[i]), (size[i, 0],), np.float64)


@compiled
@no_type_check
def _reals_2(at, size, i):
    """See ``_reals_1``; of two axes."""
    return carray(_pointer(at[i]), (size[i, 0], size[i, 1]), np.float64)


@compiled
@no_type_check
def _reals_3(at, size, i):
    """See ``_reals_1``; of three axes."""
    return carray(_pointer(at[i]), (size[i, 0], size[i, 1], size[i, 2]), np.float64)


@compiled
@no_type_check
def _reals_4(at, size, i):
    """See ``_reals_1``; of four axes."""
    return carray(_pointer(at[i]), (size[i, 0], size[i, 1], size[i, 2], size[i, 3]), np.float64)


@compiled
@no_type_check
def _reals_5(at, size, i):
    """See ``_reals_1``; of five axes."""
    return carray(_pointer(at[i]), (size[i, 0], size[i, 1], size[i, 2], size[i, 3], size[i, 4]), np.float64)


@compiled
@no_type_check
def _integers_1(at, size, i):
    """See ``_reals_1``; 64-bit integers."""
    return carray(_pointer(at[i]), (size[i, 0],), np.int64)


@compiled
@no_type_check
def _integers_2(at, size, i):
    """See ``_reals_2``; 64-bit integers."""
    return carray(_pointer(at[i]), (size[i, 0], size[i, 1]), np.int64)


@no_type_check
def entry(addresses, shapes):
    """``documents`` of the arrays at these addresses, in the order of ``stored_code.KINDS``.

    Args:
        addresses: a pointer to one integer an array.
        shapes: a pointer to ``LARGEST_RANK`` integers an array, then to the blocks' bits and whether predictives are
            apart.
    """
    at, size = carray(addresses, (ROWS - 1,)), carray(shapes, (ROWS, LARGEST_RANK))
    tokens = carray(_pointer(at[0]), (size[0, 0], size[0, 1]), np.int32)
    carry = (_reals_3(at, size, 2), _integers_2(at, size, 3), _integers_1(at, size, 4))
    blocks = (
        _integers_1(at, size, 6), _integers_1(at, size, 7), _integers_1(at, size, 8), size[ROWS - 1, 0],
        _reals_5(at, size, 9), _reals_5(at, size, 10), _reals_5(at, size, 11), _reals_5(at, size, 12),
    )  # fmt: skip
    following = (_reals_3(at, size, 13), _reals_3(at, size, 14), _reals_1(at, size, 15))
    workspace = (
        _reals_3(at, size, 16), _reals_2(at, size, 17), _integers_2(at, size, 18), _integers_2(at, size, 19),
        _integers_1(at, size, 20), _integers_1(at, size, 21), _reals_1(at, size, 22), _reals_1(at, size, 23),
        _reals_1(at, size, 24), _reals_1(at, size, 25),
    )  # fmt: skip
    doubtful = carray(_pointer(at[32]), (size[32, 0],), np.bool_)
    out = (
        _reals_3(at, size, 26), _reals_3(at, size, 27), _reals_2(at, size, 28), _reals_2(at, size, 29),
        _reals_4(at, size, 30), _integers_2(at, size, 31), doubtful,
    )  # fmt: skip
    documents(
        tokens, _integers_1(at, size, 1), carry, _reals_1(at, size, 5), blocks, following, size[ROWS - 1, 1] != 0,
        workspace, out,
    )  # fmt: skip


def assembly() -> str:
    """LLVM's text of ``entry`` with all that it calls, optimised for this processor: seconds of compiling.

    Returns:
        LLVM's intermediate language as text, specific to this processor and this version of numba.
    """
    integers: Any = cast(Any, types.CPointer)(types.int64)  # numba gives its own objects no types
    compiler: Any = cfunc(types.void(integers, integers), fastmath={"contract"}, error_model="numpy")  # as above
    text: str = compiler(entry).inspect_llvm()
    return text
