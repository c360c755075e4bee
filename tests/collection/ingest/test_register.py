"""Masks in place: they read as stored ones do, or tell that they have changed."""

from __future__ import annotations

import io
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masksearch_ray.collection import CollectionReader, create_collection, open_manifest
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.collection.metadata import RowOptions
from masksearch_ray.collection.register import register
from masksearch_ray.errors import (
    DamagedError,
    DataError,
    NotFoundError,
    ReadOnlyError,
    StorageError,
)
from masksearch_ray.storage import CountingStorage, Data, MemoryStorage, Storage, open_storage

_numbers = itertools.count()
RNG = np.random.default_rng(11)


def npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def png(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


FILES = {
    **{f"a{i}.npy": npy(RNG.integers(0, 256, (70, 90), dtype=np.uint8)) for i in range(7)},
    **{f"b{i}.png": png(RNG.integers(0, 256, (70, 90), dtype=np.uint8)) for i in range(3)},
    "c.npy": npy(RNG.random((4, 33, 40), dtype=np.float32)),
    "d.npy": npy(np.asfortranarray(RNG.random((33, 40), dtype=np.float32))),
    "e/f.png": png(RNG.integers(0, 65536, (33, 40), dtype=np.uint16)),
    "e/g.png": png(RNG.random((33, 40)) < 0.3),
    "h.npy": npy(RNG.random((33, 40)).astype(">f2")),
}
MASKS = 18


@pytest.fixture(params=["folder", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a place with files."""
    url = str(tmp_path / "maps")
    if request.param == "memory":
        url = f"memory://register-{next(_numbers)}/maps"
    storage = open_storage(url)
    for key, data in FILES.items():
        storage.put(key, data)
    return url


def collection(**options: Any) -> MemoryStorage:
    storage = MemoryStorage(f"memory://registered-{next(_numbers)}")
    create_collection(storage, **options)
    return storage


def opened(storage: Storage) -> CollectionReader:
    return CollectionReader(storage, open_manifest(storage))


def boxes() -> RowOptions:
    keys = [*(f"a{i}" for i in range(7)), *(f"b{i}" for i in range(3)), "c", "d", "f", "g", "h"]
    table = {"file": keys, "box": [[n, 2, n + 5, 99] for n in range(len(keys))]}
    return RowOptions([table], boxes={"box": "box"})


def assert_same(left: CollectionReader, right: CollectionReader) -> None:
    """Whatever can be read is the same, to the last bit."""
    (ours,), (theirs,) = left.segments(), right.segments()
    names = ["mask_id", *left.manifest.schema.names]
    assert left.manifest.schema == right.manifest.schema
    assert ours.metadata(names) == theirs.metadata(names)
    assert len(ours.blocks) == len(theirs.blocks) > 3
    for view, other in zip(ours.blocks, theirs.blocks, strict=True):
        assert (view.shape, view.levels, view.rows) == (other.shape, other.levels, other.rows)
        np.testing.assert_array_equal(view.ordinals, other.ordinals)
        cells = np.arange(view.grid.cells, dtype=np.int32)
        wanted = {level: cells for level in range(1, len(view.levels) + 1)}
        counts = [one.counts(view.block, wanted) for one in (ours, theirs)]
        for roi in ("full_image", '"box"'):
            assert ours.histogram_levels(view.block, roi) == view.levels
            columns = [one.histogram(view.block, roi, [*wanted]) for one in (ours, theirs)]
            for level in wanted:
                np.testing.assert_array_equal(columns[0][level], columns[1][level])
        for level in wanted:
            np.testing.assert_array_equal(counts[0][level], counts[1][level])
        rows = np.repeat(np.arange(view.rows), view.grid.tiles)[::-1]
        tiles = np.tile(np.arange(view.grid.tiles), view.rows)[::-1]
        pixels = [one.tiles(view.block, rows, tiles) for one in (ours, theirs)]
        for tile, mine, other_tile in zip(tiles.tolist(), *pixels, strict=True):
            x0, y0, x1, y1 = view.grid.tile_box(tile)
            inside = np.s_[: y1 - y0, : x1 - x0]
            np.testing.assert_array_equal(mine[inside], other_tile[inside])
    order = list(range(MASKS))[::-1]
    for mask, other_mask in zip(ours.masks(order), theirs.masks(order), strict=True):
        assert mask.dtype == other_mask.dtype
        np.testing.assert_array_equal(mask, other_mask)


@pytest.mark.smoke
def test_registered_equals_stored(root: str) -> None:
    registered, stored = collection(), collection()
    report = register(registered, root, rows=boxes())
    want = ingest(stored, root, rows=boxes())
    assert (
        (report.rows, report.raw_bytes) == (want.rows, want.raw_bytes) == (MASKS, report.raw_bytes)
    )
    assert report.boxes_beyond == want.boxes_beyond
    assert report.sizes.pixels == report.sizes.index == 0
    assert_same(opened(registered), opened(stored))
    assert_same(opened(registered), opened(stored))


def test_only_headers_are_read_and_the_index_is_kept(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    for kind in {type(open_storage(root))}:
        inner = kind.get_ranges

        def get_ranges(self: Any, key: str, ranges: Any, inner: Any = inner) -> Any:
            if ".npy" in key or ".png" in key:
                reads.extend(stop - start for start, stop in ranges)
            return inner(self, key, ranges)

        monkeypatch.setattr(kind, "get_ranges", get_ranges)
    storage = collection()
    register(storage, root)
    assert sum(reads) <= 256 * len(FILES)
    assert list(storage.list("indexes/")) == []

    def first(reader: CollectionReader) -> Any:
        (segment,) = reader.segments()
        return segment.counts(0, {3: np.array([0, 1], np.int32)})[3][:2], segment.counter

    (counts, _), written = first(opened(storage)), [i.key for i in storage.list("indexes/")]
    assert len(written) == 1
    for key in FILES:
        open_storage(root).delete(key)
    again, counter = first(opened(storage))
    np.testing.assert_array_equal(counts, again)
    assert counter.totals.bytes < 100_000


def test_a_second_run_adds_only_what_is_new(root: str) -> None:
    storage = collection()
    assert register(storage, root, segment_rows=5).rows == MASKS
    assert register(storage, root).rows == 0
    open_storage(root).put("z.png", FILES["b0.png"])
    report = register(storage, root)
    assert (report.rows, report.skipped) == (1, MASKS)
    assert len(opened(storage)) == MASKS + 1


def test_a_changed_or_lost_source_is_named(root: str) -> None:
    storage, sources = collection(), open_storage(root)
    register(storage, root)
    sources.put("a1.npy", FILES["a2.npy"])
    if not root.startswith("memory"):
        os.utime(Path(root) / "a1.npy", ns=(1, 1))
    (segment,) = opened(storage).segments()
    with pytest.raises(StorageError, match=r"a1\.npy: has changed since it was registered"):
        segment.masks([1])
    with pytest.raises(StorageError, match=r"a1\.npy: has changed since it was registered"):
        segment.counts(0, {1: np.array([0], np.int32)})
    sources.delete("a1.npy")
    with pytest.raises(NotFoundError, match=r"a1\.npy"):
        segment.tiles(0, np.array([1]), np.array([0]))
    assert segment.masks([0])[0].shape == (70, 90)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((9, 9), np.nan, np.float32), "pixel .* is nan, which this collection rejects"),
        (np.full((9, 9), 1.5, np.float32), "pixel .* is 1.5, outside the value domain"),
        (np.full((2, 9, 9), -np.inf, np.float16), "mask 1: pixel .* is -inf, outside"),
    ],
)
def test_values_are_checked_when_they_are_first_read(
    array: np.ndarray[Any, Any], words: str
) -> None:
    url = f"memory://register-{next(_numbers)}/maps"
    if array.ndim == 3:
        array[0] = 0
    open_storage(url).put("x.npy", npy(array))
    storage = collection()
    assert register(storage, url).rows == (array.shape[0] if array.ndim == 3 else 1)
    (segment,) = opened(storage).segments()
    with pytest.raises(StorageError, match=rf"{url}/x\.npy: .*{words}"):
        segment.counts(0, {1: np.array([0], np.int32)})
    assert list(storage.list("indexes/")) == []


def test_nan_that_is_kept_is_counted_as_in_stored_masks() -> None:
    url = f"memory://register-{next(_numbers)}/maps"
    array = RNG.random((3, 20, 20), dtype=np.float32)
    array[1, 3:5] = np.nan
    open_storage(url).put("x.npy", npy(array))
    readers = []
    for add in (register, ingest):
        storage = collection(nan="keep")
        add(storage, url)
        readers.append(opened(storage))
    cells = np.arange(readers[0].segment(0).blocks[0].grid.cells, dtype=np.int32)
    counts = [reader.segment(0).counts(0, {0: cells, 5: cells}) for reader in readers]
    assert readers[0].segment(0).blocks[0].nan
    for level in (0, 5):
        np.testing.assert_array_equal(counts[0][level], counts[1][level])


class ReadOnly(CountingStorage):
    """Refuses to be written to."""

    def put_if_absent(self, key: str, data: Data) -> None:
        """Refuse."""
        raise ReadOnlyError("no permission", key)


def test_where_it_cannot_be_written_the_index_stays_in_memory(root: str) -> None:
    storage = collection()
    register(storage, root)
    (segment,) = opened(ReadOnly(storage)).segments()
    cells = np.array([0], np.int32)
    before = segment.counts(0, {1: cells})[1][0]
    open_storage(root).delete("a0.npy")
    np.testing.assert_array_equal(segment.counts(0, {1: cells, 2: cells})[1][0], before)
    assert list(storage.list("indexes/")) == []


def test_a_source_that_was_cut_off_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "maps" / "x.png"
    path.parent.mkdir()
    data = png(RNG.integers(0, 256, (60, 60), dtype=np.uint8))
    path.write_bytes(data[:1000] + bytes(len(data) - 1000))
    storage = collection()
    register(storage, str(path.parent))
    with pytest.raises(DamagedError, match=r"x\.png: unreadable or truncated picture"):
        opened(storage).segment(0).masks([0])


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.npy", npy(np.zeros((3, 3))), r"x\.npy has dtype float64; accepted are uint8"),
        ("x.npy", npy(np.zeros(3, np.uint8)), r"x\.npy: shape \(3,\)"),
        ("x.npy", npy(np.zeros((0, 3), np.uint8)), r"x\.npy is empty: 0 x 3"),
        ("x.npy", npy(np.zeros((3, 3), np.uint8))[:-1], r"x\.npy: truncated"),
        ("x.png", b"", r"x\.png: not a \.png file"),
        ("x.png", png(np.zeros((3, 3, 3), np.uint8)), r"x\.png: a RGB picture"),
        ("x.npz", b"", r"1 files can only be ingested, not read in place: x\.npz"),
    ],
)
def test_what_cannot_be_registered(root: str, name: str, data: bytes, words: str) -> None:
    open_storage(root).put(name, data)
    storage = collection()
    with pytest.raises(DataError, match=words):
        register(storage, root)
    assert open_manifest(storage).version == 1


def test_nothing_to_register() -> None:
    url = f"memory://register-{next(_numbers)}/maps"
    open_storage(url).put("notes.txt", b"x")
    with pytest.raises(DataError, match=r"no file of \.npy, \.png there"):
        register(collection(), url)
