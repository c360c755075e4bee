"""Tiles as bytes: predicted pixels in a zstd frame, then the frame's CRC32C.

Remainders of one byte a pixel may be packed as in `masksearch_ray.kernels.quads` before they are
compressed. They are where the frame holds fewer bytes than there are pixels.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import zstandard

from masksearch_ray.kernels.predict import predict, restore_tiles
from masksearch_ray.kernels.quads import pack_tiles, restore_packed

__all__ = ["compressor", "crc32c", "decode_tiles", "decompress", "encode_tile", "encode_tiles"]

_LEVEL = 3
# Packed remainders repeat over long stretches only; short matches take long to decode.
_PACKED_LEVEL, _PACKED_MATCH, _PACKED_SIZE = 1, 7, 1024
_CRC_BYTES = 4
# CRC32C of bytes that end with their own.
_WHOLE = 0x48674BC7
# Tiles that a thread decodes at a time, at most: their bytes stay in the cache.
_TOGETHER = 64
# Fewer are decoded sooner than a thread takes them up.
_FEWEST = 48
# zstandard's objects must not be used by two threads at once.
_own = threading.local()


def encode_tiles(mask: npt.NDArray[Any], boxes: npt.NDArray[np.int64]) -> list[bytes]:
    """Compress tiles of a mask without loss, NaN payloads and signs of zeros included.

    Parameters
    ----------
    mask : numpy.ndarray
        Shape ``(H, W)``; bool, uint8, uint16, float16 or float32.
    boxes : numpy.ndarray
        int64, shape ``(n, 4)``: x0, y0, x1, y1 of each tile, at least one.
    """
    contents = predict(_sortable(mask), boxes)
    shapes = boxes[:, [3, 2]] - boxes[:, [1, 0]]
    lengths = sizes = shapes.prod(axis=1) * mask.dtype.itemsize
    if mask.dtype.itemsize == 1:
        contents, lengths = pack_tiles(contents, shapes)
    ends = np.cumsum(lengths).tolist()
    parts = [contents.data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    checksum = google_crc32c.value
    return [
        frame + checksum(frame).to_bytes(_CRC_BYTES, "little")
        for frame in _compressed(parts, (lengths < sizes).tolist())
    ]


def _compressed(parts: Sequence[Any], packed: Sequence[bool]) -> list[bytes]:
    frames = [b""] * len(parts)
    for kind, work in ((False, compressor(_LEVEL)), (True, _packed_compressor())):
        places = [place for place, of in enumerate(packed) if of == kind]
        if places:
            # Together: threads that encode wait for each other once a mask, not once a tile.
            found: Any = work.multi_compress_to_buffer([parts[place] for place in places])
            for i, place in enumerate(places):
                frames[place] = found[i].tobytes()
    return frames


def encode_tile(pixels: npt.NDArray[Any]) -> bytes:
    """Compress one tile; as `encode_tiles`."""
    height, width = pixels.shape
    return encode_tiles(pixels, np.array([[0, 0, width, height]]))[0]


def decode_tiles(
    frames: Sequence[bytes],
    shapes: Sequence[tuple[int, int]] | npt.NDArray[np.int64],
    dtype: str,
    tile: int,
) -> npt.NDArray[Any]:
    """Undo `encode_tiles` for some tiles.

    Parameters
    ----------
    frames : sequence of bytes
        As `encode_tiles` gave them.
    shapes : sequence of (int, int), or numpy.ndarray
        Height and width of each tile, at most `tile`; int64, shape ``(n, 2)``.
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
    stored, sizes = np.dtype(dtype), np.array(shapes, np.int64).reshape(-1, 2)
    words = np.zeros((len(frames), tile, tile), f"u{stored.itemsize}")

    def decode(first: int) -> None:
        some = slice(first, first + each)
        content, lengths = _contents(frames[some], tile * tile * stored.itemsize)
        rests = np.frombuffer(content, np.uint8)
        wrong = -1
        if stored.itemsize == 1:
            wrong = restore_packed(rests, lengths, sizes[some], words[some])
        elif (unfit := lengths != sizes[some].prod(axis=1) * stored.itemsize).any():
            wrong = int(unfit.argmax())
        else:
            restore_tiles(rests, sizes[some], words[some], stored.kind == "f")
        if wrong >= 0:
            height, width = sizes[first + wrong].tolist()
            raise ValueError(
                f"a compressed frame of {lengths[wrong]} bytes holds no tile of {width} x {height}"
            )

    # As Arrow is told: workers that share a machine have one core each.
    threads = min(pa.cpu_count(), len(frames) // _FEWEST) or 1
    rounds = -(-len(frames) // (_TOGETHER * threads)) or 1
    each = -(-len(frames) // (rounds * threads)) or 1
    starts = range(0, len(frames), each)
    # All errors are raised here, the first first.
    for _ in _threads(os.getpid()).map(decode, starts) if threads > 1 else map(decode, starts):
        pass
    return words.view(stored)


@lru_cache(maxsize=1)
def _threads(process: int) -> ThreadPoolExecutor:
    """Threads of a process: those of its parent are not in a child that was forked."""
    return ThreadPoolExecutor(pa.cpu_count(), thread_name_prefix=f"tiles-{process}")


def crc32c(data: Any) -> int:
    """CRC32C checksum of bytes."""
    return int(google_crc32c.value(data))


def _checked(frames: Sequence[bytes]) -> list[Any]:
    """Compressed parts of tiles that end with their checksums."""
    checksum = google_crc32c.value
    for frame in frames:
        if checksum(frame) != _WHOLE:
            raise ValueError("the checksum of a tile is wrong")
    return [frame[:-_CRC_BYTES] for frame in frames]


def _contents(frames: Sequence[bytes], most: int) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Contents of tiles, one after the other, and how many bytes each has, `most` at most."""
    bodies = _checked(frames)
    try:
        lengths = [zstandard.frame_content_size(body) for body in bodies]
        if not 0 <= min(lengths) <= max(lengths) <= most:
            raise ValueError(f"a compressed frame holds none or more than {most} bytes")
        known = np.array(lengths)
        found: Any = _decompressor().multi_decompress_to_buffer(
            bodies, decompressed_sizes=known.astype(np.uint64).data
        )
    except zstandard.ZstdError as error:
        raise ValueError(f"a compressed frame cannot be read: {error}") from error
    return b"".join(found[i] for i in range(len(found))), known


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


def _packed_compressor() -> zstandard.ZstdCompressor:
    """Compressor of the calling thread for packed remainders."""
    if not hasattr(_own, "packed"):
        settings = zstandard.ZstdCompressionParameters.from_level(
            _PACKED_LEVEL, source_size=_PACKED_SIZE, min_match=_PACKED_MATCH
        )
        _own.packed = zstandard.ZstdCompressor(compression_params=settings)
    kept: zstandard.ZstdCompressor = _own.packed
    return kept


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
