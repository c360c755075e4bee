"""Results: whole, in batches, stopped half-way; and their statistics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import masksearch_ray as ms
from masksearch_ray.execute.partials import Partial, RowsFound
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.local import LocalPool, LocalRuntime
from masksearch_ray.runtime.tasks import LocalTasks
from masksearch_ray.runtime.types import CollectionSource, ShardTask
from tests.session.held import smooth

N = 60
MASKS = smooth(N, 40, 44)
VALUES = MASKS / 255
INSIDE = ((VALUES >= 0.31) & (VALUES < 0.77))[:, 1:33, 1:33].sum(axis=(1, 2))
TERM = "CP(mask, box(1, 1, 33, 33), (0.31, 0.77))"
FILTER = f"SELECT mask_id, {TERM} AS n FROM masks WHERE {TERM} > 100"
BOTH = "CP(intersect(mask), box(1, 1, 33, 33), (0.31, 0.77))"


@pytest.fixture(scope="module")
def url() -> str:
    col = ms.create("memory://results")
    for part in np.array_split(np.arange(N), 3):
        boxes = pa.array([[3, 3, 20, 20]] * len(part), pa.list_(pa.int32(), 4))
        rows = {"image_id": part // 2 % 7, "half": part // (N // 2), "b": boxes}
        col.append(MASKS[part], {name: rows[name] for name in rows})
    return "memory://results"


@pytest.fixture
def col(url: str) -> ms.Collection:
    """Opened anew, so that nothing is in memory yet."""
    return ms.open(url, LocalRuntime(3))


class PausingPool:
    """A pool that waits for leave before it hands out each part of an answer."""

    def __init__(self, inner: LocalPool, leave: threading.Semaphore) -> None:
        self.inner, self.leave = inner, leave
        self.shards, self.images_apart = inner.shards, inner.images_apart
        self.given = 0

    def send(
        self, tasks: Mapping[int, ShardTask], control: QueryControl
    ) -> Iterator[tuple[int, Partial]]:
        for shard, partial in self.inner.send(tasks, control):
            if isinstance(partial, RowsFound):
                assert self.leave.acquire(timeout=30)
                self.given += 1
            yield shard, partial

    def raise_threshold(self, query_id: str, threshold: object, shards: object) -> None:
        pass

    def forget(self, query_id: str) -> None:
        self.inner.forget(query_id)

    def close(self) -> None:
        self.inner.close()


class PausingRuntime:
    """A local runtime of which the test decides how far a query comes."""

    name = "pausing"

    def __init__(self) -> None:
        self.leave = threading.Semaphore(0)
        self.pools: list[PausingPool] = []

    def pool(self, source: CollectionSource) -> PausingPool:
        self.pools.append(PausingPool(LocalRuntime(3).pool(source), self.leave))
        return self.pools[-1]

    def record(self, record: object) -> None:
        pass

    def tasks(self) -> LocalTasks:
        return LocalTasks()

    def close(self) -> None:
        pass


# ------------------------------------------------------------------ whole


def test_nothing_runs_before_it_is_asked_for(url: str) -> None:
    runtime = PausingRuntime()
    result = ms.open(url, runtime).sql(FILTER)
    assert "not complete" in repr(result)
    assert runtime.pools[0].given == 0


def test_the_forms_of_an_answer(col: ms.Collection) -> None:
    result = col.sql(FILTER)
    expected = np.flatnonzero(INSIDE > 100)
    assert 10 < len(expected) < N
    assert result.table.to_pydict() == {
        "mask_id": expected.tolist(),
        "n": INSIDE[expected].tolist(),
    }
    assert result.table is result.table
    assert len(result) == len(expected)
    assert f"{len(expected)} rows" in repr(result)
    assert result.to_pylist()[0] == {"mask_id": expected[0], "n": INSIDE[expected[0]]}
    frame = result.to_pandas()
    assert frame["n"].tolist() == INSIDE[expected].tolist()
    assert sum(batch.num_rows for batch in result) == len(expected)


# ------------------------------------------------------------------ in batches


def test_the_first_batch_comes_before_the_last_is_decided(url: str) -> None:
    runtime = PausingRuntime()
    result = ms.open(url, runtime).sql(FILTER)
    runtime.leave.release()
    batches = iter(result)
    first = next(batches)
    (pool,) = runtime.pools
    assert pool.given == 1 and first.num_rows > 0
    assert "not complete" in repr(result)
    for _ in range(100):
        runtime.leave.release()
    found = pa.concat_tables([first, *batches])
    assert pool.given > 1
    assert sorted(found["mask_id"].to_pylist()) == np.flatnonzero(INSIDE > 100).tolist()
    assert result.table["mask_id"].to_pylist() == np.flatnonzero(INSIDE > 100).tolist()


def test_batches_and_then_the_table(col: ms.Collection) -> None:
    result = col.sql(FILTER)
    first = next(iter(result))
    assert result.table.num_rows > first.num_rows
    assert result.table["mask_id"].to_pylist() == np.flatnonzero(INSIDE > 100).tolist()
    assert [batch.num_rows for batch in result] == [result.table.num_rows]


def test_iterating_twice_gives_all_rows_twice(col: ms.Collection) -> None:
    result = col.sql(FILTER)
    next(iter(result))
    for _ in range(2):
        found = pa.concat_tables(list(result))
        assert sorted(found["mask_id"].to_pylist()) == np.flatnonzero(INSIDE > 100).tolist()


@pytest.mark.parametrize("tail", ["ORDER BY n DESC", "LIMIT 7", "LIMIT 5 OFFSET 3", "OFFSET 9"])
def test_what_has_an_order_comes_whole(col: ms.Collection, tail: str) -> None:
    (batch,) = col.sql(f"{FILTER} {tail}")
    assert batch.equals(col.sql(f"{FILTER} {tail}").table)


def test_no_rows_are_one_empty_batch(col: ms.Collection) -> None:
    (batch,) = col.sql(f"SELECT mask_id, {TERM} AS n FROM masks WHERE {TERM} > 5000")
    assert batch.num_rows == 0
    assert batch.schema.types == [pa.int64(), pa.int64()]


# ------------------------------------------------------------------ stopped


@pytest.mark.parametrize("timeout", [0, 1e-9])
@pytest.mark.parametrize("text", [FILTER, f"{FILTER} LIMIT 3", f"SELECT {BOTH} FROM masks"])
def test_no_time_at_all(col: ms.Collection, timeout: float, text: str) -> None:
    result = col.sql(text, timeout=timeout)
    for _ in range(3):  # an answer cut short never passes for a whole one
        with pytest.raises(ms.QueryTimeoutError):
            result.table  # noqa: B018
        with pytest.raises(ms.QueryTimeoutError):
            list(result)
        with pytest.raises(ms.QueryTimeoutError):
            len(result)
    assert len(col.sql(text, timeout=60)) > 0


def test_time_that_passes_while_a_query_runs(url: str) -> None:
    runtime = PausingRuntime()
    result = ms.open(url, runtime).sql(FILTER, timeout=0.2)
    runtime.leave.release()
    batches = iter(result)
    next(batches)
    time.sleep(0.25)
    runtime.leave.release()
    with pytest.raises(ms.QueryTimeoutError, match=r"0\.2 s"):
        next(batches)
    with pytest.raises(ms.QueryTimeoutError):
        result.table  # noqa: B018


def test_cancelled_by_another_thread(url: str) -> None:
    runtime = PausingRuntime()
    result = ms.open(url, runtime).sql(FILTER)
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            result.table  # noqa: B018
        except ms.MaskSearchError as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    runtime.leave.release()
    while not runtime.pools or runtime.pools[0].given < 1:
        time.sleep(0.001)
    result.cancel()
    runtime.leave.release()
    thread.join(10)
    assert not thread.is_alive()
    assert [type(error) for error in caught] == [ms.QueryCancelledError]
    with pytest.raises(ms.QueryCancelledError):
        result.table  # noqa: B018


def test_cancelled_between_batches(col: ms.Collection) -> None:
    result = col.sql(FILTER)
    batches = iter(result)
    next(batches)
    result.cancel()
    with pytest.raises(ms.QueryCancelledError):
        list(batches)
    with pytest.raises(ms.QueryCancelledError):
        result.stats  # noqa: B018


def test_cancelled_when_it_is_there(col: ms.Collection) -> None:
    result = col.sql(FILTER)
    rows = result.table.num_rows
    result.cancel()
    assert result.table.num_rows == rows == len(result)


def test_an_error_of_storage_is_given_again(tmp_path: Path) -> None:
    col = ms.create(tmp_path / "masks", rois=())
    col.append(MASKS[:8])
    col.append(MASKS[8:16])
    (first, *_) = sorted((tmp_path / "masks").rglob("tiles.bin"))
    first.unlink()
    result = col.sql(FILTER)
    for _ in range(2):
        with pytest.raises(ms.StorageError) as caught:
            result.table  # noqa: B018
        assert caught.value.object.endswith("tiles.bin")


# ------------------------------------------------------------------ statistics


def test_statistics_of_a_filter(col: ms.Collection) -> None:
    stats = col.sql(f"{FILTER} AND half = 1").stats
    assert stats.rows_total == N
    assert stats.rows_selected == N // 2
    assert 0 < stats.rows_verified < stats.rows_selected
    assert stats.rows_decided_by_index == stats.rows_selected - stats.rows_verified
    assert stats.rows_verified <= stats.tiles_read < stats.tiles_total
    assert stats.seconds > 0
    assert set(stats.stages) == {"decide", "read metadata", "read index", "read tiles"}
    assert sorted(stats.shards) == [0, 1, 2]
    for name in ("rows_total", "rows_selected", "rows_verified", "tiles_read", "bytes_read"):
        assert sum(getattr(shard, name) for shard in stats.shards.values()) == getattr(stats, name)


def test_without_the_index_every_row_is_verified(col: ms.Collection) -> None:
    stats = col.sql(FILTER, use_index=False).stats
    assert stats.rows_verified == N and stats.rows_decided_by_index == 0


def test_a_second_query_reads_no_columns_again(col: ms.Collection) -> None:
    text = f"SELECT COUNT(*) AS n FROM masks WHERE {TERM} > 100"
    first, second = col.sql(text).stats, col.sql(text).stats
    assert second.tiles_read == first.tiles_read
    assert second.bytes_read < first.bytes_read


@pytest.mark.parametrize("use_index", [True, False])
@pytest.mark.parametrize("where", ["", f"WHERE {TERM} > 100"])
def test_groups_across_shards_are_counted_once(
    col: ms.Collection, where: str, use_index: bool
) -> None:
    text = f"SELECT image_id, {BOTH} AS n FROM masks {where} GROUP BY image_id"
    stats = col.sql(text, use_index=use_index).stats
    assert stats.rows_total == stats.rows_selected == N
    assert 0 <= stats.rows_verified <= N and stats.rows_decided_by_index >= 0
    if not use_index:
        assert stats.rows_verified == N
    held = col._open_reader()
    read = sum(segment.counter.totals.bytes for segment in held.segments())
    assert stats.bytes_read == read


def test_bytes_of_queries_that_run_at_once_are_kept_apart(url: str) -> None:
    alone = ms.open(url, LocalRuntime(3)).sql(FILTER).stats.bytes_read
    col = ms.open(url, LocalRuntime(3))
    every = [col.sql(FILTER) for _ in range(4)]
    threads = [threading.Thread(target=lambda r=r: r.table) for r in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = sum(segment.counter.totals.bytes for segment in col._open_reader().segments())
    assert sum(result.stats.bytes_read for result in every) == read
    assert max(result.stats.bytes_read for result in every) <= alone


TRIPS = [
    ("SELECT mask_id FROM masks", 2),
    (FILTER, 2),
    (f"{FILTER} ORDER BY n", 2),
    (f"SELECT AVG({TERM}) AS a FROM masks", 2),
    (f"SELECT image_id, SUM({TERM}) AS s FROM masks GROUP BY image_id HAVING s > 900", 2),
    (f"{FILTER} LIMIT 5", 3),
    (f"SELECT mask_id FROM masks ORDER BY {TERM} DESC LIMIT 5", 3),
    (f"SELECT image_id, MAX({TERM}) AS s FROM masks GROUP BY image_id ORDER BY s LIMIT 2", 3),
    (f"SELECT image_id, {BOTH} AS n FROM masks GROUP BY image_id HAVING n > 9", 2),
    (f"SELECT image_id, {BOTH} AS n FROM masks GROUP BY image_id ORDER BY n DESC LIMIT 3", 3),
    (f"SELECT {BOTH} AS n FROM masks", 2),
]


@pytest.mark.parametrize(("text", "most"), TRIPS)
def test_round_trips(col: ms.Collection, text: str, most: int) -> None:
    assert 1 <= col.sql(text).stats.round_trips <= most
