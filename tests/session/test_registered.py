"""Queries on masks in place: what they read is told, and they stop when they are to stop."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection import registered
from masksearch_ray.storage import CountingStorage, LatencyStorage, open_storage
from tests.session.held import smooth

_names = itertools.count()
COUNT = "SELECT mask_id FROM masks WHERE CP(mask, box(3, 5, 60, 61), (0.33, 0.77)) > 700"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "maps" / f"{n:03}.npy" for n in range(64)]
    paths[0].parent.mkdir()
    for path, mask in zip(paths, smooth(len(paths), 96, 96), strict=True):
        np.save(path, mask)
    return paths


@pytest.fixture
def col(files: list[Path]) -> Iterator[ms.Collection]:
    with ms.create(f"memory://in-place-{next(_names)}", runtime="local") as made:
        made.register(files[0].parent)
        yield made


def matching(files: list[Path]) -> list[int]:
    found = []
    for mask_id, path in enumerate(files):
        values = np.load(path)[5:61, 3:60] / 255.0
        found += [mask_id] if ((values >= 0.33) & (values < 0.77)).sum() > 700 else []
    return found


def test_bytes_read_are_those_of_the_files(col: ms.Collection, files: list[Path]) -> None:
    size = sum(path.stat().st_size for path in files)
    first = col.sql(COUNT)
    assert first.table["mask_id"].to_pylist() == matching(files)
    assert first.stats.bytes_read >= size
    col.close()
    verified = col.sql(COUNT, use_index=False)
    assert verified.table["mask_id"].to_pylist() == matching(files)
    assert verified.stats.rows_verified == len(files)
    rows = len(open_storage(col.url).get(next(iter(open_storage(col.url).list("segments/"))).key))
    assert verified.stats.bytes_read == size + rows
    assert sum(s.bytes_read for s in verified.stats.shards.values()) == size + rows


def test_the_explanation_tells_the_bytes(col: ms.Collection, files: list[Path]) -> None:
    col.sql(COUNT).table  # noqa: B018
    col.close()
    lines = col.explain(f"EXPLAIN ANALYZE {COUNT}").splitlines()
    (told,) = (line for line in lines if line.strip().startswith("bytes read:"))
    doubtful = col.sql(COUNT).stats.rows_verified
    assert doubtful > 0
    assert int(told.split(":")[1].replace(",", "")) > doubtful * files[0].stat().st_size


def test_a_mask_of_which_more_tiles_are_wanted_is_read_once(col: ms.Collection) -> None:
    col.sql(COUNT, use_index=False).table  # noqa: B018
    again = col.sql(COUNT, use_index=False).stats
    assert again.tiles_read > 0
    assert again.bytes_read == 0


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> CountingStorage:
    """Let every file take 40 ms, and all of them some 0.3 s; tells what was read."""
    counting = CountingStorage(open_storage("/"))

    def open_slowly(url: str, options: Any = None) -> LatencyStorage:
        counting.inner = open_storage(url, options)
        return LatencyStorage(counting, 0.02)

    monkeypatch.setattr(registered, "open_storage", open_slowly)
    return counting


def files_read(storage: CountingStorage) -> int:
    return storage.calls["info"]


def parts(col: ms.Collection) -> list[str]:
    return [one.key for one in open_storage(col.url).list("indexes/")]


def test_indexing_ends_with_the_time_of_the_query(
    col: ms.Collection, files: list[Path], slow: CountingStorage
) -> None:
    with pytest.raises(ms.QueryTimeoutError):
        col.sql(COUNT, timeout=0.1).table  # noqa: B018
    assert files_read(slow) < len(files)
    assert parts(col) == []
    assert col.sql(COUNT).table["mask_id"].to_pylist() == matching(files)
    assert len(parts(col)) == 1


def test_indexing_ends_when_the_query_is_cancelled(
    col: ms.Collection, files: list[Path], slow: CountingStorage
) -> None:
    result = col.sql(COUNT)
    threading.Timer(0.1, result.cancel).start()
    with pytest.raises(ms.QueryCancelledError):
        result.table  # noqa: B018
    assert files_read(slow) < len(files)
    assert parts(col) == []


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("first", [0.1, None])
def test_who_waits_for_the_index_goes_on(
    col: ms.Collection, files: list[Path], first: float | None
) -> None:
    """One has no time and another has, whichever of the two began to index."""
    failed: list[BaseException] = []

    def hurried(timeout: float | None) -> None:
        try:
            col.sql(COUNT, timeout=timeout).table  # noqa: B018
        except ms.QueryTimeoutError as error:
            failed.append(error)

    col.sql("SELECT COUNT(*) FROM masks").table  # noqa: B018
    thread = threading.Thread(target=hurried, args=(first,))
    thread.start()
    time.sleep(0.02)
    if first is None:
        with pytest.raises(ms.QueryTimeoutError):
            col.sql(COUNT, timeout=0.05).table  # noqa: B018
        assert thread.is_alive()
    else:
        assert col.sql(COUNT).table["mask_id"].to_pylist() == matching(files)
    thread.join()
    assert len(failed) == (first is not None)
    assert len(parts(col)) == 1


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "masksearch_ray"


@pytest.fixture
def closed(tmp_path: Path, files: list[Path]) -> Path:
    """Folder of a collection in which no index can be kept."""
    url = tmp_path / "held"
    with ms.create(url) as col:
        col.register(str(files[0].parent))
    (url / "indexes").write_bytes(b"in the way")
    return url


def kept(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_an_index_that_cannot_be_kept_there_is_in_the_cache(
    closed: Path, cache: Path, files: list[Path]
) -> None:
    size = sum(path.stat().st_size for path in files)
    for first in (True, False):
        with ms.open(closed) as col:
            result = col.sql(COUNT)
            assert result.table["mask_id"].to_pylist() == matching(files)
            assert result.stats.index_cached == 1
            assert (result.stats.bytes_read > size) == first
            assert "index kept in the cache" in col.explain(f"EXPLAIN ANALYZE {COUNT}")
            assert len(kept(cache)) == 1


def test_a_copy_has_a_cache_of_its_own(closed: Path, cache: Path, files: list[Path]) -> None:
    with ms.open(closed) as col:
        col.sql(COUNT).table  # noqa: B018
    with ms.open(shutil.copytree(closed, closed.with_name("copy"))) as copy:
        assert copy.sql(COUNT).table["mask_id"].to_pylist() == matching(files)
    assert len(kept(cache)) == 2


def test_a_damaged_cache_is_made_anew(closed: Path, cache: Path, files: list[Path]) -> None:
    for data in (b"nothing of an index", b""):
        for path in kept(cache):
            path.write_bytes(data)
        with ms.open(closed) as col:
            assert col.sql(COUNT).table["mask_id"].to_pylist() == matching(files)
    (path,) = kept(cache)
    assert path.stat().st_size > 1000


def test_the_cache_is_for_what_cannot_be_written(
    col: ms.Collection, cache: Path, files: list[Path]
) -> None:
    result = col.sql(COUNT)
    assert result.table["mask_id"].to_pylist() == matching(files)
    assert result.stats.index_cached == 0
    assert "cache" not in col.explain(f"EXPLAIN ANALYZE {COUNT}")
    assert not cache.exists()


def test_no_cache_either_is_no_harm(closed: Path, cache: Path, files: list[Path]) -> None:
    cache.parent.write_bytes(b"in the way, too")
    with ms.open(closed) as col:
        for _ in range(2):
            assert col.sql(COUNT).table["mask_id"].to_pylist() == matching(files)
