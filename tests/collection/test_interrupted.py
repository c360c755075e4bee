"""A writer may die at any call of the storage: the collection is as before, or as after."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from masksearch_ray.collection import (
    Limits,
    SegmentReader,
    append,
    create_collection,
    list_versions,
)
from masksearch_ray.collection.indexing import build_index
from masksearch_ray.collection.maintain import compact, delete
from masksearch_ray.collection.vacuum import vacuum
from masksearch_ray.errors import TransientError
from masksearch_ray.model.roi import Box
from masksearch_ray.storage import Fault, FaultyStorage, Killed, MemoryStorage, Storage
from masksearch_ray.storage.wrappers import FaultKind
from tests.collection.helpers import (
    check_index,
    content,
    copy_of,
    empty,
    memory,
    mixed_masks,
    reader,
)

Operation = Callable[[Storage], Any]
Flags = npt.NDArray[np.bool_]


@cache
def _start() -> MemoryStorage:
    storage = empty()
    append(storage, mixed_masks(6), {"label": [0, 1] * 3}, limits=Limits(rows=4))
    append(storage, mixed_masks(3, seed=9), {"mask_id": [30, 20, 25], "label": [1, 1, 0]})
    delete(storage, odd)
    return storage


def start() -> MemoryStorage:
    return copy_of(_start())


def odd(segment: SegmentReader) -> Flags:
    found: Flags = segment.mask_ids() % 4 == 1
    return found


def all_of_label_1(segment: SegmentReader) -> Flags:
    found: Flags = segment.metadata(["label"]).column("label").to_numpy() == 1
    return found


OPERATIONS: dict[str, Operation] = {
    "append": lambda s: append(s, mixed_masks(5, seed=5), {"label": [7] * 5}, threads=1),
    "append with ids": lambda s: append(s, mixed_masks(2, seed=5), {"mask_id": [1, 99]}, threads=1),
    "delete": lambda s: delete(s, all_of_label_1),
    "compact": lambda s: compact(s, threads=1),
}


def calls_of(operation: Operation) -> int:
    counting = FaultyStorage(start(), [])
    operation(counting)
    return counting.calls


def faults(operation: Operation, kind: FaultKind) -> Iterator[Fault]:
    for nth in range(1, calls_of(operation) + 1):
        yield Fault("*", nth, kind=kind, when="before")
        yield Fault("*", nth, kind=kind, when="after")


@pytest.mark.parametrize("kind", ["kill", "transient"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_stopped_anywhere_it_has_happened_or_not(name: str, kind: FaultKind) -> None:
    operation, before, done = OPERATIONS[name], content(start()), start()
    operation(done)
    after = content(done)
    for fault in faults(operation, kind):
        storage = start()
        with contextlib.suppress(Killed, TransientError):
            operation(FaultyStorage(storage, [fault]))
        found = content(storage)
        assert found in (before, after), fault
        if found == before:
            operation(storage)  # trying again works
            assert content(storage) == after, fault
    check_index(storage)


def test_building_may_be_stopped_anywhere() -> None:
    def build(storage: Storage) -> None:
        build_index(storage, [Box(0, 0, 4, 4)], 7, threads=1)

    wanted = content(start())
    for fault in faults(build, "kill"):
        storage = start()
        with contextlib.suppress(Killed):
            build(FaultyStorage(storage, [fault]))
        build(storage)
        segment = reader(storage).segment(0)
        assert segment.histogram_levels(0, "box(0, 0, 4, 4)") is not None
    assert content(storage) == wanted


def test_vacuum_may_be_stopped_anywhere() -> None:
    def clean(storage: Storage) -> None:
        vacuum(storage, keep_versions=2, older_than=0)

    prepared = start()
    compact(prepared)
    delete(prepared, all_of_label_1)
    wanted, counting = content(prepared), FaultyStorage(copy_of(prepared), [])
    clean(counting)
    for nth in range(1, counting.calls + 1):
        storage = copy_of(prepared)
        with pytest.raises(Killed):
            clean(FaultyStorage(storage, [Fault("*", nth, kind="kill")]))
        for one in list_versions(storage):
            content(storage, one.version)  # none names what is gone
        clean(storage)
        assert content(storage) == wanted
        assert [one.key for one in storage.list()] == [one.key for one in counting.list()]


def test_creating_may_be_killed_anywhere() -> None:
    for nth in (1, 2):
        for when in ("before", "after"):
            storage = memory()
            with pytest.raises(Killed):
                create_collection(FaultyStorage(storage, [Fault("*", nth, kind="kill", when=when)]))
            if not list_versions(storage):
                create_collection(storage)
            assert content(storage) == {}
