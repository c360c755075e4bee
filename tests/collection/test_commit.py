"""Many writers at once: each commit lands once, on top of the others."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masksearch_ray.collection import (
    Limits,
    append,
    create_collection,
    list_versions,
    open_manifest,
)
from masksearch_ray.collection.commit import commit
from masksearch_ray.collection.layout import manifest_key
from masksearch_ray.collection.maintain import compact, delete
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.errors import (
    CollectionError,
    ConflictError,
    DataError,
    StorageError,
    TransientError,
)
from masksearch_ray.storage import Fault, FaultyStorage, LocalStorage, Storage
from masksearch_ray.storage.wrappers import WrappedStorage
from tests.collection.helpers import content, empty, memory, random_masks, reader


class Meanwhile(WrappedStorage):
    """Lets another writer commit just before our manifest is created."""

    def __init__(self, inner: Storage, others: list[Callable[[Storage], Any]]) -> None:
        super().__init__(inner)
        self.others = list(others)

    def put_if_absent(self, key: str, data: Any) -> None:
        if key.startswith("manifests/") and self.others:
            self.others.pop(0)(self.inner)
        super().put_if_absent(key, data)


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_eight_threads_append_at_once(kind: str, tmp_path: Path) -> None:
    storage: Storage = memory() if kind == "memory" else LocalStorage(str(tmp_path))
    create_collection(storage)

    def work(writer: int) -> None:
        for round in range(3):
            masks = random_masks(4, seed=10 * writer + round)
            append(storage, masks, {"writer": [writer] * 4, "round": [round] * 4}, threads=1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert [one.version for one in list_versions(storage)] == list(range(1, 26))
    found = content(storage)
    assert sorted(found) == list(range(96))
    by_append: dict[tuple[int, int], list[int]] = {}
    for mask_id, (row, *_) in found.items():
        by_append.setdefault((row["writer"], row["round"]), []).append(mask_id)
    for (writer, round), ids in by_append.items():
        assert ids == list(range(ids[0], ids[0] + 4))
        masks = random_masks(4, seed=10 * writer + round)
        assert [found[i][-1] for i in ids] == [mask.tobytes() for mask in masks]


def test_of_equal_ids_given_at_once_one_wins() -> None:
    storage, barrier = empty(), threading.Barrier(4)
    outcomes = []

    def work(writer: int) -> None:
        barrier.wait()
        try:
            append(storage, random_masks(1, seed=writer), {"mask_id": [5], "by": [writer]})
            outcomes.append("appended")
        except DataError as error:
            assert "mask_id 5 is in the collection already" in str(error)
            outcomes.append("refused")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sorted(outcomes) == ["appended", "refused", "refused", "refused"]
    assert len(content(storage)) == 1
    assert len(list(storage.list("segments/"))) == 3  # the losers have tidied up


def test_an_append_that_lost_takes_the_next_ids() -> None:
    storage = empty()
    late = Meanwhile(storage, [lambda s: append(s, random_masks(3), {"a": [1, 2, 3]})])
    append(late, random_masks(2, seed=1), {"b": ["x", "y"]})
    found = content(storage)
    assert [found[i][0].get("a") for i in range(5)] == [1, 2, 3, None, None]
    assert [found[i][0].get("b") for i in range(5)] == [None, None, None, "x", "y"]


def test_an_append_that_lost_to_another_type_is_refused() -> None:
    storage = empty()
    late = Meanwhile(storage, [lambda s: append(s, random_masks(1), {"a": [1]})])
    with pytest.raises(DataError, match="'a' holds int64"):
        append(late, random_masks(1), {"a": ["x"]})
    assert len(content(storage)) == 1
    assert len(list(storage.list("segments/"))) == 3


def test_a_delete_that_lost_looks_again() -> None:
    storage = empty()
    append(storage, random_masks(4), {"a": [0, 1, 0, 1]})
    late = Meanwhile(
        storage,
        [
            lambda s: append(s, random_masks(2), {"a": [1, 0]}),
            lambda s: delete(s, lambda segment: segment.mask_ids() == 1),
        ],
    )
    report = delete(late, lambda s: np.equal(s.metadata(["a"]).column("a").to_numpy(), 1))
    assert report.rows == 2  # rows 3 and 4; row 1 was deleted by the other
    assert sorted(content(storage)) == [0, 2, 5]
    assert len(list(storage.list("deletes/"))) == 3


def test_a_compaction_that_lost_applies_the_deletes() -> None:
    storage = empty()
    append(storage, random_masks(6), limits=Limits(rows=2))
    delete(storage, lambda segment: segment.mask_ids() == 5)
    late = Meanwhile(
        storage,
        [
            lambda s: append(s, random_masks(1)),
            lambda s: delete(s, lambda segment: np.isin(segment.mask_ids(), [1, 2])),
        ],
    )
    before = content(storage)
    report = compact(late)
    assert (report.merged, report.written, report.rows) == (3, 1, 5)
    found = content(storage)
    assert sorted(found) == [0, 3, 4, 6]
    assert all(found[i] == before[i] for i in (0, 3, 4))
    assert len(open_manifest(storage).segments) == 2


def test_a_compaction_whose_input_is_gone_is_given_up() -> None:
    storage = empty()
    append(storage, random_masks(4), limits=Limits(rows=2))
    late = Meanwhile(storage, [compact])
    with pytest.raises(ConflictError, match="others have replaced"):
        compact(late)
    assert sorted(content(storage)) == [0, 1, 2, 3]
    assert len(list(storage.list("segments/"))) == 9


def test_a_lost_answer_is_settled_by_reading() -> None:
    storage = empty()
    lost = [Fault("put_if_absent", 1, kind="transient", when="after")]
    assert append(FaultyStorage(storage, lost), random_masks(2)).version == 2
    assert sorted(content(storage)) == [0, 1]


def test_an_attempt_that_failed_is_made_again() -> None:
    storage = empty()
    failed = [Fault("put_if_absent", 1, times=2, kind="transient")]
    assert append(FaultyStorage(storage, failed), random_masks(2)).version == 2


def test_what_stays_unknown_is_raised_and_its_objects_stay() -> None:
    storage = empty()
    failing = [Fault("put_if_absent", 1, times=99, kind="transient")]
    with pytest.raises(TransientError):
        append(FaultyStorage(storage, failing), random_masks(2))
    assert content(storage) == {}
    # The commit might still have come through: its segment must be there then.
    assert len(list(storage.list("segments/"))) == 3


def test_an_error_that_is_final_is_not_tried_again() -> None:
    storage = empty()
    faulty = FaultyStorage(storage, [Fault("put_if_absent", 1, kind="error")])
    with pytest.raises(StorageError, match="injected"):
        append(faulty, random_masks(2))
    assert open_manifest(storage).version == 1


def test_versions_stay_as_they_were() -> None:
    storage = empty()
    append(storage, random_masks(3))
    delete(storage, lambda segment: segment.mask_ids() == 0)
    append(storage, random_masks(1))
    compact(storage)
    sizes = [len(reader(storage, version)) for version in range(1, 6)]
    assert sizes == [0, 3, 2, 3, 3]
    assert sorted(content(storage, 2)) == [0, 1, 2]
    with pytest.raises(CollectionError, match="no version 9; there are 5 versions, 1 to 5"):
        open_manifest(storage, 9)
    with pytest.raises(CollectionError, match="no version -1"):
        open_manifest(storage, -1)


def test_a_collection_is_begun_once() -> None:
    storage = empty()
    with pytest.raises(CollectionError, match="already"):
        create_collection(storage)
    storage.delete(manifest_key(1))
    with pytest.raises(CollectionError, match="no collection there"):
        open_manifest(storage)


def test_of_many_who_begin_a_collection_one_does() -> None:
    storage, begun = memory(), []

    def work(_: int) -> None:
        with contextlib.suppress(CollectionError):
            begun.append(create_collection(storage).uuid)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert begun == [open_manifest(storage).uuid]


def test_nothing_to_change_is_no_version() -> None:
    class Nothing:
        def rebase(self, latest: Manifest) -> Manifest | None:
            return None

    storage = empty()
    assert commit(storage, Nothing()).version == 1
    assert delete(storage, lambda segment: segment.alive()).rows == 0
    assert compact(storage).merged == 0
    assert [one.version for one in list_versions(storage)] == [1]
