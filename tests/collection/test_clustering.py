"""Compaction that brings the masks of an image together."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.collection import Limits, append, build_index, compact, delete, open_manifest
from masksearch_ray.collection.maintain import CompactReport
from masksearch_ray.errors import ConflictError, DamagedError, InputError
from masksearch_ray.model.progress import ProgressStep
from masksearch_ray.model.roi import Box, roi_key
from masksearch_ray.runtime.tasks import LocalTasks
from masksearch_ray.storage import MemoryStorage
from tests.collection.helpers import check_index, content, empty, mixed_masks, random_masks, reader

FEW = Limits(rows=8)


def clustered(storage: MemoryStorage, limits: Limits = FEW, **options: Any) -> CompactReport:
    return compact(storage, cluster_by="image_id", limits=limits, tasks=LocalTasks(2), **options)


def ranges(storage: MemoryStorage) -> list[tuple[Any, Any]]:
    return [(entry.image_min, entry.image_max) for entry in open_manifest(storage).segments]


def shuffled(images: list[Any], each: int = 10, seed: int = 0, **settings: Any) -> MemoryStorage:
    """A collection whose images are all over it."""
    storage = empty(**settings)
    masks = mixed_masks(len(images), seed)
    for first in range(0, len(images), each):
        here = slice(first, first + each)
        rows = {"image_id": images[here], "label": [f"l{n}" for n in range(first, first + each)]}
        append(storage, masks[here], {k: v[: len(images[here])] for k, v in rows.items()},
               limits=Limits(rows=each))  # fmt: skip
    return storage


def many(count: int = 50, masks_each: int = 2) -> list[int]:
    found = np.random.default_rng(1).permutation(count) // masks_each
    return [int(image) for image in found]


def test_images_lie_together_and_answers_stay() -> None:
    storage = shuffled(many())
    before = content(storage)
    steps: list[ProgressStep] = []

    def keep(step: ProgressStep) -> None:
        steps.append(step)

    report = clustered(storage, progress=keep)
    assert report == CompactReport(5, 7, 50, open_manifest(storage).version)
    assert (steps[-1].done, steps[-1].total) == (50, 50)
    assert content(storage) == before
    check_index(storage)
    found = ranges(storage)
    assert all(low[1] < high[0] for low, high in pairwise(found))
    for segment in reader(storage).segments():
        images = segment.metadata(["image_id"]).column(0).to_pylist()
        assert images == sorted(images)
    # An older version is what it was.
    assert content(storage, report.version - 1) == before


def test_a_second_time_there_is_nothing_to_do() -> None:
    storage = shuffled([f"img{image:02}" for image in many()])
    version = clustered(storage).version
    assert clustered(storage) == CompactReport(0, 0, 0, version)


def test_what_was_added_since_finds_its_place() -> None:
    storage = shuffled(many(48))
    clustered(storage)
    kept = {entry.id for entry in open_manifest(storage).segments}
    append(storage, random_masks(4), {"image_id": [7, 7, 8, 8], "label": list("abcd")})
    before = content(storage)
    report = clustered(storage)
    assert 0 < report.merged <= 4
    assert content(storage) == before
    found = sorted(ranges(storage))
    assert all(low[1] < high[0] for low, high in pairwise(found))
    assert kept & {entry.id for entry in open_manifest(storage).segments}


def test_deleted_rows_are_left_out() -> None:
    storage = shuffled(many())
    clustered(storage)
    doomed = [3, 4, 40]
    delete(storage, lambda segment: np.isin(segment.mask_ids(), doomed))
    before = content(storage)
    clustered(storage)
    assert content(storage) == before
    assert len(before) == 47
    assert all(entry.deletes is None for entry in open_manifest(storage).segments)


def test_rows_without_an_image_come_last() -> None:
    storage = shuffled([image if image % 3 else None for image in many()])
    before = content(storage)
    version = clustered(storage).version
    assert content(storage) == before
    images = [
        image
        for segment in reader(storage).segments()
        for image in segment.metadata(["image_id"]).column(0).to_pylist()
    ]
    known = [image for image in images if image is not None]
    assert images == sorted(known) + [None] * (50 - len(known))
    assert clustered(storage).version == version


def test_an_image_that_does_not_fit_a_segment() -> None:
    storage = shuffled([5] * 20 + [1, 9] * 5)
    before = content(storage)
    clustered(storage)
    assert content(storage) == before
    found = ranges(storage)
    assert found == sorted(found)


def test_index_parts_built_later_are_built_again() -> None:
    storage = shuffled(many(20), nan="keep")
    build_index(storage, [Box(1, 1, 5, 5)], 4)
    clustered(storage)
    for segment in reader(storage).segments():
        for view in segment.blocks:
            assert segment.histogram_levels(view.block, roi_key(Box(1, 1, 5, 5))) is not None


def test_rows_deleted_meanwhile_stay_deleted() -> None:
    storage = shuffled(many())
    before = content(storage)

    def meddle(step: ProgressStep) -> None:
        if len(content(storage)) == 50:
            delete(storage, lambda segment: np.isin(segment.mask_ids(), [7, 30]))

    clustered(storage, progress=meddle)
    after = content(storage)
    assert before.keys() - after.keys() == {7, 30}
    assert all(before[key] == row for key, row in after.items())


def test_of_two_at_once_one_is_told_to_try_again() -> None:
    storage = shuffled(many())
    before = content(storage)
    done: list[ProgressStep] = []

    def overtake(step: ProgressStep) -> None:
        if not done:
            done.append(step)
            clustered(storage)

    with pytest.raises(ConflictError, match="others have replaced a segment"):
        clustered(storage, progress=overtake)
    assert content(storage) == before
    named = {entry.id for entry in open_manifest(storage).segments}
    old = {entry.id for entry in open_manifest(storage, 6).segments}
    assert {info.key.split("/")[1] for info in storage.list("segments/")} == named | old


def test_what_cannot_be_read_leaves_all_as_it_was() -> None:
    storage = shuffled(many())
    entry = open_manifest(storage).segments[2]
    key = f"segments/{entry.id}/tiles.bin"
    data = storage.get(key)
    storage.put(key, data[:50] + bytes(len(data) - 50))
    with pytest.raises(DamagedError, match=entry.id):
        clustered(storage)
    assert open_manifest(storage).version == 6


def test_what_cannot_be_sorted_by() -> None:
    storage = empty()
    append(storage, random_masks(3), {"label": [1, 2, 3]})
    with pytest.raises(InputError, match="no image_id to cluster by: there is none"):
        clustered(storage)
    append(storage, random_masks(3), {"image_id": [0.5, 1.5, 2.5]})
    with pytest.raises(InputError, match="it holds double"):
        clustered(storage)
    with pytest.raises(InputError, match="cluster_by = 'label': 'image_id' wanted"):
        compact(storage, cluster_by="label", tasks=LocalTasks(1))


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=40),
    st.integers(1, 12),
    st.integers(1, 9),
    st.sets(st.integers(0, 39)),
)
def test_any_collection(images: list[int | None], each: int, most: int, doomed: set[int]) -> None:
    storage = empty()
    masks = random_masks(len(images), 5, 6)
    for first in range(0, len(images), each):
        here = images[first : first + each]
        append(storage, masks[first : first + each], {"image_id": here})
    delete(storage, lambda segment: np.isin(segment.mask_ids(), sorted(doomed)))
    before = content(storage)
    if open_manifest(storage).schema.field("image_id").type == "null":
        with pytest.raises(InputError, match="it holds null"):
            clustered(storage)
        return
    clustered(storage, Limits(rows=most))
    assert content(storage) == before
    found = sorted(r for r in ranges(storage) if r[0] is not None)
    assert all(low[1] <= high[0] for low, high in pairwise(found))
