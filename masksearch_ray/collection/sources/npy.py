"""The .npy format: header apart from data, so that either can be read alone."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from masksearch_ray.collection.sources.types import Mask, native
from masksearch_ray.errors import DataError
from masksearch_ray.storage import Storage

__all__ = ["NpyHeader", "Window", "object_window", "read_header", "read_rows"]

Window = Callable[[int, int], bytes | memoryview]
"""Bytes ``start:stop`` of a file."""

_MAGIC = b"\x93NUMPY"
_FIRST_READ = 256
_MAX_HEADER = 10_000  # NumPy's own limit for files that are not trusted


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
        If it is no .npy file, is shorter than its header says, or holds Python objects.
    """
    head = bytes(window(0, min(size, _FIRST_READ)))
    try:
        header = _parse(head, lambda stop: bytes(window(0, min(stop, size))))
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except Exception as error:  # the parser raises whatever a damaged header makes it stumble over
        raise DataError(f"{name}: not a .npy file, or a damaged one: {error}") from error
    if header.dtype.hasobject:
        raise DataError(f"{name}: holds Python objects, which are never unpickled")
    if size < header.stop:
        raise DataError(f"{name}: truncated: {size} of {header.stop} bytes")
    return header


def _parse(head: bytes, more: Callable[[int], bytes]) -> NpyHeader:
    if len(head) < 12 or not head.startswith(_MAGIC):
        raise DataError("not a .npy file")
    version = head[6]
    if version not in (1, 2):
        raise DataError(f"a .npy file of version {version}, which holds no plain array")
    start = 10 if version == 1 else 12
    offset = start + int.from_bytes(head[8:start], "little")
    if offset > _MAX_HEADER:
        raise DataError(f"its header claims {offset} bytes")
    stream = io.BytesIO((head if offset <= len(head) else more(offset))[8:])
    read = np.lib.format.read_array_header_1_0 if version == 1 else None
    shape, fortran, dtype = (read or np.lib.format.read_array_header_2_0)(stream)
    if any(side < 0 for side in shape):
        raise DataError(f"a negative side in shape {shape}")
    return NpyHeader(tuple(int(side) for side in shape), dtype, fortran, offset)


def read_rows(window: Window, header: NpyHeader, start: int, stop: int) -> Mask:
    """Read entries ``start:stop`` along the first axis, in this machine's byte order.

    The rows of an array in Fortran order are scattered, so all of it is read.
    """
    if header.fortran:
        data = window(header.offset, header.stop)
        whole = np.frombuffer(data, header.dtype).reshape(header.shape, order="F")
        return native(np.ascontiguousarray(whole[start:stop]))
    row = math.prod(header.shape[1:]) * header.dtype.itemsize
    data = window(header.offset + start * row, header.offset + stop * row)
    return native(np.frombuffer(data, header.dtype).reshape(stop - start, *header.shape[1:]))
