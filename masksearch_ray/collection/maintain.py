"""Deleting rows, and merging what deletes and small appends have left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.adding import Added, discard
from masksearch_ray.collection.builder import DEFAULT_LIMITS, Limits, SegmentBuilder
from masksearch_ray.collection.clustering import plan_clusters, write_clusters
from masksearch_ray.collection.commit import commit
from masksearch_ray.collection.indexing import rebuild_parts
from masksearch_ray.collection.layout import delete_key, new_name
from masksearch_ray.collection.manifest import DeleteEntry, Manifest, SegmentEntry
from masksearch_ray.collection.reader import CollectionReader, SegmentReader
from masksearch_ray.collection.remote import refuse_memory
from masksearch_ray.collection.rows import MASK_ID
from masksearch_ray.collection.segment import IMAGE_ID
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.errors import ConflictError, InputError, ReadOnlyError, StorageError
from masksearch_ray.index.tilecodec import crc32c
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.storage import Storage

__all__ = ["CompactReport", "DeleteReport", "Selection", "compact", "delete"]

Flags = npt.NDArray[np.bool_]

Selection = Callable[[SegmentReader], Flags]
"""Which rows of a segment are meant: bool, shape ``(rows,)``."""

_READ_MASKS = 256


@dataclass(frozen=True)
class DeleteReport:
    """Rows deleted, and the version without them."""

    rows: int
    version: int


@dataclass(frozen=True)
class CompactReport:
    """Segments merged into how many, rows in them, and the version that holds the result."""

    merged: int
    written: int
    rows: int
    version: int


def delete(storage: Storage, select: Selection) -> DeleteReport:
    """Delete rows.

    Parameters
    ----------
    storage : Storage
    select : callable
        Tells the rows to delete; asked once for every segment, those that others add meanwhile
        included.
    """
    deletion = _Deletion(storage, select)
    version = commit(storage, deletion).version
    return DeleteReport(deletion.rows, version)


def compact(
    storage: Storage,
    *,
    cluster_by: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    threads: int | None = None,
    progress: Progress = silent,
    tasks: Tasks | None = None,
) -> CompactReport:
    """Merge small segments, and those with deleted rows, into full ones.

    Parameters
    ----------
    storage : Storage
    cluster_by : {"image_id"}, optional
        Sort the rows by it, over all segments whose ranges of it overlap with others': so each
        image lies in one segment, but for one that does not fit.
    limits : Limits
        When a segment is full; one of less than half is small.
    threads : int, optional
        Encoders; by default as many as there are processors.
    progress : Progress
    tasks : Tasks
        Do the work of `cluster_by`, for which they are needed.

    Raises
    ------
    InputError
        If the rows cannot be sorted by it.
    ConflictError
        If a segment that was being merged is gone.
    """
    reader = CollectionReader(storage, open_manifest(storage))
    if cluster_by is None:
        inputs = _choose(reader.manifest, limits)
        added = _merge(reader, inputs, limits, threads, progress) if inputs else []
    else:
        if cluster_by != IMAGE_ID:
            raise InputError(f"cluster_by = {cluster_by!r}: {IMAGE_ID!r} wanted")
        if tasks is None:
            raise InputError("cluster_by: no tasks to do it")
        clusters = plan_clusters(reader, limits)
        inputs = sorted({n for one in clusters for n in np.unique(one.segments).tolist()})
        if tasks.remote and inputs:
            refuse_memory(storage)
        added = write_clusters(reader, clusters, limits, tasks, progress)
    if not inputs:
        return CompactReport(0, 0, 0, reader.manifest.version)
    compaction = _Compaction(storage, reader, tuple(inputs), added)
    try:
        version = commit(storage, compaction).version
    except (ConflictError, InputError, ReadOnlyError):
        discard(storage, added)
        raise
    rows = sum(one.entry.rows for one in added)
    return CompactReport(len(inputs), len(added), rows, version)


def _merge(
    reader: CollectionReader,
    inputs: Sequence[int],
    limits: Limits,
    threads: int | None,
    progress: Progress,
) -> list[Added]:
    """Write the rows of some segments, one after the other, as new ones."""
    manifest = reader.manifest
    total, done = sum(manifest.segments[index].alive for index in inputs), 0
    with SegmentBuilder(reader.storage, manifest, threads, limits) as builder:
        for index in inputs:
            segment = reader.segment(index)
            rows = np.flatnonzero(segment.alive())
            table = segment.metadata([MASK_ID, *manifest.schema.names]).take(rows)
            builder.add(_masks(segment, rows), table)
            done += len(rows)
            progress(ProgressStep("compact", done, total, 0))
        added = builder.finish()
        rebuild_parts(reader, inputs, [one.entry for one in added])
    return added


def _masks(segment: SegmentReader, rows: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[Any]]:
    for first in range(0, len(rows), _READ_MASKS):
        yield from segment.masks(rows[first : first + _READ_MASKS])


def _choose(manifest: Manifest, limits: Limits) -> list[int]:
    """Positions of the segments to merge, by their smallest id; none where nothing is gained."""
    chosen, small = [], 0
    for index, entry in enumerate(manifest.segments):
        few = entry.alive * 2 < limits.rows and entry.sizes.pixels * 2 < limits.bytes
        if entry.kind == "stored" and (few or entry.deletes):
            chosen.append(index)
            small += entry.deletes is None
    if small == len(chosen) == 1:
        return []
    return sorted(chosen, key=lambda index: manifest.segments[index].id_min)


@dataclass(eq=False)
class _Bitmaps:
    """Deletion bitmaps of a commit; those of an attempt that lost are removed."""

    storage: Storage
    names: list[str] = field(default_factory=list)

    def clear(self) -> None:
        for name in self.names:
            with contextlib.suppress(StorageError):
                self.storage.delete(delete_key(name))
        self.names.clear()

    def apply(self, entry: SegmentEntry, dead: Flags) -> SegmentEntry | None:
        """Entry without the dead rows; None where none is left."""
        count = int(dead.sum())
        if count == entry.rows:
            return None
        if not count:
            return entry
        name, data = new_name(), np.packbits(dead, bitorder="little").tobytes()
        self.names.append(name)
        self.storage.put(delete_key(name), data)
        return replace(entry, deletes=DeleteEntry(name, count, crc32c(data)))


class _Deletion:
    """A change that deletes the rows of a selection."""

    def __init__(self, storage: Storage, select: Selection) -> None:
        self.rows = 0
        self._storage = storage
        self._select = select
        self._selected: dict[str, Flags] = {}
        self._bitmaps = _Bitmaps(storage)

    def rebase(self, latest: Manifest) -> Manifest | None:
        self._bitmaps.clear()
        self.rows = 0
        reader = CollectionReader(self._storage, latest)
        entries: list[SegmentEntry] = []
        for segment in reader.segments():
            alive = segment.alive()
            doomed = self._chosen(segment) & alive
            entry: SegmentEntry | None = segment.entry
            if doomed.any():
                self.rows += int(doomed.sum())
                entry = self._bitmaps.apply(segment.entry, doomed | ~alive)
            entries += [] if entry is None else [entry]
        return replace(latest, segments=tuple(entries)) if self.rows else None

    def _chosen(self, segment: SegmentReader) -> Flags:
        name = segment.entry.id
        if name not in self._selected:
            self._selected[name] = np.asarray(self._select(segment), np.bool_)
        return self._selected[name]


class _Compaction:
    """A change that puts merged segments in the place of their inputs."""

    def __init__(
        self,
        storage: Storage,
        base: CollectionReader,
        inputs: Sequence[int],
        added: Sequence[Added],
    ) -> None:
        self._storage = storage
        self._inputs = {base.manifest.segments[index].id: base.segment(index) for index in inputs}
        self._added = added
        self._bitmaps = _Bitmaps(storage)

    def rebase(self, latest: Manifest) -> Manifest | None:
        self._bitmaps.clear()
        reader = CollectionReader(self._storage, latest)
        there = {entry.id: index for index, entry in enumerate(latest.segments)}
        lost = self._inputs.keys() - there.keys()
        if lost:
            raise ConflictError("compact: others have replaced a segment meanwhile; try again")
        deleted = [
            self._deleted_since(before, reader.segment(there[name]))
            for name, before in self._inputs.items()
        ]
        ids = np.concatenate([np.empty(0, np.int64), *deleted])
        entries = [entry for entry in latest.segments if entry.id not in self._inputs]
        for one in self._added:
            dead = np.isin(one.ids, ids) if one.ids is not None else np.zeros(0, np.bool_)
            entry = self._bitmaps.apply(one.entry, dead)
            entries += [] if entry is None else [entry]
        return replace(latest, segments=tuple(entries))

    @staticmethod
    def _deleted_since(before: SegmentReader, after: SegmentReader) -> npt.NDArray[np.int64]:
        if before.entry.deletes == after.entry.deletes:
            return np.empty(0, np.int64)
        return after.mask_ids()[before.alive() & ~after.alive()]
