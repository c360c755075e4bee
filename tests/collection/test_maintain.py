"""Deleting, compacting, vacuuming, and index parts built later."""

from __future__ import annotations

import os
import time
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
from masksearch_ray.collection.indexing import build_index
from masksearch_ray.collection.maintain import compact, delete
from masksearch_ray.collection.vacuum import parse_age, vacuum
from masksearch_ray.errors import CollectionError, InputError
from masksearch_ray.model.progress import ProgressStep
from masksearch_ray.model.roi import Box, BoxColumn, FullImage, Outside, roi_key
from masksearch_ray.storage import LocalStorage
from tests.collection.helpers import (
    check_index,
    content,
    empty,
    memory,
    mixed_masks,
    random_masks,
    reader,
    same,
)

WEEK = 7 * 86_400.0


def test_deleted_rows_are_gone_and_counted() -> None:
    storage = empty()
    append(storage, random_masks(20))
    report = delete(storage, lambda segment: segment.mask_ids() < 3)
    assert (report.rows, report.version) == (3, 3)
    assert delete(storage, lambda segment: segment.mask_ids() < 5).rows == 2
    assert sorted(content(storage)) == list(range(5, 20))
    with pytest.raises(InputError, match="no mask with mask_id 2"):
        reader(storage).masks([2])
    (entry,) = open_manifest(storage).segments
    assert (entry.rows, entry.alive) == (20, 15)


def test_a_segment_of_which_all_rows_are_deleted_is_dropped() -> None:
    storage = empty()
    append(storage, random_masks(4), limits=Limits(rows=2))
    delete(storage, lambda segment: segment.mask_ids() < 2)
    assert [entry.id_min for entry in open_manifest(storage).segments] == [2]
    delete(storage, lambda segment: segment.mask_ids() >= 0)
    assert open_manifest(storage).segments == ()
    append(storage, random_masks(1))
    assert sorted(content(storage)) == [4]  # ids are not given twice


def test_ids_of_deleted_rows_may_be_given_again() -> None:
    storage = empty()
    append(storage, random_masks(3))
    delete(storage, lambda segment: segment.mask_ids() == 1)
    append(storage, random_masks(1, seed=7), {"mask_id": [1]})
    assert same(reader(storage).masks([1]), list(random_masks(1, seed=7)))
    compact(storage)
    assert same(reader(storage).masks([1]), list(random_masks(1, seed=7)))


def test_compaction_keeps_everything() -> None:
    storage = empty()
    for seed in range(5):
        masks = mixed_masks(7, seed)
        append(storage, masks, {"label": ["x", None] * 3 + [str(seed)]}, limits=Limits(rows=3))
    append(storage, random_masks(2), {"object_box": [[1, 1, 5, 5], None]})
    delete(storage, lambda segment: segment.mask_ids() % 3 == 0)
    before, merged = content(storage), len(open_manifest(storage).segments)
    steps: list[ProgressStep] = []
    report = compact(storage, progress=lambda step: steps.append(step))
    assert (report.merged, report.written, report.rows) == (merged, 1, len(before))
    assert content(storage) == before
    check_index(storage)
    (entry,) = open_manifest(storage).segments
    assert entry.deletes is None and entry.rows == len(before)
    assert steps[-1].done == steps[-1].total == len(before)
    assert compact(storage).merged == 0


def test_full_segments_are_left_alone() -> None:
    storage = empty()
    limits = Limits(rows=4)
    append(storage, random_masks(4), limits=limits)
    append(storage, random_masks(1), limits=limits)
    kept, lone = open_manifest(storage).segments
    assert compact(storage, limits=limits).merged == 0
    append(storage, random_masks(1), limits=limits)
    assert compact(storage, limits=limits).merged == 2
    assert open_manifest(storage).segments[0] == kept
    assert lone not in open_manifest(storage).segments


def test_columns_that_came_late_survive_compaction() -> None:
    storage = empty()
    append(storage, random_masks(1), {"a": [None]})
    append(storage, random_masks(1), {"a": [1], "b": [[0, 0, 2, 2]]})
    compact(storage)
    assert content(storage)[1][0] == {"mask_id": 1, "a": 1, "b": [0, 0, 2, 2]}
    (segment,) = reader(storage).segments()
    assert segment.histogram_levels(0, '"b"') is not None


