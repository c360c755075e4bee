"""The cache on disk of collections on an object store, as users meet it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

import masksearch_ray as ms
from masksearch_ray.collection.cache import user_cache, with_cache
from masksearch_ray.errors import DamagedError, InputError
from masksearch_ray.storage import (
    CachedStorage,
    CountingStorage,
    Storage,
    open_storage,
)
from masksearch_ray.storage.disk_cache import DiskCache

MASKS = (np.random.default_rng(8).random((90, 24, 24)) ** 2 * 256).astype(np.uint8)
TEXT = "SELECT mask_id, CP(mask, full_image, (0.31, 0.72)) AS n FROM masks ORDER BY n DESC LIMIT 9"


def expected() -> list[dict[str, int]]:
    found = ((MASKS / 255 >= 0.31) & (MASKS / 255 < 0.72)).sum(axis=(1, 2))
    order = sorted(range(len(MASKS)), key=lambda i: (-found[i], i))[:9]
    return [{"mask_id": i, "n": int(found[i])} for i in order]


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, Any]]:
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield {
        "endpoint_url": f"http://{host}:{port}",
        "key": "test",
        "secret": "test",
        "client_kwargs": {"region_name": "us-east-1"},
    }
    running.stop()


@pytest.fixture(scope="module")
def url(options: dict[str, Any]) -> str:
    import s3fs

    bucket = f"b-{uuid.uuid4().hex}"
    s3fs.S3FileSystem(**options).call_s3("create_bucket", Bucket=bucket)
    with ms.create(f"s3://{bucket}/masks", bins=4, storage_options=options) as collection:
        for at in range(0, len(MASKS), 30):
            collection.append(MASKS[at : at + 30])
        collection.delete("mask_id = 77")
        collection.append(MASKS[77:78], rows={"mask_id": [77]})
    return f"s3://{bucket}/masks"


ASK = """
import json, sys
import masksearch_ray as ms
url, options, cache, text = sys.argv[1:]
with ms.open(url, storage_options=json.loads(options), cache=cache) as collection:
    result = collection.sql(text)
    stats = result.stats
    print(json.dumps([result.to_pylist(), stats.bytes_read, stats.bytes_cached]))
"""


def test_a_second_process_reads_nothing_from_storage(
    url: str, options: dict[str, Any], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ASK, url, json.dumps(options), str(tmp_path), TEXT]
    answers = [
        json.loads(subprocess.run(command, capture_output=True, check=True, timeout=100).stdout)
        for _ in range(2)
    ]
    assert [rows for rows, _, _ in answers] == [expected()] * 2
    (_, read, cached), (_, read_again, cached_again) = answers
    assert (read_again, cached_again) == (0, read + cached)
    assert read > 0
    assert [path.name for path in tmp_path.iterdir()] == ["ranges"]


def test_told_by_explain_analyze(url: str, options: dict[str, Any], tmp_path: Path) -> None:
    for told in ("bytes read: [1-9]", "bytes read: 0; from the cache on disk: [1-9]"):
        with ms.open(url, storage_options=options, cache=tmp_path) as collection:
            text = collection.explain(f"EXPLAIN ANALYZE {TEXT}")

        assert re.search(told, text), text
        for cache in _caches(tmp_path):
            cache.flush()


def _caches(folder: Path) -> list[DiskCache]:
    from masksearch_ray.storage.disk_cache import _caches

    return [cache for path, cache in _caches.items() if path.is_relative_to(folder)]


def test_no_cache(url: str, options: dict[str, Any], tmp_path: Path) -> None:
    for _ in range(2):
        with ms.open(url, storage_options=options, cache=tmp_path, cache_bytes=0) as collection:
            stats = collection.sql(TEXT).stats
            assert stats.bytes_read > 0
            assert stats.bytes_cached == 0
    assert list(tmp_path.iterdir()) == []


def test_masks_come_from_the_cache_too(url: str, options: dict[str, Any], tmp_path: Path) -> None:
    for _ in range(2):
        with ms.open(url, storage_options=options, cache=tmp_path) as collection:
            found = collection.masks([3, 77, 40])
            assert all((a == b).all() for a, b in zip(found, MASKS[[3, 77, 40]], strict=True))
    (cache,) = _caches(tmp_path)
    assert cache.counters.hit_bytes > 0


def test_folders_need_none(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "masks"))
    assert with_cache(storage, user_cache()) is storage
    assert with_cache(open_storage("memory://x"), user_cache()).url == "memory://x"


@pytest.mark.parametrize("wrong", [-1, 1.5, "much", "10GB"])
def test_a_senseless_size(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(InputError, match="cache_bytes"):
        ms.open(str(tmp_path), cache_bytes=wrong)


def test_a_size_by_the_environment(
    url: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKSEARCH_CACHE_BYTES", "12345678")
    with ms.open(url, storage_options=options, cache=tmp_path) as collection:
        assert collection.sql(TEXT).to_pylist() == expected()
    assert [cache.limit for cache in _caches(tmp_path)] == [12345678]
    monkeypatch.setenv("MASKSEARCH_CACHE_BYTES", "10 GB")
    with pytest.raises(InputError, match="MASKSEARCH_CACHE_BYTES = '10 GB'"):
        ms.open(url, storage_options=options)


class Damaging(CountingStorage):
    """Gives bytes of which one is wrong."""

    def __init__(self, inner: Storage, kind: str) -> None:
        super().__init__(inner)
        self.kind = kind

    def get(self, key: str) -> bytes:
        return self._damaged(key, super().get(key))

    def get_ranges(self, key: str, ranges: Any) -> Any:
        return [self._damaged(key, bytes(one)) for one in super().get_ranges(key, ranges)]

    def _damaged(self, key: str, data: bytes) -> bytes:
        half = len(data) // 2
        if not key.endswith(self.kind) or not data:
            return data
        return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]


@pytest.mark.parametrize("kind", ["rows.parquet", "tiles.bin", "index.arrow"])
def test_bytes_damaged_on_their_way_are_read_again(tmp_path: Path, kind: str) -> None:
    """What the cache kept of them must not make every later query fail."""
    url = str(tmp_path / "masks")
    with ms.create(url) as collection:
        collection.append(MASKS, rows={"label": ["cat"] * len(MASKS)})
    where = "CP(mask, full_image, (0.31, 0.72)) > 200"
    text = f"SELECT mask_id FROM masks WHERE {where} AND label = 'cat'"
    cache = DiskCache(tmp_path / "ranges", 64 << 20)

    def ask(storage: Storage) -> list[int]:
        with ms.open(url) as collection:
            reader = collection._open_reader()
            reader.storage = CachedStorage(storage, cache, lambda key: key.startswith("segments/"))
            rows = collection.sql(text).to_pylist()
            cache.flush()
            ids: list[int] = [row["mask_id"] for row in rows]  # type: ignore[misc]
            return ids

    with pytest.raises(DamagedError):
        ask(Damaging(open_storage(url), kind))
    cache.flush()
    assert cache.counters.size > 0
    found = ((MASKS / 255 >= 0.31) & (MASKS / 255 < 0.72)).sum(axis=(1, 2))
    for _ in range(2):
        assert ask(open_storage(url)) == [i for i in range(len(MASKS)) if found[i] > 200]
    assert cache.counters.hits > 0
