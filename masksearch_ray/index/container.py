"""The index of a segment as bytes.

An Arrow IPC stream: its schema's metadata says what the columns of counts are, its one record
batch holds a checksum and a zstd frame for each of them; a trailer follows. The frames are the last
buffer of the batch, so a reader that holds the head, all that precedes them, fetches single columns
by their byte ranges.

Columns of counts are rows of the batch, not columns of Arrow's: thousands of those would take more
bytes to describe than to store.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.index.build import Counts
from masksearch_ray.index.tilecodec import compressor, crc32c, decompress

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
_LEVEL = 9
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
    first : int
        Row of its first column in the record batch; the others follow level by level, and cell by
        cell in each.
    """

    block: int
    kind: Literal["chi", "histogram"]
    roi: str
    levels: tuple[float, ...]
    nan: bool
    cells: int
    rows: int
    dtype: str
    first: int

    @property
    def stored_levels(self) -> range:
        """Level indices that have columns."""
        return range(0 if self.nan else 1, len(self.levels) + 1)

    def column(self, level: int, cell: int) -> int:
        """Row of the record batch that holds the counts of a cell at a level index."""
        if level not in self.stored_levels or not 0 <= cell < self.cells:
            raise KeyError((level, cell))
        return self.first + (level - self.stored_levels.start) * self.cells + cell


@dataclass(frozen=True, eq=False)
class Directory:
    """Where the columns of an index lie.

    Parameters
    ----------
    parts : tuple of Part
    starts : numpy.ndarray
        int64, shape ``(columns + 1,)``: position of each frame in the file, then the end.
    checksums : numpy.ndarray
        uint32, shape ``(columns,)``: CRC32C of each frame.
    """

    parts: tuple[Part, ...]
    starts: npt.NDArray[np.int64]
    checksums: npt.NDArray[np.uint32]

    def part(self, block: int, kind: str, roi: str = "") -> Part | None:
        """Part of a block by its kind and region, None where there is none."""
        wanted = (block, kind, roi)
        return next((p for p in self.parts if (p.block, p.kind, p.roi) == wanted), None)

    def ranges(self, part: Part, columns: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Byte ranges ``(start, stop)`` of the frames of columns.

        Parameters
        ----------
        part : Part
        columns : iterable of (int, int)
            Level index and cell.
        """
        rows = [part.column(level, cell) for level, cell in columns]
        starts, stops = self.starts[rows].tolist(), self.starts[np.array(rows, int) + 1].tolist()
        return list(zip(starts, stops, strict=True))

    def decode(
        self, part: Part, level: int, cell: int, frame: Any
    ) -> npt.NDArray[np.unsignedinteger]:
        """Decode the counts of one column from its frame.

        Parameters
        ----------
        part : Part
        level : int
            Level index.
        cell : int
        frame : bytes-like
            What the range holds.

        Returns
        -------
        numpy.ndarray
            ``part.dtype``, shape ``(rows,)``.

        Raises
        ------
        ValueError
            The frame is damaged; the text names the column.
        """
        dtype = np.dtype(part.dtype).newbyteorder("<")
        try:
            if crc32c(bytes(frame)) != self.checksums[part.column(level, cell)]:
                raise ValueError("wrong checksum")
            content = decompress(frame, part.rows * dtype.itemsize)
        except ValueError as error:
            name = f"{part.kind} {part.roi} of block {part.block}, level {level}, cell {cell}"
            raise ValueError(f"column of counts ({name}): {error}") from error
        return np.frombuffer(content, dtype).astype(part.dtype, copy=False)

    def decode_level(
        self, part: Part, level: int, data: Any, base: int = 0
    ) -> npt.NDArray[np.unsignedinteger]:
        """Decode the counts of all cells at a level from bytes that hold their frames.

        Parameters
        ----------
        part : Part
        level : int
            Level index.
        data : bytes-like
            Part of the file.
        base : int
            Position of `data` in the file.

        Returns
        -------
        numpy.ndarray
            ``part.dtype``, shape ``(cells, rows)``.
        """
        view = memoryview(data)
        out = np.empty((part.cells, part.rows), part.dtype)
        for cell, (start, stop) in enumerate(
            self.ranges(part, [(level, cell) for cell in range(part.cells)])
        ):
            out[cell] = self.decode(part, level, cell, view[start - base : stop - base])
        return out


def write_index(parts: Sequence[PartData]) -> tuple[bytes, int, int]:
    """Serialise parts of an index.

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
        levels, cells, rows = part.counts.data.shape
        dtype = part.counts.data.dtype
        first = len(frames)
        columns = part.counts.data.reshape(levels * cells, rows)
        little = dtype.newbyteorder("<")
        frames += [compressor(_LEVEL).compress(column.astype(little).data) for column in columns]
        record = Part(
            part.block,
            part.kind,
            part.roi,
            part.counts.levels,
            part.counts.nan,
            cells,
            rows,
            dtype.name,
            first,
        )
        described.append(asdict(record))
    size = sum(map(len, frames))
    metadata = json.dumps({"format": _FORMAT, "bytes": size, "parts": described})
    stream = _stream(frames, metadata, size)
    head_length = _frames_start(stream, size)
    head_crc = crc32c(stream[:head_length])
    fields = (_MAGIC, head_length, len(stream), head_crc)
    trailer = _TRAILER.pack(*fields, 0)
    return stream + _TRAILER.pack(*fields, crc32c(trailer)), head_length, head_crc


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
    parts = tuple(Part(**{**part, "levels": tuple(part["levels"])}) for part in metadata["parts"])
    crcs, offsets = _batch_of(head, metadata["bytes"])
    return Directory(parts, offsets + len(head), crcs)


def read_trailer(tail: bytes) -> tuple[int, int]:
    """Length of the head and its CRC32C, from the last bytes of the file.

    Parameters
    ----------
    tail : bytes
        The file's last `TRAILER_BYTES` bytes, or more.

    Raises
    ------
    ValueError
        The trailer is damaged.
    """
    if len(tail) < TRAILER_BYTES:
        raise ValueError("the index is cut short")
    *fields, crc = _TRAILER.unpack(tail[-TRAILER_BYTES:])
    magic, head_length, _, head_crc = fields
    if magic != _MAGIC or crc32c(_TRAILER.pack(*fields, 0)) != crc:
        raise ValueError("the trailer of the index is damaged")
    return int(head_length), int(head_crc)


def read_whole(data: bytes) -> Directory:
    """Read the directory of a whole file; its frames are verified as they are decoded.

    Raises
    ------
    ValueError
        The file is cut short, or its head or trailer is damaged.
    """
    head_length, head_crc = read_trailer(data)
    directory = read_head(bytes(data[:head_length]), head_crc)
    if directory.starts[-1] + TRAILER_BYTES > len(data):
        raise ValueError("the index is cut short")
    return directory


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
