"""Index parts built after their segments were written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from masksearch_ray.collection.layout import part_key
from masksearch_ray.collection.manifest import Manifest, SegmentEntry
from masksearch_ray.collection.parts import PartSpec, put_spec, resolve_rois
from masksearch_ray.collection.quantiles import quantile_edges
from masksearch_ray.collection.reader import CollectionReader, SegmentReader
from masksearch_ray.collection.remote import refuse_memory
from masksearch_ray.collection.specs import edges_of
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.errors import ExistsError, NotFoundError
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.model.roi import Roi
from masksearch_ray.model.tasks import Done, Tasks
from masksearch_ray.storage import Storage, open_storage

__all__ = ["BuildReport", "build_index", "rebuild_parts"]

_BASE_MEMORY = 320 << 20  # of a worker with the engine loaded
_READ_MEMORY = 128 << 20


@dataclass(frozen=True)
class BuildReport:
    """What was built: segments that got a part, of how many, bytes written, and by whom."""

    built: int
    segments: int
    bytes: int
    nodes: int = 1
    workers: int = 1


def build_index(
    storage: Storage,
    rois: Sequence[Roi] | Literal["auto"] = "auto",
    bins: int | Sequence[float] | Literal["quantiles"] | None = None,
    *,
    threads: int | None = None,
    progress: Progress = silent,
    tasks: Tasks | None = None,
) -> BuildReport:
    """Keep histograms of further regions, or with other bins, for all rows that there are.

    What is there already is not built again; segments appended later are built by calling this
    again.

    Parameters
    ----------
    storage : Storage
    rois : sequence of Roi or "auto"
        Regions; "auto": the full image and every column of boxes.
    bins : int, sequence of float or "quantiles", optional
        A count, or edges; by default those of the collection. 256 make every range of values
        exact for uint8. "quantiles": the collection's, cut further into as many that hold
        equally many pixels, by a sample of what is there now.
    threads : int, optional
        Segments built at a time; by default as many as there are processors.
    progress : Progress
    tasks : Tasks, optional
        Build them, where they are done outside this process.

    Raises
    ------
    InputError
        If the bins make no sense, or a region needs a column of boxes that is not there.
    """
    manifest = open_manifest(storage)
    reader = CollectionReader(storage, manifest)
    spec = PartSpec(resolve_rois(rois, manifest.schema), _edges(reader, bins))
    put_spec(storage, spec)
    if tasks is not None and tasks.remote:
        refuse_memory(storage)
        return _build_by_tasks(reader, spec, tasks, progress)
    total = sum(entry.rows for entry in manifest.segments)
    done = 0

    def told(masks: int) -> None:
        nonlocal done
        done += masks
        progress(ProgressStep("index", done, total, 0))

    with ThreadPoolExecutor(threads, thread_name_prefix="index") as pool:
        sizes = list(pool.map(lambda s: _build(storage, s, spec, told), reader.segments()))
    return BuildReport(sum(size > 0 for size in sizes), len(sizes), sum(sizes))


@dataclass(frozen=True)
class _IndexJob:
    """Builds the part of the one segment that `manifest` holds."""

    url: str
    options: Mapping[str, Any] = field(repr=False)
    manifest: Manifest
    spec: PartSpec

    @property
    def label(self) -> str:
        """Say what it builds."""
        return f"index of segment {self.manifest.segments[0].id}"

    @property
    def memory(self) -> int:
        """Bytes that it takes at its peak, about."""
        return _BASE_MEMORY + self.manifest.segments[0].sizes.stored

    def run(self) -> tuple[int, int]:
        """Build it: rows of the segment, and bytes written."""
        storage = open_storage(self.url, dict(self.options))
        segment = CollectionReader(storage, self.manifest, memory=_READ_MEMORY).segment(0)
        return segment.entry.rows, _build(storage, segment, self.spec, lambda masks: None)


def _build_by_tasks(
    reader: CollectionReader, spec: PartSpec, tasks: Tasks, progress: Progress
) -> BuildReport:
    url, options = reader.storage.describe()
    segments = reader.manifest.segments
    total = sum(entry.rows for entry in segments)
    jobs = (
        _IndexJob(url, options, replace(reader.manifest, segments=(entry,), ingests={}), spec)
        for entry in segments
    )
    nodes, workers = set[str](), set[str]()
    done, sizes = 0, []
    with closing(cast(Generator[Done[tuple[int, int]]], tasks.run(jobs))) as results:
        for result in results:
            rows, size = result.value
            done += rows
            sizes.append(size)
            nodes.add(result.node)
            workers.add(result.worker)
            progress(ProgressStep("index", done, total, 0, len(nodes), len(workers)))
    built = sum(size > 0 for size in sizes)
    spread = len(nodes) or 1, len(workers) or 1
    return BuildReport(built, len(segments), sum(sizes), *spread)


def _edges(
    reader: CollectionReader, bins: int | Sequence[float] | Literal["quantiles"] | None
) -> tuple[float, ...]:
    edges = reader.manifest.spec.edges
    if bins is None:
        return edges
    if isinstance(bins, str) and bins == "quantiles":
        # With those of the collection: whatever they make exact stays so.
        return tuple(sorted({*edges, *quantile_edges(reader, len(edges) - 1)}))
    return edges_of(bins, reader.manifest.domain)


def rebuild_parts(
    reader: CollectionReader, inputs: Sequence[int], entries: Sequence[SegmentEntry]
) -> None:
    """Give new segments the parts that the segments have from which they were made."""
    fresh = CollectionReader(reader.storage, replace(reader.manifest, segments=tuple(entries)))
    for spec in reader.part_specs():
        names = [reader.manifest.segments[index].id for index in inputs]
        if any(_exists(reader.storage, part_key(name, spec.name)) for name in names):
            for segment in fresh.segments():
                _build(reader.storage, segment, spec, lambda masks: None)


def _build(
    storage: Storage, segment: SegmentReader, spec: PartSpec, progress: Callable[[int], None]
) -> int:
    """Bytes of the part that was built; 0 where it was there."""
    key = part_key(segment.entry.id, spec.name)
    if _exists(storage, key):
        progress(segment.entry.rows)
        return 0
    data = segment.build_part(spec, progress)
    if data:
        with contextlib.suppress(ExistsError):
            storage.put_if_absent(key, data)
    return len(data)


def _exists(storage: Storage, key: str) -> bool:
    try:
        storage.info(key)
    except NotFoundError:
        return False
    return True
