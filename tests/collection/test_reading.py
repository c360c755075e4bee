"""What is asked for is read, right, once, and little else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from masksearch_ray.collection import append, manifest_json, open_manifest
from masksearch_ray.collection.manifest import SegmentSizes
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.errors import InputError
from masksearch_ray.index import tilecodec
from masksearch_ray.model.grid import grid_for
from masksearch_ray.storage import CountingStorage
from tests.collection.helpers import empty, mixed_masks, random_masks, reader, same


def test_only_what_is_asked_for_is_read() -> None:
    storage = empty()
    append(storage, random_masks(64, 200, 300, seed=3))
    counting = CountingStorage(storage)
    segment = reader(counting).segment(0)
    cells = np.array([3, 4, 9], np.int32)
    segment.counts(0, {5: cells})
    (entry,) = open_manifest(storage).segments
    read = segment.counter.totals
    assert read.requests == 2 and read.bytes < entry.objects["index.arrow"].size + 3 * 200
    segment.counts(0, {5: cells[:2]})
    assert segment.counter.totals == read
    segment.tiles(0, np.array([7, 7, 9]), np.array([0, 1, 5]))
    tiles = segment.counter.totals
    assert (tiles.tiles, tiles.requests) == (3, 4)
    assert tiles.bytes - read.bytes < entry.sizes.directory + entry.sizes.pixels / 100
    assert counting.bytes_read - len(storage.get("manifests/00000000000000000002.json")) == (
        tiles.bytes
    )


def test_a_collection_of_the_first_format_is_read_and_added_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_packed(rests: Any, shapes: Any) -> tuple[Any, Any]:
        return rests, shapes.prod(axis=1)

    masks = list(random_masks(40, 200, 300, seed=3)) + mixed_masks(20)
    with monkeypatch.context() as older:
        older.setattr(tilecodec, "pack_tiles", not_packed)
        older.setattr(manifest_json, "FORMAT", 1)
        storage = empty()
        append(storage, masks)
        assert b'"format":1' in storage.get("manifests/00000000000000000002.json")
    append(storage, masks)
    assert b'"format":2' in storage.get("manifests/00000000000000000003.json")
    first, second = open_manifest(storage).segments
    assert second.sizes.pixels < first.sizes.pixels
    for at in range(2):
        assert same(reader(storage).segment(at).masks(range(60)), masks)


def test_a_doubtful_row_costs_one_small_read_then_its_tiles() -> None:
    storage = empty(cell=17)
    masks = np.zeros((600, 136, 136), np.uint8) + np.arange(600).astype("u1")[:, None, None]
    append(storage, masks)
    (entry,) = open_manifest(storage).segments
    (block,) = entry.blocks
    stride = block.directory_size // block.rows
    assert block.directory_size > 64 << 10  # else it is read as a whole
    segment = reader(storage).segment(0)
    assert (segment.tiles(0, np.array([300]), np.array([63])) == 300 % 256).all()
    one = segment.counter.totals
    assert (one.requests, one.tiles) == (2, 1)
    assert stride < one.bytes < stride + 100
    segment.tiles(0, np.array([300, 300]), np.array([5, 6]))
    two = segment.counter.totals
    assert two.requests == 3 and two.bytes < one.bytes + 200  # the entry is known
    every = segment.masks(range(600))
    assert same(every, list(masks))
    assert segment.counter.totals.requests == 3 + 1 + 1  # the directory, and adjoining tiles


def test_tiles_of_any_length() -> None:
    # Noise does not compress: a tile of 256 x 256 doubles the 64 KiB that short lengths can tell.
    masks = np.random.default_rng(0).random((2, 300, 300)).astype(np.float32)
    storage = empty(cell=256)
    append(storage, masks)
    assert same(reader(storage).masks([1, 0]), [masks[1], masks[0]])
    (segment,) = reader(storage).segments()
    tiles = segment.tiles(0, np.array([1, 0]), np.array([0, 3]))
    assert np.array_equal(tiles[0], masks[1, :256, :256])
    assert np.array_equal(tiles[1, :44, :44], masks[0, 256:, 256:])


def test_tiles_in_any_order_and_twice() -> None:
    storage, masks = empty(), random_masks(9, 100, 140)
    append(storage, masks)
    (segment,) = reader(storage).segments()
    random, grid = np.random.default_rng(0), grid_for(100, 140)
    rows, tiles = random.integers(0, 9, 200), random.integers(0, grid.tiles, 200)
    found = segment.tiles(0, rows, tiles)
    for row, tile, pixels in zip(rows, tiles, found, strict=True):
        x0, y0, x1, y1 = grid.tile_box(int(tile))
        assert np.array_equal(pixels[: y1 - y0, : x1 - x0], masks[row, y0:y1, x0:x1])
    assert len(segment.tiles(0, rows[:0], tiles[:0])) == 0


@pytest.mark.parametrize("kept", [0, 3 * 64 * 64, 1 << 30])
def test_tiles_stay_in_memory_as_far_as_there_is_room(kept: int) -> None:
    storage, masks = empty(), random_masks(9, 128, 192)
    append(storage, masks)
    opened = CollectionReader(storage, open_manifest(storage), pixel_bytes=kept)
    segment, random = opened.segment(0), np.random.default_rng(1)
    tiles = grid_for(128, 192).tiles
    for _ in range(20):
        rows, chosen = random.integers(0, 9, 7), random.integers(0, tiles, 7)
        for row, tile, pixels in zip(rows, chosen, segment.tiles(0, rows, chosen), strict=True):
            x0, y0, x1, y1 = grid_for(128, 192).tile_box(int(tile))
            assert np.array_equal(pixels, masks[row, y0:y1, x0:x1])
        assert opened.recent_pixels.nbytes <= kept
    before = segment.counter.totals.tiles
    segment.tiles(0, rows, chosen)
    again = segment.counter.totals.tiles - before
    assert again <= 7
    if kept != 3 * 64 * 64:
        assert again == (0 if kept else 7)


def test_many_threads_may_read_one_segment() -> None:
    storage, masks = empty(), mixed_masks(40)
    append(storage, masks, {"label": range(40)})
    segment, barrier = reader(storage).segment(0), threading.Barrier(8)

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        barrier.wait()
        for _ in range(5):
            wanted = random.permutation(40)[:9]
            assert same(segment.masks(wanted), [masks[i] for i in wanted])
            assert segment.metadata(["label"]).column(0).to_pylist() == list(range(40))
            view = segment.blocks[random.integers(len(segment.blocks))]
            cells = random.permutation(view.grid.cells)[:3].astype(np.int32)
            counts = segment.counts(view.block, {1: cells})[1][cells]
            stack = np.stack([masks[i] for i in view.ordinals]) >= view.levels[0]
            for cell, found in zip(cells, counts, strict=True):
                y, x = (view.grid.cell * i for i in divmod(int(cell), view.grid.cell_cols))
                side = view.grid.cell
                assert np.array_equal(found, stack[:, y : y + side, x : x + side].sum((1, 2)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_what_is_not_there_is_said() -> None:
    storage = empty()
    append(storage, random_masks(2), {"label": [1, 2]})
    opened = reader(storage)
    with pytest.raises(InputError, match="no mask with mask_id 7"):
        opened.masks([0, 7])
    with pytest.raises(InputError, match="no column 'lable'"):
        opened.segment(0).metadata(["lable"])
    with pytest.raises(InputError, match=r"no histogram is kept of box\(0, 0, 1, 1\)"):
        opened.segment(0).histogram(0, "box(0, 0, 1, 1)", [1])
    assert opened.masks([]) == []


def test_sizes_add_up() -> None:
    sizes = SegmentSizes(1, 20, 3, 4, 5, 6) + SegmentSizes(1, 20, 1, 1, 1, 1)
    assert (sizes.index, sizes.stored, sizes.index_share) == (15, 62, 15 / 40)
    assert SegmentSizes().index_share == 0
