"""The compiled filter's machine code, made once a machine and kept as an object file.

numba compiles the filter anew in every process, seconds of CPU time, and what it can keep by itself it pickles. Here
the optimised code is written as an object file behind the SHA-256 of its bytes, under a name that holds a hash of
everything it depends on: the sources, the versions of Python, numba and llvmlite, and the processor. A later process
checks the sum and links the file in milliseconds. A file that is damaged, or made by anything else, is made again.

Nothing is kept unless ``keep_in`` is called (the command line does).
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from implicit_bayes.theory.filtering.compiled import Blocks, Carry, Following, Recorded, Workspace

LARGEST_RANK = 5
KINDS: tuple[tuple[type[np.generic], int], ...] = (
    (np.int32, 2), (np.int64, 1),  # tokens, wanted positions
    (np.float64, 3), (np.int64, 2), (np.int64, 1),  # carry
    (np.float64, 1),  # prior
    (np.int64, 1), (np.int64, 1), (np.int64, 1), *4 * ((np.float64, 5),),  # blocks
    (np.float64, 3), (np.float64, 3), (np.float64, 1),  # following
    (np.float64, 3), (np.float64, 2), (np.int64, 2), (np.int64, 2), (np.int64, 1), (np.int64, 1),
    *4 * ((np.float64, 1),),  # workspace
    (np.float64, 3), (np.float64, 3), (np.float64, 2), (np.float64, 2), (np.float64, 4), (np.int64, 2), (np.bool_, 1),
)  # fmt: skip
"""Type and number of axes of every array that the entry point takes."""
WRITTEN = frozenset({2, 3, 4, *range(16, 33)})
"""Which of them it writes on."""
SOURCES = (
    "machine_code.py",
    "compiled.py",
    "compiled_kernels.py",
    "compiled_documents.py",
    "entry_point.py",
    "stored_code.py",
)
GIVEN = """
declare double @frexp(double, ptr)
declare double @ldexp(double, i32)
define double @numba_frexp(double %x, ptr %e) { %y = call double @frexp(double %x, ptr %e) ret double %y }
define double @numba_ldexp(double %x, i32 %e) { %y = call double @ldexp(double %x, i32 %e) ret double %y }
define void @NRT_MemInfo_call_dtor(ptr %x) { ret void }
"""
"""What the code asks of numba's own library: C's functions, and the end of arrays that numba owns (there are none)."""
FOREIGN = frozenset({"frexp", "ldexp", "memset", "memcpy", "memmove"})
"""Names that may stay open: C's, which every Python process holds."""

_kept: Path | None = None


@runtime_checkable
class EntryPoint(Protocol):
    """The compiled filter as a function of (B, T) tokens and tuples of arrays; see ``compiled_documents.documents``."""

    def __call__(
        self, tokens: np.ndarray, wanted: np.ndarray, carry: "Carry", prior: np.ndarray, blocks: "Blocks",
        following: "Following", per_concept: bool, workspace: "Workspace", out: "Recorded",
    ) -> None:  # fmt: skip
        """Fill ``out``, and bring ``carry`` to the end of the documents."""
        ...


def keep_in(directory: Path | None) -> None:
    """Keep machine code in a directory that exists, from now on and in this process; None keeps none."""
    global _kept
    _kept = directory


def entry_point() -> EntryPoint:
    """The compiled filter: linked from what is kept, made and kept, or numba's own where nothing is to be kept.

    Returns:
        A function with the signature of ``entry_point.documents``, which writes into its last argument; whichever of
        the three it is, the numbers are the same.
    """
    linked = None if _kept is None or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" else _linked(_kept)
    if linked is None:
        return _compiled_here()
    run = linked

    def call(tokens, wanted, carry, prior, blocks, following, per_concept, workspace, out):  # type: ignore[no-untyped-def]
        arrays = [tokens, wanted, *carry, prior, *blocks[:3], *blocks[4:], *following, *workspace, *out]
        if not _fit(arrays):
            _compiled_here()(tokens, wanted, carry, prior, blocks, following, per_concept, workspace, out)
            return
        addresses = np.array([array.ctypes.data for array in arrays], np.int64)
        shapes = np.zeros((len(arrays) + 1, LARGEST_RANK), np.int64)
        for row, array in zip(shapes, arrays, strict=False):
            row[: array.ndim] = array.shape
        shapes[-1, :2] = blocks.bits, per_concept
        nothing = ctypes.c_void_p()
        run(ctypes.byref(nothing), ctypes.byref(nothing), addresses.ctypes.data, shapes.ctypes.data)

    return call


def _compiled_here() -> EntryPoint:
    from implicit_bayes.theory.filtering.compiled_documents import documents

    return cast(EntryPoint, documents)


def _fit(arrays: Sequence[np.ndarray]) -> bool:
    """Whether the arrays are what the entry point was compiled for."""
    return all(
        array.dtype == kind and array.ndim == rank and array.flags.c_contiguous and array.flags.aligned
        and (array.flags.writeable or i not in WRITTEN)
        for i, (array, (kind, rank)) in enumerate(zip(arrays, KINDS, strict=True))
    )  # fmt: skip


@functools.cache
def _linked(directory: Path) -> Any:  # ctypes has no name for the type of a function that it makes
    """The entry point as a C function; None where it cannot be kept as a file that needs nothing of numba."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    path = directory / f"filter-{_key(llvm)}.o"
    code = _read(path)
    if code is None:
        code = _made(llvm)
        if code is None:
            return None
        _write(path, code)
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, *4 * (ctypes.c_void_p,))
    run = kind(engine.get_function_address("implicit_bayes_documents"))
    run.engine = engine  # type: ignore[attr-defined]  # which owns the code
    return run


def _key(llvm: Any) -> str:  # llvmlite.binding, which has no types
    """A hash of everything that the code depends on."""
    parts = [(Path(__file__).parent / name).read_bytes() for name in SOURCES]
    versions = [importlib.metadata.version(name) for name in ("numba", "llvmlite")]
    words = [sys.version, sys.platform, *versions, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    return hashlib.sha256(b"\0".join([*parts, *(word.encode() for word in words)])).hexdigest()[:32]


def _made(llvm: Any) -> bytes | None:  # as above
    """The object file's bytes, with everything inside but C's mathematics; None where it would ask for more."""
    from implicit_bayes.theory.filtering.entry_point import assembly, entry

    module = llvm.parse_assembly(assembly())
    mangled = f"{len(entry.__name__)}{entry.__name__}"
    (main,) = (f for f in module.functions if f.name.startswith("_ZN") and mangled in f.name and not f.is_declaration)
    main.name = "implicit_bayes_documents"
    module.link_in(llvm.parse_assembly(GIVEN))
    for function in module.functions:
        if not function.is_declaration and function.name != main.name:
            function.linkage = "internal"
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, reloc="pic",
        codemodel="jitdefault",
    )  # fmt: skip
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    left = {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}
    left |= {variable.name for variable in module.global_variables if variable.is_declaration}
    return bytes(machine.emit_object(module)) if left <= FOREIGN else None


def _read(path: Path) -> bytes | None:
    """What is kept, if its sum is right."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, code = stored[:32], stored[32:]
    return code if code and hashlib.sha256(code).digest() == digest else None


def _write(path: Path, code: bytes) -> None:
    """Keep it, whole or not at all; where it cannot be written nothing is lost but time."""
    with contextlib.suppress(OSError):
        handle, aside = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(aside, path)
        finally:
            Path(aside).unlink(missing_ok=True)