def test_vacuum_removes_what_nothing_names() -> None:
    storage = empty()
    append(storage, random_masks(4), limits=Limits(rows=2))
    build_index(storage, [Box(0, 0, 3, 3)])
    delete(storage, lambda segment: segment.mask_ids() == 0)
    compact(storage)
    append(storage, random_masks(1))
    before = {version: content(storage, version) for version in (4, 5)}
    assert vacuum(storage).objects == 0  # all of it is younger than a week
    report = vacuum(storage, keep_versions=2, older_than=0)
    assert [one.version for one in list_versions(storage)] == [4, 5]
    assert (report.versions, report.objects) == (3, 9)  # two segments, their parts, one bitmap
    assert {version: content(storage, version) for version in (4, 5)} == before
    with pytest.raises(CollectionError, match="no version 2; there are 2 versions, 4 to 5"):
        open_manifest(storage, 2)
    assert vacuum(storage, keep_versions=2, older_than=0).objects == 0


def test_vacuum_spares_what_may_yet_be_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = empty()
    segment = "0123456789abcdef" * 2
    storage.put(f"segments/{segment}/tiles.bin", b"pixels")
    storage.put(f"ingests/{'f' * 32}/{segment}.json", b"{}")
    storage.put(f"ingests/{'f' * 32}/heartbeat", b"")
    later = time.time() + 2 * WEEK
    assert vacuum(storage, older_than="7d").objects == 0
    monkeypatch.setattr(time, "time", lambda: later)
    storage.put(f"ingests/{'f' * 32}/heartbeat", b"")  # it is alive
    assert vacuum(storage, older_than="7d").objects == 0
    monkeypatch.setattr(time, "time", lambda: later + 1)
    assert vacuum(storage, older_than=0).objects == 1
    assert [one.key for one in storage.list()] == ["manifests/00000000000000000001.json"]


def test_versions_within_the_grace_are_kept() -> None:
    storage = empty()
    for seed in range(3):
        append(storage, random_masks(1, seed=seed))
    assert vacuum(storage, keep_versions=1).versions == 0
    assert len(content(storage, 2)) == 1


def test_vacuum_spares_the_version_that_was_newest_a_moment_ago(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path))
    create_collection(storage)
    for seed in range(4):
        append(storage, random_masks(2, seed=seed))
    compact(storage)
    for path in tmp_path.rglob("*"):  # all is old, but for the last two versions
        if path.is_file() and path.stem not in (f"{5:020d}", f"{6:020d}"):
            os.utime(path, (time.time() - WEEK,) * 2)
    wanted = content(storage, 4)
    assert vacuum(storage, keep_versions=1, older_than=3600).versions == 3
    assert [one.version for one in list_versions(storage)] == [4, 5, 6]
    assert content(storage, 4) == wanted


def test_vacuum_refuses_what_makes_no_sense() -> None:
    with pytest.raises(InputError, match="at least 1"):
        vacuum(empty(), keep_versions=0)
    with pytest.raises(InputError, match="'a week'"):
        vacuum(empty(), older_than="a week")
    with pytest.raises(CollectionError):
        vacuum(memory())


@pytest.mark.parametrize(
    ("age", "seconds"), [("7d", WEEK), ("1.5h", 5400), ("30 s", 30), ("2w", 2 * WEEK), (9, 9)]
)
def test_ages(age: Any, seconds: float) -> None:
    assert parse_age(age) == seconds


@pytest.mark.parametrize("age", ["", "7", "d", "-1d", -1, float("nan"), "7 days"])
def test_ages_that_are_none(age: Any) -> None:
    with pytest.raises(InputError, match="older_than"):
        parse_age(age)


def test_a_region_is_indexed_later() -> None:
    storage, masks = empty(), random_masks(6)
    boxes = [[0, 0, 9, 9], None, [3, 3, 3, 9], [-5, -5, 99, 99], [1, 2, 3, 4], [29, 19, 30, 20]]
    append(storage, masks, {"object_box": boxes}, limits=Limits(rows=4))
    roi = Outside(BoxColumn("object_box"))
    opened = reader(storage)
    assert opened.segment(0).histogram_levels(0, roi_key(roi)) is None
    steps: list[ProgressStep] = []
    report = build_index(
        storage, [roi, Box(2, 2, 20, 9)], 256, progress=lambda step: steps.append(step)
    )
    assert (report.built, report.segments, steps[-1].done) == (2, 2, 6)
    assert build_index(storage, [roi, Box(2, 2, 20, 9)], 256).built == 0
    for segment in reader(storage).segments():
        levels = segment.histogram_levels(0, roi_key(roi))
        assert levels == tuple(range(1, 256))
        ids = segment.mask_ids()
        counts = segment.histogram(0, roi_key(roi), [100])[100]
        for mask, box, count in zip(masks[ids], np.array(boxes, object)[ids], counts, strict=True):
            outside = np.ones(mask.shape, bool)
            if box is None:
                assert count == 0
                continue
            x0, y0, x1, y1 = np.maximum(box, 0)
            outside[y0:y1, x0:x1] = False
            assert count == (outside & (mask >= 100)).sum()
        counts = segment.histogram(0, "box(2, 2, 20, 9)", [7])[7]
        assert counts.tolist() == (masks[ids, 2:9, 2:20] >= 7).sum(axis=(1, 2)).tolist()


