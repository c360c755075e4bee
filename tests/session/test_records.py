"""Every query leaves one record, however it ends."""

from __future__ import annotations

import gc
import json
import logging
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.versions import read_manifest
from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.local import LocalPool, LocalRuntime
from masksearch_ray.runtime.types import CollectionSource
from masksearch_ray.storage import Fault, FaultyStorage, RetryingStorage, open_storage
from tests.session.held import smooth

N = 40
MASKS = smooth(N, 40, 44)
TERM = "CP(mask, box(1, 1, 33, 33), (0.31, 0.77))"
FILTER = f"SELECT mask_id FROM masks WHERE {TERM} > :n AND half = 1"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = str(tmp_path_factory.mktemp("records") / "masks")
    col = ms.create(url)
    for part in np.array_split(np.arange(N), 4):
        col.append(MASKS[part], {"half": part % 2})
    return url


@pytest.fixture
def records() -> list[QueryRecord]:
    return []


@pytest.fixture
def col(url: str, records: list[QueryRecord]) -> Iterator[ms.Collection]:
    """Opened anew, so that nothing is in memory yet."""
    with ms.open(url, LocalRuntime(2), on_query=records.append) as col:
        yield col


@pytest.mark.smoke
def test_what_a_query_did(col: ms.Collection, records: list[QueryRecord], url: str) -> None:
    result = col.sql(FILTER, n=100)
    assert result.record is None and not records
    stats = result.stats
    (record,) = records
    assert record is result.record is stats.record
    assert (record.collection, record.version, record.runtime) == (url, 5, "local")
    assert (record.kind, record.outcome, record.text) == ("rows", "ok", FILTER)
    assert (record.shards, record.workers, record.nodes) == (2, 2, 1)
    assert (record.rows_total, record.rows_selected) == (N, N // 2)
    assert record.rows_decided + record.rows_verified == record.rows_selected
    assert 0 < record.tiles_read == stats.tiles_read
    assert record.bytes_read == stats.bytes_read == sum(s.bytes_read for s in stats.shards.values())
    assert record.storage_requests >= 4
    assert record.storage_retries == record.worker_restarts == record.bytes_from_cache == 0
    assert record.round_trips == 1
    assert record.seconds == stats.seconds > 0
    began = datetime.fromisoformat(record.started)
    assert began.tzinfo == UTC and 0 <= (datetime.now(UTC) - began).total_seconds() < 120


def test_a_second_run_reads_less_and_is_another_query(
    col: ms.Collection, records: list[QueryRecord]
) -> None:
    for _ in range(2):
        col.sql(FILTER, n=100).table  # noqa: B018
    first, second = records
    assert second.bytes_read < first.bytes_read
    assert second.storage_requests < first.storage_requests
    assert first.query_id != second.query_id


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"SELECT mask_id FROM masks ORDER BY {TERM} DESC LIMIT 3", "top-k"),
        (f"SELECT half, SUM({TERM}) AS s FROM masks GROUP BY half", "groups"),
        ("EXPLAIN ANALYZE SELECT mask_id FROM masks", "rows"),
    ],
)
def test_kinds(col: ms.Collection, records: list[QueryRecord], text: str, kind: str) -> None:
    col.sql(text).table  # noqa: B018
    assert [(r.kind, r.outcome, r.text) for r in records] == [(kind, "ok", text)]


def test_bounds_and_plans(col: ms.Collection, records: list[QueryRecord]) -> None:
    col.explain(FILTER, n=100)
    assert records == []
    col.count_bounds(FILTER, n=100)
    assert [(r.kind, r.outcome, r.tiles_read) for r in records] == [("bounds", "ok", 0)]


def test_explain_analyze_tells_of_requests_and_tries(url: str, tmp_path: Path) -> None:
    shutil.copytree(url, tmp_path / "masks")
    text = f"EXPLAIN ANALYZE {FILTER}"

    class Failing(LocalRuntime):
        def pool(self, source: CollectionSource) -> LocalPool:
            faults = FaultyStorage(open_storage(source.url), [Fault("get_ranges", 10, 3)])
            storage = RetryingStorage(faults, base=0.001)
            reader = CollectionReader(storage, read_manifest(storage, source.version))
            return LocalPool(reader, [list(range(4))])

    records: list[QueryRecord] = []
    with ms.open(str(tmp_path / "masks"), Failing(), on_query=records.append) as col:
        told = col.explain(text, n=100)
    (record,) = records
    assert (record.outcome, record.storage_retries) == ("ok", 3)
    assert f"requests to storage: {record.storage_requests}, 3 of them tried again" in told


