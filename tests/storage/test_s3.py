from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from masksearch_ray.errors import (
    NotFoundError,
    StorageError,
)
from masksearch_ray.model.usage import Meter, metered
from masksearch_ray.storage import (
    S3Storage,
    Storage,
    open_storage,
    s3,
)
from tests.conformance.storage import StorageTests, keys
from tests.storage.servers import moto, options


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def client(server: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"b-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name


class TestS3(StorageTests):
    @pytest.fixture
    def storage(self, server: str, bucket: str) -> Storage:
        return S3Storage(f"s3://{bucket}/some/masks", options(server))


@pytest.fixture
def storage(server: str, bucket: str) -> S3Storage:
    return S3Storage(f"s3://{bucket}/masks", options(server))


def test_what_others_write_is_seen_at_once(storage: S3Storage, server: str, bucket: str) -> None:
    other = S3Storage(f"s3://{bucket}/masks", options(server))
    assert keys(storage) == []
    other.put("a", b"x")
    assert keys(storage) == ["a"]
    other.put("a", b"longer")
    assert storage.info("a").size == 6
    other.delete("a")
    assert keys(storage) == []


def test_a_whole_bucket(server: str, bucket: str) -> None:
    storage = open_storage(f"s3://{bucket}/", options(server))
    storage.put_if_absent("b/c", b"x")
    storage.put("a", b"x")
    assert storage.url == f"s3://{bucket}"
    assert keys(storage) == ["a", "b/c"]
    assert keys(storage, "b") == ["b/c"]


def test_folder_markers_and_neighbours_are_no_objects(
    storage: S3Storage, client: Any, bucket: str
) -> None:
    client.put_object(Bucket=bucket, Key="masks/", Body=b"")
    client.put_object(Bucket=bucket, Key="masks/folder/", Body=b"")
    client.put_object(Bucket=bucket, Key="masks-other/a", Body=b"x")
    storage.put("folder/a", b"x")
    assert keys(storage) == keys(storage, "fold") == ["folder/a"]
    with pytest.raises(NotFoundError):
        storage.info("folder")


def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the ranges of all GETs that are sent."""
    from botocore.httpsession import URLLib3Session

    asked: list[str] = []
    send = URLLib3Session.send

    def note(session: Any, request: Any) -> Any:
        if request.method == "GET":
            asked.append(str(request.headers.get("Range")))
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", note)
    return asked


def test_near_ranges_share_a_request(storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.put("a", bytes(3_000_000))
    asked = sent(monkeypatch)
    pieces = storage.get_ranges("a", [(2_500_000, 2_500_010), (0, 100), (50_000, 50_100)])
    assert [len(piece) for piece in pieces] == [10, 100, 100]
    assert sorted(asked) == ["bytes=0-50099", "bytes=2500000-2500009"]


def test_a_large_object_is_written_and_read_in_parts(
    storage: S3Storage, client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # S3 takes no part below 5 MiB but the last.
    size = 5 * 1024 * 1024
    monkeypatch.setattr(s3, "_PART", size)
    data = bytes(range(251)) * (4 * size // 251)
    storage.put("a", data)
    assert client.head_object(Bucket=bucket, Key="masks/a")["ETag"].endswith('-4"')
    asked = sent(monkeypatch)
    assert storage.get("a") == data
    assert len(asked) == 4
    asked.clear()
    assert storage.get_ranges("a", [(7, len(data))]) == [data[7:]]
    assert len(asked) == 4


def test_an_upload_that_fails_leaves_no_parts(
    storage: S3Storage, client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_PART", 1024)
    with pytest.raises(StorageError):
        storage.put("a", bytes(4096))  # in parts smaller than S3 takes
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")
    assert keys(storage) == []


def test_more_objects_than_one_answer_lists(storage: S3Storage, client: Any, bucket: str) -> None:
    for number in range(1003):
        client.put_object(Bucket=bucket, Key=f"masks/{number:04}", Body=b"")
    meter = Meter()
    with metered(meter):
        assert keys(storage) == [f"{number:04}" for number in range(1003)]
    assert meter.usage.requests == 1  # besides the first


def test_a_bucket_that_does_not_exist(server: str) -> None:
    storage = S3Storage("s3://no-such-bucket/masks", options(server))
    calls: list[Callable[[], object]] = [
        lambda: storage.get("a"),
        lambda: storage.put("a", b"x"),
        lambda: storage.put_if_absent("a", b"x"),
        lambda: storage.list(),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match="no such bucket"):
            call()
