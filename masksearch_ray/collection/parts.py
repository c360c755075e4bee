"""The index of a segment: the file it came with, and parts built later and found by name."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from masksearch_ray.collection.cache import cache_fetcher, cache_key
from masksearch_ray.collection.counts import IndexFile, Kind, open_part, whole_part
from masksearch_ray.collection.encode import count_masks, join_blocks
from masksearch_ray.collection.fetch import Fetcher
from masksearch_ray.collection.layout import INDEX, INDEXES, part_key, segment_key, spec_key
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.pixels import PixelContext, PixelSource
from masksearch_ray.collection.reread import reread
from masksearch_ray.collection.sealed import canonical, seal, unseal
from masksearch_ray.collection.segment import BLOCK
from masksearch_ray.collection.specs import roi_from_json, roi_to_json, rois_for, spec_to_json
from masksearch_ray.collection.versions import object_url
from masksearch_ray.errors import DamagedError, ExistsError, InputError, StorageError
from masksearch_ray.index.container import Part, write_index
from masksearch_ray.index.levels import block_levels
from masksearch_ray.model.interrupt import locked
from masksearch_ray.model.query import roi_columns
from masksearch_ray.model.roi import Roi, roi_key
from masksearch_ray.storage import Storage

__all__ = ["PartSpec", "SegmentIndex", "build_part", "list_specs", "put_spec", "resolve_rois"]

_SPECS = INDEXES + "specs/"
_BATCH_BYTES = 16 << 20


@dataclass(frozen=True)
class PartSpec:
    """What index parts built later hold: histograms of some regions.

    Parameters
    ----------
    rois : tuple of Roi
    edges : tuple of float
        Of the bins.
    """

    rois: tuple[Roi, ...]
    edges: tuple[float, ...]

    @property
    def name(self) -> str:
        """Hash by which the parts are found."""
        return _hash(self._record())

    def _record(self) -> dict[str, object]:
        return {"rois": [roi_to_json(roi) for roi in self.rois], "edges": list(self.edges)}

    def encode(self) -> bytes:
        """Bytes of the object that describes it."""
        return seal(self._record())

    @classmethod
    def decode(cls, data: bytes, object: str) -> PartSpec:
        """Read it again; DamagedError where that is not possible."""
        record = unseal(data, object)
        try:
            rois = tuple(roi_from_json(roi) for roi in record["rois"])
            return cls(rois, tuple(float(edge) for edge in record["edges"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError("describes no index part", object) from error


def _hash(record: object) -> str:
    return hashlib.sha256(canonical(record)).hexdigest()[:32]


def list_specs(storage: Storage) -> tuple[PartSpec, ...]:
    """Find what the index parts built later hold, as far as there are any."""
    found = []
    for info in storage.list(_SPECS):
        spec = _read_spec(storage, info.key)
        if info.key == spec_key(spec.name):
            found.append(spec)
    return tuple(found)


def _read_spec(storage: Storage, key: str) -> PartSpec:
    return reread(lambda: PartSpec.decode(storage.get(key), object_url(storage, key)))


def put_spec(storage: Storage, spec: PartSpec) -> None:
    """Describe index parts, before the first is written."""
    with contextlib.suppress(ExistsError):
        storage.put_if_absent(spec_key(spec.name), spec.encode())


def build_part(
    context: PixelContext,
    pixels: PixelSource,
    manifest: Manifest,
    rois: Sequence[Roi],
    edges: Sequence[float],
    chi: bool,
    progress: Callable[[int], None] = lambda masks: None,
) -> bytes:
    """Count all masks of a segment.

    Parameters
    ----------
    context : PixelContext
    pixels : PixelSource
    manifest : Manifest
    rois : sequence of Roi
        Regions of which to keep histograms.
    edges : sequence of float
        Of the bins.
    chi : bool
        Whether to count by cells, too.
    progress : callable
        Told how many further masks are counted.

    Returns
    -------
    bytes
        Of an index file.
    """
    names = sorted({name for roi in rois for name in roi_columns(roi)})
    table = context.columns([BLOCK, *names])
    parts = []
    for number, (block, grid) in enumerate(zip(context.entry.blocks, context.grids, strict=True)):
        levels = block_levels(edges, block.shape.dtype, manifest.domain)
        size = grid.area * np.dtype(block.shape.dtype).itemsize
        step = max(1, _BATCH_BYTES // size)
        counted = []
        for first in range(0, block.rows, step):
            rows = np.arange(first, min(block.rows, first + step))
            masks = np.stack(pixels.masks(number, rows))
            some = _take(table, context.ordinals(number)[rows])
            counted.append(count_masks(masks, some, grid, levels, rois, chi))
            progress(len(rows))
        parts += join_blocks(counted, block.nan).parts(number)
    return write_index(parts, context.entry.id)[0]


def _take(table: pa.Table, rows: object) -> pa.Table:
    return table.take(pa.array(rows))


class SegmentIndex:
    """Index columns of a segment; may be used by several threads.

    Parameters
    ----------
    context : PixelContext
    pixels : PixelSource
        From which an index is built where the segment came without one.
    manifest : Manifest
    specs : callable
        What the parts built later hold.
    cache : Storage
        Keeps an index that cannot be written to the collection.

    Attributes
    ----------
    cached : bool
        Whether the file with the CHI is not in the collection, but in the cache.
    """

    def __init__(
        self,
        context: PixelContext,
        pixels: PixelSource,
        manifest: Manifest,
        specs: Callable[[], tuple[PartSpec, ...]],
        cache: Storage,
    ) -> None:
        self._context = context
        self._pixels = pixels
        self._manifest = manifest
        self._specs = specs
        self._cache = cache_fetcher(cache)
        self.cached = False
        self._lock = threading.Lock()
        self._main: IndexFile | None = None
        self._parts: dict[str, IndexFile | None] = {}

    @property
    def main(self) -> IndexFile:
        """The file with the CHI."""
        # Another thread may be indexing the segment, for a query with more time than this one.
        with locked(self._lock):
            if self._main is None:
                self._main = self._open_main()
            return self._main

    def chi(self, block: int) -> tuple[IndexFile, Part]:
        """File and part that hold the CHI of a block."""
        found = self._find(self.main, block, "chi", "")
        if found is None:
            url = self._context.fetcher.url(segment_key(self._context.entry.id, INDEX))
            raise DamagedError(f"has no CHI of block {block}", url)
        return self.main, found

    def histogram(self, block: int, roi: str) -> tuple[IndexFile, Part] | None:
        """File and part that hold the finest histogram of a region; None where there is none."""
        files = [self.main]
        for spec in self._specs():
            if any(roi_key(one) == roi for one in spec.rois):
                part = self._part(spec.name)
                files += [part] if part is not None else []
        found = [(file, self._find(file, block, "histogram", roi)) for file in files]
        kept = [(file, part) for file, part in found if part is not None]
        return max(kept, key=lambda pair: len(pair[1].levels), default=None)

    def lacking(self, spec: PartSpec) -> tuple[Roi, ...]:
        """Regions of which the file with the CHI has no such histogram, but might."""
        return tuple(roi for roi in self._possible(spec.rois) if not self._has(roi, spec.edges))

    def _possible(self, rois: Sequence[Roi]) -> tuple[Roi, ...]:
        """Regions whose columns the segment has."""
        names = sorted({name for roi in rois for name in roi_columns(roi)})
        return rois_for(tuple(rois), self._context.columns([BLOCK, *names]).schema)

    def _has(self, roi: Roi, edges: Sequence[float]) -> bool:
        for number, block in enumerate(self._context.entry.blocks):
            part = self._find(self.main, number, "histogram", roi_key(roi))
            levels = block_levels(edges, block.shape.dtype, self._manifest.domain)
            if part is None or part.levels != levels:
                return False
        return True

    def _find(self, file: IndexFile, block: int, kind: Kind, roi: str) -> Part | None:
        cells = self._context.grids[block].cells if kind == "chi" else 1
        return file.part(block, kind, roi, cells, self._context.entry.blocks[block].rows)

    def _part(self, name: str) -> IndexFile | None:
        with self._lock:
            if name not in self._parts:
                key = part_key(self._context.entry.id, name)
                self._parts[name] = self._open(self._context.fetcher, key)
            return self._parts[name]

    def _open(self, fetcher: Fetcher, key: str) -> IndexFile | None:
        return open_part(fetcher, key, self._context.entry.id, self._context.recent)

    def _open_main(self) -> IndexFile:
        entry, fetcher = self._context.entry, self._context.fetcher
        if INDEX in entry.objects:
            key, head = segment_key(entry.id, INDEX), entry.objects[INDEX]
            return IndexFile.open(fetcher, key, head, self._context.recent)
        spec = _hash(spec_to_json(self._manifest.spec))
        key, spare = part_key(entry.id, spec), cache_key(fetcher.storage.url, entry, spec)
        found = self._open(fetcher, key)
        if found is None:
            # A cache may be damaged or out of reach: the index can be built again.
            with contextlib.suppress(StorageError):
                found = self._open(self._cache, spare)
            self.cached = found is not None
        return found if found is not None else self._build_main(key, spare)

    def _build_main(self, key: str, spare: str) -> IndexFile:
        """Index a segment that came without an index, and keep it where that is allowed."""
        spec, fetcher = self._manifest.spec, self._context.fetcher
        rois = self._possible(rois_for(spec.rois, self._manifest.schema))
        data = build_part(self._context, self._pixels, self._manifest, rois, spec.edges, True)
        found = None
        try:
            with contextlib.suppress(ExistsError):  # another reader was quicker
                fetcher.storage.put_if_absent(key, data)
            found = self._open(fetcher, key)
        except StorageError:
            # Read-only, or full: a query need not fail for an index that is at hand.
            self.cached = True
            with contextlib.suppress(StorageError):
                self._cache.storage.put(spare, data)
                found = self._open(self._cache, spare)
        if found is not None:
            return found
        context = self._context
        return whole_part(fetcher, key, context.entry.id, context.recent, data)


def resolve_rois(rois: Sequence[Roi] | str, schema: pa.Schema) -> tuple[Roi, ...]:
    """Regions to build histograms of; InputError where one needs a column that is not there."""
    if isinstance(rois, str):
        if rois != "auto":
            raise InputError(f"rois = {rois!r}: 'auto' or regions wanted")
        return rois_for("auto", schema)
    kept = rois_for(tuple(rois), schema)
    lost = [roi_key(roi) for roi in rois if roi not in kept]
    if lost:
        raise InputError(f"no column of boxes for {', '.join(lost)}")
    return kept
