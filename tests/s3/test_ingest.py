"""Ingest by Ray tasks from S3 to S3, through deaths of workers and of the leader."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest

from masksearch_ray.collection import create_collection
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.storage import Storage, open_storage
from tests.collection.ingest.test_ingest import mask_of
from tests.conformance.ingest import COUNT, LeaderDeaths, WorkerDeaths


@pytest.fixture(scope="module")
def tasks(ray_instance: None) -> Iterator[Tasks]:
    runtime = RayRuntime()
    yield runtime.tasks()
    runtime.close()


@pytest.fixture
def made(s3_bucket: str) -> Storage:
    storage = open_storage(f"s3://{s3_bucket}/maps")
    create_collection(storage)
    return storage


@pytest.fixture
def source(s3_bucket: str) -> str:
    storage = open_storage(f"s3://{s3_bucket}/source")
    for number in range(COUNT):
        data = io.BytesIO()
        np.save(data, mask_of(number))
        storage.put(f"{number:03}.npy", data.getvalue())
    return storage.url


class TestS3Ingest(WorkerDeaths, LeaderDeaths):
    pass
