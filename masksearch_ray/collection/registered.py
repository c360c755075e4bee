"""Masks that stay where they are: what is kept of each, and reading them there."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.counter import ReadTotals
from masksearch_ray.collection.layout import ROWS, segment_key
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.pixels import PixelContext, PixelSource, Positions, StoredPixels
from masksearch_ray.collection.sources.ahead import read_ahead
from masksearch_ray.collection.sources.images import read_png
from masksearch_ray.collection.sources.location import suffix_of
from masksearch_ray.collection.sources.npy import object_window, read_array, read_header, read_rows
from masksearch_ray.collection.values import check_values
from masksearch_ray.collection.versions import object_url
from masksearch_ray.errors import DamagedError, DataError, InputError, StorageError
from masksearch_ray.model.interrupt import check
from masksearch_ray.storage import Storage, open_storage
from masksearch_ray.storage.keys import check_key

__all__ = ["RegisteredPixels", "SourceRecord", "open_pixels", "source_columns"]

Mask = npt.NDArray[Any]

_SOURCE = ("__root", "__source", "__part", "__size", "__etag")


@dataclass(frozen=True)
class SourceRecord:
    """What is kept of a mask in place.

    Parameters
    ----------
    root : str
        URL of the storage.
    source : str
        Key of the file.
    part : int or None
        Number of the mask in a file of several.
    size : int
        Bytes of the file.
    etag : str
        Changes when the file changes.
    """

    root: str
    source: str
    part: int | None
    size: int
    etag: str


def source_columns(records: Sequence[SourceRecord]) -> pa.Table:
    """Columns in which a segment keeps its sources."""
    types = (pa.string(), pa.string(), pa.int64(), pa.int64(), pa.string())
    return pa.table(
        {
            name: pa.array([getattr(record, name.lstrip("_")) for record in records], kind)
            for name, kind in zip(_SOURCE, types, strict=True)
        }
    )


def open_pixels(context: PixelContext, manifest: Manifest) -> PixelSource:
    """Pixels of a segment, wherever they are."""
    if context.entry.kind == "registered":
        return RegisteredPixels(context, manifest)
    return StoredPixels(context)


class RegisteredPixels:
    """Pixels read from their sources; see `masksearch_ray.collection.pixels.PixelSource`.

    Parameters
    ----------
    context : PixelContext
    manifest : Manifest
        Says which values the collection takes.
    """

    def __init__(self, context: PixelContext, manifest: Manifest) -> None:
        self._context = context
        self._manifest = manifest
        self._counter = context.fetcher.counter
        self._lock = threading.Lock()
        self._storages: dict[str, Storage] = {}

    def tiles(self, block: int, rows: Positions, tiles: Positions) -> npt.NDArray[Any]:
        """Pixels of tiles; zero beyond the rim of the mask."""
        grid = self._context.grids[block]
        dtype = self._context.entry.blocks[block].shape.dtype
        found = np.zeros((len(rows), grid.tile, grid.tile), dtype)
        wanted = np.unique(rows)
        for row, mask in self._recent_masks(block, wanted):
            for place in np.flatnonzero(rows == row).tolist():
                x0, y0, x1, y1 = grid.tile_box(int(tiles[place]))
                found[place, : y1 - y0, : x1 - x0] = mask[y0:y1, x0:x1]
        self._counter.add(tiles=len(rows))
        return found

    def masks(self, block: int, rows: Positions) -> list[Mask]:
        """Whole masks at positions of a block."""
        return list(self._masks(block, rows))

    def _recent_masks(self, block: int, rows: Positions) -> Iterator[tuple[int, Mask]]:
        """Positions and masks; those in memory come first and are not read again."""
        unread, recent, name = [], self._context.recent_pixels, self._context.entry.id
        for row in rows.tolist():
            mask = recent.get((name, block, row))
            if mask is None:
                unread.append(row)
            else:
                yield row, mask
        masks = self._masks(block, np.array(unread, np.int64))
        for row, mask in zip(unread, masks, strict=True):
            # Further tiles of it may be wanted soon, and it is a whole file to read again.
            recent.put((name, block, row), mask, mask.nbytes)
            yield row, mask

    def _masks(self, block: int, rows: Positions) -> Iterator[Mask]:
        table = self._context.columns(_SOURCE)
        wanted = table.take(pa.array(self._context.ordinals(block)[rows]))
        records = [
            SourceRecord(*values)
            for values in zip(*(wanted.column(name).to_pylist() for name in _SOURCE), strict=True)
        ]
        for mask, read in read_ahead(lambda record: self._read(block, record), records):
            # Threads read, but bytes are those of the thread for which they do.
            self._counter.add(bytes=read.bytes, requests=read.requests)
            check()
            yield mask

    def _read(self, block: int, record: SourceRecord) -> tuple[Mask, ReadTotals]:
        """Read a mask and make sure that it is the one that was registered; tell what it took."""
        storage = self._checked_storage(record)
        url = object_url(storage, record.source)
        info = storage.info(record.source)
        if (info.size, info.etag) != (record.size, record.etag):
            raise StorageError("has changed since it was registered", url)
        try:
            mask, read = self._decode(storage, record, url)
        except DataError as error:
            raise DamagedError(str(error).removeprefix(f"{url}: "), url) from error
        shape = self._context.entry.blocks[block].shape
        if (*mask.shape, mask.dtype.name) != (shape.height, shape.width, shape.dtype):
            raise StorageError("holds another mask than was registered", url)
        self._check(mask, record, url)
        return mask, read

    @staticmethod
    def _decode(storage: Storage, record: SourceRecord, url: str) -> tuple[Mask, ReadTotals]:
        key, size = record.source, record.size
        if suffix_of(key) == ".png":
            data = storage.get(key)
            return read_png(data, url), ReadTotals(len(data), 1)
        # Of a file of many masks only the one is read.
        window = object_window(storage, key, size, size if record.part is None else 0)
        header = read_header(window, size, url)
        if record.part is None:
            return read_array(window, header), ReadTotals(size, 1)
        row = math.prod(header.shape[1:]) * header.dtype.itemsize
        mask = np.asarray(read_rows(window, header, record.part, record.part + 1)[0])
        return mask, ReadTotals(header.offset + row, 2)

    def _check(self, mask: Mask, record: SourceRecord, url: str) -> None:
        name = "its mask" if record.part is None else f"mask {record.part}"
        try:
            check_values(mask[None], [name], self._manifest.domain, self._manifest.nan)
        except DataError as error:
            raise StorageError(str(error), url) from error

    def _checked_storage(self, record: SourceRecord) -> Storage:
        """Where a mask lies; DamagedError where the rows name no such place."""
        try:
            check_key(record.source)
            return self._storage(record.root)
        except InputError as error:
            url = self._context.fetcher.url(segment_key(self._context.entry.id, ROWS))
            raise DamagedError(f"names a mask that cannot be: {error}", url) from error

    def _storage(self, root: str) -> Storage:
        with self._lock:
            if root not in self._storages:
                self._storages[root] = open_storage(root, self._options(root))
            return self._storages[root]

    def _options(self, root: str) -> dict[str, Any] | None:
        """Options of the collection's own storage, where the sources lie on such a one, too."""
        url, options = self._context.fetcher.storage.describe()
        here, there = (name.partition("://")[0] for name in (url, root))
        return options if "://" in root and here == there else None