def test_the_finest_histogram_is_found() -> None:
    storage = empty()
    append(storage, random_masks(3))
    build_index(storage, bins=256)
    (segment,) = reader(storage).segments()
    assert len(segment.histogram_levels(0, "full_image") or ()) == 255
    build_index(storage, bins=2)
    assert len(segment.histogram_levels(0, "full_image") or ()) == 255


def test_what_is_there_is_not_built_again() -> None:
    storage = empty()
    append(storage, random_masks(3), {"object_box": [[0, 0, 1, 1]] * 3})
    assert build_index(storage).built == 0
    assert [one.key for one in storage.list("indexes/")] == [
        one.key for one in storage.list("indexes/specs/")
    ]


def test_segments_without_the_column_are_passed_over() -> None:
    storage = empty()
    append(storage, random_masks(3))
    append(storage, random_masks(3), {"object_box": [[0, 0, 1, 1]] * 3})
    assert build_index(storage, [BoxColumn("object_box")], 256).built == 1
    assert reader(storage).segment(0).histogram_levels(0, '"object_box"') is None
    with pytest.raises(InputError, match='no column of boxes for "label"'):
        build_index(storage, [BoxColumn("label")])


def test_compaction_builds_the_parts_of_its_inputs_again() -> None:
    storage, roi = empty(), Box(0, 0, 5, 5)
    append(storage, random_masks(2))
    build_index(storage, [roi])
    append(storage, random_masks(2))
    compact(storage)
    (segment,) = reader(storage).segments()
    assert segment.histogram_levels(0, roi_key(roi)) == segment.blocks[0].levels


def test_named_regions_are_indexed_from_the_start() -> None:
    rois = (FullImage(), Box(0, 0, 5, 5), BoxColumn("object_box"))
    storage = empty(rois=rois)
    append(storage, random_masks(2))
    append(
        storage, random_masks(2), {"object_box": [[0, 0, 1, 1]] * 2, "other": [[0, 0, 1, 1]] * 2}
    )
    early, late = reader(storage).segments()
    for segment in (early, late):
        assert segment.histogram_levels(0, "box(0, 0, 5, 5)") is not None
        assert segment.histogram_levels(0, '"other"') is None
    assert early.histogram_levels(0, '"object_box"') is None
    assert late.histogram_levels(0, '"object_box"') is not None


def test_the_index_takes_its_share_and_says_so() -> None:
    random = np.random.default_rng(0)
    y, x = np.mgrid[:448, :448]
    masks = []
    for _ in range(60):
        top, left, width = random.random(3) * (448, 448, 60) + (0, 0, 20)
        values = np.exp(-((y - top) ** 2 + (x - left) ** 2) / (2 * width**2))
        noise = random.normal(0, 1, values.shape)
        masks.append(np.clip(255 * values + noise, 0, 255).astype(np.uint8))
    storage = empty()
    report = append(storage, masks, {"object_box": [[50, 50, 200, 200]] * 60})
    stored = {one.key.split("/")[-1]: one.size for one in storage.list("segments/")}
    sizes = report.sizes
    assert sizes.pixels + sizes.directory == stored["tiles.bin"]
    assert sizes.chi + sizes.histograms == stored["index.arrow"]
    assert sizes.rows == stored["rows.parquet"]
    assert sizes.index_share < 0.05
    assert open_manifest(storage).sizes == sizes


def test_vacuum_removes_what_killed_writers_left_half_written(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path))
    create_collection(storage)
    append(storage, random_masks(2))
    left = [tmp_path / "segments" / ".tmp-old", tmp_path / "manifests" / ".tmp-young"]
    for path in left:
        path.write_bytes(b"half")
    os.utime(left[0], (time.time() - 2 * WEEK,) * 2)
    vacuum(storage, older_than="7d")
    assert [path.exists() for path in left] == [False, True]
    assert len(content(storage)) == 2
