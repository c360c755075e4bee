"""Ingesting on Ray: workers that die over it, and what they take."""

from __future__ import annotations

import os
import signal
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection import Limits, create_collection, open_manifest
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.collection.sources import Listed, Piece, SourceBatch, open_source
from masksearch_ray.collection.vacuum import vacuum
from masksearch_ray.errors import DataError, WorkerError
from masksearch_ray.model.progress import ProgressStep
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.storage import LocalStorage, Storage, open_storage
from tests.collection.ingest.test_ingest import SMALL, assert_each_once, mask_of, write_masks

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def tasks(ray_instance: None) -> Iterator[Tasks]:
    runtime = RayRuntime()
    yield runtime.tasks()
    runtime.close()


def empty(folder: Path) -> Storage:
    storage = open_storage(str(folder))
    create_collection(storage)
    return storage


@dataclass(frozen=True)
class Deadly:
    """Kills the worker that reads a part, when it writes what a key begins with.

    Only the first, which leaves a mark; or all.
    """

    inner: Any
    key: str
    mark: str
    always: bool = False

    def open(self) -> Any:
        mark = Path(self.mark)
        if self.always or not mark.exists():
            mark.write_text("was here")
            put = LocalStorage.put

            def die(storage: LocalStorage, key: str, data: Any) -> None:
                put(storage, key, data)
                if key.startswith(self.key) and not key.endswith("heartbeat"):
                    os.kill(os.getpid(), signal.SIGKILL)

            LocalStorage.put = die  # type: ignore[assignment, method-assign]
        return self.inner.open()


@dataclass(frozen=True)
class Trapped:
    """A source of which one part, that with a file, is deadly."""

    inner: Listed
    file: str
    key: str
    mark: str
    always: bool = False
    stable = True

    @property
    def identity(self) -> str | None:
        return self.inner.identity

    @property
    def files(self) -> Sequence[str] | None:
        return self.inner.files

    def expected(self) -> int | None:
        return self.inner.expected()

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        return self.inner.batches(done)

    def pieces(self, size: int) -> Sequence[Piece]:
        return self.inner.pieces(size)

    def part(self, pieces: Sequence[Piece]) -> Any:
        part = self.inner.part(pieces)
        if self.file in [piece.name for piece in pieces]:
            return Deadly(part, self.key, self.mark, self.always)
        return part


def trapped(url: str, key: str, mark: Path, always: bool = False) -> Trapped:
    source = open_source(url)
    assert isinstance(source, Listed)
    return Trapped(source, "013.npy", key, str(mark), always)


@pytest.mark.parametrize("key", ["segments/", "ingests/"])
def test_a_worker_that_died_over_a_segment(tasks: Tasks, tmp_path: Path, key: str) -> None:
    url = write_masks(tmp_path / "maps", 30)
    storage = empty(tmp_path / "made")
    source = trapped(url, key, tmp_path / "mark")
    report = ingest(storage, source, limits=SMALL, tasks=tasks)
    assert (tmp_path / "mark").exists()
    assert (report.rows, report.nodes) == (30, 1)
    assert report.workers >= 1
    assert_each_once(storage, 30)
    # What the dead have left is no part of the collection, and vacuum takes it.
    written = {info.key.split("/")[1] for info in storage.list("segments/")}
    named = {entry.id for entry in open_manifest(storage).segments}
    assert named < written
    assert ingest(storage, url, limits=SMALL, tasks=tasks).rows == 0
    vacuum(storage, older_than=0)
    assert {info.key.split("/")[1] for info in storage.list("segments/")} == named
    assert ingest(storage, url, limits=SMALL, tasks=tasks).rows == 0


def test_a_segment_over_which_all_workers_die(tasks: Tasks, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 30)
    storage = empty(tmp_path / "made")
    source = trapped(url, "segments/", tmp_path / "mark", always=True)
    words = r"ingest of 012\.npy to 015\.npy: its worker died and could not be replaced"
    with pytest.raises(WorkerError, match=words):
        ingest(storage, source, limits=SMALL, tasks=tasks)
    assert open_manifest(storage).version == 1
    assert ingest(storage, url, limits=SMALL, tasks=tasks).rows == 30
    assert_each_once(storage, 30)


def test_a_bad_file_is_named(ray_instance: None, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 30)
    good = (tmp_path / "maps" / "020.npy").read_bytes()
    (tmp_path / "maps" / "020.npy").write_bytes(good[:-1])
    with ms.create(str(tmp_path / "made"), runtime="ray") as col:
        with pytest.raises(DataError, match=r"maps/020\.npy: truncated"):
            col.ingest(url)
        assert (col.version, len(col)) == (1, 0)
        (tmp_path / "maps" / "020.npy").write_bytes(good)
        assert col.ingest(url).rows == 30
        assert len(col) == 30


def test_a_ray_dataset_is_a_stream(ray_instance: None, tmp_path: Path) -> None:
    import ray.data

    masks = np.stack([mask_of(number) for number in range(10)])
    images = [f"{n:03}" for n in reversed(range(10))]
    data = ray.data.from_items(
        [{"mask": mask, "image_id": image} for mask, image in zip(masks, images, strict=True)]
    )
    with ms.create(str(tmp_path / "made"), runtime="ray") as col:
        assert col.ingest(data).rows == 10
        found = col.sql("SELECT image_id FROM masks ORDER BY mask_id").table["image_id"]
    assert found.to_pylist() == sorted(images)


def test_limits_are_those_of_a_segment(tasks: Tasks, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 30)
    storage = empty(tmp_path / "made")
    ingest(storage, url, limits=Limits(rows=9), tasks=tasks)
    assert [entry.rows for entry in open_manifest(storage).segments] == [9, 9, 9, 3]


def test_indexing_and_clustering_on_ray(ray_instance: None, tmp_path: Path) -> None:
    images = [n * 7 % 15 for n in range(30)]
    rows: dict[str, list[Any]] = {"image_id": images, "object_box": [[1, 1, 6, 8]] * 30}
    asked = "SELECT mask_id, CP(mask, object_box, (0.31, 0.77)) AS n FROM masks ORDER BY n, mask_id"
    steps: list[ProgressStep] = []

    def keep(step: ProgressStep) -> None:
        steps.append(step)

    with ms.create(str(tmp_path / "made"), runtime="ray") as col:
        for first in range(0, 30, 10):
            here = slice(first, first + 10)
            col.append(
                np.stack([mask_of(n) for n in range(30)][here]),
                {name: values[here] for name, values in rows.items()},
            )
        before = col.sql(asked).table
        built = col.build_index(bins=256, progress=keep)
        assert (built.built, built.segments, built.nodes) == (3, 3, 1)
        assert (steps[-1].done, steps[-1].total, steps[-1].nodes) == (30, 30, 1)
        assert col.sql(asked).table.equals(before)
        assert col.build_index(bins=256).built == 0
        report = col.compact(cluster_by="image_id", progress=keep)
        assert (report.merged, report.written, report.rows) == (3, 1, 30)
        assert col.sql(asked).table.equals(before)
        assert col.compact(cluster_by="image_id").merged == 0
        found = col.sql("SELECT image_id FROM masks").table["image_id"].to_pylist()
    assert sorted(found) == sorted(images)
    (segment,) = open_manifest(open_storage(str(tmp_path / "made"))).segments
    assert (segment.image_min, segment.image_max) == (0, 14)
