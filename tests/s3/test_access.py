"""Who may do what, and what whoever may not is told."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.storage import open_storage, probe_atomic_create
from tests.s3_server import S3Server

SQL = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.5, 1.0)) > 20"


@pytest.fixture
def url(s3_server: S3Server, s3_bucket: str) -> str:
    """A collection of some masks."""
    url = f"s3://{s3_bucket}/masks"
    with ms.create(url, storage_options=s3_server.options()) as collection:
        collection.append(masks())
    return url


def masks() -> Any:
    return np.random.default_rng(3).random((12, 8, 8), np.float32)


def expected() -> list[int]:
    return [int(n) for n in np.flatnonzero((masks() >= 0.5).sum(axis=(1, 2)) > 20)]


def answer(url: str, options: dict[str, Any]) -> list[int]:
    with ms.open(url, storage_options=options, cache_bytes=0) as collection:
        found = collection.sql(SQL + " ORDER BY mask_id", timeout=60).table
        return list(found["mask_id"].to_pylist())


def test_who_may_only_read_can_query_and_not_commit(url: str, s3_server: S3Server) -> None:
    reader = s3_server.reader_options()
    assert answer(url, reader) == expected()
    with ms.open(url, storage_options=reader) as collection:
        with pytest.raises(ms.ReadOnlyError, match="no permission") as caught:
            collection.append(masks())
        assert caught.value.object.startswith(url)
        with pytest.raises(ms.ReadOnlyError, match="no permission"):
            collection.delete("mask_id = 1")
    bucket = url.rpartition("/")[0]
    with pytest.raises(ms.ReadOnlyError, match="no permission"):
        ms.create(f"{bucket}/other", storage_options=reader)
    with pytest.raises(ms.ReadOnlyError, match="no permission"):
        probe_atomic_create(open_storage(url, reader))
    assert answer(url, s3_server.options()) == expected()
    found = s3_server.client().list_objects_v2(Bucket=bucket.removeprefix("s3://"))["Contents"]
    assert all(one["Key"].startswith("masks/") for one in found), "something was written"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"secret": "a-wrong-secret"}, "the secret key does not fit"),
        ({"key": "NOSUCHKEY", "secret": "a-wrong-secret"}, "the access key is not known"),
    ],
)
def test_a_wrong_key_is_told_so(
    url: str, s3_server: S3Server, wrong: dict[str, str], text: str
) -> None:
    began = time.monotonic()
    options = s3_server.options(**wrong)
    storage = open_storage(url, options)
    calls: list[Callable[[], object]] = [
        lambda: ms.open(url, storage_options=options),
        lambda: ms.create(f"{url}-2", storage_options=options),
        lambda: storage.get("a"),
        lambda: storage.info("a"),
        lambda: storage.put("a", b"x"),
    ]
    for call in calls:
        with pytest.raises(ms.StorageError, match=text) as caught:
            call()
        for secret in (s3_server.key, s3_server.secret, *wrong.values()):
            assert secret not in str(caught.value)
        assert caught.value.object.startswith(url)
    assert time.monotonic() - began < 60, "it was tried again and again"


def test_a_bucket_that_does_not_exist(s3_server: S3Server) -> None:
    url = f"s3://no-such-{uuid.uuid4().hex}/masks"
    with pytest.raises(ms.MaskSearchError, match=r"no such bucket|no collection"):
        ms.open(url, storage_options=s3_server.options())
    with pytest.raises(ms.StorageError, match="no such bucket"):
        ms.create(url, storage_options=s3_server.options())


def test_anyone_may_read_what_is_public(url: str, s3_server: S3Server) -> None:
    bucket = url.removeprefix("s3://").partition("/")[0]
    anonymous = {"endpoint_url": s3_server.endpoint, "anon": True}
    with pytest.raises(ms.ReadOnlyError, match="no permission"):
        ms.open(url, storage_options=anonymous)
    allowed = [("s3:ListBucket", ""), ("s3:GetObject", "/*")]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": action,
                "Resource": f"arn:aws:s3:::{bucket}{below}",
            }
            for action, below in allowed
        ],
    }
    s3_server.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert answer(url, anonymous) == expected()
    collection = ms.open(url, storage_options=anonymous)
    with collection, pytest.raises(ms.ReadOnlyError, match="no permission"):
        collection.append(masks())


class User:
    """A user of the server whose keys can be changed, and who finds them in a file."""

    def __init__(self, server: S3Server, file: Path) -> None:
        self.server = server
        self.file = file
        self.name = f"u{uuid.uuid4().hex}"
        self.key = ""
        server.admin("user", "create", "--uid", self.name, "--display-name", self.name)
        made = json.loads(server.admin("user", "info", "--uid", self.name))["keys"][0]
        self.key = made["access_key"]
        self.write(self.key, made["secret_key"])

    def write(self, key: str, secret: str) -> None:
        self.file.write_text(
            f"[default]\naws_access_key_id={key}\naws_secret_access_key={secret}\n"
        )

    def revoke(self) -> None:
        self.server.admin("key", "rm", "--uid", self.name, "--access-key", self.key)

    def renew(self) -> None:
        self.key, secret = uuid.uuid4().hex[:20].upper(), uuid.uuid4().hex
        given = ["--access-key", self.key, "--secret-key", secret]
        self.server.admin("key", "create", "--uid", self.name, "--key-type", "s3", *given)
        self.write(self.key, secret)


@pytest.fixture
def user(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return User(s3_server, tmp_path / "credentials")


def test_keys_that_end_in_the_middle(user: User) -> None:
    bucket = f"b-{uuid.uuid4().hex}"
    # Made by the user, for it to be theirs.
    import boto3

    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
    url = f"s3://{bucket}/masks"
    with ms.create(url) as collection:
        collection.append(masks())
    with ms.open(url, cache_bytes=0) as collection:
        assert len(collection.sql(SQL).table) == len(expected())
        user.revoke()
        with pytest.raises(ms.StorageError, match="credentials are not valid") as caught:
            collection.append(masks())
        assert user.key not in str(caught.value)
        user.renew()
        collection.append(masks())
        assert len(collection.sql(SQL).table) == 2 * len(expected())
        user.revoke()
        user.renew()
        assert len(collection.sql(SQL).table) == 2 * len(expected())
