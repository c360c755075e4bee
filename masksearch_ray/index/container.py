"""The index of a segment as bytes.

An Arrow IPC stream: its schema's metadata says what the columns of counts are, its one record
batch holds a checksum and a frame of counts in each row; a trailer follows. The frames are the last
buffer of the batch, so a reader that holds the head, all that precedes them, fetches single frames
by their byte ranges.

Columns of counts are not columns of Arrow's: thousands of those would take more bytes to describe
than to store. A column is the counts of one cell at one level over the rows of a block; those of a
part follow level by level, and cell by cell in each. A frame holds one, or several consecutive
ones where a column is short, encoded as `masksearch_ray.index.packing` says. The metadata are JSON:
``fields`` names the entries of each of ``parts``, see `Part`, whose levels are an index into
``levels``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.index.build import Counts
from masksearch_ray.index.packing import decode_counts, encode_counts
from masksearch_ray.index.tilecodec import crc32c

__all__ = [
    "TRAILER_BYTES",
    "Directory",
    "Part",
    "PartData",
    "read_head",
    "read_trailer",
    "read_whole",
    "write_index",
]

_KEY = b"masksearch_ray.index"
_FORMAT = 1
# Counts that a frame holds at least, for what it takes besides them to be little.
_FRAME_COUNTS = 1024
# Magic, bytes before the frames, bytes of the stream, CRC32C of the head, CRC32C of the trailer.
_TRAILER = struct.Struct("<8sQQII")
_MAGIC = b"MSRindex"
TRAILER_BYTES = _TRAILER.size
"""Length of the trailer, bytes."""


@dataclass(frozen=True)
class PartData:
    """Columns to be written: the CHI of a block, or a histogram of one of its regions.

    Parameters
    ----------
    block : int
        Which block of the segment.
    kind : {"chi", "histogram"}
    roi : str
        `masksearch_ray.model.roi.roi_key` of the region; "" for a CHI.
    counts : Counts
    """

    block: int
    kind: Literal["chi", "histogram"]
    roi: str
    counts: Counts


@dataclass(frozen=True)
class Part:
    """What a directory says of the columns of one `PartData`.

    Parameters
    ----------
    block, kind, roi
        As in `PartData`.
    levels : tuple of float
        Cut-offs in stored units; level index i is ``levels[i - 1]``.
    nan : bool
        Whether level 0 (all pixels but NaN) is stored, too.
    cells : int
        Columns a level: cells of the grid, 1 for a histogram.
    rows : int
        Masks of the block.
    dtype : str
        Of the counts, unsigned.
    span : int
        Columns a frame; the last one may hold fewer.
    first : int
        Row of its first frame in the record batch.
    """

    block: int
    kind: Literal["chi", "histogram"]
    roi: str
    levels: tuple[float, ...]
    nan: bool
    cells: int
    rows: int
    dtype: str
    span: int
    first: int

    @property
    def stored_levels(self) -> range:
        """Level indices that have columns."""
        return range(0 if self.nan else 1, len(self.levels) + 1)

    @property
    def frames(self) -> range:
        """Rows of the record batch that hold its frames."""
        frames = -(-len(self.stored_levels) * self.cells // self.span)
        return range(self.first, self.first + frames)

    def frames_of(self, wanted: Mapping[int, npt.NDArray[Any]]) -> list[int]:
        """Frames that hold columns, ascending, each once.

        Parameters
        ----------
        wanted : mapping of int to numpy.ndarray
            Level index to cells.
        """
        found = [np.empty(0, np.int64)]
        for level, cells in wanted.items():
            if level not in self.stored_levels or not ((cells >= 0) & (cells < self.cells)).all():
                raise KeyError((level, cells))
            first = (level - self.stored_levels.start) * self.cells
            found.append((first + cells.astype(np.int64)) // self.span)
        frames: list[int] = (np.unique(np.concatenate(found)) + self.first).tolist()
        return frames

    def columns_in(self, frame: int) -> list[tuple[int, int]]:
        """Level index and cell of each column of a frame."""
        start = (frame - self.first) * self.span
        stop = min(start + self.span, len(self.stored_levels) * self.cells)
        places = [divmod(column, self.cells) for column in range(start, stop)]
        return [(self.stored_levels.start + level, cell) for level, cell in places]


@dataclass(frozen=True, eq=False)
class Directory:
    """Where the frames of an index lie.

    Parameters
    ----------
    parts : tuple of Part
    starts : numpy.ndarray
        int64, shape ``(frames + 1,)``: position of each frame in the file, then the end.
    checksums : numpy.ndarray
        uint32, shape ``(frames,)``: CRC32C of each frame.
    """

    parts: tuple[Part, ...]
    starts: npt.NDArray[np.int64]
    checksums: npt.NDArray[np.uint32]

    def part(self, block: int, kind: str, roi: str = "") -> Part | None:
        """Part of a block by its kind and region, None where there is none."""
        wanted = (block, kind, roi)
        return next((p for p in self.parts if (p.block, p.kind, p.roi) == wanted), None)

    def ranges(self, frames: Sequence[int]) -> list[tuple[int, int]]:
        """Byte ranges ``(start, stop)`` of frames."""
        rows = np.asarray(frames, np.int64)
        starts, stops = self.starts[rows].tolist(), self.starts[rows + 1].tolist()
        return list(zip(starts, stops, strict=True))

    def decode(self, part: Part, frame: int, data: Any) -> npt.NDArray[np.unsignedinteger]:
        """Decode the counts of a frame.

        Parameters
        ----------
        part : Part
            To which it belongs.
        frame : int
        data : bytes-like
            What its range holds.

        Returns
        -------
        numpy.ndarray
            ``part.dtype``, shape ``(columns, rows)``, in the order of `Part.columns_in`.

        Raises
        ------
        ValueError
            The frame is damaged; the text names its first column.
        """
        columns = part.columns_in(frame)
        try:
            if crc32c(bytes(data)) != self.checksums[frame]:
                raise ValueError("wrong checksum")
            counts = decode_counts(data, part.dtype, len(columns) * part.rows)
        except ValueError as error:
            level, cell = columns[0]
            name = f"{part.kind} {part.roi} of block {part.block}, level {level}, cell {cell}"
            raise ValueError(f"columns of counts ({name}): {error}") from error
        return counts.reshape(len(columns), part.rows)


def write_index(parts: Sequence[PartData], owner: str = "") -> tuple[bytes, int, int]:
    """Serialise parts of an index.

    Parameters
    ----------
    parts : sequence of PartData
    owner : str
        To whom the file belongs: the trailer is readable for no other.

    Returns
    -------
    data : bytes
    head_length : int
        Bytes before the first frame.
    head_crc : int
        CRC32C of these bytes.
    """
    frames: list[bytes] = []
    described = []
    for part in parts:
        described.append(_describe(part, len(frames)))
        counts, step = part.counts.data.reshape(-1), described[-1].span * described[-1].rows
        frames += [encode_counts(counts[at : at + step]) for at in range(0, len(counts), step)]
    size = sum(map(len, frames))
    stream = _stream(frames, _metadata(described, size), size)
    head_length = _frames_start(stream, size)
    head_crc = crc32c(stream[:head_length])
    told = (_MAGIC, head_length, len(stream), head_crc)
    trailer = _TRAILER.pack(*told, crc32c(owner.encode() + _TRAILER.pack(*told, 0)))
    return stream + trailer, head_length, head_crc


def read_head(head: bytes, crc: int) -> Directory:
    """Read a directory from the bytes that precede the frames.

    Parameters
    ----------
    head : bytes
        As long as `write_index` said.
    crc : int
        As `write_index` said.

    Raises
    ------
    ValueError
        The head is damaged.
    """
    if crc32c(head) != crc:
        raise ValueError("the checksum of the index's head is wrong")
    metadata = json.loads(pa.ipc.read_schema(pa.py_buffer(head)).metadata[_KEY])
    if metadata["format"] != _FORMAT:
        raise ValueError(f"index format {metadata['format']}; {_FORMAT} can be read")
    parts = tuple(_part(metadata, values) for values in metadata["parts"])
    crcs, offsets = _batch_of(head, metadata["bytes"])
    return Directory(parts, offsets + len(head), crcs)


def read_trailer(tail: bytes, owner: str = "") -> tuple[int, int]:
    """Length of the head and its CRC32C, from the last bytes of the file.

    Parameters
    ----------
    tail : bytes
        The file's last `TRAILER_BYTES` bytes, or more.
    owner : str
        As `write_index` was told.

    Raises
    ------
    ValueError
        The trailer is damaged, or another's.
    """
    if len(tail) < TRAILER_BYTES:
        raise ValueError("the index is cut short")
    *told, crc = _TRAILER.unpack(tail[-TRAILER_BYTES:])
    magic, head_length, _, head_crc = told
    if magic != _MAGIC or crc32c(owner.encode() + _TRAILER.pack(*told, 0)) != crc:
        raise ValueError("the trailer of the index is damaged, or that of another segment")
    return int(head_length), int(head_crc)


def read_whole(data: bytes, owner: str = "") -> Directory:
    """Read the directory of a whole file; its frames are verified as they are decoded.

    Raises
    ------
    ValueError
        The file is cut short or another's, or its head or trailer is damaged.
    """
    head_length, head_crc = read_trailer(data, owner)
    directory = read_head(bytes(data[:head_length]), head_crc)
    if directory.starts[-1] + TRAILER_BYTES > len(data):
        raise ValueError("the index is cut short")
    return directory


def _describe(part: PartData, first: int) -> Part:
    levels, cells, rows = part.counts.data.shape
    return Part(
        block=part.block,
        kind=part.kind,
        roi=part.roi,
        levels=part.counts.levels,
        nan=part.counts.nan,
        cells=cells,
        rows=rows,
        dtype=part.counts.data.dtype.name,
        span=max(1, min(levels * cells, -(-_FRAME_COUNTS // max(rows, 1)))),
        first=first,
    )


def _metadata(parts: Sequence[Part], size: int) -> str:
    # There may be hundreds of parts, most of them with the same levels.
    levels = list(dict.fromkeys(part.levels for part in parts))
    values = [{**asdict(part), "levels": levels.index(part.levels)} for part in parts]
    return json.dumps(
        {
            "format": _FORMAT,
            "bytes": size,
            "levels": levels,
            "fields": [field.name for field in fields(Part)],
            "parts": [list(one.values()) for one in values],
        },
        separators=(",", ":"),
    )


def _part(metadata: Mapping[str, Any], values: Sequence[Any]) -> Part:
    known = dict(zip(metadata["fields"], values, strict=True))
    return Part(**{**known, "levels": tuple(metadata["levels"][known["levels"]])})


def _stream(frames: list[bytes], metadata: str, size: int) -> bytes:
    crcs = pa.array(np.array([crc32c(frame) for frame in frames], np.uint32))
    # 32-bit offsets are half as long, and hold 2 GiB of frames.
    data = pa.array(frames, pa.binary() if size < 2**31 else pa.large_binary())
    schema = pa.schema(
        [pa.field("crc32c", crcs.type, False), pa.field("data", data.type, False)],
        {_KEY: metadata.encode()},
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([crcs, data], schema=schema))
    return bytes(sink.getvalue().to_pybytes())


def _batch(stream: pa.Buffer) -> tuple[pa.RecordBatch, int]:
    """Record batch of a stream, and where its frames begin; they are not looked at."""
    batch = pa.ipc.open_stream(stream).read_next_batch()
    frames = batch.column(1).buffers()[2]
    return batch, frames.address - stream.address


def _frames_start(stream: bytes, size: int) -> int:
    return _batch(pa.py_buffer(stream))[1] if size else len(stream)


def _batch_of(head: bytes, size: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Checksums and offsets of the frames, from the head alone."""
    # Arrow wants the whole batch; room for the frames stands in for them and is never read.
    stream = pa.allocate_buffer(len(head) + size + 8, resizable=False)
    np.frombuffer(stream, np.uint8)[: len(head)] = np.frombuffer(head, np.uint8)
    batch, start = _batch(stream)
    if size and start != len(head):
        raise ValueError("the head of the index has the wrong length")
    crcs = batch.column(0).to_numpy().copy()
    wide = pa.types.is_large_binary(batch.schema.field(1).type)
    offsets = batch.column(1).buffers()[1]
    if not len(crcs):
        return crcs, np.zeros(1, np.int64)
    found = np.frombuffer(offsets, np.int64 if wide else np.int32)[: len(crcs) + 1]
    return crcs, found.astype(np.int64)
