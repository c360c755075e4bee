"""Answers to what execution asks for, read from the segments of a collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.gather import gather, in_turn
from masksearch_ray.collection.reader import CollectionReader, SegmentReader
from masksearch_ray.execute.columns import Boxes, boxes_of, interval_of
from masksearch_ray.execute.interval import Interval
from masksearch_ray.index.region import Region, resolve
from masksearch_ray.model.query import roi_columns
from masksearch_ray.model.shard import (
    Poll,
    ReadColumns,
    ReadCounts,
    ReadHistogram,
    ReadHistogramLevels,
    ReadRegion,
    ReadTiles,
    ReadValues,
    Request,
    SizeOf,
    Together,
)
from masksearch_ray.runtime.control import Watch
from masksearch_ray.runtime.crowd import Crowd
from masksearch_ray.storage import is_remote

__all__ = ["Answers", "kind_of"]

# Shared by all shards of a process; each request may read several ranges at once besides.
_CROWD = Crowd(16)
_STEP = 0.001  # seconds of answers from memory between two looks at whether to go on

_KINDS = {
    Poll: "decide",
    SizeOf: "read index",
    ReadTiles: "read tiles",
    ReadColumns: "read metadata",
    ReadValues: "read metadata",
    ReadRegion: "read metadata",
    ReadCounts: "read index",
    ReadHistogramLevels: "read index",
    ReadHistogram: "read index",
}


def kind_of(wanted: Request) -> str:
    """Say what kind of work it is to answer a request, as stages are named in statistics."""
    while isinstance(wanted, Together):
        if not wanted.wanted:
            return "decide"
        wanted = wanted.wanted[0]
    return _KINDS[type(wanted)]


class Answers:
    """Answers requests; what was read is kept in memory. May be used by several threads.

    Parameters
    ----------
    reader : CollectionReader
    """

    def __init__(self, reader: CollectionReader) -> None:
        self._reader = reader

    @cached_property
    def _crowd(self) -> Crowd | None:
        # What lies on this machine is read sooner than a thread takes it up.
        return _CROWD if is_remote(self._reader.storage.url) else None

    def of(self, wanted: Request, control: Watch) -> Any:
        """Answer a request; see `masksearch_ray.model.shard` for what each is answered by."""
        if isinstance(wanted, ReadTiles):
            return self._tiles(wanted, self._side_by_side)
        if self._crowd is not None and isinstance(wanted, Together) and len(wanted.wanted) > 1:
            return self._crowd.all([partial(self._one, each, control) for each in wanted.wanted])
        return self._one(wanted, control)

    def _tiles(self, wanted: ReadTiles, run: Callable[[Any], list[Any]]) -> Any:
        """Tiles of batches, those of one dtype and side together."""
        alike: dict[tuple[str, int], list[int]] = {}
        places = []
        for at, batch in enumerate(wanted.batches):
            segment = self._reader.segment(batch.segment)
            places.append(segment.places(batch.block, batch.rows, batch.tiles))
            view = places[-1].view
            alike.setdefault((view.shape.dtype, view.grid.tile), []).append(at)
        if wanted.joined and len(alike) > 1:
            raise ValueError(f"tiles of {len(alike)} kinds cannot be one array")
        found: list[Any] = [None] * len(places)
        for some in alike.values():
            pixels = gather([places[at] for at in some], self._reader.kept_tiles, run)
            if wanted.joined:
                return pixels
            ends = np.cumsum([len(places[at].rows) for at in some])
            for at, one in zip(some, np.split(pixels, ends[:-1]), strict=True):
                found[at] = one
        return found

    def _side_by_side(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        if self._crowd is None or len(calls) < 2:
            return in_turn(calls)
        return self._crowd.all(calls)

    def _one(self, wanted: Request, control: Watch) -> Any:
        match wanted:
            case Together(wanted=several):
                return self._in_turn(several, control)
            case Poll():
                return control.guide
            case SizeOf(wanted=one):
                return self._size_of(one)
            case ReadTiles():
                return self._tiles(wanted, in_turn)
        return self._of_segment(self._reader.segment(wanted.segment), wanted)

    def _in_turn(self, several: Sequence[Request], control: Watch) -> list[Any]:
        """Answer several, which together may take long: each that does is a step of its own."""
        found, began = list[Any](), 0.0
        for one in several:
            if self._crowd is None and time.perf_counter() - began > _STEP:
                control.step()
                began = time.perf_counter()
            found.append(self._one(one, control))
        return found

    def _of_segment(self, segment: SegmentReader, wanted: Any) -> Any:
        match wanted:
            case ReadColumns(names=names):
                return segment.metadata(names)
            case ReadValues():
                return self._values(segment, wanted)
            case ReadRegion():
                return self._region(segment, wanted)
            case ReadCounts(block=block, wanted=levels):
                return segment.counts(block, levels)
            case ReadHistogramLevels(block=block, roi=roi):
                return segment.histogram_levels(block, roi)
            case ReadHistogram(block=block, roi=roi, wanted=columns):
                return segment.histogram(block, roi, columns)

    def _size_of(self, wanted: ReadCounts | ReadHistogram) -> int:
        segment = self._reader.segment(wanted.segment)
        if isinstance(wanted, ReadCounts):
            return segment.bytes_of_counts(wanted.block, wanted.wanted)
        return segment.bytes_of_histogram(wanted.block, wanted.roi, wanted.wanted)

    def _values(self, segment: SegmentReader, wanted: ReadValues) -> Interval:
        key = (segment.entry.id, wanted)
        held: Interval | None = self._reader.recent.get(key)
        if held is None:
            held = interval_of(segment.metadata((wanted.name,)).column(0), wanted.type)
            arrays = _frozen(held.lower, held.upper, held.maybe_null, held.surely_null)
            self._reader.recent.put(key, held, arrays)
        return held

    def _region(self, segment: SegmentReader, wanted: ReadRegion) -> Region:
        key = (segment.entry.id, wanted)
        held: Region | None = self._reader.recent.get(key)
        if held is None:
            view = segment.blocks[wanted.block]
            boxes: Boxes | None = None
            for name in roi_columns(wanted.roi):
                column = segment.metadata((name,)).column(0)
                whole = len(column) == view.rows
                boxes = boxes_of(column if whole else column.take(view.ordinals))
            held = resolve(wanted.roi, view.grid, view.rows, boxes)
            self._reader.recent.put(key, held, held.nbytes)
        return held


def _frozen(*arrays: npt.NDArray[Any]) -> int:
    """Bytes of arrays, each counted once; they are shared, and written to no more."""
    distinct = {id(array): array for array in arrays}.values()
    for array in distinct:
        array.flags.writeable = False
    # What an object refers to is not counted; texts of a column are often the same few.
    return sum(array.nbytes for array in distinct)
