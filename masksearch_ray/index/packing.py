"""Counts as bytes, packed or compressed, whichever is shorter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.tilecodec import compressor, decompress
from masksearch_ray.kernels.packing import pack, unpack

__all__ = ["decode_counts", "encode_counts"]

_PACKED, _COMPRESSED = b"\x00", b"\x01"
_LEVEL = 3


def encode_counts(counts: npt.NDArray[np.unsignedinteger]) -> bytes:
    """Encode counts: a byte that says how, then their bytes.

    0: as in `masksearch_ray.kernels.packing`, which suits counts that are independent of each
    other. 1: a zstd frame of little-endian integers, which suits counts that repeat.

    Parameters
    ----------
    counts : numpy.ndarray
        uint8, uint16 or uint32, shape ``(n,)``.
    """
    packed = pack(counts)
    little = counts.astype(counts.dtype.newbyteorder("<"), copy=False)
    compressed: bytes = compressor(_LEVEL).compress(little.data)
    if len(packed) <= len(compressed):
        return _PACKED + packed
    return _COMPRESSED + compressed


def decode_counts(data: Any, dtype: str, n: int) -> npt.NDArray[np.unsignedinteger]:
    """Undo `encode_counts`.

    Parameters
    ----------
    data : bytes-like
    dtype : str
        Of the counts.
    n : int
        How many there are.

    Raises
    ------
    ValueError
        The data do not hold so many counts.
    """
    how, content = bytes(data[:1]), data[1:]
    if how == _COMPRESSED:
        little = np.dtype(dtype).newbyteorder("<")
        found = np.frombuffer(decompress(content, n * little.itemsize), little)
        return found.astype(dtype, copy=False)
    if how != _PACKED:
        raise ValueError("counts are neither packed nor compressed")
    counts = np.empty(n, dtype)
    unpack(content, counts)
    return counts
