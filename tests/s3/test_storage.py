from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from masksearch_ray.errors import StorageError
from masksearch_ray.model.usage import Meter, metered
from masksearch_ray.storage import RetryingStorage, S3Storage, Storage, open_storage
from tests.conformance.storage import StorageTests, keys
from tests.s3_server import S3Server


class TestByOptions(StorageTests):
    @pytest.fixture
    def storage(self, s3_server: S3Server, s3_bucket: str) -> Storage:
        return open_storage(f"s3://{s3_bucket}/some/masks", s3_server.options())


class TestByEnvironment(StorageTests):
    """Server, region and keys come from where AWS's own tools look for them."""

    @pytest.fixture
    def storage(self, s3_bucket: str) -> Storage:
        return open_storage(f"s3://{s3_bucket}")


@pytest.fixture
def storage(s3_server: S3Server, s3_bucket: str) -> Storage:
    return open_storage(f"s3://{s3_bucket}/masks", s3_server.options())


MIB = 1024 * 1024


def test_large_objects_travel_in_parts(
    storage: Storage, s3_server: S3Server, s3_bucket: str
) -> None:
    data = np.random.default_rng(1).bytes(40 * MIB + 5)
    storage.put("a", data)
    head = s3_server.client().head_object(Bucket=s3_bucket, Key="masks/a")
    assert head["ETag"].strip('"').endswith("-6")
    assert storage.get("a") == data
    ranges = [(5, 30 * MIB), (0, 1), (39 * MIB, len(data))]
    assert storage.get_ranges("a", ranges) == [data[start:stop] for start, stop in ranges]


def test_a_commit_is_one_part_whatever_its_size(
    storage: Storage, s3_server: S3Server, s3_bucket: str
) -> None:
    data = bytes(20 * MIB)
    storage.put_if_absent("a", data)
    head = s3_server.client().head_object(Bucket=s3_bucket, Key="masks/a")
    assert "-" not in head["ETag"]
    assert head["ContentLength"] == len(data)


def test_readers_of_parts_never_mix_two_objects(storage: Storage) -> None:
    size = 17 * MIB
    whole = [bytes([letter]) * size for letter in b"ab"]
    storage.put("a", whole[0])
    done = threading.Event()

    def overwrite() -> None:
        try:
            for turn in range(4):
                storage.put("a", whole[turn % 2])
        finally:
            done.set()

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(overwrite)
        while not done.is_set():
            assert storage.get("a") in whole
            assert storage.get_ranges("a", [(0, size)])[0] in whole
        writer.result()


def test_a_server_that_is_started_again_is_waited_for(
    storage: Storage, s3_server: S3Server
) -> None:
    storage.put("a", b"x" * 1000)
    started = threading.Event()

    def use() -> bool:
        fine = True
        while not started.is_set():
            fine &= storage.get("a") == b"x" * 1000
            storage.put("b", b"y")
        return fine

    meter = Meter()
    with ThreadPoolExecutor(4) as pool, metered(meter):
        readers = [pool.submit(use) for _ in range(4)]
        try:
            s3_server.restart(down=0.5)
        finally:
            started.set()
        assert all(reader.result() for reader in readers)
    assert keys(storage) == ["a", "b"]


def test_a_server_that_is_gone_is_given_up(s3_bucket: str, s3_server: S3Server) -> None:
    options = {**s3_server.options(), "endpoint_url": "http://127.0.0.1:9"}
    inner = open_storage(f"s3://{s3_bucket}", options)
    assert isinstance(inner, RetryingStorage)
    assert isinstance(inner.inner, S3Storage)
    storage = RetryingStorage(inner.inner, attempts=3, base=0.01)
    calls: list[Callable[[], object]] = [lambda: storage.get("a"), lambda: storage.put("a", b"")]
    for call in calls:
        with pytest.raises(StorageError, match=r"cannot be reached.*\(3 attempts in ") as caught:
            call()
        assert caught.value.object == f"s3://{s3_bucket}/a"
