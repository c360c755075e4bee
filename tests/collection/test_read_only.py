"""Collections that cannot be written to can be read, and are left as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masksearch_ray.collection import CollectionReader, append, open_manifest
from masksearch_ray.collection.indexing import build_index
from masksearch_ray.collection.maintain import compact, delete
from masksearch_ray.collection.register import register
from masksearch_ray.errors import ReadOnlyError
from masksearch_ray.storage import CountingStorage
from tests.collection.helpers import content, empty, memory, random_masks


class ReadOnly(CountingStorage):
    """Refuses to be written to, from the start or where an atomic create is wanted."""

    def __init__(self, inner: Any, put: bool) -> None:
        super().__init__(inner)
        self.can_put = put

    def put(self, key: str, data: Any) -> None:
        if not self.can_put:
            raise ReadOnlyError("no permission", key)
        super().put(key, data)

    def put_if_absent(self, key: str, data: Any) -> None:
        raise ReadOnlyError("no atomic create", key)


@pytest.mark.parametrize("put", [True, False])
def test_nothing_is_changed_and_nothing_left_behind(put: bool) -> None:
    storage = empty()
    append(storage, random_masks(2))
    append(storage, random_masks(2))
    before, keys = content(storage), [one.key for one in storage.list()]
    read_only = ReadOnly(storage, put)
    with pytest.raises(ReadOnlyError):
        append(read_only, random_masks(3))
    with pytest.raises(ReadOnlyError):
        compact(read_only)
    assert [one.key for one in storage.list()] == keys
    with pytest.raises(ReadOnlyError):
        delete(read_only, lambda segment: segment.mask_ids() == 1)
    with pytest.raises(ReadOnlyError):
        build_index(read_only, bins=7)
    assert content(read_only) == content(storage) == before


def test_an_index_that_cannot_be_kept_there_is_kept_in_the_cache(tmp_path: Path) -> None:
    masks = random_masks(4)
    for number, mask in enumerate(masks):
        np.save(tmp_path / f"{number}.npy", mask)
    storage, cache = empty(), memory()
    append(storage, random_masks(1, 8, 8), {"object_box": [[0, 0, 1, 1]]})
    register(storage, str(tmp_path))
    every = np.arange(12, dtype=np.int32)
    for _ in range(2):
        reader = CollectionReader(ReadOnly(storage, False), open_manifest(storage), cache)
        segment = reader.segment(1)
        counts = segment.counts(0, {1: every})[1]
        assert segment.histogram_levels(0, '"object_box"') is None
        assert counts.sum() == (masks >= segment.blocks[0].levels[0]).sum()
        for source in tmp_path.iterdir():
            source.unlink()  # not needed a second time
    assert len(list(cache.list())) == 1
