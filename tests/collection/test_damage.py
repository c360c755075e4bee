"""Whatever byte is wrong: an error that names the object, or the exact data; never other data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masksearch_ray.collection import SegmentReader, append, open_manifest
from masksearch_ray.collection.indexing import build_index
from masksearch_ray.collection.layout import (
    INDEX,
    ROWS,
    TILES,
    delete_key,
    manifest_key,
    segment_key,
)
from masksearch_ray.collection.maintain import delete
from masksearch_ray.errors import DamagedError, NotFoundError
from masksearch_ray.model.roi import Box, roi_key
from masksearch_ray.storage import MemoryStorage, Storage
from tests.collection.helpers import content, empty, random_masks, reader

BOX = Box(1, 1, 9, 9)


def damaged() -> MemoryStorage:
    storage = empty(cell=16)
    masks = [*random_masks(4, 20, 30), *random_masks(3, 33, 40, "float32")]
    boxes = [[1, 2, 9, 9], None] * 3 + [None]
    append(storage, masks, {"label": list("abcdefg"), "object_box": boxes})
    delete(storage, lambda segment: segment.mask_ids() == 2)
    build_index(storage, [BOX], 7)
    return storage


def everything(storage: Storage) -> list[Any]:
    """All that can be read of a collection."""
    found: list[Any] = [content(storage)]
    for segment in reader(storage).segments():
        found.append(segment.alive().tolist())
        for view in segment.blocks:
            every = np.arange(view.grid.cells, dtype=np.int32)
            levels = range(1, len(view.levels) + 1)
            counts = segment.counts(view.block, {level: every for level in levels})
            found += [counts[level].tolist() for level in levels]
            for roi in ("full_image", '"object_box"', roi_key(BOX)):
                found.append(_histograms(segment, view.block, roi))
    return found


def _histograms(segment: SegmentReader, block: int, roi: str) -> Any:
    levels = segment.histogram_levels(block, roi)
    assert levels is not None
    counts = segment.histogram(block, roi, range(1, len(levels) + 1))
    return levels, {level: column.tolist() for level, column in counts.items()}


@pytest.fixture(scope="module")
def storage() -> MemoryStorage:
    return damaged()


@pytest.fixture(scope="module")
def wanted(storage: MemoryStorage) -> list[Any]:
    return everything(storage)


def key_of(storage: Storage, what: str) -> str:
    (entry,) = open_manifest(storage).segments
    assert entry.deletes is not None
    match what:
        case "manifest":
            return manifest_key(3)
        case "deletes":
            return delete_key(entry.deletes.name)
        case "part":
            return next(one.key for one in storage.list(f"indexes/{entry.id}/"))
        case "spec":
            return next(one.key for one in storage.list("indexes/specs/"))
    return segment_key(entry.id, what)


OBJECTS = ("manifest", ROWS, TILES, INDEX, "deletes", "part", "spec")


def test_every_object_is_put_to_the_test(storage: MemoryStorage) -> None:
    tested = {key_of(storage, what) for what in OBJECTS}
    assert tested == {one.key for one in storage.list()} - {manifest_key(1), manifest_key(2)}


@pytest.mark.parametrize("what", OBJECTS)
def test_a_wrong_byte_is_noticed(storage: MemoryStorage, wanted: list[Any], what: str) -> None:
    key = key_of(storage, what)
    data = storage.get(key)
    noticed = 0
    try:
        for at in range(0, len(data), max(1, len(data) // 100)):
            storage.put(key, data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
            try:
                assert everything(storage) == wanted, at
            except DamagedError as error:
                assert error.object.endswith(key)
                noticed += 1
    finally:
        storage.put(key, data)
    assert noticed > 0


@pytest.mark.parametrize("what", OBJECTS)
def test_missing_bytes_are_noticed(storage: MemoryStorage, wanted: list[Any], what: str) -> None:
    key = key_of(storage, what)
    data = storage.get(key)
    try:
        for size in {0, len(data) // 2, len(data) - 1}:
            storage.put(key, data[:size])
            try:
                assert everything(storage) == wanted
            except DamagedError as error:
                assert error.object.endswith(key)
            else:
                assert what == INDEX  # its trailer is not needed
        storage.put(key, data + b"more")
        try:
            assert everything(storage) == wanted
        except DamagedError as error:
            assert error.object.endswith(key)
    finally:
        storage.put(key, data)


@pytest.mark.parametrize("what", [ROWS, TILES, INDEX, "deletes"])
def test_a_lost_object_is_named(storage: MemoryStorage, what: str) -> None:
    key = key_of(storage, what)
    data = storage.get(key)
    storage.delete(key)
    try:
        with pytest.raises(NotFoundError, match=key):
            everything(storage)
    finally:
        storage.put(key, data)


@pytest.mark.parametrize("what", [ROWS, TILES, INDEX, "part"])
def test_an_object_of_another_segment_of_the_same_layout_is_noticed(what: str) -> None:
    storage = empty()
    append(storage, random_masks(3), {"a": [1, 2, 3]})
    append(storage, random_masks(3, seed=1), {"a": [4, 5, 6]})
    build_index(storage, [BOX])
    one, two = open_manifest(storage).segments
    keys = [
        next(info.key for info in storage.list(f"indexes/{entry.id}/"))
        if what == "part"
        else segment_key(entry.id, what)
        for entry in (one, two)
    ]
    storage.put(keys[0], storage.get(keys[1]))
    with pytest.raises(DamagedError, match=keys[0]):
        segment = reader(storage).segment(0)
        segment.metadata(["a"])
        segment.counts(0, {1: np.arange(2, dtype=np.int32)})
        segment.histogram_levels(0, roi_key(BOX))
        segment.tiles(0, np.array([1]), np.array([0]))
