"""Secrets given as options appear nowhere: in no text, error, log, name or record."""

from __future__ import annotations

import dataclasses
import io
import logging
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

import masksearch_ray as ms
from masksearch_ray.execute.partials import Filter
from masksearch_ray.runtime.ray.errand import shards_of
from masksearch_ray.runtime.types import CollectionSource, SegmentLoad, ShardTask
from masksearch_ray.storage import open_storage
from tests.conformance.pools import parse_text

MARK = "SesamOpenMarker"
TEXT = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.31, 0.72)) > 20"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def options_of(endpoint: str) -> dict[str, Any]:
    return {
        "endpoint_url": endpoint,
        "key": f"key-{MARK}",
        "secret": f"secret-{MARK}",
        "token": f"token-{MARK}",
        "region": "us-east-1",
    }


@pytest.fixture(scope="module")
def options(endpoint: str) -> dict[str, Any]:
    return options_of(endpoint)


@pytest.fixture(scope="module")
def bucket(endpoint: str) -> str:
    import boto3

    name = f"b-{uuid.uuid4().hex}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="y",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def url(bucket: str, options: dict[str, Any]) -> str:
    url = f"s3://{bucket}/masks"
    with ms.create(url, storage_options=options) as collection:
        collection.append((np.random.default_rng(1).random((6, 8, 8)) * 255).astype(np.uint8))
    return url


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Whatever anybody logs, to the last detail."""
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    ours = logging.getLogger("masksearch_ray")
    before, propagate = ours.level, ours.propagate
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    ours.propagate = True
    yield written
    root.removeHandler(handler)
    root.setLevel(level)
    ours.setLevel(before)
    ours.propagate = propagate


def shown(error: BaseException) -> str:
    """All that can be printed of an error: text, notes, fields, causes, traceback."""
    whole = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        whole += f"{seen!s} {seen!r} {seen.args!r} {vars(seen)!r} {getattr(seen, '__notes__', '')}"
        seen = seen.__cause__ or seen.__context__
    return whole


def others(endpoint: str, **wrong: Any) -> dict[str, Any]:
    return {**options_of(endpoint), **wrong}


WRONG: dict[str, Callable[[str, str, str], object]] = {
    "no collection": lambda url, bucket, at: ms.open(
        f"s3://{bucket}/nothing", storage_options=options_of(at)
    ),
    "no bucket": lambda url, bucket, at: ms.open(
        "s3://no-such-bucket/masks", storage_options=options_of(at)
    ),
    "an unknown option": lambda url, bucket, at: ms.open(
        url, storage_options=others(at, frobnicate=f"x-{MARK}")
    ),
    "an option of the wrong kind": lambda url, bucket, at: ms.open(
        url, storage_options=others(at, config_kwargs=f"x-{MARK}")
    ),
    "half of the credentials": lambda url, bucket, at: ms.open(
        url, storage_options={"endpoint_url": at, "secret": f"secret-{MARK}"}
    ),
    "nobody at the endpoint": lambda url, bucket, at: open_storage(
        url, others("http://127.0.0.1:9")
    ).inner.get("x"),  # type: ignore[attr-defined]
    "a senseless endpoint": lambda url, bucket, at: ms.open(
        url, storage_options=others("no endpoint")
    ),
    "options for a folder": lambda url, bucket, at: ms.open(
        "/tmp/nothing", storage_options=options_of(at)
    ),
    "options that are no mapping": lambda url, bucket, at: ms.open(
        url,
        storage_options=[f"secret={MARK}"],  # type: ignore[arg-type]
    ),
    "created twice": lambda url, bucket, at: ms.create(url, storage_options=options_of(at)),
    "no such query": lambda url, bucket, at: ms.open(url, storage_options=options_of(at)).sql(
        "SEL"
    ),
    "no such version": lambda url, bucket, at: ms.open(
        url, version=77, storage_options=options_of(at)
    ),
    "no such source": lambda url, bucket, at: ms.open(url, storage_options=options_of(at)).ingest(
        f"s3://{bucket}/sources", storage_options=options_of(at)
    ),
    "masks that are none": lambda url, bucket, at: ms.open(
        url, storage_options=options_of(at)
    ).append(np.zeros((1, 8), np.uint8)),
}


@pytest.mark.parametrize("what", WRONG)
def test_no_error_tells_a_secret(
    what: str, url: str, bucket: str, endpoint: str, log: io.StringIO
) -> None:
    with pytest.raises(ms.MaskSearchError) as caught:
        WRONG[what](url, bucket, endpoint)
    assert MARK not in shown(caught.value), what
    assert MARK not in log.getvalue()


def test_no_text_of_an_object_tells_a_secret(
    url: str, options: dict[str, Any], tmp_path: Path, log: io.StringIO
) -> None:
    storage = open_storage(url, options)
    source = CollectionSource(url, 1, (SegmentLoad(6),), options)
    (shard,) = shards_of(source, [[0]])
    with ms.open(url, storage_options=options, cache=tmp_path) as collection:
        result = collection.sql(TEXT)
        told = [
            *(storage, storage.describe(), source, shard, dataclasses.replace(source, version=2)),
            *(collection, collection._storage, collection._open_pool(), collection._open_reader()),
            *(result, result.stats, result.stats.to_dict(), collection.explain(TEXT)),
            collection.explain(f"EXPLAIN ANALYZE {TEXT}"),
        ]
        for one in told:
            assert MARK not in f"{one!r} {one!s}"
    assert MARK not in log.getvalue()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert kept and MARK.encode() not in kept


def test_nothing_that_is_sent_to_workers_tells_a_secret(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Ray prints arguments of tasks, and names of actors, in its dashboard and its errors."""
    folder = str(tmp_path / "masks")
    ms.create(folder).close()
    source = CollectionSource("s3://b/masks", 1, (SegmentLoad(6),), options)
    (shard,) = shards_of(source, [[0]])
    task = ShardTask("query", parse_text(folder, TEXT), Filter())
    for one in (shard, shard.label, shard.key, shard.source_key, task):
        assert MARK not in f"{one!r} {one!s}"
    # A secret that is another makes another shard: a worker must not serve whoever has it not.
    (other,) = shards_of(dataclasses.replace(source, options={**options, "secret": "x"}), [[0]])
    assert other.source_key != shard.source_key
