"""Reading a version of a collection: rows, index columns and pixels, lazily and verified."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.cache import user_cache
from masksearch_ray.collection.counter import ReadCounter
from masksearch_ray.collection.fetch import Fetcher
from masksearch_ray.collection.gather import TilePlaces, gather
from masksearch_ray.collection.kept import KeptTiles
from masksearch_ray.collection.layout import INDEX, ROWS, delete_key
from masksearch_ray.collection.manifest import Manifest, ObjectEntry, SegmentEntry
from masksearch_ray.collection.parts import PartSpec, SegmentIndex, build_part, list_specs
from masksearch_ray.collection.pixels import PixelContext, PixelSource
from masksearch_ray.collection.recent import Recent, default_budget
from masksearch_ray.collection.registered import open_pixels
from masksearch_ray.collection.rows import MASK_ID
from masksearch_ray.collection.rows_file import RowsFile
from masksearch_ray.collection.segment import BLOCK
from masksearch_ray.errors import DamagedError, InputError
from masksearch_ray.index.levels import block_levels
from masksearch_ray.model.shard import BlockView
from masksearch_ray.storage import Storage

__all__ = ["CollectionReader", "SegmentReader"]

T = TypeVar("T")


class SegmentReader:
    """Rows, index columns and pixels of one segment; may be used by several threads.

    Parameters
    ----------
    reader : CollectionReader
    index : int
        Position of the segment in the manifest.

    Attributes
    ----------
    entry : SegmentEntry
    index : int
    counter : ReadCounter
    """

    def __init__(self, reader: CollectionReader, index: int) -> None:
        self.entry: SegmentEntry = reader.manifest.segments[index]
        self.index = index
        self.counter = ReadCounter()
        self._reader = reader
        self._manifest: Manifest = reader.manifest
        self._fetcher = Fetcher(reader.storage, self.counter)
        self._rows = RowsFile(self._fetcher, self.entry, reader.recent)
        self._lock = threading.RLock()
        self._kept: dict[str, Any] = {}

    @property
    def blocks(self) -> tuple[BlockView, ...]:
        """The masks, by height, width and dtype."""
        return self._once("blocks", self._make_blocks)

    def alive(self) -> npt.NDArray[np.bool_]:
        """Which rows are not deleted: bool, shape ``(rows,)``."""
        return self._once("alive", self._read_alive)

    def opening(self) -> tuple[int, int]:
        """Bytes read before the first column of the index, and before that of the metadata.

        The first is 0 where the index lies apart from the segment.
        """
        objects = self.entry.objects
        head = objects[INDEX].size if INDEX in objects else 0
        return head, objects[ROWS].size

    def mask_ids(self) -> npt.NDArray[np.int64]:
        """Give the ``mask_id`` of every row: int64, shape ``(rows,)``."""
        return self._once("mask_ids", self._read_ids)

    def find(self, mask_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Find rows by their ``mask_id``: int64, shape ``(n,)``, -1 where there is no such row."""
        ids, rows = self._once("sorted_ids", self._sort_ids)
        if not len(ids):
            return np.full(len(mask_ids), -1, np.int64)
        place = np.minimum(np.searchsorted(ids, mask_ids), len(ids) - 1)
        return np.where(ids[place] == mask_ids, rows[place], -1)

    def metadata(self, names: Sequence[str]) -> pa.Table:
        """Columns of the metadata, in the order of the rows, deleted ones included.

        Parameters
        ----------
        names : sequence of str
            Columns of the collection, ``mask_id`` among them if wanted.

        Raises
        ------
        InputError
            If the collection has no such column.
        """
        schema, columns = self._manifest.schema, []
        stored = self._rows.columns([name for name in names if name in schema.names])
        for name in names:
            if name == MASK_ID:
                columns.append(pa.chunked_array([self.mask_ids()]))
            elif name not in schema.names:
                raise InputError(f"no column {name!r}")
            elif name in stored.column_names:
                columns.append(stored.column(name).cast(schema.field(name).type))
            else:
                columns.append(pa.nulls(self.entry.rows, schema.field(name).type))
        return pa.table(columns, names=list(names))

    def counts(
        self, block: int, wanted: Mapping[int, npt.NDArray[np.int32]]
    ) -> Mapping[int, npt.NDArray[Any]]:
        """Columns of the CHI.

        Parameters
        ----------
        block : int
        wanted : mapping of int to numpy.ndarray
            Level index to cells, int32; level 0 only where the block holds NaN.

        Returns
        -------
        mapping of int to numpy.ndarray
            Level index to counts, ``(cells, N)``; only the rows of wanted cells are valid.
        """
        file, part = self._index().chi(block)
        return file.columns(part, wanted)

    def histogram_levels(self, block: int, roi: str) -> tuple[float, ...] | None:
        """Levels of the finest histogram of a region (`roi_key`); None where none is kept."""
        found = self._index().histogram(block, roi)
        return None if found is None else found[1].levels

    def histogram(
        self, block: int, roi: str, wanted: Sequence[int]
    ) -> Mapping[int, npt.NDArray[Any]]:
        """Columns of that histogram: level index to counts, ``(N,)``."""
        found = self._index().histogram(block, roi)
        if found is None:
            raise InputError(f"no histogram is kept of {roi}")
        file, part = found
        columns = file.columns(part, {level: np.zeros(1, np.int32) for level in wanted})
        return {level: counts[0] for level, counts in columns.items()}

    def bytes_of_counts(self, block: int, wanted: Mapping[int, npt.NDArray[np.int32]]) -> int:
        """Bytes in storage of what `counts` would read."""
        file, part = self._index().chi(block)
        return file.bytes_of(part, wanted)

    def bytes_of_histogram(self, block: int, roi: str, wanted: Sequence[int]) -> int:
        """Bytes in storage of what `histogram` would read."""
        found = self._index().histogram(block, roi)
        if found is None:
            return 0
        return found[0].bytes_of(found[1], dict.fromkeys(wanted, np.zeros(1, np.int32)))

    def tiles(
        self, block: int, rows: npt.NDArray[np.int64], tiles: npt.NDArray[np.int64]
    ) -> npt.NDArray[Any]:
        """Pixels of tiles: stored dtype, ``(n, T, T)``; see `PixelSource.tiles`."""
        return gather([self.places(block, rows, tiles)], self._reader.kept_tiles)

    def places(
        self, block: int, rows: npt.NDArray[np.int64], tiles: npt.NDArray[np.int64]
    ) -> TilePlaces:
        """Where tiles lie, to be gathered."""
        return TilePlaces(self._pixels(), self.entry.id, self.blocks[block], rows, tiles)

    def masks(self, ordinals: Sequence[int] | npt.NDArray[np.int64]) -> list[npt.NDArray[Any]]:
        """Whole masks ``(H, W)`` of rows, in the order asked for."""
        wanted = np.asarray(ordinals, np.int64)
        found: list[npt.NDArray[Any]] = [np.empty(0)] * len(wanted)
        block_of, position_of = self._once("places", self._make_places)
        for block in np.unique(block_of[wanted]).tolist():
            here = np.flatnonzero(block_of[wanted] == block)
            masks = self._pixels().masks(block, position_of[wanted[here]])
            for place, mask in zip(here.tolist(), masks, strict=True):
                found[place] = mask
        return found

    def build_part(self, spec: PartSpec, progress: Callable[[int], None]) -> bytes:
        """Make an index part; empty where the segment has all of it, or none of the columns.

        Parameters
        ----------
        spec : PartSpec
        progress : callable
            Told how many further masks are counted.
        """
        rois = self._index().lacking(spec)
        if not rois:
            progress(self.entry.rows)
            return b""
        context, pixels = self._make_context(), self._pixels()
        return build_part(context, pixels, self._manifest, rois, spec.edges, False, progress)

    @property
    def index_cached(self) -> bool:
        """Whether its index, as far as it was asked for, is kept outside the collection."""
        with self._lock:
            index: SegmentIndex | None = self._kept.get("index")
        return index is not None and index.cached

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """Make a value when it is first asked for, by one thread."""
        with self._lock:
            if name not in self._kept:
                self._kept[name] = make()
            kept: T = self._kept[name]
            return kept

    def _make_blocks(self) -> tuple[BlockView, ...]:
        spec, domain = self._manifest.spec, self._manifest.domain
        return tuple(
            BlockView(
                segment=self.index,
                block=number,
                shape=block.shape,
                grid=spec.grid(block.shape),
                levels=block_levels(spec.edges, block.shape.dtype, domain),
                nan=block.nan,
                rows=block.rows,
                ordinals=self._ordinals(number),
            )
            for number, block in enumerate(self.entry.blocks)
        )

    def _sort_ids(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Ids of the rows that are not deleted, ascending, and these rows."""
        rows = np.flatnonzero(self.alive())
        ids = self.mask_ids()[rows]
        order = np.argsort(ids)
        return ids[order], rows[order]

    def _make_places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Block of every row, and its position in the block."""
        block_of, position_of = np.empty((2, self.entry.rows), np.int64)
        for view in self.blocks:
            block_of[view.ordinals] = view.block
            position_of[view.ordinals] = np.arange(view.rows)
        return block_of, position_of

    def _ordinals(self, block: int) -> npt.NDArray[np.int64]:
        if len(self.entry.blocks) == 1:
            return np.arange(self.entry.rows)
        where = self._rows.columns([BLOCK]).column(BLOCK).to_numpy()
        found = np.flatnonzero(where == block)
        if len(found) != self.entry.blocks[block].rows:
            raise DamagedError(f"block {block} has another number of rows", self._rows.url)
        return found

    def _read_alive(self) -> npt.NDArray[np.bool_]:
        deletes, rows = self.entry.deletes, self.entry.rows
        if deletes is None:
            return np.ones(rows, np.bool_)
        size = -(-rows // 8)
        data = self._fetcher.whole(delete_key(deletes.name), ObjectEntry(size, deletes.crc32c))
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=rows, bitorder="little")
        return np.equal(bits, 0)

    def _read_ids(self) -> npt.NDArray[np.int64]:
        if self.entry.id_base is not None:
            return self.entry.id_base + np.arange(self.entry.rows, dtype=np.int64)
        return np.asarray(self._rows.columns([MASK_ID]).column(MASK_ID).to_numpy(), np.int64)

    def _pixels(self) -> PixelSource:
        return self._once("pixels", lambda: open_pixels(self._make_context(), self._manifest))

    def _index(self) -> SegmentIndex:
        return self._once("index", self._make_index)

    def _make_context(self) -> PixelContext:
        return PixelContext(
            fetcher=self._fetcher,
            entry=self.entry,
            grids=tuple(self._manifest.spec.grid(block.shape) for block in self.entry.blocks),
            ordinals=lambda block: self.blocks[block].ordinals,
            columns=self._rows.columns,
            recent=self._reader.recent,
            recent_pixels=self._reader.recent_pixels,
        )

    def _make_index(self) -> SegmentIndex:
        reader = self._reader
        return SegmentIndex(
            self._make_context(), self._pixels(), self._manifest, reader.part_specs, reader.cache
        )


class CollectionReader:
    """One version of a collection; its segments are shared by all who ask for them.

    Parameters
    ----------
    storage : Storage
    manifest : Manifest
    cache : Storage, optional
        Keeps an index that cannot be written to the collection; by default the user's cache.
    memory : int, optional
        Bytes that may be kept of what was read: columns of index and metadata, directories of
        tiles. By default a quarter of the machine's memory, at most 4 GiB. What is kept for
        every row, such as its id, is little and comes on top; so do pixels.
    pixel_bytes : int, optional
        Bytes of pixels just verified that may be kept besides: tiles, and masks in place. By
        default an eighth of `memory`.
    """

    def __init__(
        self,
        storage: Storage,
        manifest: Manifest,
        cache: Storage | None = None,
        memory: int | None = None,
        pixel_bytes: int | None = None,
    ) -> None:
        self.storage = storage
        self.manifest = manifest
        self.cache = cache if cache is not None else user_cache()
        memory = default_budget() if memory is None else memory
        self.recent = Recent[Any](memory)
        self.recent_pixels = Recent[Any](memory // 8 if pixel_bytes is None else pixel_bytes)
        self.kept_tiles = KeptTiles(self.recent_pixels)
        self._lock = threading.Lock()
        self._segments: dict[int, SegmentReader] = {}
        self._specs: tuple[PartSpec, ...] | None = None

    def __len__(self) -> int:
        return self.manifest.rows

    @property
    def nbytes(self) -> int:
        """Bytes in memory of what was read and may be forgotten."""
        return self.recent.nbytes + self.recent_pixels.nbytes

    def segment(self, index: int) -> SegmentReader:
        """Reader of a segment, by its position in the manifest."""
        with self._lock:
            if index not in self._segments:
                self._segments[index] = SegmentReader(self, index)
            return self._segments[index]

    def segments(self) -> Iterable[SegmentReader]:
        """Readers of all segments."""
        return (self.segment(index) for index in range(len(self.manifest.segments)))

    def part_specs(self) -> tuple[PartSpec, ...]:
        """Find what the index parts built later hold; asked of the storage once."""
        with self._lock:
            if self._specs is None:
                self._specs = list_specs(self.storage)
            return self._specs

    def locate(self, mask_ids: Sequence[int] | npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        """Segment and ordinal of each mask.

        Raises
        ------
        InputError
            If there is no such mask; the text names its id.
        """
        wanted = np.asarray(mask_ids, np.int64)
        found = np.full((len(wanted), 2), -1, np.int64)
        for index, entry in enumerate(self.manifest.segments):
            near = np.flatnonzero((entry.id_min <= wanted) & (wanted <= entry.id_max))
            if not len(near):
                continue
            ordinals = self.segment(index).find(wanted[near])
            hit = ordinals >= 0
            found[near[hit]] = np.stack([np.full(hit.sum(), index), ordinals[hit]], axis=1)
        lost = np.flatnonzero(found[:, 0] < 0)
        if len(lost):
            raise InputError(f"no mask with mask_id {wanted[lost[0]]}")
        return [(int(segment), int(ordinal)) for segment, ordinal in found]

    def masks(self, mask_ids: Sequence[int] | npt.NDArray[np.int64]) -> list[npt.NDArray[Any]]:
        """Masks as stored, in the order asked for."""
        places = self.locate(mask_ids)
        found: list[npt.NDArray[Any]] = [np.empty(0)] * len(places)
        by_segment: dict[int, list[int]] = {}
        for position, (segment, _) in enumerate(places):
            by_segment.setdefault(segment, []).append(position)
        for segment, positions in by_segment.items():
            ordinals = [places[position][1] for position in positions]
            for position, mask in zip(
                positions, self.segment(segment).masks(ordinals), strict=True
            ):
                found[position] = mask
        return found
