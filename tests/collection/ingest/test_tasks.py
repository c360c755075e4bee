"""Ingesting by jobs: the same rows as by a stream, by image, and continued after any crash."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from PIL import Image

from masksearch_ray.collection import Limits, create_collection, open_manifest
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.collection.ingest_run import IngestReport
from masksearch_ray.collection.metadata import Coco, RowOptions
from masksearch_ray.errors import ConflictError, DataError, InputError, StorageError
from masksearch_ray.model.progress import ProgressStep
from masksearch_ray.model.tasks import Done, Job
from masksearch_ray.runtime.tasks import LocalTasks
from masksearch_ray.storage import (
    Fault,
    FaultyStorage,
    Killed,
    MemoryStorage,
    Storage,
    open_storage,
)
from tests.collection.ingest.test_ingest import mask_of, rows_of, write_masks

R = TypeVar("R")
SMALL = Limits(rows=4)


class Elsewhere(LocalTasks):
    """Does jobs as another process would: what does not pickle does not come through."""

    remote = True

    def __init__(self) -> None:
        super().__init__(2)
        self.labels: list[str] = []

    def run(self, jobs: Iterable[Job[R]]) -> Iterator[Done[R]]:
        def sent() -> Iterator[Job[R]]:
            for job in jobs:
                self.labels.append(job.label)
                yield pickle.loads(pickle.dumps(job))

        for done in super().run(sent()):
            yield pickle.loads(pickle.dumps(done))


def empty(folder: Path) -> Storage:
    storage = open_storage(str(folder))
    create_collection(storage)
    return storage


def by_tasks(storage: Storage, source: object, **options: Any) -> IngestReport:
    return ingest(storage, source, tasks=Elsewhere(), **{"limits": SMALL, **options})


def content(storage: Storage) -> list[str]:
    """Every row with its pixels, whatever its ``mask_id`` and place."""
    rows = rows_of(storage)
    del rows["mask_id"]
    keys = sorted(rows)
    return sorted(str([(k, _plain(rows[k][i])) for k in keys]) for i in range(len(rows["pixels"])))


def _plain(value: Any) -> Any:
    return (value.dtype.name, value.tolist()) if isinstance(value, np.ndarray) else value


def assert_as_streamed(folder: Path, source: object, count: int, **options: Any) -> Storage:
    """Ingest in both ways; the storage that jobs have written."""
    streamed = MemoryStorage(f"memory://{folder.name}-{count}-{id(options)}")
    create_collection(streamed)
    assert ingest(streamed, source, **options).rows == count
    made = empty(folder / "made")
    report = by_tasks(made, source, **options)
    assert (report.rows, report.version) == (count, 2)
    assert content(made) == content(streamed)
    assert rows_of(made)["mask_id"] == list(range(count))
    again = by_tasks(made, source, **options)
    assert (again.rows, again.skipped, again.version) == (0, count, 2)
    assert ingest(made, source, **options).rows == 0
    return made


def ranges(storage: Storage) -> list[tuple[Any, Any]]:
    return [(entry.image_min, entry.image_max) for entry in open_manifest(storage).segments]


def assert_apart(storage: Storage) -> None:
    found = ranges(storage)
    assert found == sorted(found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    images = rows_of(storage)["image_id"]
    assert images == sorted(images)


# -- sources -----------------------------------------------------------------------------------


def test_a_folder_in_the_order_of_its_metadata(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 23)
    images = np.random.default_rng(0).permutation(23) // 2
    meta = pa.table(
        {
            "file": [f"{n:03}.jpg" for n in range(23)],
            "image_id": images,
            "box": [[0, 0, n % 9, 5] for n in range(23)],
            "label": [f"l{n % 3}" if n % 4 else None for n in range(23)],
        }
    )
    rows = RowOptions([meta], boxes={"object_box": "box"}, columns={"model_id": 7})
    made = assert_as_streamed(tmp_path, url, 23, rows=rows)
    assert_apart(made)
    # An image is in two segments only where it must be.
    assert sum(low == high for (_, low), (high, _) in pairwise(ranges(made))) == 0


def test_images_by_the_names_of_files(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 10)
    assert_apart(assert_as_streamed(tmp_path, url, 10))
    assert ranges(open_storage(str(tmp_path / "made"))) == [
        ("000", "003"), ("004", "007"), ("008", "009"),
    ]  # fmt: skip


def test_several_masks_in_a_file(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    for n in range(3):
        np.savez(maps / f"z{n}.npz", a=mask_of(n), b=mask_of(n + 10), c=mask_of(n + 20))
        pages = [Image.fromarray(mask_of(n + k)) for k in (30, 40)]
        pages[0].save(maps / f"t{n}.tif", save_all=True, append_images=pages[1:])
        np.save(maps / f"n{n}.npy", np.stack([mask_of(n + k) for k in range(5)]))
        Image.fromarray(mask_of(n)).save(maps / f"p{n}.png")
    keys = [f"{kind}{n}#{part}" for n in range(3) for kind, parts in
            (("z", "abc"), ("t", "01"), ("n", "01234")) for part in parts]  # fmt: skip
    keys += [f"p{n}" for n in range(3)]
    numbers = np.random.default_rng(1).permutation(len(keys))
    rows = RowOptions([{"key": keys, "image_id": numbers, "label": keys}])
    assert_as_streamed(tmp_path, str(maps), 33, rows=rows)
    assert_as_streamed(tmp_path / "bare", str(maps), 33)


def test_a_large_stack_is_cut(tmp_path: Path) -> None:
    url = str(tmp_path / "stack.npy")
    np.save(url, np.stack([mask_of(number) for number in range(19)]))
    tasks = Elsewhere()
    storage = empty(tmp_path / "cut")
    assert ingest(storage, url, limits=Limits(rows=4, bytes=440), tasks=tasks).rows == 19
    assert tasks.labels[0] == "ingest of stack.npy#0 to stack.npy#3"
    assert len(tasks.labels) == 5
    meta = {"key": [str(n) for n in range(19)], "image_id": list(range(19, 0, -1))}
    assert_as_streamed(tmp_path, url, 19, rows=RowOptions([meta]), limits=Limits(4, 440))


@pytest.mark.parametrize("metadata", [False, True])
def test_a_zarr_array_by_its_chunks(tmp_path: Path, metadata: bool) -> None:
    stack = np.stack([mask_of(number) for number in range(21)])
    array = zarr.create_array(str(tmp_path / "m.zarr"), shape=stack.shape, dtype="uint8",
                              chunks=(2, 9, 11))  # fmt: skip
    array[...] = stack
    rows = RowOptions([{"key": [str(n) for n in range(21)], "image_id": list(range(21))}])
    url = str(tmp_path / "m.zarr")
    options = {"rows": rows} if metadata else {}
    made = assert_as_streamed(tmp_path, url, 21, **options)
    assert len(open_manifest(made).segments) == 6


@pytest.mark.parametrize("key", [None, "name"])
def test_parquet_by_row_groups(tmp_path: Path, key: str | None) -> None:
    (tmp_path / "t").mkdir()
    for file in range(3):
        masks = np.stack([mask_of(10 * file + n) for n in range(10)])
        table = pa.table(
            {
                "mask": pa.FixedShapeTensorArray.from_numpy_ndarray(masks),
                "image_id": [f"{9 - n}-{file}" for n in range(10)],
                "name": [f"{file}/{n}" for n in range(10)],
            }
        )
        pq.write_table(table, tmp_path / "t" / f"{file}.parquet", row_group_size=2)
    made = assert_as_streamed(tmp_path, str(tmp_path / "t"), 30, key=key)
    found = ranges(made)
    assert [low for low, _ in found] == sorted(low for low, _ in found)


def test_coco_boxes_and_images(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 9)
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(0, 9, 2):
        Image.new("RGB", (22, 18)).save(photos / f"{n:03}.jpg")
    record = {
        "images": [{"id": n, "file_name": f"{n:03}.jpg", "height": 18, "width": 22}
                   for n in range(9)],
        "annotations": [{"id": n, "image_id": n % 7, "bbox": [n, 1, 3.5, 4]} for n in range(20)],
    }  # fmt: skip
    (tmp_path / "coco.json").write_text(json.dumps(record))
    boxes = {"all": Coco(str(tmp_path / "coco.json")),
             "one": Coco(str(tmp_path / "coco.json"), largest=True)}  # fmt: skip
    rows = RowOptions(boxes=boxes, images=str(photos))
    assert_as_streamed(tmp_path, url, 9, rows=rows)


def test_names_that_two_rows_fit_are_refused_by_jobs_too(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 3)
    meta = {"file": ["a/000", "b/000", "001", "002"], "label": [1, 2, 3, 4]}
    with pytest.raises(DataError, match=r"a/000, b/000 all fit 000\.npy"):
        by_tasks(empty(tmp_path / "made"), url, rows=RowOptions([meta]))


def test_streams_are_clustered_within_a_segment(tmp_path: Path) -> None:
    masks = [mask_of(number, 7 + number % 2) for number in range(10)]
    meta = {"key": [str(n) for n in range(10)], "image_id": [5, 3, 9, 1, 8, 2, 7, 2, 4, None]}
    made = empty(tmp_path / "made")
    report = by_tasks(made, iter(masks), rows=RowOptions([meta]))
    rows = rows_of(made)
    assert report.rows == 10
    assert rows["image_id"] == [1, 3, 5, 9, 2, 2, 7, 8, 4, None]
    for mask, number in zip(rows["pixels"], [3, 1, 0, 2, 5, 7, 6, 4, 8, 9], strict=True):
        np.testing.assert_array_equal(mask, masks[number])


def test_a_collection_in_memory_is_refused(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 3)
    storage = MemoryStorage("memory://by-tasks")
    create_collection(storage)
    with pytest.raises(InputError, match="workers cannot read this process's memory"):
        by_tasks(storage, url)
    source = MemoryStorage("memory://by-tasks-source")
    source.put("000.npy", (tmp_path / "maps" / "000.npy").read_bytes())
    assert by_tasks(empty(tmp_path / "made"), source.url).rows == 1


# -- crashes -----------------------------------------------------------------------------------


def test_a_bad_file_is_named_and_what_was_done_is_kept(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 40)
    bad = tmp_path / "maps" / "030.npy"
    good = bad.read_bytes()
    bad.write_bytes(good[:-1])
    storage = empty(tmp_path / "made")
    with pytest.raises(DataError, match=r"maps/030\.npy: truncated"):
        by_tasks(storage, url)
    assert open_manifest(storage).version == 1
    bad.write_bytes(good)
    report = by_tasks(storage, url)
    assert report.rows == 40
    assert report.resumed >= 20
    assert_apart(storage)
    assert len(ranges(storage)) == 10


def test_values_that_cannot_be(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 9)
    np.save(tmp_path / "maps" / "007.npy", np.full((9, 11), 1.5, np.float32))
    storage = empty(tmp_path / "made")
    with pytest.raises(DataError, match=r"mask 007\.npy: .* is 1\.5, outside"):
        by_tasks(storage, url)
    rows = RowOptions([{"file": [f"{n:03}" for n in range(9)], "mask_id": [*range(8), 0]}])
    np.save(tmp_path / "maps" / "007.npy", mask_of(7))
    with pytest.raises(DataError, match="mask_id 0 is given twice"):
        by_tasks(storage, url, rows=rows)
    assert open_manifest(storage).version == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["kill", "error"])
def test_whoever_leads_may_fail_at_every_call(
    tmp_path: Path, when: Literal["before", "after"], kind: Literal["kill", "error"]
) -> None:
    url = write_masks(tmp_path / "maps", 10)
    call, failed = 1, True
    while failed:
        inner = empty(tmp_path / f"{call}")
        faulty = FaultyStorage(inner, [Fault("*", call, kind=kind, when=when)])
        with contextlib.suppress(Killed, StorageError):
            by_tasks(faulty, url)
        failed = faulty.calls >= call
        left = open_manifest(inner)
        assert left.rows in (0, 10)
        report = by_tasks(inner, url)
        assert report.rows == 10 - left.rows
        assert_apart(inner)
        assert rows_of(inner)["image_id"] == [f"{n:03}" for n in range(10)]
        assert by_tasks(inner, url).rows == 0
        call += 1
    assert call > 12


def test_interrupted_and_continued_by_a_stream(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 40)
    steps: list[ProgressStep] = []

    def interrupt(step: ProgressStep) -> None:
        steps.append(step)
        if len(steps) == 3:
            raise KeyboardInterrupt

    storage = empty(tmp_path / "made")
    with pytest.raises(KeyboardInterrupt):
        by_tasks(storage, url, progress=interrupt)
    assert (steps[0].done, steps[0].total, steps[0].bytes) == (4, 40, 4 * 99)
    assert (steps[0].nodes, steps[0].workers) == (1, 1)
    report = ingest(storage, url)
    assert report.rows == 40
    assert report.resumed >= 12
    assert sorted(rows_of(storage)["image_id"]) == [f"{n:03}" for n in range(40)]


def test_new_files_join_what_is_there(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 10)
    storage = empty(tmp_path / "made")
    by_tasks(storage, url)
    write_masks(tmp_path / "maps", 7, first=10)
    report = by_tasks(storage, url)
    assert (report.rows, report.skipped) == (7, 10)
    assert_apart(storage)


def test_two_runs_at_once(tmp_path: Path) -> None:
    url, other = write_masks(tmp_path / "maps", 10), write_masks(tmp_path / "more", 10)
    storage = empty(tmp_path / "made")
    begun: list[ProgressStep] = []

    def overtake(step: ProgressStep) -> None:
        if not begun:
            begun.append(step)
            assert by_tasks(storage, other).rows == 10
            assert by_tasks(storage, url).rows == 10

    with pytest.raises(ConflictError, match="another run of this ingest was quicker"):
        by_tasks(storage, url, progress=overtake)
    assert len(rows_of(storage)["image_id"]) == 20
    assert by_tasks(storage, url).rows == by_tasks(storage, other).rows == 0
