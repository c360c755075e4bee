"""Ray's own endpoint for Prometheus shows what queries did."""

from __future__ import annotations

import re
import time
import urllib.request
from collections import Counter
from collections.abc import Callable

import pytest
import ray

import masksearch_ray as ms
from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.ray import RayRuntime
from tests.conformance.runtime import COUNT

SOME = f"SELECT mask_id FROM masks WHERE {COUNT} > 22"
LONGEST = 90.0  # seconds; Ray reports every 10
SAMPLE = re.compile(r"^ray_(masksearch_\w+)\{(.*)\} (\S+)$", re.MULTILINE)
# What Ray puts on every sample, and what histograms have.
OURS = re.compile(r'\b(outcome|kind|from)="([^"]*)"')


def scrape() -> Counter[tuple[str, ...]]:
    """Our samples, added up over processes: name and values of our own labels."""
    node, *_ = ray.nodes()  # type: ignore[no-untyped-call]
    url = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    found: Counter[tuple[str, ...]] = Counter()
    for name, labels, value in SAMPLE.findall(text):
        if not name.endswith("_bucket"):
            found[name, *(label for _, label in sorted(OURS.findall(labels)))] += float(value)  # type: ignore[assignment]
    return found


def scraped(holds: Callable[[Counter[tuple[str, ...]]], bool]) -> Counter[tuple[str, ...]]:
    """Scrape until something holds, or it has taken too long."""
    end = time.monotonic() + LONGEST
    found = scrape()
    while not holds(found) and time.monotonic() < end:
        time.sleep(0.5)
        found = scrape()
    return found


@pytest.mark.timeout(300)
def test_prometheus_finds_what_queries_did(ray_instance: None, url: str) -> None:
    records: list[QueryRecord] = []
    runtime = RayRuntime(workers=2)
    try:
        with ms.open(url, runtime, on_query=records.append) as col:
            col.sql("SELECT COUNT(*) FROM masks").table  # noqa: B018
            before = scraped(lambda found: found["masksearch_queries_total", "groups", "ok"] > 0)
            for _ in range(3):
                col.sql(SOME, use_index=False).table  # noqa: B018
            with pytest.raises(ms.QueryTimeoutError):
                col.sql(SOME, timeout=0).table  # noqa: B018
            timed_out = "masksearch_queries_total", "rows", "timed out"
            wanted = before[timed_out] + 1
            after = scraped(lambda found: found[timed_out] == wanted)
    finally:
        runtime.close()
    grown = {name: value - before[name] for name, value in after.items()}
    asked = records[1:]
    assert grown["masksearch_queries_total", "rows", "ok"] == 3
    assert grown[timed_out] == 1
    assert grown["masksearch_query_seconds_count", "rows"] == 4
    assert grown["masksearch_query_seconds_sum", "rows"] > 0
    for name, field in (
        ("masksearch_rows_verified_total", "rows_verified"),
        ("masksearch_tiles_read_total", "tiles_read"),
        ("masksearch_storage_requests_total", "storage_requests"),
    ):
        told = sum(getattr(record, field) for record in asked)
        assert grown[name,] == told > 0
    read = sum(record.bytes_read for record in asked)
    assert grown["masksearch_bytes_read_total", "storage"] == read > 0
    assert after["masksearch_shards",] >= 2
    assert after["masksearch_memory_bytes",] > 0
