"""Index parts built after their segments were written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

from masksearch_ray.collection.layout import part_key
from masksearch_ray.collection.manifest import SegmentEntry
from masksearch_ray.collection.parts import PartSpec, put_spec, resolve_rois
from masksearch_ray.collection.quantiles import quantile_edges
from masksearch_ray.collection.reader import CollectionReader, SegmentReader
from masksearch_ray.collection.specs import edges_of
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.errors import ExistsError, NotFoundError
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.model.roi import Roi
from masksearch_ray.storage import Storage

__all__ = ["BuildReport", "build_index", "rebuild_parts"]


@dataclass(frozen=True)
class BuildReport:
    """What was built: segments that got a part, of how many, and bytes written."""

    built: int
    segments: int
    bytes: int


def build_index(
    storage: Storage,
    rois: Sequence[Roi] | Literal["auto"] = "auto",
    bins: int | Sequence[float] | Literal["quantiles"] | None = None,
    *,
    threads: int | None = None,
    progress: Progress = silent,
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

    Raises
    ------
    InputError
        If the bins make no sense, or a region needs a column of boxes that is not there.
    """
    manifest = open_manifest(storage)
    reader = CollectionReader(storage, manifest)
    spec = PartSpec(resolve_rois(rois, manifest.schema), _edges(reader, bins))
    put_spec(storage, spec)
    total = sum(entry.rows for entry in manifest.segments)
    done = 0

    def told(masks: int) -> None:
        nonlocal done
        done += masks
        progress(ProgressStep("index", done, total, 0))

    with ThreadPoolExecutor(threads, thread_name_prefix="index") as pool:
        sizes = list(pool.map(lambda s: _build(storage, s, spec, told), reader.segments()))
    return BuildReport(sum(size > 0 for size in sizes), len(sizes), sum(sizes))


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
