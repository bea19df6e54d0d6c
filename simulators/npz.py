"""Reading .npz files that anyone may have written: never a pickle, and nothing is allocated that is not in the file.

An array's header says how large it is; a damaged or hostile one says 128 GB. Here the header is compared with the bytes
that the zip member holds, and the sum of all members with a bound, before any array is made.
"""

import math
import os
import zipfile
from collections.abc import Collection
from typing import IO, NamedTuple

import numpy as np

from implicit_bayes.simulators.stored import short
from implicit_bayes.theory.objects.checks import ModelError

LARGEST = 1 << 32
"""Bytes of all arrays of a file together, unless a caller knows better."""
SUFFIX = ".npy"


class Header(NamedTuple):
    """What an array's header promises, which the size of its member confirms.

    Attributes:
        shape: of the array.
        dtype: of its entries; never object, which only a pickle could hold.
        fortran: whether the first index runs fastest in the file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool

    @property
    def nbytes(self) -> int:
        """Of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


class Npz:
    """An open .npz file, its members looked at only when they are asked for.

    Raises:
        ModelError: not a zip file, or larger than ``largest`` when unpacked.
    """

    def __init__(self, path: str | os.PathLike[str], largest: int = LARGEST):
        try:
            self.archive = zipfile.ZipFile(path)
        except Exception as error:  # whatever a damaged container makes the zip reader raise, the file is at fault
            words = f"file: not a readable npz (zip) file ({short(error)}); save it with numpy.savez"
            raise ModelError(words) from error
        self.members = {info.filename.removesuffix(SUFFIX): info for info in self.archive.infolist()
                        if info.filename.endswith(SUFFIX)}  # fmt: skip
        total = sum(info.file_size for info in self.archive.infolist())
        if total > largest:
            self.archive.close()
            raise ModelError(
                f"file: {total:,} bytes when unpacked, more than the {largest:,} that are read; make it smaller"
            )

    def __enter__(self) -> "Npz":
        return self

    def __exit__(self, *_: object) -> None:
        self.archive.close()

    @property
    def names(self) -> Collection[str]:
        """Of the arrays."""
        return self.members.keys()

    def header(self, name: str) -> Header:
        """Shape and type of an array, without reading it.

        Returns:
            Header, its size in bytes that of the member.

        Raises:
            ModelError: damaged, objects, or another size than its member's.
        """
        try:
            with self.archive.open(self.members[name]) as file:
                return _header(file, self.members[name].file_size)
        except Exception as error:  # as above: arbitrary bytes
            raise ModelError(f"{name}: unreadable, {short(error)}; save it as a plain array of numbers") from error

    def read(self, name: str) -> np.ndarray:
        """An array.

        Returns:
            A new array of the file's own type.

        Raises:
            ModelError: as ``header``, or its checksum is wrong.
        """
        try:
            with self.archive.open(self.members[name]) as file:
                header = _header(file, self.members[name].file_size)
                content = file.read()  # to the end, where zipfile compares the checksum
            flat = np.frombuffer(bytearray(content), header.dtype)
            return flat.reshape(header.shape, order="F" if header.fortran else "C")
        except zipfile.BadZipFile as error:
            raise ModelError(f"{name}: damaged in the file (its checksum differs); save the file again") from error
        except Exception as error:  # as above
            raise ModelError(f"{name}: unreadable, {short(error)}; save it as a plain array of numbers") from error


def _header(file: zipfile.ZipExtFile | IO[bytes], size: int) -> Header:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"array format {version}")
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError("holds objects")
    header = Header(tuple(shape), dtype, fortran)
    if min(shape, default=0) < 0 or file.tell() + header.nbytes != size:
        raise ValueError(f"{dtype} of shape {shape} is not what {size:,} bytes hold")
    return header
