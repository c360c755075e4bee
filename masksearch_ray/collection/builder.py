"""A stream of masks, encoded by threads and written as segments."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.adding import Added, discard
from masksearch_ray.collection.encode import Batch, encode_masks
from masksearch_ray.collection.layout import new_name, segment_key
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.rows import MASK_ID
from masksearch_ray.collection.segment import BlockData, clustered, make_segment, rows_beyond
from masksearch_ray.collection.specs import rois_for
from masksearch_ray.collection.tiles import TileCodec
from masksearch_ray.collection.values import as_mask, each_mask
from masksearch_ray.errors import DataError
from masksearch_ray.index.levels import block_levels
from masksearch_ray.model.grid import BlockShape
from masksearch_ray.model.roi import Roi
from masksearch_ray.storage import Storage

__all__ = ["Limits", "SegmentBuilder"]

# Masks and pixels that one task encodes.
_BATCH_MASKS = 64
_BATCH_BYTES = 4 << 20
# Pixels that may wait for their batches to fill, over all sizes of masks.
_WAITING_BYTES = 32 << 20


@dataclass(frozen=True)
class Limits:
    """When a segment is full.

    Parameters
    ----------
    rows : int
    bytes : int
        Compressed pixels, and counts in memory.
    """

    rows: int = 4096
    bytes: int = 256 << 20


DEFAULT_LIMITS = Limits()


@dataclass(eq=False)
class _Waiting:
    """Masks of one shape until their batch is full: `positions` in the table that came along."""

    pixels: npt.NDArray[Any]
    ordinals: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.ordinals) == len(self.pixels)

    def put(self, mask: npt.NDArray[Any], ordinal: int, position: int) -> None:
        # Copied: whoever yields masks may use one buffer for all of them.
        self.pixels[len(self.ordinals)] = mask
        self.ordinals.append(ordinal)
        self.positions.append(position)


class SegmentBuilder:
    """Turns a stream of masks into segments; holds compressed tiles and counts, not masks.

    To be used in a ``with`` statement; on an error what was written is removed again. Nothing
    is part of the collection before `added` is committed.

    Parameters
    ----------
    storage : Storage
    manifest : Manifest
        Settings of the collection.
    threads : int, optional
        Encoders; by default as many as there are processors.
    limits : Limits
    written : callable, optional
        Called with every segment once its objects lie in the storage.
    cluster : bool
        Whether the masks of a segment are ordered by ``image_id``, else as they come.

    Attributes
    ----------
    added : list of Added
        Segments written.
    boxes_beyond : dict of str to int
        Rows written of which a box reaches beyond the mask, by column.
    """

    def __init__(
        self,
        storage: Storage,
        manifest: Manifest,
        threads: int | None = None,
        limits: Limits = DEFAULT_LIMITS,
        written: Callable[[Added], None] | None = None,
        cluster: bool = False,
    ) -> None:
        self.added: list[Added] = []
        self.boxes_beyond: dict[str, int] = {}
        self._storage = storage
        self._manifest = manifest
        self._limits = limits
        self._written = written
        self._cluster = cluster
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="encode")
        self._running: deque[tuple[BlockData, list[int], Future[Batch]]] = deque()
        self._taken = 0
        self._table: pa.Table | None = None
        self._from = 0
        self._begin()

    def __enter__(self) -> SegmentBuilder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(error, Exception):
            discard(self._storage, self.added)

    def add(
        self,
        masks: npt.NDArray[Any] | Iterable[Any],
        table: pa.Table | None = None,
        names: Callable[[int], str] | None = None,
    ) -> None:
        """Add masks and their metadata.

        Parameters
        ----------
        masks : numpy.ndarray or iterable of numpy.ndarray
            ``(N, H, W)``, or arrays ``(H, W)`` of any sizes.
        table : pyarrow.Table, optional
            One row a mask, as `masksearch_ray.collection.rows.normalise` gives it. All tables
            should have one schema; another schema begins another segment.
        names : callable, optional
            What to call the i-th of these masks in errors.

        Raises
        ------
        DataError
            If a mask is not accepted, or there are more or fewer masks than rows.
        """
        first, self._table, self._from = self._taken, table, 0
        self._names = names or (lambda i: f"mask {first + i}")
        if self._pieces and table is not None and self._pieces[0].schema != table.schema:
            self._close()
        count = 0
        for count, mask in enumerate(each_mask(masks), 1):
            if table is not None and count > table.num_rows:
                raise DataError(f"{table.num_rows} rows of metadata, but more masks")
            self._take(as_mask(mask, self._names(count - 1)), count - 1)
            if self._rows == self._limits.rows or self._bytes >= self._limits.bytes:
                self._close(count)
        if table is not None and count < table.num_rows:
            raise DataError(f"{table.num_rows} rows of metadata, but {count} masks")
        self._submit_all()
        self._keep_rows(count)

    def finish(self) -> list[Added]:
        """Write what is not yet written; all segments."""
        self._close()
        return self.added

    def _begin(self) -> None:
        self._blocks: dict[BlockShape, BlockData] = {}
        self._waiting: dict[BlockShape, _Waiting] = {}
        self._waiting_bytes = 0
        self._pieces: list[pa.Table] = []
        self._rows = 0
        self._bytes = 0

    def _take(self, mask: npt.NDArray[Any], position: int) -> None:
        shape = BlockShape(mask.shape[0], mask.shape[1], mask.dtype.name)
        waiting = self._waiting.get(shape)
        if waiting is None:
            size = max(1, min(_BATCH_MASKS, _BATCH_BYTES // mask.nbytes))
            waiting = _Waiting(np.empty((size, *mask.shape), mask.dtype))
            self._waiting[shape] = waiting
        waiting.put(mask, self._rows, position)
        self._rows += 1
        self._taken += 1
        self._waiting_bytes += mask.nbytes
        if waiting.full:
            self._submit(shape)
        elif self._waiting_bytes > _WAITING_BYTES:
            self._submit_all()

    def _submit_all(self) -> None:
        for shape in list(self._waiting):
            self._submit(shape)

    def _submit(self, shape: BlockShape) -> None:
        waiting = self._waiting.pop(shape)
        pixels = waiting.pixels[: len(waiting.ordinals)]
        self._waiting_bytes -= pixels.nbytes
        block = self._block(shape)
        rows = _rows_of(self._table, waiting.positions)
        future = self._pool.submit(
            encode_masks,
            pixels,
            [self._names(position) for position in waiting.positions],
            rows,
            block.codec,
            block_levels(self._manifest.spec.edges, shape.dtype, self._manifest.domain),
            self._rois(rows),
            self._manifest.domain,
            self._manifest.nan,
        )
        self._running.append((block, waiting.ordinals, future))
        self._collect(2 * self._threads)

    def _block(self, shape: BlockShape) -> BlockData:
        if shape not in self._blocks:
            codec = TileCodec(self._manifest.spec.grid(shape), shape.dtype)
            self._blocks[shape] = BlockData(shape, codec)
        return self._blocks[shape]

    def _rois(self, rows: pa.Table) -> tuple[Roi, ...]:
        return rois_for(self._manifest.spec.rois, rows.schema)

    def _collect(self, left: int) -> None:
        """Wait until at most `left` batches are being encoded."""
        while len(self._running) > left:
            block, ordinals, future = self._running.popleft()
            batch = future.result()
            block.batches.append(batch)
            block.ordinals += ordinals
            self._bytes += batch.nbytes

    def _keep_rows(self, stop: int) -> None:
        """Note the rows of the masks taken since the last call, of which `stop` is the end."""
        if stop > self._from:
            table = self._table if self._table is not None else _no_columns(stop)
            self._pieces.append(table.slice(self._from, stop - self._from))
            self._from = stop

    def _close(self, stop: int = 0) -> None:
        """Write the segment."""
        self._submit_all()
        self._keep_rows(stop)
        self._collect(0)
        if self._rows:
            table = pa.concat_tables(self._pieces).combine_chunks()
            blocks: Sequence[BlockData] = list(self._blocks.values())
            if self._cluster:
                table, blocks = clustered(table, blocks)
            for column, rows in rows_beyond(table, blocks).items():
                self.boxes_beyond[column] = self.boxes_beyond.get(column, 0) + rows
            self._write(table, blocks)
        self._begin()

    def _write(self, table: pa.Table, blocks: Sequence[BlockData]) -> None:
        made = make_segment(new_name(), table, blocks)
        added = Added(
            made.entry,
            pa.schema([column for column in table.schema if column.name != MASK_ID]),
            table.column(MASK_ID).to_numpy() if MASK_ID in table.column_names else None,
        )
        # Noted first, so that a write that fails half-way is cleared away, too.
        self.added.append(added)
        for name, pieces in made.objects.items():
            self._storage.put(segment_key(made.entry.id, name), pieces)
        if self._written is not None:
            self._written(added)


def _rows_of(table: pa.Table | None, positions: list[int]) -> pa.Table:
    return _no_columns(len(positions)) if table is None else table.take(pa.array(positions))


def _no_columns(rows: int) -> pa.Table:
    # Arrow forgets how many rows a table without columns has.
    return pa.table({"__none": pa.nulls(rows)})
