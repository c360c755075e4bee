"""The index as bytes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.index.build import Counts, build_chi, build_histogram
from masksearch_ray.index.container import (
    TRAILER_BYTES,
    Directory,
    PartData,
    read_head,
    read_trailer,
    read_whole,
    write_index,
)
from masksearch_ray.index.levels import block_levels
from masksearch_ray.index.packing import decode_counts
from masksearch_ray.index.tilecodec import crc32c
from masksearch_ray.model.roi import roi_key
from tests.index.cases import Block, blocks, rois

Columns = dict[tuple[int, str, str, int, int], npt.NDArray[np.unsignedinteger]]


def part(block: int, data: npt.NDArray[np.unsignedinteger], roi: str = "") -> PartData:
    counts = Counts(tuple(range(1, len(data) + 1)), False, data, np.zeros((1, 1), np.int64))
    return PartData(block, "histogram" if roi else "chi", roi, counts)


def small() -> list[PartData]:
    rng = np.random.default_rng(4)
    counts = rng.integers(0, 300, (2, 3, 5)).astype(np.uint16)
    return [part(0, counts), part(1, counts[:, :1, :3].astype(np.uint32), 'outside("a")')]


def columns(parts: list[PartData]) -> Columns:
    found: Columns = {
        (p.block, p.kind, p.roi, level, cell): column
        for p in parts
        for level, counts in p.counts.by_level().items()
        for cell, column in enumerate(counts)
    }
    return found


def decoded(data: bytes, directory: Directory) -> Columns:
    found: Columns = {}
    for p in directory.parts:
        for frame, (start, stop) in zip(p.frames, directory.ranges(p.frames), strict=True):
            counts = directory.decode(p, frame, data[start:stop])
            for (level, cell), column in zip(p.columns_in(frame), counts, strict=True):
                found[p.block, p.kind, p.roi, level, cell] = column
    return found


def same(a: Columns, b: Columns) -> bool:
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and (a[key] == b[key]).all() for key in a
    )


@given(st.data(), st.lists(blocks(max_side=12, max_bins=7), min_size=1, max_size=2))
def test_columns_come_back(data: st.DataObject, drawn: list[Block]) -> None:
    parts = []
    for i, block in enumerate(drawn):
        levels = block_levels(block.edges, block.dtype, block.domain)
        roi = data.draw(rois(block.grid, block.n))
        histogram = build_histogram(block.masks, roi.region(block.grid), levels)
        parts.append(PartData(i, "chi", "", build_chi(block.masks, block.grid, levels)))
        parts.append(PartData(i, "histogram", roi_key(roi.roi), histogram))
    raw, head_length, head_crc = write_index(parts)
    directory = read_whole(raw)
    assert same(columns(parts), decoded(raw, directory))
    for given_part, found in zip(parts, directory.parts, strict=True):
        assert found.levels == given_part.counts.levels and found.nan == given_part.counts.nan
        assert found == directory.part(given_part.block, given_part.kind, given_part.roi)
    assert read_trailer(raw[-TRAILER_BYTES:]) == (head_length, head_crc)
    alone = read_head(raw[:head_length], head_crc)
    assert alone.parts == directory.parts
    assert (alone.starts == directory.starts).all() and alone.starts[0] == head_length


def test_levels_lie_one_after_the_other() -> None:
    data = np.arange(2 * 3 * 1500, dtype=np.uint16).reshape(2, 3, 1500)
    directory = read_whole(write_index([part(0, data)])[0])
    (chi,) = directory.parts
    assert chi.span == 1 and list(chi.frames) == list(range(6))
    assert [chi.columns_in(frame) for frame in (0, 2, 3)] == [[(1, 0)], [(1, 2)], [(2, 0)]]
    assert all(a[1] == b[0] for a, b in pairwise(directory.ranges(chi.frames)))


@pytest.mark.parametrize(("rows", "span"), [(1, 12), (100, 11), (600, 2), (1023, 2), (1024, 1)])
def test_short_columns_share_frames(rows: int, span: int) -> None:
    data = np.random.default_rng(rows).integers(0, 9, (3, 4, rows)).astype(np.uint8)
    parts = [part(0, data[:1]), part(1, data)]
    raw, _, _ = write_index(parts)
    directory = read_whole(raw)
    found = directory.parts[1]
    assert found.span == span
    assert [place for frame in found.frames for place in found.columns_in(frame)] == [
        (level, cell) for level in (1, 2, 3) for cell in range(4)
    ]
    for frame in found.frames:
        for level, cell in found.columns_in(frame):
            assert found.frames_of({level: np.array([cell, cell])}) == [frame]
    everything = {level: np.arange(4) for level in (3, 1, 2)}
    assert found.frames_of(everything) == list(found.frames)
    assert same(columns(parts), decoded(raw, directory))


def test_columns_that_are_not_there_are_missed() -> None:
    directory = read_whole(write_index(small())[0])
    for level, cell in ((0, 0), (3, 0), (1, 3), (1, -1)):
        with pytest.raises(KeyError):
            directory.parts[0].frames_of({level: np.array([cell])})
    assert directory.parts[0].frames_of({}) == []
    assert directory.part(0, "histogram", "full_image") is None


def test_an_index_without_columns() -> None:
    empty = part(0, np.zeros((0, 4, 7), np.uint8))
    raw, head_length, head_crc = write_index([empty])
    assert read_whole(raw).parts == read_head(raw[:head_length], head_crc).parts
    assert not decoded(raw, read_whole(raw))


def test_arrow_reads_it() -> None:
    parts = small()
    raw, _, _ = write_index(parts)
    table = pa.ipc.open_stream(raw).read_all()
    assert table.schema.names == ["crc32c", "data"]
    frames = table.column("data").to_pylist()
    assert table.column("crc32c").to_pylist() == [crc32c(frame) for frame in frames]
    counts = parts[1].counts.data
    assert (decode_counts(frames[-1], "uint32", counts.size) == counts.ravel()).all()


def test_a_flipped_byte_is_noticed_or_does_not_matter() -> None:
    parts = small()
    raw, _, _ = write_index(parts)
    noticed = 0
    for place in range(len(raw)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(raw)
            damaged[place] ^= flip
            try:
                found = decoded(bytes(damaged), read_whole(bytes(damaged)))
            except ValueError:
                noticed += 1
            else:
                assert same(columns(parts), found)
    assert noticed > 2 * len(raw)


def test_a_cut_file_is_noticed() -> None:
    raw, head_length, head_crc = write_index(small())
    for length in range(len(raw)):
        with pytest.raises(ValueError, match=r"cut short|damaged|checksum"):
            read_whole(raw[:length])
    with pytest.raises(ValueError, match="checksum"):
        read_head(raw[: head_length - 1], head_crc)


def test_a_damaged_column_is_named() -> None:
    raw, _, _ = write_index(small())
    directory = read_whole(raw)
    histogram = directory.parts[1]
    (frame,) = histogram.frames
    ((start, stop),) = directory.ranges([frame])
    with pytest.raises(ValueError, match=r'histogram outside\("a"\) of block 1, level 1, cell 0'):
        directory.decode(histogram, frame, raw[start : stop - 1])
