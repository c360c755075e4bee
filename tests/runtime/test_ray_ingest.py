"""Ingesting on Ray: workers that die over it, and what they take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection import Limits, create_collection, open_manifest
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.errors import DataError
from masksearch_ray.model.progress import ProgressStep
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.storage import Storage, open_storage
from tests.collection.ingest.test_ingest import mask_of, write_masks
from tests.conformance.ingest import COUNT, WorkerDeaths

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


@pytest.fixture
def made(tmp_path: Path) -> Storage:
    return empty(tmp_path / "made")


@pytest.fixture
def source(tmp_path: Path) -> str:
    return write_masks(tmp_path / "maps", COUNT)


class TestRayIngest(WorkerDeaths):
    pass


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
