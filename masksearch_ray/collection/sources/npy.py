"""The .npy format: header apart from data, so that either can be read alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from masksearch_ray.collection.sources.types import Mask, native
from masksearch_ray.collection.values import check_size
from masksearch_ray.errors import DataError
from masksearch_ray.storage import Storage

__all__ = [
    "LONGEST_HEADER",
    "NpyHeader",
    "Window",
    "object_window",
    "read_array",
    "read_header",
    "read_rows",
]

Window = Callable[[int, int], bytes | memoryview]
"""Bytes ``start:stop`` of a file."""

_MAGIC = b"\x93NUMPY"
_FIRST_READ = 256
LONGEST_HEADER = 10_000  # NumPy's own limit for files that are not trusted
_FIELD = re.compile(
    r"""['"](?P<key>\w+)['"]:\s*(?P<value>True|False|\((?:\d+L?(?:,\s*|(?=\))))*\)|(?P<q>['"])[<>|=]?[a-zA-Z]\d*(?P=q))"""
)


@dataclass(frozen=True)
class NpyHeader:
    """What a .npy file says of its array.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        As stored, of either byte order.
    fortran : bool
        Whether the first index varies fastest.
    offset : int
        Bytes before the data.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def stop(self) -> int:
        """Bytes that the file must have."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def object_window(storage: Storage, key: str, size: int, whole: int) -> Window:
    """View an object as bytes: read at once up to `whole` bytes, else piece by piece."""
    if size <= whole:
        view = memoryview(storage.get(key))
        return lambda start, stop: view[start:stop]
    return lambda start, stop: storage.get_ranges(key, [(start, stop)])[0]


def read_header(window: Window, size: int, name: str) -> NpyHeader:
    """Read the header of a .npy file of `size` bytes.

    Raises
    ------
    DataError
        If it is no .npy file, is shorter than its header says, or holds Python objects or masks
        of too many pixels.
    """
    head = bytes(window(0, min(size, _FIRST_READ)))
    if len(head) < 12 or not head.startswith(_MAGIC):
        raise DataError(f"{name}: not a .npy file")
    if head[6] not in (1, 2):
        raise DataError(f"{name}: a .npy file of version {head[6]}, which holds no plain array")
    start = 10 if head[6] == 1 else 12
    offset = start + int.from_bytes(head[8:start], "little")
    if offset > min(size, LONGEST_HEADER):
        raise DataError(f"{name}: not a .npy file, or a damaged one: its header is too long")
    if offset > len(head):
        head = bytes(window(0, offset))
    header = _parse(head[start:offset].decode("latin-1"), offset, name)
    if len(header.shape) in (2, 3):
        check_size(header.shape[-2], header.shape[-1], name)
    if size < header.stop:
        raise DataError(f"{name}: truncated: {size} of {header.stop} bytes")
    return header


def _parse(text: str, offset: int, name: str) -> NpyHeader:
    # Not by NumPy's own reader: it calls `ast`, which in Python 3.11 fails now and then where
    # several threads use it.
    found = {match["key"]: match["value"] for match in _FIELD.finditer(text)}
    if "|O" in found.get("descr", "") or "'O'" in found.get("descr", ""):
        raise DataError(f"{name}: holds Python objects, which are never unpickled")
    if set(found) != {"descr", "fortran_order", "shape"}:
        raise DataError(f"{name}: not a .npy file of a plain array, or a damaged one")
    try:
        dtype = np.dtype(found["descr"].strip("'\""))
    except TypeError as error:
        raise DataError(f"{name}: pixels of unknown type {found['descr']}") from error
    if dtype.itemsize == 0:
        raise DataError(f"{name}: pixels of no bytes ({found['descr']})")
    shape = tuple(int(side) for side in re.findall(r"\d+", found["shape"]))
    return NpyHeader(shape, dtype, found["fortran_order"] == "True", offset)


def read_array(window: Window, header: NpyHeader) -> Mask:
    """Read the whole array, in this machine's byte order."""
    whole = np.frombuffer(window(header.offset, header.stop), header.dtype)
    if header.fortran:
        return native(np.ascontiguousarray(whole.reshape(header.shape[::-1]).T))
    return native(whole.reshape(header.shape))


def read_rows(window: Window, header: NpyHeader, start: int, stop: int) -> Mask:
    """Read entries ``start:stop`` along the first axis, in this machine's byte order.

    The rows of an array in Fortran order are scattered, so all of it is read.
    """
    if header.fortran:
        return read_array(window, header)[start:stop]
    row = math.prod(header.shape[1:]) * header.dtype.itemsize
    data = window(header.offset + start * row, header.offset + stop * row)
    return native(np.frombuffer(data, header.dtype).reshape(stop - start, *header.shape[1:]))
