"""Bytes that are damaged on their way, and whole where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masksearch_ray.collection import append
from masksearch_ray.collection.gather import gather
from masksearch_ray.collection.layout import manifest_key
from masksearch_ray.collection.reread import reread
from masksearch_ray.errors import DamagedError, NotFoundError
from masksearch_ray.storage import CountingStorage, Fault, FaultyStorage, MemoryStorage, Storage
from masksearch_ray.storage.wrappers import FaultKind
from tests.collection.helpers import empty, random_masks, reader
from tests.collection.test_damage import damaged, everything


@pytest.fixture(scope="module")
def storage() -> MemoryStorage:
    return damaged()


@pytest.fixture(scope="module")
def wanted(storage: MemoryStorage) -> list[Any]:
    return everything(storage)


@pytest.mark.parametrize("kind", ["flip", "truncate"])
@pytest.mark.parametrize("operation", ["get", "get_ranges"])
def test_what_was_damaged_on_its_way_is_read_again(
    storage: MemoryStorage, wanted: list[Any], operation: str, kind: FaultKind
) -> None:
    counting = CountingStorage(storage)
    everything(counting)
    for times in (1, 2):
        for nth in range(1, counting.calls[operation] + 1):
            faulty = FaultyStorage(storage, [Fault(operation, nth, times, kind)])
            assert everything(faulty) == wanted, (nth, times)


def test_what_lies_damaged_is_read_three_times(storage: MemoryStorage) -> None:
    faulty = FaultyStorage(storage, [Fault("get", 1, 99, "flip")])
    counting = CountingStorage(faulty)
    with pytest.raises(DamagedError, match=manifest_key(3)):
        everything(counting)
    assert counting.calls["get"] == 3


def test_what_is_missing_is_not_asked_for_again() -> None:
    asked = []

    def read() -> None:
        asked.append(1)
        raise NotFoundError("no such object", "a")

    with pytest.raises(NotFoundError):
        reread(read)
    assert len(asked) == 1


@pytest.mark.parametrize("kind", ["flip", "truncate"])
def test_tiles_of_several_segments_are_read_again(kind: FaultKind) -> None:
    storage = empty(cell=16)
    masks = [random_masks(3, seed=seed) for seed in (1, 2)]
    for some in masks:
        append(storage, list(some))

    def tiles(over: Storage) -> Any:
        collection = reader(over)
        every, first = np.arange(3), np.zeros(3, np.int64)
        places = [segment.places(0, every, first) for segment in collection.segments()]
        return gather(places, collection.kept_tiles)

    counting = CountingStorage(storage)
    wanted = tiles(counting)
    for nth in range(1, counting.calls["get_ranges"] + 1):
        assert np.array_equal(
            tiles(FaultyStorage(storage, [Fault("get_ranges", nth, 1, kind)])), wanted
        ), nth
