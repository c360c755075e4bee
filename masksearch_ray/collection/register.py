"""Registering masks in place: only their headers are read, nothing is copied or indexed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from masksearch_ray.collection.adding import Added
from masksearch_ray.collection.ingest_run import IngestReport, IngestRun, ingest_name
from masksearch_ray.collection.layout import ROWS, new_name, segment_key
from masksearch_ray.collection.manifest import BlockEntry, Manifest, SegmentSizes
from masksearch_ray.collection.metadata import RowMaker, RowOptions
from masksearch_ray.collection.metadata.names import listed
from masksearch_ray.collection.registered import SourceRecord, source_columns
from masksearch_ray.collection.rows import MASK_ID, merge_schemas, normalise
from masksearch_ray.collection.segment import (
    BlockData,
    object_entry,
    rows_beyond,
    segment_entry,
    write_rows,
)
from masksearch_ray.collection.sources.ahead import read_ahead
from masksearch_ray.collection.sources.files import SUFFIXES, FileSource
from masksearch_ray.collection.sources.images import PNG_HEADER, read_png_header
from masksearch_ray.collection.sources.location import Location, locate, suffix_of
from masksearch_ray.collection.sources.npy import object_window, read_header
from masksearch_ray.collection.tiles import TileCodec
from masksearch_ray.errors import DataError
from masksearch_ray.model.grid import BlockShape
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.model.values import DTYPES
from masksearch_ray.storage import ObjectInfo, Storage

__all__ = ["register"]

_IN_PLACE = (".npy", ".png")


@dataclass(frozen=True)
class _Found:
    """A mask in place: its key, its shape, and what is kept of its file."""

    key: str
    shape: BlockShape
    record: SourceRecord

    @property
    def nbytes(self) -> int:
        return self.shape.height * self.shape.width * np.dtype(self.shape.dtype).itemsize


def register(
    storage: Storage,
    prefix: str,
    *,
    rows: RowOptions | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    segment_rows: int = 4096,
) -> IngestReport:
    """Make the .npy and .png masks under a prefix rows of the collection, and leave them there.

    They are indexed by the first query that touches them. Continues what was interrupted, and adds
    nothing twice.

    Parameters
    ----------
    storage : Storage
        Of the collection.
    prefix : str
        URL or path of a folder, of a file or, in an object store, of a prefix.
    rows : RowOptions, optional
        Metadata that are joined.
    storage_options : mapping, optional
        Of the storages that masks and metadata lie on; those of the collection are used to read
        masks later.
    progress : Progress
    segment_rows : int
        Masks of a segment.

    Raises
    ------
    DataError
        If masks or metadata cannot be taken; the text says which and why.
    CollectionError
        If there is no collection.
    ConflictError
        If another run of the same registration was quicker.
    StorageError
        If a storage fails.
    """
    location = _in_place(locate(prefix, storage_options))
    rows = rows or RowOptions()
    maker = RowMaker(rows, [info.key for info in location.infos], storage_options)
    name = ingest_name(["register", location.url, *rows.identity])
    run = IngestRun(storage, name, maker.digest)
    masks = (mask for mask in _find(location) if mask.key not in run.known)
    expected = FileSource(location).expected()
    total = None if expected is None else max(0, expected - len(run.known))
    done = pixels = 0
    while group := list(islice(masks, segment_rows)):
        _add(storage, run, maker, group)
        done += len(group)
        pixels += sum(mask.nbytes for mask in group)
        progress(ProgressStep("register", done, total, pixels))
    return run.commit()


def _in_place(location: Location) -> Location:
    others = [
        info.key for info in location.of(SUFFIXES).infos if suffix_of(info.key) not in _IN_PLACE
    ]
    if others:
        raise DataError(
            f"{location.url}: {len(others)} files can only be ingested, not read in place: "
            f"{listed(others)}"
        )
    found = location.of(_IN_PLACE)
    if not found.infos:
        raise DataError(f"{location.url}: no file of {', '.join(_IN_PLACE)} there")
    return found


def _find(location: Location) -> Iterator[_Found]:
    """Masks of all files, in order."""
    for group in read_ahead(lambda info: _read_shape(location, info), location.infos):
        yield from group


def _read_shape(location: Location, info: ObjectInfo) -> Iterator[_Found]:
    """Read the header of a file."""
    name = location.url_of(info.key)
    shape: tuple[int, ...]
    window = object_window(location.storage, info.key, info.size, 0)
    if suffix_of(info.key) == ".png":
        png = read_png_header(window(0, min(PNG_HEADER, info.size)), name)
        shape, dtype = (png.height, png.width), png.dtype
    else:
        header = read_header(window, info.size, name)
        shape, dtype = header.shape, header.dtype.name
    if len(shape) not in (2, 3):
        raise DataError(f"{name}: shape {shape}; (height, width) or (N, height, width) wanted")
    if dtype not in DTYPES:
        raise DataError(f"{name} has dtype {dtype}; accepted are {', '.join(DTYPES)}")
    if 0 in shape:
        raise DataError(f"{name} is empty: {' x '.join(map(str, shape))} pixels")
    parts: Iterable[int | None] = [None] if len(shape) == 2 else range(shape[0])
    block = BlockShape(shape[-2], shape[-1], dtype)
    return (
        _Found(
            info.key if part is None else f"{info.key}#{part}",
            block,
            SourceRecord(location.storage.url, info.key, part, info.size, info.etag),
        )
        for part in parts
    )


def _add(storage: Storage, run: IngestRun, maker: RowMaker, masks: list[_Found]) -> None:
    """Write a segment of masks in place."""
    keys = [mask.key for mask in masks]
    run.note(keys)
    sizes = [(mask.shape.height, mask.shape.width) for mask in masks]
    table = normalise(maker.rows(keys, sizes), run.manifest.schema)
    merge_schemas(run.manifest.schema, table.schema)
    blocks = _blocks(run.manifest, masks)
    kept = source_columns([mask.record for mask in masks])
    whole = pa.table([*table.columns, *kept.columns], [*table.column_names, *kept.column_names])
    data = write_rows(whole, [np.array(block.ordinals) for block in blocks])
    entry = segment_entry(
        new_name(),
        "registered",
        table,
        tuple(_entry(run.manifest, block) for block in blocks),
        {ROWS: object_entry([data])},
        SegmentSizes(raw=sum(mask.nbytes for mask in masks), rows=len(data)),
    )
    storage.put(segment_key(entry.id, ROWS), data)
    ids = table.column(MASK_ID).to_numpy() if MASK_ID in table.column_names else None
    schema = pa.schema([field for field in table.schema if field.name != MASK_ID])
    run.finished(Added(entry, schema, ids), rows_beyond(table, blocks))


def _blocks(manifest: Manifest, masks: list[_Found]) -> list[BlockData]:
    blocks: dict[BlockShape, BlockData] = {}
    for ordinal, mask in enumerate(masks):
        if mask.shape not in blocks:
            codec = TileCodec(manifest.spec.grid(mask.shape), mask.shape.dtype)
            blocks[mask.shape] = BlockData(mask.shape, codec)
        blocks[mask.shape].ordinals.append(ordinal)
    return list(blocks.values())


def _entry(manifest: Manifest, block: BlockData) -> BlockEntry:
    # Whether floats hold NaN is not known before they are read.
    nan = manifest.nan == "keep" and np.dtype(block.shape.dtype).kind == "f"
    return BlockEntry(block.shape, len(block.ordinals), nan, directory=0, directory_size=0)
