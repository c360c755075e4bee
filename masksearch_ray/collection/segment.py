"""A segment in the making: encoded batches in, objects and an entry for the manifest out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import google_crc32c
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from masksearch_ray.collection.boxes import boxes_beyond
from masksearch_ray.collection.encode import Batch, BlockCounts, join_blocks, take_masks
from masksearch_ray.collection.layout import INDEX, ROWS, TILES
from masksearch_ray.collection.manifest import BlockEntry, ObjectEntry, SegmentEntry, SegmentSizes
from masksearch_ray.collection.rows import MASK_ID
from masksearch_ray.collection.specs import BOX, BOXES
from masksearch_ray.collection.tiles import TileCodec
from masksearch_ray.errors import DataError
from masksearch_ray.index.container import read_head, write_index
from masksearch_ray.model.grid import BlockShape

__all__ = [
    "BLOCK",
    "IMAGE_ID",
    "BlockData",
    "SegmentObjects",
    "clustered",
    "image_range",
    "make_segment",
    "object_entry",
    "rows_beyond",
    "segment_entry",
    "write_rows",
]

BLOCK = "__block"
"""Column of the rows that says in which block a mask lies."""

IMAGE_ID = "image_id"
"""Column by which masks are clustered."""

_LONGEST_IMAGE_ID = 200
_SORTABLE = (pa.types.is_string, pa.types.is_int64, pa.types.is_float64, pa.types.is_boolean)
# What a frame takes in the head of an index: a checksum and an offset.
_FRAME_BYTES = 8


@dataclass(eq=False)
class BlockData:
    """The masks of one shape, as far as they are encoded."""

    shape: BlockShape
    codec: TileCodec
    ordinals: list[int] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class SegmentObjects:
    """A segment ready to be written.

    Parameters
    ----------
    entry : SegmentEntry
        Where ids are to be given, they count from 0.
    objects : dict of str to list of bytes
        Pieces of each object, by its name within the segment.
    """

    entry: SegmentEntry
    objects: dict[str, list[bytes]]


def make_segment(name: str, table: pa.Table, blocks: Sequence[BlockData]) -> SegmentObjects:
    """Make objects and entry of a segment.

    Parameters
    ----------
    name : str
        Of the segment.
    table : pyarrow.Table
        Metadata in the order of the ordinals; with ``mask_id`` where ids are given.
    blocks : sequence of BlockData
        Every ordinal lies in exactly one.
    """
    rows = write_rows(table, [np.array(block.ordinals) for block in blocks])
    tiles, entries = _write_tiles(name, blocks)
    index, head = _write_index(blocks)
    directory = sum(entry.directory_size for entry in entries)
    histograms = _histogram_bytes(index[: head.size], head.crc32c)
    sizes = SegmentSizes(
        raw=sum(_raw_bytes(entry) for entry in entries),
        pixels=sum(map(len, tiles)) - directory,
        directory=directory,
        chi=len(index) - histograms,
        histograms=histograms,
        rows=len(rows),
    )
    objects = {ROWS: object_entry([rows]), TILES: object_entry(tiles), INDEX: head}
    entry = segment_entry(name, "stored", table, tuple(entries), objects, sizes)
    return SegmentObjects(entry, {ROWS: [rows], TILES: tiles, INDEX: [index]})


def clustered(table: pa.Table, blocks: Sequence[BlockData]) -> tuple[pa.Table, Sequence[BlockData]]:
    """Order the masks of a segment by ``image_id``, where there is one; others come last.

    Parameters
    ----------
    table, blocks
        As for `make_segment`.
    """
    kind = table.schema.field(IMAGE_ID).type if IMAGE_ID in table.column_names else None
    if kind is None or not any(of(kind) for of in _SORTABLE):
        return table, blocks
    order = pc.sort_indices(table, sort_keys=[(IMAGE_ID, "ascending")]).to_numpy()
    if np.array_equal(order, np.arange(len(order))):
        return table, blocks
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    made = []
    for block in blocks:
        ordinals = place[block.ordinals]
        inside = np.argsort(ordinals)
        batches = [take_masks(block.batches, inside)]
        made.append(BlockData(block.shape, block.codec, ordinals[inside].tolist(), batches))
    return table.take(order).combine_chunks(), made


def segment_entry(
    name: str,
    kind: Literal["stored", "registered"],
    table: pa.Table,
    blocks: tuple[BlockEntry, ...],
    objects: Mapping[str, ObjectEntry],
    sizes: SegmentSizes,
) -> SegmentEntry:
    """Entry of a segment whose rows `table` holds; ids that it lacks count from 0."""
    ids = table.column(MASK_ID).to_numpy() if MASK_ID in table.column_names else None
    image_min, image_max = image_range(table)
    return SegmentEntry(
        id=name,
        kind=kind,
        rows=table.num_rows,
        id_base=0 if ids is None else None,
        id_min=0 if ids is None else int(ids.min()),
        id_max=table.num_rows - 1 if ids is None else int(ids.max()),
        image_min=image_min,
        image_max=image_max,
        blocks=blocks,
        objects=objects,
        deletes=None,
        sizes=sizes,
    )


def write_rows(table: pa.Table, ordinals: Sequence[npt.NDArray[np.integer[Any]]]) -> bytes:
    """Bytes of the metadata's object.

    Parameters
    ----------
    table : pyarrow.Table
    ordinals : sequence of numpy.ndarray
        Rows of each block, ascending.

    Raises
    ------
    DataError
        If a column cannot be stored.
    """
    where = np.empty(table.num_rows, np.int32)
    for number, rows in enumerate(ordinals):
        where[rows] = number
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(
            table.append_column(BLOCK, pa.array(where)),
            sink,
            compression="zstd",
            write_statistics=False,
        )
    except pa.ArrowException as error:
        raise DataError(f"rows cannot be stored: {error}") from error
    return bytes(sink.getvalue().to_pybytes())


def object_entry(pieces: Sequence[bytes]) -> ObjectEntry:
    """Size and checksum of an object."""
    crc = 0
    for piece in pieces:
        crc = google_crc32c.extend(crc, piece)
    return ObjectEntry(sum(map(len, pieces)), crc)


def image_range(table: pa.Table) -> tuple[int, int] | tuple[str, str] | tuple[None, None]:
    """Smallest and largest ``image_id``; None where some row has none, or they are no ids."""
    if IMAGE_ID not in table.column_names:
        return None, None
    ids = table.column(IMAGE_ID)
    if ids.null_count or not (pa.types.is_int64(ids.type) or pa.types.is_string(ids.type)):
        return None, None
    ends = pc.min_max(ids).as_py()
    if any(isinstance(end, str) and len(end) > _LONGEST_IMAGE_ID for end in ends.values()):
        return None, None
    return ends["min"], ends["max"]


def rows_beyond(table: pa.Table, blocks: Sequence[BlockData]) -> dict[str, int]:
    """Rows of which a box reaches beyond the mask, by column."""
    heights, widths = np.empty((2, table.num_rows), np.int64)
    for block in blocks:
        heights[block.ordinals], widths[block.ordinals] = block.shape.height, block.shape.width
    found = {
        column.name: boxes_beyond(table.column(column.name), heights, widths)
        for column in table.schema
        if column.type in (BOX, BOXES)
    }
    return {name: rows for name, rows in found.items() if rows}


def _write_tiles(segment: str, blocks: Sequence[BlockData]) -> tuple[list[bytes], list[BlockEntry]]:
    """Pieces of the tiles' object, and an entry for every block."""
    at = sum(block.codec.stride * len(block.ordinals) for block in blocks)
    directories, payload, entries, directory = [], [], [], 0
    for block in blocks:
        masks = [mask for batch in block.batches for mask in batch.tiles]
        starts = at + np.cumsum([0, *map(len, masks)])
        lengths = np.concatenate([batch.lengths for batch in block.batches])
        directories.append(block.codec.directory(starts[:-1], lengths, segment))
        payload += masks
        nan = any(batch.nan for batch in block.batches)
        size = len(directories[-1])
        entries.append(BlockEntry(block.shape, len(masks), nan, directory, size))
        at, directory = int(starts[-1]), directory + size
    return directories + payload, entries


def _write_index(blocks: Sequence[BlockData]) -> tuple[bytes, ObjectEntry]:
    parts = [
        part for number, block in enumerate(blocks) for part in _counts_of(block).parts(number)
    ]
    data, head_length, head_crc = write_index(parts)
    return data, ObjectEntry(head_length, head_crc)


def _counts_of(block: BlockData) -> BlockCounts:
    nan = any(batch.nan for batch in block.batches)
    return join_blocks([batch.counts for batch in block.batches], nan)


def _histogram_bytes(head: bytes, crc: int) -> int:
    """Bytes of the histograms' columns: their frames, and what the head says of each."""
    directory = read_head(head, crc)
    total = 0
    for part in directory.parts:
        if part.kind == "histogram":
            size = directory.starts[part.frames.stop] - directory.starts[part.frames.start]
            total += int(size) + len(part.frames) * _FRAME_BYTES
    return total


def _raw_bytes(entry: BlockEntry) -> int:
    shape = entry.shape
    return entry.rows * shape.height * shape.width * np.dtype(shape.dtype).itemsize
