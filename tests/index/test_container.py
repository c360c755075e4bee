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
        for level in p.stored_levels:
            for cell in range(p.cells):
                ((start, stop),) = directory.ranges(p, [(level, cell)])
                column = directory.decode(p, level, cell, data[start:stop])
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
    parts = small()
    raw, _, _ = write_index(parts)
    directory = read_whole(raw)
    chi = directory.parts[0]
    ranges = directory.ranges(chi, [(level, cell) for level in (1, 2) for cell in range(3)])
    assert all(a[1] == b[0] for a, b in pairwise(ranges))
    start, stop = ranges[3][0], ranges[5][1]
    level = directory.decode_level(chi, 2, raw[start:stop], base=start)
    assert (level == parts[0].counts.data[1]).all()


def test_columns_that_are_not_there_are_missed() -> None:
    directory = read_whole(write_index(small())[0])
    for column in ((0, 0), (3, 0), (1, 3), (1, -1)):
        with pytest.raises(KeyError):
            directory.ranges(directory.parts[0], [column])
    assert directory.part(0, "histogram", "full_image") is None


def test_an_index_without_columns() -> None:
    empty = part(0, np.zeros((0, 4, 7), np.uint8))
    raw, head_length, head_crc = write_index([empty])
    assert read_whole(raw).parts == read_head(raw[:head_length], head_crc).parts
    assert not decoded(raw, read_whole(raw))


def test_arrow_reads_it() -> None:
    parts = small()
    table = pa.ipc.open_stream(write_index(parts)[0]).read_all()
    assert table.num_rows == len(columns(parts))
    assert table.schema.names == ["crc32c", "data"]


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
    ((start, stop),) = directory.ranges(histogram, [(2, 0)])
    with pytest.raises(ValueError, match=r'histogram outside\("a"\) of block 1, level 2, cell 0'):
        directory.decode(histogram, 2, 0, raw[start : stop - 1])