# ------------------------------------------------------------------ failures


def test_a_query_that_is_refused(col: ms.Collection, records: list[QueryRecord]) -> None:
    with pytest.raises(ms.QueryError):
        col.sql("SELECT nothing FROM masks")
    assert [(r.kind, r.outcome) for r in records] == [("refused", "QueryError")]


def test_a_query_that_takes_too_long(col: ms.Collection, records: list[QueryRecord]) -> None:
    result = col.sql(FILTER, n=100, timeout=0)
    for _ in range(2):
        with pytest.raises(ms.QueryTimeoutError):
            result.table  # noqa: B018
    assert [r.outcome for r in records] == ["timed out"]
    assert result.record == records[0]


def test_a_query_that_is_cancelled(col: ms.Collection, records: list[QueryRecord]) -> None:
    result = col.sql(FILTER, n=100)
    result.cancel()
    with pytest.raises(ms.QueryCancelledError):
        list(result)
    assert [r.outcome for r in records] == ["cancelled"]


def test_a_query_whose_reader_leaves(col: ms.Collection, records: list[QueryRecord]) -> None:
    result = col.sql(FILTER, n=100)
    next(iter(result))
    assert records == []
    del result
    gc.collect()
    soon = time.monotonic() + 20
    while not records and time.monotonic() < soon:
        time.sleep(0.01)
    assert [r.outcome for r in records] == ["cancelled"]


def test_an_answer_that_does_not_fit(col: ms.Collection, records: list[QueryRecord]) -> None:
    text = "SELECT SUM(mask_id + 9000000000000000000) AS s FROM masks"
    with pytest.raises(ms.MaskSearchError):
        col.sql(text).table  # noqa: B018
    assert len(records) == 1 and records[0].outcome not in ("ok", "cancelled", "timed out")


def test_a_collection_that_is_damaged(url: str, records: list[QueryRecord], tmp_path: Path) -> None:
    copy = tmp_path / "masks"
    col = ms.create(str(copy))
    col.append(MASKS, {"half": [1] * N})
    for file in copy.rglob("tiles.bin"):
        file.write_bytes(b"\0" * file.stat().st_size)
    with ms.open(str(copy), on_query=records.append) as col, pytest.raises(ms.DamagedError):
        col.sql(FILTER, n=100).table  # noqa: B018
    assert [r.outcome for r in records] == ["DamagedError"]


def test_a_sink_that_fails_costs_no_answer(url: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(record: QueryRecord) -> None:
        raise OSError("no space left")

    with ms.open(url, on_query=broken) as col:
        assert len(col.sql("SELECT mask_id FROM masks")) == N
    assert "was lost" in caplog.text


# ------------------------------------------------------------------ as JSON


def test_a_record_is_json(col: ms.Collection) -> None:
    stats = col.sql(FILTER, n=100).stats
    told = json.loads(json.dumps(stats.to_dict()))
    assert told == stats.to_dict()
    assert QueryRecord(**told) == stats.record


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_values_of_parameters_are_logged_at_debug_only(
    col: ms.Collection, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    with caplog.at_level(level, "masksearch_ray.query"):
        col.sql(FILTER, n=123.456).table  # noqa: B018
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert [json.loads(line)["text"] for line in told] == [FILTER]
    assert ("123.456" in caplog.text) == (level == "DEBUG")


def test_changes_are_logged(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    first = ms.create(str(tmp_path / "maps"))
    second = ms.open(str(tmp_path / "maps"))
    with caplog.at_level("INFO", "masksearch_ray"):
        second.append(MASKS[:1])
        first.append(MASKS[:1])
        with ms.open(str(tmp_path / "maps")) as third:
            third.ingest(MASKS[:3])
    told = [r.getMessage() for r in caplog.records if r.name == "masksearch_ray.collection"]
    for version in (2, 3, 4):
        assert f"version {version} of {tmp_path}/maps committed" in told
    assert any(line.endswith("of 3 masks written") for line in told)
