"""Pixels at rest: tiles, each predicted, compressed and checksummed, and where they lie.

A directory holds one entry a mask, all of one size: where the mask's tiles begin (uint64), the
length of each (uint16, or uint32 where a tile may be longer), and the CRC32C of the segment's name
followed by the entry, so that an entry of another segment is noticed. All numbers are
little-endian. What a tile holds is said in `masksearch_ray.index.tilecodec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.errors import DamagedError
from masksearch_ray.index.tilecodec import crc32c, decode_tiles, encode_tiles
from masksearch_ray.kernels.spans import tile_spans
from masksearch_ray.model.grid import Grid

__all__ = ["TileCodec"]

_CRC = 4


class TileCodec:
    """Tiles and directory entries of the masks of one block.

    Parameters
    ----------
    grid : Grid
    dtype : str
        Stored dtype.
    """

    def __init__(self, grid: Grid, dtype: str) -> None:
        self.grid = grid
        self.dtype = np.dtype(dtype)
        self._boxes = [grid.tile_box(tile) for tile in range(grid.tiles)]
        self._places = np.array(self._boxes, np.int64)
        side = min(grid.tile, grid.height) * min(grid.tile, grid.width)
        longest = side * self.dtype.itemsize
        # zstd's bound on what it makes of bytes that cannot be compressed, and the checksum.
        longest += longest // 256 + 64 + _CRC
        lengths = np.dtype("<u2") if longest < 1 << 16 else np.dtype("<u4")
        self._entry = np.dtype(
            [("offset", "<u8"), ("lengths", lengths, (grid.tiles,)), ("crc32c", "<u4")]
        )

    @property
    def stride(self) -> int:
        """Bytes of a directory entry."""
        return self._entry.itemsize

    def encode(self, mask: npt.NDArray[Any]) -> list[bytes]:
        """Tiles of a mask, in order, each with its checksum."""
        return encode_tiles(mask, self._places)

    def directory(
        self, offsets: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], segment: str
    ) -> bytes:
        """Directory of a block.

        Parameters
        ----------
        offsets : numpy.ndarray
            int64, shape ``(N,)``: first byte of each mask's tiles.
        lengths : numpy.ndarray
            int64, shape ``(N, tiles)``: bytes of each tile.
        segment : str
            Name of the segment.
        """
        entries = np.empty(len(offsets), self._entry)
        entries["offset"], entries["lengths"] = offsets, lengths
        owner = segment.encode()
        for row in range(len(entries)):
            entries["crc32c"][row] = crc32c(owner + entries[row].tobytes()[:-_CRC])
        return entries.tobytes()

    def entries(self, data: bytes | memoryview, segment: str, object: str) -> npt.NDArray[Any]:
        """Read directory entries: a structured array, shape ``(n,)``.

        Raises
        ------
        DamagedError
            If a checksum does not fit, as that of another segment does not.
        """
        raw, stride, owner = bytes(data), self.stride, segment.encode()
        found = np.frombuffer(raw, self._entry)
        for row, crc in enumerate(found["crc32c"].tolist()):
            if crc32c(owner + raw[row * stride : (row + 1) * stride - _CRC]) != crc:
                raise DamagedError("the checksum of a directory entry is wrong", object)
        return found

    def no_entries(self, rows: int) -> npt.NDArray[Any]:
        """Room for the entries of a block."""
        return np.zeros(rows, self._entry)

    def spans(
        self,
        entries: npt.NDArray[Any],
        rows: npt.NDArray[np.int64],
        tiles: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.int64]:
        """First byte of tiles, and one past the last: int64, shape ``(n, 2)``.

        Parameters
        ----------
        entries : numpy.ndarray
            Of all masks of the block; read where they are wanted.
        rows, tiles : numpy.ndarray
            int64, shape ``(n,)``: masks, and a tile of each.
        """
        found = np.empty((len(rows), 2), np.int64)
        raw = entries.view(np.uint8).reshape(len(entries), self.stride)
        tile_spans(raw, self._entry["lengths"].base.itemsize, rows, tiles, found)
        return found

    def decode(
        self, frames: Sequence[bytes], tiles: npt.NDArray[np.int64], object: str
    ) -> npt.NDArray[Any]:
        """Pixels of tiles.

        Parameters
        ----------
        frames : sequence of bytes
            Tiles as stored, with their checksums.
        tiles : numpy.ndarray
            int64, shape ``(n,)``: number of each tile in its mask.
        object : str
            URL of the object, for the error.

        Returns
        -------
        numpy.ndarray
            Stored dtype, shape ``(n, T, T)``; zero beyond the rim of the mask.

        Raises
        ------
        DamagedError
            If a tile is damaged.
        """
        try:
            return decode_tiles(
                frames, self.grid.tile_shapes()[tiles], self.dtype.name, self.grid.tile
            )
        except ValueError as error:
            raise DamagedError(str(error), object) from error

    def assemble(self, tiles: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Mask of all its tiles in order, ``(tiles, T, T)``."""
        mask = np.empty((self.grid.height, self.grid.width), self.dtype)
        for pixels, (x0, y0, x1, y1) in zip(tiles, self._boxes, strict=True):
            mask[y0:y1, x0:x1] = pixels[: y1 - y0, : x1 - x0]
        return mask
