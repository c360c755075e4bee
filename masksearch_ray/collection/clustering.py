"""Bringing the masks of an image together, over all segments of a collection.

Which rows become which segment is decided first, from ``image_id`` alone; jobs then read the masks
of a new segment from wherever they lie, and write it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.adding import Added, discard
from masksearch_ray.collection.builder import Limits, SegmentBuilder
from masksearch_ray.collection.cutting import cut, image_order
from masksearch_ray.collection.indexing import rebuild_parts
from masksearch_ray.collection.manifest import Manifest, SegmentEntry
from masksearch_ray.collection.reader import CollectionReader, SegmentReader
from masksearch_ray.collection.rows import MASK_ID
from masksearch_ray.collection.segment import IMAGE_ID
from masksearch_ray.collection.sources.ahead import read_ahead
from masksearch_ray.errors import InputError
from masksearch_ray.model.progress import Progress, ProgressStep
from masksearch_ray.model.tasks import Done, Tasks
from masksearch_ray.storage import Storage, open_storage

__all__ = ["Cluster", "plan_clusters", "write_clusters"]

_READ_MASKS = 256
_BASE_MEMORY = 320 << 20
_READ_MEMORY = 128 << 20  # of metadata and directories of the segments read from
_COPIES = 3


@dataclass(frozen=True, eq=False)
class Cluster:
    """Rows that become a segment, in their order there.

    Parameters
    ----------
    segments : numpy.ndarray
        int64, shape ``(n,)``: position in the manifest of the segment that a row lies in.
    ordinals : numpy.ndarray
        int64, shape ``(n,)``: its ordinal there.
    """

    segments: npt.NDArray[np.int64]
    ordinals: npt.NDArray[np.int64]


def plan_clusters(reader: CollectionReader, limits: Limits) -> list[Cluster]:
    """Tell which rows are to be brought together; what is as it should be is left alone.

    Raises
    ------
    InputError
        If there is no ``image_id``, or none that can be sorted.
    """
    manifest = reader.manifest
    kind = manifest.schema.field(IMAGE_ID).type if IMAGE_ID in manifest.schema.names else None
    if kind is None or not (pa.types.is_string(kind) or pa.types.is_integer(kind)):
        told = "there is none" if kind is None else f"it holds {kind}"
        raise InputError(f"{reader.storage.url}: no {IMAGE_ID} to cluster by: {told}")
    stored = [n for n, entry in enumerate(manifest.segments) if entry.kind == "stored"]
    ranges = dict(zip(stored, read_ahead(lambda n: _range(reader.segment(n)), stored), strict=True))
    moving = {n for n in _overlapping(ranges)}
    moving |= {n for n in stored if _is_unfit(manifest.segments[n], limits)}
    staying = sorted(r[0] for n in stored if n not in moving and (r := ranges[n]) is not None)
    chosen = sorted(moving, key=lambda n: manifest.segments[n].id_min)
    return [
        one
        for one in _cut(reader, chosen, staying, limits)
        if not _is_whole(one, manifest.segments)
    ]


def _is_unfit(entry: SegmentEntry, limits: Limits) -> bool:
    small = entry.alive * 2 < limits.rows and entry.sizes.pixels * 2 < limits.bytes
    return small or entry.deletes is not None or entry.image_min is None


def _range(segment: SegmentReader) -> tuple[Any, Any] | None:
    """Smallest and largest image of a segment; None where no row has one."""
    entry = segment.entry
    if entry.image_min is not None:
        return entry.image_min, entry.image_max
    images = segment.metadata([IMAGE_ID]).column(0).drop_null().to_pylist()
    return (min(images), max(images)) if images else None


def _overlapping(ranges: Mapping[int, tuple[Any, Any] | None]) -> Iterator[int]:
    """Yield segments of which another has images in the range."""
    known = sorted((r[0], r[1], n) for n, r in ranges.items() if r is not None)
    last: tuple[Any, int] | None = None  # the end that reaches farthest, and whose it is
    for low, high, n in known:
        if last is not None and low <= last[0]:
            yield n
            yield last[1]
        if last is None or high > last[0]:
            last = high, n


def _cut(
    reader: CollectionReader, chosen: Sequence[int], staying: Sequence[Any], limits: Limits
) -> Iterator[Cluster]:
    """Cut the rows of some segments, never across the range of a segment that stays."""
    segments, ordinals, images, sizes = [], [], [], []
    for n in chosen:
        segment = reader.segment(n)
        rows = np.flatnonzero(segment.alive())
        segments.append(np.full(len(rows), n, np.int64))
        ordinals.append(rows.astype(np.int64))
        images += segment.metadata([IMAGE_ID]).column(0).take(rows).to_pylist()
        sizes += [segment.entry.sizes.pixels // max(1, segment.entry.rows)] * len(rows)
    if not images:
        return
    order = image_order(images)
    where, at = np.concatenate(segments)[order], np.concatenate(ordinals)[order]

    def before(place: int) -> int:
        image = images[order[place]]
        return len(staying) if image is None else bisect_left(staying, image)

    for _, some in groupby(range(len(order)), key=before):
        places = list(some)
        few = [order[place] for place in places]
        cuts = cut(
            [images[row] for row in few],
            [1] * len(few),
            [sizes[row] for row in few],
            limits.rows,
            limits.bytes,
        )
        for share in cuts:
            inside = slice(places[share.start], places[share.stop - 1] + 1)
            yield Cluster(where[inside], at[inside])


def _is_whole(cluster: Cluster, entries: Sequence[SegmentEntry]) -> bool:
    """Whether it is all of one segment, so that nothing is gained."""
    first = int(cluster.segments[0])
    alone = bool((cluster.segments == first).all())
    return alone and len(cluster.segments) == entries[first].rows


@dataclass(frozen=True, eq=False)
class _ClusterJob:
    """Writes a segment; `manifest` holds the segments that its rows come from."""

    number: int
    url: str
    options: Mapping[str, Any] = field(repr=False)
    manifest: Manifest
    cluster: Cluster
    limits: Limits

    @property
    def label(self) -> str:
        """Say what it writes."""
        return f"compact of {len(self.cluster.ordinals)} masks into segment {self.number + 1}"

    @property
    def memory(self) -> int:
        """Bytes that it takes at its peak, about."""
        held = sum(s.sizes.stored * len(self.cluster.ordinals) // max(1, s.rows)
                   for s in self.manifest.segments)  # fmt: skip
        return _BASE_MEMORY + _READ_MEMORY + _COPIES * min(held, self.limits.bytes)

    def run(self) -> tuple[int, list[Added]]:
        """Write it, and the index parts that were built later."""
        storage = open_storage(self.url, dict(self.options))
        reader = CollectionReader(storage, self.manifest, memory=_READ_MEMORY)
        with SegmentBuilder(storage, self.manifest, 1, self.limits) as builder:
            builder.add(self._masks(reader), self._table(reader))
            added = builder.finish()
            inputs = range(len(self.manifest.segments))
            rebuild_parts(reader, inputs, [one.entry for one in added])
        return self.number, added

    def _masks(self, reader: CollectionReader) -> Iterator[npt.NDArray[Any]]:
        where, at = self.cluster.segments, self.cluster.ordinals
        for first in range(0, len(at), _READ_MASKS):
            here = slice(first, first + _READ_MASKS)
            masks: list[Any] = [None] * len(at[here])
            for n in np.unique(where[here]).tolist():
                places = np.flatnonzero(where[here] == n)
                found = reader.segment(n).masks(at[here][places])
                for place, mask in zip(places.tolist(), found, strict=True):
                    masks[place] = mask
            yield from masks

    def _table(self, reader: CollectionReader) -> pa.Table:
        where, at = self.cluster.segments, self.cluster.ordinals
        names = [MASK_ID, *self.manifest.schema.names]
        parts, places = [], []
        for n in np.unique(where).tolist():
            rows = np.flatnonzero(where == n)
            parts.append(reader.segment(n).metadata(names).take(at[rows]))
            places.append(rows)
        order = np.argsort(np.concatenate(places))
        return pa.concat_tables(parts).take(order).combine_chunks()


def write_clusters(
    reader: CollectionReader,
    clusters: Sequence[Cluster],
    limits: Limits,
    tasks: Tasks,
    progress: Progress,
) -> list[Added]:
    """Let jobs write the new segments; on an error what was written is removed.

    Returns
    -------
    list of Added
        In the order of the clusters.
    """
    storage, manifest = reader.storage, reader.manifest
    jobs = (_job(number, one, storage, manifest, limits) for number, one in enumerate(clusters))
    total = sum(len(one.ordinals) for one in clusters)
    made: dict[int, list[Added]] = {}
    nodes, workers = set[str](), set[str]()
    done = pixels = 0
    try:
        with closing(cast(Generator[Done[tuple[int, list[Added]]]], tasks.run(jobs))) as results:
            for result in results:
                number, added = result.value
                made[number] = added
                nodes.add(result.node)
                workers.add(result.worker)
                done += sum(one.entry.rows for one in added)
                pixels += sum(one.entry.sizes.raw for one in added)
                spread = (len(nodes), len(workers)) if tasks.remote else (None, None)
                progress(ProgressStep("compact", done, total, pixels, *spread))
    except Exception:
        discard(storage, [one for added in made.values() for one in added])
        raise
    return [one for number in sorted(made) for one in made[number]]


def _job(
    number: int, cluster: Cluster, storage: Storage, manifest: Manifest, limits: Limits
) -> _ClusterJob:
    url, options = storage.describe()
    inputs, where = np.unique(cluster.segments, return_inverse=True)
    segments = tuple(manifest.segments[n] for n in inputs.tolist())
    bare = replace(manifest, segments=segments, ingests={})
    return _ClusterJob(number, url, options, bare, Cluster(where, cluster.ordinals), limits)
