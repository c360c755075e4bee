"""Where the pixels of a segment come from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.fetch import Fetcher
from masksearch_ray.collection.layout import TILES, segment_key
from masksearch_ray.collection.manifest import SegmentEntry
from masksearch_ray.collection.recent import Recent
from masksearch_ray.collection.reread import reread
from masksearch_ray.collection.tiles import TileCodec
from masksearch_ray.errors import DamagedError
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.interrupt import check

__all__ = ["PixelContext", "PixelSource", "StoredPixels"]

Positions = npt.NDArray[np.int64]

# Entries of so many rows are read with the whole directory, as are small directories.
_WHOLE_SHARE = 1 / 16
_SMALL_DIRECTORY = 64 << 10
# Whole masks are put together from so many bytes of tiles at a time.
_TILE_BYTES = 16 << 20


@dataclass(frozen=True, eq=False)
class PixelContext:
    """What a source of pixels may use.

    Parameters
    ----------
    fetcher : Fetcher
        Of the collection's storage.
    entry : SegmentEntry
    grids : tuple of Grid
        One for each block.
    ordinals : callable
        The rows of a block: int64, shape ``(N,)``, ascending.
    columns : callable
        Columns of the segment's own rows by name, those beginning with two underscores included.
    recent, recent_pixels : Recent
        What is kept in memory of the collection: pixels, and all else.
    """

    fetcher: Fetcher
    entry: SegmentEntry
    grids: tuple[Grid, ...]
    ordinals: Callable[[int], Positions]
    columns: Callable[[Sequence[str]], pa.Table]
    recent: Recent[Any]
    recent_pixels: Recent[Any]


class PixelSource(Protocol):
    """Gives pixels; may be used by several threads."""

    def tiles(self, block: int, rows: Positions, tiles: Positions) -> npt.NDArray[Any]:
        """Pixels of tiles.

        Parameters
        ----------
        block : int
        rows : numpy.ndarray
            int64, shape ``(n,)``: positions of masks in the block.
        tiles : numpy.ndarray
            int64, shape ``(n,)``: a tile of each.

        Returns
        -------
        numpy.ndarray
            Stored dtype, shape ``(n, T, T)``; what lies beyond the rim of the mask is any value.

        Raises
        ------
        StorageError
            If an object is missing, damaged or has changed; the error names it.
        """
        ...

    def masks(self, block: int, rows: Positions) -> list[npt.NDArray[Any]]:
        """Whole masks ``(H, W)`` at positions of a block."""
        ...


@dataclass(frozen=True, eq=False)
class _Entries:
    """Directory entries of a block, ``(N,)``, and which of them are known."""

    entries: npt.NDArray[Any]
    known: npt.NDArray[np.bool_]


class StoredPixels:
    """Pixels from the tiles of a segment.

    Parameters
    ----------
    context : PixelContext
    """

    def __init__(self, context: PixelContext) -> None:
        self._fetcher = context.fetcher
        self._segment = context.entry.id
        self._blocks = context.entry.blocks
        self._key = segment_key(self._segment, TILES)
        self._url = context.fetcher.url(self._key)
        self._codecs = [
            TileCodec(grid, block.shape.dtype)
            for grid, block in zip(context.grids, self._blocks, strict=True)
        ]
        self._lock = threading.Lock()
        self._recent = context.recent
        for number, (codec, block) in enumerate(zip(self._codecs, self._blocks, strict=True)):
            if codec.stride * block.rows != block.directory_size:
                raise DamagedError(f"the directory of block {number} has another size", self._url)

    def tiles(self, block: int, rows: Positions, tiles: Positions) -> npt.NDArray[Any]:
        """Pixels of tiles; zero beyond the rim of the mask."""
        codec = self._codecs[block]
        ranges = self._ranges(block, rows, tiles)
        return reread(lambda: codec.decode(self._fetch(ranges), tiles, self._url))

    def frames(self, block: int, rows: Positions, tiles: Positions) -> list[bytes]:
        """Tiles as they are stored, with their checksums."""
        return self._fetch(self._ranges(block, rows, tiles))

    def _fetch(self, ranges: npt.NDArray[np.int64]) -> list[bytes]:
        frames = self._fetcher.ranges(self._key, ranges)
        self._fetcher.counter.add(tiles=len(frames))
        return frames

    def _ranges(self, block: int, rows: Positions, tiles: Positions) -> npt.NDArray[np.int64]:
        """Bytes of tiles: int64 ``(n, 2)``."""
        return self._codecs[block].spans(self._entries_of(block, rows), rows, tiles)

    def masks(self, block: int, rows: Positions) -> list[npt.NDArray[Any]]:
        """Whole masks at positions of a block."""
        codec = self._codecs[block]
        every = np.arange(codec.grid.tiles)
        step = max(1, _TILE_BYTES // (codec.grid.area * codec.dtype.itemsize))
        found = []
        for first in range(0, len(rows), step):
            check()
            some = rows[first : first + step]
            tiles = np.tile(every, len(some))
            pixels = self.tiles(block, np.repeat(some, len(every)), tiles)
            found += [codec.assemble(one) for one in np.split(pixels, len(some))]
        return found

    def _entries_of(self, block: int, rows: Positions) -> npt.NDArray[Any]:
        """Directory entries of a block, those of rows read as far as they are not yet known."""
        with self._lock:
            held: _Entries | None = self._recent.get((self._key, block))
            if held is None:
                count = self._blocks[block].rows
                entries = self._codecs[block].no_entries(count)
                held = _Entries(entries, np.zeros(count, np.bool_))
            known = held.known[rows]
            if not known.all():
                missing = self._to_read(block, np.unique(rows[~known]))
                held.entries[missing] = self._read_entries(block, missing)
                held.known[missing] = True
                nbytes = int(held.known.sum()) * self._codecs[block].stride
                self._recent.put((self._key, block), held, nbytes)
            return held.entries

    def _to_read(self, block: int, missing: Positions) -> Positions:
        entry = self._blocks[block]
        whole = entry.directory_size <= _SMALL_DIRECTORY
        if whole or len(missing) >= entry.rows * _WHOLE_SHARE:
            return np.arange(entry.rows)
        return missing

    def _read_entries(self, block: int, rows: Positions) -> npt.NDArray[Any]:
        codec = self._codecs[block]
        starts = self._blocks[block].directory + rows * codec.stride
        ranges = np.stack([starts, starts + codec.stride], axis=1)

        def read() -> npt.NDArray[Any]:
            data = b"".join(self._fetcher.ranges(self._key, ranges))
            return codec.entries(data, self._segment, self._url)

        return reread(read)
