"""Tiles as bytes: predicted pixels in a zstd frame, then the frame's CRC32C."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
import zstandard

from masksearch_ray.kernels.predict import predict, restore

__all__ = ["compressor", "crc32c", "decode_tiles", "decompress", "encode_tile"]

_LEVEL = 3
_CRC_BYTES = 4
# zstandard's objects must not be used by two threads at once.
_own = threading.local()


def encode_tile(pixels: npt.NDArray[Any]) -> bytes:
    """Compress a tile without loss, NaN payloads and signs of zeros included.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape ``(h, w)``; bool, uint8, uint16, float16 or float32.
    """
    frame = compressor(_LEVEL).compress(predict(_sortable(pixels)).data)
    return bytes(frame + crc32c(frame).to_bytes(_CRC_BYTES, "little"))


def decode_tiles(
    frames: Sequence[bytes],
    shapes: Sequence[tuple[int, int]],
    dtype: str,
    tile: int,
) -> npt.NDArray[Any]:
    """Undo `encode_tile` for some tiles.

    Parameters
    ----------
    frames : sequence of bytes
        As `encode_tile` gave them.
    shapes : sequence of (int, int)
        Height and width of each tile, at most `tile`.
    dtype : str
        Of the pixels.
    tile : int
        Side of the array to return for each tile; pixels beyond a tile's shape are 0.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, tile, tile)``.

    Raises
    ------
    ValueError
        A frame is damaged.
    """
    stored = np.dtype(dtype)
    words = np.zeros((len(frames), tile, tile), f"u{stored.itemsize}")
    for i, (frame, (height, width)) in enumerate(zip(frames, shapes, strict=True)):
        size = height * width * stored.itemsize
        rest = decompress(_checked(frame), size)
        restore(np.frombuffer(rest, np.uint8), words[i, :height, :width])
        if stored.kind == "f":
            words[i, :height, :width] = _unsorted(words[i, :height, :width])
    return words.view(stored)


def crc32c(data: Any) -> int:
    """CRC32C checksum of bytes."""
    return int(google_crc32c.value(data))


def _checked(frame: bytes) -> bytes:
    """Compressed part of a tile that ends with its checksum."""
    body, crc = bytes(frame[:-_CRC_BYTES]), frame[-_CRC_BYTES:]
    if len(crc) < _CRC_BYTES or crc32c(body) != int.from_bytes(crc, "little"):
        raise ValueError("the checksum of a tile is wrong")
    return body


def decompress(frame: Any, size: int) -> bytes:
    """Content of a zstd frame that must hold `size` bytes; ValueError where it does not."""
    try:
        content: bytes = _decompressor().decompress(frame, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ValueError(f"a compressed frame cannot be read: {error}") from error
    if len(content) != size:
        raise ValueError(f"a compressed frame holds {len(content)} bytes, not {size}")
    return content


def compressor(level: int) -> zstandard.ZstdCompressor:
    """Compressor of the calling thread."""
    kept: dict[int, zstandard.ZstdCompressor] = _own.__dict__.setdefault("compressors", {})
    if level not in kept:
        kept[level] = zstandard.ZstdCompressor(level=level)
    return kept[level]


def _decompressor() -> zstandard.ZstdDecompressor:
    """Decompressor of the calling thread."""
    if not hasattr(_own, "decompressor"):
        _own.decompressor = zstandard.ZstdDecompressor()
    kept: zstandard.ZstdDecompressor = _own.decompressor
    return kept


def _sortable(pixels: npt.NDArray[Any]) -> npt.NDArray[np.unsignedinteger]:
    """Pixels as unsigned integers; floats so that near values lie near, each bit kept."""
    words = np.ascontiguousarray(pixels).view(f"u{pixels.dtype.itemsize}")
    if pixels.dtype.kind != "f":
        return words
    sign = words.dtype.type(1 << (8 * words.itemsize - 1))
    return np.where(words & sign, ~words, words | sign)


def _unsorted(words: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.unsignedinteger]:
    sign = words.dtype.type(1 << (8 * words.itemsize - 1))
    return np.where(words & sign, words ^ sign, ~words)
